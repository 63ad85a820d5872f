"""When an event arrives that passes a delay: times are added up exactly, in decimal ticks.

In floats s + 0.02 + 0.0507 and s + 0.0507 + 0.02 are two numbers, and so are 0.1 + 0.2 and 0.3:
two ways of one length would arrive one after the other. So the time of departure and the delay are
rounded to whole ticks, their sum is one of whole numbers, and the time of arrival is the float
next to it (docs/mathematics.md, 12). A tick is a power of ten, of which at most 10^15 make T:
fifteen decimal digits pass through a float unharmed. What is written in so many digits, such as a
delay of 0.0507, therefore is what it was; and an arrival's time, turned into ticks once more
when it makes a neuron send on, is the very number that it came from. An arrival is never earlier
than what sent it, and later if the delay is a tick or more.
"""

import math
from collections.abc import Iterable

import numpy as np

from spiketheory.errors import InputError
from spiketheory.machine.link import kernel

DIGITS = 15
SHORTEST = 1e-290
"""The shortest trial with delays: shorter ones have more ticks per unit than a float may count."""


def choose_ticks(duration: float, delays: Iterable[np.ndarray]) -> float:
    """How many ticks make a unit of time in a trial of this duration; 1 if there are no delays.

    Raises:
        InputError: If the trial is too short.
    """
    if not any(np.any(own) for own in delays):
        return 1.0
    if duration < SHORTEST:
        raise InputError(
            f"Expected a duration of at least {SHORTEST:g} in a network with delays but got "
            f"{duration:g}; give times in a smaller unit."
        )
    return float(f"1e{math.floor(DIGITS - math.log10(duration))}")


def count_ticks(delays: np.ndarray, ticks: float) -> np.ndarray:
    """Delays in whole ticks; inf where no float is as large."""
    with np.errstate(over="ignore"):
        return np.rint(delays * ticks)


@kernel()
def find_arrival(time: float, delay: float, ticks: float) -> float:
    """When an event of this time arrives.

    Args:
        time: When it departs [time].
        delay: For how long it is under way, in ticks.
        ticks: How many of these make a unit of time.
    """
    arrival: float = (np.rint(time * ticks) + delay) / ticks
    return arrival


def list_arrivals(times: np.ndarray, delays: np.ndarray, ticks: float) -> np.ndarray:
    """The same for arrays; what is under way for longer than floats can say arrives at inf."""
    with np.errstate(over="ignore"):
        return (np.rint(times * ticks) + delays) / ticks
