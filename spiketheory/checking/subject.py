"""The model under test: its functions in floats and in 50 digits, and the sizes it lives on."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from mpmath import mpf

from spiketheory.checking.assumptions import Assumptions, read_assumptions
from spiketheory.checking.exact_loop import DIGITS, make_exact_loop, make_float_loop
from spiketheory.checking.loop import Loop, OutOfRange, Run, State
from spiketheory.checking.trial import Number, Trial
from spiketheory.documents.figure_data import bisect
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import WEIGHT
from spiketheory.machine.compile import CompiledModel
from spiketheory.symbolic.derive import derive

INTEGRATED = "the model has no closed form"
STRONG = 1.5
NEXT_TO_SPIKE = 0.9
GRID = 8
STEPS = (1.0, 2.0, 2.5, 5.0)
DOUBLINGS = range(-3, 14)
"""Weights that are looked at: steps of the weight's scale times two to these powers, both signs."""
HALVINGS = 20
RELEASE = 1e-12
"""Relative distance within which an event meets the end of a refractory period."""
Speed = Callable[..., float]


class NotApplicable(Exception):
    """What was drawn says nothing of the property; another trial is drawn."""


@dataclass(frozen=True, kw_only=True)
class Scales:
    """The sizes on which a model lives; all are round numbers.

    Attributes:
        weight: A step of weights; some eight make a neuron at rest spike.
        critical: The weight at which it begins to, or waits half or twice as long.
        again: The weight at which it spikes again right after a spike; 0 if there is none.
        time: A step of times [time]; some four pass until a driven neuron spikes.
        state: A step of each state variable, shape (n_state,); 0 for one that inputs leave alone.
        rest: The state at rest, shape (n_state,).
        ceiling: The potential from which on a state is beyond the spike; ``inf`` if there is none.
        voltage: Place of the variable that spikes.
    """

    weight: float
    critical: float
    again: float
    time: float
    state: tuple[float, ...]
    rest: tuple[float, ...]
    ceiling: float
    voltage: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model under test.

    Attributes:
        neuron: The model.
        compiled: Its generated code.
        parameters: A value for every parameter.
        loop: The event loop in floats.
        exact: The event loop in 50 digits; None if there is none.
        scales: The sizes on which it lives.
        assumptions: What may be drawn.
    """

    neuron: NeuronModel
    compiled: CompiledModel
    parameters: dict[str, float]
    loop: Loop
    exact: Loop | None
    scales: Scales
    assumptions: Assumptions = field(repr=False)

    def run(self, trial: Trial) -> Run:
        """Run a trial in floats.

        Raises:
            NotApplicable: If it leaves the range of floats or what is assumed.
        """
        with np.errstate(all="ignore"):
            try:
                run = self.loop.run(trial)
            except OutOfRange as err:
                raise NotApplicable from err
            if not self.assumptions.allow_run(run, self.loop.leave) or meets_release(run):
                raise NotApplicable
        return run

    def run_exactly(self, trial: Trial, *, digits: int = DIGITS) -> Run:
        """Run a trial in 50 digits; `mpmath.workdps` of that many must be set by the caller."""
        assert self.exact is not None
        try:
            return self.exact.run(trial)
        except OutOfRange as err:
            raise NotApplicable from err

    def allows(self, trial: Trial) -> bool:
        """Whether weights and initial states keep to the assumptions."""
        rows = (*trial.weights, *trial.input_weights)
        return all(self.assumptions.allow_weight(w) for row in rows for w in row) and all(
            self.assumptions.allow_state(s) and self.is_inside(s) for s in trial.initial
        )

    def is_inside(self, state: Sequence[Number]) -> bool:
        """Whether a state has not spiked yet."""
        place, threshold = self.scales.voltage, self.neuron.spike.value
        if self.neuron.spike.is_blowup or not threshold.has(*self.neuron.state):
            return bool(state[place] < self.scales.ceiling)
        entered = self.loop.enter([float(v) for v in state])
        return bool(self.loop.wait(entered, within=self.scales.time) > 0)


def meets_release(run: Run) -> bool:
    """Whether an event comes within rounding of the end of a refractory period.

    On its two sides an input is lost or counts; floats do not tell which side it is on.
    """
    if not run.has_periods:
        return False
    return any(
        state[-1] > 0 and abs(state[-1] - event.duration) <= RELEASE * (state[-1] + abs(event.time))
        for event in run.events
        for state in event.starts
    )


def make_subject(
    neuron: NeuronModel,
    compiled: CompiledModel,
    *,
    parameters: Mapping[str, float] | None = None,
    assume: Sequence[str] = (),
    loop: type[Loop] = Loop,
) -> Subject:
    """Prepare a model for its tests.

    Args:
        neuron: The model.
        compiled: Its generated code.
        parameters: Values of its parameters; defaults fill in the rest.
        assume: Relations beside those of the model, such as ``w >= 0``.
        loop: The event loop; another one can be tested by the same properties.

    Raises:
        InputError: If no input makes a neuron at rest spike.
    """
    values = neuron.check_parameters(parameters or {})
    derivation = derive(neuron)
    floats = make_float_loop(compiled, values, derivation)
    exact = make_exact_loop(derivation, values)
    if loop is not Loop:
        floats = loop(**vars(floats))
        exact = loop(**vars(exact)) if exact else None
    with np.errstate(all="ignore"):
        scales = measure_scales(neuron, floats, values)
    return Subject(
        neuron=neuron,
        compiled=compiled,
        parameters=values,
        loop=floats,
        exact=exact,
        scales=scales,
        assumptions=read_assumptions(neuron, values, assume),
    )


def searches_roots(module: ModuleType) -> bool:
    """Whether a model's spike time is a root to be searched for, with the default parameters too.

    Linear models of two variables have closed forms at simple ratios of their time constants.
    """
    return hasattr(module, "heights") and len(module.STATE) > 2


def choose_backend(module: ModuleType) -> str:
    """Numba where each call takes milliseconds interpreted, for which it compiles for seconds."""
    return "numba" if searches_roots(module) or module.METHOD == "taylor" else "numpy"


def measure_scales(neuron: NeuronModel, loop: Loop, parameters: Mapping[str, float]) -> Scales:
    """Find the sizes on which a model lives by a few experiments with a neuron at rest."""
    values = {p.symbol: parameters[p.name] for p in neuron.parameters}
    rest = tuple(float(value.subs(values)) for value in neuron.rest)
    voltage = neuron.state.index(neuron.spike.variable)
    at_rest = loop.enter(rest)
    ceiling = math.inf
    if not neuron.spike.is_blowup:
        known = values | dict(zip(neuron.state, rest, strict=True))
        ceiling = float(neuron.spike.value.subs(known))
    port, unit = find_unit(loop, at_rest)
    if unit is None and math.isfinite(loop.wait(at_rest)):
        unit = 1.0  # it spikes by itself, and no input moves it from rest
    if unit is None:
        raise InputError(
            f"Expected a model that an input can make spike but {neuron.name} at rest did not, "
            "with weights up to a million; choose other parameters or another state of rest."
        )
    start = loop.jump(at_rest, STRONG * unit, port)
    wait = loop.wait(start)
    free = loop.wait(at_rest)
    span = free if math.isfinite(free) else wait
    if not 0 < span < math.inf:
        slow = [v for name, v in parameters.items() if name.startswith("tau")]
        span = max(slow, default=1.0)
    again = None
    if 0 < wait < math.inf:
        after = loop.step("fire", start, wait)
        again = find_critical_weight(lambda w: loop.wait(loop.jump(after, w, port)))
    return Scales(
        weight=round_down(unit / GRID * 1.01),
        critical=unit,
        again=again or 0.0,
        time=round_down(span / 4),
        state=measure_states(loop, at_rest, rest, (unit, port), ceiling, voltage),
        rest=rest,
        ceiling=ceiling,
        voltage=voltage,
    )


def find_unit(loop: Loop, at_rest: State) -> tuple[int, float | None]:
    """The first port at which an input to a neuron at rest acts, and the weight at which it does.

    See `find_critical_weight`; None if there is none.
    """
    for port in range(loop.n_ports):
        found = find_critical_weight(partial(wait_after, loop, at_rest, port))
        if found is not None:
            return port, found
    return 0, None


def wait_after(loop: Loop, state: State, port: int, weight: float) -> float:
    """Time to the spike after an input at a port."""
    wait: float = loop.wait(loop.jump(state, weight, port))
    return wait


def find_critical_weight(wait: Callable[[float], float]) -> float | None:
    """The weight at which a silent neuron begins to spike, or changes another's time by half."""
    without = wait(0.0)
    half, twice = without / 2, without * 2

    def acts(weight: float) -> bool:
        time = wait(weight)
        return math.isfinite(time) if math.isinf(without) else not half <= time <= twice

    found = next((2.0**k for k in range(-10, 21) if acts(2.0**k)), None)
    return None if found is None else bisect(acts, 0.0, found)


def measure_states(
    loop: Loop, at_rest: State, rest: Sequence[float], unit: tuple[float, int], ceiling: float,
    voltage: int,
) -> tuple[float, ...]:  # fmt: skip
    """A step of each state variable: an eighth of how far a strong input moves it.

    ``unit`` is the weight at which an input acts, and the port.
    """
    strong, port = STRONG * unit[0], unit[1]
    start = loop.jump(at_rest, strong, port)
    wait = loop.wait(start)
    seen = [loop.leave(start)]
    seen += [loop.leave(loop.jump(at_rest, strong, k)) for k in range(loop.n_ports) if k != port]
    for fraction in (0.3, 0.6, NEXT_TO_SPIKE):
        if 0 < wait < math.inf:
            seen.append(loop.leave(loop.step("flow", start, wait * fraction)))
    if 0 < wait < math.inf:
        after = loop.step("fire", start, wait)
        seen.append(loop.leave(loop.step("flow", after, wait * 0.5)))
    steps = []
    for c, value in enumerate(rest):
        far = max((abs(s[c] - value) for s in seen if math.isfinite(s[c])), default=0.0)
        if c == voltage:
            far = ceiling - value if math.isfinite(ceiling) else min(far, 1e3)
        steps.append(round_down(far / GRID) if far > 1e-9 * (1 + abs(value)) else 0.0)
    return tuple(steps)


def round_down(value: float) -> float:
    """The largest of 1, 2, 2.5, 5 times a power of ten that is not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    found = max(step * power for step in STEPS if step * power <= value * (1 + 1e-9))
    return float(f"{found:.3g}")


def to_exact(trial: Trial) -> Trial:
    """A trial with mpmath numbers."""
    return trial.map(mpf)


def to_floats(trial: Trial) -> Trial:
    """A trial with floats."""
    return trial.map(float)


def in_digits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function so that it works in 50 digits."""

    def precisely(*arguments: Any, **options: Any) -> Any:
        with mpmath.workdps(DIGITS):
            return function(*arguments, **options)

    return precisely


@lru_cache(maxsize=16)
def compile_speed(subject: Subject) -> Speed:
    """The speed at which the distance to the threshold falls after an input.

    A function of the state before the input and of its weight: positive where the neuron moves
    towards the threshold, NaN where the model has no value.
    """
    model = subject.neuron
    V, threshold = model.spike.variable, model.spike.value
    fields = dict(zip(model.state, model.derivatives, strict=True))
    speed = fields[V] - sum((threshold.diff(s) * f for s, f in fields.items() if s != V), sp.S.Zero)
    after = dict(zip(model.state, model.jump, strict=True))
    values = {p.symbol: subject.parameters[p.name] for p in model.parameters}
    kicked = speed.subs(after, simultaneous=True).subs(values)
    return compile_safely((*model.state, WEIGHT), kicked)


def compile_safely(symbols: Sequence[sp.Symbol], expression: sp.Expr) -> Speed:
    """An expression as a function of floats; NaN where it has no value."""
    compiled = sp.lambdify(symbols, expression, "math", dummify=True)

    def find(*values: float) -> float:
        try:
            return float(compiled(*values))
        except (ArithmeticError, ValueError, TypeError):
            return math.nan

    return find


def find_turning_weights(subject: Subject, state: Sequence[float]) -> list[float]:
    """Weights on whose two sides an input lets a neuron at the threshold go on, or turn away.

    Args:
        subject: The model under test; none for one that spikes at infinity.
        state: A state on the threshold.
    """
    if subject.neuron.spike.is_blowup:
        return []
    speed = compile_speed(subject)
    return find_sign_changes(lambda w: speed(*state, w), 0.0, subject.scales.weight)


def find_sign_changes(function: Callable[[float], float], start: float, step: float) -> list[float]:
    """Places, to both sides of a start, next to which a function changes its sign."""
    found = []
    for sign in (-1, 1):
        grid = [start, *(start + sign * step * 2.0**k for k in DOUBLINGS)]
        values = list(map(function, grid))
        for k in range(len(grid) - 1):
            if values[k] * values[k + 1] < 0:
                found.append(halve_to_sign(function, grid[k], grid[k + 1]))
    return found


def halve_to_sign(function: Callable[[float], float], low: float, high: float) -> float:
    """A place next to which the sign changes between two places, on the side of ``high``."""
    sign = function(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if function(middle) * sign > 0:
            low = middle
        else:
            high = middle
    return high


def find_states_at_spikes(subject: Subject, run: Run) -> list[tuple[int, list[float]]]:
    """Neuron and state of every spike, just before its reset; no state at infinity."""
    loop, found = subject.loop, []
    for event in run.events:
        if event.neuron is None:
            continue
        state: list[float] = []
        if not subject.neuron.spike.is_blowup:
            at = loop.step("flow", event.starts[event.neuron], event.duration)
            state = list(map(float, loop.leave(at)))
        found.append((event.neuron, state))
    return found
