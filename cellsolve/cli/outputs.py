"""Can the result be written? Asked before anything is computed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cellsolve.errors import JobError
from cellsolve.results.table import check_suffix

__all__ = ["check_table", "check_writable", "make_folder"]


def check_writable(path: Path) -> None:
    """Raise JobError where a file at ``path`` could not be made or replaced. Leaves nothing behind."""
    if path.is_dir():
        raise JobError(f"cannot write {path}: it is a folder. Give the path of a file.")
    if path.exists() and not path.is_file():
        raise JobError(f"cannot write {path}: it is no regular file. Give the path of a file.")
    if not path.parent.is_dir():
        raise JobError(f"cannot write {path}: there is no folder {path.parent}. Make it, or choose another output.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise JobError(f"cannot write {path}: {reason}. Choose an output in a writable folder.") from None


def check_table(path: Path) -> None:
    """The same for a table, whose suffix must be one that is known."""
    check_suffix(path)
    check_writable(path)


def make_folder(path: Path) -> None:
    """Make a folder for outputs, unless it is there. Raises JobError where that is not possible."""
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise JobError(f"cannot make the folder {path}: there is no folder {path.parent}. Make it first.") from None
    except OSError as error:
        raise JobError(f"cannot make the folder {path}: {error.strerror or error}. Give another one.") from None
    check_writable(path / "fields.vtu")
