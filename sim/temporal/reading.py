"""What is read from the last population, and what is wanted of it, as the kernels get it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sim.network.readouts import LinearReadout, check_readout
from sim.temporal.linking import link_kernels
from sim.temporal.logit_losses import LogitLoss, prepare_logit_targets
from sim.temporal.stack import TemporalStack
from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.link import Linker


class Reading(NamedTuple):
    """What is read, and what is wanted of it.

    Attributes:
        weights: Shape (n_outputs, n_neurons, n_features).
        bias: Shape (n_outputs,).
        settings: Values of the readout's parameters and settings.
        n_parameters: Number of its parameters.
        targets: One row for each trial.
        loss_settings: Numbers of the loss.
        link: Returns what links the kernels, told whether neurons have constants of their own,
            whether derivatives by parameters are computed, and whether there is a margin.
    """

    weights: np.ndarray
    bias: np.ndarray
    settings: tuple[float, ...]
    n_parameters: int
    targets: np.ndarray
    loss_settings: Sequence[float]
    link: Callable[[CompiledModel, bool, bool, bool], Linker]


def make_reading(
    stack: TemporalStack, n_trials: int, targets: np.ndarray, readout: LinearReadout,
    loss: LogitLoss, sample_weight: np.ndarray | None = None,
) -> Reading:  # fmt: skip
    """What a loss wants of the logits of a readout."""
    check_readout(readout, {p.name: p.size for p in stack.network.populations})
    compiled = readout.compiled

    def link(model: CompiledModel, per_neuron: bool, parameters: bool, margin: bool) -> Linker:
        return link_kernels(
            model, compiled.functions, loss.function, per_neuron, parameters,
            parameters and bool(compiled.parameters), margin, len(compiled.values),
        )  # fmt: skip

    return Reading(
        weights=readout.cube, bias=readout.bias, settings=compiled.values,
        n_parameters=len(compiled.parameters), loss_settings=loss.settings, link=link,
        targets=prepare_logit_targets(
            loss, targets, n_trials, len(readout.cube), sample_weight=sample_weight
        ),
    )  # fmt: skip


def check_margin(
    model: CompiledModel, margin: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Weight and width of the cost of maxima near the threshold.

    Raises:
        InputError: If the model has no such maxima, or the width is not positive.
    """
    if margin is None:
        return None
    weight, width = map(float, margin)
    if not model.facts["HAS_PEAK"]:
        raise InputError(
            f"Expected a model whose potential may turn back below a threshold between two inputs "
            f"but got {model.name}, {why_no_margin(model)}; leave the margin out."
        )
    if not (width > 0 and np.isfinite(width) and weight >= 0 and np.isfinite(weight)):
        raise InputError(
            f"Expected a margin of weight >= 0 and width > 0 but got {weight} and {width}; the "
            "width is in units of the potential."
        )
    return weight, width


def why_no_margin(model: CompiledModel) -> str:
    """Why the maxima of a model's potential are not found."""
    if model.module.METHOD == "taylor":
        return "whose potential has no closed form and no maximum that was isolated"
    if model.threshold_coordinate < 0:
        return "whose spikes are at infinity, where none can be grazed"
    return (
        "whose potential rises or falls all the way between two inputs, moves with an input, or "
        "is held after a spike"
    )
