"""The unit cell: points, elements of one shape, their regions, and the period they repeat with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.curved import CURVED, curved_determinants, straight_middles
from cellsolve.cells.lattices import as_period
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, extents, jacobian_determinants
from cellsolve.errors import MeshError

__all__ = ["Periodicity", "UnitCell", "check_tolerance", "straightened"]

_STRAIGHT = 1e-9
"""Middles off by less than this times the extent of the element are those of a straight one."""

Periodicity = Literal["exact", "mortar"]

_DEGENERATE = 1e-12
"""An element with det J below this times (longest extent)^d has no volume."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitCell:
    """A mesh of one period; what the elements leave uncovered is pore.

    ``name``: file name; ``points`` (n, d); ``elements`` (m, k) in the numbering of gmsh and VTK; ``tags``
    (m,) index into ``region_names``; ``period`` (d, d), rows are the period vectors; ``match_tol`` relative
    to the longest of them; ``middles`` (m, k), the further nodes of elements of second degree in the order of
    VTK (line 1, triangle 3, quad 5, tetra 6, hexahedron 19), None if all elements are straight: middles that lie
    where those of straight elements do (1e-9 of the element) are dropped. Lengths are in the unit of the file.
    Arrays are read-only copies; points of no element are dropped and mirrored elements renumbered. Raises
    MeshError. Whether opposite sides match is checked by ``read_cell``.
    """

    name: str
    points: Floats = field(repr=False)
    elements: Ints = field(repr=False)
    shape: Shape
    tags: Ints = field(repr=False)
    region_names: tuple[str, ...]
    period: Floats
    match_tol: float = 1e-8
    middles: Ints | None = field(default=None, repr=False)
    periodicity: Periodicity = "exact"
    """How opposite sides belong together: facet by facet, or coupled by mortars."""
    volumes: Floats = field(init=False, repr=False)
    """Measures of the elements (m,), positive."""

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise MeshError(f"{self.name}: got elements {self.shape!r}, needed one of {', '.join(SHAPES)}.")
        check_tolerance(self.name, self.match_tol)
        points, elements = _checked_points(self), _checked_elements(self)
        middles = None if self.middles is None else _bent(points, elements, _checked_middles(self), self.shape)
        points, elements, middles = _without_orphans(points, elements, middles)
        elements, middles, volumes = _oriented(self.name, points, elements, middles, self.shape)
        self._store("points", points)
        self._store("elements", elements)
        self._store("volumes", volumes)
        object.__setattr__(self, "middles", None)
        if middles is not None:
            self._store("middles", middles)
        self._store("tags", _checked_tags(self, len(elements)))
        self._store("period", as_period(self.name, self.period, self.dim))
        object.__setattr__(self, "region_names", tuple(self.region_names))

    def _store(self, key: str, values: Floats | Ints) -> None:
        values.setflags(write=False)
        object.__setattr__(self, key, values)

    @property
    def dim(self) -> int:
        """The dimension d of the elements, which is that of the points."""
        return SHAPES[self.shape].dim

    @property
    def volume(self) -> float:
        """|det(p_1 .. p_d)|, pores included."""
        return float(abs(np.linalg.det(self.period)))

    @property
    def regions(self) -> dict[str, float]:
        """Volume of each region over the volume of the period."""
        sums = np.bincount(self.tags, weights=self.volumes, minlength=len(self.region_names))
        return dict(zip(self.region_names, (sums / self.volume).tolist(), strict=True))

    @property
    def porosity(self) -> float:
        """The fraction of the period that no element covers; round-off below ``match_tol`` counts as none."""
        return self.uncovered if self.uncovered > max(1e-12, self.match_tol) else 0.0

    @property
    def uncovered(self) -> float:
        """The fraction of the period that no element covers, to the last digit: negative where sides overlap."""
        return 1.0 - float(self.volumes.sum()) / self.volume

    @property
    def size(self) -> float:
        """Typical element size: the d-th root of the mean element volume."""
        return float(self.volumes.mean() ** (1.0 / self.dim))

    def restricted(self, mask: NDArray[np.bool_]) -> UnitCell:
        """The same cell with the elements of ``mask`` (m,) only; period, region names and tolerance stay.

        Raises MeshError for a mask of another shape or type, or without any element.
        """
        chosen = np.asarray(mask)
        if chosen.shape != self.tags.shape or chosen.dtype != np.bool_ or not chosen.any():
            raise MeshError(
                f"{self.name}: got a mask of shape {chosen.shape}, type {chosen.dtype} with {np.count_nonzero(chosen)} "
                f"elements, needed booleans {self.tags.shape} with one or more."
            )
        middles = None if self.middles is None else self.middles[chosen]
        return replace(self, elements=self.elements[chosen], middles=middles, tags=self.tags[chosen])


def check_tolerance(name: str, match_tol: float) -> None:
    """Raises MeshError for a tolerance that is no small positive number."""
    if not isinstance(match_tol, int | float) or not 0.0 < match_tol <= 0.01:
        raise MeshError(f"{name}: got match_tol = {match_tol!r}, needed a number above 0 and up to 0.01.")


def straightened(cell: UnitCell) -> UnitCell:
    """The same cell with straight elements between its corners."""
    return cell if cell.middles is None else replace(cell, middles=None)


def _checked_points(cell: UnitCell) -> Floats:
    dim = SHAPES[cell.shape].dim
    points = np.array(cell.points, dtype=float)
    if points.ndim != 2 or points.shape[1] != dim:
        raise MeshError(
            f"{cell.name}: got points of shape {points.shape}, needed (n, {dim}) for elements {cell.shape!r}."
        )
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise MeshError(
            f"{cell.name}: {len(bad)} of {len(points)} points have coordinates that are not finite, the "
            f"first is point {bad[0]}: {points[bad[0]].tolist()}. Write the mesh anew."
        )
    return points


def _checked_elements(cell: UnitCell) -> Ints:
    elements = _checked_nodes(cell, np.array(cell.elements), SHAPES[cell.shape].nodes, "elements")
    if not len(elements):
        raise MeshError(f"{cell.name}: got no elements, needed one or more. Mesh the cell before it is saved.")
    return elements


def _checked_middles(cell: UnitCell) -> Ints:
    middles = _checked_nodes(cell, np.array(cell.middles), len(CURVED[cell.shape].owners), "middles")
    if len(middles) != len(cell.elements):
        raise MeshError(f"{cell.name}: got middles of {len(middles)} elements, needed those of {len(cell.elements)}.")
    return middles


def _checked_nodes(cell: UnitCell, rows: Ints, nodes: int, what: str) -> Ints:
    count = len(cell.points)
    if rows.ndim != 2 or rows.shape[1] != nodes or not np.issubdtype(rows.dtype, np.integer):
        raise MeshError(
            f"{cell.name}: got {what} of shape {rows.shape} and type {rows.dtype}, needed integers "
            f"(m, {nodes}) for {cell.shape!r}."
        )
    bad = np.flatnonzero(((rows < 0) | (rows >= count)).any(axis=1))
    if len(bad):
        raise MeshError(
            f"{cell.name}: {len(bad)} of {len(rows)} {what} refer to points that do not exist, the "
            f"first is element {bad[0]}: {rows[bad[0]].tolist()} with {count} points. Write the mesh "
            "anew."
        )
    return rows.astype(np.int64)


def _checked_tags(cell: UnitCell, count: int) -> Ints:
    tags, names = np.array(cell.tags), cell.region_names
    if tags.shape != (count,) or not np.issubdtype(tags.dtype, np.integer):
        raise MeshError(
            f"{cell.name}: got tags of shape {tags.shape} and type {tags.dtype}, needed integers ({count},)."
        )
    if isinstance(names, str) or len(set(names)) != len(names) or not all(isinstance(n, str) for n in names):
        raise MeshError(f"{cell.name}: got region names {names!r}, needed a tuple of different texts.")
    if tags.min() < 0 or tags.max() >= len(names):
        raise MeshError(
            f"{cell.name}: got tags from {tags.min()} to {tags.max()}, but {len(names)} region name(s) {names!r}."
        )
    return tags.astype(np.int64)


def _bent(points: Floats, elements: Ints, middles: Ints, shape: Shape) -> Ints | None:
    """The middles, None if all are where straight elements have them."""
    return middles if _bent_elements(points, elements, middles, shape).any() else None


def _bent_elements(points: Floats, elements: Ints, middles: Ints, shape: Shape) -> NDArray[np.bool_]:
    """Which elements (m,) are not straight."""
    off = np.abs(points[middles] - straight_middles(points, elements, shape)).max(axis=(1, 2))
    return np.asarray(off > _STRAIGHT * extents(points, elements))


def _without_orphans(points: Floats, elements: Ints, middles: Ints | None) -> tuple[Floats, Ints, Ints | None]:
    used = np.zeros(len(points), dtype=bool)
    used[elements] = True
    if middles is not None:
        used[middles] = True
    renumbered = np.cumsum(used) - 1
    return points[used], renumbered[elements], None if middles is None else renumbered[middles]


def _oriented(
    name: str, points: Floats, elements: Ints, middles: Ints | None, shape: Shape
) -> tuple[Ints, Ints | None, Floats]:
    """Elements with det J > 0 everywhere, and their measures; mirrored ones renumbered, flat ones refused."""
    with np.errstate(all="ignore"):
        measures, least, greatest = _straight_measures(points, elements, shape)
        if middles is not None:
            bent = np.flatnonzero(_bent_elements(points, elements, middles, shape))
            nodes = np.hstack([elements[bent], middles[bent]])
            at = curved_determinants(points, nodes, shape)
            measures[bent], least[bent], greatest[bent] = CURVED[shape].weights @ at, at.min(axis=0), at.max(axis=0)
        threshold = _DEGENERATE * extents(points, elements) ** SHAPES[shape].dim
        mirrored = greatest < 0
        proper = (np.where(mirrored, -greatest, least) > threshold) & np.isfinite(least) & np.isfinite(greatest)
    bad = np.flatnonzero(~proper)
    if len(bad):
        raise MeshError(
            f"{name}: {len(bad)} of {len(elements)} elements ({shape}) have no volume or are folded over, "
            f"the first is element {bad[0]} with corners {points[elements[bad[0]]].tolist()}. Remesh"
            f"{'.' if middles is None else ' (gmsh: Mesh.HighOrderOptimize=2, or Mesh.ElementOrder=1).'}"
        )
    elements = np.where(mirrored[:, None], elements[:, SHAPES[shape].reversal], elements)
    if middles is not None:
        middles = np.where(mirrored[:, None], middles[:, CURVED[shape].reversal], middles)
    return elements, middles, np.abs(measures)


def _straight_measures(points: Floats, elements: Ints, shape: Shape) -> tuple[Floats, Floats, Floats]:
    """Measure, least and greatest det J (m,) of straight elements."""
    determinants = jacobian_determinants(points, elements, shape)
    return SHAPES[shape].weights @ determinants, determinants.min(axis=0), determinants.max(axis=0)
