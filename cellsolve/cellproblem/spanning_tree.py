"""Along a tree a flux can be given any divergence of mean zero: each link carries what lies behind it.

The tree goes where resistance is least: a flux that has to pass an insulator costs more than all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from cellsolve.fem.space import FloatArray

__all__ = ["Forest", "carry_off", "largest", "outflows", "spanning_forest", "unbalanced"]

IntArray = npt.NDArray[np.int64]
LinkEnds = npt.NDArray[np.int64] | npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

_ROUNDING = 1e-14  # of the largest outflow: a divergence below is noise
_UNBALANCED = 1e-9  # of it: what a piece of the mesh may give in all


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A spanning forest: ``parent`` (n,) of each node, roots their own; ``levels`` of nodes, roots first; ``link``
    (n,): number of the link to the parent, -1 for roots; ``forward`` (n,): does it lead from the node to its parent?"""

    parent: IntArray
    levels: list[IntArray]
    link: IntArray
    forward: BoolArray

    @property
    def children(self) -> IntArray:
        """All nodes but the roots."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self.levels[1:]])

    def behind(self, values: FloatArray) -> FloatArray:
        """Sums of values (n, m) over each node and all that lie behind it."""
        sums = values.copy()
        for level in reversed(self.levels[1:]):
            np.add.at(sums, self.parent[level], sums[level])
        return sums

    @property
    def roots(self) -> IntArray:
        """The root (n,) of each node."""
        roots = self.parent.copy()
        for level in self.levels[1:]:
            roots[level] = roots[self.parent[level]]
        return roots


def carry_off(phi: FloatArray, other: IntArray, conductance: FloatArray) -> FloatArray:
    """Outflows phi (e, d + 1, f, m) without their divergence, which is carried off where ``conductance`` (e,) is large
    if possible; ``other`` (e, d + 1): the other side of each face.

    On pieces, joined through faces, whose divergence is not zero in all, all flux is taken away: that happens where
    finite elements let it pass through a point or an edge.
    """
    out, most = outflows(phi), largest(phi)
    if largest(out) <= _ROUNDING * most:
        return phi
    phi = phi.copy()
    sides = other.shape[1]
    first = np.flatnonzero(np.arange(other.size) < other.ravel())
    second = other.ravel()[first]
    resistance = 1.0 / np.minimum(conductance[first // sides], conductance[second // sides])
    forest = spanning_forest(first // sides, second // sides, resistance, len(phi))
    behind, child = forest.behind(out), forest.children
    link, forward = forest.link[child], forest.forward[child]
    flat = phi[:, :, 0].reshape(-1, phi.shape[3])
    np.subtract.at(flat, np.where(forward, first[link], second[link]), behind[child])
    np.add.at(flat, np.where(forward, second[link], first[link]), behind[child])
    phi[:, :, 0] = flat.reshape(phi[:, :, 0].shape)
    phi[unbalanced(behind[forest.roots], most)] = 0.0
    return phi


def outflows(phi: FloatArray) -> FloatArray:
    """What flows out of each element (e, m) by outflows phi (e, d + 1, f, m) through faces."""
    out = phi[:, 0, 0].copy()
    for k in range(1, phi.shape[1]):
        out += phi[:, k, 0]
    return out


def largest(values: FloatArray) -> float:
    """max |values|."""
    return float(max(values.max(initial=0.0), -values.min(initial=0.0)))


def unbalanced(sums: FloatArray, most: float) -> BoolArray:
    """Where sums (n, m) are more than noise beside the largest outflow."""
    return np.asarray(np.abs(sums).max(axis=1) > _UNBALANCED * most)


def spanning_forest(first: LinkEnds, second: LinkEnds, resistance: FloatArray, count: int) -> Forest:
    """Links (k,) between ``count`` nodes that join what they can join, those of least resistance first."""
    rank = np.empty(len(first))
    order = np.argsort(resistance, kind="stable")
    rank[order] = np.arange(1.0, len(first) + 1.0)  # tells links apart
    chosen = sp.coo_array(minimum_spanning_tree(_rows(first, second, rank, count)))
    links = order[chosen.data.astype(np.int64) - 1]
    row, column = chosen.coords
    labels = connected_components(chosen, directed=False)[1]
    root = np.unique(labels, return_index=True)[1].astype(np.int64)
    walk, parent = _walk(row, column, root, count)
    forward = parent[row] == column
    child = np.where(forward, row, column)
    link, ahead = np.full(count, -1), np.zeros(count, dtype=np.bool_)
    link[child], ahead[child] = links, first[links] == child
    return Forest(parent, _levels(walk, parent, len(root)), link, ahead)


def _rows(first: LinkEnds, second: LinkEnds, values: FloatArray, count: int) -> sp.csr_array:
    """Values between nodes, several for a pair if need be."""
    starts = np.arange(len(first) + 1, dtype=np.int32)
    by_link = sp.csr_array((values, first.astype(np.int32), starts), shape=(len(first), count))
    by_node = sp.csc_array(by_link)
    columns = second[by_node.indices].astype(np.int32)
    return sp.csr_array((by_node.data, columns, by_node.indptr), shape=(count, count))


def _walk(row: LinkEnds, column: LinkEnds, root: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Nodes of a forest from the roots outwards (n,), and the parent of each (n,)."""
    ends = (np.concatenate([row, np.full(len(root), count)]), np.concatenate([column, root]))
    whole = sp.csr_array(sp.coo_array((np.ones(len(ends[0])), ends), shape=(count + 1, count + 1)))
    walk, parent = breadth_first_order(whole, count, directed=False)
    parents = parent[:count].astype(np.int64)
    parents[root] = root
    return walk[1:].astype(np.int64), parents


def _levels(walk: IntArray, parent: IntArray, roots: int) -> list[IntArray]:
    """The nodes of a walk outwards, split by how many links lead to the root."""
    place = np.empty(len(walk), dtype=np.int64)
    place[walk] = np.arange(len(walk))
    above = place[parent[walk]]
    above[:roots] = -1  # ascending
    levels, start, end = list[IntArray](), 0, roots
    while start < len(walk):
        levels.append(walk[start:end])
        start, end = end, int(np.searchsorted(above, end, side="left"))
    return levels
