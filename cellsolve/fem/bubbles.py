"""What quadratic functions would add to elements of first order, one by one.

    gain_rs = sum_e r_er r_es / A_ee,     r_er = -int grad phi_e . K (e_r + grad theta_r),
                                          A_ee =  int grad phi_e . K grad phi_e

phi_e are the shape functions of second order at the nodes that the first order lacks: middles of edges, and of quads
and hexahedra. Nothing is solved and no matrix is built.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.elements import Affine, Mapped, products
from cellsolve.fem.lagrange import mesh_basis, reference
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts, number_unknowns, reference_edges
from cellsolve.fem.pattern import pair_numbers
from cellsolve.fem.space import FloatArray

__all__ = ["bubble_gain"]

IntArray = npt.NDArray[np.int64]


def bubble_gain(space: MeshSpace, C: FloatArray, u: FloatArray) -> FloatArray:
    """The gain (m, m) for one weighted coefficient C, (q,) or (d, d, q), at the correctors u (m, n) of first order."""
    local, count = space.element_dofs.shape[1], len(u)
    bubbles = _bubbles(space).ravel()
    mixed = _mixed(space)
    columns, C = np.ascontiguousarray(u.T), C.reshape(*C.shape[:-1], *space.elements.weights.shape)
    terms = np.empty((count + 1, len(space.element_dofs), mixed.count))
    for part in element_parts(len(space.element_dofs), 8 * mixed.count * local):
        coupling, diagonal = mixed.matrices(part, C[..., part, :])
        v = columns[space.element_dofs[part]]
        v -= v[:, :1].copy()
        v += space.potentials(part)
        terms[:count, part] = (coupling @ v).transpose(2, 0, 1)
        terms[count, part] = diagonal
    *residuals, stiffness = (np.bincount(bubbles, term.ravel()) for term in terms)
    r = np.stack(residuals)
    gain: FloatArray = np.divide(r, stiffness, out=np.zeros_like(r), where=stiffness > 0) @ r.T
    return gain


def _bubbles(space: MeshSpace) -> IntArray:
    """Numbers (m, bubbles). On simplices they are edges, which are pairs of unknowns: entries of A."""
    if isinstance(space.elements, Mapped):
        return number_unknowns(space.cell, 2).element_dofs[:, space.element_dofs.shape[1] :]
    pairs = pair_numbers(space.element_dofs.shape[1])[tuple(reference_edges(space.cell.shape).T)]
    return space.pattern.slots.reshape(len(space.element_dofs), -1)[:, pairs]


def _mixed(space: MeshSpace) -> _OnSimplices | _OnMapped:
    elements, local = space.elements, space.element_dofs.shape[1]
    if isinstance(elements, Affine):
        return _on_simplices(elements, space.cell.shape)
    assert isinstance(elements, Mapped)
    fields = mesh_basis(space.cell, 2, quadrature_order=1).basis[local:]
    gradients = np.stack([np.broadcast_to(field[0].grad, field[0].grad.shape) for field in fields])
    return _OnMapped(elements.gradients, np.ascontiguousarray(gradients.transpose(2, 0, 1, 3)))


@dataclass(frozen=True, slots=True, eq=False)
class _OnSimplices:
    elements: Affine
    table: FloatArray  # (q, components, bubbles * local + bubbles)
    count: int

    def matrices(self, part: slice, C: FloatArray) -> tuple[FloatArray, FloatArray]:
        """int grad phi . C grad N (m, bubbles, local), int grad phi . C grad phi (m, bubbles)."""
        entries = self.elements.contract(part, C[None], self.table)[0]
        return entries[:, : -self.count].reshape(len(entries), self.count, -1), entries[:, -self.count :]


def _on_simplices(elements: Affine, shape: str) -> _OnSimplices:
    X, linear = elements.reference.points, elements.reference
    first = linear.gradients(X)
    second = reference(shape, 2).gradients(X)[:, len(linear.nodes) :]
    count = second.shape[1]
    coupling = products(second, first)
    diagonal = np.einsum("qsxx->qsx", products(second, second))
    flat = coupling.reshape(*coupling.shape[:2], -1)
    return _OnSimplices(elements, np.concatenate([flat, diagonal], axis=2), count)


@dataclass(frozen=True, slots=True, eq=False)
class _OnMapped:
    first: FloatArray  # (m, local, d, q)
    second: FloatArray  # (m, bubbles, d, q)

    @property
    def count(self) -> int:
        return int(self.second.shape[1])

    def matrices(self, part: slice, C: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same as on simplices."""
        first, second = self.first[part], self.second[part]
        weighted = C[:, None, None] * second if C.ndim == 2 else np.einsum("ijem,eajm->eaim", C, second)
        flat = first.reshape(*first.shape[:2], -1)
        coupling = weighted.reshape(*weighted.shape[:2], -1) @ flat.swapaxes(1, 2)
        return coupling, np.einsum("eaim,eaim->ea", weighted, second)
