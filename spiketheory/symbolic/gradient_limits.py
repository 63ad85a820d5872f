r"""Where the derivative of the spike time stays bounded, and where it diverges.

For one state variable, $t_{spike} = \int_V^{spike} dV'/F(V')$ and so $dt_{spike}/dV = -1/F(V)$: it
diverges where the velocity F vanishes, at an unstable fixed point below which there is no spike.
With more state variables the limit at the spike surface follows from the implicit function
theorem. Everything here is a bounded amount of work: roots of polynomials up to the second
degree, limits of rational functions by their degrees, and short limits by sympy; whatever needs
more is "not determined symbolically".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.model import NeuronModel
from spiketheory.language.notation import Math, write_math, write_name
from spiketheory.language.symbols import DURATION
from spiketheory.symbolic.derivation import Branch, Derivation

UNDETERMINED = "not determined symbolically"
SAMPLES = (sp.Rational(-9, 7), sp.Rational(1, 7), sp.Rational(9, 8), sp.Rational(17, 5))
"""Distances from rest at which the derivation's gradient is compared."""

MOST_OPERATIONS = 120
"""Larger expressions are not simplified."""

MOST_IN_A_LIMIT = 25
"""Larger expressions that are not rational are not given to `sympy.limit`."""

REFUSALS = (NotImplementedError, ValueError, TypeError, ZeroDivisionError, sp.PolynomialError)


@dataclass(frozen=True, kw_only=True)
class GradientLimit:
    """What the derivative of the spike time by one variable does towards a place.

    Attributes:
        by: The state variable.
        towards: The place, in symbols.
        place: The place, in words.
        condition: What the parameters must fulfil; ``true`` if nothing.
        limit: The limit, or what the derivative behaves like; None if it is not determined.
        verdict: Bounded or divergent, in words.
        fixed: The value of the fixed point ``V_fix``, if the place is one.
    """

    by: sp.Symbol
    towards: Math
    place: str
    limit: sp.Expr | None
    verdict: str
    condition: sp.Basic | Math = sp.true
    fixed: sp.Expr | None = None


def name_fixed(variable: sp.Symbol) -> sp.Symbol:
    """What the unstable fixed point is called."""
    return sp.Symbol(f"{variable.name}_fix")


def find_gradient_limits(d: Derivation) -> tuple[GradientLimit, ...]:
    """Limits of the spike time's derivative by every state variable.

    Args:
        d: The derivation.

    Returns:
        At least one limit per state variable, undetermined ones included.
    """
    slope = find_slope(d)
    if slope is not None:
        return tuple(list_limits_of_slope(d.model, slope))
    return tuple(list_limits_at_surface(d.model))


def find_slope(d: Derivation) -> sp.Expr | None:
    """The derivative of the spike time by the state variable, if there is one only.

    It is -1/F; the derivation's own gradient, taken along the chart, must agree with it. A model
    that is integrated has none in closed form.

    Returns:
        None for several state variables, or if the two differ.
    """
    if len(d.model.state) != 1:
        return None
    variable = d.model.state[0]
    expected = -1 / d.model.derivatives[0]
    if not d.is_integrated and not agrees(d, expected):
        return None
    return sp.cancel(expected) if expected.is_rational_function(variable) else expected


def agrees(d: Derivation, slope: sp.Expr) -> bool:
    """Whether the derivation's gradient has the values of ``slope`` at a few states."""
    defaults = {p.symbol: sp.nsimplify(p.default, rational=True) for p in d.model.parameters}
    variable, rest = d.model.state[0], d.model.rest[0].subs(defaults)
    for offset in SAMPLES:
        values = {**defaults, variable: rest + offset}
        own = evaluate_gradient(d, values)
        if own is not None and abs(own - slope.subs(values).evalf(30)) > 1e-20 * abs(own):
            return False
    return True


def evaluate_gradient(d: Derivation, values: dict[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    """Derivative of the spike time by the state at one place; None where nothing spikes."""
    variable = d.model.state[0]
    known = dict(values)
    for symbol, value in d.constant_values.items():
        known[symbol] = value.subs(values).evalf(40)
    place = {
        c: e.subs(known).evalf(40)
        for c, e in zip(d.chart.coordinates, d.chart.from_state, strict=True)
    }
    known |= place
    time = choose_value(d.closed.time_to_spike, known, 0)
    if time is None or not time.is_finite or time <= 0:
        return None
    known[DURATION] = time
    for i, symbol in enumerate(d.propagator.symbols):
        known[symbol] = choose_value(d.propagator.branches, known, i)
    return sp.Add(*(
        gradient.subs(known).evalf(30) * entry.diff(variable).subs(values | known).evalf(30)
        for gradient, entry in zip(d.closed.time_to_spike_gradient, d.chart.from_state, strict=True)
    ))  # fmt: skip


def choose_value(
    branches: Sequence[Branch], known: dict[sp.Symbol, sp.Expr], place: int
) -> sp.Expr | None:
    """A value of the first branch whose condition holds; None if that cannot be told."""
    for branch in branches:
        holds = branch.condition.subs(known)
        if holds == sp.true:
            return branch.values[place].subs(known).evalf(40)
        if holds != sp.false:
            return None
    return None


# One state variable


def list_limits_of_slope(model: NeuronModel, slope: sp.Expr) -> Iterator[GradientLimit]:
    """Limits at the spike and at the other end of the states that lead to it."""
    variable = model.state[0]
    if not slope.is_rational_function(variable):
        yield judge_at_spike(model, slope)
        yield judge(
            variable, arrow(variable, -sp.oo), "far below the spike",
            approach(slope, variable, -sp.oo),
        )  # fmt: skip
        yield undetermined(variable, "the last state without a spike")
        return
    above, below = sp.fraction(sp.cancel(-1 / slope))
    velocity = sp.Poly(above / below, variable, domain="EX") if not below.has(variable) else (
        sp.Poly(0, variable)
    )  # fmt: skip
    if velocity.degree() == 2 and model.spike.is_blowup:
        yield from list_limits_of_parabola(model, slope, velocity)
    elif velocity.degree() == 1 and not model.spike.is_blowup:
        yield from list_limits_of_line(model, slope, velocity)
    else:
        yield judge_at_spike(model, slope)
        yield undetermined(variable, "the last state without a spike")


def judge_at_spike(
    model: NeuronModel, slope: sp.Expr, condition: sp.Basic = sp.true
) -> GradientLimit:
    """The limit just before the spike."""
    variable, spike = model.state[0], model.spike.value
    limit = approach(slope, variable, spike)
    return judge(variable, arrow(variable, spike), "the spike", limit, condition)


def list_limits_of_parabola(
    model: NeuronModel, slope: sp.Expr, velocity: sp.Poly
) -> Iterator[GradientLimit]:
    """The lower end for F = A V^2 + B V + C: -oo, or the upper fixed point if there is one."""
    yield judge_at_spike(model, slope)
    variable = model.state[0]
    a, b, c = (sp.factor(coefficient) for coefficient in velocity.all_coeffs())
    gap = strip_positive(sp.factor(4 * a * c - b**2))  # > 0: no fixed point
    above, below = is_positive(gap, model.parameters), is_positive(-gap, model.parameters)
    if not below:
        condition = sp.true if above else sp.Gt(gap, 0, evaluate=False)
        bottom = -b / (2 * a)
        yield judge(
            variable, arrow(variable, -sp.oo), "far below the spike",
            approach(slope, variable, -sp.oo), condition,
        )  # fmt: skip
        yield GradientLimit(
            by=variable, towards=equal(variable, bottom), place="its largest magnitude",
            limit=sp.factor(slope.subs(variable, bottom)), verdict="bounded everywhere",
            condition=condition,
        )  # fmt: skip
    if not above:
        condition = sp.true if below else sp.Lt(gap, 0, evaluate=False)
        fixed = sp.simplify((-b + sp.sqrt(b**2 - 4 * a * c)) / (2 * a))
        yield diverge(variable, fixed, -1 / (2 * a * fixed + b), 1, condition)
    if not above and not below:
        yield diverge(variable, -b / (2 * a), -1 / a, 2, sp.Eq(gap, 0, evaluate=False))


def diverge(
    variable: sp.Symbol,
    fixed: sp.Expr,
    leading: sp.Expr,
    power: int,
    condition: sp.Basic,
) -> GradientLimit:
    """The slope near a fixed point, where it is ~ leading/(V - fixed)^power."""
    name = name_fixed(variable)
    distance = f"({variable.name} - {name.name})"
    return GradientLimit(
        by=variable,
        towards=arrow(variable, name),
        place="unstable fixed point",
        limit=sp.simplify(leading) / (variable - name) ** power,
        verdict=f"diverges like 1/{distance}" + (f"^{power}" if power > 1 else ""),
        condition=condition,
        fixed=fixed,
    )


def list_limits_of_line(
    model: NeuronModel, slope: sp.Expr, velocity: sp.Poly
) -> Iterator[GradientLimit]:
    """The lower end for F = A V + B below a threshold."""
    variable, threshold = model.state[0], model.spike.value
    if not is_positive(-velocity.LC(), model.parameters):
        yield judge_at_spike(model, slope)
        yield undetermined(variable, "the last state without a spike")
        return
    at_threshold = strip_positive(sp.factor(velocity.as_expr().subs(variable, threshold)))
    always = is_positive(at_threshold, model.parameters)
    condition = sp.true if always else sp.Gt(at_threshold, 0, evaluate=False)
    yield judge_at_spike(model, slope, condition)
    limit = approach(slope, variable, -sp.oo)
    yield judge(variable, arrow(variable, -sp.oo), "far below the spike", limit, condition)
    if not always:
        yield GradientLimit(
            by=variable,
            towards=arrow(variable, threshold),
            place="a drive that just reaches the threshold",
            limit=-sp.oo,
            verdict="diverges; with less drive nothing spikes",
            condition=write_arrow_to_zero(at_threshold),
        )


def write_arrow_to_zero(expression: sp.Expr) -> Math:
    """``expression -> 0+``."""
    written = write_math(expression)
    return write_name(f"{written.plain} → 0⁺", rf"{written.latex} \to 0^{{+}}")


# Several state variables


def list_limits_at_surface(model: NeuronModel) -> Iterator[GradientLimit]:
    """Limits at the spike, by the implicit function theorem; others are not determined."""
    variable, value = model.spike.variable, model.spike.value
    towards = arrow(variable, value)
    for by in model.state:
        if model.spike.is_blowup:
            velocity = model.derivatives[model.state.index(variable)]
            limit = approach(-1 / velocity, variable, sp.oo) if by == variable else None
            yield judge(by, towards, "the spike", limit)
        else:
            yield graze(model, by, towards)
        yield undetermined(by, "the last state without a spike")


def graze(model: NeuronModel, by: sp.Symbol, towards: Math) -> GradientLimit:
    """The limit at a threshold: minus a component of the surface's normal over the velocity."""
    height = model.spike.variable - model.spike.value
    velocity = sp.Add(*(
        height.diff(s) * f for s, f in zip(model.state, model.derivatives, strict=True)
    ))  # fmt: skip
    if height.diff(by) == 0:
        return judge(by, towards, "the spike", sp.Integer(0))
    at_surface = velocity.subs(model.spike.variable, model.spike.value)
    if at_surface.count_ops() <= MOST_OPERATIONS:
        at_surface = sp.factor(at_surface)
    safe = is_positive(at_surface, model.parameters)
    written = write_math(strip_positive(at_surface)).plain
    return GradientLimit(
        by=by,
        towards=towards,
        place="the spike",
        limit=-height.diff(by) / at_surface,
        verdict="bounded" if safe else f"diverges where the neuron grazes: {written} → 0",
    )


# Limits


def strip_positive(expression: sp.Expr) -> sp.Expr:
    """Leave out positive factors, which do not change the sign."""
    return sp.Mul(*(f for f in sp.Mul.make_args(expression) if not f.is_positive))


def approach(expression: sp.Expr, variable: sp.Symbol, place: sp.Expr) -> sp.Expr | None:
    """The limit of an expression; None where that would take more than a bounded effort."""
    try:
        if place not in (sp.oo, -sp.oo):
            found = expression.subs(variable, place)
            return sp.factor(found) if found.is_finite is not False else None
        expression = choose_piece(expression.rewrite(sp.Piecewise), variable, place)
        if expression.is_rational_function(variable):
            return approach_rationally(expression, variable, place)
        if expression.count_ops() > MOST_IN_A_LIMIT or expression.has(sp.Piecewise):
            return None
        found = sp.limit(expression, variable, place)
        return None if found.has(sp.Limit, sp.AccumBounds, sp.nan) else found
    except REFUSALS:
        return None


def choose_piece(expression: sp.Expr, variable: sp.Symbol, place: sp.Expr) -> sp.Expr:
    """Replace every piecewise part by the piece that counts towards infinity."""

    def choose(*pieces: sp.Basic) -> sp.Basic:
        for value, condition in pieces:
            holds = condition.subs(variable, place)
            if holds == sp.true:
                return value
            if holds != sp.false:
                break
        return sp.Piecewise(*pieces, evaluate=False)

    return expression.replace(sp.Piecewise, choose)


def approach_rationally(expression: sp.Expr, variable: sp.Symbol, place: sp.Expr) -> sp.Expr | None:
    """The limit of a rational function at infinity, by degrees; None if its sign is unknown."""
    above, below = (sp.Poly(part, variable) for part in sp.fraction(sp.cancel(expression)))
    excess = above.degree() - below.degree()
    ratio = sp.factor(above.LC() / below.LC())
    if excess <= 0:
        return ratio if excess == 0 else sp.Integer(0)
    if ratio.is_positive is None and ratio.is_negative is None:
        return None
    return ratio * place**excess


def arrow(variable: sp.Symbol, place: sp.Expr) -> Math:
    """``V -> place``."""
    left, right = write_math(variable), write_math(place)
    plain = right.shape[0] if len(right.shape) == 1 else right.plain
    return write_name(f"{left.plain} → {plain}", rf"{left.latex} \to {right.latex}")


def equal(variable: sp.Symbol, place: sp.Expr) -> Math:
    """``V = place``."""
    left, right = write_math(variable), write_math(place)
    return write_name(f"{left.plain} = {right.plain}", f"{left.latex} = {right.latex}")


def judge(
    by: sp.Symbol,
    towards: Math,
    place: str,
    limit: sp.Expr | None,
    condition: sp.Basic = sp.true,
) -> GradientLimit:
    """A limit and whether it is finite."""
    if limit is None:
        verdict = UNDETERMINED
    elif limit.has(sp.oo, -sp.oo, sp.zoo):
        verdict = "diverges"
    else:
        verdict = "vanishes" if limit == 0 else "bounded"
    return GradientLimit(
        by=by, towards=towards, place=place, limit=limit, verdict=verdict, condition=condition
    )


def undetermined(by: sp.Symbol, place: str) -> GradientLimit:
    """A limit that was not found."""
    towards = write_name("no spike", r"\text{no spike}")
    return judge(by, towards, place, None)
