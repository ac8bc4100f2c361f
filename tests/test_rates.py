"""Spectral gaps against closed forms, another discretization and the bound (Proposition 4)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from scipy.special import i0

import cellsolve as cs
from cellsolve.dynamics.density import invariant_density_of
from cellsolve.dynamics.landscapes import FullLandscape, SlowLandscape
from cellsolve.dynamics.plane_spectrum import gap_in_plane
from cellsolve.dynamics.rates import oscillation

SIGMA = 0.5
EXAMPLE = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
COUPLED = cs.Potential("(1 + 0.5*tanh(x))*cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
WELLS = cs.Potential("0", dim=1, scales=1, V0="(x**2 - 1)**2")


def slow_gap(V: cs.Potential, sigma: float, **keywords) -> cs.SpectralGap:
    return cs.spectral_gap(invariant_density_of(SlowLandscape(V, sigma), box=None, tol=1e-8), **keywords)


def finite_volume_gap(V: cs.Potential, sigma: float, eps: float, n: int) -> float:
    """The gap by finite volumes, n to the interval [-5, 5]."""
    edges = np.linspace(-5.0, 5.0, n + 1)
    h, U = edges[1] - edges[0], FullLandscape(V, sigma, eps).energy
    mass = h * np.exp(-U(0.5 * (edges[1:] + edges[:-1])[:, None]) / sigma)
    flow = sigma * np.exp(-U(edges[1:-1, None]) / sigma) / h
    diagonal = (np.append(flow, 0) + np.append(0, flow)) / mass
    off = -flow / np.sqrt(mass[1:] * mass[:-1])
    return float(scipy.linalg.eigvalsh_tridiagonal(diagonal, off, select="i", select_range=(1, 1))[0])


@pytest.mark.parametrize("sigma", [2.0, 0.01])
def test_gap_of_a_parabola_is_its_curvature(sigma: float) -> None:
    gap = slow_gap(cs.Potential("0", dim=1, scales=1, V0="1.5*(x - 4)**2"), sigma)
    assert gap.rate == pytest.approx(3.0, rel=1e-10)
    assert gap.poincare_constant == pytest.approx(3.0 / sigma, rel=1e-10)
    assert gap.relative_error < 1e-8


def test_gap_of_the_full_dynamics_agrees_with_finite_volumes() -> None:
    gap = cs.spectral_gap(cs.invariant_density(COUPLED, sigma=SIGMA, eps=0.2))
    coarse, fine = (finite_volume_gap(COUPLED, SIGMA, 0.2, n) for n in (4000, 8000))
    assert abs(gap.rate - (4 * fine - coarse) / 3) < 1e-7


@pytest.mark.parametrize("sigma", [0.02, 0.005])
def test_cold_double_well_follows_kramers(sigma: float) -> None:
    """lambda = 2 sqrt(U''(1) |U''(0)|)/(2 pi) exp(-1/sigma) (1 + O(sigma)); at 0.005 that is 1e-87."""
    kramers = np.log(np.sqrt(8.0 * 4.0) / np.pi) - 1.0 / sigma
    assert slow_gap(WELLS, sigma).log_rate == pytest.approx(kramers, abs=0.5 * sigma)


def test_rates_below_the_smallest_float_keep_their_logarithm() -> None:
    gap = slow_gap(WELLS, 1.0 / 900.0)
    assert gap.rate == 0.0
    assert gap.log_rate == pytest.approx(np.log(np.sqrt(32.0) / np.pi) - 900.0, abs=1e-3)


def test_separable_gap_is_that_of_V0_times_M() -> None:
    gap = cs.spectral_gap(cs.homogenized_density(cs.homogenize(EXAMPLE, sigma=SIGMA, tol=1e-10)))
    assert gap.rate == pytest.approx(1.0 / i0(2.0) ** 2, rel=1e-9)


@pytest.mark.parametrize("V", [EXAMPLE, COUPLED])
def test_gaps_of_the_full_dynamics_tend_to_the_homogenized_one(V: cs.Potential) -> None:
    limit = cs.spectral_gap(cs.homogenized_density(cs.homogenize(V, sigma=SIGMA, tol=1e-9))).rate
    rates = [cs.spectral_gap(cs.invariant_density(V, sigma=SIGMA, eps=eps)).rate for eps in (0.1, 0.05)]
    errors = np.abs(np.array(rates) / limit - 1.0)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)
    assert errors[1] < 1e-3
    assert min(*rates, limit) > cs.poincare_bound(V, sigma=SIGMA) > 0


def test_poincare_bound_is_that_of_V0_less_the_oscillation() -> None:
    assert cs.poincare_bound(EXAMPLE, sigma=SIGMA) == pytest.approx(np.exp(-2.0 / SIGMA), rel=1e-7)
    V = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y2[1]) + 0.5*sin(2*pi*y1[1])", dim=2, scales=2, V0="x[0]**2 + x[1]**2")
    assert oscillation(V, np.array([[-1.0, 1.0], [-1.0, 1.0]])) == pytest.approx(3.0, abs=1e-6)


def test_gap_in_the_plane_of_a_parabola() -> None:
    V = cs.Potential("0", dim=2, scales=1, V0="2*x[0]**2 + 3*x[1]**2 + x[0]*x[1]")
    assert slow_gap(V, SIGMA, tol=1e-5).rate == pytest.approx(5.0 - np.sqrt(2.0), rel=1e-6)


def test_gap_in_the_plane_with_a_full_tensor() -> None:
    """M = A constant, U = x.H x/2: the rates are the eigenvalues of A H."""
    V = cs.Potential("1.2*cos(2*pi*(y1[0] + y1[1]))", dim=2, scales=1, V0="2*x[0]**2 + x[1]**2")
    model = cs.homogenize(V, sigma=SIGMA, tol=1e-8)
    M = model.evaluate([0.0, 0.0]).diffusion
    assert abs(M[0, 1]) > 0.1
    gap = cs.spectral_gap(cs.homogenized_density(model), tol=1e-5)
    assert gap.rate == pytest.approx(np.linalg.eigvals(M @ np.diag([4.0, 2.0])).real.min(), rel=1e-6)


def test_gap_in_the_plane_of_a_sum_is_the_smaller_one() -> None:
    V = cs.Potential("cos(2*pi*y1[0]) + 0.5*cos(2*pi*y1[1])", dim=2, scales=1, V0="2*x[0]**2 + 3*x[1]**2")
    line = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="2*x**2")
    gap = cs.spectral_gap(cs.invariant_density(line, sigma=SIGMA, eps=0.5))
    box = np.array([[-2.6, 2.6], [-2.2, 2.2]])
    plane = gap_in_plane(FullLandscape(V, SIGMA, 0.5), box, (32, 28), 6)
    assert plane.value == pytest.approx(gap.rate, rel=1e-5)


def test_walls_reflect() -> None:
    flat = cs.Potential("0", dim=1, scales=1)
    gap = cs.spectral_gap(cs.invariant_density(flat, sigma=0.3, eps=1.0, box=[0.0, 2.0]))
    assert gap.rate == pytest.approx(0.3 * (np.pi / 2.0) ** 2, rel=1e-9)


def test_heavy_tails_have_no_gap() -> None:
    V = cs.Potential("0", dim=1, scales=1, V0="6*log(1 + x**2)")
    with pytest.raises(cs.ConvergenceError, match="there is no gap") as raised:
        slow_gap(V, 1.0)
    assert raised.value.result.truncation > 1e-2


def test_kinks_and_wells_far_apart_have_a_gap() -> None:
    """Finite volumes for the kink; for cusps 2 sigma/(int exp(-U/sigma) int exp(U/sigma)) behind 62500 sigma."""
    kinked = cs.Potential("0", dim=1, scales=1, V0="x**2/2 + 3*abs(x - 1)")
    density = invariant_density_of(SlowLandscape(kinked, 0.3), box=None, tol=1e-8)
    coarse, fine = (finite_volume_gap(kinked, 0.3, 1.0, n) for n in (4000, 8000))
    assert cs.spectral_gap(density).rate == pytest.approx((4 * fine - coarse) / 3, rel=1e-4)
    far = cs.Potential("0", dim=1, scales=1, V0="min((x - 200)**2, (x + 300)**2)")
    assert slow_gap(far, 1.0).log_rate == pytest.approx(-62500.0 + np.log(500.0 / np.sqrt(np.pi)), abs=1e-4)


def test_bound_in_logarithms_does_not_underflow() -> None:
    assert cs.poincare_bound(EXAMPLE, sigma=0.002) == 0.0
    assert cs.log_poincare_bound(EXAMPLE, sigma=0.002) == pytest.approx(-1000.0, abs=1e-6)
