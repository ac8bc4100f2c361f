"""Tables of a batch read back; the row that a killed run left torn at the end is dropped."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cellsolve.errors import JobError
from cellsolve.results.rows import BOUND_COLUMNS, COLUMNS, FIELD_COLUMNS, INTEGERS, RECORD_COLUMNS, TEXTS, Row
from cellsolve.results.table import check_suffix

__all__ = ["read_table"]

_KNOWN = frozenset((*COLUMNS, *BOUND_COLUMNS, *FIELD_COLUMNS, *RECORD_COLUMNS))
_Values = Mapping[str, object]


def read_table(path: str | os.PathLike[str]) -> list[Row]:
    """The rows of a table (.csv, .jsonl), numbers as numbers; what follows the end of the last whole line is left out.

    A missing or empty file has no rows. Raises JobError for a file that is no table of `cellsolve batch`, naming the
    row, and for one that cannot be read.
    """
    read = _READERS[check_suffix(path)]
    *lines, torn = _content(path).split(b"\n")
    rows = list[Row]()
    try:
        for row in read(lines, torn):
            rows.append(_typed(row))
    except (ValueError, csv.Error) as error:
        raise JobError(
            f"{path}: row {len(rows) + 1}: {error}; needed a table of `cellsolve batch`. Give another output (-o)."
        ) from None
    return rows


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise JobError(f"cannot read {path}: {error.strerror or error}. Give another output (-o).") from None


def _csv_rows(lines: list[bytes], torn: bytes) -> Iterator[_Values]:
    """The header is written with the file, and never torn."""
    header = lines[0] if lines else torn
    names = next(csv.reader([header.decode("utf-8-sig")], strict=True), [])
    if header:
        _check_columns(names)
    for line in lines[1:]:
        values = next(csv.reader([line.decode("utf-8")], strict=True), [])
        if len(values) != len(names):
            raise ValueError(f"got {len(values)} values for {len(names)} columns")
        yield {name: value for name, value in zip(names, values, strict=True) if value}


def _json_rows(lines: list[bytes], torn: bytes) -> Iterator[_Values]:
    """A single torn line must be the beginning of a row, not another file without an end of line."""
    start = b'{"mesh": "'
    alien = not lines and not (torn.startswith(start) or start.startswith(torn))
    for line in [torn] if alien else lines:
        values = json.loads(line.decode("utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"got {values!r:.40}")
        yield values


_READERS = {".csv": _csv_rows, ".jsonl": _json_rows}


def _typed(values: _Values) -> Row:
    _check_columns(values)
    return {name: _value(name, value) for name, value in values.items()}


def _check_columns(names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in _KNOWN]
    if unknown:
        raise ValueError(f"got the column(s) {', '.join(unknown):.80}")
    if not {"mesh", "status"} <= set(names):
        raise ValueError("got no columns mesh and status")


def _value(name: str, value: object) -> str | int | float:
    if name in TEXTS:
        return str(value)
    if value is None:
        return math.nan
    return int(str(value)) if name in INTEGERS else float(str(value))
