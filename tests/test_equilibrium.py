"""Invariant densities, their limits as eps -> 0, the distances between them (Proposition 3, Example 1, section 3.1)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0, i1

import cellsolve as cs
from cellsolve.dynamics.cosine_limits import cosine_relative_entropy, cosine_total_variation
from cellsolve.dynamics.density import invariant_density_of
from cellsolve.dynamics.landscapes import SlowLandscape
from cellsolve.dynamics.piecewise import absolute_integral, antiderivative, from_gauss_points
from cellsolve.dynamics.quadrature import gauss_rule

SIGMA = 0.5
EXAMPLE = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
COUPLED = cs.Potential("(1 + 0.5*tanh(x))*cos(2*pi*y1) + 0.3*sin(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
PLANE = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1, V0="x[0]**2 + 2*x[1]**2")


def gaussian(x: np.ndarray, variance: float) -> np.ndarray:
    return np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


@pytest.mark.parametrize("eps", [0.4, 0.1])
def test_full_density_is_that_of_the_rough_potential(eps: float) -> None:
    mu = cs.invariant_density(EXAMPLE, sigma=SIGMA, eps=eps)
    x = np.linspace(-3.0, 3.0, 41)[:, None]
    rough = np.exp(-(x[:, 0] ** 2 / 2 + np.cos(2 * np.pi * x[:, 0] / eps)) / SIGMA)
    mass = quad(lambda z: np.exp(-(z**2 / 2 + np.cos(2 * np.pi * z / eps)) / SIGMA), -6, 6, limit=2000, epsabs=1e-12)[0]
    np.testing.assert_allclose(mu.density(x), rough / mass, rtol=1e-10)
    assert mu.error < 1e-10
    assert mu.expectation(lambda z: np.ones(z.shape[:-1])).value == pytest.approx(1.0, abs=1e-10)


def test_scale_k_has_the_period_eps_to_the_k() -> None:
    V = cs.Potential("cos(2*pi*y1) + 0.5*sin(2*pi*y2)*x", dim=1, scales=2, V0="x**2/2")
    mu = cs.invariant_density(V, sigma=SIGMA, eps=0.3)
    x = np.array([-0.7, 0.2, 1.1])
    U = x**2 / 2 + np.cos(2 * np.pi * x / 0.3) + 0.5 * x * np.sin(2 * np.pi * x / 0.09)
    np.testing.assert_allclose(np.diff(mu.log_density(x[:, None])), -np.diff(U) / SIGMA, rtol=1e-11)


def test_separable_potentials_keep_the_stationary_law_of_V0() -> None:
    nu = cs.homogenized_density(cs.homogenize(EXAMPLE, sigma=SIGMA))
    x = np.linspace(-3.0, 3.0, 41)
    np.testing.assert_allclose(nu.density(x[:, None]), gaussian(x, SIGMA), rtol=1e-12)
    plane = cs.homogenized_density(cs.homogenize(PLANE, sigma=SIGMA))
    points = np.stack([x, 0.3 - 0.5 * x], axis=-1)
    expected = gaussian(points[:, 0], SIGMA / 2) * gaussian(points[:, 1], SIGMA / 4)
    np.testing.assert_allclose(plane.density(points), expected, rtol=1e-10)


def test_homogenized_density_weighs_V0_with_the_partition_function() -> None:
    nu = cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-9))

    def weight(x: float) -> float:
        s = np.hypot(1 + 0.5 * np.tanh(x), 0.3) / SIGMA
        return float(i0(s) * np.exp(-(x**2) / (2 * SIGMA)))

    mass = quad(weight, -6, 6, epsabs=1e-13, epsrel=1e-13)[0]
    x = np.linspace(-2.0, 2.0, 9)
    np.testing.assert_allclose(nu.density(x[:, None]), [weight(z) / mass for z in x], rtol=1e-7)
    assert nu.expectation(lambda z: z[..., 0]).value > 0.05


def test_expectations_of_the_full_dynamics_tend_to_the_homogenized_ones() -> None:
    nu = cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-9)).expectation(lambda x: np.tanh(x[..., 0]))
    for eps in (0.1, 0.05):
        mu = cs.invariant_density(COUPLED, sigma=SIGMA, eps=eps).expectation(lambda x: np.tanh(x[..., 0]))
        assert mu.value == pytest.approx(nu.value, abs=1e-8)


@pytest.mark.parametrize("distance", [cs.wasserstein_distance, cs.weak_distance])
def test_weak_distances_are_of_order_eps(distance) -> None:
    nu = cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-9))
    values = [distance(cs.invariant_density(COUPLED, sigma=SIGMA, eps=eps), nu, tol=1e-6).value for eps in (0.1, 0.05)]
    assert np.log2(values[0] / values[1]) == pytest.approx(1.0, abs=0.05)


def test_strong_distances_of_example_1_do_not_vanish() -> None:
    nu = cs.homogenized_density(cs.homogenize(EXAMPLE, sigma=SIGMA))
    mu = cs.invariant_density(EXAMPLE, sigma=SIGMA, eps=0.1)
    s = 1.0 / SIGMA
    variation, entropy = cs.total_variation(mu, nu), cs.relative_entropy(mu, nu)
    assert variation.value == pytest.approx(cosine_total_variation(s), abs=1e-9)
    assert entropy.value == pytest.approx(s * i1(s) / i0(s) - np.log(i0(s)), abs=1e-11)
    assert entropy.value >= 2 * variation.value**2 > 0


@pytest.mark.parametrize("s", [1e-4, 0.3, 2.0, 40.0, 3000.0])
def test_closed_limits_of_example_1(s: float) -> None:
    def density(t: float) -> float:
        return float(np.exp(s * (np.cos(np.pi * t) - 1.0) - np.log(i0e_mean(s))))

    crossing = float(np.arccos(1.0 + np.log(i0e_mean(s)) / s) / np.pi)
    peak = min(crossing, 20.0 / np.sqrt(s))
    parts = [(0.0, peak), (peak, crossing)]
    variation = sum(quad(lambda t: density(t) - 1.0, *part, epsabs=1e-13)[0] for part in parts)
    assert cosine_total_variation(s) == pytest.approx(variation, abs=1e-10)
    whole = [(0.0, peak), (peak, 1.0)]
    entropy = sum(quad(lambda t: density(t) * np.log(density(t) + 1e-300), *part, epsabs=1e-13)[0] for part in whole)
    assert cosine_relative_entropy(s) == pytest.approx(entropy, abs=1e-10)
    assert cosine_relative_entropy(-s) == cosine_relative_entropy(s) >= 0


def i0e_mean(s: float) -> float:
    """The mean of exp(s (cos t - 1)), by the trapezoidal rule."""
    t = 2 * np.pi * np.arange(4096) / 4096
    return float(np.exp(s * (np.cos(t) - 1.0)).mean())


def test_distances_between_gaussians() -> None:
    shifted = [cs.Potential("0", dim=1, scales=1, V0=f"(x - {m})**2/2") for m in (0.0, 0.7)]
    mu, nu = (cs.homogenized_density(cs.homogenize(V, sigma=1.0)) for V in shifted)
    assert cs.wasserstein_distance(mu, nu).value == pytest.approx(0.7, rel=1e-8)
    assert cs.relative_entropy(mu, nu).value == pytest.approx(0.7**2 / 2, rel=1e-9)
    assert cs.total_variation(mu, nu).value == pytest.approx(2 * 0.13683065, abs=1e-7)  # 2 Phi(0.35) - 1
    assert cs.weak_distance(mu, nu).value <= 0.7
    assert cs.total_variation(mu, mu).value == 0.0


def test_plane_distances() -> None:
    nu = cs.homogenized_density(cs.homogenize(PLANE, sigma=SIGMA))
    mus = [cs.invariant_density(PLANE, sigma=SIGMA, eps=eps, tol=1e-8) for eps in (1.0, 0.5)]
    weak = [cs.weak_distance(mu, nu, tol=1e-4).value for mu in mus]
    assert np.log2(weak[0] / weak[1]) == pytest.approx(1.0, abs=0.1)
    t = 2 * np.pi * np.arange(64) / 64
    ratio = np.exp(-np.outer(np.cos(t), np.cos(t)) / SIGMA)
    ratio /= ratio.mean()
    assert cs.relative_entropy(mus[1], nu, tol=1e-4).value == pytest.approx((ratio * np.log(ratio)).mean(), rel=1e-4)
    assert cs.total_variation(mus[1], nu, tol=2e-3).value == pytest.approx(abs(ratio - 1).mean() / 2, rel=1e-2)


def test_boxes_have_walls() -> None:
    mu = cs.invariant_density(EXAMPLE, sigma=SIGMA, eps=0.25, box=[0.0, 1.0])
    assert mu.density([[1.5]]) == 0.0
    x = (np.arange(20000) + 0.5)[:, None] / 20000
    assert mu.density(x).mean() == pytest.approx(1.0, abs=1e-7)
    free = cs.Potential("cos(2*pi*y1)", dim=1, scales=1)
    assert cs.invariant_density(free, sigma=1.0, eps=0.5, box=[[0, 2]]).error < 1e-9


def test_far_and_narrow_wells_are_found() -> None:
    V = cs.Potential("0", dim=1, scales=1, V0="1000*(x - 300)**2")
    nu = cs.homogenized_density(cs.homogenize(V, sigma=1.0))
    assert nu.expectation(lambda x: x[..., 0]).value == pytest.approx(300.0, abs=1e-7)
    assert nu.log_normalization == pytest.approx(0.5 * np.log(np.pi / 1000.0), abs=1e-9)


def test_absolute_integrals_are_split_at_the_roots() -> None:
    nodes, _ = gauss_rule(8)
    half = 0.5
    x = half * (2 * np.arange(3)[:, None] + 1 + nodes)
    panels = from_gauss_points((x - 0.3) * (x - 1.7) * (x - 1.8))
    dense = (np.arange(300000) + 0.5) / 100000
    expected = np.abs((dense - 0.3) * (dense - 1.7) * (dense - 1.8)).mean() * 3.0
    assert absolute_integral(panels, half) == pytest.approx(expected, rel=1e-8)
    whole = antiderivative(panels, half)
    assert whole[0].sum() == pytest.approx(whole[1] @ (-1.0) ** np.arange(9), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.0), "eps = 0.0, needed"),
        (lambda: cs.invariant_density(EXAMPLE, sigma=-1.0, eps=0.1), "sigma = -1.0, needed"),
        (lambda: cs.invariant_density("x", sigma=1.0, eps=0.1), "needed a Potential"),
        (lambda: cs.homogenized_density("x"), "needed an EffectiveModel"),
        (
            lambda: cs.invariant_density(cs.Potential("cos(2*pi*y1)", dim=1, scales=1), sigma=1, eps=0.1),
            "does not confine",
        ),
        (
            lambda: cs.invariant_density(cs.Potential("0", dim=1, scales=1, V0="-x**2"), sigma=1, eps=0.1),
            "does not confine",
        ),
        (lambda: cs.invariant_density(cs.Potential("0", dim=3, scales=1), sigma=1, eps=0.1), "needed 1 or 2"),
        (lambda: cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.1, box=[2.0, 1.0]), "low < high"),
        (lambda: cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.1).density([1.0, 2.0]), r"needed \(..., 1\)"),
        (lambda: cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.1).expectation(lambda x: x), "components of a point"),
    ],
)
def test_bad_input_is_refused(make, message: str) -> None:
    with pytest.raises(cs.CoefficientError, match=message):
        make()


def test_distances_need_one_domain() -> None:
    mu = cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.5)
    walled = cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.5, box=[-1, 1])
    with pytest.raises(cs.CoefficientError, match="needed the same domain"):
        cs.total_variation(mu, walled)
    plane = cs.invariant_density(PLANE, sigma=1.0, eps=0.5, tol=1e-4)
    with pytest.raises(cs.CoefficientError, match="1 and 2 dimensions"):
        cs.relative_entropy(mu, plane)
    with pytest.raises(cs.CoefficientError, match="Use weak_distance"):
        cs.wasserstein_distance(plane, plane)


def test_scales_too_short_to_resolve_are_refused() -> None:
    with pytest.raises(cs.ConvergenceError, match="shortest period"):
        cs.invariant_density(EXAMPLE, sigma=1.0, eps=1e-7)


@pytest.mark.parametrize(
    "distance", [cs.total_variation, cs.relative_entropy, cs.wasserstein_distance, cs.weak_distance]
)
def test_distances_of_what_is_no_density_are_refused(distance) -> None:
    mu = cs.invariant_density(EXAMPLE, sigma=1.0, eps=0.5)
    for pair in ((mu, 3), (3, mu)):
        with pytest.raises(cs.CoefficientError, match="got a int, needed an InvariantDensity"):
            distance(*pair)
    with pytest.raises(cs.CoefficientError, match="needed an InvariantDensity"):
        cs.spectral_gap(3)


@pytest.mark.parametrize(
    ("V0", "expected"),
    [
        ("min((x-2000)**2, 1000*(x+3000)**2 - 10)", np.log(np.exp(10.0) * np.sqrt(np.pi / 1000) + np.sqrt(np.pi))),
        ("x**2/2 - 1000*exp(-1e4*(x-30.1)**2)", 539.508715215253),  # Gauss quadrature centred on the well
        ("x**2/2 - 50*exp(-1e8*(x-3.1)**2)", 34.60869687386),
    ],
)
def test_deep_wells_outside_of_the_first_box_or_narrow_are_found(V0: str, expected: float) -> None:
    V = cs.Potential("0", dim=1, scales=1, V0=V0)
    found = invariant_density_of(SlowLandscape(V, 1.0), box=None, tol=1e-8)
    assert found.log_normalization == pytest.approx(expected, abs=1e-9)
