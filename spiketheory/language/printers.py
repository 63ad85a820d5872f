"""Expression text: one printer for NumPy arrays, NumPy scalars and Numba, and one for people.

The text is laid out as ``ruff format`` would: spaces around operators, none in ``x**3``, and no
parentheses that precedence makes unnecessary.
"""

import re
from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.pycode import PythonCodePrinter

from spiketheory.language.functions import GENERATED, LIBRARY

FUNCTIONS = {
    "Abs": "np.abs",
    "acos": "np.arccos",
    "acosh": "np.arccosh",
    "asin": "np.arcsin",
    "asinh": "np.arcsinh",
    "atan": "np.arctan",
    "atan2": "np.arctan2",
    "atanh": "np.arctanh",
    "cos": "np.cos",
    "cosh": "np.cosh",
    "exp": "np.exp",
    "log": "np.log",
    "log1p": "np.log1p",
    "sin": "np.sin",
    "sinh": "np.sinh",
    "tan": "np.tan",
    "tanh": "np.tanh",
}
LARGEST_DYADIC = 1024
CODE_NAMES = frozenset({*LIBRARY, *GENERATED, "float", "heights", "max", "min", "np", "range"})
"""Names that generated functions use for something else than the symbols of a model.

So are ``branch_1``, ``branch_2``, ... The names of their other variables are picked apart from the
model's (`spiketheory.language.symbols.pick_name`).
"""


def name_in_code(name: str) -> str:
    """What the symbol of a name is called in generated code: the same, or with an underscore.

    Names that differ stay different: all with underscores behind a name of `CODE_NAMES` get one.
    """
    stem = name.rstrip("_")
    is_taken = stem in CODE_NAMES or re.fullmatch(r"branch_\d+", stem)
    return f"{name}_" if is_taken else name


class NumpyPrinter(PythonCodePrinter):
    """Prints expressions with ``np.`` functions, which take arrays and, under Numba, scalars."""

    square_root = "np.sqrt"
    infinity = "np.inf"
    maximum, minimum = "np.maximum", "np.minimum"

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "strict": True})

    def _print(self, expr: sp.Basic, **settings: Any) -> str:
        # Past the base class's own methods for functions, which would name the module math.
        if isinstance(expr, sp.Function) and not isinstance(expr, sp.Piecewise):
            return self._print_Function(expr)
        text: str = super()._print(expr, **settings)
        return text

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return name_in_code(expr.name)

    def _print_Function(self, expr: sp.Function) -> str:
        name = type(expr).__name__
        if name == "exp_dd":
            return f"exp_dd({self._print_Tuple(expr)})"
        arguments = ", ".join(self._print(a) for a in expr.args)
        if name == "softplus":
            return f"np.logaddexp(0.0, {arguments})"
        if name in ("first_zero", "first_zero_above", "first_peak"):
            return f"{name}(heights, {arguments})"
        if name in LIBRARY or name in GENERATED:
            return f"{name}({arguments})"
        if name not in FUNCTIONS:
            raise NotImplementedError(f"no NumPy text for the function {name}")
        return f"{FUNCTIONS[name]}({arguments})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        *cases, (last, _) = expr.args
        text: str = self._print(last)
        for value, condition in reversed(cases):
            text = f"{self._print(value)} if {self._print(condition)} else {text}"
        return f"({text})"

    def _print_ITE(self, expr: sp.ITE) -> str:
        condition, then, otherwise = map(self._print, expr.args)
        return f"({then} if {condition} else {otherwise})"

    def _print_Tuple(self, expr: sp.Tuple) -> str:
        # Numba wants the entries of one type.
        inside = ", ".join(f"{e}.0" if e.is_Integer else self._print(e) for e in expr.args)
        return f"({inside},)" if len(expr.args) == 1 else f"({inside})"

    def _print_Max(self, expr: sp.Max) -> str:
        return self.print_pairs(self.maximum, expr)

    def _print_Min(self, expr: sp.Min) -> str:
        return self.print_pairs(self.minimum, expr)

    def print_pairs(self, name: str, expr: sp.Expr) -> str:
        """Text of a function of any number of arguments by one of two."""
        text, *others = map(self._print, sorted(expr.args, key=sp.default_sort_key))
        for other in others:
            text = f"{name}({text}, {other})"
        return text

    def _print_Add(self, expr: sp.Add, order: str | None = None) -> str:
        # Positive terms first, so that the text does not begin with a minus for no reason.
        terms = sorted(expr.as_ordered_terms(), key=is_negative)
        text: str = self._print(terms[0])
        for term in terms[1:]:
            sign, size = ("-", -term) if is_negative(term) else ("+", term)
            text += (
                f" {sign} {self.parenthesize_factor(size) if size.is_Add else self._print(size)}"
            )
        return text

    def _print_Mul(self, expr: sp.Mul) -> str:
        sign, numerator, denominator = split_product(expr)
        above = " * ".join(map(self.parenthesize_factor, numerator)) or "1"
        if not denominator:
            return f"{sign}{above}"
        below = " * ".join(map(self.parenthesize_factor, denominator))
        compound = len(denominator) > 1 or self.is_unrolled(denominator[0])
        return f"{sign}{above} / {f'({below})' if compound else below}"

    def is_unrolled(self, factor: sp.Expr) -> bool:
        """Whether a factor is the square of a symbol, written as a product."""
        return bool(factor.is_Pow and factor.exp == 2 and factor.base.is_Symbol)

    def parenthesize_factor(self, factor: sp.Expr) -> str:
        """Text of a factor of a product."""
        text: str = self._print(factor)
        return f"({text})" if precedence(factor) < PRECEDENCE["Mul"] else text

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if is_reciprocal(expr):
            return self._print_Mul(expr)
        if exponent == sp.S.Half:
            return f"{self.square_root}({self._print(base)})"
        if self.is_unrolled(expr):
            return f"{self._print(base)} * {self._print(base)}"
        left, right = (self.parenthesize_operand(e) for e in (base, exponent))
        simple = all(
            e.is_Symbol or (e.is_Number and "(" not in t)
            for e, t in ((base, left), (exponent, right))
        )
        return f"{left}**{right}" if simple else f"{left} ** {right}"

    def parenthesize_operand(self, operand: sp.Expr) -> str:
        """Text of a base or an exponent."""
        text: str = self._print(operand)
        atomic = operand.is_Symbol or operand.is_Function or text.replace(".", "", 1).isdigit()
        return text if atomic else f"({text})"

    def _print_Rational(self, expr: sp.Rational) -> str:
        if expr.q & (expr.q - 1) == 0 and expr.q <= LARGEST_DYADIC:
            return repr(float(expr))
        return f"{expr.p} / {expr.q}"

    _print_Half = _print_Rational

    def _print_Or(self, expr: sp.Or) -> str:
        return " | ".join(f"({self._print(a)})" for a in sorted_relations(expr))

    def _print_And(self, expr: sp.And) -> str:
        return " & ".join(f"({self._print(a)})" for a in sorted_relations(expr))

    def _print_Relational(self, expr: sp.Rel) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_Infinity(self, expr: sp.Expr) -> str:
        return self.infinity

    def _print_NegativeInfinity(self, expr: sp.Expr) -> str:
        return f"-{self.infinity}"

    def _print_Pi(self, expr: sp.Expr) -> str:
        return "np.pi"

    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "np.e"


class ScalarPrinter(NumpyPrinter):
    """Prints conditions for scalars: a later part is evaluated only if the earlier ones hold."""

    def _print_Or(self, expr: sp.Or) -> str:
        return " or ".join(f"({self._print(a)})" if a.func is sp.And else self._print(a)
                           for a in sorted_relations(expr))  # fmt: skip

    def _print_And(self, expr: sp.And) -> str:
        return " and ".join(f"({self._print(a)})" if a.func is sp.Or else self._print(a)
                            for a in order_parts(expr))  # fmt: skip


class PlainPrinter(NumpyPrinter):
    """Prints formulas for docstrings: the same layout, ordinary names of functions."""

    square_root = "sqrt"
    infinity = "inf"
    maximum, minimum = "max", "min"

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        name: str = expr.name
        return name

    def is_unrolled(self, factor: sp.Expr) -> bool:
        """Whether a factor is the square of a symbol, written as a product: never."""
        return False

    def _print_Function(self, expr: sp.Function) -> str:
        name = "abs" if isinstance(expr, sp.Abs) else type(expr).__name__
        return f"{name}({', '.join(self._print(a) for a in expr.args)})"

    def _print_Equality(self, expr: sp.Eq) -> str:
        return f"{self._print(expr.lhs)} = {self._print(expr.rhs)}"

    def _print_Rational(self, expr: sp.Rational) -> str:
        return f"{expr.p}/{expr.q}"

    _print_Half = _print_Rational

    def _print_Or(self, expr: sp.Or) -> str:
        return " or ".join(map(self._print, sorted_relations(expr)))

    def _print_And(self, expr: sp.And) -> str:
        parts = ((self._print(a), a.func is sp.Or) for a in sorted_relations(expr))
        return " and ".join(f"({text})" if is_or else text for text, is_or in parts)

    def _print_BooleanTrue(self, expr: sp.Basic) -> str:
        return "otherwise"

    def _print_Pi(self, expr: sp.Expr) -> str:
        return "pi"

    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "e"


def is_negative(term: sp.Expr) -> bool:
    """Whether a term of a sum is written with a minus sign."""
    return bool(term.could_extract_minus_sign()) and not term.is_Add


def is_reciprocal(factor: sp.Expr) -> bool:
    """Whether a factor belongs below the line."""
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative)


def split_product(expr: sp.Expr) -> tuple[str, list[sp.Expr], list[sp.Expr]]:
    """Sign, numerator and denominator; whole numbers first, no factor of one."""
    sign = ""
    numerator: list[sp.Expr] = []
    denominator: list[sp.Expr] = []
    for factor in expr.as_ordered_factors():
        if factor.is_Rational:
            sign = {"": "-", "-": ""}[sign] if factor < 0 else sign
            numerator += [sp.Integer(abs(factor.p))] if abs(factor.p) != 1 else []
            denominator += [sp.Integer(factor.q)] if factor.q != 1 else []
        elif is_reciprocal(factor):
            denominator.append(1 / factor)
        else:
            numerator.append(factor)
    return sign, numerator, denominator


def sorted_relations(expr: sp.Basic) -> list[sp.Basic]:
    """The arguments of And and Or, in an order that does not depend on hashes."""
    return sorted(expr.args, key=sp.default_sort_key)


def order_parts(condition: sp.And) -> list[sp.Basic]:
    """The parts of a conjunction: plain comparisons before functions that assume they hold."""
    return sorted(
        condition.args,
        key=lambda part: (bool(part.atoms(sp.log, sp.Pow)), sp.default_sort_key(part)),
    )


def make_printer(printer: Callable[[], NumpyPrinter]) -> Callable[[sp.Basic], str]:
    """Return the function that prints with a fresh printer."""

    def print_expression(expression: sp.Basic) -> str:
        text: str = printer().doprint(expression)
        return text

    return print_expression


print_numpy = make_printer(NumpyPrinter)
print_scalar = make_printer(ScalarPrinter)
print_plain = make_printer(PlainPrinter)
