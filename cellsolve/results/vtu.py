"""Correctors and fluxes of a mesh cell as a VTU file: the mesh as it was read, its seam open, fields by direction."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.solutions import CellProblemSolution
from cellsolve.cells import UnitCell
from cellsolve.errors import JobError, MeshError
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.elements import Affine, Elements, Mapped
from cellsolve.fem.lagrange import reference
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts, number_distinct
from cellsolve.fem.space import FloatArray, flux
from cellsolve.results.vtk_elements import VtkElement, vtk_element
from cellsolve.results.vtu_format import ElementGrid, write_vtu

__all__ = ["write_fields"]

IntArray = npt.NDArray[np.int64]
_SAME_PLACE = 1e-6  # of the size of an element: nodes of it are much farther apart


def write_fields(path: str | os.PathLike[str], solution: CellProblemSolution) -> None:
    """Write the fields of a cell problem as a VTU file on the unfolded mesh, for ParaView; whole or not at all.

        phi_r = y_r + theta_r,     flux_r = < K (e_r + grad theta_r) >_e,     K_hom e_r = sum_e |e| flux_r / |period|

    ``solution``: on a mesh (its sides may be coupled). Point data: theta_r, potential_r = phi_r, in units of length.
    Cell data, means over elements e: flux_r and gradient_r = grad phi_r (3-vectors), coefficient (a number, or the rows
    of a 3 x 3 tensor), and volume, region: the number of its name. The names are field data, "region:NAME" with that
    number.
    Elements of order p have all their nodes, curved ones where their map has them: nothing of theta is lost.

    Raises MeshError for a solution on a box, or where nothing conducts; JobError when the place cannot be written.
    """
    if not str(path).lower().endswith(".vtu"):
        raise JobError(f"cannot write fields to {path}: got another suffix than .vtu, needed that. Rename the output.")
    fields = _on_elements(getattr(solution, "space", None), getattr(solution, "correctors", None))
    unfolded, cell = _unfolded(fields), fields.cell
    point_data: dict[str, FloatArray] = {}
    for r, theta in enumerate(fields.theta):
        values = theta[unfolded.dofs]
        point_data |= {f"theta_{r}": values, f"potential_{r}": unfolded.points[:, r] + values}
    grid = ElementGrid(
        points=_in_space(unfolded.points),
        connectivity=unfolded.connectivity,
        kind=unfolded.kind,
        point_data=point_data,
        cell_data={**_element_means(fields, solution.coefficient), "volume": cell.volumes, "region": cell.tags},
        facts={f"region:{name}": number for number, name in enumerate(cell.region_names)},
    )
    write_vtu(path, grid)


@dataclass(frozen=True, slots=True, eq=False)
class _Fields:
    """``theta`` (d, n) at the ``nodes`` (n, d); ``element_dofs`` (m, local): those of each element."""

    cell: UnitCell
    order: int
    elements: Elements
    element_dofs: IntArray
    nodes: FloatArray
    theta: FloatArray


def _on_elements(space: object, correctors: Any) -> _Fields:
    """Correctors by elements; where sides are coupled, at all nodes of the mesh."""
    if isinstance(space, MeshSpace):
        return _Fields(space.cell, space.order, space.elements, space.element_dofs, space.nodes, correctors)
    if isinstance(space, CoupledSpace):
        traces = space.traces
        theta = np.asarray(space.P @ correctors.T).T
        return _Fields(space.cell, space.order, space.elements, traces.element_dofs, traces.places, theta)
    raise MeshError(f"got fields on {space!r}, needed those of a mesh. Read the cell from a file (read_cell).")


@dataclass(frozen=True, slots=True, eq=False)
class _Unfolded:
    """The mesh with all nodes of the space: ``points`` (n, d), the unknown ``dofs`` (n,) at each, ``connectivity``."""

    points: FloatArray
    dofs: IntArray
    connectivity: IntArray
    kind: int


def _unfolded(fields: _Fields) -> _Unfolded:
    """Places that are one unknown, but different periods of the lattice, are different nodes."""
    places, dofs, cell = _places(fields.elements), fields.element_dofs, fields.cell
    element = vtk_element(cell.shape, fields.order)
    shifts = np.rint((places - fields.nodes[dofs]) @ np.linalg.inv(cell.period)).astype(np.int64)
    shifts -= shifts.min(axis=(0, 1))
    key = dofs.astype(np.int64)
    for axis in range(cell.dim):
        key = key * (shifts[..., axis].max() + 1) + shifts[..., axis]
    number, first = number_distinct(key.ravel())
    order = _vtk_order(fields, places, element)
    connectivity = np.take_along_axis(number.reshape(dofs.shape), order, axis=1)
    return _Unfolded(places.reshape(-1, cell.dim)[first], dofs.ravel()[first], connectivity, element.kind)


def _places(elements: Elements) -> FloatArray:
    """Where the nodes of each element are (m, local, d)."""
    if isinstance(elements, Affine):
        places: FloatArray = elements.places(slice(None)) + elements.origin[:, None]
        return places
    assert isinstance(elements, Mapped)
    return elements.nodes


def _vtk_order(fields: _Fields, places: FloatArray, element: VtkElement) -> IntArray:
    """Which local node (m, k) of each element is VTK's node 0, 1 ..: found on one element, for all with such corners.

    Corners are found by their places; the others, which may lie on curves, then by theirs on the reference element.
    """
    corners = fields.cell.points[fields.cell.elements]
    reference_nodes = reference(fields.cell.shape, fields.order).nodes
    order = np.empty(places.shape[:2], dtype=np.int64)
    left = np.arange(len(places))
    while len(left):
        wanted, found = corners[left], places[left]
        local = np.linalg.norm(wanted[0][:, None] - found[0], axis=-1).argmin(axis=1)
        sizes = np.ptp(found, axis=1).max(axis=1)
        fits = np.abs(found[:, local] - wanted).max(axis=(1, 2)) <= _SAME_PLACE * sizes
        gaps = np.linalg.norm((element.weights @ reference_nodes[local])[:, None] - reference_nodes, axis=-1)
        if not fits[0] or gaps.min(axis=1).max() > _SAME_PLACE:
            raise MeshError(
                f"{fields.cell.name}: the nodes of order {fields.order} are not where VTK has them. Solve with order 1."
            )
        order[left[fits]] = gaps.argmin(axis=1)
        left = left[~fits]
    return order


def _element_means(fields: _Fields, K: FloatArray) -> dict[str, FloatArray]:
    """Means over each element of total gradients, fluxes and the coefficient."""
    weights, d = fields.elements.weights, fields.cell.dim
    m, q = weights.shape
    gradients, fluxes = np.zeros((2, d, m, 3))
    for part in element_parts(m, q * d * (fields.element_dofs.shape[1] + 3 * d)):
        E, w = _total_gradients(fields, part), _shares(weights[part])
        k = K.reshape(*K.shape[:-1], m, q)[..., part, :]
        gradients[:, part, :d] = _mean(E, w)
        kE = flux(k.reshape(1, *K.shape[:-1], -1), E.reshape(1, d, d, -1))
        fluxes[:, part, :d] = _mean(kE.reshape(E.shape), w)
    return {
        **{f"flux_{r}": fluxes[r] for r in range(d)},
        **{f"gradient_{r}": gradients[r] for r in range(d)},
        "coefficient": _coefficient_means(weights, d, K),
    }


def _coefficient_means(weights: FloatArray, d: int, K: FloatArray) -> FloatArray:
    """(m,), or (m, 9): tensors with zeros beyond the dimension."""
    means: FloatArray = (K.reshape(*K.shape[:-1], *weights.shape) * _shares(weights)).sum(axis=-1)
    if K.ndim == 1:
        return means
    tensors = np.zeros((len(weights), 3, 3))
    tensors[:, :d, :d] = np.moveaxis(means, -1, 0)
    return tensors.reshape(-1, 9)


def _shares(weights: FloatArray) -> FloatArray:
    """Quadrature weights (m, q), of unit sum on each element."""
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _mean(field: FloatArray, w: FloatArray) -> FloatArray:
    """(r, d, m, q) with weights (m, q): (r, m, d)."""
    means: FloatArray = np.einsum("rdmq,mq->rmd", field, w)
    return means


def _total_gradients(fields: _Fields, part: slice) -> FloatArray:
    """e_r + grad theta_r at the points of some elements: (r, d, m, q)."""
    slopes = _shape_gradients(fields.elements, part)
    m, local, d, q = slopes.shape
    theta = fields.theta[:, fields.element_dofs[part]].swapaxes(0, 1)  # (m, r, local)
    E = (theta @ slopes.reshape(m, local, d * q)).reshape(m, -1, d, q)
    total: FloatArray = E.transpose(1, 2, 0, 3) + np.eye(d)[:, :, None, None]
    return total


def _shape_gradients(elements: Elements, part: slice) -> FloatArray:
    """Gradients of the shape functions of some elements (m, local, d, q)."""
    if not isinstance(elements, Affine):
        return elements.gradients[part]
    slopes = elements.reference.gradients(elements.reference.points)  # (q, local, i)
    q, local, d = slopes.shape
    table = np.ascontiguousarray(slopes.transpose(1, 0, 2)).reshape(local * q, d)
    return np.ascontiguousarray((table @ elements.inverse[part]).reshape(-1, local, q, d).swapaxes(2, 3))


def _in_space(points: FloatArray) -> FloatArray:
    return np.hstack([points, np.zeros((len(points), 3 - points.shape[1]))])
