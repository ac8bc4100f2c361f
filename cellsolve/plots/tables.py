"""The chart of a batch: eigenvalues of the effective tensors, mesh by mesh, with their brackets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.errors import JobError
from cellsolve.plots.style import BLACK, COLOURS, GREY, MARKERS, Plot, new_figure, styled
from cellsolve.results.rows import OK, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bracket_eigenvalues", "table_plot"]

FloatArray = npt.NDArray[np.float64]
_RANKS = {1: (0,), 2: (0, 2), 3: (0, 1, 2)}
_RANKED = ("smallest", "middle", "largest")
_NAMED = 60
"""So many meshes have room for their names."""


@styled
def table_plot(rows: Sequence[Row]) -> Plot:
    """A line a mesh: the eigenvalues of K, a bar from the lower to the upper bound where there are bounds.

    Meshes that could not be solved keep their line, empty. Raises JobError for a table without solved rows.
    """
    solved = [k for k, row in enumerate(rows) if row["status"] == OK]
    if not solved:
        raise JobError(f"got a table of {len(rows)} rows, none of them solved; needed one at least. Look at `status`.")
    height = 1.4 + min(0.36 * len(rows), 18.0)
    figure, (axes,) = new_figure(1, 1, (8.0, max(height, 3.0)))
    for k in solved:
        _draw_row(axes, k, rows[k])
    failed = [k for k in range(len(rows)) if k not in set(solved)]
    _label(axes, rows, failed)
    caption = (
        "Eigenvalues of the effective tensors; bars are brackets, lower to upper bound. "
        f"Cells solved: {len(solved)}, not solved: {len(failed)}."
    )
    return Plot("eigenvalues", "Effective tensors by mesh", caption, figure)


def _draw_row(axes: Axes, k: int, row: Row) -> None:
    bounds, dim = bracket_eigenvalues(row), int(row["dim"])
    for i, rank in enumerate(_RANKS[dim]):
        height = k + 0.36 * (i - 0.5 * (dim - 1))  # eigenvalues that are equal are both seen
        if bounds is not None:
            axes.plot(
                bounds[:, i], [height, height], "|-", color=COLOURS[rank], linewidth=2.0, markersize=13.0, alpha=0.7
            )
        axes.plot(float(row[f"eigenvalue{i}"]), height, MARKERS[rank], color=COLOURS[rank], markersize=4.5)


def bracket_eigenvalues(row: Mapping[str, str | int | float]) -> FloatArray | None:
    """Eigenvalues of the lower and the upper bound (2, d), ascending: each of K lies between the two of its number."""
    dim = int(row["dim"])
    entries = [[f"{end}{i}{j}" for i in range(dim) for j in range(dim)] for end in ("lower", "upper")]
    if any(name not in row for names in entries for name in names):
        return None
    tensors = np.array([[float(row[name]) for name in names] for names in entries]).reshape(2, dim, dim)
    return np.linalg.eigvalsh(tensors)


def _label(axes: Axes, rows: Sequence[Row], failed: Sequence[int]) -> None:
    names = _short_names([str(row["mesh"]) for row in rows])
    if len(rows) <= _NAMED:
        axes.set_yticks(range(len(rows)), names)
        for k in failed:
            axes.get_yticklabels()[k].set_color(GREY)
    else:
        axes.set_ylabel("row of the table")
    values = [float(row[f"eigenvalue{i}"]) for row in rows if row["status"] == OK for i in range(int(row["dim"]))]
    if min(values) > 0 and max(values) > 100.0 * min(values):
        axes.set_xscale("log")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set(xlabel="eigenvalues of the effective tensor", title="Effective tensors by mesh")
    axes.grid(axis="y", color=GREY, alpha=0.2, linewidth=0.6)
    for rank in sorted({rank for row in rows if row["status"] == OK for rank in _RANKS[int(row["dim"])]}):
        axes.plot([], [], MARKERS[rank], color=COLOURS[rank], label=_RANKED[rank])
    if any("lower00" in row for row in rows):
        axes.plot([], [], "|-", color=BLACK, alpha=0.7, linewidth=2.0, markersize=13.0, label="bracket")
    if failed:
        axes.plot([], [], " ", label="grey name: not solved")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _short_names(names: Sequence[str]) -> list[str]:
    """File names, with folders where names alone are not different; the end of those that are long."""
    short = [PurePath(name).name for name in names]
    chosen = short if len(set(short)) == len(set(names)) else list(names)
    return [name if len(name) <= 40 else f"…{name[-39:]}" for name in chosen]
