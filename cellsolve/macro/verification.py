"""How good results are, seen at a few macroscopic points where all of it is computed once more, and finer.

    seen(x) = | log M - log M' |,    M' on finer spaces and lattices, iterated further
    error(x) = predicted(x) * clip(4 ratio, 1/10, max(1, ratio)),    ratio = max over x seen of 3 seen / predicted

What is predicted adds the amplitudes of errors level by level and knows neither their phases nor how much of an error
in y_k is left after averaging; the difference is the error itself, of iterations, spaces, lattices and interpolation in
x together, as long as the finer computation is better. Predictions are lowered so, but not where something was found
that they had not foreseen; they are raised wherever the difference says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.macro.chunks import Evaluation
from cellsolve.multiscale.fields import block_size, unpack
from cellsolve.multiscale.plan import Plan, Tally
from cellsolve.multiscale.planned import verifying
from cellsolve.multiscale.recursion import prepared, sample_level

__all__ = ["verified"]

IntArray = npt.NDArray[np.int64]

SAFETY = 3.0  # on a difference: covers the error as long as the finer result has at most two thirds of it
_CAUTION = 5.0  # the same where elements are hardly finer: steep landscapes gain little by the next order
_CLEARLY_FINER = 1.3  # nodes a side
_ELSEWHERE = 4.0  # on the estimates at points that were not computed again
_LEAST = 0.01  # by how much estimates are lowered at most
_LEAST_ELSEWHERE = 0.1  # the same at points that were not computed again
_ALARMED = 0.05  # the same where something was found that was not foreseen; only at points that were computed again
_OWN = 0.1  # of what the other points say, that a point's own difference is trusted to fall to
_ALL = {1: 100, 2: 4, 3: 4}  # points that are all computed again: lines are cheap
_SHARE = {1: 0.2, 2: 0.02, 3: 0.02}  # of more points
_SOME = 3  # of them at least
_ROUNDING = 1e-14  # relative to M, for each unit of the logarithms


def verified(evaluation: Evaluation, x: FloatArray, roughest: IntArray) -> Evaluation:
    """The same with errors (R,) as seen at some of the points x (R, d), those where V1 is roughest among them."""
    dim = x.shape[1]
    planned, tally = evaluation.planned, Tally()
    plan, unseen = verifying(planned, evaluation.refinements)
    if evaluation.tally.unconverged or not np.isfinite(evaluation.error).all():
        return evaluation
    rows = _rows(evaluation, dim, roughest)
    with one_thread():
        again = _again(plan, x[rows], tally)
    seen = _distance(evaluation.channels[rows], again, dim)
    fixed = 2.0 * sum(error for k, error in planned.discretization.items() if k in unseen)
    rounding = _ROUNDING * (1.0 + np.abs(evaluation.channels[:, : block_size(dim)]).max(axis=1))
    error = _calibrated(evaluation, rows, _safety(planned.plan, plan) * seen, fixed, rounding)
    work = evaluation.tally
    work.checks += sum(tally.problems.values())
    return replace(evaluation, error=error, tally=work)


def _safety(plan: Plan, finer: Plan) -> float:
    """What the differences of two plans are taken times."""
    pairs = [(plan.solvers[k].space, finer.solvers[k].space) for k in plan.solvers]
    hardly = any(
        isinstance(here, BoxSpace)
        and not here.is_collocated
        and 1.0 < (there.n_dofs / here.n_dofs) ** (1.0 / here.dim) < _CLEARLY_FINER
        for here, there in pairs
    )
    return _CAUTION if hardly else SAFETY


def _rows(evaluation: Evaluation, dim: int, roughest: IntArray) -> IntArray:
    """All points if they are few, else that of the smallest M, the one where the largest error is predicted, the
    roughest, and others."""
    count = len(evaluation.error)
    if count <= _ALL[dim]:
        return np.arange(count)
    tensor, scalar = unpack(evaluation.channels, dim)
    smallest = np.linalg.eigvalsh(tensor)[:, 0] - scalar
    others = np.random.default_rng(count).permutation(count)[: _SOME - 2 + int(_SHARE[dim] * evaluation.solved_points)]
    return np.unique([int(smallest.argmin()), int(evaluation.error.argmax()), *roughest, *others])


def _again(plan: Plan, x: FloatArray, tally: Tally) -> FloatArray:
    samples = sample_level(prepared(plan, tally), {"x": x}, 0, 0, (), tally)
    channels: FloatArray = samples.fields.channels[samples.inverse]
    return channels


def _distance(here: FloatArray, there: FloatArray, dim: int) -> FloatArray:
    """| log M - log M' | (R,), spectral; at least a tenth of what K and Z differ by, which may cancel in M."""
    tensors, scalars = zip(*(unpack(channels, dim) for channels in (here, there)), strict=True)
    K, Z = tensors[0] - tensors[1], scalars[0] - scalars[1]
    M = np.linalg.norm(K - Z[:, None, None] * np.eye(dim), 2, axis=(1, 2))
    result: FloatArray = np.maximum(M, 0.1 * (np.linalg.norm(K, 2, axis=(1, 2)) + np.abs(Z)))
    return result


def _calibrated(
    evaluation: Evaluation, rows: IntArray, own: FloatArray, fixed: float, rounding: FloatArray
) -> FloatArray:
    """``own`` (r,): errors as seen at the points ``rows``."""
    between = evaluation.interpolation
    predicted = np.maximum(evaluation.error - between - fixed, rounding)
    least = _ALARMED if evaluation.alarming else _LEAST
    ratio = float((np.maximum(own - between[rows], 0.0) / predicted[rows]).max())
    trust = min(max(_ELSEWHERE * ratio, 1.0 if evaluation.alarming else _LEAST_ELSEWHERE), 1.0)
    error = max(trust, ratio) * predicted + between
    error[rows] = np.maximum(own, max(_OWN * ratio, least) * predicted[rows])
    result: FloatArray = np.maximum(error, rounding) + fixed
    return result
