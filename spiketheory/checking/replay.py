"""Looking at a failure again, from its file."""

import numpy as np

from spiketheory.checking import gradient_properties, properties
from spiketheory.checking.engine_properties import check_engines
from spiketheory.checking.failure import Failure, PropertyFailure
from spiketheory.checking.gradient_properties import (
    SWAP_TOLERANCE,
    T_TOLERANCE,
    compare_gradients,
    compare_pseudo,
)
from spiketheory.checking.loop import OutOfRange
from spiketheory.checking.paths import JUMP, find_gap
from spiketheory.checking.properties import Relabelling
from spiketheory.checking.search import find_law
from spiketheory.checking.state_properties import Wait
from spiketheory.checking.subject import NotApplicable, Subject


def replay(subject: Subject, failure: Failure) -> bool:
    """Whether a property still fails where it failed.

    Args:
        subject: The model under test.
        failure: What was found.
    """
    find_law(failure.name)
    with np.errstate(all="ignore"):
        try:
            if failure.values is not None:
                return differs(subject, failure)
        except (NotApplicable, OutOfRange):
            return False
        extra = dict(failure.extra)
        trial = failure.trial
        try:
            if failure.name == "gradients":
                gradient_properties.check_gradients(subject, trial)
            elif failure.name == "engines":
                check_engines(subject, trial)
            elif failure.name in ("flow", "prediction"):
                durations = extra["durations"]
                wait = Wait(state=trial.initial[0], weight=trial.input_weights[0][0],
                            durations=(durations[0], durations[1]))  # fmt: skip
                find_law(failure.name).check(subject, wait)
            elif failure.name == "symmetry":
                properties.check_symmetry(subject, Relabelling(
                    trial=trial, order=tuple(map(int, extra["order"])),
                    input_order=tuple(map(int, extra["input_order"])), shift=extra["shift"][0],
                ))  # fmt: skip
            else:
                properties.check_digits(subject, trial)
        except PropertyFailure:
            return True
        except (NotApplicable, OutOfRange):  # the property says nothing of such a trial
            return False
    return False


def differs(subject: Subject, failure: Failure) -> bool:
    """Whether something jumps between the two values of the parameter that is moved."""
    runs = [subject.run(trial) for trial in failure.sides]
    if failure.name == "smooth_swaps":
        worst, size, _ = compare_gradients(subject.loop, runs)
        return bool(worst > SWAP_TOLERANCE * size)
    if failure.name == "pseudospikes":
        return compare_pseudo(subject.loop, runs).size > T_TOLERANCE * subject.scales.time
    return find_gap(*runs).size > JUMP * subject.scales.time
