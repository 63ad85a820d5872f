import pytest
import sympy as sp

from spiketheory.language import symbols


def test_a_state_symbol_is_real_and_of_unknown_sign():
    voltage = symbols.state_symbol("V")
    assert voltage.is_real
    assert voltage.is_positive is None


@pytest.mark.parametrize(("positive", "expected"), [(True, True), (False, None), (None, None)])
def test_a_parameter_symbol_is_positive_only_if_the_domain_says_so(positive, expected):
    tau = symbols.parameter_symbol("tau", positive=positive)
    assert tau.is_real
    assert tau.is_positive is expected


def test_a_constant_symbol_is_real_unless_told_otherwise():
    assert symbols.constant_symbol("c").is_real
    assert symbols.constant_symbol("c", positive=True) == sp.Symbol("c", positive=True)
    assert symbols.constant_symbol("n", integer=True).is_integer


def test_equal_requests_give_equal_symbols():
    assert symbols.state_symbol("V") == symbols.state_symbol("V")
    assert symbols.state_symbol("x") == symbols.parameter_symbol("x")


def test_the_shared_symbols_have_the_assumptions_that_derivations_rely_on():
    assert sp.Symbol("w", real=True) == symbols.WEIGHT
    assert sp.Symbol("dt", nonnegative=True) == symbols.DURATION
    assert symbols.PSEUDO_INPUT.is_real


def test_the_pseudo_input_is_not_the_state_variable_j_of_lif_alpha():
    assert symbols.find_name_fault("J") is None
    assert symbols.state_symbol("J") != symbols.PSEUDO_INPUT


@pytest.mark.parametrize("name", ["V", "I0", "tau_m", "V_th", "E", "S", "N", "x" * 64])
def test_ordinary_names_are_free(name):
    assert symbols.find_name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("x" * 65, "longer than 64 characters"),
        ("2x", "not an ASCII letter followed by"),
        ("", "not an ASCII letter followed by"),
        ("_x", "not an ASCII letter followed by"),
        ("τ", "not an ASCII letter followed by"),
        ("a b", "not an ASCII letter followed by"),
        ("x\n", "not an ASCII letter followed by"),
        ("a__b", "double underscore"),
        ("lambda", "word of the Python language"),
        ("None", "word of the Python language"),
        ("exp", "is a function"),
        ("pi", "is a constant"),
        ("oo", "is a constant"),
        ("w", "reserved for the weight of an input"),
        ("t", "reserved for time"),
        ("dt", "reserved for the time since the last event"),
        ("J_pseudo", "reserved for the input of the pseudodynamics"),
        ("real", "reserved for the assumption"),
    ],
)
def test_a_name_that_is_taken_is_refused_with_its_reason(name, fault):
    assert fault in symbols.find_name_fault(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("V", "V"),
        ("tau", r"\tau"),
        ("tau_m", r"\tau_{m}"),
        ("vartheta", r"\vartheta"),
        ("Omega", r"\Omega"),
        ("I0", "I_{0}"),
        ("V_th", r"V_{\mathrm{th}}"),
        ("I0_ext", r"I_{0,\mathrm{ext}}"),
        ("g_tau", r"g_{\tau}"),
        ("alphabet", r"\mathrm{alphabet}"),
        ("a%b", r"\mathrm{a\%b}"),
        ("__", r"\mathrm{\_\_}"),
    ],
)
def test_names_become_latex(name, expected):
    assert symbols.latex_name(sp.Symbol(name)) == expected


def test_the_shared_symbols_have_latex_names_of_their_own():
    assert symbols.latex_name(symbols.DURATION) == r"\Delta t"
    assert symbols.latex_name(symbols.PSEUDO_INPUT) == r"J_{\mathrm{pseudo}}"
