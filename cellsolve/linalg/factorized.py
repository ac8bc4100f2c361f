"""Direct: sparse LU of each A(K), and of the constant-coefficient operator for Green on meshes.

A is singular on constants: one unknown of each piece is fixed to zero, means are taken out of the solution.
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
from cellsolve.linalg.constants import Constants
from cellsolve.linalg.green import Scaled, isotropic_part
from cellsolve.linalg.preconditioner import Preconditioner

__all__ = ["Direct", "Factorization", "Shared", "direct", "factorize", "green_jacobi"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Factorization:
    """Sparse LU of A without the unknowns that are not ``free``; None where there is none."""

    factor: Any
    free: npt.NDArray[np.bool_]  # (n,)
    constants: Constants

    def solve(self, R: FloatArray) -> FloatArray:
        """Mean-free solutions of A u = R for rows R (m, n), constants projected out on both sides: symmetric."""
        u = np.zeros_like(R)
        if self.factor is not None:
            u[:, self.free] = self.factor.solve(np.ascontiguousarray(self.constants.removed(R)[:, self.free].T)).T
        return self.constants.removed(u)


def factorize(A: sp.csr_array, pieces: IntArray | None = None) -> Factorization:
    """Factorize A in symmetric mode; ``pieces`` (n,) of the unknowns, None for one piece."""
    constants = Constants(pieces)
    free = np.ones(A.shape[0], dtype=np.bool_)
    free[constants.anchors()] = False
    if not free.any():
        return Factorization(None, free, constants)
    inner = A[1:, 1:] if pieces is None else A[free][:, free]
    options = {"SymmetricMode": True}
    factor = spla.splu(sp.csc_array(inner), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return Factorization(factor, free, constants)


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """The inverse itself, a factorization a coefficient; conjugate gradients then check and polish in few steps."""

    factors: list[Factorization]

    def apply(self, R: FloatArray) -> FloatArray:
        return np.stack([factor.solve(rows) for factor, rows in zip(self.factors, R, strict=True)])

    def take(self, rows: IntArray) -> Direct:
        return Direct([self.factors[i] for i in rows])


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """One factorization for all coefficients: Green on a mesh."""

    factor: Factorization

    def apply(self, R: FloatArray) -> FloatArray:
        return self.factor.solve(R.reshape(-1, R.shape[-1])).reshape(R.shape)

    def take(self, rows: IntArray) -> Shared:  # noqa: ARG002 (one state serves every row)
        return self


def direct(matrices: Sequence[sp.csr_array], pieces: IntArray | None = None) -> Direct:
    """Factorize each of the matrices; ``pieces`` of their unknowns."""
    return Direct([factorize(A, pieces) for A in matrices])


def green_jacobi(space: MeshSpace | CoupledSpace, K: FloatArray, green: Preconditioner) -> Scaled:
    """J^(1/2) G J^(1/2), J = diag(A(1)) / diag(A(kappa))."""
    kappa = isotropic_part(K, space.dim)
    J = space.diagonal(space.weights[None]) / space.diagonal(space.weights * kappa)
    return Scaled(green, np.sqrt(J)[:, None])
