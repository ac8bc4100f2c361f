"""Iterations against contrast: discs and balls, preconditioners, orders, sizes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from _grid_cells import grid_cell, wavy

import cellsolve as cs
from cellsolve.cells import UnitCell, refined
from cellsolve.errors import ConvergenceError
from cellsolve.linalg.solver import Method
from cellsolve.validation import Claim

__all__ = ["HEAD", "inclusion", "iteration_claims", "iteration_rows"]

MESHES = Path(__file__).resolve().parents[1] / "meshes"  # not beside an installed package
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
    """(cell, times refined, order, method): bent grids made here and, in a repository, its mesh files."""
    disc, ball = "square_inclusion.msh", "cube_sphere.msh"
    plane, space = ["triangle 32", "triangle 96"][: 1 + effort], ["tetra 8", "tetra 16"][: 1 + effort]
    if MESHES.is_dir():
        plane, space = [disc, *plane], [ball, *space]
    else:
        print(f"composites: the mesh files are not installed ({MESHES}); grids stand for them.", file=sys.stderr)
    methods: tuple[Method, ...] = ("direct", "amg")
    for order, method in product((1, 2), methods):
        yield from ((cell, times, order, method) for cell in plane for times in range(1 + effort * (cell == disc)))
    for order in (1, 2):
        yield from ((cell, times, order, "amg") for cell in space for times in range(1 + effort * (cell == ball)))


@cache
def _cell(name: str, times: int) -> UnitCell:
    if times:
        return refined(_cell(name, times - 1))
    if name.endswith(".msh"):
        return cs.read_cell(MESHES / name)
    shape, n = name.split()
    return inclusion(shape, int(n))


def inclusion(shape: str, n: int) -> UnitCell:
    """A bent grid, a quarter or an eighth of it in the middle a region "inclusion" in the "matrix"."""
    cell = wavy(grid_cell(shape, n, lambda y: (np.abs(y - 0.5) < 0.25).all(axis=1).astype(np.int64)))
    return replace(cell, region_names=("matrix", "inclusion"))


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
