"""Trials as short and as long as floats go: right values, or an error that says what to do."""

import numpy as np
import pytest
from networks import compiled

from sim.engine.choose import differentiate, simulate
from sim.events.recording import StoppedError
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError, ModelError
from spiketheory.runtime import taylor

SHORT = (5e-324, 1e-310, 2.3e-308, 1e-307, 1e-300, 1e-200)
LONG = (1e20, 1e100, 1e300, 1.7e308)


def make(duration, delay=None, backend="numpy", model="lif_delta"):
    """Two neurons without drive that hear an input at 0, T/2 and T; only the first reaches 1."""
    population = Population(
        name="n", model=compiled(model, backend), size=2, initial={"V": 0.0},
        parameters={"tau": 1.0, "I0": 0.0, "V_th": 1.0} if model == "lif_delta" else {},
    )  # fmt: skip
    times = np.array([0.0, duration / 2, duration])
    return Network(
        populations=[population],
        inputs=[SpikeTrains(name="in", size=1, times=times, channels=[0, 0, 0])],
        projections=[
            Projection(pre="in", post="n", weights=[[1.5], [-0.2]]),
            Projection(pre="n", post="n", weights=[[0.0, 0.0], [0.1, 0.0]], delays=delay),
        ],
        duration=duration,
    )


def run(network, engine):
    """States at T of a run that goes back, too."""
    recording = simulate(network, engine=engine, record=True, probe_times=[network.duration / 3])
    slopes = np.ones(len(recording.spike_time))
    found = differentiate(recording, spike_time=slopes, end=[{"V": 1.0}], parameters=True)
    assert np.all(np.isfinite(found.weights[0]))
    assert np.all(np.isfinite(found.weights[1]))
    return recording.spike_neuron.tolist(), recording.end_state[0]["V"]


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("duration", SHORT)
def test_in_the_shortest_trials_nothing_decays(engine, duration):
    spikes, state = run(make(duration), engine)
    assert spikes == ([0, 0] if duration / 2 > 0 else [0])
    heard = 3 * -0.2 + len(spikes) * 0.1
    np.testing.assert_allclose(state[1], heard, rtol=1e-14)


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("duration", LONG)
@pytest.mark.parametrize("delay", [None, 0.25])
def test_in_the_longest_trials_all_is_forgotten_but_the_input_at_the_end(engine, duration, delay):
    spikes, state = run(make(duration, delay and delay * duration), engine)
    assert spikes == [0, 0]
    assert state[1] == -0.2


@pytest.mark.parametrize("duration", [*SHORT, *LONG])
def test_compiled_code_ends_as_well(duration):
    """Of qif, whose machine code other tests make, too; the queue of events is the same."""
    network = make(duration, backend="numba", model="qif")
    recording = simulate(network, engine="events")
    plain = simulate(make(duration, model="qif"), engine="plain")
    assert recording.spike_neuron.tolist() == plain.spike_neuron.tolist()
    np.testing.assert_allclose(recording.end_state[0]["V"], plain.end_state[0]["V"], rtol=1e-14)


@pytest.mark.parametrize("engine", ["events", "plain"])
@pytest.mark.parametrize("duration", SHORT[1:-1])
def test_delays_in_shorter_trials_than_their_ticks_allow_are_refused(engine, duration):
    with pytest.raises(InputError, match=r"at least 1e-290 in a network with delays .* unit"):
        simulate(make(duration, duration / 4), engine=engine)


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_state_that_is_no_number_at_the_end_is_an_error(engine):
    model = compiled("lif_alpha")
    population = Population(name="n", model=model, size=2, parameters={"tau_m": 1e70})
    network = Network(populations=[population], duration=1e300)
    with (
        np.errstate(all="ignore"),
        pytest.raises(StoppedError, match=r"Expected finite states but neuron 0 .*another unit"),
    ):
        simulate(network, engine=engine)


@pytest.mark.timeout(120)  # it never ended
@pytest.mark.parametrize("engine", ["windows", "events", "plain"])
def test_a_neuron_too_fast_for_the_trial_is_an_error(engine, monkeypatch):
    """V relaxes at a rate of 0.08 sqrt(25e75), so that T is 1e37 steps away."""
    monkeypatch.setattr(taylor, "TAYLOR_CRAWL", 20)
    population = Population(
        name="n", model=compiled("izhikevich"), size=1, parameters={"I0": -1e75}
    )
    inputs = [SpikeTrains(name="in", size=1, times=[0.5], channels=[0])]
    projections = [Projection(pre="in", post="n", weights=[[1.0]])]
    network = Network(
        populations=[population], inputs=inputs, projections=projections, duration=2.0
    )
    with pytest.raises(StoppedError, match=r"Expected finite states but neuron 0 .* t=0\.5; "):
        simulate(network, engine=engine)


@pytest.mark.parametrize(("name", "size"), [("tau", 1e-310), ("tau", 1e300)])
def test_a_parameter_whose_powers_leave_the_range_of_floats_is_refused(name, size):
    with pytest.raises(ModelError, match="whose powers leave the range of floats"):
        Population(name="n", model=compiled("lif_delta"), size=2, parameters={name: size})
