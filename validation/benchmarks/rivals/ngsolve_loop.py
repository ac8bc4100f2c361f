"""NGSolve: high order elements on a periodic square or cube; mesh, space, forms and symbolic K are made once.

Squares or cubes; static condensation of the inner unknowns, sparse Cholesky of the rest (one vertex fixed), one
factorization for all directions. K_hom = mean(K) I - theta_r . b_s, exact for the discrete solution. The amplitudes of
W4 are Parameters.

    python ngsolve_loop.py WORK
"""

from __future__ import annotations

import sys
from math import pi

import ngsolve as ngs
import numpy as np
from ngsolve import cos, grad, sin
from ngsolve.krylovspace import CGSolver
from ngsolve.meshes import MakeStructured2DMesh, MakeStructured3DMesh
from works import best_of, emit, w4_amplitudes

# n, p, solver: "cholesky", or the relative residual of conjugate gradients with BDDC (better for many unknowns in 3-D)
SETTINGS = {
    "W1": [(3, 5, "cholesky"), (4, 6, "cholesky"), (4, 8, "cholesky"), (4, 10, "cholesky")],
    "I2": [(3, 5, "cholesky"), (4, 6, "cholesky"), (4, 8, "cholesky")],
    "W2": [(3, 3, "cholesky"), (4, 4, 1e-4), (3, 5, "cholesky"), (3, 6, "cholesky"), (4, 6, 1e-6)],
    "S3": [(3, 3, "cholesky"), (3, 5, "cholesky")],
    "W4": [(3, 4, "cholesky"), (3, 6, "cholesky"), (3, 8, "cholesky"), (4, 8, "cholesky")],
}
AMPLITUDES = [ngs.Parameter(1.0) for _ in range(3)]


def coefficient(work: str) -> ngs.CoefficientFunction:
    """The K of `works`, in NGSolve's symbols."""
    x, y, z = (2 * pi * s for s in (ngs.x, ngs.y, ngs.z))
    a, b, c = AMPLITUDES
    V = {
        "W1": 2 * (cos(x) * cos(y + 0.7) + 0.5 * sin(x + y) + 0.3 * cos(2 * x - y + 0.4)),
        "I2": 2 * cos(x) * cos(y),
        "W2": cos(x) * cos(y) + cos(x + y - z) + 0.7 * sin(y + z),
        "S3": cos(x) + cos(y) + cos(z),
        "W4": a * cos(x) + b * cos(x + y) + c * sin(y),
    }[work]
    return ngs.exp(-V).Compile()


class Problem:
    """The space and the forms on n^d cells of degree p; `solve` assembles for the present coefficient."""

    def __init__(self, K: ngs.CoefficientFunction, dim: int, n: int, p: int, solver: str | float) -> None:
        self.dim, torus = dim, {f"periodic_{axis}": True for axis in "xyz"[:dim]}
        self.mesh = (
            MakeStructured2DMesh(quads=True, nx=n, ny=n, **torus)
            if dim == 2
            else MakeStructured3DMesh(hexes=True, nx=n, ny=n, nz=n, **torus)
        )
        self.space = ngs.Periodic(ngs.H1(self.mesh, order=p))
        self.K, self.order, self.solver = K, 2 * p, solver
        u, v = self.space.TnT()
        self.A = ngs.BilinearForm(self.space, symmetric=True, condense=True)
        self.A += K * grad(u) * grad(v) * ngs.dx
        self.bddc = None if solver == "cholesky" else ngs.Preconditioner(self.A, "bddc")
        self.loads = [ngs.LinearForm(self.space) for _ in range(self.dim)]
        for r, load in enumerate(self.loads):
            load += -K * grad(v)[r] * ngs.dx
        self.free = ngs.BitArray(self.space.FreeDofs(True))
        self.free.Clear(next(i for i, free in enumerate(self.free) if free))  # dof 0 may be a periodic copy

    @property
    def n_dofs(self) -> int:
        return sum(self.space.FreeDofs())

    def solve(self) -> np.ndarray:
        """K_hom (d, d)."""
        A, dim = self.A.Assemble(), self.dim
        if self.bddc:
            inverse = CGSolver(A.mat, self.bddc.mat, tol=self.solver, maxiter=300)
        else:
            inverse = A.mat.Inverse(self.free, inverse="sparsecholesky")
        b = [load.Assemble().vec for load in self.loads]
        tensor = ngs.Integrate(self.K, self.mesh, order=self.order) * np.eye(dim)
        for r in range(dim):
            f, theta = b[r].CreateVector(), b[r].CreateVector()
            f.data = b[r]
            f.data += A.harmonic_extension_trans * f
            theta.data = inverse * f
            theta.data += A.harmonic_extension * theta
            theta.data += A.inner_solve * f
            tensor[r] -= [ngs.InnerProduct(theta, b[s]) for s in range(dim)]
        return tensor


def family(problem: Problem, amplitudes: np.ndarray) -> list[np.ndarray]:
    """The tensors of W4's problems."""
    tensors = []
    for row in amplitudes:
        for parameter, value in zip(AMPLITUDES, row, strict=True):
            parameter.Set(value)
        tensors.append(problem.solve())
    return tensors


def main(work: str) -> None:
    K, dim = coefficient(work), 3 if work in ("W2", "S3") else 2
    for n, p, solver in SETTINGS[work]:
        problem = Problem(K, dim, n, p, solver)
        setting = f"n={n} p={p} {solver}"
        if work == "W4":
            tensor, seconds = best_of(lambda problem=problem: family(problem, w4_amplitudes(20)))
            count = len(tensor)
        else:
            (tensor, seconds), count = best_of(problem.solve), 1
        emit(f"NGSolve p={p}", work, setting, problem.n_dofs, seconds / count, tensor, count, ngs.__version__)


if __name__ == "__main__":
    ngs.SetNumThreads(1)
    with ngs.TaskManager():  # without it sparse Cholesky waits in sched_yield, 10 times longer on a busy machine
        main(sys.argv[1])
