"""Reading cells from files: formats, dimensions, regions, and every refusal in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mesh_writing import CELLS, SQUARE, error_of, write, write_msh22, write_vtu

from cellsolve.cells import inspect_cell, read_cell
from cellsolve.cells.mesh_files import load_cell
from cellsolve.errors import MeshError, PeriodicityError


@pytest.mark.parametrize("form", ["msh22", "msh22 binary", "vtu"])
@pytest.mark.parametrize("shape", CELLS)
def test_each_shape_is_read_from_each_format(tmp_path, shape, form, capfd):
    file = write(tmp_path / "cell", shape, form)
    before = file.read_bytes()
    cell = read_cell(str(file))
    points, elements, fractions = CELLS[shape]
    assert cell.name == file.name
    assert cell.shape == shape
    assert cell.dim == points.shape[1]
    assert np.array_equal(cell.points, points)
    assert [set(e) for e in cell.elements.tolist()] == [set(e) for e in elements]
    assert np.array_equal(cell.period, np.diag(np.ptp(points, axis=0)))
    first = "7" if form == "vtu" else "first"
    assert cell.regions == pytest.approx({first: fractions[0], "9": fractions[1]})
    assert cell.porosity == 0.0
    assert file.read_bytes() == before
    assert capfd.readouterr() == ("", "")


def test_the_elements_of_highest_dimension_make_the_cell(tmp_path):
    blocks = [
        ("vertex", [[0]], [4]),
        ("line", [[0, 1], [1, 2]], [3, 3]),
        ("triangle", CELLS["triangle"][1], [5, 5]),
    ]
    names = '1 3 "edge"\n2 5 "solid phase"'
    cell = read_cell(write_msh22(tmp_path / "a.msh", SQUARE, blocks, names))
    assert cell.regions == pytest.approx({"solid phase": 1.0})
    assert len(cell.elements) == 2


def test_a_plane_above_zero_is_a_plane(tmp_path):
    points = np.hstack([SQUARE, np.full((4, 1), 2.5)])
    cell = read_cell(write_msh22(tmp_path / "a.msh", points, [("triangle", CELLS["triangle"][1], [0, 0])]))
    assert np.array_equal(cell.points, SQUARE)


def test_orphan_nodes_do_not_count(tmp_path):
    points = np.vstack([SQUARE, [[5.0, 5.0]]])
    points = np.hstack([points, [[0.0], [0.0], [0.0], [0.0], [float("nan")]]])
    cell = read_cell(write_msh22(tmp_path / "a.msh", points, [("triangle", CELLS["triangle"][1], [0, 0])]))
    assert np.array_equal(cell.points, SQUARE)
    assert np.array_equal(cell.period, np.eye(2))


def test_a_period_may_be_given(tmp_path):
    """A rhombus without its sharp corners is no parallelogram; its lattice must be given."""
    rows = np.array([[1.0, 0.0], [0.5, 1.0]])
    unit = np.array([[i, j] for j in range(5) for i in range(5)]) / 4
    quads = [[5 * j + i, 5 * j + i + 1, 5 * j + i + 6, 5 * j + i + 5] for j in range(4) for i in range(4)]
    quads = [q for k, q in enumerate(quads) if k not in (0, 3, 12, 15)]
    file = write_msh22(tmp_path / "a.msh", unit @ rows, [("quad", quads, [0] * 12)])
    with pytest.raises(PeriodicityError, match=r"a\.msh: side 0 has 0 facet"):
        read_cell(file)
    cell = read_cell(file, period=rows)
    assert cell.porosity == pytest.approx(0.25)
    assert np.array_equal(cell.period, rows)
    with pytest.raises(MeshError, match=r"a\.msh: got a period of shape \(3, 3\), needed \(2, 2\)"):
        read_cell(file, period=np.eye(3))


def test_match_tol_is_passed_on(tmp_path):
    points = CELLS["quad"][0].copy()
    points[4, 0] += 1e-5
    file = write_msh22(tmp_path / "a.msh", points, [("quad", CELLS["quad"][1], [0, 0])])
    with pytest.raises(PeriodicityError, match=r"a\.msh: 4 of 4 facets on side 1 .* gap 1\.0e-05, tolerance 1e-08"):
        read_cell(file)
    cell = read_cell(file, match_tol=2e-5)
    assert cell.match_tol == 2e-5


def test_files_that_cannot_be_opened_are_named(tmp_path, monkeypatch):
    assert error_of(tmp_path / "none.msh") == f"none.msh: there is no such file in {tmp_path}. Check the path."
    (tmp_path / "dir.msh").mkdir()
    assert error_of(tmp_path / "dir.msh").startswith("dir.msh: is a directory, needed a gmsh file")
    (tmp_path / "empty.vtu").touch()
    assert error_of(tmp_path / "empty.vtu").startswith("empty.vtu: the file is empty, needed")
    (tmp_path / "mesh.stl").write_text("solid")
    assert error_of(tmp_path / "mesh.stl").startswith("mesh.stl: got the suffix '.stl', needed a gmsh file (.msh")
    (tmp_path / "locked.msh").write_text("$MeshFormat")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    message = error_of(tmp_path / "locked.msh")
    assert message == "locked.msh: cannot be opened (Permission denied). Check its permissions."


def test_a_file_cut_short_anywhere_is_damaged(tmp_path, capfd):
    """Every prefix that lacks data is refused; so is the text file that has all but the closing line."""
    for form in ("msh22", "msh22 binary", "vtu"):
        whole = write(tmp_path / "whole", "tetra", form)
        content = whole.read_bytes()
        cut = whole.with_name(f"cut{whole.suffix}")
        end = len(content) - (2 if form == "vtu" else len("$EndElements\n"))
        for length in [*range(1, end, 13), end]:
            cut.write_bytes(content[:length])
            message = error_of(cut)
            assert message.startswith(f"{cut.name}: ")
            assert "damaged, cut short" in message or "got no elements" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".msh", ".vtu"])
@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        bytes(range(256)) * 8,
        b"\xff\xfe$MeshFormat\n",
        b"$MeshFormat\n",
        b"$MeshFormat\n9.9 0 8\n$EndMeshFormat\n",
        b"$MeshFormat\n1 0 8\n$EndMeshFormat\n",
        b"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n99999999999999\n1 0 0 0\n",
        b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n1 99999999999999 1 1\n2 1 0 9999999999\n",
        b"<VTKFile/>",
        b'<VTKFile type="PolyData"></VTKFile>',
    ],
)
def test_garbage_is_refused_in_words(tmp_path, capfd, suffix, content):
    file = tmp_path / f"bad{suffix}"
    file.write_bytes(content)
    message = error_of(file)
    assert message.startswith(f"bad{suffix}: damaged, cut short, or not a gmsh file (.msh, format 2.2 or 4.1)")
    assert message.endswith("Write the mesh anew.")
    assert capfd.readouterr() == ("", "")


TWO = CELLS["triangle"][1]
ODD = {
    "no elements": ([], "got no elements (none), needed lines, triangles"),
    "points only": ([("vertex", [[0], [1]], [0, 0])], "got no elements (2 vertex), needed lines, triangles"),
    "mixed orders": (
        [("triangle", [[0, 1, 2]], [0]), ("triangle6", [[0, 1, 2, 3, 3, 3]], [0])],
        "got elements of mixed types (1 triangle, 1 triangle6), needed one type, or types of first order only",
    ),
    "third order": (
        [("triangle10", [[0, 1, 2] + [3] * 7], [0]), ("line3", [[0, 1, 2]], [0])],
        "got elements of a type that is not known here (1 triangle10), needed lines, triangles",
    ),
    "second order wedge": (
        [("wedge15", [[0, 1, 2] + [3] * 12], [0])],
        "got elements of a type that is not known here (1 wedge15)",
    ),
    "flat curved": ([("triangle6", [[0, 1, 2, 3, 3, 3]], [0])], "1 of 1 elements (triangle) have no volume"),
    "flat wedge": ([("wedge", [[0, 1, 2, 3, 3, 3]], [0])], "[0.0, 0.0, 0.0]] are dependent. Give 3 independent ones"),
    "zero": ([("triangle", [[0, 1, 1], *TWO], [0, 0, 0])], "1 of 3 elements (triangle) have no volume"),
    "twice": ([("triangle", [*TWO, [1, 2, 0]], [0, 0, 0])], "1 of 3 elements appear more than once"),
    "half": (
        [("triangle", TWO[:1], [0])],
        "side 0 has 0 facet(s) on its first face and 1 on the opposite one, needed one or more on both",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_unusable_elements_are_refused_in_words(tmp_path, case):
    blocks, words = ODD[case]
    message = error_of(write_msh22(tmp_path / "odd.msh", SQUARE, blocks))
    assert message.startswith("odd.msh: ")
    assert words in message


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_coordinates_that_are_not_finite_are_refused(tmp_path, bad):
    points = SQUARE.copy()
    points[2, 1] = float(bad)
    file = write_vtu(tmp_path / "a.vtu", points, "triangle", TWO)
    assert f"1 of 4 points have coordinates that are not finite, e.g. [1.0, {bad}, 0.0]" in error_of(file)


def test_surfaces_and_curves_in_space_are_refused(tmp_path):
    tilted = np.hstack([SQUARE, SQUARE[:, :1]])
    file = write_msh22(tmp_path / "a.msh", tilted, [("triangle", TWO, [0, 0])])
    assert "extend over [1.0, 1.0, 1.0] in x, y, z, needed a mesh in a plane z = constant" in error_of(file)
    file = write_msh22(tmp_path / "b.msh", SQUARE, [("line", [[0, 1], [1, 2]], [0, 0])])
    assert "needed a mesh along x (y and z constant)" in error_of(file)


def test_elements_that_overlap_are_refused(tmp_path):
    points = np.vstack([SQUARE, [[0.5, 0.5], [0.5, 0.25]]])
    triangles = [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4], [4, 1, 5]]
    file = write_msh22(tmp_path / "a.msh", points, [("triangle", triangles, [0] * 5)])
    assert "a.msh: the elements cover 1.0625 times the period, needed at most 1" in error_of(file)


@pytest.mark.parametrize("many", [1, 1200])
def test_types_in_any_order_are_taken_apart(tmp_path, many):
    """Quads and triangles by turns, with two and three tags; a text with many turns is read in another way."""
    points = np.array([[i / many, y] for y in (0.0, 1.0, 2.0) for i in range(many + 1)])
    row, elements = many + 1, []
    for i in range(many):
        a, b, c, d = i, i + 1, i + 1 + row, i + row
        top = [d + row, c + row]
        parts = [("3 2 7 1", [a, b, c, d]), ("2 3 8 1 0", [d, c, top[1]]), ("2 2 9 1", [d, top[1], top[0]])]
        elements += [f"{head} {' '.join(str(n + 1) for n in nodes)}" for head, nodes in parts]
    file = write_msh22(tmp_path / "a.msh", points, [])
    lines = "".join(f"{k} {element}\n" for k, element in enumerate(elements, 1))
    file.write_text(file.read_text().replace("$Elements\n0\n", f"$Elements\n{len(elements)}\n{lines}"))
    cell = read_cell(file)
    assert cell.regions == pytest.approx({"7": 0.5, "8": 0.25, "9": 0.25})
    for wrong in (lines[: lines.rindex(" ")], lines + "5\n", lines.replace("2 3 8", "77 3 8", 1)[:-1] + "9 9\n"):
        file.write_text(file.read_text().replace(lines, wrong))
        assert "a.msh: damaged" in error_of(file)
        file.write_text(file.read_text().replace(wrong, lines))


def test_nodes_that_coincide_are_refused(tmp_path):
    points = np.vstack([CELLS["quad"][0], [[0.25, 0.0], [0.25, 1.0]]])
    file = write_msh22(tmp_path / "a.msh", points, [("quad", [[0, 1, 4, 3], [6, 2, 5, 7]], [0, 0])])
    assert "a.msh: 2 pair(s) of nodes coincide" in error_of(file)


def test_nodes_that_coincide_are_merged_when_asked(tmp_path):
    points = np.vstack([CELLS["quad"][0], [[0.25, 0.0], [0.25 + 1e-10, 1.0]]])
    file = write_msh22(tmp_path / "a.msh", points, [("quad", [[0, 1, 4, 3], [6, 2, 5, 7]], [0, 0])])
    cell = read_cell(file, merge_nodes=True)
    assert len(cell.points) == 6
    assert cell.elements[1].tolist() == [1, 2, 5, 4]
    points[7] += 0.01
    file = write_msh22(tmp_path / "b.msh", points, [("quad", [[0, 1, 4, 3], [6, 2, 5, 7]], [0, 0])])
    assert len(load_cell(file, merge_nodes=True).points) == 7


def test_merging_makes_no_elements_disappear(tmp_path):
    twice = np.vstack([SQUARE, SQUARE])
    file = write_msh22(tmp_path / "a.msh", twice, [("triangle", [[0, 1, 2], [0, 2, 3], [4, 5, 6]], [0, 0, 0])])
    assert "a.msh: 1 of 3 elements appear more than once" in error_of(file, merge_nodes=True)


def test_a_point_far_off_is_told_from_the_size_of_the_elements(tmp_path):
    """Its period would make all other nodes coincide."""
    points = np.vstack([CELLS["quad"][0], [[1e12, 0.5]]])
    file = write_msh22(tmp_path / "a.msh", points, [("quad", [*CELLS["quad"][1], [1, 6, 5, 4]], [0] * 3)])
    message = error_of(file)
    assert "a.msh: 2 of 3 elements are not longer than the tolerance 1.0e+04" in message
    assert error_of(file, merge_nodes=True) == message


@pytest.mark.parametrize("factor", [1e-9, 1e9])
@pytest.mark.parametrize("shape", CELLS)
def test_units_do_not_matter(tmp_path, shape, factor):
    points, elements, fractions = CELLS[shape]
    file = write_msh22(
        tmp_path / "a.msh", factor * (points + 3.0), [(shape, elements, [7] + [9] * (len(elements) - 1))]
    )
    for merge in (False, True):
        assert read_cell(file, merge_nodes=merge).regions == pytest.approx({"7": fractions[0], "9": fractions[1]})


def test_elements_that_refer_to_no_node_are_refused(tmp_path):
    points, elements, _ = CELLS["quad"]
    file = write_vtu(tmp_path / "a.vtu", points, "quad", [elements[0], [1, 2, 9, 4]])
    assert "a.vtu: elements refer to points 0 to 9, but there are 6 points" in error_of(file)


def test_inspection_reports_a_good_cell(tmp_path):
    report = inspect_cell(write(tmp_path / "cell", "quad", "msh22"))
    assert report.usable
    assert report.problems == ()
    assert (report.dim, report.shape, report.nodes, report.elements) == (2, "quad", 6, 2)
    assert report.file == str(tmp_path / "cell.msh")
    assert report.regions == pytest.approx({"first": 0.25, "9": 0.75})
    assert report.porosity == 0.0
    assert report.size == pytest.approx(np.sqrt(0.5))
    assert np.array_equal(report.period, np.eye(2))
    assert [(s.facets, s.unmatched) for s in report.sides] == [(2, 0), (4, 0)]
    assert report.quality_measure == "scaled Jacobian"
    assert (report.quality_min, report.quality_mean) == pytest.approx((1.0, 1.0))


def test_inspection_lists_every_problem(tmp_path):
    points, elements, _ = CELLS["quad"]
    moved = points + np.array([[0, 0]] * 4 + [[0.125, 0.0], [0.0, 0.0]])
    file = write_msh22(tmp_path / "a.msh", moved, [("quad", [*elements, elements[0]], [0, 0, 0])])
    report = inspect_cell(file)
    assert not report.usable
    repeated, *sides, overlap = report.problems
    assert repeated.startswith("a.msh: 1 of 3 elements appear more than once")
    assert any("on side 1 have no partner" in side for side in sides)
    assert overlap.startswith("a.msh: the elements cover 1.3125 times the period")
    assert report.sides[1].largest_gap == pytest.approx(0.125)
    with pytest.raises(MeshError, match="appear more than once"):
        read_cell(file)


def test_inspection_of_an_unreadable_file_raises(tmp_path):
    (tmp_path / "a.msh").write_text("no mesh")
    with pytest.raises(MeshError, match=r"a\.msh: damaged"):
        inspect_cell(tmp_path / "a.msh")


def test_importing_cells_imports_neither_meshio_nor_hdf5():
    code = "import sys, cellsolve.cells; print('meshio' in sys.modules or 'h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
