"""Items of a batch: one cell with one coefficient, solved here or by workers. No item ends the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellsolve.cellproblem.coefficient import Coefficient as KernelCoefficient
from cellsolve.cellproblem.solve import solve_cell_problem
from cellsolve.cells import box_cell, read_cell
from cellsolve.cli.jobs import CoefficientValue
from cellsolve.cli.pools import worker_pool
from cellsolve.errors import MeshError
from cellsolve.fem.resolution import Cell
from cellsolve.results.rows import Row, failure_row, solution_row

__all__ = ["BoxSource", "Item", "MeshSource", "Outcome", "solve_item", "solve_items"]

Coefficient = dict[str, CoefficientValue]
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class MeshSource:
    """A cell to be read from a mesh file."""

    path: Path
    period: list[list[float]] | None = None
    match_tol: float = 1e-8

    def cell(self) -> Cell:
        return read_cell(self.path, period=self.period, match_tol=self.match_tol)


@dataclass(frozen=True, slots=True)
class BoxSource:
    """A built-in cell."""

    dim: int
    n: int | None = None
    order: int | None = None
    period: list[list[float]] | None = None

    def cell(self) -> Cell:
        return box_cell(self.dim, n=self.n, order=self.order, period=self.period)


@dataclass(frozen=True, slots=True)
class Item:
    """What a worker needs to make one row. ``coefficient``: by region; with a ``default`` for all others, a region that
    the cell does not have is left out (the cells of a batch differ), without one it is an error."""

    name: str
    source: MeshSource | BoxSource
    coefficient: Coefficient
    order: int
    tol: float
    bounds: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The row of an item, the regions of its cell, and whether it failed, by its mesh or otherwise."""

    row: Row
    regions: frozenset[str] = frozenset()
    failed: bool = False
    mesh_failed: bool = False


def solve_item(item: Item) -> Outcome:
    """Read the cell and solve it; whatever goes wrong becomes the row's status."""
    try:
        cell = item.source.cell()
        coefficient = _on_cell(item.coefficient, cell)
        solution = solve_cell_problem(cell, coefficient, order=item.order, tol=item.tol, bounds=item.bounds)
        return Outcome(solution_row(item.name, cell.porosity, solution), frozenset(cell.regions))
    except Exception as error:  # noqa: BLE001 - one bad mesh never ends the run
        words = " ".join(str(error).split()) or "no message"
        row = failure_row(item.name, type(error).__name__, words)
        return Outcome(row, failed=True, mesh_failed=isinstance(error, MeshError))


def _on_cell(given: Coefficient, cell: Cell) -> KernelCoefficient:
    """The default filled in for the regions that have no value of their own."""
    coefficient = {name: np.array(value) if isinstance(value, list) else value for name, value in given.items()}
    if _DEFAULT not in coefficient:
        return coefficient
    own = {name: value for name, value in coefficient.items() if name in cell.regions}
    return {**dict.fromkeys(cell.regions, coefficient[_DEFAULT]), **own} if own else coefficient[_DEFAULT]


def solve_items(
    items: Sequence[Item], workers: int, solve: Callable[[Item], Outcome] = solve_item
) -> Iterator[Outcome]:
    """The outcome of each item as it is done. An item whose worker dies is a failure of that item only."""
    if workers == 1 or len(items) == 1:
        yield from map(solve, items)
        return
    waiting = dict(enumerate(items))
    with worker_pool(min(workers, len(items))) as pool:
        assert pool is not None
        futures = _submitted(pool, items, solve)
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenExecutor):
                yield future.result()
                del waiting[futures[future]]
    yield from _one_by_one(list(waiting.values()), solve)


def _submitted(pool: Executor, items: Sequence[Item], solve: Callable[[Item], Outcome]) -> dict[Future[Outcome], int]:
    futures: dict[Future[Outcome], int] = {}
    for number, item in enumerate(items):
        try:
            futures[pool.submit(solve, item)] = number
        except BrokenExecutor:
            break
    return futures


def _one_by_one(items: Sequence[Item], solve: Callable[[Item], Outcome]) -> Iterator[Outcome]:
    """Items left over by a pool that broke: in a process each time one dies, so that the guilty one is known."""
    left = list(items)
    while left:
        with ExitStack() as stack:
            pool = stack.enter_context(worker_pool(2))
            assert pool is not None
            while left:
                item = left.pop(0)
                try:
                    yield pool.submit(solve, item).result()
                except BrokenExecutor:
                    words = "the process died, perhaps for want of memory. Try a coarser mesh or a lower order."
                    yield Outcome(failure_row(item.name, "WorkerDied", words), failed=True)
                    break
