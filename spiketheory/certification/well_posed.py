"""Obligations of the equations themselves: hypotheses H0 and H1, and kinks, L8.

H0: they are defined on the region. H1: the field is continuous and locally Lipschitz in the state;
input, reset and threshold are continuously differentiable. L8: at a kink of the field both
derivatives agree, or the flow crosses it, or touches it at single instants.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import sympy as sp
from sympy.core.relational import Relational

from spiketheory.certification.claims import Claim, Obligation, Way, ask_for
from spiketheory.certification.region import Range, Region
from spiketheory.language.model import NeuronModel
from spiketheory.language.symbols import constant_symbol, pick_name

ENTIRE = (sp.exp, sp.sin, sp.cos, sp.tanh, sp.sinh, sp.cosh, sp.atan, sp.Abs, sp.Piecewise)


def cut_at_threshold(model: NeuronModel, region: Region) -> Region:
    """The states before the spike: V is written as the threshold minus a distance, if it is free.

    Where assumptions bound V, or for a blow-up, the region stays as it is.
    """
    V, theta = model.spike.variable, model.spike.value
    top = region.express(theta)
    if model.spike.is_blowup or region.ranges.get(V) != Range() or top.has(V):
        return region
    rho = constant_symbol(pick_name("rho", {*model.symbols, *map(str, region.ranges)}),
                          nonnegative=True)  # fmt: skip
    ranges = {s: r for s, r in region.ranges.items() if s != V}
    ranges[rho] = Range(low=sp.S.Zero, low_open=False)
    values = {s: value.subs(V, top - rho) for s, value in region.values.items()}
    values[V] = top - rho
    return replace(region, ranges=ranges, values=values)


def list_definedness(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """H0: no pole, no logarithm or root of what is not positive."""
    inside = cut_at_threshold(model, region)
    parts: dict[tuple[sp.Expr, str], str] = {}
    for what, values in list_texts(model):
        for value in values:
            for bad in find_singular(value):
                parts.setdefault(bad, what)
    for number, ((expression, relation), what) in enumerate(parts.items()):
        key = f"H0.{number}"
        if relation == "unknown":
            yield Obligation(
                key=key, condition="H",
                text=f"the {what} has {expression}, of which no lemma speaks",
            )  # fmt: skip
            continue
        words = f"the {what} is defined: {expression} > 0"
        ways = [Way(lemma="H0", claims=(
            Claim(text=words, expression=expression, relation="> 0", region=inside),
        ))]  # fmt: skip
        if relation == "not 0":
            words = f"the {what} is defined: {expression} < 0"
            ways.append(Way(lemma="H0", claims=(
                Claim(text=words, expression=-expression, relation="> 0", region=inside),
            )))  # fmt: skip
        yield Obligation(key=key, condition="H", ways=tuple(ways))


def list_texts(model: NeuronModel) -> tuple[tuple[str, tuple[sp.Expr, ...]], ...]:
    """The parts of a model."""
    return (
        ("dynamics", model.derivatives), ("input", tuple(e for _, j in model.jumps for e in j)),
        ("reset", tuple(r for r in model.reset if r.is_finite is not False)),
        ("threshold", () if model.spike.is_blowup else (model.spike.value,)),
    )  # fmt: skip


def find_singular(value: sp.Expr) -> Iterator[tuple[sp.Expr, str]]:
    """Parts that must be positive, or not 0, for an expression to be defined and smooth."""
    for part in sp.preorder_traversal(value):
        if isinstance(part, sp.Pow):
            base, exponent = part.as_base_exp()
            if base is sp.E or base.is_positive:
                continue
            if exponent.is_Integer:
                if exponent < 0:
                    yield base, "not 0"
            else:
                yield base, "> 0"
        elif isinstance(part, sp.log):
            if not part.args[0].is_positive:
                yield part.args[0], "> 0"
        elif isinstance(part, sp.tan):
            yield sp.cos(part.args[0]), "not 0"
        elif isinstance(part, sp.asin | sp.acos):
            yield 1 - part.args[0] ** 2, "> 0"
        elif isinstance(part, sp.Function) and not isinstance(part, ENTIRE):
            yield part, "unknown"


def list_smoothness(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """H1: branches of the field meet; nothing else has branches or absolute values."""
    for what, values in list_texts(model):
        for value in values:
            if what != "dynamics" and value.has(sp.Abs, sp.Piecewise):
                yield Obligation(
                    key=f"H1.{what}.{value}", condition="H",
                    text=f"the {what} {value} has a kink, of which no lemma speaks",
                )  # fmt: skip
    inside = cut_at_threshold(model, region)
    branches = sorted(
        {b for d in model.derivatives for b in d.atoms(sp.Piecewise)}, key=sp.default_sort_key
    )
    for number, branch in enumerate(branches):
        key = f"H1.branch.{number}"
        surface = find_surface(branch, model)
        if surface is None:
            yield Obligation(
                key=key, condition="H",
                text=f"the field has {branch}; only two branches at a condition that is linear in "
                "a state variable are covered",
            )  # fmt: skip
            continue
        gap = branch.args[0][0] - branch.args[1][0]
        yield ask_for(
            key, "H", "H1", f"the branches of {branch} meet where {surface.height} = 0",
            surface.put(gap), "= 0", inside,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Where a field has a kink.

    Attributes:
        part: The absolute value or the branches.
        height: What is 0 there.
        sides: ``part`` where the height is positive, and where it is negative.
        symbol: A symbol that the height is linear in.
        place: Its value on the surface.
    """

    part: sp.Expr
    height: sp.Expr
    sides: tuple[sp.Expr, sp.Expr]
    symbol: sp.Symbol
    place: sp.Expr

    def put(self, expression: sp.Expr) -> sp.Expr:
        """An expression on the surface."""
        return expression.subs(self.symbol, self.place)

    def is_kink_of(self, expression: sp.Expr) -> bool:
        """Whether an expression has another kink or step on this very surface.

        There it has no value to speak of: sympy's sign of 0 is 0.
        """
        inner = [
            part.lhs - part.rhs if isinstance(part, Relational) else part.args[0]
            for part in expression.atoms(sp.Abs, sp.sign, Relational)
        ]
        return any(sp.expand(self.put(i)) == 0 for i in inner)


def find_surface(part: sp.Expr, model: NeuronModel) -> Surface | None:
    """Where an absolute value or a pair of branches has its kink; None if it cannot be written."""
    if isinstance(part, sp.Abs):
        height = part.args[0]
        sides = (height, -height)
    elif len(part.args) == 2 and isinstance(part.args[0][1], Relational):
        condition = part.args[0][1]
        if condition.rel_op not in ("<", "<=", ">", ">="):
            return None
        height = condition.lhs - condition.rhs
        first, second = part.args[0][0], part.args[1][0]
        sides = (first, second) if condition.rel_op[0] == ">" else (second, first)
    else:
        return None
    if height.has(sp.Abs, sp.Piecewise):
        return None
    expanded = sp.expand(height)
    symbols = [*model.state, *(p.symbol for p in model.parameters)]
    for symbol in symbols:
        slope = expanded.diff(symbol)
        if slope != 0 and not slope.has(symbol) and (slope.is_positive or slope.is_negative):
            place = sp.expand(-expanded.subs(symbol, 0) / slope)
            return Surface(part=part, height=height, sides=sides, symbol=symbol, place=place)
    return None


def list_kinks(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """C6 by L8: what the flow does at every kink of the field."""
    inside = region  # V itself is put on the surface
    parts = sorted(
        {k for d in model.derivatives for k in d.atoms(sp.Abs, sp.Piecewise)},
        key=sp.default_sort_key,
    )
    for number, part in enumerate(parts):
        key = f"L8.{number}"
        surface = find_surface(part, model)
        if surface is None:
            yield Obligation(
                key=key, condition="C6", text=f"the field has a kink in {part} that is not linear "
                "in a variable with a factor of known sign",
            )  # fmt: skip
            continue
        yield Obligation(
            key=key, condition="C6", ways=tuple(list_kink_ways(model, surface, inside))
        )


def list_kink_ways(model: NeuronModel, surface: Surface, region: Region) -> Iterator[Way]:
    """K1: the derivatives of both sides agree. K2: the kink is crossed, or touched and left."""
    fields = [
        [d.xreplace({surface.part: side}) for d in model.derivatives] for side in surface.sides
    ]
    symbols = [*model.state, *(p.symbol for p in model.parameters)]
    where = f"where {surface.height} = 0"
    bends = [
        (first - second).diff(symbol)
        for first, second in zip(*fields, strict=True) for symbol in symbols
    ]  # fmt: skip
    if not any(map(surface.is_kink_of, bends)):
        yield Way(lemma="L8 (K1)", claims=tuple(
            Claim(text=f"both derivatives of the field agree {where}: {bend} = 0", expression=bend,
                  relation="= 0", region=region)
            for bend in dict.fromkeys(map(surface.put, bends))
        ))  # fmt: skip
    drift = follow(model, surface.height, model.derivatives)
    speed = surface.put(drift)
    for sign, words in ((1, "upwards"), (-1, "downwards")):
        yield Way(lemma="L8 (K2)", claims=(
            Claim(text=f"the flow crosses {surface.height} = 0 {words}: {sign * speed} > 0",
                  expression=sign * speed, relation="> 0", region=region),
        ))  # fmt: skip
    turns = [follow(model, follow(model, surface.height, f), f) for f in fields]
    if any(map(surface.is_kink_of, turns)):
        return
    yield Way(lemma="L8 (K2)", claims=tuple(
        Claim(text=f"the flow crosses {surface.height} = 0, or touches it at an instant only: "
              f"({speed})**2 + ({turn})**2 > 0", expression=speed**2 + turn**2, relation="> 0",
              region=region)
        for turn in dict.fromkeys(map(surface.put, turns))
    ))  # fmt: skip


def follow(model: NeuronModel, height: sp.Expr, field: Iterable[sp.Expr]) -> sp.Expr:
    """Derivative in time along a field."""
    return sum((height.diff(s) * f for s, f in zip(model.state, field, strict=True)), sp.S.Zero)
