"""Brackets of M through all levels: they hold closed forms, close with the order of elements, and need each part.

L_0 exp(-e) / Z <= M <= U_0 exp(e) / Z in the Loewner order, from DDP (14), (16) and the minimum (30); derived in
through_levels.md. Random potentials with brackets are in random_potentials.py.
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from coupled_two_scales import SIGMA, TEXT, nested_quadrature
from scipy.special import ive

import cellsolve as cs
from cellsolve.plots import Plot
from cellsolve.plots.brackets import OrderedBrackets, brackets_of_M
from cellsolve.validation import Claim, print_claims

ROUNDING = 1e-12
TOLERANCES = (1e-2, 1e-5, 1e-8)
ORDERS = (2, 3, 4, 5, 6, 8)


def zwanzig(sigma: float, amplitudes: tuple[float, ...]) -> float:
    """M = prod I0(a_k / sigma)^-2, with exponentials taken out."""
    s = np.array(amplitudes) / sigma
    return float(np.exp(-2.0 * (np.log(ive(0, s)) + s).sum()))


def outside(eff: cs.Effective, M: np.ndarray) -> float:
    """How far M lies outside its bracket, relative to M; not positive where it lies inside."""
    gaps = [np.linalg.eigvalsh(T)[0] for T in (M - eff.lower, eff.upper - M)]
    return float(-min(gaps) / np.linalg.norm(M, 2))


def known() -> list[tuple[str, cs.Potential, float, np.ndarray]]:
    """Potentials whose M is known: label, potential, sigma, M."""
    line = "cos(2*pi*y1) + 0.3*cos(2*pi*y2) + 0.2*sin(2*pi*y3)"
    plane = "cos(2*pi*y1[0]) + 0.5*sin(2*pi*y2[0]) + 0.7*cos(2*pi*y1[1])"
    space = "cos(2*pi*y1[0]) + 0.6*sin(2*pi*y1[1]) + 0.3*cos(2*pi*y1[2])"
    product = "cos(2*pi*y1[0])*cos(2*pi*y1[1])"
    found = [
        ("d = 1, N = 3", cs.Potential(line, dim=1, scales=3), s, np.array([[zwanzig(s, (1.0, 0.3, 0.2))]]))
        for s in (1.0, 0.1, 0.02)
    ]
    for s in (1.0, 0.2):
        M = np.diag([zwanzig(s, (1.0, 0.5)), zwanzig(s, (0.7,))])
        found.append(("d = 2, N = 2", cs.Potential(plane, dim=2, scales=2), s, M))
    for s in (1.0, 0.1):
        M = zwanzig(2.0 * s, (1.0,)) * np.eye(2)  # K_0 = I, Z = I0(1/(2 sigma))^2
        found.append(("d = 2, cos cos", cs.Potential(product, dim=2, scales=1), s, M))
    M = np.diag([zwanzig(0.5, (a,)) for a in (1.0, 0.6, 0.3)])
    return [*found, ("d = 3, N = 1", cs.Potential(space, dim=3, scales=1), 0.5, M)]


def closed_forms(tolerances: tuple[float, ...]) -> list[Claim]:
    claims = []
    for label, V, sigma, M in known():
        for tol in tolerances if V.dim < 3 else tolerances[:1]:
            eff = cs.homogenize(V, sigma=sigma, tol=tol, bounds=True).evaluate(np.zeros(V.dim))
            name = f"{label}, sigma = {sigma:g}, tol = {tol:g}"
            claims.append(Claim(f"{name}: M outside its bracket by", max(outside(eff, M), 0.0), ROUNDING))
            claims.append(Claim(f"{name}: half width", float(eff.error_estimate), tol))
    return claims


@cache
def coupled(effort: int) -> tuple[np.ndarray, dict[int, cs.Effective]]:
    """M of two coupled scales by nested Fourier collocation, and its brackets on 2 x 2 elements of several orders."""
    K0, Z = nested_quadrature(25, 33) if effort else nested_quadrature(15, 19)
    V, found = cs.Potential(TEXT, dim=2, scales=2), dict[int, cs.Effective]()
    for order in ORDERS if effort else ORDERS[:3]:
        model = cs.homogenize(V, sigma=SIGMA, tol=1e-9, bounds=True, cells=cs.box_cell(2, n=2, order=order))
        found[order] = model.evaluate(np.zeros(2))
    return K0 / Z, found


def closing(effort: int) -> list[Claim]:
    """Boxes of given n and order: widths fall, and M stays inside."""
    M, found = coupled(effort)
    claims, before = list[Claim](), 1.0
    for order, eff in found.items():
        width = float(eff.error_estimate)
        claims.append(Claim(f"2 x 2 elements of order {order}: M outside by", max(outside(eff, M), 0.0), 1e-10))
        claims.append(Claim(f"2 x 2 elements of order {order}: half width, a third of the last", width, before / 3.0))
        before = width
    return claims


def ordered_brackets(effort: int) -> OrderedBrackets:
    M, found = coupled(effort)
    effs = list(found.values())
    return OrderedBrackets(
        orders=np.array(list(found), dtype=float),
        lower=np.linalg.eigvalsh([eff.lower for eff in effs]),
        upper=np.linalg.eigvalsh([eff.upper for eff in effs]),
        value=np.linalg.eigvalsh(M),
        half_width=np.array([float(eff.error_estimate) for eff in effs]),
        error=np.array([np.linalg.norm(eff.diffusion - M, 2) / np.linalg.norm(M, 2) for eff in effs]),
    )


def run(effort: int = 1) -> list[Claim]:
    return closed_forms(TOLERANCES if effort else TOLERANCES[:2]) + closing(effort)


def plots(effort: int = 1) -> list[Plot]:
    return [brackets_of_M(ordered_brackets(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
