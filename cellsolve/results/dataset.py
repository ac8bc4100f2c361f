"""Results on a macroscopic grid: a labelled dataset with units and provenance; netCDF files, whole or not at all.

The only door to xarray, which is imported when a dataset is made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cellsolve.errors import JobError
from cellsolve.results.whole_file import whole_file

if TYPE_CHECKING:
    import xarray

__all__ = ["macro_dataset", "read_netcdf", "versions", "write_netcdf"]

_TENSOR_AXES: dict[str, tuple[str, ...]] = {
    "diffusion": ("i", "j"),
    "log_diffusion": ("i", "j"),
    "lower": ("i", "j"),
    "upper": ("i", "j"),
    "free_energy_gradient": ("i",),
    "diffusion_divergence": ("i",),
}
_DESCRIPTIONS = {
    "diffusion": ("effective diffusion tensor M, in units of the free mobility", "1"),
    "log_diffusion": ("matrix logarithm of the effective diffusion tensor M", "1"),
    "lower": ("lower bound of M in the Loewner order", "1"),
    "upper": ("upper bound of M in the Loewner order", "1"),
    "partition_function": ("partition function Z of the fast variables", "1"),
    "log_partition_function": ("logarithm of the partition function Z", "1"),
    "free_energy": ("free energy Psi = V0 - sigma log Z", "energy (unit of sigma)"),
    "free_energy_gradient": ("gradient of the free energy Psi", "energy / length (units of sigma and x)"),
    "diffusion_divergence": ("divergence of M, sum_j dM_ij/dx_j", "1 / length (unit of x)"),
    "error_estimate": ("estimated relative error of M", "1"),
    "within_tolerance": ("1 where the estimated error of M is within the tolerance", "1"),
}


def macro_dataset(
    axes: Mapping[str, npt.NDArray[np.float64]],
    values: Mapping[str, npt.NDArray[Any]],
    attributes: Mapping[str, Any],
) -> xarray.Dataset:
    """A dataset of fields over the axes; tensor indices are the dimensions i, j."""
    import xarray

    variables = {}
    for name, array in values.items():
        text, units = _DESCRIPTIONS[name]
        dims = (*axes, *_TENSOR_AXES.get(name, ()))
        variables[name] = xarray.Variable(dims, array, {"long_name": text, "units": units})
    coordinates = {
        name: xarray.Variable((name,), axis, {"long_name": f"macroscopic coordinate {name}", "units": "length"})
        for name, axis in axes.items()
    }
    return xarray.Dataset(variables, coordinates, {**attributes, "versions": versions()})


def versions() -> str:
    """Versions of cellsolve and of the libraries that its numbers pass through."""
    found = []
    for name in ("cellsolve", "numpy", "scipy", "scikit-fem", "pyamg"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
    return ", ".join(found)


def write_netcdf(dataset: xarray.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a netCDF 4 file: first beside its place, then moved there, so that it appears whole or not at all.

    Raises JobError when the place cannot be written.
    """
    with whole_file(path) as scratch:
        dataset.to_netcdf(scratch, engine="h5netcdf")


def read_netcdf(path: str | os.PathLike[str]) -> xarray.Dataset:
    """Read a netCDF file into memory. Raises JobError when it is missing or no netCDF file."""
    import xarray

    source = Path(path)
    if not source.is_file():
        raise JobError(f"{source}: no such file. Give a file that `cellsolve run` wrote.")
    try:
        with xarray.open_dataset(source, engine="h5netcdf") as dataset:
            return dataset.load()
    except (OSError, ValueError, KeyError) as error:
        raise JobError(
            f"{source} is no netCDF file that can be read: {error}. Give a file that `cellsolve run` wrote."
        ) from None
