"""The operators of PyTorch: a whole network is one node of its graph, there and back.

Both are functions of tensors alone, so that `torch.compile`, checkpointing and whoever else runs a
part of a graph again may do so. What a network is made of is no tensor: it is found by a key, which
modules hold on to. The tape of the last forward pass is kept until it is gone back through; whoever
goes back twice, or through an earlier pass, runs it once more, with the same result.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sim.interop.handed_over import KNOWN, SPIKES, HandedOver
from sim.interop.numbers import Numbers
from spiketheory.errors import InputError


def find(key: str) -> HandedOver:
    """The network of a key."""
    if key not in KNOWN:
        raise InputError(
            "Expected the module of an operator to be alive but it is gone; keep it as long as "
            "its graph is used."
        )
    return KNOWN[key]


def read(times: Tensor, channels: Tensor, parameters: list[Tensor]) -> Numbers:
    """Tensors as arrays, without a copy where they are in main memory."""
    arrays = [p.detach().cpu().numpy() for p in parameters]
    return Numbers(times.detach().cpu().numpy(), channels.cpu().numpy(), arrays)


def write(values: np.ndarray, like: Tensor) -> Tensor:
    """An array as a tensor of the type of another; of memory of its own."""
    made = torch.from_numpy(np.ascontiguousarray(values))
    return made.to(device=like.device, dtype=like.dtype)


def give_type(times: Tensor, parameters: list[Tensor]) -> Tensor:
    """The tensor that decides of what type results are."""
    return parameters[0] if parameters else times


def count_trials(times: Tensor, channels: Tensor) -> Any:
    """How many trials a batch has."""
    return times.shape[0] if times.ndim == 2 else channels.shape[0]


@torch.library.custom_op("spiketheory::run", mutates_args=())
def run(
    key: str, times: Tensor, channels: Tensor, parameters: list[Tensor], keeps: bool
) -> tuple[Tensor, Tensor]:
    """What comes out of a batch of trials; of spikes also the neurons, else nothing.

    With ``keeps`` its tape is kept for `pull_back`.
    """
    own = find(key)
    numbers = read(times, channels, parameters)
    own.check_bounds(numbers.arrays)
    values, neurons = own.run(numbers, keeps)
    made = write(values, give_type(times, parameters))
    return made, torch.from_numpy(neurons).to(made.device)


@run.register_fake
def _(
    key: str, times: Tensor, channels: Tensor, parameters: list[Tensor], keeps: bool
) -> tuple[Tensor, Tensor]:
    own = find(key)
    shape = (count_trials(times, channels), *own.shape)
    made = give_type(times, parameters).new_empty(shape)
    neurons = shape if own.output == SPIKES else (0,)
    return made, made.new_empty(neurons, dtype=torch.int64)


@torch.library.custom_op("spiketheory::pull_back", mutates_args=())
def pull_back(
    key: str, times: Tensor, channels: Tensor, parameters: list[Tensor], slopes: Tensor,
    input_times: bool,
) -> list[Tensor]:  # fmt: skip
    """Derivatives by the times, if wanted, and by the parameters."""
    numbers = read(times, channels, parameters)
    given = np.asarray(slopes.detach().cpu().numpy(), np.float64)
    found = find(key).pull_back(numbers, given, input_times)
    sources = [times, *parameters] if input_times else parameters
    return [write(values, source) for values, source in zip(found, sources, strict=True)]


@pull_back.register_fake
def _(
    key: str, times: Tensor, channels: Tensor, parameters: list[Tensor], slopes: Tensor,
    input_times: bool,
) -> list[Tensor]:  # fmt: skip
    sources = [times, *parameters] if input_times else parameters
    return [torch.empty_like(source) for source in sources]


def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Keep what went in."""
    ctx.key, times, channels, parameters, _ = inputs
    ctx.n_parameters = len(parameters)
    ctx.save_for_backward(times, channels, *parameters)
    ctx.mark_non_differentiable(output[1])


def go_back(ctx: Any, slopes: Tensor, _: Tensor | None) -> tuple[Any, ...]:
    """Derivatives by all that went in."""
    times, channels, *parameters = ctx.saved_tensors
    wants_times = ctx.needs_input_grad[1]
    found = pull_back(ctx.key, times, channels, parameters, slopes, wants_times)
    by_time, by_parameter = (found[0], found[1:]) if wants_times else (None, found)
    return None, by_time, None, by_parameter, None


run.register_autograd(go_back, setup_context=keep)
