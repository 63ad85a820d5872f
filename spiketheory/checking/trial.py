"""A trial of a small network as plain numbers, and one of its parameters moved.

The numbers may be floats or mpmath numbers: the event loop runs on both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

Number = Any
"""A float or an mpmath number."""
Rows = tuple[tuple[Number, ...], ...]


@dataclass(frozen=True, order=True)
class Place:
    """Where a parameter of a trial stands.

    Attributes:
        field: ``weights``, ``input_weights``, ``input_times``, ``initial`` or ``duration``.
        index: Its index there: (post, pre), (post, input), (event,), (neuron, variable) or ().
    """

    field: str
    index: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network of one neuron model, its inputs and its initial state.

    N neurons, M inputs, K input spikes. Inputs at the same time act in the order of their index.

    Attributes:
        duration: The trial's end T [time].
        weights: From neuron to neuron, self-connections included, (N, N) as [post][pre].
        input_weights: From inputs to neurons, (N, M) as [post][input].
        input_times: Times of the input spikes, (K,) [time]; those after T do nothing.
        input_neurons: The input that each of them comes from, (K,).
        initial: State variables of every neuron at time 0, (N, n_state).
    """

    duration: Number
    weights: Rows
    input_weights: Rows
    input_times: tuple[Number, ...]
    input_neurons: tuple[int, ...]
    initial: Rows

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return len(self.initial)

    def places(self) -> Iterator[Place]:
        """Every parameter but the duration: input weights, input times, weights, initial states."""
        for name in ("input_weights", "input_times", "weights", "initial"):
            for i, entry in enumerate(getattr(self, name)):
                if name == "input_times":
                    yield Place(name, (i,))
                else:
                    yield from (Place(name, (i, j)) for j in range(len(entry)))

    def read(self, place: Place) -> Number:
        """The parameter at ``place``."""
        value = getattr(self, place.field)
        for i in place.index:
            value = value[i]
        return value

    def move(self, place: Place, value: Number) -> "Trial":
        """The same trial with another value at ``place``."""
        return replace(
            self, **{place.field: put(getattr(self, place.field), place.index, value)}
        )  # fmt: skip

    def map(self, change: Any) -> "Trial":
        """The same trial with every number replaced by ``change(number)``."""
        moved = {name: change_all(getattr(self, name), change) for name in NUMBERS}
        return replace(self, **moved)


NUMBERS = ("duration", "weights", "input_weights", "input_times", "initial")


def put(values: Any, index: Sequence[int], value: Number) -> Any:
    """Nested tuples with one entry replaced."""
    if not index:
        return value
    first, *rest = index
    return (*values[:first], put(values[first], rest, value), *values[first + 1 :])


def change_all(values: Any, change: Any) -> Any:
    """Nested tuples with every number replaced by ``change(number)``."""
    if isinstance(values, tuple):
        return tuple(change_all(v, change) for v in values)
    return change(values)


def blend(start: Any, end: Any, s: Number) -> Any:
    """Numbers on the straight line from ``start`` (s = 0) to ``end`` (s = 1), nested tuples."""
    if isinstance(start, tuple):
        return tuple(blend(a, b, s) for a, b in zip(start, end, strict=True))
    return start if start == end else (1 - s) * start + s * end


@dataclass(frozen=True, kw_only=True)
class Path:
    """A straight line in parameter space between two trials of the same shape.

    Attributes:
        start: The trial at s = 0.
        end: The trial at s = 1; the same inputs spike in the same order of events.
    """

    start: Trial
    end: Trial

    def at(self, s: Number) -> Trial:
        """The trial at position ``s``."""
        moved = {name: blend(getattr(self.start, name), getattr(self.end, name), s)
                 for name in NUMBERS}  # fmt: skip
        return replace(self.start, **moved)

    @property
    def length(self) -> float:
        """How far the parameter that moves most moves."""
        return max((abs(self.end.read(p) - self.start.read(p)) for p in self.moved), default=0.0)

    @property
    def moved(self) -> list[Place]:
        """The parameters that differ between start and end."""
        return [p for p in self.start.places() if self.start.read(p) != self.end.read(p)]
