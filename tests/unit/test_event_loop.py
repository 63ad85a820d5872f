"""The event loop's room: it stops before an event could add more than an array holds."""

from types import SimpleNamespace

import numpy as np
import pytest
from networks import compiled

from sim.events.differentiate import differentiate
from sim.events.loop import count_edges, get_height, is_full, make_cells
from sim.events.simulate import EventRun
from sim.events.spike_queue import WIDTH
from sim.events.tape import (
    N_ARRIVALS,
    N_DEFERRED,
    N_DELIVERIES,
    N_IN_FLIGHT,
    N_SCALES,
    N_SPIKES,
    make_in_flight,
    make_tape,
)
from sim.network.network import Network, Population, Projection, SpikeTrains

N_EDGES = 3
ROOM = 64


def make_run():
    """Neuron 0 reaches two others at once and one of them later, neuron 2 reaches neuron 0."""
    at_once = np.array([[0, 0, 0], [0.3, 0, 0], [0.3, 0, 0]])
    later = np.array([[0, 0, 0.3], [0.3, 0, 0], [0, 0, 0]])
    network = Network(
        populations=[
            Population(
                name="n", model=compiled("theta"), size=3, parameters={"I0": 1.5},
                initial={"V": [0.1, 0.5, 0.5]},
            )
        ],
        inputs=[SpikeTrains(name="in", size=1, times=[0.2, 0.2, 0.9], channels=[0, 0, 0])],
        projections=[
            Projection(pre="n", post="n", weights=at_once, mask=at_once != 0),
            Projection(pre="n", post="n", weights=later, mask=later != 0, delays=0.5),
            Projection(pre="in", post="n", weights=[[0.4], [0.4], [0.4]]),
        ],
        duration=12.0,
    )  # fmt: skip
    return EventRun(network, np.empty(0), np.empty(0, int), record=True, max_spikes=10**6)


def ask(run, source=0, *, has_tape=True):
    wires = run.wiring.wires
    return is_full(wires, run.in_flight, run.tape, source, N_EDGES, has_tape)


@pytest.mark.parametrize(("width", "height"), [(1, 8), (2, 8), (5, 8), (6, 16), (13, 16), (14, 24)])
def test_each_neuron_begins_a_cache_line_and_has_room_for_three_times(width, height):
    models = tuple(SimpleNamespace(coordinates=range(n)) for n in (width, 1))
    assert get_height(models) == height
    for n in (1, 2, 7):
        cells = make_cells(models, n)
        assert cells.shape == (height, n)
        assert not cells.any()
        assert {cells[:, i].ctypes.data % 64 for i in range(n)} == {0}


def test_connections_of_a_source_are_counted_through_all_its_delays():
    wires = make_run().wiring.wires
    assert [count_edges(wires, source) for source in range(4)] == [3, 0, 1, 3]


@pytest.mark.parametrize(
    ("place", "adds", "on_tape"),
    [
        (N_SPIKES, 1, False),
        (N_IN_FLIGHT, 2, False),  # one per delay
        (N_DEFERRED, N_EDGES, False),
        (N_ARRIVALS, N_EDGES, True),
        (N_SCALES, N_EDGES, True),
        # One per delay, and one for each connection that may be deferred, before and after.
        (N_DELIVERIES, 2 + 2 * N_EDGES, True),
    ],
)
def test_there_is_room_until_what_neuron_0_may_add_does_not_fit(place, adds, on_tape):
    run = make_run()
    run.tape.counts[:] = 0
    run.tape.counts[place] = ROOM - adds
    assert not ask(run, has_tape=on_tape)
    run.tape.counts[place] += 1
    assert ask(run, has_tape=on_tape)
    assert not (on_tape and ask(run, has_tape=False))


def test_arrivals_that_wait_for_a_spike_need_room_for_deliveries_too():
    run = make_run()
    run.tape.counts[N_DELIVERIES] = ROOM - 2 - 2 * N_EDGES
    run.tape.counts[N_DEFERRED] = 1
    assert ask(run)
    run.tape.counts[N_DELIVERIES] -= 1
    assert not ask(run)


def test_an_arrival_sends_nothing_on_but_is_counted_as_one_delay():
    run = make_run()
    run.tape.counts[N_IN_FLIGHT] = ROOM - 1
    assert not ask(run, -1)
    assert ask(run, 0)
    run.tape.counts[N_IN_FLIGHT] += 1
    assert ask(run, -1)


@pytest.mark.parametrize("room", [*range(1, 12), 17, 33])
def test_the_room_that_a_run_begins_with_does_not_matter(room):
    want, run = make_run().finish(None), make_run()
    run.tape, run.in_flight = make_tape(run.width, 0, 0, capacity=room), make_in_flight(room)
    got = run.finish(None)
    assert len(want.spike_time) > 10
    assert got.spike_time.tolist() == want.spike_time.tolist()
    assert got.spike_neuron.tolist() == want.spike_neuron.tolist()
    assert got.tape.counts.tolist() == want.tape.counts.tolist()
    n = want.tape.counts[N_ARRIVALS]
    np.testing.assert_array_equal(got.tape.arrival_starts[:, :n], want.tape.arrival_starts[:, :n])


def test_a_full_heap_is_made_anew_and_the_run_goes_on():
    want, run = make_run().finish(None), make_run()
    room = 3 + N_EDGES + 2  # all neurons, and what one event adds
    run.queue = run.queue._replace(heap_times=np.empty(room), heap_neurons=np.empty(room, np.int32))
    run.queue.scale[WIDTH] = 1e6  # one bucket: every arrival is put on the heap
    run.kernels.start(run.wiring.wires, run.cells, run.queue)
    got = run.finish(None)
    assert got.spike_time.tolist() == want.spike_time.tolist()


@pytest.mark.parametrize("share", [1, 2, 7])
def test_there_and_back_a_run_may_pause_anywhere(monkeypatch, share):
    want = make_run().finish(None)
    slopes = np.cos(np.arange(len(want.spike_time)))
    by_want = differentiate(want, spike_time=slopes, parameters=True)
    monkeypatch.setattr("sim.events.simulate.SHARES", {"numpy": share})
    monkeypatch.setattr("sim.events.differentiate.SHARES", {"numpy": share})
    seen = []
    got = make_run().finish(lambda advance: seen.append(advance.time))
    assert len(seen) > 20 / share
    assert seen == sorted(seen)
    assert got.spike_time.tolist() == want.spike_time.tolist()
    by_got = differentiate(got, spike_time=slopes, parameters=True)
    for one, other in zip(by_got.weights + by_got.delays, by_want.weights + by_want.delays,
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    assert by_got.parameters == by_want.parameters
