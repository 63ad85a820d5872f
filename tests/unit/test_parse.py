import pickle
import re
import time

import pytest
import sympy as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spiketheory.errors import ModelError, ParseError
from spiketheory.language import symbols
from spiketheory.language.model import format_expression, make_relation
from spiketheory.language.parse import (
    MAX_TEXT_LENGTH,
    build_model,
    parse_equations,
    parse_expression,
    parse_model,
    parse_relation,
    parse_spike,
    parse_statements,
    read_model,
)

V = symbols.state_symbol("V")
I = symbols.state_symbol("I")  # noqa: E741
W = symbols.WEIGHT
TAU_M = symbols.parameter_symbol("tau_m", positive=True)
TAU_S = symbols.parameter_symbol("tau_s", positive=True)
NAMES = {"V": V, "I": I, "tau_m": TAU_M, "tau_s": TAU_S}

SYNAPSE = 'dI/dt = -I/tau_s"""'
THRESHOLD = 'V_th = {default = 1.0, domain = "V_th > 0"}'
TAUS = """tau_m = {default = 1.0, domain = "tau_m > 0", unit = "tau"}
tau_s = {default = 0.5, domain = "tau_s > 0"}"""
TAU = 'tau = {default = 1.0, domain = "tau > 0"}'


def write_model(name, equations, spike, reset, effect, rest, parameters):
    return (
        f'[model]\nname = "{name}"\nequations = """\n{equations}\n"""\nspike = "{spike}"\n'
        f'reset = "{reset}"\ninput = "{effect}"\nrest = {rest}\n[parameters]\n{parameters}\n'
    )


QIF = ("dV/dt = (V*(V - 1) + I)/tau_m\ndI/dt = -I/tau_s", "V -> oo", "V = -oo", "I += w")
SQUARE = "dV/dt = (V*(V - 1) + I0)/tau"
BUILT_IN = {
    "theta": write_model(
        "theta",
        *(SQUARE, "V -> oo", "V = -oo", "V += w", '{V = "1/2"}'),
        TAU + '\nI0 = {default = 1.25, domain = "I0 > 1/4"}',
    ),
    "qif_delta": write_model(
        "qif_delta", SQUARE, "V -> oo", "V = -oo", "V += w", "{V = 0}", TAU + "\nI0 = 0.0"
    ),
    "qif": write_model("qif", *QIF, "{V = 0, I = 0}", TAUS),
    "lif": write_model(
        "lif",
        "dV/dt = (-V + I)/tau_m\ndI/dt = -I/tau_s",
        *("V = V_th", "V = 0", "I += w", "{V = 0, I = 0}", f"{TAUS}\n{THRESHOLD}"),
    ),
    "lif_alpha": write_model(
        "lif_alpha",
        "dV/dt = (-V + I)/tau_m\ndI/dt = (-I + J)/tau_s\ndJ/dt = -J/tau_s",
        *("V = V_th", "V = 0", "J += w", "{V = 0, I = 0, J = 0}", f"{TAUS}\n{THRESHOLD}"),
    ),
    "lif_delta": write_model(
        "lif_delta",
        "dV/dt = (-V + I0)/tau",
        *("V = V_th", "V = 0", "V += w", "{V = 0}", f"{TAU}\nI0 = 0.5\n{THRESHOLD}"),
    ),
    "nlif": write_model(
        "nlif",
        "dV/dt = I/tau_m\ndI/dt = -I/tau_s",
        *("V = V_th", "V = 0", "I += w", "{V = 0, I = 0}", f"{TAUS}\n{THRESHOLD}"),
    ),
    "eif": write_model(
        "eif",
        "dV/dt = (-V + exp(V) + I)/tau_m\ndI/dt = -I/tau_s",
        *("V -> oo", "V = V_r", "I += w", "{V = -1, I = 0}", f"{TAUS}\nV_r = -2.0"),
    ),
    "rapid_theta": write_model(
        "rapid_theta",
        "dV/dt = ((V**2*r if V > 0 else V**2/r) + I0)/tau",
        *("V -> oo", "V = -oo", "V += w", "{V = 0}"),
        TAU + '\nI0 = {default = 1, domain = "I0 > 0"}\nr = {default = 3, domain = "r >= 1"}',
    ),
    "izhikevich": write_model(
        "izhikevich",
        "dV/dt = 0.04*V**2 + 5*V + 140 - u + I0\ndu/dt = a*(b*V - u)",
        *("V = V_peak", "V = c; u += d", "V += w", '{V = "c", u = "b*c"}'),
        'I0 = 0\na = 0.02\nb = 0.2\nd = 8\nV_peak = 30\nc = {default = -65, domain = "c < V_peak"}',
    ),
    "adex": write_model(
        "adex",
        "dV/dt = (-V + D*exp((V - V_T)/D) - u + I0)/tau_m\ndu/dt = (a*V - u)/tau_u",
        *("V >= V_peak", "V = V_r\nu += b".replace("\n", "; "), "V += w", "{V = 0, u = 0}"),
        'D = {default = 0.1, domain = "0 < D < 10"}\nV_T = 1\nI0 = 0\na = 0.1\nb = 0.5\nV_r = 0\n'
        'V_peak = {default = 3, domain = "V_peak > V_T and V_peak > V_r"}\n'
        'tau_m = {default = 1, domain = "tau_m > 0"}\n'
        'tau_u = {default = 5, domain = "tau_u > tau_m"}',
    ),
}


def get_message(function, *args, **kwargs):
    with pytest.raises(ModelError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def read(text):
    return parse_expression(text, NAMES, where="equations")


def make_arguments(**changes):
    arguments = {
        "name": "mine",
        "equations": "dV/dt = (-V + I)/tau_m\ndI/dt = -I",
        "spike": "V = 1",
        "reset": "V = 0",
        "input": "I += w",
        "rest": {"V": 0, "I": 0.0},
        "parameters": {"tau_m": {"default": 1.0, "domain": "tau_m > 0"}},
    }
    return arguments | changes


# --- expressions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(V*(V - 1) + I)/tau_m", (V * (V - 1) + I) / TAU_M),
        ("  +V - -I ", V + I),
        ("0.5", sp.Rational(1, 2)),
        (".1", sp.Rational(1, 10)),
        ("1e-3", sp.Rational(1, 1000)),
        ("1_000.5", sp.Rational(2001, 2)),
        ("0x10", sp.Integer(16)),
        ("2**-3**2", sp.Rational(1, 512)),
        ("V**0.5", sp.sqrt(V)),
        ("sqrt(V) + log(V) + exp(V)", sp.sqrt(V) + sp.log(V) + sp.exp(V)),
        ("sin(V) + cos(V) + tan(V)", sp.sin(V) + sp.cos(V) + sp.tan(V)),
        ("sinh(V) + cosh(V) + tanh(V)", sp.sinh(V) + sp.cosh(V) + sp.tanh(V)),
        ("atan(V) + asin(V) + acos(V)", sp.atan(V) + sp.asin(V) + sp.acos(V)),
        ("abs(V)*pi", sp.Abs(V) * sp.pi),
        ("exp(2*log(V))", V**2),
        ("oo", sp.oo),
        ("-oo", -sp.oo),
        ("V if V > 0 else 2*V", sp.Piecewise((V, V > 0), (2 * V, True))),
        ("1 if 0 < V < 1 else 0", sp.Piecewise((1, (V > 0) & (V < 1)), (0, True))),
        ("V  # voltage", V),
    ],
)
def test_expressions_are_read_exactly(text, expected):
    assert read(text) == expected


def test_an_unknown_name_is_pointed_at_with_the_known_names_and_a_suggestion():
    line = "dV/dt = (V*(V-1) + I)/tau_x"
    parameters = {"I": I, "tau_m": TAU_M, "tau_s": TAU_S}
    assert get_message(parse_equations, line, parameters) == (
        "Expected a known name but got 'tau_x' in equations, line 1, column 23:\n"
        "    dV/dt = (V*(V-1) + I)/tau_x\n"
        "                          ^\n"
        "Known names: I, tau_m, tau_s, V. Define it under [parameters] or correct the spelling "
        "(did you mean 'tau_s'?)."
    )


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("V + x", 5, "Expected a known name but got 'x'"),
        ("V + t*I", 5, "Expected an expression without time but got 't'"),
        ("V + t*I", 5, "must not depend on time explicitly; add a state variable"),
        ("w*V", 1, "weight w of an input has a meaning only under input and assumptions"),
        ("2*exp", 3, r"A function needs an argument: exp\(...\)"),
        ("V^2", 2, r"one of the operators \+ - \* / \*\* but got '\^'"),
        ("(V + 1) ^ 2", 9, r"Write powers with \*\*"),
        ("V // 2", 3, "but got Python's FloorDiv.*Only these five have a meaning"),
        ("V % 2", 3, "but got Python's Mod"),
        ("I + V(V - 1)", 5, "Expected one of the functions abs, .* but got 'V'"),
        ("I + V(V - 1)", 5, r"Write products with \*\."),
        ("2(V)", 1, "but got a call of something else"),
        ("(exp)(exp)(V)", 1, "but got a call of something else"),
        ("__import__('os').system('ls')", 1, "but got a call of something else"),
        ("__import__('os')", 1, "but got '__import__'.*Use one of these"),
        ("eval('1')", 1, "but got 'eval'"),
        ("ln(V)", 1, r"did you mean 'log'\?"),
        ("arctan(V)", 1, r"did you mean 'atan'\?"),
        ("Sin(V)", 1, r"did you mean 'sin'\?"),
        ("exp(V, 2)", 1, "Expected one argument for exp but got 2 arguments"),
        ("exp()", 1, "but got 0 arguments"),
        ("exp(x=V)", 1, "but got a named or starred one"),
        ("exp(*V)", 1, "but got a named or starred one"),
        ("V + I.real", 5, "Expected an arithmetic expression but got an attribute"),
        ("V[0]", 1, "but got an index in brackets"),
        ("lambda: V", 1, "but got a lambda"),
        ("[V for V in I]", 1, "but got a comprehension"),
        ("exp(V for V in I)", 4, "but got a comprehension"),
        ("{V for V in I}", 1, "but got a comprehension"),
        ("{V: V for V in I}", 1, "but got a comprehension"),
        ("V, I", 1, "but got a comma"),
        ("(V := 1)", 2, "but got an assignment"),
        ("V > 1", 1, "but got a comparison"),
        ("V and I", 1, "but got 'and' or 'or'"),
        ("not V", 1, "but got Python's UnaryOp"),
        ("await V", 1, "but got Python's Await"),
        ("f'{V}'", 1, "but got a string"),
        ("V + 'a'", 5, "Expected a number but got a string"),
        ("b'a'", 1, "Expected a number but got a string"),
        ("2j", 1, "but got an imaginary number"),
        ("True", 1, "Expected a number but got True"),
        ("None", 1, "Expected a number but got None"),
        ("...", 1, "Expected a number but got ..."),
        ("V if I else 1", 6, "Expected a relation but got an expression without < or >"),
        ("1 if V == 0 else 2", 6, "Expected one of < <= > >= but got Python's Eq"),
        ("", 1, "Expected an expression but got nothing"),
        ("2V", 1, r"but got a syntax error .*Write products with \*, powers with \*\*"),
        ("V = 2", 3, "but got a syntax error"),
        ("(V + 1", 1, r"syntax error \('\(' was never closed\)"),
        ("V +", 4, "syntax error"),
        ("tau + τ", 7, r"Expected letters, digits and operators of ASCII but got 'τ' \(U\+03C4\)"),
        ("V − 1", 3, r"but got '−' \(U\+2212\)"),
        ("V\x00", 2, r"but got '\\x00' \(U\+0000\)"),
        ("V + 1/0", 5, "Expected a finite expression but got a division by zero"),
        ("V + log(0)", 5, "Expected a finite expression but got a division by zero"),
        ("V + sqrt(-1)", 5, "Expected a real expression but got a complex number"),
        ("(-8)**(1/3)", 1, "Expected a real expression but got a complex number"),
        ("asin(2)", 1, "Expected a real expression but got a complex number"),
        ("oo*V", 1, "Expected a finite expression but got oo inside one"),
        (
            "1e400",
            1,
            "Expected a number of at most 40 digits between 1e-300 and 1e300 but got 1e400",
        ),
        ("V + " + "1" * 41, 5, "Expected a number of at most 40 digits"),
        ("0." + "1" * 40, 1, "Expected a number of at most 40 digits"),
        ("9**9**9", 4, "Expected an exponent of at most 100"),
        ("V**101", 4, "Expected an exponent of at most 100"),
        ("((2*V)**100)**100", 15, "a power of at most 4096 bits but got a larger one"),
        ("V**(10**300)", 9, "Expected an exponent of at most 100"),
        ("*".join(["V"] + ["1e299"] * 9), 1, "Expected numbers of at most 4096 bits"),
        ("exp(701)", 1, "Expected an argument between -700 and 700 but got a larger number"),
        ("abs(exp(exp(exp(9))))", 9, "Expected an argument between -700 and 700"),
        ("exp(10**30*log(2*V))", 1, "Expected an argument between -100 and 100"),
        ("-" * 40 + "V", 34, "Expected at most 32 levels of nesting but got more"),
        ("exp(" * 40 + "V" + ")" * 40, 133, "Expected at most 32 levels of nesting"),
        ("**".join(["V"] * 40), 97, "Expected at most 32 levels of nesting"),
        ("V" * (MAX_TEXT_LENGTH + 1), 2001, "Expected at most 2000 characters but got 2001"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_caret_under_it(text, column, message):
    got = get_message(read, text)
    assert re.search(message, got, re.DOTALL)
    assert f"in equations, line 1, column {column}:\n" in got
    excerpt, caret = got.split("\n")[1:3]
    under = len(caret) - 1
    assert caret.strip() == "^"
    shown = (text + " ")[column - 1]
    assert (excerpt + " ")[under] == (shown if shown.isprintable() else " ")


@pytest.mark.parametrize("text", ["(" * 300 + "V" + ")" * 300, "[" * 900, "-" * 1999 + "V"])
def test_deep_nesting_is_a_parse_error(text):
    with pytest.raises(ParseError, match=r"nest|parentheses"):
        read(text)


def test_a_long_sum_is_not_deep():
    assert read("+".join(["V"] * 900)) == 900 * V


def test_several_lines_are_no_expression():
    with pytest.raises(ParseError, match="Expected one line but got 2 in equations; join them"):
        read("V +\nI")


@pytest.mark.parametrize("text", [None, 3, b"V", ["V"]])
def test_something_that_is_no_text_is_refused(text):
    with pytest.raises(ParseError, match="Expected text for equations but got"):
        read(text)


def test_long_lines_are_cut_around_the_caret():
    got = get_message(read, "V + " * 200 + "x" + " + V" * 200)
    excerpt, caret = got.split("\n")[1:3]
    assert len(excerpt) < 110
    assert excerpt[caret.index("^")] == "x"


# --- relations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tau_m > 0", [(TAU_M, ">", 0)]),
        ("V >= 1/4", [(V, ">=", sp.Rational(1, 4))]),
        ("abs(V) <= 5", [(sp.Abs(V), "<=", 5)]),
        ("0 < V <= 1", [(sp.Integer(0), "<", V), (V, "<=", 1)]),
        ("V > 0 and V < I and I < 3", [(V, ">", 0), (V, "<", I), (I, "<", 3)]),
        ("real", []),
    ],
)
def test_relations_are_read_and_not_evaluated(text, expected):
    relation = parse_relation(text, NAMES, where="domain")
    parts = relation.args if isinstance(relation, sp.And) else [relation] * (relation != sp.true)
    assert set(parts) == {make_relation(a, op, sp.sympify(b)) for a, op, b in expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V", "Expected a relation but got an expression without < or > in domain, line 1"),
        ("V == 1", "Expected one of < <= > >= but got Python's Eq"),
        ("V in I", "but got Python's In"),
        ("V > 0 or V < 1", "Expected a relation"),
        ("1 > 0", "Expected a relation that mentions a name but got one of numbers"),
        ("V - V > 0", "Expected a relation that mentions a name"),
        ("V > x", "Expected a known name but got 'x'"),
        ("reel", "Expected a relation"),
        ("", "Expected an expression but got nothing"),
    ],
)
def test_what_is_no_relation_is_refused(text, message):
    assert message in get_message(parse_relation, text, NAMES, where="domain")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tau_m = 2*V", [(TAU_M, "==", 2 * V)]),
        ("tau_m==2", [(TAU_M, "==", 2)]),
        ("V <= I = tau_m", [(V, "<=", I), (I, "==", TAU_M)]),
        ("V >= 1 and I = 0.5", [(V, ">=", 1), (I, "==", sp.Rational(1, 2))]),
    ],
)
def test_equalities_are_relations_where_they_are_allowed(text, expected):
    relation = parse_relation(text, NAMES, where="assumption", equalities=True)
    parts = relation.args if isinstance(relation, sp.And) else [relation]
    assert set(parts) == {make_relation(a, op, sp.sympify(b)) for a, op, b in expected}
    again = parse_relation(format_expression(relation), NAMES, where="assumption", equalities=True)
    assert again == relation


def test_what_is_no_equality_either_is_refused():
    for text in ("V != 1", "V => 1", "V = ", "V === 1"):
        with pytest.raises(ParseError, match="Expected"):
            parse_relation(text, NAMES, where="assumption", equalities=True)


def test_a_model_file_may_assume_an_equality_and_keeps_it():
    model = build_model(
        name="m", equations="dV/dt = -V/a + I/b\ndI/dt = -I/b", spike="V = 1", reset="V = 0",
        input="I += w", rest={"V": 0, "I": 0},
        parameters={"a": {"default": 2, "domain": "a > 0"}, "b": {"default": 1, "domain": "b > 0"}},
        assumptions={"a": "a = 2*b"},
    )  # fmt: skip
    again = parse_model(model.to_toml())
    assert again.assumptions == model.assumptions
    assert format_expression(again.assumptions[0]) == "a = 2*b"
    assert pickle.loads(pickle.dumps(model)).assumptions == model.assumptions


# --- equations, statements, spikes -------------------------------------------------------------


def test_equations_keep_their_order_and_skip_comments():
    text = "\n  # membrane\n dV/dt = -V + u # leak\n\n\tdu / dt=V\n"
    u = symbols.state_symbol("u")
    assert list(parse_equations(text, {}).items()) == [(V, u - V), (u, V)]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("dV/dt = -V\nV = 3", 2, 1, "Expected an equation dX/dt = ... but got 'V = 3'"),
        ("tau*dV/dt = -V", 1, 1, "Divide both sides: dV/dt = (-V)/tau."),
        ("V' = -V", 1, 1, "Write dV/dt for V'."),
        ("dV/dx = -V", 1, 1, "Write one equation on each line"),
        ("dV/dt == -V", 1, 1, "Expected an equation dX/dt"),
        ("dV/dt = -V; du/dt = V", 1, 11, "syntax error"),
        ("dV/dt =", 1, 8, "Expected an expression but got nothing"),
        ("dV/dt = 1\n\n  dV/dt = 2", 3, 4, "one equation for each variable but got a second one"),
        ("dtau/dt = 1", 1, 2, "Expected a state variable but got 'tau', which is a parameter"),
        ("dt/dt = 1", 1, 2, "Expected a free name but got 't', which is reserved for time"),
        ("dw/dt = 1", 1, 2, "reserved for the weight of an input"),
        ("dexp/dt = 1", 1, 2, "which is a function"),
        ("dlambda/dt = 1", 1, 2, "which is a word of the Python language"),
        ("d__V/dt = 1", 1, 2, "Expected a free name"),
        ("# c\ndV/dt = V + t", 2, 13, "Expected an expression without time"),
        ("dV/dt = w", 1, 9, "only under input"),
        ("dΩ/dt = 1", 1, 2, "ASCII but got 'Ω'"),
    ],
)
def test_malformed_equations_are_pointed_at(text, line, column, message):
    got = get_message(parse_equations, text, {"tau": TAU_M})
    assert message in got
    assert f"in equations, line {line}, column {column}:\n" in got


def test_a_text_without_equations_is_refused():
    assert get_message(parse_equations, "\n# nothing\n", {}).startswith(
        "Expected an equation such as dV/dt = -V/tau but got none in equations"
    )


def test_statements_are_carried_out_one_after_another():
    def run(text):
        return list(parse_statements(text, NAMES, targets=["V", "I"], where="reset").values())

    assert run("V = 2; I += V") == [2, I + 2]
    assert run("V -= tau_m\nI *= 3  # grow") == [V - TAU_M, 3 * I]
    assert run("; V = -oo ;") == [-sp.oo, I]
    assert run("V = I; I = V") == [I, I]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("V", 1, "Expected an assignment such as V += w but got 'V'"),
        ("V = 0; V /= 2", 8, "Write a state variable, one of =, +=, -=, *="),
        ("V == 1", 1, "Expected an assignment"),
        ("tau_m = 2", 1, "Expected a state variable (V, I) on the left but got 'tau_m'"),
        ("v = 2", 1, "(did you mean 'V'?)"),
        ("V = 0; I += q", 13, "Expected a known name but got 'q'"),
        ("V += w", 6, "only under input"),
        ("V += oo", 6, "Expected a finite change but got += with an infinite value"),
        ("V = -oo; V += 1", 15, "Infinity may only be assigned with =."),
        ("V = -oo; I = V*I", 14, "oo inside one"),
        ("V = ", 4, "Expected an expression but got nothing"),
    ],
)
def test_malformed_statements_are_pointed_at(text, column, message):
    got = get_message(parse_statements, text, NAMES, targets=["V", "I"], where="reset")
    assert message in got
    assert f"in reset, line 1, column {column}:\n" in got


@pytest.mark.parametrize("text", ["", " ; ;", "# V = 0"])
def test_a_text_without_statements_is_refused(text):
    message = get_message(parse_statements, text, NAMES, targets=["V"], where="input")
    assert message == "Expected a statement such as V += w but got none in input; add one."


@pytest.mark.parametrize(
    ("text", "value"),
    [("V -> oo", sp.oo), ("V = tau_m", TAU_M), ("V>=1", 1), ("V == 2", 2), (" V->oo ", sp.oo)],
)
def test_spike_conditions_are_read(text, value):
    condition = parse_spike(text, NAMES, state=["V", "I"])
    assert (condition.variable, condition.value) == (V, value)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("V > 1", 1, "Expected a spike condition but got 'V > 1'"),
        ("1 = V", 1, "Write V -> oo if the variable blows up at a spike"),
        ("tau_m = 1", 1, "Expected a state variable (V, I) but got 'tau_m'"),
        ("v -> oo", 1, "(did you mean 'V'?)"),
        ("V -> 1", 3, "Expected V -> oo or V = a finite threshold but got 'V -> 1'"),
        ("V = oo", 3, "An arrow is for blowing up to oo"),
        ("V -> -oo", 3, "Expected V -> oo"),
        ("V = V_th", 5, "Expected a known name but got 'V_th'"),
    ],
)
def test_malformed_spike_conditions_are_pointed_at(text, column, message):
    got = get_message(parse_spike, text, NAMES, state=["V", "I"])
    assert message in got
    assert f"in spike, line 1, column {column}:\n" in got


# --- models ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_model_can_be_written_as_a_file_and_survives_toml(name):
    model = parse_model(BUILT_IN[name], origin=f"{name}.toml")
    again = parse_model(model.to_toml())
    assert model.name == name
    assert again == model
    assert again.digest == model.digest
    assert again.source == model.source


def test_the_theta_model_is_read_as_written():
    model = parse_model(BUILT_IN["theta"])
    tau, drive = (parameter.symbol for parameter in model.parameters)
    assert model.state == (V,)
    assert model.derivatives == ((V * (V - 1) + drive) / tau,)
    assert model.spike.is_blowup
    assert (model.reset, model.jump, model.rest) == ((-sp.oo,), (V + W,), (sp.Rational(1, 2),))
    assert tau.is_positive
    assert drive.is_positive
    assert model.source["equations"] == "dV/dt = (V*(V - 1) + I0)/tau"
    assert model.check_parameters({"I0": 0.5}) == {"tau": 1.0, "I0": 0.5}


def test_the_state_variable_j_of_lif_alpha_takes_the_input():
    model = parse_model(BUILT_IN["lif_alpha"])
    assert model.jump == (*model.state[:2], model.state[2] + W)


def test_rest_values_may_depend_on_parameters():
    model = parse_model(BUILT_IN["izhikevich"])
    b, c = model.parameter("b").symbol, model.parameter("c").symbol
    assert model.rest == (c, b * c)


@pytest.mark.parametrize(
    ("domain", "positive"),
    [
        ("a > 0", True),
        ("a > 1/4", True),
        ("a >= 0.1", True),
        ("0 < a", True),
        ("0 < a < 1", True),
        ("a < 9 and a > 0", True),
        ("a > b", True),
        ("a >= 0", None),
        ("a > -1", None),
        ("a < 9", None),
        ("abs(a) > 0", None),
        ("real", None),
    ],
)
def test_a_parameter_is_positive_exactly_if_its_domain_says_so(domain, positive):
    parameters = {
        "a": {"default": 0.5, "domain": domain},
        "b": {"default": 0.25, "domain": "b > 0"},
    }
    model = build_model(**make_arguments(parameters={"tau_m": 1} | parameters))
    assert model.parameter("a").symbol.is_positive is positive


def test_assumptions_bound_the_weight_and_the_state():
    table = {"w": "abs(w) <= 5", "V": "0 < V < 1", "I": "real"}
    model = build_model(**make_arguments(assumptions=table))
    assert len(model.assumptions) == 3
    assert make_relation(sp.Abs(W), "<=", sp.Integer(5)) in model.assumptions
    assert {model.source[f"assumptions.{name}"] for name in table} == set(table.values())
    assert parse_model(model.to_toml()) == model


def test_the_python_way_and_the_file_give_equal_models():
    table = {"default": 1.0, "domain": "tau_m > 0", "unit": "ms"}
    model = build_model(**make_arguments(parameters={"tau_m": table}, description="leaky"))
    assert parse_model(model.to_toml()) == model
    assert model.description == "leaky"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "my model"}, "Expected a free name for the model but got 'my model'"),
        ({"name": None}, "got None, which is not text"),
        ({"description": 3}, "Expected text for description of here but got int"),
        ({"rest": None}, "Expected a table of names for rest of here but got NoneType"),
        ({"rest": {"V": 0}}, "Expected I among the rest values of here but got none; add it"),
        ({"rest": {"V": 0, "I": 0, "i": 0}}, "but got 'i'; remove it .*did you mean 'I'"),
        ({"rest": {"V": 0, "I": float("nan")}}, "Expected a finite number for rest of I but got"),
        ({"rest": {"V": 0, "I": True}}, "Expected a finite number for rest of I"),
        ({"rest": {"V": 0, "I": "V"}}, "known name but got 'V' in rest of I of here, line 1"),
        ({"rest": {"V": 0, "I": "oo"}}, "Expected a finite expression in the rest of mine"),
        ({"equations": None}, "Expected text for equations of here but got NoneType"),
        ({"spike": 1}, "Expected text for spike of here but got int"),
        ({"reset": 1}, "Expected text for reset of here but got int"),
        ({"input": ["I += w"]}, "Expected text for input of here but got list"),
        ({"input": None}, "Expected input or inputs of here but got neither"),
        ({"inputs": {"exc": "I += w"}}, "Expected either input or inputs of here but got both"),
        ({"input": None, "inputs": 3}, "Expected a table of names for inputs of here"),
        ({"input": None, "inputs": {}}, "Expected a port in inputs of here but got none; add"),
        ({"input": None, "inputs": {"a": 1}}, "Expected text for input a of here but got int"),
        ({"input": None, "inputs": {"if": "I += w"}}, "Expected a free name for the port"),
        (
            {"input": None, "inputs": {"exc": "I += w", "default": "I -= w"}},
            "only the first may be default, but got exc, default; rename one, or change their",
        ),
        (
            {"input": None, "inputs": {"exc": "I += w", "inh": ""}},
            "Expected the input inh of mine to depend on the weight w but got one without it",
        ),
        ({"input": "I += 1"}, "Expected the input of mine to depend on the weight w"),
        ({"reset": "I = -oo; V = 0"}, "only it may be reset to -oo"),
        ({"parameters": [1]}, "Expected a table of names for parameters of here but got list"),
        ({"parameters": {}}, "Expected a known name but got 'tau_m' in equations of here"),
        ({"parameters": {"tau_m": "1"}}, "Expected a finite number for tau_m but got tau_m='1'"),
        ({"parameters": {"tau_m": {}}}, "Expected default among the fields of parameter tau_m"),
        (
            {"parameters": {"tau_m": {"default": 1, "domian": "x"}}},
            r"got 'domian'; remove it or correct the spelling \(did you mean 'domain'\?\)",
        ),
        (
            {"parameters": {"tau_m": {"default": 1, "unit": 3}}},
            "Expected text for unit of parameter tau_m of here but got int",
        ),
        (
            {"parameters": {"tau_m": {"default": 1, "domain": True}}},
            "Expected text for domain of parameter tau_m of here but got bool",
        ),
        (
            {"parameters": {"tau_m": {"default": 1, "domain": "tau > 0"}}},
            r"(?s)got 'tau' in domain of parameter tau_m of here.*did you mean 'tau_m'",
        ),
        (
            {"parameters": {"tau_m": {"default": 1}, "b": {"default": 1, "domain": "tau_m > 0"}}},
            "Expected a domain of b of here that mentions b but got 'tau_m > 0'",
        ),
        (
            {"parameters": {"tau_m": {"default": -1, "domain": "tau_m > 0"}}},
            r"Expected tau_m > 0 in mine but got tau_m=-1.0",
        ),
        ({"parameters": {"tau_m": 1, "V": 1}}, "state variable but got 'V', which is a parameter"),
        ({"parameters": {"tau_m": 1, "w": 1}}, "got 'w', which is reserved for the weight"),
        ({"parameters": {"tau_m": 1, "__x__": 1}}, "Expected a free name for the parameter"),
        ({"parameters": {"tau_m": 1, 3: 1}}, "got 3, which is not text"),
        ({"assumptions": 3}, "Expected a table of names for assumptions of here but got int"),
        ({"assumptions": {"W": "real"}}, "among the assumptions of here but got 'W'"),
        ({"assumptions": {"w": 3}}, "Expected text for assumption on w of here but got int"),
        ({"assumptions": {"w": "V > 0"}}, "assumption on w of here that mentions w but got"),
    ],
)
def test_malformed_models_are_refused(changes, message):
    assert re.search(message, get_message(build_model, **make_arguments(origin="here", **changes)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = = 1", r"Expected TOML but got a syntax error in x.toml \(.*line 1"),
        ("a = " + "[" * 5000, "Expected TOML but got a syntax error in x.toml"),
        ("", "Expected model among the tables of x.toml but got none; add it, for example"),
        ("model = 3", r"of names for model of x.toml but got int; .* \(see docs/formats.md\)"),
        ("[model]\n[parametres]", r"but got 'parametres'; .*did you mean 'parameters'"),
        ("[model]\nname = 'x'", r"Expected equations among the \[model\] of x.toml but got none"),
        (
            BUILT_IN["qif"].replace(", I = 0}", "}"),
            r"Expected I among the rest values of x.toml .* for example rest = {V = 0, I = 0}",
        ),
        (
            re.sub("(?m)^reset = .*", "", BUILT_IN["qif"]),
            r'Expected reset among .* for example reset = "V = -oo" \(see docs/formats.md\)',
        ),
        ("[model]\nresets = 'x'", r"got 'resets'; .*\(did you mean 'reset'\?\)"),
        ("#" * 100_001, "Expected a model file of at most 100000 characters but got 100001"),
        (BUILT_IN["qif"] + "[assumptions.w]\n", "text for assumption on w of x.toml but got dict"),
        (
            "parameters = 3\n" + BUILT_IN["qif"].split("[par")[0],
            "for parameters of x.toml but got int",
        ),
    ],
)
def test_malformed_files_are_refused(text, message):
    assert re.search(message, get_message(parse_model, text, origin="x.toml"))


def test_a_model_text_that_is_no_text_is_refused():
    assert "Expected text for the model file but got bytes" in get_message(parse_model, b"")


def test_the_input_may_have_a_port_of_its_own_name():
    plain = build_model(**make_arguments())
    named = build_model(**make_arguments(input=None, inputs={"exc": "I += w"}))
    assert plain.ports == ("default",)
    assert named.ports == ("default", "exc")
    assert named.digest == plain.digest
    assert "[model.inputs]\nexc = " in named.to_toml()
    assert parse_model(named.to_toml()) == named
    assert build_model(**make_arguments(input=None, inputs={"default": "I += w"})) == plain


def test_a_model_file_is_read_from_disk(tmp_path):
    path = tmp_path / "qif.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BUILT_IN["qif"].replace("\n", "\r\n").encode())
    assert read_model(path) == parse_model(BUILT_IN["qif"])
    assert read_model(str(path)).name == "qif"


def test_errors_in_a_file_name_the_file(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(BUILT_IN["qif"].replace("- 1", "- q"))
    got = get_message(read_model, path)
    assert f"got 'q' in equations of {path}, line 1, column 17:\n    dV/dt = (V*(V - q)" in got


@pytest.mark.parametrize(
    ("name", "message"),
    [("no.toml", "No such file"), (".", "Is a directory"), ("a\x00b", "null byte")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, message):
    got = get_message(read_model, tmp_path / name)
    assert got.startswith("Expected a model file at ")
    assert message in got
    assert got.endswith("check the path, or list the built-in models.")


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# caf\xe9\n")
    assert get_message(read_model, path).endswith(
        "but the byte 0xe9 at position 5 is no UTF-8; save the file as UTF-8."
    )


# --- any text at all ---------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("V", "I", "tau_m", "tau_s", "w", "t", "0", "1", "2", "0.5", "9", "1e300", "oo", "pi"),
        *"+-*/()()%^=<>,.:;[]'#\n\\\x00τ",
        *("**", "**", "<=", "==", "if", "else", "and", "or", "not", "for", "in", "lambda", "await"),
        *("abs(", "acos(", "asin(", "atan(", "cos(", "cosh(", "exp(", "log(", "sin(", "sinh("),
        *("sqrt(", "tan(", "tanh(", "dV/dt=", "real", "__import__(", "yield"),
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=40)


def finishes_with_a_result_or_a_model_error(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except ModelError as err:
        return str(err).startswith("Expected ")
    return True


@settings(deadline=None)
@given(TEXTS)
@example("0 ** oo")
@example("exp( exp( exp( 9 ) ) )")
@example("\ud800")
@example("V if V else")
@example("'\\N{x}'")
@example("1if V>0else 2")
def test_any_text_gives_a_result_or_a_model_error(text):
    check = finishes_with_a_result_or_a_model_error
    assert check(read, text)
    assert check(parse_relation, text, NAMES, where="domain")
    assert check(parse_equations, text, {"tau_m": TAU_M})
    assert check(parse_equations, "dV/dt = " + text, {"tau_m": TAU_M})
    assert check(parse_statements, "V = " + text, NAMES, targets=["V"], where="reset")
    assert check(parse_spike, "V = " + text, NAMES, state=["V"])
    assert check(parse_model, text)
    assert check(parse_model, "[model]\n" + text)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["equations", "spike", "reset", "input", "name", "description"]))
def test_any_field_of_a_model_gives_a_model_or_a_model_error(text, field):
    assert finishes_with_a_result_or_a_model_error(build_model, **make_arguments(**{field: text}))


LEAVES = st.sampled_from([V, I, TAU_M, TAU_S, sp.pi]) | st.fractions(
    min_value=-9, max_value=9, max_denominator=9
).map(lambda q: sp.Rational(q.numerator, q.denominator))
UNARY = st.sampled_from(
    [
        *(sp.sin, sp.tanh, sp.atan, sp.Abs, lambda x: -x),
        # Numbers under exp and high powers meet the limits on size, which have tests of their own.
        lambda x: sp.exp(x) if x.free_symbols else x,
        lambda x: x if x.has(sp.Pow) else x**2,
    ]
)
BINARY = st.sampled_from([lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b])
BRANCHES = st.sampled_from([lambda a, b: sp.Piecewise((a, V > 1), (b, True))])


def combine(children):
    return st.builds(lambda f, a: f(a), UNARY, children) | st.builds(
        lambda f, a, b: f(a, b), BINARY | BRANCHES, children, children
    )


@settings(deadline=None)
@given(st.recursive(LEAVES, combine, max_leaves=6))
def test_a_printed_expression_is_read_back_equal(expression):
    again = read(format_expression(expression))
    point = {
        V: sp.Float("0.7"),
        I: sp.Float("-0.3"),
        TAU_M: sp.Float("1.3"),
        TAU_S: sp.Float("0.6"),
    }
    difference = (again - expression).subs(point)
    assert again == expression or abs(sp.N(difference)) < 1e-9


@pytest.mark.parametrize("text", ["9**9**9**9", "exp(10**30*log(2))", "((((3**99)**99)**99)**99)"])
def test_a_hostile_number_is_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ParseError, match="Expected an"):
        read(text)
    assert time.perf_counter() - start < 1.0
