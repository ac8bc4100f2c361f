"""Jumps of coupled correctors across the sides of a cell, as an energy.

    J_rs = 1/|P| sum over overlaps of int (kappa_s p^2/h_s + kappa_m p^2/h_m) [theta_r] [theta_s]

kappa and h = d |T| / |F| are those of the elements on either side: about what it costs to close the jump in them.
"""

from __future__ import annotations

import numpy as np

from cellsolve.cells.coupling import Face
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mortar import Mortar
from cellsolve.fem.space import FloatArray

__all__ = ["jump_energy"]


def jump_energy(space: CoupledSpace, K: FloatArray, u: FloatArray) -> FloatArray:
    """J (b, d, d) of correctors u (b, d, n) for coefficients K (b, q) or (b, d, d, q)."""
    trace = K if K.ndim == 2 else np.einsum("biiq->bq", K) / space.dim
    kappa = trace.reshape(len(K), len(space.cell.elements), -1).mean(axis=2)
    mesh_values = np.moveaxis(np.asarray(space.P @ u.reshape(-1, space.n_dofs).T).reshape(-1, len(u), space.dim), 1, 0)
    J = np.zeros((len(u), space.dim, space.dim))
    for mortar in space.mortars:
        s, side = mortar.samples, mortar.side
        jump = np.einsum("oqk,bokr->boqr", s.slave, mesh_values[:, s.dofs[s.facet]])
        jump -= np.einsum("oqk,bokr->boqr", s.master, mesh_values[:, s.master_dofs])
        stiffness = _stiffness(space, mortar, side.slave, kappa)[:, s.facet]
        stiffness += _stiffness(space, mortar, side.master, kappa)[:, s.across]
        J += np.einsum("oq,bo,boqr,boqs->brs", s.weights, stiffness, jump, jump, optimize=True)
    return J


def _stiffness(space: CoupledSpace, mortar: Mortar, face: Face, kappa: FloatArray) -> FloatArray:
    """kappa p^2 |F| |side| / (d |T| |P|) of the facets of a face (b, f); weights of overlaps sum to |F| / |side|."""
    cell, d = space.cell, space.dim
    rows = np.delete(cell.period, mortar.side.number, axis=0)
    area = np.linalg.det(rows @ rows.T)  # of the side, squared
    factor: FloatArray = space.order**2 * area * face.measures / (d * cell.volumes[face.elements] * cell.volume)
    return kappa[:, face.elements] * factor
