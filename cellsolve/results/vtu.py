"""Correctors and fluxes of a mesh cell as a VTU file: the mesh as it was read, its seam open, fields by direction."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.errors import MeshError
from cellsolve.fem.elements import Affine, Mapped
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.numbering import element_parts, number_distinct
from cellsolve.fem.space import FloatArray, flux
from cellsolve.results.vtk_elements import VtkElement, vtk_element
from cellsolve.results.vtu_format import ElementGrid, write_vtu

__all__ = ["write_fields"]

IntArray = npt.NDArray[np.int64]
_SAME_PLACE = 1e-6  # of the size of an element: nodes of it are much farther apart


def write_fields(path: str | os.PathLike[str], space: object, correctors: FloatArray, K: FloatArray) -> None:
    """Write the fields of a cell problem on the unfolded mesh, for ParaView; whole or not at all.

        phi_r = y_r + theta_r,     flux_r = < K (e_r + grad theta_r) >_e,     K_hom e_r = sum_e |e| flux_r / |period|

    ``space``: of the solution, on a mesh; ``correctors`` (d, n): theta; ``K``: at the quadrature points, (q,) or
    (d, d, q). Point data: theta_r, potential_r = phi_r, in units of length. Cell data, means over elements e:
    flux_r and gradient_r = grad phi_r (3-vectors), coefficient (a number, or the rows of a 3 x 3 tensor), and volume,
    region: the number of its name. The names are field data, "region:NAME" with that number. Elements of order p have
    all their nodes: nothing of theta is lost.

    Raises MeshError for a space that is not on a mesh, JobError when the place cannot be written.
    """
    if not isinstance(space, MeshSpace):
        raise MeshError(f"got fields on {space!r}, needed those of a mesh. Read the cell from a file (read_cell).")
    unfolded = _unfolded(space)
    cell = space.cell
    point_data: dict[str, FloatArray] = {}
    for r, theta in enumerate(correctors):
        values = theta[unfolded.dofs]
        point_data |= {f"theta_{r}": values, f"potential_{r}": unfolded.points[:, r] + values}
    grid = ElementGrid(
        points=_in_space(unfolded.points),
        connectivity=unfolded.connectivity,
        kind=unfolded.kind,
        point_data=point_data,
        cell_data={**_element_means(space, correctors, K), "volume": cell.volumes, "region": cell.tags},
        facts={f"region:{name}": number for number, name in enumerate(cell.region_names)},
    )
    write_vtu(path, grid)


@dataclass(frozen=True, slots=True, eq=False)
class _Unfolded:
    """The mesh with all nodes of the space: ``points`` (n, d), the unknown ``dofs`` (n,) at each, ``connectivity``."""

    points: FloatArray
    dofs: IntArray
    connectivity: IntArray
    kind: int


def _unfolded(space: MeshSpace) -> _Unfolded:
    """Places that are one unknown, but different periods of the lattice, are different nodes."""
    places, dofs = _places(space), space.element_dofs
    element = vtk_element(space.cell.shape, space.order)
    shifts = np.rint((places - space.nodes[dofs]) @ np.linalg.inv(space.cell.period)).astype(np.int64)
    shifts -= shifts.min(axis=(0, 1))
    key = dofs.astype(np.int64)
    for axis in range(space.dim):
        key = key * (shifts[..., axis].max() + 1) + shifts[..., axis]
    number, first = number_distinct(key.ravel())
    order = _vtk_order(space, places, element)
    connectivity = np.take_along_axis(number.reshape(dofs.shape), order, axis=1)
    return _Unfolded(places.reshape(-1, space.dim)[first], dofs.ravel()[first], connectivity, element.kind)


def _places(space: MeshSpace) -> FloatArray:
    """Where the nodes of each element are (m, local, d)."""
    elements = space.elements
    if isinstance(elements, Affine):
        places: FloatArray = elements.places(slice(None)) + elements.origin[:, None]
        return places
    assert isinstance(elements, Mapped)
    return elements.nodes


def _vtk_order(space: MeshSpace, places: FloatArray, element: VtkElement) -> IntArray:
    """Which local node (m, k) of each element is VTK's node 0, 1 ..: found on one element, for all that it fits."""
    corners = space.cell.points[space.cell.elements[:, : element.weights.shape[1]]]
    order = np.empty(places.shape[:2], dtype=np.int64)
    left = np.arange(len(places))
    while len(left):
        wanted, found = element.weights @ corners[left], places[left]
        gaps = np.linalg.norm(wanted[0][:, None] - found[0], axis=-1)
        local = gaps.argmin(axis=1)
        sizes = np.ptp(found, axis=1).max(axis=1)
        fits = np.abs(found[:, local] - wanted).max(axis=(1, 2)) <= _SAME_PLACE * sizes
        if not fits[0]:
            raise MeshError(
                f"{space.cell.name}: nodes of {space!r} are not where VTK has them. Write fields of order 1."
            )
        order[left[fits]] = local
        left = left[~fits]
    return order


def _element_means(space: MeshSpace, correctors: FloatArray, K: FloatArray) -> dict[str, FloatArray]:
    """Means over each element of total gradients, fluxes and the coefficient."""
    (m, q), d = space.elements.weights.shape, space.dim
    gradients, fluxes = np.zeros((2, d, m, 3))
    for part in element_parts(m, q * d * (space.element_dofs.shape[1] + 3 * d)):
        E, w = _total_gradients(space, correctors, part), _shares(space, part)
        k = K.reshape(*K.shape[:-1], m, q)[..., part, :]
        gradients[:, part, :d] = _mean(E, w)
        kE = flux(k.reshape(1, *K.shape[:-1], -1), E.reshape(1, d, d, -1))
        fluxes[:, part, :d] = _mean(kE.reshape(E.shape), w)
    return {
        **{f"flux_{r}": fluxes[r] for r in range(d)},
        **{f"gradient_{r}": gradients[r] for r in range(d)},
        "coefficient": _coefficient_means(space, K),
    }


def _coefficient_means(space: MeshSpace, K: FloatArray) -> FloatArray:
    """(m,), or (m, 9): tensors with zeros beyond the dimension."""
    weights, d = space.elements.weights, space.dim
    means: FloatArray = (K.reshape(*K.shape[:-1], *weights.shape) * _shares(space, slice(None))).sum(axis=-1)
    if K.ndim == 1:
        return means
    tensors = np.zeros((len(weights), 3, 3))
    tensors[:, :d, :d] = np.moveaxis(means, -1, 0)
    return tensors.reshape(-1, 9)


def _shares(space: MeshSpace, part: slice) -> FloatArray:
    """Quadrature weights of some elements, of unit sum on each."""
    weights = space.elements.weights[part]
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _mean(field: FloatArray, w: FloatArray) -> FloatArray:
    """(r, d, m, q) with weights (m, q): (r, m, d)."""
    means: FloatArray = np.einsum("rdmq,mq->rmd", field, w)
    return means


def _total_gradients(space: MeshSpace, correctors: FloatArray, part: slice) -> FloatArray:
    """e_r + grad theta_r at the points of some elements: (r, d, m, q)."""
    slopes = _shape_gradients(space, part)
    m, local, d, q = slopes.shape
    theta = correctors[:, space.element_dofs[part]].swapaxes(0, 1)  # (m, r, local)
    E = (theta @ slopes.reshape(m, local, d * q)).reshape(m, -1, d, q)
    total: FloatArray = E.transpose(1, 2, 0, 3) + np.eye(d)[:, :, None, None]
    return total


def _shape_gradients(space: MeshSpace, part: slice) -> FloatArray:
    """Gradients of the shape functions of some elements (m, local, d, q)."""
    elements = space.elements
    if not isinstance(elements, Affine):
        return elements.gradients[part]
    slopes = elements.reference.gradients(elements.reference.points)  # (q, local, i)
    q, local, d = slopes.shape
    table = np.ascontiguousarray(slopes.transpose(1, 0, 2)).reshape(local * q, d)
    return np.ascontiguousarray((table @ elements.inverse[part]).reshape(-1, local, q, d).swapaxes(2, 3))


def _in_space(points: FloatArray) -> FloatArray:
    return np.hstack([points, np.zeros((len(points), 3 - points.shape[1]))])
