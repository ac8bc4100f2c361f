"""What becomes of a table that is there already: refused, replaced, or gone on with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellsolve.cli.items import Item, Outcome
from cellsolve.errors import JobError
from cellsolve.results.rows import OK, Row
from cellsolve.results.table_reading import read_table

__all__ = ["Start", "Starting", "anew", "only_new", "resumed", "resumed_job"]


@dataclass(frozen=True, slots=True)
class Start:
    """``rows``: what the table begins with; ``kept``: those of them that answer an item; ``items``: what is to do."""

    rows: tuple[Row, ...]
    kept: tuple[Outcome, ...]
    items: tuple[Item, ...]


Starting = Callable[[Path, Sequence[Item]], Start]


def anew(_path: Path, items: Sequence[Item]) -> Start:
    """All items, whatever is there."""
    return Start((), (), tuple(items))


def only_new(path: Path, items: Sequence[Item]) -> Start:
    """All items, for a table that is not there yet. Raises JobError rather than lose work that was done."""
    if path.exists() and path.stat().st_size:
        raise JobError(
            f"{path} is there already. Give --resume to go on with it (meshes that are done are skipped), --overwrite "
            "to start anew, or another output (-o)."
        )
    return anew(path, items)


def resumed(path: Path, items: Sequence[Item]) -> Start:
    """Items without a row that is well: none yet, a failed one, or one of a file that has changed since.

    One row a mesh is kept; those of meshes that are no items stay. Raises JobError for a table that was made with
    other settings, or is none.
    """
    rows = {_file(str(row["mesh"])): row for row in read_table(path)}
    for row in rows.values():
        _check_settings(path, row, items[0])
    done = {_file(item.name): item for item in items if _is_done(rows.get(_file(item.name), {}), item)}
    wanted = {_file(item.name) for item in items}
    kept = tuple(Outcome(row, kept=True) for file, row in rows.items() if file in done)
    stay = tuple(row for file, row in rows.items() if file in done or file not in wanted)
    return Start(stay, kept, tuple(item for item in items if _file(item.name) not in done))


def resumed_job(path: Path, items: Sequence[Item]) -> Start:
    """Items of a job without a row that is well. Its cells have names and settings of their own, which a row must
    share; raises JobError for a table with other rows."""
    rows = read_table(path)
    for row in rows:
        named = [item for item in items if item.name == row["mesh"]]
        if not named:
            raise JobError(
                f"{path} has a row of {row['mesh']}, which is no cell of this job. Give the same job, or another "
                "output (-o)."
            )
        if not any(row.get("settings") == item.settings for item in named):
            _check_settings(path, row, named[0])
    kept, left = list[Outcome](), list[Item]()
    for item in items:
        answers = [row for row in rows if _answers(row, item)]
        if answers:
            kept.append(Outcome(answers[-1], kept=True))
        else:
            left.append(item)
    return Start(tuple(outcome.row for outcome in kept), tuple(kept), tuple(left))


def _answers(row: Row, item: Item) -> bool:
    """Is it the row of this cell, well, and of the same file?"""
    same = row["mesh"] == item.name and row.get("settings") == item.settings
    return same and _is_done(row, item)


def _file(name: str) -> Path:
    return Path(name).resolve()


def _is_done(row: Row, item: Item) -> bool:
    content = {"file_hash": row["file_hash"]} if "file_hash" in row else {}
    well = row.get("status") == OK and _is_finite(row) and content == item.source.content()
    return well and (item.fields is None or _has_fields(row, item.fields))


def _is_finite(row: Row) -> bool:
    """Numbers that no run has written are not believed."""
    numbers = [value for value in row.values() if isinstance(value, float)]
    return all(math.isfinite(value) for value in numbers)


def _has_fields(row: Row, path: Path) -> bool:
    """Without unknowns there are none: nothing conducts."""
    return row.get("unknowns") == 0 or (row.get("fields") == str(path) and path.is_file())


def _check_settings(path: Path, row: Row, item: Item) -> None:
    before, now = _parsed(str(row.get("settings", "{}"))), _parsed(item.settings)
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        differences = "; ".join(f"{name} {_shown(before, name)}, now {_shown(now, name)}" for name in names)
        raise JobError(
            f"{path} was made with other settings: {differences}. Give the same ones, --overwrite to start anew, or "
            "another output (-o)."
        )


def _parsed(settings: str) -> dict[str, object]:
    """What cannot be read counts as none."""
    try:
        parsed = json.loads(settings)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _shown(settings: dict[str, object], name: str) -> str:
    return json.dumps(settings[name], ensure_ascii=False) if name in settings else "not given"
