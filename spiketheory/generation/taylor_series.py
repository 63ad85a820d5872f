"""Print the recurrences of Taylor coefficients, and expressions as generated Taylor code has them.

An expression becomes a chain of rows of a table (`spiketheory.runtime.taylor`). Sums and multiples
are written out; every product, quotient, power and function is a row of its own, used again
wherever the same subexpression occurs.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import sympy as sp

from spiketheory.errors import DerivationError
from spiketheory.generation.wrap import LINE_LENGTH, TAB
from spiketheory.language.functions import exp_dd
from spiketheory.language.printers import NumpyPrinter, is_negative
from spiketheory.language.symbols import state_symbol
from spiketheory.runtime.taylor import TAYLOR_EXPREL_NODES

PAIRS = {sp.sin: sp.cos, sp.cos: sp.sin, sp.sinh: sp.cosh, sp.cosh: sp.sinh}
"""Functions whose recurrences need one another."""

SLOPES = {sp.tan: 1, sp.tanh: -1}
"""Functions f with f' = 1 + f**2 or 1 - f**2."""


SignedText = tuple[bool, str]
"""A term of a sum: whether it is subtracted, and its text without the sign."""


class ExpressionPrinter(NumpyPrinter):
    """Prints expressions whose exponential does not overflow and whose r log r has its limit."""

    def _print_Function(self, expr: sp.Function) -> str:
        if isinstance(expr, sp.exp | sp.log):
            return f"taylor_{type(expr).__name__}({self._print(expr.args[0])})"
        return super()._print_Function(expr)


def print_expression(expression: sp.Basic) -> str:
    """Text of an expression; whole numbers are written as floats."""
    if expression.is_Integer:
        return f"{int(expression)}.0"
    text: str = ExpressionPrinter().doprint(expression)
    return text


def sign_sum(expression: sp.Expr) -> list[SignedText]:
    """The terms of a sum as text."""
    if not expression.is_Add:
        return [(False, print_expression(expression))]
    terms = [(is_negative(t), -t if is_negative(t) else t) for t in expression.as_ordered_terms()]
    return [(negative, print_operand(size)) for negative, size in terms]


def print_operand(term: sp.Expr) -> str:
    """Text of a term of a sum."""
    text: str = ExpressionPrinter().doprint(term)
    return f"({text})" if term.is_Add else text


def join_signs(terms: Sequence[SignedText]) -> list[str]:
    """Texts of terms with their signs, positive ones first; the sum is these and spaces."""
    ordered = sorted(terms, key=lambda term: term[0])
    texts = [f"{'-' if negative else '+'} {text}" for negative, text in ordered]
    negative, first = ordered[0]
    return [f"-{first}" if negative else first, *texts[1:]]


def lay_out_sum(
    opening: str, terms: Sequence[SignedText], indent: str, *, factor: str = ""
) -> str:  # fmt: skip
    """An assignment or a return of a sum, over lines if it is long, as ``ruff format`` would.

    Args:
        opening: Text before the sum.
        terms: Its terms.
        indent: Indentation of the line.
        factor: Name of a number that the sum is multiplied with.
    """
    texts = join_signs(terms)
    text = " ".join(texts)
    grouped = f"({text})" if factor and (len(terms) > 1 or terms[0][0]) else text
    product = f"{factor} * {grouped}" if factor else text
    line = f"{indent}{opening}{product}"
    inner = indent + TAB
    if len(line) <= LINE_LENGTH:
        return line
    if not factor and len(inner) + len(text) <= LINE_LENGTH:
        return f"{indent}{opening}(\n{inner}{text}\n{indent})"
    before = f"{factor} * (" if factor else "("
    if len(inner) + len(text) <= LINE_LENGTH:
        return f"{indent}{opening}{before}\n{inner}{text}\n{indent})"
    body = "\n".join(f"{inner}{t}" for t in texts)
    return f"{indent}{opening}{before}\n{body}\n{indent})"


class SeriesPrinter:
    """Writes the recurrences of one chart.

    Attributes:
        lines: What has been written; each computes coefficient m of a row.
        scalars: Constant factors, with the names of the variables that hold them.
        nodes: First row of what (exp(u) - 1)/u is made of, by its argument u.
        next_row: First row that is not in use.
    """

    def __init__(
        self,
        coordinates: Sequence[sp.Symbol],
        next_row: int,
        names: dict[str, str],
        number_names: Iterator[str],
    ) -> None:
        self.coordinates = tuple(coordinates)
        self.rows: dict[sp.Expr, int] = {c: i for i, c in enumerate(coordinates)}
        self.next_row = next_row
        self.names = names
        self.number_names = number_names
        self.lines: list[str] = []
        self.scalars: dict[sp.Expr, str] = {}
        self.nodes: dict[sp.Expr, int] = {}

    def new_row(self, expression: sp.Expr) -> int:
        """The row of an expression that has none yet."""
        self.rows[expression] = self.next_row
        self.next_row += 1
        return self.rows[expression]

    def call(self, name: str, *arguments: object) -> str:
        """Text of a call of a function of the table and m."""
        inner = ", ".join(map(str, arguments))
        return f"taylor_{name}({self.names['table']}, {inner}, {self.names['m']})"

    def read(self, row: int | str) -> str:
        """Text of coefficient m of a row."""
        return f"float({self.cell(row)})"

    def cell(self, row: int | str, column: str = "") -> str:
        """Text of an entry of the table; column m if none is given."""
        return f"{self.names['table']}[{row}, {column or self.names['m']}]"

    def write(self, row: int, *terms: SignedText) -> None:
        """Write the line that computes a row."""
        self.lines.append(lay_out_sum(f"{self.cell(row)} = ", terms, TAB * 2))

    def name_scalar(self, value: sp.Expr) -> str:
        """A variable for a factor that does not change along the solution; no name for a symbol."""
        if value.is_Symbol or value.is_Integer or value.is_Float:
            return print_expression(value)
        if value not in self.scalars:
            self.scalars[value] = next(self.number_names)
        return self.scalars[value]

    def list_terms(self, expression: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
        """Constant factors and rows' expressions (1 for none) that add up to an expression."""
        if not expression.has_free(*self.coordinates):
            return [(expression, sp.S.One)]
        constant, rest = expression.as_independent(*self.coordinates, as_Add=False)
        if not rest.is_Add:
            return [(constant, rest)]
        return [(constant * k, x) for term in rest.args for k, x in self.list_terms(term)]

    def sign_terms(self, expression: sp.Expr) -> list[SignedText]:
        """The terms of coefficient m of an expression."""
        return [self.scale(k, self.print_atom(x)) for k, x in self.list_terms(expression)]

    def scale(self, constant: sp.Expr, text: str) -> SignedText:
        """A multiple of what is given as text."""
        negative = is_negative(constant)
        size = -constant if negative else constant
        return negative, text if size == 1 else f"{self.name_scalar(size)} * {text}"

    def print_atom(self, part: sp.Expr) -> str:
        """Text of coefficient m of a row or of 1."""
        return self.names["unit"] if part == 1 else self.read(self.find_row(part))

    def find_row(self, expression: sp.Expr) -> int:
        """The row of an expression; written if there is none yet."""
        if expression in self.rows:
            return self.rows[expression]
        if expression.is_Add or not expression.has_free(*self.coordinates):
            terms = self.sign_terms(expression)
            self.write(self.new_row(expression), *terms)
        elif expression.is_Mul:
            self.write_product(expression)
        elif expression.is_Pow:
            self.write_power(expression)
        else:
            self.write_function(expression)
        return self.rows[expression]

    def write_product(self, expression: sp.Expr) -> None:
        """Write a product or a quotient."""
        constant, rest = expression.as_independent(*self.coordinates, as_Add=False)
        above, below = rest.as_numer_denom()
        if constant != 1:
            terms = self.sign_terms(expression)
            self.write(self.new_row(expression), *terms)
        elif below != 1:
            u, v = self.find_row(above), self.find_row(below)
            row = self.new_row(expression)
            self.write(row, (False, self.call("quotient_term", u, v, row)))
        else:
            *first, last = expression.as_ordered_factors()
            u, v = self.find_row(sp.Mul(*first)), self.find_row(last)
            self.write(self.new_row(expression), (False, self.call("convolve", u, v)))

    def write_power(self, expression: sp.Expr) -> None:
        """Write a power: of a whole number by products, of any other by its own recurrence."""
        base, exponent = expression.as_base_exp()
        if exponent.has_free(*self.coordinates):
            source = sp.exp(exponent * sp.log(base), evaluate=False)
            u = self.find_row(source)
            self.rows[expression] = u
        elif exponent.is_Integer and exponent > 1:
            half = exponent // 2
            u, v = self.find_row(base**half), self.find_row(base ** (exponent - half))
            self.write(self.new_row(expression), (False, self.call("convolve", u, v)))
        elif exponent.is_Integer:
            u, v = self.find_row(sp.S.One), self.find_row(base ** (-exponent))
            row = self.new_row(expression)
            self.write(row, (False, self.call("quotient_term", u, v, row)))
        else:
            u, row = self.find_row(base), self.new_row(expression)
            inner = f"{u}, {row}, {self.names['m']}, {self.name_scalar(exponent)}"
            self.write(row, (False, f"taylor_power_term({self.names['table']}, {inner})"))

    def write_function(self, expression: sp.Expr) -> None:
        """Write an elementary function, with the one that its recurrence needs."""
        kind, name = type(expression), type(expression).__name__
        if kind in (sp.exp, sp.log):
            u, row = self.find_row(expression.args[0]), self.new_row(expression)
            self.write(row, (False, self.call(f"{name}_term", u, row)))
        elif kind in PAIRS:
            u, row = self.find_row(expression.args[0]), self.new_row(expression)
            twin = self.new_row(PAIRS[kind](expression.args[0]))
            self.write(row, (False, self.call(f"{name}_term", u, twin)))
            self.write(twin, (False, self.call(f"{PAIRS[kind].__name__}_term", u, row)))
        elif kind in SLOPES:
            u, row = self.find_row(expression.args[0]), self.new_row(expression)
            slope = self.new_row(1 + SLOPES[kind] * expression**2)
            self.write(row, (False, self.call(f"{name}_term", u, slope)))
            square = (SLOPES[kind] < 0, self.call("convolve", row, row))
            self.write(slope, (False, self.names["unit"]), square)
        elif kind is exp_dd and len(set(expression.args)) == 2 and expression.args.count(0) == 1:
            self.write_exprel(expression)
        else:
            raise DerivationError(
                f"Expected functions with a Taylor recurrence but got {expression}; use exp, log, "
                "sqrt, sin, cos, tan, sinh, cosh, tanh and powers."
            )

    def write_exprel(self, expression: sp.Expr) -> None:
        """Write (exp(u) - 1)/u or its derivative by u, which share the rows of their nodes."""
        argument = expression.args[-1]
        value = exp_dd(0, argument)
        if expression != value:
            row = self.find_row(value)
            u, first, slope = self.rows[argument], self.nodes[argument], self.new_row(expression)
            self.write(slope, (False, self.call("exprel_slope_term", u, first, row, slope)))
            return
        u, first = self.find_row(argument), self.next_row
        self.nodes[argument] = first
        self.next_row += len(TAYLOR_EXPREL_NODES)
        self.lines.append(TAB * 2 + self.call("exprel_nodes", u, first))
        row = self.new_row(value)
        self.write(row, (False, self.call("exprel_term", u, first, row)))

    def print_scalars(self) -> list[str]:
        """Lines that compute the constant factors."""
        return [
            lay_out_sum(f"{name} = ", sign_sum(value), TAB) for value, name in self.scalars.items()
        ]

    def take_lines(self) -> list[str]:
        """What has been written since the last call."""
        lines, self.lines = self.lines, []
        return lines


def number_names(stem: str, taken: set[str]) -> Iterator[str]:
    """Names that are not taken: the stem and a number."""
    return (name for i in count() if (name := f"{stem}{i}") not in taken)


def eliminate_common(
    results: Sequence[sp.Expr], taken: set[str], indent: str
) -> tuple[list[str], list[sp.Expr]]:
    """Lines of common subexpressions, and the expressions that are left."""
    names = map(state_symbol, number_names("t", taken))
    pairs, left = sp.cse(list(results), symbols=names, order="canonical")
    lines = [lay_out_sum(f"{s.name} = ", sign_sum(value), indent) for s, value in pairs]
    return lines, list(left)
