"""Facets of a mesh on the torus: opposite facets of a cell are one, and a facet of one element only is a wall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cellsolve.cells import UnitCell, periodic_classes
from cellsolve.fem.numbering import number_distinct
from cellsolve.fem.space import FloatArray

__all__ = ["number_facets", "other_sides", "walls"]

IntArray = npt.NDArray[np.int64]


def number_facets(cell: UnitCell, corners: IntArray, facets: IntArray) -> IntArray:
    """Numbers (m, f) of the facets of elements: ``corners`` (m, k), ``facets`` (f, j) local corners of each."""
    nodes = np.sort(corners[:, facets].reshape(-1, facets.shape[1]), axis=1)
    numbers, place = _number_rows(nodes, len(cell.points))
    outside = np.flatnonzero(np.bincount(numbers) == 1)
    if not len(outside):
        return numbers.reshape(len(corners), -1)
    centres: FloatArray = cell.points[nodes[place[outside]]].mean(axis=1)
    classes = periodic_classes(centres, cell.period, cell.match_tol)
    folded = np.arange(len(place))
    folded[outside] = outside[np.unique(classes, return_index=True)[1]][classes]
    return (np.cumsum(folded == np.arange(len(place))) - 1)[folded][numbers].reshape(len(corners), -1)


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


def _number_rows(nodes: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Numbers of equal rows (r, j) of numbers below n, and the place of one row of each."""
    numbers, place = nodes[:, 0], np.arange(len(nodes))
    for column in nodes.T[1:]:
        numbers, place = number_distinct(numbers * n + column)
    return numbers, place
