"""Tables of a batch on disk: CSV and JSON lines, each row whole and on the disk as soon as it is known."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from cellsolve.errors import JobError
from cellsolve.results.rows import Row
from cellsolve.results.whole_file import unwritable, whole_file

__all__ = ["SUFFIXES", "Table", "check_suffix", "open_table"]

_ENCODING = ("utf-8", "backslashreplace")  # file names may hold bytes that are no text


class Table(AbstractContextManager["Table"]):
    """A file that grows by rows; each is flushed to the disk before the next one is computed."""

    def __init__(self, path: Path, encode: Callable[[Row], str]):
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._encode = encode

    def append(self, row: Row) -> None:
        """Write one row, whole, and see it to the disk. Raises OSError, the table as before, when that fails."""
        size = os.fstat(self._handle).st_size
        try:
            _write_all(self._handle, self._encode(row).encode(*_ENCODING))
            os.fsync(self._handle)
        except BaseException:
            os.ftruncate(self._handle, size)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def open_table(path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Row] = ()) -> Table:
    """A table at ``path`` that starts with ``rows``, in place of what was there; the suffix says how rows are written.

    ``.csv``: a header and one line a row, blanks where a row has no value. ``.jsonl``: one JSON object a line, without
    the keys that have no value. What was there is replaced at once and as a whole. Raises JobError for another suffix,
    or when the place cannot be written.
    """
    header, encode = SUFFIXES[check_suffix(path)](columns)
    with whole_file(path) as scratch:
        scratch.write_bytes((header + "".join(map(encode, rows))).encode(*_ENCODING))
    try:
        return Table(Path(path), encode)
    except OSError as error:
        raise unwritable(path, error) from None


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a table, in small letters. Raises JobError unless it is one that is known."""
    suffix = Path(path).suffix
    if suffix.lower() not in SUFFIXES:
        needed = " or ".join(SUFFIXES)
        raise JobError(f"cannot write {path}: got the suffix {suffix!r}, needed {needed}. Rename the output.")
    return suffix.lower()


def _csv(columns: Sequence[str]) -> tuple[str, Callable[[Row], str]]:
    return _csv_line(columns), lambda row: _csv_line([row.get(name, "") for name in columns])


def _csv_line(values: Sequence[str | int | float]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_on_one_line(value) for value in values])
    return line.getvalue()


def _on_one_line(value: str | int | float) -> str | int | float:
    """A row is a line, so that one that was cut short is known by its end."""
    return " ".join(value.splitlines()) if isinstance(value, str) else value


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
