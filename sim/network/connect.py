"""Connectivity generators and Poisson inputs: sparse weight matrices of ``scipy.sparse``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from sim.network.network import SpikeTrains
from spiketheory.errors import InputError, check_finite, check_shape
from spiketheory.memory import check_memory

Weight = float | np.ndarray
BYTES_PER_SPIKE = 60


def connect_fixed_in_degree(
    n_post: int, n_pre: int, in_degree: int, weight: Weight, rng: np.random.Generator,
    *, self_connections: bool = True,
) -> scipy.sparse.coo_array:  # fmt: skip
    """Erdős-Rényi graph of fixed in-degree: every neuron hears ``in_degree`` different ones.

    Args:
        n_post: Number of receiving neurons.
        n_pre: Number of sending neurons.
        in_degree: Connections of each receiver.
        weight: One for all, or one per connection, shape (n_post * in_degree,).
        rng: Source of randomness.
        self_connections: Whether neuron i may hear neuron i.

    Returns:
        Weights, shape (n_post, n_pre).

    Raises:
        InputError: If there are fewer senders than the in-degree.
    """
    available = n_pre - (not self_connections)
    if not 0 <= in_degree <= available:
        raise InputError(
            f"Expected an in-degree from 0 to {available}, the number of senders, but got "
            f"{in_degree}; lower it or add neurons."
        )
    sources = draw_different(n_post, available, in_degree, rng)
    targets = np.repeat(np.arange(n_post), in_degree)
    if not self_connections:
        sources = sources + (sources >= targets)
    return make_matrix(sources, targets, weight, (n_post, n_pre))


def draw_different(n_rows: int, n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """``k`` different numbers below ``n`` for each row, shape (n_rows * k,).

    Drawn together; what is drawn twice in a row is drawn again.
    """
    if 4 * k > n:
        return np.concatenate(
            [np.empty(0, np.int64), *(rng.permutation(n)[:k] for _ in range(n_rows))]
        )
    drawn = np.sort(rng.integers(0, n, (n_rows, k)), axis=1)
    rows = np.arange(n_rows)
    while len(rows):
        part = drawn[rows]
        twice = part[:, 1:] == part[:, :-1]
        bad = twice.any(axis=1)
        rows, part, twice = rows[bad], part[bad], twice[bad]
        part[:, 1:][twice] = rng.integers(0, n, int(twice.sum()))
        drawn[rows] = np.sort(part, axis=1)
    return drawn.reshape(-1)


def connect_small_world(
    n: int, neighbours: int, rewired: float, weight: Weight, rng: np.random.Generator
) -> scipy.sparse.coo_array:
    """A directed small world: a ring in which some connections start somewhere else.

    Every neuron hears its ``neighbours`` nearest ones on the ring, half on either side; each of
    these connections comes with probability ``rewired`` from a random other neuron instead, none
    twice (after D. J. Watts and S. H. Strogatz, Nature 393, 440, 1998).

    Args:
        n: Number of neurons.
        neighbours: Connections of each receiver, even.
        rewired: Probability.
        weight: One for all, or one per connection, shape (n * neighbours,).
        rng: Source of randomness.

    Returns:
        Weights, shape (n, n), without self-connections.

    Raises:
        InputError: If ``neighbours`` is odd or too large, or ``rewired`` no probability.
    """
    if neighbours % 2 or not 0 <= neighbours < n:
        raise InputError(
            f"Expected an even number of neighbours below {n} but got {neighbours}; half of them "
            "stand on either side."
        )
    if not 0 <= rewired <= 1:
        raise InputError(
            f"Expected a probability from 0 to 1 but got rewired={rewired}; correct it."
        )
    half = neighbours // 2
    steps = np.array([*range(-half, 0), *range(1, half + 1)], dtype=np.int64)
    sources = (np.arange(n)[:, None] + steps) % n
    for i in range(n):
        moved = np.flatnonzero(rng.random(neighbours) < rewired)
        if len(moved):
            kept = np.delete(sources[i], moved)
            free = np.setdiff1d(np.arange(n), [*kept, i])
            sources[i, moved] = rng.choice(free, len(moved), replace=False)
    return make_matrix(sources.reshape(-1), np.repeat(np.arange(n), neighbours), weight, (n, n))


def connect_edges(
    edges: Sequence[Sequence[float]] | np.ndarray, n_post: int, n_pre: int
) -> scipy.sparse.coo_array:
    """Weights of a list of edges (pre, post, weight).

    Args:
        edges: Shape (n_edges, 3).
        n_post: Number of receiving neurons.
        n_pre: Number of sending neurons.

    Returns:
        Weights, shape (n_post, n_pre).

    Raises:
        InputError: If an edge leads out of the network.
    """
    table = np.asarray(edges, dtype=np.float64).reshape(-1, 3)
    check_finite("edges", table)
    ends = table[:, :2].astype(np.int64)
    limits = np.array([n_pre, n_post])
    bad = np.flatnonzero(((ends < 0) | (ends >= limits) | (ends != table[:, :2])).any(axis=1))
    if len(bad):
        raise InputError(
            f"Expected edges from neurons 0 to {n_pre - 1} to neurons 0 to {n_post - 1} but edge "
            f"{bad[0]} is {table[bad[0]].tolist()}; count neurons from 0."
        )
    return make_matrix(ends[:, 0], ends[:, 1], table[:, 2], (n_post, n_pre))


def make_matrix(
    sources: np.ndarray, targets: np.ndarray, weight: Weight, shape: tuple[int, int]
) -> scipy.sparse.coo_array:
    """A sparse matrix [post, pre]."""
    if np.ndim(weight):
        values = np.asarray(weight, dtype=np.float64)
        check_shape("weight", values, (len(sources),))
    else:
        values = np.full(len(sources), float(weight))
    return scipy.sparse.coo_array((values, (targets, sources)), shape=shape)


def draw_poisson(
    name: str, size: int, rate: Any, duration: float, rng: np.random.Generator
) -> SpikeTrains:
    """Independent Poisson spike trains up to T.

    Args:
        name: Name of the input.
        size: Number of channels.
        rate: Rate of all channels, or of each, shape (size,) [1/time].
        duration: The trial's end T [time].
        rng: Source of randomness.

    Raises:
        InputError: If a rate is negative or not finite.
    """
    given = np.asarray(rate, dtype=np.float64)
    if given.ndim:
        check_shape(f"rate of {name}", given, (size,))
    rates = np.broadcast_to(check_finite("rate", given), (size,))
    if np.any(rates < 0):
        raise InputError(f"Expected rates >= 0 of {name} but got {rates.min()}; correct them.")
    with np.errstate(over="ignore"):
        expected = rates * duration
        check_memory(BYTES_PER_SPIKE * float(expected.sum()), f"the spikes of {name}")
    counts = rng.poisson(expected)
    times = rng.uniform(0, duration, int(counts.sum()))
    channels = np.repeat(np.arange(size), counts)
    order = np.argsort(times, kind="stable")
    return SpikeTrains(name=name, size=size, times=times[order], channels=channels[order])
