"""Checkpoints: finished parts of a computation, on disk while the rest is computed.

A folder beside the result. ``job.json`` says what is computed; each ``part-*.npz`` holds some finished parts, by key. A
file appears whole and on the disk, or not at all, so that what is there after a crash can be gone on with. Parts are
gathered for a second before they are written: a computation of less leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cellsolve.errors import JobError
from cellsolve.results.whole_file import unwritable, whole_file

__all__ = ["Part", "Store", "open_store", "remove_store"]

Part = dict[str, npt.NDArray[np.generic]]
Job = Mapping[str, str]  # what the parts depend on, in words
_SECONDS = 1.0  # between two files
_JOB = "job.json"
_SLASH = "|"  # between the key of a part and the name of an array


class Store:
    """The parts in a folder, by key; `open_store` makes one."""

    def __init__(self, folder: Path, job: Job):
        self.folder, self.job = folder, job
        self._files = _files_of_parts(folder)
        self._waiting = dict[str, Part]()
        self._number = 1 + max((int(p.stem.split("-")[1]) for p in self._paths()), default=0)
        self._last = time.monotonic()

    def __len__(self) -> int:
        """Parts known, written or not."""
        return len(self._files) + len(self._waiting)

    def get(self, key: str) -> Part | None:
        """A part that was finished, or None."""
        if key in self._waiting or key not in self._files:
            return self._waiting.get(key)
        start = key + _SLASH
        with np.load(self._files[key], allow_pickle=False) as arrays:
            return {name.removeprefix(start): arrays[name] for name in arrays.files if name.startswith(start)}

    def put(self, key: str, part: Part) -> None:
        """Remember a finished part; it is on the disk about a second later. Raises JobError where it cannot be."""
        self._waiting[key] = part
        if time.monotonic() - self._last >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        self._last = time.monotonic()
        if not self._waiting:
            return
        self._begin()
        path = self.folder / f"part-{self._number:06d}.npz"
        arrays = {key + _SLASH + name: a for key, part in self._waiting.items() for name, a in part.items()}
        with whole_file(path) as scratch, scratch.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # keys are no keywords of savez
        self._files |= dict.fromkeys(self._waiting, path)
        self._waiting, self._number, self._last = {}, self._number + 1, time.monotonic()

    def _begin(self) -> None:
        """The folder, and what it is for."""
        if (self.folder / _JOB).is_file():
            return
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from None
        with whole_file(self.folder / _JOB) as scratch:
            scratch.write_text(json.dumps(dict(self.job), indent=1, ensure_ascii=False), encoding="utf-8")

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.npz"))


@contextmanager
def open_store(folder: str | os.PathLike[str], job: Job) -> Iterator[Store]:
    """The store of a job in ``folder``, which is made when there is something to keep; what is finished when the block
    ends, however it does, is written.

    Raises JobError for a folder that holds another job, naming what differs, or anything else, and for no path.
    """
    place = _place(folder)
    _check_job(place, job)
    store = Store(place, job)
    try:
        yield store
    finally:
        if store._files or time.monotonic() - store._last >= _SECONDS:
            store.flush()


def remove_store(folder: str | os.PathLike[str]) -> bool:
    """Remove a store, if there is one; was there? Raises JobError for a folder that is none."""
    place = _place(folder)
    if not place.exists():
        return False
    _earlier_job(place)
    shutil.rmtree(place)
    return True


def _place(folder: str | os.PathLike[str]) -> Path:
    try:
        place = Path(folder)
    except TypeError:
        place = Path()
    if not isinstance(folder, str | os.PathLike) or "\0" in str(place) or not str(folder):
        raise JobError(
            f"got store = {str(folder)[:60]!r}, needed the path of a folder. Give a text or a pathlib.Path, or None."
        )
    return place


def _check_job(folder: Path, job: Job) -> None:
    if not folder.exists():
        return
    earlier = _earlier_job(folder)
    if not earlier:
        return
    differences = [
        f"{name} was {_shown(earlier.get(name))}, now {_shown(job.get(name))}"
        for name in {**earlier, **job}
        if earlier.get(name) != job.get(name)
    ]
    if differences:
        raise JobError(
            f"{folder} holds the beginning of another job: {'; '.join(differences)}. Give the same job to go on with "
            "it, another output, or remove the folder."
        )


def _earlier_job(folder: Path) -> Job:
    """What a folder says it is for; an empty one, which a crash may leave, is for anything."""
    if not folder.is_dir():
        raise JobError(f"{folder} is no folder, needed the checkpoints of a job. Move it out of the way.")
    try:
        job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    except FileNotFoundError:
        job = {} if not any(folder.iterdir()) or _is_torn(folder) else None
    except (OSError, ValueError):
        job = None
    if not isinstance(job, dict):
        raise JobError(f"{folder} is no store of checkpoints: it has no {_JOB}. Give another place.")
    return job


def _is_torn(folder: Path) -> bool:
    """Nothing but the scratch file that a killed run left."""
    return all(path.name.startswith(f".{_JOB}.") for path in folder.iterdir())


def _shown(value: str | None) -> str:
    if value is None:
        return "not given"
    return value if len(value) <= 80 else f"{value[:77]}..."


def _files_of_parts(folder: Path) -> dict[str, Path]:
    """Key -> file; a file that cannot be read, which no crash leaves, is as good as not there."""
    found = dict[str, Path]()
    for path in sorted(folder.glob("part-*.npz")):
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                found |= {name.split(_SLASH)[0]: path for name in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            continue
    return found
