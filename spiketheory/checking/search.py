"""The search: properties, what is drawn for them, batches of examples, shrinking.

Examples come in batches of a fixed size with seeds of their own, so that what is found does not
depend on how many processes share the work.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis import seed as set_seed
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.internal.conjecture import providers

from spiketheory.checking import (
    engine_properties,
    gradient_properties,
    properties,
    state_properties,
    strategies,
)
from spiketheory.checking.failure import Failure, PropertyFailure
from spiketheory.checking.paths import DEEP, Jump, confirm
from spiketheory.checking.properties import SEARCH, SHRINK, Effort, describe
from spiketheory.checking.shrink import simplify
from spiketheory.checking.subject import NotApplicable, Subject, searches_roots
from spiketheory.checking.trial import Path
from spiketheory.errors import check_choice

BATCH = 25
SLOW = 0.2
IN_DIGITS = ("gradients", "digits")
"""Properties that evaluate every example in 50 digits."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """A property and what is drawn for it.

    Attributes:
        name: Its name.
        text: What it says.
        check: The property.
        draw: The strategy, for a model under test.
        share: Which fraction of the examples it gets; 50 digits and gradients take longer.
        excuse: Why it does not apply to a model; "" if it does.
    """

    name: str
    text: str
    check: Callable[..., None]
    draw: Callable[[Subject], st.SearchStrategy[Any]]
    share: float = 1.0
    excuse: Callable[[Subject], str] = lambda subject: ""


def need_pseudospikes(subject: Subject) -> str:
    """Why pseudospikes cannot be checked."""
    return subject.compiled.without_pseudospikes


def need_digits(subject: Subject) -> str:
    """Why 50 digits cannot be compared with."""
    return "" if subject.exact else "the model has no closed form to evaluate in 50 digits"


LAWS = (
    Law(name="continuity", text="spike times are continuous along paths in parameter space",
        check=properties.check_continuity, draw=strategies.paths),
    Law(name="counts", text="no spike appears or vanishes before T",
        check=properties.check_counts, draw=strategies.paths),
    Law(name="swaps", text="events that swap their order change no spike time abruptly",
        check=properties.check_swaps, draw=strategies.swaps),
    Law(name="gradients", text="gradients equal differences of high precision",
        check=gradient_properties.check_gradients, draw=strategies.trials, share=0.3),
    Law(name="smooth_swaps", text="gradients are continuous where an input meets a spike",
        check=gradient_properties.check_smooth_swaps, draw=strategies.meetings, share=0.5),
    Law(name="pseudospikes", text="pseudospikes continue spikes that leave through T",
        check=gradient_properties.check_pseudospikes,
        draw=lambda s: strategies.coincidences(s, feedforward=True), excuse=need_pseudospikes),
    Law(name="flow", text="the flow is a semigroup, and reverses in 50 digits",
        check=state_properties.check_flow, draw=strategies.waits),
    Law(name="symmetry", text="numbering and the origin of time do not matter",
        check=properties.check_symmetry, draw=strategies.relabellings),
    Law(name="prediction", text="whether a spike comes agrees with when it comes",
        check=state_properties.check_prediction, draw=strategies.waits),
    Law(name="digits", text="the compiled code gives the spike times of 50 digits",
        check=properties.check_digits, draw=strategies.trials, share=0.3, excuse=need_digits),
    Law(name="engines", text="all engines give the same spike times and gradients",
        check=engine_properties.check_engines, draw=strategies.trials, share=0.3),
)  # fmt: skip


def is_slow(subject: Subject) -> bool:
    """Whether spike times in 50 digits take long: where a root has to be searched for."""
    return subject.exact is not None and searches_roots(subject.compiled.module)


NAMES = tuple(law.name for law in LAWS)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some examples of one property.

    Attributes:
        name: The property.
        number: Number of the batch.
        examples: How many examples to draw.
        seed: Seed of the whole check.
    """

    name: str
    number: int
    examples: int
    seed: int

    @property
    def key(self) -> int:
        """The batch's own seed."""
        text = f"{self.seed} {self.name} {self.number}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch.

    Attributes:
        batch: The batch.
        examples: How many examples said something.
        failure: Where the property does not hold; None if it held.
        drawn: What it failed on.
        seconds: How long it took [s].
    """

    batch: Batch
    examples: int
    failure: Failure | None
    drawn: Any
    seconds: float


def find_law(name: str) -> Law:
    """The property of that name."""
    check_choice("the property", name, [law.name for law in LAWS])
    return next(law for law in LAWS if law.name == name)


def plan_batches(names: list[str], examples: int, seed: int, *, slow: bool = False) -> list[Batch]:
    """Batches of every property, the first ones of all properties first.

    Args:
        names: The properties.
        examples: Examples per property.
        seed: Seed of the whole check.
        slow: Whether 50 digits take long: fewer examples for what evaluates every one in them.
    """
    planned = []
    for name in names:
        share = find_law(name).share * (SLOW if slow and name in IN_DIGITS else 1.0)
        total = max(1, round(examples * share))
        for number in range(-(-total // BATCH)):
            size = min(BATCH, total - number * BATCH)
            planned.append(Batch(name=name, number=number, examples=size, seed=seed))
    return sorted(planned, key=lambda b: (b.number, NAMES.index(b.name)))


def run_batch(subject: Subject, batch: Batch) -> Outcome:
    """Draw the examples of a batch; the first failure ends it and is not shrunk."""
    return search(subject, batch, SEARCH)


def shrink(subject: Subject, outcome: Outcome) -> Failure:
    """Shrink a batch's failure, and confirm what it shrinks to."""
    assert outcome.failure is not None
    law, drawn = find_law(outcome.batch.name), outcome.drawn
    if isinstance(drawn, Path) and outcome.failure.place is None:
        # Floats are wrong beside 50 digits, whatever is moved: a trial shows it.
        law, drawn = find_law("digits"), outcome.failure.trial

    def check(subject: Subject, drawn: Any) -> None:
        with np.errstate(all="ignore"):
            law.check(subject, drawn, SHRINK)

    small = simplify(subject, drawn, outcome.failure, check)
    small = replace(small, name=outcome.batch.name)
    return finish(subject, small) or finish(subject, outcome.failure) or outcome.failure


def finish(subject: Subject, failure: Failure) -> Failure | None:
    """Confirm a jump as closely as 50 digits can; None if it is none after all."""
    if failure.place is None or failure.gap is None or failure.values is None:
        return failure
    if failure.name not in ("continuity", "counts", "swaps") or is_tie(failure):
        return failure
    jump = Jump(trial=failure.trial, place=failure.place, low=failure.values[0],
                high=failure.values[1], gap=failure.gap)  # fmt: skip
    confirmed = confirm(subject, jump, width=DEEP)
    if confirmed is None:
        return None
    return replace(failure, proof=confirmed.proof, text=describe(jump))


def is_tie(failure: Failure) -> bool:
    """Whether a swap fails only where the two events are simultaneous: it has been confirmed."""
    return failure.name == "swaps" and failure.proof != Failure.proof


@contextmanager
def without_constants() -> Iterator[None]:
    """Keep Hypothesis from drawing constants that it finds in the source of loaded modules.

    What a seed finds would depend on what else is loaded, in a worker process or a test suite.
    Versions of Hypothesis without this habit have no such method.
    """
    provider = getattr(providers, "HypothesisProvider", None)
    original = getattr(provider, "_maybe_draw_constant", None)
    if provider is None or original is None:
        yield
        return
    provider._maybe_draw_constant = lambda *arguments, **options: None
    try:
        yield
    finally:
        provider._maybe_draw_constant = original


def search(subject: Subject, batch: Batch, effort: Effort) -> Outcome:
    """Run Hypothesis on one batch."""
    law = find_law(batch.name)
    counted, last = [0], [None]

    @set_seed(batch.key)
    @settings(
        max_examples=batch.examples, database=None, deadline=None, phases=(Phase.generate,),
        report_multiple_bugs=False, print_blob=False, verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(drawn=law.draw(subject))
    def holds(drawn: Any) -> None:
        last[0] = drawn
        try:
            with np.errstate(all="ignore"):
                law.check(subject, drawn, effort)
        except NotApplicable:
            reject()
        counted[0] += 1

    start = time.perf_counter()
    failure = None
    try:
        with without_constants():
            holds()
    except PropertyFailure as err:
        failure = err.failure
    except Unsatisfiable:
        pass
    return Outcome(
        batch=batch,
        examples=counted[0],
        failure=failure,
        drawn=last[0] if failure else None,
        seconds=time.perf_counter() - start,
    )
