"""Lower bounds of effective tensors, many at a time: the other side of the minimum, for the levels of a recursion.

    K_hom >= D^-1,    D_rs = min <sigma_r . K^-1 sigma_s>    over fluxes of mean e_r without divergence

In the plane sigma = R grad psi, and the least energies are those of the turned inverse, D = R^T G_hom R with
G = R^T K^-1 R: a lower bound of K is G_hom / det G_hom. Early iterations leave D too large, and the bound too low.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cellsolve.cellproblem.bounds import fluxes_of
from cellsolve.cellproblem.curl_fluxes import least_curl_energies
from cellsolve.cellproblem.stream_fluxes import turned_inverse
from cellsolve.fem.box_space import BoxSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum, OnSolved
from cellsolve.linalg.solver import CellSolver

__all__ = ["LowerBoundSolver"]


class LowerBoundSolver:
    """Gives lower bounds where a `CellSolver` gives upper ones."""

    def __init__(self, space: Space):
        self._primal = CellSolver(space)

    def __reduce__(self) -> tuple[Any, ...]:
        return LowerBoundSolver, (self.space,)

    @property
    def space(self) -> Space:
        return self._primal.space

    @property
    def batch(self) -> int:
        """How many cell problems to solve together."""
        return self._primal.batch

    def solve(self, K: FloatArray, tol: float, *, on_solved: OnSolved | None = None) -> CellMinimum:
        """``tensor``: lower bounds (B, d, d) of the effective tensors of K, (B, q) or (B, d, d, q), found to a relative
        error ``tol``; ``on_solved`` is told of fields whose energies vary with log K as the bounds do."""
        space = self.space
        if space.dim == 1:
            return self._primal.solve(K, tol, on_solved=on_solved)  # the flux is constant: K_hom = 1 / <1/K> itself
        if isinstance(space, MeshSpace):
            return self._on_mesh(K, tol, on_solved)
        scale = np.abs(K).reshape(len(K), -1).max(axis=1)
        K = K / scale.reshape((-1,) + (1,) * (K.ndim - 1))
        if space.dim == 2:
            minimum = self._primal.solve(turned_inverse(K), tol, on_solved=on_solved)
            with np.errstate(divide="ignore", invalid="ignore"):  # where only its logarithm is known
                turned = turned_inverse(minimum.tensor[..., None])[..., 0]
            minimum.tensor[:] = np.where(np.isfinite(turned), turned, np.nan)
            if minimum.log_tensor is not None:  # log(G / det G) = log G - trace(log G) I
                minimum.log_tensor -= np.trace(minimum.log_tensor, axis1=1, axis2=2)[:, None, None] * np.eye(2)
        else:
            assert isinstance(space, BoxSpace)
            minimum = least_curl_energies(self._primal, K, tol, on_solved=on_solved)
            minimum.tensor[:] = np.linalg.inv(minimum.tensor)
        minimum.tensor *= scale[:, None, None]
        if minimum.log_tensor is not None:
            minimum.log_tensor += np.log(scale)[:, None, None] * np.eye(space.dim)
        return minimum

    def _on_mesh(self, K: FloatArray, tol: float, on_solved: OnSolved | None) -> CellMinimum:
        """Fluxes of all kinds; on simplices in space they start from the correctors."""
        minimum = self._primal.solve(K, tol, on_solved=on_solved)
        minimum.tensor = np.stack([fluxes.lower for fluxes in fluxes_of(self._primal, K, minimum, tol)])
        return minimum
