"""One neuron of the plain engine: a model's generated functions, called with plain numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from spiketheory.machine.compile import CompiledModel

Number = Any
"""A float, or a number of mpmath."""
State = tuple[Number, ...]


class Arithmetic(NamedTuple):
    """The numbers to compute with.

    Attributes:
        number: Makes one of a float; NumPy's floats divide by zero as IEEE says.
        functions: The generated scalar functions of a model that take and return them.
    """

    number: Callable[[Any], Number]
    functions: Callable[[CompiledModel], Any]


FLOATS = Arithmetic(number=np.float64, functions=lambda model: model.functions)


class Input(NamedTuple):
    """What a connection brings.

    Attributes:
        weight: Its weight.
        port: Number of the port that it leads to.
    """

    weight: Number
    port: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron:
    """A neuron and where it starts.

    Attributes:
        model: Its model.
        functions: The model's generated functions, in the arithmetic of the run.
        number: Makes a number of that arithmetic.
        parameters: In the model's order.
        constants: Derived constants.
        enter: Generated function that makes the initial coordinates: ``enter_chart`` of a state,
            ``initial_state`` of the model's learnable initial coordinate.
        given: What it makes them of.
    """

    model: CompiledModel
    functions: Any
    number: Callable[[Any], Number]
    parameters: State
    constants: State
    enter: str
    given: State

    def __getstate__(self) -> dict[str, Any]:
        """Modules do not pickle: the model brings its own again."""
        own = self.functions is self.model.functions
        return {**vars(self), "functions": None if own else self.functions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        given = state["functions"]
        vars(self).update(state, functions=state["model"].functions if given is None else given)

    def call(self, name: str, *arguments: Number) -> State:
        """Call a generated function; one result is a tuple of one."""
        found = getattr(self.functions, name)(*arguments)
        many = found if isinstance(found, tuple | list) else (found,)
        return tuple(map(self.number, many))

    def at(self, name: str, state: State, *arguments: Number) -> State:
        """A function of the state, what else there is, and the constants."""
        return self.call(name, *state, *arguments, *self.constants)

    def after(self, name: str, state: State, duration: Number, *adjoint: Number) -> State:
        """``flow``, ``fire`` or a derivative of theirs, over a duration."""
        step = self.call("propagator", duration, *self.constants)
        return self.call(name, *state, *step, *self.constants, *adjoint)

    def jump(self, state: State, put: "Input", kind: str = "", adjoint: State = ()) -> State:
        """The state after an input, or a derivative of it, of the ``kind`` ``_vjp`` for example."""
        if self.model.n_ports == 1:
            return self.call(f"jump{kind}", *state, put.weight, *self.constants, *adjoint)
        arguments = (*state, put.weight, put.port, *self.constants, *adjoint)
        return self.call(f"jump_at{kind}", *arguments)

    def start(self) -> State:
        """Initial coordinates."""
        return self.call(self.enter, *self.given, *self.constants)

    def wait(self, state: State) -> Number:
        """Time to the next spike without input; 0 if the state is beyond the spike."""
        (wait,) = self.at("time_to_spike", state)
        return wait if wait > 0 else self.number(0)

    @property
    def has_parameters(self) -> bool:
        """Whether the model has constants by which there are derivatives."""
        return hasattr(self.functions, "constants_vjp")

    def pull(self, name: str, *arguments: Number) -> State:
        """The part of a derivative by the constants, empty if the model has none to vary."""
        if not self.has_parameters:
            return ()
        return self.call(f"{name}_constants_vjp", *arguments)


def make_neuron(
    model: CompiledModel, arithmetic: Arithmetic, parameters: State, enter: str, given: State
) -> Neuron:
    """A neuron of a model.

    Args:
        model: The model.
        arithmetic: The numbers to compute with.
        parameters: In the model's order.
        enter: See `Neuron`.
        given: Likewise.
    """
    functions, number = arithmetic.functions(model), arithmetic.number
    values = tuple(map(number, parameters))
    found = functions.constants(*values)
    return Neuron(
        model=model, functions=functions, number=number, parameters=values,
        constants=tuple(map(number, found if isinstance(found, tuple | list) else (found,))),
        enter=enter, given=tuple(map(number, given)),
    )  # fmt: skip


def dot(left: State, right: State) -> Number:
    """Scalar product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), 0 * left[0])
