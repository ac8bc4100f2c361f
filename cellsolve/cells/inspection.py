"""What there is to know of a mesh file before it is used: sizes, regions, sides, pieces, quality, problems."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cellsolve.cells.connectivity import Piece, count_weak_joints, find_pieces
from cellsolve.cells.coupling import check_coupling
from cellsolve.cells.mesh_files import load_cell
from cellsolve.cells.percolation import notes_on_pieces, percolates
from cellsolve.cells.periodicity import SideReport, check_coverage, check_elements, match_sides
from cellsolve.cells.quality import cell_quality
from cellsolve.cells.shapes import Floats, Shape
from cellsolve.cells.unit_cell import Periodicity, UnitCell
from cellsolve.errors import MeshError

__all__ = ["CellReport", "inspect_cell"]

_POOR = 0.02
"""Elements of less quality cost accuracy and iterations."""


@dataclass(frozen=True, slots=True, eq=False)
class CellReport:
    """A mesh file described. Lengths in the unit of the file, ``regions`` and ``porosity`` as in UnitCell."""

    file: str
    dim: int
    shape: Shape
    nodes: int
    elements: int
    period: Floats
    size: float
    regions: dict[str, float]
    porosity: float
    sides: tuple[SideReport, ...]
    quality_measure: str
    """What ``quality_min`` and ``quality_mean`` measure: 1 for the best element, 0 for a degenerate one."""
    quality_min: float
    quality_mean: float
    quality_place: Floats
    """Where the worst element is: the mean of its corners (d,)."""
    pieces: tuple[Piece, ...]
    """Connected pieces of all that is meshed, the largest first."""
    percolates: tuple[bool, ...]
    """Does the mesh lead across each period vector?"""
    region_percolates: dict[str, tuple[bool, ...]]
    """The same of each region alone."""
    problems: tuple[str, ...]
    """One text for each reason why ``read_cell`` refuses the file."""
    notes: tuple[str, ...]
    """What is no reason to refuse the file, and worth knowing."""

    @property
    def usable(self) -> bool:
        """``read_cell`` accepts the file."""
        return not self.problems


def inspect_cell(
    path: str | os.PathLike[str],
    *,
    period: ArrayLike | None = None,
    match_tol: float = 1e-8,
    regions: str | None = None,
    merge_nodes: bool = False,
    periodicity: Periodicity = "exact",
) -> CellReport:
    """The report of a mesh file; arguments as for ``read_cell``.

    Sides that do not match, repeated elements and coincident nodes are reported as problems; sides that do not
    match and can be coupled by mortars, if that is asked for, as notes. Raises MeshError for a file that
    holds no cell at all.
    """
    cell = load_cell(path, period=period, match_tol=match_tol, regions=regions, merge_nodes=merge_nodes)
    found = match_sides(cell)
    unlike = tuple(side.problem for side in found if side.problem)
    coupled = periodicity == "mortar" and bool(unlike)
    pieces = find_pieces(cell)
    measure, values = cell_quality(cell)
    worst = int(values.argmin())
    return CellReport(
        file=os.fspath(path),
        dim=cell.dim,
        shape=cell.shape,
        nodes=len(cell.points),
        elements=len(cell.elements),
        period=cell.period,
        size=cell.size,
        regions=cell.regions,
        porosity=cell.porosity,
        sides=found,
        quality_measure=measure,
        quality_min=float(values[worst]),
        quality_mean=float(values.mean()),
        quality_place=cell.points[cell.elements[worst]].mean(axis=0),
        pieces=pieces,
        percolates=percolates(pieces, cell.dim),
        region_percolates=_by_region(cell),
        problems=(
            *_said_by(check_elements, cell),
            *(_said_by(check_coupling, cell) if coupled else unlike),
            *_said_by(check_coverage, cell),
        ),
        notes=(
            *((_coupled_note(found),) if coupled else ()),
            *notes_on_pieces(pieces, cell.period, known=not unlike),
            *_notes_on_elements(cell, values),
        ),
    )


def _by_region(cell: UnitCell) -> dict[str, tuple[bool, ...]]:
    """Of a composite only: one region is all there is."""
    if len(cell.region_names) == 1:
        return {}
    return {
        name: percolates(find_pieces(cell, cell.tags == tag), cell.dim) for tag, name in enumerate(cell.region_names)
    }


def _coupled_note(found: tuple[SideReport, ...]) -> str:
    unmatched, facets = sum(side.unmatched for side in found), sum(side.facets for side in found)
    return f"{unmatched} of {facets} facets on the sides have no partner: the sides are coupled by mortars."


def _notes_on_elements(cell: UnitCell, values: Floats) -> tuple[str, ...]:
    poor = int(np.count_nonzero(values < _POOR))
    joints = count_weak_joints(cell) if cell.dim > 1 else 0
    place = "node" if cell.dim == 2 else "edge or node"
    return (
        *([f"{poor} element(s) of quality below {_POOR}: accuracy and speed suffer. Remesh there."] if poor else []),
        *(
            [f"{joints} joint(s) hold by a single {place}: what they conduct is a matter of the element size."]
            if joints > 0
            else []
        ),
    )


def _said_by(check: Callable[[UnitCell], None], cell: UnitCell) -> tuple[str, ...]:
    try:
        check(cell)
    except MeshError as error:
        return (str(error),)
    return ()
