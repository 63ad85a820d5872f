"""Where the 50-digit checks look: parameters, states, and the kernel functions in mpmath.

The functions evaluated here are the text that code generation prints, with the numbers of mpmath: a
slip of a printer is found like one of the mathematics.
"""

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, lru_cache, partial
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.generate import print_in_digits
from spiketheory.generation.kernel_ir import KernelFunction, KernelIR
from spiketheory.language.model import NeuronModel, conjuncts
from spiketheory.language.printers import order_parts
from spiketheory.runtime.roots import first_peak, first_zero
from spiketheory.runtime.special_mpmath import FUNCTIONS, numpy_in_digits
from spiketheory.symbolic.derivation import Derivation
from spiketheory.verification.cases import (
    DIGITS,
    MPMATH,
    Case,
    compile_in_digits,
    fail,
    find_conditions,
)
from spiketheory.verification.tally import format_number, show

Vector = list[mpf]
Kernel = Callable[..., Vector]

SEED = 20250109
CORNERS = (mpf(10) ** 8, -(mpf(10) ** 8), mpf(10) ** 4)
EDGE = mpf(10) ** -6
FAR = mpf(100)
MAX_DRAWS = 200
MANY_CASES = 6
MAX_DRIVEN = 60
BEYOND = mpf(1) / 3
STRONG = mpf(10) ** 4
DIFFERENCE_DIGITS = 90
DIFFERENCE_STEP = -30
"""Digits and step of differences, 10 to this power, where they are compared in `DIGITS`."""
ORDINARY = mpf(5)
"""A threshold between -this and this, this times nearer than 1 to rest, is in ordinary units."""
REMEMBERED = 256
SMALLEST = mpf(10) ** -20
"""Smaller values, such as the rounding error of a reset, do not make steps smaller still."""


class Kernels:
    """Kernel functions, callable with mpmath numbers.

    Attributes:
        derivation: The derivation.
        thorough: Whether special functions are looked at as closely as others.
        constants: Names of the constants, in order.
        functions: Kernel functions by name, those into the chart and out of it by way of the state
            of the model that is derived unless ``as_written``, and ``surface`` and ``crossing``:
            the function that falls through zero at the spike, and how fast; ``slope_terms``: what
            adds up to minus that, where there are maxima.
        choose_spike_branch: Number of the branch of the time to spike that counts.
    """

    def __init__(self, ir: KernelIR, *, thorough: bool = False, as_written: bool = False) -> None:
        self.derivation, self.thorough = ir.derivation, thorough
        self.constants = ir.constants
        self.functions: dict[str, Kernel] = {}
        library = {**MPMATH, "first_zero": self.find_zero, "time_to_spike": self.find_spike}
        space = {
            **FUNCTIONS, "np": numpy_in_digits, "first_zero": first_zero, "first_peak": first_peak,
            "heights": self.find_heights, "time_to_spike": self.find_spike,
            **{name: partial(self.run, name) for name in ("propagator", "flow", "fire")},
        }  # fmt: skip
        chart = ir.derivation.chart
        arguments = (*chart.coordinates, *ir.constant_symbols)
        for function in ir.functions:
            self.functions[function.name] = compile_kernel(function, space)
            if function.name == "time_to_spike":
                self.functions[function.name] = remember(self.functions[function.name])
                self.choose_spike_branch = compile_choice(function, arguments, library)
        slopes = sp.Matrix([chart.surface]).jacobian(chart.coordinates)
        crossing = (slopes * sp.Matrix(chart.field))[0]
        for name, value in (("surface", chart.surface), ("crossing", crossing)):
            self.functions[name] = compile_in_digits(arguments, [value])
        if not ir.derivation.is_integrated and ir.derivation.closed.time_to_peak:
            terms = list(sp.Add.make_args(sp.expand(-crossing)))
            self.functions["slope_terms"] = compile_in_digits(arguments, terms)
        if ir.derivation.is_measured and not as_written:
            entered = (*ir.derivation.model.state, *ir.constant_symbols)
            enter = compile_in_digits(entered, chart.from_state)
            leave = compile_in_digits(arguments, chart.to_state)
            self.functions["enter_chart"] = lambda *at: list(enter(*at))
            self.functions["leave_chart"] = lambda *at: list(leave(*at))
        self.find_start = compile_start(self.derivation.model)

    def find_zero(self, rates: Any, horizon: mpf, arguments: Any) -> mpf:
        """First zero of the heights, in the working precision."""
        rates = tuple(map(mpf, rates))
        return first_zero(self.find_heights, rates, horizon, tuple(arguments))

    def find_heights(self, *arguments: mpf) -> tuple[mpf, ...]:
        """The heights."""
        return tuple(self.functions["heights"](*arguments))

    def run(self, name: str, *arguments: mpf) -> Vector:
        """Another kernel function."""
        return self.functions[name](*arguments)

    def find_spike(self, *arguments: mpf) -> mpf:
        """The time to the spike."""
        return self.functions["time_to_spike"](*arguments)[0]


def compile_kernel(function: KernelFunction, space: Mapping[str, Any]) -> Kernel:
    """Make a kernel function callable: its text, as it is printed, on numbers of mpmath.

    Args:
        function: The kernel function.
        space: What else it may call, by name.
    """

    @cache
    def compile_now() -> Callable[..., Any]:
        own = dict(space)
        exec(compile(print_in_digits(function), f"<{function.name}>", "exec"), own)
        compiled: Callable[..., Any] = own[function.name]
        return compiled

    def call(*arguments: mpf) -> Vector:
        try:
            found = compile_now()(*arguments)
        except ZeroDivisionError:
            return [mpmath.nan] * len(function.results)
        return [make_real(value) for value in (found if isinstance(found, tuple) else (found,))]

    return call


def compile_start(model: NeuronModel) -> Callable[..., tuple[mpf, Vector, mpmath.matrix]]:
    """Return a function of the parameters: threshold, state at rest, derivatives by the state."""
    at_rest = dict(zip(model.state, model.rest, strict=True))
    slopes = sp.Matrix(model.derivatives).jacobian(model.state).xreplace(at_rest)
    wanted = [model.spike.value.xreplace(at_rest), *model.rest, *slopes]
    compiled = compile_in_digits([p.symbol for p in model.parameters], wanted)
    size = len(model.state)

    def find(*parameters: mpf) -> tuple[mpf, Vector, mpmath.matrix]:
        threshold, *numbers = map(mpf, compiled(*parameters))
        rest, flat = numbers[:size], numbers[size:]
        rows = [flat[row * size : (row + 1) * size] for row in range(size)]
        return threshold, rest, mpmath.matrix(rows)

    return find


def remember(function: Kernel) -> Kernel:
    """Keep what a function returned; some checks ask for the same spike a dozen times."""

    @lru_cache(maxsize=REMEMBERED)
    def call_in(precision: int, *arguments: mpf) -> Vector:
        return function(*arguments)

    return lambda *arguments: call_in(mpmath.mp.prec, *arguments)


def read_functions(text: str) -> dict[str, Callable[..., Any]]:
    """The functions of a generated module."""
    space: dict[str, Any] = {"__name__": "exact"}
    exec(compile(text, "<exact>", "exec"), space)
    return {name: value for name, value in space.items() if inspect.isfunction(value)}


def make_real(value: Any) -> Any:
    """Make a result an mpmath number; what is not real compares unequal to everything."""
    if isinstance(value, bool):
        return value
    return mpmath.nan if isinstance(value, mpmath.mpc) else mpf(value)


def compile_choice(
    function: KernelFunction, arguments: Sequence[sp.Symbol], library: Mapping[str, Any]
) -> Callable[..., int]:
    """Return a function that says which branch counts."""
    if function.branches[0].condition == sp.true:
        return lambda *arguments: 0
    conditions = [
        compile_condition(arguments, branch.condition, library) for branch in function.branches
    ]
    return lambda *arguments: next(i for i, holds in enumerate(conditions) if holds(*arguments))


def compile_condition(
    arguments: Sequence[sp.Symbol], condition: sp.Basic, library: Mapping[str, Any]
) -> Callable[..., bool]:
    """Return a function that evaluates a condition; later parts only if the earlier ones hold."""
    if isinstance(condition, sp.And):
        parts = [compile_condition(arguments, part, library) for part in order_parts(condition)]
        return lambda *values: all(part(*values) for part in parts)
    compiled = compile_in_digits(arguments, condition, library)
    return lambda *values: bool(compiled(*values))


class Place:
    """One set of parameters, and states to look at there.

    Args:
        kernels: The kernel functions.
        parameters: A value for every parameter, by symbol.
        draw: Where random states come from.
    """

    def __init__(
        self, kernels: Kernels, parameters: Mapping[sp.Symbol, mpf], draw: random.Random
    ) -> None:
        self.kernels = kernels
        self.derivation = kernels.derivation
        self.parameters = {p.symbol: parameters[p.symbol] for p in self.derivation.model.parameters}
        self.draw = draw
        self.known: dict[int, Vector] = {}

    def at(self, values: Sequence[mpf]) -> "Place":
        """The same place with other parameters."""
        return Place(self.kernels, dict(zip(self.parameters, values, strict=True)), self.draw)

    @property
    def constants(self) -> Vector:
        """The derived constants, in the working precision; the parameters are exact."""
        precision = mpmath.mp.prec
        if precision not in self.known:
            constants = self.kernels.functions["constants"]
            self.known[precision] = constants(*self.parameters.values())
        return self.known[precision]

    @cached_property
    def name(self) -> str:
        """The parameters in words."""
        return ", ".join(f"{p} = {format_number(v)}" for p, v in self.parameters.items())

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the chart's coordinates."""
        return tuple(c.name for c in self.derivation.chart.coordinates)

    @cached_property
    def states(self) -> list[Vector]:
        """Coordinates of random states, of far corners, and just after a spike."""
        # Special functions in many digits take long: fewer states then.
        number = 3 if self.is_thorough else 2
        inside = [self.draw_state(None) for _ in range(number)]
        corners = (
            [self.draw_state(c) for c in CORNERS[: 2 * number - 3]]
            if self.may_be_far
            else self.draw_driven()
        )
        states = [*inside, *corners, *self.draw_strong()]
        if self.derivation.model.is_crossing:  # after a spike it is not below its threshold
            return states
        spiking = [s for s in states if mpmath.isfinite(self.wait(s))]
        fired = [self.fire(s, self.wait(s)) for s in spiking[:1]]
        model = self.derivation.model
        after = model.reset[model.state.index(model.spike.variable)]
        if after.has(*model.state):  # it leads beyond from states that need not be admissible
            fired = [s for s in fired if self.surface(s) > 0]
        return [*states, *fired]

    @property
    def is_thorough(self) -> bool:
        """Whether to look everywhere: special functions only if asked for."""
        return self.kernels.thorough or self.derivation.numbers is None

    @property
    def beyond(self) -> list[Vector]:
        """A state that an input has carried beyond a finite threshold."""
        spike, state = self.derivation.model.spike, self.derivation.model.state
        if spike.is_blowup or self.derivation.model.is_crossing:
            return []
        moved = self.to_state(self.states[0])
        moved[state.index(spike.variable)] = self.threshold + BEYOND
        return [self.run("enter_chart", *moved)]

    @cached_property
    def threshold(self) -> mpf:
        """A finite threshold, which does not depend on the state."""
        value = self.derivation.model.spike.value
        return mpf(sp.lambdify(list(self.parameters), value, "mpmath")(*self.parameters.values()))

    @property
    def may_be_far(self) -> bool:
        """Whether the spiking variable may take any value."""
        return self.derivation.model.spike.is_blowup

    def draw_strong(self) -> list[Vector]:
        """Draw states in which everything but the spiking variable is huge, of either sign."""
        if len(self.derivation.model.state) == 1 or not self.is_thorough:
            return []
        return [self.draw_state(None, others=sign * STRONG) for sign in (1, -1)]

    def draw_driven(self) -> list[Vector]:
        """Draw states that lead to a spike, with ever larger numbers; none if nothing does."""
        found: list[Vector] = []
        for attempt in range(MAX_DRIVEN):
            state = self.draw_state(None, size=2 + attempt // 4)
            found += [state] if mpmath.isfinite(self.wait(state)) else []
            if len(found) == 3:
                break
        return found

    def draw_state(
        self, spiking: mpf | None, *, size: float = 2, others: mpf | None = None
    ) -> Vector:
        """Draw coordinates of a state that has not spiked yet; what is given is not drawn."""
        model = self.derivation.model
        for _ in range(MAX_DRAWS):
            given = [spiking if s == model.spike.variable else others for s in model.state]
            drawn = [mpf(self.draw.gauss(0, size)) if g is None else g for g in given]
            state = [a + v * b for a, v, b in zip(self.origin, drawn, self.scales, strict=True)]
            if model.is_crossing:  # the threshold may be anywhere: on its other side as far away
                index = model.state.index(model.spike.variable)
                state[index] = self.threshold - abs(state[index] - self.threshold)
            coordinates = self.run("enter_chart", *state)
            if self.surface(coordinates) > 0:
                return coordinates
        raise fail(
            "first spike",
            f"states on the inner side of the spike surface at {self.name}",
            f"none among {MAX_DRAWS} random ones",
            "orient the chart's surface so that it falls through zero at the spike",
        )

    @cached_property
    def frame(self) -> tuple[Vector, Vector]:
        """Where states are drawn around, and how far from there, by variable.

        Around 0 and some units away, unless the threshold is in other units: then around rest, as
        far as it is to the threshold, or as what moves the potential so far in its time constant.
        """
        model = self.derivation.model
        size = len(model.state)
        plain = [mpf(0)] * size, [mpf(1)] * size
        if model.spike.is_blowup:
            return plain
        threshold, rest, slopes = self.kernels.find_start(*self.parameters.values())
        index = model.state.index(model.spike.variable)
        reach = threshold - rest[index]
        if abs(threshold) <= ORDINARY and reach >= 1 / ORDINARY:
            return plain
        rate = abs(slopes[index, index]) or max(map(abs, slopes)) or mpf(1)
        moved = mpmath.expm(slopes / rate)
        scales = [reach / abs(moved[index, j]) if moved[index, j] else mpf(1) for j in range(size)]
        scales[index] = reach
        return rest, scales

    @property
    def origin(self) -> Vector:
        """Where states are drawn around."""
        return self.frame[0]

    @property
    def scales(self) -> Vector:
        """How far from the origin they are."""
        return self.frame[1]

    @cached_property
    def initial_bounds(self) -> Vector:
        """Smallest, largest and default value of the initial coordinate."""
        return self.kernels.functions["initial_bounds"](*self.parameters.values())

    @cached_property
    def initial_values(self) -> Vector:
        """Values of the initial coordinate strictly between its bounds."""
        lower, upper, default = self.initial_bounds
        if mpmath.isinf(lower) or mpmath.isinf(upper):
            drawn = [default + self.draw.gauss(0, 2) for _ in range(4)]
            return [value for value in (default, *drawn) if lower < value < upper]
        return [lower + (upper - lower) * k / 7 for k in range(1, 7)]

    def run(self, kernel: str, *arguments: mpf, after: Sequence[mpf] = ()) -> Vector:
        """Run a kernel function, with the constants between ``arguments`` and ``after``."""
        return self.kernels.functions[kernel](*arguments, *self.constants, *after)

    def has(self, kernel: str) -> bool:
        """Whether there is a kernel function of that name."""
        return kernel in self.kernels.functions

    def flow(self, state: Vector, duration: mpf) -> Vector:
        """Coordinates after ``duration``."""
        return self.run("flow", *state, *self.run("propagator", duration))

    def flow_vjp(self, state: Vector, duration: mpf, covector: Vector) -> Vector:
        """Pull a covector back through the flow."""
        return self.run("flow_vjp", *state, *self.run("propagator", duration), after=covector)

    def jump(self, state: Vector, weight: mpf) -> Vector:
        """Coordinates after an input."""
        return self.run("jump", *state, weight)

    def wait(self, state: Vector) -> mpf:
        """Time to the next spike."""
        return self.run("time_to_spike", *state)[0]

    def will_spike(self, state: Vector, duration: mpf) -> bool:
        """Whether a spike comes within ``duration``."""
        return bool(self.run("will_spike", *state, *self.run("propagator", duration))[0])

    def fire(self, state: Vector, duration: mpf) -> Vector:
        """Coordinates after the spike that comes after ``duration``."""
        return self.run("fire", *state, *self.run("propagator", duration))

    def surface(self, state: Vector) -> mpf:
        """The function that falls through zero at the spike."""
        return self.run("surface", *state)[0]

    def to_state(self, state: Vector) -> Vector:
        """The model's state."""
        return self.run("leave_chart", *state)

    def show(self, state: Vector) -> str:
        """A state in words."""
        return f"({show(state)}) at {self.name}"


def stretch(digits: int) -> int:
    """A number of digits that belongs to `DIGITS`, in proportion to the working precision."""
    return digits * mpmath.mp.dps // DIGITS


def differentiate_numerically(
    function: Callable[..., mpf], arguments: Sequence[mpf], index: int, *, size: mpf | int = 1
) -> mpf:
    """Central difference by one argument, in more digits than it is compared in.

    Args:
        function: What to differentiate.
        arguments: Where.
        index: By which argument.
        size: Size of the function's values if they are much larger than its changes.
    """
    step = mpf(10) ** stretch(DIFFERENCE_STEP)
    with mpmath.workdps(stretch(DIFFERENCE_DIGITS) + max(0, mpmath.mag(size)) // 3):
        value = abs(arguments[index])
        step *= max(value, SMALLEST) if value else 1
        above, below = list(arguments), list(arguments)
        above[index] += step
        below[index] -= step
        return (function(*above) - function(*below)) / (2 * step)


def build_places(kernels: Kernels, cases: Sequence[Case]) -> tuple[list[Place], list[Place]]:
    """Return ordinary places, one for the defaults and one per case, and far ones."""
    draw = random.Random(SEED)
    model = kernels.derivation.model
    names = {p.symbol for p in model.parameters}
    defaults = {p.symbol: mpf(repr(p.default)) for p in model.parameters}
    ordinary, far = [Place(kernels, defaults, draw)], []
    distances = [FAR, EDGE]
    for number, case in enumerate(cases):
        usual = draw_parameters(kernels, case, draw)
        on = draw_boundary(kernels, case, draw)
        chosen = usual if on is None else on
        ordinary += [Place(kernels, chosen, draw)] if chosen is not None else []
        if len(cases) > MANY_CASES and not kernels.thorough:  # one for each, in turn
            distances = [(FAR, EDGE)[number % 2]]
        for distance in distances if set(case.free) - names else ():
            # A case may have no admissible parameters that far out.
            unusual = draw_parameters(kernels, case, draw, distance)
            far += [Place(kernels, unusual, draw)] if unusual is not None else []
    return ordinary, far


def draw_parameters(
    kernels: Kernels, case: Case, draw: random.Random, distance: mpf | int = 1
) -> dict[sp.Symbol, mpf] | None:
    """Draw admissible parameters of a case, if there are any.

    Args:
        kernels: The kernel functions.
        case: The case.
        draw: Where random numbers come from.
        distance: How far the parameters are from the boundary of the case, in rough terms.
    """
    names = {p.symbol for p in kernels.derivation.model.parameters}
    is_admissible = compile_domains(kernels.derivation)
    for _ in range(MAX_DRAWS):
        free = {}
        for symbol in case.free:
            size = mpmath.exp(mpf(draw.uniform(-0.7, 0.7)))
            size *= 1 if symbol in names else distance
            free[symbol] = size if symbol.is_positive else mpf(draw.gauss(0, 2))
        values = place_parameters(case, free)
        if values is not None and is_admissible(values) and rests_inside(kernels, values):
            return values
    return None


def draw_boundary(kernels: Kernels, case: Case, draw: random.Random) -> dict[sp.Symbol, mpf] | None:
    """Draw parameters on the boundary between cases; none if this case is no boundary.

    They are powers of 4, or differences of such, so that what has to vanish does so without
    rounding; none if no such parameters are found.
    """
    asked = [c.xreplace(kernels.derivation.constant_values)
             for c in find_conditions(kernels.derivation)]  # fmt: skip
    vanishing = [e for e in asked if case.apply(e).equals(0)]
    if not vanishing:
        return None
    heights = compile_in_digits([p.symbol for p in kernels.derivation.model.parameters], vanishing)
    is_admissible = compile_domains(kernels.derivation)
    for _ in range(MAX_DRAWS):
        powers = [mpf(4) ** draw.randint(-1, 1) for _ in case.free]
        signs = [1 if s.is_positive else draw.choice((1, -1)) for s in case.free]
        free = {s: v * p for s, v, p in zip(case.free, signs, powers, strict=True)}
        values = place_parameters(case, free)
        if values is None or not is_admissible(values) or not rests_inside(kernels, values):
            continue
        with mpmath.workdps(2 * DIGITS):
            if not any(heights(*values.values())):
                return values
    return None


def rests_inside(kernels: Kernels, parameters: Mapping[sp.Symbol, mpf]) -> bool:
    """Whether the neuron rests on the inner side of a finite threshold, as a model must."""
    model = kernels.derivation.model
    if model.spike.is_blowup:
        return True
    threshold, rest, _ = kernels.find_start(*(parameters[p.symbol] for p in model.parameters))
    return bool(rest[model.state.index(model.spike.variable)] < threshold)


def place_parameters(case: Case, free: Mapping[sp.Symbol, mpf]) -> dict[sp.Symbol, mpf] | None:
    """Parameters at given values of the case's free symbols; None if they are not real."""
    values = case.solved(*(free[symbol] for symbol in case.free))
    if any(isinstance(value, mpmath.mpc) for value in values):
        return None
    return {p: mpf(v) for p, v in zip(case.parameters, values, strict=True)}


def compile_domains(derivation: Derivation) -> Callable[[Mapping[sp.Symbol, mpf]], bool]:
    """Return a function that says whether parameters lie in their domains."""
    parameters = derivation.model.parameters
    relations = [relation for p in parameters for relation in conjuncts(p.domain)]
    compiled = compile_in_digits([p.symbol for p in parameters], relations)
    return lambda values: all(compiled(*(values[p.symbol] for p in parameters)))
