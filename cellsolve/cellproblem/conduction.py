"""Which part of a porous cell conducts, and in which directions.

A piece of the mesh that does not touch its own translates is an island: no mean current flows in it. A piece that
touches those along some lattice vectors only conducts in their span; across all of them the tensor is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellsolve.cells import UnitCell, find_pieces, lift_links, spanned_space
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray

_ROUNDING = 1e-12  # of the period: pores may be smaller than the tolerance of matching

__all__ = ["Conduction", "conducting_part", "in_all_directions"]


@dataclass(frozen=True, slots=True, eq=False)
class Conduction:
    """``cell``: without islands; ``directions`` (m, d): an orthonormal basis of those in which it conducts."""

    cell: Cell
    directions: FloatArray


def conducting_part(cell: UnitCell) -> Conduction:
    """What conducts of a cell; with no direction at all, the cell as it is. Sides that are coupled join no nodes: then
    everything is taken to conduct."""
    if cell.uncovered <= _ROUNDING or cell.periodicity != "exact":
        return Conduction(cell, np.eye(cell.dim))
    pieces = [piece for piece in find_pieces(cell) if len(piece.windings)]
    windings = np.concatenate([piece.windings for piece in pieces] or [np.zeros((0, cell.dim), dtype=np.int64)])
    directions = spanned_space(windings, cell.period)
    if not len(directions):
        return Conduction(cell, directions)
    inside = np.any([piece.elements for piece in pieces], axis=0)
    return Conduction(cell if inside.all() else cell.restricted(inside), directions)


def in_all_directions(space: MeshSpace, correctors: FloatArray) -> FloatArray:
    """Correctors (B, d, n) for unit mean gradients, from those for the directions of the space (B, m, n).

    Across all directions of conduction the total gradient vanishes: theta = -xi.y, laid out piece by piece.
    """
    Q = space.directions
    if len(Q) == space.dim:
        return correctors
    across = np.eye(space.dim) - Q.T @ Q
    dofs, places = space.element_dofs, space.elements.places(slice(None))
    first = np.repeat(dofs[:, 0], dofs.shape[1] - 1)
    steps = (places[:, 1:] - places[:, :1]).reshape(-1, space.dim)
    lift = lift_links(first, dofs[:, 1:].ravel(), steps, space.n_dofs)
    inside: FloatArray = np.einsum("mi,bmn->bin", Q, correctors)
    result: FloatArray = inside - across @ lift.places.T
    return result
