"""Lattices: x + sum_i n_i p_i, n integer, is one point of the torus. The rows p_i of a period are its
vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from cellsolve.cells.shapes import Floats, Ints
from cellsolve.errors import MeshError

__all__ = ["as_period", "close_pairs", "fold_copies", "group_on_torus", "longest_vector", "periodic_classes"]


def as_period(name: str, period: ArrayLike, dim: int) -> Floats:
    """A checked copy (d, d) of period vectors, one a row; in one dimension a number does."""
    try:
        rows = np.array(period, dtype=float)
    except (TypeError, ValueError) as error:
        raise MeshError(f"{name}: the period is not a table of numbers ({error}). Give {dim} row(s).") from None
    rows = rows.reshape(1, 1) if dim == 1 and rows.size == 1 else rows
    if rows.shape != (dim, dim):
        raise MeshError(
            f"{name}: got a period of shape {rows.shape}, needed ({dim}, {dim}). Give one period vector a row."
        )
    if not np.isfinite(rows).all():
        raise MeshError(f"{name}: the period {rows.tolist()} has values that are not finite. Give finite vectors.")
    if abs(np.linalg.det(rows)) <= 1e-10 * np.linalg.norm(rows, axis=1).prod():
        raise MeshError(f"{name}: the period vectors {rows.tolist()} are dependent. Give {dim} independent ones.")
    return rows


def longest_vector(period: Floats) -> float:
    """max_i |p_i|: the length that relative tolerances refer to."""
    return float(np.linalg.norm(period, axis=1).max())


def periodic_classes(points: Floats, period: Floats, tolerance: float) -> Ints:
    """Labels (n,), equal for points equal modulo the lattice: x_i - x_j = sum_a n_a p_a, n_a integer.

    ``points`` (n, d), ``period`` (d, d) rows, ``tolerance`` relative to the longest period vector. Labels run
    from 0 to m - 1 in the order of first appearance. Holds for skewed lattices and for round-off of either
    sign.
    """
    return group_on_torus(points, period, tolerance * longest_vector(period))


def group_on_torus(points: Floats, period: Floats, tolerance: float) -> Ints:
    """As ``periodic_classes``, with the tolerance as a length."""
    if not len(points):
        return np.zeros(0, dtype=np.int64)
    fractions = (points - points[:1]) @ np.linalg.inv(period)
    fractions -= np.floor(fractions)
    fractions[fractions >= 1.0] = 0.0
    pairs = _pairs_on_torus(fractions, period, tolerance)
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def fold_copies(count: int, seam: Ints, places: Floats, period: Floats, tolerance: float) -> tuple[Ints, Ints]:
    """Numbers (count,) on the torus of things, of which those of ``seam`` (s,), at ``places`` (s, d), may be copies of
    each other, and one thing (t,) for each number; in the order of first appearance."""
    first = np.arange(count)
    if len(seam):
        classes = periodic_classes(places, period, tolerance)
        first[seam] = seam[np.unique(classes, return_index=True)[1]][classes]
    leader = np.flatnonzero(first == np.arange(count))
    number = np.empty(count, dtype=np.int64)
    number[leader] = np.arange(len(leader))
    return number[first], leader


def close_pairs(points: Floats, tolerance: float) -> Ints:
    """Pairs (q, 2), i < j, of points (n, d) with |x_i - x_j| <= tolerance, a length."""
    size = max(float(np.abs(points).max(initial=0.0)), np.finfo(float).tiny)  # squares of distances must not overflow
    return np.asarray(KDTree(points / size).query_pairs(tolerance / size, output_type="ndarray"), dtype=np.int64)


def _pairs_on_torus(fractions: Floats, period: Floats, tolerance: float) -> Ints:
    """Pairs (q, 2) with |(f_i - f_j - n) P| <= tolerance, n integer; ``fractions`` (n, d) in [0, 1)."""
    reach = tolerance * float(np.linalg.norm(np.linalg.inv(period), axis=0).max())
    tree = KDTree(fractions, boxsize=np.ones(fractions.shape[1]))
    pairs = tree.query_pairs(min(reach, 0.49), p=np.inf, output_type="ndarray")
    step = fractions[pairs[:, 0]] - fractions[pairs[:, 1]]
    near = np.linalg.norm((step - np.round(step)) @ period, axis=1) <= tolerance
    return np.asarray(pairs[near], dtype=np.int64)
