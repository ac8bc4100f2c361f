"""Lifts to the covering space: on the torus a path may come back to its first place moved by a lattice vector.

    lift_j - lift_i = d_ij along the links of a tree;     winding of any other link = lift_i + d_ij - lift_j

A graph whose links i -> j are steps d_ij in the plane or in space, up to the lattice, is laid out along a spanning
tree. What the other links miss are the windings of its pieces: lattice vectors, none where a piece is an island.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components

from cellsolve.fem.space import FloatArray

__all__ = ["Lift", "lift_links"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lift:
    """``pieces`` (n,): number of the piece of each node; ``places`` (n, d), from the first node of the piece;
    ``windings`` (links, d): what the links miss, lattice vectors."""

    pieces: IntArray
    places: FloatArray
    windings: FloatArray


def lift_links(first: IntArray, second: IntArray, steps: FloatArray, n: int) -> Lift:
    """Lay out n nodes, joined by links first -> second (l,) with steps (l, d)."""
    graph = sp.csr_array(sp.coo_array((np.ones(len(first)), (first, second)), shape=(n, n)))
    pieces = np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    parent, step = _tree(first, second, steps, pieces)
    places = step.copy()
    while (parent != parent[parent]).any():
        places += places[parent]
        parent = parent[parent]
    return Lift(pieces, places, places[first] + steps - places[second])


def _tree(first: IntArray, second: IntArray, steps: FloatArray, pieces: IntArray) -> tuple[IntArray, FloatArray]:
    """The parent (n,) of each node in a spanning forest, itself for roots, and the step (n, d) from it."""
    n = len(pieces)
    roots = np.unique(pieces, return_index=True)[1]
    ends = (np.concatenate([first, second, np.full(len(roots), n)]), np.concatenate([second, first, roots]))
    links = np.arange(1, len(ends[0]) + 1)
    graph = sp.csr_array(sp.coo_array((np.ones(len(links)), ends), shape=(n + 1, n + 1)))
    parent = np.asarray(breadth_first_order(graph, n)[1][:n], dtype=np.int64)
    nodes = np.flatnonzero(parent < n)
    taken = _numbers(ends, links[: 2 * len(first)], parent[nodes], nodes, n)
    parent[parent == n] = roots[pieces[parent == n]]
    step = np.zeros((n, steps.shape[1]))
    step[nodes] = np.concatenate([steps, -steps])[taken]
    return parent, step


def _numbers(ends: tuple[IntArray, IntArray], links: IntArray, first: IntArray, second: IntArray, n: int) -> IntArray:
    """The number of one link first -> second for each pair."""
    keys = ends[0][: len(links)] * np.int64(n) + ends[1][: len(links)]
    order = np.argsort(keys, kind="stable")
    found: IntArray = order[np.searchsorted(keys[order], first * np.int64(n) + second)]
    return found
