"""Macroscopic interpolation: sparse Newton polynomials; many points from few, against closed forms and all points."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import pairwise, product

import numpy as np
import pytest
from problems import FIELDS, FloatArray, assert_same, two_workers
from scipy.special import i0e, i1e

import cellsolve as cs
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.macro.newton import MAX_DEGREE, NewtonInterpolant, leja_points, nodes

FEW = 40  # distinct points below which nothing is interpolated


def line_points(count: int, low: float = -1.0, high: float = 1.0) -> FloatArray:
    return np.linspace(low, high, count)[:, None]


def grid(*counts: int) -> FloatArray:
    """Points (P, d) of a tensor grid on [-1, 1]^d."""
    axes = [np.linspace(-1, 1, n) for n in counts]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(counts))


def scattered(count: int, dim: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, dim))


def disc(count: int) -> FloatArray:
    """Points of the unit disc, some on its edge; the corners of the square around it hold none."""
    random = np.random.default_rng(3)
    radius = np.append(np.sqrt(random.random(count - 8)), np.ones(8))
    angle = 2 * np.pi * random.random(count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def model_of(V1: object, dim: int, tol: float, scales: int = 1, sigma: float = 1.0, **options) -> cs.EffectiveModel:
    return cs.homogenize(cs.Potential(V1, dim=dim, scales=scales, **options), sigma=sigma, tol=tol)


def row_errors(tensors: FloatArray, reference: FloatArray) -> FloatArray:
    """|tensor - reference| / |reference| of each point (P, d, d) -> (P,)."""
    return np.linalg.norm(tensors - reference, 2, axis=(-2, -1)) / np.linalg.norm(reference, 2, axis=(-2, -1))


def assert_agrees(eff: cs.Effective, every: cs.Effective, tol: float) -> None:
    """M to ``tol``, log Z and Psi to ``tol``, derivatives to 100 ``tol`` of their size, or of 1/100 where that is less.

    The error of ``every`` may come on top: it is an estimate of its own.
    """
    allowed = tol + every.error_estimate.max()
    assert row_errors(eff.diffusion, every.diffusion).max() <= allowed
    np.testing.assert_allclose(eff.log_partition_function, every.log_partition_function, rtol=0, atol=allowed)
    for field in ("free_energy_gradient", "diffusion_divergence"):
        here, there = getattr(eff, field), getattr(every, field)
        np.testing.assert_allclose(here, there, rtol=0, atol=100 * tol * max(np.abs(there).max(), 0.01))


def assert_right(model: cs.EffectiveModel, x: FloatArray) -> cs.Effective:
    """Interpolated values agree with those solved at every point."""
    eff = model.evaluate(x)
    assert_agrees(eff, model.evaluate(x, exact_points=True), model.tol)
    return eff


def assert_right_or_confessed(model: cs.EffectiveModel, x: FloatArray) -> None:
    """Interpolated values agree with those solved at every point, unless not converging is admitted."""
    with suppress(ConvergenceError):
        assert_right(model, x)


# Sparse Newton interpolation --------------------------------------------------------------------


def random_set(dim: int, size: int, seed: int = 0) -> NewtonInterpolant:
    """A random downward closed set, grown from {0} by its margin; its values are those of no field."""
    random = np.random.default_rng(seed)
    grown = NewtonInterpolant.empty(dim, 1).extended(np.zeros((1, dim), dtype=np.int64), np.ones((1, 1)))
    while len(grown.indices) < size:
        margin = grown.margin()
        new = margin[random.integers(len(margin))][None]
        grown = grown.extended(new, random.normal(size=(1, 1)))
    return grown


def interpolating(indices: np.ndarray, function) -> NewtonInterpolant:
    return NewtonInterpolant.empty(indices.shape[1], 2).extended(indices, function(nodes(indices)))


def test_leja_points_are_distinct_and_well_conditioned() -> None:
    t = leja_points()
    assert len(t) == MAX_DEGREE + 1
    np.testing.assert_array_equal(t[:3], [0.0, 1.0, -1.0])
    assert np.abs(t).max() <= 1.0
    assert np.diff(np.sort(t)).min() > 1e-4


@pytest.mark.parametrize("count", [2, 5, 15, 30, MAX_DEGREE + 1])
def test_the_lebesgue_constant_is_small(count) -> None:
    """max_x sum_j |l_j(x)|; equidistant points have 1e7 at thirty."""
    t, x = leja_points()[:count], np.cos(np.linspace(0, np.pi, 4001))
    total = np.zeros(len(x))
    for j in range(count):
        others = np.delete(t, j)
        total += np.abs(np.prod((x[:, None] - others) / (t[j] - others), axis=1))
    assert total.max() < 30.0


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_polynomials_of_the_set_are_reproduced(dim, seed) -> None:
    """Monomials x^nu, nu in a downward closed S, span the same space as N_nu."""
    indices = random_set(dim, 12 if dim == 1 else 30, seed).indices
    coefficients = np.random.default_rng(seed).normal(size=(len(indices), 2))

    def polynomial(x: FloatArray) -> FloatArray:
        return np.prod(x[:, None, :] ** indices, axis=2) @ coefficients

    x = scattered(5000, dim, seed)  # more than are evaluated together
    np.testing.assert_allclose(interpolating(indices, polynomial).at(x), polynomial(x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_polynomial_outside_the_set_is_not_reproduced(dim) -> None:
    interpolant = random_set(dim, 6)
    outside = interpolant.margin()[0]
    exact = interpolating(interpolant.indices, lambda x: np.prod(x**outside, axis=1)[:, None] * np.ones(2))
    x = scattered(50, dim)
    assert np.abs(exact.at(x) - np.prod(x**outside, axis=1)[:, None]).max() > 1e-3


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_terms_vanish_at_nodes_that_are_not_beyond_them(dim) -> None:
    """N_nu(node mu) = 0 unless nu <= mu in every component, and 1 at its own node."""
    indices = np.array(list(product(range({1: 20, 2: 6, 3: 4}[dim]), repeat=dim)))
    values = np.stack(
        [NewtonInterpolant(nu[None], np.ones((1, 1))).at(nodes(indices))[:, 0] for nu in indices]
    )  # (nu, mu)
    below = (indices[:, None] <= indices[None]).all(axis=2)
    assert np.abs(values[~below]).max() == 0.0
    np.testing.assert_allclose(np.diag(values), 1.0, rtol=1e-13)
    assert np.abs(values[below]).min() > 0.0


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_extending_keeps_the_surpluses_there_are(dim) -> None:
    """In one step or one by one: a surplus depends on its own index and smaller ones alone."""

    def field(x: FloatArray) -> FloatArray:
        return np.stack([np.exp(x.sum(axis=1)), np.cos(x[:, 0])], axis=1)

    indices = random_set(dim, 20).indices
    whole, grown = interpolating(indices, field), NewtonInterpolant.empty(dim, 2)
    for first in range(0, len(indices), 3):
        earlier, new = grown, indices[first : first + 3]
        grown = grown.extended(new, field(nodes(new)))
        np.testing.assert_array_equal(grown.surpluses[:first], earlier.surpluses)
    np.testing.assert_array_equal(grown.indices, indices)
    np.testing.assert_allclose(grown.surpluses, whole.surpluses, rtol=0, atol=1e-12)
    np.testing.assert_allclose(grown.at(nodes(indices)), field(nodes(indices)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 15])
def test_the_margin_is_what_may_be_added(dim, size) -> None:
    """All indices outside the set, and no others, with which it stays downward closed."""
    interpolant = random_set(dim, size)
    present = {tuple(nu) for nu in interpolant.indices.tolist()}
    reach = range(int(interpolant.indices.max()) + 2)
    behind = [
        [tuple(np.subtract(nu, step)) for step in np.eye(dim, dtype=int) if np.dot(nu, step)]
        for nu in product(reach, repeat=dim)
    ]
    expected = {
        nu
        for nu, back in zip(product(reach, repeat=dim), behind, strict=True)
        if nu not in present and all(b in present for b in back)
    }
    margin = interpolant.margin()
    assert {tuple(nu) for nu in margin.tolist()} == expected
    assert len(margin) == len(expected)


@pytest.mark.parametrize("dim", [1, 2])
def test_convergence_is_geometric_on_an_analytic_function(dim) -> None:
    """1/(x - 1.5) is analytic inside the ellipse of sum 1.5 + sqrt(1.25) = 2.62 of half axes."""
    x = scattered(400, dim)

    def error(degree: int) -> float:
        indices = np.array([nu for nu in product(range(degree + 1), repeat=dim) if sum(nu) <= degree])
        field = lambda x: np.prod(1 / (x - 1.5), axis=1)[:, None] * np.ones(2)  # noqa: E731
        return float(np.abs(interpolating(indices, field).at(x) - field(x)).max())

    errors = np.array([error(degree) for degree in (4, 12, 20)])
    rates = (errors[:-1] / errors[1:]) ** (1 / 8)
    np.testing.assert_allclose(rates, 2.62, rtol=0.2)
    assert errors[-1] < 1e-6


def test_expected_sizes_are_those_behind() -> None:
    """Least over the axes; where one step back vanishes, a tenth of two steps back."""
    indices = np.array([[0, 0], [1, 0], [2, 0], [0, 1]])
    interpolant = NewtonInterpolant(indices, np.zeros((4, 1)))
    expected = interpolant.expected(np.array([[3, 0], [1, 1], [0, 2]]), np.array([1.0, 0.5, 0.0, 0.25]))
    np.testing.assert_allclose(expected, [0.05, 0.25, 0.25])


# Closed forms -----------------------------------------------------------------------------------


LINES = {
    "one scale": ("(1 + 0.5*sin(2*x))*cos(2*pi*y1) + 0.3*x*sin(4*pi*y1)", 1),
    "two scales": ("(1 + 0.5*sin(2*x))*cos(2*pi*y1)*cos(2*pi*y2) + 0.5*exp(0.3*x)*sin(2*pi*(y1 + y2))", 2),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-8])
def test_estimates_on_lines_cover_the_error(name, tol) -> None:
    text, scales = LINES[name]
    model, x = model_of(text, 1, tol, scales, sigma=0.7), line_points(200)
    eff = model.evaluate(x)
    expected = cs.exact.effective_diffusion_1d(model.potential, 0.7, x)[:, None, None]
    assert (row_errors(eff.diffusion, expected) <= eff.error_estimate).all()


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-8])
def test_lines_meet_the_closed_form(name, tol) -> None:
    """M = 1/(Z Zhat), Psi = V0 - sigma log Z."""
    text, scales = LINES[name]
    model = model_of(text, 1, tol, scales, sigma=0.7, V0="x**4")
    x = line_points(200)
    eff = model.evaluate(x)
    assert eff.report.solved_points <= 1.4 * len(x)  # what a box that is given up has cost comes on top
    expected = cs.exact.effective_diffusion_1d(model.potential, 0.7, x)[:, None, None]
    assert row_errors(eff.diffusion, expected).max() <= tol
    np.testing.assert_allclose(eff.free_energy, cs.exact.free_energy_1d(model.potential, 0.7, x), rtol=0, atol=tol)


def amplitudes(x: FloatArray) -> FloatArray:
    """Of the axes of the additive potential, by x (P, d)."""
    return 1.0 + 0.5 * np.sin(2 * x + np.arange(x.shape[1]))


def additive_model(dim: int, tol: float, sigma: float = 1.0) -> cs.EffectiveModel:
    V1 = " + ".join(f"(1 + 0.5*sin(2*x[{i}] + {i}))*cos(2*pi*y1[{i}])" for i in range(dim))
    return model_of(V1, dim, tol, sigma=sigma, V0="x[0]**2")


ADDITIVE = [(1, line_points(80), 1e-8), (2, grid(16, 16), 1e-6)]


@pytest.mark.parametrize(("dim", "x", "tol"), ADDITIVE)
@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_estimates_of_additive_potentials_cover_the_error(dim, x, tol, sigma) -> None:
    eff = additive_model(dim, tol, sigma).evaluate(x)
    s = amplitudes(x) / sigma
    expected = (i0e(s) * np.exp(s)) ** -2.0
    assert (row_errors(eff.diffusion, expected[:, :, None] * np.eye(dim)) <= eff.error_estimate).all()


@pytest.mark.parametrize(("dim", "x", "tol"), ADDITIVE)
@pytest.mark.parametrize("sigma", [1.0, 0.3])
def test_additive_potentials_meet_their_closed_form(dim, x, tol, sigma) -> None:
    """M_ii = I0(a_i/sigma)^-2, Z = prod_i I0(a_i/sigma); I0' = I1 gives the derivatives."""
    eff = additive_model(dim, tol, sigma).evaluate(x)
    assert eff.report.solved_points <= 1.4 * len(x)  # what a box that is given up has cost comes on top
    s = amplitudes(x) / sigma
    log_I0, ratio = np.log(i0e(s)) + s, i1e(s) / i0e(s)
    slope = np.cos(2 * x + np.arange(dim)) / sigma  # of a_i/sigma
    M = np.exp(-2 * log_I0)
    assert row_errors(eff.diffusion, M[:, :, None] * np.eye(dim)).max() <= tol
    np.testing.assert_allclose(eff.log_partition_function, log_I0.sum(axis=1), rtol=0, atol=tol)
    gradient = -sigma * ratio * slope + 2 * x * np.eye(dim)[0]
    np.testing.assert_allclose(eff.free_energy_gradient, gradient, rtol=0, atol=100 * tol)
    np.testing.assert_allclose(eff.diffusion_divergence, -2 * M * ratio * slope, rtol=0, atol=100 * tol)


EVERY = {
    "line": ("(1 + 0.4*tanh(2*x))*cos(2*pi*y1) + 0.3*x*sin(4*pi*y1)", 1, 1, line_points(200), 1e-7),
    "line, two scales": (LINES["two scales"][0], 1, 2, line_points(120), 1e-6),
    "plane": ("(1 + 0.4*sin(x[0] + x[1]))*cos(2*pi*y1[0])*cos(2*pi*y1[1]) + 0.3*x[1]*y", 2, 1, grid(24, 24), 1e-5),
    "plane, two scales": (
        "(1 + 0.3*sin(x[0]))*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.3*cos(x[1])*sin(2*pi*y2[1])",
        2,
        2,
        grid(7, 7),
        1e-2,
    ),
    "space": ("(1 + 0.2*x[0] + 0.1*x[1]*x[2])*cos(2*pi*y1[0])*cos(2*pi*y1[1])", 3, 1, grid(5, 5, 5), 1e-2),
}


@pytest.mark.parametrize("name", EVERY)
def test_few_points_tell_what_all_do(name) -> None:
    text, dim, scales, x, tol = EVERY[name]
    model = model_of(re.sub(r"\by\b", "sin(2*pi*(y1[0] + y1[1]))", text), dim, tol, scales, sigma=0.8)
    eff = assert_right(model, x)
    assert eff.report.solved_points < len(x)


@pytest.mark.parametrize("sigma", [0.3, 0.05])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_what_bends_in_the_fields_alone_is_seen(sigma, tol) -> None:
    """V1 is linear in x, but log M ~ -2 |x - 0.3|/sigma away from a rounded kink."""
    x = line_points(500)
    eff = model_of("(x - 0.3)*cos(2*pi*y1)", 1, tol, sigma=sigma).evaluate(x)
    s = np.abs(x[:, 0] - 0.3) / sigma
    error = row_errors(eff.diffusion, np.exp(-2 * (np.log(i0e(s)) + s))[:, None, None])
    assert error.max() <= tol
    assert eff.report.solved_points <= 1.4 * len(x)  # what a box that is given up has cost comes on top


@pytest.mark.parametrize(
    ("frequency", "phase", "tol"), [(3, 1.5, 1e-3), (2, 0.0, 1e-5), (5, 0.5, 1e-2), (4, 1.0, 1e-4)]
)
def test_the_tolerance_is_met_at_all_points_not_just_at_some(frequency, phase, tol) -> None:
    V1 = f"1.4*sin({frequency}*x + {phase})*cos(2*pi*y1) + 0.3*cos(2*pi*y1 + 1)"
    model, x = model_of(V1, 1, tol, sigma=0.3), line_points(500)
    expected = cs.exact.effective_diffusion_1d(model.potential, 0.3, x)[:, None, None]
    assert row_errors(model.evaluate(x).diffusion, expected).max() <= tol


def random_text(random: np.random.Generator) -> str:
    def slow() -> str:
        a = f"({random.uniform(-3, 3):.3f}*x + {random.uniform(-2, 2):.3f})"
        return str(random.choice([f"sin{a}", f"tanh{a}", f"exp(-{a}**2)", f"(0.3*{a}**2)", f"(1/(0.2 + {a}**2))", a]))

    wave = lambda: f"cos({2 * random.integers(1, 3)}*pi*y1 + {random.uniform(0, 6.28):.2f})"  # noqa: E731
    return " + ".join(f"({random.normal():.3f})*{slow()}*{wave()}" for _ in range(2)) + f" + {wave()}"


def drawn(seed: int) -> tuple[cs.Effective, cs.Effective, float]:
    """A random potential on the line: its interpolated values, those at all points to 1e-9, and the tolerance."""
    random = np.random.default_rng(seed)
    tol, sigma = 10.0 ** -random.integers(2, 7), float(random.choice([2.0, 0.7, 0.3]))
    V1, x = random_text(random), line_points(150)
    every = model_of(V1, 1, 1e-9, sigma=sigma).evaluate(x, exact_points=True)
    return model_of(V1, 1, tol, sigma=sigma).evaluate(x), every, tol


@pytest.mark.parametrize("seed", range(60))
def test_random_potentials_stay_within_tolerance(seed) -> None:
    assert_agrees(*drawn(seed))


def test_estimates_of_random_potentials_cover_the_error() -> None:
    """Error over estimate, the largest of each potential."""
    pairs = [drawn(seed)[:2] for seed in range(30)]
    ratios = [(row_errors(eff.diffusion, every.diffusion) / eff.error_estimate).max() for eff, every in pairs]
    assert np.max(ratios) <= 1.0


@pytest.mark.parametrize("count", [300, 1000])
def test_what_all_points_reach_is_reached_by_few(count) -> None:
    """Spaces may take half of the tolerance: what interpolation adds must not refuse the result."""
    V1 = (
        "0.285/(0.2 + (3.863*x - 0.37)**2)*cos(2*pi*y1 + 6.09) + 0.563*sin(3.095*x - 0.843)*cos(4*pi*y1 - 2.37)"
        " + 0.109*tanh(2.534*x + 1.573)*cos(2*pi*y1 - 6.26)"
    )
    assert_right(model_of(V1, 1, 1e-4, sigma=0.15), line_points(count))


# Hidden features --------------------------------------------------------------------------------


FEATURES = {
    "bump": "exp(-400*(x[0] - 0.31)**2)",
    "narrower bump": "exp(-40000*(x[0] - 0.31)**2)",
    "waves": "cos(40*x[0])",
    "fast waves": "cos(4000*x[0])",
    "ripples": "(1 + 1e-3*cos(300*x[0]))",
    "kink": "abs(x[0] - 0.2)",
    "step": "tanh(200*x[0])",
    "jump": "heaviside(x[0] - 0.3)",
    "stairs": "floor(3*x[0])",
    "cubic with zeros at the first nodes": "x[0]*(x[0]**2 - 1)",
    "even": "x[0]**8",
    "cusp": "max(0.1, x[0]*sin(3*x[0]))",
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_on_the_line_are_seen(name) -> None:
    model = model_of(f"2*{FEATURES[name]}*cos(2*pi*y1) + cos(2*pi*y1)", 1, 1e-5)
    assert_right_or_confessed(model, line_points(301))
    assert_right_or_confessed(model, scattered(200, 1))


@pytest.mark.parametrize("name", FEATURES)
def test_features_in_the_plane_are_seen(name) -> None:
    V1 = f"{FEATURES[name]}*cos(2*pi*y1[0]) + (1 + 0.3*x[1])*cos(2*pi*y1[1])"
    assert_right_or_confessed(model_of(V1, 2, 1e-4), grid(16, 16))


@pytest.mark.parametrize("centre", ["0.31*x[0] + 0.2", "x[0]"])
def test_features_that_move_through_the_cell_are_seen(centre) -> None:
    model = model_of(f"exp(20*(cos(2*pi*(y1[0] - ({centre}))) - 1)) + 0.5*x[0]*cos(2*pi*y1[0])", 1, 1e-5)
    assert_right_or_confessed(model, line_points(200))


@pytest.mark.parametrize("place", np.arange(6) / 6)
@pytest.mark.parametrize("sharpness", [30, 300])
def test_bumps_that_are_narrow_in_x_and_in_the_cell_are_seen(place, sharpness) -> None:
    """Few places of the cell show them: of width 1/(2 pi sqrt(sharpness)) of a period."""
    bump = f"exp(-400*(x - 0.31)**2)*exp({sharpness}*(cos(2*pi*(y1 - {place})) - 1))"
    assert_right_or_confessed(model_of(f"3*{bump} + cos(2*pi*y1)", 1, 1e-4), line_points(200))


def test_one_point_that_differs_is_seen() -> None:
    x = line_points(200)

    def V1(x_: FloatArray, y1: FloatArray) -> FloatArray:
        return (1 + 0.3 * x_[..., 0] + 2.0 * (x_[..., 0] == x[77, 0])) * np.cos(2 * np.pi * y1[..., 0])

    eff = model_of(V1, 1, 1e-6, V1_gradient=lambda _, y1: 0.3 * np.cos(2 * np.pi * y1))
    M = eff.evaluate(x).diffusion[:, 0, 0]
    amplitude = 1 + 0.3 * x[:, 0] + 2.0 * (np.arange(200) == 77)
    np.testing.assert_allclose(M, np.i0(amplitude) ** -2.0, rtol=1e-6)


# Callables --------------------------------------------------------------------------------------


def wavy(x: FloatArray, y1: FloatArray) -> FloatArray:
    return (1.0 + 0.5 * np.sin(2 * x[..., 0])) * np.cos(2 * np.pi * y1[..., 0])


def wavy_gradient(x: FloatArray, y1: FloatArray) -> FloatArray:
    slope = np.zeros((*np.broadcast_shapes(x.shape, y1.shape)[:-1], x.shape[-1]))
    slope[..., 0] = np.cos(2 * x[..., 0]) * np.cos(2 * np.pi * y1[..., 0])
    return slope


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("gradient", [None, wavy_gradient])
def test_callables_with_and_without_gradients(dim, gradient) -> None:
    """A callable may depend on every component of x; it is found out that it does not."""
    x = scattered(100, dim)
    eff = model_of(wavy, dim, 1e-7, V1_gradient=gradient).evaluate(x)
    assert eff.report.solved_points < len(x)
    s = 1 + 0.5 * np.sin(2 * x[:, 0])
    expected = np.where(np.eye(dim)[0], np.i0(s)[:, None] ** -2.0, 1.0)
    assert row_errors(eff.diffusion, expected[:, :, None] * np.eye(dim)).max() <= 1e-7
    slope = -(np.i0(s) ** -1.0) * (i1e(s) * np.exp(s)) * np.cos(2 * x[:, 0])
    np.testing.assert_allclose(eff.free_energy_gradient[:, 0], slope, rtol=0, atol=1e-5)
    np.testing.assert_allclose(eff.free_energy_gradient[:, 1:], 0.0, atol=1e-5)


# Where the points lie ---------------------------------------------------------------------------


PLANE = "(1 + 0.4*sin(x[0] + 0.5*x[1]))*cos(2*pi*y1[0]) + 0.3*cos(x[1])*cos(2*pi*y1[1])"
_t = np.linspace(-1, 1, 90)
CLUSTER = 0.1 * scattered(50, 2)
PLACEMENTS = {
    "a slanted line": np.stack([_t, 0.5 - 2 * _t], axis=-1),
    "a line along an axis": np.stack([np.full(90, 0.3), _t], axis=-1),
    "a circle": np.stack([np.cos(3 * _t), np.sin(3 * _t)], axis=-1),
    "all equal": np.full((100, 2), 0.3),
    "all equal but one": np.concatenate([np.full((99, 2), 0.3), [[1.0, -1.0]]]),
    "scattered": scattered(150, 2),
    "two clusters": np.concatenate([CLUSTER - 1e3, CLUSTER + 1e3]),
    "two clusters, near": np.concatenate([CLUSTER - 1.5, CLUSTER + 1.5]),
    "one point far away": np.concatenate([scattered(99, 2), [[30.0, -20.0]]]),
    "tiny box": 0.3 + 1e-9 * scattered(90, 2),
    "huge numbers": 1e6 + scattered(90, 2),
    "39 points": scattered(39, 2),
    "40 points": scattered(40, 2),
    "41 points": scattered(41, 2),
    "80 points": scattered(80, 2),
    "81 points": scattered(81, 2),
    "1 x 300": grid(1, 300),
    "300 x 1": grid(300, 1),
    "2 x 100": grid(2, 100),
    "many copies": np.tile(scattered(20, 2), (10, 1)),
}


@pytest.mark.parametrize("name", PLACEMENTS)
def test_the_points_may_lie_anywhere(name) -> None:
    assert_right(model_of(PLANE, 2, 1e-4), PLACEMENTS[name])


@pytest.mark.parametrize("name", ["scattered", "two clusters, near", "2 x 100"])
def test_results_do_not_depend_on_the_order_of_the_points(name) -> None:
    x, model = PLACEMENTS[name], model_of(PLANE, 2, 1e-5)
    order = np.random.default_rng(1).permutation(len(x))
    straight, shuffled = model.evaluate(x), model.evaluate(x[order])
    for field in FIELDS:
        np.testing.assert_allclose(getattr(shuffled, field), getattr(straight, field)[order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("component", [0, 1, 2])
def test_only_the_components_that_matter_are_interpolated(component) -> None:
    V1 = f"(1 + 0.5*sin(2*x[{component}]))*cos(2*pi*y1[0])"
    x = scattered(500, 3)
    eff = model_of(V1, 3, 1e-3).evaluate(x)
    assert eff.report.solved_points < 25
    s = 1 + 0.5 * np.sin(2 * x[:, component])
    np.testing.assert_allclose(eff.diffusion[:, 0, 0], np.i0(s) ** -2.0, rtol=1e-3)
    others = np.delete(eff.free_energy_gradient, component, axis=1)
    np.testing.assert_array_equal(others, 0.0)


@pytest.mark.parametrize("count", [FEW - 1, FEW])
def test_below_forty_points_all_are_solved(count) -> None:
    eff = model_of("(2 + x)*cos(2*pi*y1)", 1, 1e-4).evaluate(line_points(count))
    assert (eff.report.solved_points == count) == (count < FEW)


def test_inputs_stay_as_they_were() -> None:
    x = scattered(100, 2)
    kept = x.copy()
    x.flags.writeable = False
    model_of(PLANE, 2, 1e-3).evaluate(x)
    np.testing.assert_array_equal(x, kept)


# Where the potential is defined -----------------------------------------------------------------


def test_a_potential_defined_for_positive_x_alone() -> None:
    x = np.geomspace(1e-3, 2.0, 200)[:, None]
    eff = model_of("log(x)*cos(2*pi*y1)", 1, 1e-6).evaluate(x)
    s = np.abs(np.log(x[:, 0]))
    np.testing.assert_allclose(eff.diffusion[:, 0, 0], np.i0(s) ** -2.0, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.1, 0.7), (0.3, 1.1), (0.7, 0.8)])
def test_nodes_stay_between_the_first_and_the_last_point(low, high) -> None:
    """Not a rounding error outside: the potential is NaN there."""
    model = model_of(f"(x - {low!r})**1.5*cos(2*pi*y1)", 1, 1e-4)
    assert_right(model, line_points(200, low, high))


OUTSIDE_NAN = {
    "in the cell": "sqrt(1.001 - x[0]**2 - x[1]**2)*cos(2*pi*y1[0])",
    "by x alone": "sqrt(1.001 - x[0]**2 - x[1]**2) + (1 + 0.1*x[0]*x[1])*cos(2*pi*y1[0])",
}


@pytest.mark.parametrize("name", OUTSIDE_NAN)
def test_potentials_that_are_nan_beside_the_points(name) -> None:
    """The corners of the box around a disc: nobody asked for them."""
    assert_right(model_of(OUTSIDE_NAN[name], 2, 1e-4), disc(150))


def test_potentials_that_are_nan_between_two_clusters() -> None:
    x = np.concatenate([line_points(60, -3, -2), line_points(60, 2, 3)])
    assert_right(model_of("sqrt(x**2 - 3.9)*cos(2*pi*y1)", 1, 1e-4), x)


BAND = scattered(400, 2)
BAND = BAND[np.abs(BAND[:, 0] - BAND[:, 1]) < 0.2]


@pytest.mark.parametrize("growth", [20, 100, 300])
def test_potentials_too_strong_beside_the_points(growth) -> None:
    """Points along the diagonal; at the corners off it exp(-V1/sigma) leaves the range of numbers."""
    V1 = f"0.5*exp({growth}*((x[0] - x[1])**2 - 0.04))*cos(2*pi*y1[0])"
    assert_right(model_of(V1, 2, 1e-4), BAND)


def test_solutions_that_fail_beside_the_points_do_not_matter() -> None:
    """Nodes off the diagonal are given up; their failures must not refuse the points, which all converge."""
    V = cs.Potential("(0.05 + 20*(x[0] - x[1])**2)*cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1)
    assert_right(cs.homogenize(V, sigma=1.0, tol=1e-6, cells=cs.box_cell(2, n=8, order=2)), BAND)


@pytest.mark.parametrize("V1", ["sqrt(x - 0.5)*cos(2*pi*y1)", "log(x)*cos(2*pi*y1)"])
def test_potentials_that_are_nan_at_points_are_refused(V1) -> None:
    with pytest.raises(CoefficientError, match="finite"):
        model_of(V1, 1, 1e-4).evaluate(line_points(100))


# Workers, cost, progress ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["threads", "processes"])
@pytest.mark.parametrize("feature", ["0.5*sin(2*x[0])", "abs(x[0] - 0.2)"])
def test_results_do_not_depend_on_the_workers(name, feature) -> None:
    model, x = model_of(f"(1 + {feature} + 0.1*x[1])*cos(2*pi*y1[0])*cos(2*pi*y1[1])", 2, 1e-3), grid(12, 12)
    alone = model.evaluate(x)
    with two_workers(name) as executor:
        shared = model.evaluate(x, executor=executor)
    assert_same(shared, alone)
    assert shared.report.solved_points == alone.report.solved_points


def test_callables_that_cannot_be_sent_are_refused() -> None:
    model = model_of(lambda x, y1: wavy(x, y1), 1, 1e-3)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=context) as executor,
        pytest.raises(CoefficientError, match="cannot be sent"),
    ):
        model.evaluate(line_points(50), executor=executor)


@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_finer_grids_cost_no_more(tol) -> None:
    """The same box: its fields ask for the same nodes, however many points there are."""
    model = model_of(PLANE, 2, tol)
    axes = {n: np.linspace(-1, 1, n) for n in (64, 256)}
    solved = {n: model.on_grid({"x0": t, "x1": t}).attrs["solved_points"] for n, t in axes.items()}
    assert abs(solved[64] - solved[256]) <= 0.2 * solved[64]
    assert solved[256] < 100


@pytest.mark.parametrize("name", FEATURES)
def test_interpolation_never_costs_much_more_than_it_saves(name) -> None:
    """Nodes of boxes that are given up are solved in vain; not for many times the points, though."""
    V1 = f"{FEATURES[name]}*cos(2*pi*y1[0]) + (1 + 0.3*x[1])*cos(2*pi*y1[1])"
    x = grid(20, 20)
    with suppress(ConvergenceError):
        assert model_of(V1, 2, 1e-4).evaluate(x).report.solved_points <= 2 * len(x)


@pytest.mark.parametrize("count", [40, 60, 90, 150])
def test_few_points_never_cost_many_more_than_all(count) -> None:
    """Where a polynomial does not pay, what was solved to find that out stays a part of the whole."""
    assert model_of(PLANE, 2, 1e-3).evaluate(scattered(count, 2)).report.solved_points <= 1.5 * count


def test_all_points_are_solved_where_that_is_asked_for() -> None:
    x = scattered(400, 2)
    assert model_of(PLANE, 2, 1e-3).evaluate(x, exact_points=True).report.solved_points == 400
    assert model_of(PLANE, 2, 1e-3).evaluate(x).report.solved_points < 100


PROGRESS = {
    "one box": ("(1 + 0.5*sin(3*x))*cos(2*pi*y1)", 1, 1, line_points(200)),
    "many boxes": ("abs(x - 0.2)*cos(2*pi*y1)", 1, 1, line_points(300)),
    "two scales": ("(1 + 0.5*sin(3*x))*cos(2*pi*y1)*cos(2*pi*y2)", 1, 2, line_points(100)),
    "shared inner cells": ("(1 + 0.5*sin(3*x))*cos(2*pi*y1) + cos(2*pi*y2)", 1, 2, line_points(100)),
    "degenerate box": ("(1 + 0.5*x[0] + 0.3*x[1])*cos(2*pi*y1[0])*cos(2*pi*y2[1])", 2, 2, grid(1, 100)),
}


@pytest.mark.parametrize("name", PROGRESS)
@pytest.mark.parametrize("exact_points", [False, True])
def test_progress_never_goes_back_and_ends(name, exact_points) -> None:
    V1, dim, scales, x = PROGRESS[name]
    seen: list[tuple[int, int]] = []
    model_of(V1, dim, 1e-3, scales).evaluate(x, progress=lambda *now: seen.append(now), exact_points=exact_points)
    assert all(before[0] < after[0] for before, after in pairwise(seen))
    assert all(0 < done <= total for done, total in seen)
    assert seen[-1][0] == seen[-1][1]
