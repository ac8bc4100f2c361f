"""Edges of a mesh of simplices, and which of them are one edge of the torus.

Ends do not tell: on coarse meshes two edges of the torus may join the same two nodes. Middles do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.cells.lattices import fold_copies, periodic_classes
from cellsolve.cells.shapes import Floats, Ints
from cellsolve.cells.unit_cell import UnitCell

__all__ = [
    "SIMPLEX_EDGES",
    "TorusEdges",
    "midpoints",
    "number_distinct",
    "number_edges",
    "number_pairs",
    "number_sets",
    "torus_edges",
]

SIMPLEX_EDGES: dict[str, Ints] = {
    "line": np.array([[0, 1]]),
    "triangle": np.array([[0, 1], [1, 2], [2, 0]]),
    "tetra": np.array([[0, 1], [1, 2], [2, 0], [0, 3], [1, 3], [2, 3]]),
}
"""Corners (edges, 2) of the local edges of simplices, as gmsh and VTK number the middle nodes of order 2."""


@dataclass(frozen=True, slots=True, eq=False)
class TorusEdges:
    """Edges of a mesh and of its torus.

    ``number`` (m, edges): the edge of the mesh that each local edge is; ``ends`` (k, 2): its nodes; ``folded`` (k,):
    the edge of the torus that it is; ``leader`` (t,): one edge of the mesh for each edge of the torus.
    """

    number: Ints
    ends: Ints
    folded: Ints
    leader: Ints

    @property
    def of_elements(self) -> Ints:
        """Edges of the torus (m, edges)."""
        return np.asarray(self.folded[self.number])


def torus_edges(cell: UnitCell) -> TorusEdges:
    """The edges of a cell of simplices."""
    number, ends, _ = number_edges(cell.elements, SIMPLEX_EDGES[cell.shape], len(cell.points))
    labels = periodic_classes(cell.points, cell.period, cell.match_tol)
    copied = (np.bincount(labels) > 1)[labels]
    seam = np.flatnonzero(copied[ends[:, 0]] & copied[ends[:, 1]])
    places = midpoints(cell.points, ends[seam])
    return TorusEdges(number, ends, *fold_copies(len(ends), seam, places, cell.period, cell.match_tol))


def number_edges(elements: Ints, pairs: Ints, n: int) -> tuple[Ints, Ints, Ints]:
    """Numbers (m, p) of the pairs of columns of elements (m, k) with nodes below n, their ends (k, 2), and where in the
    numbers, ravelled, each is found once (k,)."""
    first, second = elements[:, pairs[:, 0]], elements[:, pairs[:, 1]]
    number, place = number_pairs(first.ravel(), second.ravel(), n)
    ends = np.stack([first.ravel()[place], second.ravel()[place]], axis=1)
    return number.reshape(first.shape), ends, place


def number_pairs(first: Ints, second: Ints, n: int) -> tuple[Ints, Ints]:
    """Numbers of pairs of nodes (k,), (k,) below n, either way round, and where each is found once."""
    return number_distinct(np.minimum(first, second) * n + np.maximum(first, second))


def number_sets(sets: Ints, n: int) -> tuple[Ints, Ints]:
    """Numbers (s,) of sets (s, k) of corners below n, and where each is found once: edges by two, faces by three of
    their least nodes, hexahedra each for itself."""
    if sets.shape[1] == 8:
        return np.arange(len(sets)), np.arange(len(sets))
    ordered = np.sort(sets, axis=1)
    number, first = number_pairs(ordered[:, 0], ordered[:, 1], n)
    return (number, first) if sets.shape[1] == 2 else number_distinct(number * n + ordered[:, 2])


def number_distinct(keys: Ints) -> tuple[Ints, Ints]:
    """Numbers of keys (k,) in ascending order, equal ones alike, and where one key of each number is."""
    order = np.argsort(keys)
    work = keys[order]
    fresh = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(work[1:], work[:-1], out=fresh[1:])
    np.cumsum(fresh, out=work)
    work -= 1
    numbers = np.empty_like(work)
    numbers[order] = work
    return numbers, order[fresh]


def midpoints(points: Floats, ends: Ints) -> Floats:
    """Middles (k, d) of the straight lines between the ends (k, 2)."""
    return np.asarray(0.5 * (points[ends[:, 0]] + points[ends[:, 1]]))
