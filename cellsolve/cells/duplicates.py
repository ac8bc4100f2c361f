"""Nodes at the same place: a crack that insulates, if they are meant; a mistake of export, if they are not."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cellsolve.cells.lattices import close_pairs
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["merged_nodes"]


def merged_nodes(points: Floats, tolerance: float) -> Ints:
    """For each point (n,) the first of those that coincide with it: |x_i - x_j| <= tolerance, a length."""
    pairs = close_pairs(points, tolerance)
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    labels = connected_components(graph, directed=False)[1]
    _, first = np.unique(labels, return_index=True)
    return np.asarray(first[labels], dtype=np.int64)
