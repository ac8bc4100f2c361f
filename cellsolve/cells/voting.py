"""Lattices by voting: each pair of boundary facets of one form, seen from opposite sides, votes for the vector
between them. Vectors of the lattice get the votes of whole sides, others those of chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cellsolve.cells.facets import Boundary
from cellsolve.cells.reduction import reduced_period
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["Voted", "enclosed_volume", "facet_forms", "facet_measures", "voted_periods"]

_BALLOTS = 500_000
"""Pairs of facets that vote, at most, about."""
_BEST_OF_FORM = 8
_CANDIDATES = {1: 60, 2: 120, 3: 60}
_LATTICES = 6
_EQUAL = 1e-6
"""Volumes that differ by less, relatively, are equal."""
_LEAST = 0.98
_GRID = 1e-6
"""Vectors that differ by less, relative to the extent of the mesh, are one."""


class Voted(NamedTuple):
    """Periods (d, d) that facets vote for, the most likely first.

    ``tight``: |det| is what the elements cover, or that with closed pores, as where no pore cuts the sides;
    ``loose``: |det| is greater, or about that where nodes are out of place.
    """

    tight: list[Floats]
    loose: list[Floats]


def voted_periods(points: Floats, boundary: Boundary, volume: float) -> Voted:
    """The periods that the facets of a boundary vote for; ``volume``: what the elements cover."""
    vectors, votes = _vectors(points, boundary)
    dim = points.shape[1]
    if len(vectors) < dim:
        return Voted([], [])
    rows = np.array(list(combinations(range(len(vectors)), dim)))
    sizes = np.abs(np.linalg.det(vectors[rows]))
    full = np.array([volume, enclosed_volume(points, boundary)])
    tight = np.abs(sizes[:, None] / full - 1.0).min(axis=1) <= _EQUAL
    independent = sizes > 1e-9 * np.linalg.norm(vectors, axis=1)[rows].prod(axis=1)
    rows, sizes, tight = rows[independent], sizes[independent], tight[independent]
    order = np.lexsort([np.round(sizes / volume, 6), -votes[rows].sum(axis=1)])
    loose = order[(sizes[order] >= volume * _LEAST) & ~tight[order]]
    return Voted(list(_distinct(vectors[rows[order[tight[order]]]])), list(_distinct(vectors[rows[loose]])))


def facet_measures(points: Floats, boundary: Boundary, corners: int) -> Floats:
    """Lengths or areas (f,) of boundary facets with that many corners."""
    at = points[boundary.nodes[:, :corners]]
    if corners == 2:
        return np.asarray(np.linalg.norm(at[:, 1] - at[:, 0], axis=1))
    first, second = at[:, 2] - at[:, 0], at[:, -1] - at[:, 1]
    return np.asarray(np.linalg.norm(np.cross(first, second), axis=1) / 2.0)


def enclosed_volume(points: Floats, boundary: Boundary) -> float:
    """(1/d) int x . n over the outermost closed surface: the volume with closed pores."""
    dim = points.shape[1]
    measures = facet_measures(points, boundary, boundary.nodes.shape[1])
    parts = (boundary.centres * boundary.normals).sum(axis=1) * measures / dim
    nodes = boundary.nodes
    first = np.repeat(nodes[:, 0], nodes.shape[1] - 1)
    links = coo_array((np.ones(first.size, dtype=bool), (first, nodes[:, 1:].ravel())), shape=(len(points),) * 2)
    labels = connected_components(links, directed=False)[1]
    return float(np.bincount(labels[nodes[:, 0]], weights=parts).max())


def _distinct(bases: Floats) -> Iterator[Floats]:
    """The first few different lattices among bases (b, d, d), by reduced bases."""
    found: list[Floats] = []
    for basis in bases[: 40 * _LATTICES]:
        period = reduced_period(basis)
        if len(found) == _LATTICES:
            return
        if not any(np.allclose(period, other, rtol=0.0, atol=1e-5 * np.abs(other).max()) for other in found):
            found.append(period)
            yield period


def _vectors(points: Floats, boundary: Boundary) -> tuple[Floats, Floats]:
    """The vectors (v, d) with the most votes of each form of facet, up to sign, and their votes (v,)."""
    extent = float(np.ptp(points, axis=0).max())
    forms = facet_forms(points, boundary)
    first, second = _ballots(forms, _upward(boundary.normals))
    steps = boundary.centres[second] - boundary.centres[first]
    steps *= np.where(_upward(steps), 1.0, -1.0)[:, None]
    moved = np.abs(steps).max(axis=1) > extent * _GRID if len(steps) else np.zeros(0, dtype=np.bool_)
    steps, first = steps[moved], first[moved]
    if not len(steps):
        return steps, np.zeros(0)
    # Each component takes 21 bits: it is at most 1 / _GRID = 10^6 in size.
    cells = np.floor(steps / (_GRID * extent) + 0.37).astype(np.int64) + 2**20
    keys = cells @ (1 << 21 * np.arange(points.shape[1], dtype=np.int64))
    _, start, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    chosen = _leaders(forms[first], inverse, counts)[: _CANDIDATES[points.shape[1]]]
    return steps[start[chosen]], counts[chosen].astype(float)


def _leaders(forms: Ints, numbers: Ints, votes: Ints) -> Ints:
    """Numbers of the vectors that lead the vote of some form of facet, by all their votes."""
    keys, count = np.unique(forms * len(votes) + numbers, return_counts=True)
    pairs = np.divmod(keys, len(votes))
    order = np.lexsort([pairs[1], -votes[pairs[1]], -count, pairs[0]])
    form = pairs[0][order]
    place = np.arange(len(form)) - np.searchsorted(form, form)
    chosen = np.unique(pairs[1][order][place < _BEST_OF_FORM])
    return np.asarray(chosen[np.argsort(-votes[chosen], kind="stable")])


def _upward(vectors: Floats) -> NDArray[np.bool_]:
    """Is the first component that is not 0, to round-off, positive? (q,)"""
    large = np.abs(vectors) > 1e-6 * np.linalg.norm(vectors, axis=1)[:, None]
    return np.asarray(vectors[np.arange(len(vectors)), large.argmax(axis=1)] > 0.0)


def facet_forms(points: Floats, boundary: Boundary) -> Ints:
    """Numbers (f,), equal for facets that are translates: same second and third moments of the nodes."""
    at = points[boundary.nodes]
    offsets = at - at.mean(axis=1)[:, None]
    scale = float(np.median(boundary.sizes))
    dim = points.shape[1]
    pairs = [(i, j) for i in range(dim) for j in range(i, dim)]
    second = [(offsets[:, :, i] * offsets[:, :, j]).mean(axis=1) / scale**2 for i, j in pairs]
    third = [(offsets[:, :, i] ** 2 * offsets[:, :, j]).mean(axis=1) / scale**3 for i in range(dim) for j in range(dim)]
    moments = np.floor(np.stack(second + third, axis=1) * 1e4 + 0.37)
    return np.asarray(np.unique(moments, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def _ballots(forms: Ints, up: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Pairs of facets of one form that look up and down; of large forms some that look up with all others."""
    order = np.argsort(forms, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(forms[order])) + 1)
    share = _BALLOTS // max(1, sum(1 for group in groups if len(group) > 64))
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for group in groups:
        upper, lower = group[up[group]], group[~up[group]]
        stride = max(1, len(upper) * len(lower) // share)
        upper = upper[::stride]
        first.append(np.repeat(upper, len(lower)))
        second.append(np.tile(lower, len(upper)))
    return np.concatenate(first), np.concatenate(second)
