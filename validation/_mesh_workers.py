"""Processes that read mesh files one after another within a limit of memory. Run as a script, this is one of them."""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cellsolve.cells import read_cell
from cellsolve.errors import MeshError

SECONDS = 10.0
MEMORY = 1 << 30
BAD = ("crash", "hang", "other error", "out of memory")


@dataclass(slots=True)
class Worker:
    """A process that reads the files it is told."""

    process: subprocess.Popen[str] | None = None

    def read(self, file: Path) -> tuple[str, str]:
        """Outcome and what was said."""
        if self.process is None:
            command = [sys.executable, str(Path(__file__).resolve())]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._answer(60.0)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        answer = self._answer(SECONDS)
        if answer:
            outcome, said = json.loads(answer)
            return outcome, said
        outcome = "hang" if answer is None else "crash"
        self.stop()
        return outcome, ""

    def _answer(self, seconds: float) -> str | None:
        """A line; empty if the process has ended, None if it keeps silent."""
        assert self.process is not None
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline() if ready else None

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@dataclass(slots=True)
class Tally:
    """What came of the files: outcomes, what was said in the bad ones, the slowest file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest: float = 0.0


def work() -> None:
    """Read file after file named on standard input; answer outcome and message in JSON."""
    warnings.simplefilter("error")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    print("ready", flush=True)
    for line in sys.stdin:
        path = line.strip()
        try:
            read_cell(path, merge_nodes="merge" in path)
            outcome, said = "read", ""
        except MeshError as error:
            outcome, said = "out of memory" if isinstance(error.__cause__, MemoryError) else "refused", str(error)
        except Exception as error:  # noqa: BLE001 (each is what is looked for)
            outcome, said = "other error", f"{type(error).__name__}: {error}"
        print(json.dumps([outcome, said[:300]]), flush=True)


if __name__ == "__main__":
    work()
