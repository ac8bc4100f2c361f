"""Macroscopic fields at many points from few: x is a smooth parameter of the cell problems, like y_k.

log K_0, log Z and their derivatives are solved for at the nodes of a sparse polynomial and interpolated. The potential
itself, at some places of the cells, is interpolated along: it costs nothing, tells beforehand which terms a box needs,
and is compared at every point that was asked for, so that a feature of V1 in x that lies between the nodes is seen.
Boxes that need too many terms, or in which the potential is stronger, or not defined, beside the points, are halved;
where few points are left, or too much was solved in vain, points are solved themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray
from cellsolve.macro.newton import MAX_DEGREE, NewtonInterpolant, nodes

__all__ = ["FEWEST_POINTS", "Fields", "Solve", "Solved", "Target", "expected_nodes", "interpolated"]

IntArray = npt.NDArray[np.int64]
FEWEST_POINTS = 40  # below this number all are solved
_MOST_TERMS = 1.0 / 3.0  # of the points in a box
_MOST_WASTE = 0.2  # of all points, solved at nodes of boxes that were given up
_SHARE = 0.125  # of the tolerance: what terms left out, and differences seen at verified points, may amount to
_VERIFIED, _VERIFIED_SHARE = 4, 0.1  # points of a box that are solved as well: at least, and of the nodes
_SAFETY = 4.0  # on the largest difference seen
_STRONGER = 1.5  # times what the potential varies at the points: nodes where it does more would be dear
_MORE_TERMS = 1.2  # log K_0 needs than V1/sigma
_LAYER = 4.0  # terms expected by their neighbours are this much smaller: a bound that the checks confirm
_START = 3  # terms along each axis to begin with
_DERIVATIVES = 0.1  # weight of the derivatives' errors (times half the box) against those of the values


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """log K_0, log Z and derivatives (m, c) with their relative errors (m,) at m points: of cell problems, and (m,) of
    interpolation in x."""

    channels: FloatArray
    error: FloatArray
    unconverged: int
    interpolation: FloatArray | float = 0.0

    @property
    def whole(self) -> bool:
        """Can they be interpolated?"""
        return self.unconverged == 0 and bool(np.isfinite(self.channels).all())


Fields = Solved  # the same at all points: unconverged counts those that were solved themselves
Solve = Callable[[FloatArray], Solved]  # of points (m, a)
Look = Callable[[FloatArray], FloatArray]  # V1/sigma (m, J) at points (m, a) and some places of the cells


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is to be interpolated: ``values`` channels of log K_0 and log Z come first, then as many for each of the a
    components of the points; ``tol``: relative error of M wanted in all."""

    solve: Solve
    potential: Look
    values: int
    tol: float


def interpolated(x: FloatArray, target: Target) -> Fields:
    """Channels (P, c) and their relative errors (P,) at points x (P, a)."""
    channels, error, interpolation = None, np.zeros(len(x)), np.zeros(len(x))
    boxes, wasted, unconverged = [(np.arange(len(x)), 0)], 0, 0
    while boxes:
        rows, depth = boxes.pop()
        result, affordable = None, wasted <= max(_MOST_WASTE * len(x), FEWEST_POINTS)
        if affordable:
            result, count = _fit(x[rows], target)
            wasted += count if result is None else 0
        if result is None and affordable and len(rows) > 2 * FEWEST_POINTS:
            boxes += [(rows[half], depth + 1) for half in _halves(x[rows], depth)]
            continue
        if result is None:
            result = target.solve(x[rows])
            unconverged += result.unconverged
        if channels is None:
            channels = np.empty((len(x), result.channels.shape[1]))
        channels[rows], error[rows], interpolation[rows] = result.channels, result.error, result.interpolation
    assert channels is not None
    return Fields(channels, error, unconverged, interpolation)


def expected_nodes(x: FloatArray, potential: Look, tol: float) -> int:
    """About how many points `interpolated` will solve at: as many as the potential needs, and some more to see that
    these are enough."""
    count, boxes = 0, [(x, 0)]
    while boxes:
        points, depth = boxes.pop()
        surrogate = _potential_interpolant(_Box.around(points), points, potential, _SHARE * tol)
        if surrogate is not None:
            terms = _MORE_TERMS * len(surrogate.indices)
            count += int(terms + max(_VERIFIED, _VERIFIED_SHARE * terms))
        elif len(points) > 2 * FEWEST_POINTS:
            boxes += [(points[half], depth + 1) for half in _halves(points, depth)]
        else:
            count += len(points)
    return count


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """The smallest box around some points."""

    low: FloatArray  # (a,)
    high: FloatArray  # (a,)

    @classmethod
    def around(cls, x: FloatArray) -> _Box:
        return cls(x.min(axis=0), x.max(axis=0))

    @property
    def half(self) -> FloatArray:
        """Half its edges (a,)."""
        return 0.5 * (self.high - self.low)

    def to_unit(self, x: FloatArray) -> FloatArray:
        half = np.where(self.half > 0, self.half, 1.0)
        return np.clip((x - 0.5 * (self.low + self.high)) / half, -1.0, 1.0)

    def nodes(self, indices: IntArray) -> FloatArray:
        """Points (m, a) of the box at the nodes of some terms."""
        return np.clip(0.5 * (self.low + self.high) + nodes(indices) * self.half, self.low, self.high)


def _halves(x: FloatArray, depth: int) -> list[npt.NDArray[np.bool_]]:
    """Points on either side of the median along one axis after the other, those without extent left out."""
    axes = np.flatnonzero(np.ptp(x, axis=0) > 0)
    axis = int(axes[depth % len(axes)])
    left = x[:, axis] <= np.median(x[:, axis])
    if left.all():
        left = x[:, axis] < x[:, axis].max()
    return [left, ~left]


def _potential_interpolant(box: _Box, x: FloatArray, potential: Look, tol: float) -> NewtonInterpolant | None:
    """Terms that V1/sigma needs on the box, to ``tol`` at all the points. None where they are too many, and where the
    potential does something at the points that the nodes do not tell, or at the nodes that no point asks for."""
    limit, actual = _MOST_TERMS * len(x), potential(x)
    strongest = _STRONGER * np.abs(actual).max() + 0.5
    interpolant = NewtonInterpolant.empty(x.shape[1], actual.shape[1])
    wanted: IntArray | None = _first(x.shape[1])
    while wanted is not None and len(interpolant.indices) + len(wanted) <= limit:
        try:
            values = potential(box.nodes(wanted))
        except CoefficientError:
            return None
        if np.abs(values).max() > strongest:
            return None
        interpolant = interpolant.extended(wanted, values)
        sizes = np.abs(interpolant.surpluses).max(axis=1)
        rest = interpolant.expected(interpolant.margin(), sizes).sum()
        if rest <= _LAYER * tol:
            if np.abs(interpolant.at(box.to_unit(x)) - actual).max() <= tol:
                return interpolant
            if rest <= 0.1 * tol:
                return None
        wanted = _worst(interpolant, sizes, tol)
    return None


def _first(dim: int) -> IntArray:
    """All terms of degree 2 at most in each direction, smaller ones first."""
    return np.stack(np.meshgrid(*[np.arange(_START)] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


def _worst(interpolant: NewtonInterpolant, sizes: FloatArray, tol: float) -> IntArray | None:
    """Those of the margin whose expected surpluses together exceed ``tol``; None beyond the highest degree."""
    margin = interpolant.margin()
    expected = interpolant.expected(margin, sizes)
    order = np.argsort(-expected, kind="stable")
    rest = np.cumsum(expected[order][::-1])[::-1]
    wanted = margin[np.sort(order[(rest > 0.5 * tol) | (np.arange(len(order)) == 0)])]
    return None if wanted.max() > MAX_DEGREE else wanted


def _fit(x: FloatArray, target: Target) -> tuple[Solved | None, int]:
    """Channels and errors at the points of a box, and how many points this took to solve; None where too many terms
    would be needed, or a check fails."""
    box, share, count, worst = _Box.around(x), _SHARE * target.tol, 0, 0.0
    surrogate = _potential_interpolant(box, x, target.potential, share)
    if surrogate is None:
        return None, 0
    wanted: IntArray | None = surrogate.indices
    interpolant: NewtonInterpolant | None = None
    while wanted is not None and count + len(wanted) <= _MOST_TERMS * len(x):
        solved = _solved_or_none(target.solve, box.nodes(wanted))
        count += len(wanted)
        if solved is None:
            return None, count
        worst = max(worst, float(solved.error.max()))
        interpolant = interpolant or NewtonInterpolant.empty(x.shape[1], solved.channels.shape[1])
        interpolant = interpolant.extended(wanted, solved.channels)
        sizes = _sizes(interpolant.surpluses, box, target)
        rest = float(interpolant.expected(interpolant.margin(), sizes).sum())
        if rest <= _LAYER * share:
            result, checked = _verified(box, x, interpolant, 2.0 * rest / _LAYER, worst, target)
            count += checked
            if result is not None or rest <= 0.1 * share:
                return result, count
        wanted = _worst(interpolant, sizes, share)
    return None, count


def _solved_or_none(solve: Solve, x: FloatArray) -> Solved | None:
    """Solutions that can be interpolated. Nodes are no points that anybody asked for: failures there do not count."""
    try:
        solved = solve(x)
    except CoefficientError:
        return None
    return solved if solved.whole else None


def _sizes(channels: FloatArray, box: _Box, target: Target) -> FloatArray:
    """Relative sizes in M (m,): of log K and log Z together, and of the derivatives times the half edges."""
    blocks = channels.reshape(len(channels), -1, target.values)
    norms: FloatArray = np.sqrt(2.0 * (blocks[..., :-1] ** 2).sum(axis=-1)) + np.abs(blocks[..., -1])
    norms[:, 1:] *= _DERIVATIVES * box.half[: norms.shape[1] - 1]
    result: FloatArray = norms.max(axis=1)
    return result


def _verified(
    box: _Box, x: FloatArray, interpolant: NewtonInterpolant, rest: float, worst: float, target: Target
) -> tuple[Solved | None, int]:
    """The interpolant at the points, compared with solutions at some of them: where the potential varies most and
    least, and others. None where the differences are too large for the tolerance."""
    count = min(max(_VERIFIED, int(_VERIFIED_SHARE * len(interpolant.indices))), len(x))
    spread = np.abs(target.potential(x)).max(axis=1)
    others = np.random.default_rng(len(x)).permutation(len(x))[:count]
    rows = np.unique(np.concatenate([[spread.argmax(), spread.argmin()], others]))
    values, checked = interpolant.at(box.to_unit(x)), target.solve(x[rows])
    if not checked.whole:
        return None, len(rows)
    off = float(_sizes(values[rows] - checked.channels, box, target).max())
    own = rest + _SAFETY * off
    if off > _SHARE * target.tol or own + worst > max(target.tol, 1.1 * worst):
        return None, len(rows)
    return Solved(values, np.full(len(x), worst), 0, own), len(rows)
