"""cellsolve run: compute a job file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellsolve.cli.exits import Exit
from cellsolve.errors import JobError

if TYPE_CHECKING:
    from cellsolve.cli.jobs import CompositeJob, Job, PotentialJob
    from cellsolve.cli.potential_job import Outcome

__all__ = ["command"]


@click.command("run", short_help="Compute a job file.")
@click.argument("job", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the result goes, instead of output.path.")
@click.option("-j", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the job; TOML. Repeatable."
)
@click.option("--resume", is_flag=True, help="Go on with a run of the same job that was broken off.")
@click.option("--dry-run", is_flag=True, help="Check the job, print the cost, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the cost and the summary as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    job: Path,
    output: Path | None,
    workers: int,
    overrides: tuple[str, ...],
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Compute the job file JOB.

    A [potential] gives a netCDF file of M, Z and Psi on the grid; a [coefficient] gives a table (.csv, .jsonl) of
    effective tensors, one row a cell.

    \b
        cellsolve run rugged.toml -j 4
        cellsolve run rugged.toml --set potential.sigma=[0.3,0.5] -o cold.nc

    What is finished is kept beside the output, OUT.partial, until that is written: after a crash, --resume goes on with
    it, to the same file. A result that does not meet the tolerance everywhere is written, marked, with exit code 3.
    """
    from cellsolve.cli.jobs import PotentialJob, load_job

    loaded = load_job(job, overrides)
    path = _output(loaded, output)
    run = _Run(loaded, path, workers, resume, dry_run, as_json)
    content = loaded.content
    ctx.exit(run.potential(content) if isinstance(content, PotentialJob) else run.composite(content))


def _output(job: Job, given: Path | None) -> Path:
    """Where to write; checked before anything is computed."""
    named = job.content.output.path
    path = given or (Path(named) if named else None)
    if path is None:
        raise JobError("output.path: missing, needed the path of a file. Put it into the job, or give -o FILE.")
    return path


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of the command."""

    job: Job
    path: Path
    workers: int
    resume: bool
    dry_run: bool
    as_json: bool

    def potential(self, content: PotentialJob) -> Exit:
        """Cost, computation, file, summary."""
        from cellsolve.cli.outputs import check_writable
        from cellsolve.cli.potential_job import computation, cost_facts
        from cellsolve.cli.resumable import computed_and_written

        check_writable(self.path)
        work = computation(self.job, content)
        costs = work.costs()
        cost = cost_facts(work.points, costs, self.workers)
        _print_cost(cost)
        if self.dry_run:
            self._json({"cost": cost})
            return Exit.OK
        outcomes = computed_and_written(self.job, work, costs, self.path, self.workers, self.resume)
        _print_outcomes(work.points, outcomes, self.path)
        facts = [outcome.facts() for outcome in outcomes]
        converged = all(found["converged"] for found in facts)
        summary = {"file": str(self.path), "points": work.points, "converged": converged, "temperatures": facts}
        self._json({"cost": cost, **summary})
        return _said_failures(outcomes)

    def composite(self, content: CompositeJob) -> Exit:
        """Cost, rows, summary."""
        from cellsolve.cli.composite_job import exit_code_of, job_items, print_rows, print_summary, solve_and_write
        from cellsolve.cli.earlier_rows import anew, resumed_job
        from cellsolve.cli.outputs import check_table
        from cellsolve.cli.terminal import messages

        items = job_items(self.job, content)
        if not items:
            raise JobError("[[cells]]: missing, needed one or more, with mesh = .. or box = .. Add one.")
        check_table(self.path)
        click.echo(f"{len(items)} cell problem(s), {self.workers} worker(s).", err=True)
        if self.dry_run:
            self._json({"cost": {"cell_problems": len(items), "workers": self.workers}})
            return Exit.OK
        outcomes = solve_and_write(items, self.workers, self.path, resumed_job if self.resume else anew)
        print_rows(outcomes, messages())
        print_summary(outcomes, items, self.path)
        self._json({"file": str(self.path), "rows": [outcome.row for outcome in outcomes]})
        return exit_code_of(outcomes)

    def _json(self, data: dict[str, Any]) -> None:
        from cellsolve.cli.terminal import echo_json

        if self.as_json:
            echo_json(data)


def _print_cost(cost: dict[str, Any]) -> None:
    from cellsolve.cli.terminal import duration, messages, plain_table, size

    table = plain_table("level", "cell problems", "unknowns", title="Cost")
    for level, work in cost["levels"].items():
        unknowns = dict.fromkeys((work["smallest_unknowns"], work["largest_unknowns"]))
        table.add_row(str(level), f"{work['cell_problems']}", " .. ".join(map(str, unknowns)))
    messages().print(table)
    points = f"{cost['points']} points ({cost['distinct_points']} distinct for M, about {cost['solved_points']} solved)"
    click.echo(f"  {points}, {cost['temperatures']} temperature(s), {cost['cell_problems']} cell problems", err=True)
    work = f"memory {size(cost['memory_bytes'])}, about {duration(cost['seconds'])}"
    click.echo(f"  {work} with {cost['workers']} worker(s)\n", err=True)


def _print_outcomes(points: int, outcomes: Sequence[Outcome], path: Path) -> None:
    from cellsolve.cli.terminal import duration, messages, plain_table, spread

    table = plain_table("sigma", "eigenvalues of M", "worst error", "cell problems", "time", title="Result")
    for found in (outcome.facts() for outcome in outcomes):
        values = spread(found["smallest_eigenvalue"], found["largest_eigenvalue"])
        if found["points_of_diffusion_underflow"]:
            values = f"exp of {spread(found['smallest_log_eigenvalue'], found['largest_log_eigenvalue'])}"
        error = f"{found['worst_error_estimate']:.1e}"
        table.add_row(
            f"{found['sigma']:g}",
            values,
            error,
            found["cell_problems"].replace("; ", "\n"),
            duration(found["seconds"]),
            style="" if found["converged"] else "yellow",
        )
    messages().print(table)
    click.echo(f"  {points} points written to {path}", err=True)


def _said_failures(outcomes: Sequence[Outcome]) -> Exit:
    from cellsolve.cli.exits import say_error

    failed = [outcome for outcome in outcomes if outcome.failure]
    for outcome in failed:
        say_error(f"sigma = {outcome.sigma:g}: {outcome.failure} What was reached is written, with converged = 0.")
    return Exit.NOT_CONVERGED if failed else Exit.OK
