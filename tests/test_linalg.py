"""Solvers: the minimum itself, every preconditioner, what stops iterations, and what they leave untouched."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from problems import SKEWED, FloatArray, random_tensors, relative_error, structured_cell, waves

from cellsolve.errors import CoefficientError
from cellsolve.fem.box_space import BoxSpace, element_box
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import flux
from cellsolve.linalg import amg, cg
from cellsolve.linalg.gradient_form import minimize_energy
from cellsolve.linalg.solver import CellSolver

SMALL = {
    "box": lambda: element_box(2, 2, 4),
    "skewed box": lambda: element_box(2, 2, 3, np.array(SKEWED[2])),
    "box in space": lambda: element_box(3, 2, 2),
    "triangles": lambda: MeshSpace(structured_cell("triangle", 4), 2),
    "skewed quads": lambda: MeshSpace(structured_cell("quad", 4, SKEWED[2]), 2),
    "tetrahedra": lambda: MeshSpace(structured_cell("tetra", 3), 1),
    "hexahedra": lambda: MeshSpace(structured_cell("hexahedron", 3), 1),
}
METHODS = {BoxSpace: ["green", "green-jacobi"], MeshSpace: ["direct", "green", "green-jacobi", "amg"]}
WAYS = [(name, method) for name, make in SMALL.items() for method in METHODS[type(make())]]
every_way = pytest.mark.parametrize(("name", "method"), WAYS)


def landscape(space: Space, amplitude: float = 1.0, seed: int = 5) -> FloatArray:
    """exp(-V) at the points, V smooth, periodic with the cell, of this amplitude: (q,)."""
    period = space.cell.period if isinstance(space, MeshSpace) else space.period
    return np.exp(-amplitude * waves(seed, space.dim)(space.points @ np.linalg.inv(period)))


def tensor_landscape(space: Space, seed: int = 5) -> FloatArray:
    """A smooth field of anisotropic tensors (d, d, q)."""
    first, second = random_tensors(seed, 2, space.dim)
    K = landscape(space, 1.0, seed), landscape(space, 1.5, seed + 1)
    return first[:, :, None] * K[0] + second[:, :, None] * K[1]


def field(space: Space, kind: str) -> FloatArray:
    return (landscape(space) if kind == "scalar" else tensor_landscape(space))[None]


def dense_tensor(space: Space, K: FloatArray) -> FloatArray:
    """K_hom by a dense least-squares solve of the normal equations: (d, d)."""
    dim, D = space.dim, space.gradient(np.eye(space.n_dofs))  # (n, d, q)
    C = space.weights * (K[..., None, None, :] * np.eye(dim)[:, :, None] if K.ndim == 1 else K)
    A = np.einsum("miq,ijq,njq->mn", D, C, D, optimize=True)
    b = -np.einsum("miq,irq->mr", D, C)
    theta = np.linalg.lstsq(A, b, rcond=1e-12)[0]
    E = np.eye(dim)[:, :, None] + np.einsum("nr,niq->riq", theta, D)
    return np.einsum("riq,ijq,sjq->rs", E, C, E, optimize=True)


@every_way
@pytest.mark.parametrize("kind", ["scalar", "tensor"])
def test_the_minimum_is_that_of_a_dense_solve(name, method, kind) -> None:
    space = SMALL[name]()
    K = field(space, kind)
    minimum = CellSolver(space, method).solve(K, 1e-13)
    assert minimum.converged.all()
    np.testing.assert_allclose(minimum.tensor[0], dense_tensor(space, K[0]), rtol=0, atol=1e-12 * K.max())
    np.testing.assert_array_equal(minimum.tensor, minimum.tensor.swapaxes(1, 2))


@every_way
def test_correctors_and_total_gradients_belong_to_the_tensor(name, method) -> None:
    space, seen = SMALL[name](), {}
    K = field(space, "tensor")
    minimum = CellSolver(space, method).solve(
        K, 1e-10, on_solved=lambda solved, rows: seen.update(zip(rows, solved.E, strict=True))
    )
    E = np.eye(space.dim)[:, :, None] + space.gradient(minimum.correctors[0])
    np.testing.assert_allclose(seen[0], E, atol=1e-12 * np.abs(E).max())
    F = flux(space.weights * K, E[None])[0]
    np.testing.assert_allclose(np.einsum("riq,siq->rs", E, F), minimum.tensor[0], rtol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_flux_is_the_tensor_times_the_field(name) -> None:
    space = SMALL[name]()
    K = tensor_landscape(space)[None]
    E = np.random.default_rng(1).normal(size=(1, space.dim, space.dim, len(space.weights)))
    np.testing.assert_allclose(flux(K, E), np.einsum("bijq,brjq->briq", K, E), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", ["scalar", "tensor"])
@pytest.mark.parametrize("name", ["box", "skewed quads", "tetrahedra"])
def test_energy_derivative_is_that_of_the_tensor(name, kind) -> None:
    space = SMALL[name]()
    solver, K, step = CellSolver(space), field(space, kind), 1e-4
    direction = K * landscape(space, 1.0, 9)
    slopes: list[FloatArray] = []
    solver.solve(K, 1e-14, on_solved=lambda solved, _: slopes.append(solved.derivative(direction)))
    after, before = (solver.solve(K + s * direction, 1e-14).tensor for s in (step, -step))
    slope = slopes[0]
    np.testing.assert_allclose(slope, (after - before) / (2 * step), rtol=0, atol=1e-7 * np.abs(slope).max())


def iterations(space: Space, method: str, K: FloatArray, tol: float = 1e-8) -> int:
    minimum = CellSolver(space, method).solve(K[None], tol)
    assert minimum.converged.all()
    return int(minimum.iterations[0])


@pytest.mark.parametrize(("amplitude", "bound"), [(1.0, 10), (3.0, 18)])
def test_green_jacobi_hardly_sees_the_order(amplitude, bound) -> None:
    """Ladecky et al. 2025: the count depends on the smooth coefficient, not on the space."""
    counts = []
    for order in range(3, 11):
        space = element_box(2, 3, order)
        counts.append(iterations(space, "green-jacobi", landscape(space, amplitude)))
    assert max(counts) <= bound
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize("method", ["green", "green-jacobi"])
def test_green_knows_the_lengths_of_the_box(method) -> None:
    """A box four times as long as wide, turned by a right angle: the constant-coefficient inverse is exact."""
    space = element_box(2, 2, 6, np.array([[0.0, 4.0], [1.0, 0.0]]))
    assert iterations(space, method, landscape(space, 0.01)) <= 3
    tensors = landscape(space, 0.01) * np.diag([1.0, 50.0])[:, :, None]
    assert iterations(space, method, tensors) <= 3


def test_green_jacobi_hardly_sees_the_contrast_that_stops_green() -> None:
    space = element_box(2, 3, 8)
    cold = landscape(space, 6.0)
    assert iterations(space, "green-jacobi", cold) <= 50
    assert iterations(space, "green", cold) >= 4 * iterations(space, "green-jacobi", cold)


def two_phase(space: Space, contrast: float) -> FloatArray:
    """A square of side 1/2 in a matrix of 1, edges on element faces."""
    return np.where(((space.points > 0.25) & (space.points < 0.75)).all(axis=1), contrast, 1.0)


@pytest.mark.parametrize("contrast", [1e-4, 1e-2, 1e2, 1e4, 1e6])
def test_green_is_bounded_for_two_phases(contrast) -> None:
    space = element_box(2, 4, 4)
    assert iterations(space, "green", two_phase(space, contrast), 1e-6) <= 12


@pytest.mark.parametrize("order", [1, 2])
def test_multigrid_is_bounded_for_two_phases(order) -> None:
    space = MeshSpace(structured_cell("triangle", 16), order)
    for contrast in (1e-4, 1e4):
        assert iterations(space, "amg", two_phase(space, contrast)) <= 12


def test_smooth_coefficients_take_green_jacobi_and_sharp_ones_green() -> None:
    space = element_box(2, 4, 6)
    solver = CellSolver(space)
    assert solver.choose(landscape(space)[None]) == "green-jacobi"
    assert solver.choose(two_phase(space, 100.0)[None]) == "green"
    assert CellSolver(space, "green").choose(landscape(space)[None]) == "green"
    assert CellSolver(MeshSpace(structured_cell("triangle", 4))).choose(np.ones((1, 1))) == "direct"
    assert CellSolver(MeshSpace(structured_cell("hexahedron", 2))).choose(np.ones((1, 1))) == "amg"


def batch_of(space: Space) -> FloatArray:
    return np.stack([landscape(space, 0.2 + 0.4 * b, b) for b in range(7)])


@every_way
def test_a_batch_equals_its_problems_one_by_one(name, method, monkeypatch) -> None:
    monkeypatch.setattr(cg, "_PATIENCE", 0.0)  # every problem is checked as soon as it seems done
    space = SMALL[name]()
    solver, K = CellSolver(space, method), batch_of(space)
    together = solver.solve(K, 1e-13)
    alone = [solver.solve(k[None], 1e-13) for k in K]
    one_by_one = [one.iterations[0] for one in alone]  # products of other widths round otherwise
    np.testing.assert_allclose(together.iterations, one_by_one, rtol=0.2)
    np.testing.assert_allclose(together.tensor, [one.tensor[0] for one in alone], rtol=0, atol=1e-12)
    np.testing.assert_allclose(together.correctors, [one.correctors[0] for one in alone], rtol=0, atol=1e-7)


@every_way
def test_waiting_for_company_only_makes_problems_better(name, method) -> None:
    space = SMALL[name]()
    solver, K = CellSolver(space, method), batch_of(space)
    together = solver.solve(K, 1e-6)
    for row, k in enumerate(K):
        one, exact = (solver.solve(k[None], tol) for tol in (1e-6, 1e-13))
        assert together.iterations[row] <= one.iterations[0] + 5
        error = np.trace(together.tensor[row] - exact.tensor[0])
        assert error <= 1e-6 * np.trace(exact.tensor[0])


@pytest.mark.parametrize("name", ["box", "triangles", "tetrahedra"])
def test_easy_problems_wait_unharmed_for_hard_ones(name) -> None:
    """Conjugate gradients run past convergence blow up: columns that are done are frozen."""
    space = SMALL[name]()
    easy, hard = np.ones(len(space.weights)), landscape(space, 12.0)
    minimum = CellSolver(space, "green").solve(np.stack([easy, hard, easy * 1e-3, hard * 1e5]), 1e-13)
    assert minimum.converged.all()
    assert minimum.iterations[0] <= 3
    assert minimum.iterations[1] >= 20
    np.testing.assert_allclose(minimum.tensor[0], np.eye(space.dim), atol=1e-13)
    np.testing.assert_allclose(minimum.tensor[2], 1e-3 * np.eye(space.dim), atol=1e-16)
    expected = dense_tensor(space, hard)
    assert relative_error(minimum.tensor[1], expected) < 1e-9
    assert relative_error(minimum.tensor[3], 1e5 * expected) < 1e-9


@every_way
def test_inputs_stay_as_they_were(name, method) -> None:
    space = SMALL[name]()
    K, start = field(space, "tensor"), np.random.default_rng(1).normal(size=(1, space.dim, space.n_dofs))
    kept = K.copy(), start.copy(), space.weights.copy(), space.points.copy()
    K.flags.writeable = start.flags.writeable = False
    CellSolver(space, method).solve(K, 1e-8, start=start)
    for now, before in zip((K, start, space.weights, space.points), kept, strict=True):
        np.testing.assert_array_equal(now, before)


@every_way
def test_a_first_guess_changes_the_way_and_not_the_result(name, method) -> None:
    space = SMALL[name]()
    solver, K = CellSolver(space, method), field(space, "scalar")
    cold = solver.solve(K, 1e-12)
    warm = solver.solve(K, 1e-12, start=cold.correctors)
    assert warm.iterations[0] <= 2
    np.testing.assert_allclose(warm.tensor, cold.tensor, rtol=0, atol=1e-11)
    far = solver.solve(K, 1e-12, start=np.random.default_rng(1).normal(size=cold.correctors.shape))
    np.testing.assert_allclose(far.tensor, cold.tensor, rtol=0, atol=1e-11)


def test_multigrid_leaves_numpys_random_state_alone() -> None:
    space = MeshSpace(structured_cell("triangle", 16), 2)
    np.random.seed(12345)  # noqa: NPY002 (the global generator is what must not move)
    expected = np.random.random(4)  # noqa: NPY002
    np.random.seed(12345)  # noqa: NPY002
    CellSolver(space, "amg").solve(landscape(space)[None], 1e-6)
    np.testing.assert_array_equal(np.random.random(4), expected)  # noqa: NPY002


@every_way
def test_two_builds_are_identical(name, method) -> None:
    def build() -> tuple[FloatArray, FloatArray]:
        space = SMALL[name]()
        minimum = CellSolver(space, method).solve(field(space, "scalar"), 1e-8)
        return minimum.tensor, minimum.correctors

    first = build()
    np.random.random(5)  # noqa: NPY002 (another global state)
    for a, b in zip(first, build(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_multigrid_projects_constants_out() -> None:
    space = MeshSpace(structured_cell("triangle", 8), 2)
    M = amg.multigrid(space, [space.matrix(space.weights * landscape(space))])
    R = np.random.default_rng(1).normal(size=(1, 2, space.n_dofs))
    z = M.apply(R)
    np.testing.assert_allclose(z.mean(axis=-1), 0.0, atol=1e-13)
    np.testing.assert_allclose(M.apply(R + 3.0), z, atol=1e-11 * np.abs(z).max())


@pytest.mark.parametrize(("name", "method"), [w for w in WAYS if w[1] != "amg"])
def test_preconditioners_are_symmetric_and_positive(name, method) -> None:
    """On residuals, which have no mean."""
    space = SMALL[name]()
    M = CellSolver(space, method).prepare(method, field(space, "scalar"))
    R = np.random.default_rng(1).normal(size=(1, space.dim, space.n_dofs))
    R -= R.mean(axis=-1, keepdims=True)
    gram = np.einsum("rn,sn->rs", R[0], M.apply(R.copy())[0])
    np.testing.assert_allclose(gram, gram.T, atol=1e-12 * np.abs(gram).max())
    assert np.linalg.eigvalsh(gram)[0] > 0


def test_too_few_iterations_are_confessed() -> None:
    space = element_box(2, 3, 4)
    K = np.stack([landscape(space, 8.0), np.ones(len(space.weights))])
    solver = CellSolver(space, "green")
    M = solver.prepare("green", K)
    minimum = minimize_energy(space, space.weights * K, M, 1e-12, max_iterations=3)
    np.testing.assert_array_equal(minimum.converged, [False, True])
    assert np.isfinite(minimum.error).all()
    assert minimum.error[0] > 1e-12
    assert minimum.iterations[0] == 3
    assert np.isfinite(minimum.tensor).all()


def test_a_tolerance_below_rounding_ends_and_is_confessed() -> None:
    space = element_box(2, 3, 4)
    minimum = CellSolver(space, "green").solve(landscape(space, 8.0)[None], 1e-30)
    assert not minimum.converged[0]
    assert minimum.iterations[0] < 2000
    assert relative_error(minimum.tensor[0], dense_tensor(space, landscape(space, 8.0))) < 1e-9


@cache
def dense_landscape(name: str, seed: int) -> FloatArray:
    space = SMALL[name]()
    return dense_tensor(space, landscape(space, 1.0 + 0.7 * seed, seed))


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@every_way
def test_the_error_is_within_its_estimate(name, method, tol) -> None:
    space = SMALL[name]()
    K = np.stack([landscape(space, 1.0 + 0.7 * seed, seed) for seed in range(6)])
    minimum = CellSolver(space, method).solve(K, tol)
    assert minimum.converged.all()
    assert (minimum.error <= tol).all()
    for seed in range(6):
        expected = dense_landscape(name, seed)
        assert relative_error(minimum.tensor[seed], expected) <= minimum.error[seed] + 1e-13
        assert np.linalg.eigvalsh(minimum.tensor[seed] - expected)[0] >= -1e-13 * np.abs(expected).max()


@every_way
@pytest.mark.parametrize("kind", ["scalar", "tensor"])
def test_constants_come_out_exactly(name, method, kind) -> None:
    space = SMALL[name]()
    constant = 3.7 * np.eye(space.dim) if kind == "scalar" else random_tensors(4, 1, space.dim)[0]
    shape = (len(space.weights),)
    K = (
        np.full((1, *shape), 3.7)
        if kind == "scalar"
        else np.broadcast_to(constant[:, :, None], (*constant.shape, *shape))[None]
    )
    minimum = CellSolver(space, method).solve(K, 1e-10)
    assert minimum.converged.all()
    np.testing.assert_allclose(minimum.tensor[0], constant, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(minimum.correctors, 0.0, atol=1e-12)


LINES = {
    "line": lambda: LineSpace(3, 6, np.array(SKEWED[1])),
    "mesh": lambda: MeshSpace(structured_cell("line", 7, SKEWED[1]), 2),
    "first order": lambda: MeshSpace(structured_cell("line", 7), 1),
}


@pytest.mark.parametrize("name", LINES)
def test_the_line_has_a_closed_form_that_solves_the_discrete_problem(name) -> None:
    space = LINES[name]()
    K = np.stack([landscape(space, a) for a in (0.0, 1.0, 30.0)])
    fields: list[FloatArray] = []
    solver = CellSolver(space)
    minimum = solver.solve(K, 1e-8, on_solved=lambda solved, _: fields.append(solved.E))
    np.testing.assert_allclose(minimum.tensor[:, 0, 0], 1.0 / (space.weights / K).sum(axis=1), rtol=1e-14)
    np.testing.assert_allclose(minimum.tensor[1], dense_tensor(space, K[1]), rtol=1e-10)
    E = 1.0 + space.gradient(solver.correctors(K, minimum))
    np.testing.assert_allclose(fields[0], E, atol=1e-10 * np.abs(E).max())
    constant_flux = (K[:2, None, None] * E[:2]) / minimum.tensor[:2, :, :, None]
    np.testing.assert_allclose(constant_flux, 1.0, rtol=1e-10)


@every_way
def test_solvers_travel_by_pickle(name, method) -> None:
    space = SMALL[name]()
    solver, K = CellSolver(space, method), field(space, "scalar")
    expected = solver.solve(K, 1e-9)
    copy = pickle.loads(pickle.dumps(solver))
    assert copy.method == method
    np.testing.assert_array_equal(copy.solve(K, 1e-9).tensor, expected.tensor)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(CoefficientError, match=r"got preconditioner = 'jacobi', needed one of direct, green"):
        CellSolver(element_box(2, 2, 2), "jacobi")


@pytest.mark.parametrize("method", ["direct", "amg"])
def test_boxes_assemble_no_matrix(method) -> None:
    with pytest.raises(CoefficientError, match=rf"'{method}' on a box cell, which assembles no matrix"):
        CellSolver(element_box(2, 2, 2), method)
