"""Differences planted between two engines: the property that they give one answer finds each."""

import numpy as np
import pytest
from networks import compiled
from one_answer import GRADIENTS, TIMES, compare, run_events, run_layers, run_plain

import sim.events.differentiate
import sim.events.pseudospikes
import sim.plain.backward
import sim.plain.pseudospikes
from sim import Network, Population, Projection, differentiate, simulate
from sim.events.ties import make_ties
from sim.network.layer_stack import LayerStack

TIED = np.array([0.4, 0.4, 0.9])


def make(strength=1.0, duration=2.0):
    rng = np.random.default_rng(5)
    weights = [rng.normal(0.3, 1.0, s) * strength for s in ((3, 4), (4, 4), (4, 2))]
    return LayerStack(model=compiled("theta"), duration=duration, weights=tuple(weights))


@pytest.mark.parametrize("other", [run_events, run_plain])
def test_without_a_planted_difference_there_is_none(other):
    by_time, by_gradient = compare(make(), TIED, other=other)
    assert by_time <= TIMES
    assert by_gradient <= GRADIENTS


def test_derivatives_in_which_simultaneous_inputs_keep_their_order_are_found(monkeypatch):
    none = np.empty(0, np.int64)
    monkeypatch.setattr(
        sim.events.differentiate, "find_ties", lambda tape, wires, models: make_ties(0, none, none)
    )
    assert compare(make(), TIED)[1] > 1e-2


def test_rates_without_drive_in_a_stack_of_layers_are_found(monkeypatch):
    find = sim.events.pseudospikes.find_components

    def find_cycles_everywhere(recording):
        return [part._replace(has_cycle=True) for part in find(recording)]

    monkeypatch.setattr(sim.events.pseudospikes, "find_components", find_cycles_everywhere)
    by_time, by_gradient = compare(make(strength=0.3, duration=1.0), TIED)
    assert by_time > 1e-5
    assert by_gradient > 1e-3


def test_a_plain_engine_that_keeps_the_order_of_simultaneous_inputs_is_found(monkeypatch):
    monkeypatch.setattr(sim.plain.backward, "find_ties", lambda run: {})
    assert compare(make(), TIED, other=run_plain)[1] > 1e-2
    assert compare(make(), TIED, one=run_events, other=run_plain)[1] > 1e-2


def test_a_plain_engine_with_rates_without_drive_is_found(monkeypatch):
    find = sim.plain.pseudospikes.list_components

    def find_cycles_everywhere(network):
        return [part._replace(has_cycle=True) for part in find(network)]

    monkeypatch.setattr(sim.plain.pseudospikes, "list_components", find_cycles_everywhere)
    by_time, by_gradient = compare(make(strength=0.3, duration=1.0), TIED, other=run_plain)
    assert by_time > 1e-5
    assert by_gradient > 1e-3


def test_a_plain_engine_that_forgets_an_events_own_time_is_found(monkeypatch):
    """Without it input times have derivative 0, and spikes move their targets by less."""
    monkeypatch.setattr(sim.plain.backward.Backward, "move", lambda *arguments: None)
    assert compare(make(), np.array([0.4, 0.5, 0.9]), other=run_plain)[1] > 1e-2


@pytest.mark.parametrize("shift", [1e-11, 1e-9])
def test_a_small_shift_of_spikes_is_found(shift):
    def run_late(*arguments):
        answer = run_events(*arguments)
        answer.trains = [train + shift for train in answer.trains]
        return answer

    assert compare(make(strength=3.0), TIED, other=run_late)[0] > TIMES


def test_a_spike_of_qif_at_the_very_instant_of_an_arrival_is_one_spike():
    """Three equal layers without weights: the third neuron spikes as the second's spike arrives."""
    work = LayerStack(
        model=compiled("qif"), duration=5.0, weights=(np.zeros((1, 1)),) * 3,
        initial=np.full(3, 6.70693915736279),
    )  # fmt: skip
    trains = run_layers(work, np.array([np.inf]), 1).trains
    assert [len(t) for t in trains] == [1, 1, 1]


@pytest.mark.parametrize("current", [5.0, 4.7, 6.1, 5.3, 4.1])
def test_a_current_that_comes_as_a_twin_spikes_does_not_move_the_spike(current):
    """Two equal neurons at a finite threshold: rounding must not decide which comes first."""
    mask = np.array([[False, False], [True, False]])
    network = Network(
        populations=[
            Population(name="n", model=compiled("lif"), size=2,
                       initial={"V": [0.0, 0.0], "I": [current, current]})
        ],
        projections=[Projection(pre="n", post="n", weights=0.5 * mask, mask=mask)],
        duration=1.5,
    )  # fmt: skip
    recording = simulate(network, record=True)
    own = np.flatnonzero(recording.spike_neuron == 1)[0]
    assert recording.spike_time[own] == recording.spike_time[0]
    unit = np.eye(len(recording.spike_time))[own]
    found = differentiate(recording, spike_time=unit)
    alone = simulate(
        Network(
            populations=[Population(name="n", model=compiled("lif"), size=1,
                                    initial={"V": 0.0, "I": current})],
            duration=1.5,
        ),
        record=True,
    )  # fmt: skip
    unit = np.eye(len(alone.spike_time))[0]
    wanted = differentiate(alone, spike_time=unit).initial[0]
    for name in ("V", "I"):
        assert found.initial[0][name] == pytest.approx([0.0, wanted[name][0]], rel=1e-12)
    assert not found.weights[0].any()
