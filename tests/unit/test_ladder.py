"""The ladder keeps jumps and kinks, and lets go of whatever only looks like one in floats."""

import mpmath
import pytest
from models import make_model
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.certification.refutation.ladder import RUNGS, admit, climb, judge_jump, judge_kink
from spiketheory.certification.refutation.locate import locate
from spiketheory.certification.refutation.trial import Trial
from spiketheory.language.parse import parse_assumption, parse_model

END = mpf(10)
STEPS = [mpf(10) ** -rung / 2 for rung in RUNGS]

QIF_EDGE = """
[model]
name = "qif_edge"
equations = "dV/dt = (a*V**2 - 20*V)/tau"
spike = "V -> oo"
reset = "V = -oo"
input = "V += w"
rest = {V = 0}
[parameters]
tau = {default = 1.0, domain = "tau > 0"}
a = {default = 20.0, domain = "a >= 0"}
"""


def pair(below, above):
    """Spike times on both sides at every rung, from functions of the distance to the jump."""
    return [([t for t in below(g) if t < END], [t for t in above(g) if t < END]) for g in STEPS]


JUMPS = {
    "swap": (lambda g: [1 + g], lambda g: [2 - 3 * g]),
    "graze": (lambda g: [], lambda g: [1 - mpmath.sqrt(g)]),
    "quartic graze": (lambda g: [], lambda g: [1 - g ** mpf("0.25")]),
    "second spike": (lambda g: [1 - g, 3 + g], lambda g: [1 + g, 4]),
    "steep beside a jump": (lambda g: [1 + 1e7 * g], lambda g: [2]),
}
NO_JUMPS = {
    "slope 1e7": (lambda g: [1 - 1e7 * g], lambda g: [1 + 1e7 * g]),
    "slope 1e12": (lambda g: [5 - min(1e12 * g, 1)], lambda g: [5 + min(1e12 * g, 1)]),
    "slope 1e27": (lambda g: [5 - min(1e27 * g, 1)], lambda g: [5 + min(1e27 * g, 1)]),
    "logarithm": (lambda g: [], lambda g: [1 - mpmath.log(g) / 20]),
    "slow logarithm": (lambda g: [], lambda g: [1 - mpmath.log(g) / 10**9]),
    "small power": (lambda g: [1 - g ** mpf("0.05")], lambda g: [1 + g ** mpf("0.05")]),
    "power beside nothing": (lambda g: [], lambda g: [2 - g ** mpf("0.05")]),
    "off to infinity": (lambda g: [], lambda g: [mpf("1e-6") / mpmath.sqrt(g)]),
    "earlier spike that slides": (
        lambda g: [1 - mpmath.log(g) / 100, 9], lambda g: [1 - mpmath.log(g) / 100],
    ),
    "small": (lambda g: [1], lambda g: [1 + mpf("0.9e-3")]),
    "at the end": (lambda g: [], lambda g: [END - mpf("0.9e-3")]),
    "none": (lambda g: [1 + g], lambda g: [1 - g]),
}  # fmt: skip


@pytest.mark.parametrize("name", JUMPS)
def test_a_jump_stays(name):
    with mpmath.workdps(50):
        found = judge_jump(pair(*JUMPS[name]), END)
        assert found is not None
        assert found[0] == (1 if name == "second spike" else 0)
        assert min(found[1]) > mpf("1e-3")


@pytest.mark.parametrize("name", NO_JUMPS)
def test_what_is_no_jump_does_not_stay(name):
    with mpmath.workdps(50):
        assert judge_jump(pair(*NO_JUMPS[name]), END) is None


KINKS = {
    "kink": (lambda g: [2 - g], lambda g: [2 + 3 * g]),
    "kink beside curvature": (lambda g: [2 - g + 1e4 * g**2], lambda g: [2 + 3 * g + 1e3 * g**2]),
}
NO_KINKS = {
    "smooth": (lambda g: [2 - g], lambda g: [2 + g]),
    "curved": (lambda g: [2 - g + 1e10 * g**2], lambda g: [2 + g + 1e10 * g**2]),
    "jump": (lambda g: [2 - g], lambda g: [3 + g]),
    "root": (lambda g: [2 - g], lambda g: [2 + mpmath.sqrt(g)]),
    "g log g": (lambda g: [2], lambda g: [2 + g * mpmath.log(g)]),
}


@pytest.mark.parametrize("name", KINKS)
def test_a_kink_stays(name):
    with mpmath.workdps(50):
        found = judge_kink(pair(*KINKS[name]), STEPS, END)
        assert found is not None
        assert abs(found[2][0] - 1) < 1e-9
        assert abs(found[2][1] - 3) < 1e-9


@pytest.mark.parametrize("name", NO_KINKS)
def test_what_is_no_kink_does_not_stay(name):
    with mpmath.workdps(50):
        assert judge_kink(pair(*NO_KINKS[name]), STEPS, END) is None


def make_trial(model, weights, times, duration, **initial):
    values = {s.name: 0.0 for s in model.state} | initial
    return Trial(
        parameters={p.name: float(p.default) for p in model.parameters}, initial=values,
        weights=weights, times=times, duration=duration,
    )  # fmt: skip


def around(value):
    return value - 2e-10, value + 2e-10


def test_a_graze_of_a_leaky_neuron_is_located_and_climbed():
    model = read_neuron_model("lif")  # tau_m = 2 tau_s: V has the maximum w/4
    trial = make_trial(model, (4.0,), (1.0,), 5.0)
    critical = locate(model, trial, "weight", 0, *around(4.0))
    with mpmath.workdps(50):
        assert abs(mpf(critical) - 4) < mpf("1e-31")
    ladder = climb(model, (), trial, "weight", 0, around(4.0), critical)
    assert [gap for gap, _ in ladder.rungs] == pytest.approx([1e-10, 1e-15, 1e-20, 1e-25, 1e-30])
    assert ladder.limits == pytest.approx((5.0, 1 + float(mpmath.log(2))))
    assert climb(model, (), trial, "weight", 0, around(4.0), "4.00000000001") is None


def test_a_speed_at_a_graze_is_known_to_all_digits():
    """With 53 bits the graze was located 1e-29 too high: its two trials at 1e-30 were alike."""
    model = read_neuron_model("izhikevich")
    values = {"a": 0.2667644151389445, "b": -0.738481363386776, "c": -29.205217290184066,
              "d": -8.316553151359876, "I0": -57.36614291560984,
              "V_peak": -18.265285968501935}  # fmt: skip
    trial = Trial(
        parameters=values, initial={"V": -18.298171409599263, "u": 4.2086952970418565},
        weights=(), times=(), duration=0.3,
    )  # fmt: skip
    low, high = around(-18.298171409599263)
    critical = locate(model, trial, "V", 0, low, high)
    assert climb(model, (), trial, "V", 0, (low, high), critical) is not None


def test_an_input_that_crosses_a_spike_is_located_and_climbed():
    model = read_neuron_model("lif_delta")
    trial = make_trial(model, (2.0, -3.0), (1.0, 1.0), 3.0)
    critical = locate(model, trial, "time", 1, *around(1.0))
    assert mpf(critical) == 1
    assert climb(model, (), trial, "time", 1, around(1.0), critical).limits == (3.0, 1.0)


def test_a_spike_that_slides_off_to_infinity_is_no_jump():
    model = parse_model(QIF_EDGE)  # t* = 0.5 + ln(w/(w - 1))/20 is continuous
    trial = make_trial(model, (1.0,), (0.5,), 6.0)
    assert climb(model, (), trial, "weight", 0, around(1.0), "1") is None


def test_an_instability_that_splits_two_trials_gradually_is_no_jump():
    """V grows like exp(t) away from 0, so 1e-30 becomes 1 by t = 69: continuous all the same."""
    model = make_model("dV/dt = V - V**3", spike="V = 2", reset="V = 0", input="V += w")
    trial = make_trial(model, (1.5,), (100.0,), 101.0)
    assert climb(model, (), trial, "V", 0, (-2e-10, 2e-10), "0") is None


def test_values_trials_and_assumptions_that_are_not_in_order_are_refused():
    model = read_neuron_model("lif")
    good = make_trial(model, (4.0,), (1.0,), 5.0)
    base = {"place": "weight", "number": 0, "values": around(4.0), "critical": "4"}

    def try_it(relations=(), trial=good, **changed):
        a = base | changed
        return climb(
            model, relations, trial, a["place"], a["number"], a["values"], a["critical"], digits=34
        )

    assert try_it() is not None
    assert try_it(values=(4 + 2e-10, 4 - 2e-10)) is None
    assert try_it(values=(4 - 2e-9, 4 + 2e-9)) is None
    assert try_it(values=(4.0, float("nan"))) is None
    assert try_it(critical="5") is None
    assert try_it(critical="four") is None
    assert try_it(number=1) is None
    assert try_it(place="no such") is None
    assert try_it([parse_assumption("w <= 3", model)]) is None
    assert try_it([parse_assumption("w <= 5", model)]) is not None
    assert try_it([parse_assumption("I < 3", model)]) is None
    assert try_it([parse_assumption("V < 0.9", model)]) is None  # it is higher on its way
    outside = Trial(parameters=good.parameters | {"tau_m": -1.0}, initial=good.initial,
                    weights=good.weights, times=good.times, duration=5.0)  # fmt: skip
    assert try_it(trial=outside) is None
    beyond = make_trial(model, (4.0,), (1.0,), 5.0, V=1.5)
    assert try_it(trial=beyond) is None


def test_a_trial_is_admitted_if_all_states_on_its_way_are():
    model = read_neuron_model("lif")
    trial = make_trial(model, (4.5,), (1.0,), 5.0)
    assert admit(model, (), trial)
    for text, holds in (("I >= 0", True), ("I < 4.4", False), ("V >= 0", True), ("V > 0", False),
                        ("w > 4.4", True), ("w > 4.6", False), ("tau_m < 0.5", False)):  # fmt: skip
        assert admit(model, [parse_assumption(text, model)], trial) == holds, text
