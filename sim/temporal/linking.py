"""Bind the kernels of a batch to a model, a readout and a loss."""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from sim.temporal import readout_maximum
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
    parameters: bool, wants_settings: bool, margin: bool, n_settings: int,
) -> Linker:  # fmt: skip
    """Links the kernels of a batch with a model, a readout and a loss.

    Args:
        model: The model.
        functions: Those of the readout.
        loss: The function of the loss.
        per_neuron: Whether neurons have constants of their own.
        parameters: Whether derivatives by these are computed.
        wants_settings: Whether those by the readout's parameters are.
        margin: Whether maxima near the threshold cost anything.
        n_settings: How many numbers the readout has.
    """
    further: dict[str, Any] = {"loss_function": model.jit(loss, allocates=False)}
    if hasattr(functions, "kernel"):
        names = ("kernel_and_slope", "kernel_vjp")
        further |= {name: getattr(functions, name) for name in names}
        further["N_SETTINGS"] = n_settings
    else:
        maximum = link_maximum(model, functions, wants_settings)
        further |= {"read_out": maximum.read_maximum, "read_out_vjp": maximum.read_maximum_vjp}
    with_parameters = link_parameters(model, per_neuron, parameters, margin)
    return extend_linker(with_parameters, {"WANT_READOUT": wants_settings, **further})


@lru_cache(maxsize=64)
def link_model(model: CompiledModel, per_neuron: bool) -> Linker:
    """Links kernels with a model; what needs no more is compiled once for all readouts."""
    own = {n: getattr(model.functions, n) for n in INTERFACE if hasattr(model.functions, n)}
    return make_linker((model,), {**own, **model.facts, "PER_NEURON": per_neuron})


@lru_cache(maxsize=64)
def link_parameters(
    model: CompiledModel, per_neuron: bool, parameters: bool, margin: bool
) -> Linker:
    """The same with what says what the way back computes."""
    wanted = {"WANT_PARAMETERS": parameters, "WANT_MARGIN": margin}
    return extend_linker(link_model(model, per_neuron), wanted)
