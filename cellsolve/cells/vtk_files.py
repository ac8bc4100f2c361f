"""Legacy VTK files (.vtk), unstructured grids of version 1 to 5.1, text and binary (big endian)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from cellsolve.cells.mesh_data import Array, DamagedFileError, MeshData
from cellsolve.cells.number_streams import ByteNumbers, TextNumbers, whole_numbers
from cellsolve.cells.shapes import Floats, Ints
from cellsolve.cells.vtk_elements import blocks_of, offsets_of

__all__ = ["read_vtk"]

_KINDS = {
    "char": "i1",
    "signed_char": "i1",
    "unsigned_char": "u1",
    "short": "i2",
    "unsigned_short": "u2",
    "int": "i4",
    "unsigned_int": "u4",
    "long": "i8",
    "unsigned_long": "u8",
    "vtkidtype": "i4",
    "vtktypeint8": "i1",
    "vtktypeuint8": "u1",
    "vtktypeint16": "i2",
    "vtktypeuint16": "u2",
    "vtktypeint32": "i4",
    "vtktypeuint32": "u4",
    "vtktypeint64": "i8",
    "vtktypeuint64": "u8",
    "float": "f4",
    "double": "f8",
}
_COMPONENTS = {"VECTORS": 3, "NORMALS": 3, "TENSORS": 9, "TENSORS6": 6, "GLOBAL_IDS": 1, "PEDIGREE_IDS": 1}
_LINE = re.compile(rb"\s*([^\n]{0,1000})(\n|$)")
_FIELDS = 10_000
_WORD_LINE = re.compile(rb"^[ \t]*(?!nan|inf|NaN|Inf)[A-Za-z]", re.MULTILINE)


@dataclass(slots=True)
class _Cursor:
    """A place in the file: lines of words, between them numbers."""

    data: bytes
    at: int = 0
    text: bool = True

    def line(self) -> list[str]:
        """The words of the next line that is not blank; none at the end of the file."""
        match = _LINE.match(self.data, self.at)
        if not match:
            raise DamagedFileError("a line of more than 1000 characters where words should be")
        self.at = match.end()
        return match[1].decode("utf-8", "replace").split()

    def next_is(self, word: bytes) -> bool:
        return self.data[self.at : self.at + 40].lstrip().startswith(word)

    def numbers(self, kind: str, count: int) -> Array:
        """``count`` numbers of a VTK type, and no more up to the next words."""
        code = _KINDS.get(kind.lower())
        if code is None:
            raise DamagedFileError(f"numbers of type {kind[:40]!r}")
        if not self.text:
            stream = ByteNumbers(self.data, self.at, ">")
            values = stream.take(code, count)
            self.at = stream.at
            return values
        end = match.start() if (match := _WORD_LINE.search(self.data, self.at)) else len(self.data)
        numbers = TextNumbers(self.data[self.at : end])
        values, self.at = numbers.take(code, count), end
        if numbers.left:
            raise DamagedFileError(f"{numbers.left} numbers more than announced")
        return values


@dataclass(slots=True)
class _Grid:
    """What has been read so far; ``count``: values of an array, ``cells``: whether arrays belong to elements."""

    points: Floats | None = None
    connectivity: Ints | None = None
    offsets: Ints | None = None
    types: Ints | None = None
    count: int = 0
    cells: bool = False
    arrays: dict[str, Array] = field(default_factory=dict)


def read_vtk(data: bytes) -> MeshData:
    """The content of a legacy VTK file. Raises DamagedFileError."""
    cursor, grid = _Cursor(data), _Grid()
    if not data.startswith(b"# vtk DataFile Version"):
        raise DamagedFileError("not '# vtk DataFile Version' at the start")
    # The version, then a title, which may be blank.
    cursor.at = (data.find(b"\n", data.find(b"\n") + 1) + 1) or len(data)
    form = cursor.line()
    if form not in (["ASCII"], ["BINARY"]):
        raise DamagedFileError(f"{' '.join(form)[:40]!r} where ASCII or BINARY should be")
    cursor.text = form == ["ASCII"]
    while words := cursor.line():
        _read_section(cursor, grid, [words[0].upper(), *words[1:]])
    return _assembled(grid)


def _read_section(cursor: _Cursor, grid: _Grid, words: list[str]) -> None:
    match words:
        case ["DATASET", kind]:
            if kind.upper() != "UNSTRUCTURED_GRID":
                raise DamagedFileError(f"the dataset {kind[:40]} (UNSTRUCTURED_GRID is known)")
        case ["POINTS", count, kind]:
            grid.points = cursor.numbers(kind, 3 * _count(count)).astype(float).reshape(-1, 3)
        case ["CELLS", first, second]:
            _read_cells(cursor, grid, _count(first), _count(second))
        case ["CELL_TYPES", count]:
            grid.types = whole_numbers(cursor.numbers("int", _count(count)))
        case ["CELL_DATA" | "POINT_DATA", count]:
            grid.count, grid.cells = _count(count), words[0] == "CELL_DATA"
        case ["METADATA"]:
            _skip_metadata(cursor)
        case _:
            _read_arrays(cursor, grid, words)


def _read_cells(cursor: _Cursor, grid: _Grid, first: int, second: int) -> None:
    """Version 5: offsets, then connectivity; before, [number of nodes, nodes...] for each element."""
    if not cursor.next_is(b"OFFSETS"):
        grid.connectivity = cursor.numbers("int", second)
        return
    offsets = cursor.numbers(cursor.line()[-1], first)
    words = cursor.line()
    if words[:1] != ["CONNECTIVITY"] or not len(offsets) or offsets[0]:
        raise DamagedFileError("OFFSETS without CONNECTIVITY, or not from 0 on")
    grid.offsets, grid.connectivity = offsets[1:], cursor.numbers(words[-1], second)


def _skip_metadata(cursor: _Cursor) -> None:
    """Up to the first blank line."""
    end = re.compile(rb"\n[ \t]*\r?(\n|$)").search(cursor.data, max(cursor.at - 1, 0))
    cursor.at = end.end() if end else len(cursor.data)


def _read_arrays(cursor: _Cursor, grid: _Grid, words: list[str]) -> None:
    match words:
        case ["SCALARS", name, kind, *rest]:
            components = _count(rest[0]) if rest else 1
            if cursor.next_is(b"LOOKUP_TABLE"):
                cursor.line()
            _keep(cursor, grid, name, kind, components, grid.count)
        case ["LOOKUP_TABLE", _, count]:
            cursor.numbers("float" if cursor.text else "unsigned_char", 4 * _count(count))
        case ["COLOR_SCALARS", _, components]:
            cursor.numbers("float" if cursor.text else "unsigned_char", _count(components) * grid.count)
        case ["TEXTURE_COORDINATES", name, components, kind]:
            _keep(cursor, grid, name, kind, _count(components), grid.count)
        case ["FIELD", _, count]:
            if _count(count) > _FIELDS:
                raise DamagedFileError(f"a FIELD of {count} arrays")
            for _ in range(_count(count)):
                array = cursor.line()
                if array[:1] == ["METADATA"]:
                    _skip_metadata(cursor)
                    array = cursor.line()
                if len(array) != 4:
                    raise DamagedFileError("a FIELD whose arrays are not announced")
                _keep(cursor, grid, array[0], array[3], _count(array[1]), _count(array[2]))
        case [section, name, kind] if section in _COMPONENTS:
            _keep(cursor, grid, name, kind, _COMPONENTS[section], grid.count)
        case _:
            raise DamagedFileError(f"the unknown section {' '.join(words)[:40]!r}")


def _keep(cursor: _Cursor, grid: _Grid, name: str, kind: str, components: int, count: int) -> None:
    """Read an array; keep it if it belongs to the elements."""
    values = cursor.numbers(kind, components * count)
    if grid.cells and count == grid.count:
        grid.arrays[name] = values if components == 1 else values.reshape(count, components)


def _count(word: str) -> int:
    if not re.fullmatch(r"\d{1,18}", word):
        raise DamagedFileError(f"{word[:40]!r} where a count should be")
    return int(word)


def _assembled(grid: _Grid) -> MeshData:
    if grid.points is None or grid.connectivity is None or grid.types is None:
        raise DamagedFileError("no POINTS, no CELLS or no CELL_TYPES")
    connectivity, offsets = grid.connectivity, grid.offsets
    if offsets is None:
        offsets = offsets_of(grid.types)
        heads = offsets + np.arange(len(offsets)) - np.diff(offsets, prepend=0)
        fits = len(connectivity) == (offsets[-1] + len(offsets) if len(offsets) else 0)
        if not fits or (connectivity[heads] != np.diff(offsets, prepend=0)).any():
            raise DamagedFileError("CELLS and CELL_TYPES do not fit together")
        connectivity = np.delete(connectivity, heads)
    return MeshData(grid.points, blocks_of(connectivity, offsets, grid.types, grid.arrays))
