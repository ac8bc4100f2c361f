"""W3, effective conductivity on mesh files: the meshes, the cases, and what every program in ``rivals`` is asked.

    matrix 1, inclusion 10 or 1000, volume fraction 0.3, unit period:  a disc in the square, a ball in the cube

Make the meshes: ``python mesh_works.py --cache DIR`` (gmsh and meshio, a minute): binary gmsh 4.1 files with
periodic sides and regions "matrix" and "inclusion", and the same arrays as .npz for programs that read no gmsh.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import pi, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FRACTION = 0.3
SIZES = {"disc_fine": 0.00345, "disc": 0.0069, "ball": 0.0138, "ball_coarse": 0.0284}  # 1e5, 2.5e4, 3e5, 4e4 vertices


class Case(NamedTuple):
    """``work``: dimension and contrast; ``mesh``: a key of SIZES; ``order`` of the elements; ``contrast``."""

    work: str
    mesh: str
    order: int
    contrast: float
    dim: int


MESHES = {(2, 1): "disc_fine", (2, 2): "disc", (3, 1): "ball", (3, 2): "ball_coarse"}
CASES = {
    f"{dim}d-{contrast}-p{order}": Case(f"W3-{dim}d-{contrast}", mesh, order, contrast, dim)
    for (dim, order), mesh in MESHES.items()
    for contrast in (10, 1000)
}


class Mesh(NamedTuple):
    """``points`` (n, d), ``elements`` (m, d + 1), ``inside`` (m,): is the element in the inclusion?"""

    points: np.ndarray[Any, Any]
    elements: np.ndarray[Any, Any]
    inside: np.ndarray[Any, Any]


def load(case: Case, cache: Path) -> Mesh:
    """The arrays of a mesh file."""
    return Mesh(**np.load(cache / f"{case.mesh}.npz"))


def periodic_labels(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers (n,) from 0 on, equal for points of the unit square or cube that are equal modulo 1."""
    side = np.flatnonzero((np.abs(points * (points - 1.0)) < 1e-9).any(axis=1))
    shifted = np.round((points[side] % 1.0 + 0.137) * 1e6).astype(np.int64)
    shifted[shifted == 1137000] = 137000
    _, first, inverse = np.unique(shifted @ (1 << 21) ** np.arange(points.shape[1]), True, True)
    master = np.arange(len(points))
    master[side] = side[first[inverse]]
    return np.unique(master, return_inverse=True)[1]


@contextmanager
def stopwatch(times: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds of a block to ``times[name]``."""
    start = time.perf_counter()
    yield
    times[name] = times.get(name, 0.0) + time.perf_counter() - start


def arguments(description: str, rtol: float) -> argparse.Namespace:
    """What every program takes: --cache, --rtol, names of cases."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cache", type=Path, required=True, help="folder of the meshes")
    parser.add_argument("--rtol", type=float, default=rtol, help="relative tolerance of the program's own solver")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default all")
    given, _ = parser.parse_known_args()  # others are options of PETSc
    given.cases = given.cases or list(CASES)
    return given


def report(
    rival: str, version: str, case: Case, setting: str, unknowns: int, times: dict[str, float], tensor: Any, steps: Any
) -> None:
    """One JSON line; ``times`` of read, assembly, setup, solve."""
    seconds = {f"{name}_seconds": round(value, 4) for name, value in times.items()}
    total = sum(times.get(name, 0.0) for name in ("assembly", "setup", "solve"))
    line = {"rival": rival, "work": case.work, "setting": f"P{case.order}, {setting}", "unknowns": int(unknowns)}
    line |= seconds | {"seconds": round(total, 4), "tensor": np.asarray(tensor).tolist(), "iterations": steps}
    print(json.dumps(line | {"version": version}), flush=True)


def build(gmsh: Any, dim: int, size: float) -> None:
    """The periodic mesh in gmsh's current model."""
    occ, mesh = gmsh.model.occ, gmsh.model.mesh
    radius = sqrt(FRACTION / pi) if dim == 2 else (3.0 * FRACTION / (4.0 * pi)) ** (1.0 / 3.0)
    box = occ.addRectangle(0, 0, 0, 1, 1) if dim == 2 else occ.addBox(0, 0, 0, 1, 1, 1)
    ball = occ.addDisk(0.5, 0.5, 0, radius, radius) if dim == 2 else occ.addSphere(0.5, 0.5, 0.5, radius)
    _, (outer, inner) = occ.fragment([(dim, box)], [(dim, ball)])
    occ.synchronize()
    gmsh.model.addPhysicalGroup(dim, [tag for _, tag in set(outer) - set(inner)], name="matrix")
    gmsh.model.addPhysicalGroup(dim, [tag for _, tag in inner], name="inclusion")
    centre = {tag: np.array(occ.getCenterOfMass(dim - 1, tag)) for _, tag in gmsh.model.getEntities(dim - 1)}
    for axis in range(dim):
        low, high = ([t for t, x in centre.items() if abs(x[axis] - height) < 1e-9] for height in (0.0, 1.0))
        shift = np.eye(4)
        shift[axis, 3] = 1.0
        mesh.setPeriodic(dim - 1, high, low, shift.ravel().tolist())
    for bound in ("Min", "Max"):
        gmsh.option.setNumber(f"Mesh.MeshSize{bound}", size)
    mesh.generate(dim)


def arrays_of(path: Path, dim: int) -> Mesh:
    """The arrays of a gmsh file, without points of no element."""
    import meshio

    file, kind = meshio.read(path), {2: "triangle", 3: "tetra"}[dim]
    used, numbered = np.unique(file.get_cells_type(kind), return_inverse=True)
    inside = file.get_cell_data("gmsh:physical", kind) == file.field_data["inclusion"][0]
    return Mesh(file.points[used, :dim], numbered.reshape(-1, dim + 1), inside)


def main() -> None:
    """Make the meshes that are not there yet."""
    import gmsh

    cache = arguments(__doc__, rtol=0.0).cache
    cache.mkdir(parents=True, exist_ok=True)
    gmsh.initialize()
    for option, value in {"General.Terminal": 0, "Mesh.Binary": 1, "Mesh.MshFileVersion": 4.1}.items():
        gmsh.option.setNumber(option, value)
    for name in (name for name in SIZES if not (cache / f"{name}.npz").exists()):
        gmsh.clear()
        dim = 3 if "ball" in name else 2
        build(gmsh, dim, SIZES[name])
        gmsh.write(str(cache / f"{name}.msh"))
        mesh = arrays_of(cache / f"{name}.msh", dim)
        np.savez(cache / f"{name}.npz", **mesh._asdict())
        print(f"{name}: {len(mesh.points)} vertices, {len(mesh.elements)} elements")
    gmsh.finalize()


if __name__ == "__main__":
    main()
