"""What passes through the levels: brackets, logarithms, identical scales; against references given, sums and Bessel
functions.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm
from scipy.special import i0, ive

import cellsolve as cs
from cellsolve import exact
from cellsolve.validation import Claim

KINDS = {"d = 1": ("cos(2*pi*y{0})", 1), "d = 2": ("cos(2*pi*y{0}[0])*cos(2*pi*y{0}[1])", 2)}


def outside(eff: cs.Effective, M: np.ndarray) -> float:
    """How far M lies outside its bracket, relative to M."""
    gaps = [np.linalg.eigvalsh(T)[0] for T in (M - eff.lower, eff.upper - M)]
    return float(max(-min(gaps), 0.0) / np.linalg.norm(M, 2))


def bracket_claims(V: cs.Potential, sigma: float, M: np.ndarray) -> list[Claim]:
    """On one element of order 6: M inside of a bracket that is far wider than the reference's error."""
    model = cs.homogenize(V, sigma=sigma, tol=1e-5, bounds=True, cells=cs.box_cell(2, n=1, order=6))
    eff = model.evaluate(np.zeros(2))
    product = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1)  # K_0 = I, Z = I0(1/(2 sigma))^2
    one = cs.homogenize(product, sigma=0.5, tol=1e-5, bounds=True, cells=cs.box_cell(2, n=8, order=1))
    single = one.evaluate(np.zeros(2))
    return [
        Claim("d = 2, N = 2: M outside its bracket by", outside(eff, M), 1e-9),
        Claim("d = 2, N = 2: half width", float(eff.error_estimate), 5e-3),
        Claim("d = 2, N = 1: M outside its bracket by", outside(single, i0(1.0) ** -2.0 * np.eye(2)), 1e-12),
        Claim("d = 2, N = 1: half width", float(single.error_estimate), 5e-2),
    ]


def integral_claims() -> list[Claim]:
    """On the line both bounds are the same number, and what lies between is the error e of the integrals alone."""
    V = cs.Potential("cos(2*pi*y1) + 0.5*sin(4*pi*y1)", dim=1, scales=1)
    t = 2.0 * np.pi * np.arange(64) / 64
    values = (np.cos(t) + 0.5 * np.sin(2.0 * t)) / 0.3
    M = 1.0 / (np.exp(-values).mean() * np.exp(values).mean())
    eff = cs.homogenize(V, sigma=0.3, bounds=True, cells=cs.box_cell(1, n=2, order=6)).evaluate(np.zeros(1))
    return [
        Claim("d = 1, two elements: M outside its bracket by", outside(eff, np.array([[M]])), 1e-12),
        Claim("d = 1, two elements: half width", float(eff.error_estimate), 0.1),
    ]


def logarithm_claims(effective: cs.Effective, M: np.ndarray) -> list[Claim]:
    """Exponentials of it against M, given and of layers in closed form; of an M that underflows, Bessel functions."""
    V = cs.Potential("cos(2*pi*y1) + cos(2*pi*y2)", dim=1, scales=2)
    cold = cs.homogenize(V, sigma=1.0 / 200.0).evaluate(np.zeros(1))
    log_M = -4.0 * (np.log(ive(0, 200.0)) + 200.0)
    layers = cs.Potential("cos(2*pi*(y1[0] + y1[1] + y1[2]))", dim=3, scales=1)
    space = cs.homogenize(layers, sigma=0.6, tol=1e-3).evaluate(np.zeros(3))
    across = np.eye(3) + (i0(1.0 / 0.6) ** -2.0 - 1.0) * np.full((3, 3), 1.0 / 3.0)
    error = np.linalg.norm(expm(effective.log_diffusion) - M) / np.linalg.norm(M)
    return [
        Claim("d = 2: relative error of exp(log M)", float(error), 1e-8),
        Claim("d = 3, layers: error of exp(log M)", float(np.abs(expm(space.log_diffusion) - across).max()), 1e-3),
        Claim("d = 1, M = 1e-342: error of log M", float(abs(cold.log_diffusion[0, 0] - log_M)), 1e-5),
    ]


def identical_scales() -> list[Claim]:
    """M_1 by sums: 1/(Z Zhat) on the line; 1/Z in the plane, where K_0 = I."""
    t = 2.0 * np.pi * np.arange(128) / 128
    waves = {"d = 1": np.cos(t) / 0.6, "d = 2": np.outer(np.cos(t), np.cos(t)) / 0.6}
    first = {name: 1.0 / np.exp(-V).mean() for name, V in waves.items()}
    first["d = 1"] /= np.exp(waves["d = 1"]).mean()
    claims = []
    for name, (text, dim) in KINDS.items():
        V = cs.Potential(" + ".join(text.format(k) for k in (1, 2, 3)), dim=dim, scales=3)
        M = cs.homogenize(V, sigma=0.6, tol=1e-9).evaluate(np.zeros(dim)).diffusion
        off = float(np.abs(M / first[name] ** 3 - np.eye(dim)).max())
        claims.append(Claim(f"{name}, N = 3: relative error of M = M_1^N", off, 1e-8))
    off = abs(exact.zwanzig([1.0, 1.0, 1.0], 0.6) / float(first["d = 1"]) ** 3 - 1.0)
    return [*claims, Claim("d = 1, N = 3: closed form", off, 1e-11)]
