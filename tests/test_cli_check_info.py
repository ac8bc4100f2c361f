"""cellsolve check and info: what they show, as text and as JSON, and their exit codes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cell_shapes import box, hexagon
from click.testing import CliRunner
from mesh_writing import data_array, write_vtu

from cellsolve import Potential, homogenize, write_netcdf
from cellsolve.cli import main

MESHES = Path(__file__).parent.parent / "meshes"
UNMATCHED = """\
$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
5
1 0 0 0
2 1 0 0
3 1 1 0
4 0 1 0
5 1 0.4 0
$EndNodes
$Elements
3
1 2 2 1 1 1 2 5
2 2 2 1 1 1 5 4
3 2 2 1 1 4 5 3
$EndElements
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MESHES / "square_hole_quarter.msh", tmp_path)
    Path("unmatched.msh").write_text(UNMATCHED)
    return tmp_path


def cellsolve(*arguments):
    return CliRunner().invoke(main, arguments)


def test_check_of_a_good_mesh():
    result = cellsolve("check", "square_hole_quarter.msh")
    assert result.exit_code == 0, result.stderr
    for words in (
        "usable",
        "1216 triangles in 2-D",
        "solid 0.75, pores 0.25",
        "p_1 = (0, 1), length 1",
        "angles 90 degrees",
        "side 1, across p_1: all 50 facets match",
        "one, which conducts in all directions",
        "across all sides",
    ):
        assert words in result.stdout
    (report,) = json.loads(cellsolve("check", "square_hole_quarter.msh", "--json").stdout)
    assert report["regions"] == pytest.approx({"solid": 0.75})
    assert report["porosity"] == pytest.approx(0.25)
    assert report["period"] == [[1, 0], [0, 1]]
    assert 0 < report["quality"]["least"] <= report["quality"]["mean"] <= 1
    assert [side["unmatched"] for side in report["sides"]] == [0, 0]
    assert [side["translation"] for side in report["sides"]] == [[1, 0], [0, 1]]
    assert (report["period_lengths"], report["period_angles"]) == ([1, 1], pytest.approx([90]))
    assert report["pieces"]["count"] == 1
    assert report["pieces"]["conducting"][0]["windings"] == [[1, 0], [0, 1]]
    assert report["percolates"] == [True, True]
    assert (report["usable"], report["problems"], report["notes"]) == (True, [], [])


def test_check_of_meshes_that_cannot_be_used():
    result = cellsolve("check", "square_hole_quarter.msh", "unmatched.msh", "none.msh")
    assert result.exit_code == 4
    assert "unmatched.msh: cannot be used" in result.stdout
    assert "no partner on the opposite side" in result.stdout
    assert "none.msh: there is no such file" in result.stdout
    good, bad, missing = json.loads(
        cellsolve("check", "square_hole_quarter.msh", "unmatched.msh", "none.msh", "--json").stdout
    )
    assert [good["usable"], bad["usable"], missing["usable"]] == [True, False, False]
    assert bad["sides"][0]["unmatched"] > 0
    assert bad["sides"][0]["largest_gap"] == pytest.approx(0.4)
    assert missing["problems"]


def test_check_usage():
    assert cellsolve("check").exit_code == 2
    result = cellsolve("check", "square_hole_quarter.msh", "--period", "[[1, 0], [0")
    assert result.exit_code == 2
    assert "needed one period vector a row, such as [[1,0],[0.5,1]]" in result.stderr


def test_check_with_a_period_or_tolerance_of_its_own():
    result = cellsolve("check", "square_hole_quarter.msh", "--period", "[[2,0],[0,2]]")
    assert result.exit_code == 4
    assert "spans 0.5 of period vector 0" in result.stdout
    result = cellsolve("check", "square_hole_quarter.msh", "--period", "[[2,0],[0,1]]")
    assert result.exit_code == 0
    assert "the mesh ends before it" in result.stdout
    assert "does not percolate along period vector 0" in result.stdout
    result = cellsolve("check", "square_hole_quarter.msh", "--period", "[[1,0,0]]")
    assert result.exit_code == 4
    assert "got a period of shape (1, 3), needed (2, 2)" in result.stdout
    Path("nearly.msh").write_text(UNMATCHED.replace("4 0 1 0", "4 0.001 1 0"))
    assert cellsolve("check", "nearly.msh").exit_code == 4
    assert "match_tol" in cellsolve("check", "nearly.msh").stdout


def test_check_of_sides_that_are_coupled():
    assert cellsolve("check", "unmatched.msh").exit_code == 4
    result = cellsolve("check", "unmatched.msh", "--periodicity", "mortar")
    assert result.exit_code == 0, result.stdout
    assert "note: 3 of 5 facets on the sides have no partner: the sides are coupled by mortars." in result.stdout


def test_check_of_regions_by_name():
    cell = box((12, 12))
    phase = np.abs(cell.points[cell.elements].mean(axis=1)[:, 1] - 0.5) < 0.25
    arrays = data_array("phase", "Int32", phase.astype(int)) + data_array("number", "Int32", 0 * phase)
    write_vtu(Path("laminate.vtu"), cell.points, "triangle", cell.elements, arrays)
    assert cellsolve("check", "laminate.vtu").exit_code == 4
    (report,) = json.loads(cellsolve("check", "laminate.vtu", "--regions", "phase", "--json").stdout)
    assert report["region_percolates"] == {"0": [True, False], "1": [True, False]}
    assert "1 alone: across p_0 only" in cellsolve("check", "laminate.vtu", "--regions", "phase").stdout


def test_check_of_islands_and_of_one_direction_only():
    """A band along the first axis, and squares that the other sides cut in two."""
    centres = box((12, 12)).points[box((12, 12)).elements].mean(axis=1)
    band, square = (
        np.abs(centres[:, 1] - 0.5) < 0.25,
        np.abs((centres + np.array([0, 0.5])) % 1 - 0.5).max(axis=1) < 1 / 6,
    )
    cell = box((12, 12)).restricted(band | square)
    write_vtu(Path("band.vtu"), cell.points, "triangle", cell.elements)
    result = cellsolve("check", "band.vtu")
    assert result.exit_code == 0, result.stdout
    for words in (
        "band.vtu: usable",
        "2: 50 % conducts in 1 of 2 directions, 11.1 % in an island",
        "across p_0 only",
        "note: 1 island, 11.1 % of the period, does not conduct: left out.",
        "note: does not percolate along period vector 1: zero conductivity there.",
    ):
        assert words in result.stdout
    (report,) = json.loads(cellsolve("check", "band.vtu", "--json").stdout)
    assert report["pieces"]["islands"] == {"count": 1, "fraction": pytest.approx(1 / 9)}
    assert report["pieces"]["conducting"][0]["directions"] == [[1, 0]]
    assert report["percolates"] == [True, False]


def test_check_of_a_hexagon():
    cell = hexagon(3)
    write_vtu(Path("hexagon.vtu"), cell.points, "triangle", cell.elements)
    result = cellsolve("check", "hexagon.vtu")
    assert result.exit_code == 0, result.stdout
    assert "side 2, across p_0 - p_1: all 6 facets match" in result.stdout
    assert "angles 60 degrees" in result.stdout


@pytest.fixture
def dataset():
    V = Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2")
    ds = homogenize(V, sigma=0.5).on_grid({"x0": np.linspace(-1, 1, 3)})
    ds.attrs["job"] = "[potential]\ndim = 1\n"
    write_netcdf(ds, "result.nc")
    return ds


def test_info(dataset):
    result = cellsolve("info", "result.nc")
    assert result.exit_code == 0, result.stderr
    shown = f"{float(dataset.free_energy.min()):.6g} .. {float(dataset.free_energy.max()):.6g}"
    for words in ("x0 3", "diffusion", shown, "energy (unit of sigma)", "potential_V1", "cos(2*pi*y1)", "    dim = 1"):
        assert words in result.stdout


def test_info_json(dataset):
    data = json.loads(cellsolve("info", "result.nc", "--json").stdout)
    assert data["dimensions"] == {"x0": 3, "i": 1, "j": 1}
    energy = data["variables"]["free_energy"]
    assert (energy["min"], energy["max"]) == (float(dataset.free_energy.min()), float(dataset.free_energy.max()))
    assert energy["units"] == dataset.free_energy.attrs["units"]
    assert data["coordinates"]["x0"]["dimensions"] == ["x0"]
    assert data["attributes"]["sigma"] == 0.5
    assert data["attributes"]["job"] == dataset.attrs["job"]


def test_info_of_what_is_no_result():
    for name in ("none.nc", "unmatched.msh"):
        result = cellsolve("info", name)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {name}")
        assert "Traceback" not in result.stderr


def test_version_and_unknown_command():
    assert "0." in cellsolve("--version").stdout
    assert cellsolve("solve").exit_code == 2
