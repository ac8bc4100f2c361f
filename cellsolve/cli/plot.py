"""cellsolve plot: figures of a result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cellsolve.plots import Plot

__all__ = ["command"]

_TABLES = (".csv", ".jsonl")


@click.command("plot", short_help="Figures of a result.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder.  [default: this one]")
@click.option(
    "--format",
    "forms",
    type=click.Choice(["png", "svg", "pdf"]),
    multiple=True,
    default=("png", "svg"),
    show_default=True,
    help="Kind of file; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON on stdout.")
def command(result: Path, output: Path, forms: tuple[str, ...], as_json: bool) -> None:
    """Draw RESULT: a netCDF file of `cellsolve run` (M, free energy and errors over the grid; M against 1/sigma where
    there are several temperatures), or a table of `cellsolve batch` (eigenvalues by mesh, with brackets)."""
    from cellsolve.cli.outputs import make_folder
    from cellsolve.cli.terminal import echo_json

    plots = _plots(result)
    make_folder(output)
    files = [_written(plot, output / f"{result.stem}_{plot.name}.{form}", form) for plot in plots for form in forms]
    if as_json:
        echo_json([{"file": str(file), "title": title, "caption": caption} for file, title, caption in files])
    else:
        for file, _, _ in files:
            click.echo(str(file))


def _plots(result: Path) -> Sequence[Plot]:
    from cellsolve.errors import JobError
    from cellsolve.plots.datasets import dataset_plots
    from cellsolve.plots.tables import table_plot
    from cellsolve.results.dataset import read_netcdf
    from cellsolve.results.table_reading import read_table

    if not result.is_file():
        raise JobError(f"{result}: no such file. Give a netCDF file of `cellsolve run`, or a table of `batch`.")
    try:
        if result.suffix.lower() in _TABLES:
            return [table_plot(read_table(result))]
        return dataset_plots(read_netcdf(result))
    except JobError as error:
        said = str(error).removesuffix(" Give another output (-o).").removeprefix(f"{result}: ")
        raise JobError(f"{result} cannot be drawn: {said}") from None


def _written(plot: Plot, path: Path, form: str) -> tuple[Path, str, str]:
    from cellsolve.plots import image
    from cellsolve.results.whole_file import whole_file

    with whole_file(path) as scratch:
        scratch.write_bytes(image(plot, form))
    return path, plot.title, plot.caption
