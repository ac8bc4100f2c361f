"""W3: cellsolve and its rivals on the same mesh files in the same run, one thread.

    python validation/benchmarks/mesh_works.py --cache DIR                      once: the meshes (needs gmsh)
    python validation/benchmarks/meshes.py --cache DIR [CASE ...]               cases {2d,3d}-{10,1000}-p{1,2}

Rivals run under --python (NGSolve, SfePy, scikit-fem) and --petsc-python (Debian's python3-petsc4py; PETSC_DIR as that
package wants it). Every tensor is compared with the one that PETSc gives at a relative residual of 1e-11.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
CASES = tuple(f"{dim}d-{contrast}-p{order}" for dim in (2, 3) for order in (1, 2) for contrast in (10, 1000))
RIVALS = ("mesh_cellsolve", "mesh_petsc", "mesh_skfem", "mesh_ngsolve", "mesh_sfepy")


def lines(rival: str, python: str, cache: Path, case: str, *options: str, timeout: float) -> list[dict[str, Any]]:
    """What one program prints of one case; what it cannot do is said on stderr."""
    command = [python, str(HERE / "rivals" / f"{rival}.py"), "--cache", str(cache), *options, case]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        print(f"{rival} {case}: {error}", file=sys.stderr)
        return []
    if done.returncode:
        print(f"{rival} {case}: {(done.stderr.strip().splitlines() or ['failed'])[-1][:200]}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def table(case: str, found: list[dict[str, Any]], truth: np.ndarray | None) -> None:
    """Seconds without reading the mesh, as a whole and by part."""
    print(f"\n{case}: seconds (assembly + setup + solve), relative distance to the tensor of this mesh and order")
    for line in sorted(found, key=lambda one: one["seconds"]):
        tensor = np.asarray(line["tensor"])
        error = np.nan if truth is None else np.linalg.norm(tensor - truth, 2) / np.linalg.norm(truth, 2)
        parts = " ".join(f"{name[:-8]} {line[name]:.2f}" for name in line if name.endswith("_seconds"))
        seconds = f"{line['seconds']:8.2f}  {error:8.1e}  {line['unknowns']:8}"
        print(f"  {line['rival']:18} {seconds}  {parts}  {line['setting'][:70]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the rivals")
    parser.add_argument("--petsc-python", default="/usr/bin/python3", help="interpreter that has petsc4py")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS))
    parser.add_argument("--timeout", type=float, default=300.0)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, one thread")
    pythons = {"mesh_cellsolve": sys.executable, "mesh_petsc": given.petsc_python}
    for case in given.cases:
        reference = lines("mesh_petsc", given.petsc_python, given.cache, case, "--rtol", "1e-11", timeout=given.timeout)
        truth = np.asarray(reference[0]["tensor"]) if reference else None
        found = [
            line
            for rival in given.rivals
            for line in lines(rival, pythons.get(rival, given.python), given.cache, case, timeout=given.timeout)
        ]
        table(case, found, truth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
