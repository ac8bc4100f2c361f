"""Cells of any shape: M and its translates M + n P must fit together, facet on facet.

A facet without a partner is the wall of a pore if beyond it there is nothing. Where an element of a translate
lies beyond, the mesh does not close into a torus.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellsolve.cells.facets import Boundary, boundary_part
from cellsolve.cells.location import covered
from cellsolve.cells.matching import FacetMatch, match_facets
from cellsolve.cells.shapes import Floats, Ints, Shape
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["SLIT", "Tiling", "find_tiling", "unjoined_facets"]

_OUTSIDE = 1e-3
"""How far outside a facet we look, at most, as a fraction of its size."""
_FLAT = 1e-5
"""Nodes lie in a plane within this fraction of the size of facets."""
_FAIR = 0.15
"""A side with less than this fraction of the facets of the largest one touches by chance."""
SLIT = 0.05
"""Facets that miss a partner by less than this fraction of their size miss it by mistake."""


@dataclass(frozen=True, slots=True, eq=False)
class Tiling:
    """How a mesh and its translates fit.

    ``translations`` (s, d): the lattice vectors in use, as integers, each for its opposite too, fewest steps
    first; ``sides`` (f,): which one each boundary facet belongs to, -1 for the walls of pores; ``unmatched``
    (f,): facets that should have a partner and have none, or that have several; ``gaps`` (f,): the greatest
    distance from a node of an unmatched facet to the boundary of the translate, a length.
    """

    translations: Ints
    sides: Ints
    unmatched: NDArray[np.bool_]
    gaps: Floats

    @property
    def closes(self) -> bool:
        """No facet lacks its partner, and the translations in use span space."""
        return not self.unmatched.any() and self.spans

    @property
    def matched(self) -> int:
        """Facets with a partner."""
        return int(self._facets().sum())

    @property
    def concentration(self) -> float:
        """sum_s f_s^2 / (sum_s f_s)^2 of the facets f_s across each translation: the greater, the fewer sides."""
        facets = self._facets().astype(float)
        return float((facets**2).sum() / max(facets.sum(), 1.0) ** 2)

    @property
    def spans(self) -> bool:
        """Facets match in d independent directions."""
        return self._spanned_by(1)

    @property
    def covers(self) -> bool:
        """As ``spans``, facets that should match included."""
        dim = self.translations.shape[1]
        return bool(len(self.translations) >= dim and np.linalg.matrix_rank(self.translations) == dim)

    @property
    def spans_well(self) -> bool:
        """As ``spans``, by sides that have a fair part of the facets each."""
        return self._spanned_by(max(1, int(_FAIR * self._facets().max(initial=0))))

    def _facets(self) -> Ints:
        """Facets with a partner across each translation (s,)."""
        good = self.sides[(self.sides >= 0) & ~self.unmatched]
        return np.bincount(good, minlength=len(self.translations))

    def _spanned_by(self, least: int) -> bool:
        used = self.translations[self._facets() >= least]
        dim = self.translations.shape[1]
        return bool(len(used) >= dim and np.linalg.matrix_rank(used) == dim)


def find_tiling(
    points: Floats, elements: Ints, shape: Shape, boundary: Boundary, lattice: tuple[Floats, float]
) -> Tiling:
    """The tiling of a mesh under a ``lattice``: period (d, d) and tolerance, a length."""
    period, tolerance = lattice
    match = match_facets(points, boundary, period, tolerance)
    shift = match.shift.copy()
    unmatched = np.zeros(len(shift), dtype=np.bool_)
    for found, steps in (
        _near_misses(points, boundary, match, lattice),
        _facing(points, elements, shape, boundary, match, lattice),
    ):
        fresh = match.alone & ~unmatched & found
        unmatched |= fresh
        shift[fresh] = steps[fresh]
    translations, sides = _sides(shift)
    unmatched |= (match.crowded & match.alone) | _beside_partners(points, boundary, sides, match)
    return Tiling(translations, sides, unmatched, _gaps(points, boundary, shift @ period, unmatched))


def unjoined_facets(cell: UnitCell, boundary: Boundary, tolerance: float) -> Ints:
    """Boundary facets that an element of the same mesh touches from outside, without being joined to them.

    Not sought where facets may be curved.
    """
    if cell.middles is not None or cell.shape == "hexahedron":
        return np.zeros(0, dtype=np.int64)
    outside = _outside(boundary, np.arange(len(boundary.owners)), tolerance)
    return np.flatnonzero(covered(outside, cell.points, _rim(cell.points, cell.elements, boundary), cell.shape))


def _near_misses(
    points: Floats, boundary: Boundary, match: FacetMatch, lattice: tuple[Floats, float]
) -> tuple[NDArray[np.bool_], Ints]:
    """Facets without a partner that have one if it may miss by a fraction of their size, and its shift."""
    period, _ = lattice
    found = np.zeros(len(match.partner), dtype=np.bool_)
    shift = np.zeros_like(match.shift)
    alone = np.flatnonzero(match.alone)
    if len(alone):
        some = boundary_part(boundary, alone)
        loose = match_facets(points, some, period, SLIT * float(some.sizes.min()))
        beyond = (loose.partner >= 0) & loose.shift.any(axis=1)
        found[alone], shift[alone] = beyond, loose.shift
    return found, shift


def _outside(boundary: Boundary, rows: Ints, tolerance: float) -> Floats:
    steps = np.minimum(2.0 * tolerance, _OUTSIDE * boundary.sizes[rows])
    return np.asarray(boundary.centres[rows] + steps[:, None] * boundary.normals[rows])


def _facing(
    points: Floats,
    elements: Ints,
    shape: Shape,
    boundary: Boundary,
    match: FacetMatch,
    lattice: tuple[Floats, float],
) -> tuple[NDArray[np.bool_], Ints]:
    """Facets without a partner beyond which an element of M + n P lies, n not 0, and -n."""
    period, tolerance = lattice
    found, shift = np.zeros(len(match.partner), dtype=np.bool_), np.zeros_like(match.shift)
    alone = np.flatnonzero(match.alone)
    outside = _outside(boundary, alone, tolerance)
    steps = _steps(points, period)
    low, high = points.min(axis=0), points.max(axis=0)
    rim = _rim(points, elements, boundary)
    near = [np.flatnonzero(((outside + n @ period >= low) & (outside + n @ period <= high)).all(axis=1)) for n in steps]
    rows = np.concatenate([*near, np.zeros(0, dtype=np.int64)])
    taken = np.repeat(steps, [len(some) for some in near], axis=0)
    hit = covered(outside[rows] + taken @ period, points, rim, shape)
    found[alone[rows[hit]]], shift[alone[rows[hit]]] = True, taken[hit]
    return found, shift


def _rim(points: Floats, elements: Ints, boundary: Boundary) -> Ints:
    """The elements that touch the boundary: where translates overlap, some of their facets cross these."""
    touched = np.zeros(len(points), dtype=np.bool_)
    touched[boundary.nodes] = True
    return elements[touched[elements].any(axis=1)]


def _steps(points: Floats, period: Floats) -> Ints:
    """Integers n (s, d), not 0, for which the bounding boxes of M and M + n P meet, within reason."""
    span = np.ptp(points @ np.linalg.inv(period), axis=0)
    reach = np.minimum(np.ceil(span + 1e-6), 4.0).astype(int)
    every = np.array(list(product(*(range(-r, r + 1) for r in reach))), dtype=np.int64)
    return every[every.any(axis=1)]


def _sides(shift: Ints) -> tuple[Ints, Ints]:
    """Translations (s, d) up to sign, fewest steps first, and the one of each facet (f,), -1 for none."""
    first = np.sign(shift[np.arange(len(shift)), (shift != 0).argmax(axis=1)])
    canonical = shift * first[:, None]
    translations, sides = np.unique(canonical, axis=0, return_inverse=True)
    order = np.lexsort([*(-translations.T[::-1]), np.abs(translations).sum(axis=1)])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    still = int(not translations.any(axis=1).all())
    # A shift of 0 has the fewest steps and comes first: it is no translation.
    return translations[order][still:], rank[sides.ravel()] - still


def _beside_partners(points: Floats, boundary: Boundary, sides: Ints, match: FacetMatch) -> NDArray[np.bool_]:
    """Facets without a partner in a plane that bounds the mesh and holds facets with partners: none is a wall."""
    found = np.zeros(len(sides), dtype=np.bool_)
    for side in range(sides.max(initial=-1) + 1):
        members = np.flatnonzero((sides == side) & (match.partner >= 0))
        for normal in boundary.normals[members[:1]]:
            for sign in (1.0, -1.0):
                found |= _in_plane(points, boundary, members, sign * normal)
    return found & match.alone


def _in_plane(points: Floats, boundary: Boundary, members: Ints, normal: Floats) -> NDArray[np.bool_]:
    """Facets in the plane of those members that look along ``normal``, if no point lies beyond it."""
    looking = members[boundary.normals[members] @ normal > 1.0 - 1e-9]
    height = points @ normal
    thickness = _FLAT * float(boundary.sizes.min())
    if not len(looking) or height[boundary.nodes[looking]].min() < height.max() - thickness:
        return np.zeros(len(boundary.owners), dtype=np.bool_)
    return np.asarray(height[boundary.nodes].min(axis=1) >= height.max() - thickness)


def _gaps(points: Floats, boundary: Boundary, moves: Floats, unmatched: NDArray[np.bool_]) -> Floats:
    """Greatest distance from a node of an unmatched facet, moved, to the nearest node of the boundary."""
    gaps = np.zeros(len(unmatched))
    rows = np.flatnonzero(unmatched)
    if len(rows):
        moved = points[boundary.nodes[rows]] + moves[rows][:, None]
        tree = KDTree(points[np.unique(boundary.nodes)])
        gaps[rows] = np.max(tree.query(moved)[0], axis=1)
    return gaps
