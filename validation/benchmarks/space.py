"""Three-dimensional cells at size: seconds, iterations and memory from 1e4 to 1e6 unknowns, with and without a bracket.

    python validation/benchmarks/space.py                                       all cases, 40 minutes
    python validation/benchmarks/space.py --unknowns 1e4 3e4 --orders 1         some of them

A ball of fraction 0.3 and conductivity 10 or 1000 in a cube of conductivity 1; n^3 cubes of six tetrahedra each (Kuhn),
in the ball where their centres are. Each case runs alone in a process of its own, on one thread. Seconds are those of
the processor, since others may use the machine meanwhile; "fluxes" are those in which the lower bounds are made, all
rounds of iterations together. Memory is the peak of the process, the mesh included; an empty one has 0.1 GB. Exponents
are those of least squares on the logarithms.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

import cellsolve as cs
from cellsolve.cellproblem import bounds as bracket_of
from cellsolve.cells import UnitCell

FRACTION = 0.3
UNKNOWNS = (1e4, 3e4, 1e5, 3e5, 1e6)
CONTRASTS = (10.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Case:
    """``n`` cubes a side, ``order`` of the elements, conductivity ``contrast`` of the ball, with a bracket or not."""

    n: int
    order: int
    contrast: float
    bounds: bool

    @property
    def label(self) -> str:
        return f"order {self.order}, contrast {self.contrast:g}, {'bracket' if self.bounds else 'no bracket'}"


def ball_in_cube(n: int) -> UnitCell:
    """The cell of n^3 cubes, regions "matrix" and "ball"."""
    line = np.arange(n + 1)
    places = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = np.eye(3, dtype=np.int64)
    paths = [
        np.vstack([np.zeros((1, 3), dtype=np.int64), np.cumsum(steps[list(p)], axis=0)]) for p in permutations(range(3))
    ]
    strides = np.array([(n + 1) ** 2, n + 1, 1])
    first = places[(places < n).all(axis=1)] @ strides
    elements = (first[:, None, None] + np.array(paths) @ strides).reshape(-1, 4)
    points = places / n
    radius = (0.75 * FRACTION / np.pi) ** (1.0 / 3.0)
    inside = np.linalg.norm(points[elements].mean(axis=1) - 0.5, axis=1) < radius
    return UnitCell(
        f"ball in {n}^3 cubes", points, elements, "tetra", inside.astype(np.int64), ("matrix", "ball"), np.eye(3)
    )


def measured(case: Case) -> dict[str, Any]:
    """One case, in this process."""
    cell, seconds = ball_in_cube(case.n), [0.0]
    make = bracket_of.equilibrated_fluxes

    def timed(*arguments: Any) -> Any:
        start = time.process_time()
        fluxes = make(*arguments)
        seconds[0] += time.process_time() - start
        return fluxes

    bracket_of.equilibrated_fluxes = timed
    start, load = time.process_time(), os.getloadavg()[0]
    solution = cs.solve_cell_problem(
        cell, {"matrix": 1.0, "ball": case.contrast}, order=case.order, tol=1e-6, bounds=case.bounds
    )
    return asdict(case) | {
        "unknowns": solution.report.n_dofs,
        "elements": len(cell.elements),
        "seconds": time.process_time() - start,
        "fluxes": seconds[0],
        "iterations": solution.report.iterations,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "error": solution.report.error_estimate,
        "lower": None if solution.lower is None else float(solution.lower[0, 0]),
        "load": load,
    }


def in_own_process(case: Case) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{case}: {done.stderr.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def exponent(unknowns: list[float], values: list[float]) -> float:
    """a of values ~ unknowns^a."""
    return float(np.polyfit(np.log(unknowns), np.log(values), 1)[0])


def row(result: dict[str, Any]) -> str:
    cells = (
        f"{result['unknowns']:,}".replace(",", " "),
        f"{result['elements']:,}".replace(",", " "),
        f"{result['seconds']:.1f}",
        f"{result['fluxes']:.1f}" if result["bounds"] else "",
        str(result["iterations"]),
        f"{result['gigabytes']:.2f}",
        f"{result['error']:.1e}",
    )
    return f"| {Case(**{key: result[key] for key in Case.__slots__}).label} | " + " | ".join(cells) + " |"


def series(order: int, contrast: float, bounds: bool, unknowns: list[float]) -> str:
    """Print the rows of one series; the row of its exponents."""
    cases = [Case(round(size ** (1 / 3) / order), order, contrast, bounds) for size in unknowns]
    results = []
    for case in cases:
        results.append(in_own_process(case))
        print(row(results[-1]), flush=True)
    if len(results) < 2:
        return ""
    sizes = [one["unknowns"] for one in results]
    fits = [exponent(sizes, [one[key] for one in results]) for key in ("seconds", "gigabytes")]
    return f"| {cases[0].label} | {fits[0]:.2f} | {fits[1]:.2f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unknowns", type=float, nargs="*", default=list(UNKNOWNS))
    parser.add_argument("--orders", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--contrasts", type=float, nargs="*", default=list(CONTRASTS))
    parser.add_argument("--bounds", type=int, nargs="*", default=[0, 1], help="0: without, 1: with a bracket")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(Case(**json.loads(given.one)))))
        return 0
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, one thread, Kuhn tetrahedra\n")
    print("| case | unknowns | tetrahedra | seconds | of them fluxes | iterations | GB | error estimate |")
    print("|---|---|---|---|---|---|---|---|")
    kinds = product(given.orders, given.contrasts, map(bool, given.bounds))
    fits = [series(order, contrast, bounds, given.unknowns) for order, contrast, bounds in kinds]
    print("\n| case | exponent of time | of memory |\n|---|---|---|")
    print("\n".join(filter(None, fits)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
