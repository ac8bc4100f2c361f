"""Algebraic multigrid: pyamg's Ruge-Stuben on first-order elements, p-multigrid above it for order 2 and up.

The only door to pyamg. Every hierarchy is built from a matrix of its own, with numpy's global random state put back,
and constants are projected out on both sides: on the singular periodic matrix plain V-cycles can stagnate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray

__all__ = ["Multigrid", "multigrid"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """One symmetric cycle for one matrix: smooth, correct on first-order elements by a V-cycle, smooth."""

    fine: Any | None  # csr_matrix of order p, None where the space is of first order
    interpolation: Any | None
    coarse: Any  # a pyamg V-cycle as linear operator

    def __call__(self, r: FloatArray) -> FloatArray:
        if self.fine is None or self.interpolation is None:
            return np.asarray(self.coarse @ r)
        from pyamg.relaxation.relaxation import gauss_seidel

        u = np.zeros_like(r)
        gauss_seidel(self.fine, u, r, sweep="forward")
        coarse_residual = self.interpolation.T @ (r - self.fine @ u)
        coarse_residual -= coarse_residual.mean()
        u += self.interpolation @ np.asarray(self.coarse @ coarse_residual)
        gauss_seidel(self.fine, u, r, sweep="backward")
        return u


@dataclass(frozen=True, slots=True, eq=False)
class Multigrid:
    """A cycle for each coefficient."""

    cycles: list[Cycle]

    def apply(self, R: FloatArray) -> FloatArray:
        z = np.empty_like(R)
        for cycle, rows, out in zip(self.cycles, R, z, strict=True):
            for r, target in zip(rows, out, strict=True):
                target[:] = cycle(r - r.mean())
        z -= z.mean(axis=-1, keepdims=True)
        return z

    def take(self, rows: IntArray) -> Multigrid:
        return Multigrid([self.cycles[i] for i in rows])


def multigrid(space: MeshSpace, K: FloatArray) -> Multigrid:
    """A hierarchy for each of the coefficients (b, q) or (b, d, d, q)."""
    interpolation = None if space.order == 1 else sp.csr_matrix(space.linear_interpolation())
    return Multigrid([_cycle(space.matrix(space.weights * k), interpolation) for k in K])


def _cycle(A: sp.csr_array, interpolation: Any | None) -> Cycle:
    fine = sp.csr_matrix(A)
    if interpolation is None:
        return Cycle(None, None, _ruge_stuben(fine))
    coarse = sp.csr_matrix(interpolation.T @ fine @ interpolation)
    return Cycle(fine, interpolation, _ruge_stuben(coarse))


def _ruge_stuben(A: Any) -> Any:
    import pyamg

    with _own_random_state():
        hierarchy = pyamg.ruge_stuben_solver(A.copy(), max_coarse=200, coarse_solver="pinv")
    return hierarchy.aspreconditioner(cycle="V")


@contextmanager
def _own_random_state() -> Iterator[None]:
    """pyamg draws from numpy's global generator: seed it, then put back what was there."""
    state = np.random.get_state()  # noqa: NPY002 (the global generator is the one pyamg uses)
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
