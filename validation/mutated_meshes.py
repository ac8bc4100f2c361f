"""Damaged mesh files end in a MeshError, or are read: no crash, no hang, bounded memory.

Files of every format are cut, overwritten, repeated, their numbers replaced. Workers read them, each a process of
its own with a limit of memory; one that dies or keeps silent for ten seconds is counted and replaced. Warnings
count as errors.
"""

from __future__ import annotations

import json
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _mutations import damaged, write_samples

from cellsolve.cells import read_cell
from cellsolve.errors import MeshError
from cellsolve.validation import Claim, print_claims

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
            command = [sys.executable, str(Path(__file__).resolve()), "--worker"]
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
    """What came of the files: outcomes, what was said in the bad ones, the slowest and the hungriest file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest: float = 0.0
    memory: float = 0.0


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


def damaged_files(samples: list[Path], folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Damaged copies; of a pair (XDMF with HDF5) one of the two is damaged. A file lives until the next one."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        sample = samples[rng.integers(0, len(samples))]
        label = "merge" if rng.random() < 0.2 else "plain"
        place = folder / f"{seed}_{number}_{label}"
        place.mkdir()
        pair = [sample, *([sample.with_suffix(".h5")] if sample.with_suffix(".h5").exists() else [])]
        victim = int(rng.integers(0, len(pair)))
        for k, part in enumerate(pair):
            content = part.read_bytes()
            (place / part.name).write_bytes(damaged(content, rng) if k == victim else content)
        yield place / sample.name
        shutil.rmtree(place)


def read_all(samples: list[Path], folder: Path, count: int, seed: int) -> Tally:
    """Read ``count`` damaged files in one worker."""
    tally, worker = Tally(), Worker()
    try:
        for file in damaged_files(samples, folder, count, seed):
            start = time.perf_counter()
            outcome, said = worker.read(file)
            if worker.process is not None and tally.outcomes:
                tally.slowest = max(tally.slowest, time.perf_counter() - start)
            tally.outcomes[outcome] += 1
            if outcome in BAD:
                tally.bad.append(f"{outcome}: seed {seed}, {file.parent.name}/{file.name}: {said}")
    finally:
        worker.stop()
    return tally


def run(effort: int = 1) -> list[Claim]:
    count, workers = (10_000, 2) if effort else (300, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = write_samples(folder)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(read_all, samples, folder, count // workers, seed) for seed in range(workers)]
            tallies = [job.result() for job in jobs]
    outcomes = sum((tally.outcomes for tally in tallies), Counter())
    for text in [text for tally in tallies for text in tally.bad][:20]:
        print(text, file=sys.stderr)
    claims = [Claim(f"{count} damaged files: {kind}", float(outcomes[kind]), 0.0) for kind in BAD]
    claims.append(Claim("damaged files: slowest, seconds", max(tally.slowest for tally in tallies), SECONDS))
    claims.append(Claim("damaged files: share that is read all the same", outcomes["read"] / count, 0.3))
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(work() if "--worker" in sys.argv else main())
