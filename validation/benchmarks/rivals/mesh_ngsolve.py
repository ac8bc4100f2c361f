"""W3 with NGSolve: Periodic(H1) on the same mesh; sparse Cholesky in the plane, conjugate gradients in space.

In space the preconditioner is "h1amg" for elements of first order and "bddc" with it as coarse solver above.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import netgen.meshing as ngm
import ngsolve as ngs
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mesh_works as works

Array = np.ndarray[Any, Any]
PRECONDITIONERS = {
    1: ngs.preconditioners.H1AMG,
    2: lambda form: ngs.preconditioners.BDDC(form, coarsetype="h1amg"),
}
FACETS = {2: [[0, 1], [1, 2], [2, 0]], 3: [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]}


def netgen_mesh(mesh: works.Mesh, dim: int) -> ngs.Mesh:
    """NGSolve's mesh of the arrays: materials matrix and inclusion, the outer facets, periodic points identified."""
    result = ngm.Mesh(dim=dim)
    points = np.zeros((len(mesh.points), 3))
    points[:, :dim] = mesh.points
    result.AddPoints(points)
    for index, name in enumerate(("matrix", "inclusion"), start=1):
        if dim == 2:
            result.Add(ngm.FaceDescriptor(surfnr=index, domin=index, bc=index))
        result.SetMaterial(index, name)
        rows = mesh.elements[mesh.inside == (index == 2)].astype(np.int32)
        result.AddElements(dim=dim, index=index, data=np.ascontiguousarray(rows), base=0)
    if dim == 3:
        result.Add(ngm.FaceDescriptor(surfnr=1, domin=1, domout=0, bc=1))
    facets = np.vstack([mesh.elements[:, facet] for facet in FACETS[dim]])
    for axis in range(dim):
        low, high = (np.flatnonzero(np.abs(mesh.points[:, axis] - side) < 1e-9) for side in (0.0, 1.0))
        others = [a for a in range(dim) if a != axis]
        order = [np.lexsort(np.round(mesh.points[nodes][:, others], 7).T) for nodes in (low, high)]
        for i, j in zip((low[order[0]] + 1).tolist(), (high[order[1]] + 1).tolist(), strict=True):
            result.AddPointIdentification(ngm.PointId(i), ngm.PointId(j), axis + 1, 2)
        for nodes in (low, high):
            rows = facets[np.isin(facets, nodes).all(axis=1)].astype(np.int32)
            result.AddElements(dim=dim - 1, index=1, data=np.ascontiguousarray(rows), base=0)
    return ngs.Mesh(result)


def prepared(mesh: ngs.Mesh, case: works.Case, times: dict[str, float]) -> tuple[Any, ...]:
    """Form, loads, K, and the inverse or preconditioner."""
    with works.stopwatch(times, "assembly"):
        space = ngs.Periodic(ngs.H1(mesh, order=case.order))
        space = ngs.Compress(space) if case.dim == 2 else space  # faster with Cholesky, slower with multigrid
        u, v = space.TnT()
        K = mesh.MaterialCF({"matrix": 1.0, "inclusion": case.contrast})
        form = ngs.BilinearForm(space, symmetric=True)
        form += K * ngs.grad(u) * ngs.grad(v) * ngs.dx
        loads = [ngs.LinearForm(-K * ngs.grad(v)[r] * ngs.dx).Assemble() for r in range(case.dim)]
        free = ngs.BitArray(space.FreeDofs())
        free.Clear(0)
        pre = None if case.dim == 2 else PRECONDITIONERS[case.order](form)
        form.Assemble()
    with works.stopwatch(times, "setup"):
        if pre is None:
            return space, form, loads, K, form.mat.Inverse(free, inverse="sparsecholesky")
        pre.Update()
    return space, form, loads, K, pre


def solve(inverse: Any, form: Any, load: Any, rtol: float, dim: int) -> tuple[Any, int]:
    """One corrector and its iterations."""
    if dim == 2:
        return (inverse * load.vec).Evaluate(), 0
    cg = ngs.krylovspace.CGSolver(form.mat, inverse, tol=rtol, maxiter=500)
    return (cg * load.vec).Evaluate(), cg.iterations


def main() -> None:
    """One line a case."""
    given = works.arguments(__doc__, rtol=1e-4)
    for name in given.cases:
        case, times, steps = works.CASES[name], {}, []
        with works.stopwatch(times, "read"):
            mesh = netgen_mesh(works.load(case, given.cache), case.dim)
        space, form, loads, K, inverse = prepared(mesh, case, times)
        with works.stopwatch(times, "solve"):
            theta = []
            for load in loads:
                u, count = solve(inverse, form, load, given.rtol, case.dim)
                theta.append(u)
                steps.append(count)
            images = [(form.mat * u).Evaluate() for u in theta]
            mean = ngs.Integrate(K, mesh)
            tensor = [
                [
                    mean * (r == s)
                    + ngs.InnerProduct(theta[r], images[s])
                    - ngs.InnerProduct(theta[r], loads[s].vec)
                    - ngs.InnerProduct(theta[s], loads[r].vec)
                    for s in range(case.dim)
                ]
                for r in range(case.dim)
            ]
        kind = "sparse Cholesky" if case.dim == 2 else ("CG + h1amg" if case.order == 1 else "CG + BDDC/h1amg")
        setting = kind if case.dim == 2 else f"{kind}, rtol {given.rtol:g}"
        works.report("ngsolve", ngs.__version__, case, setting, space.ndof, times, tensor, steps)


if __name__ == "__main__":
    main()
