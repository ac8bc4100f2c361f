"""Features that few samples would miss: shapes of V1 that change with x, coupling that lives at one place of y1.

Potentials on the line, and in the plane with a second direction that does not couple, so that M_00 is that of the line:
M = 1/(Z Zhat) (DDP Proposition 1) by sums over many points.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

import cellsolve as cs
from cellsolve.errors import ConvergenceError
from cellsolve.validation import Claim, print_claims

LINE, FINE = 2**13, 512
ACROSS = {1: "", 2: " + 0.5*cos(2*pi*y1[1])"}


@dataclass(frozen=True, slots=True)
class Moving:
    """One scale; the shape of V1 changes from x[0] = first to last."""

    V1: str
    sigma: float
    tol: float
    first: float
    last: float
    points: int

    def reference(self) -> np.ndarray:
        """M (points,)."""
        V, y = cs.Potential(self.V1, dim=1, scales=1), np.arange(LINE)[:, None] / LINE
        v = np.stack([V.evaluate_V1(np.full((LINE, 1), x), y) for x in self.x]) / self.sigma
        return 1.0 / (np.exp(v).mean(axis=1) * np.exp(-v).mean(axis=1))

    @property
    def x(self) -> np.ndarray:
        return np.linspace(self.first, self.last, self.points)


MOVING = (
    Moving("2*x[0]*cos(2*pi*y1[0]) + 2*x[0]*(1 - x[0])*cos(2*pi*4*y1[0])", 0.5, 1e-3, 0.0, 1.0, 21),
    Moving("2*x[0]*cos(2*pi*y1[0]) + 2*x[0]*(1 - x[0])*cos(2*pi*6*y1[0])", 0.5, 1e-3, 0.0, 1.0, 21),
    Moving("cos(2*pi*y1[0])*tanh(5*x[0]) + 0.5*sin(4*pi*y1[0])*exp(-x[0]**2)", 1.0, 1e-5, -2.0, 2.0, 101),
    Moving("cos(2*pi*y1[0])*sin(10*x[0]) + sin(2*pi*y1[0])*cos(7*x[0])", 1.0, 1e-5, -2.0, 2.0, 81),
    Moving("2*x[0]*cos(2*pi*y1[0]) + 0.5*exp(-200*(x[0] - 0.5)**2)*cos(2*pi*12*y1[0])", 0.5, 1e-3, 0.0, 1.0, 41),
)


@dataclass(frozen=True, slots=True)
class Local:
    """Two scales, coupled by b(y1) = exp(sharpness (cos 2 pi (y1 - 0.31) - 1)) alone."""

    sharpness: float
    odd: bool
    sigma: float
    tol: float
    dim: int = 1

    @property
    def V1(self) -> str:
        bump = f"exp({self.sharpness}*(cos(2*pi*(y1[0] - 0.31)) - 1))"
        if self.odd:
            return f"cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*y2[0])*{bump}"
        return f"cos(2*pi*y2[0])*(1 - 0.9*{bump})" + (" + 0.3*cos(2*pi*y2[1])" if self.dim == 2 else "")

    def reference(self) -> float:
        y1, y2 = 2 * np.pi * np.arange(LINE)[:, None] / LINE, 2 * np.pi * np.arange(FINE) / FINE
        bump = np.exp(self.sharpness * (np.cos(y1 - 2 * np.pi * 0.31) - 1))
        v = np.cos(y1) * np.cos(y2) + 0.5 * np.sin(y2) * bump if self.odd else np.cos(y2) * (1 - 0.9 * bump)
        most = np.abs(v).max()
        sums = (np.exp((sign * v - most) / self.sigma).mean() for sign in (1.0, -1.0))
        return float(np.exp(-2.0 * most / self.sigma) / np.prod(list(sums)))


LOCAL = (
    Local(2000.0, False, 1.0, 1e-4),
    Local(20000.0, False, 0.01, 1e-7),
    Local(50000.0, True, 1.0, 1e-6),
)
LOCAL_PLANE = Local(300.0, False, 0.5, 1e-3, dim=2)


def evaluated(model: cs.EffectiveModel, x: np.ndarray) -> cs.Effective:
    try:
        return model.evaluate(x)
    except ConvergenceError as reached:
        return reached.result


def compared(label: str, V: cs.Potential, x: np.ndarray, M: np.ndarray, sigma: float, tol: float) -> list[Claim]:
    """True errors against tol and the estimate, and M in its bracket."""
    claims = []
    for bounds in (False, True) if V.dim * V.scales < 4 else (False,):
        eff = evaluated(cs.homogenize(V, sigma=sigma, tol=tol, bounds=bounds), x)
        error = np.abs(eff.diffusion[:, 0, 0] / M - 1.0)
        name = f"{label}{', with bounds' if bounds else ''}"
        claims.append(Claim(f"{name}: true error / tol", float(error.max() / tol), 1.0))
        claims.append(Claim(f"{name}: true error / estimate", float((error / eff.error_estimate).max()), 1.0))
        if eff.lower is not None and eff.upper is not None:
            outside = np.maximum(M - eff.upper[:, 0, 0], eff.lower[:, 0, 0] - M) / M
            claims.append(Claim(f"{name}: M outside its bracket by", max(float(outside.max()), 0.0), 1e-12))
    return claims


def moving(case: Moving, dim: int) -> list[Claim]:
    x = np.zeros((case.points, dim))
    x[:, 0] = case.x
    V = cs.Potential(case.V1 + ACROSS[dim], dim=dim, scales=1)
    return compared(f"d = {dim}, V1 = {case.V1}", V, x, case.reference(), case.sigma, case.tol)


def local(case: Local) -> list[Claim]:
    V = cs.Potential(case.V1, dim=case.dim, scales=2)
    label = f"d = {case.dim}, coupled at one place of y1, sharpness {case.sharpness:g}{' (odd)' * case.odd}"
    return compared(label, V, np.zeros((1, case.dim)), np.array([case.reference()]), case.sigma, case.tol)


def run(effort: int = 1) -> list[Claim]:
    claims = [claim for case in MOVING for claim in moving(case, 1)]
    claims += [claim for case in LOCAL for claim in local(case)]
    claims += [claim for case in (MOVING if effort else MOVING[:2]) for claim in moving(case, 2)]
    return claims + (local(LOCAL_PLANE) if effort else [])


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
