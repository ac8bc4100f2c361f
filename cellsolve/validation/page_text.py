"""Docstrings as HTML: paragraphs, lines that end early on purpose, and indented formulas."""

from __future__ import annotations

from html import escape

__all__ = ["paragraphs"]

_FULL = 95
"""A line so long was broken for want of room."""


def paragraphs(text: str) -> str:
    """Blocks apart by blank lines: indented ones stay as they are, of others the lines are joined that were full."""
    blocks = [block.strip("\n") for block in text.split("\n\n") if block.strip()]
    return "\n".join(_formula(block) if _indented(block) else _paragraph(block) for block in blocks)


def _indented(block: str) -> bool:
    return all(line.startswith(" ") for line in block.splitlines())


def _formula(block: str) -> str:
    return f"<pre>{escape(block)}</pre>"


def _paragraph(block: str) -> str:
    words = ""
    for line in block.splitlines():
        words += escape(line.strip()) + (" " if len(line) >= _FULL else "<br>\n")
    return f"<p>{words.strip().removesuffix('<br>')}</p>"
