"""gmsh files, format 2.2 and 4.1, text and binary (gmsh reference manual, "MSH file format").

Counts in the file are believed only as far as the file reaches; element data is found by element number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from cellsolve.cells.element_types import from_gmsh_order
from cellsolve.cells.gmsh_numbers import (
    Nodes,
    Places,
    RawBlock,
    elements_22,
    elements_41,
    groups_41,
    nodes_22,
    nodes_41,
    values_of,
)
from cellsolve.cells.mesh_data import GEOMETRICAL, PHYSICAL, Array, Block, DamagedFileError, MeshData
from cellsolve.cells.number_streams import ByteNumbers, TextNumbers
from cellsolve.cells.shapes import Ints

__all__ = ["read_gmsh"]

_HEADER = re.compile(rb"\s*([\d.]+)\s+([01])\s+(\d+)[ \t]*\r?\n")
_NAME = re.compile(r'^[ \t]*([0-3])[ \t]+(-?\d{1,18})[ \t]+"(.*)"[ \t\r]*$', re.MULTILINE)
_SECTION = re.compile(rb"^[ \t]*\$(\w+)[ \t]*\r?$\n?", re.MULTILINE)
_LINE = re.compile(rb"[^\n]{0,1000}\n")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the file writes numbers: version "2" or "4", text or binary, type of its long integers."""

    version: str
    text: bool
    order: str
    size: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One section: all of the file, and where the content starts and ends."""

    data: bytes
    name: str
    start: int
    end: int

    def numbers(self, layout: _Layout, at: int) -> TextNumbers | ByteNumbers:
        """The numbers from position ``at`` on."""
        return TextNumbers(self.data[at : self.end]) if layout.text else ByteNumbers(self.data, at, layout.order)

    def lines(self, count: int, at: int) -> tuple[list[str], int]:
        """The next ``count`` lines and the position after them."""
        found: list[str] = []
        for _ in range(count):
            match = _LINE.match(self.data, at, self.end)
            if not match:
                raise DamagedFileError(f"${self.name} is too short")
            found.append(match[0].decode("utf-8", "replace").strip())
            at = match.end()
        return found, at


@dataclass(slots=True)
class _Content:
    """What has been read so far."""

    nodes: Nodes | None = None
    elements: list[RawBlock] | None = None
    groups: dict[tuple[int, int], Ints] = field(default_factory=dict)
    names: dict[tuple[str, int, int], str] = field(default_factory=dict)
    data: dict[str, tuple[Ints, Array]] = field(default_factory=dict)


def read_gmsh(data: bytes) -> MeshData:
    """The content of a gmsh file. Raises DamagedFileError."""
    layout: _Layout | None = None
    content = _Content()
    for section in _sections(data):
        if section.name == "MeshFormat":
            layout = _layout(section)
        elif layout is not None:
            _read_section(content, layout, section)
        elif section.name != "Comments":
            raise DamagedFileError("no $MeshFormat at the start")
    if content.nodes is None or content.elements is None:
        raise DamagedFileError("no $MeshFormat, no $Nodes or no $Elements")
    return _assembled(content, content.nodes, content.elements)


def _sections(data: bytes) -> Iterator[_Section]:
    at = 0
    while match := _SECTION.search(data, at):
        name = match[1].decode("ascii", "replace")
        end = data.find(b"$End" + match[1], match.end())
        if end < 0:
            raise DamagedFileError(f"${name} is not closed by $End{name}")
        yield _Section(data, name, match.end(), end)
        at = end + 4 + len(name)


def _layout(section: _Section) -> _Layout:
    found = _HEADER.match(section.data, section.start)
    if not found:
        raise DamagedFileError("a wrong $MeshFormat")
    version, binary, size = found[1].decode(), found[2] == b"1", int(found[3][:9])
    if version not in ("2", "2.0", "2.1", "2.2", "4", "4.1") or size not in (4, 8):
        raise DamagedFileError(f"format {version[:20]} with numbers of {size} bytes")
    one = section.data[found.end() : found.end() + 4]
    if binary and one not in (b"\1\0\0\0", b"\0\0\0\1"):
        raise DamagedFileError("a binary file without its mark of byte order")
    return _Layout(version[0], not binary, ">" if one == b"\0\0\0\1" else "<", f"u{size}")


def _read_section(content: _Content, layout: _Layout, section: _Section) -> None:
    if section.name == "PhysicalNames":
        text = section.data[section.start : section.end].decode("utf-8", "replace")
        content.names |= {(PHYSICAL, int(d), abs(int(n))): name for d, n, name in _NAME.findall(text)}
    elif section.name == "ElementData":
        _read_data(content, layout, section)
    elif section.name in ("Nodes", "Elements", "Entities"):
        read = _read_22 if layout.version == "2" else _read_41
        _check_end(section, read(content, layout, section))


def _read_22(content: _Content, layout: _Layout, section: _Section) -> TextNumbers | ByteNumbers:
    (line,), at = section.lines(1, section.start)
    numbers = section.numbers(layout, at)
    if section.name == "Nodes":
        content.nodes = nodes_22(numbers, _count(line))
    elif section.name == "Elements":
        content.elements = elements_22(numbers, _count(line))
    return numbers


def _read_41(content: _Content, layout: _Layout, section: _Section) -> TextNumbers | ByteNumbers:
    numbers = section.numbers(layout, section.start)
    if section.name == "Nodes":
        content.nodes = nodes_41(numbers, layout.size)
    elif section.name == "Elements":
        content.elements = elements_41(numbers, layout.size)
    else:
        content.groups = groups_41(numbers, layout.size)
    return numbers


def _read_data(content: _Content, layout: _Layout, section: _Section) -> None:
    """Texts (the first names the data), reals, whole numbers (time step, components, elements), then the rows."""
    parts, at = [], section.start
    for _ in range(3):
        (line,), at = section.lines(1, at)
        part, at = section.lines(_count(line), at)
        parts.append(part)
    if not parts[0] or len(parts[2]) < 3:
        raise DamagedFileError("$ElementData without a name or its counts")
    components, count = _count(parts[2][1]), _count(parts[2][2])
    if not 1 <= components <= 1000:
        raise DamagedFileError(f"$ElementData with {components} components")
    numbers = section.numbers(layout, at)
    content.data[parts[0][0].strip('"')] = values_of(numbers, count, components)
    _check_end(section, numbers)


def _check_end(section: _Section, numbers: TextNumbers | ByteNumbers) -> None:
    """What the counts announce must end where the section does."""
    if isinstance(numbers, TextNumbers):
        wrong = numbers.left > 0
    else:
        wrong = not section.data[numbers.at : numbers.at + 40].lstrip().startswith(b"$End" + section.name.encode())
    if wrong:
        raise DamagedFileError(f"${section.name} does not end where its counts say")


def _count(line: str) -> int:
    if not re.fullmatch(r"\d{1,18}", line):
        raise DamagedFileError(f"{line[:40]!r} where a count should be")
    return int(line)


def _assembled(content: _Content, nodes: Nodes, elements: list[RawBlock]) -> MeshData:
    places = Places(nodes.tags)
    data = {key: (Places(tags), values) for key, (tags, values) in content.data.items()}
    blocks = []
    for block in elements:
        indices = places.of(block.nodes)
        if (indices < 0).any():
            raise DamagedFileError("elements refer to nodes that are not in the file")
        physical, several = _groups_of(content, block)
        arrays = {GEOMETRICAL: block.geometrical} | _data_of(data, block.numbers)
        if physical is not None:
            arrays[PHYSICAL] = np.abs(physical)
        blocks.append(Block(block.kind, from_gmsh_order(block.kind, indices), arrays, several))
    return MeshData(nodes.points, blocks, content.names)


def _data_of(data: dict[str, tuple[Places, Array]], numbers: Ints) -> dict[str, Array]:
    """The arrays that have a value for each of these elements."""
    found = {key: (places.of(numbers), values) for key, (places, values) in data.items()}
    return {key: values[indices] for key, (indices, values) in found.items() if (indices >= 0).all()}


def _groups_of(content: _Content, block: RawBlock) -> tuple[Ints | None, tuple[str, ...]]:
    """The physical tag (m,) of each element, None without one, and the groups' names if they are several."""
    if block.physical is not None or not len(block.numbers):
        return block.physical, ()
    groups = np.abs(content.groups.get((block.kind.dim, int(block.geometrical[0])), np.empty(0, dtype=np.int64)))
    if not len(groups):
        return None, ()
    listed = tuple(content.names.get((PHYSICAL, block.kind.dim, int(g)), str(g)) for g in groups)
    return np.full(len(block.numbers), groups[0]), listed if len(groups) > 1 else ()
