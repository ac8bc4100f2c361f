"""cellsolve plot: files of results and tables, JSON, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cellsolve as cs
from cellsolve.cli import main

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    V = cs.Potential("cos(2*pi*y1)*(1 + 0.3*tanh(x))", dim=1, scales=1)
    cs.write_netcdf(cs.homogenize(V, sigma=0.5, tol=1e-3).on_grid({"x": np.linspace(-1, 1, 5)}), "line.nc")
    (tmp_path / "table.csv").write_text("mesh,status,dim,eigenvalue0\na.msh,ok,1,2.0\n")
    (tmp_path / "table.jsonl").write_text('{"mesh": "a.msh", "status": "ok", "dim": 1, "eigenvalue0": 2.0}\n')
    (tmp_path / "other.csv").write_text("time,place\n1,2\n")
    (tmp_path / "notes.nc").write_text("no netCDF")
    (tmp_path / "failed.csv").write_text("mesh,status\na.msh,MeshError: no\n")
    return tmp_path


def plot(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plot", *arguments])


def test_files_of_a_result(here: Path) -> None:
    result = plot("line.nc", "-o", "figures")
    assert result.exit_code == 0
    assert result.stdout.split() == ["figures/line_profiles.png", "figures/line_profiles.svg"]
    assert (here / "figures/line_profiles.png").read_bytes().startswith(b"\x89PNG")
    assert (here / "figures/line_profiles.svg").read_bytes().startswith(b"<?xml")
    assert len(list((here / "figures").iterdir())) == 2


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl"])
def test_files_of_a_table(here: Path, name: str) -> None:
    result = plot(name, "--format", "pdf", "--json")
    assert result.exit_code == 0
    (entry,) = json.loads(result.stdout)
    assert entry["file"] == "table_eigenvalues.pdf"
    assert entry["title"]
    assert entry["caption"]
    assert (here / entry["file"]).read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.nc", "none.nc: no such file. Give a netCDF file of `cellsolve run`"),
        ("notes.nc", "notes.nc cannot be drawn: notes.nc is no netCDF file that can be read"),
        ("other.csv", "other.csv cannot be drawn: row 1: got the column(s) time, place; needed a table of"),
        ("failed.csv", "failed.csv cannot be drawn: got a table of 1 rows, none of them solved"),
        (".", ".: no such file"),
    ],
)
def test_what_cannot_be_drawn_is_said(name: str, words: str) -> None:
    result = plot(name, "-o", "figures")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "(-o)" not in result.stderr
    assert not Path("figures").exists()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellsolve.plots.style.find_spec", lambda _: None)
    result = plot("line.nc")
    assert result.exit_code == 2
    assert "pip install 'cellsolve[plot]'" in result.stderr


def test_kinds_of_files_are_checked() -> None:
    assert plot("line.nc", "--format", "gif").exit_code == 2
