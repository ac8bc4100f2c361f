"""W3 with PETSc: conjugate gradients on hypre's BoomerAMG, one hierarchy for all right-hand sides.

    div( K (grad theta_r + e_r) ) = 0,     K_hom = <(I + grad theta)^T K (I + grad theta)>

Run by Debian's python with python3-petsc4py, which needs numpy only:
    export PETSC_DIR=/usr/lib/petscdir/petsc3.18/x86_64-linux-gnu-real OMP_NUM_THREADS=1
    /usr/bin/python3 mesh_petsc.py --cache DIR
Elements are assembled here in numpy (exact for K constant on each element) and given to PETSc element by element.
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import petsc4py

petsc4py.init(["mesh_petsc"])
from petsc4py import PETSc  # noqa: E402 (after init)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mesh_works as works  # noqa: E402 (found by the line above)

# Best of the settings tried: strong threshold 0.25, 0.5, 0.7; Falgout, HMIS, PMIS; aggressive levels 0, 1.
BOOMERAMG = {"coarsen_type": "HMIS", "interp_type": "ext+i", "strong_threshold": "0.25", "P_max": "4", "agg_nl": "1"}
ROW = {(2, 1): 16, (2, 2): 40, (3, 1): 48, (3, 2): 200}  # entries of a row, at most; more would raise
Array = np.ndarray[Any, Any]


def second_order(labels: Array) -> Array:
    """Unknowns (m, local) of quadratic elements: corners, then edges, numbered by their folded end points."""
    pairs = np.sort(np.stack([labels[:, [i, j]] for i, j in combinations(range(labels.shape[1]), 2)], axis=1), axis=2)
    corners = labels.max() + 1
    _, edges = np.unique(pairs[..., 0] * corners + pairs[..., 1], return_inverse=True)
    return np.hstack([labels, corners + edges.reshape(pairs.shape[:2])])


def reference(d: int, order: int) -> tuple[Array, Array]:
    """Points' weights (q,), summing to 1, and d N_i / d lambda_k (q, local, d + 1), exact for products of gradients."""
    if order == 1:
        return np.ones(1), np.eye(d + 1)[None]
    a = {2: 1.0 / 6.0, 3: (5.0 - np.sqrt(5.0)) / 20.0}[d]
    corners = np.full((d + 1, d + 1), a) + (1.0 - (d + 1) * a) * np.eye(d + 1)
    unit, gradients = np.eye(d + 1), []
    for lam in corners:
        edges = [4.0 * (lam[i] * unit[j] + lam[j] * unit[i]) for i, j in combinations(range(d + 1), 2)]
        gradients.append(np.vstack([np.diag(4.0 * lam - 1.0), *edges]))
    return np.full(d + 1, 1.0 / (d + 1)), np.array(gradients)


def barycentric(corners: Array) -> tuple[Array, Array]:
    """grad lambda_k (m, d + 1, d) and measures (m,), by cofactors: many times faster than LAPACK."""
    J = corners[:, 1:] - corners[:, :1]
    if J.shape[1] == 2:
        cofactors = np.stack([J[:, 1, ::-1] * [1.0, -1.0], J[:, 0, ::-1] * [-1.0, 1.0]], axis=1)
    else:
        cofactors = np.stack([np.cross(J[:, i - 2], J[:, i - 1]) for i in range(3)], axis=1)
    det = np.einsum("mj,mj->m", J[:, 0], cofactors[:, 0])
    grad = cofactors / det[:, None, None]
    return np.concatenate([-grad.sum(axis=1, keepdims=True), grad], axis=1), np.abs(det) / [1, 1, 2, 6][J.shape[1]]


def elements(mesh: works.Mesh, case: works.Case) -> tuple[Array, Array, Array, float]:
    """Unknowns (m, local), matrices (m, local, local), loads (m, local, d) of the elements and the mean of K."""
    grad, volume = barycentric(mesh.points[mesh.elements])
    weight = volume * np.where(mesh.inside, case.contrast, 1.0)
    gram = (weight[:, None, None] * grad) @ grad.swapaxes(1, 2)
    w, dN = reference(case.dim, case.order)
    if case.order == 1:
        blocks = gram
    else:
        kernel = np.einsum("q,qik,qjl->klij", w, dN, dN).reshape(grad.shape[1] ** 2, -1)
        blocks = (gram.reshape(len(gram), -1) @ kernel).reshape(len(gram), dN.shape[1], -1)
    loads = np.einsum("q,qik->ik", w, dN) @ (weight[:, None, None] * grad)
    labels = works.periodic_labels(mesh.points)[mesh.elements]
    return (labels if case.order == 1 else second_order(labels)), blocks, loads, float(weight.sum() / volume.sum())


def assemble(mesh: works.Mesh, case: works.Case) -> tuple[PETSc.Mat, Array, float]:
    """A with constants as its null space, right-hand sides (d, n) and the mean of K."""
    dofs, blocks, loads, mean = elements(mesh, case)
    n = int(dofs.max()) + 1
    A = PETSc.Mat().create(PETSc.COMM_SELF)
    A.setSizes((n, n))
    A.setType("aij")
    A.setPreallocationNNZ(ROW[case.dim, case.order])
    dofs = dofs.astype(np.int32)
    A.setValuesRCV(dofs, dofs, blocks.reshape(len(dofs), -1), addv=True)
    A.assemble()
    A.setOption(PETSc.Mat.Option.SPD, True)
    A.setNullSpace(PETSc.NullSpace().create(constant=True))
    right = [-np.bincount(dofs.ravel(), weights=column.ravel(), minlength=n) for column in np.moveaxis(loads, 2, 0)]
    return A, np.array(right), mean


def boomeramg(A: PETSc.Mat, rtol: float) -> PETSc.KSP:
    """Conjugate gradients with its hierarchy built."""
    options = PETSc.Options()
    for name, value in BOOMERAMG.items():
        options[f"pc_hypre_boomeramg_{name}"] = value
    options["pc_hypre_boomeramg_relax_type_all"] = "symmetric-SOR/Jacobi"
    for argument in sys.argv[1:]:  # -pc_hypre_boomeramg_...=value, to try others
        if argument.startswith("-pc_"):
            name, value = argument[1:].split("=")
            options[name] = value
    ksp = PETSc.KSP().create(PETSc.COMM_SELF)
    ksp.setOperators(A)
    ksp.setType("cg")
    ksp.getPC().setType("hypre")
    ksp.getPC().setHYPREType("boomeramg")
    ksp.setFromOptions()
    ksp.setTolerances(rtol=rtol, atol=0.0)
    ksp.setUp()
    return ksp


def main() -> None:
    """One line a case."""
    given = works.arguments(__doc__, rtol=3e-5)
    for name in given.cases:
        case, times, steps, theta = works.CASES[name], {}, [], []
        with works.stopwatch(times, "read"):
            mesh = works.load(case, given.cache)
        with works.stopwatch(times, "assembly"):
            A, right, mean = assemble(mesh, case)
        with works.stopwatch(times, "setup"):
            ksp = boomeramg(A, given.rtol)
        with works.stopwatch(times, "solve"):
            for b in right:
                u, f = A.createVecs()
                f.setArray(b)
                ksp.solve(f, u)
                theta.append(u.getArray().copy())
                steps.append(ksp.getIterationNumber())
            products = np.array([[(A * PETSc.Vec().createWithArray(u)).getArray() @ v for v in theta] for u in theta])
            tensor = mean * np.eye(case.dim) + products - np.array(theta) @ right.T - right @ np.array(theta).T
        setting = f"CG + BoomerAMG {' '.join(BOOMERAMG.values())}, rtol {given.rtol:g}"
        version = ".".join(map(str, PETSc.Sys.getVersion()))
        works.report("petsc-hypre", version, case, setting, len(right[0]), times, tensor, steps)


if __name__ == "__main__":
    main()
