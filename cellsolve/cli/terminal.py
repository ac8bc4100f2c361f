"""What a person sees: consoles, numbers in words, progress. Messages go to stderr, results to stdout."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

__all__ = ["duration", "echo_json", "facts", "messages", "plain_table", "progress_bar", "results", "size", "spread"]

_PIPE_WIDTH = 200
_LONGEST_CLOCK = 360_000.0


def messages() -> Console:
    """The console on stderr."""
    return _console(Console(stderr=True, highlight=False, markup=False, emoji=False))


def results() -> Console:
    """The console on stdout."""
    return _console(Console(highlight=False, markup=False, emoji=False))


def _console(console: Console) -> Console:
    """A pipe has no width: tables are not squeezed into 80 columns there."""
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def plain_table(*columns: str, title: str | None = None) -> Table:
    """A table with a rule under its head; the first column to the left, the others to the right and never broken."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        padding=(0, 1, 0, 0),
    )
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=bool(number))
    table.columns[0].min_width = 12
    return table


def facts(pairs: Mapping[str, str]) -> Table:
    """Names and values below each other."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, value)
    return table


def echo_json(data: Any) -> None:
    """``data`` as JSON on stdout; NaN and infinity, which JSON lacks, as null."""
    click.echo(json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def spread(low: float, high: float) -> str:
    """``low .. high``, or one number where they do not differ in the digits shown."""
    texts = dict.fromkeys(f"{value:.6g}" for value in (low, high))
    return " .. ".join(texts)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if not seconds < _LONGEST_CLOCK:
        return f"{seconds / 86_400:.3g} days"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


class _Rate(ProgressColumn):
    """Things a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "", style="dim")


@contextmanager
def progress_bar(text: str, things: str) -> Iterator[Callable[[int, int], None]]:
    """``report(done, total)``: a bar with the count of ``things``, their rate and the time left; only on a terminal."""
    console = messages()
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn(things),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
