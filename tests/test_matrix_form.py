"""The matrix form of meshes against the gradient form, and what judges the error of a mesh."""

from __future__ import annotations

import numpy as np
import pytest
from problems import ELEMENTS, SKEWED, FloatArray, mesh, random_tensors, relative_error, structured_cell, waves

import cellsolve as cs
from cellsolve import exact
from cellsolve.fem.bubbles import bubble_gain
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.linalg import amg
from cellsolve.linalg.factorized import Direct
from cellsolve.linalg.gradient_form import GradientForm
from cellsolve.linalg.lower_order import gain_over_lower_order
from cellsolve.linalg.matrix_form import MatrixForm, assemble
from cellsolve.linalg.mesh_error import mesh_error
from cellsolve.linalg.solver import CellSolver

COUNT = {2: 4, 3: 3}
PLANE_AND_SPACE = [arguments for arguments in ELEMENTS if arguments[0] != "line"]
every_element = pytest.mark.parametrize(("shape", "order"), PLANE_AND_SPACE)
every_kind = pytest.mark.parametrize("kind", ["scalar", "tensor"])
NOBODY = Direct([])


def dimension(shape: str) -> int:
    return 2 if shape in ("triangle", "quad") else 3


def space_of(shape: str, order: int, count: int | None = None) -> MeshSpace:
    dim = dimension(shape)
    return MeshSpace(structured_cell(shape, count or COUNT[dim], SKEWED[dim]), order)


def weighted(space: MeshSpace, kind: str, count: int = 2) -> FloatArray:
    """Weighted coefficients that vary inside elements."""
    fractions = space.points @ np.linalg.inv(space.cell.period)
    K = np.stack([np.exp(waves(5 + b, space.dim)(fractions)) for b in range(count)])
    if kind == "scalar":
        return space.weights * K
    tensors = random_tensors(7, count, space.dim)
    return space.weights * (tensors[..., None] * K[:, None, None] + np.eye(space.dim)[:, :, None])


def two_phases(space: MeshSpace, contrast: float) -> FloatArray:
    """A square or cube of half the side, constant on elements where their number a side is a multiple of 4: (q,)."""
    fractions = space.elements.points.mean(axis=1) @ np.linalg.inv(space.cell.period)
    inside = ((fractions > 0.25) & (fractions < 0.75)).all(axis=1)
    return np.repeat(np.where(inside, contrast, 1.0), space.elements.weights.shape[1])


def forms(space: MeshSpace, C: FloatArray) -> tuple[MatrixForm, GradientForm]:
    return MatrixForm.of(assemble(space, C), NOBODY), GradientForm(space, C, NOBODY)


def correctors(space: MeshSpace, count: int = 2) -> FloatArray:
    return np.random.default_rng(3).normal(size=(count, space.dim, space.n_dofs))


def assert_near(a: FloatArray, b: FloatArray, tol: float = 1e-12) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=tol * np.abs(b).max())


@every_element
@every_kind
def test_the_matrix_form_is_the_gradient_form(shape, order, kind) -> None:
    space = space_of(shape, order)
    matrix, gradient = forms(space, weighted(space, kind))
    for ours, theirs in zip(matrix.start()[1:], gradient.start()[1:], strict=True):
        assert_near(ours, theirs)
    u = correctors(space)
    assert_near(matrix.apply(u), gradient.apply(u))
    (T, r, solved), (expected, residual, known) = matrix.evaluate(u), gradient.evaluate(u)
    assert_near(T, expected)
    assert_near(r, residual)
    assert_near(solved.E, known.E)
    change = weighted(space, kind) ** 2 / space.weights
    assert_near(solved.derivative(change), known.derivative(change))
    assert_near(solved.densities(), known.densities())


@every_kind
def test_some_of_the_problems_are_those_problems(kind) -> None:
    space = space_of("triangle", 2)
    C, u, rows = weighted(space, kind, 3), correctors(space, 3), np.array([0, 2])
    form = MatrixForm.of(assemble(space, C), Direct([None] * 3))
    some = form.take(rows)
    assert_near(some.apply(u[rows]), form.apply(u)[rows])
    for ours, theirs in zip(some.evaluate(u[rows])[:2], form.evaluate(u)[:2], strict=True):
        assert_near(ours, theirs[rows])
    assert_near(form.evaluate(u)[2].take(rows).E, form.evaluate(u)[2].E[rows])
    assert form.take(np.empty(0, dtype=np.int64)).A.shape == (0, 0)


def test_a_first_guess_starts_from_its_residual() -> None:
    space = space_of("quad", 1)
    C, u = weighted(space, "scalar"), correctors(space)
    start = MatrixForm.of(assemble(space, C), NOBODY, u).start()
    assert_near(start[1], GradientForm(space, C, NOBODY).evaluate(u)[1])
    np.testing.assert_array_equal(start[0], u)


@pytest.mark.parametrize(("shape", "order"), [("triangle", 1), ("triangle", 2), ("tetra", 1), ("quad", 2)])
def test_energies_of_stiff_inclusions_are_no_differences_of_large_numbers(shape, order) -> None:
    """c is 1e10 times the tensor: c - 2 b u + u A u would have no more than six digits."""
    space = MeshSpace(structured_cell(shape, 4), order)
    K = two_phases(space, 5e10)[None]
    minimum = CellSolver(space).solve(K, 1e-9)
    assert minimum.converged.all()
    assert isinstance(minimum.form, MatrixForm)
    expected, *_ = GradientForm(space, space.weights * K, NOBODY).evaluate(minimum.unknowns)
    assert relative_error(minimum.tensor, expected) < 1e-11
    softer = CellSolver(space).solve(two_phases(space, 1e8)[None], 1e-10).tensor
    assert relative_error(minimum.tensor, softer) < 5e-8


@pytest.mark.parametrize("shape", ["triangle", "tetra"])
def test_absurd_contrasts_are_left_to_gradients_and_judged_all_the_same(shape) -> None:
    stiff = lambda y: np.where(((y > 0.25) & (y < 0.75)).all(axis=1), 1e12, 1.0)  # noqa: E731
    soft = lambda y: np.where(((y > 0.25) & (y < 0.75)).all(axis=1), 1e8, 1.0)  # noqa: E731
    space = MeshSpace(structured_cell(shape, 4), 2)
    assert isinstance(CellSolver(space).solve(stiff(space.points)[None], 1e-8).form, GradientForm)
    assert isinstance(CellSolver(space).solve(soft(space.points)[None], 1e-8).form, MatrixForm)
    for order in (1, 2):
        one, other = (cs.solve_cell_problem(structured_cell(shape, 4), k, order=order) for k in (stiff, soft))
        assert relative_error(one.tensor, other.tensor) < 1e-5
        assert one.report.error_estimate == pytest.approx(other.report.error_estimate, rel=0.1)


@every_element
@pytest.mark.parametrize("count", [1, 2])
def test_matrices_of_tiny_tori_are_products_of_their_factors(shape, order, count) -> None:
    """One element a side: nodes of one element are the same unknown, and two edges join the same two."""
    space = space_of(shape, order, count)
    C = weighted(space, "scalar", 1)[0]
    expected = (space.D.T @ (np.tile(C, space.dim)[:, None] * space.D.toarray())).reshape(space.n_dofs, -1)
    scale = np.abs(space.elements.matrices(C[None])).max()
    np.testing.assert_allclose(space.matrix(C).toarray(), expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ["square_unstructured.msh", "hexagonal_inclusion.msh", "cube.msh", "cube_sphere.msh"])
def test_edges_are_numbered_as_their_places(name) -> None:
    """Nodes of second order: the same number of unknowns as distinct places on the torus, each at its place."""
    cell = mesh(name)
    space = MeshSpace(cell, 2)
    step = space.nodes[space.element_dofs] - (
        space.elements.places(slice(None)) + space.nodes[space.element_dofs[:, :1]]
    )
    fractions = step @ np.linalg.inv(cell.period)
    np.testing.assert_allclose(fractions, np.round(fractions), atol=1e-7)
    places = np.round((space.nodes @ np.linalg.inv(cell.period) - 0.123) % 1.0, 6)
    assert len(np.unique(places, axis=0)) == space.n_dofs


# The error of a mesh ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["triangle", "tetra"])
@every_kind
def test_bubbles_are_the_diagonal_of_second_order(shape, kind) -> None:
    """Where K is constant on elements, r and A_ee are those of the second-order system at the middles of edges."""
    first, second = (MeshSpace(structured_cell(shape, 4, SKEWED[dimension(shape)]), order) for order in (1, 2))
    stiff = random_tensors(3, 1, first.dim)[0][..., None] if kind == "tensor" else 1.0
    C = [space.weights * (two_phases(space, 7.0) * stiff) for space in (first, second)]
    u = correctors(first, 1)
    matrix, n = second.matrix(C[1]), first.n_dofs
    form = MatrixForm.of(assemble(second, C[1][None]), NOBODY)
    r = form.evaluate((second.interpolation(first) @ u[0].T).T[None])[1][0, :, n:]
    expected = (r / matrix.diagonal()[n:]) @ r.T
    assert_near(bubble_gain(first, C[0], u[0]), expected, 1e-11)


@pytest.mark.parametrize(("shape", "order"), [a for a in PLANE_AND_SPACE if a[1] > 1])
@pytest.mark.parametrize("method", ["green", "amg"])
def test_the_gain_of_the_highest_order_is_that_over_the_space_of_lower_order(shape, order, method) -> None:
    higher, lower = (MeshSpace(structured_cell(shape, 4), p) for p in (order, order - 1))
    K = two_phases(higher, 5.0)[None]
    minimum = CellSolver(higher, method).solve(K, 1e-11)
    gain = np.trace(gain_over_lower_order(minimum.form, minimum.unknowns, minimum.tensor / 5.0)[0]) * 5.0
    expected = np.trace(CellSolver(lower).solve(two_phases(lower, 5.0)[None], 1e-11).tensor[0] - minimum.tensor[0])
    assert 0.999 * expected <= gain <= 1.06 * expected


def test_iterations_leave_little_of_the_gain() -> None:
    """With a real hierarchy, where one cycle is no solution."""
    higher, lower = (MeshSpace(structured_cell("triangle", 32), p) for p in (2, 1))
    minimum = CellSolver(higher, "amg").solve(two_phases(higher, 100.0)[None], 1e-11)
    gain = np.trace(gain_over_lower_order(minimum.form, minimum.unknowns, minimum.tensor / 100.0)[0]) * 100.0
    expected = np.trace(CellSolver(lower).solve(two_phases(lower, 100.0)[None], 1e-11).tensor[0] - minimum.tensor[0])
    assert 0.999 * expected <= gain <= 1.03 * expected


def true_error(shape: str, order: int, count: int, contrast: float) -> tuple[float, float]:
    """Error of a mesh against twice as fine a one of second order, and its estimate."""
    space, fine = MeshSpace(structured_cell(shape, count), order), MeshSpace(structured_cell(shape, 2 * count), 2)
    K = two_phases(space, contrast)[None]
    minimum = CellSolver(space).solve(K, 1e-9)
    reference = CellSolver(fine).solve(two_phases(fine, contrast)[None], 1e-9).tensor
    return relative_error(minimum.tensor, reference), float(mesh_error(K, minimum)[0])


@pytest.mark.parametrize("contrast", [1e-3, 0.1, 10.0, 1e3])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("shape", "count"), [("triangle", 8), ("quad", 8), ("tetra", 4), ("hexahedron", 4)])
def test_the_error_of_a_mesh_is_within_its_estimate(shape, count, order, contrast) -> None:
    error, estimate = true_error(shape, order, count, contrast)
    assert error < estimate < 15 * error


@pytest.mark.parametrize("angle", [0.0, 0.5, -0.7])
@pytest.mark.parametrize("shape", ["triangle", "quad"])
def test_bubbles_cover_the_error_of_anisotropic_coefficients(shape, angle) -> None:
    c, s = np.cos(angle), np.sin(angle)
    stiff = np.array([[c, -s], [s, c]]) @ np.diag([1.0, 100.0]) @ np.array([[c, s], [-s, c]])
    tensors = []
    for count, order in ((16, 1), (32, 2)):
        space = MeshSpace(structured_cell(shape, count, SKEWED[2]), order)
        K = (stiff[:, :, None] * two_phases(space, 5.0))[None]
        minimum = CellSolver(space).solve(K, 1e-9)
        tensors.append(minimum.tensor)
        if order == 1:
            estimate = float(mesh_error(K, minimum)[0])
    assert relative_error(*tensors) < estimate < 20 * relative_error(*tensors)


@pytest.mark.parametrize("cheap", [0, 10**6], ids=["bubbles", "second order"])
def test_first_order_is_judged_either_way(cheap, monkeypatch) -> None:
    monkeypatch.setattr("cellsolve.cellproblem.resolution._CHEAP", cheap)
    solution = cs.solve_cell_problem(mesh("square_hole_quarter.msh"), 1.0, order=1)
    error = relative_error(solution.tensor, exact.square_hole_quarter() * np.eye(2))
    assert error < solution.report.error_estimate < 8 * error


def test_large_meshes_of_first_order_build_no_second_order(monkeypatch) -> None:
    built: list[int] = []
    make = MeshSpace.__init__

    def watched(self, cell, order=2, directions=None) -> None:
        built.append(order)
        make(self, cell, order, directions)

    monkeypatch.setattr(MeshSpace, "__init__", watched)
    monkeypatch.setattr("cellsolve.cellproblem.resolution._CHEAP", 0)
    cs.solve_cell_problem(structured_cell("tetra", 4, halves=0), {"a": 1.0, "b": 5.0}, order=1)
    assert set(built) == {1}


@pytest.mark.parametrize("order", [2, 3])
def test_higher_orders_see_the_coefficient_once(order) -> None:
    """They are judged by their own matrices, not by another discretization."""
    seen: list[int] = []

    def coefficient(y: FloatArray) -> FloatArray:
        seen.append(len(y))
        return 1.0 + 0.5 * np.sin(2 * np.pi * y[:, 0])

    cs.solve_cell_problem(structured_cell("triangle", 4), coefficient, order=order)
    assert len(seen) == 1


@pytest.mark.parametrize(("shape", "count", "order"), [("triangle", 24, 1), ("triangle", 24, 2), ("tetra", 8, 1)])
def test_cycles_are_symmetric_and_positive(shape, count, order) -> None:
    """On levels enough to restrict and interpolate."""
    space = space_of(shape, order, count)
    M = amg.multigrid(space, [space.matrix(space.weights * two_phases(space, 100.0))])
    R = np.random.default_rng(1).normal(size=(1, 4, space.n_dofs))
    R -= R.mean(axis=-1, keepdims=True)
    gram = np.einsum("rn,sn->rs", R[0], M.apply(R.copy())[0])
    np.testing.assert_allclose(gram, gram.T, atol=1e-10 * np.abs(gram).max())
    assert np.linalg.eigvalsh(0.5 * (gram + gram.T))[0] > 0


@pytest.mark.parametrize("order", [1, 2])
def test_multigrid_in_space_is_bounded_for_two_phases(order) -> None:
    space = MeshSpace(structured_cell("tetra", 8), order)
    for contrast in (1e-4, 1e4):
        minimum = CellSolver(space, "amg").solve(two_phases(space, contrast)[None], 1e-8)
        assert minimum.converged.all()
        assert minimum.iterations[0] <= 16
