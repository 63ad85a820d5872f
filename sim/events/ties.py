"""Simultaneous arrivals at one neuron, for derivatives by their times (docs/mathematics.md, 3).

Two arrivals at one instant are a kink of everything that follows, as a function of the time of
either: the state after both is the same, but the one that moves ahead changes the state alone for a
moment. The derivative by the time of one of them is the mean of both sides, of the arrival moved
before all others of its instant and of it moved behind them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim.events.tape import AT_ONCE, N_ARRIVALS, N_DELIVERIES, N_SCALES, N_SPIKES, Tape
from sim.kernels.types import Ints
from sim.network.wiring import Wires
from spiketheory.machine.link import kernel

ALONE = -1


class Ties(NamedTuple):
    """Groups of simultaneous arrivals of one neuron, member by member.

    Attributes:
        places: Member that each arrival of the tape is, ALONE if none, shape (n_arrivals,); empty
            if there is no group.
        firsts, ends: Range of members of each member's group, shape (n_members,).
        arrivals: Arrival of each member, shape (n_members,).
        events: The event that arrived.
        weights: By which connection's weight.
        ports: At which port.
        scales: Power of two that the coordinates were multiplied by in the whole group.
        by_arrival: Derivative by the time of each arrival, to be filled in on the way back.
        by_event: That by the time of its event, which may come by several connections; it stands
            at the first of them, 0 at the others.
    """

    places: np.ndarray
    firsts: np.ndarray
    ends: np.ndarray
    arrivals: np.ndarray
    events: np.ndarray
    weights: np.ndarray
    ports: np.ndarray
    scales: np.ndarray
    by_arrival: np.ndarray
    by_event: np.ndarray


class Arrivals(NamedTuple):
    """Some arrivals of a tape, sorted by neuron and then by time; shape (n,) each."""

    numbers: np.ndarray
    neurons: np.ndarray
    edges: np.ndarray
    events: np.ndarray
    spikes_before: np.ndarray


@kernel()
def list_followers(tape: Tape, targets: Ints, latest: Ints, found: Ints) -> int:
    """Write to ``found`` the arrivals that follow another at once; returns their number.

    One pass over the tape, in compiled code: a run may have many arrivals at the instant of a
    spike, and few that meet each other. In NumPy, this took as long as all the rest of going back.

    Args:
        tape: The tape.
        targets: Neuron of each connection.
        latest: -1 for each neuron.
        found: Room for as many as there are arrivals without a wait.
    """
    n_deliveries, n_arrivals = tape.counts[N_DELIVERIES], tape.counts[N_ARRIVALS]
    n_found, spike = 0, 0
    for d in range(n_deliveries):
        while spike < tape.delivery_spikes[d]:  # a group ends with a spike of its neuron
            latest[tape.spike_neurons[spike]] = ALONE
            spike += 1
        first = tape.delivery_arrivals[d]
        end = tape.delivery_arrivals[d + 1] if d + 1 < n_deliveries else n_arrivals
        edge = tape.delivery_edges[d]
        for arrival in range(first, end):
            i = targets[edge + arrival - first]
            if tape.arrival_waits[arrival] == 0.0 and latest[i] != ALONE:
                found[n_found] = arrival
                n_found += 1
            latest[i] = arrival
    return n_found


def find_ties(
    tape: Tape, wires: Wires, list_them: Callable[..., int] = list_followers, *,
    in_order: np.ndarray | None = None,
) -> Ties:  # fmt: skip
    """The groups of simultaneous arrivals of a run.

    A group ends with a spike of its neuron. One that carries a neuron across a finite threshold is
    left out: there, which arrival did it is a jump, not a kink, and the order counts that they had.

    Args:
        tape: The tape.
        wires: The network.
        list_them: `list_followers`, compiled.
        in_order: Whether each neuron's simultaneous arrivals do not commute, shape (n_neurons,):
            such groups are left out, too, since their order counts; None for nowhere.
    """
    waits = tape.arrival_waits[: tape.counts[N_ARRIVALS]]
    found = np.empty(np.count_nonzero(waits == 0.0), np.int64)
    n_found = 0
    if len(found):
        n_found = list_them(tape, wires.targets, np.full(len(wires.kinds), ALONE), found)
    if not n_found:
        return make_ties(0, np.empty(0, np.int64), np.empty(0, np.int64))
    arrivals = list_arrivals(tape, wires, found[:n_found])
    follows = np.zeros(len(arrivals.numbers), bool)
    follows[1:] = arrivals.neurons[1:] == arrivals.neurons[:-1]
    follows[1:] &= waits[arrivals.numbers[1:]] == 0
    seen = count_spikes(tape, arrivals.neurons, arrivals.spikes_before)
    follows[1:] &= seen[1:] == seen[:-1]
    starts = np.flatnonzero(~follows)
    ends = np.append(starts[1:], len(follows))
    whole = (ends - starts > 1) & ~causes_spike(tape, arrivals, ends)
    if in_order is not None:
        whole &= ~in_order[arrivals.neurons[starts]]
    return fill_ties(tape, wires, arrivals, starts[whole], ends[whole])


def list_arrivals(tape: Tape, wires: Wires, chosen: np.ndarray) -> Arrivals:
    """All arrivals of the neurons of the ``chosen`` ones."""
    firsts = tape.delivery_arrivals[: tape.counts[N_DELIVERIES]]

    def locate(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        deliveries = np.searchsorted(firsts, numbers, side="right") - 1
        return deliveries, tape.delivery_edges[deliveries] + numbers - firsts[deliveries]

    wanted = np.zeros(len(wires.kinds), bool)
    wanted[wires.targets[locate(chosen)[1]]] = True
    numbers = np.arange(tape.counts[N_ARRIVALS])
    numbers = numbers[wanted[wires.targets[locate(numbers)[1]]]]
    deliveries, edges = locate(numbers)
    neurons = wires.targets[edges]
    order = np.argsort(neurons, kind="stable")
    return Arrivals(
        numbers=numbers[order], neurons=neurons[order].astype(np.int64), edges=edges[order],
        events=tape.delivery_events[deliveries[order]],
        spikes_before=tape.delivery_spikes[deliveries[order]],
    )  # fmt: skip


def sort_spikes(tape: Tape) -> tuple[np.ndarray, int]:
    """One key per spike, sorted by neuron and then by time, and what a neuron counts in it."""
    n_spikes = int(tape.counts[N_SPIKES])
    per_neuron = n_spikes + 1
    keys = tape.spike_neurons[:n_spikes] * per_neuron + np.arange(n_spikes)
    return np.sort(keys), per_neuron


def count_spikes(tape: Tape, neurons: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Spikes of neurons 0 up to each neuron, of its own only those before a number of spikes."""
    keys, per_neuron = sort_spikes(tape)
    return np.searchsorted(keys, neurons * per_neuron + before)


def causes_spike(tape: Tape, arrivals: Arrivals, ends: np.ndarray) -> np.ndarray:
    """Whether the next event of a group's neuron is a spike that it causes at once."""
    keys, per_neuron = sort_spikes(tape)
    last = ends - 1
    neurons, before = arrivals.neurons[last], arrivals.spikes_before[last]
    place = np.searchsorted(keys, neurons * per_neuron + before)
    key = np.append(keys, -1)[place]
    exists = (place < len(keys)) & (key // per_neuron == neurons)
    spike = np.where(exists, key % per_neuron, 0)
    following = np.minimum(ends, len(arrivals.numbers) - 1)
    interrupted = (
        (ends < len(arrivals.numbers))
        & (arrivals.neurons[following] == neurons)
        & (arrivals.spikes_before[following] <= spike)
    )
    waits = tape.spike_waits if len(tape.spike_waits) else np.zeros(1)
    return exists & ~interrupted & (waits[spike] == AT_ONCE)


def fill_ties(
    tape: Tape, wires: Wires, arrivals: Arrivals, starts: np.ndarray, ends: np.ndarray
) -> Ties:
    """The record of the groups that are at given ranges of ``arrivals``."""
    ties = make_ties(int(tape.counts[N_ARRIVALS]), starts, ends)
    members = np.arange(len(ties.firsts)) - ties.firsts + np.repeat(starts, ends - starts)
    ties.arrivals[:] = arrivals.numbers[members]
    ties.events[:] = arrivals.events[members]
    ties.weights[:] = wires.weights[arrivals.edges[members]]
    if len(wires.ports):
        ties.ports[:] = wires.ports[arrivals.edges[members]]
    if len(ties.places):
        ties.places[ties.arrivals] = np.arange(len(members))
    for arrival, factor in zip(
        tape.scale_arrivals[: tape.counts[N_SCALES]].tolist(), tape.scale_factors.tolist(),
        strict=False,
    ):  # fmt: skip
        place = ties.places[arrival] if len(ties.places) else ALONE
        if place != ALONE:
            ties.scales[ties.firsts[place] : ties.ends[place]] *= factor
    return ties


def make_ties(n_arrivals: int, starts: np.ndarray, ends: np.ndarray) -> Ties:
    """Groups of given sizes, without contents."""
    sizes = ends - starts
    n = int(sizes.sum())
    firsts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Ties(
        places=np.full(n_arrivals if n else 0, ALONE), firsts=firsts,
        ends=firsts + np.repeat(sizes, sizes), arrivals=np.zeros(n, np.int64),
        events=np.zeros(n, np.int64), weights=np.zeros(n), ports=np.zeros(n, np.int64),
        scales=np.ones(n), by_arrival=np.zeros(n), by_event=np.zeros(n),
    )  # fmt: skip
