"""Children of curved elements: their nodes lie where the parent's own map x(xi) of second degree puts them.

An affine part of a map of second degree is one of second degree: the children fill the parent exactly.
"""

from __future__ import annotations

import numpy as np

from cellsolve.cells.curved import CURVED, shape_functions
from cellsolve.cells.edges import number_sets
from cellsolve.cells.shapes import Floats, Ints
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["child_middles"]

_PART = 1 << 16


def child_middles(cell: UnitCell, elements: Ints, parent: Ints, local: Ints, places: Floats) -> tuple[Ints, Floats]:
    """The middles (c, k) of children with corners ``elements`` (c, corners), and the cell's points with theirs (n', d).

    ``parent`` (c,) of each child; ``local`` (c, corners): which of the ``places`` (l, d) of the parent's reference
    element each corner is.
    """
    assert cell.middles is not None
    owners, points = CURVED[cell.shape].owners, cell.points
    nodes = np.hstack([cell.elements, cell.middles])
    middles = np.empty((len(elements), len(owners)), dtype=np.int64)
    for size in sorted({len(own) for own in owners}):
        columns = [column for column, own in enumerate(owners) if len(own) == size]
        corners = np.array([owners[column] for column in columns])
        number, first = number_sets(elements[:, corners].reshape(-1, size), len(cell.points))
        middles[:, columns] = len(points) + number.reshape(len(elements), -1)
        child, which = np.divmod(first, len(columns))
        at = places[local[child[:, None], corners[which]]].mean(axis=1)
        points = np.vstack([points, _mapped(cell, nodes, parent[child], at)])
    return middles, points


def _mapped(cell: UnitCell, nodes: Ints, parent: Ints, at: Floats) -> Floats:
    """x(xi) (q, d) of elements (q,) at places (q, d) of the reference element."""
    result = np.empty_like(at)
    for start in range(0, len(at), _PART):
        part = slice(start, start + _PART)
        values = shape_functions(cell.shape, at[part])
        result[part] = np.einsum("qk,qkd->qd", values, cell.points[nodes[parent[part]]])
    return result
