"""W3 with scikit-fem and pyamg: the usual loop of a Python user, with the periodic unknowns folded by a 0/1 matrix.

assemble with scikit-fem,  A = P^T A0 P,  scipy's conjugate gradients on pyamg's Ruge-Stuben hierarchy
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyamg
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import skfem
from skfem.helpers import dot, grad

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mesh_works as works

Array = np.ndarray[Any, Any]
ELEMENTS = {
    (2, 1): skfem.ElementTriP1,
    (2, 2): skfem.ElementTriP2,
    (3, 1): skfem.ElementTetP1,
    (3, 2): skfem.ElementTetP2,
}


@skfem.BilinearForm
def conduction(u: Any, v: Any, w: Any) -> Any:
    """int K grad u . grad v"""
    return w.K * dot(grad(u), grad(v))


@skfem.LinearForm
def load(v: Any, w: Any) -> Any:
    """-int K e_r . grad v"""
    return -w.K * grad(v)[w.r]


def assemble(mesh: works.Mesh, case: works.Case) -> tuple[Any, Array, float]:
    """A on the torus, right-hand sides (d, n) and the mean of K."""
    kind = {2: skfem.MeshTri, 3: skfem.MeshTet}[case.dim]
    points, corners = np.ascontiguousarray(mesh.points.T), np.ascontiguousarray(mesh.elements.T)
    basis = skfem.Basis(kind(points, corners), ELEMENTS[case.dim, case.order](), intorder=2 * (case.order - 1))
    K = np.where(mesh.inside, case.contrast, 1.0)[:, None] * np.ones(basis.dx.shape)
    labels = works.periodic_labels(basis.doflocs.T)
    P = sp.csr_array((np.ones(len(labels)), (np.arange(len(labels)), labels)))
    A = sp.csr_matrix(P.T @ conduction.assemble(basis, K=K) @ P)
    right = np.array([P.T @ load.assemble(basis, K=K, r=r) for r in range(case.dim)])
    return A, right, float((K * basis.dx).sum())


def main() -> None:
    """One line a case."""
    given = works.arguments(__doc__, rtol=1e-4)
    for name in given.cases:
        case, times, steps, theta = works.CASES[name], {}, [], []
        with works.stopwatch(times, "read"):
            mesh = works.load(case, given.cache)
        with works.stopwatch(times, "assembly"):
            A, right, mean = assemble(mesh, case)
        with works.stopwatch(times, "setup"):
            M = pyamg.ruge_stuben_solver(A, max_coarse=200, coarse_solver="pinv").aspreconditioner()
        with works.stopwatch(times, "solve"):
            for b in right:
                steps.append(0)

                def count(_: Array, steps: list[int] = steps) -> None:
                    steps[-1] += 1

                u, failed = spla.cg(A, b, rtol=given.rtol, M=M, maxiter=1000, callback=count)
                if failed:
                    sys.exit(f"{name}: conjugate gradients did not converge in {failed} steps")
                theta.append(u)
            U = np.array(theta)
            tensor = mean * np.eye(case.dim) + U @ (A @ U.T) - U @ right.T - right @ U.T
        setting = f"Ruge-Stuben + CG, rtol {given.rtol:g}"
        works.report("scikit-fem", skfem.__version__, case, setting, A.shape[0], times, tensor, steps)


if __name__ == "__main__":
    main()
