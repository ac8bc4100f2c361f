"""The numeric sections of gmsh files: nodes, elements and entities of format 2.2 and 4.1, text or binary alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cellsolve.cells.element_types import BY_GMSH, ElementType
from cellsolve.cells.mesh_data import Array, DamagedFileError
from cellsolve.cells.number_streams import ByteNumbers, Numbers, TextNumbers, chained, rows_alike, whole_numbers
from cellsolve.cells.shapes import Floats, Ints

__all__ = [
    "Nodes",
    "Places",
    "RawBlock",
    "elements_22",
    "elements_41",
    "groups_41",
    "nodes_22",
    "nodes_41",
    "values_of",
]


_RUNS = 1000
"""So many short runs of one type of element, and a text counts as interleaved."""


class Nodes(NamedTuple):
    """``tags`` (n,) the numbers of the nodes, any and in any order; ``points`` (n, 3)."""

    tags: Ints
    points: Floats


class RawBlock(NamedTuple):
    """Elements of one type: numbers (m,), node tags (m, k) in gmsh's order, physical and geometrical tag (m,).

    ``physical`` is None where the format leaves it to the entity (4.1).
    """

    kind: ElementType
    numbers: Ints
    nodes: Ints
    physical: Ints | None
    geometrical: Ints


class Places:
    """Where each of the tags (n,) stands; tags may be any numbers, with gaps, but not the same twice."""

    def __init__(self, tags: Ints):
        self._order = np.argsort(tags, kind="stable")
        self._tags = tags[self._order]
        if (np.diff(self._tags) == 0).any():
            raise DamagedFileError("two nodes or elements with the same number")
        self._dense = len(tags) > 0 and int(self._tags[-1]) - int(self._tags[0]) == len(tags) - 1

    def of(self, wanted: Ints) -> Ints:
        """The places of the wanted tags, -1 for one that is not there."""
        if not len(self._tags):
            return np.full(wanted.shape, -1)
        steps = wanted - self._tags[0] if self._dense else np.searchsorted(self._tags, wanted)
        place = np.clip(steps, 0, len(self._tags) - 1)
        return np.where(self._tags[place] == wanted, self._order[place], -1)


def nodes_22(numbers: Numbers, count: int) -> Nodes:
    """``count`` rows of number, x, y, z."""
    return Nodes(*numbers.rows(count, 3))


def nodes_41(numbers: Numbers, size: str) -> Nodes:
    """Blocks of nodes, one an entity: their tags, then their coordinates (and parameters)."""
    blocks, total, _, _ = numbers.take(size, 4).tolist()
    tags, points = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    for _ in range(blocks):
        dim, _, parametric = numbers.take("i4", 3).tolist()
        count = int(numbers.take(size, 1)[0])
        width = 3 + (dim if parametric and 0 <= dim <= 3 else 0)
        tags.append(numbers.take(size, count))
        points.append(numbers.take("f8", width * count).reshape(count, width)[:, :3])
    nodes = Nodes(np.concatenate(tags), np.concatenate(points))
    if len(nodes.tags) != total:
        raise DamagedFileError(f"{len(nodes.tags)} nodes where {total} are announced")
    return nodes


def groups_41(numbers: Numbers, size: str) -> dict[tuple[int, int], Ints]:
    """The physical groups of each entity, by its dimension and tag."""
    groups: dict[tuple[int, int], Ints] = {}
    for dim, entities in enumerate(numbers.take(size, 4).tolist()):
        for _ in range(entities):
            tag = int(numbers.take("i4", 1)[0])
            numbers.take("f8", 6 if dim else 3)  # the bounding box
            groups[dim, tag] = numbers.take("i4", int(numbers.take(size, 1)[0]))
            if dim:
                numbers.take("i4", int(numbers.take(size, 1)[0]))  # the entities on its boundary
    return groups


def elements_41(numbers: Numbers, size: str) -> list[RawBlock]:
    """Blocks of elements, one an entity and type; the entity's tag is the geometrical tag."""
    blocks, total, _, _ = numbers.take(size, 4).tolist()
    found: list[RawBlock] = []
    for _ in range(blocks):
        dim, entity, code = numbers.take("i4", 3).tolist()
        kind, count = _kind(code), int(numbers.take(size, 1)[0])
        if kind.dim != dim:
            raise DamagedFileError(f"{kind.name} elements on an entity of dimension {dim}")
        rows = numbers.take(size, count * (1 + kind.nodes)).reshape(count, 1 + kind.nodes)
        found.append(RawBlock(kind, rows[:, 0], rows[:, 1:], None, np.full(count, entity)))
    if sum(len(block.numbers) for block in found) != total:
        raise DamagedFileError(f"not as many elements as the {total} that are announced")
    return found


def elements_22(numbers: TextNumbers | ByteNumbers, count: int) -> list[RawBlock]:
    """``count`` elements: number, type, number of tags, tags, nodes; in binary, blocks with a header."""
    found: list[RawBlock] = []
    done = 0
    while done < count:
        if isinstance(numbers, TextNumbers) and len(found) > _RUNS and done < 20 * len(found):
            found += _interleaved(numbers, count - done)
            done = sum(len(block.numbers) for block in found)
            break
        block = _text_run(numbers, count - done) if isinstance(numbers, TextNumbers) else _binary_run(numbers)
        done += len(block.numbers)
        found.append(block)
    if done != count:
        raise DamagedFileError(f"{done} elements where {count} are announced")
    return [_joined([block for block in found if block.kind == kind]) for kind in dict.fromkeys(b.kind for b in found)]


def _interleaved(numbers: TextNumbers, limit: int) -> list[RawBlock]:
    """The elements of a text in which types follow each other at random: found one by one, taken type by type."""
    left = numbers.peek()
    codes, tags = np.zeros((2, len(left)), dtype=np.int64)
    known = (np.abs(left) < 1000) & (left == np.floor(left)) & (left >= 0)
    codes[:-1], tags[:-2] = np.where(known, left, 0)[1:], np.where(known, left, 0)[2:]
    sizes = np.array([BY_GMSH[code].nodes if code in BY_GMSH else 0 for code in range(1000)])
    starts = chained(np.where(sizes[codes] > 0, 3 + tags + sizes[codes], 0), limit)
    numbers.take("f8", int(starts[-1] + 3 + tags[starts[-1]] + sizes[codes[starts[-1]]]))
    found = []
    for pair in np.unique(codes[starts] * 1000 + tags[starts]).tolist():
        kind, count = BY_GMSH[pair // 1000], pair % 1000
        which = starts[codes[starts] * 1000 + tags[starts] == pair]
        rows = whole_numbers(left[which[:, None] + np.arange(3 + count + kind.nodes)])
        found.append(_block(kind, rows[:, 0], rows[:, 3:], count))
    return found


def _text_run(numbers: TextNumbers, limit: int) -> RawBlock:
    """The elements up to the first one of another type or number of tags."""
    left = numbers.peek()
    if len(left) < 3:
        raise DamagedFileError("fewer elements than announced")
    kind, tags = _kind(left[1]), _tags(left[2])
    width = 3 + tags + kind.nodes
    run = rows_alike(left, width, limit, slice(1, 3))
    rows = numbers.take("i8", run * width).reshape(run, width)
    return _block(kind, rows[:, 0], rows[:, 3:], tags)


def _binary_run(numbers: ByteNumbers) -> RawBlock:
    """The elements after one header; gmsh itself writes a header before each element."""
    left = numbers.peek("i4")
    if len(left) < 3:
        raise DamagedFileError("fewer elements than announced")
    kind, count, tags = _kind(left[0]), int(left[1]), _tags(left[2])
    if count < 1:
        raise DamagedFileError(f"a block of {count} elements")
    width, head = 1 + tags + kind.nodes, 3
    if count == 1:
        count, width, head = rows_alike(left, 3 + width, len(left), slice(0, 3)), 3 + width, 0
    numbers.take("i4", head)
    rows = numbers.take("i4", count * width).reshape(count, width)[:, 3 - head :]
    return _block(kind, rows[:, 0], rows[:, 1:], tags)


def _block(kind: ElementType, numbers: Ints, rest: Ints, tags: int) -> RawBlock:
    """``rest`` (m, tags + k): tags, of which the first is physical and the second geometrical, and nodes."""
    none = np.zeros(len(rest), dtype=np.int64)
    physical = rest[:, 0] if tags > 0 else none
    return RawBlock(kind, numbers, rest[:, tags:], physical, rest[:, 1] if tags > 1 else none)


def _joined(blocks: list[RawBlock]) -> RawBlock:
    """Blocks of one type as one."""
    kind, columns = blocks[0].kind, list(zip(*(block[1:] for block in blocks), strict=True))
    numbers, nodes, physical, geometrical = (np.concatenate(column) for column in columns)
    return RawBlock(kind, numbers, nodes, physical, geometrical)


def _tags(count: float) -> int:
    if not 0 <= count < 1000 or count != int(count):
        raise DamagedFileError(f"an element with {count} tags")
    return int(count)


def _kind(code: float) -> ElementType:
    kind = BY_GMSH.get(int(code)) if abs(code) < 1000 else None
    if kind is None:
        raise DamagedFileError(f"elements of the unknown type {code:g}")
    return kind


def values_of(numbers: Numbers, count: int, components: int) -> tuple[Ints, Array]:
    """Element data: numbers of elements (m,) and values (m,) or (m, components)."""
    tags, values = numbers.rows(count, components)
    return tags, values[:, 0] if components == 1 else values
