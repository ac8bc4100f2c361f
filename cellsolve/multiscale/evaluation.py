"""One chunk of macroscopic points: the unit of work that is sent to an executor."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import parent_process

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.multiscale.cost import problems_per_row
from cellsolve.multiscale.plan import Samples, Tally
from cellsolve.multiscale.planned import Planned, raised, refined
from cellsolve.multiscale.recursion import prepared, sample_level

__all__ = ["ChunkResult", "chunk_rows", "evaluate_chunk"]

_PROBLEMS_PER_CHUNK = 1500
_MAX_REFINEMENTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class ChunkResult:
    """log K_0 and log Z at R points, the estimated relative error of M, the work done, and how fine it all became."""

    channels: FloatArray  # (R, c)
    error: FloatArray  # (R,)
    tally: Tally
    rungs: dict[int, int]  # level -> position of its space in its ladder
    discretization: dict[int, float]  # level -> relative error of its space, at probes and at the hardest problems
    refinements: int  # of the lattices, at most
    alarming: bool  # was something found that no estimate had foreseen?


def chunk_rows(planned: Planned) -> int:
    """Macroscopic points a chunk; it depends on the plan alone, so results do not depend on the workers."""
    return max(1, _PROBLEMS_PER_CHUNK // max(1, sum(problems_per_row(planned.plan).values())))


def evaluate_chunk(planned: Planned, x: FloatArray, derivatives: tuple[int, ...]) -> ChunkResult:
    """Homogenize at the points x (R, d), refining the lattices at those where their tails ask for it."""
    if parent_process() is None:
        return _evaluate(planned, x, derivatives)
    with one_thread():  # a worker process
        return _evaluate(planned, x, derivatives)


def _evaluate(planned: Planned, x: FloatArray, derivatives: tuple[int, ...]) -> ChunkResult:
    tally = Tally()
    planned, samples = _with_fine_spaces(planned, x, derivatives, tally)
    result = _by_row(planned, samples)
    allowed = planned.share * len(planned.plan.levels)
    refinements, alarming = 0, samples.alarming
    while refinements < _MAX_REFINEMENTS and len(coarse := np.flatnonzero(result.interpolation > allowed)):
        refinements += 1
        planned = refined(planned)
        planned = planned.with_plan(prepared(planned.plan, tally))
        again = sample_level(planned.plan, {"x": x[coarse]}, 0, 0, derivatives, tally)
        alarming = again.alarming or (alarming and len(coarse) < len(x))
        result.replace(coarse, _by_row(planned, again))
    error = result.rest + result.interpolation
    spaces = _discretization(planned, samples)
    return ChunkResult(result.channels, error, tally, planned.rungs, spaces, refinements, alarming)


def _with_fine_spaces(
    planned: Planned, x: FloatArray, derivatives: tuple[int, ...], tally: Tally
) -> tuple[Planned, Samples]:
    """The samples of K_0, on spaces that the hardest problems of the chunk confirm."""
    while True:
        attempt = Tally()
        samples = sample_level(planned.plan, {"x": x}, 0, 0, derivatives, attempt)
        if not planned.too_coarse(samples.discretization):
            tally.merge(attempt)
            return planned, samples
        attempt.unconverged = 0  # given up, whatever became of them
        tally.merge(attempt)
        planned = raised(planned, samples.discretization)
        planned = planned.with_plan(prepared(planned.plan, tally))


@dataclass(slots=True, eq=False)
class _Rows:
    """Results of R rows: log K_0 and log Z, the error by lattices, and all other errors."""

    channels: FloatArray
    interpolation: FloatArray
    rest: FloatArray

    def replace(self, rows: npt.NDArray[np.int64], others: _Rows) -> None:
        self.channels[rows] = others.channels
        self.interpolation[rows] = others.interpolation
        self.rest[rows] = others.rest


def _by_row(planned: Planned, samples: Samples) -> _Rows:
    spaces = 2.0 * sum(_discretization(planned, samples).values())
    inverse = samples.inverse
    rest = samples.iteration[inverse] + spaces
    return _Rows(samples.fields.channels[inverse], samples.interpolation[inverse], rest)


def _discretization(planned: Planned, samples: Samples) -> dict[int, float]:
    return {k: max(error, samples.discretization.get(k, 0.0)) for k, error in planned.discretization.items()}
