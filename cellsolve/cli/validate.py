"""cellsolve validate: the claims of the package, measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from cellsolve.cli.exits import Exit

if TYPE_CHECKING:
    from cellsolve.validation import Claim

__all__ = ["command"]


@click.command("validate", short_help="Measure what the package claims.")
@click.argument("cases", nargs=-1, metavar="[CASE...]")
@click.option("--json", "as_json", is_flag=True, help="Print the claims as JSON on stdout.")
@click.pass_context
def command(ctx: click.Context, cases: tuple[str, ...], as_json: bool) -> None:
    """Measure what the package claims against closed forms and published values; all cases, or those named."""
    from cellsolve.cli.terminal import echo_json
    from cellsolve.validation import cases as cases_known

    known = cases_known()
    unknown = [name for name in cases if name not in known]
    if unknown:
        raise click.UsageError(f"Unknown case {', '.join(unknown)}. Known are: {', '.join(known)}.")
    found = {name: _measured(name, known[name]) for name in cases or known}
    if as_json:
        echo_json([_as_data(case, claim) for case, claims in found.items() for claim in claims])
    else:
        _print_claims(found)
    passed = all(claim.passed for claims in found.values() for claim in claims)
    ctx.exit(Exit.OK if passed else Exit.FAILURE)


def _measured(name: str, case: Callable[[], Sequence[Claim]]) -> Sequence[Claim]:
    click.echo(f"{name} ..", err=True)
    return case()


def _as_data(case: str, claim: Claim) -> dict[str, str | float | bool]:
    return {
        "case": case,
        "claim": claim.name,
        "measured": float(claim.measured),
        "bound": float(claim.bound),
        "passed": bool(claim.passed),
    }


def _print_claims(found: dict[str, Sequence[Claim]]) -> None:
    from rich.text import Text

    from cellsolve.cli.terminal import plain_table, results

    table = plain_table("claim", "measured", "bound", "verdict")
    for case, claims in found.items():
        table.add_row(Text(case, style="bold"))
        for claim in claims:
            verdict = Text("holds", style="green") if claim.passed else Text("FAILS", style="bold red")
            table.add_row(f"  {claim.name}", f"{claim.measured:.3g}", f"{claim.bound:.3g}", verdict)
    results().print(table)
