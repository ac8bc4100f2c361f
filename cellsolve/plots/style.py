"""One look for all figures, and the only door to matplotlib, which is imported when the first figure is made.

Colours: Okabe and Ito (2008), told apart with every kind of colour vision; maps: viridis and cividis.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cellsolve.errors import JobError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "BLACK",
    "COLOURS",
    "GREY",
    "MARKERS",
    "Plot",
    "available",
    "image",
    "new_figure",
    "round_ticks",
    "styled",
    "svg",
]

P = ParamSpec("P")
R = TypeVar("R")

BLACK, GREY = "#222222", "#8a8a8a"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": True,
    "axes.unicode_minus": True,
    "text.color": BLACK,
    "axes.labelcolor": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "image.cmap": "viridis",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "cellsolve",
}


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """A figure, the file name it deserves, and words for those who read it."""

    name: str
    title: str
    caption: str
    figure: Figure


def available() -> bool:
    """Is matplotlib installed?"""
    return find_spec("matplotlib") is not None


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A function that draws in the style of this module. Raises JobError where matplotlib is not installed."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        if not available():
            raise JobError(
                "figures need matplotlib, which is not installed. Install it: pip install 'cellsolve[plot]'."
            )
        import matplotlib as mpl

        with mpl.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return drawn


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of ``size`` inches, and its axes row by row. To be called from functions that are `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def round_ticks(axis: Axis) -> None:
    """1, 2, 5, 10, 20 .. on a logarithmic axis, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}".replace(",", "\u2009")))
    axis.set_minor_locator(NullLocator())


@styled
def image(plot: Plot, form: str) -> bytes:
    """The bytes of a file of the figure, ``form`` "png", "svg" or "pdf"; the same every time."""
    content = io.BytesIO()
    dateless: dict[str, object] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    plot.figure.savefig(content, format=form, dpi=200, metadata=dateless[form])
    return content.getvalue()


def svg(plot: Plot) -> str:
    """The figure as SVG text."""
    return image(plot, "svg").decode()
