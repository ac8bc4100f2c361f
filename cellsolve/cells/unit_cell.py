"""The unit cell: points, elements of one shape, their regions, and the period they repeat with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cellsolve.cells.lattices import as_period
from cellsolve.cells.shapes import SHAPES, Floats, Ints, Shape, jacobian_determinants
from cellsolve.errors import MeshError

__all__ = ["UnitCell"]

_DEGENERATE = 1e-12
"""An element with det J below this times (longest extent)^d has no volume."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitCell:
    """A mesh of one period; what the elements leave uncovered is pore.

    ``name``: file name; ``points`` (n, d); ``elements`` (m, k) in the numbering of gmsh and VTK; ``tags``
    (m,) index into ``region_names``; ``period`` (d, d), rows are the period vectors; ``match_tol`` relative
    to the longest of them. Lengths are in the unit of the file. Arrays are read-only copies; points of no
    element are dropped and mirrored elements renumbered. Raises MeshError. Whether opposite sides match is
    checked by ``read_cell``.
    """

    name: str
    points: Floats = field(repr=False)
    elements: Ints = field(repr=False)
    shape: Shape
    tags: Ints = field(repr=False)
    region_names: tuple[str, ...]
    period: Floats
    match_tol: float = 1e-8
    volumes: Floats = field(init=False, repr=False)
    """Measures of the elements (m,), positive."""

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise MeshError(f"{self.name}: got elements {self.shape!r}, needed one of {', '.join(SHAPES)}.")
        if not 0.0 < self.match_tol <= 0.01:
            raise MeshError(f"{self.name}: got match_tol = {self.match_tol}, needed a number above 0 and up to 0.01.")
        points, elements = _checked_points(self), _checked_elements(self)
        points, elements = _without_orphans(points, elements)
        elements, volumes = _oriented(self.name, points, elements, self.shape)
        self._store("points", points)
        self._store("elements", elements)
        self._store("volumes", volumes)
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
        empty = 1.0 - float(self.volumes.sum()) / self.volume
        return empty if empty > max(1e-12, self.match_tol) else 0.0

    @property
    def size(self) -> float:
        """Typical element size: the d-th root of the mean element volume."""
        return float(self.volumes.mean() ** (1.0 / self.dim))


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
    nodes, count = SHAPES[cell.shape].nodes, len(cell.points)
    elements = np.array(cell.elements)
    if elements.ndim != 2 or elements.shape[1] != nodes or not np.issubdtype(elements.dtype, np.integer):
        raise MeshError(
            f"{cell.name}: got elements of shape {elements.shape} and type {elements.dtype}, needed integers "
            f"(m, {nodes}) for {cell.shape!r}."
        )
    if not len(elements):
        raise MeshError(f"{cell.name}: got no elements, needed one or more. Mesh the cell before it is saved.")
    bad = np.flatnonzero(((elements < 0) | (elements >= count)).any(axis=1))
    if len(bad):
        raise MeshError(
            f"{cell.name}: {len(bad)} of {len(elements)} elements refer to points that do not exist, the "
            f"first is element {bad[0]}: {elements[bad[0]].tolist()} with {count} points. Write the mesh "
            "anew."
        )
    return elements.astype(np.int64)


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


def _without_orphans(points: Floats, elements: Ints) -> tuple[Floats, Ints]:
    used = np.zeros(len(points), dtype=bool)
    used[elements] = True
    renumbered = np.cumsum(used) - 1
    return points[used], np.asarray(renumbered[elements], dtype=np.int64)


def _extents(points: Floats, elements: Ints) -> Floats:
    """The longest extent (m,) of each element along an axis."""
    return np.asarray(np.max([np.ptp(x[elements], axis=1) for x in points.T], axis=0))


def _oriented(name: str, points: Floats, elements: Ints, shape: Shape) -> tuple[Ints, Floats]:
    """Elements with det J > 0 everywhere, and their measures; mirrored ones renumbered, flat ones refused."""
    traits = SHAPES[shape]
    with np.errstate(all="ignore"):
        determinants = jacobian_determinants(points, elements, shape)
        least = _DEGENERATE * _extents(points, elements) ** traits.dim
    mirrored = determinants.max(axis=0) < 0
    proper = (np.where(mirrored, -1, 1) * determinants > least) & np.isfinite(determinants)
    bad = np.flatnonzero(~proper.all(axis=0))
    if len(bad):
        raise MeshError(
            f"{name}: {len(bad)} of {len(elements)} elements ({shape}) have no volume or are folded over, "
            f"the first is element {bad[0]} with corners {points[elements[bad[0]]].tolist()}. Remesh, or "
            "remove such elements."
        )
    oriented = elements.copy()
    oriented[mirrored] = elements[mirrored][:, traits.reversal]
    return oriented, np.abs(traits.weights @ determinants)
