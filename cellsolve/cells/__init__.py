"""Unit cells: built-in boxes and meshes from files, their regions and their period."""

from __future__ import annotations

from cellsolve.cells.boxes import BoxCell, box_cell
from cellsolve.cells.connectivity import Piece, directions, find_pieces, spanned_space
from cellsolve.cells.curved import middle_owners
from cellsolve.cells.detection import detect_period
from cellsolve.cells.edges import number_sets
from cellsolve.cells.inspection import CellReport, inspect_cell
from cellsolve.cells.lattices import fold_copies, periodic_classes
from cellsolve.cells.lifting import Lift, lift_links
from cellsolve.cells.mesh_files import read_cell
from cellsolve.cells.periodicity import SideReport, check_periodicity
from cellsolve.cells.quality import cell_quality
from cellsolve.cells.refinement import refined
from cellsolve.cells.snapping import snapped
from cellsolve.cells.subdivision import subdivided
from cellsolve.cells.unit_cell import UnitCell, straightened

__all__ = [
    "BoxCell",
    "CellReport",
    "Lift",
    "Piece",
    "SideReport",
    "UnitCell",
    "box_cell",
    "cell_quality",
    "check_periodicity",
    "detect_period",
    "directions",
    "find_pieces",
    "fold_copies",
    "inspect_cell",
    "lift_links",
    "middle_owners",
    "number_sets",
    "periodic_classes",
    "read_cell",
    "refined",
    "snapped",
    "spanned_space",
    "straightened",
    "subdivided",
]
