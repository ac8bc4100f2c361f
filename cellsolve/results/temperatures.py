"""One dataset of several temperatures: a leading dimension sigma, and attributes that say what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray

__all__ = ["join_temperatures"]

_ABOUT = {"long_name": "temperature sigma = k_B T", "units": "energy (unit of V)"}


def join_temperatures(sigmas: Sequence[float], datasets: Sequence[xarray.Dataset]) -> xarray.Dataset:
    """The datasets of temperatures ``sigmas`` along a leading dimension sigma.

    Attributes that are equal are kept. Numbers that differ become a list, one a temperature; texts that differ are
    put one after the other, each with its temperature.
    """
    import xarray

    axis = xarray.Variable(("sigma",), list(sigmas), _ABOUT)
    joined = xarray.concat(
        datasets,
        dim=xarray.DataArray(axis, coords={"sigma": axis}),
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    names = dict.fromkeys(name for dataset in datasets for name in dataset.attrs)
    joined.attrs = {str(name): _joined(sigmas, [dataset.attrs.get(name, "") for dataset in datasets]) for name in names}
    joined.attrs["converged"] = min(int(dataset.attrs["converged"]) for dataset in datasets)
    return joined


def _joined(sigmas: Sequence[float], values: Sequence[Any]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    if all(isinstance(value, int | float) for value in values):
        return list(values)
    return " | ".join(f"sigma {sigma:g}: {value}" for sigma, value in zip(sigmas, values, strict=True) if value != "")
