"""Macroscopic fields at many points from few: x is a smooth parameter of the cell problems, like y_k.

log K_0, log Z and their derivatives are solved for at the nodes of a sparse polynomial and interpolated. The potential
itself, at random places of the cells, is interpolated along: it costs nothing, tells beforehand which terms a box
needs, and is compared at every point that was asked for, so that a feature of V1 in x that lies between the nodes is
seen. Boxes that need too many terms are halved; where few points are left they are solved themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray
from cellsolve.macro.newton import MAX_DEGREE, NewtonInterpolant, nodes

__all__ = ["FEWEST_POINTS", "Solve", "Solved", "Target", "expected_nodes", "interpolated"]

IntArray = npt.NDArray[np.int64]
FEWEST_POINTS = 40  # below this number all are solved
_MOST_TERMS = 1.0 / 3.0  # of the points in a box
_VERIFIED = 3  # points of a box that are solved as well
_MORE_TERMS = 1.1  # log K_0 needs than V1/sigma
_LAYER = 10.0  # terms expected by their neighbours are this much smaller: a bound that the checks confirm
_START = 3  # terms along each axis to begin with
_DERIVATIVES = 0.1  # weight of the derivatives' errors (times half the box) against those of the values


@dataclass(frozen=True, slots=True)
class Solved:
    """log K_0, log Z and derivatives (m, c) with their relative errors (m,) at m points; ``whole``: all is well."""

    channels: FloatArray
    error: FloatArray
    whole: bool


Solve = Callable[[FloatArray], Solved]  # of points (m, a)
Look = Callable[[FloatArray], FloatArray]  # V1/sigma (m, J) at points (m, a) and some places of the cells


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is to be interpolated: ``values`` channels of log K_0 and log Z come first, then as many for each of the a
    components of the points; ``tol``: relative."""

    solve: Solve
    potential: Look
    values: int
    tol: float


def interpolated(x: FloatArray, target: Target) -> tuple[FloatArray, FloatArray]:
    """Channels (P, c) and their relative errors (P,) at points x (P, a)."""
    channels, error = None, np.zeros(len(x))
    boxes = [np.arange(len(x))]
    while boxes:
        rows = boxes.pop()
        box = _Box.around(x[rows])
        surrogate = _potential_interpolant(box, x[rows], target.potential, target.tol)
        result = None if surrogate is None else _interpolant(box, x[rows], surrogate, target)
        if result is None and len(rows) > 2 * FEWEST_POINTS:
            boxes += [rows[half] for half in box.halves(x[rows])]
            continue
        if result is None:
            solved = target.solve(x[rows])
            result = solved.channels, solved.error
        if channels is None:
            channels = np.empty((len(x), result[0].shape[1]))
        channels[rows], error[rows] = result
    assert channels is not None
    return channels, error


def expected_nodes(x: FloatArray, potential: Look, tol: float) -> int:
    """About how many points `interpolated` will solve at: as many as the potential needs, and some more to see that
    these are enough."""
    count, boxes = 0, [x]
    while boxes:
        points = boxes.pop()
        box = _Box.around(points)
        surrogate = _potential_interpolant(box, points, potential, tol)
        if surrogate is not None:
            count += int(_MORE_TERMS * len(surrogate.indices)) + _VERIFIED
        elif len(points) > 2 * FEWEST_POINTS:
            boxes += [points[half] for half in box.halves(points)]
        else:
            count += len(points)
    return count


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """The smallest box around some points."""

    center: FloatArray  # (a,)
    half: FloatArray  # (a,) half its edges

    @classmethod
    def around(cls, x: FloatArray) -> _Box:
        low, high = x.min(axis=0), x.max(axis=0)
        return cls(0.5 * (low + high), 0.5 * (high - low))

    def to_unit(self, x: FloatArray) -> FloatArray:
        return np.clip((x - self.center) / np.where(self.half > 0, self.half, 1.0), -1.0, 1.0)

    def from_unit(self, t: FloatArray) -> FloatArray:
        return self.center + t * self.half

    def halves(self, x: FloatArray) -> Iterator[npt.NDArray[np.bool_]]:
        """Points on either side of the middle of the edge with the most points along it."""
        counts = [len(np.unique(column)) for column in x.T]
        axis = int(np.argmax(counts))
        left = x[:, axis] <= np.median(x[:, axis])
        if left.all():
            left = x[:, axis] < x[:, axis].max()
        yield left
        yield ~left


def _potential_interpolant(box: _Box, x: FloatArray, potential: Look, tol: float) -> NewtonInterpolant | None:
    """Terms that V1/sigma needs on the box, to ``tol`` at all the points; None where they are too many, or where the
    potential does something between the nodes that they do not tell."""
    limit = _MOST_TERMS * len(x)
    interpolant = _begun(x.shape[1], potential, box)
    while len(interpolant.indices) <= limit:
        sizes = np.abs(interpolant.surpluses).max(axis=1)
        rest = interpolant.expected(interpolant.margin(), sizes).sum()
        if rest <= _LAYER * tol:
            if np.abs(interpolant.at(box.to_unit(x)) - potential(x)).max() <= tol:
                return interpolant
            if rest <= 0.1 * tol:
                return None
        wanted = _worst(interpolant, sizes, tol)
        if wanted is None:
            return None
        interpolant = interpolant.extended(wanted, potential(box.from_unit(nodes(wanted))))
    return None


def _begun(dim: int, values: Callable[[FloatArray], FloatArray], box: _Box) -> NewtonInterpolant:
    """All terms of degree 2 at most in each direction."""
    indices = np.stack(np.meshgrid(*[np.arange(_START)] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    indices = indices[np.lexsort(indices.T[::-1])]
    first = values(box.from_unit(nodes(indices)))
    return NewtonInterpolant.empty(dim, first.shape[1]).extended(indices, first)


def _worst(interpolant: NewtonInterpolant, sizes: FloatArray, tol: float) -> IntArray | None:
    """Those of the margin whose expected surpluses together exceed ``tol``; None beyond the highest degree."""
    margin = interpolant.margin()
    expected = interpolant.expected(margin, sizes)
    order = np.argsort(-expected, kind="stable")
    rest = np.cumsum(expected[order][::-1])[::-1]
    wanted = margin[np.sort(order[(rest > 0.5 * tol) | (np.arange(len(order)) == 0)])]
    return None if wanted.max() > MAX_DEGREE else wanted


def _interpolant(
    box: _Box, x: FloatArray, surrogate: NewtonInterpolant, target: Target
) -> tuple[FloatArray, FloatArray] | None:
    """Channels and errors at the points of a box; None where too many terms would be needed, or a check fails."""
    limit = _MOST_TERMS * len(x)
    solved = target.solve(box.from_unit(nodes(surrogate.indices)))
    interpolant = NewtonInterpolant.empty(x.shape[1], solved.channels.shape[1])
    interpolant = interpolant.extended(surrogate.indices, solved.channels)
    worst = float(solved.error.max())
    while solved.whole:
        sizes = _sizes(interpolant.surpluses, box, target)
        margin = interpolant.margin()
        rest = float(interpolant.expected(margin, sizes).sum())
        if rest <= _LAYER * target.tol:
            result = _verified(box, x, interpolant, rest / _LAYER + worst, target)
            if result is not None or rest <= 0.1 * target.tol:
                return result
        wanted = _worst(interpolant, sizes, target.tol)
        if wanted is None or len(interpolant.indices) + len(wanted) > limit:
            return None
        solved = target.solve(box.from_unit(nodes(wanted)))
        worst = max(worst, float(solved.error.max()))
        interpolant = interpolant.extended(wanted, solved.channels)
    return None


def _sizes(channels: FloatArray, box: _Box, target: Target) -> FloatArray:
    """Relative sizes (m,): of the values, and of the derivatives times the half edges."""
    size = np.abs(channels[:, : target.values]).max(axis=1)
    for i, half in enumerate(box.half, start=1):
        slope = np.abs(channels[:, i * target.values : (i + 1) * target.values]).max(axis=1)
        size = np.maximum(size, _DERIVATIVES * half * slope)
    result: FloatArray = size
    return result


def _verified(
    box: _Box, x: FloatArray, interpolant: NewtonInterpolant, error: float, target: Target
) -> tuple[FloatArray, FloatArray] | None:
    """The interpolant at the points, compared with solutions at some of them."""
    rows = np.random.default_rng(len(x)).choice(len(x), min(_VERIFIED, len(x)), replace=False)
    values, checked = interpolant.at(box.to_unit(x)), target.solve(x[rows])
    off = _sizes(values[rows] - checked.channels, box, target)
    if not checked.whole or not off.max() <= target.tol:
        return None
    return values, np.full(len(x), error + float(off.max()))
