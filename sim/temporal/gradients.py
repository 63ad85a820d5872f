"""Sums of derivatives over a batch: adding up those of blocks, and sorting the result."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.events.differentiate import Gradients
from sim.network.network import Projection
from sim.temporal.records import LayerSums, Sums
from sim.temporal.stack import TemporalStack
from spiketheory.shown import Short


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TemporalGradients(Short):
    """Derivatives of the mean loss of a batch.

    Attributes:
        network: By what belongs to the network.
        weights: By the readout's weights, in their shape.
        bias: By its bias.
        settings: By its parameters, by name.
    """

    network: Gradients
    weights: np.ndarray
    bias: np.ndarray
    settings: dict[str, float]


def collect_network(
    stack: TemporalStack, sums: Sums, n: int, *, parameters: bool,
    by_channel: np.ndarray | None = None,
) -> Gradients:  # fmt: skip
    """Sums over n trials as derivatives of the mean loss; none by input times.

    Args:
        stack: The network.
        sums: The sums.
        n: Number of trials.
        parameters: Whether derivatives by the neurons' parameters are wanted.
        by_channel: The sum by the times of each channel's input spikes, of which follow the
            derivatives by the delays of the input; None if they are not known.
    """
    weights: list[Any] = []
    delays: list[Any] = []
    for projection in stack.network.projections:
        by_weight, by_delay = find_sums(stack, sums, projection)
        if projection is stack.forward[0]:
            by_delay = by_channel
        weights.append(collect_weights(projection, by_weight, n))
        delays.append(None if by_delay is None else collect_delays(projection, by_delay, n))
    found = [
        collect_population(stack, k, layer, n, parameters) for k, layer in enumerate(sums.layers)
    ]
    return Gradients(
        weights=weights, delays=delays, input_times=[],
        initial=[initial for initial, _ in found],
        parameters=[p for _, p in found] if parameters else None,
    )  # fmt: skip


def find_sums(
    stack: TemporalStack, sums: Sums, projection: Projection
) -> tuple[np.ndarray, np.ndarray | None]:
    """Derivatives by a projection's weights (n_pre, n_post), and by the senders' delays."""
    if projection in stack.recurrent:
        layer = sums.layers[stack.recurrent.index(projection)]
        return layer.recurrent, layer.delays
    k = stack.forward.index(projection)
    return sums.layers[k].weights, sums.layers[k - 1].delays_out if k else None


def collect_weights(projection: Projection, by_weight: np.ndarray, n: int) -> Any:
    """Derivatives by the weights of a projection, as a matrix of their kind."""
    matrix = projection.matrix
    if projection.is_row_by_row and isinstance(projection.weights, np.ndarray):
        return np.divide(by_weight[:, : matrix.shape[0]].T, n, order="C")
    return projection.shape_like(by_weight[matrix.col, matrix.row] / n)


def collect_delays(projection: Projection, by_delay: np.ndarray, n: int) -> Any:
    """Derivatives by its delays: that of a sender is shared by its connections."""
    matrix = projection.matrix
    n_post, n_pre = matrix.shape
    if projection.is_row_by_row and isinstance(projection.weights, np.ndarray):
        return np.tile(by_delay / (n_post * n), (n_post, 1))
    share = np.bincount(matrix.col, minlength=n_pre)[matrix.col]
    return projection.shape_like(by_delay[matrix.col] / share / n)


def collect_population(
    stack: TemporalStack, k: int, layer: LayerSums, n: int, parameters: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Derivatives by the initial states and by the parameters of a population."""
    population = stack.network.populations[k]
    model, size = population.model, population.size
    adjoints = layer.initial[:, :size] / n
    names: tuple[str, ...]
    if population.starts_at_phase:
        names, name, start = (model.initial,), "initial_state", [population.start_phase]
    else:
        names, name = model.state, "enter_chart"
        start = list(population.start_state.values())
    arguments = (*start, *population.constants, *adjoints)
    slopes = population.call(f"{name}_vjp", *arguments)
    initial = {
        n_: np.array(np.broadcast_to(slope, (size,)))
        for n_, slope in zip(names, slopes, strict=True)
    }
    if not parameters or not len(layer.constants):
        return initial, dict.fromkeys(model.parameters, 0.0)
    by_constant = layer.constants[:, :size] / n
    direct = population.call(f"{name}_constants_vjp", *arguments)
    by_constant = by_constant + np.array([np.broadcast_to(d, (size,)) for d in direct])
    found = population.call("constants_vjp", *population.values, *by_constant)
    by_parameter = {
        name: np.array(np.broadcast_to(slope, (size,)))
        if np.ndim(population.parameters[name])
        else float(np.sum(np.broadcast_to(slope, (size,))))
        for name, slope in zip(model.parameters, found, strict=True)
    }
    return initial, by_parameter
