"""The figures: what is drawn where, words and units, the same every time; and the data behind the validation plots."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray

import cellsolve as cs
from cellsolve.errors import JobError
from cellsolve.plots import Plot, available, image, svg
from cellsolve.plots.accuracy import Bracketing, ToleranceSeries, closing_brackets, error_against_tolerance
from cellsolve.plots.arrhenius import Arrhenius, arrhenius_lines
from cellsolve.plots.brackets import OrderedBrackets, brackets_of_M
from cellsolve.plots.datasets import dataset_plots, grid_results
from cellsolve.plots.equilibria import Densities, Distances, weak_and_strong
from cellsolve.plots.landscapes import Landscape, ellipses, round_levels, rugged_landscape
from cellsolve.plots.relaxation import DiffusionByScales, GapSeries, diffusion_against_scales, gaps_against_eps
from cellsolve.plots.tables import bracket_eigenvalues, table_plot
from cellsolve.results.temperatures import join_temperatures

pytest.importorskip("matplotlib")


def script(name: str) -> ModuleType:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "validation"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def labels(plot: Plot) -> list[str]:
    return [
        text for axes in plot.figure.axes for text in (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left"))
    ]


def dataset(dim: int = 2, sigma: float = 0.5) -> xarray.Dataset:
    V1 = "cos(2*pi*y1[0])*(1 + 0.3*tanh(x[0]))" + (" + 0.5*sin(2*pi*(y1[0] + y1[1]))" if dim == 2 else "")
    V = cs.Potential(V1, dim=dim, scales=1, V0="x[0]**2")
    return cs.homogenize(V, sigma=sigma, tol=1e-3).on_grid({f"x{i}": np.linspace(-1, 1, 5 + i) for i in range(dim)})


def test_errors_are_drawn_against_tolerances() -> None:
    tol = np.array([1e-2, 1e-4])
    plot = error_against_tolerance([ToleranceSeries("a", tol, 0.1 * tol, 0.5 * tol)])
    (axes,) = plot.figure.axes
    error, estimate, diagonal = axes.lines[:3]
    np.testing.assert_array_equal(error.get_xydata(), np.transpose([tol, 0.1 * tol]))
    np.testing.assert_array_equal(estimate.get_ydata(), 0.5 * tol)
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylim()[0] > 0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "true error", "error estimate"]


def test_brackets_are_drawn_with_the_value() -> None:
    n = np.array([10.0, 100.0])
    plot = closing_brackets([Bracketing("cell", 2.0, "two", n, np.array([1.0, 1.9]), np.array([4.0, 2.1]))])
    above, below = plot.figure.axes
    upper, lower, value = above.lines
    np.testing.assert_array_equal(upper.get_ydata(), [4.0, 2.1])
    np.testing.assert_array_equal(lower.get_ydata(), [1.0, 1.9])
    assert set(value.get_ydata()) == {2.0}
    np.testing.assert_allclose(below.lines[0].get_ydata(), [0.75, 0.05])
    np.testing.assert_allclose(below.lines[1].get_ydata(), [0.25, 1e-16])


def test_arrhenius_lines_have_the_slope_of_the_barrier() -> None:
    beta = np.array([1.0, 2.0, 3.0])
    plot = arrhenius_lines([Arrhenius("a", beta, 1.0 - 2.0 * beta, 2.0)])
    left, right = plot.figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), left.lines[1].get_ydata())
    np.testing.assert_allclose(left.lines[1].get_ydata() * np.log(10.0), 1.0 - 2.0 * beta)
    np.testing.assert_allclose(right.lines[0].get_ydata(), 1.0)
    np.testing.assert_allclose(right.lines[1].get_ydata(), 1.0 - 0.5 / np.array([1.5, 2.5]))


def test_brackets_of_M_are_drawn_eigenvalue_by_eigenvalue() -> None:
    orders, half, error = np.array([2.0, 4.0]), np.array([0.1, 0.01]), np.array([0.05, 0.0])
    lower, upper = np.array([[1.0, 3.0], [1.4, 3.4]]), np.array([[2.0, 4.0], [1.6, 3.6]])
    plot = brackets_of_M(OrderedBrackets(orders, lower, upper, np.array([1.5, 3.5]), half, error))
    above, below = plot.figure.axes
    for i in range(2):
        high, low, value = above.lines[3 * i : 3 * i + 3]
        np.testing.assert_array_equal(high.get_xydata(), np.transpose([orders, upper[:, i]]))
        np.testing.assert_array_equal(low.get_ydata(), lower[:, i])
        assert set(value.get_ydata()) == {1.5 + 2.0 * i}
    assert [text.get_text() for text in above.texts] == ["$\\lambda_1$ = 1.5000", "$\\lambda_2$ = 3.5000"]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), half)
    np.testing.assert_array_equal(below.lines[1].get_ydata(), [0.05, 1e-16])


def test_equilibria_are_drawn_with_their_distances() -> None:
    x, eps = np.array([0.0, 0.5, 1.0]), np.array([0.4, 0.2])
    pairs = [Densities(e, x, x + e, 2.0 * x) for e in (0.4, 0.1)]
    distances = Distances(eps, 0.1 * eps, np.array([0.5, 0.51]), np.array([0.6, 0.61]))
    plot = weak_and_strong(pairs, distances)
    *left, right = plot.figure.axes
    for axes, pair in zip(left, pairs, strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), pair.full)
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), pair.homogenized)
        assert axes.get_ylim() == (0.0, pytest.approx(1.05 * 1.4))
    entropy, variation, weak, guide = right.lines
    for drawn, values in ((entropy, distances.entropy), (variation, distances.total_variation), (weak, 0.1 * eps)):
        np.testing.assert_array_equal(drawn.get_xydata(), np.transpose([eps, values]))
    assert guide.get_ydata()[0] / guide.get_ydata()[1] == pytest.approx(2.0)


def test_gaps_are_drawn_with_their_limit_and_bound() -> None:
    eps, gaps = np.array([0.4, 0.2, 0.1]), np.array([0.3, 0.21, 0.202])
    left, right = gaps_against_eps(GapSeries("gaps", eps, gaps, 0.2, 0.01, 1.0)).figure.axes
    drawn = {line.get_label(): line for line in left.lines}
    heights = [set(line.get_ydata()) for line in left.lines if len(set(line.get_ydata())) == 1]
    assert heights == [{1.0}, {0.2}, {0.01}]
    np.testing.assert_array_equal(
        drawn[r"full dynamics, $\lambda^\varepsilon$"].get_xydata(), np.transpose([eps, gaps])
    )
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0.5, 0.05, 0.01])
    assert right.lines[1].get_ydata()[0] / right.lines[1].get_ydata()[1] == pytest.approx(4.0)


def test_diffusion_is_drawn_against_the_number_of_scales() -> None:
    scales, logs = np.array([1.0, 2.0]), np.log([0.1, 0.01])
    series = [
        DiffusionByScales("d = 1", 0.5, scales, logs, float(logs[0])),
        DiffusionByScales("a", 0.7, scales, logs, None),
    ]
    (axes,) = diffusion_against_scales(series).figure.axes
    points, line, chain = axes.lines
    np.testing.assert_allclose(points.get_xydata(), [[1.0, -1.0], [2.0, -2.0]])
    np.testing.assert_allclose(line.get_xydata(), [[0.0, 0.0], [2.0, -2.0]])
    assert points.get_label() == r"d = 1, identical scales, $\sigma$ = 0.5"
    assert chain.get_label() == r"a, each scale coupled to the next, $\sigma$ = 0.7"


def test_ellipses_have_the_roots_of_the_eigenvalues_as_semi_axes() -> None:
    vectors = np.array([[0.6, -0.8], [0.8, 0.6]])
    (outline,) = ellipses((vectors @ np.diag([4.0, 0.25]) @ vectors.T)[None])
    along = vectors.T @ outline
    np.testing.assert_allclose((along[0] / 2.0) ** 2 + (along[1] / 0.5) ** 2, 1.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-7.9, 4.1), (1e-3, 2e-3), (5.0, 5.0), (-1e6, 3e6)])
def test_levels_are_round_and_cover_the_range(low: float, high: float) -> None:
    levels = round_levels(low, high)
    step = levels[1] - levels[0]
    assert levels[0] <= low + 1e-6 * step
    assert levels[-1] >= high - 1e-6 * step
    assert 8 <= len(levels) <= 27
    assert round(step / 10.0 ** np.floor(np.log10(step * 1.0001)), 6) in (1.0, 2.0, 5.0)


def test_ellipses_stand_where_the_free_energy_is_low() -> None:
    axis = np.linspace(-1.0, 1.0, 11)
    Psi = np.where(axis[:, None] + 0.0 * axis < 0, 0.0, 100.0)
    field = Landscape(axis, axis, Psi, np.broadcast_to(np.eye(2), (11, 11, 2, 2)))
    plot = rugged_landscape(field, field, 1.0, 0.1)
    outlines = plot.figure.axes[1].patches
    assert len(outlines) == 5 * 11
    assert all(patch.get_xy()[:, 0].mean() < 0 for patch in outlines)


def test_files_are_the_same_every_time_and_of_their_kind() -> None:
    def draw() -> Plot:
        return arrhenius_lines([Arrhenius("a", np.array([1.0, 2.0]), np.array([-1.0, -2.0]), 1.0)])

    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for form, head in heads.items():
        content = image(draw(), form)
        assert content.startswith(head)
        assert image(draw(), form) == content
    assert svg(draw()).startswith("<?xml")


def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellsolve.plots.style.find_spec", lambda _: None)
    assert not available()
    with pytest.raises(JobError, match=r"pip install 'cellsolve\[plot\]'"):
        arrhenius_lines([])


def test_results_on_a_plane() -> None:
    plots = {plot.name: plot for plot in dataset_plots(dataset())}
    assert list(plots) == ["landscape", "diffusion", "error"]
    for plot in plots.values():
        assert image(plot, "png").startswith(b"\x89PNG")
        assert "$x_0$ (length)" in labels(plot)
        assert "$\\sigma$ = 0.5" in plot.title
    M01 = plots["diffusion"].figure.axes[1].collections[0].get_array()
    np.testing.assert_allclose(np.ravel(M01), np.ravel(dataset().diffusion.to_numpy()[..., 0, 1].T))


def test_results_on_a_line_with_brackets() -> None:
    data = dataset(1)
    data["lower"], data["upper"] = 0.9 * data.diffusion, 1.1 * data.diffusion
    (plot,) = dataset_plots(data)
    above, middle, below = plot.figure.axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), data.diffusion.to_numpy()[:, 0, 0])
    corners = above.collections[0].get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(0.9 * float(data.diffusion.min()))
    assert corners[:, 1].max() == pytest.approx(1.1 * float(data.diffusion.max()))
    np.testing.assert_array_equal(middle.lines[0].get_ydata(), data.free_energy.to_numpy())
    np.testing.assert_array_equal(below.lines[0].get_ydata(), data.error_estimate.to_numpy())
    assert below.get_xlabel() == "$x_0$ (length)"


def test_several_temperatures_have_a_figure_each_and_one_together() -> None:
    data = join_temperatures([1.0, 0.5], [dataset(2, 1.0), dataset(2, 0.5)])
    names = [plot.name for plot in dataset_plots(data)]
    assert names[:3] == ["landscape_sigma_1", "diffusion_sigma_1", "error_sigma_1"]
    assert names[3:] == ["landscape_sigma_0.5", "diffusion_sigma_0.5", "error_sigma_0.5", "temperatures"]
    (axes,) = dataset_plots(data)[-1].figure.axes
    expected = np.linalg.eigvalsh(data.diffusion.to_numpy()[:, 2, 3])
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines], np.log10(expected).T)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1.0, 2.0])


def test_the_logarithm_of_M_is_used_where_it_is_there() -> None:
    data = dataset(1)
    data["log_diffusion"] = np.log(data.diffusion) - 1000.0
    data["diffusion"] = 0.0 * data.diffusion
    (result,) = grid_results(data)
    expected = np.linalg.eigvalsh(data.log_diffusion.to_numpy())
    assert expected.max() < -999.0
    np.testing.assert_array_equal(result.log_eigenvalues, expected)
    assert len(dataset_plots(data)) == 1


def test_one_row_of_a_plane_is_a_line() -> None:
    (plot,) = dataset_plots(dataset().isel(x1=[2]))
    assert plot.name == "profiles"
    assert len(plot.figure.axes[0].lines) == 3


def test_datasets_that_cannot_be_drawn() -> None:
    for data, words in (
        (dataset().drop_vars("free_energy"), "no variable free_energy"),
        (dataset().rename(i="k"), "diffusion over"),
        (dataset().isel(x0=[0], x1=[0]), "nothing to draw"),
        (dataset(1).assign(free_energy=dataset(1).free_energy * np.nan), "free_energy has no finite value"),
        (dataset().expand_dims(x2=[0.0]).transpose("x0", "x1", "x2", "i", "j"), "in 3 dimensions"),
    ):
        with pytest.raises(JobError, match=words):
            dataset_plots(data)


def row(mesh: str, values: list[float], **more: float) -> dict[str, str | int | float]:
    return {
        "mesh": mesh,
        "status": "ok",
        "dim": len(values),
        **{f"eigenvalue{i}": v for i, v in enumerate(values)},
        **more,
    }


def test_tables_are_drawn_mesh_by_mesh() -> None:
    bounds = {f"lower{ij}": v for ij, v in zip(("00", "01", "10", "11"), (1.0, 0.5, 0.5, 1.0), strict=True)}
    bounds |= {f"upper{ij}": v for ij, v in zip(("00", "01", "10", "11"), (3.0, 0.0, 0.0, 2.0), strict=True)}
    bracketed = row("a/one.msh", [1.0, 2.0], **bounds)
    np.testing.assert_allclose(bracket_eigenvalues(bracketed), [[0.5, 1.5], [2.0, 3.0]])
    assert bracket_eigenvalues(row("one", [1.0])) is None
    failed = {"mesh": "a/two.msh", "status": "MeshError: no"}
    plot = table_plot([bracketed, failed, row("a/three.msh", [400.0])])
    (axes,) = plot.figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["one.msh", "two.msh", "three.msh"]
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0.5, 2.0])
    assert "Cells solved: 2, not solved: 1." in plot.caption
    with pytest.raises(JobError, match="none of them solved"):
        table_plot([failed])


def test_names_that_are_equal_keep_their_folders_and_many_rows_have_none() -> None:
    names = [f"{folder}/cell.msh" for folder in ("a", "b")]
    (axes,) = table_plot([row(name, [1.0]) for name in names]).figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == names
    (axes,) = table_plot([row(f"{k}.msh", [1.0]) for k in range(200)]).figure.axes
    assert axes.get_ylabel() == "row of the table"


SCRIPTS = ["tolerances", "closing_brackets", "rugged_landscape", "arrhenius"]
SCRIPTS += ["through_levels", "equilibrium", "rates", "scales"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_with_plots_draw_them(name: str) -> None:
    (plot,) = script(name).plots(0)
    assert plot.caption.endswith(".")
    assert svg(plot).startswith("<?xml")
    for axes in plot.figure.axes:
        assert axes.get_xlabel() or axes.get_ylabel()


def test_data_of_plots_are_finite() -> None:
    for entry in script("tolerances").series(0):
        assert entry.tol.shape == entry.error.shape == entry.estimate.shape == (4,)
        assert np.isfinite([entry.error, entry.estimate]).all()
    for bracketing in script("closing_brackets").bracketings(0):
        assert np.all(np.diff(bracketing.unknowns) > 0)
        assert np.all(np.diff(bracketing.upper - bracketing.lower) < 0)
    field = script("rugged_landscape").landscape(0)
    assert field.free_energy.shape == field.diffusion.shape[:2] == (len(field.x0), len(field.x1))
    assert np.isfinite(field.diffusion).all()
    for line in script("arrhenius").series(0):
        assert np.all(np.diff(line.log_diffusion) < 0)


def test_what_is_drawn_is_what_is_claimed() -> None:
    """Brackets hold M; distances and gaps tend to their limits; identical scales are on their line."""
    entry = script("through_levels").ordered_brackets(0)
    assert (entry.lower < entry.value).all()
    assert (entry.value < entry.upper).all()
    assert (entry.error < entry.half_width).all()
    pairs, found = script("equilibrium").drawn(0)
    assert all(np.ptp(pair.full) > 2.0 * np.ptp(pair.homogenized) for pair in pairs)
    np.testing.assert_allclose(found.weak[:-1] / found.weak[1:], 2.0, rtol=0.05)
    np.testing.assert_allclose(found.total_variation, found.total_variation[-1], rtol=0.01)
    np.testing.assert_allclose(found.entropy, found.entropy[-1], rtol=0.01)
    gaps = script("rates").gaps(0)
    assert gaps.bound < min(gaps.limit, *gaps.gaps) < gaps.slow
    assert abs(gaps.gaps[-1] / gaps.limit - 1.0) < 2e-5
    for identical in script("scales").identical(3, 0.5):
        np.testing.assert_allclose(identical.log_diffusion, identical.rate * identical.scales, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "dim", "expected"),
    [
        ("cos(2*pi*y1)", 1, 2.0),
        ("cos(2*pi*y1[0])*cos(2*pi*y1[1])", 2, 1.0),
        ("cos(2*pi*y1[0]) + 0.5*cos(2*pi*y1[1])", 2, 1.0),
        ("cos(2*pi*y1[0] + 2*pi*y1[1]) + 0.25*cos(2*pi*y1[0])", 2, 0.5),
    ],
)
def test_barriers_of_potentials_with_known_saddles(text: str, dim: int, expected: float) -> None:
    assert script("arrhenius").barrier(cs.Potential(text, dim=dim, scales=1)) == pytest.approx(expected, abs=0.02)


def test_the_pass_is_the_lowest_of_the_highest_points() -> None:
    arrhenius = script("arrhenius")
    heights = np.array([[0.0, 3.0, 0.5], [2.0, 9.0, 1.0], [0.0, 2.5, 0.0]])
    tree, numbers = arrhenius.spanning_tree(heights)
    assert arrhenius.highest_edge(tree, int(numbers[0, 0]), int(numbers[0, 2])) == pytest.approx(1.0 + 2.5)
