"""Bugs planted in the backward pass of recurrent networks: a difference of two runs shows each."""

import numpy as np
import pytest
from networks import compiled

import sim.events.link
from sim.events.differentiate import differentiate
from sim.events.simulate import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains

STEP = 1e-6


def make(time, weight=0.9):
    """An input makes neuron 0 spike at once; neuron 1 hears of it later."""
    population = Population(
        name="n", model=compiled("lif_delta"), size=2, parameters={"I0": 1.3},
        initial={"V": [0.3, 0.2]},
    )  # fmt: skip
    return Network(
        populations=[population],
        inputs=[SpikeTrains(name="in", size=1, times=[time], channels=[0])],
        projections=[
            Projection(pre="in", post="n", weights=[[weight], [0.0]]),
            Projection(
                pre="n",
                post="n",
                weights=[[0.0, 0.0], [0.15, 0.0]],
                mask=np.array([[False, False], [True, False]]),
                delays=0.2,
            ),
        ],
        duration=1.4,
    )


def measure(recording):
    return recording.spike_time.sum() + recording.end_state[0]["V"].sum()


def find_error():
    """Of the derivative by the input's time, relative."""
    sim.events.link.link_network.cache_clear()
    recording = simulate(make(0.5), record=True)
    assert (recording.tape.spike_waits[: len(recording.spike_time)] == -1.0).any()
    slopes = np.ones(len(recording.spike_time))
    got = differentiate(recording, spike_time=slopes, end=[{"V": 1.0}]).input_times[0][0]
    up, down = (measure(simulate(make(0.5 + h))) for h in (STEP, -STEP))
    want = (up - down) / (2 * STEP)
    return abs(got - want) / abs(want)


@pytest.fixture
def plant(monkeypatch):
    """Replace a backward function by a wrong one; caches forget it afterwards."""
    link = sim.events.link.link_neurons

    def plant_it(name, spoil):
        def link_wrongly(models):
            functions = link(models)
            return {**functions, name: spoil(functions[name])}

        monkeypatch.setattr(sim.events.link, "link_neurons", link_wrongly)

    yield plant_it
    sim.events.link.link_network.cache_clear()


def forget_the_velocities(caused_spike_vjp):
    def spoiled(*arguments):
        caused_spike_vjp(*arguments)
        return arguments[-1]

    return spoiled


def forget_the_time(receive_vjp):
    return lambda *arguments: (receive_vjp(*arguments)[0], 0.0)


def forget_the_cause(caused_spike_vjp):
    def spoiled(*arguments):
        caused_spike_vjp(*arguments)
        return 0.0

    return spoiled


def test_without_a_bug_the_derivative_is_the_slope():
    assert find_error() < 1e-7


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("caused_spike_vjp", forget_the_velocities),
        ("caused_spike_vjp", forget_the_cause),
        ("receive_vjp", forget_the_time),
    ],
)
def test_a_planted_bug_is_seen(plant, name, spoil):
    plant(name, spoil)
    assert find_error() > 1e-2
