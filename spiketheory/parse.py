"""Equation text and model files -> `NeuronModel`.

Text from users is read through Python's `ast` with a whitelist of nodes, names and functions, and
rebuilt as sympy expressions piece by piece; it is never evaluated. Limits on length, nesting and
the size of numbers keep a hostile text from taking long. Longer than most files here because the
whitelist and its messages are best reviewed in one place.
"""

import ast
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import sympy as sp

from spiketheory import symbols
from spiketheory.errors import ModelError, ParseError
from spiketheory.model import (
    NeuronModel,
    Parameter,
    SpikeCondition,
    check_name,
    check_number,
    conjuncts,
    format_expression,
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
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
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
_MODEL_KEYS = ("name", "description", "equations", "spike", "reset", "input", "rest")
_PARAMETER_KEYS = ("default", "domain", "unit")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*(\+=|-=|\*=|=)(?!=)\s*", re.ASCII)
_EQUATION = re.compile(r"\s*d([A-Za-z_]\w*)\s*/\s*dt\s*=(?!=)\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class _Text:
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
        return self.line[self.start : self.stop]

    def within(self, start: int, stop: int) -> "_Text":
        """Return the part of the same line from ``start`` to ``stop``, without outer blanks."""
        piece = self.line[start:stop]
        start += len(piece) - len(piece.lstrip())
        stop = start + len(piece.strip())
        return _Text(line=self.line, start=start, stop=stop, where=self.where, number=self.number)

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
    return _read_expression(_make_line(text, where), names)


def parse_relation(text: str, names: Mapping[str, sp.Expr], *, where: str) -> sp.Basic:
    """Read a relation: ``tau > 0``, ``0 < x < 1``, ``abs(w) <= 5``, ``x > 0 and y > x``, ``real``.

    Args:
        text: One line. ``real`` says nothing, since every number is real.
        names: What each name stands for.
        where: What the text is, for error messages.

    Returns:
        An unevaluated relation, several joined by `sympy.And`, or `sympy.true` for ``real``.

    Raises:
        ParseError: If the text is no such relation; the message points at the place.
    """
    source = _make_line(text, where)
    if source.piece == "real":
        return sp.true
    return _Reader(source, names).read_relation(_parse_tree(source))


def parse_equations(
    text: str, parameters: Mapping[str, sp.Expr], *, where: str = "equations"
) -> dict[sp.Symbol, sp.Expr]:
    """Read lines ``dX/dt = ...``; blank lines and ``#`` comments are skipped.

    Args:
        text: The lines.
        parameters: What each name that is not a state variable stands for.
        where: What the text is, for error messages.

    Returns:
        The time derivative of each state variable, in the order of the lines.

    Raises:
        ParseError: If a line is no such equation, or a variable has two.
        ModelError: If a variable has a name that is taken.
    """
    rights: dict[str, _Text] = {}
    for line in _split_statements(text, where, separator="\n"):
        match = _EQUATION.match(line.piece)
        if not match:
            _fail_equation(line)
        name = match[1]
        at = match.start(1)
        if name in rights:
            line.fail(
                "one equation for each variable",
                f"a second one for {name!r}",
                "Add the two right-hand sides, or remove one line.",
                at=at,
            )
        if name in parameters:
            line.fail(
                "a state variable",
                f"{name!r}, which is a parameter",
                "Rename one of them, or remove the parameter.",
                at=at,
            )
        fault = symbols.find_name_fault(name)
        if fault:
            line.fail("a free name", f"{name!r}, {fault}", "Choose another name.", at=at)
        rights[name] = line.within(line.start + match.end(), line.stop)
    if not rights:
        raise ParseError(
            f"Expected an equation such as dV/dt = -V/tau but got none in {where}; "
            "give one line for each state variable."
        )
    names = {**parameters, **{name: symbols.state_symbol(name) for name in rights}}
    return {symbols.state_symbol(n): _read_expression(r, names) for n, r in rights.items()}


def parse_statements(
    text: str, names: Mapping[str, sp.Expr], *, targets: Collection[str], where: str
) -> dict[str, sp.Expr]:
    """Read assignments ``V = V_r; u += d``, carried out one after another as in a program.

    Args:
        text: Statements with ``=``, ``+=``, ``-=`` or ``*=``, between semicolons or line ends.
        names: What each name stands for before the first statement.
        targets: Names that may be assigned to: the state variables.
        where: What the text is, for error messages.

    Returns:
        What each target is after the last statement; one that was left alone is what it was.

    Raises:
        ParseError: If a statement is malformed; the message points at the place.
    """
    values = dict(names)
    statements = tuple(_split_statements(text, where, separator=";"))
    if not statements:
        raise ParseError(f"Expected a statement such as V += w but got none in {where}; add one.")
    for statement in statements:
        match = _ASSIGNMENT.match(statement.piece)
        if not match:
            statement.fail(
                "an assignment such as V += w",
                repr(_cut(statement.piece)),
                "Write a state variable, one of =, +=, -=, *=, and an expression.",
            )
        name, operator = match[1], match[2]
        if name not in targets:
            statement.fail(
                f"a state variable ({', '.join(targets)}) on the left",
                repr(name),
                f"Only state variables change{suggest(name, targets)}.",
                at=match.start(1),
            )
        right_side = statement.within(statement.start + match.end(), statement.stop)
        right = _read_expression(right_side, values)
        values[name] = _assign(right_side, values[name], operator, right)
    return {name: values[name] for name in targets}


def parse_spike(
    text: str, names: Mapping[str, sp.Expr], *, state: Collection[str], where: str = "spike"
) -> SpikeCondition:
    """Read a spike condition: ``V -> oo``, ``V = V_th`` or ``V >= V_th``.

    Args:
        text: The condition.
        names: What each name stands for.
        state: Names of the state variables.
        where: What the text is, for error messages.

    Returns:
        The condition.

    Raises:
        ParseError: If the text is no such condition; the message points at the place.
    """
    line = _make_line(text, where)
    match = re.match(r"([A-Za-z_]\w*)\s*(->|>=|==|=)\s*", line.piece, re.ASCII)
    if not match:
        line.fail(
            "a spike condition",
            repr(_cut(line.piece)),
            "Write V -> oo if the variable blows up at a spike, or V = V_th if it has a threshold.",
        )
    name, operator = match[1], match[2]
    if name not in state:
        line.fail(
            f"a state variable ({', '.join(state)})",
            repr(name),
            f"Only a state variable can spike{suggest(name, state)}.",
        )
    value = _read_expression(line.within(line.start + match.end(), line.stop), names)
    if (operator == "->") != (value is sp.oo):
        line.fail(
            f"{name} -> oo or {name} = a finite threshold",
            repr(_cut(line.piece)),
            "An arrow is for blowing up to oo, an equals sign for a threshold.",
            at=match.start(2),
        )
    return SpikeCondition(variable=symbols.state_symbol(name), value=value)


def build_model(
    *,
    name: str,
    equations: str,
    spike: str,
    reset: str,
    input: str,
    rest: Mapping[str, float | str],
    parameters: Mapping[str, float | Mapping[str, Any]] | None = None,
    assumptions: Mapping[str, str] | None = None,
    description: str = "",
    origin: str = "",
) -> NeuronModel:
    """Make a model from texts: the Python way, with the fields of a model file.

    Args:
        name: Name of the model.
        equations: Lines ``dX/dt = ...``.
        spike: ``V -> oo`` or ``V = V_th``.
        reset: Statements at a spike, such as ``V = V_r; u += d``.
        input: Statements at an input of weight ``w``, such as ``I += w``.
        rest: State at the start of a trial: numbers, or expressions of the parameters.
        parameters: Default values, or mappings with ``default``, ``domain`` and ``unit``.
        assumptions: Relations about ``w``, state variables or parameters, by name.
        description: One line for people.
        origin: Where the texts come from, for error messages.

    Returns:
        The model.

    Raises:
        ParseError: If a text is malformed; the message points at the place.
        ModelError: If the texts do not make a model together.
    """
    place = f" of {origin}" if origin else ""
    tables = {"rest": rest, "parameters": parameters or {}, "assumptions": assumptions or {}}
    for what, table in tables.items():
        _check_kind(table, Mapping, "a table of names", what + place)
    _check_kind(description, str, "text", "description" + place)
    check_name(name, "model")
    records, domain_texts = _read_parameters(tables["parameters"], place)
    known: dict[str, sp.Expr] = {p.name: p.symbol for p in records}
    derivatives = parse_equations(equations, known, where="equations" + place)
    state = {s.name: s for s in derivatives}
    names = known | state
    weighted = names | {"w": symbols.WEIGHT}
    condition = parse_spike(spike, names, state=state, where="spike" + place)
    after_reset = parse_statements(reset, names, targets=state, where="reset" + place)
    after_input = parse_statements(input, weighted, targets=state, where="input" + place)
    starts, rest_texts = _read_rest(tables["rest"], state, known, place)
    relations, assumption_texts = _read_assumptions(tables["assumptions"], weighted, place)
    statements = {"reset": reset, "input": input}
    written = {
        "equations": "\n".join(t.piece for t in _split_statements(equations, "", separator="\n")),
        "spike": spike.strip(),
        **{
            key: "; ".join(t.piece for t in _split_statements(text, "", separator=";"))
            for key, text in statements.items()
        },
    }
    return NeuronModel(
        name=name,
        state=tuple(state.values()),
        derivatives=tuple(derivatives.values()),
        spike=condition,
        reset=tuple(after_reset.values()),
        jump=tuple(after_input.values()),
        rest=starts,
        parameters=records,
        assumptions=relations,
        description=description,
        written=written | domain_texts | rest_texts | assumption_texts,
    )


def parse_model(text: str, *, origin: str = "") -> NeuronModel:
    """Read a model file: TOML with tables [model], [parameters] and [assumptions].

    Args:
        text: Content of the file.
        origin: Where it comes from, for error messages, such as its path.

    Returns:
        The model.

    Raises:
        ParseError: If the text is malformed; the message points at the place.
        ModelError: If it does not describe a model.
    """
    place = f" of {origin}" if origin else ""
    _check_kind(text, str, "text", "the model file" + place)
    if len(text) > 50 * MAX_TEXT_LENGTH:
        raise ParseError(
            f"Expected a model file of at most {50 * MAX_TEXT_LENGTH} characters but got "
            f"{len(text)}{place}; check that it is a model file."
        )
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as err:
        raise ParseError(
            f"Expected TOML but got a syntax error{place} ({err}); "
            'see https://toml.io, and put equations between two lines of """.'
        ) from err
    _check_keys(document, ("model", "parameters", "assumptions"), ("model",), "tables" + place)
    fields = document["model"]
    _check_kind(fields, Mapping, "a table of names", "model" + place)
    required = [key for key in _MODEL_KEYS if key != "description"]
    _check_keys(fields, _MODEL_KEYS, required, "[model]" + place)
    rest_of_file = {k: document.get(k, {}) for k in ("parameters", "assumptions")}
    for what, table in rest_of_file.items():
        _check_kind(table, Mapping, "a table of names", what + place)
    return build_model(**fields, **rest_of_file, origin=origin)


def read_model(path: str | os.PathLike[str]) -> NeuronModel:
    """Read the model file at ``path``; see `parse_model`.

    Args:
        path: A TOML file in UTF-8.

    Returns:
        The model.

    Raises:
        ModelError: If there is no such file, or it holds no model.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ParseError(
            f"Expected UTF-8 text in {path} but got the byte 0x{err.object[err.start]:02x} at "
            f"position {err.start}; save the file as UTF-8."
        ) from err
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or err
        raise ModelError(
            f"Expected a model file at {path} but the system said: {reason}; "
            "check the path, or list the built-in models."
        ) from err
    return parse_model(text, origin=str(path))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _check_kind(value: object, kind: type, expected: str, what: str) -> None:
    if not isinstance(value, kind):
        raise ParseError(
            f"Expected {expected} for {what} but got {_cut(type(value).__name__)}; "
            "see the example of a model file in the manual."
        )


def _check_keys(
    table: Mapping[str, Any], allowed: Collection[str], required: Collection[str], what: str
) -> None:
    """Raise `ParseError` for a key that is missing, or that nobody reads."""
    for key in table:
        if key not in allowed:
            raise ParseError(
                f"Expected only {', '.join(allowed)} among the {what} but got {_cut(str(key))!r}; "
                f"remove it or correct the spelling{suggest(str(key), allowed)}."
            )
    for key in required:
        if key not in table:
            raise ParseError(
                f"Expected {key} among the {what} but got none; add it, as in the example of a "
                "model file in the manual."
            )


def _make_line(text: str, where: str) -> _Text:
    """Check that ``text`` is one line of plain characters and not too long."""
    _check_kind(text, str, "text", where)
    lines = text.strip().splitlines() or [""]
    if len(lines) > 1:
        raise ParseError(
            f"Expected one line but got {len(lines)} in {where}; join them, or use parentheses."
        )
    line = _Text(line=lines[0], start=0, stop=len(lines[0]), where=where)
    _check_characters(line)
    return line


def _split_statements(text: str, where: str, *, separator: str) -> Iterator[_Text]:
    """Yield the statements of ``text``, between line ends and ``separator``, without comments."""
    _check_kind(text, str, "text", where)
    for number, line in enumerate(text.splitlines(), start=1):
        start = 0
        content = line.split("#", 1)[0]
        for part in content.split(separator):
            whole = _Text(line=line, start=0, stop=len(line), where=where, number=number)
            piece = whole.within(start, start + len(part))
            if piece.piece:
                _check_characters(piece)
                yield piece
            start += len(part) + len(separator)


def _check_characters(text: _Text) -> None:
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


def _fail_equation(line: _Text) -> NoReturn:
    remedy = "Write one equation on each line, with a first derivative alone on the left."
    factor = re.match(r"\s*(.+?)\s*\*\s*d(\w+)\s*/\s*dt\s*=(.*)", line.piece)
    prime = re.match(r"\s*([A-Za-z_]\w*)\s*'\s*=", line.piece)
    if factor:
        right = factor[3].strip() or "..."
        remedy = f"Divide both sides: d{factor[2]}/dt = ({_cut(right)})/{_cut(factor[1])}."
    elif prime:
        remedy = f"Write d{prime[1]}/dt for {prime[1]}'."
    line.fail("an equation dX/dt = ...", repr(_cut(line.piece)), remedy)


def _assign(text: _Text, before: sp.Expr, operator: str, right: sp.Expr) -> sp.Expr:
    """Return what a variable is after ``operator right``."""
    if operator == "=":
        return right
    if right.is_infinite or before.is_infinite:
        text.fail(
            "a finite change",
            f"{operator} with an infinite value",
            "Infinity may only be assigned with =.",
        )
    return {"+=": before + right, "-=": before - right, "*=": before * right}[operator]


def _read_expression(text: _Text, names: Mapping[str, sp.Expr]) -> sp.Expr:
    reader = _Reader(text, names)
    tree = _parse_tree(text)
    expression = reader.read(tree)
    if expression.has(sp.oo, -sp.oo) and expression not in (sp.oo, -sp.oo):
        reader.fail(tree, "a finite expression", "oo inside one", "Use oo or -oo only by itself.")
    return expression


def _parse_tree(text: _Text) -> ast.expr:
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


class _Reader:
    """Translates one syntax tree, node by node; whatever is not listed here is refused."""

    def __init__(self, text: _Text, names: Mapping[str, sp.Expr]) -> None:
        self.text = text
        self.names = names

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
            got = kind.get(type(node.value), _cut(literal))
            self.fail(node, "a number", got, "Use real numbers such as 2, 0.5 or 1e-3.")
        exponent = re.search(r"[eE]([+-]?\d+)$", literal)
        if len(literal) > MAX_NUMBER_LENGTH or (exponent and abs(int(exponent[1])) > 300):
            self.fail(
                node,
                f"a number of at most {MAX_NUMBER_LENGTH} digits between 1e-300 and 1e300",
                _cut(literal),
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
        self.fail(node, "a known name", repr(_cut(name)), known + advice)

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
            got = "a call of something else" if name is None else repr(_cut(name))
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
            if type(operator) not in _COMPARISONS:
                self.fail(
                    node,
                    "one of < <= > >=",
                    f"Python's {type(operator).__name__}",
                    "Use these four.",
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
        self.fail(node, "a real expression", f"none ({_cut(str(raise_from))})", remedy)


def _read_parameters(
    table: Mapping[str, Any], place: str
) -> tuple[tuple[Parameter, ...], dict[str, str]]:
    """Read [parameters]: records, and the texts of the domains."""
    fields: dict[str, Mapping[str, Any]] = {}
    for name, given in table.items():
        check_name(name, "parameter")
        entry = given if isinstance(given, Mapping) else {"default": given}
        what = f"fields of parameter {name}{place}"
        _check_keys(entry, _PARAMETER_KEYS, ("default",), what)
        for key in ("domain", "unit"):
            _check_kind(entry.get(key, ""), str, "text", f"{key} of parameter {name}{place}")
        fields[name] = entry
    texts = {name: entry["domain"] for name, entry in fields.items() if "domain" in entry}
    names, domains = _read_domains(fields, texts, place)
    records = tuple(
        Parameter(
            name=name,
            symbol=names[name],
            default=check_number(name, entry["default"]),
            domain=domains.get(name, sp.true),
            unit=entry.get("unit", ""),
        )
        for name, entry in fields.items()
    )
    return records, {f"parameters.{n}.domain": text.strip() for n, text in texts.items()}


def _read_domains(
    fields: Collection[str], texts: Mapping[str, str], place: str
) -> tuple[dict[str, sp.Symbol], dict[str, sp.Basic]]:
    """Read the domains, and make symbols positive where a domain implies it.

    One domain may make another parameter positive (``b > a`` with ``a > 0``), so this repeats
    until no symbol changes.
    """
    positive: set[str] = set()
    while True:
        names = {n: symbols.parameter_symbol(n, positive=n in positive) for n in fields}
        domains = {
            name: parse_relation(text, names, where=f"domain of parameter {name}{place}")
            for name, text in texts.items()
        }
        for name, domain in domains.items():
            if domain is not sp.true and names[name] not in domain.free_symbols:
                raise ParseError(
                    f"Expected a domain of {name}{place} that mentions {name} but got "
                    f"{_cut(texts[name])!r}; write for example {name} > 0."
                )
        found = {n for n, domain in domains.items() if _implies_positive(domain, names[n])}
        if found <= positive:
            return names, domains
        positive |= found


def _implies_positive(domain: sp.Basic, symbol: sp.Symbol) -> bool:
    """Say whether a conjunct of ``domain`` bounds ``symbol`` from below, above zero."""
    for relation in conjuncts(domain):
        strict = relation.rel_op in "<>"
        above, below = relation.gts, relation.lts
        if above == symbol and (below.is_positive or (strict and below.is_nonnegative)):
            return True
    return False


def _read_rest(
    table: Mapping[str, Any],
    state: Mapping[str, sp.Symbol],
    names: Mapping[str, sp.Expr],
    place: str,
) -> tuple[tuple[sp.Expr, ...], dict[str, str]]:
    """Read the rest values: expressions in the order of ``state``, and their texts."""
    _check_keys(table, tuple(state), tuple(state), "rest values" + place)
    values, texts = [], {}
    for name in state:
        given = table[name]
        text = given if isinstance(given, str) else repr(check_number(f"rest of {name}", given))
        values.append(parse_expression(text, names, where=f"rest of {name}{place}"))
        texts[f"rest.{name}"] = (
            text.strip() if isinstance(given, str) else format_expression(values[-1])
        )
    return tuple(values), texts


def _read_assumptions(
    table: Mapping[str, Any], names: Mapping[str, sp.Expr], place: str
) -> tuple[tuple[sp.Basic, ...], dict[str, str]]:
    """Read [assumptions]: relations, and their texts."""
    _check_keys(table, tuple(names), (), "assumptions" + place)
    relations, texts = [], {}
    for name, text in table.items():
        relation = parse_relation(text, names, where=f"assumption on {name}{place}")
        if relation is not sp.true and names[name] not in relation.free_symbols:
            raise ParseError(
                f"Expected an assumption on {name}{place} that mentions {name} but got "
                f"{_cut(text)!r}; write for example {name} >= 0, or real."
            )
        relations.append(relation)
        texts[f"assumptions.{name}"] = text.strip()
    return tuple(relations), texts
