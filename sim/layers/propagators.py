"""The numbers of the flow that depend on durations alone, from each input event to the next."""

from sim.kernels.types import Floats, Numbers
from spiketheory.generation.interface import propagator, store_propagator
from spiketheory.machine.link import kernel


@kernel()
def write_steps(
    steps: Floats, event_times: Floats, n_events: int, duration: float, constants: Numbers
) -> None:
    """Write the propagators from each event to the next, the first and last included.

    They are kept in an array of shape (n_numbers, >= n_events + 1), so that computing them
    becomes vector instructions.
    """
    first = event_times[0] if n_events > 0 else duration
    store_propagator(steps, 0, *propagator(first, *constants))
    for k in range(1, n_events):
        wait = event_times[k] - event_times[k - 1]
        store_propagator(steps, k, *propagator(wait, *constants))
    if n_events > 0:
        rest = duration - event_times[n_events - 1]
        store_propagator(steps, n_events, *propagator(rest, *constants))
