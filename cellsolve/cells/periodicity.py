"""Does a mesh close into a torus? Facets on side i, moved by the period vector p_i, are facets opposite.

Nodes that match do not suffice: opposite faces of tetrahedra with the same nodes and different diagonals give
a wrong tensor without a word. Holes may cut the sides; what is present on one side must be present on the
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellsolve.cells.lattices import close_pairs, detect_period, longest_vector, periodic_classes
from cellsolve.cells.shapes import SHAPES, Floats, Ints
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError, PeriodicityError

__all__ = [
    "SideReport",
    "check_coverage",
    "check_elements",
    "check_periodicity",
    "detect_period",
    "match_sides",
    "periodic_classes",
]

_HASH = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class SideReport:
    """How the two faces of side ``side`` (across period vector p_side) match.

    ``facets``: on both faces together; ``unmatched``: those without a partner; ``largest_gap``: the greatest
    distance from a node of an unmatched facet to the nearest node of the opposite face, in the mesh's unit of
    length (0 if all match; infinite if a face is empty); ``problem``: the error text, empty if the faces
    match.
    """

    side: int
    facets: int
    unmatched: int
    largest_gap: float
    problem: str


def check_periodicity(cell: UnitCell) -> tuple[SideReport, ...]:
    """The reports of the d sides. Raises PeriodicityError for a side whose faces do not match."""
    reports = match_sides(cell)
    failed = [report for report in reports if report.problem]
    if failed:
        # A side without facets says that the period is wrong, which explains what fails on other sides.
        worst = min(failed, key=lambda report: report.facets > 0)
        raise PeriodicityError(worst.problem, side=worst.side, unmatched=worst.unmatched, largest_gap=worst.largest_gap)
    return reports


def match_sides(cell: UnitCell) -> tuple[SideReport, ...]:
    """Compare the two faces of each side; does not raise."""
    fractions = cell.points @ np.linalg.inv(cell.period)
    return tuple(_match_side(cell, fractions[:, side], side) for side in range(cell.dim))


def check_elements(cell: UnitCell) -> None:
    """Raises MeshError for coincident nodes and for elements that appear twice."""
    pairs = close_pairs(cell.points, _tolerance(cell))
    if len(pairs):
        raise MeshError(
            f"{cell.name}: {len(pairs)} pair(s) of nodes coincide within {_tolerance(cell):.1e}, the first "
            f"at {cell.points[pairs[0, 0]].tolist()}. Merge duplicate nodes (merge_nodes=True; gmsh: Coherence "
            "Mesh), or lower match_tol."
        )
    repeated = _repeated_elements(cell.elements)
    if repeated:
        raise MeshError(
            f"{cell.name}: {repeated} of {len(cell.elements)} elements appear more than once. Put each "
            "element in one physical group only, and remove duplicates."
        )


def check_coverage(cell: UnitCell) -> None:
    """Raises MeshError for elements that cover more than the period: sum |T| > |det P|."""
    covered = float(cell.volumes.sum()) / cell.volume
    if covered > 1.0 + 1e-9 + 10.0 * cell.match_tol:
        raise MeshError(
            f"{cell.name}: the elements cover {covered:.6g} times the period, needed at most 1. Remove "
            "elements that overlap, or give the right period."
        )


def _tolerance(cell: UnitCell) -> float:
    return cell.match_tol * longest_vector(cell.period)


def _match_side(cell: UnitCell, height: Floats, side: int) -> SideReport:
    """``height`` (n,): coordinate along p_side as a fraction of it; least and greatest on the two faces."""
    span = float(np.ptp(height))
    thickness = _tolerance(cell) / _width(cell.period, side)
    if abs(span - 1.0) > thickness:
        return _wrong_span(cell, side, span)
    low = _facets_on(cell, height - height.min() <= thickness)
    high = _facets_on(cell, height.max() - height <= thickness)
    if not len(low) or not len(high):
        return _empty_face(cell, side, len(low), len(high))
    unmatched, gap = _compare(cell, side, low, high)
    problem = _mismatch(cell, side, unmatched, len(low) + len(high), gap) if unmatched else ""
    return SideReport(side, len(low) + len(high), unmatched, gap, problem)


def _width(period: Floats, side: int) -> float:
    """Distance between the two planes of a side."""
    return float(1.0 / np.linalg.norm(np.linalg.inv(period)[:, side]))


def _facets_on(cell: UnitCell, near: NDArray[np.bool_]) -> Ints:
    """Facets (f, k) of elements with all nodes on one plane; near (n,) marks the nodes of that plane."""
    touching = near[cell.elements]
    facets = SHAPES[cell.shape].facets
    return np.vstack([cell.elements[np.ix_(touching[:, f].all(axis=1), f)] for f in facets])


def _compare(cell: UnitCell, side: int, low: Ints, high: Ints) -> tuple[int, float]:
    """Number of facets without a partner, and the greatest distance from their nodes to the opposite face."""
    low_nodes, high_nodes = np.unique(low), np.unique(high)
    moved = cell.points[low_nodes] + cell.period[side]
    gap_low, nearest = KDTree(cell.points[high_nodes]).query(moved)
    gap_high, _ = KDTree(moved).query(cell.points[high_nodes])
    partner = np.full(len(cell.points), -1)
    partner[low_nodes] = np.where(gap_low <= _tolerance(cell), high_nodes[nearest], -1)
    rows = np.sort(np.vstack([partner[low], high]), axis=1)
    _, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    alone = (counts[inverse.ravel()] != 2) | (rows[:, 0] < 0)
    gaps = np.zeros(len(cell.points))
    gaps[low_nodes] = gap_low
    worst_low = gaps[low][alone[: len(low)]].max(initial=0.0)
    gaps[high_nodes] = gap_high
    worst_high = gaps[high][alone[len(low) :]].max(initial=0.0)
    return int(alone.sum()), float(max(worst_low, worst_high))


def _mismatch(cell: UnitCell, side: int, unmatched: int, facets: int, gap: float) -> str:
    tolerance = _tolerance(cell)
    start = f"{cell.name}: {unmatched} of {facets} facets on side {side} have no partner on the opposite side"
    if gap <= tolerance:
        return (
            f"{start}, although their nodes match (largest gap {gap:.1e}): the two faces are divided "
            "differently, or a hole cuts one of them only. Remesh with a periodic constraint."
        )
    return (
        f"{start} (largest gap {gap:.1e}, tolerance {tolerance:.0e}). Remesh with a periodic constraint, or "
        "raise match_tol."
    )


def _wrong_span(cell: UnitCell, side: int, span: float) -> SideReport:
    gap = abs(span - 1.0) * _width(cell.period, side)
    vector = np.array2string(cell.period[side], separator=", ", max_line_width=200)
    problem = (
        f"{cell.name}: the mesh spans {span:.6g} of period vector {side}, {vector}, needed 1 (it misses the "
        f"opposite side by {gap:.1e}, tolerance {_tolerance(cell):.0e}). Give the period of the cell, or "
        "mesh all of it."
    )
    return SideReport(side, 0, 0, gap, problem)


def _empty_face(cell: UnitCell, side: int, low: int, high: int) -> SideReport:
    problem = (
        f"{cell.name}: side {side} has {low} facet(s) on its first face and {high} on the opposite one, "
        "needed one or more on both: the mesh does not touch the sides of the period. Give the period of "
        "the cell (period=), or mesh all of it."
    )
    return SideReport(side, low + high, low + high, float("inf"), problem)


def _repeated_elements(elements: Ints) -> int:
    """How many elements have the nodes of an earlier one; hashing first keeps it linear in practice."""
    rows = np.sort(elements, axis=1).astype(np.uint64)
    key = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        key = (key ^ (column + (key >> np.uint64(29)))) * _HASH
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    suspects = rows[counts[inverse] > 1]
    return len(suspects) - len(np.unique(suspects, axis=0))
