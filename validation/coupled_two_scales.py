"""A fully coupled potential with two scales in the plane: the recursion against direct nested quadrature.

The reference solves an inner cell problem at every point of an m x m grid of y1 (no interpolation) and the outer one on
that grid, both by Fourier collocation, a discretization that shares nothing with the package. Then the lattice of y1 is
varied by hand, to show that its error is what the estimate says.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from _fourier import grid, homogenized

import cellsolve as cs
from cellsolve.multiscale.lattice import Lattice
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.recursion import sample_level
from cellsolve.validation import Claim, accuracy_claims, print_claims

TEXT = "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[1] + y2[1])) + 0.5*cos(2*pi*(y2[0] - y2[1]))"
SIGMA = 1.0


def nested_quadrature(m: int, n: int) -> tuple[np.ndarray, float]:
    """K_0 and Z with an m x m grid of y1 and an n x n grid of y2 (both odd)."""
    V = cs.Potential(TEXT, dim=2, scales=2)
    y1, y2 = grid(m).reshape(-1, 1, 1, 2), grid(n)[None]
    boltzmann = np.exp(-V.evaluate_V1(np.zeros(2), y1, y2) / SIGMA)
    K1 = homogenized(boltzmann[..., None, None] * np.eye(2))
    return homogenized(K1.reshape(1, m, m, 2, 2))[0], float(boltzmann.mean())


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, 2) / np.linalg.norm(b, 2))


def lattice_errors(count: int) -> tuple[float, float]:
    """True and estimated error of log K_0 and log Z with a count x count lattice of y1, spaces being the same."""
    V = cs.Potential(TEXT, dim=2, scales=2)
    planned, _ = cs.homogenize(V, sigma=SIGMA, tol=1e-10).plan(np.zeros((1, 2)))
    results = []
    for n in (count, 32):
        plan = replace(planned.plan, samplings={1: Lattice((n, n), np.eye(2))}, prepared={})
        results.append(sample_level(plan, {"x": np.zeros((1, 2))}, 0, 0, (), Tally()))
    coarse, fine = results
    return float(np.abs(coarse.fields.channels - fine.fields.channels).max()), float(coarse.interpolation[0])


def run(effort: int = 1) -> list[Claim]:
    m, n = (25, 33) if effort else (15, 19)
    K0, Z = nested_quadrature(m, n)
    check, _ = nested_quadrature(m - 6, n - 6)
    claims = [Claim(f"reference: {m} x {m} against {m - 6} x {m - 6} grid of y1", relative(check, K0), 1e-8)]
    V = cs.Potential(TEXT, dim=2, scales=2)
    for tol in (1e-3, 1e-6, 1e-8) if effort else (1e-6,):
        effective = cs.homogenize(V, sigma=SIGMA, tol=tol).evaluate(np.zeros(2))
        error = relative(effective.diffusion, K0 / Z)
        claims += accuracy_claims(f"tol = {tol:g}", error, float(effective.error_estimate), tol)
    for count in (4, 8, 12) if effort else (6,):
        error, estimate = lattice_errors(count)
        claims.append(Claim(f"{count} x {count} lattice: true error {error:.1e} / estimate", error / estimate, 1.0))
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
