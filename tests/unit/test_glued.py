import math

import pytest
import sympy as sp
from models import derive_once, make_model, make_quadratic, verify_derivation

from derivations import import_generated, read_neuron_model
from spiketheory.symbolic.methods import glued
from spiketheory.symbolic.methods.glued import Parabolas, read_parabolas

BLOWUP = {"spike": "V -> oo", "reset": "V = -oo"}
DEFAULTS = {"tau": 1.0, "I0": 1.25, "r": 3.0}


def make_glued(equation="dV/dt = a*V**2 + V*abs(V)/2 + d", **changes):
    options = BLOWUP | {
        "parameters": {
            "a": {"default": 3.0, "domain": "a > 2"},
            "b": {"default": 0.5, "domain": "b > 0 and b < 1"},
            "d": {"default": 1.0, "domain": "d > 0"},
        }
    } | changes  # fmt: skip
    return make_model(equation, **options)


def test_rapid_theta_matches():
    model = read_neuron_model("rapid_theta")
    assert glued.explain_mismatch(model) is None
    found = read_parabolas(model)
    assert isinstance(found, Parabolas)
    r, tau, drive = (model.symbols[name] for name in ("r", "tau", "I0"))
    assert sp.simplify(found.vertex - r / (r + 1)) == 0
    assert sp.simplify(found.above - r * (r + 1) / (2 * tau)) == 0
    assert sp.simplify(found.below - (r + 1) / (2 * r * tau)) == 0
    assert sp.simplify(found.height - (drive - r / (2 * (r + 1))) / tau) == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_quadratic(), "dv/dt does not hold one absolute value of v"),
        (
            make_model("dV/dt = V**2 + I\ndI/dt = -I", **BLOWUP),
            "it has 2 state variables, and the method takes one",
        ),
        (
            make_glued("dV/dt = V**2 + abs(V) + abs(V - 1) + d"),
            "dV/dt does not hold one absolute value of V",
        ),
        (
            make_glued("dV/dt = V**2 + V*abs(d*V - 1) + d"),
            "the absolute value in dV/dt is not of V minus a constant",
        ),
        (
            make_glued("dV/dt = V**2 + abs(V**2 - 1) + d"),
            "the absolute value in dV/dt is not of V minus a constant",
        ),
        (make_glued("dV/dt = abs(V) + d"), "dV/dt is not quadratic on both sides of V = 0"),
        (
            make_glued("dV/dt = V**2 + V*abs(V) + d"),
            "dV/dt is not quadratic on both sides of V = 0",
        ),
        (
            make_glued("dV/dt = a*(V - 1)**2 + V*abs(V) + d"),
            "the parabolas do not have their vertices at V = 0",
        ),
        (
            make_glued("dV/dt = b*V**2 + V*abs(V) + d"),
            "the steepness b - 1 is not positive on the parameters' domains",
        ),
        (
            make_glued("dV/dt = a*V**2 + V*abs(V)/2 - d"),
            "the height -d is not positive on the parameters' domains",
        ),
        (
            make_glued(spike="V = 3", reset="V = 0"),
            "its spike is not at V -> oo with reset to -oo",
        ),
        (make_glued(reset="V = -3"), "its spike is not at V -> oo with reset to -oo"),
        (make_glued(input="V += 2*w"), "its input does not add the weight to V"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_does_not_fit_is_told_why(model, message):
    assert glued.explain_mismatch(model) == message


def test_the_coordinate_is_the_time_to_the_next_spike():
    d = derive_once(read_neuron_model("rapid_theta"))
    (ahead,) = d.chart.coordinates
    assert d.chart.field == (-1,)
    assert d.chart.surface == ahead
    assert [b.values[0] for b in d.closed.time_to_spike] == [ahead]
    assert d.chart.projective == ()


def enter(module, V, **changes):
    constants = module.constants(*(DEFAULTS | changes).values())
    (ahead,) = module.enter_chart(V, *constants)
    return ahead, constants


def test_for_equal_slopes_it_is_the_theta_neuron():
    rapid, theta = (import_generated(name) for name in ("rapid_theta", "theta"))
    for V in (-20.0, 0.1, 0.5, 0.9, 33.0):
        ahead, constants = enter(rapid, V, r=1.0)
        other = theta.constants(1.0, 1.25)
        state = theta.enter_chart(V, *other)
        assert ahead == pytest.approx(theta.time_to_spike(*state, *other), rel=1e-14)
        (after,) = rapid.jump(ahead, 0.7, *constants)
        (kicked,) = [theta.time_to_spike(*theta.jump(*state, 0.7, *other), *other)]
        assert after == pytest.approx(kicked, rel=1e-13)


@pytest.mark.parametrize("r", [0.5, 3.0, 10.0])
def test_both_sides_meet_at_the_glue_point(r):
    module, glue = import_generated("rapid_theta"), r / (r + 1)
    below, constants = enter(module, math.nextafter(glue, -1), r=r)
    above, _ = enter(module, math.nextafter(glue, 2), r=r)
    on, _ = enter(module, glue, r=r)
    named = dict(zip(module.CONSTANTS, constants, strict=True))
    assert on == pytest.approx(named["t_glue"], rel=1e-15)
    assert below == pytest.approx(above, rel=1e-14)
    for ahead in (above, below):
        assert module.leave_chart(ahead, *constants)[0] == pytest.approx(glue, abs=1e-14)


@pytest.mark.parametrize("V", [-1e6, -2.0, 0.3, 0.75, 0.76, 5.0, 1e8])
def test_to_the_chart_and_back_is_where_it_started(V):
    module = import_generated("rapid_theta")
    ahead, constants = enter(module, V)
    named = dict(zip(module.CONSTANTS, constants, strict=True))
    assert 0 < ahead < named["Theta"]
    assert module.leave_chart(ahead, *constants)[0] == pytest.approx(V, rel=1e-9)


def test_a_faster_onset_shortens_the_way_from_the_glue_point_to_the_spike():
    module = import_generated("rapid_theta")
    parts = []
    for r in (1.0, 3.0, 10.0):
        _, constants = enter(module, 0.0, r=r)
        named = dict(zip(module.CONSTANTS, constants, strict=True))
        parts.append(named["t_glue"] / named["Theta"])
    assert parts[0] == pytest.approx(0.5)
    assert parts[0] > parts[1] > parts[2]


@pytest.mark.parametrize("weight", [-50.0, -0.3, 0.4, 50.0])
def test_an_input_adds_to_the_potential_across_the_glue_point_too(weight):
    module = import_generated("rapid_theta")
    for V in (-4.0, 0.7, 0.8, 4.0):
        ahead, constants = enter(module, V)
        (after,) = module.jump(ahead, weight, *constants)
        assert module.leave_chart(after, *constants)[0] == pytest.approx(V + weight, rel=1e-12)


def test_an_input_at_the_spike_or_just_after_it_changes_nothing():
    module = import_generated("rapid_theta")
    _, constants = enter(module, 0.0)
    theta = dict(zip(module.CONSTANTS, constants, strict=True))["Theta"]
    for weight in (-3.0, 3.0):
        assert module.jump(0.0, weight, *constants) == (0.0,)
        assert module.jump(theta, weight, *constants)[0] == pytest.approx(theta, rel=1e-14)


def test_pseudospikes_are_those_of_the_theta_neuron():
    d = derive_once(read_neuron_model("rapid_theta"))
    assert d.pseudospike.kick
    assert d.pseudospike.free


def test_two_parabolas_of_ones_own_verify():
    assert derive_once(make_glued()).method == "glued parabolas"
    assert len(verify_derivation(derive_once(make_glued())).checks) == 26
