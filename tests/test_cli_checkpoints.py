"""cellsolve run: what is delivered when not all can be reached, and runs that are broken off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cellsolve import read_netcdf
from cellsolve.cli import main
from cellsolve.macro import chunks
from cellsolve.multiscale import evaluation
from cellsolve.results.table_reading import read_table

pytestmark = pytest.mark.usefixtures("at_once")

SWEEP = """\
[potential]
dim = 1
scales = 2
V1 = "cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))"
sigma = [0.5, 1.0]
[grid]
x0 = { start = -1.0, stop = 1.0, num = 9 }
[output]
path = "result.nc"
"""
JUMPS = """\
[potential]
dim = 1
scales = 1
V1 = "0.1*floor(2.3 + sin(2*pi*y1))"
sigma = 0.5
[grid]
x0 = [0.0]
[solve]
tol = 1e-12
[output]
path = "result.nc"
"""
HALF = SWEEP.replace("(1 + 0.1*x)", "sqrt(x)")
COMPOSITE = """\
[coefficient]
default = "1 + 0.5*cos(2*pi*y[0])"
[[cells]]
box = { dim = 1 }
[[cells]]
box = { dim = 2, n = 2 }
order = 4
[solve]
tol = 1e-6
[output]
path = "table.csv"
"""
KILLED = """\
import os, signal
from cellsolve.cli import main
from cellsolve.multiscale import evaluation
from cellsolve.results import store
evaluation._PROBLEMS_PER_CHUNK = 6
store._SECONDS = 0.0
flush = store.Store.flush
def flush_and_die(self):
    flush(self)
    if len(self) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
store.Store.flush = flush_and_die
main(["run", "job.toml"])
"""


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name != "job.toml")


def test_a_tolerance_that_is_missed_is_said_everywhere(run) -> None:
    result = run(JUMPS, "--json")
    assert result.exit_code == 3
    assert "What was reached is written, with converged = 0." in result.stderr
    data = json.loads(result.stdout)
    assert data["converged"] is False
    (found,) = data["temperatures"]
    assert (found["converged"], found["points_beyond_tolerance"], found["points_not_computed"]) == (False, 1, 0)
    assert "wanted 1.0e-12" in found["failure"]
    ds = read_netcdf("result.nc")
    assert np.isfinite(ds.diffusion.values).all()
    assert (ds.attrs["converged"], ds.attrs["tolerance"]) == (0, 1e-12)
    assert ds.attrs["worst_error_estimate"] == float(ds.error_estimate.max()) > 1e-12
    assert ds.attrs["failure"] == found["failure"]
    assert ds.within_tolerance.values.tolist() == [0]
    shown = CliRunner().invoke(main, ["info", "result.nc"]).stdout.splitlines()
    assert shown[1].startswith("  NOT CONVERGED: the estimated relative error of M is")


def test_the_exit_code_is_that_of_the_process(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(JUMPS)
    code = "from cellsolve.cli import main\nmain(['run', 'job.toml'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert files() == ["result.nc"]


def test_points_that_cannot_be_computed_do_not_take_the_others_along(run) -> None:
    result = run(HALF, "--json")
    assert result.exit_code == 3
    assert "sigma = 0.5: 4 of 9 points could not be computed: " in result.stderr
    found = json.loads(result.stdout)["temperatures"]
    assert [t["points_not_computed"] for t in found] == [4, 4]
    assert found[0]["worst_error_estimate"] is None
    assert found[0]["smallest_eigenvalue"] > 0
    ds = read_netcdf("result.nc")
    assert np.isnan(ds.diffusion.sel(x0=slice(-1, -0.1)).values).all()
    assert np.isfinite(ds.diffusion.sel(x0=slice(0, 1)).values).all()
    assert np.atleast_1d(ds.attrs["points_not_computed"]).tolist() == [4]


def test_a_temperature_that_cannot_be_computed_does_not_take_the_others_along(run) -> None:
    plane = (
        SWEEP.replace("dim = 1", "dim = 2")
        .replace("scales = 2", "scales = 1")
        .replace("[output]", "x1 = [0.0]\n[output]")
    )
    plane = plane.replace(
        "cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))", "cos(2*pi*y1[0])*cos(2*pi*y1[1])*(1 + 0.1*x[0])"
    )
    result = run(plane, "--set", "potential.sigma=[0.001, 1.0]", "--json")
    assert result.exit_code == 3
    assert "error: sigma = 0.001: osc(V1)/sigma" in result.stderr
    assert [t["converged"] for t in json.loads(result.stdout)["temperatures"]] == [False, True]
    ds = read_netcdf("result.nc")
    assert np.isnan(ds.diffusion.sel(sigma=0.001).values).all()
    assert np.isfinite(ds.diffusion.sel(sigma=1.0).values).all()
    assert run(plane, "--set", "potential.sigma=[0.001, 0.002]", "-o", "none.nc").exit_code == 2
    assert files() == ["result.nc"]


def test_where_diffusion_underflows_its_logarithm_is_shown(run) -> None:
    result = run(SWEEP.replace("0.5*cos(2*pi*(y1 - y2))", "cos(2*pi*y2)"), "--set", "potential.sigma=0.00345")
    assert result.exit_code == 0, result.stderr
    assert "exp of -1202.28 .. -1086.54" in result.stderr
    assert "see log_diffusion" in CliRunner().invoke(main, ["info", "result.nc"]).stdout


def test_a_run_killed_in_the_middle_is_gone_on_with_to_the_same_bits(run, computed) -> None:
    assert run(SWEEP, "-o", "whole.nc").exit_code == 0
    needed = len(computed)
    assert needed > 3
    computed.clear()
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False)
    assert killed.returncode == -9
    assert files() == [".result.nc.lock", "result.nc.partial", "whole.nc"]
    result = run(SWEEP, "--resume")
    assert result.exit_code == 0, result.stderr
    assert "Going on with 3 finished parts of result.nc.partial." in result.stderr
    assert len(computed) == needed - 3
    assert files() == ["result.nc", "whole.nc"]
    assert Path("result.nc").read_bytes() == Path("whole.nc").read_bytes()


def interrupted(run, computed, monkeypatch, *options):
    """Broken off after two chunks."""
    counted = chunks.evaluate_chunk

    def twice(*arguments):
        if len(computed) == 2:
            raise KeyboardInterrupt
        return counted(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "evaluate_chunk", twice)
        result = run(SWEEP, *options)
    computed.clear()
    return result


def test_an_interrupted_run_says_how_to_go_on(run, computed, monkeypatch) -> None:
    result = interrupted(run, computed, monkeypatch)
    assert result.exit_code == 130
    assert "What is finished is kept in result.nc.partial; --resume goes on with it." in result.stderr
    assert files() == ["result.nc.partial"]


def test_without_resume_a_run_is_started_anew(run, computed, monkeypatch) -> None:
    interrupted(run, computed, monkeypatch)
    result = run(SWEEP)
    assert result.exit_code == 0
    assert "started anew: result.nc.partial is dropped" in result.stderr
    everything = len(computed)
    computed.clear()
    assert run(SWEEP, "--resume").exit_code == 0
    assert len(computed) == everything
    assert files() == ["result.nc"]


def test_checkpoints_of_another_job_are_refused(run, computed, monkeypatch) -> None:
    interrupted(run, computed, monkeypatch)
    result = run(SWEEP.replace("0.1*x", "0.2*x"), "--resume")
    assert result.exit_code == 2
    assert "result.nc.partial holds the beginning of another job: potential V1 was cos(2*pi*y1)" in result.stderr
    assert files() == ["result.nc.partial"]
    assert run(SWEEP, "--resume").exit_code == 0
    assert files() == ["result.nc"]


def test_a_file_that_cannot_be_written_does_not_lose_the_work(run, computed, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cellsolve.cli.resumable.write_netcdf", full)
        assert run(SWEEP).exit_code == 1
    computed.clear()
    assert run(SWEEP, "--resume").exit_code == 0
    assert computed == []


def test_resuming_a_dry_run_or_nothing_is_harmless(run) -> None:
    assert run(SWEEP, "--resume", "--dry-run").exit_code == 0
    assert files() == []
    result = run(SWEEP, "--resume")
    assert "There is nothing to go on with: all is computed." in result.stderr
    assert files() == ["result.nc"]


def test_two_runs_do_not_write_one_file(run) -> None:
    from cellsolve.results.locks import sole_writer

    with sole_writer("result.nc"):
        result = run(SWEEP)
    assert result.exit_code == 2
    assert "being written by another run" in result.stderr


def test_workers_go_on_with_it_too(run, computed, monkeypatch) -> None:
    assert run(SWEEP, "-o", "whole.nc").exit_code == 0
    computed.clear()
    interrupted(run, computed, monkeypatch)
    monkeypatch.setattr(chunks, "evaluate_chunk", evaluation.evaluate_chunk)
    assert run(SWEEP, "--resume", "-j", "2").exit_code == 0
    assert Path("result.nc").read_bytes() == Path("whole.nc").read_bytes()


def numbers(row):
    return {name: value for name, value in row.items() if name != "seconds"}


def test_a_composite_run_goes_on_with_its_table(run) -> None:
    assert run(COMPOSITE).exit_code == 0
    whole = Path("table.csv").read_text()
    header, first, second = whole.splitlines(keepends=True)
    Path("table.csv").write_text(header + first + second[:20])
    result = run(COMPOSITE, "--resume")
    assert result.exit_code == 0, result.stderr
    assert "1 of 1 cells solved; 1 kept from before" in result.stderr
    lines = Path("table.csv").read_text().splitlines(keepends=True)
    assert lines[:2] == [header, first]
    assert len(lines) == 3
    before = [numbers(row) for row in read_table("table.csv")]
    Path("table.csv").write_text(whole)
    assert [numbers(row) for row in read_table("table.csv")] == before
    assert "2 kept from before" in run(COMPOSITE, "--resume").stderr


def test_cells_of_a_composite_that_are_alike_have_rows_of_their_own(run) -> None:
    text = COMPOSITE.replace("dim = 2, n = 2", "dim = 1").replace("order = 4\n", "")
    assert run(text).exit_code == 0
    header, first, _ = Path("table.csv").read_text().splitlines(keepends=True)
    Path("table.csv").write_text(header + first)
    assert "1 of 1 cells solved; 1 kept from before" in run(text, "--resume").stderr
    assert [row["mesh"] for row in read_table("table.csv")] == ["cells[0]: box", "cells[1]: box"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("order = 4", "order = 3", "was made with other settings: order 4, now 3"),
        ("0.5*cos", "0.4*cos", "was made with other settings: coefficient"),
        ("{ dim = 1 }", "{ dim = 3, n = 2 }", "was made with other settings: dim 1, now 3; n not given, now 2"),
        ("[[cells]]\nbox = { dim = 2, n = 2 }\norder = 4\n", "", "has a row of cells[1]: box, which is no cell of"),
    ],
)
def test_a_table_of_another_composite_is_refused(run, old, new, words) -> None:
    assert run(COMPOSITE).exit_code == 0
    before = Path("table.csv").read_bytes()
    result = run(COMPOSITE.replace(old, new), "--resume")
    assert result.exit_code == 2
    assert words in result.stderr
    assert Path("table.csv").read_bytes() == before
