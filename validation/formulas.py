"""Each formula of Duncan, Duong and Pavliotis by itself, against an evaluation that shares no code with the program.

The references are sums over points, Fourier collocation of the cell problems, and differences of those in x. The case
`broken_formulas` breaks every formula on purpose and shows that the claims here notice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

import numpy as np
from _dynamics_formulas import poincare_bound, spectral_gap, total_variation_and_relative_entropy, weak_convergence
from _fourier import grid, homogenized
from _level_formulas import bracket_claims, identical_scales, integral_claims, logarithm_claims
from scipy.special import i0

import cellsolve as cs
from cellsolve.validation import Claim, print_claims
from cellsolve.validation.formulas import FORMULAS

SIGMA, TOL = 0.6, 1e-9
X = np.array([0.3, -0.2])
GENERAL = (
    "0.5*(1 + 0.3*tanh(x[0]))*cos(2*pi*y1[0])*cos(2*pi*y1[1] + 0.7) + 0.3*(1 + 0.4*x[1])*sin(2*pi*(y1[0] + y1[1]))"
    " + 0.2*cos(2*pi*(2*y1[0] - y1[1]) + 0.4) + 0.4*sin(2*pi*y1[0]) + 0.3*x[0]*x[1]"
)
COUPLED = (
    "0.4*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.3*sin(2*pi*(y1[1] + y2[1])) + 0.3*cos(2*pi*(y2[0] - y2[1]))"
    " + 0.2*sin(2*pi*y1[0])"
)
ON_THE_LINE = "cos(2*pi*y1)*cos(2*pi*y2) + 0.5*sin(2*pi*(y1 + y2)) + 0.3*(1 + x)*cos(2*pi*y1 + 0.3) + 0.4*cos(4*pi*y1)"
CONFINEMENT = "0.5*x[0]**2 + 0.3*x[1]**2 + 0.1*x[0]*x[1]"

Checks = dict[str, Callable[[], list[Claim]]]


def plane() -> cs.Potential:
    return cs.Potential(GENERAL, dim=2, scales=1, V0=CONFINEMENT)


def two_scales() -> cs.Potential:
    return cs.Potential(COUPLED, dim=2, scales=2)


def line() -> cs.Potential:
    return cs.Potential(ON_THE_LINE, dim=1, scales=2)


def relative(a: np.ndarray | float, b: np.ndarray | float) -> float:
    return float(np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b))


def evaluated(V: cs.Potential, x: np.ndarray, sigma: float = SIGMA) -> cs.Effective:
    return cs.homogenize(V, sigma=sigma, tol=TOL).evaluate(x)


@cache
def reference(x0: float, x1: float, sigma: float = SIGMA, n: int = 33) -> tuple[np.ndarray, float]:
    """K_0 and Z of `plane` at a point, by Fourier collocation."""
    boltzmann = np.exp(-plane().evaluate_V1(np.array([x0, x1]), grid(n)[None]) / sigma)
    return homogenized(boltzmann[..., None, None] * np.eye(2), tol=1e-24)[0], float(boltzmann.mean())


@cache
def nested_reference(m: int = 15, n: int = 17) -> tuple[np.ndarray, float]:
    """K_0 and Z of `two_scales`: a cell problem at each of m x m points of y1, then one on them."""
    y1, y2 = grid(m).reshape(-1, 1, 1, 2), grid(n)[None]
    boltzmann = np.exp(-two_scales().evaluate_V1(np.zeros(2), y1, y2) / SIGMA)
    K1 = homogenized(boltzmann[..., None, None] * np.eye(2), tol=1e-20)
    return homogenized(K1.reshape(1, m, m, 2, 2), tol=1e-20)[0], float(boltzmann.mean())


def sums_on_the_line(x: float, sign: float) -> float:
    """int exp(sign V1/sigma) dy1 dy2."""
    axis = np.arange(64)[:, None] / 64
    values = line().evaluate_V1(np.array([x]), axis[:, None], axis[None, :])
    return float(np.exp(sign * values / SIGMA).mean())


def slope(f: Callable[[np.ndarray], np.ndarray | float], i: int, h: float = 0.02) -> np.ndarray:
    """df/dx_i at X by differences of fourth order."""
    step = h * np.eye(2)[i]
    near, far = (np.subtract(f(X + k * step), f(X - k * step)) for k in (1, 2))
    return np.asarray((8.0 * near - far) / (12.0 * h))


def M_of(x: np.ndarray) -> np.ndarray:
    K, Z = reference(*x.tolist())
    return K / Z


def Psi_of(x: np.ndarray) -> float:
    V0 = 0.5 * x[0] ** 2 + 0.3 * x[1] ** 2 + 0.1 * x[0] * x[1]
    return float(V0 - SIGMA * np.log(reference(*x.tolist())[1]))


def partition_function() -> list[Claim]:
    Z = float(evaluated(line(), np.array([0.3])).partition_function)
    one = float(evaluated(plane(), X).partition_function)
    two = float(evaluated(two_scales(), np.zeros(2)).partition_function)
    return [
        Claim("d = 1, N = 2: relative error of Z", abs(Z / sums_on_the_line(0.3, -1.0) - 1.0), 1e-8),
        Claim("d = 2, N = 1: relative error of Z", abs(one / reference(*X.tolist())[1] - 1.0), 1e-8),
        Claim("d = 2, N = 2: relative error of Z", abs(two / nested_reference()[1] - 1.0), 1e-8),
    ]


def effective_diffusion() -> list[Claim]:
    M = evaluated(plane(), X).diffusion
    shifted = cs.Potential(f"{GENERAL} + 2", dim=2, scales=1)
    change = relative(evaluated(shifted, X).diffusion, M)
    return [
        Claim("d = 2, N = 1: relative error of M = K_0/Z", relative(M, M_of(X)), 1e-8),
        Claim("V1 + constant: relative change of M", change, 1e-12),
    ]


def cell_problem() -> list[Claim]:
    """For a tensor field of no symmetry."""
    exact = homogenized(tensor_field(grid(33)[None]), tol=1e-24)[0]
    V = np.sin(2 * np.pi * np.arange(64) / 64)
    found = cs.solve_cell_problem(cs.box_cell(2), tensor_field, tol=1e-10).tensor
    layers = np.diag([1.0 / np.exp(-V).mean(), np.exp(V).mean()])
    laminate = cs.solve_cell_problem(cs.box_cell(2), "exp(sin(2*pi*y[0]))", tol=1e-10).tensor
    return [
        Claim("tensor field: relative error of K_hom", relative(found, exact), 1e-8),
        Claim("layers: relative error of harmonic and arithmetic mean", relative(laminate, layers), 1e-8),
    ]


def tensor_field(y: np.ndarray) -> np.ndarray:
    """Symmetric positive definite (.., 2, 2)."""
    a, b = 2 * np.pi * y[..., 0], 2 * np.pi * y[..., 1]
    entries = [[1.5 + np.sin(a), 0.4 * np.cos(a + b)], [0.4 * np.cos(a + b), 2.0 + np.sin(b + 0.3) * np.cos(a)]]
    return np.stack([np.stack(row, axis=-1) for row in entries], axis=-2)


def recursion() -> list[Claim]:
    K, Z = nested_reference()
    coarser, _ = nested_reference(13, 15)
    return [
        Claim("reference: relative difference of two grids", relative(coarser, K), 3e-8),
        Claim("d = 2, N = 2: relative error of K_0", relative(evaluated(two_scales(), X).diffusion * Z, K), 3e-8),
    ]


def innermost_coefficient() -> list[Claim]:
    """At two temperatures of one sweep."""
    sigmas = (SIGMA, 1.7)
    swept = cs.homogenize(plane(), sigma=sigmas, tol=TOL).evaluate(X)
    claims = []
    for i, sigma in enumerate(sigmas):
        K, _ = reference(*X.tolist(), sigma)
        error = relative(swept.diffusion[i] * swept.partition_function[i], K)
        claims.append(Claim(f"sigma = {sigma}: relative error of K_0", error, 1e-8))
    return claims


def free_energy() -> list[Claim]:
    effective = evaluated(plane(), X)
    on_the_line = cs.Potential(ON_THE_LINE, dim=1, scales=2, V0="0.5*x**2")
    closed = 0.5 * 0.3**2 - SIGMA * np.log(sums_on_the_line(0.3, -1.0))
    slopes = np.array([slope(Psi_of, i) for i in range(2)])
    return [
        Claim("d = 2: error of Psi / sigma", abs(float(effective.free_energy) - Psi_of(X)) / SIGMA, 1e-8),
        Claim("d = 2: relative error of grad Psi", relative(effective.free_energy_gradient, slopes), 1e-7),
        Claim(
            "d = 1: error of the closed form of Psi / sigma",
            abs(float(cs.exact.free_energy_1d(on_the_line, SIGMA, np.array([0.3]))) - closed) / SIGMA,
            1e-10,
        ),
    ]


def drift_of_the_homogenized_equation() -> list[Claim]:
    effective = evaluated(plane(), X)
    divergence = sum(slope(M_of, j)[:, j] for j in range(2))
    drift = -M_of(X) @ np.array([slope(Psi_of, i) for i in range(2)]) + SIGMA * divergence
    found = -effective.diffusion @ effective.free_energy_gradient + SIGMA * effective.diffusion_divergence
    return [
        Claim("relative error of div M", relative(effective.diffusion_divergence, divergence), 1e-6),
        Claim("relative error of the drift -M grad Psi + sigma div M", relative(found, drift), 1e-7),
    ]


def bounds_of_M() -> list[Claim]:
    """Both inner bounds are reached by layers: 1/(Z Zhat) across, 1 along."""
    layers = evaluated(cs.Potential("sin(2*pi*y1[0]) + 0.3*cos(4*pi*y1[0])", dim=2, scales=1), np.zeros(2))
    V = np.sin(2 * np.pi * np.arange(128) / 128) + 0.3 * np.cos(4 * np.pi * np.arange(128) / 128)
    across = 1.0 / (np.exp(-V / SIGMA).mean() * np.exp(V / SIGMA).mean())
    across_found, along_found = np.linalg.eigvalsh(layers.diffusion)
    beyond = []
    for V1 in (plane(), two_scales()):
        effective = evaluated(V1, X)
        eigenvalues = np.linalg.eigvalsh(effective.diffusion)
        beyond.append(max(lower_bound(V1) - eigenvalues[0], eigenvalues[-1] - 1.0, 0.0))
    return [
        Claim("general potentials: e.M e beyond its bounds", float(max(beyond)), 0.0),
        Claim("layers: 1/(Z Zhat) is reached, relative error", abs(across_found / across - 1.0), 1e-8),
        Claim("layers: 1 is reached, relative error", abs(along_found - 1.0), 1e-8),
        Claim("exp(-osc V1/sigma) above 1/(Z Zhat)", max(np.exp(-np.ptp(V) / SIGMA) - across, 0.0), 0.0),
    ]


def lower_bound(V: cs.Potential) -> float:
    """1/(Z Zhat) at X by sums over points."""
    points = [grid(16)[None], grid(16)[:, :, None, None]][: V.scales]
    exponent = V.evaluate_V1(X, *points) / SIGMA
    return float(1.0 / (np.exp(-exponent).mean() * np.exp(exponent).mean()))


def variational_principle() -> list[Claim]:
    exact = homogenized(tensor_field(grid(33)[None]), tol=1e-24)[0]
    found = cs.solve_cell_problem(cs.box_cell(2, n=3, order=5), tensor_field, bounds=True)
    assert found.lower is not None
    assert found.upper is not None
    over = -np.linalg.eigvalsh(found.upper - exact)[0]
    under = -np.linalg.eigvalsh(exact - found.lower)[0]
    tried = np.linalg.eigvalsh(trial_energy() - found.tensor)[0]
    return [
        Claim("lower <= K_hom <= upper: by how much not", float(max(over, under, 0.0)), 1e-12),
        Claim("relative width of the bracket", relative(found.upper, found.lower), 1e-4),
        Claim("any corrector has more energy than K_hom: by how much not", float(max(-tried, 0.0)), 0.0),
    ]


def trial_energy() -> np.ndarray:
    """int (I + grad theta)^T K (I + grad theta) of some smooth theta_1, theta_2."""
    y = grid(33)
    a, b = 2 * np.pi * y[..., 0], 2 * np.pi * y[..., 1]
    E = np.zeros((33, 33, 2, 2)) + np.eye(2)
    E[..., 0, 0] -= 0.05 * 2 * np.pi * np.sin(a)
    E[..., 1, 1] += 0.03 * 2 * np.pi * np.cos(b)
    return np.asarray(np.einsum("xyac,xyab,xybd->cd", E, tensor_field(y), E) / 33**2)


def one_dimension() -> list[Claim]:
    V, x = line(), np.array([0.3])
    exact = 1.0 / (sums_on_the_line(0.3, -1.0) * sums_on_the_line(0.3, 1.0))
    bessel = cs.exact.effective_diffusion_1d(cs.Potential("cos(2*pi*y1)", dim=1, scales=1), SIGMA, x)
    return [
        Claim("N = 2: relative error of M by elements", relative(evaluated(V, x).diffusion, exact), 1e-8),
        Claim("N = 2: closed form", relative(cs.exact.effective_diffusion_1d(V, SIGMA, x), exact), 1e-11),
        Claim("cosine: closed form against Bessel functions", relative(bessel, i0(1.0 / SIGMA) ** -2.0), 1e-11),
    ]


def separable_potentials() -> list[Claim]:
    x = np.array([[0.0, 0.0], [0.7, -0.4], [-1.3, 2.0]])
    fast = "cos(2*pi*y1[0])*cos(2*pi*y1[1] + 0.7) + 0.5*sin(2*pi*y1[0])"
    V = cs.Potential(f"{fast} + 0.2*x[0]*x[1]", dim=2, scales=1, V0=CONFINEMENT)
    effective = evaluated(V, x)
    above = effective.free_energy - (0.5 * x[:, 0] ** 2 + 0.3 * x[:, 1] ** 2 + 0.3 * x[:, 0] * x[:, 1])
    return [
        Claim("M at several points: relative difference", float(np.ptp(effective.diffusion, axis=0).max()), 1e-12),
        Claim("Psi - V0 at several points: difference / sigma", float(np.ptp(above)) / SIGMA, 1e-12),
        Claim("div M", float(np.abs(effective.diffusion_divergence).max()), 1e-12),
    ]


def brackets_through_levels() -> list[Claim]:
    K, Z = nested_reference()
    return bracket_claims(two_scales(), SIGMA, K / Z)


def logarithm_of_M() -> list[Claim]:
    return logarithm_claims(evaluated(plane(), X), M_of(X))


CHECKS: Checks = {
    "partition function": partition_function,
    "effective diffusion": effective_diffusion,
    "cell problem": cell_problem,
    "recursion": recursion,
    "innermost coefficient": innermost_coefficient,
    "free energy": free_energy,
    "drift of the homogenized equation": drift_of_the_homogenized_equation,
    "bounds of M": bounds_of_M,
    "variational principle": variational_principle,
    "one dimension": one_dimension,
    "separable potentials": separable_potentials,
    "brackets through levels": brackets_through_levels,
    "errors in brackets": integral_claims,
    "logarithm of M": logarithm_of_M,
    "identical scales": identical_scales,
    "weak convergence": weak_convergence,
    "total variation and relative entropy": total_variation_and_relative_entropy,
    "spectral gap": spectral_gap,
    "Poincaré bound": poincare_bound,
}


def run(effort: int = 1) -> list[Claim]:  # noqa: ARG001 (cheap: the same at every effort)
    return [
        Claim(f"{formula.key} {claim.name}", claim.measured, claim.bound)
        for formula in FORMULAS
        for claim in CHECKS[formula.name]()
    ]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
