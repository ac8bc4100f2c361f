"""Brackets of M through all levels.

    L_0 exp(-e) / Z  <=  M  <=  U_0 exp(e) / Z            in the Loewner order

U_0 and L_0 come from the recursion with energies of correctors and of fluxes (see validation/through_levels.md); e is
the error of integrals, of lattices and of interpolation between macroscopic points, in K_0 and Z.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cellsolve.fem.space import FloatArray
from cellsolve.macro.chunks import Evaluation, Means
from cellsolve.macro.points import Computed, MacroPoints
from cellsolve.macro.verification import verified
from cellsolve.multiscale.bounding import checked_by_quadrature
from cellsolve.multiscale.fields import block_size, pack, unpack
from cellsolve.multiscale.log_euclidean import compose, spectrum
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.schemes import LOWER_BOUND, UPPER_BOUND, Scheme

__all__ = ["both_sides", "bracketed"]

_ATTEMPTS = 3
_STRICTER = (1e-3, 0.25)  # how much stricter spaces and lattices are chosen where a bracket is too wide
_ROUNDING = 1e-13  # of K_0 and Z


def both_sides(dim: int) -> tuple[Scheme, ...]:
    """The recursions that brackets take: on a line both sides are the same."""
    return (UPPER_BOUND,) if dim == 1 else (UPPER_BOUND, LOWER_BOUND)


def bracketed(points: MacroPoints, adaptive: bool, means: Means) -> Computed:
    """Brackets at all points, as narrow as their tolerance where spaces and lattices are free to be chosen.

    What is computed is the middle, and half the relative width is its error.
    """
    wanted, planning, work = points.tol, Tally(), Tally()
    for _ in range(_ATTEMPTS):
        sides = [_bound(replace(points, tol=wanted), scheme, means) for scheme in both_sides(points.dim)]
        for side in sides:
            planning.merge(side.planning)
            work.merge(side.evaluation.tally)
        result = _joined(sides[0], sides[-1], planning, work)
        worst = float(result.evaluation.error.max())
        if not adaptive or not worst > points.tol or any(side.is_exhausted for side in sides):
            break
        work.unconverged = 0  # given up, whatever became of them
        wanted = max(wanted * float(np.clip(0.5 * points.tol / worst, *_STRICTER)), 1e-13)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    """One side: what it gives, with errors that may put it on the wrong side."""

    planning: Tally
    evaluation: Evaluation
    is_exhausted: bool  # the finest spaces tried are too coarse: a smaller tolerance finds no better ones

    def log_tensor(self, dim: int, sign: float) -> FloatArray:
        """log of the bound of M, moved outwards by its error."""
        log_K, log_Z = unpack(self.evaluation.channels, dim)
        shift = sign * (self.evaluation.error + _ROUNDING) - log_Z
        moved: FloatArray = log_K + shift[:, None, None] * np.eye(dim)
        return moved


def _bound(points: MacroPoints, scheme: Scheme, means: Means) -> _Bound:
    if scheme is LOWER_BOUND:
        points = replace(points, derivatives=())
    planned, planning = points.plan(scheme)
    exhausted = any(error > planned.share for error in planned.discretization.values())
    evaluation = points.unverified(checked_by_quadrature(planned, planning), means)
    seen = verified(evaluation, points.x, points.roughest).error  # the same spaces: what lattices do
    return _Bound(planning, replace(evaluation, error=np.maximum(evaluation.error, seen)), exhausted)


def _joined(upper: _Bound, lower: _Bound, planning: Tally, work: Tally) -> Computed:
    """Both sides, and the middle of them."""
    dim = upper.evaluation.planned.plan.dim
    above, below = spectrum(upper.log_tensor(dim, 1.0)), spectrum(lower.log_tensor(dim, -1.0))
    scale = above[0].max(axis=-1)
    with np.errstate(under="ignore", over="ignore"):
        U, L = (compose(np.exp(values - scale[:, None]), vectors) for values, vectors in (above, below))
        size = np.exp(scale)[:, None, None]
    error = _half_width(below[0] - scale[:, None], below[1], U - L)
    channels, some = upper.evaluation.channels.copy(), np.isfinite(error)  # elsewhere there is no middle
    values, vectors = spectrum(0.5 * (U + L)[some])
    log_Z = unpack(channels, dim)[1]
    log_M = compose(np.log(values), vectors) + (scale + log_Z)[some, None, None] * np.eye(dim)
    channels[some, : block_size(dim)] = pack(log_M, log_Z[some])
    evaluation = replace(upper.evaluation, channels=channels, error=error, tally=work)
    return Computed(planning, evaluation, size * L, size * U)


def _half_width(logs: FloatArray, vectors: FloatArray, width: FloatArray) -> FloatArray:
    """The largest eigenvalue of lower^-1/2 width lower^-1/2 / 2 (R,), that is of the largest relative error that the
    middle may have: infinite where the sides are the wrong way round, or further apart than numbers can hold."""
    with np.errstate(over="ignore", invalid="ignore"):
        root = vectors * np.exp(-0.5 * logs)[:, None, :]
        relative = root.swapaxes(-1, -2) @ width @ root
    known = np.asarray(np.isfinite(relative).all(axis=(1, 2)))
    values = np.linalg.eigvalsh(np.where(known[:, None, None], relative, 0.0))
    right: FloatArray = np.where(known & (values[:, 0] >= 0.0), 0.5 * values[:, -1], np.inf)
    return right
