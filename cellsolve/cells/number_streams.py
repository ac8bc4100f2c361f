"""Numbers taken from text or bytes one array at a time, never more than there are.

Counts in a damaged file may say anything: they are compared with what is left before memory is touched.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np

from cellsolve.cells.mesh_data import Array, DamagedFileError
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["ByteNumbers", "Numbers", "TextNumbers", "chained", "numbers_of", "rows_alike", "whole_numbers"]


class Numbers(Protocol):
    """A stream of numbers; asking for more than are left raises DamagedFileError."""

    def take(self, kind: str, count: int) -> Array:
        """The next ``count`` numbers of numpy type ``kind``; whole numbers come as int64."""

    def rows(self, count: int, reals: int) -> tuple[Ints, Floats]:
        """The next ``count`` rows of one 4-byte whole number (count,) and reals (count, reals)."""


class TextNumbers:
    """The numbers of a text."""

    def __init__(self, text: bytes | str):
        self._values = numbers_of(text)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._values) - self._at

    def take(self, kind: str, count: int) -> Array:
        if not 0 <= count <= self.left:
            raise DamagedFileError(f"needed {count} numbers, {self.left} are left")
        taken = self._values[self._at : self._at + count]
        self._at += count
        return taken if kind.startswith("f") else whole_numbers(taken)

    def rows(self, count: int, reals: int) -> tuple[Ints, Floats]:
        table = self.take("f8", count * (1 + reals)).reshape(count, 1 + reals)
        return whole_numbers(table[:, 0]), np.ascontiguousarray(table[:, 1:])

    def peek(self) -> Floats:
        """All numbers that are left, not taken."""
        return self._values[self._at :]


class ByteNumbers:
    """Binary numbers of one byte order, "<" or ">", from position ``at`` on."""

    def __init__(self, data: bytes, at: int = 0, order: str = "<"):
        self.data, self.at, self.order = data, at, order

    def take(self, kind: str, count: int) -> Array:
        taken = self._take(np.dtype(self.order + kind), count)
        return taken.astype(float if kind.startswith("f") else np.int64, copy=False)

    def rows(self, count: int, reals: int) -> tuple[Ints, Floats]:
        table = self._take(np.dtype([("whole", self.order + "i4"), ("reals", self.order + "f8", (reals,))]), count)
        return table["whole"].astype(np.int64), table["reals"].astype(float)

    def peek(self, kind: str) -> Array:
        """All that is left as numbers of one type, not taken."""
        dtype = np.dtype(self.order + kind)
        return np.frombuffer(self.data, dtype, (len(self.data) - self.at) // dtype.itemsize, self.at)

    def _take(self, dtype: np.dtype[np.generic], count: int) -> Array:
        left = (len(self.data) - self.at) // dtype.itemsize
        if not 0 <= count <= left:
            raise DamagedFileError(f"needed {count} numbers, {left} are left")
        taken = np.frombuffer(self.data, dtype, count, self.at)
        self.at += count * dtype.itemsize
        return taken


def numbers_of(text: bytes | str) -> Floats:
    """All numbers (n,) of a text that holds nothing else. Raises DamagedFileError."""
    if not text.strip():
        return np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=float, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise DamagedFileError("text where numbers should be") from error


def whole_numbers(values: Array) -> Ints:
    """The same numbers as int64. Raises DamagedFileError if one is not whole."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64, copy=False)
    if values.dtype.kind != "f" or not (np.abs(values) < 2.0**53).all() or (values != np.floor(values)).any():
        raise DamagedFileError("a number that is not whole where a count or an index should be")
    return values.astype(np.int64)


def chained(widths: Ints, count: int) -> Ints:
    """The starts of up to ``count`` rows: p_0 = 0, p_(k+1) = p_k + widths[p_k], up to the end.

    ``widths`` (n,): how long a row would be that starts at each place, 0 where none can.
    Raises DamagedFileError if the rows end elsewhere than at the end or the count.
    """
    starts: list[int] = []
    at, following = 0, (np.arange(len(widths)) + widths).data
    while at < len(widths) and len(starts) < count:
        starts.append(at)
        at = following[at]
        if at == starts[-1]:
            raise DamagedFileError("an element of an unknown type")
    if at > len(widths):
        raise DamagedFileError("fewer elements than announced")
    return np.array(starts, dtype=np.int64)


def rows_alike(values: Array, width: int, limit: int, columns: slice) -> int:
    """How many rows of ``width`` numbers, up to ``limit``, have in these columns what the first one has."""
    length, known = 16, 0
    while True:
        span = min(length, limit, len(values) // width)
        head = values[: span * width].reshape(span, width)[known:, columns]
        other = np.flatnonzero((head != values[columns]).any(axis=1))
        if len(other):
            return known + int(other[0])
        if span < length:
            return max(span, 1)
        known, length = span, 4 * length
