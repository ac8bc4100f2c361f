"""cellsolve validate: the claims of the package, measured, on the terminal and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellsolve.cli.exits import Exit

if TYPE_CHECKING:
    from cellsolve.validation import Claim, Outcome, Task

__all__ = ["command"]

_PAGE = Path("validation.html")


@click.command("validate", short_help="Measure what the package claims; writes a page.")
@click.argument("cases", nargs=-1, metavar="[CASE...]")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=_PAGE, show_default=True, help="HTML page.")
@click.option("--quick", is_flag=True, help="A coarse subset of the problems, in half a minute.")
@click.option("-j", "--workers", type=click.IntRange(min=1), help="Processes.  [default: 2, or 1 on one processor]")
@click.option("--json", "as_json", is_flag=True, help="Print the claims as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context, cases: tuple[str, ...], output: Path, quick: bool, workers: int | None, as_json: bool
) -> None:
    """Measure what the package claims against closed forms and published values; all cases, or those named. Every
    claim is printed, and written with plots to one HTML page. Exit code 1 when a claim fails."""
    from cellsolve.cli.terminal import echo_json

    tasks = _tasks(cases, 0 if quick else 1)
    _check_output(output)
    found = _measured(tasks, workers or min(2, os.cpu_count() or 1))
    _write(found, tasks, output)
    if as_json:
        echo_json([_as_data(outcome.name, claim) for outcome in found for claim in outcome.claims])
    else:
        _print_claims(found)
    ctx.exit(Exit.FAILURE if any(outcome.failed for outcome in found) else Exit.OK)


def _tasks(names: Sequence[str], effort: int) -> list[Task]:
    from cellsolve.validation import Task, case_paths

    known = case_paths()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"Unknown case {', '.join(unknown)}. Known are: {', '.join(known)}.")
    return [Task(name, path, effort) for name, path in known.items() if not names or name in names]


def _check_output(output: Path) -> None:
    """Before minutes of work: can the page be written?"""
    from cellsolve.cli.outputs import check_writable
    from cellsolve.validation.html_page import check_place

    check_writable(output)
    check_place(output)


def _measured(tasks: Sequence[Task], workers: int) -> list[Outcome]:
    """The outcomes, in the order of the tasks."""
    from cellsolve.cli.workers import Death, apply_in_processes
    from cellsolve.validation import died, measure

    found: dict[int, Outcome] = {}
    if min(workers, len(tasks)) == 1:
        for number, task in enumerate(tasks):
            found[number] = _reported(measure(task), number + 1, len(tasks))
        return list(found.values())
    for number, result in apply_in_processes(measure, tasks, workers):
        outcome = died(tasks[number], result.words) if isinstance(result, Death) else result
        found[number] = _reported(outcome, len(found) + 1, len(tasks))
    return [found[number] for number in range(len(tasks))]


def _reported(outcome: Outcome, done: int, total: int) -> Outcome:
    """Say on stderr that a case is done, and what it said itself."""
    from cellsolve.cli.terminal import duration

    failed = f", {len(outcome.failed)} FAIL" if outcome.failed else ""
    click.echo(
        f"[{done}/{total}] {outcome.name}: {len(outcome.claims)} claims{failed}, {duration(outcome.seconds)}", err=True
    )
    if outcome.said:
        click.echo(outcome.said, err=True)
    return outcome


def _write(found: Sequence[Outcome], tasks: Sequence[Task], output: Path) -> None:
    from cellsolve.plots import available
    from cellsolve.validation import write_page

    write_page(found, tasks[0].effort, output)
    missing = "" if available() else ", without plots: for those, pip install 'cellsolve[plot]'"
    click.echo(f"wrote {output}{missing}", err=True)


def _as_data(case: str, claim: Claim) -> dict[str, Any]:
    return {
        "case": case,
        "claim": claim.name,
        "measured": float(claim.measured),
        "bound": float(claim.bound),
        "passed": bool(claim.passed),
    }


def _print_claims(found: Sequence[Outcome]) -> None:
    from rich.text import Text

    from cellsolve.cli.terminal import plain_table, results

    table = plain_table("claim", "measured", "bound", "verdict")
    for outcome in found:
        table.add_row(Text(outcome.name, style="bold"))
        for claim in outcome.claims:
            verdict = Text("holds", style="green") if claim.passed else Text("FAILS", style="bold red")
            table.add_row(f"  {claim.name}", f"{claim.measured:.3g}", f"{claim.bound:.3g}", verdict)
    console = results()
    console.print(table)
    claims = [claim for outcome in found for claim in outcome.claims]
    console.print(f"{sum(claim.passed for claim in claims)} of {len(claims)} claims hold.")
