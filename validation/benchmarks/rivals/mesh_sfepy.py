"""W3 with SfePy: its periodic boundary conditions and diffusion terms, one matrix for all right-hand sides.

In the plane the direct solver (scipy's SuperLU, the only one without further packages); in space pyamg's Ruge-Stuben
with conjugate gradients, through SfePy's own interface to it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import sfepy
from sfepy.base.base import Struct, output
from sfepy.discrete import Equation, Equations, FieldVariable, Function, Functions, Integral, Material, Problem
from sfepy.discrete.conditions import Conditions, EssentialBC, PeriodicBC
from sfepy.discrete.fem import FEDomain, Field, Mesh
from sfepy.discrete.fem import periodic as per
from sfepy.solvers import Solver
from sfepy.terms import Term

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mesh_works as works

Array = np.ndarray[Any, Any]
SOLVERS = {
    2: {"name": "ls", "kind": "ls.scipy_superlu", "use_presolve": True},
    3: {"name": "ls", "kind": "ls.pyamg", "method": "ruge_stuben_solver", "accel": "cg", "i_max": 500},
}
SIDES = {2: (per.match_y_line, per.match_x_line), 3: (per.match_x_plane, per.match_y_plane, per.match_z_plane)}


def domain_of(mesh: works.Mesh, dim: int) -> FEDomain:
    """SfePy's mesh with the regions Omega, Corner, low0, high0 .."""
    rows, tags = mesh.elements.astype(np.int32), mesh.inside.astype(np.int32)
    groups = np.zeros(len(mesh.points), dtype=np.int32)
    domain = FEDomain("cell", Mesh.from_data("cell", mesh.points, groups, [rows], [tags], [f"{dim}_{dim + 1}"]))
    domain.create_region("Omega", "all")
    domain.create_region("Corner", f"vertex {int(np.argmin(mesh.points.sum(axis=1)))}", "vertex")
    for axis, name in zip(range(dim), "xyz", strict=False):
        domain.create_region(f"low{axis}", f"vertices in ({name} < 1e-9)", "facet")
        domain.create_region(f"high{axis}", f"vertices in ({name} > 0.999999999)", "facet")
    return domain


def problem_of(domain: FEDomain, K: Array, case: works.Case) -> tuple[Problem, FieldVariable, Array]:
    """K grad q . grad(p + a) = 0 for a corrector p and a coordinate a; p = 0 in a corner. Also the field's nodes."""
    omega = domain.regions["Omega"]
    field = Field.from_args("theta", np.float64, "scalar", omega, approx_order=case.order)
    p = FieldVariable("p", "unknown", field)
    q = FieldVariable("q", "test", field, primary_var_name="p")
    a = FieldVariable("a", "parameter", field, primary_var_name="(set-to-None)")
    integral = Integral("i", order=2 * (case.order - 1))
    weights = integral.get_qp(f"{case.dim}_{case.dim + 1}")[1]
    values = np.repeat(K, len(weights))[:, None, None] * np.eye(case.dim)

    def conductivity(ts: Any, coors: Array, mode: str | None = None, **_: Any) -> Any:  # noqa: ARG001
        return {"K": values} if mode == "qp" else None

    m = Material("m", function=Function("conductivity", conductivity))
    matrix = Term.new("dw_diffusion(m.K, q, p)", integral, omega, m=m, q=q, p=p)
    load = Term.new("dw_diffusion(m.K, q, a)", integral, omega, m=m, q=q, a=a)
    regions = domain.regions
    sides = [
        PeriodicBC(f"side{i}", [regions[f"low{i}"], regions[f"high{i}"]], {"p.0": "p.0"}, match=f"match{i}")
        for i in range(case.dim)
    ]
    functions = Functions([Function(f"match{i}", match) for i, match in enumerate(SIDES[case.dim])])
    problem = Problem("cell", equations=Equations([Equation("balance", matrix + load)]), functions=functions)
    corner = EssentialBC("corner", regions["Corner"], {"p.0": 0.0})
    problem.set_bcs(ebcs=Conditions([corner]), epbcs=Conditions(sides))
    return problem, a, field.get_coor()


def assemble(domain: FEDomain, K: Array, case: works.Case) -> tuple[Any, Array]:
    """A and right-hand sides (d, n) of the active unknowns."""
    problem, a, nodes = problem_of(domain, K, case)
    a.set_data(nodes[:, 0].copy())
    problem.time_update()
    problem.update_materials()
    evaluator, variables = problem.get_evaluator(), problem.equations.variables
    variables.init_state()
    zero = np.zeros(variables.di.n_dof_total)
    A = evaluator.eval_tangent_matrix(zero, is_full=True)
    right = []
    for r in range(case.dim):
        a.set_data(nodes[:, r].copy())
        right.append(-evaluator.eval_residual(zero.copy(), is_full=True))
    return A, np.array(right)


def main() -> None:
    """One line a case."""
    output.set_output(quiet=True)
    given = works.arguments(__doc__, rtol=1e-4)
    for name in given.cases:
        case, times = works.CASES[name], {}
        per.periodic_cache.clear()  # its keys are shapes: the next mesh of the same shape would be matched wrongly
        with works.stopwatch(times, "read"):
            mesh = works.load(case, given.cache)
            domain = domain_of(mesh, case.dim)
        with works.stopwatch(times, "assembly"):
            K = np.where(mesh.inside, case.contrast, 1.0)
            A, right = assemble(domain, K, case)
        with works.stopwatch(times, "solve"):
            solver = Solver.any_from_conf(Struct(**SOLVERS[case.dim], eps_r=given.rtol), mtx=A)
            theta = np.array([solver(b) for b in right])
            corners = mesh.points[mesh.elements]
            volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
            mean = float(volumes @ K / volumes.sum())
            tensor = mean * np.eye(case.dim) + theta @ (A @ theta.T) - theta @ right.T - right @ theta.T
        setting = "SuperLU" if case.dim == 2 else f"pyamg Ruge-Stuben + CG, rtol {given.rtol:g}"
        works.report("sfepy", sfepy.__version__, case, setting, A.shape[0], times, tensor, None)


if __name__ == "__main__":
    main()
