"""Numbers of the unknowns: degrees of freedom at places that are equal modulo the lattice are one unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from cellsolve.cells import UnitCell, fold_copies, periodic_classes
from cellsolve.cells.edges import number_distinct
from cellsolve.fem.lagrange import SIMPLICES, mesh_basis, reference, simplex_corners
from cellsolve.fem.space import FloatArray

__all__ = [
    "Numbering",
    "element_parts",
    "number_distinct",
    "number_unknowns",
    "pair_keys",
    "pieces_of",
    "reference_edges",
]

IntArray = npt.NDArray[np.int64]

_PART = 1 << 18  # numbers


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """``element_dofs`` (m, local): the unknowns of each element; ``nodes`` (n, d): where they are."""

    element_dofs: IntArray
    nodes: FloatArray


def pieces_of(element_dofs: IntArray, n: int) -> IntArray | None:
    """The piece (n,) that each of n unknowns belongs to; None for one piece. Each has a constant of its own."""
    dofs = element_dofs.astype(np.int32)
    first = np.repeat(dofs[:, 0], dofs.shape[1] - 1)
    links = sp.coo_array((np.ones(first.size), (first, dofs[:, 1:].ravel())), shape=(n, n))
    count, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64) if count > 1 else None


def number_unknowns(cell: UnitCell, order: int) -> Numbering:
    """Unknowns of Lagrange elements of an order; on simplices of orders 1 and 2 corners come first."""
    if cell.shape not in SIMPLICES or order > 2 or cell.middles is not None:
        return _from_places(cell, order)
    labels = periodic_classes(cell.points, cell.period, cell.match_tol)
    corners = simplex_corners(cell)
    first = Numbering(labels[corners], _placed(labels, cell.points))
    if order == 1:
        return first
    number, low, high = _edges(cell, corners)
    middles = 0.5 * (cell.points[low] + cell.points[high])
    copied = (np.bincount(labels) > 1)[labels]
    folded = _folded(cell, middles, copied[low] & copied[high])
    nodes = np.concatenate([first.nodes, _placed(folded, middles)])
    return Numbering(np.hstack([first.element_dofs, len(first.nodes) + folded[number]]), nodes)


def _from_places(cell: UnitCell, order: int) -> Numbering:
    """From scikit-fem's degrees of freedom and their places, whatever the element."""
    basis = mesh_basis(cell, order)
    places = np.ascontiguousarray(basis.doflocs.T)
    labels = periodic_classes(places, cell.period, cell.match_tol)
    return Numbering(labels[basis.element_dofs.T], _placed(labels, places))


def _edges(cell: UnitCell, corners: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Numbers (m, edges) of the edges of the mesh, and their ends (k,), (k,)."""
    keys = pair_keys(corners, reference_edges(cell.shape), len(cell.points))
    number, place = number_distinct(keys)
    low, high = np.divmod(keys[place], len(cell.points))
    return number.reshape(len(corners), -1), low, high


def _folded(cell: UnitCell, places: FloatArray, suspected: npt.NDArray[np.bool_]) -> IntArray:
    """Labels (k,) of places on the torus, where only those that are suspected can have copies.

    Of edges that is so where both ends have copies.
    """
    seam = np.flatnonzero(suspected)
    return fold_copies(len(places), seam, places[seam], cell.period, cell.match_tol)[0]


def reference_edges(shape: str) -> IntArray:
    """Corners (edges, 2) of a simplex, in the order of the second-order element's middle nodes."""
    nodes = reference(shape, 2).nodes
    dim = nodes.shape[1]
    corners, middles = nodes[: dim + 1], nodes[dim + 1 :]
    a, b = np.triu_indices(dim + 1, 1)
    gaps = np.abs(0.5 * (corners[a] + corners[b]) - middles[:, None]).max(axis=-1)
    nearest = gaps.argmin(axis=1)
    return np.stack([a[nearest], b[nearest]], axis=1)


def pair_keys(numbers: IntArray, pairs: IntArray, n: int) -> IntArray:
    """low n + high of pairs (p, 2) of columns, row by row: numbers (m, local) below n -> (m p,)."""
    keys = np.empty((len(numbers), len(pairs)), dtype=np.int64)
    for part in element_parts(len(keys), 4 * len(pairs)):
        first, second = numbers[part][:, pairs[:, 0]], numbers[part][:, pairs[:, 1]]
        keys[part] = np.minimum(first, second)
        keys[part] *= n
        keys[part] += np.maximum(first, second)
    return keys.ravel()


def element_parts(count: int, width: int) -> Iterator[slice]:
    """Ranges of ``count`` elements that need ``width`` numbers each: what is computed of them stays in the cache."""
    size = max(1, _PART // width)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _placed(labels: IntArray, places: FloatArray) -> FloatArray:
    """The place of (the last copy of) each label."""
    nodes = np.empty((int(labels.max()) + 1, places.shape[1]))
    nodes[labels] = places
    return nodes
