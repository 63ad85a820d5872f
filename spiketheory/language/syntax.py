"""Mathematical text -> sympy expressions, through a whitelist.

Text from users is read through Python's `ast` with a whitelist of nodes, names and functions, and
rebuilt as sympy expressions piece by piece; it is never evaluated. Limits on length, nesting and
the size of numbers keep a hostile text from taking long.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import sympy as sp

from spiketheory.errors import ParseError
from spiketheory.language import symbols
from spiketheory.language.model import (
    conjuncts,
    join_relations,
    make_relation,
    suggest,
)

MAX_TEXT_LENGTH = 2_000

"""Characters in one expression or statement; a whole model file may have 50 times as many."""

MAX_DEPTH = 32

"""Nesting of parentheses, calls and powers."""

MAX_EXPONENT = 100

MAX_NUMBER_LENGTH = 40

MAX_BITS = 4_096

"""Bits of any numerator or denominator in a power."""

MAX_EXP_ARGUMENT = 700

"""Numbers under exp, sinh and cosh; more overflows float64."""

_FUNCTIONS: dict[str, Callable[..., sp.Expr]] = {
    name: sp.Abs if name == "abs" else getattr(sp, name) for name in symbols.FUNCTION_NAMES
}

_OTHER_NAMES = {"ln": "log", "arctan": "atan", "arcsin": "asin", "arccos": "acos", "fabs": "abs"}

_CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi, "oo": sp.oo}

_BINARY: dict[type[ast.operator], Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
}  # fmt: skip

_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")

_DESCRIPTIONS: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute (a dot behind a name)",
    ast.BoolOp: "'and' or 'or'",
    ast.Compare: "a comparison",
    ast.Lambda: "a lambda",
    ast.Subscript: "an index in brackets",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Tuple: "a comma",
    ast.NamedExpr: "an assignment (:=)",
    ast.JoinedStr: "a string",
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """A piece of a user's line, and where it stands.

    Attributes:
        line: The whole line, for the excerpt under an error message.
        start: Index in the line where the piece starts.
        stop: Index in the line where the piece ends.
        where: What the line belongs to, such as "equations".
        number: Number of the line there, from 1.
    """

    line: str
    start: int
    stop: int
    where: str
    number: int = 1

    @property
    def piece(self) -> str:
        """The text of the piece itself."""
        return self.line[self.start : self.stop]

    def within(self, start: int, stop: int) -> "Text":
        """Return the part of the same line from ``start`` to ``stop``, without outer blanks."""
        piece = self.line[start:stop]
        start += len(piece) - len(piece.lstrip())
        stop = start + len(piece.strip())
        return Text(line=self.line, start=start, stop=stop, where=self.where, number=self.number)

    def fail(self, expected: str, got: str, remedy: str, *, at: int = 0) -> NoReturn:
        """Raise `ParseError` pointing at the character ``at`` of the piece."""
        column = min(self.start + at, len(self.line))
        first = max(0, column - 60)
        excerpt = "".join(c if c.isprintable() else " " for c in self.line[first : column + 40])
        raise ParseError(
            f"Expected {expected} but got {got} in {self.where}, line {self.number}, "
            f"column {column + 1}:\n    {excerpt}\n    {' ' * (column - first)}^\n{remedy}"
        )


def parse_expression(text: str, names: Mapping[str, sp.Expr], *, where: str) -> sp.Expr:
    """Read an arithmetic expression.

    Integers and decimals are exact: 0.5 is 1/2. ``a if V > 0 else b`` is a piecewise expression.
    The whole expression, but no part of one, may be oo or -oo.

    Args:
        text: One line, such as ``(V*(V - 1) + I)/tau_m``.
        names: What each name stands for.
        where: What the text is, for error messages, such as "equations".

    Returns:
        The expression.

    Raises:
        ParseError: If the text is not such an expression; the message points at the place.
    """
    return read_expression(make_line(text, where), names)


def parse_relation(
    text: str, names: Mapping[str, sp.Expr], *, where: str, equalities: bool = False
) -> sp.Basic:
    """Read a relation: ``tau > 0``, ``0 < x < 1``, ``abs(w) <= 5``, ``x > 0 and y > x``, ``real``.

    Args:
        text: One line. ``real`` says nothing, since every number is real.
        names: What each name stands for.
        where: What the text is, for error messages.
        equalities: Whether ``tau_m = 2*tau_s`` is one, also written with ``==``.

    Returns:
        An unevaluated relation, several joined by `sympy.And`, or `sympy.true` for ``real``.

    Raises:
        ParseError: If the text is no such relation; the message points at the place.
    """
    check_kind(text, str, "text", where)
    source = make_line(_EQUALS.sub("==", text) if equalities else text, where)
    if source.piece == "real":
        return sp.true
    return Reader(source, names, equalities=equalities).read_relation(_parse_tree(source))


def cut_text(text: str) -> str:
    """Shorten a text for an error message."""
    return text if len(text) <= 60 else text[:57] + "..."


def check_kind(value: object, kind: type, expected: str, what: str) -> None:
    """Refuse a value of another kind, as TOML may hold one."""
    if not isinstance(value, kind):
        example = 'reset = "V = -oo"' if kind is str else "rest = {V = 0}"
        raise ParseError(
            f"Expected {expected} for {what} but got {cut_text(type(value).__name__)}; "
            f"write for example {example} (see docs/formats.md)."
        )


def make_line(text: str, where: str) -> Text:
    """Check that ``text`` is one line of plain characters and not too long."""
    check_kind(text, str, "text", where)
    lines = text.strip().splitlines() or [""]
    if len(lines) > 1:
        raise ParseError(
            f"Expected one line but got {len(lines)} in {where}; join them, or use parentheses."
        )
    line = Text(line=lines[0], start=0, stop=len(lines[0]), where=where)
    check_characters(line)
    return line


def check_characters(text: Text) -> None:
    """Refuse what is too long, or has characters that mathematics does not need."""
    if len(text.piece) > MAX_TEXT_LENGTH:
        text.fail(
            f"at most {MAX_TEXT_LENGTH} characters",
            f"{len(text.piece)}",
            "Give parts of it names of their own, as parameters.",
            at=MAX_TEXT_LENGTH,
        )
    for at, character in enumerate(text.piece):
        if not (character.isascii() and character.isprintable()) and character != "\t":
            text.fail(
                "letters, digits and operators of ASCII",
                f"{character!r} (U+{ord(character):04X})",
                "Spell Greek letters (tau) and write -, *, / and ** for operators.",
                at=at,
            )


def read_expression(text: Text, names: Mapping[str, sp.Expr]) -> sp.Expr:
    """Read a piece of a line as an expression of ``names``."""
    reader = Reader(text, names)
    tree = _parse_tree(text)
    expression = reader.read(tree)
    if expression.has(sp.oo, -sp.oo) and expression not in (sp.oo, -sp.oo):
        reader.fail(tree, "a finite expression", "oo inside one", "Use oo or -oo only by itself.")
    return expression


def _parse_tree(text: Text) -> ast.expr:
    """Let Python read the syntax, and only that."""
    if not text.piece:
        text.fail("an expression", "nothing", "Write one, such as (V - 1)/tau.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on odd literals is not for our users
            return ast.parse(text.piece, mode="eval").body
    except SyntaxError as err:
        at = err.offset - 1 if err.offset else len(text.piece)
        remedy = "Write products with *, powers with **, and close every parenthesis."
        text.fail("an expression", f"a syntax error ({err.msg})", remedy, at=at)
    except (ValueError, RecursionError, MemoryError):
        text.fail("an expression", "one too deeply nested", "Write it with fewer parentheses.")


def _count_bits(number: sp.Rational) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())


class Reader:
    """Translates one syntax tree, node by node; whatever is not listed here is refused."""

    def __init__(
        self, text: Text, names: Mapping[str, sp.Expr], *, equalities: bool = False
    ) -> None:
        self.text = text
        self.names = names
        self.equalities = equalities

    def fail(self, node: ast.AST, expected: str, got: str, remedy: str) -> NoReturn:
        """Raise `ParseError` pointing at ``node``."""
        self.text.fail(expected, got, remedy, at=getattr(node, "col_offset", 0))

    def read(self, node: ast.expr, depth: int = 0) -> sp.Expr:
        """Return the expression of ``node``."""
        if depth > MAX_DEPTH:
            self.fail(
                node,
                f"at most {MAX_DEPTH} levels of nesting",
                "more",
                "Write it with fewer parentheses.",
            )
        match node:
            case ast.Constant():
                return self.read_number(node)
            case ast.Name():
                return self.read_name(node)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
                operand = self.read(node.operand, depth + 1)
                return -operand if isinstance(node.op, ast.USub) else operand
            case ast.BinOp():
                return self.read_operation(node, depth)
            case ast.Call():
                return self.read_call(node, depth)
            case ast.IfExp():
                return self.read_choice(node, depth)
        got = _DESCRIPTIONS.get(type(node), f"Python's {type(node).__name__}")
        self.fail(
            node, "an arithmetic expression", got, "Use numbers, names, + - * / ** and calls."
        )

    def read_number(self, node: ast.Constant) -> sp.Expr:
        """Return an exact number: the decimal that was written, not its binary neighbour."""
        literal = self.text.piece[node.col_offset : node.end_col_offset].replace("_", "")
        if type(node.value) not in (int, float):
            kind = {str: "a string", bytes: "a string", complex: "an imaginary number"}
            got = kind.get(type(node.value), cut_text(literal))
            self.fail(node, "a number", got, "Use real numbers such as 2, 0.5 or 1e-3.")
        exponent = re.search(r"[eE]([+-]?\d+)$", literal)
        if len(literal) > MAX_NUMBER_LENGTH or (exponent and abs(int(exponent[1])) > 300):
            self.fail(
                node,
                f"a number of at most {MAX_NUMBER_LENGTH} digits between 1e-300 and 1e300",
                cut_text(literal),
                "Choose units in which the numbers are moderate.",
            )
        return sp.Integer(node.value) if isinstance(node.value, int) else sp.Rational(literal)

    def read_name(self, node: ast.Name) -> sp.Expr:
        """Return what a name stands for."""
        name = node.id
        if name in self.names:
            return self.names[name]
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "t":
            self.fail(
                node,
                "an expression without time",
                "'t'",
                "Dynamics must not depend on time explicitly; add a state variable that follows "
                "an equation of its own, or send inputs.",
            )
        known = f"Known names: {', '.join(sorted(self.names, key=str.lower)) or 'none'}. "
        advice = "Define it under [parameters] or correct the spelling"
        if name == "w":
            advice = "The weight w of an input has a meaning only under input and assumptions"
        elif name in _FUNCTIONS:
            advice = f"A function needs an argument: {name}(...)"
        advice += f"{suggest(name, self.names)}."
        self.fail(node, "a known name", repr(cut_text(name)), known + advice)

    def read_operation(self, node: ast.BinOp, depth: int) -> sp.Expr:
        """Return a binary operation; long sums are a loop, so that only nesting counts."""
        chain = [node]
        while isinstance(chain[-1].left, ast.BinOp) and not isinstance(chain[-1].op, ast.Pow):
            chain.append(chain[-1].left)
        result = self.read(chain[-1].left, depth + 1)
        for step in reversed(chain):
            if type(step.op) not in _BINARY:
                hat = isinstance(step.op, ast.BitXor)
                self.text.fail(
                    "one of the operators + - * / **",
                    "'^'" if hat else f"Python's {type(step.op).__name__}",
                    "Write powers with **." if hat else "Only these five have a meaning here.",
                    at=self.find_operator(step),
                )
            right = self.read(step.right, depth + 1)
            if isinstance(step.op, ast.Pow):
                self.check_power(step, result, right)
            result = self.evaluate(step, _BINARY[type(step.op)], result, right)
        return result

    def find_operator(self, node: ast.BinOp) -> int:
        """Return the index of an operator, which Python's tree does not keep."""
        start, stop = node.left.end_col_offset or 0, node.right.col_offset
        gap = self.text.piece[start:stop]
        return start + len(gap) - len(gap.lstrip(" \t)"))

    def read_call(self, node: ast.Call, depth: int) -> sp.Expr:
        """Return a call of one of the known functions with one argument."""
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in _FUNCTIONS:
            got = "a call of something else" if name is None else repr(cut_text(name))
            remedy = "Write products with *"
            if name is not None and name not in self.names:
                remedy = "Use one of these, or an expression of them"
            near = suggest(_OTHER_NAMES.get(name or "", name or ""), _FUNCTIONS)
            self.fail(
                node,
                f"one of the functions {', '.join(_FUNCTIONS)}",
                got,
                f"{remedy}{near}.",
            )
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            count = len(node.args) + len(node.keywords)
            got = f"{count} arguments" if count != 1 else "a named or starred one"
            self.fail(
                node, f"one argument for {name}", got, f"Write {name}(...) of one expression."
            )
        argument = self.read(node.args[0], depth + 1)
        if name in ("exp", "sinh", "cosh"):
            self.check_exponential(node, argument)
        return self.evaluate(node, _FUNCTIONS[name], argument)

    def read_choice(self, node: ast.IfExp, depth: int) -> sp.Expr:
        """Return ``a if relation else b`` as a Piecewise."""
        first = self.read(node.body, depth + 1)
        condition = self.read_relation(node.test, depth + 1)
        second = self.read(node.orelse, depth + 1)
        return self.evaluate(
            node, lambda a, c, b: sp.Piecewise((a, c), (b, True)), first, condition, second
        )

    def read_relation(self, node: ast.expr, depth: int = 0) -> sp.Basic:
        """Return a comparison, chained or joined by ``and``, unevaluated."""
        if depth <= MAX_DEPTH and isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            parts = [self.read_relation(value, depth + 1) for value in node.values]
            return join_relations([c for part in parts for c in conjuncts(part)])
        if not isinstance(node, ast.Compare):
            self.fail(
                node,
                "a relation",
                "an expression without < or >",
                "Write one such as tau > 0, 0 < x < 1 or x > 0 and y > x.",
            )
        sides = [self.read(side, depth + 1) for side in (node.left, *node.comparators)]
        relations = []
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if type(operator) not in _COMPARISONS or (
                isinstance(operator, ast.Eq) and not self.equalities
            ):
                self.fail(
                    node,
                    "one of < <= > >=" + (" =" if self.equalities else ""),
                    f"Python's {type(operator).__name__}",
                    f"Use these {'five' if self.equalities else 'four'}.",
                )
            if not (left.free_symbols | right.free_symbols):
                self.fail(
                    node,
                    "a relation that mentions a name",
                    "one of numbers",
                    "Relate a name to them.",
                )
            relations.append(make_relation(left, _COMPARISONS[type(operator)], right))
        return join_relations(relations)

    def check_power(self, node: ast.BinOp, base: sp.Expr, exponent: sp.Expr) -> None:
        """Refuse powers that take long to write out, such as 9**9**9."""
        bits = max(map(_count_bits, base.atoms(sp.Rational)), default=0)
        if exponent.is_number and (
            not abs(sp.N(exponent)) <= MAX_EXPONENT or bits * abs(sp.N(exponent)) > MAX_BITS
        ):
            self.fail(
                node.right,
                f"an exponent of at most {MAX_EXPONENT}, and a power of at most {MAX_BITS} bits",
                "a larger one",
                "Choose units in which the numbers are moderate.",
            )

    def check_exponential(self, node: ast.Call, argument: sp.Expr) -> None:
        """Refuse exponentials that overflow, or that sympy would turn into a huge power."""
        limit = MAX_EXPONENT if argument.has(sp.log) else MAX_EXP_ARGUMENT
        numbers = [argument] if argument.is_number else []
        if argument.has(sp.log):
            numbers += argument.atoms(sp.Rational)
        if any(n.is_finite and not abs(sp.N(n)) <= limit for n in numbers):
            self.fail(
                node,
                f"an argument between -{limit} and {limit}",
                "a larger number",
                "Choose units in which the numbers are moderate.",
            )

    def check_size(self, node: ast.expr, result: sp.Basic) -> None:
        """Refuse products of numbers that have grown out of hand."""
        factor = result.as_coeff_Mul()[0]
        if factor.is_Rational and _count_bits(factor) > MAX_BITS:
            remedy = "Choose units in which the numbers are moderate."
            self.fail(node, f"numbers of at most {MAX_BITS} bits", "a longer one", remedy)

    def evaluate(
        self, node: ast.expr, function: Callable[..., sp.Expr], *arguments: sp.Basic
    ) -> sp.Expr:
        """Let sympy combine ``arguments``; refuse what is not a real number."""
        remedy = "Keep clear of division by zero and of roots and logarithms of negative numbers."
        try:
            result = function(*arguments)
        except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError) as err:
            raise_from = err
        else:
            if result.has(sp.zoo, sp.nan):
                self.fail(node, "a finite expression", "a division by zero", remedy)
            if result.has(sp.I) or (result.is_number and result.is_extended_real is False):
                self.fail(node, "a real expression", "a complex number", remedy)
            self.check_size(node, result)
            return result
        self.fail(node, "a real expression", f"none ({cut_text(str(raise_from))})", remedy)
