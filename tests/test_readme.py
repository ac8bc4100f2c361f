"""The README's code runs as written, and its numbers make sense."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def code(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    (example,) = code("python")
    exec(compile(example, "README.md", "exec"), names)
    eff, sol, ds = names["eff"], names["sol"], names["ds"]
    assert eff.diffusion.shape == (2, 2, 2)
    assert eff.error_estimate.max() <= 1e-6
    assert ds.sizes == {"x0": 3, "x1": 3, "i": 2, "j": 2}
    assert np.linalg.eigvalsh(sol.upper - sol.lower).min() >= 0
    assert sol.tensor[0, 0] == pytest.approx(1.65158, abs=1e-4)
    assert capsys.readouterr().out


def test_example_is_short() -> None:
    (example,) = code("python")
    assert len(example.strip().splitlines()) <= 12


def test_commands_name_files_that_exist() -> None:
    for command in code("bash"):
        for path in re.findall(r"\b(?:validation|meshes)/[\w./]*\w\.(?:toml|msh|vtu)", command):
            assert (ROOT / path).is_file()
