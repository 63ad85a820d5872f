"""The oracle of networks that learn in time: does it say what the event engine says?"""

import numpy as np
import pytest
from models import mark_slow
from temporal import differentiate, draw, simulate
from temporal.records import INTEGRATED, MODELS
from temporal_bridge import build_network, find_event_gradient

from sim.events.simulate import simulate as run_events

SHORT = {"eif": 2.5, "adex": 2.5, "izhikevich": 25.0}


def draw_some(model, first, readouts):
    """Networks of a model with and without delays; one small one if it is integrated."""
    for k, parameters in enumerate(("default", "each", "general")):
        is_slow = model in INTEGRATED
        if is_slow and k != 1:
            continue
        yield draw(
            first + k, model, n_layers=1 if is_slow else 2, size=2 if is_slow else 4,
            n_spikes=20 if is_slow else 40, recurrent=True, delays=(False, "some", True)[k],
            parameters=parameters, readout=readouts[k],
            duration=SHORT.get(model),
        )  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_spikes_are_those_of_the_event_engine(model):
    for network, trial in draw_some(model, 0, ["count"] * 3):
        recording = run_events(build_network(network, trial))
        first = 0
        for layer, own in zip(network.layers, simulate(network, trial).spikes, strict=True):
            members = (recording.spike_neuron >= first) & (
                recording.spike_neuron < first + layer.size
            )
            times = recording.spike_time[members]
            neurons = recording.spike_neuron[members] - first
            assert [j for _, j in own] == neurons.tolist()
            assert len(own) > 1
            np.testing.assert_allclose(times, [float(t) for t, _ in own], rtol=0, atol=1e-11)
            first += layer.size


@pytest.mark.parametrize("model", mark_slow(MODELS, "adex"))  # eif and izhikevich are like it
def test_slopes_are_those_of_the_event_engine(model):
    for network, trial in draw_some(model, 10, ("leaky_integrator", "windows", "maximum")):
        expected = find_event_gradient(network, trial)
        found = differentiate(network, trial, most=1 if model in INTEGRATED else 3)
        own = {p: float(v) for p, v in found.slopes.items() if p in expected and v is not None}
        own = {p: v for p, v in own.items() if p not in found.tied}
        assert {p[0] for p in own} >= {"weights", "recurrent", "parameters", "initial"}
        largest = max(map(abs, expected.values()))
        worst = max(own, key=lambda p: abs(own[p] - expected[p]))
        assert abs(own[worst] - expected[worst]) <= 1e-10 * largest, worst
        assert max(map(abs, own.values())) > 0
