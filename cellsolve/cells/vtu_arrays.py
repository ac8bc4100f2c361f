"""Data arrays of VTU files: text, base64, or appended; compressed or not (VTK XML file format).

uncompressed: [bytes] data        compressed: [blocks][block size][last size][packed size]... data
"""

from __future__ import annotations

import binascii
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from cellsolve.cells.mesh_data import Array, DamagedFileError, memory_allowed
from cellsolve.cells.number_streams import numbers_of, whole_numbers

__all__ = ["ArrayReader"]

_KINDS = {
    "Int8": "i1",
    "UInt8": "u1",
    "Int16": "i2",
    "UInt16": "u2",
    "Int32": "i4",
    "UInt32": "u4",
    "Int64": "i8",
    "UInt64": "u8",
    "Float32": "f4",
    "Float64": "f8",
}
_LZMA_MEMORY = 256 << 20


@dataclass(slots=True)
class ArrayReader:
    """``appended``: what follows the underscore of <AppendedData>, raw or base64 by ``raw``.

    ``budget``: bytes that may still be unpacked; an array that declares more is refused before it is.
    """

    order: str
    header: str
    compressor: str
    appended: bytes
    raw: bool
    budget: int

    @classmethod
    def of(cls, root: Element, appended: bytes, raw: bool, size: int) -> ArrayReader:
        """The reader for a file of ``size`` bytes, from the attributes of its root."""
        order = {"LittleEndian": "<", "BigEndian": ">"}[root.get("byte_order", "LittleEndian")]
        header = {"UInt32": "u4", "UInt64": "u8"}[root.get("header_type", "UInt32")]
        return cls(order, header, root.get("compressor", ""), appended, raw, memory_allowed(size))

    def read(self, item: Element) -> Array:
        """The values (n,) or (n, components) of a <DataArray>."""
        kind = _KINDS.get(item.get("type", ""))
        if kind is None:
            raise DamagedFileError(f"a data array of type {item.get('type')!r}")
        form, text = item.get("format", "ascii"), item.text or ""
        if form == "ascii":
            values: Array = numbers_of(text)
        elif form == "binary":
            values = self._decoded("".join(text.split()).encode("ascii"), False, kind)
        elif form == "appended":
            values = self._decoded(self.appended[int(item.get("offset", "-1")) :], self.raw, kind)
        else:
            raise DamagedFileError(f"a data array in format {form!r}")
        values = values if kind.startswith("f") else whole_numbers(values)
        components = int(item.get("NumberOfComponents") or "1")
        if components == 1:
            return values
        return values.reshape(-1, components)

    def _decoded(self, data: bytes, raw: bool, kind: str) -> Array:
        source = _raw if raw else _base64
        unpacked = self._packed(data, source) if self.compressor else self._plain(data, source)
        dtype = np.dtype(self.order + kind)
        values = np.frombuffer(unpacked, dtype)
        return values.astype(dtype.newbyteorder("="), copy=False)

    def _plain(self, data: bytes, source: Callable[[bytes, int], tuple[bytes, int]]) -> bytes:
        width = np.dtype(self.header).itemsize
        head, after = source(data, width)
        count = int(self._integers(head)[0])
        self.budget -= count
        if count > len(data) or self.budget < 0:
            raise DamagedFileError(f"a data array of {count} bytes, more than there are")
        if data[after - 1 : after] == b"=":  # the header has its own padding, so was encoded alone
            return source(data[after:], count)[0]
        return source(data, width + count)[0][width:]

    def _packed(self, data: bytes, source: Callable[[bytes, int], tuple[bytes, int]]) -> bytes:
        width = np.dtype(self.header).itemsize
        blocks, size, last = self._integers(source(data, 3 * width)[0]).tolist()
        whole = blocks * size if last == 0 else (blocks - 1) * size + last
        if not 0 <= blocks <= len(data) or not 0 <= whole <= self.budget or last > size:
            raise DamagedFileError(f"a compressed array of {blocks} blocks of {size} bytes, more than is allowed")
        if not blocks:
            return b""
        self.budget -= whole
        head, after = source(data, (3 + blocks) * width)
        sizes = self._integers(head)[3:].tolist()
        packed = source(data[after:], sum(sizes))[0]
        ends = np.cumsum(sizes).tolist()
        parts = [self._unpacked(packed[e - s : e], size) for s, e in zip(sizes, ends, strict=True)]
        unpacked = b"".join(parts)
        if len(unpacked) != whole:
            raise DamagedFileError(f"a compressed array unpacks to {len(unpacked)} bytes, not {whole}")
        return unpacked

    def _unpacked(self, block: bytes, limit: int) -> bytes:
        """At most ``limit`` bytes, which are checked against what the header says later."""
        if self.compressor == "vtkZLibDataCompressor":
            return zlib.decompressobj().decompress(block, max(limit, 1))
        if self.compressor == "vtkLZMADataCompressor":
            return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(block, limit)
        raise DamagedFileError(f"the compressor {self.compressor!r} (zlib and lzma are known)")

    def _integers(self, head: bytes) -> Array:
        return np.frombuffer(head, self.order + self.header).astype(object)


def _raw(data: bytes, count: int) -> tuple[bytes, int]:
    """The first ``count`` bytes, and where they end."""
    if len(data) < count:
        raise DamagedFileError(f"{count} bytes are needed where {len(data)} are left")
    return data[:count], count


def _base64(data: bytes, count: int) -> tuple[bytes, int]:
    """The first ``count`` bytes encoded, and where their characters end."""
    characters = -(-count // 3) * 4
    decoded = binascii.a2b_base64(data[:characters])
    if len(decoded) < count:
        raise DamagedFileError(f"{count} bytes are needed where {len(decoded)} are left")
    return decoded[:count], characters
