"""Direct: sparse LU of each A(K), and of the constant-coefficient operator for Green on meshes.

A is singular on constants: the first unknown is fixed to zero, the mean is taken out of the solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.green import Scaled, isotropic_part
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["Direct", "Shared", "direct", "factorize", "green_jacobi", "solve_factorized"]

IntArray = npt.NDArray[np.int64]


def factorize(A: sp.csr_array) -> Any:
    """Sparse LU of A without its first unknown, in symmetric mode; None where A has one unknown only."""
    if A.shape[0] == 1:
        return None
    options = {"SymmetricMode": True}
    return spla.splu(sp.csc_array(A[1:, 1:]), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def solve_factorized(factor: Any, R: FloatArray) -> FloatArray:
    """Mean-free solutions of A u = R for rows R (m, n), constants projected out on both sides: a symmetric operator."""
    u = np.zeros_like(R)
    if factor is not None:
        u[:, 1:] = factor.solve(np.ascontiguousarray((R - R.mean(axis=-1, keepdims=True))[:, 1:].T)).T
    u -= u.mean(axis=-1, keepdims=True)
    return u


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """The inverse itself, a factorization a coefficient; conjugate gradients then check and polish in few steps."""

    factors: list[Any]

    def apply(self, R: FloatArray) -> FloatArray:
        return np.stack([solve_factorized(factor, rows) for factor, rows in zip(self.factors, R, strict=True)])

    def take(self, rows: IntArray) -> Direct:
        return Direct([self.factors[i] for i in rows])


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """One factorization for all coefficients: Green on a mesh."""

    factor: Any

    def apply(self, R: FloatArray) -> FloatArray:
        return solve_factorized(self.factor, R.reshape(-1, R.shape[-1])).reshape(R.shape)

    def take(self, rows: IntArray) -> Shared:  # noqa: ARG002 (one state serves every row)
        return self


def direct(matrices: Sequence[sp.csr_array]) -> Direct:
    """Factorize each of the matrices."""
    return Direct([factorize(A) for A in matrices])


def green_jacobi(space: MeshSpace | CoupledSpace, K: FloatArray, green: Preconditioner) -> Scaled:
    """J^(1/2) G J^(1/2), J = diag(A(1)) / diag(A(kappa))."""
    kappa = isotropic_part(K, space.dim)
    J = space.diagonal(space.weights[None]) / space.diagonal(space.weights * kappa)
    return Scaled(green, np.sqrt(J)[:, None])
