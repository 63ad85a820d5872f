"""The checks of the co-moving frame: inputs and thresholds symbolically, trials in 50 digits."""

from collections.abc import Iterator, Sequence
from functools import partial

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.generate import print_source
from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.derivation import Branch, Check, Frame
from spiketheory.verification.places import Place, Vector, read_functions
from spiketheory.verification.refractory import WholeNeuron
from spiketheory.verification.symbolic import Claim, Setting
from spiketheory.verification.tally import Tally, format_number, resolve

N_PLACES, N_STATES, MOST_SPIKES = 3, 4, 4
LONGEST = mpf(4)
HELD = mpf(1) / 2
"""Part of the window for which a neuron is refractory at the start of a trial."""
FIRST, SECOND = mpf(3) / 10, mpf(7) / 10
"""Parts of the frame's window after which an input comes, and after which it is looked at."""
REMEDY = "correct the frame of the derivation, see spiketheory.symbolic.frame"


def claim_frame(s: Setting) -> Iterator[Claim]:
    """An input in the frame is, seen from s, the input; a spike before s lies on the surface."""
    frame = s.derivation.frame
    if frame is None:
        return
    for branch in s.case.choose(frame.branches, "the factors"):
        factors = dict(zip(frame.factors, branch.values, strict=True))
        now = tuple(e.xreplace(factors) for e in s.apply(frame.now))
        here = dict(zip(frame.here, now, strict=True))
        for port, (push, jump) in enumerate(zip(frame.push, s.derivation.jumps, strict=True)):
            pushed = dict(zip(frame.pushed, s.apply(push), strict=True))
            moved = [e.xreplace(pushed).xreplace(here).xreplace(factors)
                     for e in s.apply(frame.jump)]  # fmt: skip
            there = dict(zip(s.coordinates, moved, strict=True))
            after = tuple(e.xreplace(there) for e in now)
            yield from s.equal(f"the state after an input at port {port}", after, s.at(jump, now))
    for way in s.case.choose(frame.spike, "the spike before s") if frame.turns_over else ():
        if way.values[0] is not sp.oo:
            yield from claim_spike(s, frame, way)


def claim_spike(s: Setting, frame: Frame, way: Branch) -> Iterator[Claim]:
    """Back from s by what is taken off it, the state is on the surface."""
    at_s = dict(zip(frame.here, s.coordinates, strict=True))
    back = (DURATION - way.values[0]).xreplace(at_s)
    for flow in s.flows:
        there = [e.subs(DURATION, -back) for e in flow]
        yield Claim(what="the surface at the spike before s", got=s.surface(there),
                    expected=sp.S.Zero)  # fmt: skip


SYMBOLIC = (("co-moving frame", claim_frame, REMEDY),)


def check_frame(ir: KernelIR, places: Sequence[Place]) -> Iterator[Check]:
    """Inputs and spikes in the frame, against flow, jump and the time to spike."""
    if ir.derivation.frame is None:
        return
    tally = Tally("trials in the frame", REMEDY, "comparisons")
    for place in places[:N_PLACES]:
        for state in place.states[:N_STATES]:
            weight = mpf(place.draw.uniform(-1, 1))
            resolve(partial(compare_trial, tally, place, state, weight), tally)
    yield from tally.report()
    if ir.derivation.refractory is None:
        return
    held = Tally("trials in the frame with a refractory period", REMEDY, "comparisons")
    module = read_functions(print_source(ir, "mpmath"))
    for place in places[:N_PLACES]:
        whole = WholePlace(WholeNeuron(module, place))
        size = min(*whole.run("frame_limits"), LONGEST)
        for state in place.states[:2]:
            weight = mpf(place.draw.uniform(-1, 1))
            after = place.run("reset", *state)
            for start in ([*state, mpf(0)], [*after, HELD * size]):
                resolve(partial(compare_trial, held, whole, start, weight), held)
    yield from held.report()


class WholePlace:
    """A neuron with its refractory period, with the methods of a `Place` that trials need."""

    def __init__(self, neuron: WholeNeuron) -> None:
        self.place, self.derivation = neuron.place, neuron.place.derivation
        self.run, self.has = neuron.run, neuron.module.__contains__

    def wait(self, state: Vector) -> mpf:
        """Time to the next spike."""
        return self.run("time_to_spike", *state)[0]

    def flow(self, state: Vector, duration: mpf) -> Vector:
        """Coordinates after a duration."""
        return self.run("flow", *state, duration)

    def fire(self, state: Vector, duration: mpf) -> Vector:
        """Coordinates after the spike that comes after a duration."""
        return self.run("fire", *state, duration)

    def jump(self, state: Vector, weight: mpf) -> Vector:
        """Coordinates after an input."""
        return self.run("jump", *state, weight)

    def surface(self, state: Vector) -> mpf:
        """The function that falls through zero at the spike, which a held neuron does not reach."""
        return self.place.surface(state[:-1]) if state[-1] <= 0 else mpf(1)

    def show(self, state: Vector) -> str:
        """A state in words."""
        return self.place.show(state)


def compare_trial(tally: Tally, place: Place | WholePlace, state: Vector, weight: mpf) -> None:
    """One input after a part of the window, with the spikes before and behind it."""
    size = min(*place.run("frame_limits"), LONGEST)
    s, end = FIRST * size, SECOND * size
    trial = FrameTrial(tally, place, state)
    if trial.follow(s):
        trial.take(weight)
        trial.follow(end)


class FrameTrial:
    """One neuron in the chart and in the frame.

    Attributes:
        z: Coordinates of the chart at the time.
        time: The time of the last event.
        u: Coordinates of the frame.
        numbers: The factors of the last look.
    """

    def __init__(self, tally: Tally, place: Place | WholePlace, state: Vector) -> None:
        self.tally, self.place = tally, place
        self.z, self.time = state, mpf(0)
        self.u = place.run("frame_enter", *state)
        self.numbers: Vector = []

    def follow(self, end: mpf) -> bool:
        """Compare spikes before a time, and the state then; whether they were few enough."""
        place = self.place
        self.numbers = place.run("frame_factors", end)
        name = f"from {place.show(self.z)}"
        for _ in range(MOST_SPIKES):
            look = (*self.u, self.time, end, *self.numbers)
            wait = place.wait(self.z)
            quiet, at = place.run("frame_quiet", *look)[0], place.run("frame_spike", *look)[0]
            if self.time + wait >= end:
                self.tally.demand(mpmath.isinf(at), f"no spike {name}", format_number(at))
                break
            self.tally.demand(not quiet, f"a neuron that is not quiet {name}", "a quiet one")
            self.z = place.fire(self.z, wait)
            self.time += wait
            self.tally.compare(f"the spike time {name}", [at], [self.time], scale=end)
            self.u = place.run("frame_fire", *self.u, at)
        else:
            return False
        self.z, self.time = place.flow(self.z, end - self.time), end
        self.compare(f"the state {name}")
        return True

    def take(self, weight: mpf) -> None:
        """Compare an input, and the spike that it makes at once."""
        place = self.place
        push = place.run("frame_push", weight, *self.numbers)
        self.u = place.run("frame_jump", *self.u, *push, *self.numbers)
        self.z = place.jump(self.z, weight)
        if place.has("frame_crosses"):
            crosses = place.run("frame_crosses", *self.u, *self.numbers)[0]
            beyond = place.surface(self.z) <= 0
            self.tally.demand(crosses == beyond, f"a spike at once: {beyond}", str(crosses))
            if beyond:
                self.z = place.run("reset", *self.z)
                self.u = place.run("frame_fire", *self.u, self.time)
        self.compare(f"the state after an input of weight {format_number(weight)}")

    def compare(self, what: str) -> None:
        """Compare the coordinates, of which some may be known up to a multiple only."""
        there, here = self.place.run("frame_leave", *self.u, *self.numbers), self.z
        if self.place.derivation.chart.projective:
            turned = there[0] * here[1] - there[1] * here[0]
            scale = mpmath.norm(there[:2]) * mpmath.norm(here[:2])
            self.tally.compare(what, [turned], [mpf(0)], scale=scale)
            there, here = there[2:], here[2:]
        if there:
            self.tally.compare(what, there, here, scale=1)
