"""Worker processes, started afresh (spawn), gone when the command ends, is interrupted or terminated."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

__all__ = ["leaving_on_termination", "worker_pool"]


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """A pool of ``workers`` processes; None for one worker, which is this process itself."""
    if workers == 1:
        yield None
        return
    others = set(active_children())
    with leaving_on_termination():
        pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_die_quietly)
        try:
            yield pool
        except BaseException:
            for child in set(active_children()) - others:
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def leaving_on_termination() -> Iterator[None]:
    """A batch system ends jobs by SIGTERM: leave by the way that takes the workers along."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _die_quietly() -> None:
    """Ctrl-C reaches workers too: let it end them without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
