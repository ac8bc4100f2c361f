"""cellsolve run: files, exit codes, what is said, and that nothing is left behind when it fails."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray
from click.testing import CliRunner

from cellsolve import exact, read_netcdf
from cellsolve.cli import main
from cellsolve.errors import ConvergenceError
from cellsolve.macro.model import EffectiveModel, homogenize
from cellsolve.multiscale import evaluation
from cellsolve.potentials import Potential

LINE = """\
[potential]
dim = 1
scales = 1
V1 = "a*cos(2*pi*y1)*(1 + 0.1*x)"
V0 = "x**2"
sigma = 0.5
[parameters]
a = 1.0
[grid]
x0 = { start = -1.0, stop = 1.0, num = 3 }
[output]
path = "result.nc"
"""
TWO_SCALES = """\
[potential]
dim = 1
scales = 2
V1 = "cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))"
sigma = [0.5, 1.0]
[grid]
x0 = [-1.0, -0.5, 0.25, 0.5, 1.0]
"""
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
"""
MESHES = Path(__file__).parent.parent / "meshes"


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name != "job.toml")


def test_result_is_that_of_the_closed_form(run):
    result = run(LINE)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert files() == ["result.nc"]
    ds = read_netcdf("result.nc")
    V = Potential("cos(2*pi*y1)*(1 + 0.1*x)", dim=1, scales=1, V0="x**2")
    expected = exact.effective_diffusion_1d(V, 0.5, np.array([[-1.0], [0.0], [1.0]]))
    np.testing.assert_allclose(ds.diffusion.values.ravel(), np.ravel(expected), rtol=1e-6)
    assert ds.attrs["job"] == LINE
    assert ds.attrs["converged"] == 1
    assert ds.attrs["sigma"] == 0.5
    assert "sigma" not in ds.dims


def test_says_cost_and_summary_on_stderr(run):
    said = run(LINE).stderr
    for words in (
        "Cost",
        "3 points",
        "cell problems",
        "memory",
        "Result",
        "eigenvalues of M",
        "worst error",
        "result.nc",
    ):
        assert words in said
    assert said.index("Cost") < said.index("Result")


def test_json(run):
    result = run(LINE, "--json")
    data = json.loads(result.stdout)
    assert (data["file"], data["points"]) == ("result.nc", 3)
    (found,) = data["temperatures"]
    values = read_netcdf("result.nc").diffusion.values
    assert (found["smallest_eigenvalue"], found["largest_eigenvalue"]) == (values.min(), values.max())
    assert found["converged"] is True
    assert data["cost"]["levels"]["1"]["cell_problems"] == 3


def test_dry_run_stops_after_the_cost(run, monkeypatch):
    monkeypatch.setattr(EffectiveModel, "on_grid", None)
    result = run(LINE, "--dry-run", "--json", "-j", "2")
    assert result.exit_code == 0
    assert files() == []
    cost = json.loads(result.stdout)["cost"]
    assert (cost["points"], cost["cell_problems"], cost["workers"]) == (3, 3, 2)
    assert cost["levels"]["1"]["largest_unknowns"] > 0
    assert "Cost" in result.stderr


def test_several_temperatures(run):
    assert run(TWO_SCALES, "-o", "two.nc").exit_code == 0
    assert files() == ["two.nc"]
    ds = read_netcdf("two.nc")
    assert ds.diffusion.dims == ("sigma", "x0", "i", "j")
    assert ds.sigma.values.tolist() == [0.5, 1.0]
    assert ds.sigma.attrs["units"]
    assert ds.x0.attrs["units"] == "length"
    assert np.atleast_1d(ds.attrs["sigma"]).tolist() == [0.5, 1.0]
    assert ds.attrs["scales"] == 2
    assert "sigma 0.5: level 1" in ds.attrs["cell_problems"]
    V = Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))", dim=1, scales=2)
    one = homogenize(V, sigma=1.0).on_grid({"x0": ds.x0.values})
    np.testing.assert_array_equal(ds.diffusion.sel(sigma=1.0).values, one.diffusion.values)


def test_same_bits_with_one_and_two_workers(run, monkeypatch):
    monkeypatch.setattr(evaluation, "_PROBLEMS_PER_CHUNK", 4)  # several chunks for the workers to share
    assert run(TWO_SCALES, "-o", "one.nc", "-j", "1").exit_code == 0
    assert run(TWO_SCALES, "-o", "two.nc", "-j", "2").exit_code == 0
    assert Path("one.nc").read_bytes() == Path("two.nc").read_bytes()


def test_set_changes_the_job_and_is_recorded(run):
    assert run(LINE, "--set", "potential.sigma=0.3", "--set", "parameters.a=2").exit_code == 0
    ds = read_netcdf("result.nc")
    assert ds.attrs["sigma"] == 0.3
    assert ds.attrs["job"] == LINE + "# --set potential.sigma=0.3\n# --set parameters.a=2\n"
    assert ds.attrs["potential_parameters"] == "a = 2.0"


def test_mesh_path_is_relative_to_the_job(tmp_path, monkeypatch):
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "cell.msh").write_bytes((MESHES / "interval.msh").read_bytes())
    (folder / "job.toml").write_text(LINE.replace("[grid]", '[[cells]]\nmesh = "cell.msh"\n[grid]'))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["run", "jobs/job.toml"]).exit_code == 0
    assert "cell.msh" in read_netcdf("result.nc").attrs["cells"]


def test_box_of_the_job_is_used(run):
    assert run(LINE, "--set", "cells=[{ box = { n = 3, order = 5 } }]").exit_code == 0
    assert "n=3, order=5" in read_netcdf("result.nc").attrs["spaces"]


def test_two_dimensions(run):
    text = LINE.replace("dim = 1", "dim = 2").replace("y1)", "y1[0])*cos(2*pi*y1[1])").replace("*(1 + 0.1*x)", "")
    result = run(text.replace("x**2", "x[0]**2"), "--set", "grid.x1=[0.0]", "--set", "solve.tol=1e-4")
    assert result.exit_code == 0, result.stderr
    ds = read_netcdf("result.nc")
    assert dict(ds.sizes) == {"x0": 3, "x1": 1, "i": 2, "j": 2}


def test_invalid_job_is_refused_with_all_mistakes(run):
    result = run(LINE.replace("sigma = 0.5", "sigma = -1").replace("num = 3", "num = 0"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: job.toml has 2 mistakes:\n")
    assert "potential.sigma: got -1, needed numbers > 0." in result.stderr
    assert "grid.x0.num: got 0" in result.stderr
    assert files() == []


def test_potential_that_is_not_periodic(run):
    result = run(LINE.replace("2*pi*y1", "3*y1"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: V1 is not periodic")


def test_usage(run):
    assert run(LINE, "-j", "0").exit_code == 2
    assert CliRunner().invoke(main, ["run"]).exit_code == 2
    assert CliRunner().invoke(main, ["run", "none.toml"]).exit_code == 2
    assert "output.path: missing" in run(TWO_SCALES).stderr


def test_unreadable_mesh(run):
    result = run(LINE, "--set", "cells=[{ mesh = 'none.msh' }]")
    assert result.exit_code == 4
    assert result.stderr.startswith("error: none.msh: there is no such file")
    assert files() == []


@pytest.mark.parametrize("output", ["none/result.nc", "job.toml/result.nc", "."])
def test_output_that_cannot_be_written_is_refused_before_computing(run, monkeypatch, output):
    monkeypatch.setattr(EffectiveModel, "cost", None)
    result = run(LINE, "-o", output)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: cannot write {output}: ")
    assert files() == []


def test_folder_without_permission_is_refused_before_computing(run, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(EffectiveModel, "cost", None)
    result = run(LINE)
    assert result.exit_code == 2
    assert "cannot write result.nc: Permission denied" in result.stderr


def test_failing_writer_leaves_nothing(run, monkeypatch):
    def full(_self, path, **_):
        Path(path).write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xarray.Dataset, "to_netcdf", full)
    result = run(LINE)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert files() == []


def failing(error):
    def on_grid(*_, **__):
        raise error

    return on_grid


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (MemoryError("Unable to allocate 9 TiB"), 1, "error: out of memory (Unable to allocate 9 TiB). Use fewer"),
        (OSError(errno.EIO, "Input/output error", "/some/file"), 1, "error: /some/file: Input/output error."),
        (ConvergenceError("nothing was reached."), 3, "error: nothing was reached.\n"),
    ],
)
def test_failures_while_computing(run, monkeypatch, error, code, words):
    monkeypatch.setattr(EffectiveModel, "on_grid", failing(error))
    result = run(LINE)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert files() == []


def test_mistake_of_the_program_is_not_hidden(run, monkeypatch):
    monkeypatch.setattr(EffectiveModel, "on_grid", failing(ZeroDivisionError("a bug")))
    assert isinstance(run(LINE).exception, ZeroDivisionError)


def test_what_was_reached_is_written(run, monkeypatch):
    on_grid = EffectiveModel.on_grid

    def cold_fails(model, axes, **options):
        dataset = on_grid(model, axes, **options)
        if model.sigma < 1:
            raise ConvergenceError("7 cell problems did not converge.", result=dataset)
        return dataset

    monkeypatch.setattr(EffectiveModel, "on_grid", cold_fails)
    result = run(TWO_SCALES, "-o", "two.nc", "--json")
    assert result.exit_code == 3
    assert "error: sigma = 0.5: 7 cell problems did not converge." in result.stderr
    assert "sigma = 1:" not in result.stderr
    assert [t["converged"] for t in json.loads(result.stdout)["temperatures"]] == [False, True]
    ds = read_netcdf("two.nc")
    assert ds.attrs["converged"] == 0
    assert ds.sizes["sigma"] == 2


def test_potential_that_cannot_be_resolved(run):
    jumps = "0.1*floor(2.3 + sin(2*pi*y1))"
    result = run(LINE.replace("a*cos(2*pi*y1)*(1 + 0.1*x)", jumps), "--set", "solve.tol=1e-12")
    assert result.exit_code == 3
    assert "error: sigma = 0.5: the estimated relative error of M is" in result.stderr
    assert read_netcdf("result.nc").attrs["converged"] == 0


def test_dead_worker_is_said(run, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    monkeypatch.setattr(EffectiveModel, "on_grid", failing(BrokenProcessPool("abrupt")))
    result = run(LINE)
    assert result.exit_code == 1
    assert "error: a worker process died" in result.stderr


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl"])
def test_composite(run, name):
    result = run(COMPOSITE, "-o", name, "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert [row["dim"] for row in rows] == [1, 2]
    assert [row["K00"] for row in rows] == pytest.approx([np.sqrt(0.75)] * 2, rel=1e-3)
    assert rows[1]["unknowns"] == 64
    assert "0.8660" in result.stderr
    assert len(Path(name).read_text().splitlines()) == 2 + (name == "table.csv")


def test_composite_with_a_bad_mesh(run):
    text = COMPOSITE.replace("box = { dim = 1 }", "mesh = 'none.msh'")
    result = run(text, "-o", "table.csv")
    assert result.exit_code == 5
    assert "failed: none.msh: MeshError: " in result.stderr
    assert [line.split(",")[1][:9] for line in Path("table.csv").read_text().splitlines()[1:]] == ["MeshError", "ok"]


def test_composite_is_checked_before_computing(run, monkeypatch):
    monkeypatch.setattr("cellsolve.cli.items.solve_cell_problem", None)
    assert "[[cells]]: missing" in run("[coefficient]\ndefault = 1.0\n", "-o", "a.csv").stderr
    result = run(COMPOSITE, "-o", "a.txt")
    assert (result.exit_code, "needed .csv or .jsonl" in result.stderr) == (2, True)
    dry = run(COMPOSITE, "-o", "a.csv", "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["cost"]["cell_problems"]) == (0, 2)
    assert files() == []


def test_help_is_light():
    code = (
        "import resource, sys\n"
        "from cellsolve.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'numpy', 'scipy', 'xarray', 'skfem', 'pydantic', 'meshio', 'rich'} & set(sys.modules)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(sorted(heavy), used.ru_utime + used.ru_stime, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, seconds = done.stderr.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert float(seconds) < 0.6
    for name in ("run", "batch", "check", "validate", "info", "plot", "Exit codes"):
        assert name in done.stdout


@pytest.mark.parametrize("name", ["run", "batch", "check", "validate", "info", "plot"])
def test_help_of_each_command(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_what_is_no_regular_file_is_not_replaced(run):
    os.mkfifo("pipe.nc")
    result = run(LINE, "-o", "pipe.nc")
    assert result.exit_code == 2
    assert "no regular file" in result.stderr
    assert Path("pipe.nc").is_fifo()


def test_a_link_is_followed(run):
    Path("place").mkdir()
    Path("link.nc").symlink_to(Path("place") / "real.nc")
    assert run(LINE, "-o", "link.nc").exit_code == 0
    assert Path("link.nc").is_symlink()
    assert (Path("place") / "real.nc").is_file()
