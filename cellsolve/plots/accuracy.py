"""Errors against the tolerance asked for, and brackets that close on the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import BLACK, COLOURS, GREY, MARKERS, Plot, new_figure, round_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bracketing", "ToleranceSeries", "closing_brackets", "error_against_tolerance"]

FloatArray = npt.NDArray[np.float64]
_LEAST = 1e-16
"""Errors below are rounding, and drawn here."""


@dataclass(frozen=True, slots=True, eq=False)
class ToleranceSeries:
    """One problem at several tolerances: relative errors, true and estimated, all (n,)."""

    label: str
    tol: FloatArray
    error: FloatArray
    estimate: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Bracketing:
    """One problem with more and more unknowns: an entry of the tensor between its bounds, all (n,)."""

    label: str
    value: float
    value_label: str
    unknowns: FloatArray
    lower: FloatArray
    upper: FloatArray


@styled
def error_against_tolerance(series: Sequence[ToleranceSeries]) -> Plot:
    """True error (filled) and its estimate (open) against tol, with the diagonal that neither may pass."""
    figure, (axes,) = new_figure(1, 1, (8.0, 5.0))
    axes.set(xscale="log", yscale="log", xlabel="tolerance asked for (relative)", ylabel="relative error of M")
    for entry, colour, marker in zip(series, COLOURS, MARKERS, strict=False):
        error, estimate = (np.maximum(values, _LEAST) for values in (entry.error, entry.estimate))
        axes.plot(entry.tol, error, marker + "-", color=colour, label=entry.label)
        axes.plot(entry.tol, estimate, marker + ":", color=colour, markerfacecolor="white", linewidth=1.2)
    _diagonal(axes, np.concatenate([entry.tol for entry in series]))
    axes.plot([], [], "o-", color=BLACK, label="true error")
    axes.plot([], [], "o:", color=BLACK, markerfacecolor="white", linewidth=1.2, label="error estimate")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    caption = (
        "Every true error (filled) lies below its estimate (open), and both below the diagonal, the tolerance asked "
        "for. References: closed forms and Fourier collocation."
    )
    return Plot("error_against_tolerance", "The tolerance is kept", caption, figure)


def _diagonal(axes: Axes, tols: FloatArray) -> None:
    ends = np.array([tols.min() / 3.0, tols.max() * 3.0])
    axes.plot(ends, ends, color=GREY, linewidth=1.0)
    axes.fill_between(ends, ends, ends[-1] * 10.0, color=GREY, alpha=0.12, linewidth=0)
    middle = float(np.sqrt(ends[0] * ends[1]))
    axes.annotate(
        "error = tolerance",
        (middle, middle),
        xytext=(-6, 6),
        textcoords="offset points",
        ha="right",
        color=GREY,
        fontsize=10,
    )
    axes.set_xlim(*ends)
    axes.set_ylim(_LEAST / 3.0, ends[-1] * 10.0)


@styled
def closing_brackets(cases: Sequence[Bracketing]) -> Plot:
    """Above: lower and upper bounds against unknowns, with the exact value; below: how wide they are."""
    count = len(cases)
    figure, axes = new_figure(2, count, (4.6 * count, 6.2))
    for entry, above, below, colour in zip(cases, axes[:count], axes[count:], COLOURS, strict=False):
        _bounds(above, entry, colour)
        _widths(below, entry, colour)
    caption = (
        "Lower and upper bounds of the effective conductivity by adaptive refinement, and the exact value, which they "
        "hold at every step. Below: half the width of the bracket, and the error of its middle."
    )
    return Plot("closing_brackets", "Brackets close on the exact value", caption, figure)


def _bounds(axes: Axes, entry: Bracketing, colour: str) -> None:
    axes.fill_between(entry.unknowns, entry.lower, entry.upper, color=colour, alpha=0.2, linewidth=0)
    axes.plot(entry.unknowns, entry.upper, "v-", color=colour, label="upper bound")
    axes.plot(entry.unknowns, entry.lower, "^-", color=colour, label="lower bound")
    axes.axhline(entry.value, color=BLACK, linewidth=1.2, linestyle="--", label=f"exact: {entry.value_label}")
    axes.set(xscale="log", title=entry.label, ylabel="effective conductivity")
    round_ticks(axes.xaxis)
    axes.legend(loc="upper right")


def _widths(axes: Axes, entry: Bracketing, colour: str) -> None:
    half = 0.5 * (entry.upper - entry.lower) / entry.value
    error = np.abs(0.5 * (entry.upper + entry.lower) / entry.value - 1.0)
    axes.plot(entry.unknowns, half, "o-", color=colour, label="half width")
    axes.plot(
        entry.unknowns,
        np.maximum(error, _LEAST),
        "o:",
        color=colour,
        markerfacecolor="white",
        label="error of the middle",
    )
    axes.set(xscale="log", yscale="log", xlabel="unknowns of a corrector", ylabel="relative to the value")
    round_ticks(axes.xaxis)
    axes.legend(loc="lower left")
