"""Additive potentials V1 = sum_i U_i(y[i]) in two and three dimensions: M_ii = 1 / (Z_i Zhat_i), no off-diagonals."""

from __future__ import annotations

import sys

import numpy as np

import cellsolve as cs
from cellsolve.validation import Claim, accuracy_claims, print_claims

PARTS = ("cos(2*pi*y)", "0.7*sin(2*pi*y) + 0.3*cos(4*pi*y)", "exp(0.5*cos(2*pi*y))")
TOL = 1e-8


def compare(dim: int, sigma: float) -> tuple[float, float]:
    """Relative error of the tensor M, and its estimate."""
    text = " + ".join(part.replace("y", f"y1[{i}]") for i, part in enumerate(PARTS[:dim]))
    V = cs.Potential(text, dim=dim, scales=1)
    effective = cs.homogenize(V, sigma=sigma, tol=TOL).evaluate(np.zeros(dim))
    exact = cs.exact.additive_diffusion(PARTS[:dim], sigma)
    error = np.linalg.norm(effective.diffusion - exact, 2) / np.linalg.norm(exact, 2)
    return float(error), float(effective.error_estimate)


def run(effort: int = 1) -> list[Claim]:
    claims = list[Claim]()
    for dim, sigma in ((2, 1.0), (2, 0.3), (3, 1.0)) if effort else ((2, 1.0),):
        error, estimate = compare(dim, sigma)
        claims += accuracy_claims(f"additive, d = {dim}, sigma = {sigma}", error, estimate, TOL)
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
