"""Verify a readout: symbolic proofs, and its printed functions in 50 digits."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
            checks += compare_kernel(d, functions)
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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the checks in 50 digits look.

    Attributes:
        end: The trial's end.
        time: A time in the trial.
        feature: Number of the feature.
        values: Parameters and settings.
    """

    end: mpf
    time: mpf
    feature: mpf
    values: Values

    @property
    def arguments(self) -> Values:
        """All of it, as the kernel takes it."""
        return (self.time, self.feature, self.end, *self.values)


def draw_places(model: ReadoutModel) -> Iterator[Place]:
    """Random places, among them both ends of the trial; then those of equal time constants."""
    generator = random.Random(SEED)

    def draw(low: float, high: float) -> mpf:
        return mpf(10) ** generator.uniform(low, high)

    def place(end: mpf, share: mpf, values: Sequence[mpf], count: int) -> Place:
        settings = (mpf(count), mpf(count) * generator.uniform(0.2, 1)) if model.features else ()
        return Place(
            end=end, time=end * share, values=(*values, *settings),
            feature=mpf(generator.randrange(count) if model.features else 0),
        )  # fmt: skip

    n = len(model.parameters)
    for k in range(PLACES):
        end, share = draw(-2, 2), (mpf(0), mpf(1), mpf(generator.random()))[min(k, 2)]
        yield place(end, share, [draw(-1.5, 1.5) * end for _ in range(n)], 1 + k)
    for factor in (mpf(1), mpf(1) / 3, 1 + mpf(10) ** -20) if n else ():
        end, share = draw(-1, 1), mpf(generator.random())
        yield place(end, share, (factor * end, *(end / 3,) * (n - 1)), 1)
        yield place(end, share, (factor * end,) * n, 1)


def compare_kernel(d: ReadoutDerivation, functions: Functions) -> Iterator[Check]:
    """The printed kernel against quadrature, its derivatives against differences."""
    values = Tally("kernel against quadrature of the equations", REMEDY)
    slopes = Tally("kernel's slope and gradient against differences", REMEDY)
    after = Tally("nothing after the trial's end", REMEDY)
    reference = Reference(d.model)
    for drawn in draw_places(d.model):
        place = reference.move_inside(drawn)
        got = functions["kernel"](*place.arguments)
        start = replace(place, time=mpf(0))
        values.compare("the kernel", [got], [reference.find_output(place)],
                       scale=reference.find_output(start))  # fmt: skip
        late = replace(place, time=2 * place.end)
        after.demand(functions["kernel"](*late.arguments) == 0, "0", "something else")
        slope = functions["kernel_slope"](*place.arguments)
        both = list(functions["kernel_and_slope"](*place.arguments))
        values.compare("kernel and slope", both, [got, slope])
        if 0 < place.time < place.end:
            by = functions["kernel_vjp"](*place.arguments, mpf(1))
            compare_each(slopes, [slope, *by], differentiate_kernel(functions, place, len(by)))
    yield from (*values.report(), *slopes.report(), *after.report())


def differentiate_kernel(functions: Functions, place: Place, n: int) -> list[mpf]:
    """Differences of the printed kernel by the time and by n parameters."""
    fixed = place.values[n:]

    def evaluate(at: Values) -> mpf:
        value: mpf = functions["kernel"](at[0], place.feature, place.end, *at[1:], *fixed)
        return value

    return differentiate(evaluate, (place.time, *place.values[:n]))


def compare_response(d: ReadoutDerivation, functions: Functions) -> Iterator[Check]:
    """The printed response against the matrix exponential, its derivatives against differences."""
    values = Tally("response against the equations", REMEDY)
    slopes = Tally("response's slope and gradient against differences", REMEDY)
    reference = Reference(d.model)

    def evaluate(at: Values) -> mpf:
        value: mpf = functions["response"](*at)
        return value

    for place in draw_places(d.model):
        at = (place.time, *place.values)
        values.compare("the potential", [evaluate(at)],
                       [reference.find_potential(place.time, place.values)])  # fmt: skip
        if place.time:
            got = [functions["response_slope"](*at), *functions["response_vjp"](*at, mpf(1))]
            compare_each(slopes, got, differentiate(evaluate, at))
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

    def find_potential(self, elapsed: mpf, values: Values) -> mpf:
        """The potential a time after an input: a matrix exponential."""
        entries = list(self.matrix(*values))
        rows = [entries[i * self.n : (i + 1) * self.n] for i in range(self.n)]
        return (mpmath.expm(mpmath.matrix(rows) * elapsed) * mpmath.matrix(self.added))[0]

    def find_edges(self, place: Place) -> tuple[mpf, mpf]:
        """Between which times of the trial the potential is integrated."""
        low, high = self.support(place.feature, place.end, *place.values)
        return max(mpf(0), low), min(high, place.end)

    def move_inside(self, place: Place) -> Place:
        """The place, with a time at which a spike counts where it counts only between two."""
        if self.model.support is None or not 0 < place.time < place.end:
            return place
        low, high = self.find_edges(place)
        return replace(place, time=low + (high - low) * place.time / place.end)

    def find_output(self, place: Place) -> mpf:
        """What the output is after a spike of weight 1."""
        if self.model.weight is None:
            return self.find_potential(place.end - place.time, place.values)
        low, high = self.find_edges(place)
        low = max(place.time, low)
        if low >= high:
            return mpf(0)
        taus = place.values[: len(self.model.parameters)]
        spread = [place.time + k * tau for tau in taus for k in (1, 4, 16)]

        def integrand(now: mpf) -> mpf:
            weight = self.weight(now, place.feature, place.end, *place.values)[0]
            return weight * self.find_potential(now - place.time, place.values)

        edges = [low, *(s for s in sorted(spread) if low < s < high), high]
        return mpmath.quad(integrand, edges, method="gauss-legendre")
