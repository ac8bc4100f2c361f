"""Rates (DDP Proposition 4): spectral gaps of the full and homogenized dynamics, their limit and their common bound.

DDP: Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023). The bound is exp(-osc(V1)/sigma) times the gap of V0.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from scipy.special import i0

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.relaxation import GapSeries, gaps_against_eps
from cellsolve.validation import Claim, print_claims

SIGMA = 0.5
ROUNDING = 1e-10  # below, there is no order to be seen
COSINE = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
COUPLED = cs.Potential("(1 + 0.5*tanh(x))*cos(2*pi*y1)", dim=1, scales=1, V0="x**2/2")
WELLS = cs.Potential("0.5*cos(2*pi*y1)", dim=1, scales=1, V0="(x**2 - 1)**2")
PLANE = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1, V0="2*x[0]**2 + 3*x[1]**2 + x[0]*x[1]")


def limit_claims(
    name: str, V: cs.Potential, sigma: float, epsilons: tuple[float, ...], worst: float, tol: float = 1e-6
) -> list[Claim]:
    """Gap^eps -> gap^0, both above the bound; the last two eps give the observed order, 2 on smooth landscapes."""
    limit = cs.spectral_gap(cs.homogenized_density(cs.homogenize(V, sigma=sigma, tol=1e-8)), tol=tol)
    gaps = [cs.spectral_gap(cs.invariant_density(V, sigma=sigma, eps=eps, tol=1e-8), tol=tol) for eps in epsilons]
    errors = [abs(float(np.expm1(gap.log_rate - limit.log_rate))) for gap in gaps]
    bound = cs.poincare_bound(V, sigma=sigma)
    label = f"DDP Proposition 4: {name}, sigma = {sigma}"
    claims = [
        Claim(f"{label}, gap^eps off gap^0 at eps = {epsilons[-1]}", errors[-1], worst),
        Claim(f"{label}, bound over the least gap", bound / min(limit.rate, *[gap.rate for gap in gaps]), 1.0),
    ]
    if errors[-1] > ROUNDING and V.dim == 1:
        order = float(np.log(errors[-2] / errors[-1]) / np.log(epsilons[-2] / epsilons[-1]))
        claims.append(Claim(f"{label}, observed order in eps off 2", abs(order - 2.0), 0.2))
    return claims


def closed_claims() -> list[Claim]:
    """Gaps in closed form: V0 quadratic and M constant."""
    line = cs.spectral_gap(cs.homogenized_density(cs.homogenize(COSINE, sigma=SIGMA, tol=1e-10)))
    model = cs.homogenize(PLANE, sigma=SIGMA, tol=1e-8)
    M = float(model.evaluate([0.0, 0.0]).diffusion[0, 0])
    plane = cs.spectral_gap(cs.homogenized_density(model), tol=1e-5)
    return [
        Claim(
            "DDP Section 3.1: d = 1, gap^0 off I0(a/sigma)^-2 V0''", abs(line.rate * i0(1.0 / SIGMA) ** 2 - 1.0), 1e-9
        ),
        Claim(
            "DDP Section 3.1: d = 2, gap^0 off M min eig V0''", abs(plane.rate / (M * (5.0 - np.sqrt(2.0))) - 1.0), 1e-6
        ),
    ]


def run(effort: int = 1) -> list[Claim]:
    claims = closed_claims() + limit_claims("coupled, d = 1", COUPLED, SIGMA, (0.1, 0.05), 1e-3)
    if effort:
        claims += limit_claims("coupled, d = 1", COUPLED, SIGMA, (0.04, 0.02, 0.01), 1e-5)
        claims += limit_claims("double well, d = 1", WELLS, 0.02, (0.01, 0.005), 1e-9)
        claims += limit_claims("cosines, d = 2", PLANE, SIGMA, (0.5, 0.3), 2e-2, tol=1e-3)
    return claims


@cache
def gaps(effort: int) -> GapSeries:
    """Of COUPLED, on an interval that is as good as the line; the gap of V0 = x^2/2 is 1."""
    eps = 1.6 * 0.5 ** np.arange(8 if effort else 6)
    box = [-3.5, 3.5]
    nu = cs.homogenized_density(cs.homogenize(COUPLED, sigma=SIGMA, tol=1e-7), box=box, tol=1e-7)
    mus = [cs.invariant_density(COUPLED, sigma=SIGMA, eps=float(e), box=box) for e in eps]
    found = np.array([cs.spectral_gap(mu, tol=1e-7).rate for mu in mus])
    limit, bound = cs.spectral_gap(nu, tol=1e-7).rate, cs.poincare_bound(COUPLED, sigma=SIGMA)
    return GapSeries(f"Spectral gaps, \u03c3 = {SIGMA:g}", eps, found, limit, bound, 1.0)


def plots(effort: int = 1) -> list[Plot]:
    return [gaps_against_eps(gaps(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
