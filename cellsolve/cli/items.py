"""Items of a batch: one cell with one coefficient, solved here or by workers. No item ends the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellsolve.cellproblem.coefficient import Coefficient as KernelCoefficient
from cellsolve.cellproblem.solve import CellProblemSolution, solve_cell_problem
from cellsolve.cells import box_cell, read_cell
from cellsolve.cli.jobs import CoefficientValue
from cellsolve.cli.mesh_paths import file_hash
from cellsolve.cli.workers import Death, apply_in_processes
from cellsolve.errors import MeshError
from cellsolve.fem.resolution import Cell
from cellsolve.results.rows import Row, failure_row, solution_row
from cellsolve.results.vtu import write_fields

__all__ = ["BoxSource", "Item", "MeshSource", "Outcome", "solve_here", "solve_item", "solve_items"]

Coefficient = dict[str, CoefficientValue]
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class MeshSource:
    """A cell to be read from a mesh file; what is None is left to `read_cell`."""

    path: Path
    period: list[list[float]] | None = None
    match_tol: float | None = None
    regions: str | None = None
    periodicity: str | None = None
    merge_nodes: bool | None = None

    def cell(self) -> Cell:
        return read_cell(self.path, **self.options())

    def options(self) -> dict[str, Any]:
        """The keywords for `read_cell` that were given."""
        names = ("period", "match_tol", "regions", "periodicity", "merge_nodes")
        return _given({name: getattr(self, name) for name in names})

    def content(self) -> dict[str, str]:
        """What the cell is made from, for the record; of a file that cannot be read, `cell` says why."""
        try:
            return {"file_hash": file_hash(self.path)}
        except OSError:
            return {}


@dataclass(frozen=True, slots=True)
class BoxSource:
    """A built-in cell."""

    dim: int
    n: int | None = None
    order: int | None = None
    period: list[list[float]] | None = None

    def cell(self) -> Cell:
        return box_cell(self.dim, n=self.n, order=self.order, period=self.period)

    def options(self) -> dict[str, Any]:
        return _given({"dim": self.dim, "n": self.n, "box_order": self.order, "period": self.period})

    def content(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Item:
    """What a worker needs to make one row. ``coefficient``: by region; with a ``default`` for all others, a region that
    the cell does not have is left out (the cells of a batch differ), without one it is an error. ``fields``: the VTU
    file for correctors and fluxes."""

    name: str
    source: MeshSource | BoxSource
    coefficient: Coefficient
    order: int
    tol: float
    bounds: bool
    refine: str | None = None
    fields: Path | None = None

    @property
    def settings(self) -> str:
        """All that the tensor depends on besides the file, as JSON; equal texts mean equal problems."""
        settings = {
            "coefficient": {name: _as_floats(value) for name, value in sorted(self.coefficient.items())},
            "order": self.order,
            "tol": self.tol,
            "bounds": self.bounds,
            **_given({"refine": self.refine}),
            **self.source.options(),
        }
        return json.dumps(settings, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The row of an item, the regions of its cell, and whether it failed, by its mesh or otherwise, or was ``kept``
    from an earlier run."""

    row: Row
    regions: frozenset[str] = frozenset()
    failed: bool = False
    mesh_failed: bool = False
    kept: bool = False


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _as_floats(value: CoefficientValue) -> object:
    """1 and 1.0 are the same coefficient."""
    return value if isinstance(value, str) else np.asarray(value, dtype=float).tolist()


def solve_item(item: Item) -> Outcome:
    """Read the cell and solve it; whatever goes wrong becomes the row's status."""
    record = {"settings": item.settings}
    try:
        record |= item.source.content()
        cell = item.source.cell()
        solution = _solved(item, cell)
        record |= _written_fields(item, solution)
        row = {**solution_row(item.name, cell.porosity, solution), **record}
        return Outcome(row, frozenset(cell.regions))
    except Exception as error:  # noqa: BLE001 - one bad mesh never ends the run
        row = {**failure_row(item.name, type(error).__name__, str(error)), **record}
        return Outcome(row, failed=True, mesh_failed=isinstance(error, MeshError))


def _solved(item: Item, cell: Cell) -> CellProblemSolution:
    options = _given({"refine": item.refine})
    coefficient = _on_cell(item.coefficient, cell)
    return solve_cell_problem(cell, coefficient, order=item.order, tol=item.tol, bounds=item.bounds, **options)


def _written_fields(item: Item, solution: CellProblemSolution) -> dict[str, str]:
    if item.fields is None or solution.space is None:  # nothing conducts: there are no fields
        return {}
    write_fields(item.fields, solution)
    return {"fields": str(item.fields)}


def _on_cell(given: Coefficient, cell: Cell) -> KernelCoefficient:
    """The default filled in for the regions that have no value of their own."""
    coefficient = {name: np.array(value) if isinstance(value, list) else value for name, value in given.items()}
    if _DEFAULT not in coefficient:
        return coefficient
    own = {name: value for name, value in coefficient.items() if name in cell.regions}
    return {**dict.fromkeys(cell.regions, coefficient[_DEFAULT]), **own} if own else coefficient[_DEFAULT]


def solve_here(items: Sequence[Item], _workers: int) -> Generator[Outcome, None, None]:
    """The outcome of each item, without processes: one that kills this process ends all."""
    yield from map(solve_item, items)


def solve_items(
    items: Sequence[Item], workers: int, solve: Callable[[Item], Outcome] = solve_item
) -> Generator[Outcome, None, None]:
    """The outcome of each item as it is done, by worker processes, also for one worker: an item that kills it is a
    failure of that item only. What died beside others is tried once more alone: their memory may have been too much.
    """
    died = list[Item]()
    for number, result in apply_in_processes(solve, items, workers):
        if isinstance(result, Outcome):
            yield result
        elif min(workers, len(items)) > 1:
            died.append(items[number])
        else:
            yield _dead(items[number], result)
    for number, result in apply_in_processes(solve, died, 1):
        yield _dead(died[number], result) if isinstance(result, Death) else result


def _dead(item: Item, death: Death) -> Outcome:
    words = f"{death.words}. Try a coarser mesh or a lower order."
    return Outcome({**failure_row(item.name, "WorkerDied", words), "settings": item.settings}, failed=True)
