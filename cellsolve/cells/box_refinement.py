"""Quads and hexahedra into 2^d: nodes are added at the middles of edges, faces and elements.

The children are the images of the parts of the reference box under the parent's multilinear map, warped faces too.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from cellsolve.cells.edges import number_distinct, number_pairs
from cellsolve.cells.shapes import Ints
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["refined_boxes"]

_SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
_CORNERS = {"quad": np.array(_SQUARE), "hexahedron": np.array([(*xy, z) for z in (0, 1) for xy in _SQUARE])}


def refined_boxes(cell: UnitCell) -> UnitCell:
    """The cell with every quad or hexahedron divided into 2^d; regions, period and ``match_tol`` stay."""
    corners = _CORNERS[cell.shape]
    places = np.array(list(product(range(3), repeat=cell.dim)))
    nodes, points = np.empty((len(cell.elements), len(places)), dtype=np.int64), cell.points
    between = ((places[:, None] == 1) | (places[:, None] == 2 * corners)).all(axis=2)  # (places, corners)
    for size in np.unique(between.sum(axis=1)):
        groups = np.flatnonzero(between.sum(axis=1) == size)
        held = cell.elements[:, np.array([np.flatnonzero(between[group]) for group in groups])]
        if size == 1:
            nodes[:, groups] = held[:, :, 0]
            continue
        number, first = _number_sets(held.reshape(-1, size), len(cell.points))
        nodes[:, groups] = len(points) + number.reshape(-1, len(groups))
        points = np.vstack([points, cell.points[held.reshape(-1, size)[first]].mean(axis=1)])
    weights = 3 ** np.arange(cell.dim)[::-1]
    children = np.stack([(part + corners) @ weights for part in corners])  # (children, corners)
    elements = nodes[:, children].reshape(-1, len(corners))
    return replace(cell, points=points, elements=elements, tags=np.repeat(cell.tags, len(children)))


def _number_sets(sets: Ints, n: int) -> tuple[Ints, Ints]:
    """Numbers (s,) of sets (s, k) of nodes below n, and where each is found once: edges by two, faces by three of their
    least nodes, whole elements each for itself."""
    if sets.shape[1] == 8:
        return np.arange(len(sets)), np.arange(len(sets))
    ordered = np.sort(sets, axis=1)
    number, first = number_pairs(ordered[:, 0], ordered[:, 1], n)
    return (number, first) if sets.shape[1] == 2 else number_distinct(number * n + ordered[:, 2])
