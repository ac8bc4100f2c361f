"""Rows of a batch, one a unit cell: which columns there are, and what a solved or failed cell puts into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cellsolve.cellproblem.solve import CellProblemSolution
    from cellsolve.fem.space import FloatArray

__all__ = [
    "BOUND_COLUMNS",
    "COLUMNS",
    "FIELD_COLUMNS",
    "INTEGERS",
    "OK",
    "RECORD_COLUMNS",
    "TEXTS",
    "Row",
    "failure_row",
    "solution_row",
]

Row = Mapping[str, str | int | float]
"""Values by column; what a row has no value for is left out."""

OK = "ok"
_AXES = range(3)
_ENTRIES = [f"{i}{j}" for i in _AXES for j in _AXES]
COLUMNS: tuple[str, ...] = (
    "mesh",
    "status",
    "dim",
    *(f"K{ij}" for ij in _ENTRIES),
    *(f"eigenvalue{i}" for i in _AXES),
    "porosity",
    "unknowns",
    "iterations",
    "error_estimate",
    "seconds",
)
"""Columns of every table. A row in two dimensions leaves those of the third blank; a failed one, all but two."""
BOUND_COLUMNS: tuple[str, ...] = (*(f"lower{ij}" for ij in _ENTRIES), *(f"upper{ij}" for ij in _ENTRIES))
"""The bracket in the Loewner order, lower <= K <= upper, where bounds are computed."""
FIELD_COLUMNS: tuple[str, ...] = ("fields",)
"""The file that holds correctors and fluxes, where they are written."""
RECORD_COLUMNS: tuple[str, ...] = ("file_hash", "settings")
"""What the row was made from: SHA-256 of the mesh file, and the coefficient and options as JSON."""
TEXTS = frozenset({"mesh", "status", *FIELD_COLUMNS, *RECORD_COLUMNS})
INTEGERS = frozenset({"dim", "unknowns", "iterations"})


def solution_row(mesh: str, porosity: float, solution: CellProblemSolution) -> Row:
    """The row of a solved cell: entries K_ij of the tensor, its eigenvalues (ascending), entries of the bracket."""
    tensor, report = solution.tensor, solution.report
    row: dict[str, str | int | float] = {"mesh": mesh, "status": OK, "dim": len(tensor), **_entries("K", tensor)}
    row.update({f"eigenvalue{i}": float(v) for i, v in enumerate(np.linalg.eigvalsh(0.5 * (tensor + tensor.T)))})
    row.update(porosity=porosity, unknowns=report.n_dofs, iterations=report.iterations)
    row.update(error_estimate=report.error_estimate, seconds=report.seconds)
    return {**row, **_entries("lower", solution.lower), **_entries("upper", solution.upper)}


def _entries(name: str, tensor: FloatArray | None) -> dict[str, float]:
    return {} if tensor is None else {f"{name}{i}{j}": float(value) for (i, j), value in np.ndenumerate(tensor)}


def failure_row(mesh: str, kind: str, words: str) -> Row:
    """The row of a cell that could not be solved: its status is the error's class and words, on one line."""
    return {"mesh": mesh, "status": f"{kind}: {' '.join(words.split()) or 'no message'}"}
