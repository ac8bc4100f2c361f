"""cellsolve batch: one row a mesh, whatever happens to the others."""

import csv
import json
import shutil
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cellsolve import read_cell
from cellsolve.cli import main
from cellsolve.cli.items import BoxSource, MeshSource, solve_here, solve_item, solve_items
from cellsolve.cli.pools import worker_pool

MESHES = Path(__file__).parent.parent / "meshes"
CELL = read_cell(MESHES / "interval.msh")
LAMINATE = 2 / (1 / 1 + 1 / 4)  # harmonic mean of 1 and 4


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder with an interval in two halves `a`, `b`, a square, a quarter hole, and a file that is no mesh."""
    monkeypatch.chdir(tmp_path)
    for name in ("interval.msh", "square.msh", "cube_hexes.vtu"):
        shutil.copy(MESHES / name, tmp_path)
    Path("broken.msh").write_text("no mesh")
    return tmp_path


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Processes take a second to start: only the tests that are about them have some."""
    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", solve_here)


def batch(*arguments):
    return CliRunner().invoke(main, ["batch", *arguments])


def table(name="t.csv"):
    with Path(name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_one_row_a_mesh():
    result = batch("interval.msh", "square.msh", "-k", "1 + 0.5*cos(2*pi*y[0])", "--order", "2", "-o", "t.csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "2 of 2 cells solved; rows in t.csv." in result.stderr
    line, plane = table()
    assert (line["mesh"], line["status"], line["dim"], line["K01"]) == ("interval.msh", "ok", "1", "")
    assert float(line["K00"]) == pytest.approx(np.sqrt(0.75), rel=1e-5)
    assert (plane["dim"], plane["K22"]) == ("2", "")
    assert [float(plane[k]) for k in ("K00", "K11", "eigenvalue0")] == pytest.approx(
        [np.sqrt(0.75), 1, np.sqrt(0.75)], rel=1e-4
    )
    assert int(plane["unknowns"]) == 1024
    assert 0 < float(plane["error_estimate"]) < 0.01
    assert "lower00" not in plane


def test_region_values():
    assert batch("interval.msh", "-k", "a=1", "-k", "b = 4", "-o", "t.csv").exit_code == 0
    assert float(table()[0]["K00"]) == pytest.approx(LAMINATE, rel=1e-12)
    assert batch("interval.msh", "-k", "1", "-k", "b=4", "-o", "t.csv", "--overwrite").exit_code == 0
    assert float(table()[0]["K00"]) == pytest.approx(LAMINATE, rel=1e-12)


def test_matrix():
    assert batch("square.msh", "-k", "[[2, 0.5], [0.5, 1]]", "-o", "t.csv").exit_code == 0
    assert [float(table()[0][k]) for k in ("K00", "K01", "K11")] == pytest.approx([2, 0.5, 1], rel=1e-12)


def test_order_and_bounds():
    assert batch("square.msh", "-k", "2 + cos(2*pi*y[0])", "--order", "1", "--bounds", "-o", "t.csv").exit_code == 0
    (row,) = table()
    assert int(row["unknowns"]) == 256
    assert float(row["lower00"]) <= np.sqrt(3) <= float(row["upper00"])
    assert row["lower22"] == ""


def test_tol_reaches_the_solver(monkeypatch):
    seen = []
    monkeypatch.setattr("cellsolve.cli.items.solve_cell_problem", lambda *_, **options: seen.append(options))
    batch("interval.msh", "-k", "1")
    batch("interval.msh", "-k", "1", "--tol", "1e-3", "--order", "3")
    assert [(options["tol"], options["order"]) for options in seen] == [(1e-8, 2), (1e-3, 3)]


def test_bad_meshes_are_rows_and_the_others_go_on():
    result = batch("broken.msh", "interval.msh", "square.msh", "none.msh", "-k", "a=1", "-k", "b=4", "-o", "t.csv")
    assert result.exit_code == 5
    rows = table()
    assert [row["status"].split(":")[0] for row in rows] == ["MeshError", "ok", "CoefficientError", "MeshError"]
    assert "'cell'" in rows[2]["status"]
    assert [row["K00"] for row in rows[:1] + rows[2:]] == ["", "", ""]
    assert result.stderr.count("failed: ") == 3
    assert "1 of 4 cells solved; 3 failed; rows in t.csv." in result.stderr


def test_exit_code_when_all_meshes_are_bad():
    assert batch("broken.msh", "none.msh", "-k", "1").exit_code == 4
    assert batch("square.msh", "interval.msh", "-k", "cell=1", "-k", "c=2").exit_code == 5


@pytest.mark.parametrize("error", [MemoryError("9 TiB"), np.linalg.LinAlgError("singular"), OSError("gone")])
def test_any_error_is_an_item_failure(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("cellsolve.cli.items.solve_cell_problem", fail)
    result = batch("interval.msh", "-k", "1", "-o", "t.jsonl")
    assert result.exit_code == 5
    assert json.loads(Path("t.jsonl").read_text())["status"] == f"{type(error).__name__}: {error}"


def test_interrupted_batch_keeps_its_rows(monkeypatch):
    def interrupted(items, _):
        for item in items:
            if item.name == "square.msh":
                raise KeyboardInterrupt
            yield solve_item(item)

    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", interrupted)
    result = batch("interval.msh", "square.msh", "-k", "1", "-o", "t.csv")
    assert result.exit_code == 130
    assert "The rows of what is done are in t.csv" in result.stderr
    assert [row["mesh"] for row in table()] == ["interval.msh"]


def test_rows_are_written_as_they_finish(monkeypatch):
    seen = []

    def watched(items, _):
        for item in items:
            seen.append(Path("t.jsonl").read_text().count("\n"))
            yield solve_item(item)

    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", watched)
    batch("interval.msh", "square.msh", "broken.msh", "-k", "1", "-o", "t.jsonl")
    assert seen == [0, 1, 2]


def test_table_for_people_and_json():
    result = batch("interval.msh", "broken.msh", "-k", "a=1", "-k", "b=4")
    assert result.exit_code == 5
    for words in ("interval.msh", "1.6", "broken.msh", "MeshError", "pores"):
        assert words in result.stdout
    rows = json.loads(batch("interval.msh", "broken.msh", "-k", "a=1", "-k", "b=4", "--json").stdout)
    assert [row["mesh"] for row in rows] == ["interval.msh", "broken.msh"]
    assert rows[0]["K00"] == pytest.approx(LAMINATE)


def test_same_rows_with_two_workers(monkeypatch):
    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", solve_items)
    names = ("interval.msh", "square.msh", "cube_hexes.vtu", "broken.msh")
    assert batch(*names, "-k", "2 + cos(2*pi*y[0])", "-o", "one.jsonl").exit_code == 5
    assert batch(*names, "-k", "2 + cos(2*pi*y[0])", "-o", "two.jsonl", "-j", "2").exit_code == 5
    one, two = (
        sorted(Path(name).read_text().splitlines(), key=lambda line: json.loads(line)["mesh"])
        for name in ("one.jsonl", "two.jsonl")
    )
    without_time = [[{**json.loads(line), "seconds": 0} for line in lines] for lines in (one, two)]
    assert without_time[0] == without_time[1]


def test_job_gives_the_coefficient():
    Path("job.toml").write_text("[coefficient]\na = 1.0\nb = 4\n[solve]\ntol = 1e-4\nbounds = true\n")
    assert batch("interval.msh", "--job", "job.toml", "-o", "t.csv").exit_code == 0
    (row,) = table()
    assert float(row["K00"]) == pytest.approx(LAMINATE, rel=1e-12)
    assert row["lower00"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "either with -k, or with --job"),
        (("-k", "1", "--job", "job.toml"), "either with -k, or with --job"),
        (("-k", "cos(z)"), "unknown name z"),
        (("-k", "a=cos("), "never closed"),
        (("-k", "[[1, 2], [3]]"), "square matrix"),
        (("-k", "true"), "finite number"),
        (("-k", "NaN"), "finite number"),
        (("-k", "1", "-k", "2"), "got coefficient twice"),
        (("-k", "a=1", "-k", "a=2"), "region 'a' twice"),
        (("-k", "=2"), "without a name"),
        (("-k", "1", "--tol", "2"), "--tol"),
        (("-k", "1", "-o", "t.txt"), "needed .csv or .jsonl"),
        (("-k", "1", "-o", "none/t.csv"), "there is no folder none"),
        (("--job", "potential.toml"), "needed a composite job"),
        (("--job", "none.toml"), "No such file"),
        (("-k", "1", "--resume"), "give it with -o"),
        (("-k", "1", "--overwrite"), "give it with -o"),
        (("-k", "1", "-o", "t.csv", "--resume", "--overwrite"), "not both"),
        (("-k", "1", "--refine", "twice"), "--refine"),
        (("-k", "1", "--periodicity", "nearest"), "--periodicity"),
        (("-k", "1", "--period", "[[1, 0]]"), "one period vector a row"),
        (("-k", "1", "--period", "1"), "one period vector a row"),
        (("-k", "1", "--period", "wide"), "one period vector a row"),
        (("-k", "1", "--match-tol", "0"), "--match-tol"),
        (("-k", "1", "-o", "t.csv", "--fields", "."), "the meshes are in it"),
        (("-k", "1", "-o", "t.csv", "--fields", "none/sub"), "there is no folder none"),
        (("-k", "1", "-o", "t.csv", "--fields", "square.msh"), "cannot make the folder square.msh"),
    ],
)
def test_usage(options, words):
    Path("potential.toml").write_text(
        '[potential]\ndim = 1\nscales = 1\nV1 = "cos(2*pi*y1)"\nsigma = 1\n[grid]\nx0 = [0]\n'
    )
    result = batch("interval.msh", *(["."] if "." in options else []), *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not list(Path().glob("t.*"))


def test_pool():
    with worker_pool(1) as executor:
        assert executor is None
    with worker_pool(2) as executor:
        assert isinstance(executor, ProcessPoolExecutor)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)


def terminated_while_sleeping() -> None:
    with worker_pool(2) as executor:
        sleeping = executor.submit(time.sleep, 200)
        while not sleeping.running():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)


def test_pool_is_gone_when_the_command_is_terminated():
    before, start = signal.getsignal(signal.SIGTERM), time.monotonic()
    with pytest.raises(SystemExit) as end:
        terminated_while_sleeping()
    assert end.value.code == 128 + signal.SIGTERM
    assert active_children() == []
    assert time.monotonic() - start < 100  # not after the 200 s that the worker would have slept
    assert signal.getsignal(signal.SIGTERM) == before


def test_bounds_of_all_entries():
    assert batch("square.msh", "-k", "[[2, 0.5], [0.5, 1]]", "--bounds", "-o", "t.csv").exit_code == 0
    (row,) = table()
    lower, K, upper = ([[float(row[f"{n}{i}{j}"]) for j in (0, 1)] for i in (0, 1)] for n in ("lower", "K", "upper"))
    np.testing.assert_allclose(lower, K, rtol=1e-7)
    np.testing.assert_allclose(upper, [[2, 0.5], [0.5, 1]], rtol=1e-7)


def test_options_reach_reader_and_solver_only_when_they_are_given(monkeypatch):
    read, solved = [], []
    monkeypatch.setattr("cellsolve.cli.items.read_cell", lambda path, **options: read.append((path, options)) or CELL)
    monkeypatch.setattr("cellsolve.cli.items.solve_cell_problem", lambda *_, **options: solved.append(options))
    batch("interval.msh", "-k", "1")
    reading = ("--regions", "phase", "--periodicity", "mortar", "--merge-nodes", "--match-tol", "1e-4")
    batch("interval.msh", "-k", "1", *reading, "--period", "[[2]]", "--refine", "adaptive")
    plain, full = (options for _, options in read)
    assert plain == {}
    assert full == {
        "regions": "phase",
        "periodicity": "mortar",
        "merge_nodes": True,
        "match_tol": 1e-4,
        "period": [[2.0]],
    }
    assert [options.get("refine", "not given") for options in solved] == ["not given", "adaptive"]


def test_job_options_reach_reader_and_solver(monkeypatch):
    read, solved = [], []
    monkeypatch.setattr("cellsolve.cli.items.read_cell", lambda path, **options: read.append((path, options)) or CELL)
    monkeypatch.setattr("cellsolve.cli.items.solve_cell_problem", lambda *_, **options: solved.append(options))
    Path("job.toml").write_text(
        '[coefficient]\ndefault = 1\n[[cells]]\nmesh = "a.msh"\nregions = "phase"\nperiodicity = "mortar"\n'
        'merge_nodes = true\n[[cells]]\nmesh = "b.msh"\n[solve]\nrefine = "uniform"\n'
    )
    CliRunner().invoke(main, ["run", "job.toml", "-o", "t.csv"])
    full, plain = (options for _, options in read)
    assert {**plain, "regions": "phase", "periodicity": "mortar", "merge_nodes": True} == full
    assert set(plain) <= {"match_tol"}
    assert [options["refine"] for options in solved] == ["uniform"] * 2
    batch("interval.msh", "--job", "job.toml")
    assert solved[-1]["refine"] == "uniform"


def test_mesh_source_hands_on_period_and_tolerance():
    cell = MeshSource(MESHES / "square.msh", [[1.0, 0.0], [0.0, 1.0]], 1e-6).cell()
    assert cell.match_tol == 1e-6
    assert BoxSource(2, 3, 4, [[1.0, 0.0], [0.5, 1.0]]).cell().period[1].tolist() == [0.5, 1.0]


def test_a_default_serves_meshes_without_the_named_region():
    """-k 1 -k b=4: the interval has a region b, the square has none; a name that no mesh has is said."""
    result = batch("interval.msh", "square.msh", "-k", "1", "-k", "b=4", "-k", "misspelt=3", "-o", "t.csv")
    assert result.exit_code == 0, result.stderr
    line, plane = table()
    assert float(line["K00"]) == pytest.approx(LAMINATE, rel=1e-12)
    assert float(plane["K00"]) == pytest.approx(1.0, rel=1e-12)
    assert "warning: no cell of this batch has a region misspelt" in result.stderr
    assert "square.msh has" not in result.stderr
    shutil.copy(MESHES / "square_inclusion.msh", ".")
    result = batch("interval.msh", "square_inclusion.msh", "-k", "1", "-k", "b=4")
    words = "warning: square_inclusion.msh has inclusion, matrix, but none of b: it took the default throughout."
    assert words in result.stderr
    assert "interval.msh has" not in result.stderr
    assert "has a region b" not in result.stderr


def test_without_a_default_an_unknown_region_is_an_error():
    result = batch("interval.msh", "-k", "a=1", "-k", "c=4", "-o", "t.csv")
    assert result.exit_code == 5
    assert "c" in table()[0]["status"]
