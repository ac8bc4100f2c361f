"""A particle in the Mueller-Brown landscape, roughened by ripples whose direction turns with the position.

M(x) is anisotropic and turns along: its ellipses are drawn over the free energy. Claims: M and Psi at points against
Fourier collocation, symmetry, and 0 < e.M e <= 1.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import product

import numpy as np
from _fourier import grid, homogenized

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.landscapes import Landscape, rugged_landscape
from cellsolve.validation import Claim, accuracy_claims, print_claims

SIGMA, EPS, TOL = 1.0, 0.12, 1e-6
WINDOW = ((-1.5, 1.2), (-0.3, 2.1))
WELLS = """0.05*(
      - 200*exp(-(x[0] - 1)**2 - 10*x[1]**2)
      - 100*exp(-x[0]**2 - 10*(x[1] - 0.5)**2)
      - 170*exp(-6.5*(x[0] + 0.5)**2 + 11*(x[0] + 0.5)*(x[1] - 1.5) - 6.5*(x[1] - 1.5)**2)
      + 15*exp(0.7*(x[0] + 1)**2 + 0.6*(x[0] + 1)*(x[1] - 1) + 0.7*(x[1] - 1)**2))"""
"""K. Mueller, Angew. Chem. 19 (1980) 1, times 0.05."""
RIPPLES = """1.6*exp(-((x[0] + 0.9)**2 + (x[1] - 1.4)**2)/0.5)*cos(2*pi*(y1[0] + y1[1]))
      + 1.6*exp(-((x[0] - 0.7)**2 + x[1]**2)/0.5)*cos(2*pi*y1[0])
      + 1.6*exp(-((x[0] - 0.7)**2 + (x[1] - 1.7)**2)/0.6)*cos(2*pi*y1[1])
      + 1.2*exp(-((x[0] + 0.9)**2 + x[1]**2)/0.6)*cos(2*pi*y1[0])*cos(2*pi*y1[1])
      + 0.4*cos(2*pi*y1[0])*cos(2*pi*(y1[0] - y1[1])) + 0.4*cos(2*pi*y1[1] + 0.5)"""


def potential() -> cs.Potential:
    return cs.Potential(RIPPLES, dim=2, scales=1, V0=WELLS)


def axes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the window with so many points each."""
    a, b = (np.linspace(*ends, count) for ends in WINDOW)
    return a, b


@cache
def landscape(effort: int) -> Landscape:
    """Psi and M on a grid."""
    x0, x1 = axes(61 if effort else 25)
    effective = cs.homogenize(potential(), sigma=SIGMA, tol=TOL if effort else 1e-3).evaluate(
        np.stack(np.meshgrid(x0, x1, indexing="ij"), axis=-1)
    )
    return Landscape(x0, x1, effective.free_energy, effective.diffusion)


def rugged(count: int) -> Landscape:
    """V^eps = V0(x) + V1(x, x/eps) on a grid, where a particle diffuses freely."""
    x0, x1 = axes(count)
    x = np.stack(np.meshgrid(x0, x1, indexing="ij"), axis=-1)
    values = potential().evaluate_V0(x) + potential().evaluate_V1(x, x / EPS)
    return Landscape(x0, x1, values, np.broadcast_to(np.eye(2), (*values.shape, 2, 2)))


def reference(x: np.ndarray, n: int = 41) -> tuple[np.ndarray, float]:
    """M and Psi by Fourier collocation."""
    V = potential()
    boltzmann = np.exp(-V.evaluate_V1(x, grid(n)[None]) / SIGMA)
    Z = float(boltzmann.mean())
    K = homogenized(boltzmann[..., None, None] * np.eye(2), tol=1e-24)[0]
    return K / Z, float(V.evaluate_V0(x)) - SIGMA * np.log(Z)


def point_claims(points: np.ndarray) -> list[Claim]:
    effective = cs.homogenize(potential(), sigma=SIGMA, tol=TOL).evaluate(points)
    claims = []
    for k, x in enumerate(points):
        M, Psi = reference(x)
        error = np.linalg.norm(effective.diffusion[k] - M, 2) / np.linalg.norm(M, 2)
        label = f"x = ({x[0]:.2f}, {x[1]:.2f})"
        claims += accuracy_claims(label, float(error), float(effective.error_estimate[k]), TOL)
        claims.append(Claim(f"{label}: error of Psi / sigma", abs(effective.free_energy[k] - Psi) / SIGMA, TOL))
    return claims


def run(effort: int = 1) -> list[Claim]:
    ticks = [np.linspace(a, b, 3 if effort else 2) for a, b in WINDOW]
    found = landscape(effort).diffusion
    eigenvalues = np.linalg.eigvalsh(found)
    return [
        *point_claims(np.array(list(product(*ticks)))),
        Claim("grid: asymmetry of M", float(np.abs(found - found.swapaxes(-1, -2)).max()), 0.0),
        Claim("grid: largest eigenvalue of M", float(eigenvalues.max()), 1.0),
        Claim("grid: -smallest eigenvalue of M", -float(eigenvalues.min()), 0.0),
    ]


def plots(effort: int = 1) -> list[Plot]:
    return [rugged_landscape(rugged(360), landscape(effort), SIGMA, EPS)]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
