"""The plane: free energy with ellipses of the effective diffusion, maps of tensor entries and of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.plots.style import GREY, Plot, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.contour import QuadContourSet

__all__ = ["Landscape", "draw_ellipses", "draw_free_energy", "draw_map", "ellipses", "round_levels", "rugged_landscape"]

FloatArray = npt.NDArray[np.float64]
_SMALL = 0.2
"""Ellipses that are all smaller than this part of the circle of M = I are enlarged."""
_AMBER, _RUST = "#f2a65a", "#7a3300"
_ROUND = np.linspace(0.0, 2.0 * np.pi, 61)


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """Fields over a grid x0 (n0,), x1 (n1,): Psi (n0, n1) and M (n0, n1, 2, 2)."""

    x0: FloatArray
    x1: FloatArray
    free_energy: FloatArray
    diffusion: FloatArray


@styled
def rugged_landscape(rugged: Landscape, smooth: Landscape, sigma: float, eps: float) -> Plot:
    """Left the potential V^eps (as the free energy of ``rugged``), right what is left of it: Psi and ellipses of M."""
    figure, (left, right) = new_figure(1, 2, (10.6, 4.6))
    low = float(np.floor(smooth.free_energy.min()))
    levels = np.arange(low, low + 9.0 * sigma, 0.5 * sigma)
    draw_map(left, rugged.x0, rugged.x1, rugged.free_energy, "Blues_r", (levels[0], levels[-1]))
    left.set_title(f"$V^\\varepsilon$, $\\varepsilon$ = {eps:g}")
    shown = draw_free_energy(right, smooth, levels)
    draw_ellipses(right, smooth, 11, smooth.free_energy <= levels[-1])
    right.set_title(f"$\\Psi$ and ellipses of $M$, $\\sigma$ = {sigma:g}")
    bar = figure.colorbar(shown, ax=[left, right], label="energy (unit of $V$)")
    bar.set_ticks(levels[::4].tolist())
    caption = (
        "Left: the rugged potential. Right: its free energy and, where a particle comes to, how far it spreads in a "
        "short time: an ellipse with semi-axes proportional to the square roots of the eigenvalues of M. The thin "
        "circle would be that of a particle without ruggedness."
    )
    return Plot("rugged_landscape", "Effective diffusion over a rugged landscape", caption, figure)


def draw_map(
    axes: Axes, x0: FloatArray, x1: FloatArray, values: FloatArray, cmap: str, limits: tuple[float, float]
) -> QuadMesh:
    """Values (n0, n1) as colours; in a vector file, one picture."""
    low, high = limits
    mesh = axes.pcolormesh(
        x0, x1, values.T, shading="nearest", rasterized=True, cmap=cmap, vmin=low, vmax=high, linewidth=0
    )
    _plane(axes, x0, x1)
    return mesh


def draw_free_energy(axes: Axes, field: Landscape, levels: FloatArray) -> QuadContourSet:
    """Filled contours of Psi; what lies above all levels has one colour."""
    extend = "max" if float(np.nanmax(field.free_energy)) > levels[-1] else "neither"
    shown = axes.contourf(field.x0, field.x1, field.free_energy.T, levels, cmap="Blues_r", extend=extend)
    _plane(axes, field.x0, field.x1)
    return shown


def round_levels(low: float, high: float, most: int = 24) -> FloatArray:
    """From below ``low`` to above ``high`` in steps of 1, 2 or 5 times a power of ten, up to about most."""
    span = high - low if high - low > 1e-9 * max(1.0, abs(low)) else 1.0
    power = 10.0 ** np.floor(np.log10(span / most))
    step = power * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power * most >= span)
    count = int(np.ceil((low + span) / step - 1e-9) - np.floor(low / step + 1e-9))
    return np.asarray((np.floor(low / step + 1e-9) + np.arange(count + 1)) * step)


def draw_ellipses(axes: Axes, field: Landscape, most: int, where: npt.NDArray[np.bool_] | None = None) -> None:
    """At up to most x most points of the grid, among them those ``where`` (n0, n1).

    With a circle each for M = I, unless all are too small beside it: then the largest one fills its place.
    """
    rows, columns = (_spread(len(axis), most) for axis in (field.x0, field.x1))
    points = np.stack(np.meshgrid(field.x0[rows], field.x1[columns], indexing="ij"), axis=-1)
    finite = np.asarray(np.isfinite(field.diffusion).all(axis=(-2, -1)))
    chosen = (finite if where is None else finite & where)[np.ix_(rows, columns)]
    tensors = field.diffusion[np.ix_(rows, columns)][chosen]
    if not len(tensors):
        return
    reach = 0.46 * min(_gap(field.x0[rows]), _gap(field.x1[columns]))
    largest = float(np.sqrt(max(np.linalg.eigvalsh(tensors).max(), np.finfo(float).tiny)))
    scale = reach / (largest if largest < _SMALL else max(1.0, largest))
    circle = reach * np.stack([np.cos(_ROUND), np.sin(_ROUND)])
    for (a, b), outline in zip(points[chosen], scale * ellipses(tensors), strict=True):
        if largest >= _SMALL:
            axes.plot(a + circle[0], b + circle[1], color=GREY, linewidth=0.5)
        axes.fill(a + outline[0], b + outline[1], facecolor=_AMBER, edgecolor=_RUST, linewidth=0.8, alpha=0.9)
    axes.set(xlim=_ends(np.append(field.x0, points[chosen][:, :1] + [-reach, reach])))
    axes.set(ylim=_ends(np.append(field.x1, points[chosen][:, 1:] + [-reach, reach])))


def ellipses(tensors: FloatArray) -> FloatArray:
    """Outlines { M^(1/2) u, |u| = 1 } of symmetric tensors (k, 2, 2) -> (k, 2, points)."""
    values, vectors = np.linalg.eigh(tensors)
    roots = np.einsum("kia,ka,kja->kij", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
    outlines: FloatArray = roots @ np.stack([np.cos(_ROUND), np.sin(_ROUND)])
    return outlines


def _spread(length: int, most: int) -> npt.NDArray[np.int64]:
    """Up to ``most`` numbers below ``length``, evenly apart and with equal margins."""
    step = max(1, -(-length // most))
    count = max(1, length // step)
    return np.arange(count) * step + (length - 1 - (count - 1) * step) // 2


def _gap(axis: FloatArray) -> float:
    return float(np.diff(axis).min()) if len(axis) > 1 else 1.0


def _plane(axes: Axes, x0: FloatArray, x1: FloatArray) -> None:
    axes.set(xlabel="$x_0$ (length)", ylabel="$x_1$ (length)")
    axes.set_aspect("equal" if _comparable(x0, x1) else "auto")
    axes.set(xlim=_ends(x0), ylim=_ends(x1))


def _ends(axis: FloatArray) -> tuple[float, float]:
    return (float(axis.min()), float(axis.max())) if np.ptp(axis) > 0 else (float(axis[0]) - 0.5, float(axis[0]) + 0.5)


def _comparable(x0: FloatArray, x1: FloatArray) -> bool:
    """Do both axes fit one scale?"""
    spans = sorted((np.ptp(x0), np.ptp(x1)))
    return bool(spans[0] > 0 and spans[1] / spans[0] < 4.0)
