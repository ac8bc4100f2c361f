"""The homogenized model: exact answers, an independent solver in the plane, derivatives, invariants, files, errors."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from problems import (
    COUPLED,
    FIELDS,
    LANDSCAPES,
    SKEWED,
    FloatArray,
    assert_same,
    loewner_gap,
    mesh,
    relative_error,
    two_workers,
)

import cellsolve as cs
from cellsolve.errors import CellsolveError, CoefficientError, ConvergenceError, JobError
from cellsolve.linalg.gradient_form import minimize_energy

ORIGIN = {dim: np.zeros(dim) for dim in (1, 2, 3)}


def evaluate(V: cs.Potential, sigma: float, tol: float, **options) -> cs.Effective:
    return cs.homogenize(V, sigma=sigma, tol=tol, **options).evaluate(ORIGIN[V.dim])


def assert_within(eff: cs.Effective, expected: FloatArray, tol: float) -> None:
    """The true relative error is at most ``tol``, and at most what the result says of it."""
    error = relative_error(eff.diffusion, expected)
    assert error <= tol
    assert error <= float(np.max(eff.error_estimate))


# Closed forms -----------------------------------------------------------------------------------


KNOWN = [
    ("cosine", 2.0, 1e-8),
    ("cosine", 0.1, 1e-8),
    ("cosine", 2 / 200, 1e-8),
    ("asymmetric", 0.5, 1e-8),
    ("kink", 0.3, 1e-8),
    ("two scales", 2.0, 1e-8),
    ("two scales", 0.3, 1e-8),
    ("three scales", 2.0, 1e-8),
    ("three scales", 0.5, 1e-8),
    ("rugged", 0.5, 1e-8),
    ("rugged", 3 / 200, 1e-8),
    ("cosine product", 1.0, 1e-8),
    ("cosine product", 0.2, 1e-6),
    ("additive plane", 1.0, 1e-8),
    ("additive plane", 0.3, 1e-6),
    ("additive space", 1.0, 1e-4),
]
COLD = [("two scales", 3 / 200, 1e-8), ("three scales", 0.1, 1e-8), ("three scales", 4 / 200, 1e-8)]


@pytest.mark.parametrize(
    ("name", "sigma", "tol"), [*KNOWN, *(pytest.param(*case, marks=pytest.mark.slow) for case in COLD)]
)
def test_closed_forms_are_met_within_the_tolerance_and_the_estimate(name, sigma, tol) -> None:
    problem = LANDSCAPES[name]
    assert_within(evaluate(problem.potential, sigma, tol), problem.diffusion(sigma), tol)


@pytest.mark.parametrize("shift", [0.0, 1 / 32, 0.01, 0.2345])
def test_even_harmonics_of_any_phase_are_seen(shift) -> None:
    """Half of the Fourier modes vanish, and the highest of a lattice can be invisible on it."""
    V = cs.Potential(f"1.5*cos(4*pi*(y1 - {shift}))*cos(2*pi*y2)", dim=1, scales=2)
    assert_within(evaluate(V, 0.5, 1e-8), cs.exact.effective_diffusion_1d(V, 0.5, np.zeros(1)).reshape(1, 1), 1e-8)


@pytest.mark.parametrize("name", ["cosine", "two scales", "rugged"])
@pytest.mark.parametrize("sigma", [2.0, 0.4])
def test_partition_function_and_free_energy_on_the_line(name, sigma) -> None:
    V = cs.Potential(LANDSCAPES[name].V1, dim=1, scales=LANDSCAPES[name].scales, V0="x**2")
    x = np.array([[0.5], [-2.0]])
    eff = cs.homogenize(V, sigma=sigma, tol=1e-8).evaluate(x)
    log_Z = cs.exact.log_partition_function_1d(V, sigma, x)
    np.testing.assert_allclose(eff.log_partition_function, log_Z, atol=1e-8)
    np.testing.assert_allclose(eff.partition_function, np.exp(log_Z), rtol=1e-8)
    np.testing.assert_allclose(eff.free_energy, cs.exact.free_energy_1d(V, sigma, x), atol=1e-8)
    np.testing.assert_allclose(eff.free_energy_gradient, 2 * x, atol=1e-12)
    np.testing.assert_array_equal(eff.diffusion_divergence, 0.0)


def test_partition_function_of_the_product_of_cosines() -> None:
    """Z = I0(1/(2 sigma))^2."""
    eff = evaluate(LANDSCAPES["cosine product"].potential, 0.5, 1e-8)
    assert eff.partition_function == pytest.approx(np.i0(1.0) ** 2, rel=1e-8)


def test_deep_partition_functions_do_not_overflow() -> None:
    V = cs.Potential("cos(2*pi*y1) - 1000", dim=1, scales=1)
    eff = evaluate(V, 0.5, 1e-8)
    assert eff.log_partition_function == pytest.approx(2000 + np.log(np.i0(2.0)), rel=1e-11)
    assert np.isinf(eff.partition_function)
    np.testing.assert_allclose(eff.diffusion, cs.exact.zwanzig([1.0], 0.5), rtol=1e-8)
    assert eff.free_energy == pytest.approx(-1000 - 0.5 * np.log(np.i0(2.0)), rel=1e-11)


@pytest.mark.parametrize("variable", ["y1", "y2"])
def test_deep_places_on_any_level_do_not_overflow(variable) -> None:
    V = cs.Potential(f"-1000*exp(0.001*cos(2*pi*{variable})) + 0.5*cos(2*pi*(y1 - y2))", dim=1, scales=2)
    eff = evaluate(V, 0.5, 1e-8)
    assert eff.log_partition_function == pytest.approx(cs.exact.log_partition_function_1d(V, 0.5, [0.0]), rel=1e-11)
    np.testing.assert_allclose(eff.diffusion[0, 0], cs.exact.effective_diffusion_1d(V, 0.5, [0.0]), rtol=1e-8)


@pytest.mark.parametrize("dim", [2, 3])
def test_temperatures_too_cold_for_floating_point_are_refused_in_words(dim) -> None:
    """exp(-osc/sigma) = exp(-4000) is no number: an error of ours, not a warning of numpy's."""
    V = cs.Potential("cos(2*pi*y1[0])", dim=dim, scales=1)
    with pytest.raises(CellsolveError):
        evaluate(V, 5e-4, 1e-6)


def test_a_flat_landscape_is_free() -> None:
    eff = evaluate(cs.Potential("0", dim=2, scales=2, V0="x[0]"), 0.7, 1e-8)
    np.testing.assert_allclose(eff.diffusion, np.eye(2), atol=1e-14)
    assert eff.partition_function == pytest.approx(1.0, abs=1e-14)


# An independent solver: Fourier collocation on a dense matrix ------------------------------------


@cache
def spectral_derivatives(n: int) -> FloatArray:
    """d/dy_0, d/dy_1 on an n x n grid of the unit torus, n odd: (2, n^2, n^2), antisymmetric."""
    j = np.arange(n)
    off = (j[:, None] - j[None]) % n
    sign = np.where(off % 2 == 0, 1.0, -1.0)
    line = np.divide(np.pi * sign, np.sin(np.pi * off / n), out=np.zeros((n, n)), where=off > 0)
    return np.stack([np.kron(line, np.eye(n)), np.kron(np.eye(n), line)])


def grid_points(n: int) -> FloatArray:
    y = np.arange(n) / n
    return np.stack(np.meshgrid(y, y, indexing="ij"), axis=-1).reshape(-1, 2)


def collocated(K: FloatArray) -> FloatArray:
    """K_hom of tensors (n^2, 2, 2) at the grid points, by trapezoidal energies."""
    n = int(np.sqrt(len(K)))
    D = spectral_derivatives(n)
    A = sum(D[i].T @ (K[:, i, j, None] * D[j]) for i in range(2) for j in range(2)) + 1.0 / len(K)
    b = -sum(D[i].T @ K[:, i] for i in range(2))
    theta = np.linalg.solve(A, b)
    E = np.eye(2) + np.stack([D[i] @ theta for i in range(2)], axis=1)  # (q, i, r)
    return np.einsum("qir,qij,qjs->rs", E, K, E) / len(K)


def coupled_V1(y1: FloatArray, y2: FloatArray) -> FloatArray:
    a, b = 2 * np.pi * y1, 2 * np.pi * y2
    return (
        np.cos(a[..., 0]) * np.cos(b[..., 0])
        + 0.5 * np.sin(a[..., 1] + b[..., 1])
        + 0.5 * np.cos(b[..., 0] - b[..., 1])
    )


def nested_diffusion(sigma: float, outer: int, inner: int) -> FloatArray:
    """M of the coupled landscape: every inner problem solved on its own, no interpolation."""
    K = np.empty((outer**2, 2, 2))
    Z = 0.0
    for number, y1 in enumerate(grid_points(outer)):
        boltzmann = np.exp(-coupled_V1(y1, grid_points(inner)) / sigma)
        K[number] = collocated(boltzmann[:, None, None] * np.eye(2))
        Z += boltzmann.mean() / outer**2
    return collocated(K) / Z


def test_the_independent_solver_is_right() -> None:
    """Layers of a slanted wave, and the product of cosines."""
    y = grid_points(21)
    slanted = np.exp(np.cos(2 * np.pi * (y[:, 0] - y[:, 1])))[:, None, None] * np.eye(2)
    tensor = collocated(slanted)
    np.testing.assert_allclose(tensor @ [1, 1], np.i0(1.0) * np.ones(2), rtol=1e-9)
    np.testing.assert_allclose(tensor @ [1, -1], np.array([1, -1]) / np.i0(1.0), rtol=1e-9)
    product = np.exp(np.prod(np.cos(2 * np.pi * y), axis=1))[:, None, None] * np.eye(2)
    np.testing.assert_allclose(collocated(product), np.eye(2), atol=1e-9)


def test_two_coupled_scales_agree_with_the_independent_solver() -> None:
    reference = nested_diffusion(1.0, 11, 15)
    assert relative_error(nested_diffusion(1.0, 9, 13), reference) < 1e-7
    for tol in (1e-3, 1e-6):
        eff = evaluate(LANDSCAPES["coupled"].potential, 1.0, tol)
        assert_within(eff, reference, tol)
    assert abs(reference[0, 1]) > 1e-3


@pytest.mark.slow
def test_cold_coupled_scales_agree_with_the_independent_solver() -> None:
    reference = nested_diffusion(0.5, 15, 19)
    assert relative_error(nested_diffusion(0.5, 13, 17), reference) < 1e-7
    assert_within(evaluate(LANDSCAPES["coupled"].potential, 0.5, 1e-6), reference, 1e-6)


# Derivatives ------------------------------------------------------------------------------------


def differentiated(model: cs.EffectiveModel, x: FloatArray, h: float = 2e-2) -> tuple[FloatArray, FloatArray]:
    """grad Psi and div M at points (r, d) by Richardson's combination of three differences, all in one evaluation."""
    multiples = np.array([1, 2, 3, -1, -2, -3])
    weights = np.array([45, -9, 1, -45, 9, -1]) / (60 * h)
    steps = h * multiples[:, None, None, None] * np.eye(x.shape[-1])
    eff = model.evaluate(x[:, None] + steps)  # (m, r, component, d)
    gradient = np.einsum("m,mri->ri", weights, eff.free_energy)
    return gradient, np.einsum("m,mrjij->ri", weights, eff.diffusion)


def differentiable(name: str) -> cs.Potential:
    if name == "plane":
        return LANDSCAPES["slow"].potential
    V1 = "(1 + 0.3*sin(x))*cos(2*pi*y1)*cos(2*pi*y2) + 0.3*cos(2*x)*sin(2*pi*y2)"
    return cs.Potential(V1, dim=1, scales=2, V0="x**3")


@pytest.mark.parametrize(("name", "tol"), [("line", 1e-8), ("plane", 1e-7)])
def test_gradients_are_those_of_differences(name, tol) -> None:
    V = differentiable(name)
    model = cs.homogenize(V, sigma=0.8, tol=tol)
    x = np.array([[0.4, -0.7], [-1.2, 0.5]])[:, : V.dim][: 3 - V.dim]
    eff, (gradient, divergence) = model.evaluate(x), differentiated(model, x)
    np.testing.assert_allclose(eff.free_energy_gradient, gradient, rtol=0, atol=1e-7)
    np.testing.assert_allclose(eff.diffusion_divergence, divergence, rtol=0, atol=1e-7)
    assert np.abs(eff.diffusion_divergence).min() > 1e-4


def test_gradients_on_a_mesh_are_those_of_differences() -> None:
    V = cs.Potential("(1 + x[0])*cos(2*pi*y1[0])*sin(2*pi*y1[1]) + 0.5*x[1]*sin(2*pi*(y1[0] + y1[1]))", dim=2, scales=1)
    model = cs.homogenize(V, sigma=1.0, tol=1e-8, cells=mesh("square.msh"))
    x = np.array([[0.2, 0.5]])
    eff = model.evaluate(x)
    _, divergence = differentiated(model, x)
    np.testing.assert_allclose(eff.diffusion_divergence, divergence, rtol=0, atol=1e-7)


# Invariants -------------------------------------------------------------------------------------


def rounded(value: float) -> float:
    return round(value, 3)


SIZES = st.lists(st.floats(-1, 1).map(rounded), min_size=4, max_size=4)
TEMPERATURES = st.floats(0.6, 3.0).map(rounded)


def plane(a: list[float], shift: float = 0.0) -> str:
    """A landscape of two scales in the plane; ``shift`` moves y2[0]."""
    y20 = f"(y2[0] + {shift})"
    return (
        f"{a[0]}*cos(2*pi*y1[0])*cos(2*pi*{y20}) + {a[1]}*sin(2*pi*(y1[1] + y2[1]))"
        f" + {a[2]}*cos(2*pi*({y20} - y2[1])) + {a[3]}*sin(2*pi*(y1[0] - y1[1]))"
    )


@settings(max_examples=8, deadline=None, derandomize=True)
@given(SIZES, TEMPERATURES)
def test_diffusion_is_symmetric_and_within_the_universal_bounds(a, sigma) -> None:
    """exp(-osc V1/sigma) <= e.M e <= 1  (20)."""
    tol = 1e-4
    M = evaluate(cs.Potential(plane(a), dim=2, scales=2), sigma, tol).diffusion
    np.testing.assert_allclose(M, M.T, rtol=0, atol=1e-13)
    assert loewner_gap(M, (1 + tol) * np.eye(2)) >= 0
    assert loewner_gap((1 - tol) * np.exp(-2 * np.sum(np.abs(a)) / sigma) * np.eye(2), M) >= 0


@settings(max_examples=6, deadline=None, derandomize=True)
@given(SIZES, TEMPERATURES, st.floats(-5, 5).map(rounded))
def test_constants_in_V1_move_Z_alone(a, sigma, c) -> None:
    V, moved = (cs.Potential(f"{plane(a)} + {extra}", dim=2, scales=2) for extra in (0, c))
    eff, other = evaluate(V, sigma, 1e-4), evaluate(moved, sigma, 1e-4)
    np.testing.assert_allclose(other.diffusion, eff.diffusion, rtol=0, atol=1e-12)
    assert other.log_partition_function == pytest.approx(eff.log_partition_function - c / sigma, abs=1e-12)
    assert other.free_energy == pytest.approx(eff.free_energy + c, abs=1e-11)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(SIZES, TEMPERATURES, st.floats(0, 1).map(rounded))
def test_a_shift_of_a_fast_variable_changes_nothing(a, sigma, shift) -> None:
    tol = 1e-5
    eff = evaluate(cs.Potential(plane(a), dim=2, scales=2), sigma, tol)
    other = evaluate(cs.Potential(plane(a, shift), dim=2, scales=2), sigma, tol)
    np.testing.assert_allclose(other.diffusion, eff.diffusion, rtol=0, atol=2 * tol)
    assert other.log_partition_function == pytest.approx(eff.log_partition_function, abs=2 * tol)


@settings(max_examples=15, deadline=None, derandomize=True)
@example([0.383, 0.0, 0.0, 0.0], 0.609)
@given(SIZES, TEMPERATURES)
def test_the_line_is_within_the_tolerance(a, sigma) -> None:
    V1 = f"{a[0]}*cos(2*pi*y1)*cos(2*pi*y2) + {a[1]}*sin(2*pi*(y1 + y2)) + {a[2]}*cos(4*pi*y2) + {a[3]}*sin(2*pi*y1)"
    V = cs.Potential(V1, dim=1, scales=2)
    assert_within(evaluate(V, sigma, 1e-8), cs.exact.effective_diffusion_1d(V, sigma, [0.0]).reshape(1, 1), 1e-8)


def test_temperature_and_potential_scale_together() -> None:
    V, twice = (cs.Potential(f"{a}*({COUPLED})", dim=2, scales=2) for a in (1.0, 2.0))
    np.testing.assert_allclose(evaluate(twice, 2.0, 1e-4).diffusion, evaluate(V, 1.0, 1e-4).diffusion, atol=1e-12)


def test_terms_in_x_alone_join_V0() -> None:
    fast, slow = "cos(2*pi*y1[0])*cos(2*pi*y1[1])*(1 + 0.2*x[1])", "0.3*x[0]**2 - x[0]*x[1]"
    x = np.random.default_rng(1).normal(size=(3, 2))
    inside = cs.homogenize(cs.Potential(f"{fast} + {slow}", dim=2, scales=1), sigma=0.5, tol=1e-5).evaluate(x)
    outside = cs.homogenize(cs.Potential(fast, dim=2, scales=1, V0=slow), sigma=0.5, tol=1e-5).evaluate(x)
    for field in ("diffusion", "free_energy", "free_energy_gradient", "diffusion_divergence"):
        np.testing.assert_allclose(getattr(inside, field), getattr(outside, field), rtol=1e-12, atol=1e-12)
    extra = 0.3 * x[:, 0] ** 2 - x[:, 0] * x[:, 1]
    np.testing.assert_allclose(inside.log_partition_function, outside.log_partition_function - extra / 0.5, atol=1e-12)


def test_callables_equal_texts() -> None:
    def V1(x: FloatArray, y1: FloatArray, y2: FloatArray) -> FloatArray:
        return coupled_V1(y1, y2) * (1 + 0.1 * x[..., 0])

    text = cs.Potential(f"({COUPLED})*(1 + 0.1*x[0])", dim=2, scales=2, V0="x[1]**2")
    functions = cs.Potential(V1, dim=2, scales=2, V0=lambda x: x[..., 1] ** 2)
    x = np.array([[0.3, -1.0], [2.0, 0.5]])
    a, b = (cs.homogenize(V, sigma=1.0, tol=1e-5).evaluate(x) for V in (text, functions))
    for field in ("diffusion", "free_energy", "free_energy_gradient", "diffusion_divergence"):
        np.testing.assert_allclose(getattr(b, field), getattr(a, field), rtol=0, atol=3e-5)
    np.testing.assert_allclose(b.free_energy_gradient[:, 1], 2 * x[:, 1], atol=1e-9)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_results_do_not_depend_on_the_executor(kind) -> None:
    """Bit for bit."""
    model = cs.homogenize(LANDSCAPES["slow"].potential, sigma=1.0, tol=1e-3)
    x = np.random.default_rng(1).normal(size=(80, 2))
    alone = model.evaluate(x)
    with two_workers(kind) as executor:
        shared = model.evaluate(x, executor=executor)
    assert_same(shared, alone)
    assert shared.report.cell_problems == alone.report.cell_problems


def test_progress_ends_with_everything() -> None:
    seen: list[tuple[int, int]] = []
    V = cs.Potential("x[0]*cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1)
    x = np.stack([np.linspace(0, 1, 2000), np.zeros(2000)], axis=-1)
    cs.homogenize(V, sigma=1.0, tol=1e-2).evaluate(
        x, progress=lambda done, total: seen.append((done, total)), exact_points=True
    )
    assert len(seen) > 1
    assert seen[-1] == (2000, 2000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# Cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "order"), [(2, 3), (2, 6), (4, 4)])
def test_fixed_boxes_stay_and_say_what_they_are_worth(n, order) -> None:
    problem = LANDSCAPES["additive plane"]
    eff = evaluate(problem.potential, 0.5, 1e-6, cells=cs.box_cell(2, n=n, order=order))
    assert eff.report.spaces[1] == f"BoxSpace(dim=2, n={n}, order={order})"
    assert relative_error(eff.diffusion, problem.diffusion(0.5)) <= eff.error_estimate


@pytest.mark.parametrize("name", ["square_unstructured.msh", "square.msh", "square_quads.msh"])
@pytest.mark.parametrize("problem", ["cosine product", "additive plane"])
def test_meshes_are_within_their_error_estimate(name, problem) -> None:
    landscape = LANDSCAPES[problem]
    eff = evaluate(landscape.potential, 0.7, 1e-4, cells=mesh(name))
    assert relative_error(eff.diffusion, landscape.diffusion(0.7)) <= eff.error_estimate
    assert eff.error_estimate < 0.05


def test_two_scales_on_a_mesh_are_within_their_error_estimate() -> None:
    V = LANDSCAPES["coupled"].potential
    fine = evaluate(V, 1.0, 1e-5)
    eff = evaluate(V, 1.0, 1e-3, cells=mesh("square_quads.msh"))
    assert relative_error(eff.diffusion, fine.diffusion) <= eff.error_estimate + 1e-5
    assert eff.error_estimate < 0.05


def test_every_level_has_its_own_cell() -> None:
    V = LANDSCAPES["coupled"].potential
    cells = [cs.box_cell(2, n=2, order=6), cs.box_cell(2, n=3, order=5)]
    eff = evaluate(V, 1.0, 1e-3, cells=cells)
    assert eff.report.spaces == {1: "BoxSpace(dim=2, n=2, order=6)", 2: "BoxSpace(dim=2, n=3, order=5)"}
    assert relative_error(eff.diffusion, evaluate(V, 1.0, 1e-5).diffusion) <= eff.error_estimate + 1e-5


def test_periods_need_not_be_one() -> None:
    V1 = "cos(2*pi*y1/0.3)*cos(2*pi*y2/7) + 0.5*sin(2*pi*(y1/0.3 + y2/7))"
    cells = [cs.box_cell(1, period=[[0.3]]), cs.box_cell(1, period=[[7.0]])]
    eff = evaluate(cs.Potential(V1, dim=1, scales=2), 0.5, 1e-8, cells=cells)
    assert_within(eff, LANDSCAPES["two scales"].diffusion(0.5), 1e-8)


def test_any_lattice_vectors_describe_the_same_landscape() -> None:
    V = LANDSCAPES["coupled"].potential
    unit = evaluate(V, 1.0, 1e-5).diffusion
    sheared = evaluate(V, 1.0, 1e-5, cells=cs.box_cell(2, period=[[1, 0], [1, 1]])).diffusion
    np.testing.assert_allclose(sheared, unit, atol=2e-5)


def test_a_component_that_varies_along_two_period_vectors() -> None:
    """V1 holds y1[0] alone, but on a slanted lattice that moves with both period vectors."""
    V = cs.Potential("cos(4*pi*y1[0])*(cos(4*pi*y2[0]) + 0.5*sin(2*pi*y2[1]))", dim=2, scales=2)
    upright = evaluate(V, 0.7, 1e-5, cells=cs.box_cell(2, period=[[0.5, 0.0], [0.0, 1.0]])).diffusion
    slanted = evaluate(V, 0.7, 1e-5, cells=cs.box_cell(2, period=[[1.0, 0.0], [0.5, 1.0]])).diffusion
    np.testing.assert_allclose(slanted, upright, atol=2e-5)


def test_skewed_cells_take_potentials_of_their_lattice() -> None:
    """In fractions s of the period V1 is a wave across one family of layers: harmonic across, arithmetic along."""
    inverse = np.linalg.inv(SKEWED[2])
    normal = inverse[:, 0]
    V = cs.Potential(f"cos(2*pi*({normal[0]}*y1[0] + {normal[1]}*y1[1]))", dim=2, scales=1)
    eff = evaluate(V, 0.8, 1e-7, cells=cs.box_cell(2, period=SKEWED[2]))
    n = normal / np.linalg.norm(normal)
    s = np.i0(1 / 0.8)
    assert_within(eff, np.eye(2) + (1 / s**2 - 1) * np.outer(n, n), 1e-7)


# Errors -----------------------------------------------------------------------------------------


V_LINE = LANDSCAPES["cosine"].potential
V_PLANE = LANDSCAPES["cosine product"].potential


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, "warm", None])
def test_bad_temperatures_are_refused(sigma) -> None:
    with pytest.raises(CoefficientError, match=r"got sigma = .*, needed a finite number > 0"):
        cs.homogenize(V_LINE, sigma=sigma)


@pytest.mark.parametrize("tol", [0.0, -1.0, 1.0, 1e-15, np.nan, "small"])
def test_bad_tolerances_are_refused(tol) -> None:
    with pytest.raises(CoefficientError, match=r"got tol = .*, needed"):
        cs.homogenize(V_LINE, sigma=1.0, tol=tol)


def test_what_is_no_potential_is_refused() -> None:
    with pytest.raises(CoefficientError, match="got a str as V, needed a Potential"):
        cs.homogenize("cos(2*pi*y1)", sigma=1.0)


def test_cells_of_a_wrong_number_or_dimension_are_refused() -> None:
    with pytest.raises(CoefficientError, match="got 3 cells for 2 scales, needed one for each or one for all"):
        cs.homogenize(LANDSCAPES["coupled"].potential, sigma=1.0, cells=[cs.box_cell(2)] * 3)
    with pytest.raises(CoefficientError, match="got 0 cells for 1 scales"):
        cs.homogenize(V_LINE, sigma=1.0, cells=[])
    with pytest.raises(CoefficientError, match=r"the cell of y1 is 'box', needed a cell in 1 dimensions"):
        cs.homogenize(V_LINE, sigma=1.0, cells=cs.box_cell(2))


def test_the_name_of_a_file_is_no_cell() -> None:
    with pytest.raises(CoefficientError, match="read_cell or box_cell"):
        cs.homogenize(V_LINE, sigma=1.0, cells="square.msh")


BAD_POINTS = {
    "number": (0.0, r"got points x of shape \(\), needed \(..., 2\)"),
    "one component": ([[0.0], [1.0]], r"got points x of shape \(2, 1\), needed \(..., 2\)"),
    "empty": (np.zeros((0, 2)), "not empty"),
    "nan": ([[0.0, np.nan]], "points x that are not finite"),
    "infinite": ([np.inf, 0.0], "points x that are not finite"),
    "text": ("here", "no array of numbers"),
    "ragged": ([[0.0], [1.0, 2.0]], "no array of numbers"),
}


@pytest.mark.parametrize("name", BAD_POINTS)
def test_bad_points_are_refused(name) -> None:
    x, words = BAD_POINTS[name]
    with pytest.raises(CoefficientError, match=words):
        cs.homogenize(V_PLANE, sigma=1.0).evaluate(x)


@pytest.mark.parametrize("variable", ["y1", "y2"])
def test_potentials_that_are_not_periodic_are_refused(variable) -> None:
    V = cs.Potential(f"cos(2*pi*y1)*cos(2*pi*y2) + cos(3*pi*{variable})", dim=1, scales=2)
    with pytest.raises(CoefficientError, match=f"V1 is not periodic in {variable}: moved by the period vector"):
        cs.homogenize(V, sigma=1.0).evaluate([0.0])
    with pytest.raises(CoefficientError, match="not periodic in y1"):
        cs.homogenize(V_LINE, sigma=1.0, cells=cs.box_cell(1, period=[[0.7]])).evaluate([0.0])


@pytest.mark.parametrize("V1", ["1/cos(2*pi*y1)**2*0 + log(sin(2*pi*y1))", "x*sqrt(cos(2*pi*y1) - 2)"])
def test_potentials_that_are_not_finite_are_refused(V1) -> None:
    with pytest.raises(CoefficientError, match="finite"):
        cs.homogenize(cs.Potential(V1, dim=1, scales=1), sigma=1.0).evaluate([1.0])


def test_callables_that_are_nan_somewhere_are_refused() -> None:
    V = cs.Potential(
        lambda x, y1: np.where(np.abs(y1[..., 0] % 1.0 - 0.5) < 0.03, np.nan, 0.0 * x[..., 0]), dim=1, scales=1
    )
    with pytest.raises(CoefficientError, match=r"the potential is nan at .*y1 = |V1 is nan"):
        cs.homogenize(V, sigma=1.0).evaluate([0.0])


def test_what_does_not_converge_carries_what_was_reached(monkeypatch) -> None:
    monkeypatch.setattr("cellsolve.linalg.solver.minimize_energy", partial(minimize_energy, max_iterations=2))
    V = cs.Potential("(2 + 0.1*x[1])*cos(2*pi*y1[0])*cos(2*pi*(y1[1] - 2*y1[0])) + x[0]", dim=2, scales=1)
    model = cs.homogenize(V, sigma=1.0, tol=1e-8, cells=cs.box_cell(2, n=2, order=8))
    with pytest.raises(ConvergenceError, match=r"3 cell problems did not converge .*, wanted 1.0e-08") as caught:
        model.evaluate([[0.0, 0.1], [0.0, 0.2], [1.0, 0.3]])
    result = caught.value.result
    assert result.report.unconverged == 3
    assert result.diffusion.shape == (3, 2, 2)
    assert result.error_estimate.min() > 1e-8
    for matrix in result.diffusion:
        assert loewner_gap(0.1 * np.eye(2), matrix) > 0
    assert np.isfinite(result.free_energy).all()


def test_a_tolerance_that_no_box_meets_is_confessed() -> None:
    V = cs.Potential("0.5*sign(sin(2*pi*y1) - 0.3)", dim=1, scales=1)
    model = cs.homogenize(V, sigma=0.5, tol=1e-12)
    with pytest.raises(ConvergenceError, match=r"the estimated relative error of M is .*, wanted 1.0e-12") as caught:
        model.on_grid({"x0": [0.0, 1.0]})
    reached = caught.value.result
    assert reached.diffusion.shape == (2, 1, 1)
    high = 0.5 - np.arcsin(0.3) / np.pi
    expected = 1 / np.prod([high * np.exp(s) + (1 - high) * np.exp(-s) for s in (1, -1)])
    assert reached.diffusion.values[0, 0, 0] == pytest.approx(expected, rel=float(reached.error_estimate.max()))


# Shapes, grids, files ---------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3)])
@pytest.mark.parametrize("dim", [1, 2])
def test_results_have_the_shape_of_the_points(lead, dim) -> None:
    V = cs.Potential("(1 + 0.1*x[0])*cos(2*pi*y1[0])", dim=dim, scales=1)
    x = np.random.default_rng(1).normal(size=(*lead, dim))
    eff = cs.homogenize(V, sigma=1.0, tol=1e-4).evaluate(x)
    assert eff.diffusion.shape == (*lead, dim, dim)
    for field in ("log_partition_function", "partition_function", "free_energy", "error_estimate"):
        assert np.shape(getattr(eff, field)) == lead
    for field in ("free_energy_gradient", "diffusion_divergence"):
        assert getattr(eff, field).shape == (*lead, dim)


def test_points_keep_their_places() -> None:
    V = cs.Potential("(1 + 0.5*x[0]*x[1])*cos(2*pi*y1[0])", dim=2, scales=1)
    x = np.random.default_rng(1).normal(size=(3, 4, 2))
    model = cs.homogenize(V, sigma=1.0, tol=1e-8)
    M = model.evaluate(x).diffusion
    expected = np.i0(1 + 0.5 * x[..., 0] * x[..., 1]) ** -2.0
    np.testing.assert_allclose(M[..., 0, 0], expected, rtol=1e-8)
    np.testing.assert_allclose(M[..., 1, 1], 1.0, rtol=1e-8)


def test_inputs_stay_as_they_were() -> None:
    x = np.random.default_rng(1).normal(size=(4, 2))
    kept, cell = x.copy(), cs.box_cell(2, n=2, order=6)
    x.flags.writeable = False
    V = LANDSCAPES["slow"].potential
    cs.homogenize(V, sigma=1.0, tol=1e-2, cells=[cell, cell]).evaluate(x)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(cell.period, np.eye(2))


def test_evaluation_is_repeatable() -> None:
    model = cs.homogenize(LANDSCAPES["slow"].potential, sigma=1.0, tol=1e-3)
    x = np.random.default_rng(1).normal(size=(5, 2))
    first = model.evaluate(x)
    np.random.random(3)  # noqa: NPY002 (the global state must not matter)
    second = model.evaluate(x)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


GRID = {"x0": np.array([-1.0, 0.0, 2.0]), "x1": np.array([0.5, 1.5])}


@pytest.fixture(scope="module")
def dataset():
    V = cs.Potential("(1 + 0.2*x[0])*cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1, V0="x[0]*x[1]**2")
    return cs.homogenize(V, sigma=0.5, tol=1e-5).on_grid(GRID)


def test_grids_have_labelled_axes_and_units(dataset) -> None:
    dims = {
        "diffusion": ("x0", "x1", "i", "j"),
        "log_diffusion": ("x0", "x1", "i", "j"),
        "partition_function": ("x0", "x1"),
        "log_partition_function": ("x0", "x1"),
        "free_energy": ("x0", "x1"),
        "free_energy_gradient": ("x0", "x1", "i"),
        "diffusion_divergence": ("x0", "x1", "i"),
        "error_estimate": ("x0", "x1"),
        "within_tolerance": ("x0", "x1"),
    }
    assert {name: variable.dims for name, variable in dataset.data_vars.items()} == dims
    assert dict(dataset.sizes) == {"x0": 3, "x1": 2, "i": 2, "j": 2}
    for name, axis in GRID.items():
        np.testing.assert_array_equal(dataset[name], axis)
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in dataset.variables.values())


def test_grids_say_how_they_were_made(dataset) -> None:
    attrs = dataset.attrs
    assert attrs["sigma"] == 0.5
    assert attrs["tolerance"] == 1e-5
    assert attrs["scales"] == 1
    assert attrs["potential_V0"] == "x[0]*x[1]**2"
    assert attrs["potential_V1"].startswith("(1 + 0.2*x[0])")
    assert f"cellsolve {cs.__version__}" in attrs["versions"]
    assert attrs["unconverged_cell_problems"] == 0


def test_grids_agree_with_points(dataset) -> None:
    x = np.array([2.0, 1.5])
    V = cs.Potential("(1 + 0.2*x[0])*cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1, V0="x[0]*x[1]**2")
    eff = cs.homogenize(V, sigma=0.5, tol=1e-8).evaluate(x)
    here = dataset.sel(x0=2.0, x1=1.5)
    for field in ("diffusion", "free_energy", "free_energy_gradient", "partition_function"):
        np.testing.assert_allclose(here[field], getattr(eff, field), rtol=1e-4, atol=1e-4)


BAD_GRIDS = {
    "missing": ({"x0": [0.0]}, r"got grid axes \['x0'\], needed \['x0', 'x1'\]"),
    "unknown": ({"x0": [0.0], "x1": [0.0], "x2": [0.0]}, "needed"),
    "table": ({"x0": [[0.0]], "x1": [0.0]}, r"the grid axis x0 has shape \(1, 1\)"),
    "empty": ({"x0": [], "x1": [0.0]}, "the grid axis x0 has shape"),
    "nan": ({"x0": [np.nan], "x1": [0.0]}, "needed finite numbers"),
    "text": ({"x0": ["a"], "x1": [0.0]}, "holds values that are no numbers"),
}


@pytest.mark.parametrize("name", BAD_GRIDS)
def test_bad_grids_are_refused(name) -> None:
    grid, words = BAD_GRIDS[name]
    with pytest.raises(CoefficientError, match=words):
        cs.homogenize(V_PLANE, sigma=1.0).on_grid(grid)


def test_the_line_may_call_its_axis_x() -> None:
    assert cs.homogenize(V_LINE, sigma=1.0).on_grid({"x": [0.0, 1.0]}).diffusion.dims == ("x0", "i", "j")


def test_files_give_back_what_was_written(dataset, tmp_path: Path) -> None:
    path = tmp_path / "rugged.nc"
    cs.write_netcdf(dataset, path)
    again = cs.read_netcdf(path)
    assert again.identical(dataset)
    assert [file.name for file in tmp_path.iterdir()] == ["rugged.nc"]


def test_files_are_replaced_whole(dataset, tmp_path: Path) -> None:
    path = tmp_path / "rugged.nc"
    path.write_text("old")
    with path.open() as reader:
        cs.write_netcdf(dataset, path)
        assert reader.read() == "old"  # whoever reads the old file goes on reading it
    assert cs.read_netcdf(path).identical(dataset)


def test_places_that_cannot_be_written_are_named_and_left_alone(dataset, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"cannot write .*missing.*Choose an output in a writable folder"):
        cs.write_netcdf(dataset, tmp_path / "missing" / "rugged.nc")
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(JobError, match="cannot write"):
        cs.write_netcdf(dataset, tmp_path / "folder.nc")
    assert [file.name for file in tmp_path.iterdir()] == ["folder.nc"]


def test_a_failing_writer_leaves_no_part_behind(dataset, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "rugged.nc").write_text("old")
    monkeypatch.setattr(type(dataset), "to_netcdf", full)
    with pytest.raises(JobError, match="No space left on device"):
        cs.write_netcdf(dataset, tmp_path / "rugged.nc")
    assert [file.name for file in tmp_path.iterdir()] == ["rugged.nc"]
    assert (tmp_path / "rugged.nc").read_text() == "old"


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no such file"):
        cs.read_netcdf(tmp_path / "rugged.nc")
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(JobError, match="is no netCDF file that can be read"):
        cs.read_netcdf(tmp_path / "text.nc")


# Cost -------------------------------------------------------------------------------------------


def test_the_cost_is_what_evaluation_solves() -> None:
    model = cs.homogenize(LANDSCAPES["slow"].potential, sigma=1.0, tol=1e-3)
    x = np.random.default_rng(1).normal(size=(4, 2))
    cost, report = model.cost(x), model.evaluate(x).report
    assert cost.points == 4
    assert cost.unknowns == report.unknowns
    assert cost.problems == {k: n - report.planning_problems[k] for k, n in report.cell_problems.items()}
    assert cost.total_problems == sum(cost.problems.values())
    assert cost.memory > 0
    assert cost.seconds > 0


@pytest.mark.parametrize("dim", [1, 2])
def test_what_the_probes_do_not_see_is_found_where_it_is(dim) -> None:
    """One point of 2001 with an amplitude thirty times that of the others: its chunk gets a finer space of its own."""
    x = np.zeros((2001, dim))
    x[:, 0] = 1e-6 * np.arange(2001)
    x[1234, 0] = 1.0
    waves = "cos(2*pi*y1[0])" if dim == 1 else "cos(2*pi*y1[0])*cos(2*pi*y1[1])"
    V = cs.Potential(f"(0.1 + 2.9*x[0])*{waves}", dim=dim, scales=1)
    eff = cs.homogenize(V, sigma=0.5, tol=1e-6).evaluate(x)
    at = 1234
    if dim == 1:
        assert_within_row(eff, at, cs.exact.zwanzig([3.0], 0.5) * np.eye(1))
    else:
        assert_within_row(eff, at, np.eye(2) / eff.partition_function[at])


def assert_within_row(eff, row: int, expected: FloatArray) -> None:
    error = relative_error(eff.diffusion[row], expected)
    assert error <= 1e-6
    assert error <= eff.error_estimate[row]


HIDDEN_MODES = [
    *[f"cos(2*pi*{m}*y1)*cos(2*pi*y2)" for m in (3, 5, 7, 8, 15, 16, 33, 40, 64)],
    "cos(2*pi*3*y1)*cos(2*pi*y2) + 0.2*cos(2*pi*y1)",
    "cos(2*pi*(2*y1 + y2)) + cos(4*pi*(y1 - y2))",
    "-0.209*cos(2*pi*y1 + 4.63) - 1.855*cos(2*pi*(2*y1 + y2) - 3.29) + 0.3*cos(4*pi*(y1 - y2) + 4.98)",
]


@pytest.mark.parametrize("V1", HIDDEN_MODES)
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_modes_that_a_lattice_takes_for_lower_ones_are_found(V1, tol) -> None:
    """log K_1 may hold every eighth or sixteenth mode only: what 4, 8 or 16 samples show is a constant."""
    V = cs.Potential(V1, dim=1, scales=2)
    expected = cs.exact.effective_diffusion_1d(V, 0.5, np.zeros(1)).reshape(1, 1)
    assert_within(evaluate(V, 0.5, tol), expected, tol)


@pytest.mark.parametrize("q", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_the_frequency_of_a_fast_variable_does_not_matter(q) -> None:
    """y1 -> q y1 keeps measures and, in one direction alone, M."""
    V1 = "cos(2*pi*y2[0])*cos(2*pi*{q}*y1[0]) + 0.5*cos(2*pi*(y2[0] - y2[1]))"
    once, often = (evaluate(cs.Potential(V1.format(q=k), dim=2, scales=2), 1.0, 1e-5) for k in (1, q))
    np.testing.assert_allclose(often.diffusion, once.diffusion, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_coupled_potentials_on_the_line(seed) -> None:
    """Sums and products of cosines with mixed frequencies, N = 2 and 3, from warm to cold, at drawn tolerances."""
    random = np.random.default_rng(seed)
    for scales in (2, 3) * 4:
        V = cs.Potential(random_waves(random, scales), dim=1, scales=scales)
        for sigma in (2.0, 0.5, 0.15):
            tol = 10.0 ** -random.integers(4, 10)
            expected = cs.exact.effective_diffusion_1d(V, sigma, np.zeros(1)).reshape(1, 1)
            assert_within(evaluate(V, sigma, tol), expected, tol)


def random_waves(random: np.random.Generator, scales: int) -> str:
    def wave() -> str:
        phase = " + ".join(f"({m})*y{k}" for k, m in enumerate(random.integers(-2, 3, scales), start=1))
        return f"cos(2*pi*({phase}) + {random.uniform(0, 6.28):.2f})"

    return " + ".join(f"({random.normal():.3f})*{wave()}*{wave()}" for _ in range(3))


@pytest.mark.parametrize("width", [0.03, 0.1])
def test_features_of_the_landscape_in_x_are_resolved_where_they_are(width) -> None:
    """A bump in x that few of the macroscopic points see."""
    x = np.linspace(-1, 1, 33)[:, None]
    V = cs.Potential(f"4*exp(-((x - 0.5)/{width})**2)*cos(2*pi*y1) + 0.3*cos(2*pi*(y1 + y2))", dim=1, scales=2)
    eff = cs.homogenize(V, sigma=0.5, tol=1e-6).evaluate(x)
    error = np.abs(eff.diffusion[:, 0, 0] / cs.exact.effective_diffusion_1d(V, 0.5, x) - 1)
    assert error.max() <= 1e-6
    assert (error <= eff.error_estimate).all()


@pytest.mark.parametrize("sharpness", [2e3, 2e4, 2e5])
def test_narrow_wells_are_seen(sharpness) -> None:
    V1 = f"exp({sharpness}*(cos(2*pi*(y1 - 0.37)) - 1)) + 0.3*cos(2*pi*y1)"
    y = np.arange(2**17)[:, None] / 2**17
    V = cs.Potential(V1, dim=1, scales=1)
    values = V.evaluate_V1(np.zeros((1, 1)), y) / 0.5
    expected = 1 / (np.exp(values).mean() * np.exp(-values).mean())
    assert_within(evaluate(V, 0.5, 1e-8), expected * np.eye(1), 1e-8)
