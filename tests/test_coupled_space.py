"""Sides that do not match: what is coupled, what is exact, how large the error is, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from nonmatching import bent_cell, delaunay_cell, holed, layered_cell
from problems import ELEMENTS, SKEWED, FloatArray, mesh, random_tensors, relative_error, structured_cell, waves

import cellsolve as cs
from cellsolve import exact
from cellsolve.cells import UnitCell, check_periodicity
from cellsolve.cells.coupling import facet_weights, located, overlaps, sides
from cellsolve.errors import MeshError, PeriodicityError
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.jumps import jump_energy
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.linalg.coupling_error import coupling_error
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver, Method

PLANE_AND_SPACE = [(shape, order) for shape, order in ELEMENTS if shape != "line"]
every_element = pytest.mark.parametrize(("shape", "order"), PLANE_AND_SPACE)
every_shape = pytest.mark.parametrize("shape", ["triangle", "quad", "tetra", "hexahedron"])
TOL = 1e-11


def solved(space: CoupledSpace | MeshSpace, K: FloatArray, method: Method | None = None) -> CellMinimum:
    return CellSolver(space, method).solve(K[None], TOL)


def smooth(space: CoupledSpace | MeshSpace, strength: float = 1.5) -> FloatArray:
    return np.exp(strength * waves(3, space.dim)(space.points @ np.linalg.inv(space.cell.period)))


@every_shape
def test_the_cells_of_these_tests_do_not_match(shape: str) -> None:
    with pytest.raises(PeriodicityError, match="have no partner"):
        check_periodicity(bent_cell(shape, 3))


@every_shape
def test_overlaps_cover_both_faces_once(shape: str) -> None:
    cell = bent_cell(shape, 3)
    for side in sides(cell):
        found = overlaps(cell, side)
        assert found.measures.sum() == pytest.approx(1.0, rel=1e-12)
        for face, facets in ((side.slave, found.slave), (side.master, found.master)):
            np.testing.assert_allclose(np.bincount(facets, found.measures), face.measures, rtol=1e-10)
            corners = face.corners[facets]
            middle = found.pieces.mean(axis=1)
            assert facet_weights(corners, middle).min() > 0.0


def test_places_are_found_in_facets() -> None:
    random = np.random.default_rng(1)
    for shape in ("triangle", "tetra", "hexahedron"):
        cell = bent_cell(shape, 4)
        face = sides(cell)[0].master
        places = random.random((50, cell.dim - 1))
        facet, weights = located(face, places)
        assert weights.min() > -1e-9
        np.testing.assert_allclose(np.einsum("nk,nkd->nd", weights, face.corners[facet]), places, atol=1e-12)


def test_the_finer_face_follows() -> None:
    cell = delaunay_cell(4, 7, 0)
    for side, other in zip(sides(cell), sides(cell, exchanged=True), strict=True):
        assert (len(side.slave.elements), len(side.master.elements)) == (7, 4)
        np.testing.assert_array_equal(side.slave.nodes, other.master.nodes)


@every_element
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_constant_coefficient_is_reproduced(shape: str, order: int, exchanged: bool) -> None:
    """Rows of P sum to one and fluxes do no work on jumps: theta = 0."""
    space = CoupledSpace(bent_cell(shape, 3), order, exchanged)
    rounding = 1e-6 if shape == "hexahedron" else 1e-12  # of the quadrature on quads that are no parallelograms
    np.testing.assert_allclose(space.P.sum(axis=1), 1.0, atol=1e-12)
    K = random_tensors(3, 1, space.dim)[0]
    minimum = solved(space, np.repeat(K[:, :, None], len(space.weights), axis=2))
    assert np.abs(minimum.correctors).max() < rounding
    np.testing.assert_allclose(minimum.tensor[0], K, atol=rounding**2 + 1e-12)


@every_element
def test_loads_of_constant_fluxes_vanish(shape: str, order: int) -> None:
    space = CoupledSpace(bent_cell(shape, 3), order)
    loads = space.divergence(space.weights * np.eye(space.dim)[:, :, None])
    assert np.abs(loads).max() < (1e-6 if shape == "hexahedron" else 1e-14)


@every_element
def test_matched_sides_give_the_matched_space(shape: str, order: int) -> None:
    cell = structured_cell(shape, 3, SKEWED[2 if shape in ("triangle", "quad") else 3])
    coupled, matched = CoupledSpace(cell, order), MeshSpace(cell, order)
    assert coupled.n_dofs == matched.n_dofs
    ours, theirs = solved(coupled, smooth(coupled)), solved(matched, smooth(matched))
    np.testing.assert_allclose(ours.tensor, theirs.tensor, rtol=1e-9)
    assert np.abs(jump_energy(coupled, smooth(coupled)[None], ours.correctors)).max() < 1e-20


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("counts", [(2, 3), (4, 4), (8, 11)])
@pytest.mark.parametrize("period", [None, SKEWED[2]])
def test_layers_are_exact(order: int, counts: tuple[int, int], period: object) -> None:
    """Multipliers end where regions meet: the flux along the layers jumps there."""
    cell = layered_cell(*counts, 1, period)
    space = CoupledSpace(cell, order)
    normal = np.linalg.inv(cell.period)[:, 0]
    expected = exact.laminate([1.0, 50.0], [0.5, 0.5], normal / np.linalg.norm(normal))
    tensor = solved(space, np.where(space.tags == 0, 1.0, 50.0)).tensor[0]
    np.testing.assert_allclose(tensor, expected, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polynomials_of_the_order_are_carried_over(order: int) -> None:
    """A trace that both sides hold is the same on both."""
    space = CoupledSpace(delaunay_cell(5, 8, 2), order)
    x = space.nodes[:, 0]
    u = space.P @ (x * (1.0 - x)) if order > 1 else space.P @ np.ones(space.n_dofs)
    places = space.traces.places
    on = np.isin(places[:, 1], [0.0, 1.0])
    expected = places[on, 0] * (1.0 - places[on, 0]) if order > 1 else 1.0
    np.testing.assert_allclose(u[on], expected, atol=1e-12)


@pytest.mark.parametrize(("order", "rate"), [(1, 2.0), (2, 4.0)])
def test_the_tensor_converges_as_on_matched_meshes(order: int, rate: float) -> None:
    period = np.array(SKEWED[2])
    reference = cs.solve_cell_problem(
        cs.box_cell(2, period=period), lambda y: np.exp(1.5 * waves(3, 2)(y @ np.linalg.inv(period))), tol=1e-9
    ).tensor
    errors = []
    for n in (8, 16):
        of_seeds = []
        for seed in range(3):
            space = CoupledSpace(delaunay_cell(n, n + n // 2, seed, period), order)
            of_seeds.append(relative_error(solved(space, smooth(space)).tensor[0], reference))
        matched = MeshSpace(structured_cell("triangle", n, period), order)
        assert max(of_seeds) < relative_error(solved(matched, smooth(matched)).tensor[0], reference)
        errors.append(np.mean(of_seeds))
    assert abs(np.log2(errors[0] / errors[1]) - rate) < 0.5


@pytest.mark.parametrize("shape", ["tetra", "hexahedron"])
def test_cells_in_space_are_as_good_as_matched_ones(shape: str) -> None:
    matched_cell = structured_cell(shape, 4, SKEWED[3])
    fine = MeshSpace(structured_cell(shape, 8, SKEWED[3]), 2)
    reference = solved(fine, smooth(fine, 1.0)).tensor[0]
    for order in (1, 2):
        spaces = CoupledSpace(bent_cell(shape, 4), order), MeshSpace(matched_cell, order)
        ours, theirs = (relative_error(solved(space, smooth(space, 1.0)).tensor[0], reference) for space in spaces)
        assert ours < 1.3 * theirs


@every_element
def test_methods_agree(shape: str, order: int) -> None:
    space = CoupledSpace(bent_cell(shape, 3), order)
    K = smooth(space)
    tensors = [solved(space, K, method).tensor for method in ("direct", "amg", "green", "green-jacobi")]
    for tensor in tensors[1:]:
        np.testing.assert_allclose(tensor, tensors[0], rtol=1e-8)


@every_element
def test_matrix_gradient_and_divergence_are_one_operator(shape: str, order: int) -> None:
    space = CoupledSpace(bent_cell(shape, 3), order)
    random = np.random.default_rng(5)
    u, v = random.normal(size=(2, space.n_dofs))
    C = space.weights * smooth(space)
    energy = float((space.gradient(u) * C * space.gradient(v)).sum())
    assert v @ space.matrix(C) @ u == pytest.approx(energy, rel=1e-10)
    assert v @ space.divergence(C * space.gradient(u)) == pytest.approx(energy, rel=1e-10)
    np.testing.assert_allclose(space.diagonal(C[None])[0], space.matrix(C).diagonal())
    assert space.pieces is None
    assert space.weights.sum() == pytest.approx(1.0)
    assert len(space.tags) == len(space.points) == len(space.weights)
    np.testing.assert_array_equal(space.P[space.free].toarray().round(12), np.eye(space.n_dofs))


def test_interpolation_from_first_order_is_exact() -> None:
    for shape in ("triangle", "tetra"):
        space = CoupledSpace(bent_cell(shape, 4), 2)
        lower, count = space.of_order(1), len(space.cell.points)
        v = np.random.default_rng(1).normal(size=lower.n_dofs)
        values = space.interpolation(lower) @ v
        corners = space.free < count
        np.testing.assert_allclose(values[corners], (lower.P @ v)[space.free[corners]], atol=1e-13)
        fractions = space.nodes @ np.linalg.inv(space.cell.period)
        inside = ((fractions > 0.3) & (fractions < 0.7)).all(axis=1)
        slope = np.arange(1.0, space.dim + 1.0)
        linear = space.interpolation(lower) @ (lower.nodes @ slope)
        assert (inside & ~corners).any()
        np.testing.assert_allclose(linear[inside], (space.nodes @ slope)[inside], atol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_the_estimate_covers_the_error_of_the_coupling(order: int) -> None:
    """Against the same triangles with sides that match: nodes of either side are put into the other one."""
    for seed in range(4):
        cell = delaunay_cell(6, 6 + 3 * seed, seed)
        space = CoupledSpace(cell, order)
        K = smooth(space)
        minimum = solved(space, K)
        matched = MeshSpace(with_common_nodes(cell), order)
        check_periodicity(matched.cell)
        true = relative_error(minimum.tensor[0], solved(matched, smooth(matched)).tensor[0])
        estimate = float(coupling_error(space, K[None], minimum, TOL)[0])
        assert true < estimate < 100.0 * true + 1e-9


def with_common_nodes(cell: UnitCell) -> UnitCell:
    """A cell of triangles on the unit square, those at a side cut into fans by the nodes of both faces.

    Triangles with two edges on sides are cut at their middle before.
    """
    points, triangles = list(cell.points), [list(element) for element in cell.elements]
    for triangle in [t for t in triangles if sum(map(len, _side_edges(points, t))) > 1]:
        triangles.remove(triangle)
        points.append(np.mean([points[k] for k in triangle], axis=0))
        triangles += [[triangle[k], triangle[(k + 1) % 3], len(points) - 1] for k in range(3)]
    for axis in (0, 1):
        held = {round(float(p[1 - axis]), 11) for p in points if p[axis] in (0.0, 1.0)}
        for value in (0.0, 1.0):
            number = {round(float(p[1 - axis]), 11): k for k, p in enumerate(points) if p[axis] == value}
            for t in sorted(held - set(number)):
                number[t] = len(points)
                points.append(np.insert(np.array([t]), axis, value))
            triangles = [fan for t in triangles for fan in _fans(points, t, axis, value, number)]
    tags = np.zeros(len(triangles), dtype=int)
    return UnitCell("cut", np.array(points), np.array(triangles), "triangle", tags, ("a",), cell.period)


def _side_edges(points: list[FloatArray], triangle: list[int]) -> list[list[int]]:
    pairs = [(triangle[k], triangle[(k + 1) % 3]) for k in range(3)]
    return [[a for a, b in pairs if points[a][x] == points[b][x] == v] for x in (0, 1) for v in (0.0, 1.0)]


def _fans(
    points: list[FloatArray], triangle: list[int], axis: int, value: float, number: dict[float, int]
) -> list[list[int]]:
    for k in range(3):
        a, b, apex = (triangle[(k + j) % 3] for j in range(3))
        if points[a][axis] == points[b][axis] == value:
            low, high = sorted(round(float(points[c][1 - axis]), 11) for c in (a, b))
            row = [number[t] for t in sorted(number) if low <= t <= high]
            return [[first, second, apex] for first, second in pairwise(row)]
    return [triangle]


def test_pores_that_cut_both_faces_alike_are_coupled() -> None:
    """A hole at the corners of the cell: its ends are nodes of every side."""
    cell = layered_cell(8, 8, 3)
    hole = holed(cell, np.array([0.25, 0.25]), np.array([0.75, 0.75]))
    space = CoupledSpace(hole, 2)
    assert space.weights.sum() == pytest.approx(1.0 - hole.porosity)
    tensor = solved(space, np.ones(len(space.weights))).tensor[0]
    assert 0.3 < np.linalg.eigvalsh(tensor)[0] < 1.0 - hole.porosity


@pytest.mark.parametrize("method", ["direct", "amg"])
def test_islands_in_pores_change_nothing(method: Method) -> None:
    cell = bent_cell("triangle", 8)
    f = np.abs(cell.points[cell.elements].mean(axis=1) @ np.linalg.inv(cell.period) - 0.5).max(axis=1)
    with_island, without = (_kept(cell, kept) for kept in ((f > 0.35) | (f < 0.2), f > 0.35))
    space, alone = CoupledSpace(with_island, 2), CoupledSpace(without, 2)
    assert space.pieces is not None
    assert space.pieces.max() == 1
    tensors = [solved(each, np.ones(len(each.weights)), method).tensor[0] for each in (space, alone)]
    np.testing.assert_allclose(tensors[0], tensors[1], rtol=1e-9)


def _kept(cell: UnitCell, kept: FloatArray) -> UnitCell:
    names = cell.region_names
    return UnitCell("part", cell.points, cell.elements[kept], cell.shape, cell.tags[kept], names, cell.period)


def test_different_holes_are_refused() -> None:
    cell = holed(structured_cell("triangle", 6), np.array([0.3, -0.1]), np.array([0.7, 0.3]))
    with pytest.raises(PeriodicityError, match=r"facets on a face of side 1 .*0% covered.*different holes"):
        CoupledSpace(cell, 1)
    cube = holed(structured_cell("tetra", 4), np.array([0.2, 0.2, -0.1]), np.array([0.8, 0.8, 0.3]))
    with pytest.raises(PeriodicityError, match=r"facets on a face of side 2 .*different holes"):
        CoupledSpace(cube, 1)


def test_cells_that_are_cut_short_are_refused() -> None:
    cell = holed(structured_cell("triangle", 4), np.array([0.7, -1.0]), np.array([2.0, 2.0]))
    with pytest.raises(PeriodicityError, match=r"spans 0\.75 of period vector 0.*Give the period"):
        CoupledSpace(cell, 1)


def test_faces_without_unknowns_inside_are_refused() -> None:
    with pytest.raises(PeriodicityError, match=r"got no unknown inside a face of side 0.*Refine"):
        CoupledSpace(structured_cell("tetra", 1), 1)


def test_facets_bent_within_a_side_are_refused() -> None:
    cell = structured_cell("triangle", 1)
    points = np.vstack([cell.points, [[0.4, 0.0], [1.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 0.5]]])
    where = [[4, 5, 6], [8, 7, 6]]
    owners = [frozenset(map(int, pair)) for pair in ([0, 2], [2, 3], [0, 3], [1, 3], [0, 1])]
    by_owner = dict(zip(owners, range(4, 9), strict=True))
    where = [[by_owner[frozenset((int(e[a]), int(e[b])))] for a, b in ((0, 1), (1, 2), (2, 0))] for e in cell.elements]
    curved = UnitCell(
        "bent", points, cell.elements, "triangle", cell.tags, ("cell",), cell.period, 1e-8, np.array(where)
    )
    with pytest.raises(PeriodicityError, match="facets on side 1 are curved within it"):
        CoupledSpace(curved, 2)


def test_orders_and_lines_are_refused_in_words() -> None:
    with pytest.raises(MeshError, match="got order = 5, needed 1 to 4"):
        CoupledSpace(delaunay_cell(3, 4, 0), 5)
    with pytest.raises(MeshError, match="one dimension"):
        CoupledSpace(mesh("interval.msh"), 1)
