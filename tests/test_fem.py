"""Spaces: one discrete gradient D, its adjoint, quadrature, folding to the torus, and the observed order."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from problems import ELEMENTS, SHAPES, SKEWED, FloatArray, mesh, random_tensors, relative_error, structured_cell, waves

from cellsolve.cells import BoxCell, UnitCell, box_cell
from cellsolve.errors import MeshError
from cellsolve.fem.box_space import BoxSpace, element_box
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MAX_ORDER, MeshSpace
from cellsolve.fem.resolution import Space, space_ladder
from cellsolve.linalg.solver import CellSolver

BOXES = [(2, 3, 3), (2, 1, 5), (3, 2, 2)]
LINES = [(4, 3), (3, 1), (1, 6), (5, 8)]
FILES = ["square_unstructured.msh", "square_hole_quarter.msh", "hexagonal_inclusion.msh", "cube.msh", "cube_hexes.vtu"]


def count_of(dim: int) -> int:
    """Elements a side of the small meshes: enough for some that do not touch the boundary."""
    return {1: 6, 2: 4, 3: 3}[dim]


def element_space(shape: str, order: int, skewed: bool = False) -> MeshSpace:
    dim = SHAPES[shape][0]
    return MeshSpace(structured_cell(shape, count_of(dim), SKEWED[dim] if skewed else None), order)


def box_space(dim: int, n: int, order: int, skewed: bool = False) -> BoxSpace:
    return element_box(dim, n, order, np.array(SKEWED[dim]) if skewed else None)


def line_space(n: int, order: int, skewed: bool = False) -> LineSpace:
    return LineSpace(n, order, np.array(SKEWED[1]) if skewed else None)


ALL_SPACES = [
    *((element_space, arguments) for arguments in ELEMENTS),
    *((box_space, arguments) for arguments in BOXES),
    *((line_space, arguments) for arguments in LINES),
]
every_space = pytest.mark.parametrize(("make", "arguments"), ALL_SPACES)
upright_and_skewed = pytest.mark.parametrize("skewed", [False, True], ids=["upright", "skewed"])


def inside(space: Space, points: FloatArray, margin: float) -> FloatArray:
    """Which points are further than a margin from the boundary, in fractions of the period."""
    fractions = points @ np.linalg.inv(period_of(space))
    return ((fractions > margin - 1e-9) & (fractions < 1 - margin + 1e-9)).all(axis=1)


def period_of(space: Space) -> FloatArray:
    return space.cell.period if isinstance(space, MeshSpace) else space.period


def side_count(space: Space) -> int:
    """Elements along a side."""
    return count_of(space.dim) if isinstance(space, MeshSpace) else space.n


@every_space
@upright_and_skewed
def test_divergence_is_the_adjoint_of_gradient(make, arguments, skewed) -> None:
    space = make(*arguments, skewed)
    random = np.random.default_rng(1)
    u, F = random.normal(size=(2, 3, space.n_dofs)), random.normal(size=(2, 3, space.dim, len(space.weights)))
    left, right = space.gradient(u) * F, u * space.divergence(F)
    assert left.sum() == pytest.approx(right.sum(), abs=1e-13 * np.abs(left).sum())
    assert space.gradient(u).shape == F.shape
    np.testing.assert_allclose(space.gradient(u[1, 2]), space.gradient(u)[1, 2], rtol=1e-11, atol=1e-12)


@every_space
@upright_and_skewed
def test_weights_sum_to_one_and_constants_have_no_gradient(make, arguments, skewed) -> None:
    space = make(*arguments, skewed)
    assert space.weights.min() > 0
    assert space.weights.sum() == pytest.approx(1.0, abs=1e-13)
    scale = np.abs(space.gradient(np.eye(space.n_dofs)[:3])).max()
    np.testing.assert_allclose(space.gradient(np.ones(space.n_dofs)), 0.0, atol=1e-13 * scale * space.n_dofs)


@pytest.mark.parametrize("name", FILES)
def test_weights_of_files_sum_to_the_filled_fraction(name) -> None:
    cell = mesh(name)
    space = MeshSpace(cell, 1)
    assert space.weights.sum() == pytest.approx(1.0 - cell.porosity, abs=1e-12)
    for number, fraction in enumerate(cell.regions.values()):
        assert space.weights[space.tags == number].sum() == pytest.approx(fraction, abs=1e-12)


def power(points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """A polynomial of exactly this degree, all monomials in it, and its gradient (d, q)."""
    direction = np.array([1.0, -0.6, 0.8])[: points.shape[1]]
    s = points @ direction + 0.3
    return s**order, order * s ** (order - 1) * direction[:, None]


WITH_AN_INSIDE = [(make, arguments) for make, arguments in ALL_SPACES if side_count(make(*arguments)) > 2]


@pytest.mark.parametrize(("make", "arguments"), WITH_AN_INSIDE)
@upright_and_skewed
def test_gradients_of_polynomials_of_the_order_are_exact(make, arguments, skewed) -> None:
    """Away from the boundary, across which a polynomial is not periodic."""
    space = make(*arguments, skewed)
    assert_gradient_exact(space, 1.0 / side_count(space))


def assert_gradient_exact(space: Space, margin: float) -> None:
    value, _ = power(space.nodes, space.order)
    _, slope = power(space.points, space.order)
    where = inside(space, space.points, margin + 1e-6)  # not on the faces of elements that touch the boundary
    assert where.any()
    np.testing.assert_allclose(space.gradient(value)[:, where], slope[:, where], atol=1e-11 * np.abs(slope).max())


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_gradients_on_an_unstructured_file_are_exact(order) -> None:
    assert_gradient_exact(MeshSpace(mesh("square_unstructured.msh"), order), 0.15)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_on_tetrahedra_of_a_file_are_exact(order) -> None:
    assert_gradient_exact(MeshSpace(mesh("cube.msh"), order), 0.35)


def wave(space: Space, k: list[int]) -> float:
    """Largest error of D on sin of the lattice wave k."""
    frequency = 2 * np.pi * np.linalg.inv(period_of(space)) @ k
    expected = frequency[:, None] * np.cos(space.points @ frequency)
    return float(np.abs(space.gradient(np.sin(space.nodes @ frequency)) - expected).max() / np.abs(frequency).max())


@upright_and_skewed
@pytest.mark.parametrize(("dim", "k"), [(2, [1, -1]), (2, [0, 2]), (3, [1, 1, 0])])
def test_box_gradients_of_waves_converge_spectrally(dim, k, skewed) -> None:
    errors = [wave(box_space(dim, 2, p, skewed), k) for p in (4, 8, 12)]
    assert errors[1] < 1e-2 * errors[0]
    assert errors[2] < 1e-3 * errors[1]


def test_box_gradients_of_a_wave_reach_rounding() -> None:
    assert wave(element_box(2, 4, 14), [1, -1]) < 1e-11


@pytest.mark.parametrize(("dim", "n", "order"), BOXES)
def test_box_quadrature_is_exact_for_the_degree_promised(dim, n, order) -> None:
    space = element_box(dim, n, order)
    degree = 2 * order + 1
    expected = (1.0 / (degree + 1)) ** dim
    assert space.weights @ (space.points**degree).prod(axis=1) == pytest.approx(expected, rel=1e-13)


@upright_and_skewed
@pytest.mark.parametrize(("n", "order"), LINES)
def test_lines_integrate_what_they_differentiate(n, order, skewed) -> None:
    """p points: exact to degree 2p - 1, and every mean-free field at the points is a gradient."""
    space = line_space(n, order, skewed)
    length = period_of(space)[0, 0]
    degree = 2 * order - 1
    assert space.weights @ space.points[:, 0] ** degree == pytest.approx(length**degree / (degree + 1), rel=1e-13)
    field = np.random.default_rng(1).normal(size=(3, 2, 1, n * order))
    field -= (space.weights * field).sum(axis=-1, keepdims=True)
    u = space.antiderivative(field)
    np.testing.assert_allclose(space.gradient(u), field, atol=1e-11)
    np.testing.assert_allclose(u.mean(axis=-1), 0.0, atol=1e-14)


@every_space
@upright_and_skewed
def test_meshes_fold_to_the_number_of_unknowns_of_the_torus(make, arguments, skewed) -> None:
    space = make(*arguments, skewed)
    assert space.n_dofs == (side_count(space) * space.order) ** space.dim
    assert space.nodes.shape == (space.n_dofs, space.dim)
    assert_distinct_on_the_torus(space)


def assert_distinct_on_the_torus(space: Space) -> None:
    fractions = space.nodes @ np.linalg.inv(period_of(space))
    fractions = fractions[:400]
    difference = fractions[:, None] - fractions[None]
    distance = np.abs(difference - np.round(difference)).max(axis=-1) + np.eye(len(fractions))
    assert distance.min() > 1e-3


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["square.msh", "square_unstructured.msh", "hexagonal_inclusion.msh"])
def test_triangles_of_a_file_obey_eulers_formula(name, order) -> None:
    """On the torus V - E + F = 0 and 2 E = 3 F: n = V + (p - 1) E + (p - 1)(p - 2)/2 F = p^2 F/2."""
    cell = mesh(name)
    assert MeshSpace(cell, order).n_dofs == order**2 * len(cell.elements) // 2


ON_MESHES = [arguments for arguments in ELEMENTS if arguments[0] != "line"] + [("line", 2)]


@pytest.mark.parametrize(("shape", "order"), ON_MESHES)
@pytest.mark.parametrize("kind", ["scalar", "tensor"])
def test_matrix_is_the_product_of_its_factors(shape, order, kind) -> None:
    space = element_space(shape, order, skewed=True)
    q, dim = len(space.weights), space.dim
    C = np.random.default_rng(2).uniform(0.5, 2, q) if kind == "scalar" else random_tensors(2, q, dim)
    D = space.gradient(np.eye(space.n_dofs))
    full = np.einsum("q,rs->qrs", C, np.eye(dim)) if kind == "scalar" else C
    expected = np.einsum("miq,qij,njq->mn", D, full, D, optimize=True)
    given = C if kind == "scalar" else np.moveaxis(C, 0, -1)
    np.testing.assert_allclose(space.matrix(given).toarray(), expected, atol=1e-13 * np.abs(expected).max())
    if kind == "scalar":
        np.testing.assert_allclose(space.diagonal(C[None])[0], np.diag(expected), rtol=1e-12)


@pytest.mark.parametrize(("shape", "order"), ELEMENTS)
def test_linear_interpolation_reproduces_first_order_functions(shape, order) -> None:
    """I u is the same function: affine values inside, ones everywhere, and the same energy across the seams."""
    coarse, fine = element_space(shape, 1, skewed=True), element_space(shape, order, skewed=True)
    I = fine.interpolation(coarse)  # noqa: E741 (interpolation)
    values = [space.nodes @ np.arange(1, space.dim + 1) for space in (coarse, fine)]
    where = inside(fine, fine.nodes, 1.0 / count_of(fine.dim))
    np.testing.assert_allclose((I @ values[0])[where], values[1][where], rtol=1e-12)
    np.testing.assert_allclose(I @ np.ones(coarse.n_dofs), 1.0, rtol=1e-13)
    u = np.random.default_rng(3).normal(size=coarse.n_dofs)
    energy = [np.sum(s.weights * s.gradient(v) ** 2) for s, v in ((coarse, u), (fine, I @ u))]
    assert energy[1] == pytest.approx(energy[0], rel=1e-12)


@cache
def smooth_reference() -> FloatArray:
    return tensor_of(element_box(2, 8, 10))


def tensor_of(space: Space) -> FloatArray:
    """K_hom of exp(-V), V smooth without symmetry."""
    K = np.exp(-1.5 * waves(5, 2)(space.points))
    return CellSolver(space).solve(K[None], 1e-15).tensor[0]


def observed_orders(spaces: list[Space], counts: list[int]) -> FloatArray:
    errors = [relative_error(tensor_of(space), smooth_reference()) for space in spaces]
    return -np.diff(np.log(errors)) / np.diff(np.log(counts))


MESH_ORDERS = [
    ("triangle", 1, [24, 48]),
    ("triangle", 2, [12, 24]),
    ("triangle", 4, [16, 24]),
    ("quad", 1, [24, 48]),
    ("quad", 2, [12, 24]),
]


@pytest.mark.parametrize(("shape", "order", "counts"), MESH_ORDERS)
def test_observed_order_on_meshes_is_twice_that_of_the_elements(shape, order, counts) -> None:
    orders = observed_orders([MeshSpace(structured_cell(shape, n), order) for n in counts], counts)
    assert orders[-1] == pytest.approx(2 * order, abs=0.2)


BOX_ORDERS = [(2, [12, 24]), (3, [8, 16]), (4, [8, 12]), (5, [6, 8]), (6, [8, 10])]


@pytest.mark.parametrize(("order", "counts"), BOX_ORDERS)
def test_observed_order_on_boxes_is_twice_that_of_the_elements(order, counts) -> None:
    orders = observed_orders([element_box(2, n, order) for n in counts], counts)
    assert orders[-1] == pytest.approx(2 * order, abs=0.2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [0, -1, 5])
def test_an_order_that_the_shape_has_not_is_refused(shape, order) -> None:
    with pytest.raises(MeshError, match=rf"{shape}: got order = {order}, needed 1 to {MAX_ORDER[shape]} on {shape}"):
        element_space(shape, order)


def test_highest_orders_are_those_of_the_table() -> None:
    assert {shape: highest for shape, (_, highest) in SHAPES.items()} == MAX_ORDER


def ladder(cell: BoxCell | UnitCell, order: int = 2) -> list[tuple[int, int]]:
    return [(getattr(s, "n", 0), s.order) for s in (make() for make in space_ladder(cell, order).makers[:4])]


def test_fixed_cells_offer_their_space_and_one_to_judge_it() -> None:
    square = structured_cell("triangle", 2)
    assert ladder(square, 1) == [(0, 1), (0, 2)]
    assert ladder(square, 4) == [(0, 4), (0, 3)]
    assert ladder(box_cell(2, n=3, order=5)) == [(3, 5), (6, 6)]
    assert ladder(box_cell(2, n=3)) == [(3, 6), (6, 7)]
    assert ladder(box_cell(3, n=3, order=5)) == [(3, 5), (3, 7)]
    assert ladder(box_cell(3, n=3, order=1)) == [(3, 1), (6, 2)]
    assert ladder(box_cell(2, n=3, order=1)) == [(3, 1), (18, 2)]
    assert space_ladder(square).fixed
    assert space_ladder(box_cell(2, order=5)).fixed


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_free_boxes_offer_finer_and_finer_spaces(dim) -> None:
    steps = ladder(box_cell(dim))
    assert not space_ladder(box_cell(dim)).fixed
    assert sorted(steps) == sorted(set(steps))
    assert steps[0][0] * steps[0][1] < steps[-1][0] * steps[-1][1]
