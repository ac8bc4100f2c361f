"""Patches: the elements round each vertex of a mesh of the torus, joined through the faces at that vertex.

A patch is a set of corners (e, i) of elements. Where elements meet in a point only, there are several patches at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from cellsolve.fem.face_fluxes import FaceFluxes
from cellsolve.fem.space import FloatArray

__all__ = ["Patches", "find_patches"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Corners (c,), those of a patch next to each other: corner ``corner`` of element ``element``.

    ``side`` (c, d): local numbers of the faces at the corner; ``position`` (c, d): of the corner among those of the
    face; ``face`` (c, d): number of the face within the patch, interior ones; ``sign`` (c, d): 1 and -1 on the two
    sides of a face, 0 on walls. ``sizes``, ``faces`` (p,): corners and interior faces of each patch.
    """

    element: IntArray
    corner: IntArray
    side: IntArray
    position: IntArray
    face: IntArray
    sign: FloatArray
    sizes: IntArray
    faces: IntArray

    def groups(self, room: int, per_face: int) -> Iterator[tuple[int, IntArray]]:
        """Patches of one shape, as many as have room for their matrices: interior faces, and corners (g, s)."""
        start = np.cumsum(self.sizes) - self.sizes
        shapes, kind = np.unique(np.stack([self.sizes, self.faces]), axis=1, return_inverse=True)
        order = np.argsort(kind.ravel(), kind="stable")
        for members, (size, faces) in zip(
            np.split(order, np.cumsum(np.bincount(kind.ravel()))[:-1]), shapes.T.tolist(), strict=True
        ):
            step = max(1, room // (faces * per_face + size + 1) ** 2)
            for first in range(0, len(members), step):
                yield faces, start[members[first : first + step]][:, None] + np.arange(size)


def find_patches(elements: FaceFluxes) -> Patches:
    """The patches of a mesh of simplices."""
    d, count = elements.dim, len(elements.faces)
    element, corner = (numbers.ravel() for numbers in np.indices((count, d + 1)))
    side = np.array([[k for k in range(d + 1) if k != i] for i in range(d + 1)])[corner]
    position = (elements.corners[element[:, None], side] == corner[:, None, None]).argmax(axis=2)
    key = np.unique(elements.faces[element[:, None], side] * d + position, return_inverse=True)[1]
    key = key.reshape(side.shape)  # of a face at one of its corners
    patch = _joined(key)
    order = np.argsort(patch, kind="stable")
    element, corner, side, position, key, patch = (a[order] for a in (element, corner, side, position, key, patch))
    first = np.zeros(key.size, dtype=np.bool_)
    first[np.unique(key, return_index=True)[1]] = True
    twice = np.bincount(key.ravel())[key] == 2
    sign = np.where(twice, np.where(first.reshape(key.shape), 1.0, -1.0), 0.0)
    sizes = np.bincount(patch)
    starts = first.reshape(key.shape) & twice  # the first side of each interior face
    faces = np.bincount(patch, weights=starts.sum(axis=1)).astype(np.int64)
    number = np.empty(int(key.max()) + 1, dtype=np.int64)
    owner = np.repeat(patch, d)[starts.ravel()]
    number[key[starts]] = np.arange(len(owner)) - (np.cumsum(faces) - faces)[owner]
    face = np.where(twice, number[key], 0)
    return Patches(element, corner, side, position, face, sign, sizes, faces)


def _joined(key: IntArray) -> IntArray:
    """The patch (c,) of each corner: corners that share a key (c, d) are in one."""
    order = np.argsort(key.ravel(), kind="stable")
    owner, ordered = order // key.shape[1], key.ravel()[order]
    same = ordered[1:] == ordered[:-1]
    links = (owner[:-1][same].astype(np.int32), owner[1:][same].astype(np.int32))
    graph = sp.coo_array((np.ones(len(links[0]), dtype=np.int8), links), shape=(len(key),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
