"""muGrid: its FFT engine, conjugate gradients and Green-Jacobi preconditioner, with two gradients of its own.

    spectral: grad by FFTEngine (n odd)          Q1: muGrid.FEMGradientOperator, one bilinear element a pixel

muGrid 1.6.1 has no homogenization routine for a scalar field; its preconditioners for fused stiffness operators are for
elasticity. The pieces below are what its elasticity example is made of. One right-hand side a solve: no batches.

    python mugrid_fft.py WORK
"""

from __future__ import annotations

import sys
from itertools import product

import muGrid
import numpy as np
from muGrid.Preconditioners import FourierPreconditioner, GreenJacobiPreconditioner
from muGrid.Solvers import conjugate_gradients
from works import CELLS, Cell, best_of, emit, grid

# method, n, relative residual
SETTINGS = {
    "W1": [("Q1", 32, 1e-2), ("Q1", 128, 1e-3), ("spectral", 9, 1e-2), ("spectral", 15, 1e-3), ("spectral", 21, 1e-5)],
    "I2": [("Q1", 32, 1e-2), ("spectral", 9, 1e-2), ("spectral", 15, 1e-5)],
    "C2": [("Q1", 64, 1e-2), ("Q1", 256, 1e-2)],
    "W2": [("Q1", 16, 1e-2), ("Q1", 32, 1e-2), ("spectral", 9, 1e-2), ("spectral", 11, 1e-3), ("spectral", 15, 1e-5)],
    "S3": [("Q1", 16, 1e-2), ("spectral", 7, 1e-2), ("spectral", 11, 1e-5)],
}
GAUSS = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)


class Spectral:
    """Gradients at the grid points by FFT; one point a pixel."""

    def __init__(self, n: int, dim: int) -> None:
        self.dim = dim
        self.points = grid(n, dim)[None]
        self.engine = muGrid.FFTEngine([n] * dim)
        self.scalar_hat = self.engine.fourier_space_field("u-hat")
        self.vector_hat = self.engine.fourier_space_field("g-hat", (dim,))
        self.vector = self.engine.real_space_field("g", (dim,))
        self.ik = 2j * np.pi * n * self.engine.fftfreq
        self.symbol = (np.abs(self.ik) ** 2).sum(axis=0)
        self.average = 1 / n**dim

    def gradient(self, u: muGrid.Field) -> np.ndarray:
        """(d, 1, n, .., n)"""
        self.engine.fft(u, self.scalar_hat)
        np.multiply(self.ik, self.scalar_hat.p * self.average, out=self.vector_hat.p)
        self.engine.ifft(self.vector_hat, self.vector)
        return self.vector.p[:, None]

    def minus_divergence(self, flux: np.ndarray, out: muGrid.Field) -> None:
        self.vector.p[...] = flux[:, 0]
        self.engine.fft(self.vector, self.vector_hat)
        self.scalar_hat.p[...] = -(self.ik * self.vector_hat.p).sum(axis=0) * self.average
        self.engine.ifft(self.scalar_hat, out)


class Q1:
    """Gradients at the Gauss points of bilinear elements."""

    def __init__(self, n: int, dim: int) -> None:
        self.dim = dim
        self.operator = muGrid.FEMGradientOperator(dim, [1 / n] * dim)
        offsets = np.array(list(product(GAUSS, repeat=dim)))[:, ::-1]  # the first axis runs fastest
        self.points = grid(n, dim) + offsets.reshape(-1, *[1] * dim, dim) / n
        count = self.operator.nb_quad_pts
        self.engine = muGrid.FFTEngine([n] * dim, ghosts=self.operator, nb_sub_pts={"quad": count})
        self.vector = self.engine.real_space_collection.real_field("g", (dim,), "quad")
        self.average = 1 / (n**dim * count)
        s, c = np.sin(np.pi * self.engine.fftfreq) ** 2, np.cos(2 * np.pi * self.engine.fftfreq)
        mass = (2 + c) / 3  # the symbols of 1-D elements, times 1/h and h
        others = [np.prod([mass[b] for b in range(dim) if b != a], axis=0) for a in range(dim)]
        self.symbol = n ** (2 - dim) * sum(4 * s[a] * others[a] for a in range(dim)) * n**dim

    def gradient(self, u: muGrid.Field) -> np.ndarray:
        """(d, q, n, .., n)"""
        self.engine.communicate_ghosts(u)
        self.operator.apply(u, self.vector)
        return self.vector.s

    def minus_divergence(self, flux: np.ndarray, out: muGrid.Field) -> None:
        self.vector.s[...] = flux
        self.engine.communicate_ghosts(self.vector)
        self.operator.transpose(self.vector, out)
        out.p[...] *= out.p.size


def homogenized(space: Spectral | Q1, cell: Cell, rtol: float) -> np.ndarray:
    """K_hom (d, d), one solve a direction."""
    engine, dim = space.engine, space.dim
    K = cell.K(space.points)
    diagonal, b, theta = (engine.real_space_field(name) for name in ("diagonal", "b", "theta"))
    diagonal.p[...] = K.mean(axis=0)
    kernel = np.divide(1, space.symbol, out=np.zeros_like(space.symbol), where=space.symbol > 1e-9)
    green_jacobi = GreenJacobiPreconditioner(FourierPreconditioner(engine, kernel), diagonal)

    def apply(u: muGrid.Field, out: muGrid.Field) -> None:
        space.minus_divergence(K * space.gradient(u), out)

    total = np.zeros((dim, dim, *K.shape))
    for r in range(dim):
        total[r, r] = 1
        space.minus_divergence(-K * total[r], b)
        theta.p[...] = 0
        conjugate_gradients(engine.communicator, engine.real_space_collection, b, theta, apply, green_jacobi, rtol=rtol)
        total[r] += space.gradient(theta)
    flat = total.reshape(dim, dim, -1)
    return np.einsum("rip,p,sip->rs", flat, K.ravel(), flat) * space.average


def main(work: str) -> None:
    cell = CELLS[work]
    for name, n, rtol in SETTINGS[work]:
        space = {"Q1": Q1, "spectral": Spectral}[name](n, cell.dim)
        tensor, seconds = best_of(lambda space=space, rtol=rtol: homogenized(space, cell, rtol))
        setting = f"{name} n={n} rtol={rtol:g}"
        emit(f"muGrid {name}", work, setting, n**cell.dim, seconds, tensor, 1, muGrid.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
