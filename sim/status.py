"""How a kernel ended, with the message and the remedy for each end."""

from enum import IntEnum

from spiketheory.errors import SimulationError


class Status(IntEnum):
    """Result of a compiled kernel; everything but ``OK`` becomes an error in the wrapper."""

    OK = 0
    TOO_MANY_SPIKES = 1
    NOT_FINITE = 2
    NOT_AT_END = 3


NO_ROOM = -1
"""What a kernel returns when its buffers are full; the sample is run again with larger ones."""

MESSAGES = {
    Status.TOO_MANY_SPIKES: (
        "Expected at most {limit} spikes per layer and sample but sample {sample} has more; "
        "lower the weights or the trial's duration, or raise max_spikes."
    ),
    Status.NOT_FINITE: (
        "Expected finite states but sample {sample} left the range of the number format; lower "
        "the weights or the number of inputs (coordinates grow with each input between spikes)."
    ),
    Status.NOT_AT_END: (
        "Expected sample {sample} to run until the trial's end but it stopped before, waiting for "
        "a spike that did not come: time_to_spike and the search for spikes differ; report this "
        "with the model, and use the engine 'events' meanwhile."
    ),
}


def raise_status(status: int, *, sample: int, limit: int) -> None:
    """Raise `SimulationError` unless ``status`` is ``OK``."""
    if status != Status.OK:
        raise SimulationError(MESSAGES[Status(status)].format(sample=sample, limit=limit))
