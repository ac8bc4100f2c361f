"""Fields of cell problems as VTU files, read back by meshio."""

import base64
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import meshio
import numpy as np
import pytest
from scipy.spatial import cKDTree

import cellsolve as cs
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.results.vtu import write_fields
from cellsolve.results.vtu_format import ElementGrid, write_vtu

MESHES = Path(__file__).parent.parent / "meshes"
TENSORS = {
    1: np.array([[3.0]]),
    2: np.array([[3.0, 1.0], [1.0, 2.0]]),
    3: np.array([[3.0, 1.0, 0.2], [1.0, 2.0, 0.5], [0.2, 0.5, 4.0]]),
}
CASES = [
    ("interval.msh", 1, "line"),
    ("interval.msh", 2, "line3"),
    ("hexagonal_inclusion.msh", 1, "triangle"),
    ("hexagonal_inclusion.msh", 2, "triangle6"),
    ("square_hole_quarter.msh", 2, "triangle6"),
    ("square_unstructured.msh", 3, "VTK_LAGRANGE_TRIANGLE"),
    ("square_unstructured.msh", 4, "VTK_LAGRANGE_TRIANGLE"),
    ("square_quads.msh", 1, "quad"),
    ("square_quads.msh", 2, "quad9"),
    ("cube.msh", 1, "tetra"),
    ("cube.msh", 2, "tetra10"),
    ("cube_hexes.vtu", 1, "hexahedron"),
    ("cube_hexes.vtu", 2, "hexahedron27"),
]
# Middle nodes in VTK's order, by the corners that they are the mean of.
MIDDLES = {
    "line3": [(0, 1)],
    "triangle6": [(0, 1), (1, 2), (2, 0)],
    "quad9": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 1, 2, 3)],
    "tetra10": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "hexahedron27": [
        *((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)),
        *((0, 3, 4, 7), (1, 2, 5, 6), (0, 1, 4, 5), (2, 3, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7), tuple(range(8))),
    ],
}


def fields_of(cell, coefficient, order, path):
    solution = cs.solve_cell_problem(cell, coefficient, order=order, tol=1e-12)
    write_fields(path, solution)
    return solution, meshio.read(path)


def made_up(space, theta):
    """What a solution has to have to be written."""
    return SimpleNamespace(space=space, correctors=theta, coefficient=np.ones(len(space.weights)))


def regionwise(cell):
    """A tensor that differs between regions."""
    return {name: (1.0 + 2.0 * i) * TENSORS[cell.dim] for i, name in enumerate(cell.region_names)}


@pytest.mark.parametrize(("name", "order", "kind"), CASES)
def test_mean_flux_is_the_effective_tensor(tmp_path, name, order, kind):
    cell = cs.read_cell(MESHES / name)
    solution, mesh = fields_of(cell, regionwise(cell), order, tmp_path / "f.vtu")
    (block,) = mesh.cells
    assert (block.type, len(block.data)) == (kind, len(cell.elements))
    volume = mesh.cell_data["volume"][0]
    np.testing.assert_allclose(volume.sum(), (1.0 - cell.porosity) * cell.volume, rtol=1e-12)
    for r in range(cell.dim):
        mean = (mesh.cell_data[f"flux_{r}"][0] * volume[:, None]).sum(axis=0) / cell.volume
        np.testing.assert_allclose(mean[: cell.dim], solution.tensor[:, r], atol=1e-6 * solution.tensor.max())
        np.testing.assert_array_equal(mean[cell.dim :], 0.0)
        average = (mesh.cell_data[f"gradient_{r}"][0] * volume[:, None]).sum(axis=0) / cell.volume
        if not cell.porosity:
            np.testing.assert_allclose(average, np.eye(3)[r], atol=1e-9)


@pytest.mark.parametrize(("name", "order"), [case[:2] for case in CASES])
def test_points_carry_the_values_of_their_place(tmp_path, name, order):
    """Also on the seam: a periodic function in place of theta, on the lattice of the cell."""
    cell = cs.read_cell(MESHES / name)
    space, waves = MeshSpace(cell, order), np.linalg.inv(cell.period)

    def function(y):
        return np.sin(2 * np.pi * (y @ waves) + 0.3).sum(axis=1)

    theta = np.stack([(r + 1) * function(space.nodes) for r in range(cell.dim)])
    write_fields(tmp_path / "f.vtu", made_up(space, theta))
    mesh = meshio.read(tmp_path / "f.vtu")
    y = mesh.points[:, : cell.dim]
    corners = mesh.cells[0].data[:, : cell.elements.shape[1]]
    np.testing.assert_allclose(
        np.sort(y[corners].sum(axis=1), axis=0), np.sort(cell.points[cell.elements].sum(axis=1), axis=0)
    )
    assert len(np.unique(np.round(y / cell.size, 6), axis=0)) == len(y)  # neighbours share their nodes
    for r in range(cell.dim):
        np.testing.assert_allclose(mesh.point_data[f"theta_{r}"], (r + 1) * function(y), atol=1e-6)
        np.testing.assert_allclose(mesh.point_data[f"potential_{r}"], y[:, r] + (r + 1) * function(y), atol=1e-6)


@pytest.mark.parametrize(("name", "order", "kind"), [case for case in CASES if case[2] in MIDDLES])
def test_second_order_nodes_stand_in_the_order_of_vtk(tmp_path, name, order, kind):
    cell = cs.read_cell(MESHES / name)
    _, mesh = fields_of(cell, 1.0, order, tmp_path / "f.vtu")
    y, nodes = mesh.points, mesh.cells[0].data
    count = cell.elements.shape[1]
    assert nodes.shape[1] == count + len(MIDDLES[kind])
    for number, group in enumerate(MIDDLES[kind]):
        np.testing.assert_allclose(y[nodes[:, count + number]], y[nodes[:, list(group)]].mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_triangles_keep_their_orientation_and_barycentric_order(tmp_path, order):
    """VTK's Lagrange triangle: corners, sides from each corner to the next, then what is inside alike."""
    cell = cs.read_cell(MESHES / "square_unstructured.msh")
    _, mesh = fields_of(cell, 1.0, order, tmp_path / "f.vtu")
    nodes = mesh.points[mesh.cells[0].data][:, :, :2]
    a, b, c = nodes[:, 0], nodes[:, 1], nodes[:, 2]
    assert (np.linalg.det(np.stack([b - a, c - a], axis=1)) > 0).all()
    t = np.arange(1, order)[:, None, None] / order
    sides = [*(a + t * (b - a)), *(b + t * (c - b)), *(c + t * (a - c))]
    inner = {3: [(1, 1, 1)], 4: [(2, 1, 1), (1, 2, 1), (1, 1, 2)]}.get(order, [])
    inside = [(i * a + j * b + k * c) / order for i, j, k in inner]
    np.testing.assert_allclose(
        nodes[:, 3:], np.array([*sides, *inside]).reshape(-1, *a.shape).swapaxes(0, 1), atol=1e-12
    )


@pytest.mark.parametrize(("name", "order"), [("hexagonal_inclusion.msh", 1), ("square_hole.msh", 2), ("cube.msh", 2)])
def test_gradients_are_those_of_the_points(tmp_path, name, order):
    """The polynomial through the nodes of an element, derived at its centre, is the mean of its gradient."""
    cell = cs.read_cell(MESHES / name)
    _, mesh = fields_of(cell, regionwise(cell), order, tmp_path / "f.vtu")
    y, nodes = mesh.points[:, : cell.dim], mesh.cells[0].data[::50]
    center = y[nodes[:, : cell.dim + 1]].mean(axis=1, keepdims=True)
    steps = (y[nodes] - center) / cell.size
    i, j = np.triu_indices(cell.dim)
    squares = steps[:, :, i] * steps[:, :, j] if order == 2 else steps[:, :, :0]
    monomials = np.concatenate([np.ones((*nodes.shape, 1)), steps, squares], axis=2)
    for r in range(cell.dim):
        values = mesh.point_data[f"potential_{r}"][nodes]
        slopes = np.linalg.solve(monomials, values[:, :, None])[:, 1 : cell.dim + 1, 0] / cell.size
        np.testing.assert_allclose(slopes, mesh.cell_data[f"gradient_{r}"][0][::50, : cell.dim], atol=1e-9)


def test_regions_and_coefficients(tmp_path):
    cell = cs.read_cell(MESHES / "square_inclusion.msh")
    _, mesh = fields_of(cell, regionwise(cell), 1, tmp_path / "f.vtu")
    names = {f"region:{name}": number for number, name in enumerate(cell.region_names)}
    assert {name: int(value[0]) for name, value in mesh.field_data.items()} == names
    np.testing.assert_array_equal(mesh.cell_data["region"][0], cell.tags)
    wanted = np.zeros((len(cell.tags), 3, 3))
    wanted[:, :2, :2] = (1.0 + 2.0 * cell.tags)[:, None, None] * TENSORS[2]
    np.testing.assert_allclose(mesh.cell_data["coefficient"][0].reshape(-1, 3, 3), wanted, rtol=1e-12)
    again = cs.read_cell(tmp_path / "f.vtu")  # the file is a cell, too
    assert list(again.regions.values()) == pytest.approx(list(cell.regions.values()), rel=1e-12)


def test_a_scalar_coefficient_is_its_mean(tmp_path):
    cell = cs.read_cell(MESHES / "square_quads.msh")
    _, mesh = fields_of(cell, "2 + y[0]", 2, tmp_path / "f.vtu")
    centers = mesh.points[mesh.cells[0].data[:, :4]].mean(axis=1)
    np.testing.assert_allclose(mesh.cell_data["coefficient"][0], 2 + centers[:, 0], rtol=1e-12)


def sheared(cell, points, **changes):
    """The cell with its points moved periodically and sheared: skewed period, and curved elements with middles."""
    shear = np.eye(cell.dim) + 0.3 * np.eye(cell.dim, k=1)
    moved = points + 0.04 * cell.period[0, 0] * np.sin(2 * np.pi * points / np.diag(cell.period))
    return replace(cell, name="sheared", points=moved @ shear, period=cell.period @ shear, **changes)


@pytest.mark.parametrize(
    "name", ["interval.msh", "square_inclusion.vtu", "square_quads.msh", "cube.msh", "cube_hexes.vtu"]
)
@pytest.mark.parametrize("curved", [False, True])
def test_skewed_and_curved_cells(tmp_path, name, curved):
    """The nodes of curved elements are the ones that they were made of, in their order."""
    cell = cs.read_cell(MESHES / name)
    curved = curved and cell.dim > 1
    if curved:
        _, mesh = fields_of(cell, 1.0, 2, tmp_path / "straight.vtu")
        nodes, count = mesh.cells[0].data, cell.elements.shape[1]
        middles = {"elements": nodes[:, :count], "middles": nodes[:, count:]}
        cell = sheared(cell, mesh.points[:, : cell.dim], **middles)
    else:
        cell = sheared(cell, cell.points)
    solution, mesh = fields_of(cell, regionwise(cell), 2, tmp_path / "f.vtu")
    written = mesh.points[mesh.cells[0].data][..., : cell.dim]
    if curved:
        given = solution.cell.points[np.hstack([solution.cell.elements, solution.cell.middles])]
        np.testing.assert_allclose(written, given, atol=1e-12)
        assert np.abs(written[:, count:].mean(axis=1) - written[:, :count].mean(axis=1)).max() > 1e-4
    volume = mesh.cell_data["volume"][0]
    for r in range(cell.dim):
        mean = (mesh.cell_data[f"flux_{r}"][0] * volume[:, None]).sum(axis=0) / cell.volume
        np.testing.assert_allclose(mean[: cell.dim], solution.tensor[:, r], atol=1e-5 * solution.tensor.max())


def test_coupled_sides(tmp_path):
    """The sides of a mesh whose right side has its nodes elsewhere: all values of the mesh, jumps included."""
    cell = cs.read_cell(MESHES / "square_unstructured.msh")
    x, y = cell.points.T
    cell = replace(cell, points=np.stack([x, y + 0.03 * x * np.sin(2 * np.pi * y)], axis=1))
    space = CoupledSpace(cell, 2)
    theta = np.stack([np.sin(2 * np.pi * space.nodes[:, 0]), np.cos(2 * np.pi * space.nodes.sum(axis=1))])
    write_fields(tmp_path / "f.vtu", made_up(space, theta))
    mesh = meshio.read(tmp_path / "f.vtu")
    at = cKDTree(mesh.points[:, :2])
    distance, place = at.query(space.traces.places)
    assert distance.max() < 1e-12
    assert len(mesh.points) == len(space.traces.places)
    volume = mesh.cell_data["volume"][0]
    for r in range(2):
        np.testing.assert_allclose(mesh.point_data[f"theta_{r}"][place], space.P @ theta[r], atol=1e-12)
        mean = (mesh.cell_data[f"gradient_{r}"][0] * volume[:, None]).sum(axis=0)
        np.testing.assert_allclose(mean[:2], space.gradient(theta[r]) @ space.weights + np.eye(2)[r], atol=1e-12)


def test_box_cells_are_refused(tmp_path):
    solution = cs.solve_cell_problem(cs.box_cell(2, n=2, order=2), 1.0)
    with pytest.raises(cs.MeshError, match=r"got fields on BoxSpace.*needed those of a mesh"):
        write_fields(tmp_path / "f.vtu", solution)
    assert not list(tmp_path.iterdir())


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    grid = ElementGrid(np.zeros((2, 3)), np.array([[0, 1]]), 3)
    path = tmp_path / "f.vtu"
    path.write_text("before")
    monkeypatch.setattr("cellsolve.results.vtu_format._encoded", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_vtu(path, grid)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]
    with pytest.raises(cs.JobError, match="cannot write"):
        write_vtu(tmp_path / "none" / "f.vtu", grid)


def test_large_arrays_and_strange_names(tmp_path):
    """Several compressed blocks, the last one shorter; names that XML does not bear."""
    points = np.random.default_rng(0).random((100_000, 3))
    grid = ElementGrid(points, np.array([[0, 99_999]]), 3, facts={'<a> & "b"\x01': 7})
    write_vtu(tmp_path / "f.vtu", grid)
    mesh = meshio.read(tmp_path / "f.vtu")
    np.testing.assert_array_equal(mesh.points, points)
    text = (tmp_path / "f.vtu").read_text().split('Name="Points"')[1].split(">")[1]
    blocks, size, last, *_ = np.frombuffer(base64.b64decode(text[:33].strip()), dtype=np.uint64).tolist()
    assert ((blocks - 1) * size + last, last < size) == (points.nbytes, True)  # meshio does not look at it, VTK does
    assert {name: int(value[0]) for name, value in mesh.field_data.items()} == {'<a> & "b"?': 7}
