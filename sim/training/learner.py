"""What of a described network learns: arrays in place of parts of it, and their gradients."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from sim.events.differentiate import Gradients
from sim.files.network_file import Learnable
from sim.files.tables import Table
from sim.network.network import Network, Population, Projection
from sim.network.readouts import LinearReadout
from spiketheory.errors import InputError


def read_entries(projection: Projection, values: Any) -> np.ndarray:
    """Derivatives by a projection's weights or delays, in the order of its connections.

    Args:
        projection: The projection.
        values: Its matrix of derivatives (`Gradients.weights`), dense or sparse.
    """
    matrix = projection.matrix
    if scipy.sparse.issparse(values):
        values = scipy.sparse.csr_array(values)
    found = values[matrix.row, matrix.col]
    if scipy.sparse.issparse(found):
        found = found.toarray()
    return np.asarray(found, dtype=np.float64).reshape(-1)


def fill_projection(
    projection: Projection, *, weights: np.ndarray | None = None, delays: np.ndarray | None = None
) -> Projection:
    """A projection with other weights or delays of the same connections.

    Args:
        projection: The projection.
        weights: One per connection, in its order; None keeps them.
        delays: The same.
    """
    matrix = projection.matrix
    if not projection.has_matrix:  # its delays are with its weights
        weights = matrix.data if weights is None else weights
        delays = projection.edge_delays if delays is None else delays
    made: Table = {}
    for name, values in (("weights", weights), ("delays", delays)):
        if values is not None:
            entries = (values, (matrix.row, matrix.col))
            made[name] = scipy.sparse.coo_array(entries, shape=matrix.shape)
            if not projection.is_sparse:
                made[name] = made[name].toarray()
    return replace(projection, **made)


def fill_readout(readout: Any, name: str, array: np.ndarray) -> LinearReadout:
    """A readout with other weights, another bias, or another value of a parameter."""
    if name == "weights":
        return replace(readout, weights=array.reshape(readout.weights.shape))
    if name == "bias":
        return replace(readout, bias=array)
    value = float(np.exp(array[0]) if is_positive(readout, name) else array[0])
    return replace(readout, compiled=readout.compiled.with_values({name: value}))


def read_setting(readout: LinearReadout, name: str) -> float:
    """The value of a parameter."""
    compiled = readout.compiled
    return compiled.values[compiled.parameters.index(name)]


def is_positive(readout: LinearReadout, name: str) -> bool:
    """Whether a parameter must be above 0, so that its logarithm is what learns."""
    domains = dict(zip(readout.compiled.parameters, readout.compiled.module.DOMAINS, strict=False))
    return bool(domains[name] == f"{name} > 0")


def read_readout_gradient(readout: LinearReadout, name: str, found: Gradients) -> np.ndarray:
    """The derivatives by weights, bias or a parameter of the readout, with one axis.

    Args:
        readout: The readout as it is now.
        name: What of it.
        found: All gradients.
    """
    assert found.readout is not None
    if name == "weights":
        return found.readout.weights.ravel()
    if name == "bias":
        return found.readout.bias
    assert found.readout.parameters is not None
    factor = read_setting(readout, name) if is_positive(readout, name) else 1.0
    return np.array([factor * found.readout.parameters[name]])


class Learner:
    """A network parts of which learn.

    Args:
        network: The network at the start.
        learn: What learns.

    Raises:
        InputError: If nothing learns.
    """

    def __init__(self, network: Network, learn: Sequence[Learnable]) -> None:
        if not learn:
            raise InputError(
                "Expected something that learns but got none; add learn = true to a projection, or "
                'learn = ["V"] to a population.'
            )
        self.network, self.learn = network, tuple(learn)

    @property
    def needs_parameters(self) -> bool:
        """Whether derivatives by parameters are needed."""
        return any(
            one.kind == "parameter"
            or (one.kind == "readout" and one.name not in ("weights", "bias"))
            for one in self.learn
        )

    @property
    def needs_delays(self) -> bool:
        """Whether derivatives by delays are needed."""
        return any(one.kind == "delays" for one in self.learn)

    @property
    def names(self) -> list[str]:
        """A name for each array, for checkpoints."""
        return [f"{one.kind}_{one.place}{'_' * bool(one.name)}{one.name}" for one in self.learn]

    def start(self) -> list[np.ndarray]:
        """The arrays at the start."""
        return [np.array(self.read_start(one), dtype=np.float64) for one in self.learn]

    def read_start(self, one: Learnable) -> Any:
        """The start of one array, of one axis."""
        if one.kind in ("weights", "delays"):
            projection = self.network.projections[one.place]
            return projection.matrix.data if one.kind == "weights" else projection.edge_delays
        if one.kind == "readout":
            readout = self.find_readout(one)
            if one.name in ("weights", "bias"):
                return getattr(readout, one.name).ravel()
            value = read_setting(readout, one.name)
            return [np.log(value) if is_positive(readout, one.name) else value]
        population = self.network.populations[one.place]
        if one.kind == "parameter":
            return np.atleast_1d(population.parameters[one.name])
        if population.starts_at_phase:
            return population.initial_coordinate
        return population.start_state[one.name]

    def find_readout(self, one: Learnable) -> LinearReadout:
        """The readout that something belongs to."""
        readout = self.network.readouts[one.place]
        assert isinstance(readout, LinearReadout)
        return readout

    def build(self, arrays: Sequence[np.ndarray]) -> Network:
        """The network with these arrays."""
        projections = list(self.network.projections)
        populations, readouts = list(self.network.populations), list(self.network.readouts)
        for one, array in zip(self.learn, arrays, strict=True):
            if one.kind in ("weights", "delays"):
                filled = {one.kind: array}
                projections[one.place] = fill_projection(projections[one.place], **filled)
                continue
            if one.kind == "readout":
                readouts[one.place] = fill_readout(readouts[one.place], one.name, array)
                continue
            population = populations[one.place]
            key = "initial" if one.kind == "initial" else "parameters"
            value = array
            if one.kind == "parameter" and np.ndim(population.parameters[one.name]) == 0:
                value = array[0]
            changed: Table = {key: {**getattr(population, key), one.name: value}}
            populations[one.place] = replace(population, **changed)
        return replace(
            self.network, projections=projections, populations=populations, readouts=readouts
        )

    def read_gradients(self, found: Gradients, network: Network) -> list[np.ndarray]:
        """The derivatives by the arrays, at the network that `build` made of them."""
        return [self.read_gradient(one, found, network) for one in self.learn]

    def read_gradient(self, one: Learnable, found: Gradients, network: Network) -> np.ndarray:
        """The derivatives by one array."""
        if one.kind in ("weights", "delays"):
            matrices = found.weights if one.kind == "weights" else found.delays
            return read_entries(self.network.projections[one.place], matrices[one.place])
        if one.kind == "readout":
            readout = network.readouts[one.place]
            assert isinstance(readout, LinearReadout)
            return read_readout_gradient(readout, one.name, found)
        if one.kind == "initial":
            return np.array(found.initial[one.place][one.name], dtype=np.float64)
        assert found.parameters is not None
        return np.atleast_1d(np.array(found.parameters[one.place][one.name], dtype=np.float64))

    def constrain(self, arrays: Sequence[np.ndarray]) -> None:
        """Bring arrays back into their bounds: delays >= 0, initial coordinates as the model has.

        A parameter that leaves its domain is an error of `build`.
        """
        for one, array in zip(self.learn, arrays, strict=True):
            if one.kind == "delays":
                np.maximum(array, 0.0, out=array)
            elif one.kind == "initial":
                bounds = find_bounds(self.network.populations[one.place], one.name)
                if bounds is not None:
                    np.clip(array, *bounds, out=array)


def find_bounds(population: Population, name: str) -> tuple[Any, Any] | None:
    """Smallest and largest value of a model's initial coordinate; None for other variables."""
    initial = population.model.initial
    if name not in (initial, initial.removesuffix("0")):
        return None
    lower, upper, _ = population.call("initial_bounds", *population.values)
    return lower, upper
