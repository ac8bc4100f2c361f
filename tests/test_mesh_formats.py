"""Every format against what meshio and gmsh write: first and second order, text, binary and compressed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import pytest
from mesh_writing import CELLS, VTK, in_space, write_vtu

from cellsolve.cells import read_cell
from cellsolve.cells.curved import straight_middles
from cellsolve.cells.mesh_files import load_cell
from cellsolve.errors import MeshError

CURVED = {"line": "line3", "triangle": "triangle6", "quad": "quad9", "tetra": "tetra10", "hexahedron": "hexahedron27"}
MESHIO: dict[str, tuple[str, dict[str, Any]]] = {
    "gmsh 2.2 text": (".msh", {"file_format": "gmsh22", "binary": False}),
    "gmsh 2.2": (".msh", {"file_format": "gmsh22"}),
    "gmsh 4.1": (".msh", {"file_format": "gmsh"}),
    "vtu text": (".vtu", {"binary": False}),
    "vtu": (".vtu", {"compression": None}),
    "vtu 64": (".vtu", {"compression": None, "header_type": "UInt64"}),
    "vtu zlib": (".vtu", {"compression": "zlib"}),
    "vtu lzma": (".vtu", {"compression": "lzma", "header_type": "UInt64"}),
    "vtk 5.1": (".vtk", {}),
    "vtk 5.1 text": (".vtk", {"binary": False}),
    "vtk 4.2": (".vtk", {"file_format": "vtk42"}),
    "vtk 4.2 text": (".vtk", {"file_format": "vtk42", "binary": False}),
    "xdmf": (".xdmf", {}),
    "xdmf text": (".xdmf", {"data_format": "XML"}),
    "med": (".med", {}),
}


def write_by_meshio(path: Path, points: np.ndarray, kind: str, nodes: np.ndarray, form: str) -> Path:
    """The elements, the first in region 7 and the others in 9, with data of points to be left aside."""
    suffix, keywords = MESHIO[form]
    tags = [7] + [9] * (len(nodes) - 1)
    key = {".msh": "gmsh:physical", ".med": "cell_tags"}.get(suffix, "region")
    mesh = meshio.Mesh(
        in_space(points),
        [(kind, nodes)],
        cell_data={key: [np.array(tags)]},
        point_data={} if suffix == ".msh" else {"u": np.arange(float(len(points)))},
    )
    if suffix == ".msh":
        mesh.cell_data["gmsh:geometrical"] = [np.ones(len(nodes), dtype=int)]
    if form == "gmsh 4.1":
        # One entity, so one physical group.
        mesh.cell_data["gmsh:physical"] = [np.full(len(nodes), 7)]
        mesh.point_data["gmsh:dim_tags"] = np.tile([points.shape[1], 1], (len(points), 1))
    file = path.with_suffix(suffix)
    meshio.write(file, mesh, **keywords)
    return file


def bent(shape: str) -> tuple[np.ndarray, np.ndarray]:
    """The cell of a shape with middles, one of them moved: no element may lose its order of nodes."""
    points, elements, _ = CELLS[shape]
    corners = np.array(elements)
    middles = straight_middles(points, corners, shape)
    rows, inverse = np.unique(np.round(middles.reshape(-1, points.shape[1]), 9), axis=0, return_inverse=True)
    further = len(points) + inverse.reshape(middles.shape[:2])
    everything = np.vstack([points, rows])
    everything[further[0, -1]] += 0.01 * (1 + np.arange(points.shape[1]))
    return everything, np.hstack([corners, further])


@pytest.mark.parametrize("form", MESHIO)
@pytest.mark.parametrize("shape", CELLS)
def test_first_order_is_read_as_meshio_writes_it(tmp_path, shape, form, capfd):
    points, elements, fractions = CELLS[shape]
    file = write_by_meshio(tmp_path / "cell", points, shape, np.array(elements), form)
    capfd.readouterr()
    cell = read_cell(file)
    assert (cell.shape, cell.middles) == (shape, None)
    assert np.array_equal(cell.points, points)
    assert [set(e) for e in cell.elements.tolist()] == [set(e) for e in elements]
    expected = {"7": 1.0} if form == "gmsh 4.1" else {"7": fractions[0], "9": fractions[1]}
    assert cell.regions == pytest.approx(expected)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", MESHIO)
@pytest.mark.parametrize("shape", CELLS)
def test_second_order_is_read_as_meshio_writes_it(tmp_path, shape, form):
    if form == "med" and shape in ("quad", "hexahedron"):
        pytest.skip("meshio writes no such elements")
    points, nodes = bent(shape)
    cell = load_cell(write_by_meshio(tmp_path / "cell", points, CURVED[shape], nodes, form))
    assert cell.shape == shape
    assert cell.middles is not None
    assert np.array_equal(cell.points, points)
    straight = straight_middles(cell.points, cell.elements, cell.shape)
    moved = np.abs(cell.points[cell.middles] - straight).max(axis=2) > 1e-6
    assert moved[0].tolist() == [False] * (moved.shape[1] - 1) + [True]


@pytest.mark.parametrize(("order", "word"), [("<", "LittleEndian"), (">", "BigEndian")])
def test_appended_data_is_read(tmp_path, order, word):
    """Raw and base64 after an underscore, as ParaView writes them."""
    points, elements, fractions = CELLS["quad"]
    plain = write_vtu(tmp_path / "plain.vtu", points, "quad", elements)
    arrays = {
        "Points": ("Float64", in_space(points).astype(f"{order}f8")),
        "connectivity": ("Int64", np.array(elements, dtype=f"{order}i8")),
        "offsets": ("Int64", np.array([4, 8], dtype=f"{order}i8")),
        "types": ("UInt8", np.array([9, 9], dtype="u1")),
        "region": ("Int32", np.array([7, 9], dtype=f"{order}i4")),
    }
    for encoding in ("raw", "base64"):
        packed, offsets = b"", {}
        for name, (_, values) in arrays.items():
            offsets[name] = len(packed)
            content = np.array([values.nbytes], dtype=f"{order}u4").tobytes() + values.tobytes()
            packed += content if encoding == "raw" else base64.b64encode(content)
        items = {
            name: f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{3 if name == "Points" else 1}" '
            f'format="appended" offset="{offsets[name]}"/>'
            for name, (kind, _) in arrays.items()
        }
        text = (
            f'<VTKFile type="UnstructuredGrid" version="0.1" byte_order="{word}"><UnstructuredGrid>'
            f'<Piece NumberOfPoints="6" NumberOfCells="2"><Points>{items["Points"]}</Points>'
            f"<Cells>{items['connectivity']}{items['offsets']}{items['types']}</Cells>"
            f"<CellData>{items['region']}</CellData></Piece></UnstructuredGrid>"
            f'<AppendedData encoding="{encoding}">_'
        )
        file = tmp_path / f"{encoding}.vtu"
        file.write_bytes(text.encode() + packed + b"</AppendedData></VTKFile>")
        cell = read_cell(file)
        assert cell.regions == pytest.approx({"7": fractions[0], "9": fractions[1]})
        assert np.array_equal(cell.points, read_cell(plain).points)


ALIASES = {
    8: ("quad", [0, 1, 3, 2]),
    7: ("quad", [0, 1, 2, 3]),
    70: ("quad", [0, 1, 2, 3]),
    11: ("hexahedron", [0, 1, 3, 2, 4, 5, 7, 6]),
    69: ("triangle", [0, 1, 2]),
    71: ("tetra", [0, 1, 2, 3]),
    68: ("line", [0, 1]),
}


@pytest.mark.parametrize("code", ALIASES)
def test_pixels_polygons_and_lagrange_elements_are_read(tmp_path, code, monkeypatch):
    shape, order = ALIASES[code]
    points, elements, _ = CELLS[shape]
    monkeypatch.setitem(VTK, "alias", code)
    cell = read_cell(write_vtu(tmp_path / "a.vtu", points, "alias", np.array(elements)[:, order]))
    assert (cell.shape, cell.porosity) == (shape, 0.0)
    assert [set(e) for e in cell.elements.tolist()] == [set(e) for e in elements]


def test_groups_of_a_med_file(tmp_path):
    """Two families of one group each, then one that is in two groups."""
    points, elements, fractions = CELLS["quad"]
    tags = np.array([-1, -2])
    mesh = meshio.Mesh(points, [("quad", np.array(elements))], cell_data={"cell_tags": [tags], "zone": [-3.0 * tags]})
    mesh.point_tags = {}
    for groups, second in ((["solid"], "solid"), (["solid", "wall"], "")):
        mesh.cell_tags = {-1: ["fluid"], -2: groups}
        meshio.write(tmp_path / "a.med", mesh)
        if second:
            assert read_cell(tmp_path / "a.med").regions == pytest.approx({"fluid": fractions[0], second: fractions[1]})
        else:
            with pytest.raises(MeshError, match=r"a.med: elements belong to several physical groups \(solid, wall\)"):
                read_cell(tmp_path / "a.med")
        zones = read_cell(tmp_path / "a.med", regions="zone").regions
        assert zones == pytest.approx({"3": fractions[0], "6": fractions[1]})


def test_pieces_of_a_vtu_file_are_one_mesh(tmp_path):
    points, elements, _ = CELLS["quad"]
    halves = [
        write_vtu(tmp_path / f"{i}.vtu", points[e], "quad", [[0, 1, 2, 3]]).read_text() for i, e in enumerate(elements)
    ]
    second = halves[1][halves[1].index("<Piece") : halves[1].index("</UnstructuredGrid>")]
    file = tmp_path / "both.vtu"
    file.write_text(halves[0].replace("</UnstructuredGrid>", second + "</UnstructuredGrid>"))
    with pytest.raises(MeshError, match=r"both.vtu: 2 pair\(s\) of nodes coincide .* \(merge_nodes=True"):
        read_cell(file)
    cell = read_cell(file, merge_nodes=True)
    assert len(cell.points) == 6
    assert cell.porosity == 0.0


@pytest.fixture(scope="module")
def gmsh():
    try:
        module = pytest.importorskip("gmsh")
    except OSError as error:
        pytest.skip(str(error))
    module.initialize(interruptible=False)
    module.option.setNumber("General.Terminal", 0)
    yield module
    module.finalize()


GMSH = {
    "2.2 text": (".msh", 2.2, 0),
    "2.2": (".msh", 2.2, 1),
    "4.1 text": (".msh", 4.1, 0),
    "4.1": (".msh", 4.1, 1),
    "vtk text": (".vtk", 4.1, 0),
    "vtk": (".vtk", 4.1, 1),
    "med": (".med", 4.1, 1),
}
# dimension, recombined to quads or hexahedra, without nodes inside faces
MESHES = {
    "triangle6": (2, False, False),
    "quad9": (2, True, False),
    "quad8": (2, True, True),
    "tetra10": (3, False, False),
    "hexahedron27": (3, True, False),
    "hexahedron20": (3, True, True),
}


def build(gmsh: Any, dim: int, recombined: bool, incomplete: bool) -> None:
    """A square with a round hole, or that times a height, in second order; one group, "solid"."""
    gmsh.clear()
    occ = gmsh.model.occ
    square, disc = occ.addRectangle(0, 0, 0, 1, 1), occ.addDisk(0.5, 0.5, 0, 0.3, 0.3)
    (surface, *_), _ = occ.cut([(2, square)], [(2, disc)])
    if dim == 3 and recombined:
        occ.extrude([surface], 0, 0, 1.0, numElements=[2], recombine=True)
    elif dim == 3:
        occ.extrude([surface], 0, 0, 1.0)
    occ.synchronize()
    if recombined:
        gmsh.model.mesh.setRecombine(2, surface[1])
    gmsh.model.addPhysicalGroup(dim, [tag for _, tag in gmsh.model.getEntities(dim)], 4, name="solid")
    gmsh.option.setNumber("Mesh.RecombineAll", 0)
    gmsh.option.setNumber("Mesh.RecombinationAlgorithm", 2)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 0.25)
    gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 12)
    gmsh.option.setNumber("Mesh.SecondOrderIncomplete", int(incomplete))
    gmsh.model.mesh.generate(dim)
    gmsh.model.mesh.setOrder(2)


@pytest.mark.parametrize("kind", MESHES)
def test_curved_meshes_of_gmsh_have_the_measure_of_their_geometry(tmp_path, gmsh, kind):
    """Each format gives the same cell; curved sides miss the circle by the fourth power of their arc."""
    build(gmsh, *MESHES[kind])
    cells = {}
    for form, (suffix, version, binary) in GMSH.items():
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.option.setNumber("Mesh.Binary", binary)
        file = tmp_path / f"{form}{suffix}"
        gmsh.write(str(file))
        cells[form] = load_cell(file)
    first = cells["4.1"]
    assert first.shape == kind.rstrip("0123456789")
    assert first.middles is not None
    for form, cell in cells.items():
        assert sum(cell.regions.values()) == pytest.approx(1 - 0.09 * np.pi, rel=2e-4), form
        assert cell.volumes.sum() == pytest.approx(first.volumes.sum(), rel=1e-13), form
        assert len(cell.points) == len(first.points)
        assert len(cell.regions) == 1
        assert list(cell.regions) == ["solid"] or GMSH[form][0] == ".vtk"
        assert cell.middles is not None
        off = cell.points[cell.middles] - straight_middles(cell.points, cell.elements, cell.shape)
        assert np.abs(off).max() < 0.03
