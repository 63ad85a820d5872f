"""The numbers of the flow that depend on durations alone, from each input event to the next."""

from functools import partial
from typing import Any

from spiketheory.machine.compile import CompiledModel


def build_steps(model: CompiledModel) -> tuple[Any, Any]:
    """Functions that compute all propagators of a layer, and read one in an array's precision.

    They are kept in an array of shape (n_numbers, >= n_events + 1), so that computing them
    becomes vector instructions.
    """
    jit = partial(model.jit, allocates=False)
    propagator = model.functions.propagator

    @jit
    def write_none(steps: Any, k: int, values: Any) -> None:
        pass

    @jit
    def read_none(steps: Any, k: int, like: Any) -> Any:
        return ()

    def extend(write_rest: Any, read_rest: Any, place: int) -> tuple[Any, Any]:
        @jit
        def write(steps: Any, k: int, values: Any) -> None:
            write_rest(steps, k, values)
            steps[place, k] = values[place]

        @jit
        def read(steps: Any, k: int, like: Any) -> Any:
            return (*read_rest(steps, k, like), like.dtype.type(steps[place, k]))

        return write, read

    write, read = write_none, read_none
    for place in range(len(model.module.PROPAGATOR)):
        write, read = extend(write, read, place)

    @jit
    def write_steps(
        steps: Any, event_times: Any, n_events: int, duration: float, constants: Any
    ) -> None:
        """Write the propagators from each event to the next, the first and last included."""
        first = event_times[0] if n_events > 0 else duration
        write(steps, 0, propagator(first, *constants))
        for k in range(1, n_events):
            write(steps, k, propagator(event_times[k] - event_times[k - 1], *constants))
        if n_events > 0:
            rest = duration - event_times[n_events - 1]
            write(steps, n_events, propagator(rest, *constants))

    return write_steps, read
