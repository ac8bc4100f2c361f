"""XML of mesh files, read with limits: no document types (entities could unpack to anything), no deep nesting."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from cellsolve.cells.mesh_data import DamagedFileError

__all__ = ["read_xml"]

_DEPTH = 30
_ELEMENTS = 20_000


class _BoundedBuilder:
    """Builds a tree of at most so many elements and levels."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEPTH or self._count > _ELEMENTS:
            raise DamagedFileError("XML with too many elements or levels")
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag)

    def data(self, text: str) -> None:
        self._builder.data(text)

    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        raise DamagedFileError(f"an XML document type ({name[:20]}), which may hold entities")

    def close(self) -> Element:
        return self._builder.close()


def read_xml(data: bytes) -> Element:
    """The root of an XML text. Raises DamagedFileError."""
    parser = XMLParser(target=_BoundedBuilder())
    try:
        parser.feed(data)
        return parser.close()
    except (ParseError, AssertionError, LookupError, ValueError) as error:
        raise DamagedFileError(f"broken XML: {error}") from error
