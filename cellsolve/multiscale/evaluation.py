"""One chunk of macroscopic points: the unit of work that is sent to an executor."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import parent_process

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.multiscale.cost import problems_per_row
from cellsolve.multiscale.fields import Fields
from cellsolve.multiscale.planning import Planned, refined
from cellsolve.multiscale.recursion import Samples, Tally, prepared, sample_level

__all__ = ["ChunkResult", "chunk_rows", "evaluate_chunk"]

_PROBLEMS_PER_CHUNK = 1500
_MAX_REFINEMENTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class ChunkResult:
    """log K_0 and log Z at R points, the relative error of M by lattices and iterations, and the work done."""

    channels: FloatArray  # (R, c)
    error: FloatArray  # (R,)
    tally: Tally


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
    samples = sample_level(planned.plan, {"x": x}, 0, 0, derivatives, tally)
    channels, iteration, lattice = _by_row(samples)
    allowed = planned.share * len(planned.plan.levels)
    for _ in range(_MAX_REFINEMENTS):
        coarse = np.flatnonzero(lattice > allowed)
        if not len(coarse):
            break
        planned = refined(planned)
        again = sample_level(prepared(planned.plan, tally), {"x": x[coarse]}, 0, 0, derivatives, tally)
        channels[coarse], iteration[coarse], lattice[coarse] = _by_row(again)
    return ChunkResult(channels, iteration + lattice, tally)


def _by_row(samples: Samples) -> tuple[FloatArray, FloatArray, FloatArray]:
    fields: Fields = samples.fields
    inverse: npt.NDArray[np.int64] = samples.inverse
    return fields.channels[inverse], samples.iteration[inverse], samples.interpolation[inverse]
