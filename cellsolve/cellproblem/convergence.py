"""What differences of successive spaces do not tell: slow convergence, and coefficients that quadrature does not see.

    slow       error of T_c ~ d_2 q / (1 - q),    q = d_2 / d_1,    d_1 = |T_a - T_b|, d_2 = |T_b - T_c|
    unseen     < K > and < K^-1 > on the space against those on a fine grid that has no point in common with it

T_a, T_b, T_c are of spaces each clearly finer than the one before. Smooth coefficients converge so fast that neither
adds anything. At corners of sharp coefficients q is near one; where a coefficient jumps inside an element, successive
errors are anything, and the averages alone say how large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cellsolve.fem.box_space import BoxSpace, element_box
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray

__all__ = ["Step", "remainder", "unseen"]

_CLEARLY = 1.7  # times the fineness
_SLOW, _SLOWEST = 0.2, 0.95  # q that matters, and that is trusted
_FINE = {1: 40_009, 2: 151, 3: 23}  # elements of first order a side: no multiple of those of any ladder
_NO_OTHER = 1e-12  # relative rounding of averages


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The tensors (B, d, d) found on one space of a ladder."""

    space: Space
    tensor: FloatArray

    @property
    def fineness(self) -> float:
        """Errors at corners fall with n p^2 of elements, p^2 of polynomials on the whole cell."""
        space = self.space
        if isinstance(space, BoxSpace) and space.is_collocated:
            return float(space.order**2)
        return float(space.n * space.order**2) if isinstance(space, BoxSpace | LineSpace) else float(space.n_dofs)


def remainder(steps: Sequence[Step], distance: Callable[[FloatArray, FloatArray], float]) -> float:
    """The error that the last of the steps still has, where convergence is slow; 0 where it is fast, or where no three
    spaces are clearly finer one than the other."""
    last = steps[-1]
    middle = next((s for s in steps[-2::-1] if s.fineness * _CLEARLY <= last.fineness), None)
    first = next((s for s in steps[-2::-1] if middle and s.fineness * _CLEARLY <= middle.fineness), None)
    if middle is None or first is None:
        return 0.0
    before, after = distance(first.tensor, middle.tensor), distance(middle.tensor, last.tensor)
    q = min(after / before, _SLOWEST) if before > 0 else 0.0
    return after * q / (1.0 - q) if q > _SLOW else 0.0


def unseen(evaluate: Callable[[Space], FloatArray], K: FloatArray, space: Space) -> float:
    """The largest relative difference of < K > and < K^-1 > (B of them) on a box, to those on a fine grid."""
    if not isinstance(space, BoxSpace | LineSpace):
        return 0.0
    count, period = _FINE[space.dim], space.period
    fine = LineSpace(count, 1, period) if space.dim == 1 else element_box(space.dim, count, 1, period)
    there = evaluate(fine)
    pairs = ((K, there), (_inverse(K), _inverse(there)))
    error = max(_relative(a @ space.weights, b @ fine.weights) for a, b in pairs)
    return error if error > _NO_OTHER else 0.0


def _inverse(K: FloatArray) -> FloatArray:
    if K.ndim == 2:
        return 1.0 / K
    inverse: FloatArray = np.moveaxis(np.asarray(np.linalg.inv(np.moveaxis(K, -1, 1)), dtype=float), 1, -1)
    return inverse


def _relative(a: FloatArray, b: FloatArray) -> float:
    """max |a - b| / |b| over the first axis, of numbers or tensors."""
    axes = tuple(range(1, a.ndim))
    return float((np.abs(a - b).max(axis=axes) / np.abs(b).max(axis=axes)).max())
