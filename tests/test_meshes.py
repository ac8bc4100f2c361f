"""The unit cells of meshes/: each is read, closes periodically, and is what its README says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from cellsolve.cells import inspect_cell, read_cell

MESHES = Path(__file__).resolve().parents[1] / "meshes"
RHOMBUS = [[1.0, 0.0], [0.5, np.sqrt(0.75)]]


def polygon(sides: int) -> float:
    """Area of a regular polygon over that of its circle."""
    return float(np.sin(2 * np.pi / sides) / (2 * np.pi / sides))


class Known(NamedTuple):
    """What a file must hold; ``start`` is how it begins, that is its format."""

    shape: str
    regions: dict[str, float]
    start: str
    period: list[list[float]]
    tolerance: float = 1e-12


UNIT = np.eye(2).tolist()
SPACE = np.eye(3).tolist()
DISC = 0.3 * polygon(112)
COARSE = 0.3 * polygon(48)
KNOWN = {
    "interval.msh": Known("line", {"a": 0.5, "b": 0.5}, "4.1 0", [[1.0]]),
    "square.msh": Known("triangle", {"cell": 1.0}, "2.2 0", UNIT),
    "square_unstructured.msh": Known("triangle", {"cell": 1.0}, "4.1 1", UNIT),
    "square_quads.msh": Known("quad", {"cell": 1.0}, "4.1 1", UNIT),
    "square_inclusion.msh": Known("triangle", {"matrix": 1 - DISC, "inclusion": DISC}, "4.1 1", UNIT),
    "square_inclusion.vtu": Known("triangle", {"1": 1 - COARSE, "2": COARSE}, "", UNIT),
    "square_hole.msh": Known("triangle", {"solid": 1 - DISC}, "4.1 1", UNIT),
    "square_hole_quarter.msh": Known("triangle", {"solid": 0.75}, "4.1 1", UNIT),
    "hexagonal_inclusion.msh": Known("triangle", {"matrix": 1 - DISC, "inclusion": DISC}, "2.2 1", RHOMBUS),
    "cube.msh": Known("tetra", {"cell": 1.0}, "4.1 1", SPACE),
    # The polyhedron of the ball lacks less than a twentieth of its volume.
    "cube_sphere.msh": Known("tetra", {"matrix": 0.8, "inclusion": 0.2}, "4.1 1", SPACE, 0.01),
    "cube_hexes.vtu": Known("hexahedron", {"1": 0.5, "2": 0.5}, "", SPACE),
}


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_meshes", MESHES / "make_meshes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", KNOWN)
def test_each_cell_is_what_it_says(name):
    known = KNOWN[name]
    cell = read_cell(MESHES / name)
    assert cell.shape == known.shape
    assert cell.regions == pytest.approx(known.regions, abs=known.tolerance)
    assert cell.porosity == pytest.approx(1 - sum(known.regions.values()), abs=known.tolerance)
    assert np.allclose(cell.period, known.period, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", KNOWN)
def test_each_cell_is_small_and_well_shaped(name):
    assert (MESHES / name).stat().st_size < 500_000
    report = inspect_cell(MESHES / name)
    assert report.usable
    assert report.quality_min > 0.25
    assert report.elements < 6000
    assert all(side.facets >= 2 and side.unmatched == 0 for side in report.sides)


@pytest.mark.parametrize("name", [n for n in KNOWN if n.endswith(".msh")])
def test_formats_are_those_of_the_readme(name):
    assert (MESHES / name).read_bytes().split(b"\n")[1].decode().startswith(KNOWN[name].start)
    version, binary = KNOWN[name].start.split()
    (row,) = [line for line in (MESHES / "README.md").read_text().splitlines() if f"`{name}`" in line]
    assert f"gmsh {version}, {'binary' if binary == '1' else 'ASCII'}" in row
    assert f"| {len(read_cell(MESHES / name).elements)} " in row


def test_readme_script_and_folder_name_the_same_files():
    script = load_script()
    found = {p.name for p in MESHES.iterdir() if p.suffix in (".msh", ".vtu")}
    assert found == set(KNOWN) == {*script.MESHES, *script.VTU_MESHES}
    readme = (MESHES / "README.md").read_text()
    assert all(f"| `{name}` |" in readme for name in KNOWN)


def test_the_inclusion_is_in_the_middle():
    for name, centre in [
        ("square_inclusion.msh", [0.5, 0.5]),
        ("hexagonal_inclusion.msh", np.sum(RHOMBUS, 0) / 2),
    ]:
        cell = read_cell(MESHES / name)
        inside = cell.tags == cell.region_names.index("inclusion")
        nodes = cell.points[np.unique(cell.elements[inside])]
        radius = np.sqrt(0.3 * cell.volume / np.pi)
        assert np.linalg.norm(nodes - centre, axis=1).max() == pytest.approx(radius, rel=1e-9)


def test_the_laminate_has_its_layers_along_the_last_axis():
    cell = read_cell(MESHES / "cube_hexes.vtu")
    heights = cell.points[cell.elements].mean(axis=1)[:, 2]
    assert (heights[cell.tags == cell.region_names.index("1")] < 0.5).all()
    assert (heights[cell.tags == cell.region_names.index("2")] > 0.5).all()


def test_the_script_refuses_unknown_names(capsys):
    assert load_script().main(["cube.msh", "sphere.msh"]) == 2
    assert capsys.readouterr().err.startswith("got sphere.msh, needed names among: interval.msh, square.msh")


def test_the_script_says_that_gmsh_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(SystemExit, match=r"gmsh is not installed\. Install it with: pip install"):
        load_script().load_gmsh()


def test_the_script_says_that_a_system_library_is_missing(monkeypatch, tmp_path):
    (tmp_path / "gmsh.py").write_text('raise OSError("libGLU.so.1: cannot open shared object file")')
    monkeypatch.delitem(sys.modules, "gmsh", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match=r"a system library is missing \(libGLU\.so\.1.* apt-get install libglu1"):
        load_script().load_gmsh()
