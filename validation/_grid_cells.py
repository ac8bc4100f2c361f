"""Cells of a grid of boxes, whole or cut into simplices, with regions by centres; any lattice, any dimension."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cellsolve.cells import UnitCell, refined

__all__ = ["PORE", "Regions", "graded", "grid_cell", "wavy"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Regions = Callable[[FloatArray], IntArray]
PORE = -1
_SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
_BOXES = {"quad": np.array(_SQUARE), "hexahedron": np.array([(*c, z) for z in (0, 1) for c in _SQUARE])}
_DIMENSIONS = {"line": 1, "triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}


def grid_cell(shape: str, n: int, regions: Regions | None = None, period: ArrayLike | None = None) -> UnitCell:
    """n boxes a side, or the d! simplices of each (Kuhn); ``regions``: of centres (m, d), in fractions of the period,
    to the numbers (m,) of regions "0", "1" .. or PORE."""
    dim = _DIMENSIONS[shape]
    starts = np.array(list(product(range(n), repeat=dim)))
    corners = np.concatenate([starts[:, None] + part for part in _parts(shape, dim)])
    tags = np.zeros(len(corners), dtype=np.int64) if regions is None else regions(corners.mean(axis=1) / n)
    nodes = corners[tags != PORE] @ (n + 1) ** np.arange(dim)
    rows = np.eye(dim) if period is None else np.asarray(period, dtype=float)
    places = np.array(list(product(range(n + 1), repeat=dim)))[:, ::-1] / n
    names = tuple(str(i) for i in range(int(tags.max()) + 1))
    return UnitCell(f"{shape} {n}", places @ rows, nodes, shape, tags[tags != PORE], names, rows)  # type: ignore[arg-type]


def _parts(shape: str, dim: int) -> list[IntArray]:
    """Corners (k, d) of the elements of one box."""
    if shape in _BOXES:
        return [_BOXES[shape]]
    steps = np.eye(dim, dtype=np.int64)
    origin = np.zeros((1, dim), dtype=np.int64)
    return [np.vstack([origin, np.cumsum(steps[list(order)], axis=0)]) for order in permutations(range(dim))]


def wavy(cell: UnitCell, amplitude: float = 0.1) -> UnitCell:
    """The same cell with its nodes moved by a smooth periodic field: sides, and regions, bend with them."""
    inverse = np.linalg.inv(cell.period)
    places = cell.points @ inverse
    waves = np.sin(2.0 * np.pi * np.roll(places, 1, axis=1) + 0.3)
    if cell.dim == 1:
        waves = np.sin(2.0 * np.pi * places)
    return replace(cell, points=cell.points + amplitude * waves @ cell.period / (2.0 * np.pi))


def graded(cell: UnitCell, corners: ArrayLike, rounds: int) -> UnitCell:
    """Simplices halved in turn, those that touch one of the ``corners`` (c, d) on the torus, given in fractions."""
    for _ in range(rounds):
        places = cell.points @ np.linalg.inv(cell.period)
        apart = places[:, None] - np.asarray(corners, dtype=float)
        near = (np.abs(apart - np.round(apart)) < 1e-9).all(axis=2).any(axis=1)
        cell = refined(cell, near[cell.elements].any(axis=1))
    return cell
