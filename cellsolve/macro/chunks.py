"""Chunks of macroscopic points through an executor, put together in order: results do not depend on the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from pickle import PicklingError

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.macro.checkpoints import Checkpoints
from cellsolve.multiscale.cost import problems_per_row
from cellsolve.multiscale.evaluation import ChunkResult, chunk_rows, evaluate_chunk
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planning import Planned

__all__ = ["Evaluation", "Means", "Progress", "evaluate_in_chunks"]


Progress = Callable[[int, int], None]  # cell problems done, and all of them


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Who computes chunks, who is told of it, and where those that are finished are kept."""

    executor: Executor | None = None
    progress: Progress | None = None
    checkpoints: Checkpoints | None = None

    def of(self, computation: str) -> Means:
        """The same for one of several computations at the same points."""
        if self.checkpoints is None:
            return self
        return replace(self, checkpoints=replace(self.checkpoints, computation=computation))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """log K_0 and log Z at all points (R, c), the estimated relative error of M (R,), the work."""

    channels: FloatArray
    error: FloatArray
    tally: Tally
    solved_points: int  # of the points, or nodes between them, how many were solved

    def of(self, rows: npt.NDArray[np.int64]) -> Evaluation:
        """The same at other points, of which ``rows`` says which each is."""
        return replace(self, channels=self.channels[rows], error=self.error[rows])


def evaluate_in_chunks(planned: Planned, x: FloatArray, derivatives: tuple[int, ...], means: Means) -> Evaluation:
    """Evaluate at the points x (R, d)."""
    per_point, size = max(1, sum(problems_per_row(planned.plan).values())), chunk_rows(planned)
    chunks = [x[start : start + size] for start in range(0, len(x), size)]
    results = dict[int, ChunkResult]()
    done, tally = 0, Tally()
    with one_thread():
        for number, result in _known_or_completed(planned, chunks, derivatives, means):
            results[number] = result
            done += len(chunks[number]) * per_point
            if means.progress is not None:
                means.progress(done, len(x) * per_point)
    ordered = [results[number] for number in range(len(chunks))]
    for result in ordered:
        tally.merge(result.tally)
    channels, error = (np.concatenate([getattr(r, name) for r in ordered]) for name in ("channels", "error"))
    return Evaluation(channels, error, tally, len(x))


def _known_or_completed(
    planned: Planned, chunks: list[FloatArray], derivatives: tuple[int, ...], means: Means
) -> Iterator[tuple[int, ChunkResult]]:
    """(number, result) of each chunk: of those that were finished before, then of the others, which are kept."""
    kept, missing = means.checkpoints, dict(enumerate(chunks))
    for number, chunk in enumerate(chunks if kept is not None else []):
        known = None if kept is None else kept.find(chunk, derivatives)
        if known is not None:
            del missing[number]
            yield number, known
    for number, result in _completed(planned, missing, derivatives, means.executor):
        if kept is not None:
            kept.keep(chunks[number], derivatives, result)
        yield number, result


def _completed(
    planned: Planned, chunks: Mapping[int, FloatArray], derivatives: tuple[int, ...], executor: Executor | None
) -> Iterator[tuple[int, ChunkResult]]:
    """(number, result) of each chunk as it is done."""
    if executor is None:
        for number, chunk in chunks.items():
            yield number, evaluate_chunk(planned, chunk, derivatives)
        return
    futures = {executor.submit(evaluate_chunk, planned, chunk, derivatives): n for n, chunk in chunks.items()}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except (PicklingError, AttributeError) as error:
        if "pickle" not in str(error):
            raise
        raise CoefficientError(
            f"the potential cannot be sent to worker processes: {error}. Define its functions at the top level of a "
            "module, or use text."
        ) from None
    finally:
        for future in futures:
            future.cancel()
