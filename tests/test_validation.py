"""Every validation script runs, coarse, and its claims hold; wrong brackets would be seen."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import cellsolve as cs
from cellsolve.cellproblem.bounds import Bracket
from cellsolve.cells import check_periodicity
from cellsolve.errors import ConvergenceError
from cellsolve.validation import Claim, cases
from cellsolve.validation.formulas import FORMULAS

CASES = cases(effort=0)
SHAPES = {"line": 1, "triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}


def script(name: str) -> ModuleType:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "validation"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


grids, random_cells, iterations = (script(name) for name in ("_grid_cells", "_random_cells", "_iterations"))
brackets, checkerboard, composites = (script(name) for name in ("brackets", "checkerboard", "composites"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_claims_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    claims = CASES[name]()
    said = capsys.readouterr().err
    if not claims and "gmsh is" in said:
        pytest.skip(said)
    assert claims
    assert [claim for claim in claims if not claim.passed] == []
    for formula in FORMULAS:
        for start in [start for case, start in formula.all_claims if case == name]:
            assert any(claim.name.startswith(start) for claim in claims), (formula.key, start)


def test_a_claim_fails_when_the_bound_is_missed() -> None:
    assert Claim("small enough", 1.0, 1.0).passed
    assert not Claim("too large", 1.1, 1.0).passed
    assert not Claim("not a number", float("nan"), 1.0).passed


@pytest.mark.parametrize(("end", "factor"), [("lower", 1 + 1e-6), ("upper", 1 - 1e-6)])
def test_bounds_wrong_by_a_millionth_are_seen(end: str, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = getattr(Bracket, end).fget
    monkeypatch.setattr(Bracket, end, property(lambda self: factor * honest(self)))
    monkeypatch.setattr(Bracket, "inverted", False)  # which would refuse them at once
    claims = composites.laminate_claims(("triangle", "tetra"), (1e2,)) + brackets.gap_orders(0)[0]
    claims += brackets.random_claims(25) + checkerboard.contrast_claims(2, (2,))
    failed = " ".join(claim.name for claim in claims if not claim.passed)
    for claim in (
        "laminate of triangles, scalars",
        "rotated laminate of tetras, tensors",
        "triangles of order 4: value beyond the bracket",
        "pairs of bounds that miss",
        "sqrt",
    ):
        assert claim in failed


def test_claims_about_holes_fail_where_bounds_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Bracket.lower.fget
    monkeypatch.setattr(Bracket, "lower", property(lambda self: 1.05 * honest(self)))
    monkeypatch.setattr(Bracket, "inverted", False)
    assert not composites.square_hole_claims(0.02)[0].passed


@pytest.mark.parametrize("shape", SHAPES)
def test_grids_fill_their_cell(shape: str) -> None:
    d = SHAPES[shape]
    period = np.eye(d) + 0.2 * np.arange(d * d).reshape(d, d)
    cell = grids.grid_cell(shape, 3, lambda y: np.where(y[:, 0] < 1 / 3, 1, 0), period)
    assert cell.dim == d
    assert cell.porosity == 0.0
    assert cell.regions == pytest.approx({"0": 2 / 3, "1": 1 / 3})
    check_periodicity(cell)
    assert grids.grid_cell(shape, 3, lambda y: np.where(y[:, 0] < 1 / 3, -1, 0), period).porosity == pytest.approx(
        1 / 3
    )


@pytest.mark.parametrize("shape", ["line", "triangle", "tetra"])
def test_bent_grids_fill_their_cell(shape: str) -> None:
    period = 3.0 * np.eye(SHAPES[shape])
    straight = grids.grid_cell(shape, 4, None, period)
    cell = grids.wavy(straight, 0.3)
    check_periodicity(cell)
    assert cell.volumes.sum() == pytest.approx(straight.volume)
    assert np.ptp(cell.volumes / straight.volumes) > 0.02


def test_graded_cells_are_fine_in_the_corners_alone() -> None:
    cell = grids.graded(checkerboard.board(), checkerboard.CORNERS, 20)
    size = np.sqrt(cell.volumes)
    places = cell.points[cell.elements].mean(axis=1)
    away = np.linalg.norm(2.0 * places - np.round(2.0 * places), axis=1)
    assert size.min() < 3e-3 * size.max()
    assert np.abs(np.corrcoef(np.log(size), np.log(away))[0, 1]) > 0.95
    assert cell.regions == pytest.approx({"0": 0.5, "1": 0.5})


def test_random_problems_are_of_many_kinds_and_the_same_every_time() -> None:
    drawn = [random_cells.random_problem(np.random.default_rng(seed)) for seed in range(60)]
    assert {problem.cell.shape for problem in drawn} == {"triangle", "quad", "tetra", "hexahedron"}
    assert {problem.order for problem in drawn} == {1, 2}
    assert max(problem.contrast for problem in drawn) > 1e6
    assert 0.2 < np.mean([problem.cell.porosity > 0.05 for problem in drawn]) < 0.9
    again = random_cells.random_problem(np.random.default_rng(7))
    np.testing.assert_array_equal(again.cell.elements, drawn[7].cell.elements)
    assert again.label == drawn[7].label


@pytest.mark.parametrize("bend", [0.1, 0.45, 0.46])
def test_cells_that_touch_at_corners_have_no_lower_bound_above_a_finer_upper_one(bend: float) -> None:
    """Two boxes of eight: no flux passes a corner, K_hom is zero. Of tetrahedra the bound was 0.138, and 0.077 the
    upper one two refinements later; where nothing is bent, a singular matrix."""
    boxes = grids.grid_cell("tetra", 2, lambda y: np.where(np.ptp((2.0 * y).astype(int), axis=1) == 0, 0, -1))
    solution = cs.solve_cell_problem(grids.wavy(boxes, bend), 1.0, order=1, bounds=True, tol=1e-6)
    assert solution.lower is not None
    assert np.linalg.eigvalsh(solution.lower)[-1] < 1e-12


def test_the_gap_between_wrong_bounds_is_measured() -> None:
    assert random_cells.gaps(np.eye(2), np.diag([1.0, 4.0])) == 0.0
    assert random_cells.gaps(np.diag([1.0, 4.1]), np.diag([2.0, 4.0])) == pytest.approx(0.1 / 4.0)
    assert random_cells.gaps(np.eye(2), np.zeros((2, 2))) == 1.0


def test_iterations_that_do_not_converge_fail_their_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConvergenceError("no")

    monkeypatch.setattr(iterations.cs, "solve_cell_problem", fail)
    iterations._series.cache_clear()
    claims = iterations.iteration_claims(0)
    iterations._series.cache_clear()
    assert all(math.isnan(claim.measured) and not claim.passed for claim in claims)
