"""Rows of a batch, one a unit cell: CSV or JSON lines, each row on disk as soon as it is known."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import numpy as np

from cellsolve.errors import JobError

if TYPE_CHECKING:
    from cellsolve.cellproblem.solve import CellProblemSolution
    from cellsolve.fem.space import FloatArray

__all__ = ["BOUND_COLUMNS", "COLUMNS", "OK", "SUFFIXES", "Row", "Table", "failure_row", "open_table", "solution_row"]

Row = Mapping[str, str | int | float]
"""Values by column; what a row has no value for is left out."""

OK = "ok"
_AXES = range(3)
COLUMNS: tuple[str, ...] = (
    "mesh",
    "status",
    "dim",
    *(f"K{i}{j}" for i in _AXES for j in _AXES),
    *(f"eigenvalue{i}" for i in _AXES),
    "porosity",
    "unknowns",
    "iterations",
    "error_estimate",
    "seconds",
)
"""Columns of every table. A row in two dimensions leaves those of the third blank; a failed one, all but two."""
BOUND_COLUMNS: tuple[str, ...] = (*(f"lower{i}{i}" for i in _AXES), *(f"upper{i}{i}" for i in _AXES))
"""Diagonals of the bracket, where bounds are computed."""


def solution_row(mesh: str, porosity: float, solution: CellProblemSolution) -> Row:
    """The row of a solved cell: entries K_ij of the tensor, its eigenvalues (ascending), diagonals of the bracket."""
    tensor, report = solution.tensor, solution.report
    row: dict[str, str | int | float] = {"mesh": mesh, "status": OK, "dim": len(tensor)}
    row.update({f"K{i}{j}": float(value) for (i, j), value in np.ndenumerate(tensor)})
    row.update({f"eigenvalue{i}": float(v) for i, v in enumerate(np.linalg.eigvalsh(0.5 * (tensor + tensor.T)))})
    row.update(porosity=porosity, unknowns=report.n_dofs, iterations=report.iterations)
    row.update(error_estimate=report.error_estimate, seconds=report.seconds)
    return {**row, **_diagonal("lower", solution.lower), **_diagonal("upper", solution.upper)}


def _diagonal(name: str, tensor: FloatArray | None) -> dict[str, float]:
    return {} if tensor is None else {f"{name}{i}{i}": float(value) for i, value in enumerate(np.diag(tensor))}


def failure_row(mesh: str, kind: str, words: str) -> Row:
    """The row of a cell that could not be solved: its status is the error's class and words."""
    return {"mesh": mesh, "status": f"{kind}: {words}"}


class Table(AbstractContextManager["Table"]):
    """A file that grows by rows; each is flushed to the disk before the next one is computed."""

    def __init__(self, stream: TextIO, encode: Callable[[Row], str]):
        self._stream = stream
        self._encode = encode

    def append(self, row: Row) -> None:
        """Write one row, whole, and see it to the disk. Raises OSError when the disk does not take it."""
        self._write(self._encode(row))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def open_table(path: str | os.PathLike[str], columns: Sequence[str]) -> Table:
    """Start a table at ``path``, in place of what was there; the suffix says how rows are written.

    ``.csv``: a header and one line a row, blanks where a row has no value. ``.jsonl``: one JSON object a line, without
    the keys that have no value. Raises JobError for another suffix, or when the place cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        needed = " or ".join(SUFFIXES)
        raise JobError(f"cannot write {target}: got the suffix {target.suffix!r}, needed {needed}. Rename the output.")
    header, encode = SUFFIXES[target.suffix.lower()](columns)
    try:
        stream = target.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise JobError(
            f"cannot write {target}: {error.strerror or error}. Choose an output in a writable folder."
        ) from None
    table = Table(stream, encode)
    try:
        stream.write(header)
        stream.flush()
    except BaseException:
        stream.close()
        raise
    return table


def _csv(columns: Sequence[str]) -> tuple[str, Callable[[Row], str]]:
    return _csv_line(columns), lambda row: _csv_line([row.get(name, "") for name in columns])


def _csv_line(values: Sequence[str | int | float]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _json_lines(columns: Sequence[str]) -> tuple[str, Callable[[Row], str]]:
    def encode(row: Row) -> str:
        values = {name: _finite(row[name]) for name in columns if name in row}
        return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"

    return "", encode


def _finite(value: str | int | float) -> str | int | float | None:
    """JSON knows no NaN and no infinity: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


SUFFIXES: Mapping[str, Callable[[Sequence[str]], tuple[str, Callable[[Row], str]]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
}
