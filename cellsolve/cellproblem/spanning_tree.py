"""Along a tree of elements a flux can be given any divergence of mean zero: each face carries what lies behind it.

The tree goes where resistance is least: a flux that has to pass an insulator costs more than all others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from cellsolve.fem.space import FloatArray

__all__ = ["carry_off"]

IntArray = npt.NDArray[np.int64]

_ROUNDING = 1e-14  # of the largest outflow: a divergence below is noise
_UNBALANCED = 1e-9  # of it: what a piece of the mesh may give in all


def carry_off(phi: FloatArray, faces: IntArray, conductance: FloatArray) -> FloatArray:
    """Outflows phi (e, d + 1, f, m) through ``faces`` (e, d + 1) without their divergence, which is carried off where
    ``conductance`` (e,) is large if possible.

    On pieces, joined through faces, whose divergence is not zero in all, all flux is taken away: that happens where
    finite elements let it pass through a point or an edge.
    """
    largest = np.abs(phi).max(initial=0.0)
    out = phi.mean(axis=2).sum(axis=1)  # (e, m)
    if np.abs(out).max(initial=0.0) <= _ROUNDING * largest:
        return phi
    phi = np.array(phi, order="C")
    first, second = _sides(faces)
    parent, levels, root = _tree(first // faces.shape[1], second // faces.shape[1], conductance)
    behind = out.copy()
    for level in reversed(levels[1:]):
        np.add.at(behind, parent[level], behind[level])
    children = np.concatenate(levels[1:]) if len(levels) > 1 else np.zeros(0, dtype=np.int64)
    _push(phi, children, parent, first, second, behind, faces.shape[1])
    lost = np.abs(behind[root]).max(axis=1) > _UNBALANCED * largest
    phi[np.isin(_roots(parent, levels), root[lost])] = 0.0
    return phi


def _sides(faces: IntArray) -> tuple[IntArray, IntArray]:
    """The two sides (i,), as places e (d + 1) + k, of each interior face."""
    order = np.argsort(faces.ravel(), kind="stable")
    ordered = faces.ravel()[order]
    pairs = np.flatnonzero(ordered[1:] == ordered[:-1])
    return order[pairs], order[pairs + 1]


def _tree(first: IntArray, second: IntArray, conductance: FloatArray) -> tuple[IntArray, list[IntArray], IntArray]:
    """A spanning forest of elements: the parent of each (roots: themselves), the elements level by level, the roots."""
    count = len(conductance)
    steps = np.sort(np.stack([first, second]), axis=0)
    resistance = 1.0 + conductance.max() / np.minimum(conductance[first], conductance[second])
    keys, place = np.unique(steps[0] * np.int64(count) + steps[1], return_index=True)
    graph = sp.csr_array(sp.coo_array((resistance[place], (keys // count, keys % count)), shape=(count, count)))
    forest = sp.coo_array(minimum_spanning_tree(graph))
    labels = connected_components(forest, directed=False)[1]
    root = np.unique(labels, return_index=True)[1].astype(np.int64)
    ends = (np.concatenate([forest.row, np.full(len(root), count)]), np.concatenate([forest.col, root]))
    whole = sp.csr_array(sp.coo_array((np.ones(len(ends[0])), ends), shape=(count + 1, count + 1)))
    order, parent = breadth_first_order(whole, count, directed=False)
    place = np.empty(count + 1, dtype=np.int64)
    place[order] = np.arange(count + 1)
    above = place[parent[order[1:]]]  # ascending
    levels, start, end = list[IntArray](), 1, 1 + len(root)
    while start <= count:
        levels.append(order[start:end].astype(np.int64))
        start, end = end, 1 + int(np.searchsorted(above, end, side="left"))
    parents = np.asarray(parent[:count], dtype=np.int64)
    parents[root] = root
    return parents, levels, root


def _push(
    phi: FloatArray,
    children: IntArray,
    parent: IntArray,
    first: IntArray,
    second: IntArray,
    behind: FloatArray,
    sides: int,
) -> None:
    """Let what lies behind each child flow in from its parent, through one face that they share."""
    count = np.int64(len(phi))
    keys = np.concatenate([first // sides * count + second // sides, second // sides * count + first // sides])
    inside, outside = np.concatenate([first, second]), np.concatenate([second, first])
    order = np.argsort(keys, kind="stable")
    chosen = order[np.searchsorted(keys[order], children * count + parent[children])]
    flat = phi.reshape(-1, *phi.shape[2:])
    flow = behind[children][:, None, :]
    np.subtract.at(flat, inside[chosen], flow)
    np.add.at(flat, outside[chosen], flow)


def _roots(parent: IntArray, levels: list[IntArray]) -> IntArray:
    """The root of each element."""
    roots = parent.copy()
    for level in levels[1:]:
        roots[level] = roots[parent[level]]
    return roots
