"""cellsolve check: is a mesh a periodic cell, and a good one?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cellsolve.cli.exits import Exit

if TYPE_CHECKING:
    from cellsolve.cells import CellReport

__all__ = ["command"]


@click.command("check", short_help="Is a mesh a periodic cell, and a good one?")
@click.argument("meshes", nargs=-1, required=True, metavar="MESH...")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON on stdout.")
@click.pass_context
def command(ctx: click.Context, meshes: tuple[str, ...], as_json: bool) -> None:
    """Describe meshes: elements, quality, regions, period, how opposite sides match, and what to remedy."""
    from cellsolve.cells import inspect_cell
    from cellsolve.cli.terminal import echo_json
    from cellsolve.errors import MeshError

    reports: list[dict[str, Any]] = []
    for mesh in meshes:
        try:
            found = inspect_cell(mesh)
        except MeshError as error:
            reports.append({"file": mesh, "usable": False, "problems": [str(error)]})
        else:
            reports.append(_as_data(found))
        if not as_json:
            _print_page(reports[-1])
    if as_json:
        echo_json(reports)
    ctx.exit(Exit.OK if all(report["usable"] for report in reports) else Exit.MESH)


def _as_data(report: CellReport) -> dict[str, Any]:
    names = ("file", "dim", "shape", "nodes", "elements", "size", "regions", "porosity")
    sides = ("side", "facets", "unmatched", "largest_gap")
    return {
        **{name: getattr(report, name) for name in names},
        "period": report.period.tolist(),
        "quality": {
            "measure": report.quality_measure,
            "least": report.quality_min,
            "mean": report.quality_mean,
        },
        "sides": [{name: getattr(side, name) for name in sides} for side in report.sides],
        "usable": report.usable,
        "problems": list(report.problems),
    }


def _print_page(report: dict[str, Any]) -> None:
    from cellsolve.cli.terminal import facts, results

    console = results()
    verdict, style = ("usable", "bold green") if report["usable"] else ("cannot be used", "bold red")
    console.print(report["file"], style="bold", end=": ", soft_wrap=True)
    console.print(verdict, style=style)
    if "dim" in report:
        console.print(facts(_facts(report)))
    for problem in report["problems"]:
        console.print(f"  problem: {problem}", style="red", soft_wrap=True)
    console.print()


def _facts(report: dict[str, Any]) -> dict[str, str]:
    quality = report["quality"]
    regions = [f"{name} {fraction:.4g}" for name, fraction in report["regions"].items()]
    regions += [f"pores {report['porosity']:.4g}"] if report["porosity"] else []
    return {
        "elements": f"{report['elements']} ({report['shape']}, {report['dim']}-D), {report['nodes']} nodes",
        "element size": f"{report['size']:.3g}",
        "quality": f"least {quality['least']:.3g}, mean {quality['mean']:.3g} ({quality['measure']}, 1 is best)",
        "regions": ", ".join(regions),
        "period": ", ".join("(" + ", ".join(f"{entry:.6g}" for entry in row) + ")" for row in report["period"]),
        **{f"side {side['side']}": _side(side) for side in report["sides"]},
    }


def _side(side: dict[str, Any]) -> str:
    if not side["unmatched"] and not side["largest_gap"]:
        return f"all {side['facets']} facets match"
    return f"{side['unmatched']} of {side['facets']} facets without a partner, largest gap {side['largest_gap']:.1e}"
