"""The oracle of networks that learn in time: does it say what the event engine says?"""

import numpy as np
import pytest
from networks import compiled
from temporal import differentiate, draw, list_paths, simulate
from temporal.records import MODELS

from sim.events import differentiate as backward
from sim.events.simulate import simulate as run_events
from sim.network.network import Network, Population, Projection, SpikeTrains

CLOSED = [m for m in MODELS if m not in ("eif", "adex", "izhikevich")]


def build(network, trial):
    """The network as one of the event engine, without the readout."""
    names = ["in", *(f"layer{k}" for k in range(len(network.layers)))]
    n_channels = len(network.layers[0].weights[0])
    times, channels = zip(*trial.inputs, strict=True)
    populations, projections = [], []
    for k, layer in enumerate(network.layers):
        arrays = {n: np.array(v) if isinstance(v, list) else v
                  for n, v in layer.all_parameters.items()}  # fmt: skip
        populations.append(
            Population(
                name=names[k + 1],
                model=compiled(layer.model),
                size=layer.size,
                parameters=arrays,
                initial={n: np.array(v) for n, v in layer.all_initial.items()},
            )
        )
        delays = network.layers[k - 1].delays if k else None
        projections.append(connect(names[k], names[k + 1], layer.weights, delays))
        if layer.recurrent is not None:
            own = names[k + 1]
            projections.append(connect(own, own, layer.recurrent, layer.recurrent_delays))
    return Network(
        populations=populations,
        inputs=[SpikeTrains(name="in", size=n_channels, times=np.array(times),
                            channels=np.array(channels))],
        projections=projections,
        duration=trial.duration,
    )  # fmt: skip


def connect(pre, post, weights, delays):
    shape = np.array(weights).shape
    given = None if delays is None else np.broadcast_to(np.array(delays), shape)
    return Projection(pre=pre, post=post, weights=np.array(weights), delays=given)


@pytest.mark.parametrize("model", MODELS)
def test_spikes_are_those_of_the_event_engine(model):
    for seed, parameters in enumerate(("default", "each", "general")):
        network, trial = draw(
            seed, model, n_layers=2, size=4, n_spikes=40, recurrent=True,
            delays=(False, "some", True)[seed], parameters=parameters,
        )  # fmt: skip
        recording = run_events(build(network, trial))
        first = 0
        for layer, own in zip(network.layers, simulate(network, trial).spikes, strict=True):
            members = (recording.spike_neuron >= first) & (
                recording.spike_neuron < first + layer.size
            )
            times = recording.spike_time[members]
            neurons = recording.spike_neuron[members] - first
            assert [j for _, j in own] == neurons.tolist()
            assert len(own) > 2
            np.testing.assert_allclose(times, [float(t) for t, _ in own], rtol=0, atol=1e-11)
            first += layer.size
