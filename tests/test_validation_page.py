"""The validation page: whole, self-contained, failing claims first, and what a case measured."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cellsolve.errors import JobError
from cellsolve.validation import Claim, Outcome, Task, measure, page, write_page
from cellsolve.validation.formulas import FORMULAS
from cellsolve.validation.measuring import Picture
from cellsolve.validation.page_text import paragraphs

PICTURE = Picture("A <title>", 'A "caption"', "<svg></svg>")
GOOD = Outcome("one_case", "What it is.\n\n    a < b", (Claim("a < b & c", 0.1, 1.0),), (PICTURE,), "a remark")
BAD = Outcome("two", "", (Claim("fine", 0.0, 1.0), Claim("too large", 2.0, 1.0), Claim("nan", float("nan"), 1.0)))
VOID = {"meta", "link", "img", "br"}


class Tags(HTMLParser):
    """Tags that open and close, and the addresses they name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    return tags


def test_the_page_is_whole_and_needs_no_other_file() -> None:
    text = page([GOOD, BAD], 1)
    tags = parsed(text)
    assert all(address.startswith(("#", "data:")) for address in tags.addresses)
    assert "@import" not in text
    assert not re.search(r"url\(|<script|https?://", text)
    assert len(set(tags.ids)) == len(tags.ids)
    assert {a[1:] for a in tags.addresses if a.startswith("#")} <= set(tags.ids)


def test_what_is_said_on_the_page() -> None:
    text = page([GOOD, BAD], 1)
    for words in ("2 of 4 claims hold.", "numpy", "scipy", "Python 3", "One case", "a remark", "a &lt; b &amp; c"):
        assert words in text
    assert '<td class="number">0.1</td><td class="number">1</td><td class="verdict holds">holds</td>' in text
    assert base64.b64encode(b"<svg></svg>").decode() in text
    assert "<strong>A &lt;title&gt;.</strong> A &quot;caption&quot;" in text
    assert "Quick run" not in text
    assert "Quick run" in page([GOOD], 0)


def test_claims_that_fail_come_first() -> None:
    text = page([GOOD, BAD], 1)
    first = text.index("Claims that fail</h2>")
    assert first < text.index("Formulas of the paper</h2>") < text.index("One case</h2>")
    assert first < text.index("Two: too large")
    section = text[text.index('id="case-two"') :]
    assert section.index("too large") < section.index("nan") < section.index("fine")
    assert "Claims that fail" not in page([GOOD], 1)
    assert text.count("FAILS") == 4  # two claims, in two places


def test_the_same_figures_give_the_same_page() -> None:
    assert page([GOOD, BAD], 1) == page([GOOD, BAD], 1)


def test_formulas_have_the_verdict_of_their_claims() -> None:
    formula = FORMULAS[0]
    good, bad = Claim(f"{formula.key} a", 0.0, 1.0), Claim(f"{formula.key} b", 2.0, 1.0)
    assert "2 hold" in page([Outcome("formulas", "", (good, good))], 1)
    assert "1 FAIL" in page([Outcome("formulas", "", (good, bad))], 1)
    assert page([GOOD], 1).count("not run") == len(FORMULAS)
    for formula in FORMULAS:
        assert f"<strong>{formula.name}</strong>" in page([GOOD], 1)


def test_no_plots_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "drawn.py"
    script.write_text("def run(effort=1):\n    return []\ndef plots(effort=1):\n    raise ValueError('drawn')\n")
    assert [claim.name for claim in measure(Task("drawn", script, 0)).claims] == [
        "the case runs to its end (its plots raised ValueError: drawn)"
    ]
    monkeypatch.setattr("cellsolve.plots.style.find_spec", lambda _: None)
    outcome = measure(Task("drawn", script, 0))
    assert outcome.claims == ()
    assert "matplotlib is missing (pip install &#x27;cellsolve[plot]&#x27;)" in page([outcome], 1)


def test_pictures_of_a_case(tmp_path: Path) -> None:
    script = tmp_path / "drawn.py"
    script.write_text(
        '"""Lines."""\nimport numpy as np\nfrom cellsolve.plots.arrhenius import Arrhenius, arrhenius_lines\n'
        "def run(effort=1):\n    return []\n"
        "def plots(effort=1):\n    b = np.arange(1.0, 4.0)\n"
        "    return [arrhenius_lines([Arrhenius('a', b, -b, 1.0)])]\n"
    )
    outcome = measure(Task("drawn", script, 0))
    assert outcome.text == "Lines."
    assert outcome.claims == ()
    assert [picture.title for picture in outcome.pictures] == ["Arrhenius' law"]
    assert outcome.pictures[0].svg.startswith("<?xml")
    parsed(page([outcome], 1))


def test_only_pages_are_replaced(tmp_path: Path) -> None:
    place = tmp_path / "validation.html"
    place.touch()
    write_page([BAD], 1, place)
    write_page([GOOD], 1, place)
    assert "too large" not in place.read_text()
    place.write_text("<html></html>")
    with pytest.raises(JobError, match="no page of `cellsolve validate`"):
        write_page([GOOD], 1, place)
    assert place.read_text() == "<html></html>"


def test_paragraphs_of_docstrings() -> None:
    full = "x" * 95
    assert paragraphs(f"{full}\nand on") == f"<p>{full} and on</p>"
    assert paragraphs("short\nand next") == "<p>short<br>\nand next</p>"
    assert paragraphs("a\n\n    b < c\n    d") == "<p>a</p>\n<pre>    b &lt; c\n    d</pre>"
