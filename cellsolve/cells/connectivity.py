"""Pieces of a mesh on the torus, and the lattice directions in which each percolates.

The node graph is lifted to the covering space: a step along an edge of an element changes the lattice offset by
the gain of the edge, n in Z^d. Sums of gains around closed paths are the windings; a piece that has none is an
island and conducts nothing, one with d independent ones percolates in all directions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.facets import facet_keys, find_boundary
from cellsolve.cells.lattices import group_on_torus
from cellsolve.cells.lifting import Lift, lift_links, link_pieces
from cellsolve.cells.matching import match_facets
from cellsolve.cells.shapes import Floats, Ints
from cellsolve.cells.sides import length_tolerance
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["Piece", "count_weak_joints", "directions", "find_pieces", "spanned_space"]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Elements that are connected through shared nodes, also across the period.

    ``labels`` (m,): the piece of each element, one array shared by all pieces, -1 for none; ``number``: which one
    this is, 0 the largest; ``fraction``: its volume over that of the period; ``windings`` (r, d): integer rows, a
    basis of the lattice vectors n P that lead from the piece to itself along the mesh. r = 0: an island.
    """

    labels: Ints = field(repr=False)
    number: int
    fraction: float
    windings: Ints

    @property
    def elements(self) -> NDArray[np.bool_]:
        """Which elements (m,) are in the piece."""
        return np.asarray(self.labels == self.number)


class _Graph(NamedTuple):
    """Edges from node class ``tail`` to ``head``, whose lattice offset is greater by ``gain`` (e, d)."""

    tail: Ints
    head: Ints
    gain: Ints
    classes: int


def find_pieces(cell: UnitCell, within: NDArray[np.bool_] | None = None) -> tuple[Piece, ...]:
    """The pieces of a cell, largest first; ``within`` (m,): of these elements only, say of a region.

    Linear in the size of the mesh. What touches in one node is connected, as finite elements see it.
    """
    rows = np.arange(len(cell.elements)) if within is None else np.flatnonzero(within)
    if not len(rows):
        return ()
    graph, start = _graph(cell, rows)
    lift = lift_links(*graph)
    parts = int(lift.pieces.max()) + 1
    of_element = lift.pieces[start]
    fractions = np.bincount(of_element, weights=cell.volumes[rows], minlength=parts) / cell.volume
    turns = _bases(lift, graph.tail, parts)
    order = np.argsort(-np.round(fractions / fractions.max(), 12), kind="stable")
    number = np.empty(parts, dtype=np.int64)
    number[order] = np.arange(parts)
    shared = np.full(len(cell.elements), -1, dtype=np.int64)
    shared[rows] = number[of_element]
    shared.setflags(write=False)
    return tuple(Piece(shared, i, float(fractions[part]), turns[part]) for i, part in enumerate(order.tolist()))


def directions(piece: Piece, period: Floats) -> Floats:
    """Orthonormal rows (r, d) of the space in which a piece conducts, spanned by windings P.

    Exactly unit vectors e_i where that space holds axes; the others have their first component positive.
    """
    return spanned_space(piece.windings, period)


def spanned_space(windings: Ints, period: Floats) -> Floats:
    """As ``directions``, of any integer rows (q, d)."""
    spanning = windings @ period
    dim = len(period)
    if not len(spanning):
        return np.zeros((0, dim))
    vectors = np.linalg.svd(spanning, full_matrices=False)[2][: np.linalg.matrix_rank(windings)]
    axes = np.flatnonzero((vectors**2).sum(axis=0) > 1.0 - 1e-12)
    rest = vectors.copy()
    rest[:, axes] = 0.0
    others = np.linalg.svd(rest)[2][: len(vectors) - len(axes)]
    others[np.abs(others) < 1e-14] = 0.0
    first = np.sign(others[np.arange(len(others)), (others != 0.0).argmax(axis=1)])
    return np.vstack([np.eye(dim)[axes], others * first[:, None]])


def count_weak_joints(cell: UnitCell) -> int:
    """How many connections hold by a node (in space, by an edge) only: pieces by facets less pieces by nodes."""
    keys = facet_keys(cell.elements, cell.shape, len(cell.points))
    order = np.argsort(keys)
    same = np.flatnonzero(np.diff(keys[order]) == 0)
    owners = order % len(cell.elements)
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    match = match_facets(cell.points, boundary, cell.period, length_tolerance(cell))
    paired = np.flatnonzero(~match.alone)
    first = np.concatenate([owners[same], boundary.owners[paired]])
    second = np.concatenate([owners[same + 1], boundary.owners[match.partner[paired]]])
    by_facets = link_pieces(first, second, len(cell.elements))[0]
    graph, _ = _graph(cell, np.arange(len(cell.elements)))
    return by_facets - link_pieces(graph.tail, graph.head, graph.classes)[0]


def _graph(cell: UnitCell, rows: Ints) -> tuple[_Graph, Ints]:
    """Edges from the first corner of each element to its others, once each; and the class of that corner."""
    labels, offsets = _folded_nodes(cell)
    used, numbers = np.unique(labels[cell.elements[rows]], return_inverse=True)
    numbers = numbers.reshape(len(rows), -1)
    tail = np.repeat(numbers[:, 0], numbers.shape[1] - 1)
    head = numbers[:, 1:].ravel()
    at = offsets[cell.elements[rows]]
    gain = (at[:, 1:] - at[:, :1]).reshape(-1, cell.dim)
    return _Graph(tail, head, gain, len(used)), np.asarray(numbers[:, 0])


def _folded_nodes(cell: UnitCell) -> tuple[Ints, Ints]:
    """Classes (n,) of the nodes on the torus and offsets (n, d): x_i = x_first + offset_i P, as integers."""
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    seam = np.unique(boundary.nodes)
    classes = group_on_torus(cell.points[seam], cell.period, length_tolerance(cell))
    _, first = np.unique(classes, return_index=True)
    leaders = seam[first[classes]]
    labels, offsets = np.arange(len(cell.points)), np.zeros((len(cell.points), cell.dim), dtype=np.int64)
    labels[seam] = leaders
    steps = (cell.points[seam] - cell.points[leaders]) @ np.linalg.inv(cell.period)
    offsets[seam] = np.rint(steps).astype(np.int64)
    return labels, offsets


def _bases(lift: Lift, tail: Ints, parts: int) -> list[Ints]:
    """Bases (r, d) of the windings of each piece."""
    closed = lift.windings.any(axis=1)
    found = np.unique(np.column_stack([lift.pieces[tail[closed]], lift.windings[closed]]), axis=0)
    bases = [np.zeros((0, lift.windings.shape[1]), dtype=np.int64)] * parts
    for part in np.unique(found[:, 0]).tolist():
        bases[part] = _integer_basis(found[found[:, 0] == part, 1:])
    return bases


def _integer_basis(rows: Ints) -> Ints:
    """Hermite normal form (r, d) of the lattice spanned by integer rows, by Euclid's algorithm."""
    left = rows.copy()
    basis: list[Ints] = []
    for column in range(rows.shape[1]):
        while (left[:, column] != 0).sum() > 1:
            entries = np.abs(left[:, column])
            pivot = np.where(entries > 0, entries, np.iinfo(np.int64).max).argmin()
            steps = left[:, column] // left[pivot, column]
            steps[pivot] = 0
            left = left - steps[:, None] * left[pivot]
        held = left[:, column] != 0
        if held.any():
            row = left[held][0] * np.sign(left[held][0][column])
            basis = [other - (other[column] // row[column]) * row for other in basis] + [row]
            left = left[~held]
    return np.array(basis, dtype=np.int64).reshape(-1, rows.shape[1])
