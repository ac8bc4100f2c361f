"""Iterations against contrast: discs and balls, preconditioners, orders, sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cellsolve as cs
from cellsolve.cells import UnitCell, refined
from cellsolve.errors import ConvergenceError
from cellsolve.linalg.solver import Method
from cellsolve.validation import Claim

__all__ = ["HEAD", "iteration_claims", "iteration_rows"]

MESHES = Path(__file__).resolve().parents[1] / "meshes"
CONTRASTS = (1e-8, 1e-4, 1e-2, 1e2, 1e4, 1e8)
TOL = 1e-8
MOST: dict[str, int] = {"direct": 5, "amg": 30}
HEAD = (
    "| mesh | order | method | unknowns | "
    + " | ".join(f"{c:g}" for c in CONTRASTS)
    + " |\n|---|"
    + "---|" * (3 + len(CONTRASTS))
)


@dataclass(frozen=True, slots=True)
class Series:
    """Iterations of one cell, order and method by contrast; -1 where they did not converge."""

    mesh: str
    order: int
    method: Method
    unknowns: int
    iterations: tuple[int, ...]


def problems(effort: int) -> Iterable[tuple[str, int, int, Method]]:
    """(mesh, times refined, order, method)."""
    disc, ball = "square_inclusion.msh", "cube_sphere.msh"
    methods: tuple[Method, ...] = ("direct", "amg")
    for order in (1, 2):
        for method in methods:
            yield from ((disc, times, order, method) for times in range(1 + effort))
        yield from ((ball, times, order, "amg") for times in range(1 + effort * (2 - order)))


@cache
def _cell(mesh: str, times: int) -> UnitCell:
    return refined(_cell(mesh, times - 1)) if times else cs.read_cell(MESHES / mesh)


def _iterations(cell: UnitCell, contrast: float, order: int, method: Method) -> tuple[int, int]:
    """Iterations, and unknowns."""
    k = {"matrix": 1.0, "inclusion": contrast}
    try:
        report = cs.solve_cell_problem(cell, k, order=order, tol=TOL, preconditioner=method).report
    except ConvergenceError:
        return -1, 0
    return report.iterations, report.n_dofs


@cache
def _series(effort: int) -> tuple[Series, ...]:
    found = []
    for mesh, times, order, method in problems(effort):
        cell = _cell(mesh, times)
        counts, unknowns = zip(*(_iterations(cell, c, order, method) for c in CONTRASTS), strict=True)
        found.append(Series(f"{mesh}, {len(cell.elements)} elements", order, method, max(unknowns), counts))
    return tuple(found)


def iteration_claims(effort: int) -> list[Claim]:
    """The most at any contrast; none that does not converge."""
    claims = []
    for s in _series(effort):
        most = float("nan") if -1 in s.iterations else max(s.iterations)
        label = f"{s.mesh}, order {s.order}, {s.method}: iterations at contrasts 1e-8 .. 1e8"
        claims.append(Claim(label, most, MOST[s.method]))
    return claims


def iteration_rows(effort: int) -> list[str]:
    return [
        f"| {s.mesh} | {s.order} | {s.method} | {s.unknowns} | " + " | ".join(map(str, s.iterations)) + " |"
        for s in _series(effort)
    ]
