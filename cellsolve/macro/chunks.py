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
from cellsolve.multiscale.planned import Planned, raised_to
from cellsolve.multiscale.recursion import prepared

__all__ = ["Evaluation", "Means", "Progress", "evaluate_in_chunks"]


Progress = Callable[[int, int], None]  # cell problems done, and all of them


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Who computes chunks, who is told of it, and where those that are finished are kept.

    Raises CoefficientError for an executor that takes no work, or a progress that cannot be called.
    """

    executor: Executor | None = None
    progress: Progress | None = None
    checkpoints: Checkpoints | None = None

    def __post_init__(self) -> None:
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise CoefficientError(
                f"got executor = {str(self.executor)[:60]}, needed None or an executor with submit(). Give an open "
                "concurrent.futures.ProcessPoolExecutor, or anything with its interface."
            )
        if self.progress is not None and not callable(self.progress):
            raise CoefficientError(
                f"got progress = {str(self.progress)[:60]}, needed None or a function. Give one of (done, total)."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """log K_0 and log Z at all points (R, c), the estimated relative error of M (R,), the work."""

    channels: FloatArray
    error: FloatArray
    interpolation: FloatArray  # the part of it by interpolation in x (R,)
    tally: Tally
    solved_points: int  # of the points, or nodes between them, how many were solved
    planned: Planned  # with the spaces that all chunks were solved on in the end
    refinements: int = 0  # of the lattices, at most
    alarming: bool = False  # was something found that no estimate had foreseen?

    def of(self, rows: npt.NDArray[np.int64]) -> Evaluation:
        """The same at other points, of which ``rows`` says which each is."""
        return replace(
            self, channels=self.channels[rows], error=self.error[rows], interpolation=self.interpolation[rows]
        )


def evaluate_in_chunks(planned: Planned, x: FloatArray, derivatives: tuple[int, ...], means: Means) -> Evaluation:
    """Evaluate at the points x (R, d), all on the same spaces: chunks are solved again where another one needed finer
    ones than they did."""
    per_point, size = max(1, sum(problems_per_row(planned.plan).values())), chunk_rows(planned)
    chunks = [x[start : start + size] for start in range(0, len(x), size)]
    results, tally, done = dict[int, ChunkResult](), Tally(), 0
    waiting = list(range(len(chunks)))
    with one_thread():
        while waiting:
            wanted = {n: chunks[n] for n in waiting}
            for number, result in _known_or_completed(planned, wanted, derivatives, means):
                if number in results:
                    _give_up(results[number], tally)
                done += 0 if number in results else len(chunks[number]) * per_point
                results[number] = result
                if means.progress is not None:
                    means.progress(done, len(x) * per_point)
            planned = _common(planned, [results[n] for n in range(len(chunks))], tally)
            waiting = [n for n, result in results.items() if result.rungs != planned.rungs]
    return _joined([results[n] for n in range(len(chunks))], planned, tally)


def _give_up(result: ChunkResult, tally: Tally) -> None:
    """Count the work, whatever became of it."""
    result.tally.unconverged = 0
    tally.merge(result.tally)


def _common(planned: Planned, results: list[ChunkResult], tally: Tally) -> Planned:
    """The plan with the finest spaces that any chunk needed, and the largest errors that any saw of them."""
    rungs = {k: max(result.rungs[k] for result in results) for k in planned.rungs}
    if rungs == planned.rungs:
        return planned
    finer = raised_to(planned, rungs)
    seen = {
        k: max(result.discretization[k] for result in results if result.rungs[k] == rungs[k])
        for k in planned.discretization
    }
    return replace(finer, plan=prepared(finer.plan, tally), discretization=seen)


def _joined(results: list[ChunkResult], planned: Planned, tally: Tally) -> Evaluation:
    for result in results:
        tally.merge(result.tally)
    channels, error = (np.concatenate([getattr(r, name) for r in results]) for name in ("channels", "error"))
    refinements, alarming = max(r.refinements for r in results), any(r.alarming for r in results)
    return Evaluation(channels, error, np.zeros(len(error)), tally, len(channels), planned, refinements, alarming)


def _known_or_completed(
    planned: Planned, chunks: Mapping[int, FloatArray], derivatives: tuple[int, ...], means: Means
) -> Iterator[tuple[int, ChunkResult]]:
    """(number, result) of each chunk: of those that were finished before, then of the others, which are kept."""
    kept, missing = means.checkpoints, dict(chunks)
    for number, chunk in chunks.items() if kept is not None else ():
        known = None if kept is None else kept.find(planned, chunk, derivatives)
        if known is not None:
            del missing[number]
            yield number, known
    for number, result in _completed(planned, missing, derivatives, means.executor):
        if kept is not None:
            kept.keep(planned, chunks[number], derivatives, result)
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
