"""A potential job computed: one effective model a temperature, from hot to cold, one dataset of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cellsolve.cells import box_cell, read_cell
from cellsolve.cli.jobs import CellSection, Job, PotentialJob
from cellsolve.fem.resolution import Cell
from cellsolve.macro.checkpoints import job_of
from cellsolve.macro.computable import NowhereDefinedError
from cellsolve.macro.grid import grid_points
from cellsolve.macro.model import EffectiveModel, homogenize
from cellsolve.macro.sweep import Reached, blank_dataset, temperatures
from cellsolve.multiscale.cost import Cost
from cellsolve.potentials import Potential
from cellsolve.results.store import Store
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
        values, logs = (_eigenvalues(self.dataset[name].values) for name in ("diffusion", "log_diffusion"))
        return {
            "sigma": self.sigma,
            "smallest_eigenvalue": float(values.min()),
            "largest_eigenvalue": float(values.max()),
            "smallest_log_eigenvalue": float(logs.min()),
            "largest_log_eigenvalue": float(logs.max()),
            "worst_error_estimate": float(self.dataset["error_estimate"].max()),
            "points_not_computed": int(self.dataset.attrs["points_not_computed"]),
            "points_beyond_tolerance": int((self.dataset["within_tolerance"] == 0).sum()),
            "points_of_diffusion_underflow": int(self.dataset.attrs["points_of_diffusion_underflow"]),
            "cell_problems": str(self.dataset.attrs.get("cell_problems", "none")),
            "seconds": self.seconds,
            "converged": not self.failure,
            "failure": self.failure,
        }


def _eigenvalues(tensors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of those tensors (..., d, d) that are known; NaN where none is."""
    known = tensors[np.isfinite(tensors).all(axis=(-1, -2))]
    return np.asarray(np.linalg.eigvalsh(known)) if len(known) else np.full(1, np.nan)


@dataclass(frozen=True, slots=True)
class Computation:
    """Models, one a temperature, from hot to cold, and the axes of the grid they are evaluated on; ``order``: the
    temperatures as the job has them."""

    models: tuple[EffectiveModel, ...]
    order: tuple[float, ...]
    axes: dict[str, npt.NDArray[np.float64]]
    exact_points: bool

    @property
    def points(self) -> int:
        """Points of the grid."""
        return int(np.prod([len(axis) for axis in self.axes.values()]))

    @property
    def facts(self) -> dict[str, str]:
        """What the checkpoints of this job depend on."""
        return job_of(self.models, self.axes, self.exact_points)

    def costs(self) -> list[Cost | None]:
        """What each model will take; None for one that cannot be computed. Raises the first error if none can."""
        _, points = grid_points(self.axes, len(self.axes))
        costs, errors = list[Cost | None](), list[NowhereDefinedError]()
        for model in self.models:
            try:
                costs.append(model.cost(points, exact_points=self.exact_points))
            except NowhereDefinedError as error:
                costs.append(None)
                errors.append(error)
        if len(errors) == len(self.models):
            raise errors[0]
        return costs

    def outcomes(
        self, costs: Sequence[Cost | None], executor: Executor | None, report: _Report, store: Store
    ) -> list[Outcome]:
        """Compute all temperatures; one that does not converge gives what it reached and does not stop the others."""
        expected = [0 if cost is None else cost.total_problems for cost in costs]
        report(0, sum(expected))

        def compute(model: EffectiveModel, advance: _Report) -> xarray.Dataset:
            return model.on_grid(
                self.axes, executor=executor, progress=advance, exact_points=self.exact_points, store=store
            )

        def blank(model: EffectiveModel, failure: str) -> xarray.Dataset:
            return blank_dataset(model, self.axes, failure)

        found = temperatures(self.models, self.order, compute, blank, report, expected)
        return [_outcome(reached) for reached in found]


def _outcome(reached: Reached[xarray.Dataset]) -> Outcome:
    dataset = reached.result.assign_attrs(converged=int(not reached.failure), failure=reached.failure)
    return Outcome(reached.sigma, dataset, reached.seconds, reached.failure)


def computation(job: Job, content: PotentialJob) -> Computation:
    """Potential, cells, models and axes of a job; mesh paths are relative to its folder.

    Raises MeshError for a mesh, CoefficientError for cells that do not fit the potential.
    """
    given = content.potential
    V = Potential(given.V1, dim=given.dim, scales=given.scales, V0=given.V0, parameters=content.parameters)
    cells = [_cell(section, given.dim, job.folder) for section in content.cells] or None
    tol = content.solve.tol or _TOL
    sweep = homogenize(V, sigma=given.sigma, tol=tol, cells=cells, bounds=content.solve.bounds)
    axes = {name: _axis(content.grid[name]) for name in sorted(content.grid)}
    return Computation(sweep.chain(), tuple(given.sigma), axes, content.solve.exact_points)


def _cell(section: CellSection, dim: int, folder: Path) -> Cell:
    if section.mesh is not None:
        return read_cell(folder / section.mesh, period=section.period, match_tol=section.match_tol)
    n, order = (section.box.n, section.box.order) if section.box else (None, None)
    return box_cell(dim, n=n, order=order, period=section.period)


def _axis(axis: Any) -> npt.NDArray[np.float64]:
    values = axis if isinstance(axis, list) else np.linspace(axis.start, axis.stop, axis.num)
    return np.asarray(values, dtype=float)


def joined(job: Job, outcomes: Sequence[Outcome]) -> xarray.Dataset:
    """The dataset that is written, of one temperature without a dimension for it. Its attributes hold the job, and
    nothing that differs from run to run."""
    datasets = [outcome.dataset for outcome in outcomes]
    dataset = datasets[0] if len(datasets) == 1 else join_temperatures([o.sigma for o in outcomes], datasets)
    return dataset.assign_attrs(job=job.text)


def cost_facts(points: int, given: Sequence[Cost | None], workers: int) -> dict[str, Any]:
    """Work of all temperatures that can be computed, by level; memory of all workers; time with them."""
    costs = [cost for cost in given if cost is not None]
    levels = sorted(costs[0].problems)
    return {
        "points": points,
        "distinct_points": max(cost.points for cost in costs),
        "solved_points": max(cost.solved for cost in costs),
        "temperatures": len(given),
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
