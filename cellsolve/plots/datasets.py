"""Figures of a result on a grid: profiles over a line, maps over the plane, and M against 1/sigma."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.errors import JobError
from cellsolve.plots.landscapes import Landscape, draw_ellipses, draw_free_energy, draw_map, round_levels
from cellsolve.plots.style import COLOURS, MARKERS, Plot, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

__all__ = ["GridResult", "dataset_plots", "grid_results"]

FloatArray = npt.NDArray[np.float64]
_NEEDED = ("diffusion", "free_energy", "error_estimate")
_DECADES = 100.0
"""Positive values that spread over more than this have a logarithmic scale."""


@dataclass(frozen=True, slots=True, eq=False)
class GridResult:
    """One temperature of a result: axes (n_i,), fields over the grid, tensors (.., d, d)."""

    sigma: float
    axes: tuple[FloatArray, ...]
    diffusion: FloatArray
    log_diffusion: FloatArray | None
    free_energy: FloatArray
    error: FloatArray
    lower: FloatArray | None
    upper: FloatArray | None

    @property
    def log_eigenvalues(self) -> FloatArray:
        """log of the eigenvalues of M (.., d), ascending; from log M where that is stored, as M may underflow."""
        if self.log_diffusion is not None:
            return np.asarray(np.linalg.eigvalsh(self.log_diffusion))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(np.linalg.eigvalsh(self.diffusion)))


def dataset_plots(dataset: xarray.Dataset) -> list[Plot]:
    """Figures of each temperature, and M against 1/sigma where there are several.

    On a line: M (with its bracket where there is one), Psi and the error estimate; on a plane: Psi with ellipses of M,
    the entries of M, the error estimate. Raises JobError for datasets that `cellsolve run` did not write, for three
    dimensions, for fields without finite values, and where matplotlib is missing.
    """
    results = grid_results(dataset)
    plots = [plot for result in results for plot in _of_one(result, len(results) > 1)]
    if len(results) > 1:
        plots.append(_temperatures(results))
    if not plots:
        raise JobError("the result holds one point at one temperature: nothing to draw. Look at it with `info`.")
    return plots


def grid_results(dataset: xarray.Dataset) -> list[GridResult]:
    """The arrays of each temperature. Raises JobError for a dataset that is no result on a grid."""
    missing = [name for name in _NEEDED if name not in dataset]
    if missing or dataset["diffusion"].dims[-2:] != ("i", "j"):
        what = f"no variable {', '.join(missing)}" if missing else f"diffusion over {dataset['diffusion'].dims}"
        raise JobError(f"got {what}; needed a result of `cellsolve run` on a grid. Give the file that it wrote.")
    several = "sigma" in dataset["diffusion"].dims
    parts = [dataset.isel(sigma=k) for k in range(dataset.sizes["sigma"])] if several else [dataset]
    found = [_grid_result(part) for part in parts]
    dim = len(found[0].axes)
    if dim not in (1, 2) or found[0].diffusion.shape[-1] != dim:
        raise JobError(f"got a result in {dim} dimensions; needed one in 1 or 2. Draw a slice of it by other means.")
    return found


def _grid_result(part: xarray.Dataset) -> GridResult:
    names = [str(name) for name in part["diffusion"].dims[:-2]]
    for name in _NEEDED:
        if not np.isfinite(part[name].to_numpy()).any():
            raise JobError(f"{name} has no finite value: nothing to draw. Compute the result anew.")
    sigma = part.coords["sigma"].item() if "sigma" in part.coords else part.attrs.get("sigma", np.nan)
    optional = {n: part[n].to_numpy() if n in part else None for n in ("log_diffusion", "lower", "upper")}
    return GridResult(
        sigma=float(sigma),
        axes=tuple(np.asarray(part[name].to_numpy(), dtype=float) for name in names),
        diffusion=part["diffusion"].to_numpy(),
        free_energy=part["free_energy"].to_numpy(),
        error=part["error_estimate"].to_numpy(),
        **optional,
    )


def _of_one(result: GridResult, several: bool) -> Iterator[Plot]:
    suffix = f"_sigma_{result.sigma:g}" if several else ""
    long = [k for k, axis in enumerate(result.axes) if len(axis) > 1]
    if len(long) == 1:
        yield _profiles(result, long[0], suffix)
    elif len(long) == 2:
        yield _landscape(result, suffix)
        yield _entries(result, suffix)
        yield _errors(result, suffix)


@styled
def _profiles(result: GridResult, along: int, suffix: str) -> Plot:
    """M, Psi and the error over the only axis with several points."""
    figure, (above, middle, below) = new_figure(3, 1, (7.0, 8.0))
    x, count = result.axes[along], len(result.axes[along])
    dim = result.diffusion.shape[-1]
    for n, (i, j) in enumerate([(0, 0), (1, 1), (0, 1)][: 1 if dim == 1 else 3]):
        label = "$M$" if dim == 1 else f"$M_{{{i}{j}}}$"
        above.plot(x, result.diffusion.reshape(count, dim, dim)[:, i, j], color=COLOURS[n], label=label)
        if result.lower is not None and result.upper is not None and i == j:
            low, high = (bound.reshape(count, dim, dim)[:, i, i] for bound in (result.lower, result.upper))
            above.fill_between(x, low, high, color=COLOURS[n], alpha=0.25, linewidth=0, label=f"bracket of {label}")
    middle.plot(x, result.free_energy.ravel(), color=COLOURS[0])
    below.plot(x, np.maximum(result.error.ravel(), 1e-16), color=COLOURS[1])
    _label_profiles((above, middle, below), result, along)
    if np.all(np.diagonal(result.diffusion, axis1=-2, axis2=-1) > 0) and dim == 1:
        _logarithmic_where_wide(above, result.diffusion)
    caption = "Effective diffusion, free energy and estimated relative error of M along the grid."
    return Plot(f"profiles{suffix}", f"Effective coefficients{_at(result)}", caption, figure)


def _label_profiles(panels: tuple[Axes, Axes, Axes], result: GridResult, along: int) -> None:
    above, middle, below = panels
    above.set(ylabel="diffusion $M$ (free = 1)", title=f"Effective coefficients{_at(result)}")
    if len(above.lines) > 1 or result.lower is not None:
        above.legend(loc="best")
    middle.set(ylabel=r"free energy $\Psi$ (unit of $V$)")
    below.set(ylabel="relative error of $M$,\nestimated", xlabel=f"$x_{along}$ (length)")
    _error_scale(below, result.error)
    for axes in panels:
        axes.margins(x=0)


def _error_scale(axes: Axes, error: FloatArray) -> None:
    """Logarithmic where there are decades to be told apart; else from zero, so that what is constant looks so."""
    finite = np.maximum(error[np.isfinite(error)], 1e-16)
    if finite.max() > 10.0 * finite.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.25 * finite.max())
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))


def _logarithmic_where_wide(axes: Axes, values: FloatArray) -> None:
    finite = values[np.isfinite(values) & (values > 0)]
    if finite.size and finite.max() > _DECADES * finite.min():
        axes.set_yscale("log")


@styled
def _landscape(result: GridResult, suffix: str) -> Plot:
    figure, (axes,) = new_figure(1, 1, (7.4, 5.8))
    field = Landscape(result.axes[0], result.axes[1], result.free_energy, result.diffusion)
    finite = field.free_energy[np.isfinite(field.free_energy)]
    low, high = float(finite.min()), float(finite.max())
    top = min(high, low + 12.0 * result.sigma) if np.isfinite(result.sigma) else high
    levels = round_levels(low, top)
    shown = draw_free_energy(axes, field, levels)
    draw_ellipses(axes, field, 11, field.free_energy <= levels[-1])
    axes.set_title(f"Free energy and ellipses of $M${_at(result)}")
    bar = figure.colorbar(shown, ax=axes, label=r"free energy $\Psi$ (unit of $V$)", format="%.4g")
    bar.set_ticks(levels[:: max(1, len(levels) // 6)].tolist())
    caption = (
        "Semi-axes are proportional to the square roots of the eigenvalues of M; thin circles, where drawn, are those "
        f"of a free particle. Largest eigenvalue {np.exp(np.nanmax(result.log_eigenvalues)):.3g}."
    )
    return Plot(f"landscape{suffix}", f"Free energy and ellipses of M{_at(result)}", caption, figure)


@styled
def _entries(result: GridResult, suffix: str) -> Plot:
    figure, panels = new_figure(1, 3, (13.0, 4.2))
    for axes, (i, j) in zip(panels, ((0, 0), (0, 1), (1, 1)), strict=True):
        values = result.diffusion[..., i, j]
        mesh = draw_map(axes, *_plane_axes(result), values, *_colours(values, i == j))
        axes.set_title(f"$M_{{{i}{j}}}${_at(result)}")
        bar = axes.inset_axes((1.03, 0.0, 0.05, 1.0))  # as high as the panel, whatever its aspect
        figure.colorbar(mesh, cax=bar, format="%.3g", label="free particle = 1")
    caption = "The entries of the effective diffusion tensor, in units of the free mobility."
    return Plot(f"diffusion{suffix}", f"Entries of M{_at(result)}", caption, figure)


def _colours(values: FloatArray, diagonal: bool) -> tuple[str, tuple[float, float]]:
    """A map of two colours about zero off the diagonal."""
    if diagonal:
        return "viridis", (float(np.nanmin(values)), float(np.nanmax(values)))
    reach = float(np.nanmax(np.abs(values))) or 1.0
    return "PuOr", (-reach, reach)


@styled
def _errors(result: GridResult, suffix: str) -> Plot:
    figure, (axes,) = new_figure(1, 1, (6.6, 5.0))
    exponents = np.log10(np.maximum(result.error, 1e-16))
    limits = float(np.nanmin(exponents)), float(np.nanmax(exponents))
    mesh = draw_map(axes, *_plane_axes(result), exponents, "cividis", limits)
    axes.set_title(f"Estimated relative error of $M${_at(result)}")
    figure.colorbar(mesh, ax=axes, label=r"$\log_{10}$ of the relative error", format="%.3g")
    caption = "The estimated relative error of the effective diffusion tensor, over the grid."
    return Plot(f"error{suffix}", f"Estimated relative error of M{_at(result)}", caption, figure)


@styled
def _temperatures(results: list[GridResult]) -> Plot:
    """The eigenvalues of M in the middle of the grid against 1/sigma."""
    figure, (axes,) = new_figure(1, 1, (6.8, 4.8))
    middle = tuple(len(axis) // 2 for axis in results[0].axes)
    order = np.argsort([-result.sigma for result in results])
    beta = np.array([1.0 / results[k].sigma for k in order])
    logs = np.stack([results[k].log_eigenvalues[middle] for k in order]) / np.log(10.0)
    for k in range(logs.shape[1]):
        label = "M" if logs.shape[1] == 1 else ("smaller eigenvalue", "larger eigenvalue")[k]
        axes.plot(beta, logs[:, k], MARKERS[k] + "-", color=COLOURS[k], label=label)
    where = ", ".join(
        f"$x_{i}$ = {axis[m]:.3g}" for i, (axis, m) in enumerate(zip(results[0].axes, middle, strict=True))
    )
    axes.set(xlabel=r"1/$\sigma$ (1/energy)", ylabel=r"$\log_{10} M$", title=f"Diffusion and temperature at {where}")
    if logs.shape[1] > 1:
        axes.legend(loc="best")
    axes.margins(x=0.08, y=0.12)
    caption = "The eigenvalues of the effective diffusion tensor at one point, against the inverse temperature."
    return Plot("temperatures", "Diffusion and temperature", caption, figure)


def _plane_axes(result: GridResult) -> tuple[FloatArray, FloatArray]:
    x0, x1 = result.axes
    return x0, x1


def _at(result: GridResult) -> str:
    return f", $\\sigma$ = {result.sigma:g}" if np.isfinite(result.sigma) else ""
