"""What a network is made of: populations, spike trains, projections, readouts, and the whole.

Sparse matrices are those of `scipy.sparse`. What is connected is said by a mask or by the entries
of a sparse matrix, never by zeros: a connection may start at weight 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from sim.inputs.drawn_trains import DrawnTrains
from sim.network.connections import Connections
from sim.network.currents import CurrentSteps
from sim.network.layer_stack import LARGEST_WEIGHT, PRECISIONS, LayerStack
from sim.network.listed import find_twice
from sim.network.readouts import AnyReadout, Readout, check_readout
from spiketheory.errors import (
    InputError,
    ModelError,
    check_choice,
    check_finite,
    check_positive,
    check_shape,
)
from spiketheory.machine.compile import CompiledModel
from spiketheory.memory import check_memory
from spiketheory.shown import Short, shown_by

Sparse: TypeAlias = Any
"""A matrix of `scipy.sparse`, which has no types."""
Matrix: TypeAlias = Any
"""A dense matrix, whatever NumPy makes an array of, or a `Sparse` one."""
Given: TypeAlias = Any
"""A number, or an array of one per neuron."""
MANY = 100_000
"""So many connections are worth loading the kernel that looks for any that is there twice."""
BYTES_LISTED = 80
"""Bytes of a connection that is made an entry of a matrix, the copies on the way included."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Population(Short):
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
    parameters: Mapping[str, Given] = field(default_factory=dict)
    initial: Mapping[str, Given] = field(default_factory=dict)

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

    def check_parameters(self) -> dict[str, Given]:
        """Return all parameters, defaults filled in: floats, or arrays of one per neuron."""
        model = self.model
        numbers = {n: v for n, v in self.parameters.items() if np.ndim(v) == 0}
        checked: dict[str, Given] = dict(
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
            model.check_size(name, value)
        return checked

    def check_initial(self) -> dict[str, Given]:
        """Return the initial values given, as floats or arrays of one per neuron."""
        model, given = self.model, dict(self.initial)
        alone = set(given) == {model.initial} and model.initial not in model.state
        if alone and model.initial.removesuffix("0") in model.state:
            given = {model.initial.removesuffix("0"): given[model.initial]}
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

    def read_values(self, name: str, value: ArrayLike) -> np.ndarray:
        """Return one finite number per neuron."""
        array = np.array(value, dtype=np.float64)
        return check_finite(name, check_shape(f"{name} of {self.name}", array, (self.size,)))

    @property
    def values(self) -> tuple[Given, ...]:
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
    def start_phase(self) -> Given:
        """The initial coordinate, if `starts_at_phase`: a number, or one per neuron."""
        default = self.call("initial_bounds", *self.values)[2]
        return self.initial.get(self.model.initial, default)

    @property
    def initial_coordinate(self) -> np.ndarray | None:
        """The model's learnable initial coordinate, shape (size,); None if others are given."""
        name = self.model.initial
        if self.starts_at_phase:
            return np.array(np.broadcast_to(self.start_phase, (self.size,)), dtype=np.float64)
        variable = name.removesuffix("0")
        if set(self.initial) - {variable} or variable not in self.model.state:
            return None
        return np.array(self.start_state[variable])

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

    def call(self, name: str, *arguments: ArrayLike) -> tuple[np.ndarray, ...]:
        """Call a generated function on numbers and arrays that broadcast to (size,)."""
        arrays = [np.asarray(a, dtype=np.float64) for a in arguments]
        found = self.model.array_function(name)(*arrays)
        return found if isinstance(found, tuple) else (found,)


def stack(rows: Sequence[ArrayLike], size: int) -> np.ndarray:
    """Rows of numbers or arrays as an array of shape (n_rows, size)."""
    made = [np.broadcast_to(np.asarray(r, dtype=np.float64), (size,)) for r in rows]
    return np.array(made).reshape(len(made), size)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SpikeTrains(Short):
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


AnyTrains: TypeAlias = SpikeTrains | DrawnTrains
"""Input spikes, listed or drawn."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Projection(Short):
    """Connections from a population, or from spike trains, to a population.

    Attributes:
        pre: Name of the population or spike trains.
        post: Name of the population.
        weights: Shape (n_post, n_pre), dense or sparse; of a sparse matrix all entries that are
            stored are connections, zeros included. Or connections that a rule draws.
        mask: Which entries of dense weights are connections, shape (n_post, n_pre), bool; None for
            all.
        delays: Transmission delays, >= 0: None (no delay), a number, or a matrix of the shape of
            the weights (sparse: with the same entries); of drawn connections also what each is
            drawn from [time].
        port: Port of the model of ``post`` that takes the spikes; ``default`` is the first.
    """

    pre: str
    post: str
    weights: Matrix
    mask: ArrayLike | None = None
    delays: Matrix | None = None
    port: str = "default"

    def __post_init__(self) -> None:
        listed = isinstance(self.weights, Connections)
        if listed and not (self.mask is None and self.delays is None):
            raise InputError(
                f"Expected neither mask nor delays in {self.label}, whose weights are "
                f"{type(self.weights).__name__}, but got one; give delays there."
            )
        if self.largest_weight > LARGEST_WEIGHT:
            raise InputError(
                f"Expected weights of at most {LARGEST_WEIGHT:g} in {self.label} but got "
                f"{self.largest_weight:g}; squares of larger ones leave the range of floats."
            )
        if self.has_delay_matrix:
            self.__dict__["edge_delays"] = self.read_delays()
        else:
            self.check_delays(np.array([self.delay]))

    @property
    def has_delay_matrix(self) -> bool:
        """Whether ``delays`` has one for each connection."""
        return self.delays is not None and np.ndim(self.delays) > 0

    @property
    def delay(self) -> float:
        """The delay of all connections, if ``delays`` is none or a number [time]."""
        return 0.0 if self.delays is None else float(self.delays)

    @property
    def largest_weight(self) -> float:
        """No weight is larger, of either sign."""
        if isinstance(self.weights, Connections):
            return self.weights.largest_weight
        return float(np.abs(self.matrix.data).max(initial=0.0))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights, (n_post, n_pre)."""
        given = self.weights
        shape: tuple[int, int] = (given if isinstance(given, Connections) else self.matrix).shape
        return shape

    @property
    def n_connections(self) -> int:
        """Number of connections."""
        given = self.weights
        return given.n_connections if isinstance(given, Connections) else int(self.matrix.nnz)

    @property
    def n_expected(self) -> float:
        """Number of connections, on average if it is random; found without drawing any."""
        given = self.weights
        return given.n_expected if isinstance(given, Connections) else float(self.matrix.nnz)

    @property
    def has_matrix(self) -> bool:
        """Whether the weights are a matrix, not `Connections`."""
        return not isinstance(self.weights, Connections)

    @property
    def is_sparse(self) -> bool:
        """Whether derivatives by its weights come as a sparse matrix."""
        return not self.has_matrix or scipy.sparse.issparse(self.weights)

    @cached_property
    def matrix(self) -> Sparse:
        """The weights in COO format, each connection once."""
        if isinstance(self.weights, Connections):
            return self.listed[0]
        return self.read_matrix(self.weights, "weights")

    @cached_property
    def edge_delays(self) -> np.ndarray:
        """The delay of each entry of ``matrix``, shape (n_connections,) [time]."""
        if isinstance(self.weights, Connections):
            return self.listed[1]
        if self.has_delay_matrix:
            return self.read_delays()
        return np.full(self.matrix.nnz, self.delay)

    @cached_property
    def listed(self) -> tuple[Sparse, np.ndarray]:
        """Connections that are no matrix yet, as one, and their delays."""
        given: Connections = self.weights
        check_memory(BYTES_LISTED * given.n_expected, f"the connections {self.label} as a list")
        sources, targets, weights, delays = given.list_all()
        return scipy.sparse.coo_array((weights, (targets, sources)), shape=given.shape), delays

    @property
    def label(self) -> str:
        """Text that names it."""
        return f"{self.pre} -> {self.post}"

    def read_matrix(self, given: Matrix, what: str) -> Sparse:
        """Return a matrix in COO format with each entry once, in the order given."""
        name = f"{what} of {self.label}"
        if not scipy.sparse.issparse(given):
            dense = np.array(given, dtype=np.float64)
            check_finite(name, check_shape(name, dense, (None, None)))
            rows, columns = np.nonzero(self.read_mask(dense.shape))
            return scipy.sparse.coo_array(
                (dense[rows, columns], (rows, columns)), shape=dense.shape
            )
        if self.mask is not None and what == "weights":
            raise InputError(
                f"Expected a mask with dense weights of {self.label} but got sparse ones, whose "
                "entries say what is connected; leave one of the two out."
            )
        matrix = scipy.sparse.coo_array(given).astype(np.float64)
        check_finite(name, matrix.data)
        if matrix.nnz > MANY and find_twice(matrix.col, matrix.row, matrix.shape) < 0:
            return matrix
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

    def read_mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return which entries of dense weights are connections."""
        if self.mask is None:
            return np.ones(shape, dtype=bool)
        mask = check_shape(f"mask of {self.label}", np.asarray(self.mask), shape)
        if mask.dtype != bool:
            raise InputError(
                f"Expected truth values in the mask of {self.label} but got {mask.dtype}; compare, "
                "as in weights != 0."
            )
        return mask

    @property
    def is_full(self) -> bool:
        """Whether everyone is connected to everyone, without delay."""
        n_post, n_pre = self.shape
        return bool(self.n_expected == n_post * n_pre and not np.any(self.edge_delays))

    def read_delays(self) -> np.ndarray:
        """Return the delay of each connection of a matrix of delays, in the weights' order."""
        matrix, name = self.matrix, f"delays of {self.label}"
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
        else:
            dense = check_shape(name, np.asarray(self.delays, dtype=np.float64), matrix.shape)
            values = dense[matrix.row, matrix.col]
        return self.check_delays(values)

    def check_delays(self, values: np.ndarray) -> np.ndarray:
        """Return delays that are finite and not negative."""
        name = f"delays of {self.label}"
        check_finite(name, values)
        if np.any(values < 0):
            raise InputError(
                f"Expected {name} >= 0 but got {values.min()}; a spike cannot arrive before it "
                "was sent."
            )
        return values

    @cached_property
    def is_row_by_row(self) -> bool:
        """Whether everyone is connected to everyone, and connections are listed row by row."""
        matrix = self.matrix
        n_post, n_pre = matrix.shape
        return bool(
            matrix.nnz == n_post * n_pre
            and np.all(matrix.row.reshape(matrix.shape) == np.arange(n_post)[:, None])
            and np.all(matrix.col.reshape(matrix.shape) == np.arange(n_pre))
        )

    @property
    def dense(self) -> np.ndarray:
        """The weights as a dense matrix, shape (n_post, n_pre)."""
        if self.is_row_by_row:
            return np.array(self.matrix.data).reshape(self.matrix.shape)
        found: np.ndarray = self.matrix.toarray()
        return found

    def shape_like(self, values: np.ndarray) -> Matrix:
        """Values of the connections as a matrix of the kind of the weights."""
        matrix = self.matrix
        made = scipy.sparse.coo_array((values, (matrix.row, matrix.col)), shape=matrix.shape)
        return made.tocsr() if self.is_sparse else made.toarray()


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network of any connectivity.

    Neurons are counted through the populations in order, channels through the inputs. Weights have
    one orientation everywhere: (post, pre).

    Attributes:
        populations: At least one.
        inputs: Spike trains, which a trial may replace; those without spikes are channels alone.
        projections: Connections.
        readouts: What is read from it.
        currents: Currents that change in steps, the same in every trial.
        duration: The trial's end T [time].
        precision: ``float64``, or ``float32``, of weights and states in the layer engine; what
            happens to single neurons is computed in double precision in both.
    """

    populations: Sequence[Population]
    inputs: Sequence[AnyTrains] = ()
    projections: Sequence[Projection] = ()
    readouts: Sequence[AnyReadout] = ()
    currents: Sequence[CurrentSteps] = ()
    duration: float
    precision: str = "float64"

    def __repr__(self) -> str:
        members = [f"{p.name} ({p.size} {p.model.name})" for p in self.populations]
        return (
            f"Network({', '.join(members)}; {self.n_channels} channels, "
            f"{self.n_expected:.0f} connections, T={self.duration:g})"
        )

    _repr_png_ = shown_by("sim.analysis.network_figure.show_network")

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", float(check_positive("duration", self.duration)))
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("populations", "inputs", "projections", "readouts", "currents"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.populations:
            raise InputError(
                "Expected at least one population but got an empty network; add neurons."
            )
        members: list[Population | AnyTrains | CurrentSteps] = [
            *self.populations, *self.inputs, *self.currents,
        ]  # fmt: skip
        names = [p.name for p in members]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise InputError(
                f"Expected populations and inputs of different names but got {min(twice)!r} more "
                "than once; rename one."
            )
        for trains in self.inputs:
            if isinstance(trains, DrawnTrains) and trains.duration < self.duration:
                raise InputError(
                    f"Expected spikes of {trains.name} up to the trial's end, {self.duration:g}, "
                    f"but they are drawn up to {trains.duration:g}; give it the network's duration."
                )
        if len({p.model.backend for p in self.populations}) > 1:
            raise InputError(
                "Expected models of one backend but got numba and numpy; compile all for the same."
            )
        targets = {p.name: p.size for p in self.populations}
        sources = {p.name: p.size for p in members}
        models = {p.name: p.model for p in self.populations}
        for projection in self.projections:
            check_ends(projection, sources, targets)
            check_input(projection, models[projection.post])
            if projection.pre in {current.name for current in self.currents}:
                check_current(projection, models[projection.post])
        for readout in self.readouts:
            check_readout(readout, targets)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The neurons of each population, and the channels of each input, by name."""
        found: dict[str, slice] = {}
        for group in (self.populations, self.inputs):
            first = 0
            for member in group:
                found[member.name] = slice(first, first + member.size)
                first += member.size
        return found

    @property
    def parts(self) -> list[tuple[Population, slice]]:
        """Each population and its neurons."""
        return [(p, self.slices[p.name]) for p in self.populations]

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return sum(p.size for p in self.inputs)

    @cached_property
    def layers(self) -> LayerStack | None:
        """The network as a chain of dense layers; None if it is none."""
        found = read_layers(self)
        return found if isinstance(found, LayerStack) else None

    @property
    def why_no_layers(self) -> str:
        """Why it is no chain of dense layers; empty if it is one."""
        found = read_layers(self)
        return found if isinstance(found, str) else ""

    def with_spikes(self, times: np.ndarray, channels: np.ndarray) -> "Network":
        """The same network with other input spikes.

        Args:
            times: Shape (n_spikes,) [time].
            channels: Channel of each, counted through the inputs.
        """
        inputs = []
        for given in self.inputs:
            own = self.slices[given.name]
            inside = (channels >= own.start) & (channels < own.stop)
            inputs.append(
                SpikeTrains(
                    name=given.name, size=given.size, times=times[inside],
                    channels=channels[inside] - own.start,
                )
            )  # fmt: skip
        return replace(self, inputs=inputs)

    def find_readout(self, readout: Readout | None = None) -> tuple[np.ndarray, int]:
        """Neurons of a readout, counted through the populations, and how many spikes of each.

        Args:
            readout: One of the network's; None for the first that reads spikes, or, if it has none,
                the first spikes of the last population.
        """
        last = self.populations[-1].name
        of_spikes = [one for one in self.readouts if isinstance(one, Readout)]
        chosen = readout or next(iter(of_spikes), Readout(name=last, population=last))
        own = np.arange(self.n_neurons)[self.slices[chosen.population]]
        return own if chosen.neurons is None else own[np.asarray(chosen.neurons)], chosen.n_spikes

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return sum(p.size for p in self.populations)

    @property
    def n_sources(self) -> int:
        """Number of neurons, channels, and steps of currents."""
        n_steps = sum(c.size * len(c.times) for c in self.currents)
        return self.n_neurons + self.n_channels + n_steps

    @property
    def n_connections(self) -> int:
        """Number of connections, those of the inputs included."""
        return sum(p.n_connections for p in self.projections)

    @property
    def n_expected(self) -> float:
        """The same on average; found without drawing any."""
        return sum(p.n_expected for p in self.projections)


def check_ends(
    projection: Projection, sources: Mapping[str, int], targets: Mapping[str, int]
) -> None:
    """Raise `InputError` unless a projection fits the populations and inputs of a network."""
    for end, known in (("pre", sources), ("post", targets)):
        if getattr(projection, end) not in known:
            raise InputError(
                f"Expected {end} of a projection to be one of {', '.join(known)} but got "
                f"{getattr(projection, end)!r}; correct its name."
            )
    wanted, got = (targets[projection.post], sources[projection.pre]), projection.shape
    if got != wanted and got == wanted[::-1]:
        raise InputError(
            f"Expected weights of {projection.label} with shape {wanted}, (post, pre), but got "
            f"{got}; transpose them."
        )
    check_shape(f"weights of {projection.label}", np.broadcast_to(0.0, got), wanted)


def check_input(projection: Projection, model: CompiledModel) -> None:
    """Raise unless a projection leads to a port, and weights of 0 where neurons take no input."""
    model.find_port(projection.port)
    if model.inputs == "none" and projection.largest_weight > 0:
        raise InputError(
            f"Expected {projection.label} to lead to neurons that take input but {model.name} "
            "takes none; leave these connections out, or give the model an input."
        )


def check_current(projection: Projection, model: CompiledModel) -> None:
    """Raise `InputError` unless a current leads to a port that keeps what is added."""
    if model.find_port(projection.port) not in model.current_ports:
        raise InputError(
            f"Expected the current of {projection.label} to lead to a port of {model.name} that "
            "adds w to variables X with dX/dt = 0 which no reset changes but got the port "
            f"{projection.port}; add dI_ext/dt = 0 to the equations, I_ext to the current in "
            'dV/dt, and I_ext = "I_ext += w" to [model.inputs], and name that port here.'
        )


def read_layers(network: Network) -> LayerStack | str:
    """A network as a chain of dense layers, or why it is none.

    The input leads to the first population, each population to the next; all share one model and
    its parameters, which are the same for all neurons, and start at the model's initial coordinate.
    """
    populations, model = network.populations, network.populations[0].model
    if network.currents:
        return f"{network.currents[0].name} is a current that changes in steps"
    if len(network.inputs) != 1:
        return f"it has {len(network.inputs)} inputs"
    chain = [network.inputs[0].name, *(p.name for p in populations)]
    by_ends = {(p.pre, p.post): p for p in network.projections}
    wanted = list(pairwise(chain))
    others = [p for p in network.projections if (p.pre, p.post) not in wanted]
    if others:
        return f"{others[0].label} is no step from a layer to the next"
    if len(network.projections) != len(wanted):
        return "not every layer has exactly one projection to the next"
    for ends in wanted:
        if not by_ends[ends].is_full:
            return f"{by_ends[ends].label} is sparse or has delays"
    for population in populations:
        if population.model is not model:
            return "its populations have different models"
        if not population.is_uniform or population.parameters != populations[0].parameters:
            return "its neurons have different parameters"
        if population.initial_coordinate is None:
            return f"{population.name} does not start at {model.initial} alone"
    if not model.has_pseudospikes:
        return f"{model.name} has no pseudospikes: {model.without_pseudospikes}"
    return LayerStack(
        model=model,
        parameters=dict(populations[0].parameters),
        duration=network.duration,
        weights=tuple(by_ends[ends].dense.T for ends in wanted),
        initial=np.concatenate([p.initial_coordinate for p in populations]),
        precision=network.precision,
    )
