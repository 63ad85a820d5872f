"""Allocate the memory of `sim.temporal.records`."""

from collections.abc import Sequence

import numpy as np

from sim.layers.allocation import make_aligned, make_spikes
from sim.layers.spike_flags import FLAGS_PER_WORD
from sim.temporal.forward import SEGMENTS_PER_BLOCK
from sim.temporal.records import (
    DenseLayer,
    Events,
    LayerMemory,
    LayerSums,
    Memory,
    Pending,
    Scratch,
    Sums,
)

FIRST_ROOM = 1024
"""Spikes of a layer that there is room for before memory grows."""


def count_segments(layers: Sequence[DenseLayer], n_instants: int, room: int) -> list[int]:
    """How many segments each layer may have: its events from outside, and its own spikes."""
    outside = [n_instants, *[room] * (len(layers) - 1)]
    own = [room if len(layer.recurrent) else 0 for layer in layers]
    return [a + b + 3 for a, b in zip(outside, own, strict=True)]


def estimate_memory(layers: Sequence[DenseLayer], n_instants: int, room: int) -> int:
    """Bytes that one thread needs for so many instants and spikes."""
    segments = count_segments(layers, n_instants, room)
    states = sum(n * layer.starts.size for n, layer in zip(segments, layers, strict=True))
    drive = 2 * n_instants * layers[0].starts.shape[1]
    spikes = sum(room * (12 + len(layer.starts)) for layer in layers)
    return 8 * (states + drive + spikes)


def make_memory(
    layers: Sequence[DenseLayer], *, n_instants: int, room: int, shape: tuple[int, int, int]
) -> Memory:
    """Memory of one thread.

    Args:
        layers: The layers.
        n_instants: Most instants of a sample.
        room: Spikes of a layer that there is room for.
        shape: That of the readout's weights, (n_neurons, n_features, n_outputs).
    """
    segments = count_segments(layers, n_instants, room)
    n_layers = len(layers)
    return Memory(
        layers=[
            make_layer(layer, n, n_instants if k == 0 else room, room)
            for k, (layer, n) in enumerate(zip(layers, segments, strict=True))
        ],
        n_segments=np.zeros(n_layers, np.int64),
        n_spikes=np.zeros(n_layers, np.int64),
        n_events=np.zeros(n_layers, np.int64),
        scratch=make_scratch(layers, n_instants, room, shape),
    )


def make_layer(layer: DenseLayer, n_segments: int, n_events: int, room: int) -> LayerMemory:
    """Memory of one layer."""
    shape = layer.starts.shape
    return LayerMemory(
        states=make_aligned((n_segments, *shape), np.float64),
        event_rows=np.zeros(n_segments, np.int64),
        outside=np.zeros(n_segments, np.int64),
        begins=np.zeros(n_segments),
        durations=np.zeros(n_segments),
        firsts=np.zeros(n_segments + 1, np.int64),
        scales=make_aligned((n_segments // SEGMENTS_PER_BLOCK + 1, shape[1]), np.float64),
        spikes=make_spikes(room, shape[0]),
        causes=np.zeros(room, np.int64),
        by_cause=np.zeros(room),
        order=np.zeros(room, np.int64),
        sorted_times=np.zeros(room),
        sorted_neurons=np.zeros(room, np.int64),
        by_spike=np.zeros(room),
        adjoints=make_aligned(shape, np.float64),
        events=Events(
            times=np.zeros(n_events),
            rows=np.zeros(n_events, np.int64),
            spikes=np.zeros(n_events, np.int64),
            by_time=np.zeros(n_events),
        ),
        zeros=make_aligned(shape[1], np.float64),
        unused=make_aligned(shape[1], np.float64),
    )


def make_scratch(
    layers: Sequence[DenseLayer], n_instants: int, room: int, shape: tuple[int, int, int]
) -> Scratch:
    """Memory that no two layers need at once, as large as any of them needs."""
    n_coordinates = layers[0].starts.shape[0]
    length = max(layer.starts.shape[1] for layer in layers)
    first = layers[0].starts.shape[1]
    words = np.zeros((1, (length - 1) // FLAGS_PER_WORD + 1), np.int64)
    return Scratch(
        drive=make_aligned((n_instants, first), np.float64),
        drive_gradient=make_aligned((n_instants, first), np.float64),
        flags=words.reshape(-1).view(np.uint8),
        words=words,
        found=np.zeros(words.size + 1, np.int64),
        rows=np.zeros(length + FLAGS_PER_WORD, np.int64),
        chosen=np.zeros(length + FLAGS_PER_WORD, np.int64),
        waits=np.zeros(length + FLAGS_PER_WORD),
        pending=Pending(times=np.zeros(room), spikes=np.zeros(room, np.int64)),
        spare=np.zeros(room, np.int64),
        spiking_adjoints=make_aligned((n_coordinates, length), np.float64),
        adjoints_after=make_aligned((n_coordinates, length), np.float64),
        saved_gradient=make_aligned(length, np.float64),
        time_gradients=make_aligned(length, np.float64),
        totals=make_aligned(length, np.float64),
        pressed=make_aligned((n_coordinates, length), np.float64),
        unit=np.zeros((n_coordinates, 1)),
        at_spike=np.zeros((n_coordinates, 1)),
        crossed=make_aligned(length, np.float64),
        crossed_in=np.zeros(length, np.int64),
        spiked=np.zeros(length, np.bool_),
        features=np.zeros(shape[:2]),
        by_feature=np.zeros(shape[:2]),
        slopes=np.zeros((room, shape[1])),
        logits=np.zeros(shape[2]),
        by_logit=np.zeros(shape[2]),
        maxima=np.zeros((4, shape[2])),
    )


def make_sums(
    layers: Sequence[DenseLayer], *, n_varied: int, shape: tuple[int, int, int], n_settings: int
) -> Sums:
    """Sums of derivatives, all zero.

    Args:
        layers: The layers.
        n_varied: Number of constants by which derivatives are wanted.
        shape: That of the readout's weights.
        n_settings: Number of the readout's parameters.
    """
    return Sums(
        layers=[
            LayerSums(
                weights=make_aligned(layer.weights.shape, np.float64),
                recurrent=make_aligned(layer.recurrent.shape, np.float64),
                delays=np.zeros(layer.width),
                delays_out=np.zeros(layer.width),
                constants=make_aligned((n_varied, layer.starts.shape[1]), np.float64),
                initial=make_aligned(layer.starts.shape, np.float64),
            )
            for layer in layers
        ],
        read_weights=np.zeros(shape),
        bias=np.zeros(shape[2]),
        read_settings=np.zeros(n_settings),
    )
