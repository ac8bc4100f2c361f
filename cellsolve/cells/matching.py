"""Facets that are one on the torus: F + n_1 p_1 + .. + n_d p_d = G, F and G seen from opposite sides.

Any cell that tiles space under its lattice closes this way: boxes, hexagons, truncated octahedra, jigsaws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.facets import Boundary
from cellsolve.cells.lattices import group_on_torus
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["FacetMatch", "match_facets"]


@dataclass(frozen=True, slots=True, eq=False)
class FacetMatch:
    """``partner`` (f,): index of the facet that is the same on the torus, -1 without one; ``shift`` (f, d):
    integers n such that facet + n P lies on its partner; ``crowded`` (f,): more than two facets at one place.
    """

    partner: Ints
    shift: Ints
    crowded: NDArray[np.bool_]

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Facets without a partner (f,)."""
        return np.asarray(self.partner < 0)


def match_facets(points: Floats, boundary: Boundary, period: Floats, tolerance: float) -> FacetMatch:
    """Partners of boundary facets modulo the lattice; ``period`` (d, d) rows, ``tolerance`` a length.

    Partners have the same centre within the tolerance, each node of one is a node of the other, and their
    normals are opposite.
    """
    count, dim = boundary.centres.shape
    labels = group_on_torus(boundary.centres, period, tolerance)
    sizes = np.bincount(labels, minlength=1)
    first, second = _pairs(labels, sizes)
    steps = np.rint((boundary.centres[second] - boundary.centres[first]) @ np.linalg.inv(period)).astype(np.int64)
    same = _same_nodes(points, boundary, (first, second), steps @ period, tolerance)
    first, second, steps = first[same], second[same], steps[same]
    partner, shift = np.full(count, -1), np.zeros((count, dim), dtype=np.int64)
    partner[first], partner[second] = second, first
    shift[first], shift[second] = steps, -steps
    return FacetMatch(partner, shift, np.asarray(sizes[labels] > 2))


def _pairs(labels: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """The members of the classes of two."""
    order = np.argsort(labels, kind="stable")
    paired = order[sizes[labels[order]] == 2]
    return paired[::2], paired[1::2]


def _same_nodes(
    points: Floats, boundary: Boundary, pairs: tuple[Ints, Ints], steps: Floats, tolerance: float
) -> NDArray[np.bool_]:
    first, second = pairs
    moved = points[boundary.nodes[first]] + steps[:, None]
    gaps = np.linalg.norm(moved[:, :, None] - points[boundary.nodes[second]][:, None], axis=3)
    opposite = (boundary.normals[first] * boundary.normals[second]).sum(axis=1) < 0.0
    near = np.maximum(gaps.min(axis=1).max(axis=1), gaps.min(axis=2).max(axis=1)) <= tolerance
    return np.asarray(near & opposite)
