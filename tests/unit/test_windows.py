"""Windows: buffers that grow, blocks, threads, two models, and what does not run."""

import dataclasses
import itertools

import numpy as np
import pytest
from networks import compiled

from sim.engine.choose import choose_engine, differentiate, find_outputs, simulate
from sim.events.recording import StoppedError
from sim.inputs.drawn_trains import DrawnTrains
from sim.inputs.trials import Trials
from sim.network.drawn import Drawn
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.rows import build_rows
from sim.windows import allocation
from sim.windows import simulate as windows
from sim.windows.saved import Saver
from sim.windows.simulate import WindowRun
from sim.windows.simulate import simulate as simulate_in_windows
from spiketheory.errors import InputError

DRIVEN = {"theta": {"I0": 6.6}, "lif_delta": {"I0": 1.35}}


def draw_network(models, backend="numpy", *, size=30, number=10, duration=4.0, weight=None):
    """Populations that all hear each other after 0.1 and 0.15."""
    rng = np.random.default_rng(0)
    populations, projections = [], []
    for k, name in enumerate(models):
        start = "phi0" if name == "theta" else "V"
        populations.append(
            Population(
                name=f"p{k}", model=compiled(name, backend), size=size,
                parameters=DRIVEN.get(name, {}), initial={start: rng.uniform(0, 1, size)},
            )
        )  # fmt: skip
    for post, pre in itertools.product(range(len(models)), repeat=2):
        given = rng.normal(0.02, 0.1) if weight is None else weight
        drawn = Drawn(rule="in_degree", number=number, shape=(size, size), weight=given,
                      delay=[0.1, 0.15][pre == post], stream=2 * post + pre)  # fmt: skip
        projections.append(Projection(pre=f"p{pre}", post=f"p{post}", weights=drawn))
    return Network(populations=populations, projections=projections, duration=duration)


def are_same(one, other):
    return np.array_equal(one.spike_time, other.spike_time) and np.array_equal(
        one.spike_neuron, other.spike_neuron
    )


def test_models_with_and_without_a_frame_run_together():
    network = draw_network(["theta", "lif_delta", "qif"])
    one, other = (simulate(network, engine=engine) for engine in ("events", "windows"))
    assert len(one.spike_time) > 200
    assert np.array_equal(one.spike_neuron, other.spike_neuron)
    np.testing.assert_allclose(one.spike_time, other.spike_time, rtol=0, atol=4e-12)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_spikes_are_the_same_to_the_last_bit_for_any_blocks_and_threads(threads, monkeypatch):
    network = draw_network(["theta"], "numba", size=150, number=30)
    expected = simulate_in_windows(network)
    assert len(expected.spike_time) > 400
    monkeypatch.setenv("SPIKETHEORY_THREADS", threads)
    for block_size in (150, 64, 7):
        assert are_same(simulate_in_windows(network, block_size=block_size), expected)


def test_compiled_windows_give_the_spikes_of_the_interpreted_ones():
    found = [
        simulate_in_windows(draw_network(["theta"], backend)) for backend in ("numba", "numpy")
    ]
    assert np.array_equal(found[0].spike_neuron, found[1].spike_neuron)
    np.testing.assert_allclose(found[0].spike_time, found[1].spike_time, rtol=0, atol=4e-12)


@pytest.mark.parametrize(
    "kind", ["theta", "lif_delta", "caused", "parameters per neuron", "own delays"]
)
def test_a_run_goes_on_where_an_array_was_full(kind, monkeypatch):
    weight = 0.15 if kind == "caused" else None  # an input carries neurons across the threshold
    name = "theta" if kind == "theta" else "lif_delta"
    network = draw_network([name], size=12, number=6, weight=weight)
    population, projections = network.populations[0], list(network.projections)
    if kind == "parameters per neuron":
        drive = {"I0": np.linspace(1.2, 1.9, 12)}
        population = dataclasses.replace(population, parameters=drive)
    if kind == "own delays":
        delays = 0.1 + np.arange(144).reshape(12, 12) / 500
        more = np.full((12, 12), 0.05)
        projections.append(Projection(pre="p0", post="p0", weights=more, delays=delays))
    network = Network(populations=[population], projections=projections, duration=60.0)
    expected = simulate(network, engine="windows")
    for room in ("make_found", "make_room"):
        made = getattr(windows, room)
        monkeypatch.setattr(windows, room, lambda what, _, made=made: made(what, 1))
    monkeypatch.setattr(allocation, "FIRST_CHUNKS", 1)
    grown = windows.grow  # by one at a time, so that it is full again and again
    monkeypatch.setattr(windows, "grow", lambda r, _: grown(r, r.times.shape[-1] + 1))
    found = simulate(network, engine="windows")
    assert len(expected.spike_time) > 200
    assert are_same(found, expected)


def test_a_run_that_is_stopped_has_all_spikes_up_to_then(monkeypatch):
    network = draw_network(["theta"])
    whole = simulate(network, engine="windows")
    monkeypatch.setitem(windows.SHARES, "numpy", 100)
    seen = []
    stopped = simulate(
        network, engine="windows",
        on_advance=lambda advance: bool(seen.append(advance) or advance.time > 1.0),
    )  # fmt: skip
    assert 1.0 < stopped.time <= 1.5
    assert not stopped.is_complete
    assert np.array_equal(stopped.spike_time, whole.spike_time[whole.spike_time < stopped.time])
    assert seen[-1].n_spikes == len(stopped.spike_time)


def test_pseudospikes_follow_on_windows_as_on_events():
    network = draw_network(["theta"], duration=2.0)
    one, other = (
        find_outputs(simulate(network, engine=engine), np.arange(30), 4).times
        for engine in ("events", "windows")
    )
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_batches_run_in_windows():
    model = compiled("theta")
    network = Network(
        populations=[Population(name="n", model=model, size=2, parameters={"I0": 6.6})],
        inputs=[SpikeTrains(name="in", size=1, times=[], channels=np.empty(0, int))],
        projections=[
            Projection(pre="in", post="n", weights=[[0.5], [0.2]]),
            Projection(pre="n", post="n", weights=np.full((2, 2), 0.3), delays=0.2),
        ],
        duration=3.0,
    )  # fmt: skip
    trials = Trials.from_trains([[[0.1, 0.7]], [[0.4]]])
    one, other = (simulate(network, trials, engine=engine) for engine in ("events", "windows"))
    assert np.array_equal(one.spike_trial, other.spike_trial)
    np.testing.assert_allclose(one.spike_time, other.spike_time, rtol=0, atol=3e-12)


def test_windows_are_chosen_for_large_networks_with_delays_alone():
    large, few = (draw_network(["theta"], size=1000, number=k) for k in (100, 99))
    assert choose_engine(large).engine.name == "windows"
    assert "every connection between neurons has a delay" in choose_engine(large).reason
    assert choose_engine(few).engine.name == "events"
    at_once = Drawn(rule="in_degree", number=1, shape=(1000, 1000), weight=0.1)
    more = [*large.projections, Projection(pre="p0", post="p0", weights=at_once)]
    mixed = Network(populations=large.populations, projections=more, duration=1.0)
    assert choose_engine(mixed).engine.name == "events"
    with pytest.raises(InputError, match=r"'windows' can run but p0 -> p0 has connections without"):
        simulate(mixed, engine="windows")


def test_what_windows_do_not_do_is_refused():
    network = draw_network(["theta"])
    with pytest.raises(InputError, match=r"Expected record=False .* 'windows' but got True"):
        simulate(network, engine="windows", record=True)
    with pytest.raises(InputError, match="Expected a recorded run but got one"):
        differentiate(simulate(network, engine="windows"), spike_time=[])


def test_a_network_that_fires_without_bound_names_the_neuron_and_its_rate():
    network = draw_network(["theta", "lif_delta"], weight=5.0)
    with pytest.raises(StoppedError, match=r"at most 300 spikes .* neuron \d+ of p1 .* per unit"):
        simulate(network, engine="windows", max_spikes=300)


def test_a_neuron_that_fires_without_bound_within_a_window_is_named():
    network = draw_network(["lif_delta"], size=2, number=2)
    population = Population(
        name="p0", model=compiled("lif_delta"), size=2, parameters={"I0": [1e9, 0.0]}
    )
    network = Network(populations=[population], projections=network.projections, duration=4.0)
    with pytest.raises(StoppedError, match=r"window from t=0 of T=4; neuron 0 of p0 fires most"):
        simulate(network, engine="windows", max_spikes=1000)


def hit(weights, engine, *, every):
    """Two neurons, of which the second is hit again and again."""
    times = 0.1 + every * np.arange(len(weights))
    network = draw_network(["theta"], size=2, number=1, weight=0.0)
    trains = SpikeTrains(name="in", size=len(weights), times=times, channels=range(len(weights)))
    hits = Projection(pre="in", post="p0", weights=np.array([np.zeros(len(weights)), weights]))
    network = Network(
        populations=network.populations, inputs=[trains], duration=4.0,
        projections=[*network.projections, hits],
    )  # fmt: skip
    return simulate(network, engine=engine)


def test_homogeneous_coordinates_may_grow_without_bound():
    found = [hit(30 * [1e70], engine, every=0.05) for engine in ("windows", "events")]
    assert len(found[0].spike_time) > 30
    assert np.array_equal(found[0].spike_neuron, found[1].spike_neuron)
    np.testing.assert_allclose(found[0].spike_time, found[1].spike_time, rtol=0, atol=4e-12)


def test_a_state_that_is_lost_names_its_neuron():
    with pytest.raises(StoppedError, match=r"finite states but neuron 1 of p0 left .* at t=0\.15;"):
        hit(10 * [1e100], "windows", every=0.001)


def test_windows_are_as_long_as_the_shortest_delay_and_no_frame_is_left():
    network = draw_network(["theta", "lif_delta"])
    nothing = np.empty(0)
    run = WindowRun(network, build_rows(network), nothing, nothing.astype(int), max_spikes=9)
    assert run.clock.width == pytest.approx(0.1 * run.clock.ticks)
    assert run.clock.reach <= 4.0


def add_drawn_inputs(network, delays):
    """The same with Poisson trains, a clock, and trains that are listed."""
    trains = [
        DrawnTrains(name="noise", size=30, rates=1.5, duration=4.0, seed=4),
        DrawnTrains(name="clock", size=1, process="regular", rates=2.0, duration=4.0),
        SpikeTrains(name="listed", size=1, times=[0.5, 0.5, 2.0], channels=[0, 0, 0]),
    ]
    weights = {"noise": 0.2 * np.eye(30), "clock": np.full((30, 1), 0.1)}
    weights["listed"] = weights["clock"]
    more = [
        Projection(pre=name, post="p0", weights=matrix, mask=matrix != 0,
                   delays=None if delays is None else delays[: matrix.shape[0], : matrix.shape[1]])
        for name, matrix in weights.items()
    ]  # fmt: skip
    return Network(
        populations=network.populations, inputs=trains, duration=4.0,
        projections=[*network.projections, *more],
    )  # fmt: skip


@pytest.mark.parametrize("delays", [None, 0.05, "own"])
@pytest.mark.parametrize("name", ["theta", "lif_delta"])
def test_inputs_that_are_drawn_come_piece_by_piece(name, delays, monkeypatch):
    if delays is not None:
        own = 0.05 + np.arange(900).reshape(30, 30) / 3000
        delays = own if delays == "own" else np.full((30, 30), delays)
    network = add_drawn_inputs(draw_network([name]), delays)
    expected = simulate(network, engine="events")
    stream = windows.InputStream
    for at_once in (5, 10**6):
        monkeypatch.setattr(windows, "InputStream", lambda *a, n=at_once: stream(*a, n))
        found = simulate(network, engine="windows")
        assert np.array_equal(found.spike_neuron, expected.spike_neuron)
        np.testing.assert_allclose(found.spike_time, expected.spike_time, rtol=0, atol=4e-12)


@pytest.mark.parametrize("own_delays", [False, True])
def test_spikes_are_handed_on_or_kept_in_part(own_delays, monkeypatch):
    network = draw_network(["lif_delta"], size=12, number=6, duration=30.0)
    if own_delays:
        delays = 0.1 + np.arange(144).reshape(12, 12) / 500
        more = Projection(pre="p0", post="p0", weights=np.full((12, 12), 0.05), delays=delays)
        network = dataclasses.replace(network, projections=[*network.projections, more])
    whole = simulate(network, engine="windows")
    monkeypatch.setitem(windows.SHARES, "numpy", 100)
    handed = []
    found = simulate(network, engine="windows", on_spikes=lambda *spikes: handed.append(spikes))
    assert len(handed) > 5
    assert np.array_equal(np.concatenate([t for t, _ in handed]), whole.spike_time)
    assert np.array_equal(np.concatenate([n for _, n in handed]), whole.spike_neuron)
    assert np.array_equal(found.spike_counts, whole.spike_counts)
    with pytest.raises(InputError, match="Expected a run that kept all its spikes"):
        _ = found.under_way
    own = np.isin(whole.spike_neuron, [3, 7])
    found = simulate(network, engine="windows", recorded=[3, 7])
    assert np.array_equal(found.spike_time, whole.spike_time[own])
    with pytest.raises(StoppedError, match=r"at most 50 spikes but got more by t=\d"):
        simulate(network, engine="windows", max_spikes=50, on_spikes=lambda *spikes: None)


@pytest.mark.parametrize("name", ["lif_delta", "theta"])
def test_a_saved_run_goes_on_where_the_origin_of_the_frame_was_moved(name):
    network, saves = draw_network([name], size=12, number=6, duration=12.0), []
    whole = simulate_in_windows(network, saver=Saver(25, saves.append))
    assert saves[-1].arrays["counts"][2] >= 2  # N_REBASES
    for saved in saves[1:]:
        found = simulate_in_windows(network, saver=Saver(None, print, saved), block_size=5)
        assert are_same(found, whole)
        assert np.array_equal(found.end, whole.end)


def test_inputs_of_a_group_come_once_where_there_is_no_room_for_its_spikes(monkeypatch):
    """Two inputs at one instant carry all neurons across; the room for their spikes grows."""
    monkeypatch.setattr(windows, "FIRST_FOUND", 2)
    both = SpikeTrains(name="in", size=2, times=[0.5, 0.5], channels=[0, 1])
    drawn = draw_network(["lif_delta"], size=6, number=2, weight=0.0)
    hits = Projection(pre="in", post="p0", weights=np.full((6, 2), 1.25))
    network = Network(
        populations=[Population(name="p0", model=compiled("lif_delta"), size=6)], inputs=[both],
        projections=[*drawn.projections, hits], duration=0.7,
    )  # fmt: skip
    one, other = (simulate(network, engine=engine) for engine in ("events", "windows"))
    assert list(other.spike_time) == [0.5] * 6
    assert are_same(one, other)
    np.testing.assert_allclose(other.end, one.end, rtol=1e-13)
