"""cellsolve on the same works, through its public interface: all it does for a tolerance, error control included.

python cellsolve_box.py WORK
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from works import CELLS, SIGMA, best_of, emit, w4, w4_amplitudes

import cellsolve as cs

TOLERANCES = {"W8": (1e-2, 1e-3), "W4": (1e-3, 1e-6, 1e-8), "W2": (1e-3, 1e-6), "S3": (1e-3, 1e-6)}
V1 = "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[1] + y2[1])) + 0.5*cos(2*pi*(y2[0] - y2[1]))"


def task(work: str, tol: float) -> Callable[[], tuple[np.ndarray, str, int]]:
    """What is timed: it gives the tensor (W4: 1000), the setting chosen and the unknowns."""
    if work in SIGMA:
        V = cs.Potential(V1, dim=2, scales=2)

        def two_scales() -> tuple[np.ndarray, str, int]:
            eff = cs.homogenize(V, sigma=SIGMA[work], tol=tol).evaluate(np.zeros(2))
            return eff.diffusion, f"tol={tol:g}: {eff.report.samplings['y1']}", eff.report.unknowns[2]

        return two_scales
    if work == "W4":
        A = w4_amplitudes()

        def many() -> tuple[np.ndarray, str, int]:
            sols = cs.solve_cell_problems(cs.box_cell(2), lambda y: w4(A, y), tol=tol)
            return sols.tensor, f"tol={tol:g}: {sols.report.solver}", sols.report.n_dofs

        return many
    cell = CELLS[work]

    def one() -> tuple[np.ndarray, str, int]:
        sol = cs.solve_cell_problem(cs.box_cell(cell.dim), cell.K, tol=tol)
        return sol.tensor, f"tol={tol:g}: {sol.report.solver}", sol.report.n_dofs

    return one


def main(work: str) -> None:
    for tol in TOLERANCES.get(work, (1e-3, 1e-6, 1e-9)):
        try:
            (tensor, setting, unknowns), seconds = best_of(task(work, tol), budget=20.0)
        except cs.ConvergenceError as error:
            print(f"{work} at tol = {tol:g}: {error}", file=sys.stderr)
            continue
        problems = len(tensor) if work == "W4" else 1
        shown = tensor[:20] if work == "W4" else tensor
        emit("cellsolve", work, setting, unknowns, seconds / problems, shown, problems, cs.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
