"""Quads and hexahedra into 2^d: nodes are added at the middles of edges, faces and elements.

The children are the images of the parts of the reference box under the parent's map, warped and curved ones too.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from cellsolve.cells.curved import CURVED, reference_corners
from cellsolve.cells.curved_refinement import child_middles
from cellsolve.cells.edges import number_sets
from cellsolve.cells.shapes import Floats, Ints
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["refined_boxes"]


def refined_boxes(cell: UnitCell) -> UnitCell:
    """The cell with every quad or hexahedron divided into 2^d; regions, period and ``match_tol`` stay."""
    corners = reference_corners(cell.shape)
    places = np.array(list(product((-1.0, 0.0, 1.0), repeat=cell.dim)))
    nodes, points = _nodes(cell, places)
    weights = 3 ** np.arange(cell.dim)[::-1]
    # Child c has the corner c of the parent, and its own corner k half way to the parent's.
    children = ((1.0 + 0.5 * (corners[:, None] + corners)) @ weights).astype(np.int64)  # (children, corners)
    elements = nodes[:, children].reshape(-1, len(corners))
    parent, local = np.repeat(np.arange(len(nodes)), len(children)), np.tile(children, (len(nodes), 1))
    if cell.middles is None:
        return replace(cell, points=points, elements=elements, tags=cell.tags[parent])
    middles, points = child_middles(cell, elements, parent, local, places)
    return replace(cell, points=points, elements=elements, tags=cell.tags[parent], middles=middles)


def _nodes(cell: UnitCell, places: Floats) -> tuple[Ints, Floats]:
    """Nodes (m, 3^d) at places of the reference element, and the points (n, d) they refer to."""
    corners, points = reference_corners(cell.shape), cell.points
    nodes = np.empty((len(cell.elements), len(places)), dtype=np.int64)
    between = ((places[:, None] == 0.0) | (places[:, None] == corners)).all(axis=2)  # (places, corners)
    for column, row in enumerate(between):
        if row.sum() == 1:
            nodes[:, column] = cell.elements[:, row.argmax()]
    if cell.middles is not None:
        for middle, own in zip(cell.middles.T, CURVED[cell.shape].owners, strict=True):
            nodes[:, np.flatnonzero((places == corners[own].mean(axis=0)).all(axis=1))[0]] = middle
        return nodes, points
    for size in (2, 4, 8)[: cell.dim]:
        groups = np.flatnonzero(between.sum(axis=1) == size)
        sets = cell.elements[:, np.array([np.flatnonzero(between[group]) for group in groups])].reshape(-1, size)
        number, first = number_sets(sets, len(cell.points))
        nodes[:, groups] = len(points) + number.reshape(-1, len(groups))
        points = np.vstack([points, cell.points[sets[first]].mean(axis=1)])
    return nodes, points
