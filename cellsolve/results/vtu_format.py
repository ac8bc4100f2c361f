"""VTU files of one kind of element: XML with compressed binary arrays, read by ParaView, VTK and meshio.

Format: "VTK XML formats", https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
"""

from __future__ import annotations

import base64
import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from cellsolve.results.whole_file import whole_file

__all__ = ["ElementGrid", "write_vtu"]

Array = npt.NDArray[Any]
_BLOCK = 1 << 20  # bytes that are compressed together
_LEVEL = 1  # of zlib: the digits of computed numbers hardly shrink, whatever the effort
_TYPES = {"f8": "Float64", "i8": "Int64", "u1": "UInt8"}


@dataclass(frozen=True, slots=True, eq=False)
class ElementGrid:
    """``points`` (n, 3); ``connectivity`` (m, k) of elements of VTK's type number ``kind``; data (n, ..), (m, ..) by
    name; ``facts``: integers by name, for the file as a whole."""

    points: Array
    connectivity: Array
    kind: int
    point_data: Mapping[str, Array] = field(default_factory=dict)
    cell_data: Mapping[str, Array] = field(default_factory=dict)
    facts: Mapping[str, int] = field(default_factory=dict)


def write_vtu(path: str | os.PathLike[str], grid: ElementGrid) -> None:
    """Write a grid, whole or not at all. Raises JobError when the place cannot be written."""
    with whole_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="\n") as stream:
        _write(stream, grid)


def _write(stream: TextIO, grid: ElementGrid) -> None:
    count, nodes = grid.connectivity.shape
    order = "LittleEndian" if sys.byteorder == "little" else "BigEndian"
    stream.write(
        '<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" version="1.0" '
        f'byte_order="{order}" header_type="UInt64" compressor="vtkZLibDataCompressor">\n<UnstructuredGrid>\n'
    )
    _write_section(stream, "FieldData", {name: np.array([value]) for name, value in grid.facts.items()}, tuples=True)
    stream.write(f'<Piece NumberOfPoints="{len(grid.points)}" NumberOfCells="{count}">\n')
    _write_section(stream, "Points", {"Points": grid.points})
    cells = {
        "connectivity": grid.connectivity.ravel(),
        "offsets": nodes * np.arange(1, count + 1),
        "types": np.full(count, grid.kind, dtype=np.uint8),
    }
    _write_section(stream, "Cells", cells)
    _write_section(stream, "PointData", grid.point_data)
    _write_section(stream, "CellData", grid.cell_data)
    stream.write("</Piece>\n</UnstructuredGrid>\n</VTKFile>\n")


def _write_section(stream: TextIO, tag: str, arrays: Mapping[str, Array], *, tuples: bool = False) -> None:
    stream.write(f"<{tag}>\n")
    for name, values in arrays.items():
        array = np.ascontiguousarray(values, dtype=_stored(values))
        components = f' NumberOfComponents="{array[0].size}"' if array.ndim > 1 else ""
        count = f' NumberOfTuples="{len(array)}"' if tuples else ""
        kind, label = _TYPES[array.dtype.str[1:]], quoteattr(_printable(name))
        stream.write(f'<DataArray type="{kind}" Name={label}{components}{count} format="binary">\n')
        stream.write(_encoded(array.tobytes()))
        stream.write("\n</DataArray>\n")
    stream.write(f"</{tag}>\n")


def _stored(values: Array) -> type[np.generic]:
    if values.dtype == np.uint8:
        return np.uint8
    return np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64


def _printable(name: str) -> str:
    """XML has no place for control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _encoded(content: bytes) -> str:
    """Compressed in blocks, after a header: how many, their size, that of a shorter last one, compressed sizes."""
    blocks = [content[i : i + _BLOCK] for i in range(0, len(content), _BLOCK)]
    packed = [zlib.compress(block, _LEVEL) for block in blocks]
    sizes = [len(blocks), _BLOCK, len(content) % _BLOCK, *map(len, packed)]
    header = np.array(sizes, dtype=np.uint64).tobytes()
    return (base64.b64encode(header) + base64.b64encode(b"".join(packed))).decode("ascii")
