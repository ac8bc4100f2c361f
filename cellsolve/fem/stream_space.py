"""Stream functions: fluxes R grad psi in the plane have no divergence, and enter no wall along which psi is constant.

    psi_r = y_r + w       w periodic; along the walls of a hole psi_r is constant, so w = c - y_r, one unknown c a hole
    psi_r = 1 + w or w    where pores cut the cell in two: 1 + w on one of the walls that wind round the torus

The first line holds where no wall winds round the torus. Else a flux is given by its amount between two such walls:
they share one unknown, and there is one flux less than there are such walls on each piece. Walls are laid out in the
covering space, so that holes may cut the sides of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cellsolve.cells import Lift, UnitCell, lift_links
from cellsolve.fem.facets import number_facets, walls
from cellsolve.fem.lagrange import element_corners, reference_nodes
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import Numbering
from cellsolve.fem.space import FloatArray

__all__ = ["StreamSpace", "has_walls"]

IntArray = npt.NDArray[np.int64]


class StreamSpace(MeshSpace):
    """Stream functions of one order on a cell in the plane; as many imposed gradients as it can carry fluxes."""

    def __init__(self, cell: UnitCell, order: int, quadrature_order: int | None = None):
        plain = MeshSpace(cell, order)
        laid_out = _lay_out(plain)
        super().__init__(cell, order, numbering=laid_out.numbering(plain), quadrature_order=quadrature_order)
        self._values = laid_out.potentials(plain)  # (elements, local, m)

    def of_order(self, order: int) -> StreamSpace:
        return StreamSpace(self.cell, order)

    def potentials(self, part: slice) -> FloatArray:
        return self._values[part]

    @cached_property
    def imposed(self) -> FloatArray:
        """Gradients of the imposed potentials at the points (m, d, q)."""
        gradients = np.einsum("eldq,elr->rdeq", self.elements.gradients, self._values, optimize=True)
        return np.ascontiguousarray(gradients).reshape(*gradients.shape[:2], len(self.weights))


@dataclass(frozen=True, slots=True, eq=False)
class _Walls:
    """Walls of a mesh in the covering space: ``lift`` numbers them and places their unknowns, ``touched`` (n,)."""

    lift: Lift
    touched: npt.NDArray[np.bool_]
    winding: IntArray  # numbers of the walls that wind round the torus
    owner: IntArray  # the piece of the mesh that each of these belongs to

    def numbering(self, space: MeshSpace) -> Numbering:
        """Unknowns of one wall become one, and so do those of the winding walls of one piece."""
        wall = self.lift.pieces.copy()
        for piece in np.unique(self.owner):
            members = self.winding[self.owner == piece]
            wall[np.isin(wall, members)] = members[0]
        first = np.unique(wall, return_index=True)[1]
        leader = np.where(self.touched, first[np.searchsorted(wall[first], wall)], np.arange(space.n_dofs))
        kept, numbers = np.unique(leader, return_inverse=True)
        return Numbering(numbers[space.element_dofs], space.nodes[kept])

    def potentials(self, space: MeshSpace) -> FloatArray:
        """Imposed potentials at the nodes of the elements (elements, local, m)."""
        if not len(self.winding):
            along = np.where(self.touched[:, None], self.lift.places, 0.0)
            values: FloatArray = space.elements.places(slice(None)) - along[space.element_dofs]
            return values
        repeated = [wall for i, wall in enumerate(self.winding) if self.owner[i] in self.owner[:i]]
        chosen: FloatArray = np.equal(self.lift.pieces[:, None], np.array(repeated, dtype=np.int64)).astype(float)
        return chosen[space.element_dofs]


def _lay_out(space: MeshSpace) -> _Walls:
    elements, local = _unknowns_on_walls(space)
    numbers = space.element_dofs[elements[:, None], local]
    places = space.elements.places(slice(None))[elements[:, None], local]
    first = np.repeat(numbers[:, 0], local.shape[1] - 1)
    steps = (places[:, 1:] - places[:, :1]).reshape(-1, space.dim)
    lift = lift_links(first, numbers[:, 1:].ravel(), steps, space.n_dofs)
    turns = np.abs(lift.windings @ np.linalg.inv(space.cell.period)).max(axis=1, initial=0.0) > 0.5
    winding, place = np.unique(lift.pieces[first[turns]], return_index=True)
    pieces = np.zeros(space.n_dofs, dtype=np.int64) if space.pieces is None else space.pieces
    touched = np.zeros(space.n_dofs, dtype=np.bool_)
    touched[numbers] = True
    return _Walls(lift, touched, winding, pieces[first[turns][place]])


def has_walls(space: MeshSpace) -> bool:
    """Are there sides that belong to one element only? Pores, however small, and cracks have some."""
    return len(_wall_sides(space)[0]) > 0


def _wall_sides(space: MeshSpace) -> tuple[IntArray, IntArray]:
    """Elements (w,) with a wall, and its local number (w,)."""
    corners = element_corners(space.cell)
    return walls(number_facets(space.cell, corners, _ends(corners.shape[1])))


def _ends(count: int) -> IntArray:
    """Local corners (sides, 2) of each side."""
    return np.stack([np.arange(count), np.roll(np.arange(count), -1)], axis=1)


def _unknowns_on_walls(space: MeshSpace) -> tuple[IntArray, IntArray]:
    """Elements (w,) with a wall, and the local unknowns (w, order + 1) on it."""
    elements, sides = _wall_sides(space)
    nodes, ends = reference_nodes(space.cell.shape, space.order), _ends(element_corners(space.cell).shape[1])
    along = (nodes[ends[:, 1]] - nodes[ends[:, 0]])[:, None]
    step = nodes - nodes[ends[:, 0], None]
    across = along[..., 0] * step[..., 1] - along[..., 1] * step[..., 0]
    on_side = np.stack([np.flatnonzero(np.abs(row) < 1e-9) for row in across])
    return elements, on_side[sides]
