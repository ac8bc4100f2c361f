"""A potential job computed with checkpoints beside its output, which are gone when that is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from cellsolve.cli.jobs import Job
from cellsolve.cli.pools import worker_pool
from cellsolve.cli.potential_job import Computation, Outcome, joined
from cellsolve.cli.terminal import progress_bar
from cellsolve.multiscale.cost import Cost
from cellsolve.results.dataset import write_netcdf
from cellsolve.results.locks import sole_writer
from cellsolve.results.store import Store, open_store, remove_store

__all__ = ["computed_and_written"]


def computed_and_written(
    job: Job, work: Computation, costs: Sequence[Cost | None], path: Path, workers: int, resume: bool
) -> list[Outcome]:
    """Compute what is not finished yet, and write the file. Nobody else may write to it meanwhile.

    Raises JobError when it cannot be written, or its checkpoints are of another job.
    """
    folder = path.with_name(f"{path.name}.partial")
    with sole_writer(path):
        with _checkpoints(folder, work, resume) as store:
            with worker_pool(workers) as executor, progress_bar("solving", "cell problems") as report:
                outcomes = work.outcomes(costs, executor, report, store)
            write_netcdf(joined(job, outcomes), path)
        remove_store(folder)
    return outcomes


@contextmanager
def _checkpoints(folder: Path, work: Computation, resume: bool) -> Iterator[Store]:
    """The checkpoints in a folder, those of earlier runs only if they are wanted; where they are is said when the
    computation does not end well."""
    if not resume and remove_store(folder):
        click.echo(f"The run that was broken off before is started anew: {folder} is dropped.", err=True)
    try:
        with open_store(folder, work.facts) as store:
            if resume:
                click.echo(_found(store), err=True)
            yield store
    except BaseException:
        if folder.is_dir() and any(folder.glob("part-*.npz")):
            click.echo(f"What is finished is kept in {folder}; --resume goes on with it.", err=True)
        raise


def _found(store: Store) -> str:
    if not len(store):
        return "There is nothing to go on with: all is computed."
    return f"Going on with {len(store)} finished parts of {store.folder}."
