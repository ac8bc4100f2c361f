"""Files that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellsolve.errors import JobError

__all__ = ["unwritable", "whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a scratch file that takes the place of ``path`` when the block ends well, and is gone otherwise.

    Raises JobError when the place cannot be written.
    """
    target = Path(path).resolve()  # through a link, to the file that it names
    if target.exists() and not target.is_file():
        raise JobError(f"cannot write {target}: it is no regular file. Give the path of a file.")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise unwritable(target, error) from None
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o666 & ~_umask())
        _see_to_disk(scratch)
        scratch.replace(target)
    except OSError as error:
        raise unwritable(target, error) from None
    finally:
        scratch.unlink(missing_ok=True)


def unwritable(path: str | os.PathLike[str], error: OSError) -> JobError:
    """The error of a place that the system does not let us write."""
    return JobError(f"cannot write {path}: {error.strerror or error}. Choose an output in a writable folder.")


def _see_to_disk(path: Path) -> None:
    """A file that is moved before its content is on the disk may be empty after a crash."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
