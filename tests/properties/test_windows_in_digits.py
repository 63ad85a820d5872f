"""Windows: spike times and states are those of a plain loop in 50 digits."""

from dataclasses import replace

import numpy as np
import pytest
from circuits import run_exactly
from models import mark_slow
from test_gradients_of_circuits import KINDS, draw_trial

from sim.network import listed
from sim.windows.plan import has_frame
from sim.windows.simulate import simulate

TIMES, STATES = 1e-12, 1e-11
"""Relative; of states near 0 as if they were 1. The worst of those below are 3e-14 and 2e-13."""
DELAYS = {"a delay each": None, "two delays": [0.07, 0.11], "one delay": [0.09]}
FRAMED = ("theta", "qif_delta", "rapid_theta", "lif", "lif_alpha", "lif_delta", "nlif")


def draw_delayed(kinds, seed, *, delays=None, shared=True):
    """The trial of some kinds with delays on all that is recurrent, and on some inputs.

    Args:
        kinds: Keys of `KINDS`.
        seed: Of what is drawn.
        delays: Those of neurons, in units of the duration; None for one of each connection.
        shared: Whether neurons of a model have the same parameters, without which there is no
            frame.
    """
    trial, rng = draw_trial(kinds, seed), np.random.default_rng(seed)
    n = len(trial.models)
    edges = [
        [s, t, w, (rng.choice(delays) if delays else rng.uniform(0.05, 0.2)) * trial.duration]
        if s < n else [s, t, w, delay]
        for s, t, w, delay in trial.edges
    ]  # fmt: skip
    firsts = [trial.models.index(name) if shared else i for i, name in enumerate(trial.models)]
    parameters = [trial.parameters[i] for i in firsts]
    return replace(trial, edges=edges, parameters=parameters)


def share_parameters(network):
    """The same network, with one number where all neurons of a population have equal ones."""
    populations = []
    for population in network.populations:
        given = population.parameters.items()
        one = {name: values[0] if np.ptp(values) == 0 else values for name, values in given}
        populations.append(replace(population, parameters=one))
    return replace(network, populations=populations)


def compare(trial, block_size, framed):
    """Run a trial in windows and in 50 digits."""
    network, exact = share_parameters(trial.build()), run_exactly(trial)
    assert [has_frame(p, network.duration) for p in network.populations] == framed
    with np.errstate(all="ignore"):
        found = simulate(network, probe_times=trial.probes, block_size=block_size)
    assert len(exact.spikes) >= 3
    times, neurons = zip(*exact.spikes, strict=True)
    assert found.spike_neuron.tolist() == list(neurons)
    np.testing.assert_allclose(found.spike_time, np.array(times, float), rtol=TIMES)
    for population, own, end, probed in zip(
        network.populations, network.slices.values(), found.end_state, found.probed_state,
        strict=False,
    ):  # fmt: skip
        for k, name in enumerate(population.model.state):
            seen = np.vstack([end[name], probed[name]])
            wanted = [[float(s[k]) for s in run[own]] for run in (exact.end, *exact.probed_state)]
            near = np.abs(wanted) < 100  # others are about to spike
            assert near.any()
            np.testing.assert_allclose(
                seen[near], np.array(wanted)[near], rtol=STATES, atol=STATES
            )  # fmt: skip


@pytest.mark.parametrize("kind", mark_slow(KINDS, "adex"))
def test_windows_give_the_spikes_and_states_of_50_digits(kind, monkeypatch):
    is_framed = KINDS[kind][0] in FRAMED
    for seed, delays in enumerate(DELAYS.values()):
        compare(draw_delayed([kind], seed, delays=delays), 1 + seed, [is_framed])
    monkeypatch.setattr(listed, "MOST_CLASSES", 1)  # more are a delay for each connection
    compare(draw_delayed([kind], 1), 2, [is_framed])
    if is_framed:
        compare(draw_delayed([kind], 3, shared=False), 2, [False])


def test_models_in_the_frame_and_others_run_together():
    trial = draw_delayed(["theta", "lif_delta", "qif"], 2)
    compare(trial, 2, [True, True, False])
    compare(
        draw_delayed(["theta", "lif_delta", "qif"], 2, delays=[0.07, 0.11]), 2, [True, True, False]
    )
