"""`spiketheory.checking.state_properties`: how far ahead spikes are looked for."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from derivations import compile_model, read_neuron_model
from spiketheory.checking.failure import PropertyFailure
from spiketheory.checking.loop import BEYOND
from spiketheory.checking.state_properties import Wait, check_flow, check_prediction
from spiketheory.checking.subject import make_subject

HORIZON = 1e4


def look_step_by_step(loop):
    """The loop of a model that finds spikes by integration, and how far it looked each time."""
    looked = []
    known = loop.functions

    def spike_within(*arguments):
        state, within, constants = arguments[:-n], arguments[-n], arguments[1 - n :]
        wait = known.time_to_spike(*state, *constants)
        looked.append(min(wait, within))
        return wait if wait < within else math.inf

    def time_to_spike(*arguments):
        wait = known.time_to_spike(*arguments)
        looked.append(min(wait, HORIZON))
        return wait if wait < HORIZON else math.inf

    n = len(loop.constants) + 1
    own = {name: getattr(known, name) for name in dir(known)}
    own |= {"spike_within": spike_within, "time_to_spike": time_to_spike}
    return replace(loop, functions=SimpleNamespace(**own)), looked


@pytest.mark.parametrize("check", [check_flow, check_prediction])
def test_no_spike_is_looked_for_that_comes_after_the_trial(check):
    subject = make_subject(read_neuron_model("lif"), compile_model("lif", backend="numpy"))
    loop, looked = look_step_by_step(subject.loop)
    check(replace(subject, loop=loop), Wait(state=(0.0, 0.0), weight=0.5, durations=(2.0, 3.0)))
    assert looked
    assert max(looked) <= 5.0 * BEYOND


def test_a_time_to_spike_that_is_at_odds_with_the_prediction_is_found_all_the_same():
    subject = make_subject(read_neuron_model("lif"), compile_model("lif", backend="numpy"))
    loop, _ = look_step_by_step(subject.loop)
    right = loop.functions.time_to_spike
    drawn = Wait(state=(0.0, 0.0), weight=8.0, durations=(2.0, 3.0))
    check_prediction(replace(subject, loop=loop), drawn)
    loop.functions.time_to_spike = lambda *arguments: 1.01 * right(*arguments)
    with pytest.raises(PropertyFailure, match="is predicted, but the time to the spike is"):
        check_prediction(replace(subject, loop=loop), drawn)
