"""Processes that work on one thing at a time each, so that it is known which one a process died of."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import current_thread, main_thread
from typing import Generic, TypeVar, cast

from cellsolve.cli.pools import leaving_on_termination

__all__ = ["Death", "apply_in_processes"]

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Death:
    """A process ended while it worked. ``exit_code``: negative for a signal."""

    exit_code: int

    @property
    def words(self) -> str:
        """How, and perhaps why."""
        if self.exit_code >= 0:
            return f"its process ended with exit code {self.exit_code}"
        try:
            name = signal.Signals(-self.exit_code).name
        except ValueError:
            name = f"signal {-self.exit_code}"
        return f"its process was ended by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")


def apply_in_processes(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], workers: int
) -> Generator[tuple[int, Result | Death], None, None]:
    """The number and result of each argument as it is done; a process that dies is replaced by another one.

    ``function`` and arguments must be such that processes can be given them (pickle).
    """
    waiting = deque(enumerate(arguments))
    idle = list[_Worker[Argument, Result]]()
    busy = dict[Connection, tuple[int, _Worker[Argument, Result]]]()
    with leaving_on_termination():
        try:
            while waiting or busy:
                while waiting and len(busy) < workers:
                    worker = idle.pop() if idle else _Worker.start(function)
                    number, argument = waiting.popleft()
                    worker.begin(argument)
                    busy[worker.connection] = (number, worker)
                for connection in cast(list[Connection], wait(list(busy))):
                    number, worker = busy.pop(connection)
                    result = worker.result()
                    if not isinstance(result, Death):
                        idle.append(worker)
                    yield number, result
        finally:
            _end([*idle, *(worker for _, worker in busy.values())])


@dataclass(frozen=True, slots=True, eq=False)
class _Worker(Generic[Argument, Result]):
    process: SpawnProcess
    connection: Connection

    @classmethod
    def start(cls, function: Callable[[Argument], Result]) -> _Worker[Argument, Result]:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with _children_without_interrupts():
            process.start()
        theirs.close()  # else the end of the process would not be seen
        return cls(process, ours)

    def begin(self, argument: Argument) -> None:
        with suppress(OSError):  # of a process that is gone: seen when the result is asked for
            self.connection.send(argument)

    def result(self) -> Result | Death:
        try:
            return cast(Result, self.connection.recv())
        except (EOFError, OSError):
            self.process.join()
            self.connection.close()
            return Death(self.process.exitcode or 0)


def _serve(connection: Connection, function: Callable[[Argument], Result]) -> None:
    """Work until there is nobody left to work for."""
    while True:
        try:
            argument = connection.recv()
        except (EOFError, OSError):
            return
        result = function(argument)
        with suppress(BrokenPipeError):
            connection.send(result)


def _end(workers: list[_Worker[Argument, Result]]) -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join()
        worker.connection.close()


@contextmanager
def _children_without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal: only this one takes it, and ends its children itself."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
