import re

import mpmath
import numpy as np
import pytest
import sympy as sp
from models import derive_once, make_model, make_quadratic, verify_derivation

from derivations import import_generated, read_neuron_model
from spiketheory.language.functions import exp_dd, first_zero, lambert_w, log1p
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.methods import linear
from spiketheory.symbolic.methods.linear import Cascade, read_cascade

LINEAR = ("lif", "lif_alpha", "lif_delta", "nlif")


def cascade(equations, **options):
    found = read_cascade(make_model(equations, **options))
    assert isinstance(found, Cascade)
    return found


@pytest.mark.parametrize("name", LINEAR)
def test_a_built_in_linear_model_matches(name):
    assert linear.explain_mismatch(read_neuron_model(name)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"equations": "dV/dt = V**2"}, "dV/dt is not linear in V"),
        (
            {"equations": "dV/dt = -V*I\ndI/dt = -I"},
            "dV/dt is not linear in V, I",
        ),
        ({"equations": "dV/dt = -V + exp(I)\ndI/dt = -I"}, "dV/dt is not linear in V, I"),
        (
            {"equations": "dV/dt = -V - u\ndu/dt = V - u"},
            "V, u drive each other in a circle, so they may oscillate",
        ),
        (
            {"equations": "dV/dt = -V + a\nda/dt = b - a\ndb/dt = c - b\ndc/dt = a - c"},
            "a, b, c drive each other in a circle, so they may oscillate",
        ),
        (
            {"equations": "dV/dt = 1 - V", "spike": "V -> oo", "reset": "V = -oo"},
            "V obeys a linear equation and does not reach infinity in finite time",
        ),
        (
            {"equations": "dV/dt = 2 - V\ndu/dt = -u", "spike": "V = u", "rest": {"u": 1}},
            "its threshold u depends on the state",
        ),
        (
            {"equations": "dV/dt = 2 - V\ndu/dt = -u", "reset": "V = 0; u = u**2"},
            "its reset is not linear",
        ),
        (
            {"equations": "dV/dt = 2 - k*V", "free": "k"},
            "the sign of the rate -k is not known; give its parameters domains",
        ),
        (
            {"equations": "dV/dt = I\ndI/dt = 1"},
            "nothing decays or grows exponentially: its solutions are polynomials",
        ),
        (
            {"equations": "dV/dt = a - V\nda/dt = b - a\ndb/dt = c - b\ndc/dt = d - c\n"
                          "dd/dt = 1 - d"},
            "6 variables and constants drive each other in a row, and the method takes 5",
        ),
    ],
    ids=lambda value: value["equations"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_model_that_does_not_fit_is_told_why(options, message):
    assert linear.explain_mismatch(make_model(**options)) == message


def test_a_quadratic_model_does_not_fit():
    mismatch = linear.explain_mismatch(make_quadratic())
    assert mismatch == "dv/dt is not linear in v"


def test_the_matrix_exponential_solves_the_equations():
    model = make_model(
        "dV/dt = (-V + I + a*u)/tau_m\ndI/dt = (J - I)/tau_s\ndJ/dt = -J/tau_s\n"
        "du/dt = d - u/tau_u",
        positive="tau_m tau_s tau_u", free="a d",
    )  # fmt: skip
    found = read_cascade(model)
    state = (*model.state, sp.S.One)
    for row, symbol in enumerate(model.state):
        entries = [found.propagate(row, c, sp.S.Zero) for c in range(len(state))]
        assert sum(e * s for e, s in zip(entries, state, strict=True)) == symbol
    flow = [
        sum(found.propagate(r, c, DURATION) * s for c, s in enumerate(state))
        for r in range(len(state) - 1)
    ]
    along = dict(zip(model.state, flow, strict=True))
    for rate, value in zip(model.derivatives, flow, strict=True):
        residual = value.diff(DURATION) - rate.xreplace(along)
        numbers = {s: sp.Rational(k + 2, k + 5) for k, s in
                   enumerate(sorted(residual.free_symbols, key=str))}  # fmt: skip
        assert abs(sp.N(residual.xreplace(numbers).rewrite(sp.exp), 30)) < 1e-25


def test_equal_time_constants_need_no_case_of_their_own():
    flow = derive_once(read_neuron_model("lif_alpha")).propagator.branches
    assert len(flow) == 1
    model = import_generated("lif_alpha")
    near, equal = (
        model.propagator(0.7, *model.constants(1.0, tau_s, 1.0)) for tau_s in (1 + 1e-15, 1.0)
    )
    np.testing.assert_allclose(near, equal, rtol=1e-13)
    decay = np.exp(-0.7)
    np.testing.assert_allclose(equal[:3], [decay, 0.7 * decay, 0.7**2 / 2 * decay], rtol=1e-14)


def test_a_path_runs_from_a_variable_to_every_one_that_drives_it():
    found = cascade("dV/dt = I + u - V\ndI/dt = J - I\ndJ/dt = -J\ndu/dt = J - u")
    assert found.list_paths(0, 2) == [(0, 1, 2), (0, 3, 2)]
    assert found.list_paths(1, 3) == []
    assert found.list_paths(2, 2) == [(2,)]
    assert found.longest_path == 3


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("lif_delta", "a logarithm"),
        ("nlif", "a logarithm"),
        (
            "lif",
            "a quadratic equation or the Lambert function for time constants 1:2 or equal, and a "
            "bracketed root for others",
        ),
        ("lif_alpha", "a bracketed root"),
    ],
)
def test_the_reason_says_how_the_spike_time_is_found(name, how):
    assert derive_once(read_neuron_model(name)).reason.endswith(f"the spike time given by {how}")


def test_the_spike_time_of_lif_has_a_branch_for_every_simple_ratio_of_time_constants():
    d = derive_once(read_neuron_model("lif"))
    found = {
        next(iter(b.condition.atoms(sp.Eq)), None): b.values[0]
        for b in reversed(d.closed.time_to_spike)
        if b.values[0] not in (0, sp.oo)
    }
    tau_m, tau_s = d.model.symbols["tau_m"], d.model.symbols["tau_s"]
    assert set(found) == {
        sp.Eq(tau_m, 2 * tau_s), sp.Eq(tau_m, tau_s / 2), sp.Eq(tau_m, tau_s), None,
    }  # fmt: skip
    assert found[sp.Eq(tau_m, 2 * tau_s)].has(log1p, sp.sqrt)
    assert found[sp.Eq(tau_m, tau_s)].has(lambert_w)
    assert found[None].has(first_zero)


def test_a_neuron_beyond_its_threshold_spikes_at_once():
    for name in LINEAR:
        first = derive_once(read_neuron_model(name)).closed.time_to_spike[0]
        voltage = read_neuron_model(name).spike.variable
        assert first.condition == (voltage >= read_neuron_model(name).spike.value)
        assert first.values == (0,)


@pytest.mark.parametrize("name", LINEAR)
def test_a_finite_threshold_has_no_pseudospikes_and_says_why(name):
    d = derive_once(read_neuron_model(name))
    assert d.pseudospike is None
    assert "no pseudospike time would be continuous there" in d.without_pseudospikes


def test_the_initial_coordinate_is_the_potential_below_the_threshold():
    initial = derive_once(read_neuron_model("lif_alpha")).initial
    assert initial.symbol.name == "V0"
    assert initial.lower == -sp.oo
    assert initial.upper == read_neuron_model("lif_alpha").spike.value
    assert [str(e) for e in initial.state] == ["V0", "0", "0"]


@pytest.mark.parametrize("name", ["lif", "lif_alpha"])
def test_each_function_of_the_descent_is_a_derivative_of_the_one_before(name):
    d = derive_once(read_neuron_model(name)).descent
    for height, following, rate in zip(d.heights, d.heights[1:], d.rates, strict=False):
        difference = height.diff(DURATION) - rate * height - following
        assert difference_is_zero(difference)


def test_the_last_function_of_the_descent_never_vanishes():
    for name in ("lif", "lif_alpha"):
        d = derive_once(read_neuron_model(name)).descent
        last = sp.simplify(d.heights[-1].rewrite(sp.exp))
        assert difference_is_zero(last.diff(DURATION) - d.rates[-1] * last)


def difference_is_zero(expression):
    symbols = sorted(expression.free_symbols, key=str)
    with mpmath.workdps(40):
        at = [mpmath.mpf(2 * k + 3) / (k + 4) for k in range(len(symbols))]
        value = sp.lambdify(symbols, expression.replace(exp_dd, expand), "mpmath")(*at)
        return abs(value) < mpmath.mpf(10) ** -30


def expand(*points):
    return exp_dd(*points).rewrite(sp.exp)


TWO_SYNAPSES = make_model(
    "dV/dt = (-V + I - K)/tau\ndI/dt = -I/tau_e\ndK/dt = -K/tau_i",
    spike="V = V_th", input="I += w", positive="tau tau_e tau_i V_th",
)  # fmt: skip
ADAPTING = make_model(
    "dV/dt = (-V + I - u)/tau_m\ndI/dt = -I/tau_s\ndu/dt = -u/tau_u",
    spike="V = V_th", reset="V -= V_th; u += b", input="I += w",
    positive="tau_m tau_s tau_u V_th b",
)  # fmt: skip
GROWING = make_model("dV/dt = V/tau + I0", spike="V = V_th", positive="tau V_th", free="I0")


# The adapting one is at V = -1e-51 after a spike, rests with two heights that vanish identically,
# and has equal rates by default: each of these has stopped or fooled the verification.
@pytest.mark.parametrize("model", [ADAPTING, GROWING], ids=["adapting", "growing"])
def test_a_linear_model_of_ones_own_verifies(model):
    checks = {c.name for c in verify_derivation(derive_once(model)).checks}
    assert {"flow residual", "first spike", "spike time against direct integration"} <= checks


@pytest.mark.slow
def test_a_neuron_with_two_synapses_verifies():
    assert verify_derivation(derive_once(TWO_SYNAPSES)).checks


def test_two_synapses_take_a_chain_of_four_functions():
    d = derive_once(TWO_SYNAPSES)
    assert d.method == "linear"
    assert len(d.descent.heights) == 4
    assert re.fullmatch(r"600\*Max\(tau, tau_[ei], tau_[ei]\)", str(d.descent.horizon))


def test_growth_has_a_logarithm_too():
    branches = derive_once(GROWING).closed.time_to_spike
    assert [b.values[0].has(log1p) for b in branches] == [False, True, False]


def test_steps_explain_the_descent_where_there_is_one():
    titles = {n: [s.title for s in derive_once(read_neuron_model(n)).steps] for n in LINEAR}
    for name in LINEAR:
        assert ("Isolating the first spike" in titles[name]) == (name in ("lif", "lif_alpha"))
        assert titles[name][:3] == ["Matrix form", "Flow", "Distance to the threshold"]
