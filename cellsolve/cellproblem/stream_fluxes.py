"""Fluxes in the plane by stream functions, sigma = R grad psi with R a right angle: the dual problem.

    <sigma.K^-1 sigma> = <grad psi.(R^T K^-1 R) grad psi>  is least        (Keller, Dykhne, Mendelson)

The same cell problem for the turned inverse K / det K, in the same elements; at holes psi is constant along each wall.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from cellsolve.cellproblem.fluxes import Fluxes
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.fem.stream_space import StreamSpace, has_walls
from cellsolve.linalg.solver import CellSolver

__all__ = ["stream_fluxes", "stream_solver", "turned_inverse"]

_STRETCHED = 1e3  # ratio of the axes of a tensor
_R = np.array([[0.0, -1.0], [1.0, 0.0]])


def stream_solver(solver: CellSolver) -> CellSolver:
    """The solver of the dual problems: the same one on cells without walls."""
    space = solver.space
    if not isinstance(space, MeshSpace) or not has_walls(space):
        return solver
    return CellSolver(StreamSpace(space.cell, space.order, space.quadrature_order), solver.method)


def turned_inverse(K: FloatArray) -> FloatArray:
    """R^T K^-1 R = K / det K for symmetric K in the plane."""
    if K.ndim == 2:
        return 1.0 / K
    determinant = K[:, 0, 0] * K[:, 1, 1] - K[:, 0, 1] ** 2
    return K / determinant[:, None, None]


def stream_fluxes(dual: CellSolver, K: FloatArray, tol: float, tensors: FloatArray) -> list[Fluxes]:
    """Fluxes of coefficients K, (B, q) or (B, d, d, q), by dual problems solved to an error ``tol`` at least.

    ``tensors`` (B, m, m): effective tensors or near ones. Where one is much larger in one direction than in the other,
    fluxes along its axes: others have energies in which those of the smaller one would drown.
    """
    stretched = np.linalg.cond(tensors) > _STRETCHED
    if not (stretched.any() and type(dual.space) is MeshSpace):
        return _fluxes(dual, K, tol)
    each = [_along_axes(dual, T) if far else dual for T, far in zip(tensors, stretched, strict=True)]
    return [_fluxes(solver, K[b : b + 1], tol)[0] for b, solver in enumerate(each)]


def _along_axes(dual: CellSolver, T: FloatArray) -> CellSolver:
    """The solver of dual problems whose fluxes have their means along the axes of T."""
    space = dual.space
    assert isinstance(space, MeshSpace)
    axes = np.linalg.eigh(T)[1].T @ space.directions  # rows
    turned = MeshSpace(space.cell, space.order, axes @ _R, quadrature_order=space.quadrature_order)
    return CellSolver(turned, dual.method)


def _fluxes(dual: CellSolver, K: FloatArray, tol: float) -> list[Fluxes]:
    space = dual.space
    if not len(space.imposed):
        nothing = np.zeros((2, 0))
        return [Fluxes(nothing, np.zeros((0, 0)), partial(np.zeros, (0, 2, K.shape[-1])))] * len(K)
    minimum = dual.solve(turned_inverse(K), tol)
    fields = [partial(_turned_gradients, space, w) for w in minimum.correctors]
    means = [_mean(space, field) for field in fields]
    excess = minimum.error * np.einsum("brr->b", minimum.tensor)
    return [Fluxes(*one) for one in zip(means, minimum.tensor, fields, excess.tolist(), strict=True)]


def _mean(space: Space, field: partial[FloatArray]) -> FloatArray:
    """S (2, m); where the gradients of w have no mean, it is that of what is imposed."""
    if space.imposed.shape[-1] == 1:
        turned: FloatArray = _R @ space.imposed[:, :, 0].T
        return turned
    mean: FloatArray = np.einsum("kiq,q->ik", field(), space.weights)
    return mean


def _turned_gradients(space: Space, w: FloatArray) -> FloatArray:
    """R (grad psi) (m, 2, q)."""
    E = space.gradient(w) + space.imposed
    return np.stack([-E[:, 1], E[:, 0]], axis=1)
