"""Rows of a batch on disk: CSV and JSON lines."""

import csv
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from cellsolve.errors import JobError
from cellsolve.results.locks import sole_writer
from cellsolve.results.rows import BOUND_COLUMNS, COLUMNS, failure_row, solution_row
from cellsolve.results.table import open_table
from cellsolve.results.table_reading import read_table


def solution(tensor, lower=None, upper=None):
    report = SimpleNamespace(n_dofs=12, iterations=3, error_estimate=1e-5, seconds=0.25)
    return SimpleNamespace(tensor=np.array(tensor), lower=lower, upper=upper, report=report)


PLANE = solution_row("a.msh", 0.25, solution([[2.0, 0.5], [0.5, 1.0]]))
LINE = solution_row("b, c.msh", 0.0, solution([[0.1]], lower=np.array([[0.09]]), upper=np.array([[0.11]])))
FAILED = failure_row("d.msh", "MeshError", 'no "such" file,\nhere')
ALL = (*COLUMNS, *BOUND_COLUMNS)


def test_solution_row():
    expected = {"K00": 2.0, "K01": 0.5, "K10": 0.5, "K11": 1.0, "dim": 2, "status": "ok", "mesh": "a.msh"}
    assert expected.items() <= PLANE.items()
    values = 1.5 + np.sqrt(0.5) * np.array([-1, 1])
    assert [PLANE["eigenvalue0"], PLANE["eigenvalue1"]] == pytest.approx(values, rel=1e-14)
    evidence = {"porosity": 0.25, "unknowns": 12, "iterations": 3, "error_estimate": 1e-5, "seconds": 0.25}
    assert evidence.items() <= PLANE.items()
    assert not set(PLANE) & {"K02", "eigenvalue2", *BOUND_COLUMNS}
    assert (LINE["lower00"], LINE["upper00"]) == (0.09, 0.11)


def test_the_bracket_has_all_its_entries():
    """Off the diagonal, too: without them lower <= K <= upper cannot be checked."""
    tensor = np.array([[2.0, 0.5], [0.5, 1.0]])
    row = solution_row(
        "a.msh", 0.0, solution(tensor, lower=tensor - 0.1, upper=tensor + np.array([[0.1, 0], [0.05, 0.1]]))
    )
    bracket = {name: row[name] for name in row if name in BOUND_COLUMNS}
    assert bracket == pytest.approx(
        {"lower00": 1.9, "lower01": 0.4, "lower10": 0.4, "lower11": 0.9}
        | {"upper00": 2.1, "upper01": 0.5, "upper10": 0.55, "upper11": 1.1}
    )
    assert len(BOUND_COLUMNS) == 18


def test_a_failure_is_one_line():
    assert FAILED == {"mesh": "d.msh", "status": 'MeshError: no "such" file, here'}
    assert failure_row("d.msh", "MemoryError", "")["status"] == "MemoryError: no message"


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
        synced.clear()
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


@pytest.fixture(params=["rows.csv", "rows.jsonl"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_rows_are_read_as_they_were_written(path):
    rows = [
        PLANE,
        LINE,
        FAILED,
        {**PLANE, "mesh": "e.msh", "settings": '{"tol": 1e-08, "k": "a,b"}', "fields": "e,.vtu"},
    ]
    with open_table(path, (*ALL, "fields", "settings"), rows[:2]) as table:
        for row in rows[2:]:
            table.append(row)
    again = read_table(path)
    assert again == rows
    assert [type(again[0][name]) for name in ("dim", "K00", "mesh", "iterations")] == [int, float, str, int]


def test_a_torn_row_is_dropped(path):
    """Wherever the last row was cut; never a whole one."""
    with open_table(path, ALL, [PLANE, LINE]):
        pass
    content = path.read_bytes()
    second = content[: content[:-1].rindex(b"\n") + 1]
    for cut in range(len(second), len(content)):
        path.write_bytes(content[:cut])
        assert read_table(path) == [PLANE], cut


def test_a_first_row_may_be_torn(path):
    assert read_table(path) == []
    with open_table(path, ALL):
        pass
    assert read_table(path) == []
    start = path.read_bytes()
    with open_table(path, ALL, [PLANE]):
        pass
    for cut in range(len(start), len(path.read_bytes()) - 1):
        path.write_bytes(path.read_bytes()[:cut] or b"")
        assert read_table(path) == []
        with open_table(path, ALL, [PLANE]):
            pass


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "a,b\n1,2\n", r"row 1: got the column\(s\) a, b; needed a table"),
        ("t.csv", "a file without an end of line", "row 1: got the column"),
        ("t.csv", "mesh,dim\nx,2\n", "row 1: got no columns mesh and status"),
        ("t.csv", "mesh,status,dim\na,ok,2\nb,ok\nc,ok,2\n", "row 2: got 2 values for 3 columns"),
        ("t.csv", "mesh,status,dim\na,ok,two\n", "row 1: invalid literal"),
        ("t.csv", 'mesh,status\n"a,ok\n', "row 1: unexpected end"),
        ("t.jsonl", '{"mesh": "a", "status": "ok"}\n[1]\n', r"row 2: got \[1\]; needed"),
        ("t.jsonl", '{"mesh": "a", "status": "ok"}\n{"mesh"\n{}\n', "row 2: "),
        ("t.jsonl", '{"name": 1}', r"row 1: got the column\(s\) name"),
        ("t.jsonl", "\udcff\n", "row 1: "),
    ],
)
def test_other_files_are_no_tables(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(JobError, match=words):
        read_table(path)
    assert path.read_text(errors="surrogateescape") == content


def test_names_that_are_no_text(path):
    """A file name of bytes that are no UTF-8, as a system may have them."""
    with open_table(path, ALL, [{**PLANE, "mesh": "\udcff.msh"}]) as table:
        table.append({**LINE, "mesh": "\udcff.msh"})
    assert [row["status"] for row in read_table(path)] == ["ok", "ok"]


def test_a_table_saved_by_a_spreadsheet(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfmesh,status,dim\r\na.msh,ok,2\r\n")
    assert read_table(path) == [{"mesh": "a.msh", "status": "ok", "dim": 2}]


def test_a_row_that_does_not_fit_on_the_disk_leaves_the_table_as_it_was(path, monkeypatch):
    with open_table(path, ALL, [PLANE]) as table:
        before, write = path.read_bytes(), os.write

        def half(handle, content):
            if len(content) < 20:
                raise OSError(28, "No space left on device")
            return write(handle, content[: len(content) // 2])

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left"):
            table.append(LINE)
    assert path.read_bytes() == before


def test_writes_in_pieces_are_put_together(path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:7]))
    with open_table(path, ALL) as table:
        table.append(LINE)
    monkeypatch.undo()
    assert read_table(path) == [LINE]


def test_what_was_there_is_replaced_as_a_whole(path, monkeypatch):
    with open_table(path, ALL, [PLANE]):
        pass
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JobError, match="No space left on device"):
        open_table(path, ALL, [LINE])
    assert [(file.name, file.read_bytes()) for file in path.parent.iterdir()] == [(path.name, before)]


def test_a_row_stays_one_line_and_an_old_reader_keeps_its_table(path):
    with open_table(path, ALL, [PLANE]):
        pass
    old = path.with_name("old")
    old.hardlink_to(path)
    with open_table(path, ALL, [{**LINE, "mesh": "two\nlines.msh"}]):
        pass
    assert len(read_table(path)) == 1
    assert b"a.msh" in old.read_bytes()


def test_one_writer_at_a_time(path):
    with sole_writer(path):
        with pytest.raises(JobError, match="being written by another run"), sole_writer(path):
            pass
        with sole_writer(path.with_name("other.csv")):
            pass
        with open_table(path, ALL):  # takes the place of the file, not of the lock
            pass
        with pytest.raises(JobError, match="being written by another run"), sole_writer(path):
            pass
    with sole_writer(path):
        pass
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_lock_that_its_holder_took_away_is_not_one(path, monkeypatch):
    """Between opening and locking, the last holder may have gone and removed the file."""
    lock, opened = path.with_name(f".{path.name}.lock"), []
    real = os.open

    def racing(name, *rest):
        handle = real(name, *rest)
        if not opened:
            lock.unlink()
        opened.append(name)
        return handle

    monkeypatch.setattr(os, "open", racing)
    with sole_writer(path):
        assert lock.exists()
    assert len(opened) == 2


def test_a_lock_that_cannot_be_made(tmp_path):
    with pytest.raises(JobError, match=r"cannot write .*No such file"), sole_writer(tmp_path / "none" / "t.csv"):
        pass
