"""Trigonometric spaces and the Schroedinger form: against elements, against themselves, and where they must give up."""

from __future__ import annotations

import numpy as np
import pytest
from problems import FloatArray, waves

import cellsolve as cs
from cellsolve.fem.box_space import BoxSpace, element_box, prolonged, trigonometric_box
from cellsolve.fem.smoothness import needed_resolution
from cellsolve.fem.trigonometric_line import trigonometric_line
from cellsolve.linalg.gradient_form import minimize_energy
from cellsolve.linalg.green import box_green_jacobi
from cellsolve.linalg.schroedinger import is_schroedinger, schroedinger_form
from cellsolve.linalg.solver import CellSolver

LONG = {2: np.diag([1.0, 2.5]), 3: np.diag([1.0, 2.5, 0.7])}
SPACES = {
    "square": trigonometric_box(2, 15),
    "oblong": trigonometric_box(2, 15, LONG[2]),
    "cube": trigonometric_box(3, 13),
    "slab": trigonometric_box(3, 13, LONG[3]),
}
every_space = pytest.mark.parametrize("name", SPACES)


def landscapes(space: BoxSpace, amplitude: float = 1.0, count: int = 3) -> FloatArray:
    points = space.points @ space.inverse_period
    return np.stack([np.exp(-amplitude * waves(seed, space.dim)(points)) for seed in range(count)])


def gradient_form_tensor(space: BoxSpace, K: FloatArray, tol: float = 1e-13) -> FloatArray:
    return minimize_energy(space, space.weights * K, box_green_jacobi(space, K), tol).tensor


@every_space
def test_the_tensor_is_that_of_fine_elements(name) -> None:
    space = SPACES[name]
    elements = element_box(space.dim, 2, 12 if space.dim == 2 else 10, space.period)
    here = CellSolver(space)
    assert here.choose(landscapes(space)) == "schroedinger"
    tensor = here.solve(landscapes(space), 1e-12).tensor
    np.testing.assert_allclose(tensor, CellSolver(elements).solve(landscapes(elements), 1e-12).tensor, atol=2e-7)


@every_space
def test_both_forms_converge_to_the_same(name) -> None:
    """Two discretizations on the same nodes: they differ by an error that falls with the nodes."""
    space = SPACES[name]
    gaps = []
    for n in (7, space.order):
        finer = trigonometric_box(space.dim, n, space.period)
        K = landscapes(finer, 0.7)
        gaps.append(np.abs(CellSolver(finer).solve(K, 1e-13).tensor - gradient_form_tensor(finer, K)).max())
    assert gaps[1] < 1e-6
    assert gaps[1] < 1e-3 * gaps[0]


@every_space
def test_derivatives_are_those_of_the_discrete_tensor(name) -> None:
    """By central differences of the tensor itself, on a grid too coarse for any other agreement."""
    space = trigonometric_box(SPACES[name].dim, 7, SPACES[name].period)
    K, direction = landscapes(space), landscapes(space, 0.8, 4)[1:]
    slopes = np.full((3, space.dim, space.dim), np.nan)
    solver = CellSolver(space)

    def observe(solved, rows) -> None:
        slopes[rows] = solved.derivative(direction[rows])

    assert solver.solve(K, 1e-15, on_solved=observe).converged.all()
    step = 1e-4
    after, before = (solver.solve(K + s * direction, 1e-15).tensor for s in (step, -step))
    np.testing.assert_allclose(slopes, (after - before) / (2 * step), rtol=0, atol=2e-7 * np.abs(slopes).max())


@every_space
def test_the_correctors_have_the_energy_of_the_tensor(name) -> None:
    space = SPACES[name]
    K = landscapes(space, 0.7)
    minimum = CellSolver(space).solve(K, 1e-13)
    E = np.eye(space.dim)[:, :, None] + space.gradient(minimum.correctors)
    energies = np.einsum("briq,bq,bsiq,q->brs", E, K, E, space.weights)
    np.testing.assert_allclose(energies, minimum.tensor, atol=1e-6)


@every_space
def test_densities_sum_to_one_and_see_the_coefficient(name) -> None:
    space = SPACES[name]
    seen: list[FloatArray] = []
    CellSolver(space).solve(landscapes(space), 1e-9, on_solved=lambda solved, _: seen.append(solved.densities()))
    densities = np.concatenate(seen)
    np.testing.assert_allclose(densities.sum(axis=-1), 1.0, rtol=1e-12)
    assert (densities >= 0).all()


def test_units_of_the_coefficient_do_not_matter() -> None:
    space = SPACES["square"]
    K, slopes = landscapes(space), {}
    for unit in (1.0, 1e-30, 1e30):
        solver = CellSolver(space)
        minimum = solver.solve(
            unit * K, 1e-10, on_solved=lambda s, rows, u=unit: slopes.update({u: s.derivative(u * K[rows])})
        )
        np.testing.assert_allclose(minimum.tensor / unit, solver.solve(K, 1e-10).tensor, rtol=1e-12)
    np.testing.assert_allclose(slopes[1e30] / 1e30, slopes[1.0], rtol=1e-10, atol=1e-12)


def test_a_good_guess_saves_iterations_and_changes_nothing() -> None:
    coarse, fine = trigonometric_box(2, 11), trigonometric_box(2, 17)
    start = prolonged(CellSolver(coarse).solve(landscapes(coarse), 1e-10).correctors, coarse, fine)
    K = landscapes(fine)
    cold, warm = CellSolver(fine).solve(K, 1e-8), CellSolver(fine).solve(K, 1e-8, start=start)
    assert (warm.iterations < cold.iterations).all()
    np.testing.assert_allclose(warm.tensor, cold.tensor, atol=2e-8)


def test_prolongation_keeps_functions() -> None:
    """From elements to nodes, and from few trigonometric nodes to more."""
    for coarse, fine in (
        (element_box(2, 2, 5), element_box(2, 4, 6)),
        (trigonometric_box(3, 5), trigonometric_box(3, 9)),
    ):
        u = np.random.default_rng(3).normal(size=(2, 3, coarse.n_dofs))
        there = prolonged(u, coarse, fine)
        energy = [np.einsum("brdq,q->br", s.gradient(f) ** 2, s.weights) for s, f in ((coarse, u), (fine, there))]
        np.testing.assert_allclose(energy[0], energy[1], rtol=1e-11)


def test_problems_that_nodes_do_not_resolve_go_on_in_the_gradient_form() -> None:
    """Far too cold for the grid: the Schroedinger operator is indefinite, the energies of the gradient form are not."""
    space = trigonometric_box(2, 9)
    K = np.concatenate([landscapes(space, 9.0, 1), landscapes(space, 0.5, 2)])
    form = schroedinger_form(space, K[:1] / K[:1].max())
    operator = np.stack([form.apply(e[None, None])[0, 0] for e in np.eye(space.n_dofs)])
    np.testing.assert_allclose(operator, operator.T, atol=1e-9 * np.abs(operator).max())
    assert np.linalg.eigvalsh(0.5 * (operator + operator.T))[0] < 0
    minimum = CellSolver(space).solve(K, 1e-6)
    assert minimum.converged.all()
    np.testing.assert_allclose(minimum.tensor[0], gradient_form_tensor(space, K[:1], 1e-6)[0], rtol=1e-5)
    E = np.eye(2)[:, :, None] + space.gradient(minimum.correctors[:1])
    np.testing.assert_allclose(
        np.einsum("briq,bq,bsiq,q->brs", E, K[:1], E, space.weights)[0], minimum.tensor[0], rtol=1e-9
    )


def test_who_is_solved_in_the_schroedinger_form() -> None:
    skewed = trigonometric_box(2, 7, np.array([[1.0, 0.0], [0.3, 1.0]]))
    ones = np.ones((1, 49))
    assert is_schroedinger(trigonometric_box(2, 7), ones)
    assert is_schroedinger(trigonometric_box(2, 7, np.array([[0.0, 2.0], [1.0, 0.0]])), ones)
    assert not is_schroedinger(skewed, ones)
    assert not is_schroedinger(trigonometric_box(2, 7), np.eye(2)[None, :, :, None] * ones)
    assert not is_schroedinger(element_box(2, 2, 4), np.ones((1, 100)))


def test_a_turned_cell_turns_the_tensor() -> None:
    """The same landscape on a cell whose first period vector points along y: directions change places."""
    turned = trigonometric_box(2, 15, np.array([[0.0, 2.0], [1.0, 0.0]]))
    upright = trigonometric_box(2, 15, np.diag([1.0, 2.0]))
    tensors = []
    for space in (upright, turned):
        x, y = (space.points / np.array([1.0, 2.0])).T * 2 * np.pi
        K = np.exp(np.sin(x) * np.cos(y + 0.3) + 0.4 * np.cos(2 * x))
        tensors.append(CellSolver(space).solve(K[None], 1e-12).tensor[0])
    np.testing.assert_allclose(tensors[1], tensors[0], rtol=1e-9, atol=1e-12)


def test_layers_are_those_of_the_closed_form() -> None:
    """K = exp(cos 2 pi y0): harmonic mean across the layers, arithmetic mean along them."""
    space = trigonometric_box(2, 21)
    K = np.exp(np.cos(2 * np.pi * space.points[:, 0]))
    tensor = CellSolver(space).solve(K[None], 1e-14).tensor[0]
    np.testing.assert_allclose(tensor, np.diag([1 / np.mean(1 / K), np.mean(K)]), atol=1e-12)


def test_even_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="got n = 8 nodes, needed an odd number"):
        trigonometric_line(8)


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dim", [2, 3])
def test_predicted_nodes_reach_the_error_and_are_not_many(dim, amplitude) -> None:
    """The prediction is a bound on smooth fields; one with a third fewer nodes misses it."""
    tol, period = 1e-5, np.eye(dim)
    need = needed_resolution(lambda view: landscapes(view, amplitude, 1), dim, period, tol)
    assert need is not None
    reference = trigonometric_box(dim, 41 if dim == 2 else 23)
    truth = CellSolver(reference).solve(landscapes(reference, amplitude, 1), 1e-12).tensor[0]
    errors = []
    for n in (need.nodes, max(3, 2 * (need.nodes // 3) - 1)):
        space = trigonometric_box(dim, n)
        tensor = CellSolver(space).solve(landscapes(space, amplitude, 1), 1e-12).tensor[0]
        errors.append(np.linalg.norm(tensor - truth, 2) / np.linalg.norm(truth, 2))
    assert errors[0] <= tol
    assert errors[1] > tol


def test_jumps_are_seen_in_the_spectrum() -> None:
    def look(view: BoxSpace) -> FloatArray:
        return np.where(view.points[:, 0] < 0.5, 1.0, 3.0)[None]

    assert needed_resolution(look, 2, np.eye(2), 1e-4) is None


# Coefficients that were once solved wrongly without a word ------------------------------------------

TAU = 2 * np.pi


def cos_cos(sigma: float):
    return lambda y: np.exp(-np.cos(TAU * y[:, 0]) * np.cos(TAU * y[:, 1]) / sigma)


def three_waves(y: FloatArray) -> FloatArray:
    a, b = TAU * y.T
    return np.cos(a) * np.cos(b + 0.7) + 0.5 * np.sin(a + b) + 0.3 * np.cos(2 * a - b + 0.4)


def assert_trusted(solution: cs.CellProblemSolution, truth: FloatArray, tol: float) -> None:
    error = np.linalg.norm(solution.tensor - truth, 2) / np.linalg.norm(truth, 2)
    assert error <= max(tol, solution.report.error_estimate)
    assert 0 <= solution.report.error_estimate <= tol


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("sigma", [0.045, 0.05, 0.06, 0.1])
def test_a_bad_coarse_solution_does_not_confirm_itself(sigma, tol) -> None:
    """Prolonged to the next space it was its own first guess there, and iterations stopped relative to its energy."""
    solution = cs.solve_cell_problem(cs.box_cell(2), cos_cos(sigma), tol=tol)
    assert_trusted(solution, np.eye(2), tol)


@pytest.mark.parametrize(("sigma", "tol"), [(0.15, 1e-2), (0.1, 1e-3), (0.06, 1e-5)])
def test_tensors_of_cold_layers_are_positive(sigma, tol) -> None:
    solution = cs.solve_cell_problem(cs.box_cell(2), lambda y: np.exp(-np.cos(TAU * y[:, 0]) / sigma), tol=tol)
    mean = float(np.i0(1 / sigma))
    assert_trusted(solution, np.diag([1 / mean, mean]), tol)
    assert solution.tensor[0, 0] >= 0.9 / mean


@pytest.mark.parametrize("sigma", [1.0, 0.06])
def test_a_preconditioner_that_is_asked_for_works_on_elements(sigma) -> None:
    """On trigonometric nodes it would lose cold landscapes to rounding: 3e5 for 1 was seen at sigma = 0.06."""
    solution = cs.solve_cell_problem(cs.box_cell(2), cos_cos(sigma), tol=1e-3, preconditioner="green-jacobi")
    assert_trusted(solution, np.eye(2), 1e-3)
    assert solution.report.solver.endswith("green-jacobi")


@pytest.mark.parametrize("period", [[[1, 0], [0.5, 1]], [[1, 0], [0.5, 0.75**0.5]]])
def test_skewed_cold_cells_are_left_to_elements(period) -> None:
    """-Laplace is not diagonal there, so the Schroedinger form is not at hand, and its range is not theirs."""
    inverse = np.linalg.inv(np.array(period))

    def K(y: FloatArray) -> FloatArray:
        return np.exp(-three_waves(y @ inverse) / 0.1)

    truth = cs.solve_cell_problem(cs.box_cell(2, n=16, order=8, period=period), K, tol=1e-8).tensor
    solution = cs.solve_cell_problem(cs.box_cell(2, period=period), K, tol=1e-3)
    assert_trusted(solution, truth, 1e-3)


def test_waves_that_alias_on_the_grid_of_spectra_are_seen() -> None:
    """63 waves look like one on 31 nodes."""
    with pytest.raises(cs.ConvergenceError, match="on the finest box"):
        cs.solve_cell_problem(cs.box_cell(2), lambda y: np.exp(-three_waves(63 * y) / 5), tol=1e-4)


def test_a_batch_is_judged_on_its_steepest_problems_too() -> None:
    """Seven of larger contrast, and one that is five times as fine."""
    fine = [lambda y: np.exp(-three_waves(5 * y))]
    broad = [cos_cos(1 / a) for a in np.linspace(2.0, 2.06, 7)]
    sols = cs.solve_cell_problems(cs.box_cell(2), broad + fine, tol=1e-6)
    truth = cs.solve_cell_problem(cs.box_cell(2), lambda y: np.exp(-three_waves(y)), tol=1e-9).tensor
    np.testing.assert_allclose(sols.tensor[-1], truth, atol=1e-6)


@pytest.mark.parametrize(("sigma", "tol"), [(1.0, 1e-2), (0.5, 1e-2), (2.0, 1e-5)])
def test_brackets_of_smooth_coefficients_hold_the_truth(sigma, tol) -> None:
    def K(y: FloatArray) -> FloatArray:
        return np.exp(-three_waves(y) / sigma)

    truth = cs.solve_cell_problem(cs.box_cell(2), K, tol=1e-11).tensor
    solution = cs.solve_cell_problem(cs.box_cell(2), K, tol=tol, bounds=True)
    slack = 0.05 * tol * np.linalg.norm(truth, 2)  # Gauss quadrature of the coefficient
    assert np.linalg.eigvalsh(truth - solution.lower).min() >= -slack
    assert np.linalg.eigvalsh(solution.upper - truth).min() >= -slack
