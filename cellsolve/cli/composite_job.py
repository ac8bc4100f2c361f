"""Batches of cells, from the command line or a composite job: solved, written row by row, shown as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console

from cellsolve.cli.earlier_rows import Starting, anew
from cellsolve.cli.exits import Exit
from cellsolve.cli.items import BoxSource, Item, MeshSource, Outcome, solve_here, solve_items
from cellsolve.cli.jobs import CompositeCell, CompositeJob, Job
from cellsolve.cli.terminal import messages, plain_table, progress_bar
from cellsolve.results.locks import sole_writer
from cellsolve.results.rows import BOUND_COLUMNS, COLUMNS, FIELD_COLUMNS, RECORD_COLUMNS, Row
from cellsolve.results.table import Table, open_table

__all__ = ["TOL", "exit_code_of", "job_items", "print_rows", "print_summary", "solve_and_write"]

TOL = 1e-8
_ORDER = 2
Solve = Callable[[Sequence[Item], int], Generator[Outcome, None, None]]


def job_items(job: Job, content: CompositeJob) -> list[Item]:
    """One item for each of the job's cells; mesh paths are relative to its folder."""
    return [_item(job.folder, content, number, cell) for number, cell in enumerate(content.cells)]


def _item(folder: Path, content: CompositeJob, number: int, cell: CompositeCell) -> Item:
    name, source = f"cells[{number}]: box", _source(folder, cell)
    if cell.mesh is not None:
        name = cell.mesh
    solve = content.solve
    order = cell.order or _ORDER
    return Item(name, source, content.coefficient, order, solve.tol or TOL, solve.bounds, solve.refine)


def _source(folder: Path, cell: CompositeCell) -> MeshSource | BoxSource:
    if cell.box is not None:
        return BoxSource(cell.box.dim, cell.box.n, cell.box.order or cell.order, cell.period)
    return MeshSource(
        folder / (cell.mesh or ""), cell.period, cell.match_tol, cell.regions, cell.periodicity, cell.merge_nodes
    )


def solve_and_write(items: Sequence[Item], workers: int, path: Path | None, starting: Starting = anew) -> list[Outcome]:
    """Solve the items; each row is in the table at ``path``, on disk, once it is known. Failures are said at once.

    ``starting`` says what becomes of a table that is there already. Nobody else may write to it meanwhile.
    """
    if path is None:
        solve = solve_here if len(items) == 1 else solve_items  # a single one has no others to be kept from harm
        return _solved(items, workers, solve, None)
    with sole_writer(path):
        start = starting(path, items)
        with open_table(path, _columns(items, start.rows), start.rows) as table:
            try:
                return [*start.kept, *_solved(start.items, workers, solve_items, table)]
            except KeyboardInterrupt:
                click.echo(f"The rows of what is done are in {path}.", err=True)
                raise


def _columns(items: Sequence[Item], rows: Sequence[Row]) -> tuple[str, ...]:
    """Of all tables, and those of brackets and fields where they are wanted or there already."""
    columns = COLUMNS
    if any(item.bounds for item in items):
        columns += BOUND_COLUMNS
    if any(item.fields for item in items) or any("fields" in row for row in rows):
        columns += FIELD_COLUMNS
    return columns + RECORD_COLUMNS


def _solved(items: Sequence[Item], workers: int, solve: Solve, table: Table | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with progress_bar("solving", "cells") as report, closing(solve(items, workers)) as solved:
        report(0, len(items))
        for outcome in solved:
            outcomes.append(outcome)
            _record(outcome, table)
            report(len(outcomes), len(items))
    return outcomes


def _record(outcome: Outcome, table: Table | None) -> None:
    if table is not None:
        table.append(outcome.row)
    if outcome.failed:
        messages().print(f"failed: {outcome.row['mesh']}: {outcome.row['status']}", style="red", soft_wrap=True)


def exit_code_of(outcomes: Sequence[Outcome]) -> Exit:
    """0 when all went well, 4 when every item failed because of its mesh, else 5."""
    if not any(outcome.failed for outcome in outcomes):
        return Exit.OK
    return Exit.MESH if all(outcome.mesh_failed for outcome in outcomes) else Exit.SOME_FAILED


def print_rows(outcomes: Sequence[Outcome], console: Console) -> None:
    """A table for people."""
    table = plain_table("mesh", "K", "eigenvalues", "pores", "unknowns", "error")
    for outcome in outcomes:
        row = outcome.row
        if outcome.failed:
            kind = str(row["status"]).partition(":")[0]
            table.add_row(str(row["mesh"]), kind, style="red")
        else:
            table.add_row(*_cells(row))
    console.print(table)


def _cells(row: Row) -> list[str]:
    axes = range(int(row["dim"]))
    tensor = [[float(row[f"K{i}{j}"]) for j in axes] for i in axes]
    entries = iter(_aligned([entry for line in tensor for entry in line]))
    return [
        str(row["mesh"]),
        "\n".join("  ".join(next(entries) for _ in axes) for _ in axes),
        "\n".join(f"{float(row[f'eigenvalue{i}']):.6g}" for i in axes),
        f"{float(row['porosity']):.4g}",
        f"{row['unknowns']}",
        f"{float(row['error_estimate']):.1e}",
    ]


def _aligned(entries: list[float]) -> list[str]:
    """Entries of one tensor, equally long, to five digits of the largest."""
    largest = max(map(abs, entries))
    exponent = math.floor(math.log10(largest)) if 0.0 < largest < math.inf else 0
    shown = f".{max(0, 4 - exponent)}f" if -4 < exponent < 7 else ".4e"
    tiny = 0.5 * 10.0 ** (exponent - 4)
    texts = [f"{entry if abs(entry) > tiny else 0.0:{shown}}" for entry in entries]
    return [text.rjust(max(map(len, texts))) for text in texts]


def _warn_of_defaults(outcomes: Sequence[Outcome], named: set[str]) -> None:
    """Composites that have none of the regions that were named, and that other cells have: they took the default."""
    for outcome in outcomes:
        if named and len(outcome.regions) > 1 and not named & outcome.regions:
            has, wanted = ", ".join(sorted(outcome.regions)), ", ".join(sorted(named))
            mesh = outcome.row["mesh"]
            click.echo(f"warning: {mesh} has {has}, but none of {wanted}: it took the default throughout.", err=True)


def print_summary(outcomes: Sequence[Outcome], items: Sequence[Item], path: Path | None) -> None:
    """How many were solved, where the rows are, and which regions were named in vain, on stderr."""
    named = {name for item in items for name in item.coefficient} - {"default"}
    unseen = sorted(named.difference(*(outcome.regions for outcome in outcomes)))
    known = any(outcome.regions for outcome in outcomes) and not any(outcome.kept for outcome in outcomes)
    if unseen and known:
        click.echo(
            f"warning: no cell of this batch has a region {', '.join(unseen)}; its value was not used.", err=True
        )
    _warn_of_defaults(outcomes, named - set(unseen) if known else set())
    kept = sum(outcome.kept for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    tried = len(outcomes) - kept
    parts = [f"{tried - failed} of {tried} cells solved"] if tried else []
    if kept:
        parts.append(f"{kept} kept from before")
    if failed:
        parts.append(f"{failed} failed")
    if path is not None:
        parts.append(f"rows in {path}")
    click.echo("; ".join(parts) + ".", err=True)
