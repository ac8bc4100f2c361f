"""Equilibrium (DDP Proposition 3, Example 1, section 3.1): mu^eps -> mu^0 weakly, at order eps, and not more strongly.

DDP: Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023). Example 1's limit of the relative entropy is taken with the
sign that makes it non-negative.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

import cellsolve as cs
from cellsolve.dynamics.cosine_limits import cosine_relative_entropy, cosine_total_variation
from cellsolve.plots import Plot
from cellsolve.plots.equilibria import Densities, Distances, weak_and_strong
from cellsolve.validation import Claim, print_claims

SIGMA = 0.5
EXAMPLE = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
COUPLED = cs.Potential("(1 + 0.5*tanh(x))*cos(2*pi*y1) + 0.3*sin(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
TWO_SCALES = cs.Potential("cos(2*pi*y1)*(1 + 0.5*cos(2*pi*y2)) + 0.3*x*sin(2*pi*y2)", dim=1, scales=2, V0="x**2/2")
PLANE = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1, V0="x[0]**2 + 2*x[1]**2")


def weak_claims(name: str, V: cs.Potential, epsilons: tuple[float, float]) -> list[Claim]:
    """Proposition 3: the weak distance, its observed order, and the mean of a smooth function."""
    distance = cs.wasserstein_distance if V.dim == 1 else cs.weak_distance
    nu = cs.homogenized_density(cs.homogenize(V, sigma=SIGMA, tol=1e-8))
    mus = [cs.invariant_density(V, sigma=SIGMA, eps=eps, tol=1e-9) for eps in epsilons]
    far, near = (distance(mu, nu, tol=1e-4).value for mu in mus)
    order = float(np.log(far / near) / np.log(epsilons[0] / epsilons[1]))
    kind = "W1" if V.dim == 1 else "weak distance"
    return [
        Claim(
            f"DDP Proposition 3: {name}, {kind} of mu^eps and mu^0 at eps = {epsilons[1]} over eps",
            near / epsilons[1],
            0.5,
        ),
        Claim(f"DDP Proposition 3: {name}, {kind}, observed order off 1", abs(order - 1.0), 0.1),
    ]


def strong_claims(sigma: float, eps: float) -> list[Claim]:
    """Example 1: total variation and relative entropy against their limits, Pinsker's inequality."""
    nu = cs.homogenized_density(cs.homogenize(EXAMPLE, sigma=sigma))
    mu = cs.invariant_density(EXAMPLE, sigma=sigma, eps=eps)
    variation, entropy = cs.total_variation(mu, nu, tol=1e-7).value, cs.relative_entropy(mu, nu).value
    label = f"sigma = {sigma}, eps = {eps}"
    limits = cosine_total_variation(1.0 / sigma), cosine_relative_entropy(1.0 / sigma)
    return [
        Claim(
            f"DDP Example 1: {label}, total variation off its limit {limits[0]:.4f}", abs(variation - limits[0]), 1e-7
        ),
        Claim(
            f"DDP Example 1: {label}, relative entropy off its limit {limits[1]:.4f}", abs(entropy - limits[1]), 1e-9
        ),
        Claim(f"DDP Example 1: {label}, Pinsker: 2 TV^2 / H", 2.0 * variation**2 / entropy, 1.0),
    ]


def separable_claims() -> list[Claim]:
    """Section 3.1: V1 without x leaves M constant and the stationary law as V0 alone has it."""
    x = np.linspace(-2.0, 2.0, 9)
    points = np.stack([x, 0.5 - x], axis=-1)
    model = cs.homogenize(PLANE, sigma=SIGMA)
    M = model.evaluate(points).diffusion
    gauss = np.exp(-(points[:, 0] ** 2 + 2 * points[:, 1] ** 2) / SIGMA) * np.sqrt(2.0) / (np.pi * SIGMA)
    density = cs.homogenized_density(model).density(points)
    return [
        Claim("DDP Section 3.1: separable, d = 2, M varies with x by", float(np.abs(M - M[0]).max()), 1e-14),
        Claim(
            "DDP Section 3.1: separable, d = 2, mu^0 off exp(-V0/sigma)", float(np.abs(density / gauss - 1).max()), 1e-9
        ),
    ]


def run(effort: int = 1) -> list[Claim]:
    claims = weak_claims("coupled, d = 1", COUPLED, (0.1, 0.05)) + strong_claims(0.5, 0.1) + separable_claims()
    if effort:
        claims += strong_claims(0.1, 0.05)
        claims += weak_claims("coupled, d = 1, N = 2", TWO_SCALES, (0.1, 0.05))
        claims += weak_claims("cosines, d = 2", PLANE, (0.5, 0.25))
    return claims


@cache
def drawn(effort: int) -> tuple[tuple[Densities, ...], Distances]:
    """mu^eps of COUPLED on an interval, at the largest eps and a quarter of it, and the distances at all eps."""
    eps = 0.4 * 0.5 ** np.arange(6 if effort else 3)
    box = [-3.0, 3.0]
    nu = cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-6), box=box)
    mus = [cs.invariant_density(COUPLED, sigma=SIGMA, eps=float(e), box=box) for e in eps]
    measures = (cs.wasserstein_distance, cs.total_variation, cs.relative_entropy)
    weak, variation, entropy = (np.array([f(mu, nu, tol=1e-4).value for mu in mus]) for f in measures)
    x = np.linspace(-2.4, 2.4, 961)
    pairs = tuple(Densities(float(eps[i]), x, mus[i].density(x[:, None]), nu.density(x[:, None])) for i in (0, 2))
    return pairs, Distances(eps, weak, variation, entropy)


def plots(effort: int = 1) -> list[Plot]:
    return [weak_and_strong(*drawn(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
