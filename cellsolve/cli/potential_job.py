"""A potential job computed: one effective model a temperature, one dataset of them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cellsolve.cells import box_cell, read_cell
from cellsolve.cli.jobs import CellSection, Job, PotentialJob
from cellsolve.errors import ConvergenceError
from cellsolve.fem.resolution import Cell
from cellsolve.macro.grid import grid_points
from cellsolve.macro.model import EffectiveModel, homogenize
from cellsolve.multiscale.cost import Cost
from cellsolve.potentials import Potential
from cellsolve.results.temperatures import join_temperatures

if TYPE_CHECKING:
    import xarray

__all__ = ["Computation", "Outcome", "computation", "cost_facts", "joined"]

_TOL = 1e-6
_START = 0.8  # seconds that worker processes take to start
_Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One temperature: its dataset, how long it took, and the words of what was not reached (empty if all was)."""

    sigma: float
    dataset: xarray.Dataset
    seconds: float
    failure: str

    def facts(self) -> dict[str, Any]:
        """The figures that a summary shows."""
        values = np.linalg.eigvalsh(self.dataset["diffusion"].values)
        return {
            "sigma": self.sigma,
            "smallest_eigenvalue": float(values.min()),
            "largest_eigenvalue": float(values.max()),
            "worst_error_estimate": float(self.dataset["error_estimate"].max()),
            "cell_problems": str(self.dataset.attrs["cell_problems"]),
            "seconds": self.seconds,
            "converged": not self.failure,
        }


@dataclass(frozen=True, slots=True)
class Computation:
    """Models, one a temperature, and the axes of the grid they are evaluated on."""

    models: tuple[EffectiveModel, ...]
    axes: dict[str, npt.NDArray[np.float64]]
    exact_points: bool

    @property
    def points(self) -> int:
        """Points of the grid."""
        return int(np.prod([len(axis) for axis in self.axes.values()]))

    def costs(self) -> list[Cost]:
        """What each temperature will take."""
        _, points = grid_points(self.axes, len(self.axes))
        return [model.cost(points, exact_points=self.exact_points) for model in self.models]

    def outcomes(self, costs: Sequence[Cost], executor: Executor | None, report: _Report) -> list[Outcome]:
        """Compute all temperatures; one that does not converge gives what it reached and does not stop the others."""
        total = [cost.total_problems for cost in costs]
        done = [0] * len(total)
        found = []
        report(0, sum(total))
        for number, model in enumerate(self.models):

            def advance(solved: int, of: int, number: int = number) -> None:
                done[number], total[number] = solved, of
                report(sum(done), sum(total))

            found.append(self._outcome(model, executor, advance))
        return found

    def _outcome(self, model: EffectiveModel, executor: Executor | None, report: _Report) -> Outcome:
        start, failure = time.perf_counter(), ""
        try:
            dataset = model.on_grid(self.axes, executor=executor, progress=report, exact_points=self.exact_points)
        except ConvergenceError as error:
            if error.result is None:
                raise
            dataset, failure = error.result, str(error)
        return Outcome(model.sigma, dataset, time.perf_counter() - start, failure)


def computation(job: Job, content: PotentialJob) -> Computation:
    """Potential, cells, models and axes of a job; mesh paths are relative to its folder.

    Raises MeshError for a mesh, CoefficientError for cells that do not fit the potential.
    """
    given = content.potential
    V = Potential(given.V1, dim=given.dim, scales=given.scales, V0=given.V0, parameters=content.parameters)
    cells = [_cell(section, given.dim, job.folder) for section in content.cells] or None
    tol = content.solve.tol or _TOL
    models = tuple(homogenize(V, sigma=sigma, tol=tol, cells=cells) for sigma in given.sigma)
    axes = {name: _axis(content.grid[name]) for name in sorted(content.grid)}
    return Computation(models, axes, content.solve.exact_points)


def _cell(section: CellSection, dim: int, folder: Path) -> Cell:
    if section.mesh is not None:
        return read_cell(folder / section.mesh, period=section.period, match_tol=section.match_tol)
    n, order = (section.box.n, section.box.order) if section.box else (None, None)
    return box_cell(dim, n=n, order=order, period=section.period)


def _axis(axis: Any) -> npt.NDArray[np.float64]:
    values = axis if isinstance(axis, list) else np.linspace(axis.start, axis.stop, axis.num)
    return np.asarray(values, dtype=float)


def joined(job: Job, outcomes: Sequence[Outcome]) -> xarray.Dataset:
    """The dataset that is written. Its attributes hold the job, and nothing that differs from run to run."""
    dataset = join_temperatures([o.sigma for o in outcomes], [o.dataset for o in outcomes])
    dataset.attrs["converged"] = int(not any(o.failure for o in outcomes))
    dataset.attrs["job"] = job.text
    return dataset


def cost_facts(points: int, costs: Sequence[Cost], workers: int) -> dict[str, Any]:
    """Work of all temperatures together, by level; memory of all workers; time with them."""
    levels = sorted(costs[0].problems)
    return {
        "points": points,
        "distinct_points": max(cost.points for cost in costs),
        "solved_points": max(cost.solved for cost in costs),
        "temperatures": len(costs),
        "levels": {
            level: {
                "cell_problems": sum(cost.problems[level] for cost in costs),
                "smallest_unknowns": min(cost.unknowns[level] for cost in costs),
                "largest_unknowns": max(cost.unknowns[level] for cost in costs),
            }
            for level in levels
        },
        "cell_problems": sum(cost.total_problems for cost in costs),
        "memory_bytes": workers * max(cost.memory for cost in costs),
        "seconds": sum(cost.seconds / workers + cost.planning_seconds for cost in costs) + _START * (workers > 1),
        "workers": workers,
    }
