"""Whether an expression vanishes for all values of its symbols, by algebra alone.

Exponentials, circular and Bessel functions become rational functions of independent generators;
what is left is the numerator, a polynomial, and a polynomial is zero or it is not.
"""

import sympy as sp
from sympy.polys.rings import PolyElement, ring

from spiketheory.language.functions import exp_dd, lambert_w, log1p
from spiketheory.language.symbols import DURATION


def vanishes(expression: sp.Expr) -> bool:
    """Whether ``expression`` is zero, by what is known of its functions here."""
    numerator = find_numerator(expression)
    if Polynomials(numerator).is_zero:
        return True
    return numerator.has(sp.I) and bool(sp.expand(numerator) == 0)


class Polynomials:
    """An expression as a polynomial of independent generators, which is zero or is not.

    The same as to multiply out, by dictionaries of exponents in the place of expressions. A
    generator is whatever is no sum, product or whole power; a root, whose powers are reduced.
    """

    def __init__(self, expression: sp.Expr) -> None:
        inner = {g: sp.expand(g) for g in find_generators(expression) if g.args}
        self.expression = expression.xreplace(inner)  # what is the same is written alike then
        generators = close_generators(self.expression)
        self.ring, *elements = ring(generators or [sp.Dummy()], sp.QQ)
        self.elements = dict(zip(generators, elements, strict=False))

    @property
    def is_zero(self) -> bool:
        """Whether the expression is zero."""
        found = self.convert(self.expression)
        roots = [(n, *find_relation(g)) for n, g in enumerate(self.elements)]
        while found:
            high = [(n, q, base) for n, q, base in roots if q and any(m[n] >= q for m in found)]
            if not high:
                return False
            for one in high:
                found = self.reduce(found, *one)
        return True

    def convert(self, part: sp.Expr) -> PolyElement:
        """A part of the expression."""
        if part in self.elements:
            return self.elements[part]
        if part.is_Rational:
            return self.ring(sp.QQ(part.p, part.q))
        if part.is_Pow and part.exp.is_Integer:
            return self.convert(part.base) ** int(part.exp)
        if part.is_Pow:
            return self.elements[find_root(part)] ** int(part.exp.p)
        total = self.ring(0 if part.is_Add else 1)
        for inner in map(self.convert, part.args):
            total = total + inner if part.is_Add else total * inner
        return total

    def reduce(self, found: PolyElement, number: int, q: int, base: sp.Expr) -> PolyElement:
        """Put ``base`` for the q-th power of a generator; times a power of its denominator."""
        above, below = map(self.convert, split(base))
        parts: dict[int, PolyElement] = {}
        for monomial, coefficient in found.items():
            whole, rest = divmod(monomial[number], q)
            left = (*monomial[:number], rest, *monomial[number + 1 :])
            parts.setdefault(whole, self.ring.zero)[left] = coefficient
        most = max(parts)
        terms = (part * above**k * below ** (most - k) for k, part in parts.items())
        return sum(terms, self.ring.zero)


def is_root(expression: sp.Expr) -> bool:
    """Whether it is a power with a positive broken exponent."""
    power = expression.exp if expression.is_Pow else sp.S.One
    return bool(power.is_Rational and not power.is_Integer and power > 0)


def find_relation(generator: sp.Expr) -> tuple[int, sp.Expr]:
    """A power of a generator, and what it equals without it; 0 if no power does."""
    if is_root(generator):
        return int(generator.exp.q), generator.base
    if isinstance(generator, sp.Abs) and generator.args[0].is_real:
        return 2, generator.args[0] ** 2
    return 0, generator


def find_root(power: sp.Pow) -> sp.Pow:
    """The root of which a power with a broken exponent is a whole power."""
    return sp.Pow(power.base, sp.Rational(1, power.exp.q), evaluate=False)


def split(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Numerator and denominator."""
    above, below = sp.fraction(sp.together(expression))
    return above, below


def close_generators(expression: sp.Expr) -> list[sp.Expr]:
    """Generators of an expression, and of what its roots are roots of."""
    found: set[sp.Expr] = set()
    left = [expression]
    while left:
        new = find_generators(left.pop()) - found
        found |= new
        bases = [base for power, base in map(find_relation, new) if power]
        left += [part for base in bases for part in split(base)]
    return sorted(found, key=sp.default_sort_key)


def find_generators(expression: sp.Expr) -> set[sp.Expr]:
    """What is taken for independent, but that powers of roots may be reduced."""
    if expression.is_Rational:
        return set()
    if expression.is_Add or expression.is_Mul:
        return set().union(*map(find_generators, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return find_generators(expression.base)
    return {find_root(expression) if is_root(expression) else expression}


def find_numerator(expression: sp.Expr) -> sp.Expr:
    """Return the numerator of ``expression``, written with independent generators.

    Exponentials and hyperbolic functions of one argument become powers of one symbol; cosine and
    sine become rational functions of the tangent of half the angle.
    """
    expression = expand_differences(expression)
    if expression.has(log1p):
        expression = expression.replace(log1p, lambda z: sp.log(1 + z))
    if expression.has(sp.besselj, sp.besseli):
        expression = reduce_bessel(expression)
    if expression.has(sp.sinh, sp.cosh, sp.tanh):
        expression = expression.rewrite([sp.sinh, sp.cosh, sp.tanh], sp.exp)
    if expression.has(sp.cos, sp.sin):
        expression = expand_arguments(expression, (sp.cos, sp.sin)).expand(
            trig=True, mul=False, multinomial=False, power_base=False
        )  # fmt: skip
        expression = expression.xreplace(rationalise_circle(expression))
    if expression.has(sp.exp):
        expression = expand_arguments(expression, (sp.exp,)).expand(
            power_exp=True, mul=False, multinomial=False, power_base=False
        )  # fmt: skip
        if expression.has(lambert_w):
            expression = expression.replace(
                lambda e: isinstance(e, sp.exp) and isinstance(e.args[0], lambert_w),
                lambda e: e.args[0].args[0] / e.args[0],
            )
        expression = expression.xreplace(name_exponentials(expression))
    return sp.fraction(sp.together(expression))[0]


def expand_differences(expression: sp.Expr) -> sp.Expr:
    """Write divided differences of exp with exp itself."""
    return expression.replace(
        lambda e: isinstance(e, exp_dd), lambda e: e._eval_rewrite_as_exp(*e.args)
    )


def expand_arguments(expression: sp.Expr, functions: tuple[type[sp.Function], ...]) -> sp.Expr:
    """Multiply out the arguments of ``functions``."""
    return expression.replace(
        lambda e: isinstance(e, functions), lambda e: e.func(sp.expand(e.args[0]))
    )


def rationalise_circle(expression: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Write cosine and sine of every angle with the tangent of half of it."""
    named: dict[sp.Expr, sp.Expr] = {}
    for angle in sorted({value.args[0] for value in expression.atoms(sp.cos, sp.sin)}, key=str):
        half = sp.Dummy(f"tan_half_{angle}", real=True)
        named[sp.cos(angle)] = (1 - half**2) / (1 + half**2)
        named[sp.sin(angle)] = 2 * half / (1 + half**2)
    return named


def name_exponentials(expression: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Replace exponentials by powers of one symbol per group of commensurable exponents."""
    groups: dict[sp.Expr, list[tuple[sp.Rational, sp.Expr]]] = {}
    for value in sorted(expression.atoms(sp.exp), key=str):
        number, rest = value.args[0].as_coeff_Mul(rational=True)
        groups.setdefault(rest, []).append((number, value))
    named: dict[sp.Expr, sp.Expr] = {}
    for rest, members in groups.items():
        unit = sp.gcd_list([number for number, _ in members])
        generator = sp.Dummy(f"exp_{rest}", positive=True)
        named |= {value: generator ** (number / unit) for number, value in members}
    return named


def reduce_bessel(expression: sp.Expr) -> sp.Expr:
    """Write Bessel functions of orders nu + k and -nu + k of one argument with three of them.

    By the recurrence in the order and the Wronskian of nu and -nu (Abramowitz & Stegun 9.1.27,
    9.1.15, 9.6.26, 9.6.14); the three are left as symbols, for a non-integer nu they are
    independent.
    """
    values = sorted(expression.atoms(sp.besselj, sp.besseli), key=str)
    bases = {abs_order(v.args[0]) for v in values}
    if len(bases) != 1:
        return expression
    (nu,) = bases
    named: dict[sp.Expr, sp.Expr] = {}
    for kind, argument in {(v.func, v.args[1]) for v in values}:
        if not argument.has(DURATION):  # constants of integration: any numbers will do
            named |= {v: sp.Dummy("c") for v in values if v.args[1] == argument}
            continue
        sign = 1 if kind is sp.besselj else -1
        first, second, third = (sp.Dummy(f"bessel{k}") for k in range(3))
        below = 2 * nu / argument * first - sign * second
        fourth = (
            2 * sp.sin(sp.pi * nu) / (sp.pi * argument) - below * third
            if sign > 0
            else below * third - 2 * sp.sin(sp.pi * nu) / (sp.pi * argument)
        ) / first
        for value in values:
            if (value.func, value.args[1]) == (kind, argument):
                start = (first, second, third, fourth)
                named[value] = recur(value.args[0], nu, argument, sign, start)
    return expression.xreplace(named)


def abs_order(order: sp.Expr) -> sp.Expr:
    """The nu of an order nu + k or -nu + k."""
    rest = order.as_coeff_Add()[1]
    return -rest if rest.could_extract_minus_sign() else rest


def recur(
    order: sp.Expr, nu: sp.Expr, argument: sp.Expr, sign: int, start: tuple[sp.Expr, ...]
) -> sp.Expr:
    """A Bessel function by the recurrence from the orders nu, nu + 1, -nu, -nu + 1."""
    negative = order.as_coeff_Add()[1] != nu
    base = -nu if negative else nu
    low, high = start[2:] if negative else start[:2]
    k = int(order - base)
    place = 0
    while k < place:
        low, high = 2 * (base + place) / argument * low - sign * high, low
        place -= 1
    while k > place:
        low, high = high, sign * (2 * (base + place + 1) / argument * high - low)
        place += 1
    return low
