"""One potential at several temperatures: arrays and datasets with a leading axis sigma."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CellsolveError, ConvergenceError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.macro.assembled import stacked, unknown
from cellsolve.macro.checkpoints import job_of
from cellsolve.macro.chunks import Means
from cellsolve.macro.computable import NowhereDefinedError
from cellsolve.macro.continuation import Continuation
from cellsolve.macro.effective import Effective
from cellsolve.macro.grid import grid_points, to_dataset
from cellsolve.multiscale.cost import Cost
from cellsolve.potentials import Potential
from cellsolve.results.store import open_store
from cellsolve.results.temperatures import join_temperatures

if TYPE_CHECKING:
    import xarray

    from cellsolve.macro.model import EffectiveModel

__all__ = ["Reached", "TemperatureSweep", "blank_dataset", "temperatures"]

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TemperatureSweep:
    """What `homogenize` returns for a sequence of temperatures: ``models`` in their order, all of one potential.

    Every array and every variable of a dataset has the leading axis sigma, in the order given. Temperatures are
    computed from hot to cold. One that fails does not keep the others from being computed: what it did not reach is
    NaN, or has an ``error_estimate`` above the tolerance, and a ConvergenceError says so; its ``result`` has them all.
    """

    models: tuple[EffectiveModel, ...]

    @property
    def sigma(self) -> FloatArray:
        """The temperatures (T,)."""
        return np.array([model.sigma for model in self.models])

    @property
    def potential(self) -> Potential:
        return self.models[0].potential

    @property
    def tol(self) -> float:
        return self.models[0].tol

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.models[0].cells

    def evaluate(
        self,
        x: npt.ArrayLike,
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
        exact_points: bool = False,
    ) -> Effective:
        """M, Z, Psi and their derivatives at points x (..., d): arrays (T, ...), the report of all temperatures.

        Arguments as in `EffectiveModel.evaluate`. Raises CoefficientError where no temperature can be computed, and
        ConvergenceError, whose ``result`` is what was reached at all of them.
        """

        def compute(model: EffectiveModel, report: Progress) -> Effective:
            return model.evaluate(x, executor=executor, progress=report, exact_points=exact_points)

        def blank(model: EffectiveModel, _failure: str) -> Effective:
            return unknown(np.shape(x)[:-1], self.potential.dim, model.bounds)

        found = self.compute(compute, blank, progress)
        effective = stacked([reached.result for reached in found])
        _refuse_failures(found, effective)
        return effective

    def on_grid(
        self,
        grid: Mapping[str, npt.ArrayLike],
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
        exact_points: bool = False,
        store: str | os.PathLike[str] | None = None,
    ) -> xarray.Dataset:
        """The same on a tensor grid, as a dataset with the leading dimension ``sigma``; ``store`` as in
        `EffectiveModel.on_grid`."""
        axes, _ = grid_points(grid, self.potential.dim)

        def found(place: Any) -> list[Reached[xarray.Dataset]]:
            def compute(model: EffectiveModel, report: Progress) -> xarray.Dataset:
                return model.on_grid(axes, executor=executor, progress=report, exact_points=exact_points, store=place)

            return self.compute(compute, lambda model, failure: blank_dataset(model, axes, failure), progress)

        if store is None:
            results = found(None)
        else:
            with open_store(store, job_of(self.models, axes, exact_points)) as opened:
                results = found(opened)
        dataset = join_temperatures([r.sigma for r in results], [r.result for r in results])
        _refuse_failures(results, dataset)
        return dataset

    def cost(self, x: npt.ArrayLike, *, exact_points: bool = False) -> tuple[Cost, ...]:
        """What each temperature takes at the points x (..., d), in the order of ``sigma``."""
        costs = {model.sigma: model.cost(x, exact_points=exact_points) for model in self.chain()}
        return tuple(costs[model.sigma] for model in self.models)

    def chain(self) -> tuple[EffectiveModel, ...]:
        """The models from hot to cold, each of which begins with what those before it found out."""
        continuation = Continuation()
        ordered = sorted(self.models, key=lambda model: -model.sigma)
        return tuple(replace(model, continuation=continuation) for model in ordered)

    def compute(
        self,
        function: Callable[[EffectiveModel, Progress], Result],
        blank: Callable[[EffectiveModel, str], Result],
        progress: Progress | None,
    ) -> list[Reached[Result]]:
        """``function`` of each model; see `temperatures`."""
        Means(progress=progress)  # refuses what cannot be called
        return temperatures(self.chain(), self.sigma.tolist(), function, blank, progress)


@dataclass(frozen=True, slots=True, eq=False)
class Reached(Generic[Result]):
    """One temperature: what was reached, the words of what was not (empty if all was), and the time it took."""

    sigma: float
    result: Result
    failure: str
    seconds: float


def temperatures(
    chain: Sequence[EffectiveModel],
    order: Sequence[float],
    function: Callable[[EffectiveModel, Progress], Result],
    blank: Callable[[EffectiveModel, str], Result],
    progress: Progress | None,
    expected: Sequence[int] = (),
) -> list[Reached[Result]]:
    """``function(model, progress)`` of each model of a chain, in the ``order`` of temperatures.

    ``blank(model, failure)`` stands for one of which nothing is known; ``expected`` are the cell problems of each
    model, as long as it has not said itself. Raises the first error if no temperature can be computed.
    """
    total, done = list(expected) or [0] * len(chain), [0] * len(chain)
    found, errors = dict[float, tuple[Result | None, str, float]](), list[CellsolveError]()
    for number, model in enumerate(chain):

        def advance(solved: int, of: int, number: int = number) -> None:
            done[number], total[number] = solved, of
            if progress is not None:
                progress(sum(done), sum(total))

        start = time.perf_counter()
        result, failure, error = _attempt(model, function, advance)
        errors += [error] if error is not None else []
        found[model.sigma] = result, failure, time.perf_counter() - start
    if len(errors) == len(chain):
        raise errors[0]
    by_sigma = {model.sigma: model for model in chain}
    return [_filled(by_sigma[sigma], blank, *found[sigma]) for sigma in order]


def _filled(
    model: EffectiveModel,
    blank: Callable[[EffectiveModel, str], Result],
    result: Result | None,
    words: str,
    seconds: float,
) -> Reached[Result]:
    return Reached(model.sigma, blank(model, words) if result is None else result, words, seconds)


def _attempt(
    model: EffectiveModel, function: Callable[[EffectiveModel, Progress], Result], progress: Progress
) -> tuple[Result | None, str, CellsolveError | None]:
    """The result, if there is any; the words of a failure; the error that left nothing."""
    try:
        return function(model, progress), "", None
    except ConvergenceError as error:
        return error.result, str(error), error if error.result is None else None
    except NowhereDefinedError as error:
        return None, str(error), error


def blank_dataset(model: EffectiveModel, axes: Mapping[str, FloatArray], failure: str) -> xarray.Dataset:
    """A temperature of which nothing is known, because of ``failure``."""
    shape = tuple(len(axis) for axis in axes.values())
    return to_dataset(
        axes, unknown(shape, model.potential.dim, model.bounds), model.provenance(None), model.tol, failure
    )


def _refuse_failures(found: Sequence[Reached[Any]], result: Any) -> None:
    """Say which temperatures were not reached."""
    failed = [f"sigma = {reached.sigma:g}: {reached.failure}" for reached in found if reached.failure]
    if failed:
        raise ConvergenceError(
            f"{len(failed)} of {len(found)} temperatures did not reach what was wanted. {' '.join(failed)}",
            result=result,
        )
