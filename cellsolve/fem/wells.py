"""Wells of a periodic landscape: where log K has its tops, and over which passes one leaves them.

Every node belongs to the top that steepest ascent leads to, and to one of its periodic copies, named by an integer
vector, its *lift*. Basins between which the pass is not much lower than the lower top are one well (persistence of
components, as in Edelsbrunner, Letscher, Zomorodian 2002).
K_hom is of the order exp(log K at the pass) where particles have to cross it: the passes say what is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray

__all__ = ["Pass", "Wells", "depth", "is_cold", "is_deep", "steps_between", "wells_of"]

IntArray = npt.NDArray[np.int64]
_EVERYTHING = float("inf")
_COLD = 30.0  # log max K / min K from which a problem is solved by its wells
_COOL, _DEEP = 18.0, 14.0  # or from which it is, if K_hom is as small as this against the largest K


@dataclass(frozen=True, slots=True)
class Pass:
    """A way round the cell: the periods (d,) it crosses, log K at its lowest place, and whether it stays in a well."""

    periods: tuple[int, ...]
    height: float
    inside: bool


@dataclass(frozen=True, slots=True, eq=False)
class Wells:
    """Wells of log K on a periodic grid of N nodes."""

    label: IntArray  # (N,) well of each node
    lift: IntArray  # (N, d) copy of the well
    tops: FloatArray  # (W,) largest log K of each
    clusters: npt.NDArray[np.bool_]  # (W - 1, W) wells that join the rest together, over one pass, and lastly all
    passes: tuple[Pass, ...]  # d independent ways round the cell, the easiest first


@dataclass(frozen=True, slots=True, eq=False)
class _Basins:
    """Basins of steepest ascent, and where they touch: ``pairs`` (m, 2 + d) of basins and the lift from one to the
    other, at heights (m,), the highest first."""

    label: IntArray
    lift: IntArray
    tops: FloatArray
    pairs: IntArray
    heights: FloatArray


def wells_of(log_K: FloatArray, persistence: float) -> Wells:
    """Wells of log K, given on a grid (n, .., n); the passes between them are lower than their tops by
    ``persistence`` at least."""
    basins = _basins(log_K)
    forest, rings, _ = _merged(basins, persistence)
    _, around, joined = _merged(basins, _EVERYTHING, persistence)
    roots, label = np.unique(forest.roots, return_inverse=True)
    clusters = np.array(joined, dtype=np.bool_).reshape(-1, len(basins.tops))[:, roots]
    lift = basins.lift + forest.lifts[basins.label]
    passes = _independent([*rings, *around], log_K.ndim, len(rings))
    return Wells(label[basins.label].astype(np.int64), lift, basins.tops[roots], clusters, passes)


def depth(log_K: FloatArray) -> float:
    """How much lower than the largest log K the lowest of the d independent passes is: K_hom's smallest eigenvalue is
    about exp(-depth) of the largest K."""
    _, around, _ = _merged(_basins(log_K), _EVERYTHING)
    return float(log_K.max() - min(one.height for one in _independent(around, log_K.ndim, 0)))


def is_cold(log_contrast: float, depth: float) -> bool:
    """Does a landscape of this range and depth ask for elements in which log K falls little?"""
    return log_contrast > _COLD or (log_contrast > _COOL and depth > _DEEP)


def is_deep(log_contrast: float, depth: float, dim: int) -> bool:
    """Is it better solved by its wells? In space, where that takes more, those of shallow passes are not."""
    return is_cold(log_contrast, depth) and (dim < 3 or depth > _DEEP)


def steps_between(lift: IntArray, shape: tuple[int, ...], axis: int) -> tuple[IntArray, IntArray]:
    """For every node its next one (N,) along an axis, and by how many periods (N, d) the lift grows on the way."""
    number = np.arange(int(np.prod(shape))).reshape(shape)
    following = np.roll(number, -1, axis).ravel()
    step = lift[following] - lift
    step[np.take(number, -1, axis).ravel(), axis] += 1
    return following, step


def _basins(log_K: FloatArray) -> _Basins:
    top, lift = _ascent(log_K)
    tops, label = np.unique(top, return_inverse=True)
    flat = log_K.ravel()
    pairs, heights = list[IntArray](), list[FloatArray]()
    for axis in range(log_K.ndim):
        following, step = steps_between(lift, log_K.shape, axis)
        crosses = (label != label[following]) | step.any(axis=1)
        pairs.append(np.column_stack([label, label[following], step])[crosses])
        heights.append(np.minimum(flat, flat[following])[crosses])
    height = np.concatenate(heights)
    order = np.argsort(-height, kind="stable")
    pair = np.concatenate(pairs)[order]
    _, first = np.unique(pair, axis=0, return_index=True)
    first.sort()
    return _Basins(label.astype(np.int64), lift, flat[tops], pair[first], height[order][first])


def _ascent(log_K: FloatArray) -> tuple[IntArray, IntArray]:
    """The top (N,) that steepest ascent leads to from each node, and the lift (N, d) of the copy that it reaches."""
    dim, n = log_K.ndim, log_K.shape[0]
    number = np.arange(log_K.size).reshape(log_K.shape)
    best, target = log_K.copy(), number.copy()
    lift = np.zeros((*log_K.shape, dim), dtype=np.int64)
    place = np.indices(log_K.shape)
    for axis in range(dim):
        for sign, edge in ((1, n - 1), (-1, 0)):
            neighbour, value = np.roll(number, -sign, axis), np.roll(log_K, -sign, axis)
            better = (value > best) | ((value == best) & (neighbour > target))
            best, target = np.where(better, value, best), np.where(better, neighbour, target)
            lift[better] = 0
            lift[better & (place[axis] == edge), axis] = sign
    goal, lifts = target.ravel(), lift.reshape(-1, dim)
    while not np.array_equal(further := goal[goal], goal):
        lifts, goal = lifts + lifts[goal], further
    return goal, lifts


@dataclass(frozen=True, slots=True, eq=False)
class _Forest:
    """Merged basins: the one (m,) each is part of, and the lift (m, d) of its copy."""

    roots: IntArray
    lifts: IntArray


def _merged(
    basins: _Basins, persistence: float, told: float = 0.0
) -> tuple[_Forest, list[Pass], list[npt.NDArray[np.bool_]]]:
    """Merge basins from the highest pass down, while the lower top is less than ``persistence`` above the pass. Ways
    round the cell that stay in one are seen on the way, and what joined another one at ``told`` or more."""
    count, dim = len(basins.tops), basins.lift.shape[1]
    forest = _Forest(np.arange(count), np.zeros((count, dim), dtype=np.int64))
    rings, joined = list[Pass](), list[npt.NDArray[np.bool_]]()
    for (a, b, *step), height in zip(basins.pairs.tolist(), basins.heights.tolist(), strict=True):
        roots, lifts = forest.roots, forest.lifts
        first, second = roots[a], roots[b]
        above = min(basins.tops[first], basins.tops[second]) - height
        if above >= persistence:
            continue
        between = np.array(step) + lifts[b] - lifts[a]
        if first == second:
            if between.any():
                rings.append(Pass(tuple(between.tolist()), height, persistence < _EVERYTHING))
            continue
        if basins.tops[first] < basins.tops[second]:
            first, second, between = second, first, -between
        moving = roots == second
        if above >= told:
            joined.append(moving)
        lifts[moving] -= between
        roots[moving] = first
    return forest, rings, joined


def _independent(rings: list[Pass], dim: int, inside: int) -> tuple[Pass, ...]:
    """The first d linearly independent ones; ``inside``: how many of the first ones lie inside wells."""
    chosen = list[Pass]()
    for one in (*sorted(rings[:inside], key=_easier), *sorted(rings[inside:], key=_easier)):
        if np.linalg.matrix_rank(np.array([*(c.periods for c in chosen), one.periods])) > len(chosen):
            chosen.append(one)
        if len(chosen) == dim:
            break
    return tuple(chosen)


def _easier(one: Pass) -> tuple[float, int]:
    """The higher first; of those that symmetry makes equal, the shorter."""
    return -round(one.height, 6), sum(p * p for p in one.periods)
