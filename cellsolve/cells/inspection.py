"""What there is to know of a mesh file before it is used: sizes, regions, sides, quality, problems."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from cellsolve.cells.mesh_files import load_cell
from cellsolve.cells.periodicity import SideReport, check_coverage, check_elements, match_sides
from cellsolve.cells.shapes import Floats, Shape, quality
from cellsolve.cells.unit_cell import UnitCell
from cellsolve.errors import MeshError

__all__ = ["CellReport", "inspect_cell"]


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
    problems: tuple[str, ...]
    """One text for each reason why ``read_cell`` refuses the file."""

    @property
    def usable(self) -> bool:
        """``read_cell`` accepts the file."""
        return not self.problems


def inspect_cell(
    path: str | os.PathLike[str], *, period: ArrayLike | None = None, match_tol: float = 1e-8
) -> CellReport:
    """The report of a mesh file; arguments as for ``read_cell``.

    Sides that do not match, repeated elements and coincident nodes are reported as problems. Raises MeshError
    for a file that holds no cell at all.
    """
    cell = load_cell(path, period=period, match_tol=match_tol)
    sides = match_sides(cell)
    measure, values = quality(cell.points, cell.elements, cell.shape)
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
        sides=sides,
        quality_measure=measure,
        quality_min=float(values.min()),
        quality_mean=float(values.mean()),
        problems=(
            *_said_by(check_elements, cell),
            *(side.problem for side in sides if side.problem),
            *_said_by(check_coverage, cell),
        ),
    )


def _said_by(check: Callable[[UnitCell], None], cell: UnitCell) -> tuple[str, ...]:
    try:
        check(cell)
    except MeshError as error:
        return (str(error),)
    return ()
