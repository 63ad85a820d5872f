"""How accurate the generated evaluators are: spike times and gradients against many digits.

Random states, at random parameters near the defaults; the closed forms are evaluated in 50-digit
arithmetic, equations without one integrated to 30 digits. An error counts where the problem is
well conditioned: where relative changes of state and parameters are amplified less than
`WELL_CONDITIONED` times.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.errors import InputError
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.generation.lower import lower
from spiketheory.machine.compile import CompiledModel
from spiketheory.reference.neuron import Neuron
from spiketheory.symbolic.derivation import Derivation
from spiketheory.verification.cases import DIGITS
from spiketheory.verification.places import Kernels, Place, compile_domains

WELL_CONDITIONED = 100
REFERENCE_DIGITS = 30
LONGEST = mpf(100)
SPREAD = 0.3
ATTEMPTS = 200
STEP = 1e-6

State = tuple[mpf, ...]
Measure = Callable[[Sequence[mpf], Sequence[mpf]], list[mpf]]


@dataclass(kw_only=True)
class Accuracy:
    """Errors of one quantity.

    Attributes:
        name: Name of the quantity.
        errors: Relative errors where it is well conditioned.
        worst_at: State and parameters of the largest.
        left_out: Number of states where it is not well conditioned.
    """

    name: str
    errors: list[float] = field(default_factory=list)
    worst_at: str = ""
    left_out: int = 0

    @property
    def worst(self) -> float:
        """The largest relative error; 0 if there is none."""
        return max(self.errors, default=0.0)

    @property
    def median(self) -> float:
        """The median relative error."""
        ordered = sorted(self.errors)
        return ordered[len(ordered) // 2] if ordered else 0.0


# Long: half of it says what it takes and returns.
def measure_accuracy(
    verified: VerifiedKernel,
    compiled: CompiledModel,
    *,
    states: int = 1000,
    draw: random.Random | None = None,
    overrides: Mapping[str, float] | None = None,
) -> list[Accuracy]:
    """Compare spike times and their derivatives by the state at random states.

    Args:
        verified: The model's derivation.
        compiled: Its generated functions.
        states: How many states that lead to a spike to look at.
        draw: The random numbers; None is those of seed 0.
        overrides: Fixed parameter values by name; all others are drawn near their defaults.

    Returns:
        The errors of every quantity.

    Raises:
        InputError: If hardly any state leads to a spike, or evaluator and reference disagree on
            whether one does.
    """
    derivation = verified.derivation
    draw = draw or random.Random(0)
    fixed = compiled.check_parameters(overrides or {})
    names = set(overrides or {})
    measure = make_measure(derivation)
    admissible = compile_domains(derivation)
    results = [Accuracy(name="time to spike")]
    results += [Accuracy(name=f"d(time to spike)/d{s.name}") for s in derivation.shown.state]
    count = 0
    for _ in range(ATTEMPTS * states):
        if count == states:
            return results
        parameters = draw_parameters(derivation, fixed, names, draw)
        if not admissible(dict(zip([p.symbol for p in derivation.model.parameters],
                                   map(mpf, parameters), strict=True))):  # fmt: skip
            continue
        state = draw_state(derivation, parameters, draw)
        if state is None:
            continue
        found = evaluate(derivation, compiled, state, parameters)
        exact = measure(list(map(mpf, state)), list(map(mpf, parameters)))
        compare_existence(derivation, found, exact, state, parameters)
        if not exact:
            continue
        conditions = find_conditions(
            partial(evaluate, derivation, compiled), found, state, parameters
        )
        add_errors(results, conditions, found, exact, describe(state, parameters))
        count += 1
    raise InputError(
        f"Expected random states of {derivation.model.name} to lead to {states} spikes but got "
        f"{count}; choose parameters (--param) at which it spikes."
    )


def draw_parameters(
    derivation: Derivation, fixed: Sequence[float], names: set[str], draw: random.Random
) -> tuple[float, ...]:
    """Parameters near the defaults; those in ``names`` are kept."""
    values = []
    for parameter, value in zip(derivation.model.parameters, fixed, strict=True):
        if parameter.name not in names:
            value = value * (1 + draw.uniform(-SPREAD, SPREAD)) if value else draw.gauss(0, 1)
        values.append(value)
    return tuple(values)


def draw_state(
    derivation: Derivation, parameters: Sequence[float], draw: random.Random
) -> tuple[float, ...] | None:
    """A state around rest, on a random scale; None if it has spiked already."""
    model = derivation.shown
    at = dict(zip([p.symbol for p in model.parameters], parameters, strict=True))
    rest = [float(r.xreplace({k: sp.Float(v) for k, v in at.items()})) for r in model.rest]
    size = 10.0 ** draw.uniform(-1, 2)
    state = tuple(
        r + draw.gauss(0, 1) * (size if s != model.spike.variable else min(size, 3 + abs(r)))
        for s, r in zip(model.state, rest, strict=True)
    )
    if model.spike.is_blowup:
        return state
    known = {k: sp.Float(v) for k, v in (*at.items(), *zip(model.state, state, strict=True))}
    threshold = float(model.spike.value.xreplace(known))
    return state if state[model.state.index(model.spike.variable)] < threshold else None


def evaluate(
    derivation: Derivation,
    compiled: CompiledModel,
    state: Sequence[float],
    parameters: Sequence[float],
) -> list[float]:
    """Spike time and its derivatives by the state, from the generated functions; [] if none."""
    functions = compiled.functions
    constants = functions.constants(*parameters)
    coordinates = functions.enter_chart(*state, *constants)
    wait = float(functions.time_to_spike(*coordinates, *constants))
    if wait > LONGEST:
        return []
    nothing = [0.0] * len(coordinates)
    step = functions.propagator(wait, *constants)
    slopes = functions.fire_vjp(*coordinates, *step, *constants, *nothing, 1.0)
    chart, model = derivation.chart, derivation.shown
    names = [*model.state, *chart_symbols(derivation)]
    jacobian = sp.Matrix(derivation.enter).jacobian(model.state)
    entries = cached_lambdify(derivation, names, list(jacobian))(
        *state, *chart_values(derivation, compiled, constants)
    )
    size = len(state)
    return [wait] + [
        float(sum(slopes[c] * entries[c * size + i] for c in range(len(chart.coordinates))))
        for i in range(size)
    ]


def chart_symbols(derivation: Derivation) -> list[sp.Symbol]:
    """The symbols of constants that the chart may hold."""
    return [c.symbol for c in derivation.constants] + [
        p.symbol for p in derivation.model.parameters
    ]


def chart_values(
    derivation: Derivation, compiled: CompiledModel, constants: Sequence[float]
) -> list[float]:
    """Values of `chart_symbols`; parameters that no function takes are not needed: 0."""
    named = dict(zip(compiled.module.CONSTANTS, constants, strict=True))
    return [float(named.get(s.name, 0.0)) for s in chart_symbols(derivation)]


_LAMBDAS: dict[str, Callable[..., list[float]]] = {}


def cached_lambdify(
    derivation: Derivation, names: Sequence[sp.Symbol], values: Sequence[sp.Expr]
) -> Callable[..., list[float]]:
    """Compile the chart's Jacobian once per model."""
    key = derivation.shown.digest
    if key not in _LAMBDAS:
        _LAMBDAS[key] = sp.lambdify(list(names), list(values), "math", dummify=True)
    return _LAMBDAS[key]


def make_measure(derivation: Derivation) -> Measure:
    """The exact spike time and its derivatives by the state; [] if there is no spike."""
    return integrate(derivation) if derivation.is_integrated else evaluate_exactly(derivation)


def evaluate_exactly(derivation: Derivation) -> Measure:
    """By the closed forms, in many digits."""
    kernels = Kernels(lower(derivation), as_written=True)
    model = derivation.shown
    jacobian = sp.Matrix(derivation.enter).jacobian(model.state)
    symbols = [*model.state, *chart_symbols(derivation)]
    entries = sp.lambdify(symbols, list(jacobian), "mpmath", dummify=True)

    def measure(state: Sequence[mpf], parameters: Sequence[mpf]) -> list[mpf]:
        with mpmath.workdps(DIGITS):
            place = Place(
                kernels,
                dict(zip([p.symbol for p in model.parameters], parameters, strict=True)),
                random.Random(0),
            )
            coordinates = place.run("enter_chart", *state)
            wait = place.wait(coordinates)
            if not wait <= LONGEST:
                return []
            nothing = [mpf(0)] * len(coordinates)
            slopes = place.run(
                "fire_vjp", *coordinates, *place.run("propagator", wait), after=[*nothing, mpf(1)]
            )
            named = dict(zip(kernels.constants, place.constants, strict=True))
            values = [named.get(s.name, mpf(0)) for s in symbols[len(state) :]]
            flat = entries(*state, *values)
            size = len(state)
            return [wait] + [
                sum((slopes[c] * flat[c * size + i] for c in range(len(slopes))), mpf(0))
                for i in range(size)
            ]

    return measure


def integrate(derivation: Derivation) -> Measure:
    """By integration of the model's equations, and central differences."""
    model = derivation.shown

    def measure(state: Sequence[mpf], parameters: Sequence[mpf]) -> list[mpf]:
        at = dict(zip([p.symbol for p in model.parameters], parameters, strict=True))
        reference = Neuron(model, {p.name: at[p.symbol] for p in model.parameters},
                           digits=REFERENCE_DIGITS)  # fmt: skip
        with mpmath.workdps(REFERENCE_DIGITS + 10):
            _, wait = reference.arrive(list(state), LONGEST)
            if wait is None:
                return []
            slopes = []
            for i in range(len(state)):
                step = mpf(10) ** (-REFERENCE_DIGITS // 3) * max(abs(state[i]), mpf(1) / 10)
                above, below = (
                    reference.arrive(
                        [v + (sign * step if i == j else 0) for j, v in enumerate(state)], LONGEST
                    )[1]
                    for sign in (1, -1)
                )
                if above is None or below is None:
                    return []
                slopes.append((above - below) / (2 * step))
            return [wait, *slopes]

    return measure


def compare_existence(
    derivation: Derivation,
    found: Sequence[float],
    exact: Sequence[mpf],
    state: Sequence[float],
    parameters: Sequence[float],
) -> None:
    """Raise if only one of evaluator and reference finds a spike, unless it comes at the limit."""
    if bool(found) == bool(exact):
        return
    wait = (list(found) or list(exact))[0]
    if abs(wait - LONGEST) < LONGEST / 1000:
        return
    raise InputError(
        f"Expected evaluator and reference of {derivation.model.name} to agree on the spike but "
        f"got {[float(v) for v in found] or 'none'} and {[float(v) for v in exact] or 'none'} at "
        f"{describe(state, parameters)}; this is a fault of the evaluator, please report it."
    )


def add_errors(
    results: Sequence[Accuracy],
    conditions: Sequence[float],
    found: Sequence[float],
    exact: Sequence[mpf],
    where: str,
) -> None:
    """Add the errors of all quantities that are well conditioned."""
    for result, got, want, condition in zip(results, found, exact, conditions, strict=True):
        if not condition < WELL_CONDITIONED or want == 0:
            result.left_out += 1
            continue
        error = float(abs(got - want) / abs(want))
        if error >= result.worst:
            result.worst_at = where
        result.errors.append(error)


def find_conditions(
    follow: Callable[[Sequence[float], Sequence[float]], list[float]],
    found: Sequence[float],
    state: Sequence[float],
    parameters: Sequence[float],
) -> list[float]:
    """How much relative changes of state and parameters are amplified, for each quantity.

    Differences of the evaluator itself: a rough number is all that is needed.
    """
    inputs = [*state, *parameters]
    size = len(state)
    totals = [0.0] * len(found)
    for i, value in enumerate(inputs):
        if value == 0:
            continue
        moved = [v * (1 + STEP) if i == j else v for j, v in enumerate(inputs)]
        other = follow(moved[:size], moved[size:])
        if not other:
            return [math.inf] * len(found)
        for k, (a, b) in enumerate(zip(found, other, strict=True)):
            totals[k] += abs(b - a) / (STEP * abs(a)) if a else math.inf
    return totals


def describe(state: Sequence[float], parameters: Sequence[float]) -> str:
    """A state and parameters in words."""
    return f"state {tuple(map(float, state))}, parameters {tuple(map(float, parameters))}"
