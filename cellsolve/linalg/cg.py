"""Batched conjugate gradients for the energies of cell problems, stopped by the error of the effective tensor itself.

A step lowers the energy by alpha gamma, gamma = r^T M r; the drops decay like rho^k, so the energy still to be lost,
which is the error of K_hom, is about drop rho / (1 - rho). A problem is done when that is below tol times its *present*
energy, in every direction, confirmed on the true residual. Problems that are done are frozen and leave the batch.
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.space import FloatArray, of_problems
from cellsolve.linalg.energies import BoolArray, CellMinimum, Energies, IntArray, OnSolved

__all__ = ["conjugate_gradients"]

_WINDOW = 4  # steps over which the rate of convergence is measured
_MAX_RESTARTS = 3
_UNKNOWN = 1e100  # a drop not seen yet
_PATIENCE = 1.0  # steps, on average over the batch, that are cheaper than a check
_ROUNDING = 1e-24  # of the energy: a step that gains less is noise
_LEAST_GAP = 1e-12  # between the directions of a tensor, below which rounding decides


def conjugate_gradients(
    energies: Energies, tol: float, *, max_iterations: int = 2000, on_solved: OnSolved | None = None
) -> CellMinimum:
    """Minimize the energies of B cell problems, to an error ``tol`` relative to K_hom.

    ``on_solved`` is called with the solutions of the problems that are done, while they are at hand. Problems that
    stagnate, have no minimum or reach ``max_iterations`` come back with ``converged`` False.
    """
    run = _Run(energies, tol, on_solved)
    for _ in range(max_iterations):
        run.step()
        run.harvest()
        if not len(run.index):
            break
    run.give_up()
    return run.minimum


class _Run:
    """The problems still iterating, numbered by ``index``, and what is known of the others in ``minimum``."""

    def __init__(self, energies: Energies, tol: float, on_solved: OnSolved | None):
        self.energies, self.tol, self.on_solved = energies, tol, on_solved
        self.u, self.r, self.energy = energies.start()
        B, d, _ = self.u.shape
        self.minimum = CellMinimum(
            tensor=np.full((B, d, d), np.nan),
            unknowns=np.zeros(self.u.shape),
            form=energies,
            iterations=np.zeros(B, dtype=np.int64),
            error=np.full(B, np.inf),
            residual=np.full(B, np.inf),
            converged=np.zeros(B, dtype=np.bool_),
        )
        self.index = np.arange(B)
        self.active = np.ones(B, dtype=np.bool_)
        self.unbounded = np.zeros(B, dtype=np.bool_)  # energies seen to have no minimum
        self.restarts = np.zeros(B, dtype=np.int64)
        self.count = 0
        self.waiting = 0  # steps that problems which seem done have waited for company
        z = energies.precondition(self.r)
        self.p = z.copy(order="K")
        self.gamma = _dot(self.r, z)
        self.first_gamma = self.gamma.copy()
        self.alpha = np.zeros_like(self.gamma)
        self.drops = np.full((2 * _WINDOW, B, d), _UNKNOWN)
        self.lowered = [np.zeros((B, d))]  # by how much the energies have fallen, step by step

    def step(self) -> None:
        """One iteration of conjugate gradients on every active problem."""
        self.count += 1
        Ap = self.energies.apply(self.p)
        curvature = _dot(self.p, Ap)
        going = self.active[:, None] & (self.drops[0] > _ROUNDING * self.energy)
        usable = going & (curvature > 0)
        self.unbounded |= (going & (curvature < 0)).any(axis=1)
        alpha = np.divide(self.gamma, curvature, out=np.zeros_like(self.gamma), where=usable)
        self.u += alpha[..., None] * self.p
        Ap *= alpha[..., None]
        self.r -= Ap
        z = self.energies.precondition(self.r)
        gamma = _dot(self.r, z)
        beta = np.divide(gamma, self.gamma, out=np.zeros_like(gamma), where=usable & (self.gamma > 0))
        self.p *= beta[..., None]
        self.p += z
        self.drops[1:] = self.drops[:-1]
        self.drops[0] = alpha * self.gamma
        self.lowered.append(self.lowered[-1] + self.drops[0])
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
        return np.maximum(estimate, self._long_term())

    def _long_term(self) -> FloatArray:
        """The same over windows of a quarter of all steps: metastable landscapes have plateaus, longer the slower they
        converge, on which the energy hardly falls."""
        window = max(self.count // 4, 1)
        now, earlier, before = self.lowered[-1], self.lowered[-1 - window], self.lowered[-1 - 2 * window]
        last = now - earlier
        ratio = np.clip(last / _floored(earlier - before), 0.1, 0.98)
        rest: FloatArray = last * ratio / (1.0 - ratio)
        return rest

    def harvest(self) -> None:
        """Check the problems that seem done on their true energy and residual; freeze those that are."""
        enough = max(self.tol, _ROUNDING) * self.energy
        if not ((self.drops[0] <= enough).all(axis=1) | self.unbounded).any():
            return  # what remains is estimated at the last drop at least
        remaining = self.remaining()
        candidates = np.flatnonzero(self.active & ((remaining <= enough).all(axis=1) | self.unbounded))
        self.waiting += len(candidates)
        if not self._worth_checking(len(candidates)):
            return
        self.waiting = 0
        some = self.energies if len(candidates) == len(self.active) else self.energies.take(candidates)
        T, r, solved = some.evaluate(of_problems(self.u, candidates))
        z = some.precondition(r)
        gamma = _dot(r, z)
        self.energy[candidates] = np.einsum("brr->br", T)
        alpha = self.alpha[candidates]
        next_drop = np.where(alpha > 0, alpha, 1.0) * gamma  # of a step from the true residual
        error = (np.maximum(remaining[candidates], next_drop) / self.energy[candidates]).sum(axis=1) / _gap(T)
        unbounded = self.unbounded[candidates] | (self.energy[candidates] <= 0).any(axis=1)
        done = (error <= self.tol) & ~unbounded
        stuck = ~done & (unbounded | (self.restarts[candidates] >= _MAX_RESTARTS) | (self.tol < _ROUNDING))
        self._store(candidates, T, error, gamma, done, done | stuck)
        if self.on_solved is not None and done.any():
            rows = np.flatnonzero(done)
            self.on_solved(solved if done.all() else solved.take(rows), self.index[candidates[rows]])
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
        out.unknowns[index] = of_problems(self.u, rows)
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
        self.energies = self.energies.take(keep)
        for name in (
            "u",
            "r",
            "p",
            "gamma",
            "alpha",
            "first_gamma",
            "energy",
            "index",
            "restarts",
            "active",
            "unbounded",
        ):
            setattr(self, name, of_problems(getattr(self, name), keep))
        self.drops = self.drops[:, keep]
        self.lowered = [of_problems(energy, keep) for energy in self.lowered]

    def give_up(self) -> None:
        """Record the best that is known of the problems still active."""
        rows = np.flatnonzero(self.active)
        if not len(rows):
            return
        T, _, _ = self.energies.take(rows).evaluate(of_problems(self.u, rows))
        error = (self.remaining()[rows] / np.einsum("brr->br", T)).sum(axis=1) / _gap(T)
        nobody = np.zeros(len(rows), dtype=np.bool_)
        self._store(rows, T, error, self.gamma[rows], nobody, ~nobody)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner products over the unknowns: (b, d, n) with (b, d, n) -> (b, d), kept with the problems fastest."""
    result: FloatArray = np.einsum("brn,brn->rb", a, b).T
    return result


def _gap(T: FloatArray) -> FloatArray:
    """The smallest eigenvalue of D^-1/2 T D^-1/2 (b,), D the diagonal of T (b, d, d): an error of this size against
    each energy is one of size 1 against the smallest eigenvalue of T, for directions between the axes."""
    roots = np.sqrt(np.maximum(np.einsum("brr->br", T), 1e-200))
    scaled = T / (roots[:, :, None] * roots[:, None, :])
    if T.shape[1] == 1:
        return np.ones(len(T))
    if T.shape[1] == 2:
        gap = 1.0 - np.abs(scaled[:, 0, 1])
    else:
        gap = np.linalg.eigvalsh(np.where(np.isfinite(scaled), scaled, 0.0))[:, 0]
    return np.asarray(np.maximum(gap, _LEAST_GAP))


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
