"""Texts as functions: what is read, what is refused, values, derivatives, kinks, terms and printing."""

import pickle
import time

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from cellsolve.errors import ExpressionError
from cellsolve.potentials import Expression, Variable, parse_expression
from cellsolve.potentials.tree import Call, Number, Power, Product, Sum, Symbol

NAMES = {"x": 2, "y1": 2, "y2": 2}
X0, Y10, Y20 = Variable("x", 0), Variable("y1", 0), Variable("y2", 0)
POINT = {Variable(name, i): 0.3 + 0.17 * j + 0.41 * i for j, name in enumerate(NAMES) for i in range(2)}


def read(text: str) -> Expression:
    return parse_expression(text, NAMES)


VALUES = {
    "1 + 2*3": 7.0,
    "2**3**2": 512.0,
    "-2**2": -4.0,
    "(-2)**2": 4.0,
    "2**-1": 0.5,
    "7 - 2 - 1": 4.0,
    "12/3/2*5": 10.0,
    "10/3": 10 / 3,
    "+-+1.5e1": -15.0,
    "sin(1) + cos(2)*tan(3)": np.sin(1) + np.cos(2) * np.tan(3),
    "exp(1) - e": 0.0,
    "log(e**2) + sqrt(16)": 6.0,
    "sinh(0.5)*cosh(0.5)/tanh(0.5)": np.sinh(0.5) * np.cosh(0.5) / np.tanh(0.5),
    "4*atan(1) + 4*arctan(1) - 2*pi": 0.0,
    "abs(-3) + sign(-2) + floor(2.7)": 4.0,
    "heaviside(-1) + 10*heaviside(1) + 100*heaviside(0)": 60.0,
    "min(1, 2) + 10*max(1, 2)": 21.0,
    " ( .5\n+ 1. )\t": 1.5,
}


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_constant_texts_have_the_values_of_arithmetic(text: str, value: float) -> None:
    result = read(text).evaluate({})
    assert isinstance(result, float)
    assert result == pytest.approx(value, abs=1e-14)


@pytest.mark.parametrize("text", ["x", "x[0]", "(x)"])
def test_in_one_dimension_a_bare_name_is_its_component(text: str) -> None:
    assert parse_expression(text, {"x": 1}) == Symbol(Variable("x", 0))


def test_parameters_are_numbers_in_the_expression() -> None:
    text = parse_expression("a*cos(2*pi*y1[0]) + b", NAMES, {"a": 0.25, "b": 3})
    assert text.variables == {Y10}
    assert text.evaluate({Y10: 0.5}) == pytest.approx(2.75)


@pytest.mark.parametrize("name", ["lambda", "pi", "e", "sin", "atan", "x", "a b", "", "1a", "ä", 3])
def test_parameter_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(ExpressionError, match="parameter name"):
        parse_expression("1", NAMES, {name: 1.0})


@pytest.mark.parametrize("value", [np.inf, np.nan, "1", None, True, 1j])
def test_parameter_values_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ExpressionError, match="finite real number"):
        parse_expression("1", NAMES, {"a": value})


HOSTILE = {
    "__import__('os').system('id')": "column 12",
    "().__class__": r"'\.' at column 3",
    "y1.tofile('a')": r"'\.'",
    "9**9**9": "not finite",
    "9" * 9_000: "not finite",
    "1e999": "not finite",
    "1/0": "not finite",
    "log(0)": "not finite",
    "log(-1)": "not finite",
    "(-1)**0.5": "not finite",
    "1e200*x[0]*1e200": "not finite",
    "0**x[0]": "positive",
    "(" * 100_000: "100000 characters",
    "(" * 9_000: "brackets",
    "(" * 3_000 + "x[0]" + ")" * 3_000: "brackets",
    "-" * 9_000 + "1": "operations",
    "-" * 1_000 + "x[0]": "nested",
    "**".join(["x[0]"] * 1_400): "nested",
    "+".join(["1"] * 4_000): "operations",
    "lambda: 1": "':'",
    "(x := 1)": "':'",
    "f'{x}'": "column 2",
    "'a'": '"\'"',
    '"a"': "'\"'",
    "[x for x in y1]": "ListComp",
    "x[0] if 1 else 2": "condition",
    "1if 1else 2": "followed by 'i'",
    "not x[0]": "logic",
    "x[0] < 1": "'<'",
    "x is y1": "comparison",
    "~x[0]": "'~'",
    "x[0] // 2": "floor",
    "x[0]; 1": "';'",
    "x[0] # a": "'#'",
    "x[0]\\": "column 5",
    "x[0.5]": r"x\[0\] .. x\[1\]",
    "x[True]": r"x\[0\] .. x\[1\]",
    "x[-1]": r"x\[0\] .. x\[1\]",
    "x[2]": r"x\[0\] .. x\[1\]",
    "x[0, 1]": r"x\[0\] .. x\[1\]",
    "x[x[0]]": r"x\[0\] .. x\[1\]",
    "x[]": "expression",
    "x": "2 components",
    "π*x[0]": "GREEK SMALL LETTER PI",
    "ｘ[0]": "FULLWIDTH LATIN SMALL LETTER X",
    "x[0]\u202e": "U\\+202E",
    "x[0]\x00": "U\\+0000",
    "²": "SUPERSCRIPT TWO",
    "1²": "followed by '²'",
    "1_000": "followed by '_'",
    "0x10": "followed by 'x'",
    "1j": "followed by 'j'",
    "2x[0]": "followed by 'x'",
    "1..real": "followed by",
    "007": "leading zeros",
    "": "empty",
    " \n ": "empty",
    "True": "no number",
    "None": "no number",
    "()": "brackets",
    "(1, 2)": "comma",
    "[1]": "List",
    "yield": "Yield",
    "import os": "expression",
    "x[0] x[1]": "expression",
    "x[0] +": "expression",
    "((x[0])": "never closed",
    "x[0])": "closes nothing",
    "(x[0]]": "closes nothing",
    "sin": r"sin\(\.\.\)",
    "sin[0]": r"sin\(\.\.\)",
    "sin()": "takes 1",
    "sin(1, 2)": "takes 1",
    "min(1)": "takes 2",
    "sin(*x)": "multiplies nothing",
    "sin(**x)": "no function",
    "x[0](1)": "no function",
    "pi(2)": "no function",
    "pi[0]": "no variable",
    "cso(1)": "Did you mean cos",
    "y3[0]": "Known are x, y1, y2, pi, e",
    "eval(1)": "unknown name eval",
}


@pytest.mark.parametrize(("text", "words"), HOSTILE.items(), ids=[repr(text[:16]) for text in HOSTILE])
def test_whatever_is_no_expression_is_refused_in_words_and_at_once(text: str, words: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError, match=words) as caught:
        read(text)
    assert time.perf_counter() - start < 1.0
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"], 1.5])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(ExpressionError, match="in place of a text"):
        parse_expression(text, NAMES)  # type: ignore[arg-type]


@given(st.text(alphabet="xy12[]()+-*/., eE_'\"=:<\\\n\0πλ{}@ainsco", max_size=60))
@settings(max_examples=300, deadline=1000)
def test_random_texts_give_an_expression_or_an_expression_error(text: str) -> None:
    try:
        expression = read(text)
    except ExpressionError:
        return
    assert read(str(expression)) == expression


@pytest.mark.parametrize("joint", ["+", "*", "/", "-"])
def test_long_chains_are_read_and_printed(joint: str) -> None:
    text = joint.join(["y1[0]"] * 1_000)
    start = time.perf_counter()
    expression = read(text)
    assert time.perf_counter() - start < 1.0
    assert read(str(expression)) == expression


@pytest.mark.parametrize("nested", ["(" * 39 + "x[0]" + ")" * 39, "sin(" * 39 + "x[0]" + ")" * 39])
def test_nesting_below_the_limit_is_read_hashed_and_pickled(nested: str) -> None:
    expression = read(nested)
    assert pickle.loads(pickle.dumps(expression)) == expression
    assert hash(expression) == hash(read(nested))


def _grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    functions = st.sampled_from(["sin", "exp", "tanh", "abs", "arctan", "floor"])
    return st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, b: a / (2.0 + abs_of(b)), inner, inner),
        st.builds(lambda a, n: a**n, inner, st.sampled_from([-2.0, -1.0, 0.5, -0.5, 2.0, 3.0])),
        st.builds(lambda a, b: (1.5 + abs_of(a)) ** b, inner, inner),
        st.builds(lambda a: -a, inner),
        st.builds(lambda name, a: a.call(name), functions, inner),
        st.builds(lambda name, a, b: a.call(name, b), st.sampled_from(["min", "max"]), inner, inner),
    )


def abs_of(expression: Expression) -> Expression:
    return expression.call("abs")


LEAVES = st.one_of(
    st.sampled_from([Symbol(X0), Symbol(Y10), Symbol(Y20)]),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0, 1e-7, 12345678.9, 3e20]).map(Number),
)
TREES = st.recursive(LEAVES, _grown, max_leaves=8)


@st.composite
def trees(draw: st.DrawFn) -> Expression:
    """Trees without a constant that is not finite: those are refused while they are built."""
    try:
        return draw(TREES)
    except ExpressionError:
        return Symbol(X0)


@given(trees())
@settings(max_examples=300, deadline=None)
def test_the_printed_text_reads_back_as_the_same_tree(tree: Expression) -> None:
    assert read(str(tree)) == tree


@given(trees())
@settings(max_examples=300, deadline=None)
def test_the_terms_add_up_to_the_expression(tree: Expression) -> None:
    with np.errstate(all="ignore"):
        total = sum(term.evaluate(POINT) for term in tree.terms())
    np.testing.assert_allclose(total, tree.evaluate(POINT), rtol=1e-9, atol=1e-9 * (1 + _size(tree)), equal_nan=True)
    assert all(len(term.terms()) == 1 for term in tree.terms())


def _size(tree: Expression) -> float:
    values = np.array([float(term.evaluate(POINT)) for term in tree.terms()])
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


TERMS = {
    "0": (),
    "3": ("3",),
    "x[0] - y1[0]": ("x[0]", "-y1[0]"),
    "-(x[0] + y1[0])": ("-x[0]", "-y1[0]"),
    "2*(x[0] + 3*(y1[0] - 1))/4": ("0.5*x[0]", "1.5*y1[0]", "-1.5"),
    "x[0]*(x[1] + y1[0])": ("x[0]*(x[1] + y1[0])",),
    "(x[0] + y1[0])**2 + sin(x[0] + x[1])": ("(x[0] + y1[0])**2", "sin(x[0] + x[1])"),
}


@pytest.mark.parametrize(("text", "terms"), TERMS.items())
def test_signs_and_constant_factors_go_into_sums_and_products_stay(text: str, terms: tuple[str, ...]) -> None:
    assert tuple(map(str, read(text).terms())) == terms


KINKS = {
    "sqrt(x[0]) + log(x[1]) + x[0]**0.5 + 1/y1[0] + 2**y2[0]": set(),
    "abs(x[0])*y1[0]": {X0},
    "sign(x[0] + y1[0])": {X0, Y10},
    "heaviside(sin(y1[0])) + y2[0]": {Y10},
    "floor(y2[0])": {Y20},
    "min(x[0], y1[0]) + max(1, y2[0])": {X0, Y10, Y20},
    "cos(abs(y1[0])*y2[0])": {Y10},
    "abs(-2)*y1[0]": set(),
}


@pytest.mark.parametrize(("text", "kinks"), KINKS.items())
def test_kinks_are_the_variables_inside_functions_that_are_not_smooth(text: str, kinks: set[Variable]) -> None:
    assert read(text).kinks == kinks


def to_sympy(tree: Expression) -> sympy.Expr:
    match tree:
        case Number(constant=value):
            return sympy.Float(value, 30)
        case Symbol(variable=variable):
            return sympy.Symbol(str(variable), real=True)
        case Sum(constant=value, addends=parts):
            return sympy.Add(sympy.Float(value, 30), *map(to_sympy, parts))
        case Product(coefficient=value, factors=parts):
            return sympy.Mul(sympy.Float(value, 30), *map(to_sympy, parts))
        case Power(base=base, exponent=exponent):
            return sympy.Pow(to_sympy(base), to_sympy(exponent))
        case Call(name=name, arguments=parts):
            names = {"arctan": "atan", "abs": "Abs", "heaviside": "Heaviside", "min": "Min", "max": "Max"}
            return getattr(sympy, names.get(name, name))(*map(to_sympy, parts))
    raise AssertionError(tree)


DIFFERENTIATED = [
    "cos(2*pi*y1[0])*cos(2*pi*y2[0]) + 0.5*sin(2*pi*(y1[0] + x[0]))*(1 + 0.2*tanh(x[0]))",
    "x[0]**2*y1[0]**3/y2[0]**4",
    "x[0]**y1[0] + y1[0]**-0.5 + e**(x[0]*y1[0])",
    "sin(x[0]) + cos(x[0]) + tan(x[0]) + exp(x[0]) + log(x[0]) + sqrt(x[0])",
    "sinh(x[0]) + cosh(x[0]) + tanh(x[0]) + arctan(x[0])",
    "exp(-(x[0] - y1[0])**2/2)/sqrt(1 + y2[0]**2)",
    "abs(x[0] - y1[0])**3 + heaviside(y1[0] - 0.1)*x[0] + floor(y1[0]) + sign(x[0])*y1[0]",
    "min(x[0]*y1[0], y2[0]) + max(x[0], y1[0])*min(2*x[0], y1[0])",
    "1/(1 + 1/(1 + x[0]))",
    "log(sin(sqrt(x[0]*y1[0]*y2[0])))",
]


@pytest.mark.parametrize("text", DIFFERENTIATED)
def test_values_and_derivatives_are_those_of_sympy(text: str) -> None:
    tree = read(text)
    at = {sympy.Symbol(str(variable), real=True): value for variable, value in POINT.items()}
    assert float(tree.evaluate(POINT)) == pytest.approx(float(to_sympy(tree).subs(at)), rel=1e-13)
    for variable in (X0, Y10, Y20):
        expected = (
            to_sympy(tree)
            .diff(sympy.Symbol(str(variable), real=True))
            .replace(sympy.Derivative, lambda *_: sympy.Integer(0))
        )
        derivative = tree.derivative(variable)
        assert float(derivative.evaluate(POINT)) == pytest.approx(float(expected.subs(at)), rel=1e-12, abs=1e-14)
        assert read(str(derivative)) == derivative


@pytest.mark.parametrize(("text", "derivative"), [("3*x[0]", "3"), ("y1[0]**2", "0"), ("x[0]**2", "2*x[0]")])
def test_derivatives_are_simplified(text: str, derivative: str) -> None:
    assert str(read(text).derivative(X0)) == derivative


@pytest.mark.parametrize("power", [2, 3, 7, 64, 65, -1, -5, 0.5])
def test_powers_are_powers(power: float) -> None:
    x = np.array([0.25, 1.5, 2.0])
    np.testing.assert_allclose(read(f"x[0]**({power})").evaluate({X0: x}), x**power, rtol=1e-14)
    np.testing.assert_allclose(read(f"(x[0]**2)**({power})").evaluate({X0: -x}), (x**2) ** power, rtol=1e-14)


def test_each_part_keeps_its_own_broadcast_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def cosine(values: np.ndarray) -> np.ndarray:
        shapes.append(values.shape)
        return np.cos(values)

    tree = read("cos(y1[0])*cos(2*y2[0]) + 3")
    for factor in next(part for part in tree.parts if isinstance(part, Product)).factors:
        monkeypatch.setitem(vars(factor), "compute", cosine)
    result = tree.evaluate({Y10: np.zeros((4, 1, 1)), Y20: np.zeros((1, 5, 1))})
    assert np.shape(result) == (4, 5, 1)
    assert shapes == [(4, 1, 1), (1, 5, 1)]


def test_values_outside_the_domain_give_no_warning_and_no_error() -> None:
    values = {X0: np.array([-1.0, 0.0, 1e300])}
    assert np.isnan(read("log(x[0])").evaluate(values)[0])
    assert np.isinf(read("1/x[0]").evaluate(values)[1])
    assert np.isinf(read("x[0]**2").evaluate(values)[2])


def test_whole_numbers_are_taken_as_reals_and_inputs_stay() -> None:
    values = np.array([1, 2, 3])
    result = read("x[0]**-2 + 0.5*x[0]").evaluate({X0: values})
    np.testing.assert_allclose(result, [1.5, 1.25, 1 / 9 + 1.5])
    assert values.tolist() == [1, 2, 3]


def test_missing_and_complex_values_are_refused() -> None:
    with pytest.raises(ExpressionError, match=r"y1\[0\] has no value \(given: x\[0\]\)"):
        read("x[0] + y1[0]").evaluate({X0: 1.0})
    with pytest.raises(ExpressionError, match="complex128"):
        read("x[0]").evaluate({X0: 1j})


def test_expressions_are_values() -> None:
    tree = read("cos(x[0])*y1[0]/3")
    tree.evaluate(POINT)
    assert pickle.loads(pickle.dumps(tree)) == tree == read("cos(x[0])*y1[0]/3")
    assert len({tree, read("cos(x[0])*y1[0]/3")}) == 1
    with pytest.raises(AttributeError):
        tree.coefficient = 2.0


def test_variables_are_ordered_and_print_as_they_are_written() -> None:
    assert str(Y10) == "y1[0]"
    assert sorted([Y20, Variable("y1", 1), Y10]) == [Y10, Variable("y1", 1), Y20]
