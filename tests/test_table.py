"""Rows of a batch on disk: CSV and JSON lines."""

import csv
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from cellsolve.errors import JobError
from cellsolve.results.table import BOUND_COLUMNS, COLUMNS, failure_row, open_table, solution_row


def solution(tensor, lower=None, upper=None):
    report = SimpleNamespace(n_dofs=12, iterations=3, error_estimate=1e-5, seconds=0.25)
    return SimpleNamespace(tensor=np.array(tensor), lower=lower, upper=upper, report=report)


PLANE = solution_row("a.msh", 0.25, solution([[2.0, 0.5], [0.5, 1.0]]))
LINE = solution_row("b, c.msh", 0.0, solution([[0.1]], lower=np.array([[0.09]]), upper=np.array([[0.11]])))
FAILED = failure_row("d.msh", "MeshError", 'no "such" file,\nhere')


def test_solution_row():
    expected = {"K00": 2.0, "K01": 0.5, "K10": 0.5, "K11": 1.0, "dim": 2, "status": "ok", "mesh": "a.msh"}
    assert expected.items() <= PLANE.items()
    values = 1.5 + np.sqrt(0.5) * np.array([-1, 1])
    assert [PLANE["eigenvalue0"], PLANE["eigenvalue1"]] == pytest.approx(values, rel=1e-14)
    evidence = {"porosity": 0.25, "unknowns": 12, "iterations": 3, "error_estimate": 1e-5, "seconds": 0.25}
    assert evidence.items() <= PLANE.items()
    assert not set(PLANE) & {"K02", "eigenvalue2", *BOUND_COLUMNS}
    assert (LINE["lower00"], LINE["upper00"]) == (0.09, 0.11)


def test_every_value_has_a_column():
    assert set(PLANE) | set(LINE) | set(FAILED) <= {*COLUMNS, *BOUND_COLUMNS}


def test_csv(tmp_path):
    path = tmp_path / "rows.csv"
    with open_table(path, (*COLUMNS, *BOUND_COLUMNS)) as table:
        for row in (PLANE, LINE, FAILED):
            table.append(row)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == (*COLUMNS, *BOUND_COLUMNS)
    for row, given in zip(rows, (PLANE, LINE, FAILED), strict=True):
        assert {name: value for name, value in row.items() if value} == {k: str(v) for k, v in given.items()}
    assert float(rows[0]["eigenvalue0"]) == PLANE["eigenvalue0"]


def test_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    with open_table(path, COLUMNS) as table:
        table.append(PLANE)
        table.append({**FAILED, "seconds": float("nan")})
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert first == PLANE
    assert second == {**FAILED, "seconds": None}


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_rows_are_on_disk_before_the_next(tmp_path, name, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    path = tmp_path / name
    with open_table(path, COLUMNS) as table:
        before = path.read_text(encoding="utf-8")
        table.append(PLANE)
        after = path.read_text(encoding="utf-8")
        assert len(synced) == 1
        assert after.startswith(before)
        assert after.endswith("\n")
        assert "a.msh" in after


def test_replaces_an_earlier_table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old\n" * 100)
    open_table(path, ("mesh",)).__exit__(None, None, None)
    assert path.read_text() == "mesh\n"


def test_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(JobError, match=r"'\.txt', needed \.csv or \.jsonl"):
        open_table(tmp_path / "rows.txt", COLUMNS)
    with pytest.raises(JobError, match=r"cannot write.*writable folder"):
        open_table(tmp_path / "none" / "rows.csv", COLUMNS)
    assert list(tmp_path.iterdir()) == []
