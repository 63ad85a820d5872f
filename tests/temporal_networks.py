"""Networks in time for tests: chains of dense layers, perhaps recurrent and with delays."""

import numpy as np

from derivations import compile_model, compile_readout
from sim.engine.choose import differentiate, simulate
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout

SCALES = {
    "theta": 0.4, "qif_delta": 0.6, "rapid_theta": 0.4, "lif_delta": 0.5, "lif": 2.0, "qif": 2.0,
    "lif_alpha": 5.0, "nlif": 1.0, "eif": 2.0, "adex": 2.0, "izhikevich": 2.0,
}  # fmt: skip
"""Weights with which a neuron spikes a few times."""


def delay_axons(rng, n_pre, n_post, longest):
    return np.broadcast_to(rng.uniform(0.01, longest, n_pre), (n_post, n_pre))


def draw_network(
    model, sizes, rng, *, recurrent=True, delays=True, varied=False, backend="numpy", duration=2.0,
    n_channels=6,
):  # fmt: skip
    """A network with random weights.

    With ``varied`` every neuron has parameters of its own; with ``delays`` neurons have some, and
    channels of the input if it is ``"all"``.
    """
    compiled, scale = compile_model(model, backend=backend), SCALES[model]
    populations, projections, pre, n_pre = [], [], "input", n_channels
    for k, n in enumerate(sizes):
        name, parameters = f"layer{k}", {}
        if varied:
            parameters = {
                p: v * rng.uniform(0.8, 1.25, n) if v else v
                for p, v in zip(compiled.parameters, compiled.defaults, strict=True)
            }
        populations.append(Population(name=name, model=compiled, size=n, parameters=parameters))
        projections.append(Projection(
            pre=pre, post=name, weights=rng.normal(0.3, 1, (n, n_pre)) * scale,
            delays=delay_axons(rng, n_pre, n, 0.1) if delays and (k or delays == "all") else None,
        ))  # fmt: skip
        if recurrent:
            projections.append(Projection(
                pre=name, post=name, weights=rng.normal(0, 0.5, (n, n)) * scale,
                delays=delay_axons(rng, n, n, 0.2) if delays else None,
            ))  # fmt: skip
        pre, n_pre = name, n
    silent = np.empty(0)
    channels = SpikeTrains(
        name="input", size=n_channels, times=silent, channels=silent.astype(int)
    )  # fmt: skip
    return Network(
        populations=populations, inputs=[channels], projections=projections, duration=duration
    )


def draw_trials(rng, *, n_trials=3, n_spikes=60, n_channels=6, duration=2.0, n_steps=20):
    """Spikes on a grid, so that many are simultaneous."""
    time = rng.integers(1, n_steps, (n_trials, n_spikes)) / n_steps * duration
    channel = rng.integers(0, n_channels, (n_trials, n_spikes))
    pairs = list(zip(time, channel, strict=True))
    return Trials.from_pairs(pairs, n_channels=n_channels)


def draw_readout(
    rng, n_neurons, *, name="leaky_integrator", backend="numpy", n_outputs=3, **values
):
    compiled = compile_readout(name, backend=backend, **values)
    shape = (n_outputs, n_neurons, compiled.n_features)
    return LinearReadout(
        compiled=compiled, weights=rng.normal(0, 1, shape), bias=rng.normal(0, 1, n_outputs)
    )


def run_by_events(network, trials, readout, labels, engine="events"):
    """Logits, losses and gradients by the event engine and formulas of its own."""
    recording = simulate(network, trials, engine=engine, record=True)
    first = network.n_neurons - network.populations[-1].size
    kernel = readout.compiled.functions
    logits = np.tile(readout.bias, (len(trials), 1))
    inside = np.flatnonzero(recording.spike_neuron >= first)
    arguments = (network.duration, *readout.compiled.values)
    for p in inside:
        time, j = recording.spike_time[p], recording.spike_neuron[p] - first
        for m in range(readout.compiled.n_features):
            logits[recording.spike_trial[p]] += readout.cube[:, j, m] * kernel.kernel(
                time, m, *arguments
            )
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    likely = shifted / shifted.sum(axis=1, keepdims=True)
    rows = np.arange(len(trials))
    by_logit = likely.copy()
    by_logit[rows, labels] -= 1
    by_logit /= len(trials)
    by_spike = np.zeros(len(recording.spike_time))
    for p in inside:
        time, j = recording.spike_time[p], recording.spike_neuron[p] - first
        for m in range(readout.compiled.n_features):
            slope = kernel.kernel_slope(time, m, *arguments)
            by_spike[p] += by_logit[recording.spike_trial[p]] @ readout.cube[:, j, m] * slope
    gradients = differentiate(recording, spike_time=by_spike, parameters=True)
    return recording, logits, -np.log(likely[rows, labels]), gradients
