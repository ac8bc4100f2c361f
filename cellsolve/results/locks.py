"""One writer at a time: an advisory lock beside a file, let go by the system however its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellsolve.errors import JobError
from cellsolve.results.whole_file import unwritable

__all__ = ["sole_writer"]


@contextmanager
def sole_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of the file at ``path``, which need not exist; replacing the file leaves the lock alone.

    Raises JobError when another process holds it, or when no lock can be made there.
    """
    target = Path(path).resolve()
    lock = target.with_name(f".{target.name}.lock")
    try:
        handle = _held(lock)
    except BlockingIOError:
        raise JobError(f"{path} is being written by another run. Wait for it, or give another output (-o).") from None
    except OSError as error:
        raise unwritable(lock, error) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held, so that nobody takes a lock that is about to go
        os.close(handle)


def _held(lock: Path) -> int:
    """The locked file that stands at ``lock``: one that was taken away meanwhile by its last holder is not it."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(lock: Path, handle: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
