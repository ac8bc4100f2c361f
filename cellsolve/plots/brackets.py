"""Brackets of M through all levels, against the order of the elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import BLACK, COLOURS, Plot, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OrderedBrackets", "brackets_of_M"]

FloatArray = npt.NDArray[np.float64]
_LEAST = 1e-16


@dataclass(frozen=True, slots=True, eq=False)
class OrderedBrackets:
    """Eigenvalues (n, d) of the bounds on elements of orders (n,), those (d,) of M, and the relative half widths (n,).

    ``error``: of the middle of the bracket, relative, (n,).
    """

    orders: FloatArray
    lower: FloatArray
    upper: FloatArray
    value: FloatArray
    half_width: FloatArray
    error: FloatArray


@styled
def brackets_of_M(entry: OrderedBrackets) -> Plot:
    """Above: eigenvalues of both bounds, with those of M; below: half widths, and the error of the middle."""
    figure, (above, below) = new_figure(2, 1, (7.0, 7.0))
    for i, colour in zip(range(len(entry.value)), COLOURS, strict=False):
        _eigenvalue(above, entry, i, colour)
    for marker, words in (("v-", "upper bound"), ("^-", "lower bound"), ("--", "M itself")):
        above.plot([], [], marker, color=BLACK, linewidth=1.2, label=words)
    below.plot(entry.orders, entry.half_width, "o-", color=BLACK, label="half width of the bracket")
    error = np.maximum(entry.error, _LEAST)
    below.plot(entry.orders, error, "o:", color=BLACK, markerfacecolor="white", label="error of its middle")
    above.set(ylabel="eigenvalues", title="Two coupled scales, 2 x 2 elements on each")
    below.set(yscale="log", xlabel="order of the elements", ylabel="relative to M")
    above.legend(loc="center right")
    below.legend(loc="upper right")
    for axes in (above, below):
        axes.set_xticks(entry.orders)
    caption = (
        "Eigenvalues of lower and upper bounds of M, carried through both levels in the Loewner order, and those of M "
        "(dashed), by nested Fourier collocation. Below: half the relative width of the bracket, and the error of its "
        "middle."
    )
    return Plot("brackets_through_levels", "Brackets close through all levels", caption, figure)


def _eigenvalue(axes: Axes, entry: OrderedBrackets, i: int, colour: str) -> None:
    lower, upper, value = entry.lower[:, i], entry.upper[:, i], float(entry.value[i])
    axes.fill_between(entry.orders, lower, upper, color=colour, alpha=0.2, linewidth=0)
    axes.plot(entry.orders, upper, "v-", color=colour)
    axes.plot(entry.orders, lower, "^-", color=colour)
    axes.axhline(value, color=BLACK, linewidth=1.2, linestyle="--")
    place = (float(entry.orders[-1]), value)
    words = f"$\\lambda_{i + 1}$ = {value:.4f}"
    axes.annotate(words, place, xytext=(0, 8), textcoords="offset points", ha="right", color=colour)
