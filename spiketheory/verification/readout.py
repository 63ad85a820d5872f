"""Verify a readout: symbolic proofs, and its printed functions in 50 digits."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.generation.readout import ReadoutIR, VerifiedReadout, print_readout
from spiketheory.language.readout import ReadoutModel
from spiketheory.language.symbols import FEATURE, SINCE_SPIKE, TIME, TRIAL_END, WEIGHT
from spiketheory.symbolic.derivation import Check
from spiketheory.symbolic.readout import Kernel, ReadoutDerivation, insert, take_at_end
from spiketheory.verification.cases import DIGITS, compile_in_digits, fail
from spiketheory.verification.places import SEED, read_functions
from spiketheory.verification.tally import Tally

REMEDY = "the mathematics of spiketheory.symbolic.readout is wrong"
STEP = -30
PLACES = 6
"""Random places of each check, beside those with equal time constants."""
Functions = Mapping[str, Callable[..., Any]]
Values = tuple[mpf, ...]


def verify_readout(ir: ReadoutIR) -> VerifiedReadout:
    """Run every check on the derivation and the functions of a readout; the only way to code.

    - *response*: it solves the readout's equations, with what an input adds at time 0.
    - *kernel*: it is the integral of weight times response from the spike to T, or the response at
      T; *slope* and *gradient* are its derivatives.
    - *trial's end*: value, slope and second derivative there.
    - In 50 digits the printed functions are compared with quadrature of the equations, whose
      solution is a matrix exponential, and with differences: at random places, at both ends of the
      trial, and at equal time constants, which the symbolic checks leave out.

    Raises:
        VerificationError: If a check fails.
    """
    d = ir.derivation
    checks = [*check_response(d)]
    if d.kernel is not None:
        checks += check_kernel(d, d.kernel)
    functions = read_functions(print_readout(ir, in_digits=True))
    with mpmath.workdps(DIGITS):
        if d.kernel is None:
            checks += compare_response(d, functions)
        else:
            checks += compare_kernel(d, d.kernel, functions)
    return VerifiedReadout(ir=ir, checks=tuple(checks))


def prove_zeros(name: str, what: str, differences: Sequence[sp.Expr]) -> Check:
    """Demand that expressions are 0 for all values in general position."""
    for difference in differences:
        if not is_identically_zero(difference):
            raise fail(name, f"{what} to be 0", str(difference), REMEDY)
    count = len(differences)
    counted = f"{count} identit{'y' if count == 1 else 'ies'}"
    return Check(name=name, method="symbolic", detail=f"{what}: {counted}")


def is_identically_zero(expression: sp.Expr) -> bool:
    """Whether a rational function of parameters and exponentials is 0.

    Over one denominator and multiplied out, equal products of exponentials have equal forms.
    """
    above, below = sp.fraction(sp.together(expression.rewrite(sp.exp)))
    if below == 0 or (above / below).has(sp.nan, sp.zoo):
        return False
    return bool(sp.expand(above) == 0) or bool(sp.simplify(above) == 0)


def check_response(d: ReadoutDerivation) -> Iterator[Check]:
    """The response solves the equations."""
    model = d.model
    at = dict(zip(model.state, d.state, strict=True))
    inside = [rate.subs(at, simultaneous=True) for rate in model.derivatives]
    moved = [sp.diff(x.rewrite(sp.exp), SINCE_SPIKE) for x in d.state]
    moved = [rate - r for rate, r in zip(moved, inside, strict=True)]
    nothing = dict.fromkeys(model.state, sp.S.Zero)
    added = [j.subs(nothing).subs(WEIGHT, 1) for j in model.jump]
    start = [x.subs(SINCE_SPIKE, 0) - a for x, a in zip(d.state, added, strict=True)]
    yield prove_zeros("response", "residual of the equations, and at time 0", [*moved, *start])
    own = d.state[0].rewrite(sp.exp)
    slopes = [sp.diff(own, SINCE_SPIKE) - d.slope]
    slopes += [sp.diff(own, p.symbol) - e for p, e in zip(model.parameters, d.by, strict=True)]
    yield prove_zeros("response gradient", "derivatives by time and parameters", slopes)


def check_kernel(d: ReadoutDerivation, kernel: Kernel) -> Iterator[Check]:
    """The kernel is the integral; its derivatives are those; so is what holds at T."""
    model = d.model
    value = kernel.value.rewrite(sp.exp) if model.support is None else kernel.value
    later = sp.Dummy("later", positive=True)
    if model.weight is None:
        wanted = d.state[0].subs(SINCE_SPIKE, TRIAL_END - TIME)
    elif model.support is None:
        potential = sp.simplify(d.state[0].rewrite(sp.exp)).subs(SINCE_SPIKE, later - TIME)
        wanted = integrate_exponentials(model.weight.subs(TIME, later) * potential, later)
    else:
        wanted = sp.integrate(d.state[0] * model.weight, (TIME, TIME, model.support[1]))
    yield prove_zeros("kernel", "kernel minus integral of weight times response", [value - wanted])
    slopes = [sp.diff(value, TIME) - kernel.slope]
    slopes += [sp.diff(value, p.symbol) - e for p, e in zip(model.parameters, kernel.by,
                                                            strict=True)]  # fmt: skip
    yield prove_zeros("kernel gradient", "derivatives by time and parameters", slopes)
    if model.support is not None:
        before = [value.subs(TIME, edge) for edge in model.support]
        yield prove_zeros("kernel at its support", "values at both ends", before)
    # In divided differences, which are regular there: of equal points they are derivatives of exp.
    there = (kernel.value, kernel.slope, sp.diff(kernel.slope, TIME))
    if model.support is not None:
        ends = take_at_end(model, there)
    else:
        ends = tuple(e.subs(TIME, TRIAL_END) for e in there)
    gaps = [a - b for a, b in zip(ends, kernel.at_end, strict=True)]
    yield prove_zeros("trial's end", "value, slope and second derivative", gaps)


def integrate_exponentials(expression: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """Integral of a sum of exponential functions from `TIME` to `TRIAL_END`, term by term."""
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(expression)):
        rate = sp.simplify(sp.diff(term, variable) / term)
        grown = term / rate if rate != 0 else term * variable
        total += grown.subs(variable, TRIAL_END) - grown.subs(variable, TIME)
    return total


def draw_places(model: ReadoutModel) -> Iterator[tuple[mpf, mpf, Values]]:
    """Trial's ends, times between 0 and it, and values of parameters and settings."""
    generator = random.Random(SEED)

    def draw(low: float, high: float) -> mpf:
        return mpf(10) ** generator.uniform(low, high)

    def pick(end: mpf) -> Values:
        values = [draw(-1.5, 1.5) * end for _ in model.parameters]
        count = mpf(generator.randint(1, 6))
        return (*values, *((count, generator.uniform(0.2, 1) * count) if model.features else ()))

    for k in range(PLACES):
        end = draw(-2, 2)
        yield end, (mpf(0), end, end * generator.random())[min(k, 2)], pick(end)
    n = len(model.parameters)
    for factor in (mpf(1), mpf(1) / 3, 1 + mpf(10) ** -20) if n else ():
        end = draw(-1, 1)
        yield end, end * generator.random(), (factor * end, *(end / 3,) * (n - 1))
        yield end, end * generator.random(), (end * factor,) * n


def compare_kernel(d: ReadoutDerivation, kernel: Kernel, functions: Functions) -> Iterator[Check]:
    """The printed kernel against quadrature, its derivatives against differences."""
    model = d.model
    values = Tally("kernel against quadrature of the equations", REMEDY)
    slopes = Tally("kernel's slope and gradient against differences", REMEDY)
    after = Tally("nothing after the trial's end", REMEDY)
    reference = Reference(model)
    generator = random.Random(SEED)
    for end, time, place in draw_places(model):
        m = mpf(generator.randint(0, int(place[0]) - 1) if model.features else 0)
        if model.support is not None and 0 < time < end:
            low, high = reference.support(m, end, *place)
            time = min(max(mpf(0), low + (high - low) * time / end), end)
        largest = abs(reference.find_output(mpf(0), m, end, place)) or mpf(1)
        got = functions["kernel"](time, m, end, *place)
        values.compare("the kernel", [got], [reference.find_output(time, m, end, place)],
                       scale=largest)  # fmt: skip
        both = list(functions["kernel_and_slope"](time, m, end, *place))
        slope = functions["kernel_slope"](time, m, end, *place)
        values.compare("kernel and slope", both, [got, slope])
        after.demand(functions["kernel"](2 * end, m, end, *place) == 0, "0", "something else")
        if 0 < time < end:
            compare_slopes(functions, slopes, time, m, end, place)
    yield from (*values.report(), *slopes.report(), *after.report())


def compare_slopes(
    functions: Functions, tally: Tally, time: mpf, m: mpf, end: mpf, place: Values
) -> None:
    """Derivatives of the printed kernel against differences of it in more digits."""
    kernel, n = functions["kernel"], len(functions["kernel_vjp"](time, m, end, *place, mpf(1)))

    def evaluate(at: Values) -> mpf:
        return kernel(at[0], m, end, *at[1:], *place[n:])

    got = [functions["kernel_slope"](time, m, end, *place),
           *functions["kernel_vjp"](time, m, end, *place, mpf(1))]  # fmt: skip
    compare_each(tally, got, differentiate(evaluate, (time, *place[:n])))


def compare_response(d: ReadoutDerivation, functions: Functions) -> Iterator[Check]:
    """The printed response against the matrix exponential, its derivatives against differences."""
    values = Tally("response against the equations", REMEDY)
    slopes = Tally("response's slope and gradient against differences", REMEDY)
    reference = Reference(d.model)

    def evaluate(at: Values) -> mpf:
        value: mpf = functions["response"](*at)
        return value

    for _, elapsed, place in draw_places(d.model):
        values.compare("the potential", [evaluate((elapsed, *place))],
                       [reference.find_potential(elapsed, place)])  # fmt: skip
        if elapsed:
            got = [functions["response_slope"](elapsed, *place),
                   *functions["response_vjp"](elapsed, *place, mpf(1))]  # fmt: skip
            compare_each(slopes, got, differentiate(evaluate, (elapsed, *place)))
    yield from (*values.report(), *slopes.report())


def compare_each(tally: Tally, got: Sequence[mpf], wanted: Sequence[mpf]) -> None:
    """Compare numbers one by one, each relative to itself."""
    for a, b in zip(got, wanted, strict=True):
        tally.compare("a derivative", [a], [b])


def differentiate(function: Callable[[Values], mpf], at: Values) -> list[mpf]:
    """Central differences by every argument; their errors are of second order in the step."""
    found = []
    with mpmath.workdps(2 * DIGITS):
        for k, value in enumerate(at):
            step = value * mpf(10) ** STEP
            above = function((*at[:k], value + step, *at[k + 1 :]))
            below = function((*at[:k], value - step, *at[k + 1 :]))
            found.append((above - below) / (2 * step))
    return found


class Reference:
    """The readout's equations, solved without anything that was derived.

    Args:
        model: The readout.
    """

    def __init__(self, model: ReadoutModel) -> None:
        values = [p.symbol for p in model.values]
        matrix = sp.Matrix(model.derivatives).jacobian(model.state)
        self.model, self.n = model, len(model.state)
        self.matrix = compile_in_digits(values, list(matrix))
        nothing = dict.fromkeys(model.state, sp.S.Zero)
        self.added = [mpf(int(j.subs(nothing).subs(WEIGHT, 1))) for j in model.jump]
        known = [TIME, FEATURE, TRIAL_END, *values]
        weight = model.weight if model.weight is not None else sp.S.Zero
        low, high = model.support or (sp.S.Zero, TRIAL_END)
        wanted = [insert(e, model.definitions) for e in (weight, low, high)]
        self.weight = compile_in_digits(known, wanted[:1])
        self.support = compile_in_digits(known[1:], wanted[1:])

    def find_potential(self, elapsed: mpf, place: Values) -> mpf:
        """The potential a time after an input: a matrix exponential."""
        entries = list(self.matrix(*place))
        rows = [entries[i * self.n : (i + 1) * self.n] for i in range(self.n)]
        return (mpmath.expm(mpmath.matrix(rows) * elapsed) * mpmath.matrix(self.added))[0]

    def find_output(self, time: mpf, m: mpf, end: mpf, place: Values) -> mpf:
        """What the output is after a spike of weight 1."""
        if self.model.weight is None:
            return self.find_potential(end - time, place)
        low, high = self.support(m, end, *place)
        edges = [max(time, low), min(high, end)]
        if edges[0] >= edges[1]:
            return mpf(0)
        spread = [time + k * p for p in place[: len(self.model.parameters)] for k in (1, 4, 16)]
        edges += [s for s in spread if edges[0] < s < edges[1]]

        def integrand(now: mpf) -> mpf:
            weight = self.weight(now, m, end, *place)[0]
            return weight * self.find_potential(now - time, place)

        return mpmath.quad(integrand, sorted(edges), method="gauss-legendre")
