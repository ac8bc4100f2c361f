"""cellsolve info: what a result file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import xarray
    from rich.console import Console
    from rich.text import Text

__all__ = ["command"]


@click.command("info", short_help="What a result file holds.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on stdout.")
def command(result: Path, as_json: bool) -> None:
    """Describe the netCDF file RESULT: dimensions, variables with units and ranges, how it was made."""
    from cellsolve.cli.terminal import echo_json
    from cellsolve.results.dataset import read_netcdf

    data = {"file": str(result), **_as_data(read_netcdf(result))}
    if as_json:
        echo_json(data)
    else:
        _print_page(data)


def _as_data(dataset: xarray.Dataset) -> dict[str, Any]:
    return {
        "dimensions": {str(name): length for name, length in dataset.sizes.items()},
        "coordinates": {str(name): _variable(array) for name, array in dataset.coords.items()},
        "variables": {str(name): _variable(array) for name, array in dataset.data_vars.items()},
        "attributes": {str(name): _plain(value) for name, value in dataset.attrs.items()},
    }


def _variable(array: xarray.DataArray) -> dict[str, Any]:
    """Dimensions, units, meaning and range; a variable that holds no numbers has no range."""
    import numpy as np

    numbers = array.size and np.issubdtype(array.dtype, np.number)
    low, high = (float(array.min()), float(array.max())) if numbers else (float("nan"), float("nan"))
    return {
        "dimensions": [str(name) for name in array.dims],
        "units": str(array.attrs.get("units", "")),
        "long_name": str(array.attrs.get("long_name", "")),
        "min": low,
        "max": high,
    }


def _plain(value: Any) -> Any:
    """numpy values of attributes as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _print_page(data: dict[str, Any]) -> None:
    from cellsolve.cli.terminal import facts, plain_table, results

    console = results()
    console.print(data["file"], style="bold", soft_wrap=True)
    _print_verdict(console, data["attributes"])
    console.print("  " + ", ".join(f"{name} {length}" for name, length in data["dimensions"].items()))
    table = plain_table("variable", "range [unit]")
    for name, variable in {**data["coordinates"], **data["variables"]}.items():
        table.add_row(*_cells(name, variable))
    table.columns[0].no_wrap, table.columns[1].no_wrap, table.columns[1].justify = True, False, "left"
    console.print(table)
    attributes = {name: str(value) for name, value in data["attributes"].items() if name != "job"}
    console.print(facts(attributes))
    if "job" in data["attributes"]:
        console.print("\n  job", style="dim")
        for line in str(data["attributes"]["job"]).splitlines():
            console.print(f"    {line}", soft_wrap=True)


def _print_verdict(console: Console, attributes: dict[str, Any]) -> None:
    """What must not be overlooked: that not all was reached, and where M is to be had as its logarithm only."""
    if attributes.get("converged", 1) == 0:
        words = attributes.get("failure") or "the tolerance was not reached."
        console.print(f"  NOT CONVERGED: {words}", style="bold red", soft_wrap=True)
    if any(_listed(attributes.get("points_of_diffusion_underflow", 0))):
        console.print("  diffusion is 0 at some points for want of range: see log_diffusion", style="yellow")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _cells(name: str, variable: dict[str, Any]) -> tuple[Text, Text]:
    """Name above dimensions, range and unit above the meaning."""
    from rich.text import Text

    from cellsolve.cli.terminal import spread

    shown = f"{spread(variable['min'], variable['max'])} [{variable['units']}]"
    about = Text.assemble(shown, "\n", (variable["long_name"], "dim"))
    return Text.assemble((name, "bold"), "\n", (", ".join(variable["dimensions"]), "dim")), about
