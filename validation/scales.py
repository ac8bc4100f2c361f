"""Many scales (DDP Section 1): M decays exponentially with the number N of scales, log M is linear in N.

    V1 = sum_k a cos(2 pi y_k), d = 1:                       M = I0(a/sigma)^(-2 N)
    V1 = sum_k a cos(2 pi y_k[0]) cos(2 pi y_k[1]), d = 2:    M = Z^(-N) I,  Z = mean exp(-a cos cos/sigma), as K_0 = I

and a chain in which each scale is coupled to the next, against Proposition 1. DDP: Duncan, Duong, Pavliotis, J. Stat.
Phys. 190:82 (2023). With bounded ratios of scales: Ben Arous, Owhadi, Comm. Pure Appl. Math. 56 (2003) 80.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.relaxation import DiffusionByScales, diffusion_against_scales
from cellsolve.validation import Claim, print_claims

TOL = 1e-8


def log_diffusion(text: str, dim: int, scales: int, sigma: float, tol: float = TOL) -> float:
    """log of the mean eigenvalue of M."""
    V = cs.Potential(text, dim=dim, scales=scales)
    M = cs.homogenize(V, sigma=sigma, tol=tol).evaluate(np.zeros(dim)).diffusion
    return float(np.log(np.trace(M) / dim))


def line(scales: int) -> str:
    return " + ".join(f"cos(2*pi*y{k})" for k in range(1, scales + 1))


def plane(scales: int) -> str:
    return " + ".join(f"cos(2*pi*y{k}[0])*cos(2*pi*y{k}[1])" for k in range(1, scales + 1))


def chain(scales: int) -> str:
    return " + ".join(["cos(2*pi*y1)", *(f"cos(2*pi*y{k})*cos(2*pi*y{k + 1})" for k in range(1, scales))])


@cache
def identical(most: int, sigma: float) -> tuple[DiffusionByScales, ...]:
    """log M for N = 1 .. most, and log M_1 in closed form."""
    t = 2.0 * np.pi * np.arange(256) / 256
    rates = {
        "d = 1": float(np.log(cs.exact.zwanzig([1.0], sigma))),
        "d = 2": -float(np.log(np.exp(-np.outer(np.cos(t), np.cos(t)) / sigma).mean())),
    }
    found = list[DiffusionByScales]()
    for (label, rate), text, dim in zip(rates.items(), (line, plane), (1, 2), strict=True):
        logs = np.array([log_diffusion(text(n), dim, n, sigma) for n in range(1, most + 1)])
        found.append(DiffusionByScales(label, sigma, np.arange(1.0, most + 1), logs, rate))
    return tuple(found)


@cache
def coupled(most: int, sigma: float) -> DiffusionByScales:
    """log M of chains for N = 1 .. most."""
    logs = [log_diffusion(chain(n), 1, n, sigma) for n in range(1, most + 1)]
    return DiffusionByScales("d = 1", sigma, np.arange(1.0, most + 1), np.array(logs), None)


def identical_claims(most: int, sigma: float) -> list[Claim]:
    """Closed forms for N = 1 .. most."""
    claims = list[Claim]()
    for entry in identical(most, sigma):
        assert entry.rate is not None
        error = np.abs(np.expm1(entry.log_diffusion - entry.rate * entry.scales)).max()
        claims.append(Claim(f"DDP Section 1: {entry.label}, N = 1..{most}, M off M_1^N", float(error), TOL * most))
    return claims


def chain_claims(most: int, sigma: float) -> list[Claim]:
    """Coupled scales: M against Proposition 1, and log M/N settles."""
    logs, error = coupled(most, sigma).log_diffusion, 0.0
    for n in range(1, most + 1):
        V = cs.Potential(chain(n), dim=1, scales=n)
        exact = float(np.log(cs.exact.effective_diffusion_1d(V, sigma, np.zeros(1))))
        error = max(error, abs(float(np.expm1(logs[n - 1] - exact))))
    steps = np.diff(logs)
    return [
        Claim(f"DDP Proposition 1: chain, N = 1..{most}, relative error of M", error, TOL),
        Claim(f"DDP Section 1: chain, N = 1..{most}, largest step of log M", float(steps.max()), 0.0),
        Claim("DDP Section 1: chain, last steps of log M differ by", abs(float(steps[-1] / steps[-2] - 1)), 0.05),
    ]


def sizes(effort: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """The largest N and sigma of identical scales, and of chains."""
    return ((6, 0.5), (4, 0.7)) if effort else ((3, 0.5), (3, 0.7))


def run(effort: int = 1) -> list[Claim]:
    alike, chained = sizes(effort)
    return identical_claims(*alike) + chain_claims(*chained)


def plots(effort: int = 1) -> list[Plot]:
    alike, chained = sizes(effort)
    return [diffusion_against_scales([*identical(*alike), coupled(*chained)])]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
