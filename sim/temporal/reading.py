"""What is read of a batch, and the kernels that read it."""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from sim.network.readouts import LinearReadout, check_readout
from sim.temporal import readout_maximum
from sim.temporal.logit_losses import LogitLoss, prepare_logit_targets
from sim.temporal.stack import TemporalStack
from spiketheory.generation.interface import INTERFACE
from spiketheory.machine.compile import CompiledModel, extend_linker, make_linker
from spiketheory.machine.link import Linker


@lru_cache(maxsize=64)
def link_maximum(model: CompiledModel, functions: ModuleType, wants_settings: bool) -> ModuleType:
    """The kernels of `sim.temporal.readout_maximum`, bound to a readout's functions."""
    names = ("response", "response_slope", "response_vjp")
    bound: dict[str, Any] = {name: getattr(functions, name) for name in names}
    bound["WANT_READOUT"] = wants_settings
    return make_linker((model,), bound).link(readout_maximum)


@lru_cache(maxsize=64)
def link_kernels(
    model: CompiledModel, functions: ModuleType, loss: Callable[..., float], per_neuron: bool,
    parameters: bool, wants_settings: bool,
) -> Linker:  # fmt: skip
    """Links the kernels of a batch with a model, a readout and a loss.

    Args:
        model: The model.
        functions: Those of the readout.
        loss: The function of the loss.
        per_neuron: Whether neurons have constants of their own.
        parameters: Whether derivatives by these are computed.
        wants_settings: Whether those by the readout's parameters are.
    """
    further: dict[str, Any] = {"loss_function": model.jit(loss, allocates=False)}
    if hasattr(functions, "kernel"):
        names = ("kernel_and_slope", "kernel_vjp")
        further |= {name: getattr(functions, name) for name in names}
    else:
        maximum = link_maximum(model, functions, wants_settings)
        further |= {"read_out": maximum.read_maximum, "read_out_vjp": maximum.read_maximum_vjp}
    with_parameters = link_parameters(model, per_neuron, parameters)
    return extend_linker(with_parameters, {"WANT_READOUT": wants_settings, **further})


@lru_cache(maxsize=64)
def link_model(model: CompiledModel, per_neuron: bool) -> Linker:
    """Links kernels with a model; what needs no more is compiled once for all readouts."""
    own = {n: getattr(model.functions, n) for n in INTERFACE if hasattr(model.functions, n)}
    return make_linker((model,), {**own, **model.facts, "PER_NEURON": per_neuron})


@lru_cache(maxsize=64)
def link_parameters(model: CompiledModel, per_neuron: bool, parameters: bool) -> Linker:
    """The same with what says whether derivatives by parameters are computed."""
    return extend_linker(link_model(model, per_neuron), {"WANT_PARAMETERS": parameters})


class Reading(NamedTuple):
    """What is read from the last population, and what is wanted of it, as kernels get it.

    Attributes:
        weights: Shape (n_outputs, n_neurons, n_features).
        bias: Shape (n_outputs,).
        settings: Values of the readout's parameters and settings.
        n_parameters: Number of its parameters.
        targets: One row for each trial.
        loss_settings: Numbers of the loss.
        link: Returns what links the kernels, told whether neurons have constants of their own and
            whether derivatives by parameters are computed.
    """

    weights: np.ndarray
    bias: np.ndarray
    settings: tuple[float, ...]
    n_parameters: int
    targets: np.ndarray
    loss_settings: tuple[float, ...]
    link: Callable[[CompiledModel, bool, bool], Linker]


def make_reading(
    stack: TemporalStack,
    n_trials: int,
    targets: np.ndarray,
    readout: LinearReadout,
    loss: LogitLoss,
) -> Reading:  # fmt: skip
    """What a loss wants of the logits of a readout."""
    check_readout(readout, {p.name: p.size for p in stack.network.populations})
    compiled = readout.compiled

    def link(model: CompiledModel, per_neuron: bool, parameters: bool) -> Linker:
        return link_kernels(
            model, compiled.functions, loss.function, per_neuron, parameters,
            parameters and bool(compiled.parameters),
        )  # fmt: skip

    return Reading(
        weights=readout.cube, bias=readout.bias, settings=compiled.values,
        n_parameters=len(compiled.parameters), loss_settings=loss.settings, link=link,
        targets=prepare_logit_targets(loss, targets, n_trials, len(readout.cube)),
    )  # fmt: skip
