"""Diffusion against the inverse temperature: Arrhenius lines with the slope of the barrier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import BLACK, COLOURS, MARKERS, Plot, new_figure, styled

__all__ = ["Arrhenius", "arrhenius_lines"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Arrhenius:
    """log M (n,) at inverse temperatures (n,), and the height of the saddle that a particle must pass."""

    label: str
    inverse_sigma: FloatArray
    log_diffusion: FloatArray
    barrier: float


@styled
def arrhenius_lines(series: Sequence[Arrhenius]) -> Plot:
    """Left log M and lines of the barrier's slope; right the local slopes, in units of the barrier."""
    figure, (left, right) = new_figure(1, 2, (10.4, 4.6))
    for entry, colour, marker in zip(series, COLOURS, MARKERS, strict=False):
        beta, log_M = entry.inverse_sigma, entry.log_diffusion / np.log(10.0)
        left.plot(beta, log_M, marker, color=colour, label=f"{entry.label}, barrier {entry.barrier:.3g}")
        line = log_M[-1] - entry.barrier * (beta - beta[-1]) / np.log(10.0)
        left.plot(beta, line, color=colour, linewidth=1.2)
        slopes = -np.diff(entry.log_diffusion) / np.diff(beta)
        middle = 0.5 * (beta[1:] + beta[:-1])
        right.plot(middle, slopes / entry.barrier, marker, color=colour)
        right.plot(middle, 1.0 - 1.0 / (middle * entry.barrier), color=colour, linewidth=1.2)
    right.axhline(1.0, color=BLACK, linestyle="--", linewidth=1.0)
    left.set(xlabel=r"1/$\sigma$ (1/energy)", ylabel=r"$\log_{10} M$", title="Diffusion and barriers")
    right.set(xlabel=r"1/$\sigma$ (1/energy)", ylabel="slope / barrier", title="Local slopes")
    right.set_ylim(0.0, 1.1)
    left.legend(loc="lower left")
    caption = (
        "Points: M computed. Lines: Arrhenius' law, exp(-barrier/sigma), through the coldest point; the barrier is the "
        "height of the lowest saddle between a minimum and its copy in a next cell. Right: the slope of log M between "
        "neighbouring temperatures (points) and barrier - sigma (lines), the law of Eyring and Kramers."
    )
    return Plot("arrhenius", "Arrhenius' law", caption, figure)
