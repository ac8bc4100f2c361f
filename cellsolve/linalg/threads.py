"""One BLAS thread: the products here are small, and more threads would only get in each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """As a context or a decorator: numerical libraries use one thread inside."""
    with _controller().limit(limits=1):
        yield


@cache
def _controller() -> ThreadpoolController:
    """The numerical libraries of this process: finding them takes a millisecond, and they stay."""
    return ThreadpoolController()
