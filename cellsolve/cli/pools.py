"""Worker processes: one pool, started afresh (spawn), gone when the command ends or is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

__all__ = ["worker_pool"]


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """A pool of ``workers`` processes; None for one worker, which is this process itself."""
    if workers == 1:
        yield None
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_die_quietly)
    try:
        yield pool
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _die_quietly() -> None:
    """Ctrl-C reaches workers too: let it end them without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
