"""Facets of a mesh on the torus: opposite facets of a cell are one, and a facet of one element only is a wall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellsolve.cells import UnitCell, fold_copies, number_sets
from cellsolve.fem.space import FloatArray

__all__ = ["number_facets", "other_sides", "walls"]

IntArray = npt.NDArray[np.int64]


def number_facets(cell: UnitCell, corners: IntArray, facets: IntArray) -> IntArray:
    """Numbers (m, f) of the facets of elements: ``corners`` (m, k), ``facets`` (f, j) local corners of each."""
    nodes = corners[:, facets].reshape(-1, facets.shape[1])
    numbers, place = number_sets(nodes, len(cell.points))
    outside = np.flatnonzero(np.bincount(numbers) == 1)
    centres: FloatArray = cell.points[nodes[place[outside]]].mean(axis=1)
    folded = fold_copies(len(place), outside, centres, cell.period, cell.match_tol)[0]
    return folded[numbers].reshape(len(corners), -1)


def other_sides(numbers: IntArray) -> IntArray:
    """The other side (m, f) of each facet, by its place in the ``numbers`` (m, f) as they are ravelled; of walls, and
    where more than two sides meet, its own."""
    flat, own = numbers.ravel(), np.arange(numbers.size)
    one, last = (np.empty(int(flat.max()) + 1, dtype=np.int64) for _ in range(2))
    last[flat] = own
    one[flat[::-1]] = own[::-1]
    pair = (one + last)[flat] - own
    return np.where(np.bincount(flat)[flat] == 2, pair, own).reshape(numbers.shape)


def walls(numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Elements (w,) and local numbers (w,) of the facets (m, f) that belong to one element only."""
    alone = np.bincount(numbers.ravel())[numbers] == 1
    elements, local = np.nonzero(alone)
    return elements.astype(np.int64), local.astype(np.int64)
