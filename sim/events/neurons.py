"""What happens to one neuron: an arrival, a spike, a probe of its state; forwards and backwards.

`build_neurons` closes these over the generated functions of each model of a network and joins them
by an if-chain over the number of a neuron's model, ``kind``. Nothing here knows how events are
found (`sim.events.loop`) or in which order they are undone (`sim.events.backward`).

``states`` and ``starts`` have one column of coordinates per neuron, or per event; ``table`` has one
column of constants per kind of neuron, ``by_constant`` one of derivatives by the constants.
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from sim.kernels.limits import LARGE_COORDINATE, LARGEST_COORDINATE, SCALING
from spiketheory.machine.compile import CompiledModel, join_jit

ARRIVED, CROSSED, DEFERRED, LOST = 0, 1, 2, 3
"""An arrival was taken in; it carried the neuron across its threshold, which spikes at once; it
found the neuron on its threshold, moves nothing there, and waits until it has spiked; the state
left the range of numbers."""


@lru_cache(maxsize=32)
def build_neurons(models: tuple[CompiledModel, ...]) -> SimpleNamespace:
    """The functions of the neurons of a network, by kind.

    Args:
        models: Its models; a neuron's kind is its model's place.
    """
    jit = join_jit(models)
    kinds = [build_neuron(model, jit) for model in models]
    joined = kinds[-1]
    for place in range(len(kinds) - 2, -1, -1):
        joined = join(kinds[place], joined, place, jit)
    return joined


def build_neuron(model: CompiledModel, jit: Any) -> SimpleNamespace:
    """The functions of neurons of one model."""
    return SimpleNamespace(
        **vars(build_forward(model, jit)),
        **vars(build_backward(model, jit)),
        **vars(build_parameters(model, jit)),
    )


def build_forward(model: CompiledModel, jit: Any) -> SimpleNamespace:
    """Arrival, spike and probe, forwards."""
    f = model.functions
    flow, jump, fire, reset, propagator = f.flow, f.jump, f.fire, f.reset, f.propagator
    time_to_spike, load, store, load_constants = f.time_to_spike, f.load, f.store, f.load_constants
    threshold = model.threshold_coordinate
    has_threshold, is_projective = threshold >= 0, bool(model.projective)
    scaled = model.projective or (0,)

    @jit
    def receive(
        kind: int, states: Any, i: int, table: Any, row: int, dt: float, weight: float,
        pending: bool,
    ) -> Any:  # fmt: skip
        """Flow for ``dt``, then an input; ``pending`` if an input already made it spike now.

        Returns:
            Time to the next spike, what happened, and the power of two that the coordinates were
            multiplied by, which is exact.
        """
        constants = load_constants(table, row)
        before = flow(*load(states, i), *propagator(dt, *constants), *constants)
        after = jump(*before, weight, *constants)
        wait = max(time_to_spike(*after, *constants), 0.0)
        happened = ARRIVED
        if has_threshold and wait == 0.0 and not pending:
            if not after[threshold] > before[threshold]:
                return dt, DEFERRED, 1.0
            happened = CROSSED
        store(states, i, *after)
        is_large = False
        for value in after:
            is_large |= not abs(value) <= LARGE_COORDINATE
        if not is_large:
            return wait, happened, 1.0
        for value in after:
            if not abs(value) <= LARGEST_COORDINATE:
                return wait, LOST, 1.0
        return wait, happened, scale_down(states, i)

    @jit
    def scale_down(states: Any, i: int) -> float:
        """Divide large coordinates of a projective chart by a power of two."""
        factor = 1.0
        if is_projective:
            size = 0.0
            for c in scaled:
                size = max(size, abs(states[c, i]))
            while size * factor > LARGE_COORDINATE:
                factor *= SCALING
            for c in scaled:
                states[c, i] *= factor
        return factor

    @jit
    def spike(
        kind: int, states: Any, i: int, table: Any, row: int, wait: float, at_once: bool
    ) -> float:
        """The spike that comes after ``wait``; returns the time to the one after it."""
        constants = load_constants(table, row)
        if at_once:
            after = reset(*load(states, i), *constants)
        else:
            after = fire(*load(states, i), *propagator(wait, *constants), *constants)
        store(states, i, *after)
        return max(time_to_spike(*after, *constants), 0.0)

    @jit
    def find_wait(kind: int, states: Any, i: int, table: Any, row: int) -> float:
        """Time to the next spike."""
        constants = load_constants(table, row)
        return max(time_to_spike(*load(states, i), *constants), 0.0)

    @jit
    def probe(
        kind: int, states: Any, i: int, table: Any, row: int, dt: float, found: Any, k: int
    ) -> None:
        """Write the coordinates after ``dt`` to column ``k`` of ``found``."""
        constants = load_constants(table, row)
        store(found, k, *flow(*load(states, i), *propagator(dt, *constants), *constants))

    return SimpleNamespace(receive=receive, spike=spike, find_wait=find_wait, probe=probe)


def build_backward(model: CompiledModel, jit: Any) -> SimpleNamespace:
    """The vector-Jacobian products of the same (docs/mathematics.md, 3 and 12)."""
    f = model.functions
    flow, flow_vjp, jump_vjp, fire_vjp = f.flow, f.flow_vjp, f.jump_vjp, f.fire_vjp
    reset, reset_vjp, velocity, propagator = f.reset, f.reset_vjp, f.velocity, f.propagator
    load, store, load_constants = f.load, f.store, f.load_constants
    n = len(model.coordinates)

    @jit
    def receive_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, weight: float,
        scale: float, adjoints: Any, i: int,
    ) -> Any:  # fmt: skip
        """Undo an arrival; returns the derivatives by its weight and its time."""
        constants = load_constants(table, row)
        if scale != 1.0:
            rescale(adjoints, i, scale)
        start, step = load(starts, k), propagator(dt, *constants)
        before = flow(*start, *step, *constants)
        pulled = jump_vjp(*before, weight, *constants, *load(adjoints, i))
        store(adjoints, i, *flow_vjp(*start, *step, *constants, *pulled[:n]))
        return pulled[n], pulled[n + 1]

    scaled = model.projective or (0,)
    jump, by_time = f.jump, n + 1

    @jit
    def ties_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, ties: Any, first: int,
        end: int, adjoints: Any, i: int,
    ) -> None:  # fmt: skip
        """Derivatives by the times of simultaneous arrivals: members ``first`` to ``end`` - 1.

        The mean of both sides of the kink: of the arrival before all others, and behind them. Its
        sum over members that are one event is that of the event only for fields of second degree,
        so an event that comes by several connections, one member after the other, is moved whole.
        """
        constants = load_constants(table, row)
        state = flow(*load(starts, k), *propagator(dt, *constants), *constants)
        rescale(adjoints, i, ties.scales[first])
        adjoint = load(adjoints, i)
        rescale(adjoints, i, 1.0 / ties.scales[first])
        total = 0.0
        for m in range(first, end):
            total += ties.weights[m]
        for m in range(first, end):
            weight = ties.weights[m]
            ties.by_arrival[m] = tie_vjp(state, weight, total - weight, constants, adjoint)
            if m > first and ties.events[m] == ties.events[m - 1]:
                continue
            own = weight
            other = m + 1
            while other < end and ties.events[other] == ties.events[m]:
                own += ties.weights[other]
                other += 1
            ties.by_event[m] = ties.by_arrival[m]
            if other > m + 1:
                ties.by_event[m] = tie_vjp(state, own, total - own, constants, adjoint)

    @jit
    def tie_vjp(state: Any, weight: float, rest: float, constants: Any, adjoint: Any) -> float:
        """The mean derivative by the time of an input that meets others of weight ``rest``."""
        behind = jump_vjp(*jump(*state, rest, *constants), weight, *constants, *adjoint)
        later = jump_vjp(*jump(*state, weight, *constants), rest, *constants, *adjoint)
        before = jump_vjp(*state, weight, *constants, *later[:n])
        return 0.5 * (before[by_time] + behind[by_time])

    @jit
    def rescale(adjoints: Any, i: int, scale: float) -> None:
        """Undo the rescaling of projective coordinates."""
        for c in scaled:
            adjoints[c, i] *= scale

    @jit
    def spike_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, wait: float, adjoints: Any, i: int,
        by_time: float,
    ) -> None:  # fmt: skip
        """Undo a spike; ``by_time`` is the derivative by its time."""
        constants = load_constants(table, row)
        step = propagator(wait, *constants)
        adjoint = load(adjoints, i)
        store(adjoints, i, *fire_vjp(*load(starts, k), *step, *constants, *adjoint, by_time))

    @jit
    def caused_spike_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, adjoints: Any, i: int,
        by_time: float,
    ) -> float:  # fmt: skip
        """Undo a spike that an input caused at once: it moves with the input's time.

        With s the state that the input led to, later by dt the state follows F(s) longer and
        F(Rs) shorter; returns the derivative by the input's time that comes on top.
        """
        constants = load_constants(table, row)
        state, adjoint = load(starts, k), load(adjoints, i)
        pulled = reset_vjp(*state, *constants, *adjoint)
        arriving = velocity(*state, *constants)
        leaving = velocity(*reset(*state, *constants), *constants)
        for c in range(n):
            by_time += pulled[c] * arriving[c] - adjoint[c] * leaving[c]
        store(adjoints, i, *pulled)
        return by_time

    @jit
    def probe_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, by_state: Any, j: int,
        adjoints: Any, i: int,
    ) -> None:  # fmt: skip
        """Add the part of column ``j`` of ``by_state``, derivatives by probed coordinates."""
        constants = load_constants(table, row)
        step = propagator(dt, *constants)
        pulled = flow_vjp(*load(starts, k), *step, *constants, *load(by_state, j))
        for c in range(n):
            adjoints[c, i] += pulled[c]

    return SimpleNamespace(
        receive_vjp=receive_vjp, spike_vjp=spike_vjp, caused_spike_vjp=caused_spike_vjp,
        probe_vjp=probe_vjp, ties_vjp=ties_vjp,
    )  # fmt: skip


def build_parameters(model: CompiledModel, jit: Any) -> SimpleNamespace:
    """Derivatives by the constants, added to ``by_constant``; call before the adjoint changes."""
    f = model.functions
    if not hasattr(f, "constants_vjp"):
        return build_no_parameters(jit)
    flow, propagator = f.flow, f.propagator
    by_jump, by_flow, by_fire = f.jump_constants_vjp, f.flow_constants_vjp, f.fire_constants_vjp
    jump_vjp, by_reset = f.jump_vjp, f.reset_constants_vjp
    load, load_constants = f.load, f.load_constants
    n = len(model.coordinates)
    scaled = model.projective or (0,)

    @jit
    def receive_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, weight: float,
        scale: float, adjoints: Any, i: int, by_constant: Any,
    ) -> None:  # fmt: skip
        """By way of an arrival and the flow before it."""
        constants = load_constants(table, row)
        if scale != 1.0:
            for c in scaled:
                adjoints[c, i] *= scale
        start, adjoint = load(starts, k), load(adjoints, i)
        before = flow(*start, *propagator(dt, *constants), *constants)
        add(by_constant, row, by_jump(*before, weight, *constants, *adjoint))
        pulled = jump_vjp(*before, weight, *constants, *adjoint)
        add(by_constant, row, by_flow(*start, dt, *constants, *pulled[:n]))
        if scale != 1.0:
            for c in scaled:
                adjoints[c, i] /= scale

    @jit
    def spike_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, wait: float, adjoints: Any, i: int,
        by_time: float, at_once: bool, by_constant: Any,
    ) -> None:  # fmt: skip
        """By way of a spike and the flow before it."""
        constants = load_constants(table, row)
        start, adjoint = load(starts, k), load(adjoints, i)
        if at_once:
            add(by_constant, row, by_reset(*start, *constants, *adjoint))
        else:
            add(by_constant, row, by_fire(*start, wait, *constants, *adjoint, by_time))

    @jit
    def probe_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, by_state: Any, j: int,
        by_constant: Any,
    ) -> None:  # fmt: skip
        """By way of the flow to a state that was probed."""
        constants = load_constants(table, row)
        add(by_constant, row, by_flow(*load(starts, k), dt, *constants, *load(by_state, j)))

    @jit
    def add(by_constant: Any, row: int, values: Any) -> None:
        for c in range(len(values)):
            by_constant[c, row] += values[c]

    return SimpleNamespace(
        receive_constants_vjp=receive_constants_vjp,
        spike_constants_vjp=spike_constants_vjp,
        probe_constants_vjp=probe_constants_vjp,
    )


def build_no_parameters(jit: Any) -> SimpleNamespace:
    """The same for a model without parameters."""

    @jit
    def receive_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, weight: float,
        scale: float, adjoints: Any, i: int, by_constant: Any,
    ) -> None:  # fmt: skip
        return

    @jit
    def spike_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, wait: float, adjoints: Any, i: int,
        by_time: float, at_once: bool, by_constant: Any,
    ) -> None:  # fmt: skip
        return

    @jit
    def probe_constants_vjp(
        kind: int, starts: Any, k: int, table: Any, row: int, dt: float, by_state: Any, j: int,
        by_constant: Any,
    ) -> None:  # fmt: skip
        return

    return SimpleNamespace(
        receive_constants_vjp=receive_constants_vjp,
        spike_constants_vjp=spike_constants_vjp,
        probe_constants_vjp=probe_constants_vjp,
    )


def join(first: SimpleNamespace, rest: SimpleNamespace, place: int, jit: Any) -> SimpleNamespace:
    """Functions that call ``first`` for the kind ``place`` and ``rest`` for those after it."""

    def choose(name: str) -> Any:
        one, other = getattr(first, name), getattr(rest, name)

        @jit
        def chosen(kind: int, *arguments: Any) -> Any:
            if kind == place:
                return one(kind, *arguments)
            return other(kind, *arguments)

        return chosen

    return SimpleNamespace(**{name: choose(name) for name in vars(first)})
