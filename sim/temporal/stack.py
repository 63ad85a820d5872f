"""A network as a chain of dense layers that may be recurrent and have axonal delays."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from sim.inputs.merged import MergedTrials, merge_instants
from sim.inputs.trials import Trials
from sim.layers.allocation import make_aligned, pad
from sim.network.instants import choose_ticks, count_ticks, find_arrival
from sim.network.network import Network, Population, Projection
from sim.temporal.records import DenseLayer
from spiketheory.machine.compile import CompiledModel
from spiketheory.shown import Short


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TemporalStack(Short):
    """A chain of dense layers.

    Attributes:
        network: The network.
        forward: The projection that leads to each population from the input or the one before.
        recurrent: Each population's projection to itself; None if there is none.
        ticks: How many ticks make a unit of time, see `sim.network.instants`.
    """

    network: Network
    forward: tuple[Projection, ...]
    recurrent: tuple[Projection | None, ...]
    ticks: float

    @property
    def model(self) -> CompiledModel:
        """The model of all neurons."""
        return self.network.populations[0].model

    @cached_property
    def compiled(self) -> CompiledModel:
        """The model, compiled for constants that all neurons share (`CompiledModel.at`)."""
        kinds = np.unique(np.hstack([p.constants for p in self.network.populations]), axis=1)
        found = {self.model.at(tuple(constants)) for constants in kinds.T.tolist()}
        return found.pop() if len(found) == 1 else self.model

    def merge(self, trials: Trials) -> MergedTrials:
        """Trials as the first layer gets them, instant by instant."""
        delays = find_axonal_delays(self.forward[0])
        assert delays is not None
        if not delays.any():
            return merge_instants(trials, self.network.duration)
        own = count_ticks(delays, self.ticks)[trials.channel]
        arrival = find_arrival(trials.time, own, self.ticks)  # type: ignore[arg-type]
        return merge_instants(
            trials, self.network.duration, np.where(own == 0.0, trials.time, arrival)
        )

    @property
    def is_uniform(self) -> bool:
        """Whether the neurons of each layer share their constants."""
        return all(p.is_uniform for p in self.network.populations)

    @cached_property
    def layers(self) -> list[DenseLayer]:
        """The layers as kernels get them."""
        layers = []
        for k, population in enumerate(self.network.populations):
            after = self.forward[k + 1] if k + 1 < len(self.forward) else None
            layers.append(self.make_layer(population, self.forward[k], self.recurrent[k], after))
        return layers

    def make_layer(
        self, population: Population, before: Projection, own: Projection | None,
        after: Projection | None,
    ) -> DenseLayer:  # fmt: skip
        """One layer, between the projections to it, to itself, and from it."""
        width, model = population.size, population.model
        length = pad(model, width, np.float64)
        starts = make_aligned((len(model.coordinates), length), np.float64)
        starts[:, :width] = population.coordinates
        starts[:, width:] = population.coordinates[:, :1]
        constants = population.constants
        table = make_aligned((max(1, len(constants)), 1 if self.is_uniform else length), np.float64)
        table[: len(constants), :width] = constants
        if not self.is_uniform:
            table[: len(constants), width:] = constants[:, :1]
        recurrent = make_aligned((0 if own is None else width, length), np.float64)
        if own is not None:
            recurrent[:, :width] = own.dense.T
        weights = make_aligned((before.matrix.shape[1], length), np.float64)
        weights[:, :width] = before.dense.T
        return DenseLayer(
            width=width,
            weights=weights,
            recurrent=recurrent,
            delays=self.count_delays(own, width),
            delays_out=self.count_delays(after, width),
            starts=starts,
            table=table,
            constants=tuple(constants[:, 0].tolist()),
        )

    def count_delays(self, projection: Projection | None, width: int) -> np.ndarray:
        """Delays of each sending neuron, in ticks."""
        delays = np.zeros(width) if projection is None else find_axonal_delays(projection)
        assert delays is not None
        return count_ticks(delays, self.ticks)


def find_axonal_delays(projection: Projection) -> np.ndarray | None:
    """The delay of each sending neuron, shape (n_pre,); None if it is not one for all targets."""
    n_pre = projection.matrix.shape[1]
    delays = np.zeros(n_pre)
    delays[projection.matrix.col] = projection.edge_delays
    same = np.array_equal(delays[projection.matrix.col], projection.edge_delays)
    return delays if same else None


def read_temporal(network: Network) -> TemporalStack | str:
    """A network as a chain of dense layers, or why it is none.

    The input leads to the first population, each population to the next and perhaps to itself. A
    mask of dense weights is kept: what is not connected stays 0 and has no derivative.
    """
    populations, model = network.populations, network.populations[0].model
    if network.currents:
        return f"{network.currents[0].name} is a current that changes in steps"
    if len(network.inputs) != 1:
        return f"it has {len(network.inputs)} inputs"
    chain = [network.inputs[0].name, *(p.name for p in populations)]
    by_ends = {(p.pre, p.post): p for p in network.projections}
    if len(by_ends) < len(network.projections):
        return "two projections connect the same populations"
    steps, loops = list(pairwise(chain)), [(p.name, p.name) for p in populations]
    for ends, projection in by_ends.items():
        if ends not in (*steps, *loops):
            return f"{projection.label} is no step from a layer to the next, nor to itself"
        if find_axonal_delays(projection) is None:
            return f"{projection.label} has delays that differ from target to target"
    for ends in steps:
        if ends not in by_ends:
            return f"nothing leads from {ends[0]} to {ends[1]}"
    for population in populations:
        if population.model is not model:
            return "its populations have different models"
    if model.n_ports > 1:
        return f"{model.name} takes input at several ports"
    if model.inputs != "add":
        return f"simultaneous inputs of {model.name} do not add up"
    return TemporalStack(
        network=network,
        forward=tuple(by_ends[ends] for ends in steps),
        recurrent=tuple(by_ends.get(ends) for ends in loops),
        ticks=choose_ticks(network.duration, [p.edge_delays for p in by_ends.values()]),
    )
