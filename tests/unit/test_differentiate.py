"""Backward passes of recurrent networks: their memory, and models without derivatives."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from networks import compiled

from sim.engine.choose import differentiate, simulate
from sim.events import differentiate as module
from sim.events.tape import N_SCALES
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.machine.compile import make_module


def make(model, size=3):
    """A ring of neurons, driven by one input."""
    return Network(
        populations=[Population(name="n", model=model, size=size)],
        inputs=[SpikeTrains(name="in", size=1, times=[0.2, 0.9], channels=[0, 0])],
        projections=[
            Projection(pre="n", post="n", weights=0.3 * np.roll(np.eye(size), 1, axis=0)),
            Projection(pre="in", post="n", weights=np.linspace(0.5, 0.2, size)[:, None]),
        ],
        duration=6.0,
    )


def forget_parameters(model):
    """The same model as if none of its constants mattered to anything."""
    parts = {}
    for part in ("functions", "module"):
        names = vars(getattr(model, part))
        kept = {n: value for n, value in names.items() if not n.endswith("constants_vjp")}
        parts[part] = make_module(model.name, kept)
    return replace(model, **parts, key="forgets its parameters")


@pytest.mark.parametrize(("name", "size"), [("theta", 3), ("qif", 5)])
def test_the_memory_that_is_asked_for_is_that_of_slopes_and_states(monkeypatch, name, size):
    asked = []
    monkeypatch.setattr(module, "check_memory", lambda n_bytes, what: asked.append(n_bytes))
    back = module.BackwardPass(simulate(make(compiled(name), size), record=True), False)
    arrays = (back.by_weight, back.by_delay, back.adjoints)
    assert asked == [sum(array.nbytes for array in arrays)]


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_model_whose_constants_matter_to_nothing_has_no_slope_by_its_parameters(engine):
    models = [compiled("theta"), forget_parameters(compiled("theta"))]
    known, forgotten = (
        differentiate(recording, spike_time=np.ones(len(recording.spike_time)), parameters=True)
        for recording in (simulate(make(m), record=True, engine=engine) for m in models)
    )
    assert forgotten.parameters == [{"tau": 0.0, "I0": 0.0}]
    assert known.parameters[0]["I0"] < 0
    for one, other in zip(known.weights, forgotten.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_probes_that_the_loss_does_not_look_at_change_no_derivative(engine):
    network = make(compiled("theta"))
    runs = (
        simulate(network, record=True, engine=engine, probe_times=times)
        for times in ([], [0.0, 0.2, 1.0, 6.0])
    )
    want, got = (differentiate(run, spike_time=np.ones(len(run.spike_time))) for run in runs)
    for one, other in zip(want.weights, got.weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(got.input_times[0], want.input_times[0], rtol=1e-12)
    np.testing.assert_allclose(got.initial[0]["phi0"], want.initial[0]["phi0"], rtol=1e-12)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_each_probe_has_its_own_derivative_and_a_number_stands_for_all(engine):
    """Of some of the neurons only; a weight moves the state that it leads to."""
    network, times, probed = make(compiled("qif")), [0.5, 1.3], [2, 0]
    recording = simulate(network, record=True, engine=engine, probe_times=times, probed=probed)
    assert len(recording.spike_time) == 0

    def pull(slopes):
        return differentiate(recording, probed_state=[{"V": slopes}]).weights[1]

    each = [[pull(np.eye(4)[2 * k + j].reshape(2, 2))[:, 0] for j in range(2)] for k in range(2)]
    for j, neuron in enumerate(probed):
        for k in range(2):
            assert np.flatnonzero(each[k][j]).tolist() == [neuron]
    assert each[1][0][2] > each[0][0][2] > 0
    np.testing.assert_allclose(pull(1.0)[:, 0], np.sum(each, axis=(0, 1)), rtol=1e-12)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_derivatives_by_parameters_are_there_only_if_asked_for(engine):
    recording = simulate(make(compiled("theta")), record=True, engine=engine)
    slopes = np.ones(len(recording.spike_time))
    assert differentiate(recording, spike_time=slopes).parameters is None
    assert differentiate(recording, spike_time=slopes, parameters=True).parameters is not None


def test_derivatives_by_times_are_given_back_input_by_input_and_step_by_step():
    """Of three steps of a current of two channels, and two of one of a single channel."""
    network = SimpleNamespace(
        inputs=[SimpleNamespace(times=[0.1, 0.2]), SimpleNamespace(times=[0.3])],
        currents=[SimpleNamespace(size=2, times=[0, 1, 2]), SimpleNamespace(size=1, times=[0, 1])],
    )
    found = module.collect_times(network, np.array([1, 2, 3, 10, 20, 30, 40, 50, 60, 7, 8.0]))
    assert [v.tolist() for v in found["input_times"]] == [[1, 2], [3]]
    assert [v.tolist() for v in found["current_times"]] == [[30, 70, 110], [7, 8]]


def test_an_arrival_that_scales_one_neuron_down_changes_no_derivative_by_another():
    """The input reaches neuron 0 first, which is not scaled, and then one that is."""
    found = []
    for other in (0.5, 3e20):
        network = Network(
            populations=[Population(name="n", model=compiled("theta"), size=2)],
            inputs=[SpikeTrains(name="in", size=1, times=[0.2], channels=[0])],
            projections=[Projection(pre="in", post="n", weights=[[0.5], [other]])],
            duration=0.5,
        )
        recording = simulate(network, record=True, engine="events")
        assert bool(recording.tape.counts[N_SCALES]) is (other > 1)
        found.append(differentiate(recording, end=[{"V": [1.0, 0.0]}]).weights[0][0, 0])
    assert found[0] == found[1] > 0
