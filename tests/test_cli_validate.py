"""cellsolve validate: what it prints and writes, its exit codes, cases that break down, and workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cellsolve.cli import main
from cellsolve.validation import cases

HEAD = "from cellsolve.validation import Claim\n"
SCRIPTS = {
    "good": f'"""What is good."""\n{HEAD}def run(effort=1):\n    return [Claim("order of K", 1e-9, 1e-8)]\n',
    "bad": f'{HEAD}def run(effort=1):\n    return [Claim("error of M", 0.5, 1e-3), Claim("zero", 0.0, 0.0)]\n',
    "raises": f'{HEAD}def run(effort=1):\n    raise ValueError("no such\\nnumber")\n',
    "unreadable": "import a_module_that_is_not_there\n",
    "leaves": "import sys\ndef run(effort=1):\n    sys.exit(3)\n",
    "dies": "import os\ndef run(effort=1):\n    os._exit(7)\n",
    "talks": 'import sys\ndef run(effort=1):\n    print("left out: gmsh is missing", file=sys.stderr)\n    return []\n',
    "effort": f'{HEAD}def run(effort=1):\n    return [Claim(f"effort {{effort}}", 0, 1)]\n',
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scripts of a folder of their own, and an empty current folder."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name, text in SCRIPTS.items():
        (scripts / f"{name}.py").write_text(text)
    monkeypatch.setattr("cellsolve.validation.case_files._folder", lambda: scripts)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def validate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["validate", *arguments])


def test_claims_are_printed_and_a_page_is_written(folder: Path) -> None:
    result = validate("good", "-j", "1")
    assert result.exit_code == 0
    for words in ("claim", "measured", "bound", "verdict", "order of K", "1e-09", "holds", "1 of 1 claims hold."):
        assert words in result.stdout
    assert "order of K" in (folder / "validation.html").read_text()
    assert "wrote validation.html" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["validation.html"]


def test_a_claim_that_fails_ends_with_one() -> None:
    result = validate("good", "bad", "-j", "1")
    assert result.exit_code == 1
    assert "FAILS" in result.stdout
    assert "2 of 3 claims hold." in result.stdout


def test_json() -> None:
    data = json.loads(validate("bad", "--json").stdout)
    assert data[0] == {"case": "bad", "claim": "error of M", "measured": 0.5, "bound": 1e-3, "passed": False}
    assert data[1]["passed"] is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "it raised ValueError: no such number"),
        ("unreadable", "it raised ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("leaves", "it raised SystemExit: 3"),
    ],
)
def test_a_case_that_breaks_down_is_a_failed_claim_and_the_others_go_on(name: str, words: str) -> None:
    result = validate(name, "good", "--json", "-j", "1")
    assert result.exit_code == 1
    found = {claim["case"]: claim for claim in json.loads(result.stdout)}
    assert found["good"]["passed"] is True
    assert found[name]["passed"] is False
    assert found[name]["claim"] == f"the case runs to its end ({words})"
    assert found[name]["measured"] is None


def test_processes_give_the_same_in_the_same_order_and_may_die() -> None:
    names = ("good", "dies", "bad", "effort")
    result = validate(*names, "--json", "-j", "2")
    assert result.exit_code == 1
    several = json.loads(result.stdout)
    assert [claim["case"] for claim in several] == ["bad", "bad", "dies", "effort", "good"]
    assert several[2]["claim"] == "the case runs to its end (its process ended with exit code 7)"
    one = json.loads(validate("good", "bad", "effort", "--json", "-j", "1").stdout)
    assert [claim for claim in several if claim["case"] != "dies"] == one


def test_quick_runs_coarse(folder: Path) -> None:
    assert "effort 1" in validate("effort", "-j", "1").stdout
    assert "Quick run" not in (folder / "validation.html").read_text()
    assert "effort 0" in validate("effort", "-j", "1", "--quick").stdout
    assert "Quick run" in (folder / "validation.html").read_text()


def test_what_a_case_says_is_passed_on(folder: Path) -> None:
    result = validate("talks", "-j", "1")
    assert result.exit_code == 0
    assert "left out: gmsh is missing" in result.stderr
    assert "left out: gmsh is missing" in (folder / "validation.html").read_text()


def test_all_cases_by_default() -> None:
    (Path("..") / "scripts" / "dies.py").unlink()
    found = {claim["case"] for claim in json.loads(validate("--json", "-j", "1").stdout)}
    assert found == set(SCRIPTS) - {"dies", "talks"}


def test_unknown_case() -> None:
    result = validate("worse")
    assert result.exit_code == 2
    assert f"Unknown case worse. Known are: {', '.join(sorted(SCRIPTS))}." in result.stderr


@pytest.mark.parametrize(("place", "words"), [("notes.html", "no page of `cellsolve validate`"), ("no/x", "no folder")])
def test_places_that_do_not_serve_are_refused_before_anything_runs(folder: Path, place: str, words: str) -> None:
    (folder / "notes.html").write_text("<html>my notes</html>")
    result = validate("raises", "-o", place)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "raises" not in result.stderr
    assert (folder / "notes.html").read_text() == "<html>my notes</html>"


def test_a_page_takes_the_place_of_an_older_one(folder: Path) -> None:
    assert validate("bad", "-o", "p.html", "-j", "1").exit_code == 1
    assert validate("good", "-o", "p.html", "-j", "1").exit_code == 0
    assert "error of M" not in (folder / "p.html").read_text()


def test_cases_can_be_called_one_by_one() -> None:
    assert [claim.name for claim in cases(effort=0)["effort"]()] == ["effort 0"]
