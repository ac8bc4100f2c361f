"""Equilibria of the full and of the homogenized dynamics: the densities, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import COLOURS, GREY, Plot, new_figure, round_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Densities", "Distances", "weak_and_strong"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Densities:
    """mu^eps and mu^0 at points x, all (n,)."""

    eps: float
    x: FloatArray
    full: FloatArray
    homogenized: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Between mu^eps and mu^0 at several eps, all (n,)."""

    eps: FloatArray
    weak: FloatArray
    total_variation: FloatArray
    entropy: FloatArray


@styled
def weak_and_strong(densities: Sequence[Densities], distances: Distances) -> Plot:
    """Left: mu^eps about mu^0 at two values of eps; right: W1, total variation and relative entropy against eps."""
    figure, (*left, right) = new_figure(1, len(densities) + 1, (4.2 * (len(densities) + 1), 4.2))
    for axes, entry in zip(left, densities, strict=True):
        _pair(axes, entry)
    left[0].set_ylabel("density (1/length)")
    top = 1.05 * max(float(entry.full.max()) for entry in densities)
    for axes in left:
        axes.set_ylim(0.0, top)
    left[0].legend(loc="upper right")
    _against_eps(right, distances)
    caption = (
        "Stationary densities of the full dynamics (thin) about that of the homogenized one (thick). As eps falls, "
        "averages of smooth functions agree: the weak distance W1 falls like eps (grey). The densities do not: total "
        "variation and relative entropy keep their limits."
    )
    return Plot("equilibrium", "The equilibrium converges weakly, not strongly", caption, figure)


def _pair(axes: Axes, entry: Densities) -> None:
    axes.fill_between(entry.x, 0.0, entry.full, color=COLOURS[5], alpha=0.35, linewidth=0)
    axes.plot(entry.x, entry.full, color=COLOURS[0], linewidth=0.8, label=r"$\mu^\varepsilon$")
    axes.plot(entry.x, entry.homogenized, color=COLOURS[1], linewidth=2.2, label=r"$\mu^0$")
    axes.set(xlabel="x (length)", title=rf"$\varepsilon$ = {entry.eps:g}")
    axes.set_xlim(float(entry.x[0]), float(entry.x[-1]))


def _against_eps(axes: Axes, found: Distances) -> None:
    axes.plot(found.eps, found.entropy, "^-", color=COLOURS[2], label="relative entropy")
    axes.plot(found.eps, found.total_variation, "s-", color=COLOURS[1], label="total variation")
    axes.plot(found.eps, found.weak, "o-", color=COLOURS[0], label=r"weak: $W_1$ (length)")
    guide = found.weak[0] * found.eps / found.eps[0]
    axes.plot(found.eps, 0.6 * guide, color=GREY, linewidth=1.0, label="slope 1")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=r"$\varepsilon$ (length)",
        ylabel=r"distance of $\mu^\varepsilon$ and $\mu^0$",
    )
    axes.set_title("Distances")
    round_ticks(axes.xaxis)
    axes.legend(loc="lower right")
