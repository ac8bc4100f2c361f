"""Between the scales: logarithms of tensors, lattices and their errors, the structure of potentials, the recursion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import COUPLED, LANDSCAPES, SKEWED, FloatArray, random_tensors, relative_error, structured_cell

import cellsolve as cs
from cellsolve.fem.box_space import element_box
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.multiscale.fields import Fields, block_size, pack, unpack
from cellsolve.multiscale.lattice import (
    AtPoints,
    Lattice,
    fourier_amplitudes,
    needed_count,
    tail,
    trigonometric_matrix,
)
from cellsolve.multiscale.log_euclidean import compose, exp_derivative, log_derivative, spectrum
from cellsolve.multiscale.plan import Plan, Tally
from cellsolve.multiscale.recursion import sample_level
from cellsolve.potentials import Variable, levels_of, macroscopic_terms

DIMENSIONS = [1, 2, 3]


# Logarithm and exponential ----------------------------------------------------------------------


def log(K: FloatArray) -> FloatArray:
    values, vectors = spectrum(K)
    return compose(np.log(values), vectors)


def exp(L: FloatArray) -> FloatArray:
    values, vectors = spectrum(L)
    return compose(np.exp(values), vectors)


def nearly_isotropic(dim: int) -> FloatArray:
    """Eigenvalues that differ by 1e-16 to 1e-2, in random axes."""
    gaps = 10.0 ** -np.arange(2, 17)
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(len(gaps), dim, dim)))[0]
    return compose(3.0 + gaps[:, None] * np.arange(dim), Q)


TENSORS = {
    dim: np.concatenate([random_tensors(2, 20, dim), nearly_isotropic(dim), 5.0 * np.eye(dim)[None]])
    for dim in DIMENSIONS
}


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_spectra_belong_to_their_tensors(dim) -> None:
    values, vectors = spectrum(TENSORS[dim])
    np.testing.assert_allclose(compose(values, vectors), TENSORS[dim], atol=1e-13)
    np.testing.assert_allclose(
        vectors.swapaxes(1, 2) @ vectors, np.broadcast_to(np.eye(dim), vectors.shape), atol=1e-14
    )
    assert (np.diff(values, axis=-1) >= -1e-14).all()


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_exponential_inverts_logarithm(dim) -> None:
    np.testing.assert_allclose(exp(log(TENSORS[dim])), TENSORS[dim], atol=1e-13)
    np.testing.assert_allclose(log(exp(-TENSORS[dim])), -TENSORS[dim], rtol=0, atol=1e-9)


def test_exponential_agrees_with_its_series() -> None:
    L = 0.1 * TENSORS[3][:5]
    series, power = np.broadcast_to(np.eye(3), L.shape).copy(), np.broadcast_to(np.eye(3), L.shape)
    for k in range(1, 25):
        power = power @ L / k
        series += power
    np.testing.assert_allclose(exp(L), series, rtol=1e-13)


def directional(function, K: FloatArray, H: FloatArray) -> FloatArray:
    """d/dt function(K + t H) at t = 0, by a sixth-order difference."""
    h = 3e-3
    weights = {1: 45.0 / 60, 2: -9.0 / 60, 3: 1.0 / 60}
    return sum(w * (function(K + k * h * H) - function(K - k * h * H)) for k, w in weights.items()) / h


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_derivatives_are_those_of_differences(dim) -> None:
    K = TENSORS[dim]
    H = 0.1 * random_tensors(7, len(K), dim)
    H -= H.mean(axis=0)
    L = 0.2 * K
    np.testing.assert_allclose(log_derivative(spectrum(K), H), directional(log, K, H), atol=1e-9)
    np.testing.assert_allclose(exp_derivative(spectrum(L), H), directional(exp, L, H), atol=1e-9)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_derivatives_of_logarithm_and_exponential_are_inverse(dim) -> None:
    K = TENSORS[dim]
    H = random_tensors(8, len(K), dim)
    values, vectors = spectrum(K)
    there = log_derivative((values, vectors), H)
    np.testing.assert_allclose(exp_derivative((np.log(values), vectors), there), H, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dim", DIMENSIONS)
def test_packing_keeps_everything(dim) -> None:
    tensor, scalar = random_tensors(3, 6, dim).reshape(2, 3, dim, dim), np.arange(6.0).reshape(2, 3)
    channels = np.concatenate([pack(tensor, scalar), pack(2 * tensor, -scalar)], axis=-1)
    assert channels.shape == (2, 3, 2 * block_size(dim))
    fields = Fields(channels, dim, (1,))
    np.testing.assert_array_equal(fields.log_tensor, tensor)
    np.testing.assert_array_equal(fields.log_partition, scalar)
    np.testing.assert_array_equal(fields.derivative(1)[0], 2 * tensor)
    np.testing.assert_array_equal(unpack(channels, dim)[1], scalar)
    assert fields.derivative(0) is None


# Lattices ---------------------------------------------------------------------------------------


def trigonometric_polynomial(degree: int, y: FloatArray) -> FloatArray:
    random = np.random.default_rng(degree)
    a, b = random.normal(size=(2, degree + 1))
    m = np.arange(degree + 1)
    return np.cos(2 * np.pi * y[:, None] * m) @ a + np.sin(2 * np.pi * y[:, None] * m) @ b


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 15, 16])
def test_interpolation_is_exact_for_trigonometric_polynomials(count) -> None:
    degree = (count - 1) // 2
    places = np.concatenate([np.random.default_rng(1).random(40) * 3 - 1, np.arange(count) / count])
    samples = trigonometric_polynomial(degree, np.arange(count) / count)
    interpolated = trigonometric_matrix(count, places) @ samples
    np.testing.assert_allclose(interpolated, trigonometric_polynomial(degree, places), atol=1e-12)


@pytest.mark.parametrize("count", [2, 4, 16])
def test_the_highest_cosine_of_an_even_lattice_is_kept(count) -> None:
    places = np.random.default_rng(1).random(20)
    samples = np.cos(np.pi * np.arange(count))
    np.testing.assert_allclose(
        trigonometric_matrix(count, places) @ samples, np.cos(np.pi * count * places), atol=1e-12
    )


ANALYTIC = {
    "poisson, slow": lambda y: 1 / (1.05 - np.cos(2 * np.pi * y)),
    "poisson, fast": lambda y: 1 / (3.0 - np.cos(2 * np.pi * (y - 0.3))),
    "entire": lambda y: np.exp(np.cos(2 * np.pi * (y - 0.1))),
    "cold": lambda y: np.exp(3 * np.sin(2 * np.pi * y) + np.cos(4 * np.pi * y)),
    "logarithm": lambda y: np.log(1.3 + np.sin(2 * np.pi * y) * np.cos(2 * np.pi * (y + 0.2))),
}


@pytest.mark.parametrize("count", [12, 16, 24, 32, 48])
@pytest.mark.parametrize("name", ANALYTIC)
def test_the_tail_covers_the_interpolation_error(name, count) -> None:
    f, fine = ANALYTIC[name], np.arange(4000) / 4000
    samples = f(np.arange(count) / count)
    error = np.abs(trigonometric_matrix(count, fine) @ samples - f(fine)).max()
    estimate = tail(fourier_amplitudes(samples, 0))
    rounding = 1e-14 * np.abs(samples).max()
    assert error <= estimate + rounding
    assert estimate <= 100 * error + 10 * rounding


@pytest.mark.parametrize("count", [5, 8, 13])
def test_amplitudes_are_those_of_the_waves(count) -> None:
    y = np.arange(count) / count
    values = 3.0 + 2.0 * np.cos(2 * np.pi * (y - 0.2)) + 0.5 * np.sin(4 * np.pi * y)
    expected = np.zeros(count // 2 + 1)
    expected[:3] = 3.0, 2.0, 0.5
    np.testing.assert_allclose(fourier_amplitudes(values, 0), expected, atol=1e-14)
    stacked = fourier_amplitudes(np.stack([values, 2 * values], axis=1)[None], 1)
    np.testing.assert_allclose(stacked[0], [expected, 2 * expected], atol=1e-14)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_the_needed_count_is_the_one_promised(rate, tolerance) -> None:
    """The least odd n with 2 sum_(m > n/2) c_m c_(m - n) <= tolerance, by brute force for amplitudes rate^m."""

    def error(n: int) -> float:
        modes = range((n + 1) // 2, 200)
        return 2 * sum(rate**m * rate ** min(abs(m - k * n) for k in range(200 // n + 2)) for m in modes)

    expected = next(n for n in range(3, 100, 2) if error(n) <= tolerance)
    assert needed_count(rate ** np.arange(65.0), tolerance) == expected


def test_the_needed_count_grows_as_the_tolerance_falls() -> None:
    amplitudes = fourier_amplitudes(ANALYTIC["cold"](np.arange(64) / 64), 0)
    counts = [needed_count(amplitudes, t) for t in (1e-2, 1e-4, 1e-8)]
    assert counts == sorted(set(counts))


def plane_wave(components: FloatArray, period: FloatArray) -> FloatArray:
    """cos and sin of lattice waves at points whose components stand first: (..., 2)."""
    s = np.tensordot(np.linalg.inv(period).T, components, axes=1)
    return np.stack([np.cos(2 * np.pi * (s[0] - 2 * s[1])), np.sin(2 * np.pi * s[0]) + 0.3], axis=-1)


@pytest.mark.parametrize("kind", ["box", "skewed box", "mesh", "skewed mesh"])
def test_lattices_carry_waves_to_the_points(kind) -> None:
    period = np.array(SKEWED[2]) if "skewed" in kind else np.eye(2)
    space = element_box(2, 2, 3, period) if "box" in kind else MeshSpace(structured_cell("triangle", 3, period), 2)
    lattice = Lattice((5, 6), period)
    samples = plane_wave(lattice.components(space), period)
    expected = plane_wave(space.points.T, period)
    np.testing.assert_allclose(lattice.to_points(samples[None], space)[0], expected, atol=1e-12)
    points = AtPoints(len(space.weights), 2)
    at_points = plane_wave(points.components(space), period)
    np.testing.assert_allclose(points.to_points(at_points[None], space)[0], expected, atol=1e-13)


# Structure --------------------------------------------------------------------------------------


def parameters(V1: str, dim: int, scales: int) -> list[set[str]]:
    """Of the levels N .. 1."""
    return [set(map(str, level.parameters)) for level in levels_of(cs.Potential(V1, dim=dim, scales=scales))]


STRUCTURES = {
    "coupled": (COUPLED, 2, 2, [{"y1[0]", "y1[1]"}, set()]),
    "separable": ("cos(2*pi*y1[0]) + sin(2*pi*y2[1])", 2, 2, [set(), set()]),
    "one component": ("cos(2*pi*y1[1])*cos(2*pi*y2[0])", 2, 2, [{"y1[1]"}, set()]),
    "x inside": ("x[1]*cos(2*pi*y2[0]) + cos(2*pi*y1[0])", 2, 2, [{"x[1]"}, {"x[1]"}]),
    "x outside": ("cos(2*pi*y2[0]) + x[0]*cos(2*pi*y1[0])", 2, 2, [set(), {"x[0]"}]),
    "x alone": ("cos(2*pi*y1[0]) + x[0]**2", 2, 1, [set()]),
    "skips a level": ("cos(2*pi*y1)*cos(2*pi*y3)", 1, 3, [{"y1[0]"}, {"y1[0]"}, set()]),
    "chain": ("cos(2*pi*(y2 - y3)) + cos(2*pi*(y1 - y2))", 1, 3, [{"y2[0]"}, {"y1[0]"}, set()]),
    "nothing": ("0", 2, 2, [set(), set()]),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_levels_depend_on_what_stands_beside_their_variable(name) -> None:
    V1, dim, scales, expected = STRUCTURES[name]
    assert parameters(V1, dim, scales) == expected


def test_terms_enter_at_their_deepest_variable() -> None:
    V = cs.Potential("x[0] + cos(2*pi*y1[0]) + x[1]*cos(2*pi*y1[0])*cos(2*pi*y2[1])", dim=2, scales=2)
    inner, outer = levels_of(V)
    assert [(level.number, len(level.terms)) for level in (inner, outer)] == [(2, 1), (1, 1)]
    assert outer.inherited == inner.parameters == {Variable("x", 1), Variable("y1", 0)}
    assert len(macroscopic_terms(V)) == 1


def test_a_level_without_its_variable_is_trivial() -> None:
    inner, outer = levels_of(cs.Potential("cos(2*pi*y1[0])", dim=2, scales=2))
    assert inner.is_trivial
    assert not outer.is_trivial
    inner, outer = levels_of(cs.Potential("cos(2*pi*y2[0])", dim=2, scales=2))
    assert not inner.is_trivial
    assert outer.is_trivial


def solved(V1: str, dim: int, scales: int, x: FloatArray, tol: float = 1e-5) -> dict[int, int]:
    """Cell problems that evaluation took, planning left out."""
    V = cs.Potential(V1, dim=dim, scales=scales)
    report = cs.homogenize(V, sigma=1.0, tol=tol).evaluate(x, exact_points=True).report
    return {k: n - report.planning_problems.get(k, 0) for k, n in report.cell_problems.items()}


def test_separable_potentials_need_one_inner_problem() -> None:
    x = np.zeros((50, 2))
    x[:, 0] = np.linspace(0, 1, 50)
    V1 = "cos(2*pi*y1[0])*sin(2*pi*y1[1])*x[0] + cos(2*pi*y2[0])*cos(2*pi*y2[1]) + sin(2*pi*(y2[0] - y2[1]))"
    report = cs.homogenize(cs.Potential(V1, dim=2, scales=2), sigma=1.0, tol=1e-4).evaluate(x).report
    assert report.cell_problems[2] - report.planning_problems[2] <= 1
    assert solved(V1, 2, 2, x)[1] == 50


def test_points_that_differ_in_nothing_are_solved_once() -> None:
    x = np.random.default_rng(1).random((30, 2))
    x[:, 0] = np.repeat([0.1, 0.2, 0.3], 10)
    assert solved("x[0]*cos(2*pi*y1[0])*cos(2*pi*y1[1]) + x[1]**2", 2, 1, x)[1] == 3
    assert solved("cos(2*pi*y1[0])*cos(2*pi*y1[1]) + x[1]**2", 2, 1, x)[1] == 1


def test_a_variable_of_one_component_is_sampled_along_it() -> None:
    V = cs.Potential("cos(2*pi*y1[1])*cos(2*pi*y2[0]) + sin(2*pi*y2[1])", dim=2, scales=2)
    report = cs.homogenize(V, sigma=1.0, tol=1e-4).evaluate(np.zeros(2)).report
    assert report.samplings["y1"].startswith("1 x ")


# Recursion --------------------------------------------------------------------------------------


def channels(plan: Plan) -> FloatArray:
    """log K_0 and log Z."""
    rows = {"x": np.zeros((1, plan.dim))}
    return sample_level(replace(plan, prepared={}), rows, 0, 0, (), Tally()).fields.channels[0]


@pytest.mark.parametrize("name", ["two scales", "three scales", "coupled"])
def test_lattices_and_quadrature_points_agree(name) -> None:
    V = LANDSCAPES[name].potential
    plan = cs.homogenize(V, sigma=1.0, tol=1e-6 if V.dim == 1 else 1e-4).plan(np.zeros((1, V.dim)))[0].plan
    assert all(isinstance(sampling, Lattice) for sampling in plan.samplings.values())
    at_points = {k: AtPoints(len(plan.solvers[k].space.weights), V.dim) for k in plan.samplings}
    np.testing.assert_allclose(channels(replace(plan, samplings=at_points)), channels(plan), atol=plan.tol * 300)


@pytest.mark.parametrize("V1", ["abs(sin(pi*y1))*(1 + 0.5*cos(2*pi*y2))", "abs(sin(pi*y1)) + 0.5*sin(2*pi*(y1 - y2))"])
def test_kinks_are_sampled_at_quadrature_points(V1) -> None:
    V = cs.Potential(V1, dim=1, scales=2)
    eff = cs.homogenize(V, sigma=0.7, tol=1e-7).evaluate(np.zeros(1))
    expected = cs.exact.effective_diffusion_1d(V, 0.7, np.zeros(1))
    assert relative_error(eff.diffusion, expected.reshape(1, 1)) <= 1e-7
    if "1 + 0.5" in V1:  # the kink reaches K_1 itself
        assert eff.report.samplings["y1"].endswith("quadrature points")


@pytest.mark.parametrize("name", ["slow"])
@pytest.mark.parametrize("size", [1, 40, 10**6])
def test_chunk_boundaries_do_not_matter(name, size, monkeypatch) -> None:
    x = np.random.default_rng(1).normal(size=(6, 2))
    model = cs.homogenize(LANDSCAPES[name].potential, sigma=1.0, tol=1e-3)
    expected = model.evaluate(x)
    monkeypatch.setattr("cellsolve.multiscale.evaluation._PROBLEMS_PER_CHUNK", size)
    eff = model.evaluate(x)
    np.testing.assert_allclose(eff.diffusion, expected.diffusion, rtol=0, atol=1e-12)
    np.testing.assert_allclose(eff.diffusion_divergence, expected.diffusion_divergence, rtol=0, atol=1e-10)
    np.testing.assert_allclose(eff.log_partition_function, expected.log_partition_function, rtol=0, atol=1e-12)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4), st.floats(0.5, 3.0))
def test_two_scales_on_the_line_have_a_closed_form(a, sigma) -> None:
    V1 = f"{a[0]}*cos(2*pi*y1) + {a[1]}*sin(2*pi*(y1 + y2)) + {a[2]}*cos(2*pi*y1)*cos(4*pi*y2) + {a[3]}*sin(2*pi*y2)"
    V = cs.Potential(V1, dim=1, scales=2)
    eff = cs.homogenize(V, sigma=sigma, tol=1e-6).evaluate(np.zeros(1))
    assert relative_error(eff.diffusion, cs.exact.effective_diffusion_1d(V, sigma, np.zeros(1)).reshape(1, 1)) <= 1e-6


EVEN = "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*cos(2*pi*(y1[1] + y2[1])) + 0.5*cos(2*pi*(y2[0] - y2[1]))*(1 + 0.1*x[0])"


def test_even_potentials_are_solved_on_half_their_lattice(monkeypatch) -> None:
    """K_1(-y1) = K_1(y1): the same result, derivatives included, from half the inner problems."""
    x = np.array([[0.3, 0.0], [-0.8, 0.0]])
    work = []
    for even in (True, False):
        if not even:
            monkeypatch.setattr("cellsolve.multiscale.planning._even_levels", lambda *_: frozenset())
        eff = cs.homogenize(cs.Potential(EVEN, dim=2, scales=2), sigma=1.0, tol=1e-8).evaluate(x)
        work.append((eff, eff.report.cell_problems[2] - eff.report.planning_problems[2]))
    (half, some), (whole, all_of_them) = work
    np.testing.assert_allclose(half.diffusion, whole.diffusion, rtol=1e-9)
    np.testing.assert_allclose(half.diffusion_divergence, whole.diffusion_divergence, atol=1e-7)
    assert some <= 0.6 * all_of_them


@pytest.mark.parametrize(
    ("V1", "even"),
    [
        (EVEN, {1, 2}),
        (EVEN + " + 0.1*sin(2*pi*y2[0])", set()),
        (EVEN + " + 0.1*sin(2*pi*y1[0])", {2}),
        ("sin(2*pi*y1[0])*sin(2*pi*y2[0])", {1, 2}),
        ("sin(2*pi*y1[0])*cos(2*pi*y2[0])", set()),
    ],
)
def test_evenness_is_that_of_all_inner_levels(V1, even) -> None:
    V = cs.Potential(V1, dim=2, scales=2)
    assert cs.homogenize(V, sigma=1.0, tol=1e-3).plan(np.zeros((1, 2)))[0].plan.even == even
