"""cellsolve batch and a table that is there already; which files are meshes; files of fields."""

import json
import shutil
import threading
from pathlib import Path

import meshio
import numpy as np
import pytest
from click.testing import CliRunner

from cellsolve import UnitCell
from cellsolve.cli import main
from cellsolve.cli.items import solve_here, solve_item
from cellsolve.cli.mesh_paths import field_paths, file_hash, mesh_paths
from cellsolve.results.locks import sole_writer
from cellsolve.results.table_reading import read_table

MESHES = Path(__file__).parent.parent / "meshes"


@pytest.fixture(autouse=True)
def solved(tmp_path, monkeypatch):
    """A folder with three meshes; the names of the items that are solved, in this process."""
    monkeypatch.chdir(tmp_path)
    for name in ("interval.msh", "square.msh", "cube_hexes.vtu"):
        shutil.copy(MESHES / name, tmp_path)
    names = []

    def solve(items, workers):
        for outcome in solve_here(items, workers):
            names.append(outcome.row["mesh"])
            yield outcome

    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", solve)
    return names


@pytest.fixture(params=["t.csv", "t.jsonl"])
def name(request):
    return request.param


def batch(*arguments):
    return CliRunner().invoke(main, ["batch", *arguments])


def meshes(name):
    return [row["mesh"] for row in read_table(name)]


def test_a_table_is_not_overwritten_unless_asked(solved, name):
    assert batch("interval.msh", "-k", "1", "-o", name).exit_code == 0
    before = Path(name).read_bytes()
    result = batch("square.msh", "-k", "1", "-o", name)
    assert result.exit_code == 2
    assert f"{name} is there already. Give --resume to go on with it" in result.stderr
    assert Path(name).read_bytes() == before
    assert batch("square.msh", "-k", "2", "-o", name, "--overwrite").exit_code == 0
    assert meshes(name) == ["square.msh"]
    assert solved == ["interval.msh", "square.msh"]
    Path("empty.csv").touch()
    assert batch("square.msh", "-k", "2", "-o", "empty.csv").exit_code == 0


def test_what_is_done_is_kept_and_the_rest_is_done(solved, name):
    assert batch("interval.msh", "-k", "1", "-o", name, "--resume").exit_code == 0  # nothing there yet
    first = read_table(name)
    result = batch("interval.msh", "square.msh", "-k", "1", "-o", name, "--resume", "--json")
    assert result.exit_code == 0, result.stderr
    assert "1 of 1 cells solved; 1 kept from before; rows in" in result.stderr
    assert solved == ["interval.msh", "square.msh"]
    rows = read_table(name)
    assert rows[:1] == first
    assert json.loads(result.stdout) == rows
    again = batch("interval.msh", "square.msh", "-k", "1.0", "-o", name, "--resume")
    assert (again.exit_code, again.stderr) == (0, f"2 kept from before; rows in {name}.\n")
    assert read_table(name) == rows
    assert len(solved) == 2


def test_rows_of_other_meshes_stay(solved, name):
    batch("interval.msh", "none.msh", "-k", "1", "-o", name)
    assert batch("square.msh", "-k", "1", "-o", name, "--resume").exit_code == 0
    assert meshes(name) == ["interval.msh", "none.msh", "square.msh"]
    assert solved[2:] == ["square.msh"]


def test_failed_and_changed_meshes_are_done_again(solved, name):
    shutil.copy("interval.msh", "late.msh")
    Path("late.msh").write_text("no mesh")
    assert batch("late.msh", "interval.msh", "square.msh", "-k", "1", "-o", name).exit_code == 5
    shutil.copy(MESHES / "interval.msh", "late.msh")
    Path("interval.msh").write_bytes(Path("interval.msh").read_bytes() + b"\n")
    result = batch("late.msh", "interval.msh", "square.msh", "-k", "1", "-o", name, "--resume")
    assert result.exit_code == 0
    assert solved[3:] == ["late.msh", "interval.msh"]
    rows = {row["mesh"]: row for row in read_table(name)}
    assert len(rows) == len(read_table(name)) == 3  # one row a mesh
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert rows["interval.msh"]["file_hash"] == file_hash(Path("interval.msh"))


def test_a_failure_that_is_not_the_file_is_done_again(solved, name, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("cellsolve.cli.items.solve_cell_problem", None)
        assert batch("interval.msh", "-k", "1", "-o", name).exit_code == 5
    assert read_table(name)[0]["file_hash"] == file_hash(Path("interval.msh"))
    assert batch("interval.msh", "-k", "1", "-o", name, "--resume").exit_code == 0
    assert solved == ["interval.msh"] * 2


def test_a_row_of_numbers_that_no_run_writes_is_done_again(solved):
    batch("interval.msh", "square.msh", "-k", "1", "-o", "t.csv")
    lines = Path("t.csv").read_text().splitlines(keepends=True)
    names, values = lines[0].rstrip().split(","), lines[1].rstrip("\r\n").split(",")
    values[names.index("K00")] = "nan"
    Path("t.csv").write_text(lines[0] + ",".join(values) + "\n" + lines[2])
    assert batch("interval.msh", "square.msh", "-k", "1", "-o", "t.csv", "--resume").exit_code == 0
    assert solved[2:] == ["interval.msh"]


def test_a_torn_row_is_done_again(solved, name):
    batch("interval.msh", "square.msh", "-k", "1", "-o", name)
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[:-20])
    assert batch("interval.msh", "square.msh", "-k", "1", "-o", name, "--resume").exit_code == 0
    assert solved[2:] == ["square.msh"]
    assert meshes(name) == ["interval.msh", "square.msh"]


def test_a_killed_run_leaves_what_was_done(solved, name, monkeypatch):
    """Also when it is killed between putting away old failures and the first new row."""
    batch("interval.msh", "none.msh", "-k", "1", "-o", name)

    def killed(items, _):
        yield from items[:0]
        raise SystemExit(9)

    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", killed)
    batch("interval.msh", "none.msh", "-k", "1", "-o", name, "--resume")
    assert meshes(name) == ["interval.msh"]
    assert len(solved) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-k", "2"), 'coefficient {"default": 1.0}, now {"default": 2.0}'),
        (("-k", "1", "--order", "1"), "order 2, now 1"),
        (("-k", "1", "--tol", "1e-4"), "tol 1e-08, now 0.0001"),
        (("-k", "1", "--bounds"), "bounds false, now true"),
        (("-k", "1", "--match-tol", "1e-3"), "match_tol not given, now 0.001"),
        (("-k", "1", "--period", "[[1]]"), "period not given, now [[1.0]]"),
        (("-k", "1", "--refine", "uniform"), 'refine not given, now "uniform"'),
        (("-k", "1", "--regions", "r"), 'regions not given, now "r"'),
        (("-k", "1", "--periodicity", "exact"), 'periodicity not given, now "exact"'),
        (("-k", "1", "--merge-nodes"), "merge_nodes not given, now true"),
    ],
)
def test_a_table_of_other_settings_is_refused(solved, options, words):
    batch("interval.msh", "-k", "1", "-o", "t.csv")
    before = Path("t.csv").read_bytes()
    result = batch("square.msh", *options, "-o", "t.csv", "--resume")
    assert result.exit_code == 2
    assert f"t.csv was made with other settings: {words}. Give the same ones" in " ".join(result.stderr.split())
    assert Path("t.csv").read_bytes() == before
    assert solved == ["interval.msh"]


def test_a_table_without_settings_or_of_another_program_is_refused():
    Path("t.csv").write_text("mesh,status\ninterval.msh,ok\n")
    result = batch("interval.msh", "-k", "1", "-o", "t.csv", "--resume")
    assert (result.exit_code, "coefficient not given, now" in result.stderr) == (2, True)
    Path("t.csv").write_text("name,price\nbread,2\n")
    result = batch("interval.msh", "-k", "1", "-o", "t.csv", "--resume")
    assert (result.exit_code, "needed a table of" in result.stderr) == (2, True)
    assert Path("t.csv").read_text() == "name,price\nbread,2\n"


def test_two_runs_do_not_write_one_table(solved):
    with sole_writer("t.csv"):
        result = batch("interval.msh", "-k", "1", "-o", "t.csv")
    assert (result.exit_code, "being written by another run" in result.stderr) == (2, True)
    assert not Path("t.csv").exists()
    assert solved == []


def test_the_table_is_locked_while_it_is_written(monkeypatch):
    found = []

    def solve(items, _):
        other = threading.Thread(target=lambda: found.append(batch("square.msh", "-k", "1", "-o", "t.csv").exit_code))
        other.start()
        other.join()
        yield solve_item(items[0])

    monkeypatch.setattr("cellsolve.cli.composite_job.solve_items", solve)
    assert batch("interval.msh", "-k", "1", "-o", "t.csv").exit_code == 0
    assert found == [2]


def test_unused_regions_are_not_said_of_meshes_that_were_kept():
    arguments = ("-k", "1", "-k", "b=4", "-o", "t.csv", "--resume")
    batch("interval.msh", *arguments)
    result = batch("interval.msh", "square.msh", *arguments)  # b is in the one that is kept
    assert result.exit_code == 0
    assert "has a region" not in result.stderr


def test_each_file_once_and_folders_sorted(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.MSH", "a.vtu", "c.xdmf", "d.med", "e.vtk", "notes.txt", "c.h5"):
        (tmp_path / "sub" / name).touch()
    (tmp_path / "sub" / "folder.msh").mkdir()
    found = mesh_paths(
        ["interval.msh", "sub", "./interval.msh", "sub/a.vtu", "none.msh", str(tmp_path / "square.msh"), "square.msh"]
    )
    names = ["a.vtu", "b.MSH", "c.xdmf", "d.med", "e.vtk"]
    assert found == [
        Path(p) for p in ("interval.msh", *(f"sub/{n}" for n in names), "none.msh", tmp_path / "square.msh")
    ]


def test_a_folder_is_its_meshes(solved, tmp_path):
    (tmp_path / "empty").mkdir()
    result = batch("interval.msh", "empty", "-k", "1", "-o", "t.csv")
    assert result.exit_code == 2
    assert "the folder empty holds no mesh file (.med, .msh, .vtk, .vtu, .xdmf, .xmf)" in " ".join(
        result.stderr.split()
    )
    assert batch(".", "interval.msh", "-k", "1", "-o", "t.csv").exit_code == 0
    assert solved == ["cube_hexes.vtu", "interval.msh", "square.msh"]


def test_hash_of_a_file_and_of_what_it_refers_to(tmp_path):
    xdmf, numbers = tmp_path / "m.xdmf", tmp_path / "m.h5"
    xdmf.write_text("<DataItem>\n m.h5:/data0\n</DataItem><DataItem>m.h5:/data1</DataItem>")
    hashes = {file_hash(xdmf)}
    for content in ("1", "2"):
        numbers.write_text(content)
        hashes.add(file_hash(xdmf))
    assert len(hashes) == 3
    assert file_hash(numbers) == "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"  # of "2"


def test_fields_of_each_mesh(solved):
    result = batch("square.msh", "cube_hexes.vtu", "none.msh", "-k", "2", "-o", "t.csv", "--fields", "f")
    assert result.exit_code == 5
    assert {path.name for path in Path("f").iterdir()} == {"square.msh.vtu", "cube_hexes.vtu.vtu"}
    rows = read_table("t.csv")
    assert [row.get("fields") for row in rows] == ["f/square.msh.vtu", "f/cube_hexes.vtu.vtu", None]
    mesh = meshio.read("f/square.msh.vtu")
    assert mesh.cells[0].type == "triangle6"
    np.testing.assert_allclose(mesh.cell_data["flux_1"][0], np.tile([0, 2, 0], (512, 1)), atol=1e-7)
    Path("f/square.msh.vtu").unlink()  # then the row alone is not all that was asked for
    arguments = ("square.msh", "cube_hexes.vtu", "-k", "2", "-o", "t.csv", "--resume")
    assert batch(*arguments).exit_code == 0
    assert len(solved) == 3
    assert [row.get("fields") for row in read_table("t.csv")] == ["f/square.msh.vtu", "f/cube_hexes.vtu.vtu", None]
    assert batch(*arguments, "--fields", "f").exit_code == 0
    assert solved[3:] == ["square.msh"]
    assert Path("f/square.msh.vtu").is_file()


def test_where_nothing_conducts_there_are_no_fields(solved, monkeypatch):
    island = np.array([[0.2, 0.2], [0.6, 0.2], [0.2, 0.6]])
    cell = UnitCell("island", island, np.array([[0, 1, 2]]), "triangle", np.array([0]), ("cell",), np.eye(2))
    monkeypatch.setattr("cellsolve.cli.items.read_cell", lambda *_, **__: cell)
    arguments = ("square.msh", "-k", "1", "-o", "t.csv", "--fields", "f", "--resume")
    assert batch(*arguments).exit_code == 0
    (row,) = read_table("t.csv")
    assert (row["K00"], row["unknowns"], row.get("fields")) == (0.0, 0, None)
    assert batch(*arguments).exit_code == 0
    assert solved == ["square.msh"]
    assert not list(Path("f").iterdir())


def test_fields_that_cannot_be_written_are_a_failure(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellsolve.cli.items.write_fields", full)
    assert batch("square.msh", "-k", "2", "-o", "t.csv", "--fields", "f").exit_code == 5
    assert read_table("t.csv")[0]["status"] == "OSError: [Errno 28] No space left on device"


def test_files_of_fields_have_names_of_their_own():
    paths = [
        Path(text) for text in ("/x/a/cell.msh", "/x/b/cell.msh", "/y/b/Cell.msh", "/x/b/cell.vtu", "/z/other.msh")
    ]
    names = [path.name for path in field_paths(Path("f"), paths)]
    assert names == ["a-cell.msh.vtu", "x-b-cell.msh.vtu", "y-b-Cell.msh.vtu", "cell.vtu.vtu", "other.msh.vtu"]


def test_fields_take_the_place_of_no_mesh():
    shutil.copy("cube_hexes.vtu", "square.msh.vtu")
    result = batch("square.msh", "square.msh.vtu", "-k", "1", "--fields", ".")
    assert result.exit_code == 2
    assert "square.msh.vtu would hold more than the fields of square.msh" in " ".join(result.stderr.split())
    assert Path("square.msh.vtu").read_bytes() == Path("cube_hexes.vtu").read_bytes()
