"""Regions of mesh files: groups, families, arrays; by default, and by name."""

from __future__ import annotations

import pytest
from mesh_writing import CELLS, data_array, error_of, write_msh22, write_vtu

from cellsolve.cells import read_cell
from cellsolve.errors import MeshError


@pytest.mark.parametrize(
    ("arrays", "regions"),
    [
        ("", {"cell": 1.0}),
        (data_array("phase", "Int32", [4, 2]), {"2": 0.75, "4": 0.25}),
        (data_array("phase", "Int32", [-1, 1]), {"-1": 0.25, "1": 0.75}),
        (data_array("phase", "Int32", [4, 2], 1), {"2": 0.75, "4": 0.25}),
        (data_array("flux", "Float64", [4.0, 2.0]), {"cell": 1.0}),
        (data_array("flux", "Int32", [1, 2, 3, 4], 2), {"cell": 1.0}),
        (data_array("gmsh:geometrical", "Int32", [1, 2]), {"cell": 1.0}),
        (data_array("vtkOriginalCellIds", "Int32", [1, 2]), {"cell": 1.0}),
        (data_array("id", "Int32", [0, 1]) + data_array("material", "Int32", [3, 3]), {"3": 1.0}),
        (
            data_array("cell_tags", "Int32", [0, 1]) + data_array("region", "Int32", [3, 5]),
            {"3": 0.25, "5": 0.75},
        ),
        (data_array("gmsh:physical", "Int32", [-6, 6]), {"6": 1.0}),
        (data_array("gmsh:physical", "Int32", [0, 0]), {"cell": 1.0}),
        (data_array("gmsh:physical", "Int32", [0, 2]), {"0": 0.25, "2": 0.75}),
    ],
)
def test_regions_come_from_the_integer_array(tmp_path, arrays, regions):
    points, elements, _ = CELLS["quad"]
    assert read_cell(write_vtu(tmp_path / "a.vtu", points, "quad", elements, arrays)).regions == pytest.approx(regions)


@pytest.mark.parametrize(
    ("wanted", "regions"),
    [("zone", {"0": 0.25, "1": 0.75}), ("id", {"3": 1.0}), ("flux", {"-4": 0.25, "2": 0.75})],
)
def test_regions_come_from_the_array_that_is_named(tmp_path, wanted, regions):
    """Also where one has a usual name; floats count if they are whole."""
    arrays = data_array("zone", "Int32", [0, 1]) + data_array("id", "Int64", [3, 3])
    arrays += data_array("flux", "Float64", [-4.0, 2.0]) + data_array("region", "Int32", [1, 2])
    file = write_vtu(tmp_path / "a.vtu", CELLS["quad"][0], "quad", CELLS["quad"][1], arrays)
    assert read_cell(file, regions=wanted).regions == pytest.approx(regions)


@pytest.mark.parametrize("values", [[0.5, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_arrays_that_name_no_regions_are_refused(tmp_path, values):
    arrays = data_array("flux", "Float64", values) + data_array("v", "Int32", [1, 2, 3, 4], 2)
    file = write_vtu(tmp_path / "a.vtu", CELLS["quad"][0], "quad", CELLS["quad"][1], arrays)
    assert "a.vtu: the cell array 'flux' has values that are not whole numbers" in error_of(file, regions="flux")
    expected = "a.vtu: has no cell array 'v', the arrays with one number an element are: flux."
    assert error_of(file, regions="v") == expected


def test_groups_of_one_name_are_one_region(tmp_path):
    names = '2 1 "solid"\n2 2 "solid"\n1 2 "edge"'
    blocks = [("quad", CELLS["quad"][1], [1, 2])]
    file = write_msh22(tmp_path / "a.msh", CELLS["quad"][0], blocks, names)
    assert read_cell(file).regions == pytest.approx({"solid": 1.0})


DATA = """$ElementData
1
"phase"
1
0.0
3
0
1
2
2 8
1 6
$EndElementData
"""


def test_element_data_of_gmsh_name_regions_by_element_number(tmp_path):
    file = write_msh22(tmp_path / "a.msh", CELLS["quad"][0], [("quad", CELLS["quad"][1], [1, 1])])
    file.write_text(file.read_text() + DATA)
    assert read_cell(file).regions == pytest.approx({"1": 1.0})
    assert read_cell(file, regions="phase").regions == pytest.approx({"6": 0.25, "8": 0.75})
    file.write_text(file.read_text().replace("2 8\n1 6", "2 8\n7 6"))
    assert "has no cell array 'phase'" in error_of(file, regions="phase")


def test_several_unknown_arrays_are_listed(tmp_path):
    arrays = data_array("zone", "Int32", [0, 1]) + data_array("id", "Int64", [3, 3])
    file = write_vtu(tmp_path / "a.vtu", CELLS["quad"][0], "quad", CELLS["quad"][1], arrays)
    with pytest.raises(MeshError, match=r"a\.vtu: has several integer cell arrays \(id, zone\).*Name one of them"):
        read_cell(file)


MSH41 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
2
2 1 "left"
2 2 "all"
$EndPhysicalNames
$Entities
0 0 2 0
1 0 0 0 0.25 1 0 {first} 0
2 0.25 0 0 1 1 0 {second} 0
$EndEntities
$Nodes
1 6 1 6
2 1 0 6
1
2
3
4
5
6
0 0 0
0.25 0 0
1 0 0
0 1 0
0.25 1 0
1 1 0
$EndNodes
$Elements
2 2 1 2
2 1 3 1
1 1 2 5 4
2 2 3 1
2 2 3 6 5
$EndElements
"""


def test_groups_of_a_41_text_file(tmp_path, capfd):
    file = tmp_path / "a.msh"
    file.write_text(MSH41.format(first="1 1", second="1 -2"))
    assert read_cell(file).regions == pytest.approx({"left": 0.25, "all": 0.75})
    file.write_text(MSH41.format(first="0", second="0"))
    assert read_cell(file).regions == pytest.approx({"cell": 1.0})
    assert capfd.readouterr() == ("", "")


def test_an_element_in_two_groups_is_refused(tmp_path):
    file = tmp_path / "a.msh"
    file.write_text(MSH41.format(first="2 1 2", second="1 2"))
    assert "a.msh: elements belong to several physical groups (all, left), needed one region each" in error_of(file)
    assert "several physical groups" in error_of(file, regions="gmsh:physical")
    assert read_cell(file, regions="gmsh:geometrical").regions == pytest.approx({"1": 0.25, "2": 0.75})


def test_groups_on_part_of_a_41_file_are_refused(tmp_path):
    file = tmp_path / "a.msh"
    file.write_text(MSH41.format(first="0", second="1 2"))
    message = error_of(file)
    assert "a.msh: 1 of 2 elements are in no physical group, needed all or none" in message
    assert "save only those that have one (Mesh.SaveAll=0)" in message
