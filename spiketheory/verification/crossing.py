"""The checks of neurons that go on through their spikes: the module as printed, in floats.

What is special about them is the side of the threshold that they are on: it is followed through
flow, spikes and inputs, and what comes from above the threshold is compared with direct integration
(`spiketheory.reference.integrate`), which knows the side from V alone.
"""

import importlib.util
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.crossing_sides import ABOVE, ARMED, CARRIED
from spiketheory.generation.generate import print_source
from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.reference.integrate import bind
from spiketheory.reference.neuron import Neuron
from spiketheory.symbolic.derivation import Check
from spiketheory.verification.cases import fail
from spiketheory.verification.places import SEED, Vector, compile_domains
from spiketheory.verification.tally import Tally, show

TOLERANCE = mpf(10) ** -11
SPREAD = 0.1
LONGEST = mpf(60)
QUIET = mpf(30)
"""So long a neuron that does not spike within `LONGEST` is followed."""
PIECE = mpf(30)
"""So long the reference goes on at a time, which takes a limited number of steps."""
MOST_STEPS = 1000
"""Steps of the reference at one set of parameters after which nothing more is looked at."""
DIGITS = 32
STEP = mpf(10) ** -9
DIRECTIONS = 2
"""In so many the derivatives of a spike time are compared."""
ATTEMPTS = 100
PUSHES = tuple(map(mpf, (0, 1, -1, 4, -4, 20, -20, 100, -100, 1000, -1000)))
"""Inputs to try until one makes a neuron at rest spike, if none carries it across."""
SIZES = tuple(sign * mpf(2) ** k for k in range(-20, 21) for sign in (1, -1))
"""Inputs to try until one does."""
PARTS = tuple(map(mpf, (0, "0.5", "0.75", "0.9", "0.97")))
"""Inputs to try then, in terms of that."""
AGAIN = (mpf(1), mpf(-1))
"""Inputs to a neuron before and after its spike, in terms of the first."""
FRACTIONS = (mpf(1) / 3, mpf("0.9"))
NEXT_TO = mpf(10) ** -14
"""So close to the threshold, relative to it, the side is not read off V."""


@dataclass(frozen=True)
class Setting:
    """One set of parameters: the module, and the reference.

    What was computed is kept: the checks ask for the same more than once.
    """

    module: ModuleType
    parameters: dict[sp.Symbol, mpf]
    neuron: Neuron
    results: dict[tuple[Any, ...], Vector] = field(default_factory=dict)
    marks: dict[tuple[mpf, ...], list[tuple[mpf, Vector]]] = field(default_factory=dict)
    spikes: dict[tuple[mpf, ...], tuple[mpf, Vector]] = field(default_factory=dict)

    @property
    def constants(self) -> tuple[float, ...]:
        """What the module's functions take."""
        return tuple(self.module.constants(*map(float, self.parameters.values())))

    def run(self, name: str, *arguments: mpf, after: Sequence[mpf] = ()) -> Vector:
        """Call a function of the module."""
        given = (*map(float, arguments), *self.constants, *map(float, after))
        if (name, *given) not in self.results:
            result = getattr(self.module, name)(*given)
            numbers = result if isinstance(result, tuple) else (result,)
            self.results[name, *given] = [mpf(float(v)) for v in numbers]
        return list(self.results[name, *given])

    def step(self, name: str, state: Vector, duration: mpf, *after: mpf) -> Vector:
        """``flow``, ``fire`` or a derivative of theirs over a duration."""
        steps = self.run("propagator", duration)
        return self.run(name, *state, *steps, after=after)

    def wait(self, state: Vector) -> mpf:
        """Time to the next spike; inf if it is later than is of interest.

        To see that a neuron never spikes takes long where it is integrated.
        """
        if not self.step("will_spike", state, 2 * LONGEST)[0]:
            return mpf("inf")
        return self.run("time_to_spike", *state)[0]

    @property
    def is_spent(self) -> bool:
        """Whether the reference has done its share."""
        return self.neuron.reference.steps > MOST_STEPS

    def arrive(self, state: Vector, longest: mpf) -> tuple[Vector, mpf | None]:
        """The state at the next spike and its time by the reference; None if it is later.

        Goes on from where it was on the same way before.
        """
        start = tuple(state)
        if start in self.spikes and self.spikes[start][0] <= longest:
            found, arrived = self.spikes[start]
            return list(arrived), found
        marks = self.marks.setdefault(start, [(mpf(0), list(state))])
        passed, here = max((m for m in marks if m[0] <= longest), key=itemgetter(0))
        while passed < longest:
            part = min(PIECE, longest - passed)
            here, wait = self.neuron.reference.arrive(here, part)
            if wait is not None:
                self.spikes[start] = passed + wait, here
                return list(here), passed + wait
            passed += part
            marks.append((passed, here))
        return list(here), None

    @property
    def threshold(self) -> mpf:
        """The threshold."""
        return self.neuron.reference.target

    def height(self, state: Sequence[mpf]) -> mpf:
        """How far V is above the threshold; 0 next to it."""
        distance = state[self.neuron.index] - self.threshold
        return mpf(0) if abs(distance) <= NEXT_TO * (1 + abs(self.threshold)) else distance

    def to_state(self, coordinates: Vector) -> Vector:
        """The state of coordinates, exactly on the threshold where they are next to it."""
        state = coordinates[:-1]
        if not self.height(state):
            state[self.neuron.index] = self.threshold
        return state

    @property
    def place(self) -> str:
        """The parameters in words."""
        return ", ".join(f"{p} = {mpmath.nstr(v, 6)}" for p, v in self.parameters.items())


class Tallies:
    """The checks."""

    def __init__(self) -> None:
        names = {
            "side": ("side of the threshold", "correct how inputs, flow and spikes change it"),
            "flow": ("flow through spikes", "correct the flow"),
            "spike": ("upward crossings", "correct the time to spike from above"),
            "slope": ("gradient of an upward crossing", "correct fire_vjp"),
        }
        self.all = {
            key: Tally(name, remedy, digits=DIGITS) for key, (name, remedy) in names.items()
        }

    def __getitem__(self, key: str) -> Tally:
        return self.all[key]


def check_crossings(ir: KernelIR) -> Iterator[Check]:
    """Compare a module with the reference, from both sides of the threshold.

    Raises:
        VerificationError: If a number differs by more than `TOLERANCE`, as far as it is known, or a
            side is wrong.
    """
    tallies, draw = Tallies(), random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="spiketheory-") as folder:
        module = load_module(ir, Path(folder))
        is_spent = False
        for setting in list_settings(ir, module, draw):
            follow(setting, tallies, briefly=is_spent)
            is_spent = setting.is_spent
    if ir.derivation.is_integrated and not tallies["spike"].compared:
        raise fail(
            "upward crossings",
            f"an input that makes {ir.derivation.model.name} spike",
            f"none up to {show([max(PUSHES)])}",
            "give it defaults at which an input can make it spike",
        )
    for tally in tallies.all.values():
        yield from tally.report()


def load_module(ir: KernelIR, folder: Path, *, target: str = "module") -> ModuleType:
    """Import the module that would be generated."""
    path = folder / f"{target}.py"
    path.write_text(print_source(ir, target), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"verified_{ir.derivation.model.digest}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_settings(ir: KernelIR, module: ModuleType, draw: random.Random) -> Iterator[Setting]:
    """The default parameters, and others not far away."""
    model = ir.derivation.model
    admissible = compile_domains(ir.derivation)
    defaults = {p.symbol: mpf(p.default) for p in model.parameters}
    for attempt in range(ATTEMPTS):
        values = {
            p: mpf(float(v * (1 + draw.uniform(-SPREAD, SPREAD)))) if attempt else v
            for p, v in defaults.items()
        }
        if admissible(values):
            names = {p.name: v for p, v in values.items()}
            yield Setting(module, values, Neuron(model, names, digits=DIGITS))
            if attempt:
                return


def follow(setting: Setting, tallies: Tallies, *, briefly: bool) -> None:
    """Make a neuron at rest spike, and follow it from there.

    Args:
        setting: The neuron.
        tallies: What is counted.
        briefly: To the spike only: others took the reference long.
    """
    model = setting.neuron.model
    rest = setting.run("enter_chart", *bind((), setting.parameters, list(model.rest))([]))
    across = find_carrying(setting, rest)
    pushes = PUSHES if across is None else [across * part for part in PARTS]
    check_inputs(setting, tallies, rest, across or mpf(1))
    for weight in pushes:
        start = setting.run("jump", *rest, weight) if weight else rest
        if 0 < setting.wait(start) <= LONGEST:
            break
    else:
        return
    compare_wait(setting, tallies, start)
    if briefly:
        return
    compare_gradient(setting, tallies, start)
    after = check_spike(setting, tallies, start)
    compare_wait(setting, tallies, after)
    size = across or weight or mpf(1)
    for later in (after, *check_flow(setting, tallies, after)):
        if setting.is_spent:
            return
        for pushed in check_inputs(setting, tallies, later, size):
            compare_wait(setting, tallies, pushed)
    if setting.wait(after) <= LONGEST and not setting.is_spent:
        compare_gradient(setting, tallies, setting.step("flow", after, setting.wait(after) / 5))
        again = check_spike(setting, tallies, after)
        compare_wait(setting, tallies, again)


def find_carrying(setting: Setting, rest: Vector) -> mpf | None:
    """An input that just carries a neuron at rest across; None if V does not move."""
    for weight in SIZES:
        if setting.height(setting.run("jump", *rest, weight)) > 0 > setting.height(rest):
            return weight
    return None


def check_inputs(setting: Setting, tallies: Tallies, state: Vector, size: mpf) -> list[Vector]:
    """The side after inputs, as V says; returns where they lead, without what spikes at once."""
    found = []
    was_above = state[-1] == mpf(ABOVE)
    for factor in AGAIN:
        after = setting.run("jump", *state, factor * size)
        height = setting.height(after)
        if not height or not setting.height(state):
            continue
        expected = ABOVE if was_above else CARRIED
        expected = expected if height > 0 else ARMED
        what = f"after an input of {show([factor * size])} to ({show(state)}) at {setting.place}"
        tallies["side"].demand(
            after[-1] == mpf(expected), f"side {expected} {what}", show(after[-1:])
        )
        if expected != CARRIED:
            found.append(after)
            continue
        tallies["side"].demand(setting.wait(after) == 0, f"a spike at once {what}", "none")
        spiked = setting.step("fire", after, mpf(0))
        tallies["side"].demand(spiked[-1] == mpf(ABOVE), f"side {ABOVE} {what} and a spike", "none")
    return found[:1] + found[-1:] if len(found) > 1 else found


def find_conditioning(setting: Setting, state: Vector, wait: mpf) -> mpf:
    """How far a spike time moves if coordinates change by their size."""
    nothing = [mpf(0)] * len(state)
    slopes = setting.step("fire_vjp", state, wait, *nothing, mpf(1))
    return sum((abs(s * x) for s, x in zip(slopes, state, strict=True)), mpf(0)) + wait


def compare_wait(setting: Setting, tallies: Tallies, state: Vector) -> None:
    """Compare the time to the next spike, from either side."""
    wait, tally = setting.wait(state), tallies["spike"]
    name = f"from ({show(state)}) at {setting.place}"
    check_flow(setting, tallies, state)
    if wait > LONGEST:
        _, found = setting.arrive(setting.to_state(state), QUIET)
        tally.demand(found is None, f"no spike {name} within {QUIET}", show([found or mpf(0)]))
        return
    size = wait
    _, found = setting.arrive(setting.to_state(state), wait + 10 * TOLERANCE * size)
    if found is None or abs(found - wait) > TOLERANCE * size:  # not for certain a fault
        size = find_conditioning(setting, state, wait)
        _, found = setting.arrive(setting.to_state(state), wait + 10 * TOLERANCE * size)
    tally.demand(found is not None, f"a spike after {show([wait])} {name}", "none")
    tally.compare(f"the time to spike {name}", [wait], [found or mpf(0)], scale=size,
                  tolerance=TOLERANCE)  # fmt: skip


def check_flow(setting: Setting, tallies: Tallies, state: Vector) -> list[Vector]:
    """Compare states on the way to the next spike and their sides; returns those above."""
    found = []
    for fraction in FRACTIONS:
        wait = setting.wait(state)
        part = (wait if wait <= LONGEST else QUIET) * fraction
        name = f"after {show([part])} from ({show(state)}) at {setting.place}"
        there, early = setting.arrive(setting.to_state(state), part)
        tallies["spike"].demand(early is None, f"no spike {name}", "one")
        reached = setting.step("flow", state, part)
        size = 1 + max(abs(v) for v in state)
        tallies["flow"].compare(f"the state {name}", reached[:-1], there, scale=size,
                                tolerance=TOLERANCE)  # fmt: skip
        height = setting.height(there)
        if height:
            expected = ABOVE if height > 0 else ARMED
            right = reached[-1] == mpf(expected)
            tallies["side"].demand(right, f"side {expected} {name}", show(reached[-1:]))
        if height > 0:
            found.append(reached)
    return found


def check_spike(setting: Setting, tallies: Tallies, state: Vector) -> Vector:
    """The state after the next spike: exactly on the threshold, above it."""
    wait = setting.wait(state)
    after = setting.step("fire", state, wait)
    name = f"after the spike from ({show(state)}) at {setting.place}"
    tallies["side"].demand(after[-1] == mpf(ABOVE), f"side {ABOVE} {name}", show(after[-1:]))
    side = setting.height(after[:-1])
    tallies["side"].demand(not side, f"V on the threshold {name}", show(after[:-1]))
    room = TOLERANCE * (1 + find_conditioning(setting, state, wait))
    arrived, found = setting.arrive(setting.to_state(state), wait + 10 * room)
    tallies["spike"].demand(found is not None, f"a spike {name}", "none")
    expected = setting.neuron.reset_to(setting.neuron.settle(arrived))
    speed = max(abs(v) for v in setting.run("velocity", *after))
    size = (1 + speed) * room / TOLERANCE + max(abs(v) for v in expected)
    tallies["flow"].compare(f"the state {name}", after[:-1], expected, scale=size,
                            tolerance=TOLERANCE)  # fmt: skip
    return after


def compare_gradient(setting: Setting, tallies: Tallies, state: Vector) -> None:
    """Compare the gradient of the spike time with differences of the reference's.

    Along random directions, of which each takes two trials: a wrong component changes all of them.
    """
    if not setting.height(state):
        return
    wait, (*place, _) = setting.wait(state), state
    nothing = [mpf(0)] * len(state)
    *slopes, by_side = setting.step("fire_vjp", state, wait, *nothing, mpf(1))
    got, want = [], []
    for direction in draw_directions(len(place)):
        waits = []
        for sign in (1, -1):
            moved = [v + sign * STEP * d for v, d in zip(place, direction, strict=True)]
            _, found = setting.arrive(moved, 2 * wait)
            if found is None:
                return
            waits.append(found)
        got.append(sum((s * d for s, d in zip(slopes, direction, strict=True)), mpf(0)))
        want.append((waits[0] - waits[1]) / (2 * STEP))
    tallies["slope"].compare(f"derivatives of the spike time from ({show(state)})",
                             [*got, by_side], [*want, mpf(0)], tolerance=TOLERANCE)  # fmt: skip


def draw_directions(size: int) -> list[Vector]:
    """The axes of few variables, or random directions with a share of every variable."""
    if size <= DIRECTIONS:
        return [[mpf(i == j) for i in range(size)] for j in range(size)]
    draw = random.Random(SEED)
    return [
        [mpf(draw.choice((-1, 1)) * draw.uniform(0.5, 1)) for _ in range(size)]
        for _ in range(DIRECTIONS)
    ]
