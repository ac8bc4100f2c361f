"""Patches: the elements round each vertex of a mesh of the torus, joined through the faces at that vertex.

A patch is a set of corners c = (d + 1) e + i of elements. Where elements meet in a point only, there are several
patches at it. Corners of a patch follow each other as a tree of faces is walked from the first one: parents come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components

from cellsolve.fem.face_fluxes import FaceFluxes

__all__ = ["Group", "Patches", "find_patches"]

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

_WALKED = 1 << 16  # corners whose trees are walked together: they fit into the cache


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Corners ``order`` (c,), those of patch p from ``starts[p]`` to ``starts[p + 1]``.

    ``across`` (c, d): place in ``order`` of the corner behind each face at a corner, its own behind walls; ``parent``
    (c,): place of the parent in the tree, its own for the first of a patch. Faces at a corner i are numbered by their
    opposite corners, which ascend and are not i.
    """

    order: Int32Array
    across: Int32Array
    parent: Int32Array
    starts: IntArray

    @property
    def sizes(self) -> IntArray:
        """Corners of each patch."""
        return np.diff(self.starts)

    def of_corners(self) -> Int32Array:
        """The patch of each corner, in the order of elements (c,)."""
        patch = np.empty(len(self.order), dtype=np.int32)
        patch[self.order] = np.repeat(np.arange(len(self.sizes), dtype=np.int32), self.sizes)
        return patch

    def groups(self, elements: FaceFluxes, room: int) -> Iterator[Group]:
        """Patches of one shape, as many as have room for matrices of their fluxes."""
        inner = (self.across != np.arange(len(self.order), dtype=np.int32)[:, None]).sum(axis=1, dtype=np.int32)
        faces = np.add.reduceat(inner, self.starts[:-1]) // 2
        shapes, kind = np.unique(self.sizes * (faces.max(initial=0) + 1) + faces, return_inverse=True)
        members = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind))[:-1])
        for patches, shape in zip(members, shapes.tolist(), strict=True):
            size, count = divmod(shape, int(faces.max()) + 1)
            step = max(1, room // (size * (elements.dim * elements.per_face) ** 2 + (count * elements.per_face) ** 2))
            for first in range(0, len(patches), step):
                yield self._group(elements, patches[first : first + step], size, count)

    def _group(self, elements: FaceFluxes, patches: IntArray, size: int, faces: int) -> Group:
        """Patches of ``size`` corners and ``faces`` interior faces each."""
        d, g = elements.dim, len(patches)
        start = self.starts[patches][:, None]
        rows = start + np.arange(size)
        element, corner = np.divmod(self.order.take(rows).astype(np.int64), d + 1)
        side = _sides(d).take(corner, axis=0)
        own = element[..., None] * (d + 1) + side
        other = elements.other.take(own)
        behind = self.across.take(rows, axis=0) - start[..., None]
        local = other % (d + 1)
        back = local - (local > corner.ravel().take(behind + (np.arange(g) * size)[:, None, None]))
        partner = np.where(own == other, np.arange(size * d).reshape(size, d), behind * d + back)
        sign = np.sign(other - own)
        number = np.cumsum((sign > 0).reshape(g, -1), axis=1) - 1
        face = np.where(sign < 0, np.take_along_axis(number, partner.reshape(g, -1), axis=1).reshape(sign.shape), 0)
        face = np.where(sign > 0, number.reshape(sign.shape), face)
        parent = self.parent.take(rows) - start
        return Group(element, corner, side, np.where(sign == 0, faces, face), sign, partner, parent, faces)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """g patches with s corners and the same number ``faces`` of interior faces each.

    ``element``, ``corner`` (g, s); ``side`` (g, s, d): local numbers of the faces at the corner; ``face`` (g, s, d):
    number of the face within the patch, ``faces`` on walls; ``sign`` (g, s, d): 1 and -1 on the two sides of a face, 0
    on walls; ``partner`` (g, s, d): s d + side of the other side; ``parent`` (g, s): in the tree, 0 for the first.
    """

    element: IntArray
    corner: IntArray
    side: IntArray
    face: IntArray
    sign: IntArray
    partner: IntArray
    parent: IntArray
    faces: int

    def take(self, some: BoolArray) -> Group:
        """Those of some of the patches (g,)."""
        names = ("element", "corner", "side", "face", "sign", "partner", "parent")
        return replace(self, **{name: getattr(self, name)[some] for name in names})


def find_patches(elements: FaceFluxes) -> Patches:
    """The patches of a mesh of simplices."""
    d = elements.dim
    order = _by_label(elements.vertices.ravel())
    ends = np.cumsum(np.bincount(elements.vertices.ravel()))
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    across = np.empty((len(order), d), dtype=np.int32)
    parent = np.empty(len(order), dtype=np.int32)
    starts = [np.zeros(1, dtype=np.int64)]
    first = 0
    while first < len(order):
        last = int(ends[np.searchsorted(ends, min(first + _WALKED, len(order)))])
        rows = slice(first, last)
        vertex = elements.vertices.take(order[rows])
        walk = _walked(place.take(_behind(elements, order[rows])) - first, vertex)
        order[rows] = order[rows][walk.order]
        across[rows], parent[rows] = walk.across + first, walk.parent + first
        starts.append(walk.ends + first)
        first = last
    return Patches(order, across, parent, np.concatenate(starts))


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """A new order of corners, as in `Patches`; ``ends`` (p,) of the patches."""

    order: IntArray
    across: Int32Array
    parent: Int32Array
    ends: IntArray


def _walked(across: Int32Array, vertex: IntArray) -> _Walk:
    """The trees of corners whose neighbours ``across`` (c, d) are among them; those of a ``vertex`` come together."""
    count = len(across)
    fresh = np.ones(count, dtype=np.bool_)
    fresh[1:] = vertex[1:] != vertex[:-1]
    walk, parent = _breadth_first(across, np.flatnonzero(fresh))
    patch = np.cumsum(fresh) - 1
    if len(walk) < count:  # elements that meet in a point
        graph = _graph(across, np.zeros(0, dtype=np.int64))[:-1, :-1]
        labels = connected_components(graph, connection="strong")[1]
        roots, patch = np.unique(labels, return_index=True)[1], labels
        walk, parent = _breadth_first(across, roots)
    order = walk[_by_label(patch[walk].astype(np.int64))]
    place = np.empty(count, dtype=np.int32)
    place[order] = np.arange(count, dtype=np.int32)
    parents = np.where(parent[order] == count, order, parent[order])
    return _Walk(order, place[across[order]], place[parents], np.cumsum(np.bincount(patch)))


def _breadth_first(across: Int32Array, roots: IntArray) -> tuple[IntArray, IntArray]:
    """Corners reached from the roots, level by level, and the parents of all (c,): c, one more, for roots."""
    walk, parent = breadth_first_order(_graph(across, roots), len(across))
    return walk[1:].astype(np.int64), parent[:-1].astype(np.int64)


def _graph(across: Int32Array, roots: IntArray) -> sp.csr_array:
    """Corners and one more, which leads to the roots."""
    count, d = across.shape
    indices = np.concatenate([across.ravel(), roots.astype(np.int32)])
    starts = np.append(np.arange(0, count * d + 1, d, dtype=np.int32), np.int32(len(indices)))
    return sp.csr_array((np.ones(len(indices)), indices, starts), shape=(count + 1, count + 1))


def _behind(elements: FaceFluxes, corners: Int32Array) -> IntArray:
    """The corner (c, d) at the same vertex behind each face at corners (c,), itself behind walls."""
    d = elements.dim
    element, corner = np.divmod(corners.astype(np.int64), d + 1)
    own = element[:, None] * (d + 1) + _sides(d)[corner]
    other = elements.other.take(own)
    flat = elements.corners.reshape(-1, d)
    position = (flat.take(own, axis=0) == corner[:, None, None]).argmax(axis=2)
    behind: IntArray = other // (d + 1) * (d + 1) + flat[other, position]
    return behind


def _sides(d: int) -> IntArray:
    """The faces (d + 1, d) at each corner of a simplex."""
    return np.array([[k for k in range(d + 1) if k != i] for i in range(d + 1)])


def _by_label(labels: IntArray) -> Int32Array:
    """Places of labels (c,) in ascending order, equal ones as they come."""
    count = len(labels)
    every = np.arange(count + 1, dtype=np.int32)
    rows = sp.csr_array((every[:-1], labels.astype(np.int32), every), shape=(count, int(labels.max()) + 1))
    return np.asarray(sp.csc_array(rows).indices, dtype=np.int32)
