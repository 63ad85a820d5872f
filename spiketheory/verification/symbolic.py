"""The checks of a derivation that are proved by simplification to zero.

Every function here takes a `Setting`, the derivation in one case, and yields claims.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from spiketheory.language.functions import Opaque
from spiketheory.language.symbols import DURATION, PSEUDO_INPUT, WEIGHT
from spiketheory.symbolic.derivation import Branch, Check, Derivation, NumbersForm
from spiketheory.symbolic.inputs import COMMUTE, ORDERED, classify_inputs
from spiketheory.verification.cases import Case, fail, is_zero

Point = Sequence[sp.Expr]
# No model may use a name with a double underscore, so these meet no symbol of a derivation.
SLACK = sp.Symbol("epsilon__", positive=True)
SPEED = sp.Symbol("speed__", positive=True)
BESSEL = (sp.besselj, sp.besseli)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that must be as expected: identically, or in the limit."""

    what: str
    got: sp.Expr
    expected: sp.Expr


@dataclass(frozen=True)
class Setting:
    """A derivation in one case: all expressions hold the case's free symbols only.

    Attributes:
        derivation: The derivation.
        case: The case.
        form: What the numbers of the flow are; None if there are none.
        side: Which part of every piecewise expression counts; None if there are none.
    """

    derivation: Derivation
    case: Case
    form: NumbersForm | None = None
    side: int | None = None

    @property
    def where(self) -> str:
        """The setting as a part of a sentence."""
        parts = [self.case.name] if self.case.name else []
        if self.form is not None:
            parts += [f"{s} = {e}" for s, e in self.form.where.items()]
        if self.side is not None:
            parts.append(("first", "second")[self.side] + " side")
        return f" for {', '.join(parts)}" if parts else ""

    @property
    def is_bessel(self) -> bool:
        """Whether the numbers of the flow are Bessel functions here."""
        return self.form is not None and any(v.has(*BESSEL) for v in self.form.values)

    def finish(self, expression: sp.Expr) -> sp.Expr:
        """Express what a claim compares by the closed form's own symbols."""
        if self.form is None:
            return expression
        return expression.xreplace(dict(self.form.where))

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """The chart's coordinates."""
        return self.derivation.chart.coordinates

    def apply(self, expressions: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """Apply the case to each expression."""
        return tuple(self.case.apply(self.choose(e)) for e in expressions)

    def choose(self, expression: sp.Basic) -> sp.Basic:
        """Take one side of every piecewise part."""
        if self.side is None:
            return expression
        sign = (1, -1)[self.side]
        return expression.replace(
            lambda e: isinstance(e, sp.Piecewise), lambda e: e.args[self.side][0]
        ).replace(sp.Abs, lambda e: sign * e)

    @cached_property
    def flows(self) -> list[tuple[sp.Expr, ...]]:
        """The flow with every propagator branch that can count."""
        propagator = self.derivation.propagator
        flow = self.apply(self.write_numbers(self.derivation.closed.flow))
        branches = self.case.choose(propagator.branches, "the propagator")
        named = [dict(zip(propagator.symbols, b.values, strict=True)) for b in branches]
        return [tuple(e.xreplace(values) for e in flow) for values in named]

    def write_numbers(self, expressions: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """Put the closed form in the place of the numbers of the flow, and of their slopes."""
        if self.form is None:
            return tuple(expressions)
        numbers = self.derivation.numbers
        assert numbers is not None
        values = dict(zip(numbers.symbols, self.form.full_values, strict=True))
        asked = set().union(*(e.free_symbols for e in expressions))
        for row, place in zip(numbers.tangents, numbers.by, strict=False):
            if not asked & set(row):
                continue
            argument = numbers.call.args[place]
            (variable,) = argument.free_symbols & {*self.coordinates, argument}
            slope = argument.diff(variable)
            values |= {
                s: v.diff(variable) / slope for s, v in zip(row, self.form.full_values, strict=True)
            }
        return tuple(e.xreplace(values) for e in expressions)

    def stated_gradients(self, time: sp.Expr) -> Iterator[tuple[sp.Expr, ...]]:
        """The stated gradient of the spike time, with every propagator branch that can count."""
        stated = self.apply(self.write_numbers(self.derivation.closed.time_to_spike_gradient))
        propagator = self.derivation.propagator
        for branch in self.case.choose(propagator.branches, "the propagator"):
            values = [v.subs(DURATION, time) for v in branch.values]
            at_spike = dict(zip(propagator.symbols, values, strict=True))
            yield tuple(e.xreplace(at_spike) for e in stated)

    @cached_property
    def spikes(self) -> list[Branch]:
        """Every branch of the time to spike that can count and is finite."""
        branches = self.case.choose(self.derivation.closed.time_to_spike, "the time to spike")
        if self.form is not None:
            waits = self.apply([self.form.wait]) if self.form.wait is not None else ()
            return [Branch(condition=sp.true, values=(wait,)) for wait in waits]
        return [
            b for b in branches if b.values[0] not in (0, sp.oo) and not b.values[0].has(Opaque)
        ]

    def at(self, expressions: Sequence[sp.Expr], point: Point) -> tuple[sp.Expr, ...]:
        """Express chart expressions at other coordinates."""
        return tuple(e.xreplace(dict(zip(self.coordinates, point, strict=True)))
                     for e in self.apply(expressions))  # fmt: skip

    def to_state(self, point: Point) -> tuple[sp.Expr, ...]:
        """The model's state at coordinates ``point``."""
        return self.at(self.derivation.chart.to_state, point)

    def field(self, point: Point) -> tuple[sp.Expr, ...]:
        """The chart's field at coordinates ``point``."""
        return self.at(self.derivation.chart.field, point)

    def surface(self, point: Point) -> sp.Expr:
        """The spike surface's function at coordinates ``point``."""
        return self.at([self.derivation.chart.surface], point)[0]

    def of_state(self, expressions: Sequence[sp.Expr], state: Point) -> tuple[sp.Expr, ...]:
        """Express the model's expressions at a state."""
        values = dict(zip(self.derivation.model.state, state, strict=True))
        return tuple(e.xreplace(values) for e in self.apply(expressions))

    def equal(self, what: str, got: Point, expected: Point) -> Iterator[Claim]:
        """Claim that two points of the chart are the same, up to a multiple if it is projective."""
        projective = self.derivation.chart.projective
        shared = [i for i, c in enumerate(self.coordinates) if c in projective]
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            if i not in shared:
                yield Claim(what=what, got=g, expected=e)
        for i in shared:
            for j in shared[: shared.index(i)]:
                yield Claim(what=f"{what}, up to a multiple,", got=got[i] * expected[j],
                            expected=got[j] * expected[i])  # fmt: skip

    @cached_property
    def crossing(self) -> sp.Expr:
        """Rate of change of the surface's function along the field."""
        chart = self.derivation.chart
        gradient = sp.Matrix(self.apply([chart.surface])).jacobian(self.coordinates)
        return (gradient * sp.Matrix(self.apply(chart.field)))[0]

    @cached_property
    def arrival(self) -> tuple[sp.Expr, ...]:
        """Coordinates at a spike, reached with the rate of change ``-SPEED``."""
        on_surface = solve_linear(self.case.apply(self.derivation.chart.surface), self.coordinates)
        # Multiplied out: a coordinate may cancel where time constants are equal.
        crossing = sp.expand(self.crossing.xreplace(on_surface))
        left = [c for c in self.coordinates if c in crossing.free_symbols]
        at_speed = solve_linear(crossing + SPEED, left) if left else {}
        return tuple(c.xreplace(on_surface).xreplace(at_speed) for c in self.coordinates)

    @cached_property
    def departure(self) -> tuple[sp.Expr, ...]:
        """Coordinates just after the spike at `arrival`."""
        return self.at(self.derivation.reset, self.arrival)


def solve_linear(expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """Solve ``expression = 0`` for the first symbol in which it is linear."""
    for symbol in symbols:
        slope = sp.diff(expression, symbol)
        if slope != 0 and symbol not in slope.free_symbols:
            return {symbol: sp.cancel(symbol - expression / slope)}
    raise fail(
        "spike surface",
        f"one of {', '.join(s.name for s in symbols)} to enter linearly",
        f"{expression}",
        "choose a chart in which the spike surface is flat",
    )


def claim_round_trip(s: Setting) -> Iterator[Claim]:
    """To the chart and back is where it started."""
    state = s.derivation.model.state
    back = s.to_state(s.apply(s.derivation.chart.from_state))
    for name, got in zip(state, back, strict=True):
        yield Claim(what=f"to_state(from_state({name}))", got=got, expected=name)


def claim_field(s: Setting) -> Iterator[Claim]:
    """The chart's field is the model's equation."""
    state = s.to_state(s.coordinates)
    got = sp.Matrix(state).jacobian(s.coordinates) * sp.Matrix(s.field(s.coordinates))
    expected = s.of_state(s.derivation.model.derivatives, state)
    for name, g, e in zip(s.derivation.model.state, got, expected, strict=True):
        yield Claim(what=f"d{name}/dt in the chart", got=g, expected=e)


def claim_flow(s: Setting) -> Iterator[Claim]:
    """The flow satisfies the model's equation, and the chart's up to a multiple."""
    if s.is_bessel:
        yield from claim_linear_flow(s)
        return
    for flow in s.flows:
        state = s.to_state(flow)
        expected = s.of_state(s.derivation.model.derivatives, state)
        # With numbers of the state, the chart's equation below and the check of its field suffice.
        for name, g, e in zip(s.derivation.model.state, state, expected, strict=True):
            if s.form is None:
                yield Claim(what=f"d{name}/dt along the flow", got=g.diff(DURATION), expected=e)
        residual = [g.diff(DURATION) - e for g, e in zip(flow, s.field(flow), strict=True)]
        if s.form is not None:  # not scaled: zero itself, which is the simpler claim
            for c, g in zip(s.coordinates, residual, strict=True):
                yield Claim(what=f"d{c}/dt minus its velocity", got=g, expected=sp.S.Zero)
            continue
        projective = s.derivation.chart.projective
        nothing = [
            e if c in projective else sp.S.Zero for c, e in zip(s.coordinates, flow, strict=True)
        ]
        yield from s.equal("the residual of the chart's equation", residual, nothing)


def claim_linear_flow(s: Setting) -> Iterator[Claim]:
    """The solutions that the flow is a combination of satisfy the chart's linear equation."""
    assert s.form is not None
    chart, propagator = s.derivation.chart, s.derivation.propagator
    branches = s.case.choose(propagator.branches, "the propagator")
    for branch, solution in itertools.product(branches, s.form.solutions):
        values = dict(zip(propagator.symbols, branch.values, strict=True))
        others = {
            c: s.case.apply(e).xreplace(values)
            for c, e in zip(chart.coordinates, s.derivation.closed.flow, strict=True)
            if c not in chart.projective
        }
        at = {c: s.case.apply(e).xreplace(values)
              for c, e in zip(chart.projective, solution, strict=True)} | others  # fmt: skip
        for c, velocity in zip(chart.coordinates, s.apply(chart.field), strict=True):
            yield Claim(what=f"d{c}/dt along a solution", got=at[c].diff(DURATION),
                        expected=velocity.xreplace(at))  # fmt: skip


def claim_start(s: Setting) -> Iterator[Claim]:
    """No time, no change."""
    for flow in s.flows:
        start = [e.subs(DURATION, 0) for e in flow]
        yield from s.equal("the flow of duration 0", start, s.coordinates)


def claim_semigroup(s: Setting) -> Iterator[Claim]:
    """Two durations one after the other are their sum."""
    first, second = sp.symbols("dt__1 dt__2", nonnegative=True)
    for flow in s.flows:
        once = [e.xreplace({DURATION: first}) for e in flow]
        twice = s.at([e.xreplace({DURATION: second}) for e in flow], once)
        whole = [e.subs(DURATION, first + second) for e in flow]
        yield from s.equal("the flow of dt_2 after dt_1", twice, whole)


def claim_jump(s: Setting) -> Iterator[Claim]:
    """The chart's jump is the model's, at every port."""
    model = s.derivation.model
    for (port, jump), own in zip(model.jumps, s.derivation.jumps, strict=True):
        got = s.to_state(s.apply(own))
        expected = s.of_state(jump, s.to_state(s.coordinates))
        where = f" at {port}" if model.other_inputs else ""
        for name, g, e in zip(model.state, got, expected, strict=True):
            yield Claim(what=f"{name} after an input{where}", got=g, expected=e)


def claim_addition(s: Setting) -> Iterator[Claim]:
    """Inputs at the same time add up, or their order does not matter; unless it does."""
    kind = classify_inputs(s.derivation.model)
    if kind == ORDERED:
        return
    first, second = sp.symbols("w__1 w__2", real=True)
    jumps = [s.apply(jump) for jump in s.derivation.jumps]
    for jump, then in itertools.combinations_with_replacement(jumps, 2):
        once = [e.xreplace({WEIGHT: first}) for e in jump]
        twice = s.at([e.xreplace({WEIGHT: second}) for e in then], once)
        if kind == COMMUTE:
            other = [e.xreplace({WEIGHT: second}) for e in then]
            whole = list(s.at([e.xreplace({WEIGHT: first}) for e in jump], other))
        else:
            whole = [e.subs(WEIGHT, first + second) for e in jump]
        yield from s.equal("the input of w_2 after w_1", twice, whole)


def claim_surface(s: Setting) -> Iterator[Claim]:
    """Going into the spike surface, the spiking variable tends to its value at the spike."""
    model, spike = s.derivation.model, s.derivation.model.spike
    index = model.state.index(spike.variable)
    before = s.to_state([c - SLACK * f for c, f in zip(s.arrival, s.field(s.arrival), strict=True)])
    limits = [sp.limit(value, SLACK, 0, "+") for value in before]
    yield Claim(what=f"{spike.variable} just before a spike", got=limits[index],
                expected=s.of_state([spike.value], limits)[0])  # fmt: skip
    if s.derivation.chart.projective:
        inside = s.surface(s.apply(s.derivation.chart.from_state))
        yield Claim(what="the sign of the surface at a state", got=sp.sign(inside),
                    expected=sp.S.One)  # fmt: skip


def claim_reset(s: Setting) -> Iterator[Claim]:
    """Coming out of the reset coordinates, the state is the model's reset."""
    model = s.derivation.model
    leaving = [c + SLACK * f for c, f in zip(s.departure, s.field(s.departure), strict=True)]
    before = s.to_state([c - SLACK * f for c, f in zip(s.arrival, s.field(s.arrival), strict=True)])
    after = s.to_state(leaving)
    for name, got, reset in zip(model.state, after, model.reset, strict=True):
        if reset.is_infinite:
            expected = reset
        else:
            expected = sp.limit(s.of_state([reset], before)[0], SLACK, 0, "+")
        yield Claim(what=f"{name} just after a spike", got=sp.limit(got, SLACK, 0, "+"),
                    expected=expected)  # fmt: skip
    if s.surface(s.departure) == 0 and not model.is_crossing:
        yield Claim(
            what="the sign of the surface's speed after a reset onto it",
            got=sp.sign(s.at([s.crossing], s.departure)[0]),
            expected=sp.S.One,
        )
    neutral = all(r.is_infinite or r == v for r, v in zip(model.reset, model.state, strict=True))
    if s.derivation.chart.projective and neutral:
        yield from s.equal("the reset point", s.departure, s.arrival)


def claim_time(s: Setting) -> Iterator[Claim]:
    """The flow is on the spike surface after the time to spike."""
    for branch in s.spikes:
        for flow in s.flows:
            arrived = [e.subs(DURATION, branch.values[0]) for e in flow]
            yield Claim(what=f"the surface after {branch.values[0]}", got=s.surface(arrived),
                        expected=sp.S.Zero)  # fmt: skip


def claim_gradient(s: Setting) -> Iterator[Claim]:
    """The gradient is the closed form's derivative and what the implicit function theorem gives."""
    for branch in s.spikes:
        yield from claim_branch_gradient(s, branch.values[0])


def claim_branch_gradient(s: Setting, time: sp.Expr) -> Iterator[Claim]:
    """The gradient in one branch of the time to spike."""
    slopes = sp.Matrix(s.apply([s.derivation.chart.surface])).jacobian(s.coordinates)
    for stated in s.stated_gradients(time):
        for c, expected in zip(s.coordinates, stated, strict=True):
            yield Claim(
                what=f"the derivative of {time} by {c}", got=time.diff(c), expected=expected
            )
        if s.form is not None:  # what is stated is that formula itself
            continue
        for flow in s.flows:
            arrived = [e.subs(DURATION, time) for e in flow]
            moved = sp.Matrix(flow).jacobian(s.coordinates).subs(DURATION, time)
            across = sp.Matrix([s.at(slopes, arrived)])
            pushed = across * moved
            speed = (across * sp.Matrix(s.field(arrived)))[0]
            for c, got, expected in zip(s.coordinates, pushed, stated, strict=True):
                yield Claim(what=f"minus the shift of the surface by {c} over its speed",
                            got=-got / speed, expected=expected)  # fmt: skip


def claim_transversality(s: Setting) -> Iterator[Claim]:
    """Nothing grazes the surface: where the field does, all coordinates vanish, which is no state.

    Other charts may be grazed, in states that `spiketheory.certification.certify` looks for.
    """
    if not s.derivation.chart.projective:
        return
    on_surface = solve_linear(s.case.apply(s.derivation.chart.surface), s.coordinates)
    crossing = s.crossing.xreplace(on_surface)
    projective = s.derivation.chart.projective
    left = [c for c in projective if c not in on_surface]
    grazing = solve_linear(crossing, left)
    for c in projective:
        got = c.xreplace(on_surface).xreplace(grazing)
        yield Claim(what=f"{c} where the field grazes the surface", got=got, expected=sp.S.Zero)


def claim_initial(s: Setting) -> Iterator[Claim]:
    """The initial coordinate is read back, and its default is the model's rest."""
    initial = s.derivation.initial
    back = s.at([initial.value], s.apply(initial.state))[0]
    yield Claim(what=f"d value(state({initial.symbol})) / d {initial.symbol}",
                got=back.diff(initial.symbol), expected=sp.S.One)  # fmt: skip
    start = {initial.symbol: s.case.apply(initial.default)}
    rest = s.to_state([e.subs(start) for e in s.apply(initial.state)])
    model = s.derivation.model
    for name, got, expected in zip(model.state, rest, s.apply(model.rest), strict=True):
        yield Claim(what=f"{name} of an untrained neuron", got=got, expected=expected)


def claim_pseudospike(s: Setting) -> Iterator[Claim]:
    """Pseudospikes join the spikes without a jump at the trial's end."""
    pseudo = s.derivation.pseudospike
    if pseudo is None:
        return
    delay, period, rate = (
        e.subs(PSEUDO_INPUT, 0) for e in s.apply((pseudo.delay, pseudo.period, pseudo.rate))
    )
    at_spike, at_reset = s.at([delay, rate], s.arrival), s.at([delay, rate], s.departure)
    yield Claim(what="the delay at a spike", got=at_spike[0], expected=sp.S.Zero)
    yield Claim(
        what="the delay just after a spike",
        got=at_reset[0],
        expected=s.at([period], s.departure)[0],
    )
    yield Claim(what="the rate at a spike", got=at_spike[1], expected=sp.S.One)
    yield Claim(what="the rate just after a spike", got=at_reset[1], expected=sp.S.Zero)
    yield Claim(what="delay + rate*period", got=delay + rate * period, expected=period)


def claim_pseudo_input(s: Setting) -> Iterator[Claim]:
    """The pseudo input acts as an input, and the neuron runs on, where the derivation says so."""
    pseudo = s.derivation.pseudospike
    if pseudo is None:
        return
    values = {"delay": pseudo.delay, "period": pseudo.period, "rate": pseudo.rate}
    if pseudo.kick:
        kicked = s.apply([e.subs(WEIGHT, PSEUDO_INPUT) for e in s.derivation.jump])
        for name, value in values.items():
            (got,) = s.apply((value,))
            expected = s.at([got.subs(PSEUDO_INPUT, 0)], kicked)[0]
            yield Claim(what=f"the {name} after a kick", got=got, expected=expected)
    if pseudo.free:
        (delay,) = s.apply((pseudo.delay.subs(PSEUDO_INPUT, 0),))
        wait = s.apply(s.derivation.closed.time_to_spike[0].values)[0]
        yield Claim(what="the delay without pseudo input", got=delay, expected=wait)


SymbolicCheck = tuple[str, Callable[[Setting], Iterator[Claim]], str]
SYMBOLIC: tuple[SymbolicCheck, ...] = (
    ("chart round trip", claim_round_trip, "correct to_state or from_state of the chart"),
    ("chart field", claim_field, "correct the chart's field"),
    ("flow residual", claim_flow, "correct the flow, the propagator or its branches"),
    ("flow at zero duration", claim_start, "correct the flow or the propagator"),
    ("semigroup", claim_semigroup, "correct the flow or the propagator"),
    ("input jump", claim_jump, "correct the jump of the derivation"),
    ("simultaneous inputs", claim_addition, "correct the jump of the derivation"),
    ("spike surface", claim_surface, "correct the chart's surface"),
    ("reset", claim_reset, "correct the reset of the derivation"),
    ("time to spike", claim_time, "correct the branches of the time to spike"),
    ("spike time gradient", claim_gradient, "correct time_to_spike_gradient"),
    ("transversality", claim_transversality, "choose a surface that the field crosses"),
    ("initial coordinate", claim_initial, "correct the initial coordinate"),
    ("pseudospike continuity", claim_pseudospike, "correct the pseudodynamics"),
    ("pseudo input", claim_pseudo_input, "correct how the pseudo input enters"),
)
"""Name, claims and remedy of every symbolic check, in their order."""


def check_symbolically(
    settings: Sequence[Setting], more: Sequence[SymbolicCheck] = ()
) -> Iterator[Check]:
    """Prove every claim in every case.

    Args:
        settings: The cases.
        more: Further checks, after those of this module.

    Raises:
        VerificationError: If a claim is refuted or cannot be proved.
    """
    names = ", ".join(dict.fromkeys(s.case.name for s in settings if s.case.name))
    for name, claims, remedy in (*SYMBOLIC, *more):
        count = 0
        for setting in settings:
            if not is_asked(name, setting):
                continue
            for claim in claims(setting):
                if not holds(claim, setting):
                    expected = f"{claim.what} to be {claim.expected}{setting.where}"
                    raise fail(name, expected, str(claim.got), remedy)
                count += 1
        if count:
            cases = f" in {len(settings)} cases ({names})" if names else ""
            plural = "identity" if count == 1 else "identities"
            yield Check(name=name, method="symbolic", detail=f"{count} {plural}{cases}")


ONE_SIDED = {"spike surface": 0, "reset": 1, "simultaneous inputs": None,
             "pseudospike continuity": None, "pseudo input": None,
             "initial coordinate": None}  # fmt: skip
"""Checks of piecewise charts that concern one side only; None is left to the 50 digits."""
OF_THE_FLOW = (
    *("flow residual", "flow at zero duration", "semigroup", "time to spike"),
    "spike time gradient",
)
"""Checks in which the numbers of the flow take part."""
NUMERICAL = (
    *("chart round trip", "chart field", "input jump", "simultaneous inputs"),
    "initial coordinate",
)
"""Checks of derivations without a closed form; the others integrate."""


def is_asked(name: str, setting: Setting) -> bool:
    """Whether a check has something to prove in a setting."""
    if setting.derivation.is_integrated and name not in NUMERICAL:
        return False
    numbers = setting.derivation.numbers
    if numbers is not None and name not in OF_THE_FLOW:
        return setting.form is numbers.closed_forms[0]
    if name == "semigroup" and setting.is_bessel:
        return False  # it follows from residual and start, as solutions are unique
    return setting.side is None or ONE_SIDED.get(name, setting.side) == setting.side


def make_settings(derivation: Derivation, cases: Sequence[Case]) -> list[Setting]:
    """A setting for every case, closed form of the numbers, and side of piecewise charts."""
    forms = derivation.numbers.closed_forms if derivation.numbers is not None else (None,)
    sides = (0, 1) if any(e.has(sp.Piecewise) for e in derivation.chart.to_state) else (None,)
    return [Setting(derivation, c, f, s) for c in cases for f in forms for s in sides]


def holds(claim: Claim, setting: Setting) -> bool:
    """Whether a claim is proved."""
    got, expected = (settle_signs(setting.finish(e)) for e in (claim.got, claim.expected))
    if got == expected:
        return True
    if any(e.is_infinite or e is sp.nan or e.has(sp.oo, -sp.oo, sp.zoo) for e in (got, expected)):
        return False
    return is_zero(got - expected, setting.case)


def settle_signs(expression: sp.Expr) -> sp.Expr:
    """Replace the signs of what is a square times positive factors, and so vanishes at most."""

    def settle(inner: sp.Expr) -> sp.Expr:
        factored = sp.factor(inner)
        if factored.is_nonnegative:
            return sp.S.One
        return sp.S.NegativeOne if factored.is_nonpositive else sp.sign(inner)

    return expression.replace(sp.sign, settle) if expression.has(sp.sign) else expression
