"""The validation page: one HTML file that needs no other, with every claim, every formula and every picture.

It bears no date and no times: the same figures give the same file.
"""

from __future__ import annotations

import base64
import platform
from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cellsolve.errors import JobError
from cellsolve.plots import available
from cellsolve.results.dataset import versions
from cellsolve.results.whole_file import unwritable, whole_file
from cellsolve.validation.claims import Claim
from cellsolve.validation.formulas import FORMULAS
from cellsolve.validation.measuring import Outcome, Picture
from cellsolve.validation.page_formulas import formula_section
from cellsolve.validation.page_style import STYLE
from cellsolve.validation.page_text import paragraphs

__all__ = ["check_place", "page", "write_page"]

_MARK = '<meta name="generator" content="cellsolve validate">'
_ICON = '<link rel="icon" href="data:,">'


def write_page(outcomes: Sequence[Outcome], effort: int, path: Path) -> None:
    """Write the page, whole or not at all. Raises JobError where a file is that no such page is, or nothing can be."""
    check_place(path)
    with whole_file(path) as scratch:
        scratch.write_text(page(outcomes, effort), encoding="utf-8")


def check_place(path: Path) -> None:
    """Raise JobError when another file than a validation page would be lost."""
    if not path.is_file():
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(1000)
    except OSError as error:
        raise unwritable(path, error) from None
    if head and _MARK.encode() not in head:
        raise JobError(f"{path} is there, and no page of `cellsolve validate`. Give another output (-o), or remove it.")


def page(outcomes: Sequence[Outcome], effort: int) -> str:
    """The page as HTML text; ``effort`` 0 is marked as quick."""
    body = [
        "<header>\n<h1>What cellsolve claims, measured</h1>",
        _summary(outcomes),
        _facts(outcomes, effort),
        "</header>",
        _contents(outcomes),
        _failing(outcomes),
        formula_section(outcomes),
        *map(_case, outcomes),
    ]
    head = f'<meta charset="utf-8">\n{_MARK}\n<meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n{_ICON}\n<title>cellsolve: claims, measured</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{chr(10).join(part for part in body if part)}\n</body>\n</html>\n"
    )


def _summary(outcomes: Sequence[Outcome]) -> str:
    claims = [claim for outcome in outcomes for claim in outcome.claims]
    held = sum(claim.passed for claim in claims)
    kind = "summary" if held == len(claims) else "summary bad"
    return f'<p class="{kind}">{held} of {len(claims)} claims hold.</p>'


def _facts(outcomes: Sequence[Outcome], effort: int) -> str:
    """How the page came about."""
    extent = "Full run." if effort else "Quick run: a coarse subset of the problems of a full run."
    drawn = "" if available() else " Without plots: matplotlib is missing (pip install 'cellsolve[plot]')."
    made = f"{versions()}, Python {platform.python_version()}{_matplotlib()}; {platform.system()} {platform.machine()}"
    count = f"{len(outcomes)} case{'s' * (len(outcomes) != 1)}"
    return f'<p class="facts">{escape(f"{extent}{drawn} {count}. {made}.")}</p>'


def _matplotlib() -> str:
    try:
        return f", matplotlib {version('matplotlib')}"
    except PackageNotFoundError:
        return ""


def _contents(outcomes: Sequence[Outcome]) -> str:
    entries = [_entry("formulas-of-the-paper", "Formulas of the paper", f"{len(FORMULAS)} formulas")]
    for outcome in outcomes:
        failed = len(outcome.failed)
        count = f"{len(outcome.claims)} claims" + (f", {failed} failing" if failed else "")
        entries.append(_entry(_anchor(outcome), _title(outcome), count))
    if any(outcome.failed for outcome in outcomes):
        entries.insert(0, _entry("failing", "Claims that fail", ""))
    return f'<nav aria-label="Contents">\n<ol>\n{chr(10).join(entries)}\n</ol>\n</nav>'


def _entry(anchor: str, title: str, count: str) -> str:
    return f'<li><a href="#{anchor}">{escape(title)}</a> <span class="count">{escape(count)}</span></li>'


def _failing(outcomes: Sequence[Outcome]) -> str:
    """What fails stands first."""
    rows = [_row(claim, f"{_title(outcome)}: ") for outcome in outcomes for claim in outcome.failed]
    return (
        f'<section id="failing">\n<h2 class="failing">Claims that fail</h2>\n{_table(rows)}\n</section>' if rows else ""
    )


def _case(outcome: Outcome) -> str:
    claims = [*outcome.failed, *(claim for claim in outcome.claims if claim.passed)]
    parts = [f'<section id="{_anchor(outcome)}">\n<h2>{escape(_title(outcome))}</h2>']
    parts.append(f'<div class="about">{paragraphs(outcome.text)}</div>' if outcome.text else "")
    parts += [_figure(picture) for picture in outcome.pictures]
    parts.append(_table([_row(claim) for claim in claims]) if claims else '<p class="note">No claims.</p>')
    parts.append(f'<p class="note">{escape(outcome.said)}</p>' if outcome.said else "")
    return "\n".join(part for part in [*parts, "</section>"] if part)


def _table(rows: Iterable[str]) -> str:
    head = '<th>claim</th><th class="number">measured</th><th class="number">bound</th><th class="verdict">verdict</th>'
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody>\n</table>"


def _row(claim: Claim, before: str = "") -> str:
    kind, verdict = ("holds", "holds") if claim.passed else ("fails", "FAILS")
    numbers = "".join(f'<td class="number">{value:.3g}</td>' for value in (claim.measured, claim.bound))
    row = f"<td>{escape(before + claim.name)}</td>{numbers}"
    return f'<tr class="{kind}">{row}<td class="verdict {kind}">{verdict}</td></tr>'


def _figure(picture: Picture) -> str:
    """As a data URI: the names inside of two pictures cannot get into each other's way."""
    data = base64.b64encode(picture.svg.encode()).decode()
    shown = f'<img alt="{escape(picture.title)}" src="data:image/svg+xml;base64,{data}">'
    words = f"<strong>{escape(picture.title)}.</strong> {escape(picture.caption)}"
    return f"<figure>\n{shown}\n<figcaption>{words}</figcaption>\n</figure>"


def _anchor(outcome: Outcome) -> str:
    return f"case-{outcome.name}"


def _title(outcome: Outcome) -> str:
    return outcome.name.replace("_", " ").capitalize()
