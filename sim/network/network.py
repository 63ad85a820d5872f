"""Records of recurrent networks: populations, spike trains, projections, and the whole.

Sparse matrices are those of `scipy.sparse`. In a dense matrix an entry of 0 is no connection; store
an explicit zero in a sparse one to have a connection of weight zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from sim.network.layer_stack import LARGEST_WEIGHT
from spiketheory.errors import InputError, ModelError, check_finite, check_positive, check_shape
from spiketheory.machine.compile import CompiledModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Neurons of one model.

    Attributes:
        name: Its name.
        model: The compiled neuron model.
        size: Number of neurons.
        parameters: By name a number, or one per neuron, shape (size,); defaults fill in.
        initial: By state variable (``V``, ``I``, ...) a number, or one per neuron; or the model's
            initial coordinate alone (such as ``phi0``). The model's rest fills in.
    """

    name: str
    model: CompiledModel
    size: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int | np.integer):
            raise InputError(
                f"Expected a whole number of neurons in {self.name} but got size={self.size!r}; "
                "give an integer."
            )
        if self.size < 1:
            raise InputError(
                f"Expected at least one neuron in {self.name} but got size={self.size}; "
                "remove the empty population."
            )
        object.__setattr__(self, "parameters", self.check_parameters())
        object.__setattr__(self, "initial", self.check_initial())
        if not np.isfinite(self.coordinates).all():
            raise InputError(
                f"Expected finite initial states of {self.name} but their coordinates overflow; "
                "give smaller initial values."
            )

    def check_parameters(self) -> dict[str, Any]:
        """Return all parameters, defaults filled in: floats, or arrays of one per neuron."""
        model = self.model
        numbers = {n: v for n, v in self.parameters.items() if np.ndim(v) == 0}
        checked: dict[str, Any] = dict(
            zip(model.parameters, model.check_parameters(numbers), strict=True)
        )
        for name in self.parameters.keys() - numbers.keys():
            if name not in checked:
                model.check_parameters({name: 0.0})
            checked[name] = self.read_values(name, self.parameters[name])
        values = [np.asarray(v, dtype=float) for v in checked.values()]
        with np.errstate(all="ignore"):
            valid = model.module.parameters_valid(*values)
        for name, value, domain, ok in zip(
            model.parameters, values, model.domains, valid, strict=True
        ):
            bad = np.flatnonzero(~np.broadcast_to(ok, (self.size,)))
            if len(bad):
                got = np.broadcast_to(value, (self.size,))[bad[0]]
                raise ModelError(
                    f"Expected {domain} but got {name}={got} for neuron {bad[0]} of {self.name}; "
                    f"give a value inside the domain of {model.name}."
                )
        return checked

    def check_initial(self) -> dict[str, Any]:
        """Return the initial values given, as floats or arrays of one per neuron."""
        model, given = self.model, dict(self.initial)
        alone = set(given) == {model.initial} and model.initial not in model.state
        unknown = [] if alone else [name for name in given if name not in model.state]
        if unknown:
            raise InputError(
                f"Expected initial values of {self.name} for {', '.join(model.state)}, or "
                f"{model.initial} alone, but got {unknown[0]!r}; correct its name."
            )
        return {
            name: float(check_finite(name, np.asarray(value, dtype=float)))
            if np.ndim(value) == 0
            else self.read_values(name, value)
            for name, value in given.items()
        }

    def read_values(self, name: str, value: Any) -> np.ndarray:
        """Return one finite number per neuron."""
        array = np.array(value, dtype=np.float64)
        return check_finite(name, check_shape(f"{name} of {self.name}", array, (self.size,)))

    @property
    def values(self) -> tuple[Any, ...]:
        """Parameter values in the model's order: floats or arrays of one per neuron."""
        return tuple(self.parameters.values())

    @property
    def is_uniform(self) -> bool:
        """Whether all neurons share their parameters."""
        return all(np.ndim(v) == 0 for v in self.values)

    @cached_property
    def constants(self) -> np.ndarray:
        """The model's derived constants, shape (n_constants, 1 or size)."""
        return stack(self.call("constants", *self.values), 1 if self.is_uniform else self.size)

    @property
    def starts_at_phase(self) -> bool:
        """Whether the start is given by an initial coordinate that is no state variable."""
        name = self.model.initial
        is_variable = name.removesuffix("0") in self.model.state
        return not is_variable and (not self.initial or name in self.initial)

    @property
    def start_phase(self) -> Any:
        """The initial coordinate, if `starts_at_phase`: a number, or one per neuron."""
        default = self.call("initial_bounds", *self.values)[2]
        return self.initial.get(self.model.initial, default)

    @cached_property
    def coordinates(self) -> np.ndarray:
        """Initial coordinates, shape (n_coordinates, size)."""
        with np.errstate(all="ignore"):
            if self.starts_at_phase:
                found = self.call("initial_state", self.start_phase, *self.constants)
            else:
                found = self.call("enter_chart", *self.start_state.values(), *self.constants)
        return stack(found, self.size)

    @cached_property
    def start_state(self) -> dict[str, np.ndarray]:
        """Initial state by variable, shape (size,) each; rest where none was given."""
        rest = self.call("initial_bounds", *self.values)[2]
        start = self.call("initial_state", rest, *self.constants)
        with np.errstate(all="ignore"):
            resting = self.call("leave_chart", *start, *self.constants)
        return {
            name: np.broadcast_to(self.initial.get(name, value), (self.size,))
            for name, value in zip(self.model.state, resting, strict=True)
        }

    def call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Call a generated function on numbers and arrays that broadcast to (size,)."""
        arrays = [np.asarray(a, dtype=np.float64) for a in arguments]
        found = self.model.array_function(name)(*arrays)
        return found if isinstance(found, tuple) else (found,)


def stack(rows: Sequence[Any], size: int) -> np.ndarray:
    """Rows of numbers or arrays as an array of shape (n_rows, size)."""
    made = [np.broadcast_to(np.asarray(r, dtype=np.float64), (size,)) for r in rows]
    return np.array(made).reshape(len(made), size)


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeTrains:
    """Input spikes.

    Attributes:
        name: Its name.
        size: Number of channels; those without spikes count.
        times: Shape (n_spikes,), >= 0, in any order [time]. Later than the trial's end is never.
        channels: Channel of each spike, shape (n_spikes,).
    """

    name: str
    size: int
    times: np.ndarray
    channels: np.ndarray

    def __post_init__(self) -> None:
        times = np.array(self.times, dtype=np.float64)
        channels = np.asarray(self.channels)
        check_finite(f"times of {self.name}", check_shape(f"times of {self.name}", times, (None,)))
        check_shape(f"channels of {self.name}", channels, (len(times),))
        if len(channels) and channels.dtype.kind not in "iu":
            raise InputError(
                f"Expected whole numbers in the channels of {self.name} but got {channels.dtype}; "
                "store integers."
            )
        if self.size < 1:
            raise InputError(
                f"Expected at least one channel in {self.name} but got size={self.size}; "
                "remove the empty input."
            )
        if np.any(times < 0):
            raise InputError(
                f"Expected times >= 0 in {self.name} but got {times.min()}; shift the trial so "
                "that it starts at 0."
            )
        if len(channels) and (channels.min() < 0 or channels.max() >= self.size):
            raise InputError(
                f"Expected channels 0 to {self.size - 1} in {self.name} but got values from "
                f"{channels.min()} to {channels.max()}; count them from 0, or raise size."
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "channels", channels.astype(np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Connections from a population, or from spike trains, to a population.

    Attributes:
        pre: Name of the population or spike trains.
        post: Name of the population.
        weights: Shape (n_post, n_pre), dense or sparse.
        delays: Transmission delays, >= 0: None (no delay), a number, or a matrix of the shape of
            the weights (sparse: with the same entries) [time].
        matrix: The weights in COO format, each connection once.
        edge_delays: The delay of each of its entries, shape (n_connections,) [time].
    """

    pre: str
    post: str
    weights: Any
    delays: Any = None
    matrix: Any = field(init=False, repr=False)
    edge_delays: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        matrix = self.read_matrix(self.weights, "weights")
        object.__setattr__(self, "matrix", matrix)
        if matrix.nnz and np.abs(matrix.data).max() > LARGEST_WEIGHT:
            raise InputError(
                f"Expected weights of at most {LARGEST_WEIGHT:g} in {self.label} but got "
                f"{np.abs(matrix.data).max():g}; squares of larger ones leave the range of floats."
            )
        object.__setattr__(self, "edge_delays", self.read_delays())

    @property
    def label(self) -> str:
        """Text that names it."""
        return f"{self.pre} -> {self.post}"

    def read_matrix(self, given: Any, what: str) -> Any:
        """Return a matrix in COO format with each entry once, in the order given."""
        name = f"{what} of {self.label}"
        if not scipy.sparse.issparse(given):
            dense = np.array(given, dtype=np.float64)
            check_finite(name, check_shape(name, dense, (None, None)))
            return scipy.sparse.coo_array(dense)
        matrix = scipy.sparse.coo_array(given).astype(np.float64)
        check_finite(name, matrix.data)
        keys = matrix.col.astype(np.int64) * matrix.shape[0] + matrix.row
        order = np.argsort(keys, kind="stable")
        twice = np.flatnonzero(np.diff(keys[order]) == 0)
        if len(twice):
            place = order[twice[0]]
            raise InputError(
                f"Expected each connection once in {name} but got {matrix.col[place]} -> "
                f"{matrix.row[place]} more than once ({len(twice)} such); add up their weights, or "
                "put them into a projection of their own."
            )
        return matrix

    def read_delays(self) -> np.ndarray:
        """Return the delay of each connection, in the matrix's order."""
        matrix, name = self.matrix, f"delays of {self.label}"
        if self.delays is None:
            return np.zeros(matrix.nnz)
        if scipy.sparse.issparse(self.delays):
            given = self.read_matrix(self.delays, "delays")
            same = given.shape == matrix.shape and given.nnz == matrix.nnz
            order, other = (np.lexsort((m.row, m.col)) for m in (matrix, given))
            if not same or not all(
                np.array_equal(a[order], b[other])
                for a, b in ((matrix.row, given.row), (matrix.col, given.col))
            ):
                raise InputError(
                    f"Expected {name} with the entries of the weights but got another pattern; "
                    "store one delay per connection, zeros included."
                )
            values = np.empty(matrix.nnz)
            values[order] = given.data[other]
        elif np.ndim(self.delays) == 0:
            values = np.full(matrix.nnz, float(self.delays))
        else:
            dense = check_shape(name, np.asarray(self.delays, dtype=np.float64), matrix.shape)
            values = dense[matrix.row, matrix.col]
        check_finite(name, values)
        if np.any(values < 0):
            raise InputError(
                f"Expected {name} >= 0 but got {values.min()}; a spike cannot arrive before it "
                "was sent."
            )
        return values

    def shape_like(self, values: np.ndarray) -> Any:
        """Values of the connections as a matrix of the kind of the weights."""
        matrix = self.matrix
        made = scipy.sparse.coo_array((values, (matrix.row, matrix.col)), shape=matrix.shape)
        return made.tocsr() if scipy.sparse.issparse(self.weights) else made.toarray()


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network of any connectivity and one trial.

    Neurons are counted through the populations in order, channels through the inputs.

    Attributes:
        populations: At least one.
        inputs: Spike trains.
        projections: Connections.
        duration: The trial's end T [time].
    """

    populations: Sequence[Population]
    inputs: Sequence[SpikeTrains] = ()
    projections: Sequence[Projection] = ()
    duration: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", float(check_positive("duration", self.duration)))
        for name in ("populations", "inputs", "projections"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.populations:
            raise InputError(
                "Expected at least one population but got an empty network; add neurons."
            )
        members: list[Population | SpikeTrains] = [*self.populations, *self.inputs]
        names = [p.name for p in members]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise InputError(
                f"Expected populations and inputs of different names but got {min(twice)!r} more "
                "than once; rename one."
            )
        if len({p.model.backend for p in self.populations}) > 1:
            raise InputError(
                "Expected models of one backend but got numba and numpy; compile all for the same."
            )
        targets = {p.name: p.size for p in self.populations}
        sources = {p.name: p.size for p in members}
        for projection in self.projections:
            for end, known in (("pre", sources), ("post", targets)):
                if getattr(projection, end) not in known:
                    raise InputError(
                        f"Expected {end} of a projection to be one of {', '.join(known)} but got "
                        f"{getattr(projection, end)!r}; correct its name."
                    )
            wanted = (targets[projection.post], sources[projection.pre])
            check_shape(f"weights of {projection.label}", projection.matrix, wanted)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return sum(p.size for p in self.populations)

    @property
    def n_connections(self) -> int:
        """Number of connections, those of the inputs included."""
        return sum(p.matrix.nnz for p in self.projections)

    def first_of(self, name: str) -> int:
        """Number of the first neuron of a population, or of the first channel of an input."""
        groups: list[Sequence[Population | SpikeTrains]] = [self.populations, self.inputs]
        for group in groups:
            first = 0
            for member in group:
                if member.name == name:
                    return first
                first += member.size
        raise InputError(f"Expected a population or an input but got {name!r}; correct its name.")
