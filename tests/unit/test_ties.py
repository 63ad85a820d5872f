"""Derivatives by the times of simultaneous arrivals are the mean of both one-sided slopes."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from networks import compiled

from sim.engine import choose
from sim.events import neurons
from sim.events.differentiate import differentiate
from sim.events.simulate import simulate
from sim.events.tape import N_DELIVERIES, N_SCALES, N_SPIKES
from sim.events.ties import ALONE, find_ties, list_followers
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain import backward
from sim.plain.loop import INPUT, Arrival, PlainRun
from sim.plain.plain_network import read_network

ENGINES = ["events", "plain"]
WEIGHTS = [1.5, -0.7, 0.4]
STARTS = {
    "theta": {"V": 0.3}, "qif_delta": {"V": 0.3}, "rapid_theta": {"V": 0.3},
    "qif": {"V": 0.3, "I": 6.0},
}  # fmt: skip


def make(times, weights=WEIGHTS, *, name="theta", delays=None, projections=1, duration=2.0):
    """One neuron and one channel per input; with several projections each brings its share."""
    matrix = scipy.sparse.coo_array(np.array([weights]) / projections)
    extra = None if delays is None else np.array([delays])
    return Network(
        populations=[
            Population(name="n", model=compiled(name), size=1, initial=STARTS[name]),
        ],
        inputs=[
            SpikeTrains(name="in", size=len(times), times=times, channels=np.arange(len(times)))
        ],
        projections=[
            Projection(pre="in", post="n", weights=matrix, delays=extra) for _ in range(projections)
        ],
        duration=duration,
    )  # fmt: skip


def measure(circuit):
    """The state at the end of the only neuron."""
    return float(simulate(circuit).end_state[0]["V"][0])


def pull(circuit, engine="events"):
    recording = choose.simulate(circuit, record=True, engine=engine)
    return choose.differentiate(recording, end=[{"V": 1.0}])


def find_sides(times, k, step=1e-6, **options):
    """Slopes by the time of input ``k`` to both sides, from two steps each."""
    sides = []
    for h in (-step, step):
        values = []
        for part in (0.0, 0.5, 1.0):
            moved = list(times)
            moved[k] += part * h
            values.append(measure(make(moved, **options)))
        sides.append((-3 * values[0] + 4 * values[1] - values[2]) / h)
    return sides


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("projections", [1, 2, 3])
def test_the_derivative_by_the_time_of_a_tied_input_is_the_mean_of_both_sides(
    name, projections, engine
):
    times, options = [0.4, 0.4, 0.4], {"name": name, "projections": projections, "duration": 0.7}
    got = pull(make(times, **options), engine).input_times[0]
    for k in range(3):
        before, behind = find_sides(times, k, **options)
        assert got[k] == pytest.approx((before + behind) / 2, rel=1e-7, abs=1e-7)
        if name != "qif":  # a current: the field is affine in it, and there is no kink
            assert abs(before - behind) > 0.1


@pytest.mark.parametrize("name", ["theta", "qif_delta", "rapid_theta"])
@pytest.mark.parametrize(("duration", "spikes"), [(0.45, False), (7.0, True)])
def test_the_layer_engine_has_the_same_derivatives(name, duration, spikes):
    """Whether or not the neuron spikes after the tie and before another input."""
    from one_answer import run_events, run_layers

    from sim.network.layer_stack import LayerStack

    network = LayerStack(
        model=compiled(name), parameters={"tau": 1.0, "I0": 1.25}, duration=duration,
        weights=(np.array([[1.5], [-0.7]]),),
    )  # fmt: skip
    one, other = (run(network, np.array([0.4, 0.4]), 2) for run in (run_layers, run_events))
    assert bool(len(one.trains[0])) is spikes
    by_time = one.gradients["input times"]
    np.testing.assert_allclose(by_time, other.gradients["input times"], rtol=1e-12)
    assert (by_time != 0).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_in_which_inputs_are_listed_does_not_matter(engine):
    found = []
    for order in itertools.permutations(range(3)):
        weights = [WEIGHTS[k] for k in order]
        by_time = pull(make([0.4] * 3, weights), engine).input_times[0]
        found.append([by_time[order.index(k)] for k in range(3)])
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (6, 3)), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_arrivals_that_meet_after_delays_are_tied_and_so_are_derivatives_by_delays(engine):
    circuit = make([0.1, 0.2, 0.4], delays=[0.3, 0.2, 0.0])
    assert 0.1 + 0.3 == 0.2 + 0.2 == 0.4
    together = pull(make([0.4] * 3)).input_times[0]
    apart = pull(circuit, engine)
    np.testing.assert_allclose(apart.input_times[0], together, rtol=1e-12)
    np.testing.assert_allclose(apart.delays[0].toarray()[0][:2], together[:2], rtol=1e-12)


def test_spikes_of_the_neuron_separate_groups_and_lonely_inputs_have_none():
    tape = simulate(make([0.4, 0.4, 0.9], [6.0, 2.0, 1.0], duration=4.0), record=True)
    ties = find_ties(tape.tape, tape.wiring.wires)
    assert ties.arrivals.tolist() == [0, 1]
    assert ties.places.tolist() == [0, 1, -1]
    alone = simulate(make([0.3, 0.4, 0.9]), record=True)
    assert find_ties(alone.tape, alone.wiring.wires).places.size == 0
    silent = simulate(make([5.0] * 3), record=True)
    assert find_ties(silent.tape, silent.wiring.wires).places.size == 0


def test_an_arrival_after_the_neurons_own_spike_follows_none_before_it():
    """It comes by a connection without delay to itself, and so at once after each spike."""
    circuit = Network(
        populations=[Population(name="n", model=compiled("theta"), size=1, parameters={"I0": 4.0})],
        projections=[Projection(pre="n", post="n", weights=[[0.2]])],
        inputs=[SpikeTrains(name="in", size=1, times=[0.1], channels=[0])],
        duration=9.0,
    )
    tape = simulate(circuit, record=True).tape
    assert tape.counts[N_SPIKES] > 4
    found = np.zeros(100, np.int64)
    assert list_followers(tape, np.zeros(1, np.int64), np.full(1, ALONE), found) == 0


def test_of_a_group_the_members_of_one_event_act_in_turn_or_the_others(monkeypatch):
    """Members 1 and 2 are the event; each doubles the state and adds its weight."""
    monkeypatch.setattr(neurons, "jump", lambda x, w: (2 * x + w,))
    ties = SimpleNamespace(weights=[1, 2, 3, 4])
    assert neurons.take_in_turn((1,), ties, 0, 4, 1, 3, True, ()) == (2 * (2 * 1 + 2) + 3,)
    assert neurons.take_in_turn((1,), ties, 0, 4, 1, 3, False, ()) == (2 * (2 * 1 + 1) + 4,)


def find_plain_ties(circuit):
    """Groups of the plain engine, by the numbers of their arrivals."""
    run = PlainRun(network=read_network(circuit)).run()
    numbers = [place for place, step in enumerate(run.steps) if isinstance(step, Arrival)]
    found = backward.find_ties(run)
    return {numbers.index(place): [numbers.index(p) for p in tie] for place, tie in found.items()}


def test_the_plain_engine_has_the_same_groups():
    spiking = make([0.4, 0.4, 0.9], [6.0, 2.0, 1.0], duration=4.0)
    assert find_plain_ties(spiking) == {0: [0, 1], 1: [0, 1]}
    assert find_plain_ties(make([0.3, 0.4, 0.9])) == {}
    assert find_plain_ties(make([5.0] * 3)) == {}
    twice = make([0.3, 0.3, 0.5, 0.5, 0.5], [0.1] * 5)
    groups = [[0, 1], [2, 3, 4]]
    assert find_plain_ties(twice) == {k: group for group in groups for k in group}


def test_large_coordinates_that_are_scaled_down_among_tied_inputs_change_no_derivative():
    """Inputs above 2**64: the event engine divides coordinates by a power of two in the group."""
    large = [3e19, -2e19, 1.0]
    circuit = make([0.4] * 3, large, duration=0.5)
    recording = simulate(circuit, record=True)
    assert recording.tape.counts[N_SCALES] > 0
    got = differentiate(recording, end=[{"V": 1.0}]).input_times[0]
    small = find_ties(recording.tape, recording.wiring.wires)
    assert (small.scales < 1).all()
    ordered = [pull(make([0.4] * 3, [large[k] for k in o], duration=0.5)).input_times[0]
               for o in ((0, 1, 2), (1, 0, 2), (2, 1, 0))]  # fmt: skip
    np.testing.assert_allclose(ordered[1][[1, 0, 2]], got, rtol=1e-9)
    np.testing.assert_allclose(ordered[2][[2, 1, 0]], got, rtol=1e-9)


@pytest.mark.parametrize("weights", [[0.7, 0.8], [0.7, 0.2, 0.2]])
def test_an_input_that_carries_across_a_threshold_keeps_the_order_it_has(weights):
    circuit = Network(
        populations=[Population(name="n", model=compiled("lif_delta"), size=1)],
        inputs=[
            SpikeTrains(
                name="in",
                size=len(weights),
                times=[0.4] * len(weights),
                channels=np.arange(len(weights)),
            )
        ],
        projections=[Projection(pre="in", post="n", weights=[weights])],
        duration=1.0,
    )
    recording = simulate(circuit, record=True)
    assert recording.spike_time.tolist() == [0.4]
    assert find_ties(recording.tape, recording.wiring.wires).places.size == 0
    assert find_plain_ties(circuit) == {}


def draw_crowd(seed):
    """Five neurons with thresholds, whose inputs and delays are all multiples of 0.25."""
    rng = np.random.default_rng(seed)
    mask, delays = rng.uniform(size=(5, 5)) < 0.6, 0.25 * rng.integers(0, 3, (5, 5))
    return Network(
        populations=[
            Population(
                name="n", model=compiled("lif_delta"), size=5, parameters={"I0": 0.5},
                initial={"V": rng.uniform(0, 0.5, 5)},
            )
        ],
        inputs=[
            SpikeTrains(name="in", size=4, times=np.sort(0.25 * rng.integers(1, 12, 24)),
                        channels=rng.integers(0, 4, 24))
        ],
        projections=[
            Projection(pre="in", post="n", weights=rng.uniform(-0.2, 0.6, (5, 4))),
            Projection(pre="n", post="n", weights=rng.uniform(-0.3, 0.4, (5, 5)), mask=mask,
                       delays=delays),
        ],
        duration=3.5,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_both_engines_find_the_same_groups_among_many_neurons(seed):
    circuit = draw_crowd(seed)
    recording = simulate(circuit, record=True)
    wires = recording.wiring.wires
    ties = find_ties(recording.tape, wires)
    firsts = recording.tape.delivery_arrivals[: recording.tape.counts[N_DELIVERIES]]
    deliveries = np.searchsorted(firsts, ties.arrivals, side="right") - 1
    edges = recording.tape.delivery_edges[deliveries] + ties.arrivals - firsts[deliveries]
    found = {
        (int(wires.targets[edges[first]]), tuple(ties.events[first:end].tolist()))
        for first, end in zip(ties.firsts, ties.ends, strict=True)
    }
    run = PlainRun(network=read_network(circuit)).run()
    want = set()
    for group in backward.find_ties(run).values():
        steps = [run.steps[place] for place in group]
        (target,) = {run.network.connections[step.connection].target for step in steps}
        numbers = [(step.event.kind == INPUT, step.event.number) for step in steps]
        want.add((target, tuple(-1 - k if is_input else k for is_input, k in numbers)))
    assert len(recording.spike_time) > 10
    assert len(want) > 10
    assert found == want
