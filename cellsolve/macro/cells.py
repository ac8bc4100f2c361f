"""The unit cells that particles move in: one of each level, all of them connected in all directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellsolve.cellproblem.conduction import conducting_part
from cellsolve.cells import BoxCell, UnitCell, box_cell
from cellsolve.errors import CoefficientError, MeshError
from cellsolve.fem.resolution import Cell
from cellsolve.potentials import Potential

__all__ = ["cells_of_levels"]


def cells_of_levels(V: Potential, cells: Sequence[Cell] | Cell | None) -> tuple[Cell, ...]:
    """One cell a level, boxes by default; of porous ones the part that particles can cross.

    Islands, where particles are caught, take no part in M and Z. Raises CoefficientError for a wrong number or
    dimension of cells, MeshError for cells that particles cannot cross in every direction or whose sides do not match.
    """
    if cells is None:
        return (box_cell(V.dim),) * V.scales
    given = tuple(cells) if isinstance(cells, Sequence) and not isinstance(cells, str) else (cells,)
    if len(given) == 1:
        given *= V.scales
    if len(given) != V.scales:
        raise CoefficientError(f"got {len(given)} cells for {V.scales} scales, needed one for each or one for all.")
    for k, cell in enumerate(given, start=1):
        if getattr(cell, "dim", None) != V.dim:
            raise CoefficientError(
                f"the cell of y{k} is {getattr(cell, 'name', cell)!r}, needed a cell in {V.dim} dimensions. "
                "Give a cell of read_cell or box_cell."
            )
    crossed = {id(cell): _crossed(cell) for cell in given}
    return tuple(crossed[id(cell)] for cell in given)


def _crossed(cell: Cell) -> Cell:
    """The part of a cell that particles can cross in every direction."""
    if isinstance(cell, BoxCell):
        return cell
    assert isinstance(cell, UnitCell)
    if cell.periodicity != "exact":
        raise MeshError(
            f"{cell.name}: got a cell whose sides do not match, needed one where they do. "
            "Remesh with a periodic constraint."
        )
    part = conducting_part(cell)
    if len(part.directions) < cell.dim:
        raise MeshError(
            f"{cell.name}: particles can cross the cell in {len(part.directions)} of {cell.dim} directions "
            f"({np.round(part.directions, 6).tolist()}), needed all: M would not be positive definite. "
            "Give a cell that percolates (cellsolve check), or describe the layer in fewer dimensions."
        )
    return part.cell
