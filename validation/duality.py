"""Duality in the plane (Keller 1964, Dykhne 1970): values of K_hom that need no computation.

K[-V] = K[V] / det K[V];    cos cos: K = I at every temperature;    V odd: det K = 1;    checkerboard: sqrt(k1 k2)
"""

from __future__ import annotations

import sys

import numpy as np

import cellsolve as cs
from cellsolve.validation import Claim, print_claims

GENERAL = "cos(2*pi*y[0])*cos(2*pi*y[1] + 0.7) + 0.5*sin(2*pi*(y[0] + y[1])) + 0.3*cos(2*pi*(2*y[0] - y[1]) + 0.4)"
ODD = "sin(2*pi*y[0])*cos(2*pi*y[1]) + 0.5*sin(2*pi*(y[0] + 2*y[1]))"
TOL = 1e-9


def tensor(V: str, beta: float) -> np.ndarray:
    """K_hom of exp(-beta V)."""
    return cs.solve_cell_problem(cs.box_cell(2), f"exp(-({beta})*({V}))", tol=TOL).tensor


def checkerboard(contrast: float, n: int) -> tuple[np.ndarray, float]:
    """K_hom of a 2 x 2 checkerboard of conductivities 1 and contrast, and half the width of its bracket."""

    def k(y: np.ndarray) -> np.ndarray:
        return np.where((y[..., 0] < 0.5) == (y[..., 1] < 0.5), contrast, 1.0)

    solution = cs.solve_cell_problem(cs.box_cell(2, n=n, order=4), k, bounds=True)
    return solution.tensor, solution.report.error_estimate


def run(effort: int = 1) -> list[Claim]:
    K, opposite = tensor(GENERAL, 2.0), tensor(GENERAL, -2.0)
    claims = [Claim("K[-V] = K[V] / det K[V]", np.abs(opposite - cs.exact.keller_dual(K)).max(), 10 * TOL)]
    for beta in (1.0, 5.0, 20.0)[: 1 + 2 * effort]:
        identity = tensor("cos(2*pi*y[0])*cos(2*pi*y[1])", beta)
        claims.append(Claim(f"cos cos at sigma = {1 / beta:g}: K = I", np.abs(identity - np.eye(2)).max(), 2 * TOL))
    claims.append(Claim("V odd: det K = 1", abs(np.linalg.det(tensor(ODD, 2.0)) - 1.0), 10 * TOL))
    exact = cs.exact.checkerboard(1.0, 10.0)
    K, half_width = checkerboard(10.0, 32 if effort else 8)
    error = np.abs(K - exact).max() / exact[0, 0]
    claims.append(Claim("checkerboard 1:10: relative error of K / bracket's half width", error / half_width, 2.0))
    claims.append(Claim("checkerboard 1:10: half width of the bracket", half_width, 0.02 if effort else 0.05))
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
