"""Rates: spectral gaps of the full dynamics against eps, their limit and their bound; and M against many scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import BLACK, COLOURS, GREY, MARKERS, Plot, new_figure, round_ticks, styled

__all__ = ["DiffusionByScales", "GapSeries", "diffusion_against_scales", "gaps_against_eps"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GapSeries:
    """Gaps (n,) of the full dynamics at several eps (n,), that of the homogenized one, their bound, and that of V0."""

    label: str
    eps: FloatArray
    gaps: FloatArray
    limit: float
    bound: float
    slow: float


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionByScales:
    """log M (n,) of potentials with the numbers (n,) of scales at a temperature.

    ``rate``: log M_1, where all scales are identical, or None.
    """

    label: str
    sigma: float
    scales: FloatArray
    log_diffusion: FloatArray
    rate: float | None


def _name(entry: DiffusionByScales) -> str:
    kind = "each scale coupled to the next" if entry.rate is None else "identical scales"
    return rf"{entry.label}, {kind}, $\sigma$ = {entry.sigma:g}"


@styled
def gaps_against_eps(entry: GapSeries) -> Plot:
    """Left: gaps between the bound and the gap of V0; right: how far they are from their limit."""
    figure, (left, right) = new_figure(1, 2, (10.4, 4.4))
    ends = np.array([entry.eps.min() / 1.4, entry.eps.max() * 1.4])
    left.fill_between(ends, entry.bound / 10.0, entry.bound, color=GREY, alpha=0.15, linewidth=0)
    left.axhline(entry.slow, color=GREY, linewidth=1.2, linestyle=":", label=r"$V_0$ alone")
    left.plot(entry.eps, entry.gaps, "o-", color=COLOURS[0], label=r"full dynamics, $\lambda^\varepsilon$", zorder=3)
    left.axhline(entry.limit, color=COLOURS[1], label=r"homogenized, $\lambda^0$")
    left.axhline(
        entry.bound,
        color=BLACK,
        linestyle="--",
        linewidth=1.2,
        label=r"bound $e^{-\mathrm{osc}\,V_1/\sigma}\lambda(V_0)$",
    )
    left.set(
        xscale="log", yscale="log", xlabel=r"$\varepsilon$ (length)", ylabel="spectral gap (1/time)", title=entry.label
    )
    left.set_xlim(*ends)
    left.set_ylim(entry.bound / 3.0, 10.0 * entry.slow)
    left.legend(loc="upper left", ncols=2)
    error = np.abs(entry.gaps / entry.limit - 1.0)
    right.plot(entry.eps, error, "o-", color=COLOURS[0], label=r"$|\lambda^\varepsilon/\lambda^0 - 1|$")
    small = entry.eps[len(entry.eps) // 2 :]
    right.plot(small, 0.4 * error[-1] * (small / small[-1]) ** 2, color=GREY, linewidth=1.0, label="slope 2")
    right.set(
        xscale="log",
        yscale="log",
        xlabel=r"$\varepsilon$ (length)",
        ylabel="relative difference",
        title="Order of convergence",
    )
    right.legend(loc="upper left")
    for axes in (left, right):
        round_ticks(axes.xaxis)
    caption = (
        "The slowest rate of relaxation of the full dynamics (points) tends to that of the homogenized one, like eps^2 "
        "once a period is short against the well; at longer ones the difference may change its sign. All lie above "
        "the common bound (dashed), which knows of V1 its oscillation alone."
    )
    return Plot("spectral_gaps", "Rates of relaxation converge", caption, figure)


@styled
def diffusion_against_scales(series: Sequence[DiffusionByScales]) -> Plot:
    """log M against the number of scales, and lines N log M_1 where all scales are identical."""
    figure, (axes,) = new_figure(1, 1, (7.4, 4.6))
    for entry, colour, marker in zip(series, COLOURS, MARKERS, strict=False):
        axes.plot(entry.scales, entry.log_diffusion / np.log(10.0), marker, color=colour, label=_name(entry))
        if entry.rate is not None:
            line = np.array([0.0, entry.scales.max()])
            axes.plot(line, entry.rate * line / np.log(10.0), color=colour, linewidth=1.2)
    axes.set(xlabel="number of scales N", ylabel=r"$\log_{10} M$", title="Diffusion through many scales")
    axes.set_xticks(np.arange(0, int(max(entry.scales.max() for entry in series)) + 1))
    axes.legend(loc="lower left")
    caption = (
        "Points: M computed. Lines: N log M_1, which identical scales follow exactly; each scale slows diffusion down "
        "by the same factor. Where every scale is coupled to the next one, the steps settle."
    )
    return Plot("many_scales", "Each scale slows diffusion down by a factor", caption, figure)
