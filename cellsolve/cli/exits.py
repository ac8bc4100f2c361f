"""Exit codes, and the group of commands that turns errors into one message and a code."""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import Any

import click

from cellsolve.errors import CellsolveError, ConvergenceError, MeshError

__all__ = ["Commands", "Exit", "exit_code", "explanation", "say_error"]


class Exit(IntEnum):
    """What the process returns."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_CONVERGED = 3
    MESH = 4
    SOME_FAILED = 5
    INTERRUPTED = 130


class Commands(click.Group):
    """A group whose commands end with ``error: ..`` on stderr and an exit code, never with a traceback, for all errors
    that are not mistakes of the program itself."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say_error("interrupted")
            ctx.exit(Exit.INTERRUPTED)
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            say_error(explanation(error))
            ctx.exit(code)


def exit_code(error: Exception) -> Exit | None:
    """The exit code of an error; None for one that is to be passed on (a closed pipe, a mistake of the program)."""
    from concurrent.futures import BrokenExecutor

    if isinstance(error, ConvergenceError):
        return Exit.NOT_CONVERGED
    if isinstance(error, MeshError):
        return Exit.MESH
    if isinstance(error, CellsolveError):
        return Exit.USAGE
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return None
    return Exit.FAILURE if isinstance(error, OSError | MemoryError | BrokenExecutor) else None


def explanation(error: Exception) -> str:
    """One message for people."""
    from concurrent.futures import BrokenExecutor

    if isinstance(error, BrokenExecutor):
        return "a worker process died, perhaps for want of memory. Use fewer workers (-j), or coarser cells."
    if isinstance(error, MemoryError):
        what = f" ({error})" if str(error) else ""
        return f"out of memory{what}. Use fewer workers (-j), fewer points or coarser cells."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error) or type(error).__name__


def say_error(text: str) -> None:
    """``error: text`` on stderr."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(text, err=True)
