r"""Derive a readout: what its potential does after a hidden spike, and the kernel of its output.

The readout is a linear cascade without threshold. With the potential eps(u) a time u after an input
of weight 1, the output is $\sum_j w_j \kappa(t_j)$, where $\kappa(t) = \int_t^T p(s) eps(s - t) ds$
for a weight p, and $eps(T - t)$ if the potential at T is read. All of it is derived as a Laplace
transform, a rational function of s, and written in time as divided differences of exp:

$$\prod_{i=0}^n \frac{1}{s - r_i} \;\leftrightarrow\; u^n \exp[r_0 u, \dots, r_n u].$$

They are entire functions of all rates, so that equal time constants are no special case. A weight
with p(t + u) = p(t) exp(c u) shifts the rates by c, the integral adds the rate 0, a derivative by a
parameter repeats the rates that depend on it, and one by the time of the spike is the factor s - c.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.language.functions import exp_dd
from spiketheory.language.readout import ReadoutModel
from spiketheory.language.symbols import (
    FEATURE,
    FREQUENCY,
    SINCE_SPIKE,
    TIME,
    TRIAL_END,
    WEIGHT,
)
from spiketheory.symbolic.derivation import Step


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A function of time u >= 0 by its Laplace transform.

    Attributes:
        numerator: A polynomial in `symbols.FREQUENCY`, of lower degree than there are rates.
        rates: Zeros of the denominator, those next to the output first.
    """

    numerator: sp.Expr
    rates: tuple[sp.Expr, ...]

    @property
    def value(self) -> sp.Expr:
        """The quotient."""
        return self.numerator / sp.prod([FREQUENCY - r for r in self.rates])


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What a hidden spike counts, between two times; nothing before and after them.

    Attributes:
        value: The kernel, a function of `symbols.TIME`.
        slope: Its derivative by that time.
        by: Its derivatives by the readout's parameters, in their order.
        low: The earlier time; -oo if there is none.
        high: The later time.
        at_end: Value, slope and second derivative just before the trial's end, of the last feature.
    """

    value: sp.Expr
    slope: sp.Expr
    by: tuple[sp.Expr, ...]
    low: sp.Expr
    high: sp.Expr
    at_end: tuple[sp.Expr, sp.Expr, sp.Expr]


@dataclass(frozen=True, kw_only=True)
class ReadoutDerivation:
    """A readout, derived.

    Attributes:
        model: The readout.
        state: Every state variable a time `symbols.SINCE_SPIKE` after an input of weight 1.
        slope: Derivative of the potential by that time.
        by: Derivatives of the potential by the parameters.
        kernel: The kernel of the output; None if it has none.
        steps: The derivation for people.
    """

    model: ReadoutModel
    state: tuple[sp.Expr, ...]
    slope: sp.Expr
    by: tuple[sp.Expr, ...]
    kernel: Kernel | None
    steps: tuple[Step, ...]


def derive_readout(model: ReadoutModel) -> ReadoutDerivation:
    """Derive the response and the kernel of a readout.

    Args:
        model: The readout.

    Raises:
        DerivationError: If it reads spikes, is not a linear cascade, or has a weight of another
            kind.
    """
    if model.reads == "spikes":
        raise DerivationError(
            f"Expected a readout with equations of its own but got {model.name}, which reads "
            f"times of spikes. {model.notes}"
        )
    responses = find_responses(model)
    own = responses[0]
    kernel: Kernel | None = None
    steps: tuple[Step, ...] = ()
    if model.support is not None:
        kernel, steps = integrate_inside(model, own)
    elif model.has_kernel:
        kernel, steps = find_kernel(model, own)
    return ReadoutDerivation(
        model=model,
        state=tuple(write_in_time(r, SINCE_SPIKE) for r in responses),
        slope=write_in_time(differentiate_by_time(own), SINCE_SPIKE),
        by=tuple(write_in_time(differentiate_by(own, p.symbol), SINCE_SPIKE)
                 for p in model.parameters),
        kernel=kernel,
        steps=(explain_response(model, own), *steps),
    )  # fmt: skip


def find_responses(model: ReadoutModel) -> list[Transfer]:
    """Laplace transform of every state variable after an input of weight 1, from rest."""
    state = sp.Matrix(model.state)
    matrix = sp.Matrix(model.derivatives).jacobian(model.state)
    change = (sp.Matrix(model.jump) - state) / WEIGHT
    is_linear = not matrix.has(*model.state) and not change.has(*model.state, WEIGHT)
    if not is_linear or sp.simplify(sp.Matrix(model.derivatives) - matrix * state).has(*state, 1):
        raise DerivationError(
            f"Expected the readout {model.name} to be linear, without constant terms, with inputs "
            "that add multiples of w but got other equations; write V' and what an input adds as "
            "sums of multiples of the state and of w."
        )
    if not matrix.is_upper:
        raise DerivationError(
            f"Expected every state variable of the readout {model.name} to be driven by those "
            "below it alone but got one that is driven from above; sort the equations so that "
            "the potential comes first."
        )
    n = len(model.state)
    solved = (FREQUENCY * sp.eye(n) - matrix).LUsolve(change)
    rates = [matrix[i, i] for i in range(n)]
    return [make_transfer(solved[i], rates[i:]) for i in range(n)]


def make_transfer(quotient: sp.Expr, rates: Sequence[sp.Expr]) -> Transfer:
    """A rational function of s over a denominator of given zeros."""
    numerator = sp.cancel(sp.together(quotient * sp.prod([FREQUENCY - r for r in rates])))
    return Transfer(numerator=tidy(numerator), rates=tuple(rates))


def tidy(polynomial: sp.Expr) -> sp.Expr:
    """A polynomial in s with short coefficients."""
    terms = sp.Poly(sp.expand(polynomial), FREQUENCY).all_terms()
    return sp.Add(*(sp.factor(c) * FREQUENCY**k for (k,), c in terms))


def differentiate_by_time(transfer: Transfer, *, shift: sp.Expr = sp.S.Zero) -> Transfer:
    """The derivative by time of exp(-shift u) times a function, times exp(shift u)."""
    start = find_taylor(transfer, 1)[0]
    whole = sp.prod([FREQUENCY - r for r in transfer.rates])
    numerator = (FREQUENCY - shift) * transfer.numerator - start * whole
    return Transfer(numerator=tidy(numerator), rates=transfer.rates)


def differentiate_by(transfer: Transfer, parameter: sp.Symbol) -> Transfer:
    """The derivative by a parameter: the rates that depend on it stand twice."""
    rates: list[sp.Expr] = []
    for rate in transfer.rates:
        rates += [rate, rate] if rate.has(parameter) else [rate]
    return make_transfer(sp.diff(transfer.value, parameter), rates)


def write_in_time(transfer: Transfer, time: sp.Expr) -> sp.Expr:
    """The function of time, as a sum of divided differences, one for each zero that stays.

    The numerator is expanded about the zeros in their order, N(s) = N(r_0) + (s - r_0) q(s): the
    second term has one zero less below the line. About those next to the output nothing cancels
    that is larger than the largest value.
    """
    rest, total = sp.Poly(transfer.numerator, FREQUENCY), sp.S.Zero
    for k, rate in enumerate(transfer.rates):
        quotient, remainder = sp.div(rest, sp.Poly(FREQUENCY - rate, FREQUENCY))
        total += sp.factor(remainder.as_expr()) * chain(transfer.rates[k:], time)
        rest = quotient
        if rest.is_zero:
            return total
    raise AssertionError("a degree as large as the denominator's")


def chain(rates: Sequence[sp.Expr], time: sp.Expr) -> sp.Expr:
    """The function whose transform is one over the product of all s - rate."""
    order = len(rates) - 1
    if len(set(rates)) == 1:
        return sp.exp(rates[0] * time) * time**order / sp.factorial(order)
    return time**order * exp_dd(*(rate * time for rate in rates))


def find_taylor(transfer: Transfer, count: int) -> list[sp.Expr]:
    """Derivatives at time 0: the expansion of the transform at infinity (initial value theorem)."""
    inverse = sp.Symbol("z")
    n = len(transfer.rates)
    above = sp.Poly(sp.expand(transfer.numerator.subs(FREQUENCY, 1 / inverse) * inverse**(n - 1)),
                    inverse)  # fmt: skip
    below = sp.Poly(sp.prod([1 - r * inverse for r in transfer.rates]), inverse)
    found: list[sp.Expr] = []
    for k in range(count):
        known = sum((found[k - i] * below.coeff_monomial(inverse**i) for i in range(1, k + 1)),
                    sp.S.Zero)  # fmt: skip
        found.append(sp.factor(above.coeff_monomial(inverse**k) - known))
    return found


def find_kernel(model: ReadoutModel, response: Transfer) -> tuple[Kernel, tuple[Step, ...]]:
    """The kernel of a potential that is read at the end, or integrated with an exponential."""
    left = TRIAL_END - TIME
    factor, shift = (sp.S.One, sp.S.Zero) if model.weight is None else split_weight(model)
    read = response
    if model.weight is not None:
        moved = tidy(response.numerator.subs(FREQUENCY, FREQUENCY - shift))
        read = Transfer(numerator=moved, rates=(sp.S.Zero, *(r + shift for r in response.rates)))
    start, first, second = find_taylor(read, 3)
    slope = differentiate_by_time(read, shift=shift)
    start_slope = (shift * start - first) * factor
    bend = factor * (shift**2 * start - 2 * shift * first + second)
    kernel = Kernel(
        value=factor * write_in_time(read, left),
        slope=-factor * write_in_time(slope, left),
        by=tuple(factor * write_in_time(differentiate_by(read, p.symbol), left)
                 for p in model.parameters),
        low=-sp.oo,
        high=TRIAL_END,
        at_end=take_at_end(model, (factor * start, start_slope, bend)),
    )  # fmt: skip
    return kernel, (explain_kernel(model, read),)


def split_weight(model: ReadoutModel) -> tuple[sp.Expr, sp.Expr]:
    """The weight, and the rate c of p(t + u) = p(t) exp(c u)."""
    weight = model.weight
    assert weight is not None
    rate = sp.simplify(sp.diff(weight, TIME) / weight)
    if rate.has(TIME) or weight.has(*(p.symbol for p in model.parameters), FEATURE):
        raise DerivationError(
            f"Expected the weight of the readout {model.name} to be a constant or an exponential "
            f"function of t and T alone but got {weight}; write another, or give it a support and "
            "a potential that stays."
        )
    return weight, rate


def integrate_inside(model: ReadoutModel, response: Transfer) -> tuple[Kernel, tuple[Step, ...]]:
    """The kernel of a potential that stays, and is integrated with any weight between two times."""
    assert model.support is not None
    assert model.weight is not None
    held = sp.cancel(response.value * FREQUENCY)
    if held.has(FREQUENCY) or model.parameters:
        raise DerivationError(
            f"Expected dV/dt = 0 and no parameters in the readout {model.name}, whose weight has a "
            "support, but got other equations; leave the support out, or write them so."
        )
    low, high = model.support
    if any(sp.simplify(model.weight.subs(TIME, edge)) != 0 for edge in model.support):
        raise DerivationError(
            f"Expected the weight of the readout {model.name} to vanish at both ends of its "
            "support, so that the kernel has no kinks, but got another; write one that does."
        )
    later = sp.Dummy("later", real=True)
    weight = held * model.weight.subs(TIME, later)
    value = halve_angles(sp.integrate(weight, (later, TIME, high)))
    if sp.simplify(sp.integrate(weight, (later, low, high))) != 0:
        raise DerivationError(
            f"Expected the weight of the readout {model.name} to have the integral 0 but got "
            "another, so that early spikes would count; subtract its mean."
        )
    slope = -held * model.weight
    at_end = take_at_end(model, (value, slope, sp.diff(slope, TIME)))
    kernel = Kernel(value=value, slope=slope, by=(), low=low, high=high, at_end=at_end)
    return kernel, (explain_kernel(model, response),)


def halve_angles(expression: sp.Expr) -> sp.Expr:
    """Write 1/2 - cos(z)/2 as sin(z/2)^2, in which nothing cancels where it vanishes."""
    half = expression.replace(sp.cos, lambda z: 1 - 2 * sp.sin(z / 2) ** 2)
    half = sp.expand(half)
    return expression if half.is_Add else sp.factor_terms(half)


def take_at_end(
    model: ReadoutModel, values: tuple[sp.Expr, sp.Expr, sp.Expr]
) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Expressions of t at the trial's end, of the last feature."""
    at: dict[sp.Symbol, sp.Expr] = {TIME: TRIAL_END}
    for setting in model.settings:
        if setting.name == model.features:
            at[FEATURE] = setting.symbol - 1
    value, slope, bend = (simplify_at(insert(v, model.definitions), at) for v in values)
    return value, slope, bend


def simplify_at(expression: sp.Expr, at: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """An expression at a place, shortened."""
    return sp.factor(sp.simplify(expression.subs(at, simultaneous=True)))


def insert(expression: sp.Expr, definitions: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """An expression without the names of a readout's definitions."""
    for symbol in reversed(definitions):
        expression = expression.subs(symbol, definitions[symbol])
    return expression


def explain_response(model: ReadoutModel, response: Transfer) -> Step:
    """The step from the equations to the potential after an input."""
    return Step(
        title="Response",
        text=(
            "The equations are linear, so that every hidden spike adds its weight times the "
            "potential after an input of weight 1. Its Laplace transform solves the equations "
            "with the input on the right-hand side, and is written in time as a divided "
            "difference of exp, which holds for equal time constants as well:"
        ),
        equations=(
            sp.Eq(sp.Function(model.state[0].name)(FREQUENCY), response.value, evaluate=False),
        ),
    )


def explain_kernel(model: ReadoutModel, read: Transfer) -> Step:
    """The step from the response to the kernel."""
    if model.weight is None:
        text = "The output is the potential at T, a time T - t after the spike."
    elif model.support is None:
        text = (
            "The output is the integral of weight times potential from the spike on. After a time "
            "d, with p(t + u) = p(t) exp(c u), it is p(t) times a function of d whose transform is "
            "that of the potential, shifted by c, over s; d = T - t."
        )
    else:
        text = (
            "The potential stays what it is after the spike, so that the kernel is the integral of "
            "the weight from the spike to the end of its support. Over the whole support it is 0: "
            "earlier spikes do not count."
        )
    name = sp.Function("F")(FREQUENCY)
    shown = () if model.support else (sp.Eq(name, read.value, evaluate=False),)
    return Step(title="Kernel", text=text, equations=shown)
