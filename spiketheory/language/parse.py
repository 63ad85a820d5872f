"""Equations and model files -> `NeuronModel`; `spiketheory.language.syntax` reads expressions."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

import sympy as sp

from spiketheory.errors import ModelError, ParseError
from spiketheory.language import symbols
from spiketheory.language.model import (
    DEFAULT_PORT,
    NeuronModel,
    Parameter,
    Refractory,
    SpikeCondition,
    check_name,
    check_number,
    conjuncts,
    format_expression,
    suggest,
)
from spiketheory.language.syntax import (
    MAX_TEXT_LENGTH,
    Text,
    check_characters,
    check_kind,
    cut_text,
    make_line,
    parse_expression,
    parse_relation,
    read_expression,
)
from spiketheory.reading import DamagedError, parse_toml, read_text

_MODEL_KEYS = (
    *("name", "description", "equations", "spike", "reset", "refractory", "input", "inputs"),
    "rest",
)
_OPTIONAL_KEYS = ("description", "inputs", "refractory")

_MOST_BYTES = 4 * 50 * MAX_TEXT_LENGTH  # of a model file

_PARAMETER_KEYS = ("default", "domain", "unit")

_EXAMPLES = {
    "model": "the line [model] at the top",
    "name": 'name = "my_neuron"',
    "equations": 'equations = "dV/dt = (V*(V - 1) + I0)/tau"',
    "spike": 'spike = "V -> oo"',
    "reset": 'reset = "V = -oo"',
    "input": 'input = "V += w"',
    "rest": "rest = {V = 0}",
    "default": "default = 1.0",
}

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*(\+=|-=|\*=|=)(?!=)\s*", re.ASCII)

_EQUATION = re.compile(r"\s*d([A-Za-z_]\w*)\s*/\s*dt\s*=(?!=)\s*", re.ASCII)


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
    rights: dict[str, Text] = {}
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
    return {symbols.state_symbol(n): read_expression(r, names) for n, r in rights.items()}


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
                repr(cut_text(statement.piece)),
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
        right = read_expression(right_side, values)
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
    line = make_line(text, where)
    match = re.match(r"([A-Za-z_]\w*)\s*(->|>=|==|=)\s*", line.piece, re.ASCII)
    if not match:
        line.fail(
            "a spike condition",
            repr(cut_text(line.piece)),
            "Write V -> oo if the variable blows up at a spike, or V = V_th if it has a threshold.",
        )
    name, operator = match[1], match[2]
    if name not in state:
        line.fail(
            f"a state variable ({', '.join(state)})",
            repr(name),
            f"Only a state variable can spike{suggest(name, state)}.",
        )
    value = read_expression(line.within(line.start + match.end(), line.stop), names)
    if (operator == "->") != (value is sp.oo):
        line.fail(
            f"{name} -> oo or {name} = a finite threshold",
            repr(cut_text(line.piece)),
            "An arrow is for blowing up to oo, an equals sign for a threshold.",
            at=match.start(2),
        )
    return SpikeCondition(variable=symbols.state_symbol(name), value=value)


# Long: a third of it says what it takes and raises; then the model's parts, in their order.
def build_model(
    *,
    name: str,
    equations: str,
    spike: str,
    reset: str,
    input: str | None = None,
    inputs: Mapping[str, str] | None = None,
    rest: Mapping[str, float | str],
    parameters: Mapping[str, float | Mapping[str, Any]] | None = None,
    assumptions: Mapping[str, str] | None = None,
    description: str = "",
    refractory: Mapping[str, Any] | None = None,
    origin: str = "",
) -> NeuronModel:
    """Make a model from texts: the Python way, with the fields of a model file.

    Args:
        name: Name of the model.
        equations: Lines ``dX/dt = ...``.
        spike: ``V -> oo`` or ``V = V_th``.
        reset: Statements at a spike, such as ``V = V_r; u += d``; empty if the state goes on
            unchanged, above a finite threshold.
        input: Statements at an input of weight ``w``, such as ``I += w``; empty if the neuron takes
            none.
        inputs: The same under the names of ports, in place of ``input``; the first one is also the
            port ``default``.
        rest: State at the start of a trial: numbers, or expressions of the parameters.
        parameters: Default values, or mappings with ``default``, ``domain`` and ``unit``.
        assumptions: Relations about ``w``, state variables or parameters, by name.
        description: One line for people.
        refractory: ``time``, an expression of parameters, and ``hold``, names of the variables that
            keep their reset value so long; without ``hold`` the one that spikes.
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
        check_kind(table, Mapping, "a table of names", what + place)
    check_kind(description, str, "text", "description" + place)
    check_name(name, "model")
    (port, input), *others = _read_ports(input, inputs, place).items()
    records, domain_texts = read_parameters(tables["parameters"], place)
    known: dict[str, sp.Expr] = {p.name: p.symbol for p in records}
    derivatives = parse_equations(equations, known, where="equations" + place)
    state = {s.name: s for s in derivatives}
    names = known | state
    weighted = names | {"w": symbols.WEIGHT}
    condition = parse_spike(spike, names, state=state, where="spike" + place)
    after_reset: dict[str, sp.Expr] = dict(state)
    check_kind(reset, str, "text", "reset" + place)
    if reset.strip():
        after_reset = parse_statements(reset, names, targets=state, where="reset" + place)

    def parse_input(text: str, where: str) -> tuple[sp.Expr, ...]:
        if not text.strip():
            return tuple(state.values())
        found = parse_statements(text, weighted, targets=state, where=where + place)
        return tuple(found.values())

    starts, rest_texts = _read_rest(tables["rest"], state, known, place)
    period, period_texts = _read_refractory(refractory, condition, state, known, place)
    relations, assumption_texts = _read_assumptions(tables["assumptions"], weighted, place)
    statements = {"reset": reset, "input": input} | {f"inputs.{n}": text for n, text in others}
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
        jump=parse_input(input, "input"),
        rest=starts,
        parameters=records,
        assumptions=relations,
        description=description,
        input_name="" if port == DEFAULT_PORT else port,
        other_inputs=tuple((name, parse_input(text, f"input {name}")) for name, text in others),
        refractory=period,
        written=written | period_texts | domain_texts | rest_texts | assumption_texts,
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
    inside = f" in {origin}" if origin else ""
    check_kind(text, str, "text", "the model file" + place)
    if len(text) > 50 * MAX_TEXT_LENGTH:
        raise ParseError(
            f"Expected a model file of at most {50 * MAX_TEXT_LENGTH} characters but got "
            f"{len(text)}{place}; check that it is a model file."
        )
    try:
        document = parse_toml(text)
    except DamagedError as err:
        raise ParseError(
            f"Expected TOML but got a syntax error{inside} ({err}); "
            'see https://toml.io, and put equations between two lines of """.'
        ) from err
    _check_keys(document, ("model", "parameters", "assumptions"), ("model",), "tables" + place)
    fields = document["model"]
    check_kind(fields, Mapping, "a table of names", "model" + place)
    optional = (*_OPTIONAL_KEYS, "input") if "inputs" in fields else _OPTIONAL_KEYS
    required = [key for key in _MODEL_KEYS if key not in optional]
    _check_keys(fields, _MODEL_KEYS, required, "[model]" + place)
    rest_of_file = {k: document.get(k, {}) for k in ("parameters", "assumptions")}
    for what, table in rest_of_file.items():
        check_kind(table, Mapping, "a table of names", what + place)
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
        text = read_text(path, most=_MOST_BYTES)
    except DamagedError as err:
        if isinstance(err.__cause__, UnicodeDecodeError):
            raise ParseError(
                f"Expected UTF-8 text in {path} but {err}; save the file as UTF-8."
            ) from err
        raise ModelError(
            f"Expected a model file at {path} but reading it failed: {err}; "
            "check the path, or list the built-in models."
        ) from err
    return parse_model(text, origin=str(path))


def parse_assumption(text: str, model: NeuronModel) -> sp.Basic:
    """Read an assumption about a model's weight ``w``, states or parameters.

    Args:
        text: A relation such as ``w >= 0``, ``I > -50``, ``abs(w) < 1`` or ``tau_m = 2*tau_s``;
            ``real`` says nothing.
        model: The model whose names it uses.

    Raises:
        ParseError: If it is no relation, or relates none of these names.
    """
    names = {**model.symbols, symbols.WEIGHT.name: symbols.WEIGHT}
    return parse_relation(text, names, where="assumption", equalities=True)


def _read_ports(
    input: str | None, inputs: Mapping[str, str] | None, place: str
) -> Mapping[str, str]:
    """The statements at an input, by the name of the port."""
    if inputs is None:
        if input is None:
            raise ParseError(
                f"Expected input or inputs{place} but got neither; add for example "
                f'{_EXAMPLES["input"]}, or input = "" if the neuron takes none.'
            )
        check_kind(input, str, "text", "input" + place)
        return {DEFAULT_PORT: input}
    check_kind(inputs, Mapping, "a table of names", "inputs" + place)
    if input is not None:
        raise ParseError(f"Expected either input or inputs{place} but got both; keep one of them.")
    for name, text in inputs.items():
        check_name(name, "port")
        check_kind(text, str, "text", f"input {name}{place}")
    if not inputs:
        raise ParseError(
            f'Expected a port in inputs{place} but got none; add for example exc = "g_e += w", or '
            'write input = "" in place of it if the neuron takes none.'
        )
    return inputs


def _read_refractory(
    table: Mapping[str, Any] | None,
    spike: SpikeCondition,
    state: Mapping[str, sp.Symbol],
    names: Mapping[str, sp.Expr],
    place: str,
) -> tuple[Refractory | None, dict[str, str]]:
    """The refractory period, and the text of its time."""
    if table is None:
        return None, {}
    check_kind(table, Mapping, "a table of names", "refractory" + place)
    example = {"time": 'refractory = {time = "t_ref", hold = ["V"]}'}
    _check_keys(table, ("time", "hold"), ("time",), "fields of refractory" + place,
                examples=example)  # fmt: skip
    given, hold = table["time"], table.get("hold", [spike.variable.name])
    check_kind(hold, list, "a list of names", f"hold of refractory{place}")
    for name in hold:
        if not isinstance(name, str) or name not in state:
            raise ParseError(
                f"Expected state variables ({', '.join(state)}) in hold of refractory{place} but "
                f"got {cut_text(str(name))!r}; correct it{suggest(str(name), state)}."
            )
    text = given if isinstance(given, str) else repr(check_number("refractory time", given))
    time = parse_expression(text, names, where=f"time of refractory{place}")
    return Refractory(time=time, hold=tuple(state[name] for name in hold)), {
        "refractory.time": text.strip()
    }


def _check_keys(
    table: Mapping[str, Any],
    allowed: Collection[str],
    required: Collection[str],
    what: str,
    *,
    examples: Mapping[str, str] = _EXAMPLES,
) -> None:
    """Raise `ParseError` for a key that is missing, or that nobody reads."""
    for key in table:
        if key not in allowed:
            raise ParseError(
                f"Expected only {', '.join(allowed)} among the {what} but got "
                f"{cut_text(str(key))!r}; remove it or correct the spelling"
                f"{suggest(str(key), allowed)}."
            )
    for key in required:
        if key not in table:
            raise ParseError(
                f"Expected {key} among the {what} but got none; add it, for example "
                f"{examples[key]} (see docs/formats.md)."
            )


def _split_statements(text: str, where: str, *, separator: str) -> Iterator[Text]:
    """Yield the statements of ``text``, between line ends and ``separator``, without comments."""
    check_kind(text, str, "text", where)
    for number, line in enumerate(text.splitlines(), start=1):
        start = 0
        content = line.split("#", 1)[0]
        for part in content.split(separator):
            whole = Text(line=line, start=0, stop=len(line), where=where, number=number)
            piece = whole.within(start, start + len(part))
            if piece.piece:
                check_characters(piece)
                yield piece
            start += len(part) + len(separator)


def _fail_equation(line: Text) -> NoReturn:
    remedy = "Write one equation on each line, with a first derivative alone on the left."
    factor = re.match(r"\s*(.+?)\s*\*\s*d(\w+)\s*/\s*dt\s*=(.*)", line.piece)
    prime = re.match(r"\s*([A-Za-z_]\w*)\s*'\s*=", line.piece)
    if factor:
        right = factor[3].strip() or "..."
        remedy = f"Divide both sides: d{factor[2]}/dt = ({cut_text(right)})/{cut_text(factor[1])}."
    elif prime:
        remedy = f"Write d{prime[1]}/dt for {prime[1]}'."
    line.fail("an equation dX/dt = ...", repr(cut_text(line.piece)), remedy)


def _assign(text: Text, before: sp.Expr, operator: str, right: sp.Expr) -> sp.Expr:
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


def read_parameters(
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
            check_kind(entry.get(key, ""), str, "text", f"{key} of parameter {name}{place}")
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
                    f"{cut_text(texts[name])!r}; write for example {name} > 0."
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
    example = f"rest = {{{', '.join(f'{name} = 0' for name in state)}}}"
    examples = dict.fromkeys(state, example)
    _check_keys(table, tuple(state), tuple(state), "rest values" + place, examples=examples)
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
        relation = parse_relation(
            text, names, where=f"assumption on {name}{place}", equalities=True
        )
        if relation is not sp.true and names[name] not in relation.free_symbols:
            raise ParseError(
                f"Expected an assumption on {name}{place} that mentions {name} but got "
                f"{cut_text(text)!r}; write for example {name} >= 0, or real."
            )
        relations.append(relation)
        texts[f"assumptions.{name}"] = text.strip()
    return tuple(relations), texts
