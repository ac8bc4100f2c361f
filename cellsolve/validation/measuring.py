"""One case measured: its claims and pictures, or in which words it broke down."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from cellsolve.linalg.threads import one_thread
from cellsolve.plots import Plot, available, svg
from cellsolve.validation.case_files import load_case
from cellsolve.validation.claims import Claim

__all__ = ["Outcome", "Picture", "Task", "died", "measure"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """A script, and how thoroughly it is to be run (0: coarse, 1: full)."""

    name: str
    path: Path
    effort: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure: SVG text."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case found. A case that breaks down has a claim that fails, named after what it said."""

    name: str
    text: str  # what the case is about
    claims: tuple[Claim, ...]
    pictures: tuple[Picture, ...] = ()
    said: str = ""  # remarks on the way, such as what was left out
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if not claim.passed)


def measure(task: Task) -> Outcome:
    """Run a case on one thread of its process. Raises nothing: an error becomes a claim that fails."""
    start, said = time.perf_counter(), io.StringIO()
    with one_thread(), redirect_stderr(said), redirect_stdout(said):
        module, broken = _attempt("it", lambda: load_case(task.path))
        claims, failed = _attempt("it", lambda: list[Claim](module.run(task.effort))) if module else ([], [])
        pictures, unseen = _attempt("its plots", lambda: _pictures(module, task.effort)) if module else ([], [])
    text = (getdoc(module) or "") if module else ""
    found = (*(claims or ()), *broken, *failed, *unseen)
    seconds = time.perf_counter() - start
    return Outcome(task.name, text, found, tuple(pictures or ()), said.getvalue().strip(), seconds)


def died(task: Task, words: str) -> Outcome:
    """The outcome of a case whose process is gone."""
    return Outcome(task.name, "", (_breakdown(words),))


def _attempt(what: str, work: Callable[[], T]) -> tuple[T | None, list[Claim]]:
    """The result, or the failed claim in its place."""
    try:
        return work(), []
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a case raises, the others go on)
        said = " ".join(str(error).split())
        return None, [_breakdown(f"{what} raised {type(error).__name__}{': ' * bool(said)}{said}")]


def _breakdown(words: str) -> Claim:
    return Claim(f"the case runs to its end ({words})", math.nan, 0.0)


def _pictures(module: ModuleType, effort: int) -> list[Picture]:
    """None where the case has no plots, or matplotlib is missing."""
    plots: list[Plot] = module.plots(effort) if hasattr(module, "plots") and available() else []
    return [Picture(plot.title, plot.caption, svg(plot)) for plot in plots]
