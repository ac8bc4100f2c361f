"""Several temperatures at once: the axis sigma, what is shared, what becomes of those that fail."""

from __future__ import annotations

import pickle
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pickle import PicklingError

import numpy as np
import pytest

import cellsolve as cs
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.macro.model import EffectiveModel
from cellsolve.macro.sweep import TemperatureSweep
from cellsolve.multiscale import planning

SIGMA = [0.5, 0.1, 2.0]
COSINE = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x)", dim=1, scales=1, V0="x**2")
PLANE = cs.Potential("cos(2*pi*y1[0])*cos(2*pi*y1[1])*(1 + 0.1*x[0])", dim=2, scales=1)
COUPLED = cs.Potential("cos(2*pi*y1)*(1 + 0.1*x) + 0.5*cos(2*pi*(y1 - y2))", dim=1, scales=2)
WEAK, STRONG = np.array([[-0.9]]), np.array([[4.0]])
X = np.array([[-1.0], [0.0], [0.5]])


def bessel(sigma: float, amplitude: np.ndarray) -> np.ndarray:
    """Zwanzig: M = I0(a/sigma)^-2."""
    return np.i0(amplitude / sigma) ** -2.0


def test_arrays_have_the_temperatures_first_in_the_order_given() -> None:
    sweep = cs.homogenize(COSINE, sigma=SIGMA)
    assert isinstance(sweep, TemperatureSweep)
    assert sweep.sigma.tolist() == SIGMA
    eff = sweep.evaluate(X)
    assert eff.diffusion.shape == eff.log_diffusion.shape == (3, 3, 1, 1)
    assert eff.partition_function.shape == eff.free_energy.shape == eff.error_estimate.shape == (3, 3)
    assert eff.free_energy_gradient.shape == eff.diffusion_divergence.shape == (3, 3, 1)
    expected = [bessel(s, 1 + 0.1 * X[:, 0]) for s in SIGMA]
    np.testing.assert_allclose(eff.diffusion[..., 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("V", [COSINE, COUPLED], ids=["one scale", "coupled"])
def test_a_sweep_agrees_with_its_temperatures_alone(V) -> None:
    sweep = cs.homogenize(V, sigma=SIGMA, tol=1e-7)
    swept = sweep.evaluate(X)
    for i, sigma in enumerate(SIGMA):
        alone, model = cs.homogenize(V, sigma=sigma, tol=1e-7).evaluate(X), sweep.models[i]
        assert isinstance(model, EffectiveModel)
        np.testing.assert_array_equal(model.evaluate(X).diffusion, alone.diffusion)
        np.testing.assert_allclose(swept.diffusion[i], alone.diffusion, rtol=1e-7)
        np.testing.assert_allclose(swept.free_energy[i], alone.free_energy, atol=1e-7)
    hottest = cs.homogenize(V, sigma=2.0, tol=1e-7).evaluate(X)
    np.testing.assert_array_equal(swept.diffusion[2], hottest.diffusion)


def test_one_temperature_in_a_sequence_keeps_its_axis() -> None:
    sweep = cs.homogenize(COSINE, sigma=np.array([0.5]))
    assert sweep.evaluate([0.0]).diffusion.shape == (1, 1, 1)
    assert sweep.on_grid({"x0": [0.0, 1.0]}).diffusion.dims == ("sigma", "x0", "i", "j")


def test_datasets_have_the_dimension_sigma() -> None:
    sweep = cs.homogenize(PLANE, sigma=[1.0, 0.5])
    ds = sweep.on_grid({"x0": [0.0, 1.0], "x1": [0.0]})
    assert ds.diffusion.dims == ds.log_diffusion.dims == ("sigma", "x0", "x1", "i", "j")
    assert ds.within_tolerance.dims == ds.error_estimate.dims == ("sigma", "x0", "x1")
    assert ds.sigma.values.tolist() == [1.0, 0.5]
    assert ds.attrs["converged"] == 1
    assert ds.attrs["failure"] == ""
    eff = sweep.evaluate([[[0.0, 0.0]], [[1.0, 0.0]]])
    np.testing.assert_array_equal(ds.diffusion.values, eff.diffusion)


BAD = {
    "empty": ([], "got no temperature in sigma"),
    "twice": ([0.5, 1.0, 0.5], "got the same temperature twice in sigma"),
    "twice as numbers": ([1, 1.0], "got the same temperature twice"),
    "zero": ([1.0, 0.0], r"got sigma\[1\] = 0.0, needed a finite number > 0"),
    "nan": ([float("nan")], r"got sigma\[0\] = nan"),
    "text": ([1.0, "warm"], r"got sigma\[1\] = 'warm', needed"),
    "nested": ([[1.0]], r"got sigma\[0\] = \[1.0\], needed"),
    "table": (np.ones((2, 2)), r"got sigma\[0\] = array"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_temperatures_are_refused(name) -> None:
    sigma, words = BAD[name]
    with pytest.raises(CoefficientError, match=words):
        cs.homogenize(COSINE, sigma=sigma)


def test_a_temperature_that_misses_the_tolerance_does_not_stop_the_others() -> None:
    V = cs.Potential("0.5*sign(sin(2*pi*y1) - 0.3)", dim=1, scales=1)
    with pytest.raises(ConvergenceError, match=r"2 of 2 temperatures .* sigma = 1: .* sigma = 0.5: ") as caught:
        cs.homogenize(V, sigma=[1.0, 0.5], tol=1e-12).evaluate([[0.0], [1.0]])
    reached = caught.value.result
    assert np.isfinite(reached.diffusion).all()
    assert (reached.error_estimate > 1e-12).all()


def test_a_temperature_that_cannot_be_computed_is_nan_and_marked() -> None:
    """In more than one dimension temperatures have an end."""
    sweep, x = cs.homogenize(PLANE, sigma=[0.001, 1.0]), np.array([[0.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ConvergenceError, match=r"1 of 2 temperatures .* sigma = 0.001: osc") as caught:
        sweep.evaluate(x)
    reached = caught.value.result
    assert np.isnan(reached.diffusion[0]).all()
    assert np.isinf(reached.error_estimate[0]).all()
    known = np.i0(0.5 * (1 + 0.1 * x[:, 0])) ** -2  # K_0 = I
    np.testing.assert_allclose(reached.diffusion[1, :, 0, 0], known, rtol=1e-6)
    with pytest.raises(ConvergenceError) as caught:
        sweep.on_grid({"x0": [0.0, 1.0], "x1": [0.0]})
    ds = caught.value.result
    assert ds.attrs["converged"] == 0
    assert "sigma 0.001: osc(V1)/sigma" in ds.attrs["failure"]
    assert "sigma 1:" not in ds.attrs["failure"]
    assert ds.within_tolerance.values[..., 0].tolist() == [[0, 0], [1, 1]]


def test_what_no_temperature_can_do_is_refused() -> None:
    with pytest.raises(CoefficientError, match="osc"):
        cs.homogenize(PLANE, sigma=[0.001, 0.0005]).evaluate([[0.0, 0.0]])
    with pytest.raises(CoefficientError, match="no array of numbers"):
        cs.homogenize(COSINE, sigma=[1.0, 0.5]).evaluate([[0.0], [1.0, 2.0]])


def test_points_that_cannot_be_computed_are_nan_and_the_others_are_not() -> None:
    """V1 = sqrt(x) cos: not finite at x < 0; V0 = log(x + 2): not at x < -2."""
    V = cs.Potential("sqrt(x)*cos(2*pi*y1)", dim=1, scales=1)
    with pytest.raises(ConvergenceError, match=r"2 of 4 points could not be computed: .* finite") as caught:
        cs.homogenize(V, sigma=1.0).on_grid({"x0": [-1.0, 1.0, -0.5, 0.25]})
    ds = caught.value.result
    assert np.isnan(ds.diffusion.values[[0, 2]]).all()
    np.testing.assert_allclose(ds.diffusion.values[[1, 3], 0, 0], bessel(1.0, np.array([1.0, 0.5])), rtol=1e-6)
    assert ds.within_tolerance.values.tolist() == [0, 1, 0, 1]
    assert (ds.attrs["converged"], ds.attrs["points_not_computed"]) == (0, 2)
    slow = cs.Potential("cos(2*pi*y1)", dim=1, scales=1, V0="log(x + 2)")
    with pytest.raises(ConvergenceError, match="1 of 2 points") as caught:
        cs.homogenize(slow, sigma=1.0).evaluate([[-3.0], [0.0]])
    assert np.isfinite(caught.value.result.free_energy).tolist() == [False, True]


def test_points_that_are_too_cold_are_nan_and_the_others_are_not() -> None:
    V = cs.Potential("(0.01 + x[0])*cos(2*pi*y1[0])*cos(2*pi*y1[1])", dim=2, scales=1)
    with pytest.raises(ConvergenceError, match=r"1 of 3 points could not be computed: osc\(V1\)/sigma") as caught:
        cs.homogenize(V, sigma=0.02).evaluate([[0.0, 0.0], [10.0, 0.0], [0.2, 0.0]])
    assert np.isfinite(caught.value.result.log_diffusion[:, 0, 0]).tolist() == [True, False, True]


def test_the_logarithm_of_diffusion_is_there_where_diffusion_underflows() -> None:
    """Two scales: M = prod I0(1/sigma)^-2, and log I0(z) = z - log(2 pi z)/2 + 1/(8 z) + 9/(128 z^2)."""
    V = cs.Potential("cos(2*pi*y1) + cos(2*pi*y2)", dim=1, scales=2)
    eff = cs.homogenize(V, sigma=1 / 300).evaluate([0.0])
    log_i0 = 300 - 0.5 * np.log(2 * np.pi * 300) + 1 / 2400 + 9 / (128 * 300**2)
    assert eff.diffusion[0, 0] == 0.0
    assert eff.log_diffusion[0, 0] == pytest.approx(-4 * log_i0, abs=1e-5)
    ds = cs.homogenize(V, sigma=1 / 300).on_grid({"x0": [0.0, 1.0]})
    assert ds.attrs["points_of_diffusion_underflow"] == 2
    assert ds.attrs["converged"] == 1


def test_the_logarithm_of_diffusion_is_that_of_a_matrix() -> None:
    V = cs.Potential("cos(2*pi*(y1[0] + 2*y1[1])) + 0.5*sin(2*pi*y1[0])", dim=2, scales=1)
    eff = cs.homogenize(V, sigma=0.5).evaluate([0.0, 0.0])
    values, vectors = np.linalg.eigh(eff.diffusion)
    assert abs(eff.diffusion[0, 1]) > 0.01
    np.testing.assert_allclose(eff.log_diffusion, vectors @ np.diag(np.log(values)) @ vectors.T, atol=1e-12)


def test_each_plan_is_made_once_and_begins_with_that_of_the_hotter(monkeypatch) -> None:
    made = []
    run = planning._Planner.run

    def counted(planner):
        planned = run(planner)
        made.append((planner.plan.sigma, planner.tally.problems[1], planned.plan.solvers[1].space.n_dofs))
        return planned

    monkeypatch.setattr(planning._Planner, "run", counted)
    chain = cs.homogenize(COSINE, sigma=[0.02, 1.0, 0.1]).chain()
    assert [model.sigma for model in chain] == [1.0, 0.1, 0.02]
    for model in chain:
        model.cost(X)
    for model in chain:
        model.evaluate(X)
    assert [sigma for sigma, _, _ in made] == [1.0, 0.1, 0.02]
    cold = made[-1]
    made.clear()
    cs.homogenize(COSINE, sigma=0.02).evaluate(X)
    (alone,) = made
    assert cold[2] == alone[2]
    assert cold[1] < alone[1]


def test_plans_are_those_of_the_points_asked_for() -> None:
    """The second points are where the potential is strong: a plan for the first ones would be too coarse."""
    V = cs.Potential("(1 + x)*cos(2*pi*y1)", dim=1, scales=1)
    (model,) = cs.homogenize(V, sigma=[0.1]).chain()
    weak, strong, alone = model.plan(WEAK), model.plan(STRONG), cs.homogenize(V, sigma=0.1).plan(STRONG)
    unknowns = [planned.plan.solvers[1].space.n_dofs for planned, _ in (weak, strong, alone)]
    assert unknowns[0] < unknowns[1] == unknowns[2]


def test_costs_are_in_the_order_of_the_temperatures() -> None:
    costs = cs.homogenize(COSINE, sigma=[0.02, 1.0]).cost(X)
    assert costs[0].unknowns[1] > costs[1].unknowns[1]


def test_progress_counts_all_temperatures() -> None:
    told = []
    cs.homogenize(COSINE, sigma=SIGMA).evaluate(X, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9, 9)


def test_reports_are_added_up() -> None:
    report = cs.homogenize(COSINE, sigma=[0.5, 2.0]).evaluate(X).report
    alone = [cs.homogenize(COSINE, sigma=s).evaluate(X).report for s in (0.5, 2.0)]
    assert report.cell_problems[1] == sum(r.cell_problems[1] for r in alone)
    assert report.unknowns[1] == max(r.unknowns[1] for r in alone)


class _Forgetful(Executor):
    """Computes one chunk; cannot be sent another one."""

    def __init__(self) -> None:
        self.count = 0

    def submit(self, function, /, *arguments, **keywords):
        future = Future()
        self.count += 1
        if self.count == 1:
            future.set_result(function(*arguments, **keywords))
        else:
            future.set_exception(PicklingError("Can't pickle <lambda>"))
        return future


def test_mistakes_that_are_not_of_a_temperature_are_raised_at_once() -> None:
    with pytest.raises(CoefficientError, match="cannot be sent to worker processes"):
        cs.homogenize(COSINE, sigma=[1.0, 0.5]).evaluate(X, executor=_Forgetful())
    V = cs.Potential("cos(3*pi*y1)", dim=1, scales=1)
    with pytest.raises(CoefficientError, match="not periodic"):
        cs.homogenize(V, sigma=[1.0, 0.5]).evaluate(X)


def test_sweeps_do_not_depend_on_workers() -> None:
    sweep = cs.homogenize(COUPLED, sigma=SIGMA)
    with ThreadPoolExecutor(2) as executor:
        np.testing.assert_array_equal(sweep.evaluate(X, executor=executor).diffusion, sweep.evaluate(X).diffusion)


def test_an_error_of_some_points_is_one_of_the_potential_too() -> None:
    V = cs.Potential("sqrt(x)*cos(2*pi*y1)", dim=1, scales=1)
    with pytest.raises(CoefficientError, match=r"1 of 2 points could not be computed: .* finite") as caught:
        cs.homogenize(V, sigma=1.0).evaluate([[-1.0], [1.0]])
    assert isinstance(caught.value, ConvergenceError)
    again = pickle.loads(pickle.dumps(caught.value))
    np.testing.assert_array_equal(again.result.diffusion, caught.value.result.diffusion)


def test_brackets_in_the_plane_hold_at_each_temperature() -> None:
    """V1 = a(x) cos cos: M = I0(a/(2 sigma))^-2 I, as K_0 = I."""
    sweep = cs.homogenize(PLANE, sigma=[1.0, 0.1, 0.4], tol=1e-4, bounds=True)
    x = np.array([[0.0, 0.0], [2.0, 1.0]])
    eff = sweep.evaluate(x)
    assert eff.lower.shape == eff.upper.shape == (3, 2, 2, 2)
    for i, sigma in enumerate(sweep.sigma):
        M = bessel(2.0 * sigma, 1.0 + 0.1 * x[:, 0])[:, None, None] * np.eye(2)
        assert np.linalg.eigvalsh(M - eff.lower[i]).min() >= 0
        assert np.linalg.eigvalsh(eff.upper[i] - M).min() >= 0
        width = np.linalg.eigvalsh(eff.upper[i] - eff.lower[i])[:, -1] / M[:, 0, 0]
        assert (width > 0).all()
        np.testing.assert_allclose(0.5 * width, eff.error_estimate[i], rtol=1e-3)
        np.testing.assert_allclose(eff.diffusion[i], 0.5 * (eff.lower[i] + eff.upper[i]), rtol=1e-12, atol=1e-16)
    assert (eff.error_estimate <= 1e-4).all()
