"""Arrays of HDF5 files, within limits: the file itself only, no more memory than its size can stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cellsolve.cells.mesh_data import Array, DamagedFileError, memory_allowed

__all__ = ["HdfFile"]


class HdfFile:
    """An HDF5 file open for reading; a context manager."""

    def __init__(self, path: Path):
        self._budget = memory_allowed(path.stat().st_size)
        self._file = h5py.File(path, "r")

    def __enter__(self) -> HdfFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keys(self, path: str) -> list[str]:
        """The names in a group, none where there is no such group."""
        group = self._find(path)
        return sorted(group.keys()) if isinstance(group, h5py.Group) else []

    def array(self, path: str) -> Array:
        """A dataset of numbers."""
        dataset = self._find(path)
        if not isinstance(dataset, h5py.Dataset):
            raise DamagedFileError(f"no dataset {path!r}")
        if dataset.is_virtual or dataset.external:
            raise DamagedFileError(f"the dataset {path!r} lies in another file")
        self._budget -= dataset.size * dataset.dtype.itemsize
        if self._budget < 0:
            raise DamagedFileError(f"the dataset {path!r} of {dataset.size} values, more than is allowed")
        values = np.asarray(dataset[()])
        if values.dtype.kind not in "iuf":
            raise DamagedFileError(f"the dataset {path!r} holds no numbers")
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def number(self, path: str, attribute: str) -> int:
        """A whole number that is an attribute of a group or dataset."""
        owner = self._find(path)
        if owner is None or attribute not in owner.attrs:
            raise DamagedFileError(f"no attribute {attribute!r} of {path!r}")
        return int(owner.attrs[attribute])

    def _find(self, path: str) -> Any:
        """What is at a path, None if nothing; links to other files are refused."""
        place: Any = self._file
        for key in path.strip("/").split("/"):
            link = place.get(key, getlink=True) if isinstance(place, h5py.Group) else None
            if link is None:
                return None
            if isinstance(link, h5py.ExternalLink):
                raise DamagedFileError(f"{path!r} links to another file")
            place = place.get(key)
        return place
