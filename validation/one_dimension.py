"""One dimension, N = 1, 2, 3: M against the closed form M = 1 / (Z Zhat) (Proposition 1), from warm to cold.

The closed form is integrated by `cellsolve.exact` with a quadrature of its own. Every M is wanted to tol = 1e-8, and
the error estimate must cover the true error.
"""

from __future__ import annotations

import sys

import numpy as np

import cellsolve as cs
from cellsolve.validation import Claim, accuracy_claims, print_claims

TOL = 1e-8
POTENTIALS = {
    "cosine": ("2*cos(2*pi*y1)", 1),
    "two harmonics": ("cos(2*pi*y1) + 0.5*sin(4*pi*y1)", 1),
    "separable": ("cos(2*pi*y1) + cos(2*pi*y2)", 2),
    "coupled": ("cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2))", 2),
    "three separable": ("cos(2*pi*y1) + 0.7*cos(2*pi*y2) + 0.5*cos(2*pi*y3)", 3),
    "chain": ("cos(2*pi*y1)*cos(2*pi*y2) + sin(2*pi*y2)*cos(2*pi*y3)", 3),
    "three coupled": (
        "cos(2*pi*y1)*cos(2*pi*y2)*cos(2*pi*y3) + 0.5*sin(2*pi*(y1 + y2)) + 0.3*cos(2*pi*(y1 - y3))",
        3,
    ),
}
COLDNESS = (None, 10, 50, 200)  # osc(V1) / sigma; None: sigma = 2


def oscillation(V: cs.Potential) -> float:
    """max V1 - min V1 on a grid of the fast variables."""
    axis = np.arange(48) / 48
    fast = np.meshgrid(*[axis] * V.scales, indexing="ij")
    values = V.evaluate_V1(np.zeros((1,) * V.scales + (1,)), *[y[..., None] for y in fast])
    return float(np.ptp(values))


def compare(V: cs.Potential, sigma: float) -> tuple[float, float]:
    """True relative error of M, and its estimate."""
    x = np.zeros((1, 1))
    effective = cs.homogenize(V, sigma=sigma, tol=TOL).evaluate(x)
    exact = cs.exact.effective_diffusion_1d(V, sigma, x)[0]
    return abs(float(effective.diffusion[0, 0, 0]) / exact - 1.0), float(effective.error_estimate[0])


def run(effort: int = 1) -> list[Claim]:
    claims = list[Claim]()
    for name, (text, scales) in POTENTIALS.items():
        V = cs.Potential(text, dim=1, scales=scales)
        for coldness in COLDNESS if effort else COLDNESS[:2]:
            sigma = 2.0 if coldness is None else oscillation(V) / coldness
            error, estimate = compare(V, sigma)
            label = f"{name}, N = {scales}, sigma = {sigma:.3g}"
            claims += accuracy_claims(label, error, estimate, TOL)
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
