"""Equilibria and rates, each formula against sums over points, finite volumes and Bessel functions of its own.

    V^eps = x^2/2 + a(x) cos(2 pi x/eps), a = 1 + sin(x)/2:  Z(x) = I0(a/sigma), M(x) = I0(a/sigma)^-2, osc(V1) = 3

on an interval with reflecting walls, which is as good as the line and cheaper.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import i0

import cellsolve as cs
from cellsolve.dynamics import cosine_limits, distances, rates
from cellsolve.validation import Claim

SIGMA, BOX = 0.5, (-3.0, 3.0)
EPSILONS = (0.2, 0.1)
COUPLED = cs.Potential("(1 + 0.5*sin(x))*cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
COSINE = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
PLANE = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1]) + 0.5*x[0]", dim=2, scales=1, V0="2*x[0]**2 + 2*x[1]**2")
TILTED = cs.Potential("1.2*cos(2*pi*(y1[0] + y1[1]))", dim=2, scales=1, V0="2*x[0]**2 + x[1]**2")

Energy = Callable[[np.ndarray], np.ndarray]


def strength(x: np.ndarray) -> np.ndarray:
    """a(x) / sigma."""
    return (1.0 + 0.5 * np.sin(x)) / SIGMA


def full(eps: float) -> Energy:
    """V^eps / sigma of COUPLED."""
    return lambda x: x**2 / (2.0 * SIGMA) + strength(x) * np.cos(2.0 * np.pi * x / eps)


def homogenized(x: np.ndarray) -> np.ndarray:
    """Psi / sigma of COUPLED."""
    return np.asarray(x**2 / (2.0 * SIGMA) - np.log(i0(strength(x))))


def middles(n: int) -> tuple[np.ndarray, float]:
    """Middles of n equal parts of the interval, and the length of one."""
    h = (BOX[1] - BOX[0]) / n
    return BOX[0] + h * (np.arange(n) + 0.5), h


def density_on_line(energy: Energy, x: np.ndarray) -> np.ndarray:
    """exp(-energy) at x, normalized by a sum over points."""
    points, h = middles(24_000)
    return np.asarray(np.exp(-energy(x)) / (np.exp(-energy(points)).sum() * h))


def moved_mass(energies: tuple[Energy, Energy], n: int = 50_000) -> float:
    """W1 by sums: int |F - G| dx."""
    x, h = middles(n)
    f, g = (density_on_line(energy, x) for energy in energies)
    return float(np.abs(np.cumsum(f - g)).sum() * h * h)


def finite_volume_gap(energy: Energy, mobility: Energy, n: int = 6000) -> float:
    """The gap by n and by 2 n finite volumes, extrapolated."""
    coarse, fine = (_gap(energy, mobility, m) for m in (n, 2 * n))
    return (4.0 * fine - coarse) / 3.0


def _gap(energy: Energy, mobility: Energy, n: int) -> float:
    x, h = middles(n)
    between = x[1:] - 0.5 * h
    mass = h * np.exp(-energy(x))
    flow = SIGMA * mobility(between) * np.exp(-energy(between)) / h
    diagonal = (np.append(flow, 0.0) + np.append(0.0, flow)) / mass
    beside = -flow / np.sqrt(mass[1:] * mass[:-1])
    return float(eigvalsh_tridiagonal(diagonal, beside, select="i", select_range=(1, 1))[0])


@cache
def plane_sums(n: int = 256, half: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points along an axis, and mu^eps, mu^0 of PLANE on their grid at eps = 1; Z is constant, as V1 is separable."""
    x = half * (2.0 * np.arange(n) / n - 1.0)
    x0, x1, wave = x[:, None], x[None, :], np.cos(2.0 * np.pi * x)
    nu = np.exp(-(2.0 * x0**2 + 2.0 * x1**2 + 0.5 * x0) / SIGMA)
    mu = nu * np.exp(-wave[:, None] * wave / SIGMA)
    area = (x[1] - x[0]) ** 2
    return x, mu / (mu.sum() * area), nu / (nu.sum() * area)


def wave_distance() -> float:
    """sup |muhat(k) - nuhat(k)| / max(1, |k|) over waves k, of which the program tries some."""
    x, mu, nu = plane_sums()
    k = 0.1 * np.arange(-120, 121)
    waves = np.exp(1j * np.outer(k, x))
    transform = waves @ (mu - nu) @ waves.T * (x[1] - x[0]) ** 2
    return float((np.abs(transform) / np.maximum(1.0, np.hypot(k[:, None], k))).max())


def equilibria() -> tuple[cs.InvariantDensity, cs.InvariantDensity]:
    """mu^eps at the larger eps, and mu^0, of COUPLED."""
    mu = cs.invariant_density(COUPLED, sigma=SIGMA, eps=EPSILONS[0], box=BOX)
    return mu, cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-6), box=BOX)


def weak_convergence() -> list[Claim]:
    x = np.array([-0.83, 0.0, 0.31, 1.27])
    mu, nu = equilibria()
    apart = distances.wasserstein_distance(mu, nu, tol=1e-4).value
    summed = [moved_mass((full(eps), homogenized)) for eps in EPSILONS]
    off = mu.density(x[:, None]) / density_on_line(full(EPSILONS[0]), x) - 1.0
    off_limit = nu.density(x[:, None]) / density_on_line(homogenized, x) - 1.0
    return [
        Claim("d = 1: relative error of mu^eps", float(np.abs(off).max()), 1e-7),
        Claim("d = 1: relative error of mu^0", float(np.abs(off_limit).max()), 1e-7),
        Claim("d = 1: relative error of W1(mu^eps, mu^0)", abs(apart / summed[0] - 1.0), 1e-4),
        Claim("d = 1: W1 of sums, order in eps off 1", abs(float(np.log2(summed[0] / summed[1])) - 1.0), 0.1),
        *weak_convergence_in_plane(),
    ]


def weak_convergence_in_plane() -> list[Claim]:
    nu = cs.homogenized_density(cs.homogenize(PLANE, sigma=SIGMA, tol=1e-6), tol=1e-6)
    mu = cs.invariant_density(PLANE, sigma=SIGMA, eps=1.0, tol=1e-6)
    x, *sums = plane_sums()
    rows = np.array([[101, 133], [128, 128], [140, 119]])
    off = [d.density(x[rows]) / s[tuple(rows.T)] - 1.0 for d, s in zip((mu, nu), sums, strict=True)]
    apart = distances.weak_distance(mu, nu, tol=1e-5).value
    return [
        Claim("d = 2: relative error of mu^eps and mu^0", float(np.abs(off).max()), 1e-5),
        Claim("d = 2: relative error of the weak distance", abs(apart / wave_distance() - 1.0), 0.02),
    ]


def total_variation_and_relative_entropy() -> list[Claim]:
    """The limits against sums over y, at several strengths; the distances at one eps against sums over x."""
    off = np.array([limits_off(s) for s in (0.5, 2.0, 10.0)]).max(axis=0)
    x, h = middles(200_000)
    slow = np.exp(-(x**2) / (2.0 * SIGMA))
    f = slow * np.exp(-np.cos(2.0 * np.pi * x / 0.2) / SIGMA)
    f, g = f / (f.sum() * h), slow / (slow.sum() * h)
    sums = float(0.5 * np.abs(f - g).sum() * h), float((f * np.log(f / g)).sum() * h)
    nu = cs.homogenized_density(cs.homogenize(COSINE, sigma=SIGMA), box=BOX)
    mu = cs.invariant_density(COSINE, sigma=SIGMA, eps=0.2, box=BOX)
    variation, entropy = distances.total_variation(mu, nu).value, distances.relative_entropy(mu, nu).value
    return [
        Claim("limit of the total variation: relative error", float(off[0]), 1e-6),
        Claim("limit of the relative entropy H(mu^eps|mu^0): relative error", float(off[1]), 1e-11),
        Claim("eps = 0.2: relative error of the total variation", abs(variation / sums[0] - 1.0), 1e-6),
        Claim("eps = 0.2: relative error of H(mu^eps|mu^0)", abs(entropy / sums[1] - 1.0), 1e-7),
        Claim("H(mu^eps|mu^0) is positive: by how much not", max(-entropy, 0.0), 0.0),
    ]


def limits_off(s: float) -> tuple[float, float]:
    """Relative errors of the limits of TV and H at alpha/sigma = s."""
    p = np.exp(-s * np.cos(2.0 * np.pi * np.arange(20_000) / 20_000))
    p /= p.mean()
    variation, entropy = 0.5 * np.abs(p - 1.0).mean(), (p * np.log(p)).mean()
    found = cosine_limits.cosine_total_variation(s), cosine_limits.cosine_relative_entropy(s)
    return abs(found[0] / variation - 1.0), abs(found[1] / entropy - 1.0)


@cache
def volume_gaps() -> tuple[float, float]:
    """Of mu^eps and mu^0."""
    return finite_volume_gap(full(EPSILONS[0]), np.ones_like), finite_volume_gap(homogenized, mobility)


def spectral_gap() -> list[Claim]:
    off = [rates.spectral_gap(mu).rate / gap - 1.0 for mu, gap in zip(equilibria(), volume_gaps(), strict=True)]
    return [
        Claim("d = 1: relative error of the gap of mu^eps", abs(off[0]), 1e-6),
        Claim("d = 1: relative error of the gap of mu^0", abs(off[1]), 1e-6),
        gap_in_plane(),
    ]


def poincare_bound() -> list[Claim]:
    """The gap of V0 = x^2/2 is 1."""
    bound = rates.poincare_bound(COUPLED, sigma=SIGMA)
    return [
        Claim("relative error of exp(-osc V1/sigma)", abs(bound / float(np.exp(-3.0 / SIGMA)) - 1.0), 1e-6),
        Claim("bound over the smaller gap, of mu^eps or mu^0", bound / min(volume_gaps()), 1.0),
    ]


def mobility(x: np.ndarray) -> np.ndarray:
    """M(x) of COUPLED."""
    return np.asarray(i0(strength(x)) ** -2.0)


def gap_in_plane() -> Claim:
    """Layers along (1, -1), V0 = x.H x/2: the rates are the eigenvalues of M H, M known."""
    across, along = np.array([1.0, 1.0]) / np.sqrt(2.0), np.array([1.0, -1.0]) / np.sqrt(2.0)
    M = i0(1.2 / SIGMA) ** -2.0 * np.outer(across, across) + np.outer(along, along)
    nu = cs.homogenized_density(cs.homogenize(TILTED, sigma=SIGMA, tol=1e-6), tol=1e-6)
    exact = float(np.linalg.eigvals(M @ np.diag([4.0, 2.0])).real.min())
    return Claim(
        "d = 2: relative error of the gap of mu^0", abs(rates.spectral_gap(nu, tol=1e-2).rate / exact - 1.0), 1e-3
    )
