"""Job files: every mistake is reported, at once, under its path, with what is accepted."""

from pathlib import Path

import pytest

from cellsolve.cli.jobs import CompositeJob, PotentialJob, load_job
from cellsolve.errors import JobError

GOOD = """\
[potential]
dim = 2
scales = 2
V1 = "a*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*cos(2*pi*(y2[0] - y2[1]))*(1 + 0.2*tanh(x[0]))"
V0 = "0.5*(x[0]**2 + x[1]**2)"
sigma = [0.5, 1.0]
[parameters]
a = 1.0
[[cells]]
mesh = "meshes/square.msh"
[grid]
x0 = { start = -2.0, stop = 2.0, num = 33 }
x1 = [0, 1.5]
[solve]
tol = 1e-5
bounds = false
[output]
path = "rugged.nc"
"""
COMPOSITE = """\
[coefficient]
matrix = 1.0
inclusion = "10 + sin(2*pi*y[0])"
pore = [[2, 0], [0, 1.5]]
[[cells]]
mesh = "square.msh"
order = 3
[[cells]]
box = { dim = 2, n = 4 }
"""


def load(folder: Path, text: str, *overrides: str):
    path = folder / "job.toml"
    path.write_text(text, encoding="utf-8")
    return load_job(path, overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    """The lines of the JobError, without the first."""
    with pytest.raises(JobError) as error:
        load(folder, text, *overrides)
    return [line.strip() for line in str(error.value).splitlines()[1:]]


def test_potential_job(tmp_path):
    job = load(tmp_path, GOOD)
    content = job.content
    assert isinstance(content, PotentialJob)
    assert content.potential.sigma == [0.5, 1.0]
    assert content.parameters == {"a": 1.0}
    assert content.cells[0].mesh == "meshes/square.msh"
    assert (content.grid["x0"].start, content.grid["x0"].num, content.grid["x1"]) == (-2.0, 33, [0, 1.5])
    assert (content.solve.tol, content.solve.bounds, content.output.path) == (1e-5, False, "rugged.nc")
    assert job.folder == tmp_path
    assert job.text == GOOD


def test_composite_job(tmp_path):
    content = load(tmp_path, COMPOSITE).content
    assert isinstance(content, CompositeJob)
    assert content.coefficient == {
        "matrix": 1.0,
        "inclusion": "10 + sin(2*pi*y[0])",
        "pore": [[2, 0], [0, 1.5]],
    }
    assert (content.cells[0].order, content.cells[1].box.dim, content.cells[1].box.n) == (3, 2, 4)


def test_single_sigma_and_defaults(tmp_path):
    text = '[potential]\ndim = 1\nscales = 1\nV1 = "cos(2*pi*y1)"\nsigma = 1\n[grid]\nx0 = [0.0]\n'
    content = load(tmp_path, text).content
    assert content.potential.sigma == [1.0]
    assert (content.potential.V0, content.cells, content.solve.tol, content.output.path) == ("0", [], None, None)


def test_all_mistakes_at_once(tmp_path):
    text = """\
[potential]
dim = 2
scales = 2
V1 = "a*cos(2*pi*y1[0])*cosh2(2*pi*y3[0])"
V0 = "y1[0]"
sigma = -1
sigmma = 3
[parameters]
a = "x"
pi = 3
[[cells]]
mesh = "a.msh"
box = { n = 0 }
[[cells]]
[[cells]]
mesh = 3
[grid]
x0 = { start = -2.0, stop = 2.0, nu = 9 }
y1 = [1, "a"]
[solv]
tol = 1
[solve]
tol = 2
bounds = 3
"""
    found = mistakes(tmp_path, text)
    expected = [
        ("potential.sigma", "got -1, needed numbers > 0"),
        ("potential.sigmma", "did you mean sigma?"),
        ("potential.V1", "unknown name cosh2"),
        ("potential.V0", "unknown name y1"),
        ("parameters.a", 'got "x", needed a finite number'),
        ("parameters.pi", "already has a meaning"),
        ("cells[0].box.n", "got 0, needed a whole number >= 1"),
        ("cells[2].mesh", "got 3, needed the path"),
        ("[[cells]]", "got 3 for 2 scales, needed one for all or one for each"),
        ("cells[0]", "both mesh and box"),
        ("cells[1]", "neither mesh nor box"),
        ("grid.x0.num", "missing, needed a whole number >= 1"),
        ("grid.x0.nu", "did you mean num?"),
        ("grid.y1[1]", 'got "a", needed'),
        ("grid.x1", "missing"),
        ("grid.y1", "unknown axis"),
        ("[solv]", "unknown section, did you mean [solve]?"),
        ("solve.tol", "got 2, needed a number from 1e-13 to 1"),
        ("solve.bounds", "got 3, needed true or false"),
    ]
    for path, words in expected:
        assert any(line.startswith(f"{path}: ") and words in line for line in found), (path, words, found)
    assert len(found) == len(expected)


def test_mistakes_stand_in_the_order_of_the_file(tmp_path):
    text = (
        GOOD.replace("tol = 1e-5", "tol = 5.0").replace("dim = 2", "dim = 4").replace('path = "rugged.nc"', "path = 1")
    )
    assert [line.split(".")[0] for line in mistakes(tmp_path, text)] == ["potential", "solve", "output"]


def test_missing_sections(tmp_path):
    found = mistakes(tmp_path, "[output]\npath = 'a.nc'\n")
    assert sorted(line.split(":")[0] for line in found) == ["[grid]", "[potential]"]
    assert all("missing" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("dim = 2", "dim = true", "potential.dim: got true, needed 1, 2 or 3."),
        ("dim = 2", "dim = 2.0", "potential.dim: got 2.0, needed 1, 2 or 3."),
        ("scales = 2", "scales = 0", "potential.scales: got 0, needed a whole number from 1 to 16."),
        ("scales = 2", 'scales = "2"', 'potential.scales: got "2", needed a whole number from 1 to 16.'),
        ("sigma = [0.5, 1.0]", "sigma = [0.5, 0]", "potential.sigma[1]: got 0, needed numbers > 0."),
        ("sigma = [0.5, 1.0]", "sigma = []", "potential.sigma: got [], needed numbers > 0."),
        ("sigma = [0.5, 1.0]", "sigma = nan", "potential.sigma: got NaN, needed numbers > 0."),
        ("sigma = [0.5, 1.0]", "sigma = inf", "potential.sigma: got Infinity, needed numbers > 0."),
        ("a = 1.0", "a = inf", "parameters.a: got Infinity, needed a finite number."),
        ("num = 33", "num = 0", "grid.x0.num: got 0, needed a whole number >= 1."),
        ("tol = 1e-5", "tol = 0.0", "solve.tol: got 0.0, needed a number from 1e-13 to 1."),
        ("bounds = false", "bounds = 0", "solve.bounds: got 0, needed true or false."),
        ("[solve]", "[grad]\n[solve]", "[grad]: unknown section, did you mean [grid]? Accepted: "),
        ("[output]", "[coefficient]\n[output]", "[coefficient]: belongs to a composite job"),
    ],
)
def test_one_mistake(tmp_path, old, new, line):
    found = mistakes(tmp_path, GOOD.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(line)


def test_same_temperature_twice(tmp_path):
    assert "same temperature twice" in mistakes(tmp_path, GOOD.replace("[0.5, 1.0]", "[1, 0.5, 1.0]"))[0]


def test_parameter_values_reach_the_expressions(tmp_path):
    text = GOOD.replace("a*cos", "1/a*cos").replace("a = 1.0", "a = 0.0")
    assert mistakes(tmp_path, text)[0].startswith("potential.V1: ")
    load(tmp_path, GOOD.replace("a*cos", "1/a*cos"))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("matrix = 1.0", "matrix = true", "coefficient.matrix: got true, needed a finite number, a text in y[0]"),
        ("matrix = 1.0", "matrix = [[1, 2]]", "coefficient.matrix: got [[1, 2]], needed a finite number"),
        ("matrix = 1.0", 'matrix = "cos(x)"', "coefficient.matrix: found the unknown name x"),
        ("dim = 2, ", "", "cells[1].box.dim: missing, needed 1, 2 or 3."),
        ("order = 3", "order = 0", "cells[0].order: got 0, needed a whole number from 1 to 16."),
        ("[coefficient]", "[grid]\n[coefficient]", "[grid]: belongs to a potential job"),
        ("[coefficient]", "[parameters]\n[coefficient]", "[parameters]: belongs to a potential job"),
    ],
)
def test_one_mistake_of_a_composite(tmp_path, old, new, line):
    found = mistakes(tmp_path, COMPOSITE.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(line)


def test_empty_coefficient(tmp_path):
    assert mistakes(tmp_path, "[coefficient]\n") == [
        "[coefficient]: got {}, needed a finite number, a text in y[0], y[1] .., or a matrix such as [[2, 0], [0, 1]]."
    ]


def test_overrides_are_toml_and_part_of_the_text(tmp_path):
    given = ("potential.sigma=0.3", "parameters.b = 2", "cells.0.mesh='b.msh'", 'output.path="c.nc"', "solve.tol=0.01")
    job = load(tmp_path, GOOD, *given)
    content = job.content
    assert content.potential.sigma == [0.3]
    assert content.parameters == {"a": 1.0, "b": 2}
    assert (content.cells[0].mesh, content.output.path, content.solve.tol) == ("b.msh", "c.nc", 0.01)
    assert job.text == GOOD + "".join(f"# --set {override}\n" for override in given)


def test_override_makes_a_section(tmp_path):
    text = GOOD[: GOOD.index("[solve]")]
    assert load(tmp_path, text, "solve.tol=0.25").content.solve.tol == 0.25


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("potential.sigma", "got no KEY=VALUE"),
        ("=3", "got no KEY=VALUE"),
        ("a..b=3", "got no KEY=VALUE"),
        ("potential.V0=cos(x[0])", "Put texts in quotes"),
        ("solve.tol=1\nx=2", "not TOML"),
        ("potential.dim.x=3", "a single value"),
        ("cells.7.mesh='a'", "a list of 1"),
        ("cells.0.mesh.x=3", "a single value"),
    ],
)
def test_wrong_overrides(tmp_path, override, words):
    with pytest.raises(JobError, match="--set") as error:
        load(tmp_path, GOOD, override)
    assert words in str(error.value)


def test_override_with_a_misspelt_key_is_a_mistake_of_the_job(tmp_path):
    assert mistakes(tmp_path, GOOD, "solve.tool=1")[0].startswith("solve.tool: unknown key, did you mean tol?")


def test_no_toml(tmp_path):
    with pytest.raises(JobError, match=r"no TOML file.*line 1"):
        load(tmp_path, "[potential\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(JobError, match="UTF-8"):
        load_job(tmp_path / "binary.toml")
    with pytest.raises(JobError, match="No such file"):
        load_job(tmp_path / "none.toml")


def test_carriage_returns_do_not_change_the_job(tmp_path):
    (tmp_path / "job.toml").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert load_job(tmp_path / "job.toml").text == GOOD


def test_options_of_meshes_and_refinement_belong_to_composite_jobs(tmp_path):
    composite = (
        '[coefficient]\na = 1\n[solve]\nrefine = "adaptive"\n[[cells]]\nmesh = "a.msh"\n'
        'regions = "phase"\nperiodicity = "mortar"\nmerge_nodes = true\n'
    )
    content = load(tmp_path, composite).content
    (cell,) = content.cells
    assert (content.solve.refine, cell.regions, cell.periodicity) == ("adaptive", "phase", "mortar")
    assert cell.merge_nodes is True
    assert mistakes(tmp_path, composite, 'solve.refine="twice"', 'cells.0.periodicity="near"') == [
        'solve.refine: got "twice", needed "uniform" or "adaptive".',
        'cells[0].periodicity: got "near", needed "exact" or "mortar", for sides that do not match.',
    ]
    assert mistakes(tmp_path, GOOD, 'solve.refine="uniform"')[0].startswith("solve.refine: unknown key")
