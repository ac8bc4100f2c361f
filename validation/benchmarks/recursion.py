"""The recursion against itself: interpolation in x, lattices, predicted cost, growth with size. One thread.

    python validation/benchmarks/recursion.py [W6 W7 W8 cost growth]

W6  W5 with amplitudes and phases that depend on x, on 64 x 64 points: interpolated, against solving every point
W7  three scales in the plane, and two in space: time against (inner problems) x (time of one such problem in a large
    batch), and the lattice chosen against the smallest uniform one that reaches the error
W8  W5 at sigma = 0.1
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import cellsolve as cs
from cellsolve.fem.box_space import trigonometric_box
from cellsolve.linalg.solver import CellSolver
from cellsolve.multiscale.lattice import Lattice
from cellsolve.multiscale.plan import Plan, Tally
from cellsolve.multiscale.recursion import sample_level

W5 = "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[1] + y2[1])) + 0.5*cos(2*pi*(y2[0] - y2[1]))"
W6 = (
    "(1 + 0.3*x[0])*cos(2*pi*y1[0])*cos(2*pi*y2[0] + x[1]) + 0.5*sin(2*pi*(y1[1] + y2[1]) + 0.5*x[0]*x[1])"
    " + (0.5 + 0.2*sin(x[1]))*cos(2*pi*(y2[0] - y2[1]))"
)
W7_PLANE = (
    "0.5*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*y2[1])*cos(2*pi*y3[1])"
    " + 0.3*cos(2*pi*y1[1])*cos(2*pi*y2[0])*cos(2*pi*y3[0]) + 0.3*cos(2*pi*(y3[0] - y3[1]))"
)
W7_SPACE = (
    "0.5*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*cos(2*pi*y1[1])*cos(2*pi*(y2[1] - y2[2]))"
    " + 0.3*sin(2*pi*(y1[2] + y2[2]))*cos(2*pi*y2[0]) + 0.3*cos(2*pi*(y2[0] + y2[1]))"
)
ORIGIN = {dim: np.zeros((1, dim)) for dim in (2, 3)}


def timed(run: Callable[[], object], repeats: int = 3) -> tuple[object, float]:
    """The result and the least time."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return result, best


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float((np.linalg.norm(a - b, 2, axis=(-2, -1)) / np.linalg.norm(b, 2, axis=(-2, -1))).max())


def square(count: int) -> np.ndarray:
    axis = np.linspace(-1, 1, count)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def w6() -> None:
    print("\nW6: 64 x 64 points, interpolated in x; every point solved at 128 of them, times 32")
    V, x = cs.Potential(W6, dim=2, scales=2), square(64)
    some = np.random.default_rng(0).choice(len(x), 128, replace=False)
    for tol in (1e-4, 1e-6):
        model = cs.homogenize(V, sigma=1.0, tol=tol)
        eff, seconds = timed(lambda model=model: model.evaluate(x))
        own, each = timed(lambda model=model: model.evaluate(x[some], exact_points=True), 1)
        true = cs.homogenize(V, sigma=1.0, tol=tol / 100).evaluate(x[some], exact_points=True)
        error, estimate = relative(eff.diffusion[some], true.diffusion), float(eff.error_estimate.max())
        every = each * len(x) / len(some)
        print(
            f"  tol {tol:g}: {seconds:.2f} s for {eff.report.solved_points} points solved, error {error:.1e},", end=" "
        )
        print(f"estimate {estimate:.1e}; every point {every:.1f} s, {every / seconds:.0f} x")
        del own


def smallest_uniform(plan: Plan, truth: np.ndarray, tol: float) -> int | None:
    """Inner problems of the smallest uniform lattice in all of y_1 .. y_(N-1) that reaches the error."""
    for count in (3, 5, 7, 9, 11, 13):
        lattice = Lattice((count,) * plan.dim, np.eye(plan.dim))
        other = replace(plan, samplings=dict.fromkeys(plan.samplings, lattice), prepared={}, checkers=None)
        tally = Tally()
        fields = sample_level(other, {"x": ORIGIN[plan.dim]}, 0, 0, (), tally).fields
        values, vectors = np.linalg.eigh(fields.log_tensor[0])
        M = (vectors * np.exp(values - fields.log_partition[0])) @ vectors.T
        error, problems = relative(M, truth), tally.problems[len(plan.levels)]
        print(f"  uniform lattice of {count} a direction: error {error:.0e}, {problems} inner problems")
        if error <= tol:
            return problems
    return None


def w7() -> None:
    for name, text, dim, scales, tol in (
        ("N = 3, d = 2", W7_PLANE, 2, 3, 1e-6),
        ("N = 2, d = 3", W7_SPACE, 3, 2, 1e-5),
    ):
        V = cs.Potential(text, dim=dim, scales=scales)
        model = cs.homogenize(V, sigma=1.0, tol=tol)
        eff, seconds = timed(lambda model=model, dim=dim: model.evaluate(ORIGIN[dim]))
        report = eff.report
        inner = report.cell_problems[scales]
        print(f"\nW7 {name}, tol {tol:g}: {seconds:.2f} s, {inner} inner problems, lattices {report.samplings}")
        solver = model.plan(ORIGIN[dim])[0].plan.solvers[scales]
        K = np.exp(-np.random.default_rng(3).normal(size=(4 * solver.batch, 3)) @ _three_waves(solver))
        parts = [K[i : i + solver.batch] for i in range(0, len(K), solver.batch)]
        _, batch = timed(lambda solver=solver, parts=parts, tol=tol: [solver.solve(part, tol / 600) for part in parts])
        each = batch / len(K)
        print(f"  {1e3 * seconds / inner:.3f} ms a problem in all, {1e3 * each:.3f} ms in large batches:", end=" ")
        print(f"{seconds / inner / each:.2f} x")
        truth = cs.homogenize(V, sigma=1.0, tol=tol / 100).evaluate(ORIGIN[dim][0]).diffusion
        plan = model.plan(ORIGIN[dim])[0].plan
        chosen = sum(problems_of(plan, {"x": ORIGIN[dim]}).values())
        print(f"  error {relative(eff.diffusion, truth):.1e}; the lattice chosen takes {chosen} problems of all levels")
        smallest_uniform(plan, truth, tol)


def problems_of(plan: Plan, rows: dict[str, np.ndarray]) -> dict[int, int]:
    """Cell problems of one evaluation, planning and checks left out."""
    tally = Tally()
    sample_level(replace(plan, prepared={}, checkers=None), rows, 0, 0, (), tally)
    return tally.problems


def _three_waves(solver: CellSolver) -> np.ndarray:
    y = 2 * np.pi * solver.space.points.T
    return 0.5 * np.stack([np.cos(y[0]), np.cos(y[0] + y[1]), np.sin(y[-1])])


def w8() -> None:
    print("\nW8: W5 at sigma = 0.1")
    for tol in (1e-2, 1e-3):
        model = cs.homogenize(cs.Potential(W5, dim=2, scales=2), sigma=0.1, tol=tol)
        eff, seconds = timed(lambda model=model: model.evaluate(ORIGIN[2]), 1)
        spaces = ", ".join(eff.report.spaces.values())
        print(f"  tol {tol:g}: {seconds:.1f} s, {eff.report.cell_problems[2]} inner problems,", end=" ")
        print(f"{eff.report.samplings}, {spaces}")


def cost() -> None:
    print("\nPredicted against taken")
    cases = [
        ("W5", W5, 2, 2, ORIGIN[2], 1e-6),
        ("W5", W5, 2, 2, ORIGIN[2], 1e-8),
        ("W6", W6, 2, 2, square(64), 1e-4),
        ("W6", W6, 2, 2, square(64), 1e-6),
        ("W7", W7_PLANE, 2, 3, ORIGIN[2], 1e-6),
        ("W7", W7_SPACE, 3, 2, ORIGIN[3], 1e-5),
    ]
    for name, text, dim, scales, x, tol in cases:
        model = cs.homogenize(cs.Potential(text, dim=dim, scales=scales), sigma=1.0, tol=tol)
        said, asking = timed(lambda model=model, x=x: model.cost(x), 1)
        _, taken = timed(lambda model=model, x=x: model.evaluate(x), 1)
        predicted = said.seconds + said.planning_seconds
        ratio = predicted / taken
        print(f"  {name} {tol:g}: {predicted:.2f} s, took {taken:.2f} s ({ratio:.2f}); asking took {asking:.2f} s")


def exponent(sizes: list[float], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def growth() -> None:
    print("\nGrowth")
    for dim, counts in ((2, (25, 49, 97, 193)), (3, (9, 15, 25, 41))):
        seconds = []
        for n in counts:
            space = trigonometric_box(dim, n)
            K = np.exp(-np.cos(2 * np.pi * space.points).sum(axis=-1) - np.sin(2 * np.pi * space.points.sum(axis=-1)))
            seconds.append(timed(lambda space=space, K=K: CellSolver(space).solve(K[None], 1e-8))[1])
        sizes = [n**dim for n in counts]
        print(
            f"  d = {dim}, unknowns {sizes}: seconds^{exponent(sizes, seconds):.2f}",
            [f"{1e3 * s:.1f} ms" for s in seconds],
        )
    model = cs.homogenize(cs.Potential(W6, dim=2, scales=2), sigma=1.0, tol=1e-4)
    counts = (16, 32, 64, 128, 256)
    seconds = [timed(lambda n=n: model.evaluate(square(n)), 1)[1] for n in counts]
    sizes = [n * n for n in counts]
    print(f"  macroscopic points {sizes}: seconds^{exponent(sizes, seconds):.2f}", [f"{s:.2f} s" for s in seconds])


def main() -> int:
    parts = {"W6": w6, "W7": w7, "W8": w8, "cost": cost, "growth": growth}
    for name in sys.argv[1:] or parts:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
