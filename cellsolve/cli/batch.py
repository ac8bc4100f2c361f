"""cellsolve batch: one coefficient on many meshes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cellsolve.cli.items import Coefficient
    from cellsolve.cli.jobs import CompositeJob

__all__ = ["command"]


@click.command("batch", short_help="Effective tensors of many meshes, one row each.")
@click.argument("meshes", nargs=-1, required=True, metavar="MESH...")
@click.option(
    "-k", "coefficients", multiple=True, metavar="COEFFICIENT", help="The coefficient; see above. Repeatable."
)
@click.option(
    "--job", type=click.Path(path_type=Path), help="Take the coefficient, tol and bounds from a composite job."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The table to write, .csv or .jsonl.")
@click.option("--order", type=click.IntRange(1), default=2, show_default=True, help="Order of the elements.")
@click.option("--tol", type=click.FloatRange(1e-13, 1, max_open=True), help="Relative error of iterations.  [1e-8]")
@click.option("--bounds", is_flag=True, help="Two-sided bounds as well.")
@click.option("-j", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    meshes: tuple[str, ...],
    coefficients: tuple[str, ...],
    job: Path | None,
    output: Path | None,
    order: int,
    tol: float | None,
    bounds: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Effective tensors of many meshes, one row each; a mesh that fails does not end the others.

    COEFFICIENT is a number, a text in y[0], y[1] .., a matrix such as [[2,0],[0,1]], or one of these for a region,
    REGION=VALUE. A bare one beside those serves all other regions.

    \b
        cellsolve batch meshes/*.msh -k "1 + 0.5*cos(2*pi*y[0])"
        cellsolve batch meshes/*.msh -k matrix=1 -k inclusion=10 -o table.csv -j 4
    """
    from cellsolve.cli.composite_job import TOL, exit_code_of, print_rows, print_summary, solve_and_write
    from cellsolve.cli.items import Item, MeshSource
    from cellsolve.cli.outputs import check_table
    from cellsolve.cli.terminal import echo_json, results

    if bool(coefficients) == (job is not None):
        raise click.UsageError("Give the coefficient once: either with -k, or with --job.")
    if output is not None:
        check_table(output)
    content = _composite(job) if job is not None else None
    coefficient = dict(content.coefficient) if content else _coefficient(coefficients)
    tol = tol or (content.solve.tol if content else None) or TOL
    bounds = bounds or bool(content and content.solve.bounds)
    items = [Item(mesh, MeshSource(Path(mesh)), coefficient, order, tol, bounds) for mesh in meshes]
    outcomes = solve_and_write(items, workers, output)
    if as_json:
        echo_json([outcome.row for outcome in outcomes])
    elif output is None:
        print_rows(outcomes, results())
    print_summary(outcomes, items, output)
    ctx.exit(exit_code_of(outcomes))


def _composite(path: Path) -> CompositeJob:
    from cellsolve.cli.jobs import CompositeJob, load_job
    from cellsolve.errors import JobError

    content = load_job(path).content
    if not isinstance(content, CompositeJob):
        raise JobError(f"{path} has a [potential], needed a composite job with [coefficient]. Compute it with `run`.")
    return content


def _coefficient(texts: tuple[str, ...]) -> Coefficient:
    """The coefficient of several -k, by region."""
    coefficient: Coefficient = {}
    for text in texts:
        region, equals, value = (part.strip() for part in text.rpartition("="))
        name = region if equals else "default"
        if not name or name in coefficient:
            what = f"region {name!r}" if equals else "coefficient"
            raise click.UsageError(f"-k {text}: got {what} twice or without a name, needed one value for each.")
        coefficient[name] = _value(text, value)
    return coefficient


def _value(text: str, value: str) -> float | str | list[list[float]]:
    """A number, a matrix, or a text that is an expression in y."""
    from cellsolve.cli.job_checks import expression_mistake
    from cellsolve.cli.jobs import is_coefficient

    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    wrong = expression_mistake(parsed) if isinstance(parsed, str) else ""
    if wrong or not is_coefficient(parsed):
        raise click.UsageError(f"-k {text}: {wrong or 'needed a finite number, a text in y, or a square matrix.'}")
    coefficient: float | str | list[list[float]] = parsed
    return coefficient
