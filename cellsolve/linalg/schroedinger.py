"""The energies of isotropic cell problems on trigonometric nodes, as Schroedinger equations.

    theta = v / w,  w = sqrt(K):     ( -Laplace + q ) v_r = 2 d_r w,     q = (Laplace w) / w,
    K_hom,rs = <w^2> delta_rs - <2 d_r w  v_s>

The coefficient has become a potential (Concus, Golub 1973; Ladecky et al. 2025 precondition by this). With
v = L^(-1/2) x in Fourier modes, L = -Laplace there, the operator is I + L^(-1/2) q L^(-1/2): no preconditioner is left,
and an iteration takes one transform back and one forth, half of what the gradient form needs.
w itself is in the kernel, exactly, so the constant mode of v may stay 0. K_hom is a minimum of the discrete energies:

    dK_hom,rs = 2 <w dw> delta_rs - <2 d_r dw v_s> - <v_r 2 d_s dw> + <v_r dq v_s>,     dw = dK / (2 w)

Where the nodes do not resolve K the operator can be indefinite: such problems do not converge, and say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cellsolve.fem.box_space import BoxSpace, along_axes, is_upright
from cellsolve.fem.space import FloatArray, batch_fastest, batch_first, batch_last, of_problems
from cellsolve.linalg.energies import IntArray, helpful

__all__ = ["SchroedingerForm", "is_schroedinger", "schroedinger_form"]


def is_schroedinger(space: BoxSpace, K: FloatArray) -> bool:
    """Isotropic coefficients on trigonometric nodes of an upright cell, where -Laplace is diagonal in real modes."""
    return K.ndim == 2 and space.is_collocated and is_upright(space.period)


@dataclass(frozen=True, slots=True, eq=False)
class _Transform:
    """Orthonormal modes of a space; grids are (.., n1, .., n1, b)."""

    modes: FloatArray  # (n1, n1)
    laplacian: FloatArray  # (n1, .., n1, 1) of -Laplace
    root: FloatArray  # its inverse square root, 0 at the constant

    def back(self, modes: FloatArray) -> FloatArray:
        return along_axes(self.modes, modes)

    def forth(self, values: FloatArray) -> FloatArray:
        return along_axes(self.modes.T, values)

    def grid(self, field: FloatArray) -> FloatArray:
        """(b, r, n) -> (r, n1, .., n1, b)."""
        last = batch_last(field)
        return last.reshape((last.shape[0], *self.root.shape[:-1], last.shape[-1]))

    def field(self, grid: FloatArray) -> FloatArray:
        """(r, n1, .., n1, b) -> (b, r, n)."""
        return batch_first(grid.reshape(len(grid), -1, grid.shape[-1]))


@lru_cache(maxsize=32)
def _transform(space: BoxSpace) -> _Transform:
    """That of a space (which is known by what it is, not by its values), made once."""
    line = space.line
    scales = np.diag(space.inverse_period.T @ space.inverse_period)
    grids = np.meshgrid(*[line.eigenvalues] * space.dim, indexing="ij")
    laplacian = np.asarray(sum(s * g for s, g in zip(scales, grids, strict=True)))[..., None]
    root = np.divide(1.0, np.sqrt(laplacian), out=np.zeros_like(laplacian), where=laplacian > 0)
    return _Transform(np.ascontiguousarray(line.modes / np.sqrt(len(line.modes))), laplacian, root)


@dataclass(frozen=True, slots=True, eq=False)
class SchroedingerForm:
    """Fields of b problems, on grids: w (1, n1, .., b), q likewise; the right-hand sides (b, d, n) of x."""

    space: BoxSpace
    transform: _Transform
    w: FloatArray
    q: FloatArray
    mean: FloatArray  # (b,) <w^2>
    rhs: FloatArray
    guess: FloatArray | None = None

    def start(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        energy: FloatArray = np.repeat(self.mean[:, None], self.space.dim, axis=1)
        if self.guess is None:
            return batch_fastest(np.zeros(self.rhs.shape)), self.rhs.copy(), energy
        t, size = self.transform, np.sqrt(self.space.n_dofs)
        x = t.field(t.forth(t.grid(batch_fastest(self.guess)) * self.w) * (np.sqrt(t.laplacian) / size))
        lowered = np.einsum("brn,brn->br", self.rhs, x) + np.einsum("brn,brn->br", x, self.rhs - self.apply(x))
        good = helpful(lowered, energy)
        x *= good[:, None, None]
        return x, self.rhs - self.apply(x), energy - np.where(good[:, None], lowered, 0.0)

    def apply(self, p: FloatArray) -> FloatArray:
        t = self.transform
        grid = t.grid(p)
        u = t.back(grid * t.root)
        u *= self.q
        result = t.forth(u)
        result *= t.root
        result += grid
        return t.field(result)

    def precondition(self, r: FloatArray) -> FloatArray:
        return r

    def evaluate(self, u: FloatArray) -> tuple[FloatArray, FloatArray, SchroedingerSolved]:
        r = self.rhs - self.apply(u)
        cross = np.einsum("brn,bsn->brs", self.rhs, u) + np.einsum("brn,bsn->brs", u, r)
        T = self.mean[:, None, None] * np.eye(self.space.dim) - 0.5 * (cross + cross.swapaxes(1, 2))
        return T, r, SchroedingerSolved(self, u)

    def v(self, x: FloatArray) -> FloatArray:
        """Nodal values of v (b, d, n)."""
        t = self.transform
        return t.field(t.back(t.grid(x) * (t.root * np.sqrt(self.space.n_dofs))))

    def correctors(self, u: FloatArray) -> FloatArray:
        t = self.transform
        return t.field(t.grid(self.v(u)) / self.w)

    def take(self, rows: IntArray) -> SchroedingerForm:
        w, q = (a.take(rows, axis=-1) for a in (self.w, self.q))
        return SchroedingerForm(self.space, self.transform, w, q, self.mean[rows], of_problems(self.rhs, rows))


@dataclass(frozen=True, slots=True, eq=False)
class SchroedingerSolved:
    form: SchroedingerForm
    unknowns: FloatArray

    def take(self, rows: IntArray) -> SchroedingerSolved:
        return SchroedingerSolved(self.form.take(rows), of_problems(self.unknowns, rows))

    def derivative(self, dK: FloatArray) -> FloatArray:
        v = self.form.v(self.unknowns)
        t, dim, n = self.form.transform, self.form.space.dim, self.form.space.n_dofs
        w, q = self.form.w, self.form.q
        dw = t.grid(batch_fastest(dK)[:, None]) / (2.0 * w)
        dq = -(t.back(t.laplacian * t.forth(dw)) + q * dw) / w
        slope = 2.0 * self.form.space.gradient(t.field(dw)[:, 0])
        change = np.einsum("brn,bsn->brs", slope, v)
        potential = np.einsum("brn,bn,bsn->brs", v, t.field(dq)[:, 0], v, optimize=True)
        mean = 2.0 * np.einsum("bn,bn->b", t.field(w)[:, 0], t.field(dw)[:, 0])
        total: FloatArray = (mean[:, None, None] * np.eye(dim) - change - change.swapaxes(1, 2) + potential) / n
        return total

    def densities(self) -> FloatArray:
        space, t = self.form.space, self.form.transform
        E = space.gradient(self.form.correctors(self.unknowns)) + np.eye(space.dim)[:, :, None]
        density = np.einsum("briq,briq->brq", E, E) * t.field(self.form.w**2)
        result: FloatArray = density / density.sum(axis=-1, keepdims=True)
        return result


def schroedinger_form(space: BoxSpace, K: FloatArray, guess: FloatArray | None = None) -> SchroedingerForm:
    """The energies of coefficients K (b, n) at the nodes; ``guess`` (b, d, n) of the correctors."""
    t = _transform(space)
    values = batch_fastest(np.sqrt(K))
    w = t.grid(values[:, None])
    q = -t.back(t.laplacian * t.forth(w)) / w
    slope = space.gradient(values) * (2.0 / np.sqrt(space.n_dofs))
    rhs = t.field(t.forth(t.grid(batch_fastest(slope))) * t.root)
    return SchroedingerForm(space, t, w, q, K.mean(axis=-1), rhs, guess)
