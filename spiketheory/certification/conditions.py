r"""The conditions C1 to C6 as claims about expressions (docs/mathematics.md, 10).

With the charts of `spiketheory.certification.boundary`, rho the distance to the spike, F its field,
J an input, R the reset, Xi the saltation matrix:

- C1: $-\dot\rho > 0$ at $\rho = 0$.
- C2: $\rho(J s) > 0$ for $\rho(s) > 0$.
- C3: $\rho(J s) \le 0$ at $\rho = 0$: no delay. (A spike at once is C2's business.)
- C4: $R J s = J R s$ at $\rho = 0$.
- C5: $\rho(R s) > 0$, and the other variables cannot run away from spike to spike.
- C6: $\mathrm{D}J(Rs)\,\Xi(s) = \Xi(Js)\,\mathrm{D}J(s)$ and
  $\mathrm{D}J F(Rs) - F(JRs) = \Xi(Js)(\mathrm{D}J F(s) - F(Js))$ at $\rho = 0$, for the state
  after both events; and for the spike's own time
  $\nabla\rho\,\mathrm{D}J(s) / \dot\rho(Js) = \nabla\rho / \dot\rho(s)$.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import sympy as sp

from spiketheory.certification.boundary import Boundary, list_saltation, resolve_far, split
from spiketheory.certification.certificate import PROVED, REFUTED, UNDECIDED, Condition, Evidence
from spiketheory.certification.proofs import Counterexample, Proof, prove
from spiketheory.certification.region import Range, Region
from spiketheory.certification.regularity import apply_inputs, second_weight
from spiketheory.language.symbols import WEIGHT

NAMES = ("C1", "C2", "C3", "C4", "C5", "C6")


def examine(boundary: Boundary, region: Region) -> dict[str, Condition]:
    """Prove or refute every condition on a region, without looking for trials."""
    found: dict[str, Condition] = {}
    checks: dict[str, Callable[[Boundary, Region], Iterable[Evidence]]] = {
        "C1": examine_crossing,
        "C2": examine_jump,
        "C3": examine_delay,
        "C4": examine_order,
        "C5": examine_landing,
    }
    for name, check in checks.items():
        found[name] = conclude(name, tuple(check(boundary, region)))
    found["C6"] = examine_swap(boundary, region, found)
    return found


def conclude(name: str, evidence: tuple[Evidence, ...]) -> Condition:
    """A condition's status: it is proved if every claim is, refuted if one has a counterexample."""
    if any(isinstance(e.finding, Counterexample) for e in evidence):
        status = REFUTED
    elif all(isinstance(e.finding, Proof) or e.holds for e in evidence):
        status = PROVED
    else:
        status = UNDECIDED
    tried = "" if status != UNDECIDED else (
        "symbolic signs and identities, exact rational points, and interval arithmetic"
    )  # fmt: skip
    return Condition(name=name, status=status, evidence=evidence, tried=tried)


def claim(text: str, expression: sp.Expr, relation: str, region: Region) -> Evidence:
    """Examine one claim."""
    finding = prove(expression, relation, region)
    return Evidence(text=text, expression=expression, relation=relation, finding=finding)


def examine_crossing(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """C1: the distance to the spike falls on the surface."""
    model = boundary.model
    for expression, reason in boundary.requirements:
        yield claim(reason, expression, "> 0", region)
    speed = sp.factor(-boundary.arriving.velocity[0])
    words = f"{boundary.arriving.name} falls at the speed {speed} on the surface"
    if not boundary.requirements:
        words = f"{model.spike.variable} crosses {boundary.threshold} at the speed {speed}"
    yield claim(words, speed, "> 0", region)


def include_distance(boundary: Boundary, region: Region) -> Region:
    """The region with the distance to the spike as a positive variable."""
    ranges = {**region.ranges, boundary.distance: Range(low=sp.S.Zero)}
    return dataclasses.replace(region, ranges=ranges)


def examine_jump(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """C2: a positive distance stays positive."""
    V, rho, jumped = boundary.model.spike.variable, boundary.distance, boundary.distance_jumped
    if jumped is None:
        yield Evidence(text=f"an input changes {V} by a finite amount", holds=True)
        return
    jumped = sp.simplify(jumped)
    if jumped == rho:
        yield claim(f"an input leaves {V} and its threshold alone", jumped - rho, "= 0", region)
        return
    inside = include_distance(boundary, region)
    whole = claim(
        f"at a distance {rho} > 0 an input leaves the distance {jumped} > 0", jumped, "> 0", inside
    )
    start, slope = jumped.subs(rho, 0), jumped.diff(rho)
    if whole.finding is None and slope.is_real:
        touching = claim(f"an input on the surface stays on it: {start} = 0", start, "= 0", region)
        rising = claim(
            f"the distance after an input grows with that before it: {slope} > 0", slope, "> 0",
            inside,
        )  # fmt: skip
        if isinstance(touching.finding, Proof) and isinstance(rising.finding, Proof):
            yield touching
            yield rising
            return
    yield whole


def examine_delay(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """C3: on the surface an input leaves no positive distance."""
    V = boundary.model.spike.variable
    if boundary.stretch is not None:
        yield claim(
            f"an input at a large {V} leaves it large: its factor {boundary.stretch} is positive",
            boundary.stretch, "> 0", region,
        )  # fmt: skip
        return
    left = sp.simplify(boundary.arriving.jumped[0])
    if left == 0:
        yield claim("an input on the surface leaves the state on it", left, "= 0", region)
        return
    yield claim(
        f"an input on the surface does not move the state before it: {-left} >= 0", -left, ">= 0",
        region,
    )  # fmt: skip


def apply_both(boundary: Boundary) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """Coordinates after input then reset, and after reset then input."""
    model = boundary.model
    jumped = boundary.arriving.jumped
    if boundary.distance_jumped is None:
        first = tuple(boundary.move(e, jumped[1:]) for e in boundary.landing)
        return tuple(zip(first, boundary.leaving.jumped, strict=True))
    threshold = boundary.move(boundary.threshold, jumped[1:])
    state = dict(zip(boundary.others, jumped[1:], strict=True))
    state[model.spike.variable] = threshold - jumped[0]
    first = tuple(e.subs(state, simultaneous=True) for e in model.reset)
    return tuple(zip(first, boundary.leaving.jumped, strict=True))


def examine_order(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """C4: input and reset commute."""
    model = boundary.model
    names = model.state
    if boundary.distance_jumped is None and boundary.landing[0] == 0:
        names = (model.spike.variable, *boundary.others)
    for symbol, (first, second) in zip(names, apply_both(boundary), strict=True):
        words = f"{symbol} is {second} after reset and input in either order"
        if sp.simplify(first - second) != 0:
            words = f"{symbol} is {first} after input and reset, {second} after reset and input"
        elif boundary.distance_jumped is None and symbol == model.spike.variable:
            words = f"{symbol} is where the reset puts it after reset and input in either order"
        yield claim(words, first - second, "= 0", region)
    yield from examine_inputs(boundary, region)


def examine_inputs(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """Two inputs at the same time commute."""
    model = boundary.model
    second = second_weight(model)
    ranges = {**region.ranges, second: region.ranges.get(WEIGHT, Range())}
    both = dataclasses.replace(region, ranges=ranges)
    one = apply_inputs(model, WEIGHT, second)
    other = apply_inputs(model, second, WEIGHT)
    for symbol, first, last in zip(model.state, one, other, strict=True):
        difference = sp.simplify(first - last)
        words = f"{symbol} is the same after two simultaneous inputs in either order"
        if difference != 0:
            words = f"{symbol} differs by {difference} between the orders of two inputs"
        yield claim(words, first - last, "= 0", both)


def examine_landing(boundary: Boundary, region: Region) -> Iterable[Evidence]:
    """C5: the reset lands away from the surface, and nothing runs away from spike to spike."""
    model = boundary.model
    V = model.spike.variable
    reset, resets = split(model, model.reset)
    if boundary.distance_jumped is None:
        yield Evidence(text=f"the reset, {V} = {reset}, is away from the spike", holds=True)
    else:
        at = boundary.move(boundary.threshold, [r.subs(V, boundary.threshold) for r in resets])
        gap = sp.simplify(at - reset.subs(V, boundary.threshold))
        yield claim(f"the reset lands at the distance {gap} > 0", gap, "> 0", region)
    yield examine_others(boundary, region)


def examine_others(boundary: Boundary, region: Region) -> Evidence:
    """Whether the variables that do not spike stay bounded in a finite time."""
    model = boundary.model
    V = model.spike.variable
    rate, rates = split(model, model.derivatives)
    _, resets = split(model, model.reset)
    others = boundary.others
    if not stays_finite(rate, V, others):
        return Evidence(
            text=f"not shown: {V} may run to -oo in a finite time, where the model ends",
            holds=False,
        )
    if not others:
        return Evidence(text=f"d{V}/dt depends on {V} alone: intervals do not shrink", holds=True)
    known = (V, *others)
    affine = all(is_affine(f, others) and not mixes(f, V, others) for f in rates)
    free = all(not f.has(V) for f in rates)
    kept = all(value == z for z, value in zip(others, resets, strict=True))
    if affine and free and kept and stays_finite(rate, V, others):
        return Evidence(
            text=f"{list_names(others)} obey linear equations and know nothing of spikes: they "
            f"are bounded in a finite time, and so is d{V}/dt where {V} is",
            holds=True,
        )
    tame = all(is_tame(value, z) for z, value in zip(others, resets, strict=True))
    if affine and tame and is_affine(rate, others) and falls_slowly(rate, V, others):
        return Evidence(
            text=f"a spike changes {list_names(others)} by a constant at most, and all speeds "
            "grow at most linearly with them: n spikes take a time of at least the order "
            f"of log n (harmonic series), since {list_names(known)} otherwise grow at most "
            "exponentially",
            holds=True,
        )
    return Evidence(
        text=f"not shown: {list_names(others)} may grow so much from spike to spike that "
        "intervals shrink to nothing",
        holds=False,
    )


def list_names(symbols: Iterable[sp.Symbol]) -> str:
    """Names joined by commas."""
    return ", ".join(s.name for s in symbols)


def is_affine(expression: sp.Expr, symbols: Iterable[sp.Symbol]) -> bool:
    """Whether an expression is a polynomial of degree at most 1 in several symbols together."""
    symbols = tuple(symbols)
    if not expression.is_polynomial(*symbols):
        return False
    return bool(sp.Poly(expression, *symbols).total_degree() <= 1)


def mixes(expression: sp.Expr, V: sp.Symbol, others: Iterable[sp.Symbol]) -> bool:
    """Whether an expression is not affine in V and the others together."""
    return expression.has(V) and not is_affine(expression, (V, *others))


def is_tame(value: sp.Expr, symbol: sp.Symbol) -> bool:
    """Whether a reset adds a constant, sets a constant, or shrinks: no growth by a factor."""
    if not is_affine(value, (symbol,)):
        return False
    slope = value.diff(symbol)
    constant = (value - slope * symbol).simplify()
    numbers = slope.is_number and abs(slope) <= 1
    return bool(numbers) and not constant.has(symbol)


def stays_finite(rate: sp.Expr, V: sp.Symbol, others: Iterable[sp.Symbol]) -> bool:
    """Whether V cannot run to -oo in a finite time while the others are bounded."""
    rate = sp.expand(resolve_far(rate, V, -1), power_exp=False)
    exponentials = [e for e in rate.atoms(sp.exp) if e.has(V)]
    if any(not e.args[0].diff(V).is_positive for e in exponentials):
        return False
    body = sp.expand(rate.xreplace(dict.fromkeys(exponentials, sp.S.Zero)), power_exp=False)
    bounded = [f for f in body.atoms(sp.sin, sp.cos, sp.tanh, sp.atan) if f.has(V)]
    body = sp.expand(body.xreplace(dict.fromkeys(bounded, sp.S.Zero)), power_exp=False)
    if not body.is_polynomial(V):
        return False
    degree = int(sp.degree(body, V)) if body.has(V) else 0
    leading = body.coeff(V, degree)
    steep = degree % 2 == 0 and leading.is_positive and not leading.has(*others)
    return degree <= 1 or bool(steep)


def falls_slowly(rate: sp.Expr, V: sp.Symbol, others: Iterable[sp.Symbol]) -> bool:
    """Whether V cannot run to -oo: below the spike dV/dt >= -C (1 + |V| + |others|)."""
    body = rate.subs(dict.fromkeys(others, 0))
    if any((rate - body).diff(z).has(V) for z in others):
        return False
    exponentials = [e for e in body.atoms(sp.exp) if e.has(V)]
    if any(e.args[0].diff(V).is_positive is not True for e in exponentials):
        return False
    body = sp.expand(body.xreplace(dict.fromkeys(exponentials, sp.S.Zero)))
    if not body.is_polynomial(V):
        return False
    degree = sp.degree(body, V) if body.has(V) else 0
    return bool(degree <= 1 or (degree % 2 == 0 and body.coeff(V, degree).is_positive))


def examine_swap(boundary: Boundary, region: Region, found: Mapping[str, Condition]) -> Condition:
    """C6: input and reset commute to first order."""
    wanted = [name for name in ("C1", "C3", "C4") if found[name].status != PROVED]
    if wanted:
        text = f"it presupposes {', '.join(wanted)}, without which no swap is continuous"
        return Condition(
            name="C6", status=UNDECIDED, evidence=(Evidence(text=text, holds=False),), tried=text
        )
    jumped = boundary.arriving.jumped[1:]

    def after(expression: sp.Expr) -> sp.Expr:
        return boundary.move(expression, jumped)

    before = list_saltation(boundary)
    behind = before.applyfunc(after)
    left = boundary.leaving.slope * before
    right = behind * boundary.arriving.slope
    evidence = []
    names = [str(boundary.distance), *map(str, boundary.others)]
    for row in range(left.shape[0]):
        for column in range(left.shape[1]):
            difference = left[row, column] - right[row, column]
            words = (
                f"derivative of coordinate {row + 1} after the swap by {names[column]} before it: "
                f"the two orders differ by {sp.simplify(difference)}"
            )
            evidence.append(claim(words, difference, "= 0", region))
    speed = boundary.arriving.velocity[0]
    for column, name in enumerate(names):
        own = sp.S.One if column == 0 else sp.S.Zero
        difference = boundary.arriving.slope[0, column] * speed - own * after(speed)
        words = (
            f"derivative of the spike's own time by {name}: the two orders differ by "
            f"{sp.simplify(difference)}, times both speeds"
        )
        evidence.append(claim(words, difference, "= 0", region))
    arrive, leave = sp.Matrix(boundary.arriving.velocity), sp.Matrix(boundary.leaving.velocity)
    late = boundary.leaving.slope * leave - move_landing(boundary)
    early = behind * (boundary.arriving.slope * arrive - arrive.applyfunc(after))
    for row in range(late.shape[0]):
        difference = late[row] - early[row]
        words = (
            f"derivative of coordinate {row + 1} by the input's time: the two orders differ by "
            f"{sp.simplify(difference)}"
        )
        evidence.append(claim(words, difference, "= 0", region))
    return conclude("C6", tuple(evidence))


def move_landing(boundary: Boundary) -> sp.Matrix:
    """Velocity after reset and input."""
    model = boundary.model
    if boundary.landing[0] == 0 and boundary.distance_jumped is None:
        back = dict(zip(boundary.others, boundary.leaving.jumped[1:], strict=True))
        _, rates = split(model, model.derivatives)
        return sp.Matrix([boundary.leaving.velocity[0], *(
            r.subs(back, simultaneous=True) for r in rates
        )])  # fmt: skip
    there = dict(zip(model.state, boundary.leaving.jumped, strict=True))
    return sp.Matrix([d.subs(there, simultaneous=True) for d in model.derivatives])


def uses_weight(condition: Condition) -> bool:
    """Whether a claim of a condition speaks about the weight of an input."""
    return any(e.expression is not None and e.expression.has(WEIGHT) for e in condition.evidence)
