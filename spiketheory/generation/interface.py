"""What a neuron model offers to kernels: one stub for each generated function, and the facts.

A kernel imports these names and calls them; `spiketheory.machine.link` puts the functions and facts
of a model in their place. `spiketheory.generation.generate` checks every module that it writes
against this list.

A neuron is described by its coordinates, which the chart makes of the state; the flow between
events has derived constants and, for each duration, a propagator: numbers that all neurons share.
The signature of a stub names such groups; a model fills in how many numbers each has. Times are
those of the model's equations, weights are what its input adds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Signature:
    """Arguments and results of a generated function.

    Attributes:
        arguments: Their names. Parameters, constants, state, coordinates and propagator are
            several numbers, as are adjoints of them; varied constants are those by which anything
            has derivatives. Every other name is one number or array.
        results: Likewise; empty if it returns nothing.
        optional: Whether a model may lack it.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    optional: bool


INTERFACE: dict[str, Signature] = {}
"""The signature of every stub, by name."""


def generated(signature: str, *, optional: bool = False) -> Callable[[F], F]:
    """Declare a stub.

    Args:
        signature: Arguments, an arrow and results.
        optional: Whether a model may lack the function.
    """
    arguments, results = (
        tuple(name.strip() for name in side.split(",") if name.strip())
        for side in signature.split("->")
    )

    def declare(stub: F) -> F:
        INTERFACE[stub.__name__] = Signature(arguments, results, optional)
        return stub

    return declare


def count_numbers(names: tuple[str, ...], sizes: dict[str, int]) -> int:
    """How many numbers stand behind the names of a signature, with the sizes of groups given."""
    return sum(sizes.get(name.rpartition(" of ")[2], 1) for name in names)


def missing(name: str) -> Any:
    """What a stub does that is called before it is linked."""
    raise NotImplementedError(
        f"Expected {name} to be linked with a neuron model; see spiketheory.machine.link."
    )


N_COORDINATES: int = 0
"""Number of coordinates."""
ZEROS: tuple[float, ...] = (0.0,)
"""A zero for each coordinate."""
SCALED: tuple[int, ...] = (0,)
"""Places of the coordinates of which positive multiples are the same state; (0,) if none are."""
IS_PROJECTIVE: bool = False
"""Whether there are such coordinates."""
FIRST_SCALED: int = 0
"""Place of the first of them."""
LAST_SCALED: int = 0
"""Place of the last of them; the sign of this coordinate turns at a spike at infinity."""
CROSSES_INFINITY: bool = False
"""Whether the flow carries the state through the spike and its reset, one point at infinity."""
SIGN_PREDICTS: bool = False
"""Whether `will_spike` asks for the sign that the flow leads to; else rounding may part them."""
IS_INTEGRATED: bool = False
"""Whether the next spike is found by integration, so that it matters how far one looks."""
HAS_THRESHOLD: bool = False
"""Whether it spikes at a finite threshold, which an input may carry it across."""
THRESHOLD_PLACE: int = 0
"""Place of the coordinate that has the threshold; 0 if none has."""
N_PORTS: int = 1
"""Number of ports that take input; where there are several, ``jump`` is that of the first."""
INPUTS_ADD_UP: bool = True
"""Whether simultaneous inputs are one input of the sum of their weights."""
HAS_PARAMETERS: bool = False
"""Whether there are functions for derivatives by the constants."""
HAS_PEAK: bool = False
"""Whether what has the threshold may have a maximum between two events, which is found."""
HAS_FRAME: bool = False
"""Whether there is a co-moving frame: coordinates that do not change between events."""
N_FACTORS: int = 0
"""Number of numbers that depend on the time since the frame's origin alone."""
N_PUSH: int = 0
"""Number of numbers that an input is made of in the frame."""
FRAME_KEEPS_TIME: bool = False
"""Whether the time of a neuron's last event, ``since``, matters in the frame; else it may be 0."""
FRAME_CROSSES: bool = False
"""Whether an input may carry a neuron across its threshold, which `frame_crosses` says."""


@generated("parameters -> validity of parameters")
def parameters_valid(*arguments: float) -> Any:
    """Whether each parameter lies in its domain."""
    return missing("parameters_valid")


@generated("parameters -> constants")
def constants(*arguments: float) -> Any:
    """Derived constants, computed once per simulation."""
    return missing("constants")


@generated("parameters, adjoints of varied constants -> adjoints of parameters", optional=True)
def constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the parameters, from those by the constants."""
    return missing("constants_vjp")


@generated("parameters -> lower, upper, default")
def initial_bounds(*arguments: float) -> Any:
    """Smallest, largest and default value of the learnable initial coordinate."""
    return missing("initial_bounds")


@generated("initial, constants -> coordinates")
def initial_state(*arguments: float) -> Any:
    """Coordinates of a neuron with a given learnable initial coordinate."""
    return missing("initial_state")


@generated("initial, constants, adjoints of coordinates -> adjoint of initial")
def initial_state_vjp(*arguments: float) -> Any:
    """Derivative of a loss by the initial coordinate, from those by the coordinates."""
    return missing("initial_state_vjp")


@generated(
    "initial, constants, adjoints of coordinates -> adjoints of varied constants", optional=True
)
def initial_state_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, at a fixed initial coordinate."""
    return missing("initial_state_constants_vjp")


@generated("coordinates, constants -> initial")
def initial_value(*arguments: float) -> Any:
    """The learnable initial coordinate of a neuron with given coordinates."""
    return missing("initial_value")


@generated("state, constants -> coordinates")
def enter_chart(*arguments: float) -> Any:
    """Coordinates of a given state."""
    return missing("enter_chart")


@generated("state, constants, adjoints of coordinates -> adjoints of state")
def enter_chart_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the state, from those by the coordinates."""
    return missing("enter_chart_vjp")


@generated(
    "state, constants, adjoints of coordinates -> adjoints of varied constants", optional=True
)
def enter_chart_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, at a fixed state."""
    return missing("enter_chart_constants_vjp")


@generated("coordinates, constants -> state")
def leave_chart(*arguments: float) -> Any:
    """State of given coordinates; infinite at a spike at infinity."""
    return missing("leave_chart")


@generated("coordinates, constants, adjoints of state -> adjoints of coordinates")
def leave_chart_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates, from those by the state."""
    return missing("leave_chart_vjp")


@generated(
    "coordinates, constants, adjoints of state -> adjoints of varied constants", optional=True
)
def leave_chart_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, at fixed coordinates."""
    return missing("leave_chart_constants_vjp")


@generated("coordinates, constants -> velocities of coordinates")
def velocity(*arguments: float) -> Any:
    """Time derivatives of the coordinates between events."""
    return missing("velocity")


@generated("duration, constants -> propagator")
def propagator(*arguments: float) -> Any:
    """Numbers of the flow that depend on the duration alone."""
    return missing("propagator")


@generated("coordinates, propagator, constants -> coordinates")
def flow(*arguments: float) -> Any:
    """Coordinates after the propagator's duration without events."""
    return missing("flow")


@generated("coordinates, propagator, constants, adjoints of coordinates -> adjoints of coordinates")
def flow_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates before the flow, from those after it."""
    return missing("flow_vjp")


@generated(
    "coordinates, duration, constants, adjoints of coordinates -> adjoints of varied constants",
    optional=True,
)
def flow_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, by way of the flow."""
    return missing("flow_constants_vjp")


@generated("coordinates, constants -> duration")
def time_to_spike(*arguments: float) -> Any:
    """Time to the next spike without further input; inf if there is none."""
    return missing("time_to_spike")


@generated("coordinates, duration, constants -> duration", optional=True)
def spike_within(*arguments: float) -> Any:
    """Time to the next spike; inf if it is not within the duration. Of integrated models."""
    return missing("spike_within")


@generated("coordinates, propagator, constants -> spikes")
def will_spike(*arguments: float) -> Any:
    """Whether a spike comes within the propagator's duration."""
    return missing("will_spike")


@generated("coordinates, constants -> duration", optional=True)
def time_to_peak(*arguments: float) -> Any:
    """Time to the next maximum of what has the threshold, without further input and spikes."""
    return missing("time_to_peak")


@generated("coordinates, constants -> excess", optional=True)
def excess(*arguments: float) -> Any:
    """How far what has the threshold is beyond it."""
    return missing("excess")


@generated(
    "coordinates, constants, adjoint of excess -> adjoints of varied constants", optional=True
)
def excess_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, at fixed coordinates, from that by the excess."""
    return missing("excess_constants_vjp")


@generated("coordinates, propagator, constants -> coordinates")
def fire(*arguments: float) -> Any:
    """Coordinates after the spike that ends the propagator's duration."""
    return missing("fire")


@generated(
    "coordinates, propagator, constants, adjoints of coordinates, adjoint of time"
    " -> adjoints of coordinates"
)
def fire_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates before flow and spike.

    From those by the coordinates after the spike at fixed time, and by the spike time.
    """
    return missing("fire_vjp")


@generated(
    "coordinates, duration, constants, adjoints of coordinates, adjoint of time"
    " -> adjoints of varied constants",
    optional=True,
)
def fire_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, by way of flow and spike."""
    return missing("fire_constants_vjp")


@generated("coordinates, weight, constants -> coordinates")
def jump(*arguments: float) -> Any:
    """Coordinates after an input."""
    return missing("jump")


@generated(
    "coordinates, weight, constants, adjoints of coordinates"
    " -> adjoints of coordinates, adjoint of weight, adjoint of time"
)
def jump_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates before the input, its weight and its time."""
    return missing("jump_vjp")


@generated(
    "coordinates, weight, constants, adjoints of coordinates -> adjoints of varied constants",
    optional=True,
)
def jump_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, by way of an input."""
    return missing("jump_constants_vjp")


@generated("coordinates, weight, port, constants -> coordinates", optional=True)
def jump_at(*arguments: float) -> Any:
    """Coordinates after an input at one of several ports, which is given by its number."""
    return missing("jump_at")


@generated(
    "coordinates, weight, port, constants, adjoints of coordinates"
    " -> adjoints of coordinates, adjoint of weight, adjoint of time",
    optional=True,
)
def jump_at_vjp(*arguments: float) -> Any:
    """`jump_vjp` for an input at one of several ports."""
    return missing("jump_at_vjp")


@generated(
    "coordinates, weight, port, constants, adjoints of coordinates -> adjoints of varied constants",
    optional=True,
)
def jump_at_constants_vjp(*arguments: float) -> Any:
    """`jump_constants_vjp` for an input at one of several ports."""
    return missing("jump_at_constants_vjp")


@generated("coordinates, constants -> coordinates")
def reset(*arguments: float) -> Any:
    """Coordinates after a spike, from those at the spike."""
    return missing("reset")


@generated("coordinates, constants, adjoints of coordinates -> adjoints of coordinates")
def reset_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates at a spike whose time they do not move."""
    return missing("reset_vjp")


@generated(
    "coordinates, constants, adjoints of coordinates -> adjoints of varied constants", optional=True
)
def reset_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, by way of the reset."""
    return missing("reset_constants_vjp")


@generated("coordinates, pseudo input, constants -> delay, period, rate", optional=True)
def pseudospike(*arguments: float) -> Any:
    """First missing spike after the trial's end, time between more, pseudo rate."""
    return missing("pseudospike")


@generated(
    "coordinates, pseudo input, constants, adjoint of delay, adjoint of period, adjoint of rate"
    " -> adjoints of coordinates, adjoint of pseudo input",
    optional=True,
)
def pseudospike_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the coordinates at the trial's end and by the pseudo input."""
    return missing("pseudospike_vjp")


@generated(
    "coordinates, pseudo input, constants, adjoint of delay, adjoint of period, adjoint of rate"
    " -> adjoints of varied constants",
    optional=True,
)
def pseudospike_constants_vjp(*arguments: float) -> Any:
    """Derivatives of a loss by the constants, by way of a pseudospike."""
    return missing("pseudospike_constants_vjp")


@generated("constants -> window, reach", optional=True)
def frame_limits(*arguments: float) -> Any:
    """Longest time between two looks at a neuron, and longest time since the frame's origin."""
    return missing("frame_limits")


@generated("duration, constants -> factors", optional=True)
def frame_factors(*arguments: float) -> Any:
    """Numbers of the frame that depend on the time since its origin alone."""
    return missing("frame_factors")


@generated("coordinates, constants -> coordinates", optional=True)
def frame_enter(*arguments: float) -> Any:
    """Coordinates of the frame, from those of the chart at its origin."""
    return missing("frame_enter")


@generated("coordinates, factors, constants -> coordinates", optional=True)
def frame_leave(*arguments: float) -> Any:
    """Coordinates of the chart at the factors' time, from those of the frame."""
    return missing("frame_leave")


@generated("coordinates, factors, constants -> coordinates", optional=True)
def frame_rebase(*arguments: float) -> Any:
    """Coordinates of the frame with its origin at the factors' time."""
    return missing("frame_rebase")


@generated("weight, factors, constants -> push", optional=True)
def frame_push(*arguments: float) -> Any:
    """Numbers of an input at the factors' time, the same for all neurons."""
    return missing("frame_push")


@generated("weight, port, factors, constants -> push", optional=True)
def frame_push_at(*arguments: float) -> Any:
    """Numbers of an input at one of several ports, which is given by its number."""
    return missing("frame_push_at")


@generated("coordinates, push, factors, constants -> coordinates", optional=True)
def frame_jump(*arguments: float) -> Any:
    """Coordinates of the frame after an input with these numbers, at any port."""
    return missing("frame_jump")


@generated("coordinates, since, duration, factors, constants -> quiet", optional=True)
def frame_quiet(*arguments: float) -> Any:
    """Whether surely no spike came before a time, since the last event."""
    return missing("frame_quiet")


@generated("coordinates, since, duration, factors, constants -> time", optional=True)
def frame_spike(*arguments: float) -> Any:
    """Time of the first spike before a time, since the last event; inf if there is none."""
    return missing("frame_spike")


@generated("coordinates, time, constants -> coordinates", optional=True)
def frame_fire(*arguments: float) -> Any:
    """Coordinates of the frame after a spike at a time."""
    return missing("frame_fire")


@generated("coordinates, factors, constants -> crosses", optional=True)
def frame_crosses(*arguments: float) -> Any:
    """Whether a neuron is on its threshold or beyond it at the factors' time."""
    return missing("frame_crosses")


@generated("array, place -> coordinates", optional=True)
def load_frame(*arguments: Any) -> Any:
    """Coordinates of the frame of one neuron, from a flat array."""
    return missing("load_frame")


@generated("array, place, coordinates ->", optional=True)
def store_frame(*arguments: Any) -> Any:
    """Write the coordinates of the frame of one neuron to a flat array."""
    return missing("store_frame")


@generated("array, neuron -> coordinates")
def load(*arguments: Any) -> Any:
    """Coordinates of one neuron, from an array of shape (n_coordinates, n_neurons)."""
    return missing("load")


@generated("array, neuron, coordinates ->")
def store(*arguments: Any) -> Any:
    """Write the coordinates of one neuron to an array of shape (n_coordinates, n_neurons)."""
    return missing("store")


@generated("array, row -> constants")
def load_constants(*arguments: Any) -> Any:
    """Constants of one kind of neuron, from an array of shape (n_constants, n_kinds)."""
    return missing("load_constants")


@generated("array, step, like -> propagator")
def load_propagator(*arguments: Any) -> Any:
    """One propagator, from an array of shape (n_numbers, n_steps), in the precision of ``like``."""
    return missing("load_propagator")


@generated("array, step, propagator ->")
def store_propagator(*arguments: Any) -> Any:
    """Write one propagator to an array of shape (n_numbers, n_steps)."""
    return missing("store_propagator")


@generated("coordinates, over -> coordinates")
def turn(*arguments: Any) -> Any:
    """Projective coordinates with the other sign if ``over``; the others as they are."""
    return missing("turn")
