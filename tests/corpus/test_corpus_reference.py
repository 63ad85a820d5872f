"""The corpus's reference agrees with formulas, and a comparison with it can fail."""

import dataclasses
import math

import numpy as np
import pytest
from corpus import compare, find_expected, read_corpus
from reference import Trial, find_spikes

LIF = """
[model]
name = "lif"
equations = "dV/dt = (2 - V)/tau"
spike = "V = 1"
reset = "V = 0"
rest = {{V = 0}}
{more}
[parameters]
tau = 10.0
"""
WAIT = 10 * math.log(2)


def find(tmp_path, text, **trial):
    (tmp_path / "model.toml").write_text(text)
    return find_spikes(tmp_path / "model.toml", Trial(**trial), {})[1]


def test_a_refractory_period_delays_and_loses_inputs_to_what_is_held(tmp_path):
    more = 'refractory = {time = "tau/2"}\ninput = "V += w"'
    inputs = [
        (WAIT + 1, 0.5, "default"),
        (WAIT + 2, 5.0, "default"),
        (2 * WAIT + 5, 0.1, "default"),
    ]
    spikes = find(tmp_path, LIF.format(more=more), duration=40.0, inputs=inputs)
    # the third input comes at the second spike's own time, after it, and is lost
    assert spikes == pytest.approx([WAIT, 2 * WAIT + 5, 3 * WAIT + 10], rel=1e-12)


def test_what_is_not_held_goes_on_and_takes_inputs_by_its_port(tmp_path):
    text = """
[model]
name = "driven"
equations = '''
dV/dt = g
dg/dt = -g
'''
spike = "V >= 1"
reset = "V = 0"
rest = {V = 0, g = 2}
refractory = {time = "1", hold = ["V"]}
[model.inputs]
exc = "g += w"
inh = "V -= w"
"""
    first = math.log(2)  # 2 (1 - exp(-t)) = 1
    at = first + 0.5
    left = (math.exp(-0.5) + 3) * math.exp(-0.5)  # g at the end of the period
    second = first + 1 - math.log(1 - 1 / left)
    inputs = [(at, 3.0, "exc"), (at, 5.0, "inh")]
    spikes = find(tmp_path, text, duration=3.0, inputs=inputs)
    assert spikes[:2] == pytest.approx([first, second], rel=1e-12)


def test_a_crossing_without_reset_counts_once_each_time(tmp_path):
    text = """
[model]
name = "circle"
equations = '''
dx/dt = y
dy/dt = -x
'''
spike = "x >= 0.5"
reset = ""
input = "x += w"
rest = {x = 0, y = 1}
"""
    rising = [math.pi / 6 + 2 * math.pi * k for k in range(4)]
    assert find(tmp_path, text, duration=20.0) == pytest.approx(rising, rel=1e-12)
    # sin(1) is above: an input that leaves it there is no spike, one that lifts it is
    spikes = find(
        tmp_path, text, duration=3.1, inputs=[(1.0, 0.1, "default"), (3.0, 0.5, "default")]
    )
    assert spikes == pytest.approx([math.pi / 6, 3.0], rel=1e-12)


def test_a_parabola_from_minus_to_plus_infinity_takes_pi(tmp_path):
    text = """
[model]
name = "qif"
equations = "dV/dt = V**2 + 1"
spike = "V -> oo"
reset = "V = -oo"
input = "V += w"
rest = {V = 0}
"""
    spikes = find(tmp_path, text, duration=12.0, far=10.0, scale=5.0)
    assert spikes == pytest.approx([math.pi * (k + 0.5) for k in range(4)], rel=1e-12)
    # an input far out: V = 50 jumps to 60
    before = [(math.atan(50.0), 10.0, "default")]
    spikes = find(tmp_path, text, duration=2.0, inputs=before, far=10.0, scale=5.0)
    assert spikes == pytest.approx([math.atan(50.0) + math.atan(1 / 60)], rel=1e-12)


@pytest.mark.parametrize("shift", [0, -70])
@pytest.mark.parametrize("peak", [4, 60])
def test_a_fast_way_to_a_peak_keeps_its_digits(tmp_path, shift, peak):
    text = f"""
[model]
name = "exponential"
equations = "dV/dt = exp(V - ({shift}))"
spike = "V = {peak + shift}"
reset = "V = {shift}"
rest = {{V = {shift}}}
"""
    wait = 1 - math.exp(-peak)
    spikes = find(tmp_path, text, duration=2.5, far=3.0 + shift)
    assert spikes == pytest.approx([wait, 2 * wait], rel=1e-12)


@pytest.mark.parametrize("far", [3.0, -67.0])
def test_an_exponential_blow_up_takes_the_time_that_it_should(tmp_path, far):
    text = f"""
[model]
name = "exponential"
equations = "dV/dt = exp(V - ({far - 3}))"
spike = "V -> oo"
reset = "V = {far - 3}"
rest = {{V = {far - 3}}}
"""
    spikes = find(tmp_path, text, duration=2.5, far=far, scale=5.0)
    assert spikes == pytest.approx([1.0, 2.0], rel=1e-12)


def test_a_model_with_a_slightly_wrong_time_is_found():
    entry = read_corpus()["lif_constant_current"]
    protocol = dataclasses.replace(entry.protocols[0], inputs=())
    wait = 10 * math.log((-52 + 80) / (-52 + 54))
    first = 10 * math.log((-52 + 70) / (-52 + 54))
    right, expected = first + wait * np.arange(11), find_expected(entry, protocol)
    assert np.all(compare(entry, protocol, right, expected).differences < 1e-12)
    wrong = compare(entry, protocol, right + 3e-9 * right, expected)
    assert np.all(wrong.differences > wrong.allowed)
    with pytest.raises(AssertionError, match="by the reference"):
        compare(entry, protocol, right[:-1], expected)
