"""Damaged mesh files end in a MeshError, or are read: no crash, no hang, bounded memory.

Files of every format are cut, overwritten, repeated, their numbers replaced. Workers read them, each a process of
its own with a limit of memory; one that dies or keeps silent for ten seconds is counted and replaced. Warnings
count as errors.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _mesh_workers import BAD, SECONDS, Tally, Worker
from _mutations import damaged, write_samples

from cellsolve.validation import Claim, print_claims


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
    """No claims, and a word on stderr, where meshio, which writes the files to be damaged, is missing."""
    if find_spec("meshio") is None:
        print("mutated_meshes: left out, meshio is not installed. Install it with: pip install meshio", file=sys.stderr)
        return []
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
    sys.exit(main())
