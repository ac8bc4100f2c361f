"""Potentials from texts and callables: terms, values, derivatives, checks."""

import dataclasses
import functools
import pickle

import numpy as np
import pytest

from cellsolve.errors import CoefficientError, ExpressionError
from cellsolve.potentials import CallableTerm, Points, Potential, TextTerm, Variable

RNG = np.random.default_rng(7)
TEXT = "a*cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y2[1] - y1[1]))*(1 + 0.2*tanh(x[0])) + x[1]**2"


def landscape(x: np.ndarray, y1: np.ndarray, y2: np.ndarray) -> np.ndarray:
    smooth = 1.5 * np.cos(2 * np.pi * y1[..., 0]) * np.cos(2 * np.pi * y2[..., 0])
    return (
        smooth + 0.5 * np.sin(2 * np.pi * (y2[..., 1] - y1[..., 1])) * (1 + 0.2 * np.tanh(x[..., 0])) + x[..., 1] ** 2
    )


def landscape_gradient(x: np.ndarray, y1: np.ndarray, y2: np.ndarray) -> np.ndarray:
    slope = 0.1 * np.sin(2 * np.pi * (y2[..., 1] - y1[..., 1])) / np.cosh(x[..., 0]) ** 2
    return np.stack([slope, 2 * x[..., 1]], axis=-1)


def confinement(x: np.ndarray) -> np.ndarray:
    return np.sum(x**4, axis=-1)


def confinement_gradient(x: np.ndarray) -> np.ndarray:
    return 4 * x**3


def text_potential() -> Potential:
    return Potential(TEXT, dim=2, scales=2, V0="x[0]**4 + x[1]**4", parameters={"a": 1.5})


def callable_potential() -> Potential:
    return Potential(landscape, dim=2, scales=2, V0=confinement)


def points_of(*arrays: np.ndarray) -> Points:
    names = ("x", "y1", "y2")
    return {name: tuple(np.moveaxis(array, -1, 0)) for name, array in zip(names, arrays, strict=False)}


def test_a_text_has_a_term_for_each_addend() -> None:
    V = text_potential()
    assert [term.depth for term in V.terms] == [2, 2, 0]
    assert V.terms[0].variables == {Variable("y1", 0), Variable("y2", 0)}
    assert V.terms[2].variables == {Variable("x", 1)}
    assert all(isinstance(term, TextTerm) for term in V.terms)
    assert isinstance(V.V0, TextTerm)
    assert Potential("0", dim=1, scales=1).terms == ()


def test_a_callable_is_one_term_with_every_variable() -> None:
    (term,) = callable_potential().terms
    assert isinstance(term, CallableTerm)
    assert term.depth == 2
    assert term.variables == {Variable(name, i) for name in ("x", "y1", "y2") for i in range(2)}
    assert term.kinks == frozenset()


def test_kinks_of_terms_are_those_of_the_text() -> None:
    V = Potential("abs(y1) + cos(2*pi*y1)", dim=1, scales=1)
    assert [term.kinks for term in V.terms] == [{Variable("y1", 0)}, frozenset()]


def test_text_and_callable_agree_on_broadcast_points() -> None:
    x, y1, y2 = RNG.normal(size=(3, 1, 1, 2)), RNG.random((1, 4, 1, 2)), RNG.random((5, 2))
    expected = landscape(*np.broadcast_arrays(x, y1, y2))
    for V in (text_potential(), callable_potential()):
        values = V.evaluate_V1(x, y1, y2)
        assert values.shape == (3, 4, 5)
        np.testing.assert_allclose(values, expected, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(V.evaluate_V0(x), np.sum(x**4, axis=-1), rtol=1e-14)


def test_a_text_term_keeps_the_shape_of_its_own_variables() -> None:
    y1, y2 = np.zeros((4, 1)), np.zeros((1, 5))
    points = {"x": (np.zeros((3, 1, 1)),) * 2, "y1": (y1, y1), "y2": (y2, y2)}
    assert [term.evaluate(points).shape for term in text_potential().terms] == [(4, 5), (3, 4, 5), (3, 1, 1)]


@pytest.mark.parametrize(("gradient", "accuracy"), [(None, 2e-11), (landscape_gradient, 1e-13)])
def test_derivatives_in_x(gradient: object, accuracy: float) -> None:
    x, y1, y2 = RNG.normal(size=(6, 2)), RNG.random((6, 2)), RNG.random((6, 2))
    points = points_of(x, y1, y2)
    expected = landscape_gradient(x, y1, y2)
    (term,) = Potential(landscape, dim=2, scales=2, V1_gradient=gradient).terms  # type: ignore[arg-type]
    for i in range(2):
        exact = sum(text.derivative(i).evaluate(points) for text in text_potential().terms)
        np.testing.assert_allclose(exact, expected[:, i], rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(term.derivative(i).evaluate(points), expected[:, i], rtol=0, atol=accuracy)
        assert term.derivative(i).variables == term.variables
        assert (term.derivative(i).depth, term.derivative(i).kinks) == (2, frozenset())


def test_central_differences_have_sixth_order(monkeypatch: pytest.MonkeyPatch) -> None:
    (term,) = Potential(lambda x, y: np.sin(x[..., 0]) + 0 * y[..., 0], dim=1, scales=1).terms
    errors = []
    for step in (0.4, 0.2):
        monkeypatch.setattr("cellsolve.potentials.terms.DIFFERENCE_STEP", step)
        value = term.derivative(0).evaluate({"x": (np.array(0.5),), "y1": (np.array(0.0),)})
        errors.append(abs(float(value) - np.cos(0.5)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(6.0, abs=0.2)
    assert errors[1] == pytest.approx(0.2**6 * np.cos(0.5) / 140, rel=0.05)


def test_differences_stay_accurate_far_out_and_can_be_repeated() -> None:
    V = Potential(lambda x, y: x[..., 0] ** 3 + 0 * y[..., 0], dim=1, scales=1)
    points = {"x": (np.array([1e4, -2.0]),), "y1": (np.zeros(2),)}
    slope = V.terms[0].derivative(0)
    np.testing.assert_allclose(slope.evaluate(points), [3e8, 12.0], rtol=1e-11)
    np.testing.assert_allclose(slope.derivative(0).evaluate(points), [6e4, -12.0], rtol=1e-7)


@pytest.mark.parametrize("gradient", [None, confinement_gradient])
def test_the_gradient_of_V0(gradient: object) -> None:
    x = RNG.normal(size=(4, 3, 2))
    numeric = Potential("0", dim=2, scales=1, V0=confinement, V0_gradient=gradient)  # type: ignore[arg-type]
    np.testing.assert_allclose(text_potential().evaluate_V0_gradient(x), 4 * x**3, rtol=1e-14)
    np.testing.assert_allclose(numeric.evaluate_V0_gradient(x), 4 * x**3, rtol=1e-10, atol=1e-10)


def test_V0_is_zero_when_left_out() -> None:
    V = Potential("cos(2*pi*y1)", dim=1, scales=1)
    assert V.V0 is None
    assert V.evaluate_V0(np.ones((3, 1))).tolist() == [0.0] * 3
    assert V.evaluate_V0_gradient(np.ones((3, 1))).tolist() == [[0.0]] * 3


def test_inputs_are_untouched_even_by_a_function_that_writes() -> None:
    def careless(x: np.ndarray, y1: np.ndarray) -> np.ndarray:
        y1 -= np.floor(y1)
        return np.cos(x[..., 0] + y1[..., 0])

    y1 = np.array([[1.25], [2.5]])
    with pytest.raises(ValueError, match="read-only"):
        Potential(careless, dim=1, scales=1).evaluate_V1(np.zeros(1), y1)
    assert y1.ravel().tolist() == [1.25, 2.5]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda x, y: np.cos(y[0]) + 0 * x[0],
            r"shape \(1,\) for points of shape \(3, 1\); \(3,\) is needed.*y1\[\.\.\., 0\]",
        ),
        (lambda x, y: np.cos(y) + x, r"shape \(3, 1\)"),
        (lambda x, y: 1j * y[..., 0] + x[..., 0], "complex128"),
        (lambda x, y: np.array(["a"] * 3), "real numbers"),  # noqa: ARG005
        (lambda x, y: None, "object"),  # noqa: ARG005
    ],
)
def test_results_of_a_wrong_shape_or_type_are_refused(function: object, words: str) -> None:
    V = Potential(function, dim=1, scales=1)  # type: ignore[arg-type]
    with pytest.raises(CoefficientError, match=words):
        V.evaluate_V1(np.zeros((3, 1)), np.zeros((3, 1)))


def test_a_callable_may_give_one_number_or_whole_numbers() -> None:
    V = Potential(lambda x, y: 3, dim=1, scales=1)  # noqa: ARG005
    values = V.evaluate_V1(np.zeros((3, 1)), np.zeros((1,)))
    assert values.dtype == np.float64
    assert values.tolist() == [3.0] * 3


def test_a_gradient_of_a_wrong_shape_is_refused() -> None:
    V = Potential("0", dim=2, scales=1, V0=confinement, V0_gradient=confinement)
    with pytest.raises(CoefficientError, match=r"V0_gradient gave shape \(3,\).*\(3, 2\) is needed"):
        V.evaluate_V0_gradient(np.zeros((3, 2)))


def test_the_first_point_that_is_not_finite_is_named() -> None:
    V = Potential("log(x[0]) + y1[1]", dim=2, scales=1, V0=lambda x: np.sqrt(x[..., 1]))
    x = np.array([[1.0, 1.0], [-2.0, -0.25]])
    with pytest.raises(CoefficientError, match=r"V1 is nan at x = \(-2, -0.25\), y1 = \(0.5, 0.75\)"):
        V.evaluate_V1(x, np.array([0.5, 0.75]))
    with pytest.raises(CoefficientError, match=r"V0 is nan at x = \(-2, -0.25\)"):
        V.evaluate_V0(x)
    with pytest.raises(CoefficientError, match=r"dV0/dx\[0\] is nan"):
        V.evaluate_V0_gradient(x)


def test_infinities_that_cancel_give_an_error_and_no_warning() -> None:
    V = Potential("1/x**2 - 2/x**2", dim=1, scales=1, V0=lambda x: 1 / x[..., 0] ** 2)
    with pytest.raises(CoefficientError, match="V1 is nan"):
        V.evaluate_V1(np.zeros(1), np.zeros(1))
    with pytest.raises(CoefficientError, match="V0 is inf"):
        V.evaluate_V0(np.zeros(1))
    huge = Potential("0", dim=1, scales=1, V0=lambda x: np.exp(np.abs(x[..., 0]) + 710))
    with pytest.raises(CoefficientError, match=r"dV0/dx\[0\] is nan"):
        huge.evaluate_V0_gradient(np.zeros(1))


def test_points_of_a_wrong_shape_are_refused() -> None:
    V = Potential("cos(2*pi*y1)", dim=1, scales=1)
    with pytest.raises(CoefficientError, match=r"x have shape \(3,\); \(\.\.\., 1\) is needed.*of length 1"):
        V.evaluate_V1(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(CoefficientError, match=r"y1 have shape \(\)"):
        V.evaluate_V1(np.zeros(1), 0.0)
    with pytest.raises(CoefficientError, match="1 fast variables, got 2"):
        V.evaluate_V1(np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(CoefficientError, match="do not broadcast"):
        V.evaluate_V1(np.zeros((2, 1)), np.zeros((3, 1)))
    with pytest.raises(CoefficientError, match="complex128"):
        V.evaluate_V0(np.zeros((2, 1), dtype=complex))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dim": 0}, "dim = 0"),
        ({"dim": 4}, "dim = 4"),
        ({"dim": 2.0}, "dim = 2.0"),
        ({"dim": True}, "dim = True"),
        ({"scales": 0}, "scales = 0"),
        ({"scales": "1"}, "scales = '1'"),
        ({"V1": 3}, "V1 or its gradient is a int"),
        ({"V0": 3}, "V0 or its gradient is a int"),
        ({"V1_gradient": confinement_gradient}, "V1_gradient for a text"),
        ({"V0_gradient": confinement_gradient}, "without V0"),
        ({"V0": "x", "V0_gradient": confinement_gradient}, "V0_gradient for a text"),
        ({"V1": landscape, "V1_gradient": 3}, "V1 or its gradient is a int"),
        ({"V1": landscape, "parameters": {"a": 1.0}}, r"parameters \(a\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(CoefficientError, match=words):
        Potential(**{"V1": "y1", "dim": 1, "scales": 1, **arguments})  # type: ignore[arg-type]


def test_texts_know_the_variables_of_the_potential_only() -> None:
    with pytest.raises(ExpressionError, match="unknown name y2"):
        Potential("y2", dim=1, scales=1)
    with pytest.raises(ExpressionError, match="unknown name y1"):
        Potential("y1", dim=1, scales=1, V0="y1")
    with pytest.raises(ExpressionError, match="2 components"):
        Potential("y1", dim=2, scales=1)


def test_the_source_names_texts_parameters_and_callables() -> None:
    assert text_potential().source == {"V1": TEXT, "V0": "x[0]**4 + x[1]**4", "parameters": "a = 1.5"}
    assert callable_potential().source["V0"] == f"{__name__}.confinement"
    partial = Potential(functools.partial(landscape), dim=2, scales=2)
    assert partial.source == {"V1": "functools.partial", "V0": "0"}


@pytest.mark.parametrize("make", [text_potential, callable_potential])
def test_potentials_are_values(make: object) -> None:
    V, other = make(), make()  # type: ignore[operator]
    copy = pickle.loads(pickle.dumps(V))
    x = RNG.normal(size=(3, 2))
    np.testing.assert_array_equal(copy.evaluate_V1(x, x, x), V.evaluate_V1(x, x, x))
    assert copy == V == other
    assert len({V, other, copy}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        V.dim = 3
