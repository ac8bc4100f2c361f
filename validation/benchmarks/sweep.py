"""Temperature sweeps against the same temperatures one by one, from hot to cold. One thread, processor time.

    python validation/benchmarks/sweep.py [line plane nested cold correctors]

line        N = 1 in one dimension, 20 temperatures
nested      N = 2 in one and two dimensions
plane       N = 1 in the plane
cold        N = 1 in the plane down to osc/sigma = 60, where a cell problem takes tenths of a second
correctors  iterations of cold cell problems from zero, from the corrector of the next hotter temperature, and from
            the extrapolation of two of them in 1/sigma, with the errors: what a sweep could do, and does not

Two figures of each: `evaluate`, and what `cellsolve run` does, a cost for every temperature before the results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

import cellsolve as cs
from cellsolve.fem.box_space import BoxSpace, element_box, trigonometric_box
from cellsolve.linalg.solver import CellSolver

FloatArray = np.ndarray
PLANE = "cos(2*pi*y1[0])*cos(2*pi*y1[1]) + 0.5*sin(2*pi*(y1[0] + y1[1]))*(1 + 0.2*tanh(x[0]))"
NESTED = (
    "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[1] + y2[1]))"
    " + 0.5*cos(2*pi*(y2[0] - y2[1]))*(1 + 0.2*tanh(x[0]))"
)
LINE = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.3*sin(4*pi*y1)", dim=1, scales=1)
NESTED_LINE = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))", dim=1, scales=2)


def processor_time(run: Callable[[], object], repeats: int) -> tuple[object, float]:
    """The result and the least time."""
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    return result, best


def compare(name: str, V: cs.Potential, sigmas: FloatArray, x: FloatArray, repeats: int = 3) -> None:
    """Print both times and their ratios, and the largest relative difference of M."""
    alone = [cs.homogenize(V, sigma=float(sigma)) for sigma in sigmas]
    sweep = cs.homogenize(V, sigma=sigmas)
    one_by_one, slow = processor_time(lambda: [model.evaluate(x).diffusion for model in alone], repeats)
    together, fast = processor_time(lambda: sweep.evaluate(x).diffusion, repeats)
    difference = np.linalg.norm(np.stack(one_by_one) - together, 2, axis=(-2, -1))
    worst = float((difference / np.linalg.norm(together, 2, axis=(-2, -1))).max())
    _, slow_run = processor_time(lambda: [(model.cost(x), model.evaluate(x)) for model in alone], repeats)
    _, fast_run = processor_time(lambda: costs_and_results(sweep, x), repeats)
    print(f"{name}, {len(sigmas)} temperatures {sigmas[0]:g} .. {sigmas[-1]:g}: M differs by {worst:.1e}")
    print(f"  evaluate: one by one {slow:.3f} s, sweep {fast:.3f} s, ratio {fast / slow:.2f}")
    print(f"  with costs: one by one {slow_run:.3f} s, sweep {fast_run:.3f} s, ratio {fast_run / slow_run:.2f}")


def costs_and_results(sweep: cs.TemperatureSweep, x: FloatArray) -> None:
    chain = sweep.chain()
    for model in chain:
        model.cost(x)
    for model in chain:
        model.evaluate(x)


def along_x0(count: int) -> FloatArray:
    return np.stack([np.linspace(-1, 1, count), np.zeros(count)], axis=1)


def line() -> None:
    compare("line, 33 points", LINE, np.geomspace(2.0, 0.02, 20), np.linspace(-1, 1, 33)[:, None], 5)


def nested() -> None:
    compare("nested on the line, 33 points", NESTED_LINE, np.geomspace(2, 0.1, 20), np.linspace(-1, 1, 33)[:, None], 5)
    compare(
        "nested in the plane, 5 points", cs.Potential(NESTED, dim=2, scales=2), np.geomspace(2.0, 0.4, 10), along_x0(5)
    )


def plane() -> None:
    compare("plane, 9 points", cs.Potential(PLANE, dim=2, scales=1), np.geomspace(2.0, 0.1, 12), along_x0(9))


def cold() -> None:
    V = cs.Potential(PLANE, dim=2, scales=1)
    compare("cold plane, 3 points", V, np.geomspace(0.1, 0.045, 10), along_x0(3), 1)


def correctors() -> None:
    for name, space, sigmas in (
        ("25 nodes", trigonometric_box(2, 25), np.geomspace(1.0, 0.15, 12)),
        ("16 elements of order 6", element_box(2, 16, 6), np.geomspace(0.1, 0.05, 8)),
    ):
        for kind, wanted in (("zero", 0), ("hotter", 1), ("extrapolated", 2)):
            iterations, error = along_temperatures(space, sigmas, wanted)
            shown = " ".join(f"{count:.0f}" for count in iterations)
            print(f"{name}, from {kind}: iterations {shown}; largest error {error:.0e}")


def along_temperatures(space: BoxSpace, sigmas: FloatArray, wanted: int) -> tuple[list[float], float]:
    """Mean iterations at each temperature from the correctors of ``wanted`` hotter ones, and the largest error."""
    solver, found, iterations, worst = CellSolver(space), list[tuple[float, FloatArray]](), list[float](), 0.0
    for sigma in sigmas:
        V = landscape(space) / sigma
        K = np.exp(V.min(axis=1, keepdims=True) - V)
        minimum = solver.solve(K, 5e-9, start=extrapolated(found[-wanted:] if wanted else [], 1 / sigma))
        exact = solver.solve(K, 1e-13).tensor
        error = np.linalg.norm(minimum.tensor - exact, 2, axis=(1, 2)) / np.linalg.norm(exact, 2, axis=(1, 2))
        found.append((1 / sigma, minimum.correctors))
        iterations.append(float(minimum.iterations.mean()))
        worst = max(worst, float(error.max()))
    return iterations, worst


def landscape(space: BoxSpace) -> FloatArray:
    """V1 of PLANE at x0 = -1 and 1: (2, q)."""
    y = 2 * np.pi * space.points
    amplitudes = 1 + 0.2 * np.tanh(np.array([-1.0, 1.0]))
    wells: FloatArray = np.cos(y[:, 0]) * np.cos(y[:, 1]) + 0.5 * np.sin(y.sum(axis=1)) * amplitudes[:, None]
    return wells


def extrapolated(found: list[tuple[float, FloatArray]], beta: float) -> FloatArray | None:
    """The polynomial in beta = 1/sigma through the correctors at hand."""
    total = None
    for i, (own, values) in enumerate(found):
        weight = np.prod([(beta - other) / (own - other) for j, (other, _) in enumerate(found) if j != i])
        total = weight * values if total is None else total + weight * values
    return total


def main() -> int:
    parts = {"line": line, "plane": plane, "nested": nested, "cold": cold, "correctors": correctors}
    for name in sys.argv[1:] or parts:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
