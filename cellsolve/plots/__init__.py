"""Figures of results: one style, one function a figure. Needs the extra ``plot`` (matplotlib).

Functions take plain arrays and give a `Plot`; `png` and `svg` make files of it. The same figures stand in the page of
`cellsolve validate` and come from `cellsolve plot`.
"""

from __future__ import annotations

from cellsolve.plots.style import Plot, available, image, svg

__all__ = ["Plot", "available", "image", "svg"]
