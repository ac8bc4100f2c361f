"""cellsolve batch: one coefficient on many meshes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cellsolve.cli.earlier_rows import Starting
    from cellsolve.cli.items import Coefficient, Item
    from cellsolve.cli.jobs import CompositeJob

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("batch", short_help="Effective tensors of many meshes, one row each.")
@click.argument("meshes", nargs=-1, required=True, metavar="MESH...")
@click.option(
    "-k", "coefficients", multiple=True, metavar="COEFFICIENT", help="The coefficient; see above. Repeatable."
)
@click.option("--job", type=_PATH, help="Take the coefficient, tol, bounds and refine from a composite job.")
@click.option("-o", "--output", type=_PATH, help="The table to write, .csv or .jsonl.")
@click.option("--resume", is_flag=True, help="Go on with the table: do meshes that failed, changed, or have no row.")
@click.option("--overwrite", is_flag=True, help="Start the table anew, whatever it holds.")
@click.option("--fields", type=_PATH, metavar="DIR", help="Write correctors and fluxes, one VTU file a mesh.")
@click.option("--order", type=click.IntRange(1), default=2, show_default=True, help="Order of the elements.")
@click.option("--tol", type=click.FloatRange(1e-13, 1, max_open=True), help="Relative error of iterations.  [1e-8]")
@click.option("--bounds", is_flag=True, help="Two-sided bounds as well.")
@click.option("--refine", type=click.Choice(["uniform", "adaptive"]), help="Refine meshes until they meet tol.")
@click.option("--regions", metavar="NAME", help="The integer cell array of the meshes that holds their regions.")
@click.option("--period", metavar="MATRIX", help="Period vectors, one a row, such as [[1,0],[0.5,1]].  [detected]")
@click.option(
    "--match-tol", type=click.FloatRange(0, 0.01, min_open=True), help="Largest gap of opposite nodes.  [1e-8]"
)
@click.option("--periodicity", type=click.Choice(["exact", "mortar"]), help="How opposite sides are coupled.")
@click.option("--merge-nodes", is_flag=True, default=None, help="Make nodes at one place one node.")
@click.option("-j", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    meshes: tuple[str, ...],
    output: Path | None,
    resume: bool,
    overwrite: bool,
    workers: int,
    as_json: bool,
    **problem: Any,
) -> None:
    """Effective tensors of many meshes, one row each; a mesh that fails does not end the others.

    MESH is a file, or a folder: all mesh files in it. COEFFICIENT is a number, a text in y[0], y[1] .., a matrix such
    as [[2,0],[0,1]], or one of these for a region, REGION=VALUE. A bare one beside those serves all other regions.

    \b
        cellsolve batch meshes/*.msh -k "1 + 0.5*cos(2*pi*y[0])"
        cellsolve batch meshes -k matrix=1 -k inclusion=10 -o table.csv -j 4 --resume

    A row is on the disk as soon as it is known. A table that is there already is gone on with by --resume: rows that
    are well stay, as long as their file is the same; settings must be the same. --overwrite starts it anew.
    """
    from cellsolve.cli.composite_job import exit_code_of, print_rows, print_summary, solve_and_write
    from cellsolve.cli.outputs import check_table
    from cellsolve.cli.terminal import echo_json, results

    starting = _starting(output, resume, overwrite)
    if output is not None:
        check_table(output)
    items = _items(meshes, _Problem(**problem))
    outcomes = solve_and_write(items, workers, output, starting)
    if as_json:
        echo_json([outcome.row for outcome in outcomes])
    elif output is None:
        print_rows(outcomes, results())
    print_summary(outcomes, items, output)
    ctx.exit(exit_code_of(outcomes))


def _starting(output: Path | None, resume: bool, overwrite: bool) -> Starting:
    from cellsolve.cli.earlier_rows import anew, only_new, resumed

    if resume and overwrite:
        raise click.UsageError("Give --resume or --overwrite, not both.")
    if output is None and (resume or overwrite):
        raise click.UsageError("--resume and --overwrite are about the table: give it with -o.")
    return resumed if resume else anew if overwrite else only_new


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is solved on each mesh, as the command line says it."""

    coefficients: tuple[str, ...]
    job: Path | None
    fields: Path | None
    order: int
    tol: float | None
    bounds: bool
    refine: str | None
    regions: str | None
    period: str | None
    match_tol: float | None
    periodicity: str | None
    merge_nodes: bool | None


def _items(meshes: Sequence[str], problem: _Problem) -> list[Item]:
    """One item a mesh file."""
    from cellsolve.cli.composite_job import TOL
    from cellsolve.cli.items import Item, MeshSource
    from cellsolve.cli.mesh_paths import mesh_paths

    if bool(problem.coefficients) == (problem.job is not None):
        raise click.UsageError("Give the coefficient once: either with -k, or with --job.")
    content = _composite(problem.job) if problem.job is not None else None
    coefficient = dict(content.coefficient) if content else _coefficient(problem.coefficients)
    tol = problem.tol or (content.solve.tol if content else None) or TOL
    bounds = problem.bounds or bool(content and content.solve.bounds)
    refine = problem.refine or (content.solve.refine if content else None)
    reading = (
        _period(problem.period),
        problem.match_tol,
        problem.regions,
        problem.periodicity,
        problem.merge_nodes or None,
    )
    items = [
        Item(str(mesh), MeshSource(mesh, *reading), coefficient, problem.order, tol, bounds, refine)
        for mesh in mesh_paths(meshes)
    ]
    return items if problem.fields is None else _with_fields(items, problem.fields, meshes)


def _with_fields(items: Sequence[Item], folder: Path, meshes: Sequence[str]) -> list[Item]:
    from cellsolve.cli.mesh_paths import field_paths
    from cellsolve.cli.outputs import make_folder

    if folder.resolve() in [Path(mesh).resolve() for mesh in meshes]:
        raise click.UsageError(f"--fields {folder}: the meshes are in it, and fields would be taken for meshes later.")
    paths = field_paths(folder, [Path(item.name) for item in items])
    make_folder(folder)
    return [replace(item, fields=path) for item, path in zip(items, paths, strict=True)]


def _period(text: str | None) -> list[list[float]] | None:
    from cellsolve.cli.jobs import is_coefficient

    if text is None:
        return None
    try:
        rows = json.loads(text)
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not is_coefficient(rows):
        raise click.UsageError(f"--period {text}: needed one period vector a row, such as [[1,0],[0.5,1]].")
    return [[float(entry) for entry in row] for row in rows]


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
