"""Networks of spiking neurons as modules of PyTorch; needs the extra ``torch``.

What goes in and out are spikes as padded tensors: times (n_trials, room), inf where there is no
spike, and channels or neurons of the same shape, -1 there. Latencies (n_trials, n_channels) need no
channels; bins are times (n_bins,) and the bin of each channel, uint8.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sim.engine.choose import AUTO
from sim.events.simulate import MAX_SPIKES
from sim.interop.handed_over import SPIKES, hand_over
from sim.interop.torch_ops import run
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel

__all__ = ("SpikingLayer", "SpikingNetwork")
LEARN = ("weights", "initial", "readout")


class SpikingNetwork(nn.Module):
    """A network of any kind, with exact derivatives.

    Its weights, initial states and what else learns are parameters of PyTorch, called such as
    ``weights_input_output``, with weights of dense projections as (post, pre), of masks and sparse
    matrices with one number per connection. The engine computes in double precision, or in what
    the network's ``precision`` says; results are of the type of the parameters.

    Args:
        network: The network; its numbers are where learning starts.
        output: ``logits`` (n_trials, n_outputs) of its first readout; ``first_spikes``, output
            times, pseudospikes included, of the same shape, or (n_trials, n_outputs, n_spikes);
            ``spikes``, those of its last population within the trial, as padded tensors. None for
            the first that fits.
        room: Of ``spikes``, how many a trial may have; more are an error.
        learn: What are parameters, of weights, delays, initial, parameters (those of the neurons)
            and readout.
        engine: ``auto``, ``layers`` or ``events``.
        max_spikes: More spikes (of a layer, of a trial) are an error.
        dtype: Type of the parameters; None for PyTorch's default.

    Raises:
        InputError: If the network does not give what is wanted of it.
    """

    def __init__(
        self, network: Network, *, output: str | None = None, room: int | None = None,
        learn: Sequence[str] = LEARN, engine: str = AUTO, max_spikes: int = MAX_SPIKES,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.handed_over = hand_over(
            network, output=output, room=room, learn=learn, engine=engine, max_spikes=max_spikes
        )
        dtype = dtype or torch.get_default_dtype()
        self.names = list(self.handed_over.names)
        for name, array in zip(self.names, self.handed_over.start(), strict=True):
            values = torch.tensor(np.asarray(array, np.float64)).to(dtype)
            self.register_parameter(name, nn.Parameter(values))
        self.project()

    def forward(
        self, times: Tensor, channels: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """What comes out of a batch of trials.

        Args:
            times: Of input spikes; see the module's docstring.
            channels: Of each; None for latencies.

        Returns:
            Logits, first spikes, or times and neurons of all spikes.

        Raises:
            InputError: If shapes do not fit, a parameter left its bounds, or spikes their room.
            SimulationError: If a trial fires without bound or leaves the number range.
        """
        if channels is None:
            channels = torch.empty(0, dtype=torch.int64)
        parameters = self.list_parameters()
        keeps = torch.is_grad_enabled() and any(t.requires_grad for t in (times, *parameters))
        values, neurons = run(self.handed_over.key, times, channels, parameters, keeps)
        return (values, neurons) if self.handed_over.output == SPIKES else values

    def list_parameters(self) -> list[Tensor]:
        """The parameters in the order of their names."""
        return [getattr(self, name) for name in self.names]

    @property
    def network(self) -> Network:
        """The network with the parameters as they are now, for all that is not PyTorch."""
        arrays = [p.detach().cpu().double().numpy().reshape(-1) for p in self.list_parameters()]
        return self.handed_over.learner.build(arrays)

    def project(self) -> None:
        """Bring initial states and delays back into their bounds."""
        with torch.no_grad():
            for parameter, array in zip(*self.copy_arrays(), strict=True):
                parameter.copy_(torch.from_numpy(array))

    def copy_arrays(self) -> tuple[list[Tensor], list[np.ndarray]]:
        """The parameters, and projected copies of them."""
        parameters = self.list_parameters()
        arrays = [p.detach().cpu().numpy().copy() for p in parameters]
        self.handed_over.project(arrays)
        return parameters, arrays

    def project_after(self, optimiser: torch.optim.Optimizer) -> Any:
        """Call `project` after each step of an optimiser; returns the handle of the hook."""
        hook: Callable[..., None] = lambda *_: self.project()  # noqa: E731
        return optimiser.register_step_post_hook(hook)

    def extra_repr(self) -> str:
        """What is shown of it."""
        own = self.handed_over
        room = f", room={own.room}" if own.output == SPIKES else ""
        return f"{own.network!r}, output={own.output}{room}"


class SpikingLayer(SpikingNetwork):
    """A dense layer: spikes in, spikes out.

    Args:
        model: The compiled neuron model.
        n_inputs: Number of channels.
        n_neurons: Number of neurons.
        duration: The trial's end T [time].
        room: How many spikes of the layer a trial may have; more are an error.
        parameters: Values of the model's parameters; defaults fill in.
        recurrent: Whether the layer projects to itself.
        weight_scale: Weights start uniform in +-weight_scale/sqrt(fan_in).
        options: Further arguments of `SpikingNetwork`, such as ``dtype``.
    """

    def __init__(
        self, model: CompiledModel, n_inputs: int, n_neurons: int, *, duration: float, room: int,
        parameters: dict[str, float] | None = None, recurrent: bool = False,
        weight_scale: float = 0.5, **options: Any,
    ) -> None:  # fmt: skip
        if n_inputs < 1 or n_neurons < 1:
            raise InputError(
                f"Expected inputs and neurons but got {n_inputs} and {n_neurons}; give at least "
                "one of each."
            )
        sources = [("input", n_inputs), *([("layer", n_neurons)] if recurrent else [])]
        projections = [
            Projection(pre=name, post="layer", weights=draw(n_neurons, n, weight_scale))
            for name, n in sources
        ]
        network = Network(
            populations=[
                Population(name="layer", model=model, size=n_neurons, parameters=parameters or {})
            ],
            inputs=[
                SpikeTrains(
                    name="input", size=n_inputs, times=np.empty(0), channels=np.empty(0, int)
                )
            ],
            projections=projections,
            duration=duration,
        )
        super().__init__(network, output=SPIKES, room=room, **options)


def draw(n_post: int, n_pre: int, scale: float) -> np.ndarray:
    """Weights of a layer before training, by PyTorch's generator."""
    drawn = torch.rand(n_post, n_pre, dtype=torch.float64) * 2 - 1
    return np.asarray(drawn.numpy() * scale / np.sqrt(n_pre))
