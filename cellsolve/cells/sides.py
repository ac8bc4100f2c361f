"""Plane sides: facets on side i, moved by the period vector p_i, are facets on the opposite side.

Nodes that match do not suffice: opposite faces of tetrahedra with the same nodes and different diagonals give
a wrong tensor without a word. Holes may cut the sides; what is present on one side must be present on the
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellsolve.cells.facets import connectivity, facet_columns
from cellsolve.cells.lattices import longest_vector
from cellsolve.cells.shapes import SHAPES, Floats, Ints
from cellsolve.cells.unit_cell import UnitCell

__all__ = ["SideReport", "has_plane_sides", "length_tolerance", "match_plane_sides", "mismatch"]


_COUPLE = 'couple the sides (periodicity="mortar")'


@dataclass(frozen=True, slots=True)
class SideReport:
    """How the facets of side ``side`` match those opposite, across a lattice vector.

    ``facets``: on both faces together; ``unmatched``: those without a partner; ``largest_gap``: the greatest
    distance from a node of an unmatched facet to the nearest node of the opposite face, in the mesh's unit of
    length (0 if all match; infinite if a face is empty); ``problem``: the error text, empty if the faces
    match; ``translation``: the lattice vector as integers, n_1 p_1 + .. + n_d p_d.
    """

    side: int
    facets: int
    unmatched: int
    largest_gap: float
    problem: str
    translation: tuple[int, ...] = ()


def length_tolerance(cell: UnitCell) -> float:
    """How far nodes may miss each other, a length: ``match_tol``, or the round-off of coordinates if greater."""
    round_off = 4.0 * np.finfo(float).eps * float(np.abs(cell.points).max())
    return max(cell.match_tol * longest_vector(cell.period), round_off)


def has_plane_sides(cell: UnitCell, slack: float = 0.0) -> bool:
    """The mesh spans each period vector once, give or take ``slack``: it lies in a parallelepiped of the period."""
    return all(
        abs(np.ptp(height) - 1.0) <= _thickness(cell, side) + slack for side, height in enumerate(_heights(cell))
    )


def match_plane_sides(cell: UnitCell) -> tuple[SideReport, ...]:
    """Compare the two faces of each of the d sides; does not raise.

    A mesh that ends an element or more before some of its sides, but not before all, is a layer or a fibre between
    pores: it has no facets there, and they are no problem.
    """
    heights = _heights(cell)
    short = [1.0 - np.ptp(height) >= cell.size / _width(cell.period, side) for side, height in enumerate(heights)]
    if all(short):
        short = [False] * cell.dim
    return tuple(
        SideReport(side, 0, 0, 0.0, "", _unit(cell, side)) if short[side] else _match_side(cell, height, side)
        for side, height in enumerate(heights)
    )


def mismatch(cell: UnitCell, side: str, counts: tuple[int, int], gap: float, remedies: tuple[str, ...] = ()) -> str:
    """The text for a side of which ``counts`` are the unmatched facets and all; ``remedies`` beyond remeshing."""
    tolerance = length_tolerance(cell)
    start = f"{cell.name}: {counts[0]} of {counts[1]} facets on side {side} have no partner on the opposite side"
    if gap <= tolerance:
        start += (
            f", although their nodes match (largest gap {gap:.1e}): the two faces are divided differently, or a "
            "hole cuts one of them only."
        )
    else:
        start += f" (largest gap {gap:.1e}, tolerance {tolerance:.0e})."
        remedies = ("raise match_tol", *remedies)
    *first, last = ("Remesh with a periodic constraint", *remedies)
    return f"{start} {', '.join(first)}, or {last}." if first else f"{start} {last}."


def _heights(cell: UnitCell) -> Floats:
    """Coordinates (d, n) along the period vectors, as fractions of them."""
    return np.asarray((cell.points @ np.linalg.inv(cell.period)).T)


def _thickness(cell: UnitCell, side: int) -> float:
    return length_tolerance(cell) / _width(cell.period, side)


def _match_side(cell: UnitCell, height: Floats, side: int) -> SideReport:
    """``height`` (n,): coordinate along p_side as a fraction of it; least and greatest on the two faces."""
    span, thickness = float(np.ptp(height)), _thickness(cell, side)
    if abs(span - 1.0) > thickness:
        return _wrong_span(cell, side, span)
    low = _facets_on(cell, height - height.min() <= thickness)
    high = _facets_on(cell, height.max() - height <= thickness)
    if not len(low) or not len(high):
        return _empty_face(cell, side, len(low), len(high))
    unmatched, gap = _compare(cell, side, low, high)
    facets = len(low) + len(high)
    problem = mismatch(cell, str(side), (unmatched, facets), gap, (_COUPLE,)) if unmatched else ""
    return SideReport(side, facets, unmatched, gap, problem, _unit(cell, side))


def _unit(cell: UnitCell, side: int) -> tuple[int, ...]:
    return tuple(int(axis == side) for axis in range(cell.dim))


def _width(period: Floats, side: int) -> float:
    """Distance between the two planes of a side."""
    return float(1.0 / np.linalg.norm(np.linalg.inv(period)[:, side]))


def _facets_on(cell: UnitCell, near: NDArray[np.bool_]) -> Ints:
    """Facets (f, k) of elements with all corners on one plane; near (n,) marks the nodes of that plane."""
    touching, every = near[cell.elements], connectivity(cell.elements, cell.middles)
    columns = facet_columns(cell.shape, every.shape[1] - cell.elements.shape[1])
    corners = SHAPES[cell.shape].facets
    return np.vstack([every[np.ix_(touching[:, f].all(axis=1), c)] for f, c in zip(corners, columns, strict=True)])


def _compare(cell: UnitCell, side: int, low: Ints, high: Ints) -> tuple[int, float]:
    """Number of facets without a partner, and the greatest distance from their nodes to the opposite face."""
    low_nodes, high_nodes = np.unique(low), np.unique(high)
    moved = cell.points[low_nodes] + cell.period[side]
    gap_low, nearest = KDTree(cell.points[high_nodes]).query(moved)
    gap_high, _ = KDTree(moved).query(cell.points[high_nodes])
    partner = np.full(len(cell.points), -1)
    partner[low_nodes] = np.where(gap_low <= length_tolerance(cell), high_nodes[nearest], -1)
    rows = np.sort(np.vstack([partner[low], high]), axis=1)
    _, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    alone = (counts[inverse.ravel()] != 2) | (rows[:, 0] < 0)
    gaps = np.zeros(len(cell.points))
    gaps[low_nodes] = gap_low
    worst_low = gaps[low][alone[: len(low)]].max(initial=0.0)
    gaps[high_nodes] = gap_high
    worst_high = gaps[high][alone[len(low) :]].max(initial=0.0)
    return int(alone.sum()), float(max(worst_low, worst_high))


def _wrong_span(cell: UnitCell, side: int, span: float) -> SideReport:
    gap = abs(span - 1.0) * _width(cell.period, side)
    vector = np.array2string(cell.period[side], separator=", ", max_line_width=200)
    problem = (
        f"{cell.name}: the mesh spans {span:.6g} of period vector {side}, {vector}, needed 1 (it misses the "
        f"opposite side by {gap:.1e}, tolerance {length_tolerance(cell):.0e}). Give the period of the cell, or "
        "mesh all of it."
    )
    return SideReport(side, 0, 0, gap, problem, _unit(cell, side))


def _empty_face(cell: UnitCell, side: int, low: int, high: int) -> SideReport:
    problem = (
        f"{cell.name}: side {side} has {low} facet(s) on its first face and {high} on the opposite one, "
        "needed one or more on both: the mesh does not touch the sides of the period. Give the period of "
        "the cell (period=), or mesh all of it."
    )
    return SideReport(side, low + high, low + high, float("inf"), problem, _unit(cell, side))
