"""The registry of the paper's formulas is true: what it names exists, holds, and fails when the formula is broken."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cellsolve.validation import cases
from cellsolve.validation.formulas import FORMULAS, Formula

TESTS = Path(__file__).resolve().parent


def script(name: str) -> ModuleType:
    sys.path.insert(0, str(TESTS.parent / "validation"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


formulas, broken = script("formulas"), script("broken_formulas")
CASES = cases(effort=0)
BROKEN = [pytest.param(b, id=f"{b.formula}: {b.words}".replace(" ", "_")) for b in broken.BREAKAGES]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.key)
def test_code_exists(formula: Formula) -> None:
    for place in formula.code:
        module, name = place.split(":")
        thing = importlib.import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
        assert callable(thing)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.key)
def test_tests_exist(formula: Formula) -> None:
    for place in formula.tests:
        file, name = place.split("::")
        tree = ast.parse((TESTS / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.key)
def test_cases_exist(formula: Formula) -> None:
    """That they have claims of the names given is seen where they run, in test_validation."""
    assert {case for case, _ in formula.all_claims} <= set(CASES)


@pytest.mark.parametrize("name", sorted(formulas.CHECKS))
def test_formulas_hold(name: str) -> None:
    assert [claim for claim in formulas.CHECKS[name]() if not claim.passed] == []


def test_every_formula_is_checked_and_broken() -> None:
    names = [formula.name for formula in FORMULAS]
    assert len(set(names)) == len(names)
    assert set(names) == set(formulas.CHECKS) == {breakage.formula for breakage in broken.BREAKAGES}


@pytest.mark.parametrize("breakage", BROKEN)
def test_broken_formulas_are_seen(breakage) -> None:
    assert broken.unseen(breakage) <= broken.SEEN


def test_a_breakage_that_changes_nothing_is_unseen() -> None:
    harmless = broken.Breakage("cell problem", "nothing", broken.CellSolver, "solve", lambda right: right)
    assert broken.unseen(harmless) == 1.0


def test_mistakes_in_a_breakage_do_not_count_as_seen() -> None:
    def mistaken(*_: object) -> None:
        raise TypeError("of the breakage itself")

    with pytest.raises(TypeError):
        broken.unseen(broken.Breakage("cell problem", "", broken.CellSolver, "solve", lambda _: mistaken))
