"""Can the result be written? Asked before anything is computed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cellsolve.errors import JobError
from cellsolve.results.table import SUFFIXES

__all__ = ["check_table", "check_writable"]


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
    if path.suffix.lower() not in SUFFIXES:
        needed = " or ".join(SUFFIXES)
        raise JobError(f"cannot write {path}: got the suffix {path.suffix!r}, needed {needed}. Rename the output.")
    check_writable(path)
