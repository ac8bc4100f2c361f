"""One BLAS thread: the products here are small, and more threads would only get in each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """As a context or a decorator: numerical libraries use one thread inside."""
    with threadpool_limits(limits=1):
        yield
