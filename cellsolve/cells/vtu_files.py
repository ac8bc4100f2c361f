"""VTU files: VTK's XML format for unstructured grids, all pieces as one mesh; data of points is left aside."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import numpy as np

from cellsolve.cells.mesh_data import Array, Block, DamagedFileError, MeshData
from cellsolve.cells.number_streams import whole_numbers
from cellsolve.cells.shapes import Floats
from cellsolve.cells.vtk_elements import blocks_of
from cellsolve.cells.vtu_arrays import ArrayReader
from cellsolve.cells.xml_trees import read_xml

__all__ = ["read_vtu"]

_APPENDED = re.compile(rb"<AppendedData\b([^>]{0,200})>\s*_")


def read_vtu(data: bytes) -> MeshData:
    """The content of a VTU file. Raises DamagedFileError."""
    head, appended, raw = _without_appended(data)
    root = read_xml(head)
    if root.tag != "VTKFile" or root.get("type") != "UnstructuredGrid":
        raise DamagedFileError(f"<{root.tag[:40]} type={root.get('type')!r}> where an UnstructuredGrid should be")
    reader = ArrayReader.of(root, appended, raw, len(data))
    pieces = root.findall("UnstructuredGrid/Piece")
    if not pieces:
        raise DamagedFileError("no <Piece>")
    points, blocks, start = [], [], 0
    for piece in pieces:
        points.append(_points(reader, piece))
        blocks += [_moved(block, start, len(points[-1])) for block in _blocks(reader, piece)]
        start += len(points[-1])
    return MeshData(np.concatenate(points), blocks)


def _without_appended(data: bytes) -> tuple[bytes, bytes, bool]:
    """The XML without its appended data, these data, and whether they are raw bytes."""
    found = _APPENDED.search(data)
    if not found:
        return data, b"", False
    end = data.rfind(b"</AppendedData>")
    if end < found.end():
        raise DamagedFileError("<AppendedData> is not closed")
    closing = data[end + len(b"</AppendedData>") :]
    raw = b"raw" in found[1]
    appended = data[found.end() : end]
    return data[: found.start()] + closing, appended if raw else b"".join(appended.split()), raw


def _points(reader: ArrayReader, piece: Element) -> Floats:
    items = piece.findall("Points/DataArray")
    count = int(piece.get("NumberOfPoints", "-1"))
    if len(items) != 1:
        raise DamagedFileError(f"{len(items)} arrays of points")
    points = reader.read(items[0]).astype(float, copy=False)
    if points.shape != (count, 3):
        raise DamagedFileError(f"points of shape {points.shape} where ({count}, 3) are announced")
    return points


def _blocks(reader: ArrayReader, piece: Element) -> list[Block]:
    cells = {item.get("Name", ""): reader.read(item).ravel() for item in piece.findall("Cells/DataArray")}
    arrays = {item.get("Name", ""): reader.read(item) for item in piece.findall("CellData/DataArray") if _numeric(item)}
    connectivity, offsets, types = (_whole(cells, key) for key in ("connectivity", "offsets", "types"))
    if len(types) != int(piece.get("NumberOfCells", "-1")):
        raise DamagedFileError(f"{len(types)} elements where {piece.get('NumberOfCells')} are announced")
    return blocks_of(connectivity, offsets, types, arrays)


def _moved(block: Block, start: int, points: int) -> Block:
    """A block of a piece whose points begin at ``start``; nodes beyond the piece stay beyond the file."""
    beyond = (block.nodes < 0) | (block.nodes >= points)
    return Block(block.kind, np.where(beyond & (start > 0), -1, block.nodes + start), block.arrays)


def _whole(cells: dict[str, Array], key: str) -> Array:
    if key not in cells:
        raise DamagedFileError(f"no array {key!r} of the elements")
    return whole_numbers(cells[key])


def _numeric(item: Element) -> bool:
    return item.get("type") != "String"
