"""SfePy: Lagrange elements on squares or cubes, its periodic conditions and diffusion term, by the interactive API.

    int K grad q . grad(p + a) = 0,  p periodic and zero in a corner, a = y_r

The mini-applications of sfepy.homogenization rebuild the equations at each call; here mesh, field, equations and
conditions are made once, and a coefficient costs an update of the material, one matrix, d residuals and one
factorization (SciPy's SuperLU; in space SfePy's interface to pyamg).

    python sfepy_cell.py WORK
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np
from works import CELLS, best_of, emit, w4, w4_amplitudes

with redirect_stdout(sys.stderr):  # it prints which of its optional packages are missing
    import sfepy
    from sfepy.base.base import Struct, output
    from sfepy.discrete import Equation, Equations, FieldVariable, Function, Functions, Integral, Material, Problem
    from sfepy.discrete.conditions import Conditions, EssentialBC, PeriodicBC
    from sfepy.discrete.fem import FEDomain, Field, periodic
    from sfepy.mesh.mesh_generators import gen_block_mesh
    from sfepy.solvers import Solver
    from sfepy.terms import Term

# n, order, solver (relative residual of pyamg's cg, None: SuperLU)
SETTINGS = {
    "W1": [(64, 1, None), (16, 2, None), (8, 4, None), (16, 4, None), (8, 6, None)],
    "I2": [(64, 1, None), (16, 2, None), (8, 4, None)],
    "W2": [(24, 1, 1e-2), (8, 2, 1e-2), (6, 3, 1e-3)],
    "S3": [(24, 1, 1e-2), (8, 2, 1e-2)],
    "C2": [(64, 1, None), (32, 2, None)],
    "W4": [(16, 2, None), (8, 4, None), (6, 6, None)],
}
DIRECT = {"kind": "ls.scipy_superlu", "use_presolve": True}
AMG = {"kind": "ls.pyamg", "method": "ruge_stuben_solver", "accel": "cg", "i_max": 500}
MATCH = {
    2: (periodic.match_y_line, periodic.match_x_line),
    3: (periodic.match_x_plane, periodic.match_y_plane, periodic.match_z_plane),
}


class PeriodicCell:
    """One discretized torus, solved for one coefficient after another."""

    def __init__(self, dim: int, n: int, order: int) -> None:
        self.dim, self.K, self.mean = dim, lambda y: np.ones(len(y)), 1.0
        self.domain = FEDomain("cell", gen_block_mesh([1] * dim, [n + 1] * dim, [0.5] * dim, verbose=False))
        omega = self.domain.create_region("Omega", "all")
        origin = int(np.argmin(self.domain.mesh.coors.sum(axis=1)))
        corner = self.domain.create_region("Corner", f"vertex {origin}", "vertex")
        field = Field.from_args("theta", np.float64, "scalar", omega, approx_order=order)
        p = FieldVariable("p", "unknown", field)
        q = FieldVariable("q", "test", field, primary_var_name="p")
        self.a = FieldVariable("a", "parameter", field, primary_var_name="(set-to-None)")
        self.nodes, integral = field.get_coor(), Integral("i", order=2 * order)
        self.weights = integral.get_qp(f"{dim}_{2**dim}")[1]
        self.material = Material("m", function=Function("conductivity", self.conductivity))
        matrix = Term.new("dw_diffusion(m.K, q, p)", integral, omega, m=self.material, q=q, p=p)
        load = Term.new("dw_diffusion(m.K, q, a)", integral, omega, m=self.material, q=q, a=self.a)
        functions = Functions([Function(f"match{i}", match) for i, match in enumerate(MATCH[dim])])
        self.problem = Problem("cell", equations=Equations([Equation("balance", matrix + load)]), functions=functions)
        self.problem.set_bcs(
            ebcs=Conditions([EssentialBC("corner", corner, {"p.0": 0.0})]),
            epbcs=Conditions([self.sides(i) for i in range(dim)]),
        )
        self.a.set_data(self.nodes[:, 0].copy())
        self.problem.time_update()
        self.problem.equations.variables.init_state()

    def sides(self, i: int) -> PeriodicBC:
        low = self.domain.create_region(f"low{i}", f"vertices in ({'xyz'[i]} < 1e-9)", "facet")
        high = self.domain.create_region(f"high{i}", f"vertices in ({'xyz'[i]} > 0.999999999)", "facet")
        return PeriodicBC(f"side{i}", [low, high], {"p.0": "p.0"}, match=f"match{i}")

    def conductivity(self, _: object, coors: np.ndarray, mode: str | None = None, **__: object) -> dict | None:
        if mode != "qp":
            return None
        values = self.K(coors)
        self.mean = (values.reshape(-1, len(self.weights)) @ self.weights).mean()
        return {"K": values[:, None, None] * np.eye(self.dim)}

    def tensor(self, K: Callable[[np.ndarray], np.ndarray], rtol: float | None) -> np.ndarray:
        """K_hom (d, d) in energy form."""
        self.K = K
        self.problem.update_materials(mode="force", verbose=False)
        evaluator, variables = self.problem.get_evaluator(), self.problem.equations.variables
        zero, b = np.zeros(variables.di.n_dof_total), []
        A = evaluator.eval_tangent_matrix(zero, is_full=True)
        for r in range(self.dim):
            self.a.set_data(self.nodes[:, r].copy())
            b.append(-evaluator.eval_residual(zero.copy(), is_full=True))
        kind = DIRECT if rtol is None else AMG | {"eps_r": rtol}
        solver, b = Solver.any_from_conf(Struct(name="ls", **kind), mtx=A), np.array(b)
        theta = np.array([solver(column) for column in b])
        return self.mean * np.eye(self.dim) + theta @ (A @ theta.T) - theta @ b.T - b @ theta.T


def main(work: str) -> None:
    output.set_output(quiet=True)
    for n, order, rtol in SETTINGS[work]:
        amplitudes = w4_amplitudes(10 if work == "W4" else 1)
        cell = PeriodicCell(3 if work in ("W2", "S3") else 2, n, order)

        def loop(cell: PeriodicCell = cell, rtol: float | None = rtol, amplitudes: np.ndarray = amplitudes) -> list:
            return [cell.tensor((lambda y, a=a: w4(a, y)) if work == "W4" else CELLS[work].K, rtol) for a in amplitudes]

        tensors, seconds = best_of(loop)
        setting = f"n={n} p={order} " + ("SuperLU" if rtol is None else f"pyamg rtol={rtol:g}")
        tensor, count = tensors if work == "W4" else tensors[0], len(tensors)
        emit(
            f"SfePy p={order}",
            work,
            setting,
            (n * order) ** cell.dim,
            seconds / count,
            tensor,
            count,
            sfepy.__version__,
        )


if __name__ == "__main__":
    main(sys.argv[1])
