"""cellsolve check: is a mesh a periodic cell, and a good one?"""

from __future__ import annotations

import json
from typing import Any

import click

from cellsolve.cli.exits import Exit

__all__ = ["command"]


@click.command("check", short_help="Is a mesh a periodic cell, and a good one?")
@click.argument("meshes", nargs=-1, required=True, metavar="MESH...")
@click.option("--period", metavar="MATRIX", help="Period vectors, one a row, such as [[1,0],[0.5,1]].  [detected]")
@click.option(
    "--match-tol", type=click.FloatRange(0, 0.01, min_open=True), help="Largest gap of opposite nodes.  [1e-8]"
)
@click.option("--regions", metavar="NAME", help="The integer cell array of the meshes that holds their regions.")
@click.option("--periodicity", type=click.Choice(["exact", "mortar"]), help="How opposite sides are coupled.")
@click.option("--merge-nodes", is_flag=True, help="Make nodes at one place one node.")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON on stdout.")
@click.pass_context
def command(ctx: click.Context, /, meshes: tuple[str, ...], as_json: bool, **reading: Any) -> None:
    """Describe meshes: elements, quality, regions, period, how opposite sides match, which pieces conduct and in which
    directions, what is wrong and the remedy.

    The exit code is 4 if a mesh cannot be used. What does not conduct is no fault: it is left out, and noted.
    """
    from cellsolve.cli.check_page import print_page
    from cellsolve.cli.mesh_paths import mesh_paths
    from cellsolve.cli.terminal import echo_json

    given = {name: value for name, value in reading.items() if value}
    if "period" in given:
        given["period"] = _period(given["period"])
    reports = []
    for mesh in map(str, mesh_paths(meshes)):
        reports.append(_report(mesh, given))
        if not as_json:
            print_page(reports[-1])
    if as_json:
        echo_json(reports)
    ctx.exit(Exit.OK if all(report["usable"] for report in reports) else Exit.MESH)


def _period(text: str) -> Any:
    """Whatever table the text holds; what is no period of the mesh is said when it is read."""
    try:
        return json.loads(text)
    except ValueError:
        raise click.UsageError(f"--period {text}: needed one period vector a row, such as [[1,0],[0.5,1]].") from None


def _report(mesh: str, given: dict[str, Any]) -> dict[str, Any]:
    """The report of a mesh as plain data; of one that cannot be read, why."""
    from cellsolve.cells import inspect_cell
    from cellsolve.cli.check_page import as_data
    from cellsolve.errors import MeshError

    try:
        return as_data(inspect_cell(mesh, **given))
    except MeshError as error:
        return {"file": mesh, "usable": False, "problems": [str(error)], "notes": []}
