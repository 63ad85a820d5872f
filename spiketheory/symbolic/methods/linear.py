r"""Linear equations with a finite threshold: the flow is a matrix exponential.

Variables that drive each other in one direction only (a cascade: synaptic currents behind each
other, adaptation that V does not drive) make the matrix triangular. Its exponential then is a sum
over paths of products of couplings with divided differences of exp at the rates on the path, which
are entire functions: equal time constants need no case of their own (G. Opitz, Z. Angew. Math.
Mech. 44, T52, 1964).

The spike time has a closed form where the distance to the threshold is a constant and one
exponential (logarithm), two whose rates are 1:2 (quadratic equation) or equal (Lambert W).
Otherwise its zeros are isolated by a chain of functions of which each has at most one zero
between two of the next (Rolle's theorem), and then found to the last bit.
"""

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.functions import exp_dd, first_zero, lambert_w, log1p, time_to_spike
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import DURATION, pick_name, state_symbol
from spiketheory.symbolic.derivation import (
    Branch,
    Chart,
    ClosedForm,
    Derivation,
    Descent,
    Propagator,
    RootSearch,
    Step,
)
from spiketheory.symbolic.methods.bounds import stays_below
from spiketheory.symbolic.methods.peaks import find_peak
from spiketheory.symbolic.methods.shared import (
    Names,
    clear,
    differentiate_implicitly,
    dot,
    explain_crossing,
    start_at_potential,
)

NAME = "linear"
REFERENCES = (
    "G. Opitz, Z. Angew. Math. Mech. 44, T52 (1964): divided differences as matrix functions",
    "C. de Boor, Surveys in Approximation Theory 1, 46 (2005)",
    "R. Brette, Neural Comput. 18, 2004 (2006); 19, 2604 (2007): exact spike times of such neurons",
)
LONGEST_PATH = 5
"""`spiketheory.runtime.special.exp_dd` takes one point more, which derivatives by rates need."""
HORIZON = sp.Integer(600)
"""Slowest time constants after which exp has no range left to change a sign."""


@dataclass(frozen=True)
class Cascade:
    """Linear equations: ds/dt = matrix s + drive."""

    state: tuple[sp.Symbol, ...]
    matrix: sp.Matrix
    drive: sp.Matrix

    @cached_property
    def rates(self) -> tuple[sp.Expr, ...]:
        """The diagonal: each variable's own rate, negative where it decays."""
        return tuple(self.matrix[i, i] for i in range(len(self.state)))

    def list_paths(self, start: int, end: int) -> list[tuple[int, ...]]:
        """Chains of variables by which ``end`` drives ``start``."""
        if start == end:
            return [(start,)]
        return [
            (start, *path)
            for middle in range(len(self.state))
            if middle != start and self.matrix[start, middle] != 0
            for path in self.list_paths(middle, end)
        ]

    @property
    def longest_path(self) -> int:
        """The largest number of rates in a divided difference."""
        indices = range(len(self.state))
        return max(
            len(path) + (self.drive[end] != 0)
            for start, end in itertools.product(indices, repeat=2)
            for path in self.list_paths(start, end)
        )

    def propagate(self, row: int, column: int, duration: sp.Expr) -> sp.Expr:
        """An entry of the matrix exponential; column n is the drive's contribution."""
        n = len(self.state)
        total = sp.S.Zero
        ends = range(n) if column == n else (column,)
        for end in ends:
            for path in self.list_paths(row, end):
                rates = [self.rates[i] * duration for i in path]
                couplings = [self.matrix[a, b] for a, b in itertools.pairwise(path)]
                if column == n:
                    rates, couplings = [*rates, sp.S.Zero], [*couplings, self.drive[end]]
                size = sp.Mul(*couplings) * duration ** (len(rates) - 1)
                total += size * exp_dd(*rates)
        return total


def read_cascade(model: NeuronModel) -> Cascade | str:
    """Read the equations as a cascade, or say why they are none."""
    right = sp.Matrix([sp.expand(e) for e in model.derivatives])
    for symbol, derivative in zip(model.state, right, strict=True):
        if not is_affine(derivative, model):
            return f"d{symbol}/dt is not linear in {', '.join(s.name for s in model.state)}"
    matrix = right.jacobian(model.state).applyfunc(sp.factor)
    rest = dict.fromkeys(model.state, sp.S.Zero)
    cascade = Cascade(model.state, matrix, right.subs(rest).applyfunc(sp.factor))
    loop = find_loop(cascade)
    if loop:
        names = ", ".join(model.state[i].name for i in loop)
        return f"{names} drive each other in a circle, so they may oscillate"
    return cascade


def find_loop(cascade: Cascade) -> tuple[int, ...]:
    """Variables that drive each other in a circle."""
    n = len(cascade.state)
    for size in range(2, n + 1):
        for chosen in itertools.permutations(range(n), size):
            ring = itertools.pairwise((*chosen, chosen[0]))
            if all(cascade.matrix[a, b] != 0 for a, b in ring):
                return chosen
    return ()


def explain_mismatch(model: NeuronModel) -> str | None:
    """Say why this method cannot solve ``model``; None if it can."""
    cascade = read_cascade(model)
    if isinstance(cascade, str):
        return cascade
    spike = model.spike
    if spike.is_blowup:
        return (
            f"{spike.variable} obeys a linear equation and does not reach infinity in finite time"
        )
    if spike.value.has(*model.state):
        return f"its threshold {spike.value} depends on the state"
    if any(r.has(*model.state) and r != s and not is_affine(r, model)
           for r, s in zip(model.reset, model.state, strict=True)):  # fmt: skip
        return "its reset is not linear"
    for rate in cascade.rates:
        if not (rate.is_zero or is_positive(rate, model.parameters)
                or is_positive(-rate, model.parameters)):  # fmt: skip
            return f"the sign of the rate {rate} is not known; give its parameters domains"
    if cascade.longest_path > LONGEST_PATH:
        return (
            f"{cascade.longest_path} variables and constants drive each other in a row, and the "
            f"method takes {LONGEST_PATH}"
        )
    if all(rate.is_zero for rate in cascade.rates) and len(model.state) > 1:
        return "nothing decays or grows exponentially: its solutions are polynomials"
    if model.is_crossing and build_descent(model, cascade).horizon is sp.oo:
        return (
            f"nothing that drives {spike.variable} decays or grows, so no time is known after "
            "which it does not cross its threshold"
        )
    return None


def is_affine(expression: sp.Expr, model: NeuronModel) -> bool:
    """Whether an expression is linear in the state plus a constant."""
    return not any(expression.diff(s).has(*model.state) for s in model.state)


# Long: the derivation, written out as one record.
def solve(model: NeuronModel) -> Derivation:
    """Derive flow, spike time, jump, reset and gradients of a linear model.

    Args:
        model: A model for which `explain_mismatch` returns None.

    Returns:
        The derivation, not yet verified.
    """
    cascade = read_cascade(model)
    assert isinstance(cascade, Cascade)
    state, voltage = model.state, model.spike.variable
    surface = model.spike.value - voltage
    propagator, flow = build_flow(model, cascade)
    chart = Chart(
        name="the model's own state",
        coordinates=state,
        to_state=state,
        from_state=state,
        field=model.derivatives,
        surface=surface,
    )
    descent = build_descent(model, cascade)
    jacobian = sp.Matrix(flow).jacobian(state)
    branches, how = find_spike(model, descent)
    peak = find_peak(model, descent, [simplify_height(h) for h in descent.heights])
    elapsed = propagator.symbols[-1]
    gradient = differentiate_implicitly(surface, model.derivatives, flow, jacobian, state)
    solution = ClosedForm(
        flow=flow, time_to_spike=branches, time_to_spike_gradient=gradient, time_to_peak=peak
    )
    if model.is_crossing or any(b.values[0].has(first_zero) for b in branches):
        solution = RootSearch(**vars(solution), descent=descent)
        if not model.is_crossing:
            decay = find_decay(model, cascade, propagator)
            silent = stays_below(model, cascade.matrix, cascade.drive, decay)
            solution = replace(solution, stays_silent=silent)
    return Derivation(
        model=model,
        method=NAME,
        reason=explain_choice(cascade, how),
        chart=chart,
        constants=(),
        propagator=propagator,
        solution=solution,
        will_spike=time_to_spike() < elapsed,
        jump=model.jump,
        other_jumps=tuple(jump for _, jump in model.other_inputs),
        reset=model.reset,
        initial=start_at_potential(model),
        pseudospike=None,
        steps=explain(model, descent, propagator, how, bool(peak)),
        references=REFERENCES,
        without_pseudospikes=(
            "a neuron with a finite threshold that has not spiked by the trial's end need not be "
            "on its way to a spike: no pseudospike time would be continuous there "
            "(Klos & Memmesheimer 2025)"
        ),
    )


def find_decay(model: NeuronModel, cascade: Cascade, propagator: Propagator) -> sp.Expr:
    """What is left of V after the propagator's duration."""
    index = model.state.index(model.spike.variable)
    wanted = cascade.propagate(index, index, DURATION)
    named = dict(zip(propagator.branches[0].values, propagator.symbols, strict=True))
    return named.get(wanted, wanted)


def build_flow(model: NeuronModel, cascade: Cascade) -> tuple[Propagator, tuple[sp.Expr, ...]]:
    """The propagator's numbers, and the flow in terms of them."""
    names = Names(model)
    symbols: list[sp.Symbol] = []
    values: list[sp.Expr] = []
    flow = []
    for i, target in enumerate(model.state):
        total = sp.S.Zero
        for j, source in enumerate((*model.state, None)):
            value = cascade.propagate(i, j, DURATION)
            if value.has(DURATION):
                symbol = names.state(f"P_{target}_{source if source is not None else 0}")
                symbol = state_symbol(
                    pick_name(symbol.name, {*names.taken, *(s.name for s in symbols)})
                )
                symbols.append(symbol)
                values.append(value)
                value = symbol
            total += value * (source if source is not None else 1)
        flow.append(total)
    elapsed = names.constant("elapsed", nonnegative=True)
    branch = Branch(condition=sp.true, values=(*values, DURATION))
    return Propagator(symbols=(*symbols, elapsed), branches=(branch,)), tuple(flow)


def build_descent(model: NeuronModel, cascade: Cascade) -> Descent:
    """The chain of functions that starts with the distance to the threshold.

    Its derivative is minus the velocity of V, which decays with all others: a row c stands for
    the function c . exp(matrix t) velocity, without constants that would cancel. Multiplying by
    (matrix - rate) is differentiating exp(-rate t) times it and removes the terms of that rate.
    """
    n = len(model.state)
    index = model.state.index(model.spike.variable)
    ancestors = [j for j in range(n) if j != index and cascade.list_paths(index, j)]
    following = [cascade.rates[index], *(cascade.rates[j] for j in ancestors)]
    whole = cascade.matrix.row_join(cascade.drive)
    row = sp.zeros(1, n)
    row[0, index] = -sp.S.One
    rows, rates = [row], [sp.S.Zero]
    while True:
        # A single exponential ends the chain, for whatever velocities the state leads to.
        last = [r for r in following if (rows[-1] * shift(cascade, r) * whole).is_zero_matrix]
        rates.append(last[0] if last else following.pop(0))
        if last:
            break
        rows.append((rows[-1] * shift(cascade, rates[-1])).applyfunc(sp.factor))
    later = sum(cascade.propagate(index, j, DURATION) * s for j, s in enumerate((*model.state, 1)))
    velocities = [
        sp.Add(*(
            cascade.propagate(i, j, DURATION) * v for j, v in enumerate(model.derivatives)
        ))
        for i in range(n)
    ]  # fmt: skip
    heights = [model.spike.value - later, *((r * sp.Matrix(velocities))[0] for r in rows)]
    scales = [1 / sp.Abs(rate) for rate in rates if not rate.is_zero]
    horizon = HORIZON * (sp.Max(*scales) if len(scales) > 1 else scales[0]) if scales else sp.oo
    return Descent(heights=tuple(heights), rates=tuple(rates), horizon=horizon)


def shift(cascade: Cascade, rate: sp.Expr) -> sp.Matrix:
    """The matrix minus a rate."""
    return cascade.matrix - rate * sp.eye(len(cascade.state))


def find_spike(model: NeuronModel, descent: Descent) -> tuple[tuple[Branch, ...], str]:
    """Branches of the time to spike, and how it is found."""
    heights = [simplify_height(h) for h in descent.heights]
    beyond = Branch(condition=model.spike.variable >= model.spike.value, values=(sp.S.Zero,))
    if len(heights) == 2:
        return (beyond, *solve_logarithm(heights, descent.rates[1])), "a logarithm"
    arguments = sp.Tuple(*model.state, *(p.symbol for p in model.parameters))
    root = first_zero(sp.Tuple(*descent.rates), descent.horizon, arguments)
    branches = [beyond]
    how = "a bracketed root"
    if len(heights) == 3 and all(rate.is_negative for rate in descent.rates[1:]):
        branches += solve_quadratic(heights, descent.rates)
        branches += solve_lambert(heights, descent.rates)
        how = (
            "a quadratic equation or the Lambert function for time constants 1:2 or equal, and a "
            "bracketed root for others"
        )
    return (*branches, Branch(condition=sp.true, values=(root,))), how


def simplify_height(height: sp.Expr) -> sp.Expr:
    """A function of the descent at time 0."""
    return sp.factor(height.subs(DURATION, 0).rewrite(sp.exp))


def solve_logarithm(heights: list[sp.Expr], rate: sp.Expr) -> list[Branch]:
    """h0 + h1 (exp(rate t) - 1)/rate = 0."""
    distance, speed = heights
    never = Branch(condition=sp.true, values=(sp.oo,))
    if rate.is_zero:
        return [Branch(condition=speed < 0, values=(-distance / speed,)), never]
    comes = sp.And(clear(speed) < 0, clear(speed - rate * distance) < 0)
    time = log1p(sp.cancel(-rate * distance / speed)) / rate
    return [Branch(condition=comes, values=(time,)), never]


def solve_quadratic(heights: list[sp.Expr], rates: tuple[sp.Expr, ...]) -> list[Branch]:
    """h0 - 2 h b + q b^2 = 0 in b = 1 - exp(rate t), where one rate is twice the other."""
    branches = []
    for slow, fast in ((rates[1], rates[2]), (rates[2], rates[1])):
        distance, linear = heights[0], sp.factor(heights[1] / slow)
        bend = sp.factor(heights[2] / slow**2)
        square = bend / 2 if slow == rates[1] else sp.factor((linear + bend) / 2)
        # The heights hold both rates: use their relation, so that the formula is the simplest.
        relation = relate(fast, 2 * slow)
        linear, square = (sp.factor(e.subs(relation.replaced)) for e in (linear, square))
        half = linear / 2
        disc = half**2 - square * distance
        reach = sp.Or(half > distance, sp.expand(linear - square - distance) > 0)
        part = distance / (half + sp.sqrt(disc))
        holds = relation.condition
        branches += [
            Branch(condition=sp.And(holds, disc > 0, reach), values=(log1p(-part) / slow,)),
            Branch(condition=holds, values=(sp.oo,)),
        ]
    return branches


@dataclass(frozen=True)
class Relation:
    """A condition between parameters, and a substitution that uses it."""

    condition: sp.Basic
    replaced: dict[sp.Symbol, sp.Expr]


def relate(left: sp.Expr, right: sp.Expr) -> Relation:
    """The condition left = right, solved for a parameter in which it is linear."""
    equation = sp.numer(sp.together(left - right))
    for symbol in sorted(equation.free_symbols, key=str):
        solutions = sp.solve(equation, symbol)
        if len(solutions) == 1:
            return Relation(sp.Eq(symbol, solutions[0]), {symbol: solutions[0]})
    return Relation(sp.Eq(equation, 0), {})


def solve_lambert(heights: list[sp.Expr], rates: tuple[sp.Expr, ...]) -> list[Branch]:
    """Alpha - kappa u exp(u0 - u) = 0 in u = u0 - rate t, where both rates are equal."""
    rate = rates[1]
    relation = relate(rates[1], rates[2])
    distance, linear, kappa = (
        sp.factor(e.subs(relation.replaced))
        for e in (heights[0], heights[1] / rate, heights[2] / rate**2)
    )
    rate = rate.subs(relation.replaced)
    start = sp.factor(1 - linear / kappa)
    alpha = sp.factor(distance - linear + kappa)
    angle = -lambert_w(-alpha / kappa * sp.exp(-start))
    rising = sp.And(relation.condition, linear > 0, kappa > 0, alpha > 0)
    never = Branch(condition=sp.And(relation.condition, alpha > 0), values=(sp.oo,))
    if rising == sp.false:  # and the logarithm below has no real value
        return [never]
    soon = sp.And(rising, sp.log(alpha / kappa) + 1 < start)
    return [Branch(condition=soon, values=((start - angle) / rate,)), never]


def explain_choice(cascade: Cascade, how: str) -> str:
    """Why this method, and what it does."""
    single = len(cascade.state) == 1
    kind = "one linear equation" if single else "a cascade of linear equations"
    return (
        f"{kind} with a finite threshold: the flow is a matrix exponential, the spike time given "
        f"by {how}"
    )


# Long: the text of the steps.
def explain(
    model: NeuronModel, descent: Descent, propagator: Propagator, how: str, peak: bool
) -> tuple[Step, ...]:
    """The derivation in steps."""
    distance = sp.Symbol("f_0")
    values = propagator.branches[0].values
    steps = [
        Step(
            title="Matrix form",
            text="The equations are linear, and no variable drives one that drives it.",
            equations=tuple(
                sp.Eq(dot(s), e, evaluate=False)
                for s, e in zip(model.state, model.derivatives, strict=True)
            ),
        ),
        Step(
            title="Flow",
            text=(
                "The exponential of a triangular matrix is a sum over paths: couplings times a "
                "divided difference of exp at the rates on the path, which is an entire function "
                "of the time constants: exp[a, b] = (exp(a) - exp(b))/(a - b), and so on."
            ),
            equations=tuple(
                sp.Eq(symbol, value, evaluate=False)
                for symbol, value in zip(propagator.symbols[:-1], values[:-1], strict=True)
            ),
        ),
        Step(
            title="Distance to the threshold",
            text=f"The neuron spikes where it falls through zero, at a time given by {how}.",
            equations=(sp.Eq(distance, model.spike.value - model.spike.variable, evaluate=False),),
        ),
    ]
    if len(descent.heights) > 2:
        chain = [sp.Symbol(f"f_{k}") for k in range(len(descent.heights))]
        steps.append(
            Step(
                title="Isolating the first spike",
                text=(
                    "Each of these functions, times an exponential, is monotone between the zeros "
                    "of the next, so it has at most one zero there; the last has none. Going "
                    "backwards, every zero of f_0 is found, none twice."
                ),
                equations=tuple(
                    sp.Eq(sp.Symbol(f"f_{k + 1}"), dot(chain[k]) - descent.rates[k] * chain[k],
                          evaluate=False)
                    for k in range(len(chain) - 1)
                ),
            )
        )  # fmt: skip
    if peak:
        steps.append(
            Step(
                title="Next maximum",
                text=(
                    f"{model.spike.variable} stops rising where f_1, minus its slope, rises "
                    "through zero. How high it gets says how far the neuron is from grazing the "
                    "threshold, and changes with the state as if the time were fixed."
                ),
            )
        )
    steps.append(
        Step(
            title="Gradient of the spike time",
            text=(
                "Implicit function theorem: minus the derivative of f_0 by the state over its "
                "derivative by time, both at the spike. It diverges where the neuron grazes the "
                "threshold."
            ),
        )
    )
    return (*steps, *explain_crossing(model))
