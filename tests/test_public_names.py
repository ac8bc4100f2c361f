"""The public list: every name resolves, is documented, and costs nothing until it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import cellsolve as cs
from cellsolve import errors

NAMES = {
    "__version__",
    "CellProblemSolution",
    "CellsolveError",
    "CoefficientError",
    "ConvergenceError",
    "Effective",
    "EffectiveModel",
    "ExpressionError",
    "InvariantDensity",
    "JobError",
    "MeshError",
    "PeriodicityError",
    "Potential",
    "SpectralGap",
    "TemperatureSweep",
    "UnitCell",
    "box_cell",
    "exact",
    "homogenize",
    "homogenized_density",
    "inspect_cell",
    "invariant_density",
    "log_poincare_bound",
    "poincare_bound",
    "read_cell",
    "read_netcdf",
    "relative_entropy",
    "solve_cell_problem",
    "solve_cell_problems",
    "spectral_gap",
    "total_variation",
    "wasserstein_distance",
    "weak_distance",
    "write_fields",
    "write_netcdf",
}
HEAVY = ("numpy", "scipy", "skfem", "xarray", "meshio", "pyamg", "h5netcdf", "matplotlib")


def test_the_public_list_is_the_documented_one() -> None:
    assert set(cs.__all__) == NAMES
    assert len(cs.__all__) == len(NAMES)
    assert set(dir(cs)) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_resolves_and_is_documented(name) -> None:
    thing = getattr(cs, name)
    if name != "__version__":
        assert inspect.getdoc(thing)
        assert getattr(thing, "__name__").rsplit(".")[-1] == name  # noqa: B009 (modules, classes and functions have one)


def test_every_error_is_public() -> None:
    assert set(errors.__all__) <= NAMES
    for name in errors.__all__:
        assert issubclass(getattr(cs, name), cs.CellsolveError)
        assert getattr(cs, name) is getattr(errors, name)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'cellsolve' has no attribute 'homogenise'"):
        _ = cs.homogenise


def loaded_after(statement: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after the statement."""
    script = f"import sys; {statement}; print(*sys.modules)"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(finished.stdout.split())


def test_importing_cellsolve_loads_nothing_heavy() -> None:
    assert not loaded_after("import cellsolve; cellsolve.__version__; dir(cellsolve)").intersection(HEAVY)


def test_solving_a_box_loads_neither_files_nor_datasets() -> None:
    statement = "import cellsolve as cs; cs.homogenize(cs.Potential('cos(2*pi*y1)', dim=1, scales=1), sigma=1.0)"
    assert not loaded_after(statement).intersection({"xarray", "h5netcdf", "pyamg"})


def test_star_import_gives_the_public_list() -> None:
    namespace: dict[str, object] = {}
    exec("from cellsolve import *", namespace)
    assert namespace.keys() - {"__builtins__"} == NAMES
