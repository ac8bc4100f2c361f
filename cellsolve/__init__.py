"""cellsolve: effective coefficients from finite-element cell problems.

    import cellsolve as cs
    V = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y2[0])", dim=2, scales=2, V0="x[0]**2 + x[1]**2")
    eff = cs.homogenize(V, sigma=0.5).evaluate([[0.1, 0.2]])

Names are loaded when they are first used, so that importing cellsolve costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cellsolve import exact as exact
    from cellsolve.cellproblem.solve import CellProblemSolution as CellProblemSolution
    from cellsolve.cellproblem.solve import solve_cell_problem as solve_cell_problem
    from cellsolve.cellproblem.solve import solve_cell_problems as solve_cell_problems
    from cellsolve.cells import UnitCell as UnitCell
    from cellsolve.cells import box_cell as box_cell
    from cellsolve.cells import inspect_cell as inspect_cell
    from cellsolve.cells import read_cell as read_cell
    from cellsolve.dynamics.density import InvariantDensity as InvariantDensity
    from cellsolve.dynamics.density import homogenized_density as homogenized_density
    from cellsolve.dynamics.density import invariant_density as invariant_density
    from cellsolve.dynamics.distances import relative_entropy as relative_entropy
    from cellsolve.dynamics.distances import total_variation as total_variation
    from cellsolve.dynamics.distances import wasserstein_distance as wasserstein_distance
    from cellsolve.dynamics.distances import weak_distance as weak_distance
    from cellsolve.dynamics.rates import SpectralGap as SpectralGap
    from cellsolve.dynamics.rates import log_poincare_bound as log_poincare_bound
    from cellsolve.dynamics.rates import poincare_bound as poincare_bound
    from cellsolve.dynamics.rates import spectral_gap as spectral_gap
    from cellsolve.errors import CellsolveError as CellsolveError
    from cellsolve.errors import CoefficientError as CoefficientError
    from cellsolve.errors import ConvergenceError as ConvergenceError
    from cellsolve.errors import ExpressionError as ExpressionError
    from cellsolve.errors import JobError as JobError
    from cellsolve.errors import MeshError as MeshError
    from cellsolve.errors import PeriodicityError as PeriodicityError
    from cellsolve.macro.effective import Effective as Effective
    from cellsolve.macro.model import EffectiveModel as EffectiveModel
    from cellsolve.macro.model import homogenize as homogenize
    from cellsolve.macro.sweep import TemperatureSweep as TemperatureSweep
    from cellsolve.potentials import Potential as Potential
    from cellsolve.results.dataset import read_netcdf as read_netcdf
    from cellsolve.results.dataset import write_netcdf as write_netcdf
    from cellsolve.results.vtu import write_fields as write_fields

_HOMES = {
    "CellProblemSolution": "cellsolve.cellproblem.solve",
    "CellsolveError": "cellsolve.errors",
    "CoefficientError": "cellsolve.errors",
    "ConvergenceError": "cellsolve.errors",
    "Effective": "cellsolve.macro.effective",
    "EffectiveModel": "cellsolve.macro.model",
    "ExpressionError": "cellsolve.errors",
    "InvariantDensity": "cellsolve.dynamics.density",
    "JobError": "cellsolve.errors",
    "MeshError": "cellsolve.errors",
    "PeriodicityError": "cellsolve.errors",
    "Potential": "cellsolve.potentials",
    "SpectralGap": "cellsolve.dynamics.rates",
    "TemperatureSweep": "cellsolve.macro.sweep",
    "UnitCell": "cellsolve.cells",
    "box_cell": "cellsolve.cells",
    "homogenize": "cellsolve.macro.model",
    "homogenized_density": "cellsolve.dynamics.density",
    "inspect_cell": "cellsolve.cells",
    "invariant_density": "cellsolve.dynamics.density",
    "log_poincare_bound": "cellsolve.dynamics.rates",
    "poincare_bound": "cellsolve.dynamics.rates",
    "read_cell": "cellsolve.cells",
    "read_netcdf": "cellsolve.results.dataset",
    "relative_entropy": "cellsolve.dynamics.distances",
    "solve_cell_problem": "cellsolve.cellproblem.solve",
    "solve_cell_problems": "cellsolve.cellproblem.solve",
    "spectral_gap": "cellsolve.dynamics.rates",
    "total_variation": "cellsolve.dynamics.distances",
    "wasserstein_distance": "cellsolve.dynamics.distances",
    "weak_distance": "cellsolve.dynamics.distances",
    "write_fields": "cellsolve.results.vtu",
    "write_netcdf": "cellsolve.results.dataset",
}
__all__ = ["__version__", "exact", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "exact":
        return import_module("cellsolve.exact")
    if name not in _HOMES:
        raise AttributeError(f"module 'cellsolve' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
