"""The oracle of networks that learn in time: does it say what the event engine says?"""

import numpy as np
import pytest
from temporal import differentiate, draw, simulate
from temporal.answers import Runs
from temporal.arithmetic import working
from temporal.given import Numbers
from temporal.readouts import find_loss
from temporal.records import INTEGRATED, MODELS
from temporal_bridge import build_network, put_array

from sim.events.differentiate import differentiate as backward
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


def find_event_gradient(network, trial):
    """The event engine's slopes by path, given the oracle's by the times of the last spikes."""
    built = build_network(network, trial)
    recording = run_events(built, record=True)
    by_time = differentiate_readout(network, trial)
    first = sum(layer.size for layer in network.layers[:-1])
    slopes = np.zeros(len(recording.spike_time))
    slopes[recording.spike_neuron >= first] = [float(v) for v in by_time]
    gradients = backward(recording, spike_time=slopes, parameters=True)
    found, position = {}, 0
    for k, layer in enumerate(network.layers):
        put_array(found, ("weights", k), gradients.weights[position])
        if k:
            put_delays(found, ("delays", k - 1), gradients.delays[position])
        position += 1
        if layer.recurrent is not None:
            put_array(found, ("recurrent", k), gradients.weights[position])
            put_delays(found, ("recurrent_delays", k), gradients.delays[position])
            position += 1
        for name, value in gradients.initial[k].items():
            for i, v in enumerate(value):
                found["initial", k, name, i] = v
        for name, value in gradients.parameters[k].items():
            if np.ndim(value):
                found.update({("parameters", k, name, i): v for i, v in enumerate(value)})
            else:
                found["parameters", k, name] = value
    found.update({("inputs", n): v for n, v in enumerate(gradients.input_times[0])})
    return found


def put_delays(found, path, matrix):
    for j, value in enumerate(np.asarray(matrix).sum(axis=0)):
        found[(*path, j)] = value


def differentiate_readout(network, trial):
    """Slopes of the loss by the times of the last layer's spikes, in their order."""
    with working():
        numbers = Numbers(network, trial)
        runs = Runs(numbers)
        step = 10**30
        found = []
        for k, (t, j) in enumerate(runs.base[-1]):
            losses = []
            for sign in (1, -1):
                moved = [*runs.base[-1]]
                moved[k] = t + sign * step, j
                losses.append(find_loss(runs.find_logits([moved]), numbers.label))
            found.append((losses[0] - losses[1]) / (2 * step) * 10**50)
        return found


@pytest.mark.parametrize("model", MODELS)
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
