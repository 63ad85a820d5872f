"""Where the 50-digit checks look: parameters, states, and the kernel functions in mpmath.

The functions evaluated here are the text that code generation prints, with the numbers of mpmath: a
slip of a printer is found like one of the mathematics.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.generate import print_in_digits
from spiketheory.generation.kernel_ir import KernelFunction, KernelIR
from spiketheory.language.model import conjuncts
from spiketheory.language.printers import order_parts
from spiketheory.runtime.roots import first_zero
from spiketheory.runtime.special_mpmath import FUNCTIONS, numpy_in_digits
from spiketheory.symbolic.derivation import Check, Derivation
from spiketheory.verification.cases import DIGITS, MPMATH, Case, fail

Vector = list[mpf]
Kernel = Callable[..., Vector]

SEED = 20250109
CORNERS = (mpf(10) ** 8, -(mpf(10) ** 8), mpf(10) ** 4)
EDGE = mpf(10) ** -6
FAR = mpf(100)
MAX_DRAWS = 200
MAX_DRIVEN = 60
BEYOND = mpf(1) / 3
STRONG = mpf(10) ** 4
TOLERANCE = mpf(10) ** -25
DIFFERENCE_DIGITS = 90
DIFFERENCE_STEP = mpf(10) ** -30
SMALLEST = mpf(10) ** -20
"""Smaller values, such as the rounding error of a reset, do not make steps smaller still."""


class Kernels:
    """Kernel functions, callable with mpmath numbers.

    Attributes:
        derivation: The derivation.
        thorough: Whether special functions are looked at as closely as others.
        constants: Names of the constants, in order.
        functions: Kernel functions by name, and ``surface`` and ``crossing``: the function that
            falls through zero at the spike, and how fast.
        choose_spike_branch: Number of the branch of the time to spike that counts.
    """

    def __init__(self, ir: KernelIR, *, thorough: bool = False) -> None:
        self.derivation, self.thorough = ir.derivation, thorough
        self.constants = ir.constants
        self.functions: dict[str, Kernel] = {}
        library = {**MPMATH, "first_zero": self.find_zero, "time_to_spike": self.find_spike}
        space = {
            **FUNCTIONS, "np": numpy_in_digits, "first_zero": first_zero,
            "heights": self.find_heights, "time_to_spike": self.find_spike,
        }  # fmt: skip
        for function in ir.functions:
            self.functions[function.name] = compile_kernel(function, space)
            if function.name == "time_to_spike":
                self.choose_spike_branch = compile_choice(function, library)
        chart = ir.derivation.chart
        arguments = (*chart.coordinates, *ir.constant_symbols)
        slopes = sp.Matrix([chart.surface]).jacobian(chart.coordinates)
        crossing = (slopes * sp.Matrix(chart.field))[0]
        for name, value in (("surface", chart.surface), ("crossing", crossing)):
            self.functions[name] = sp.lambdify(arguments, [value], [MPMATH, "mpmath"])

    def find_zero(self, rates: Any, horizon: mpf, arguments: Any) -> mpf:
        """First zero of the heights, in the working precision."""
        rates = tuple(map(mpf, rates))
        return first_zero(self.find_heights, rates, horizon, tuple(arguments))

    def find_heights(self, *arguments: mpf) -> tuple[mpf, ...]:
        """The heights."""
        return tuple(self.functions["heights"](*arguments))

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


def make_real(value: Any) -> Any:
    """Make a result an mpmath number; what is not real compares unequal to everything."""
    if isinstance(value, bool):
        return value
    return mpmath.nan if isinstance(value, mpmath.mpc) else mpf(value)


def compile_choice(function: KernelFunction, library: Mapping[str, Any]) -> Callable[..., int]:
    """Return a function that says which branch counts."""
    if function.branches[0].condition == sp.true:
        return lambda *arguments: 0
    conditions = [
        compile_condition(function.arguments, branch.condition, library)
        for branch in function.branches
    ]
    return lambda *arguments: next(i for i, holds in enumerate(conditions) if holds(*arguments))


def compile_condition(
    arguments: Sequence[str], condition: sp.Basic, library: Mapping[str, Any]
) -> Callable[..., bool]:
    """Return a function that evaluates a condition; later parts only if the earlier ones hold."""
    if isinstance(condition, sp.And):
        parts = [compile_condition(arguments, part, library) for part in order_parts(condition)]
        return lambda *values: all(part(*values) for part in parts)
    compiled = sp.lambdify(list(arguments), condition, [library, "mpmath"])
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
        self.constants = kernels.functions["constants"](*self.parameters.values())
        self.draw = draw

    def at(self, values: Sequence[mpf]) -> "Place":
        """The same place with other parameters."""
        return Place(self.kernels, dict(zip(self.parameters, values, strict=True)), self.draw)

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
        return [*states, *(self.fire(s, self.wait(s)) for s in spiking[:1])]

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
            state = [mpf(self.draw.gauss(0, size)) if g is None else g for g in given]
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


class Tally:
    """Counts the comparisons of one check and keeps the worst.

    Args:
        name: The check's name.
        remedy: What to do if it fails.
        what: What is counted.
        digits: How many digits the comparison has.
    """

    def __init__(
        self, name: str, remedy: str, what: str = "values", *, digits: int = DIGITS
    ) -> None:
        self.name, self.remedy, self.what, self.digits = name, remedy, what, digits
        self.compared, self.demanded, self.worst = 0, 0, mpf(0)

    def compare(
        self,
        what: str,
        got: Sequence[mpf],
        want: Sequence[mpf],
        *,
        scale: mpf | int = 0,
        tolerance: mpf = TOLERANCE,
    ) -> None:
        """Compare two vectors, relative to the larger of ``want`` and ``scale``."""
        size = max([abs(scale), *map(abs, want)]) or mpf(1)
        same = len(got) == len(want)
        error = (
            max(abs(g - w) for g, w in zip(got, want, strict=True)) / size if same else mpmath.inf
        )
        if not error <= tolerance:
            raise fail(self.name, f"{what} to be {show(want)}", show(got), self.remedy)
        self.worst = max(self.worst, error)
        self.compared += 1

    def demand(self, holds: bool, expected: str, got: str) -> None:
        """Demand that something holds."""
        if not holds:
            raise fail(self.name, expected, got, self.remedy)
        self.demanded += 1

    def report(self) -> Iterator[Check]:
        """The check, unless there was nothing to look at."""
        details = []
        if self.compared:
            # Numbers that agree in every digit say no more than that.
            exact = self.worst < mpf(10) ** -DIGITS
            error = f"below 1e-{DIGITS}" if exact else mpmath.nstr(self.worst, 2)
            details.append(f"worst relative error {error} over {self.compared} {self.what}")
        if self.demanded:
            details.append(f"{self.demanded} conditions hold")
        if details:
            yield Check(name=self.name, method=f"{self.digits} digits", detail=", ".join(details))


def format_number(value: mpf) -> str:
    """A number in words."""
    return str(mpmath.nstr(value, 8))


def show(vector: Sequence[mpf]) -> str:
    """Several numbers in words."""
    return ", ".join(map(format_number, vector))


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
    with mpmath.workdps(DIFFERENCE_DIGITS + max(0, mpmath.mag(size)) // 3):
        value = abs(arguments[index])
        step = DIFFERENCE_STEP * (max(value, SMALLEST) if value else 1)
        above, below = list(arguments), list(arguments)
        above[index] += step
        below[index] -= step
        return (function(*above) - function(*below)) / (2 * step)


def build_places(kernels: Kernels, cases: Sequence[Case]) -> tuple[list[Place], list[Place]]:
    """Return ordinary places, one for the defaults and one per case, and far ones."""
    draw = random.Random(SEED)
    defaults = {p.symbol: mpf(repr(p.default)) for p in kernels.derivation.model.parameters}
    ordinary, far = [Place(kernels, defaults, draw)], []
    for case in cases:
        usual = draw_parameters(kernels.derivation, case, draw, mpf(1))
        ordinary += [Place(kernels, usual, draw)] if usual is not None else []
        for distance in (FAR, EDGE) if set(case.free) - set(defaults) else ():
            # A case may have no admissible parameters that far out.
            unusual = draw_parameters(kernels.derivation, case, draw, distance)
            far += [Place(kernels, unusual, draw)] if unusual is not None else []
    return ordinary, far


def draw_parameters(
    derivation: Derivation, case: Case, draw: random.Random, distance: mpf
) -> dict[sp.Symbol, mpf] | None:
    """Draw admissible parameters of a case, if there are any.

    Args:
        derivation: The derivation.
        case: The case.
        draw: Where random numbers come from.
        distance: How far the parameters are from the boundary of the case, in rough terms.
    """
    names = {p.symbol for p in derivation.model.parameters}
    is_admissible = compile_domains(derivation)
    for _ in range(MAX_DRAWS):
        free = {}
        for symbol in case.free:
            size = mpmath.exp(mpf(draw.uniform(-0.7, 0.7)))
            size *= 1 if symbol in names else distance
            free[symbol] = size if symbol.is_positive else mpf(draw.gauss(0, 2))
        values = place_parameters(case, free)
        if values is not None and is_admissible(values):
            return values
    return None


def place_parameters(case: Case, free: Mapping[sp.Symbol, mpf]) -> dict[sp.Symbol, mpf] | None:
    """Parameters at given values of the case's free symbols; None if they are not real."""
    compiled = sp.lambdify(list(case.free), list(case.parameters.values()), "mpmath")
    values = compiled(*(free[symbol] for symbol in case.free))
    if any(isinstance(value, mpmath.mpc) for value in values):
        return None
    return {p: mpf(v) for p, v in zip(case.parameters, values, strict=True)}


def compile_domains(derivation: Derivation) -> Callable[[Mapping[sp.Symbol, mpf]], bool]:
    """Return a function that says whether parameters lie in their domains."""
    parameters = derivation.model.parameters
    relations = [relation for p in parameters for relation in conjuncts(p.domain)]
    compiled = sp.lambdify([p.symbol for p in parameters], relations, "mpmath")
    return lambda values: all(compiled(*(values[p.symbol] for p in parameters)))
