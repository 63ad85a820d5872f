"""One trial of one neuron in any number of digits, for fields with kinks too.

Built on the extrapolation step of `spiketheory.reference.integrate` and on nothing else of it. On
either side of a kink (Abs, Max, Min, Piecewise) the smooth field of that side is integrated, and
steps end on the kink. On the way to a blow-up, and back from -oo, V is the clock: 1/V where it
grows like a power, V itself where it grows exponentially.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flint
import mpmath
from mpmath import mpf

from spiketheory.checking.attack.clock import follow_clock, is_far
from spiketheory.checking.attack.cuts import find_cut
from spiketheory.checking.attack.precise_equations import Lost, PreciseEquations, Vector, read_ball
from spiketheory.runtime.special_mpmath import to_ball

LONGEST_AT_KINKS = mpf(1) / 8
MOST_STEPS = 4000
GONE = mpf(10) ** 24
"""A variable of this size has left if it grows faster than exponentially."""


@dataclass(kw_only=True, eq=False)
class PreciseRun:
    """What happened.

    Attributes:
        spikes: Spike times.
        states: States on the way, one per step, as floats.
        escaped: Time at which a variable left for infinity; None if none did.
    """

    spikes: list[mpf] = field(default_factory=list)
    states: list[list[float]] = field(default_factory=list)
    escaped: mpf | None = None


class PreciseNeuron(PreciseEquations):
    """Runs trials of one model.

    Args:
        model: The model.
        digits: Digits of the arithmetic.
    """

    def run(
        self, parameters: Sequence[Any], initial: Sequence[Any], inputs: Sequence[tuple[Any, Any]],
        duration: Any, *, most: int = 40,
    ) -> PreciseRun:  # fmt: skip
        """Run a trial.

        Args:
            parameters: Values in the model's order.
            initial: The state at 0.
            inputs: Time and weight of each input; equal times act in their order.
            duration: The trial's end.
            most: More spikes than this end the trial.

        Raises:
            Lost: If it cannot be followed.
        """
        with mpmath.workdps(self.digits + 8):
            self.set_parameters(parameters)
            found = PreciseRun()
            state, now = [mpf(v) for v in initial], mpf(0)
            events = sorted(((mpf(t), mpf(w)) for t, w in inputs), key=lambda e: e[0])
            events = [e for e in events if e[0] < duration]
            for time, weight in [*events, (mpf(duration), None)]:
                while now < time and found.escaped is None:
                    state, passed, spikes = self.follow(state, time - now, found, now)
                    now = now + passed if spikes else time
                    if found.escaped is not None:
                        return found
                    if spikes:
                        found.spikes.append(now)
                        state = self.fire(state)
                    self.note(found, state)
                    if len(found.spikes) >= most:
                        return found
                if weight is None:
                    break
                state = self.receive(state, weight)
                self.note(found, state)
                while self.is_beyond(state):
                    found.spikes.append(now)
                    state = self.fire(state)
                    if len(found.spikes) >= most:
                        return found
            return found

    def note(self, found: PreciseRun, state: Vector) -> None:
        """Remember a state."""
        if not mpmath.isinf(state[self.voltage]):
            found.states.append([float(v) for v in state])

    def follow(
        self, state: Vector, left: mpf, found: PreciseRun, start: mpf
    ) -> tuple[Vector, mpf, bool]:
        """Go on for ``left``, or up to the next spike: state, time passed, whether it spikes."""
        passed, step, sides, leaves = mpf(0), None, None, True
        for _ in range(MOST_STEPS):
            if is_far(self, state) and (leaves or state[self.voltage] > 0):
                leaves = leaves and state[self.voltage] > 0
                state, took, ended = follow_clock(self, state, left - passed)
                passed += took
                if ended is not None:
                    return state, passed, ended
                step = sides = None
                continue
            if sides is None:
                sides = self.get_sides(state)
            rate = self.get_field(sides)
            step = self.guess_step(rate, state) if step is None else step
            if self.kinks:
                step = min(step, LONGEST_AT_KINKS)
            step = min(step, left - passed)
            end, rows = self.take_step(rate, state, step)
            if not rows:
                step /= 2
                if step < self.tolerance:
                    raise Lost("Expected a state that can be followed but steps have become 0.")
                continue
            cut = find_cut(self, rate, state, end, step, sides)
            if cut is not None:
                which, length, end = cut
                state, passed = end, passed + length
                if which < 0:
                    return state, passed, True
                sides = tuple(-s if j == which else s for j, s in enumerate(sides))
                step = None
                continue
            state, passed = end, passed + step
            self.note(found, state)
            if self.has_escaped(rate, state):
                found.escaped = start + passed
                return state, passed, False
            if passed >= left:
                return state, left, False
            step = step * 3 / 2 if rows < self.digits // 2 else step
        raise Lost("Expected a trial that ends but it takes too many steps.")

    def guess_step(self, rate: Any, state: Vector) -> mpf:
        """A first step: no coordinate changes by more than a part of its size."""
        with flint.ctx.workprec(mpmath.mp.prec):
            speeds = [read_ball(v) for v in rate(list(map(to_ball, state)))]
        steps = [(mpf("0.1") + abs(x)) / (4 * abs(v)) for x, v in zip(state, speeds, strict=True)
                 if v]  # fmt: skip
        return min([mpf(1) / 4, *steps])

    def has_escaped(self, rate: Any, state: Vector) -> bool:
        """Whether a variable is on its way to infinity, where it arrives in finite time.

        Its rate of growth must itself have grown, or it may be exponential.
        """
        if max(map(abs, state)) < GONE:
            return False
        for i, x in enumerate(state):
            if abs(x) < GONE:
                continue
            before = [x / mpf(10) ** 12 if j == i else v for j, v in enumerate(state)]
            with flint.ctx.workprec(mpmath.mp.prec):
                now, then = (read_ball(rate(list(map(to_ball, s)))[i]) for s in (state, before))
            if now * x > 0 and abs(now / x) > 10 * abs(then / before[i]) and abs(now) > abs(x):
                return True
        return False
