"""Refinement of the mesh of a torus: simplices by bisection, quads and hexahedra into 2^d.

Edges are marked on the torus, so that opposite sides are divided alike and the closure passes through them: an
element, or a face, with a marked edge has its longest edge marked too. Each simplex is then bisected at its marked
edges, longest first by one order of all edges of the torus; the halves keep what is left of the marks, and new edges
have none. A face that two elements share is divided by the order of its own edges, whatever the rest of the elements:
the mesh stays conforming in any dimension (Rivara 1984; all edges marked: the 4T and 8T partitions of Plaza and Carey
2000).

An element that is marked has only its longest edge halved. Measured towards corners down to h = 3e-4: all edges marked
needs 1.1 to 2.4 times the triangles and 3 to 8 times the tetrahedra, and these are flatter (radius ratio of random
markings on the skewed cube 0.05 against 0.11). Without the rule for faces it falls to 0.03 where it was 0.17.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from cellsolve.cells.box_refinement import refined_boxes
from cellsolve.cells.curved import reference_corners
from cellsolve.cells.curved_refinement import child_middles
from cellsolve.cells.edges import SIMPLEX_EDGES, TorusEdges, midpoints, torus_edges
from cellsolve.cells.lattices import longest_vector
from cellsolve.cells.shapes import Ints
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError

__all__ = ["refined"]

_TIE = 1e-8
"""Lengths that differ relatively by less are alike: of such edges the numbers decide."""
_SMALLEST = 8.0
"""Edges shorter than this many times the tolerance of matching are not made: copies could not be told apart."""

_FACES: dict[str, list[list[int]]] = {
    "line": [[0]],
    "triangle": [[0, 1, 2]],
    "tetra": [[0, 1, 2], [0, 3, 4], [1, 4, 5], [2, 3, 5], [0, 1, 2, 3, 4, 5]],
}
"""Local edges of the faces, and of the whole element last."""

Bools = NDArray[np.bool_]


def refined(cell: UnitCell, marked: NDArray[np.bool_] | None = None) -> UnitCell:
    """The cell with every element divided into 2^d, or with the elements ``marked`` (m,) halved and what follows.

    A marked simplex is halved at its longest edge, d times for half the size; its neighbours follow until the mesh is
    conforming on the torus. Regions, period and ``match_tol`` stay; volumes add up, and functions on the old mesh are
    functions on the new one.
    Raises MeshError for marks of another shape, for quads and hexahedra where not all are to be divided, and where
    edges would become as short as the tolerance of matching.
    """
    if marked is not None:
        marked = _checked_marks(cell, marked)
    if marked is not None and not marked.any():
        return cell
    if cell.shape not in SIMPLEX_EDGES:
        return refined_boxes(cell)
    edges = torus_edges(cell)
    key = _order(cell, edges)
    chosen = _marked_edges(cell, edges, key, marked)
    return _bisected(cell, edges, key, chosen)


def _checked_marks(cell: UnitCell, marked: Bools) -> Bools:
    marks = np.asarray(marked)
    if marks.shape != (len(cell.elements),) or marks.dtype != np.bool_:
        raise MeshError(
            f"{cell.name}: got marks of shape {marks.shape} and type {marks.dtype}, needed bool "
            f"({len(cell.elements)},). Give True for every element that is to be divided."
        )
    if cell.shape not in SIMPLEX_EDGES and marks.any() and not marks.all():
        raise MeshError(
            f"{cell.name}: got marks on {int(marks.sum())} of {len(marks)} elements ({cell.shape}), needed all: a part "
            "of them cannot be divided without hanging nodes. Divide the cell into simplices first, or refine all."
        )
    return marks


def _order(cell: UnitCell, edges: TorusEdges) -> Ints:
    """A number for each edge of the torus (t,), all different: the longer the edge, the greater."""
    a, b = cell.points[edges.ends[edges.leader]].swapaxes(0, 1)
    length = np.linalg.norm(a - b, axis=1)
    step = np.round(np.log(length / length.min()) / _TIE).astype(np.int64)
    return np.asarray(step * len(step) + np.arange(len(step)), dtype=np.int64)


def _marked_edges(cell: UnitCell, edges: TorusEdges, key: Ints, marked: Bools | None) -> Bools:
    """Edges of the torus (t,) to be halved: the longest ones of the marked elements, and what can be reached from them
    along arcs from each edge of an element, and of each of its faces, to the longest one there."""
    count = len(key)
    if marked is None:
        return np.ones(count, dtype=np.bool_)
    rows, columns = [], []
    for local in _FACES[cell.shape]:
        own = edges.of_elements[:, local]
        longest = own[np.arange(len(own)), key[own].argmax(axis=1)]
        rows.append(own.ravel())
        columns.append(np.repeat(longest, own.shape[1]))
    begun = np.unique(longest[marked])  # of whole elements, which come last
    row, column = np.concatenate([*rows, np.full(len(begun), count)]), np.concatenate([*columns, begun])
    arcs = sp.csr_array((np.ones(len(row), dtype=np.float32), (row, column)), shape=(count + 1, count + 1))
    chosen = np.zeros(count + 1, dtype=np.bool_)
    chosen[breadth_first_order(arcs, count, return_predecessors=False)] = True
    return chosen[:count]


@dataclass(frozen=True, slots=True, eq=False)
class _Children:
    """``parent`` (c,) of each child, in ascending order; ``local`` (c, d+1): its corners, as numbers among the corners
    of the parent and, after these, the middles of its edges."""

    parent: Ints
    local: Ints


def _bisected(cell: UnitCell, edges: TorusEdges, key: Ints, chosen: Bools) -> UnitCell:
    """The cell with the chosen edges of the torus (t,) halved."""
    halved = chosen[edges.folded]
    _refuse_tiny(cell, edges.ends[halved])
    children = _children(cell.shape, _patterns(np.where(chosen, key, -1)[edges.of_elements]))
    tags = cell.tags[children.parent]
    if cell.middles is not None:
        nodes = np.hstack([cell.elements, cell.middles])
        elements = nodes[children.parent[:, None], children.local]
        corners = reference_corners(cell.shape)
        places = np.vstack([corners, corners[SIMPLEX_EDGES[cell.shape]].mean(axis=1)])
        middles, points = child_middles(cell, elements, children.parent, children.local, places)
        return replace(cell, points=points, elements=elements, tags=tags, middles=middles)
    new = len(cell.points) - 1 + np.cumsum(halved)
    nodes = np.hstack([cell.elements, new[edges.number]])
    points = np.vstack([cell.points, midpoints(cell.points, edges.ends[halved])])
    elements = nodes[children.parent[:, None], children.local]
    return replace(cell, points=points, elements=elements, tags=tags)


def _refuse_tiny(cell: UnitCell, ends: Ints) -> None:
    """Halves of the edges with ends (k, 2) must be longer than the tolerance of matching."""
    length = np.linalg.norm(np.subtract(*cell.points[ends].swapaxes(0, 1)), axis=1)
    least = _SMALLEST * cell.match_tol * longest_vector(cell.period)
    if len(ends) and length.min() < 2.0 * least:
        raise MeshError(
            f"{cell.name}: got an edge of length {length.min():.1e} to halve, needed {2.0 * least:.1e} or more, with "
            f"match_tol = {cell.match_tol:.0e}. Lower match_tol, or refine less."
        )


def _patterns(keys: Ints) -> Ints:
    """Codes (m,) of the order in which edges are halved, from their keys (m, edges), -1 where they are not.

    Digits to the base edges + 1, the first one the last digit: one more than the local edge, zero after the last one.
    """
    count = keys.shape[1]
    order = np.argsort(-keys, axis=1)
    digits = np.where(np.take_along_axis(keys, order, axis=1) >= 0, order + 1, 0)
    return np.asarray(digits @ (count + 1) ** np.arange(count), dtype=np.int64)


def _children(shape: str, patterns: Ints) -> _Children:
    """The children of elements with the given codes (m,)."""
    seen = np.flatnonzero(np.bincount(patterns))
    parts = [_halves(shape, int(code)) for code in seen]
    table = np.full((len(seen), max(len(part) for part in parts), parts[0].shape[1]), -1)
    for row, part in zip(table, parts, strict=True):
        row[: len(part)] = part
    which = np.searchsorted(seen, patterns)
    counts = np.array([len(part) for part in parts])[which]
    parent = np.repeat(np.arange(len(patterns)), counts)
    place = np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _Children(parent, table[which[parent], place])


@cache
def _halves(shape: str, code: int) -> Ints:
    """The children (c, d+1) of one pattern."""
    pairs = SIMPLEX_EDGES[shape]
    order = []
    while code:
        code, digit = divmod(code, len(pairs) + 1)
        order.append(digit - 1)
    return np.array(_divided(tuple(range(pairs.max() + 1)), tuple(order), pairs))


def _divided(simplex: tuple[int, ...], order: tuple[int, ...], pairs: Ints) -> list[tuple[int, ...]]:
    """A simplex bisected at the first of the edges that it has, and its halves at those after it."""
    for rank, edge in enumerate(order):
        a, b = pairs[edge]
        if a in simplex and b in simplex:
            middle, rest = int(pairs.max()) + 1 + edge, order[rank + 1 :]
            halves = (tuple(middle if corner == gone else corner for corner in simplex) for gone in (b, a))
            return [child for half in halves for child in _divided(half, rest, pairs)]
    return [simplex]
