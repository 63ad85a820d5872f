"""What neurons of a network offer to the event loops: one stub for each function, and the facts.

The kernels of `sim.events.loop` and `sim.events.backward` import these names and call them;
`sim.events.kinds` puts in their place the functions of `sim.events.neurons` for the models of a
network. ``kind`` is the place of a neuron's model among them.

``states`` and ``starts`` have one column of coordinates per neuron, or per event; ``table`` has one
column of constants per ``row``, ``by_constant`` one of derivatives by the constants; ``adjoints``
has one of derivatives by the coordinates per neuron.
"""

from sim.events.ties import Ties
from sim.kernels.types import Floats, Ints
from spiketheory.generation.interface import missing

MOST_COORDINATES: int = 0
"""Most coordinates of any model."""
LAST: int = 0
"""Row of ``cells`` (`sim.events.loop`) with the time of each neuron's last event."""
WAIT: int = 0
"""Row with the time from there to its next spike."""
HAS_PORTS: bool = False
"""Whether any model takes input at several ports; else the port is 0."""
DUE: int = 0
"""Row with the time of that spike."""
ARRIVED, CROSSED, DEFERRED, LOST = 0, 1, 2, 3
"""An arrival was taken in; it carried the neuron across its threshold, which spikes at once; it
found the neuron on its threshold, moves nothing there, and waits until it has spiked; the state
left the range of numbers."""


def prefetch(array: Floats | Ints, column: int) -> None:
    """Ask for an entry, or a column, of an array ahead of its use; see `make_prefetch`."""
    missing("prefetch")


def receive(
    kind: int, states: Floats, i: int, table: Floats, row: int, dt: float, weight: float,
    port: int, rest: float, pending: bool, is_due: bool,
) -> tuple[float, int, float]:  # fmt: skip
    """Flow for ``dt``, then an input at a port; ``pending`` if one already made it spike now.

    ``rest`` is how long the trial still lasts. ``is_due`` says that the neuron spikes now by
    itself: it is on its threshold then, whatever rounding has made of its state.

    Returns:
        Time to the next spike (inf if it is after the trial and was not looked for), what happened
        (ARRIVED, ...), and the power of two that the coordinates were multiplied by.
    """
    return missing("receive")


def spike(
    kind: int, states: Floats, i: int, table: Floats, row: int, wait: float, at_once: bool,
    rest: float,
) -> float:  # fmt: skip
    """The spike that comes after ``wait``; returns the time to the one after it."""
    return missing("spike")


def find_wait(kind: int, states: Floats, i: int, table: Floats, row: int, rest: float) -> float:
    """Time to the next spike."""
    return missing("find_wait")


def probe(
    kind: int, states: Floats, i: int, table: Floats, row: int, dt: float, found: Floats, k: int
) -> None:
    """Write the coordinates after ``dt`` to column ``k`` of ``found``."""
    missing("probe")


def receive_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, weight: float,
    port: int, scale: float, adjoints: Floats, i: int,
) -> tuple[float, float]:  # fmt: skip
    """Undo an arrival; returns the derivatives by its weight and its time."""
    return missing("receive_vjp")


def ties_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, ties: Ties, first: int,
    end: int, adjoints: Floats, i: int,
) -> None:  # fmt: skip
    """Derivatives by the times of simultaneous arrivals: members ``first`` to ``end`` - 1."""
    missing("ties_vjp")


def spike_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, wait: float, adjoints: Floats,
    i: int, by_time: float,
) -> None:  # fmt: skip
    """Undo a spike; ``by_time`` is the derivative by its time."""
    missing("spike_vjp")


def caused_spike_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, adjoints: Floats, i: int,
    by_time: float,
) -> float:  # fmt: skip
    """Undo a spike that an input caused at once; returns the derivative by the input's time."""
    return missing("caused_spike_vjp")


def probe_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, by_state: Floats,
    j: int, adjoints: Floats, i: int,
) -> None:  # fmt: skip
    """Add the part of column ``j`` of ``by_state``, derivatives by probed coordinates."""
    missing("probe_vjp")


def receive_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, weight: float,
    port: int, scale: float, adjoints: Floats, i: int, by_constant: Floats,
) -> None:  # fmt: skip
    """Add derivatives by the constants, by way of an arrival; the adjoint is as before undoing."""
    missing("receive_constants_vjp")


def spike_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, wait: float, adjoints: Floats,
    i: int, by_time: float, at_once: bool, by_constant: Floats,
) -> None:  # fmt: skip
    """The same by way of a spike."""
    missing("spike_constants_vjp")


def probe_constants_vjp(
    kind: int, starts: Floats, k: int, table: Floats, row: int, dt: float, by_state: Floats,
    j: int, by_constant: Floats,
) -> None:  # fmt: skip
    """The same by way of a state that was probed."""
    missing("probe_constants_vjp")
