"""Batched preconditioned conjugate gradients for cell problems, stopped by the error of the effective tensor itself.

    minimize over u_r:   sum_q w (e_r + D u_r)^T K (e_r + D u_r),      r = 1..d

A step lowers the energy by alpha gamma, gamma = r^T M r; the drops decay like rho^k, so the energy still to be lost,
which is the error of K_hom, is about drop rho / (1 - rho). A problem is done when that is below tol times its *present*
energy, confirmed on the true residual. Problems that are done are frozen and leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.space import FloatArray, PeriodicSpace, batch_fastest, flux, of_problems
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["CellMinimum", "OnSolved", "energy_tensor", "minimize_energy"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
OnSolved = Callable[[FloatArray, IntArray], None]  # total gradients E (b, d, d, q) of the problems numbered (b,)

_WINDOW = 4  # steps over which the rate of convergence is measured
_MAX_RESTARTS = 3
_UNKNOWN = 1e100  # a drop not seen yet
_PATIENCE = 0.5  # steps, on average over the batch, that are cheaper than a check
_ROUNDING = 1e-24  # of the energy: a step that gains less is noise


@dataclass(slots=True, eq=False)
class CellMinimum:
    """Solutions of a batch of cell problems, with the evidence."""

    tensor: FloatArray  # (B, d, d)
    correctors: FloatArray  # (B, d, n); empty for d = 1, where the tensor needs none
    iterations: IntArray  # (B,)
    error: FloatArray  # (B,) estimated relative error of the tensor by stopping early
    residual: FloatArray  # (B,) sqrt(r^T M r / r0^T M r0), true residual at the end
    converged: BoolArray  # (B,)


def energy_tensor(E: FloatArray, F: FloatArray) -> FloatArray:
    """T_rs = sum_q E_r . F_s of total gradients and weighted fluxes (b, d, d, q) -> symmetric (b, d, d)."""
    d = E.shape[1]
    T = np.empty((len(E), d, d))
    for r in range(d):
        for s in range(r, d):
            T[:, r, s] = T[:, s, r] = np.einsum("biq,biq->b", E[:, r], F[:, s])
    return T


def minimize_energy(
    space: PeriodicSpace,
    C: FloatArray,
    preconditioner: Preconditioner,
    tol: float,
    *,
    start: FloatArray | None = None,
    max_iterations: int = 2000,
    on_solved: OnSolved | None = None,
) -> CellMinimum:
    """Solve the cell problems of B weighted coefficients C = w K, (B, q) or (B, d, d, q), to ``tol`` relative to K_hom.

    ``start`` (B, d, n) is a first guess of the correctors. ``on_solved`` is called with the total gradients
    E = I + D u of the problems that are done, while they are at hand. Problems that stagnate or reach
    ``max_iterations`` come back with ``converged`` False.
    """
    run = _Run(space, C, preconditioner, tol, start, on_solved)
    for _ in range(max_iterations):
        run.step()
        run.harvest()
        if not len(run.index):
            break
    run.give_up()
    return run.minimum


class _Run:
    """The problems still iterating, numbered by ``index``, and what is known of the others in ``minimum``."""

    def __init__(
        self,
        space: PeriodicSpace,
        C: FloatArray,
        preconditioner: Preconditioner,
        tol: float,
        start: FloatArray | None,
        on_solved: OnSolved | None,
    ):
        B, d, n = len(C), space.dim, space.n_dofs
        C = batch_fastest(C)
        self.space, self.C, self.M, self.tol, self.on_solved = space, C, preconditioner, tol, on_solved
        self.minimum = CellMinimum(
            tensor=np.full((B, d, d), np.nan),
            correctors=np.zeros((B, d, n)),
            iterations=np.zeros(B, dtype=np.int64),
            error=np.full(B, np.inf),
            residual=np.full(B, np.inf),
            converged=np.zeros(B, dtype=np.bool_),
        )
        self.identity = np.eye(d)[:, :, None]
        self.index = np.arange(B)
        self.active = np.ones(B, dtype=np.bool_)
        self.restarts = np.zeros(B, dtype=np.int64)
        self.count = 0
        self.waiting = 0  # steps that problems which seem done have waited for company
        first_flux = flux(C, batch_fastest(np.broadcast_to(self.identity, (B, d, d, C.shape[-1]))))
        self.u = batch_fastest(np.zeros((B, d, n)) if start is None else start.copy())
        self.r = -space.divergence(first_flux)
        if start is not None:
            self.r -= space.divergence(flux(C, space.gradient(self.u)))
        self.energy: FloatArray = np.einsum("brrq->br", first_flux)
        z = self.M.apply(self.r)
        self.p = z
        self.gamma = _dot(self.r, z)
        self.first_gamma = self.gamma.copy()
        self.alpha = np.zeros_like(self.gamma)
        self.drops = np.full((2 * _WINDOW, B, d), _UNKNOWN)

    def step(self) -> None:
        """One iteration of conjugate gradients on every active problem."""
        self.count += 1
        Ap = self.space.divergence(flux(self.C, self.space.gradient(self.p)))
        curvature = _dot(self.p, Ap)
        usable = self.active[:, None] & (curvature > 0) & (self.drops[0] > _ROUNDING * self.energy)
        alpha = np.divide(self.gamma, curvature, out=np.zeros_like(self.gamma), where=usable)
        self.u += alpha[..., None] * self.p
        self.r -= alpha[..., None] * Ap
        z = self.M.apply(self.r)
        gamma = _dot(self.r, z)
        beta = np.divide(gamma, self.gamma, out=np.zeros_like(gamma), where=usable & (self.gamma > 0))
        self.p *= beta[..., None]
        self.p += z
        self.drops[1:] = self.drops[:-1]
        self.drops[0] = alpha * self.gamma
        self.alpha = alpha
        self.gamma = gamma

    def remaining(self) -> FloatArray:
        """Estimate of the energy that further steps would still take away, (b, d).

        Geometric from step to step, at the worse of the last rates. Where convergence is slow and uneven, also from
        one window of steps to the next, and one small step is not believed until the next one confirms it.
        """
        steps = min(self.count - 1, _WINDOW)
        recent = self.drops[: steps + 1]
        if steps == 0:
            return 10.0 * _floored(recent[0])
        fast = _geometric(recent)
        if self.count <= 2 * _WINDOW:
            return fast
        now, earlier = self.drops[:_WINDOW].sum(axis=0), self.drops[_WINDOW : 2 * _WINDOW].sum(axis=0)
        ratio = np.clip(now / _floored(earlier), 0.0, 0.98)
        before = _geometric(self.drops[1 : _WINDOW + 2])
        estimate: FloatArray = np.maximum(np.maximum(fast, 0.5 * before), now * ratio / (1.0 - ratio))
        return estimate

    def harvest(self) -> None:
        """Check the problems that seem done on their true energy and residual; freeze those that are."""
        remaining = self.remaining()
        enough = max(self.tol, _ROUNDING) * self.energy
        candidates = np.flatnonzero(self.active & (remaining <= enough).all(axis=1))
        self.waiting += len(candidates)
        if not self._worth_checking(len(candidates)):
            return
        self.waiting = 0
        some = self.M.take(candidates)
        E = self.space.gradient(of_problems(self.u, candidates))
        E += self.identity
        F = flux(of_problems(self.C, candidates), E)
        T = energy_tensor(E, F)
        r = -self.space.divergence(F)
        z = some.apply(r)
        gamma = _dot(r, z)
        self.energy[candidates] = np.einsum("brr->br", T)
        next_drop = self.alpha[candidates] * gamma  # of a step from the true residual
        error = (np.maximum(remaining[candidates], next_drop) / self.energy[candidates]).sum(axis=1)
        done = error <= self.tol
        stuck = ~done & ((self.restarts[candidates] >= _MAX_RESTARTS) | (self.tol < _ROUNDING))
        self._store(candidates, T, error, gamma, done, done | stuck)
        if self.on_solved is not None and done.any():
            self.on_solved(of_problems(E, np.flatnonzero(done)), self.index[candidates[done]])
        drifted = (gamma > 2.0 * self.gamma[candidates]).any(axis=1)
        again = ~done & ~stuck & drifted
        self._restart(candidates[again], r[again], z[again], gamma[again])
        self._compress()

    def _worth_checking(self, candidates: int) -> bool:
        """Checks come in few and large batches: one costs about as much as a step, for those that could have left."""
        active = int(self.active.sum())
        return candidates > 0 and (candidates == active or self.waiting >= _PATIENCE * active)

    def _store(
        self,
        rows: IntArray,
        T: FloatArray,
        error: FloatArray,
        gamma: FloatArray,
        done: BoolArray,
        leaving: BoolArray,
    ) -> None:
        rows, out = rows[leaving], self.minimum
        index = self.index[rows]
        out.tensor[index] = T[leaving]
        out.correctors[index] = self.u[rows]
        out.iterations[index] = self.count
        out.error[index] = error[leaving]
        first = np.maximum(self.first_gamma[rows], np.finfo(float).tiny)
        out.residual[index] = np.sqrt(np.maximum(gamma[leaving] / first, 0.0).max(axis=1))
        out.converged[index] = done[leaving]
        self.active[rows] = False

    def _restart(self, rows: IntArray, r: FloatArray, z: FloatArray, gamma: FloatArray) -> None:
        """Go on from the true residual, where the recursive one has drifted away from it."""
        self.r[rows], self.p[rows], self.gamma[rows] = r, z, gamma
        self.restarts[rows] += 1
        self.drops[0, rows] = _UNKNOWN

    def _compress(self) -> None:
        """Let frozen problems leave once they are a third of the batch."""
        if self.active.sum() > 0.67 * len(self.active):
            return
        keep = np.flatnonzero(self.active)
        self.M = self.M.take(keep)
        for name in ("C", "u", "r", "p", "gamma", "alpha", "first_gamma", "energy", "index", "restarts", "active"):
            setattr(self, name, of_problems(getattr(self, name), keep))
        self.drops = self.drops[:, keep]

    def give_up(self) -> None:
        """Record the best that is known of the problems still active."""
        rows = np.flatnonzero(self.active)
        if not len(rows):
            return
        E = self.identity + self.space.gradient(of_problems(self.u, rows))
        T = energy_tensor(E, flux(of_problems(self.C, rows), E))
        error = (self.remaining()[rows] / np.einsum("brr->br", T)).sum(axis=1)
        nobody = np.zeros(len(rows), dtype=np.bool_)
        self._store(rows, T, error, self.gamma[rows], nobody, ~nobody)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner products over the unknowns: (b, d, n) with (b, d, n) -> (b, d)."""
    result: FloatArray = np.einsum("brn,brn->br", a, b)
    return result


def _geometric(drops: FloatArray) -> FloatArray:
    """What a series of drops (steps, b, d), the newest first, still has to give, at the worse of its last rates."""
    recent = _floored(drops)
    rate = np.maximum((recent[:2] / recent[1:3]).max(axis=0), (recent[0] / recent[-1]) ** (1.0 / (len(recent) - 1)))
    rate = np.clip(rate, 0.4, 0.99)
    rest: FloatArray = 1.5 * recent[:2].max(axis=0) * rate / (1.0 - rate)
    return rest


def _floored(values: FloatArray) -> FloatArray:
    """Values fit to divide by."""
    floored: FloatArray = np.maximum(values, 1e-200)
    return floored
