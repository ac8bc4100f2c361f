"""Does a mesh close into a torus? Each facet of its boundary, moved by a lattice vector, is another one, or the
wall of a pore.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellsolve.cells.facets import find_boundary
from cellsolve.cells.lattices import close_pairs, periodic_classes
from cellsolve.cells.shapes import Ints
from cellsolve.cells.sides import (
    SideReport,
    has_plane_sides,
    length_tolerance,
    match_plane_sides,
    mismatch,
)
from cellsolve.cells.tilings import SLIT, Tiling, find_tiling, unjoined_facets
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError, PeriodicityError

__all__ = [
    "SideReport",
    "check_coverage",
    "check_elements",
    "check_periodicity",
    "combination",
    "match_sides",
]

_HASH = np.uint64(0x9E3779B97F4A7C15)


def check_periodicity(cell: UnitCell) -> tuple[SideReport, ...]:
    """The reports of the sides. Raises PeriodicityError for a side whose faces do not match."""
    reports = match_sides(cell)
    failed = [report for report in reports if report.problem]
    if failed:
        # A side without facets says that the period is wrong, which explains what fails on other sides.
        worst = min(failed, key=lambda report: report.facets > 0)
        raise PeriodicityError(worst.problem, side=worst.side, unmatched=worst.unmatched, largest_gap=worst.largest_gap)
    return reports


def match_sides(cell: UnitCell) -> tuple[SideReport, ...]:
    """How opposite sides match; does not raise.

    A mesh in a parallelepiped of its period has d sides, across p_1 .. p_d. Any other has a side for each
    lattice vector, up to sign, across which facets lie on facets of a translate: a hexagon 3, a truncated
    octahedron 7, a jagged one as many as it has neighbours.
    """
    if has_plane_sides(cell):
        return match_plane_sides(cell)
    boundary = find_boundary(cell.points, cell.elements, cell.shape, cell.middles)
    tiling = find_tiling(cell.points, cell.elements, cell.shape, boundary, (cell.period, length_tolerance(cell)))
    if tiling.spans or _misses_narrowly(cell, tiling):
        return _reports(cell, tiling)
    return match_plane_sides(cell)


def _misses_narrowly(cell: UnitCell, tiling: Tiling) -> bool:
    """A side as a whole misses its opposite by a slit; not so where the period does not fit the mesh at all."""
    narrow = tiling.gaps.max() <= SLIT * cell.size and cell.volumes.sum() <= 1.01 * cell.volume
    return bool(narrow and tiling.covers and not has_plane_sides(cell, slack=0.01))


def _reports(cell: UnitCell, tiling: Tiling) -> tuple[SideReport, ...]:
    # Facets at one place with several others have no side of their own: the first one tells.
    sides = np.where(tiling.unmatched, np.maximum(tiling.sides, 0), tiling.sides)
    return tuple(_report(cell, tiling, side, sides == side) for side in range(len(tiling.translations)))


def _report(cell: UnitCell, tiling: Tiling, side: int, members: NDArray[np.bool_]) -> SideReport:
    bad = members & tiling.unmatched
    facets, unmatched, gap = int(members.sum()), int(bad.sum()), float(tiling.gaps[bad].max(initial=0.0))
    steps = tuple(tiling.translations[side].tolist())
    name = str(side) if sum(map(abs, steps)) == 1 else f"{side}, across {combination(steps)},"
    problem = mismatch(cell, name, (unmatched, facets), gap) if unmatched else ""
    return SideReport(side, facets, unmatched, gap, problem, steps)


def combination(steps: Sequence[int]) -> str:
    """n_1 p_1 + .. + n_d p_d in words, e.g. p_0 - 2 p_1; vectors are numbered from 0."""
    terms = [(n, f"p_{i}" if abs(n) == 1 else f"{abs(n)} p_{i}") for i, n in enumerate(steps) if n]
    text = " ".join(f"{'-' if n < 0 else '+'} {term}" for n, term in terms)
    return text.removeprefix("+ ")


def check_elements(cell: UnitCell) -> None:
    """Raises MeshError for coincident nodes and for elements that appear twice."""
    pairs = close_pairs(cell.points, length_tolerance(cell))
    if len(pairs):
        raise MeshError(
            f"{cell.name}: {len(pairs)} pair(s) of nodes coincide within {length_tolerance(cell):.1e}, the first "
            f"at {cell.points[pairs[0, 0]].tolist()}. Merge duplicate nodes (merge_nodes=True; gmsh: "
            "Coherence Mesh), or lower match_tol."
        )
    repeated = _repeated_elements(cell.elements)
    if repeated:
        raise MeshError(
            f"{cell.name}: {repeated} of {len(cell.elements)} elements appear more than once. Put each "
            "element in one physical group only, and remove duplicates."
        )


def check_coverage(cell: UnitCell) -> None:
    """Raises MeshError for elements that cover more than the period: sum |T| > |det P|, or touch without a joint."""
    covered = float(cell.volumes.sum()) / cell.volume
    if covered > 1.0 + 1e-9 + 10.0 * cell.match_tol:
        raise MeshError(
            f"{cell.name}: the elements cover {covered:.6g} times the period, needed at most 1. Remove "
            "elements that overlap, or give the right period."
        )
    _refuse_copies(cell)
    boundary = find_boundary(cell.points, cell.elements, cell.shape)
    loose = unjoined_facets(cell, boundary, length_tolerance(cell))
    if len(loose):
        raise MeshError(
            f"{cell.name}: {len(loose)} facets touch elements that they are not joined to, the first at "
            f"{boundary.centres[loose[0]].tolist()}: parts meshed apart, with different nodes between them, which "
            "would insulate. Mesh them together (gmsh: BooleanFragments)."
        )


def _refuse_copies(cell: UnitCell) -> None:
    """Elements at the same place modulo the lattice: the period is too small. A mesh in one box of it has none."""
    if has_plane_sides(cell):
        return
    classes = periodic_classes(cell.points[cell.elements].mean(axis=1), cell.period, cell.match_tol)
    copies = len(classes) - len(np.unique(classes))
    if copies:
        raise MeshError(
            f"{cell.name}: {copies} of {len(classes)} elements lie on translates of others, needed each once: the mesh "
            "holds more than one period. Give the period of the whole mesh (period=), or mesh one period."
        )


def _repeated_elements(elements: Ints) -> int:
    """How many elements have the nodes of an earlier one; hashing first keeps it linear in practice."""
    rows = np.sort(elements, axis=1).astype(np.uint64)
    key = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        key = (key ^ (column + (key >> np.uint64(29)))) * _HASH
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    suspects = rows[counts[inverse] > 1]
    return len(suspects) - len(np.unique(suspects, axis=0))
