"""CellSolver: one space, one way of solving, any number of coefficients.

    direct         sparse LU of each A(K)            2-D meshes of moderate size
    green          constant-coefficient inverse      sharp coefficients on a box
    green-jacobi   the same, scaled by 1/sqrt(K)     smooth coefficients, exp(-V/sigma)
    amg            algebraic and p-multigrid         large and 3-D meshes
    schroedinger   a form that needs none of these   isotropic coefficients on trigonometric nodes; not to be asked for
    wells          committors on a graph of nodes    exp(-V/sigma) of high contrast; not to be asked for

In one dimension a flux is a constant, so K_hom = 1 / sum w/K needs no solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp

from cellsolve.errors import CoefficientError
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.line_space import LineSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg import amg, factorized
from cellsolve.linalg.cg import conjugate_gradients
from cellsolve.linalg.energies import BoolArray, CellMinimum, IntArray, OnSolved, Solved, TotalGradients
from cellsolve.linalg.gradient_form import minimize_energy
from cellsolve.linalg.green import box_green, box_green_jacobi, is_smooth
from cellsolve.linalg.matrix_form import MatrixForm, assemble
from cellsolve.linalg.metastable import MetastableSolver, is_metastable
from cellsolve.linalg.preconditioner import Preconditioner
from cellsolve.linalg.schroedinger import is_schroedinger, schroedinger_form

__all__ = ["METHODS", "CellSolver", "Method"]

Method = Literal["direct", "green", "green-jacobi", "amg"]
METHODS: tuple[str, ...] = get_args(Method)

_MATRIX_RANGE = 1e-11  # min K / max K below which the rounding of a matrix is felt, and gradients serve better
_DIRECT_LIMIT = 30_000  # unknowns of a 2-D mesh up to which a factorization is cheaper than a hierarchy
_BATCH_FLOATS = 120_000  # numbers in one field of a batch: it then stays in the processor's cache
_VECTOR_FLOATS = 16_000  # in one vector of unknowns, for spaces whose iterations work on little else
_GRADIENT_CONTRAST = 12.0  # log max K / min K up to which dense derivatives bear the rounding of the gradient form
_SCHROEDINGER_LIMIT = 1000  # iterations after which a problem is left to the gradient form


class CellSolver:
    """Solves cell problems on one space; the constant-coefficient inverse is made once and kept."""

    def __init__(self, space: Space, method: Method | None = None):
        if method is not None and method not in METHODS:
            raise CoefficientError(f"got preconditioner = {method!r}, needed one of {', '.join(METHODS)} or None.")
        if not isinstance(space, MeshSpace | CoupledSpace) and method in ("direct", "amg"):
            raise CoefficientError(
                f"got preconditioner = {method!r} on a box cell, which assembles no matrix. "
                "Use 'green', 'green-jacobi' or None."
            )
        self.space = space
        self.method = method

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to worker processes without factorizations."""
        return CellSolver, (self.space, self.method)

    @property
    def batch(self) -> int:
        """How many cell problems to solve together."""
        space = self.space
        if isinstance(space, BoxSpace) and space.is_collocated:
            return max(1, int(_VECTOR_FLOATS // (space.dim * space.n_dofs)))
        return max(1, _BATCH_FLOATS // (space.dim**2 * len(space.weights)))

    def choose(self, K: FloatArray) -> Method | Literal["flux", "schroedinger", "wells"]:
        """The method for these coefficients: what the caller asked for, or by dimension, size and smoothness."""
        if self.space.dim == 1:
            return "flux"
        if self.method is not None:
            return self.method
        if isinstance(self.space, BoxSpace):
            if is_schroedinger(self.space, K):
                return "schroedinger"
            if is_metastable(self.space, K).any():
                return "wells"
            return "green-jacobi" if is_smooth(self.space, K) else "green"
        return "direct" if self.space.dim == 2 and self.space.n_dofs <= _DIRECT_LIMIT else "amg"

    def solve(
        self,
        K: FloatArray,
        tol: float,
        *,
        start: FloatArray | None = None,
        on_solved: OnSolved | None = None,
    ) -> CellMinimum:
        """Cell problems of the coefficients K, (B, q) or (B, d, d, q), to a relative error ``tol`` of each tensor."""
        method = self.choose(K)
        if method == "flux":
            return self._constant_flux(K, on_solved)
        scale = np.abs(K).reshape(len(K), -1).max(axis=1)  # the tensor is linear in K; units must not meet rounding
        K = K / scale.reshape((-1,) + (1,) * (K.ndim - 1))
        if method == "schroedinger":
            minimum = self._schroedinger(K, tol, start, on_solved)
        elif method == "wells":
            minimum = self._by_wells(K, tol, start, on_solved)
        elif isinstance(self.space, MeshSpace) and _least_entry(K) > _MATRIX_RANGE:
            minimum = self._on_matrices(self.space, method, K, tol, start, on_solved)
        else:
            M = self.prepare(method, K)
            minimum = minimize_energy(self.space, self.space.weights * K, M, tol, start=start, on_solved=on_solved)
        minimum.tensor *= scale[:, None, None]
        if minimum.log_tensor is not None:
            minimum.log_tensor += np.log(scale)[:, None, None] * np.eye(self.space.dim)
        return minimum

    def _schroedinger(
        self, K: FloatArray, tol: float, start: FloatArray | None, on_solved: OnSolved | None
    ) -> CellMinimum:
        """The Schroedinger form, and the gradient form for those problems that do not converge in it."""
        assert isinstance(self.space, BoxSpace)
        form = schroedinger_form(self.space, K, start)
        minimum = conjugate_gradients(form, tol, max_iterations=_SCHROEDINGER_LIMIT, on_solved=on_solved)
        minimum.converged &= _within_means(minimum.tensor, K)
        contrast = np.log(K.max(axis=1) / K.min(axis=1))
        lost = np.flatnonzero(~minimum.converged & (contrast < _GRADIENT_CONTRAST))
        if len(lost):
            M, C = box_green_jacobi(self.space, K[lost]), self.space.weights * K[lost]
            seen = None if on_solved is None else _numbered(on_solved, lost)
            minimum.replace(lost, minimize_energy(self.space, C, M, tol, on_solved=seen))
        return minimum

    def _by_wells(self, K: FloatArray, tol: float, start: FloatArray | None, on_solved: OnSolved | None) -> CellMinimum:
        """Problems of high contrast one by one, the others of the batch as they would be without those."""
        assert isinstance(self.space, BoxSpace)
        cold = is_metastable(self.space, K)
        if cold.all():
            return self._metastable.solve(K, tol, on_solved)
        rows, others = np.flatnonzero(cold), np.flatnonzero(~cold)
        seen = [None if on_solved is None else _numbered(on_solved, part) for part in (rows, others)]
        warm = self.solve(K[others], tol, start=None if start is None else start[others], on_solved=seen[1])
        return warm.joined(others, self._metastable.solve(K[rows], tol, seen[0]), rows)

    def _on_matrices(
        self,
        space: MeshSpace,
        method: Method,
        K: FloatArray,
        tol: float,
        start: FloatArray | None,
        on_solved: OnSolved | None,
    ) -> CellMinimum:
        """The matrix form, on meshes."""
        system = assemble(space, space.weights * K)
        form = MatrixForm.of(system, self._prepare_on(space, method, K, system.each()), start)
        return conjugate_gradients(form, tol, on_solved=on_solved)

    def prepare(self, method: Method, K: FloatArray) -> Preconditioner:
        """The preconditioner of these coefficients, in two and three dimensions."""
        space = self.space
        assert not isinstance(space, LineSpace)
        if isinstance(space, BoxSpace):
            return box_green(space, K) if method == "green" else box_green_jacobi(space, K)
        return self._prepare_on(space, method, K, [space.matrix(space.weights * k) for k in K])

    def _prepare_on(
        self, space: MeshSpace | CoupledSpace, method: Method, K: FloatArray, matrices: Sequence[sp.csr_array]
    ) -> Preconditioner:
        """The same on a mesh, with the matrices of the coefficients."""
        if method == "direct":
            return factorized.direct(matrices, space.pieces)
        if method == "amg":
            return amg.multigrid(space, matrices)
        green = self._green(len(K))
        return green if method == "green" else factorized.green_jacobi(space, K, green)

    def _green(self, count: int) -> Preconditioner:
        """(-Laplacian)^-1 for ``count`` coefficients: on a mesh: a factorization, in 3-D a multigrid cycle."""
        if self.space.dim == 3:
            return amg.Multigrid([*self._cycle.cycles] * count, self._cycle.constants)
        return self._factorization

    @cached_property
    def _metastable(self) -> MetastableSolver:
        assert isinstance(self.space, BoxSpace)
        return MetastableSolver(self.space)

    @cached_property
    def _cycle(self) -> amg.Multigrid:
        assert isinstance(self.space, MeshSpace | CoupledSpace)
        return amg.multigrid(self.space, [self.space.matrix(self.space.weights)])

    @cached_property
    def _factorization(self) -> factorized.Shared:
        assert isinstance(self.space, MeshSpace | CoupledSpace)
        return factorized.Shared(factorized.factorize(self.space.matrix(self.space.weights), self.space.pieces))

    def _constant_flux(self, K: FloatArray, on_solved: OnSolved | None) -> CellMinimum:
        """d = 1:  K_hom = 1 / sum w/K,  1 + D theta = K_hom / K."""
        K = K.reshape(len(K), -1)
        homogenized = 1.0 / np.sum(self.space.weights / K, axis=-1)
        E = (homogenized[:, None] / K)[:, None, None]
        count = len(K)
        if on_solved is not None:
            on_solved(TotalGradients(E, self.space.weights * K, self.space.weights), np.arange(count))
        return CellMinimum(
            tensor=homogenized[:, None, None],
            unknowns=np.empty((count, 1, 0)),
            form=None,
            iterations=np.zeros(count, dtype=np.int64),
            error=np.full(count, 1e-15),
            residual=np.zeros(count),
            converged=np.isfinite(homogenized) & (homogenized > 0),
        )

    def correctors(self, K: FloatArray, minimum: CellMinimum) -> FloatArray:
        """Nodal values (B, d, n) of the correctors; for d = 1 from D theta = K_hom / K - 1."""
        if self.space.dim > 1:
            return minimum.correctors
        E = minimum.tensor[..., None] / K.reshape(len(K), 1, 1, -1)
        if isinstance(self.space, LineSpace):
            return self.space.antiderivative(E - 1.0)
        return self._green(len(K)).apply(self.space.divergence(self.space.weights * (E - 1.0)))


def _least_entry(K: FloatArray) -> float:
    """The least diagonal entry of coefficients (B, q) or (B, d, d, q)."""
    return float(K.min() if K.ndim == 2 else np.einsum("biiq->biq", K).min())


def _within_means(tensor: FloatArray, K: FloatArray) -> BoolArray:
    """1 / <1/K> <= K_hom <= <K>, a tenth aside: with too few nodes the Schroedinger form can miss even that."""
    values = np.linalg.eigvalsh(np.where(np.isfinite(tensor), tensor, 0.0))
    within: BoolArray = (values[:, 0] >= 0.9 / (1.0 / K).mean(axis=1)) & (values[:, -1] <= 1.1 * K.mean(axis=1))
    return within


def _numbered(on_solved: OnSolved, numbers: IntArray) -> OnSolved:
    """The same, told of problems by their numbers in a larger batch."""

    def observe(solved: Solved, rows: IntArray) -> None:
        on_solved(solved, numbers[rows])

    return observe
