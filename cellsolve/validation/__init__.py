"""Claims about the program, each with the figure measured and the bound it must meet.

A script of the repository's folder ``validation/`` holds one subject: ``run(effort)`` gives its claims (effort 0:
coarse, for tests; 1: full), ``main()`` prints them as a table. An installed package carries the scripts along.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from cellsolve.errors import JobError

__all__ = ["Claim", "accuracy_claims", "cases", "print_claims"]


@dataclass(frozen=True, slots=True)
class Claim:
    """``measured`` <= ``bound`` is what is claimed."""

    name: str
    measured: float
    bound: float

    @property
    def passed(self) -> bool:
        return self.measured <= self.bound


def accuracy_claims(label: str, error: float, estimate: float, tol: float) -> list[Claim]:
    """That a relative error of M meets its tolerance, and that its estimate covers it."""
    return [
        Claim(f"{label}: relative error of M", error, tol),
        Claim(f"{label}: true error / estimate", error / estimate, 1.0),
    ]


def cases(effort: int = 1) -> dict[str, Callable[[], list[Claim]]]:
    """Every script of the validation folder by name. Raises JobError where the scripts are not to be found."""
    folder = _folder()
    scripts = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return {path.stem: partial(_run, path, effort) for path in scripts}


def print_claims(claims: list[Claim]) -> int:
    """Print a table of claims; the number of those that fail."""
    width = max(len(claim.name) for claim in claims)
    for claim in claims:
        verdict = "ok" if claim.passed else "FAILS"
        print(f"{claim.name:{width}}  {claim.measured:9.2e}  <= {claim.bound:8.1e}  {verdict}")
    return sum(not claim.passed for claim in claims)


def _folder() -> Path:
    here = Path(__file__).resolve()
    for folder in (here.parent / "scripts", here.parents[2] / "validation"):
        if (folder / "one_dimension.py").is_file():
            return folder
    raise JobError("the validation scripts are not installed. Install cellsolve from a wheel or from its repository.")


def _run(path: Path, effort: int) -> list[Claim]:
    claims: list[Claim] = _load(path).run(effort)
    return claims


def _load(path: Path) -> ModuleType:
    """Import a script from its file; its folder is importable meanwhile, for what scripts share."""
    spec = importlib.util.spec_from_file_location(f"cellsolve_validation_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise JobError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
