"""XDMF files, version 2 and 3: one grid, its numbers in the XML, in HDF5 or in binary files of the same folder.

A file outside that folder is refused: what a mesh file names must not be read from anywhere on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from cellsolve.cells.element_types import BY_NAME, BY_XDMF, ElementType
from cellsolve.cells.hdf_arrays import HdfFile
from cellsolve.cells.mesh_data import Array, Block, DamagedFileError, MeshData, memory_allowed
from cellsolve.cells.number_streams import chained, numbers_of, whole_numbers
from cellsolve.cells.shapes import Ints
from cellsolve.cells.xml_trees import read_xml
from cellsolve.errors import MeshError

__all__ = ["read_xdmf"]

_NAMES = {
    "polyvertex": "vertex",
    "polyline": "line",
    "edge_3": "line3",
    "triangle": "triangle",
    "quadrilateral": "quad",
}
_NAMES |= {"tetrahedron": "tetra", "hexahedron": "hexahedron", "wedge": "wedge", "pyramid": "pyramid"}
_NAMES |= {"triangle_6": "triangle6", "tri_6": "triangle6", "quadrilateral_8": "quad8", "quad_8": "quad8"}
_NAMES |= {"quadrilateral_9": "quad9", "quad_9": "quad9", "tetrahedron_10": "tetra10", "tet_10": "tetra10"}
_NAMES |= {"hexahedron_20": "hexahedron20", "hex_20": "hexahedron20", "hexahedron_27": "hexahedron27"}
_NAMES |= {"hex_27": "hexahedron27", "wedge_15": "wedge15", "wedge_18": "wedge18", "pyramid_13": "pyramid13"}
_KINDS = {"float": "f", "int": "i", "uint": "u", "char": "i", "uchar": "u"}


@dataclass(slots=True)
class _Reader:
    """Reads the data items of the file at ``path``: ``budget`` bytes in all, and more for each companion."""

    path: Path
    budget: int
    companions: set[Path] = field(default_factory=set)

    def item(self, parent: Element) -> Array:
        """The array of the only data item of an element."""
        items = parent.findall("DataItem")
        if len(items) != 1:
            raise DamagedFileError(f"{len(items)} data items in <{parent.tag}>, where one should be")
        (item,) = items
        if "Reference" in item.attrib or item.get("ItemType", "Uniform") != "Uniform":
            raise DamagedFileError("a data item that refers to another, or is computed")
        sizes = [int(size) for size in item.get("Dimensions", "").split()]
        values = self._values(item, (item.text or "").strip())
        self.budget -= values.nbytes
        if self.budget < 0:
            raise DamagedFileError("more data than the files can hold")
        if not sizes or min(sizes) < 0 or prod(sizes) != values.size:
            raise DamagedFileError(f"{values.size} numbers where {sizes} are announced")
        return values.reshape(sizes)

    def _values(self, item: Element, text: str) -> Array:
        form = item.get("Format", "XML").upper()
        kind = _KINDS.get(item.get("NumberType", item.get("DataType", "Float")).lower())
        if kind is None:
            raise DamagedFileError(f"numbers of type {item.get('NumberType', item.get('DataType'))!r}")
        if form == "XML":
            return numbers_of(text) if kind == "f" else whole_numbers(numbers_of(text))
        if form == "HDF":
            file, _, place = text.partition(":")
            with HdfFile(self._beside(file)) as source:
                return source.array(place)
        if form == "BINARY":
            order = ">" if item.get("Endian", "Native").lower() == "big" else "<"
            dtype = np.dtype(f"{order}{kind}{int(item.get('Precision', '4'))}")
            return np.frombuffer(self._beside(text).read_bytes(), dtype).astype(dtype.newbyteorder("="), copy=False)
        raise DamagedFileError(f"data in format {form[:20]!r}")

    def _beside(self, name: str) -> Path:
        """A file of the folder of this one, or below. Raises MeshError for any other."""
        folder = self.path.resolve().parent
        target = (folder / name).resolve()
        if not target.is_relative_to(folder):
            raise MeshError(
                f"{self.path.name}: refers to {name!r}, which is not in its folder, needed one that is. Move the two "
                "files together."
            )
        if not target.is_file():
            raise MeshError(f"{self.path.name}: refers to {name!r}, which is not there. Copy it beside this file.")
        if target not in self.companions:
            self.companions.add(target)
            self.budget += memory_allowed(target.stat().st_size)
        return target


def read_xdmf(path: Path) -> MeshData:
    """The content of an XDMF file. Raises DamagedFileError, or MeshError for what lies elsewhere."""
    text = path.read_bytes()
    root, reader = read_xml(text), _Reader(path, memory_allowed(len(text)))
    grids = [grid for grid in root.iter("Grid") if grid.find("Topology") is not None]
    if root.tag != "Xdmf" or len(grids) != 1:
        raise DamagedFileError(f"<{root.tag[:40]}> with {len(grids)} grids, where Xdmf with one should be")
    (grid,) = grids
    topologies, geometries = grid.findall("Topology"), grid.findall("Geometry")
    if len(topologies) != 1 or len(geometries) != 1:
        raise DamagedFileError("not one <Topology> and one <Geometry>")
    form = geometries[0].get("GeometryType", geometries[0].get("Type", "XYZ"))
    points = reader.item(geometries[0]).astype(float)
    if form not in ("XY", "XYZ") or points.size % len(form):
        raise DamagedFileError(f"{points.size} coordinates in the geometry {form[:20]!r}")
    arrays = {a.get("Name", ""): reader.item(a) for a in grid.findall("Attribute") if a.get("Center") == "Cell"}
    return MeshData(points.reshape(-1, len(form)), _blocks(topologies[0], reader.item(topologies[0]), arrays))


def _blocks(topology: Element, data: Array, arrays: dict[str, Array]) -> list[Block]:
    name = topology.get("TopologyType", topology.get("Type", "")).lower()
    values = whole_numbers(data)
    start = int(topology.get("BaseOffset", "0"))
    if name == "mixed":
        parts = _mixed(values.ravel())
    elif name in _NAMES:
        kind = BY_NAME[_NAMES[name]]
        if values.size % kind.nodes:
            raise DamagedFileError(f"{values.size} nodes of {kind.name} elements")
        nodes = values.reshape(-1, kind.nodes)
        parts = [(kind, np.arange(len(nodes)), nodes)]
    else:
        raise DamagedFileError(f"the topology {name[:40]!r}")
    total = sum(len(which) for _, which, _ in parts)
    for key, array in arrays.items():
        if not array.ndim or len(array) != total:
            raise DamagedFileError(f"{total} elements, but {array.shape} values of {key!r}")
    return [Block(kind, nodes - start, {k: a[which] for k, a in arrays.items()}) for kind, which, nodes in parts]


def _mixed(values: Ints) -> list[tuple[ElementType, Ints, Ints]]:
    """[code, nodes...] for each element, [code, number, nodes...] for points and lines: type, places, nodes of each."""
    heads = {code: 2 if kind.name in ("vertex", "line") else 1 for code, kind in BY_XDMF.items()}
    widths = np.array([heads[code] + BY_XDMF[code].nodes if code in BY_XDMF else 0 for code in range(256)])
    codes = np.where((values >= 0) & (values < 256), values, 0)
    starts = chained(widths[codes], len(values))
    found = []
    for code in np.unique(codes[starts]).tolist():
        kind, which = BY_XDMF[code], np.flatnonzero(codes[starts] == code)
        rows = values[starts[which, None] + np.arange(widths[code])]
        if heads[code] == 2 and (rows[:, 1] != kind.nodes).any():
            raise DamagedFileError(f"a {kind.name} of more than {kind.nodes} nodes")
        found.append((kind, which, rows[:, heads[code] :]))
    return found
