"""Time cellsolve and its rivals on the same works in the same run, and hold each to the same reference.

    python validation/benchmarks/run.py [WORK ...]          W1 I2 W2 S3 C2 W4 W5 W8: box cells, in one process each
    python validation/benchmarks/meshes.py                  W3: mesh cells

Rivals run under an interpreter of their own: --python PATH, by default this one; rivals/requirements.txt
lists what it needs, and rivals that it lacks are left out, by name. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent / "rivals"
sys.path.insert(0, str(HERE))

WORKS = ("W1", "I2", "W2", "S3", "C2", "W4", "W5", "W8")
RIVALS = {
    "cellsolve_box": WORKS,
    "fourier_plain": ("W1", "I2", "W2", "S3", "W4", "W5"),
    "fourier": ("W1", "I2", "W2", "S3", "W4", "W5", "W8"),
    "ngsolve_loop": ("W1", "I2", "W2", "S3", "C2", "W4"),
    "skfem_loop": ("W1", "I2", "W2", "S3", "C2", "W4", "W5"),
    "sfepy_cell": ("W1", "I2", "W2", "S3", "C2", "W4"),
    "mugrid_fft": ("W1", "I2", "W2", "S3", "C2"),
}


def measured(rival: str, work: str, interpreter: str, timeout: float) -> Iterator[dict[str, Any]]:
    """The lines of one rival on one work; a failure is said on stderr and gives none."""
    python = sys.executable if rival == "cellsolve_box" else interpreter
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [python, str(HERE / f"{rival}.py"), work],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
            cwd=HERE,
        )
    except subprocess.TimeoutExpired:
        print(f"{rival} {work}: stopped after {timeout:g} s", file=sys.stderr)
        return
    if done.returncode:
        print(f"{rival} {work}: {(done.stderr.strip().splitlines() or ['failed'])[-1][:200]}", file=sys.stderr)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def true_error(line: dict[str, Any], reference: np.ndarray) -> float:
    """Largest relative error, spectral norm, over the tensors that the line holds."""
    tensor = np.asarray(line["tensor"])
    truth = reference[: len(tensor)] if tensor.ndim == 3 else reference
    return float((np.linalg.norm(tensor - truth, 2, axis=(-2, -1)) / np.linalg.norm(truth, 2, axis=(-2, -1))).max())


def blas_rate(n: int, columns: int) -> float:
    """Flops a second of products (n, n) x (n, columns), the shape that an axis of n nodes gives."""
    from time import perf_counter

    A, B = np.random.default_rng(0).normal(size=(n, n)), np.random.default_rng(1).normal(size=(n, columns))
    out, best = np.empty_like(B), np.inf
    for _ in range(200):
        start = perf_counter()
        np.matmul(A, B, out=out)
        best = min(best, perf_counter() - start)
    return 2.0 * n * n * columns / best


def floor_of_w4(n: int, iterations: float, batch: int) -> float:
    """Seconds that the matrix products alone of one of W4's problems take: two transforms an iteration, along both
    axes, for two right-hand sides, at the rate of products of that shape."""
    flops = iterations * 2 * 2 * 2 * 2.0 * n**3
    return flops / blas_rate(n, n * batch)


def print_floor() -> None:
    """Where the time of W4 goes: the products, and all the rest."""
    from time import perf_counter

    from works import w4, w4_amplitudes

    from cellsolve.fem.box_space import trigonometric_box
    from cellsolve.linalg.solver import CellSolver

    print(f"\nThe floor of W4, matrix products alone (BLAS, 1500 x 1500: {blas_rate(1500, 1500) / 1e9:.0f} GFlop/s)")
    for n, tol in ((7, 1e-4), (9, 1e-6), (11, 1e-8), (13, 1e-9)):
        solver = CellSolver(trigonometric_box(2, n))
        K = w4(w4_amplitudes(), solver.space.points)
        best, count = np.inf, 0.0
        for _ in range(5):
            start = perf_counter()
            parts = [solver.solve(K[i : i + solver.batch], tol) for i in range(0, len(K), solver.batch)]
            best = min(best, (perf_counter() - start) / len(K))
            count = float(np.mean(np.concatenate([p.iterations for p in parts])))
        # as many applications of the operator as iterations, one for the check, two transforms to set up
        floor = floor_of_w4(n, count + 2, solver.batch)
        times = f"{1e6 * best:6.1f} us  floor {1e6 * floor:5.1f} us  {best / floor:.1f} x"
        print(f"  {n:2} nodes  {count:4.1f} iterations  {times}")


def table(work: str, lines: list[dict[str, Any]]) -> None:
    """One work: every setting of every rival by error, with the ratio to cellsolve at no larger an error."""
    print(f"\n{work}: milliseconds a problem, true relative error, ratio to cellsolve at no larger an error")
    ours = [line for line in lines if line["rival"] == "cellsolve"]
    for line in sorted(lines, key=lambda one: (one["rival"] != "cellsolve", one["rival"], -one["error"])):
        rated = [own["seconds"] for own in ours if own["error"] <= line["error"]]
        ratio = f"{line['seconds'] / min(rated):8.2f} x" if rated and line["rival"] != "cellsolve" else ""
        setting = line["setting"][:62]
        print(f"  {line['rival']:18} {setting:62} {1e3 * line['seconds']:10.4f}  {line['error']:8.1e} {ratio}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", default=list(WORKS), metavar="WORK")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the rivals")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS))
    parser.add_argument("--timeout", type=float, default=180.0)
    given = parser.parse_args()
    import scipy
    from fourier import reference

    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {versions}, one thread")
    seen: dict[str, str] = {}
    for work in given.works:
        truth = reference(work)
        lines = [
            {**line, "error": true_error(line, truth)}
            for rival in given.rivals
            if work in RIVALS[rival]
            for line in measured(rival, work, given.python, given.timeout)
        ]
        table(work, lines)
        seen |= {line["rival"]: line["version"] for line in lines}
    if "W4" in given.works:
        print_floor()
    print("\nVersions: " + ", ".join(f"{rival} {version}" for rival, version in sorted(seen.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
