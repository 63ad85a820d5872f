"""The checks in 50 digits of the next maximum of what has the threshold."""

from collections.abc import Iterator, Sequence
from functools import partial

import mpmath
from mpmath import mpf

from spiketheory.symbolic.derivation import Check
from spiketheory.verification.numeric import DURATIONS, FRACTIONS, NEAR
from spiketheory.verification.places import Place, Vector
from spiketheory.verification.tally import LEVELS, Tally, format_number, resolve

GUARD = 10
"""So many digits of a slope must be left for its sign to be known."""


def check_peaks(places: Sequence[Place]) -> Iterator[Check]:
    """At the time to the next maximum the slope falls through zero, and at none before."""
    tally = Tally("next maximum", "correct the time to the next maximum, or its branches")
    for place in places:
        if place.derivation.closed.time_to_peak:
            for state in place.states:
                resolve(partial(compare_peak, tally, place, state), tally)
    yield from tally.report()


def compare_peak(tally: Tally, place: Place, state: Vector) -> None:
    """Look at the slope before and at the maximum that follows one state, or far ahead."""
    wait = place.run("time_to_peak", *state)[0]
    name = f"from {place.show(state)}"
    if mpmath.isinf(wait):
        demand_no_peak(tally, place, state, DURATIONS)
        return
    tally.demand(wait > 0, f"time_to_peak > 0 {name}", format_number(wait))
    before, after = (find_slope(place, state, wait * (1 + sign * NEAR)) for sign in (-1, 1))
    tally.demand(
        before >= 0 >= after and (0 in (before, after)) == (before == after == 0),
        f"a slope that falls through zero after {format_number(wait)} {name}",
        f"{format_number(before)} before and {format_number(after)} behind",
    )  # fmt: skip
    demand_no_peak(tally, place, state, [wait * f for f in (NEAR, *FRACTIONS, 1 - NEAR)])
    top = place.flow(state, wait)
    excess = place.run("excess", *top)[0]
    tally.compare(f"the excess at the maximum {name}", [excess], [-place.surface(top)], scale=1)


def demand_no_peak(tally: Tally, place: Place, state: Vector, durations: Sequence[mpf]) -> None:
    """Demand that the slope is never positive and then negative."""
    rising = False
    for duration in durations:
        slope = find_slope(place, state, duration)
        name = f"no maximum within {format_number(duration)} from {place.show(state)}"
        tally.demand(not (rising and slope < 0), name, f"the slope {format_number(slope)}")
        rising = slope > 0


def find_slope(place: Place, state: Vector, duration: mpf) -> mpf:
    """How fast what has the threshold rises after a duration; 0 if it has come to rest.

    The slope of what tends to a constant fades below the last digit of its terms, in the end in
    any number of digits: what is left then is rounding.
    """
    for digits in (mpmath.mp.dps, LEVELS[-1]):
        with mpmath.workdps(digits):
            terms = place.run("slope_terms", *place.flow(state, duration))
            slope = mpmath.fsum(terms)
            if abs(slope) > mpf(10) ** (GUARD - digits) * mpmath.fsum(map(abs, terms)):
                return slope
    return mpf(0)
