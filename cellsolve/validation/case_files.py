"""The scripts of the folder ``validation/``: where they are, and how one is imported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from cellsolve.errors import JobError
from cellsolve.validation.claims import Claim

__all__ = ["case_paths", "cases", "load_case"]


def cases(effort: int = 1) -> dict[str, Callable[[], list[Claim]]]:
    """Every script of the validation folder by name. Raises JobError where the scripts are not to be found."""
    return {name: partial(_run, path, effort) for name, path in case_paths().items()}


def case_paths() -> dict[str, Path]:
    """The file of every case, by name in alphabetical order. Raises JobError where there are none."""
    scripts = sorted(path for path in _folder().glob("*.py") if not path.name.startswith("_"))
    return {path.stem: path for path in scripts}


def load_case(path: Path) -> ModuleType:
    """Import a script from its file; its folder is importable meanwhile, for what scripts share."""
    spec = importlib.util.spec_from_file_location(f"cellsolve_validation_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise JobError(f"{path} cannot be imported. Install cellsolve anew.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def _folder() -> Path:
    here = Path(__file__).resolve()
    for folder in (here.parent / "scripts", here.parents[2] / "validation"):
        if (folder / "one_dimension.py").is_file():
            return folder
    raise JobError("the validation scripts are not installed. Install cellsolve from a wheel or from its repository.")


def _run(path: Path, effort: int) -> list[Claim]:
    claims: list[Claim] = load_case(path).run(effort)
    return claims
