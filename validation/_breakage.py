"""One way to get a formula wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from cellsolve.cellproblem.bounds import Bracket

__all__ = ["Breakage", "Wrong", "after", "scaled"]

Wrong = Callable[[Any], Any]
"""From the right function to a wrong one."""


@dataclass(frozen=True, slots=True)
class Breakage:
    """``wrong`` takes the place of ``name`` in ``owner``."""

    formula: str
    words: str
    owner: object
    name: str
    wrong: Wrong

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Brackets upside down are not refused meanwhile: the claims are to see them."""
        wrong = self.wrong(getattr(self.owner, self.name))
        with patch.object(Bracket, "inverted", False), patch.object(self.owner, self.name, wrong):
            yield


def after(change: Callable[..., Any]) -> Wrong:
    """Change the result: ``change(result, *arguments)``."""
    return lambda right: lambda *args, **keywords: change(right(*args, **keywords), *args)


def scaled(factor: float) -> Wrong:
    """Of a property."""
    return lambda right: property(lambda self: factor * right.fget(self))
