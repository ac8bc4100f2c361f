"""W3 with cellsolve: the parts of one solve on one space, then the public call, which also estimates its error."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import cellsolve as cs
from cellsolve.cellproblem.coefficient import coefficient_at
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.linalg.solver import CellSolver
from cellsolve.linalg.threads import one_thread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mesh_works as works

_MEMORY = 16 << 30  # bytes: a machine that swaps measures nothing


@one_thread()
def parts(case: works.Case, path: Path, tol: float) -> None:
    """Reading and checks; the space (counted as assembly); the solver."""
    times: dict[str, float] = {}
    with works.stopwatch(times, "read"):
        cell = cs.read_cell(path)
    with works.stopwatch(times, "assembly"):
        space = MeshSpace(cell, case.order)
        K = coefficient_at({"matrix": 1.0, "inclusion": case.contrast}, space)[None]
    solver = CellSolver(space)
    with works.stopwatch(times, "solve"):  # matrix, preconditioner and iterations
        minimum = solver.solve(K, tol)
    tensor = minimum.tensor[0]
    setting = f"{solver.choose(K)}, one space, tol {tol:g}"
    works.report("cellsolve", cs.__version__, case, setting, space.n_dofs, times, tensor, minimum.iterations.tolist())


def public(case: works.Case, path: Path, tol: float) -> None:
    """``solve_cell_problem``: two spaces, for the error estimate."""
    times: dict[str, float] = {}
    with works.stopwatch(times, "read"):
        cell = cs.read_cell(path)
    with works.stopwatch(times, "solve"):
        coefficient = {"matrix": 1.0, "inclusion": case.contrast}
        solution = cs.solve_cell_problem(cell, coefficient, order=case.order, tol=tol)
    report = solution.report
    setting = f"public call, tol {tol:g}, error_estimate {report.error_estimate:.1e}"
    works.report(
        "cellsolve-public", cs.__version__, case, setting, report.n_dofs, times, solution.tensor, report.iterations
    )


def main() -> None:
    """Two lines a case."""
    given = works.arguments(__doc__, rtol=1e-6)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for name in given.cases:
        case = works.CASES[name]
        path = given.cache / f"{case.mesh}.msh"
        parts(case, path, given.rtol)
        try:
            public(case, path, given.rtol)
        except MemoryError:
            print(f"{name}: the public call needs more than {_MEMORY >> 30} GiB", file=sys.stderr)


if __name__ == "__main__":
    main()
