"""The section of the page on the formulas of the paper: where each is computed, and which claims hold it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from cellsolve.validation.claims import Claim
from cellsolve.validation.formulas import FORMULAS, Formula
from cellsolve.validation.measuring import Outcome

__all__ = ["formula_section"]

_ABOUT = (
    "Equation numbers of Duncan, Duong, Pavliotis, Brownian motion in an N-scale periodic potential, J. Stat. Phys. "
    "190:82 (2023). Each formula is measured by itself (case formulas); broken on purpose, it is noticed (case "
    "broken_formulas). Further claims rest on it, and tests of the repository fail without it."
)
_HEAD = (
    '<th>number</th><th>formula, and where it is computed</th><th>claims and tests</th><th class="verdict">verdict</th>'
)


def formula_section(outcomes: Sequence[Outcome]) -> str:
    """A row a formula."""
    rows = "\n".join(_row(formula, outcomes) for formula in FORMULAS)
    table = f"<table>\n<thead><tr>{_HEAD}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    title = "<h2>Formulas of the paper</h2>"
    about = f'<p class="about">{escape(_ABOUT)}</p>'
    return f'<section id="formulas-of-the-paper">\n{title}\n{about}\n{table}\n</section>'


def _row(formula: Formula, outcomes: Sequence[Outcome]) -> str:
    found = {case: _claims_of(outcomes, case, start) for case, start in formula.all_claims}
    failed = sum(not claim.passed for claims in found.values() for claim in claims)
    count = sum(map(len, found.values()))
    kind = "fails" if failed else "holds"
    verdict = f"{failed} FAIL" if failed else (f"{count} hold" if count else "not run")
    cases = ", ".join(f'<a href="#case-{case}">{case}</a>&nbsp;({len(some)})' for case, some in found.items() if some)
    named = f'<strong>{escape(formula.name)}</strong><br><span class="formula">{_formula(formula.text)}</span>'
    code = _lines(name.removeprefix("cellsolve.").replace(":", ".") for name in formula.code)
    return (
        f'<tr class="{kind}"><td class="number">{escape(formula.number)}</td><td>{named}<br>{code}</td>'
        f'<td>{cases}{"<br>" * bool(cases)}{_lines(formula.tests)}</td><td class="verdict {kind}">{verdict}</td></tr>'
    )


def _lines(names: Iterable[str]) -> str:
    return "<br>".join(f"<code>{escape(name)}</code>" for name in names)


def _formula(text: str) -> str:
    """Subscripts _x and _{..} as such, nested once."""
    once = re.sub(r"_\{((?:[^{}]|\{[^{}]*\})*)\}|_(\w)", lambda m: f"<sub>{m[1] or m[2]}</sub>", escape(text))
    return re.sub(r"_\{([^{}]*)\}|_(\w)", lambda m: f"<sub>{m[1] or m[2]}</sub>", once)


def _claims_of(outcomes: Sequence[Outcome], case: str, start: str) -> list[Claim]:
    return [c for outcome in outcomes if outcome.name == case for c in outcome.claims if c.name.startswith(start)]
