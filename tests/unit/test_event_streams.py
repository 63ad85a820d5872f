"""Runs whose input is drawn on the way, and whose spikes are kept in part, or handed on."""

import numpy as np
import pytest

import sim.events.input_stream as input_stream
from derivations import compile_model
from sim.analysis.spike_statistics import measure_statistics
from sim.events.differentiate import differentiate
from sim.events.pseudospikes import find_outputs
from sim.events.simulate import simulate
from sim.inputs.drawn_trains import DrawnTrains
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.wiring import sort_inputs
from spiketheory.errors import InputError


@pytest.fixture(scope="module")
def network() -> Network:
    rng = np.random.default_rng(1)
    noise = DrawnTrains(name="noise", size=20, rates=1.5, duration=20.0, seed=4)
    clock = DrawnTrains(name="clock", size=1, process="regular", rates=2.0, duration=20.0)
    listed = SpikeTrains(
        name="listed", size=1, times=[0.5, 1.0, 1.0, 12.5, 20.0], channels=np.zeros(5, np.int64)
    )
    to_all = np.full((20, 1), 0.5)
    return Network(
        populations=[Population(name="cells", model=compile_model("qif"), size=20)],
        inputs=[clock, noise, listed],
        projections=[
            Projection(pre="noise", post="cells", weights=np.eye(20) * 6.0),
            Projection(pre="clock", post="cells", weights=to_all),
            Projection(pre="listed", post="cells", weights=2 * to_all),
            Projection(pre="cells", post="cells", weights=rng.normal(0, 1, (20, 20)), delays=0.5),
        ],
        duration=20.0,
    )


@pytest.fixture(scope="module")
def whole(network):
    """The run with all input spikes in memory."""
    return simulate(network, record=True)


@pytest.mark.parametrize("at_once", [7, 100, 10**6])
def test_input_that_is_drawn_on_the_way_gives_the_same_bits(network, whole, at_once, monkeypatch):
    def open_stream(network, times, sources):
        return input_stream.InputStream(network, times, sources, at_once)

    monkeypatch.setattr("sim.events.simulate.InputStream", open_stream)
    found = simulate(network, probe_times=[0.5, 7.0, 20.0])
    assert len(whole.spike_time) > 100
    assert np.array_equal(found.spike_time, whole.spike_time)
    assert np.array_equal(found.spike_neuron, whole.spike_neuron)
    assert np.array_equal(found.end, whole.end)


def test_pieces_have_every_input_spike_once_and_in_order(network, whole):
    listed = sort_inputs(input_stream.leave_out_drawn(network))[:2]
    stream = input_stream.InputStream(network, *listed, 20)
    ends, times, sources = zip(*draw_all(stream), strict=True)
    wires = whole.wiring.wires
    assert len(ends) > 20
    assert np.array_equal(np.concatenate(times), wires.input_times)
    assert np.array_equal(np.concatenate(sources), wires.input_sources)
    assert all(own.max(initial=0.0) <= end for end, own in zip(ends, times, strict=True))


def draw_all(stream):
    pieces = []
    while stream.time < stream.duration:
        pieces.append(stream.draw_piece())
    return pieces


def test_spikes_of_some_neurons_are_kept_and_all_are_counted(network, whole):
    found = simulate(network, recorded=[3, 17, 3])
    own = np.isin(whole.spike_neuron, [3, 17])
    assert found.recorded.tolist() == [3, 17]
    assert np.array_equal(found.spike_time, whole.spike_time[own])
    assert np.array_equal(found.spike_neuron, whole.spike_neuron[own])
    assert np.array_equal(found.spike_counts, whole.spike_counts)
    assert found.spike_counts.sum() == len(whole.spike_time)


def test_spikes_are_handed_on_before_one_is_told_how_far_the_run_is(network, whole, monkeypatch):
    monkeypatch.setattr("sim.events.simulate.SHARES", {"numba": 200})
    handed, advances = [], []

    def on_advance(advance):
        advances.append((advance.n_spikes, sum(len(times) for times, _ in handed)))
        return False

    found = simulate(network, on_spikes=lambda *spikes: handed.append(spikes),
                     on_advance=on_advance)  # fmt: skip
    assert len(handed) > 5
    assert np.array_equal(np.concatenate([t for t, _ in handed]), whole.spike_time)
    assert np.array_equal(np.concatenate([n for _, n in handed]), whole.spike_neuron)
    assert len(found.spike_time) == 0
    assert all(seen == told for told, seen in advances)


def test_a_run_away_network_is_named_when_its_spikes_were_handed_on(network):
    with pytest.raises(Exception, match=r"at most 50 spikes.*fires most, \d+ spikes") as caught:
        simulate(network, max_spikes=50, on_spikes=lambda *spikes: None)
    assert caught.value.recording.spike_counts.sum() == 51


def test_drawn_inputs_have_gradients(whole):
    gradients = differentiate(whole, spike_time=np.ones(len(whole.spike_time)))
    assert len(gradients.input_times[0]) == 40  # 2 per unit up to and at 20


def test_neurons_that_do_not_exist_are_not_recorded(network):
    with pytest.raises(InputError, match=r"Expected neurons 0 to 19 in recorded but got.*20"):
        simulate(network, recorded=[20])
    with pytest.raises(InputError, match=r"Expected all spikes to be kept with record"):
        simulate(network, recorded=[1], record=True)


def test_trains_that_end_before_the_network_are_refused(network):
    with pytest.raises(InputError, match=r"Expected spikes of clock up to the trial's end, 30"):
        Network(populations=network.populations, inputs=network.inputs, duration=30.0)


def test_the_plain_engine_keeps_the_same_spikes(network):
    from sim.engine.choose import simulate as simulate_by

    short = Network(populations=network.populations, inputs=network.inputs, duration=3.0,
                    projections=network.projections)  # fmt: skip
    events, plain = (simulate_by(short, engine=e, recorded=[2, 5]) for e in ("events", "plain"))
    np.testing.assert_allclose(plain.spike_time, events.spike_time, rtol=1e-12)
    assert np.array_equal(plain.spike_neuron, events.spike_neuron)
    assert np.array_equal(plain.spike_counts, events.spike_counts)


def test_what_needs_all_spikes_is_refused_and_statistics_are_those_of_the_neurons_kept(network):
    found, whole = simulate(network, recorded=[3, 17]), simulate(network)
    with pytest.raises(InputError, match=r"Expected a run that kept all its spikes"):
        find_outputs(found, [3])
    some, every = measure_statistics(found, start=2.0), measure_statistics(whole, start=2.0)
    assert np.array_equal(some.rates, every.rates[[3, 17]])
    assert np.array_equal(some.cv, every.cv[[3, 17]])
