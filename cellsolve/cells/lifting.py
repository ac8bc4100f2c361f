"""Lifts to the covering space: on the torus a path may come back to its first place moved by a lattice vector.

    place_j - place_i = gain_ij along the links of a tree;     winding of any other link = place_i + gain_ij - place_j

A graph whose links i -> j are steps in the plane or in space, or whole numbers of lattice vectors, is laid out along a
spanning tree. What the other links miss are the windings of its pieces, none where a piece is an island.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from cellsolve.cells.shapes import Ints

__all__ = ["Lift", "lift_links", "link_pieces"]


@dataclass(frozen=True, slots=True, eq=False)
class Lift:
    """``pieces`` (n,): number of the piece of each node; ``places`` (n, d), from the first node of the piece;
    ``windings`` (links, d): what the links miss. Of the type of the gains."""

    pieces: Ints
    places: NDArray[Any]
    windings: NDArray[Any]


def lift_links(first: Ints, second: Ints, gains: NDArray[Any], count: int) -> Lift:
    """Lay out ``count`` nodes, joined by links first -> second (l,) with gains (l, d)."""
    parts, pieces = link_pieces(first, second, count)
    parents = _parents(first, second, pieces, parts)
    places = _steps(first, second, gains, parents)
    while (parents != count).any():
        places += places[parents]
        parents = parents[parents]
    places = places[:-1]
    return Lift(pieces, places, places[first] + gains - places[second])


def link_pieces(first: Ints, second: Ints, count: int) -> tuple[int, Ints]:
    """How many pieces ``count`` nodes make when they are linked, and the piece (count,) of each."""
    parts, labels = connected_components(_links(first, second, count), directed=False)
    return int(parts), labels.astype(np.int64)


def _links(first: Ints, second: Ints, count: int) -> coo_array:
    return coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))


def _parents(first: Ints, second: Ints, pieces: Ints, parts: int) -> Ints:
    """The parent (n + 1,) of each node in a spanning tree, whose root n has the first node of each piece as a child."""
    root = len(pieces)
    starts = np.unique(pieces, return_index=True)[1]
    tail, head = np.append(first, np.full(parts, root)), np.append(second, starts)
    links = csr_array(_links(tail, head, root + 1))
    parents = breadth_first_order(links, root, directed=False)[1].astype(np.int64)
    parents[root] = root
    return np.asarray(parents)


def _steps(first: Ints, second: Ints, gains: NDArray[Any], parents: Ints) -> NDArray[Any]:
    """Gains (n + 1, d) of the steps to each node from its parent, 0 from the root."""
    steps = np.zeros((len(parents), gains.shape[1]), dtype=gains.dtype)
    for tail, head, sign in ((first, second, 1), (second, first, -1)):
        taken = np.flatnonzero(parents[head] == tail)
        steps[head[taken]] = sign * gains[taken]
    return steps
