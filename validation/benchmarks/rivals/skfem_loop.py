"""The loop a user of scikit-fem and pyamg writes: one periodic mesh and basis, each coefficient assembled anew.

Triangles, squares or cubes of a structured mesh on the torus (`Mesh..1DG`), one degree of freedom fixed. Low order is
solved by SciPy's conjugate gradients on pyamg's Ruge-Stuben hierarchy, high order by SciPy's sparse LU, whichever is
faster. W5: an inner cell problem at every quadrature point of the outer mesh. Basis and points are set up beforehand.

    python skfem_loop.py WORK
"""

from __future__ import annotations

import logging
import sys
from functools import cached_property

import numpy as np
import pyamg
import skfem
from scipy.sparse import csr_array, csr_matrix
from scipy.sparse.linalg import cg, splu
from skfem.helpers import dot, grad, mul
from works import CELLS, SIGMA, best_of, emit, w4, w4_amplitudes, w5

logging.disable(logging.WARNING)  # "Transforming over 1000 vertices to C_CONTIGUOUS."
ELEMENTS = {
    "P1": (skfem.MeshTri1DG, skfem.ElementTriP1(), 2),
    "P2": (skfem.MeshTri1DG, skfem.ElementTriP2(), 2),
    "P4": (skfem.MeshTri1DG, skfem.ElementTriP4(), 6),
    "T1": (skfem.MeshTet, skfem.ElementTetP1(), 2),
    "T2": (skfem.MeshTet, skfem.ElementTetP2(), 2),
    "H1": (skfem.MeshHex1DG, skfem.ElementHex1(), 2),
    "H2": (skfem.MeshHex1DG, skfem.ElementHex2(), 4),
}
# element, n, solver (relative residual of cg, None: LU); W5 has an outer and an inner space
SETTINGS = {
    "W1": [("P1", 64, 1e-2), ("P2", 16, None), ("P4", 8, None), ("P4", 20, None), ("P4", 32, None)],
    "I2": [("P1", 64, 1e-2), ("P2", 16, None), ("P4", 8, None), ("P4", 20, None)],
    "W2": [("H1", 24, 1e-2), ("T1", 24, 1e-2), ("H2", 8, 1e-2), ("T2", 8, 1e-2), ("T2", 16, 1e-3)],
    "S3": [("H1", 24, 1e-2), ("T2", 8, 1e-2)],
    "C2": [("P1", 64, 1e-2), ("P2", 32, None), ("P4", 32, None)],
    "W4": [("P1", 64, 1e-2), ("P2", 16, None), ("P4", 6, None), ("P4", 12, None), ("P4", 20, None)],
    "W5": [("P1", 16, "P1", 24), ("P2", 4, "P2", 12), ("P4", 3, "P4", 4), ("P4", 6, "P4", 6)],
}


@skfem.BilinearForm
def stiffness(u, v, w):
    return dot(mul(w.K, grad(u)), grad(v))


@skfem.BilinearForm
def scalar_stiffness(u, v, w):
    return w.K * dot(grad(u), grad(v))


class Torus:
    """A basis on the unit torus, its quadrature points and the gradient functionals of unit fields."""

    def __init__(self, name: str, n: int) -> None:
        kind, element, order = ELEMENTS[name]
        self.dim = kind.elem.refdom.dim()
        torus = {} if kind is skfem.MeshTet else {"periodic": range(self.dim)}
        mesh = kind.init_tensor(*[np.linspace(0, 1, n + 1)] * self.dim, **torus)
        self.basis = skfem.Basis(mesh, element, intorder=order)
        wrapped = np.round(self.basis.doflocs * 2 * n).astype(int) % (2 * n)  # there are no periodic tetrahedra
        labels = np.unique(wrapped, axis=1, return_inverse=True)[1] if not torus else np.arange(self.basis.N)
        self.fold = csr_array((np.ones(len(labels)), (np.arange(len(labels)), labels)))
        self.n_dofs = self.fold.shape[1]

    @cached_property
    def points(self) -> np.ndarray:
        """(elements, q, d)"""
        return np.moveaxis(self.basis.global_coordinates().value, 0, -1)

    def load(self, r: int):
        return skfem.LinearForm(lambda v, w: -(w.K * grad(v)[r] if w.K.ndim == 2 else dot(w.K[:, r], grad(v))))

    def tensor(self, K: np.ndarray, rtol: float | None) -> np.ndarray:
        """K_hom of a scalar K (elements, q) or a tensor K (d, d, elements, q)."""
        A = (scalar_stiffness if K.ndim == 2 else stiffness).assemble(self.basis, K=K)
        b = np.stack([self.load(r).assemble(self.basis, K=K) for r in range(self.dim)])
        if self.n_dofs < self.basis.N:
            A, b = self.fold.T @ A @ self.fold, b @ self.fold
        free = csr_matrix(A[1:, 1:])
        theta = np.zeros_like(b)
        if rtol is None:
            theta[:, 1:] = (
                splu(free.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(b[:, 1:].T).T
            )
        else:
            M = pyamg.ruge_stuben_solver(free).aspreconditioner()
            for r in range(self.dim):
                theta[r, 1:], failed = cg(free, b[r, 1:], rtol=rtol, M=M)
                if failed:
                    raise RuntimeError("conjugate gradients did not converge")
        mean = (K * self.basis.dx).sum(axis=(-2, -1))
        mean = mean * np.eye(self.dim) if K.ndim == 2 else mean
        return mean + theta @ (A @ theta.T) - theta @ b.T - b @ theta.T


def nested(outer: Torus, inner: Torus, sigma: float, rtol: float | None) -> np.ndarray:
    """M = K_0 / Z: inner problems at all quadrature points of the outer mesh."""
    K1 = np.empty((2, 2, *outer.points.shape[:2]))
    Z = np.empty(outer.points.shape[:2])
    for at in np.ndindex(Z.shape):
        K = w5(outer.points[at], inner.points, sigma)
        K1[(..., *at)], Z[at] = inner.tensor(K, rtol), (K * inner.basis.dx).sum()
    return outer.tensor(K1, rtol) / (Z * outer.basis.dx).sum()


def main(work: str) -> None:
    version = f"scikit-fem {skfem.__version__}, pyamg {pyamg.__version__}"
    for setting in SETTINGS[work]:
        space, text = Torus(*setting[:2]), " ".join(map(str, setting))
        if work in SIGMA:
            inner = Torus(*setting[2:])
            rtol = None if setting[2] != "P1" else 1e-2
            tensor, seconds = best_of(lambda a=space, b=inner, rtol=rtol: nested(a, b, SIGMA[work], rtol), budget=1)
            emit("scikit-fem", work, text, inner.n_dofs, seconds, tensor, 1, version)
            continue
        amplitudes = w4_amplitudes(20 if work == "W4" else 1)

        def loop(space: Torus = space, rtol: float | None = setting[2], amplitudes: np.ndarray = amplitudes) -> list:
            y = space.points
            return [space.tensor(w4(a, y) if work == "W4" else CELLS[work].K(y), rtol) for a in amplitudes]

        tensors, seconds = best_of(loop)
        count = len(tensors)
        tensor = tensors if work == "W4" else tensors[0]
        emit("scikit-fem", work, text, space.n_dofs, seconds / count, tensor, count, version)


if __name__ == "__main__":
    main(sys.argv[1])
