"""NeuronModel: a spiking neuron as data.

A model is the dynamics between events, a spike surface, a reset and what an input of weight w
does, all as sympy expressions. Nothing here reads text: `spiketheory.language.parse` makes models
of it.
"""

import difflib
import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import InitVar, dataclass, field, fields, replace
from numbers import Real
from textwrap import shorten
from typing import Any

import sympy as sp
import tomli_w
from sympy.core.relational import Relational
from sympy.printing.str import StrPrinter

from spiketheory.errors import ModelError
from spiketheory.language import symbols
from spiketheory.shown import shown_by

_NAME_EXAMPLES = {
    "model": "my_neuron",
    "parameter": "tau_m",
    "state variable": "V",
    "port": "exc",
}

LONGEST_TEXT = 100
"""Letters of the equations in a model's text."""
DEFAULT_PORT = "default"
"""What the first port of every model may be called."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a model.

    Attributes:
        name: Its name in equations and in the parameter arguments of every function.
        symbol: Its symbol; positive if the domain says so, else real.
        default: Value where the caller gives none [unit].
        domain: Admissible values: a relation, several joined by `sympy.And`, or `sympy.true`.
        unit: Unit for people to read; "" is dimensionless.
    """

    name: str
    symbol: sp.Symbol
    default: float
    domain: sp.Basic = sp.true
    unit: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "parameter")
        if self.symbol.name != self.name:
            raise ModelError(
                f"Expected the symbol of parameter {self.name} to be called so but got "
                f"{self.symbol.name!r}; make it with symbols.parameter_symbol({self.name!r})."
            )
        object.__setattr__(self, "default", check_number(self.name, self.default))

    def __reduce__(self) -> tuple[Any, ...]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _thaw, (Parameter, values | {"domain": _freeze(self.domain)})


@dataclass(frozen=True, kw_only=True)
class SpikeCondition:
    """When a neuron spikes: a variable blows up, or reaches a value from below.

    Attributes:
        variable: The state variable that spikes.
        value: What it reaches: an expression of parameters and other state, or `sympy.oo`.
    """

    variable: sp.Symbol
    value: sp.Expr

    @property
    def is_blowup(self) -> bool:
        """Whether a spike is the variable going to infinity in finite time."""
        return self.value is sp.oo


@dataclass(frozen=True, kw_only=True)
class Refractory:
    """A refractory period after each spike.

    Attributes:
        time: How long it lasts: an expression of the parameters [time].
        hold: State variables that keep the value of the reset so long; inputs do not move them.
        measured_from: What the spiking variable is the height above; its sum with that is held.
            Other than 0 only in models that `spiketheory.symbolic.measured` makes.
    """

    time: sp.Expr
    hold: tuple[sp.Symbol, ...]
    measured_from: sp.Expr = sp.S.Zero


@dataclass(frozen=True, kw_only=True)
class NeuronModel:
    """A spiking neuron model, checked when made.

    Attributes:
        name: Name, a Python identifier: files and generated modules are called so.
        state: State variables, shape (n_state,).
        derivatives: Time derivative of each state variable between events, shape (n_state,).
        spike: When the neuron spikes.
        reset: State just after a spike, as a function of the state just before it, shape
            (n_state,); a variable that is left alone is itself. The spiking one may be -oo; at a
            finite threshold it may be left alone, see `is_crossing`.
        jump: State just after an input of weight `symbols.WEIGHT`, shape (n_state,).
        rest: State at the start of a trial as a function of the parameters, shape (n_state,).
        parameters: Parameters, in the order of every parameter array.
        assumptions: Relations that `certify` may rely on; every conjunct is an element.
        description: One line for people.
        input_name: Name of the port that takes input, of the first if there are several, beside
            ``default``; empty if it has no other.
        other_inputs: Further ports: the name of each, and what `jump` is there.
        refractory: The refractory period; None if there is none.
        written: The texts the model was read from, by the keys of ``source``. Not kept by
            `dataclasses.replace`, so that texts never survive the mathematics they stood for.
        source: Texts by key ("equations", "spike", "reset", "input", "rest.V",
            "refractory.time", "parameters.tau.domain", "assumptions.w"): as written, or printed
            from the mathematics.
    """

    name: str
    state: tuple[sp.Symbol, ...]
    derivatives: tuple[sp.Expr, ...]
    spike: SpikeCondition
    reset: tuple[sp.Expr, ...]
    jump: tuple[sp.Expr, ...]
    rest: tuple[sp.Expr, ...]
    parameters: tuple[Parameter, ...] = ()
    assumptions: tuple[sp.Basic, ...] = ()
    description: str = ""
    input_name: str = ""
    refractory: Refractory | None = None
    other_inputs: tuple[tuple[str, tuple[sp.Expr, ...]], ...] = ()
    written: InitVar[Mapping[str, str] | None] = None
    source: Mapping[str, str] = field(init=False, compare=False, repr=False)

    def __repr__(self) -> str:
        said = "; ".join(
            f"d{s.name}/dt = {f}" for s, f in zip(self.state, self.derivatives, strict=True)
        )
        return f"NeuronModel({self.name}: {shorten(said, LONGEST_TEXT, placeholder=' ...')})"

    _repr_latex_ = shown_by("spiketheory.documents.notebook.show_model")

    def __post_init__(self, written: Mapping[str, str] | None) -> None:
        check_name(self.name, "model")
        _check_names(self)
        _check_lengths(self)
        _check_names_used(self)
        _check_infinities(self)
        _check_spike_and_jump(self)
        _check_refractory(self)
        object.__setattr__(self, "assumptions", _flatten(self.assumptions))
        object.__setattr__(self, "source", _merge_source(_print_source(self), written or {}))
        self.check_parameters({})

    @property
    def symbols(self) -> dict[str, sp.Symbol]:
        """Symbols by name: state, then parameters."""
        return {s.name: s for s in (*self.state, *(p.symbol for p in self.parameters))}

    @property
    def is_crossing(self) -> bool:
        """Whether a spike is an upward crossing of a finite threshold.

        The reset leads onto the threshold, or leaves V where it is above the threshold, which may
        move, so that the neuron is not below it after a spike; it spikes again only once it has
        come back below and crosses again.
        """
        V, theta = self.spike.variable, self.spike.value
        if self.spike.is_blowup:
            return False
        after = dict(zip(self.state, self.reset, strict=True))
        if self.lands_on_threshold:
            return True
        if after[V] == V and not any(theta.has(s) for s, r in after.items() if s != r):
            return True
        moved = after[V] - theta.subs(after, simultaneous=True) - V + theta
        return theta.has(*self.state) and bool(sp.expand(moved) == 0)

    @property
    def lands_on_threshold(self) -> bool:
        """Whether the reset leads onto the threshold, a number or parameter of its own.

        Of no other are two evaluations sure to be the same number.
        """
        theta = self.spike.value
        is_plain = not self.spike.is_blowup and (theta.is_Symbol or theta.is_Rational)
        return is_plain and self.reset[self.state.index(self.spike.variable)] == theta

    @property
    def takes_input(self) -> bool:
        """Whether an input does anything."""
        return any(jump != self.state for _, jump in self.jumps)

    @property
    def jumps(self) -> tuple[tuple[str, tuple[sp.Expr, ...]], ...]:
        """Name of each port, the first one first, and the state after an input there."""
        return ((self.input_name or DEFAULT_PORT, self.jump), *self.other_inputs)

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports that take input, of which the first has two names; or none."""
        if not self.takes_input:
            return ()
        return tuple(dict.fromkeys((DEFAULT_PORT, *(name for name, _ in self.jumps))))

    def at_port(self, number: int) -> "NeuronModel":
        """The same neuron with one of its ports alone."""
        name, jump = self.jumps[number]
        own = "" if name == DEFAULT_PORT else name
        return replace(self, jump=jump, input_name=own, other_inputs=())

    @property
    def digest(self) -> str:
        """SHA-256 of the mathematical content, in hexadecimal; the same in every process.

        Name, description, units, the wording of the source and the name of a single port do not
        count.
        """
        parts: list[object] = [self.state, self.derivatives, self.spike.variable, self.spike.value]
        parts += [self.reset, self.jump, self.rest]
        if self.refractory is not None:
            parts += [self.refractory.time, self.refractory.hold]
        parts += [
            (p.symbol, p.default.hex(), *sorted(map(_represent, conjuncts(p.domain))))
            for p in self.parameters
        ]
        if self.other_inputs:
            parts.append(self.jumps)
        text = "\n".join(_represent(part) for part in parts)
        text += "\n" + "\n".join(sorted(map(_represent, self.assumptions)))
        return hashlib.sha256(text.encode()).hexdigest()

    def parameter(self, name: str) -> Parameter:
        """Return the parameter called ``name``, or raise `ModelError` if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = [p.name for p in self.parameters]
        raise ModelError(
            f"Expected a parameter of {self.name} ({', '.join(names) or 'it has none'}) but got "
            f"{name!r}; correct the name{suggest(name, names)}."
        )

    def check_parameters(self, overrides: Mapping[str, float]) -> dict[str, float]:
        """Fill in defaults and check every value.

        Args:
            overrides: Values by name; a name left out keeps its default.

        Returns:
            A value for every parameter, in the order of ``parameters``.

        Raises:
            ModelError: If a name is unknown, or a value is no finite number or outside its domain.
        """
        values = {p.name: p.default for p in self.parameters}
        for name, value in overrides.items():
            values[self.parameter(name).name] = check_number(name, value)
        exact = {p.symbol: sp.Rational(repr(values[p.name])) for p in self.parameters}
        for parameter in self.parameters:
            for relation in conjuncts(parameter.domain):
                _check_domain(self, relation, exact, values, parameter.name)
        return values

    def to_toml(self) -> str:
        """Return the text of a model file; `parse.parse_model` reads it back to an equal model."""
        model: dict[str, Any] = {"name": self.name}
        if self.description:
            model["description"] = self.description
        model |= {key: self.source[key] for key in ("equations", "spike", "reset", "input")}
        if self.input_name or self.other_inputs:
            model["inputs"] = {self.input_name or DEFAULT_PORT: model.pop("input")}
        for name, _ in self.other_inputs:
            model["inputs"][name] = self.source[f"inputs.{name}"]
        if self.refractory is not None:
            model["refractory"] = {
                "time": self.source["refractory.time"],
                "hold": [s.name for s in self.refractory.hold],
            }
        model["rest"] = {s.name: self.source[f"rest.{s.name}"] for s in self.state}
        document: dict[str, Any] = {"model": model}
        if self.parameters:
            document["parameters"] = {p.name: self._parameter_table(p) for p in self.parameters}
        prefix = "assumptions."
        assumed = {
            k.removeprefix(prefix): v for k, v in self.source.items() if k.startswith(prefix)
        }
        if assumed:
            document["assumptions"] = assumed
        return tomli_w.dumps(document, multiline_strings=True)

    def _parameter_table(self, parameter: Parameter) -> dict[str, Any]:
        table: dict[str, Any] = {"default": parameter.default}
        domain = self.source.get(f"parameters.{parameter.name}.domain")
        if domain is not None:
            table["domain"] = domain
        return table | ({"unit": parameter.unit} if parameter.unit else {})

    def __reduce__(self) -> tuple[Any, ...]:
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        frozen = tuple(map(_freeze, self.assumptions))
        return _thaw, (NeuronModel, values | {"assumptions": frozen, "written": dict(self.source)})


def suggest(name: str, choices: Collection[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest of ``choices``, or "" if none is close."""
    close = difflib.get_close_matches(name, choices, n=1)
    if not close:
        close = [choice for choice in choices if choice.lower() == name.lower()][:1]
    return f" (did you mean {close[0]!r}?)" if close else ""


def check_name(name: object, what: str) -> str:
    """Return ``name`` if a model may use it for a ``what``, else raise `ModelError`."""
    fault = "which is not text" if not isinstance(name, str) else symbols.find_name_fault(name)
    if fault or not isinstance(name, str):
        raise ModelError(
            f"Expected a free name for the {what} but got {_abbreviate(name)}, {fault}; "
            f"choose another name, such as {_NAME_EXAMPLES[what]}."
        )
    return name


def check_number(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite real number, else raise `ModelError`."""
    number = math.nan
    # NumPy scalars are Real too; a bool is one by accident of the language.
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise ModelError(
            f"Expected a finite number for {name} but got {name}={_abbreviate(value)}; "
            "give it as an integer or a float."
        )
    return number


def conjuncts(relation: sp.Basic) -> tuple[sp.Basic, ...]:
    """Return the relations that ``relation`` joins with `sympy.And`; none for `sympy.true`."""
    if relation is sp.true or relation is True:
        return ()
    return tuple(relation.args) if isinstance(relation, sp.And) else (relation,)


class _TextPrinter(StrPrinter):
    """Prints expressions in the language that `spiketheory.language.parse` reads."""

    def _print_Abs(self, expr: sp.Abs) -> str:
        return f"abs({self._print(expr.args[0])})"

    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "exp(1)"

    def _print_And(self, expr: sp.And) -> str:
        return " and ".join(map(self._print, expr.args))

    def _print_Equality(self, expr: sp.Eq) -> str:
        return f"{self._print(expr.lhs)} = {self._print(expr.rhs)}"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        # The last branch holds where no other does, whatever its condition says.
        *branches, (last, _) = expr.args
        chain = "".join(f"{self._print(e)} if {self._print(c)} else " for e, c in branches)
        return f"({chain}{self._print(last)})"


def format_expression(expression: sp.Basic) -> str:
    """Return an expression or relation as text that `spiketheory.language.parse` reads back."""
    return str(_TextPrinter().doprint(expression))


_OPERATORS: dict[str, Callable[..., sp.Basic]] = {
    "<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge, "==": sp.Eq,
}  # fmt: skip


def make_relation(left: sp.Expr, operator: str, right: sp.Expr) -> sp.Basic:
    """Return ``left operator right`` unevaluated: tau > 0 is kept even where tau is positive."""
    return _OPERATORS[operator](left, right, evaluate=False)


def _flatten(assumptions: tuple[sp.Basic, ...]) -> tuple[sp.Basic, ...]:
    """Return every conjunct of ``assumptions``, each of which must be about something."""
    flat = tuple(part for relation in assumptions for part in conjuncts(relation))
    for part in flat:
        if not isinstance(part, Relational) or not part.free_symbols:
            raise ModelError(
                f"Expected an assumption that relates w, state or parameters but got {part}; "
                "write for example w >= 0."
            )
    return flat


def join_relations(relations: Collection[sp.Basic]) -> sp.Basic:
    """Join relations with `sympy.And`, each as it stands; none gives `sympy.true`."""
    parts = tuple(relations)
    if len(parts) > 1:
        return sp.And(*parts, evaluate=False)
    return parts[0] if parts else sp.true


def _freeze(relation: sp.Basic) -> tuple[str, Any]:
    """Pack a relation for pickle and copy, which would evaluate tau > 0 to true."""
    if isinstance(relation, Relational):
        return "relation", (relation.lhs, relation.rel_op, relation.rhs)
    if isinstance(relation, sp.And):
        return "and", tuple(map(_freeze, relation.args))
    return "other", relation


def _thaw_relation(frozen: tuple[str, Any]) -> sp.Basic:
    """Undo `_freeze`."""
    kind, content = frozen
    if kind == "relation":
        return make_relation(*content)
    return join_relations(tuple(map(_thaw_relation, content))) if kind == "and" else content


def _thaw(record: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Remake a pickled `Parameter` or `NeuronModel`."""
    if "domain" in values:
        values = values | {"domain": _thaw_relation(values["domain"])}
    if "assumptions" in values:
        values = values | {"assumptions": tuple(map(_thaw_relation, values["assumptions"]))}
    return record(**values)


def _abbreviate(value: object) -> str:
    """Return the representation of ``value``, cut to a length fit for a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= 60 else text[:57] + "..."


def _represent(part: object) -> str:
    if isinstance(part, tuple):
        return "(" + ", ".join(map(_represent, part)) + ")"
    return part if isinstance(part, str) else str(sp.srepr(part))


def _check_names(model: NeuronModel) -> None:
    """Every name is free, and none is used twice."""
    for symbol in model.state:
        check_name(symbol.name, "state variable")
    names = [s.name for s in model.state] + [p.name for p in model.parameters]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(
                f"Expected every name of {model.name} to mean one thing but got {name!r} twice "
                "among its state variables and parameters; rename one."
            )
    if not model.state:
        raise ModelError(
            f"Expected at least one state variable in {model.name} but got none; "
            "give an equation such as dV/dt = -V."
        )
    for name, _ in model.other_inputs:
        check_name(name, "port")
    ports = [name for name, _ in model.jumps]
    if len(set(ports)) < len(ports) or DEFAULT_PORT in ports[1:]:
        raise ModelError(
            f"Expected ports of {model.name} of different names, of which only the first may be "
            f"{DEFAULT_PORT}, but got {', '.join(ports)}; rename one, or change their order."
        )


def _check_lengths(model: NeuronModel) -> None:
    for what in ("derivatives", "reset", "jump", "rest"):
        if len(getattr(model, what)) != len(model.state):
            raise ModelError(
                f"Expected {what} of {model.name} to have {len(model.state)} entries, one for "
                f"each state variable, but got {len(getattr(model, what))}; keep their order."
            )
    for name, jump in model.other_inputs:
        if len(jump) != len(model.state):
            raise ModelError(
                f"Expected the input {name} of {model.name} to have {len(model.state)} entries, "
                f"one for each state variable, but got {len(jump)}; keep their order."
            )


def _check_names_used(model: NeuronModel) -> None:
    """Expressions use symbols of the model only, and each kind only those that make sense."""
    parameters = {p.symbol for p in model.parameters}
    known = parameters | set(model.state)
    weighted = known | {symbols.WEIGHT}
    used: list[tuple[str, tuple[sp.Basic, ...], set[sp.Symbol]]] = [
        ("derivatives", model.derivatives, known),
        ("spike", (model.spike.variable,), set(model.state)),
        ("spike", (model.spike.value,), known - {model.spike.variable}),
        ("reset", model.reset, known),
        *(("jump", jump, weighted) for _, jump in model.jumps),
        ("rest", model.rest, parameters),
        *(
            (
                ("refractory time", (refractory.time,), parameters),
                ("hold", refractory.hold, set(model.state)),
            )
            if (refractory := model.refractory) is not None
            else ()
        ),
        ("assumptions", model.assumptions, weighted),
        *(("domain of " + p.name, (p.domain,), parameters) for p in model.parameters),
    ]
    for what, expressions, allowed in used:
        foreign = set().union(*(e.free_symbols for e in expressions)) - allowed
        if foreign:
            first = min(foreign, key=lambda s: s.name)
            raise ModelError(
                f"Expected only {', '.join(sorted(s.name for s in allowed)) or 'numbers'} in the "
                f"{what} of {model.name} but got {first.name!r}; take symbols from the model, and "
                "note that one of the same name but other assumptions is another symbol."
            )


def _check_infinities(model: NeuronModel) -> None:
    """Only the spike value and the reset of the spiking variable may be infinite."""
    allowed = [
        *((("derivatives", e), False) for e in model.derivatives),
        *((("input", e), False) for _, jump in model.jumps for e in jump),
        *((("rest", e), False) for e in model.rest),
        *(
            (("reset", e), e is -sp.oo and s == model.spike.variable)
            for s, e in zip(model.state, model.reset, strict=True)
        ),
        (("spike", model.spike.value), model.spike.is_blowup),
    ]
    for (what, expression), may_be_infinite in allowed:
        if expression.has(sp.oo, -sp.oo, sp.zoo, sp.nan) and not may_be_infinite:
            raise ModelError(
                f"Expected a finite expression in the {what} of {model.name} but got "
                f"{format_expression(expression)}; only the variable that spikes may reach oo, "
                "and only it may be reset to -oo."
            )


def _check_spike_and_jump(model: NeuronModel) -> None:
    variable = model.spike.variable
    if model.spike.is_blowup and any(variable in e.free_symbols for e in model.reset):
        raise ModelError(
            f"Expected a reset of {model.name} without {variable.name}, which is infinite at the "
            f"spike, but got {_print_assignments(model.state, model.reset) or 'none'}; "
            f"give a value, such as {variable.name} = -oo."
        )
    for name, jump in model.jumps if model.takes_input else ():
        if any(symbols.WEIGHT in e.free_symbols for e in jump):
            continue
        if model.other_inputs:
            raise ModelError(
                f"Expected the input {name} of {model.name} to depend on the weight w but got one "
                f"without it; write for example {variable.name} += w, or leave the port out."
            )
        raise ModelError(
            f"Expected the input of {model.name} to depend on the weight w but got one without "
            f'it; write for example {variable.name} += w, or input = "" if it takes none.'
        )


def _check_refractory(model: NeuronModel) -> None:
    """The variable that spikes is held, so that no spike comes within the period."""
    refractory = model.refractory
    if refractory is None:
        return
    variable = model.spike.variable
    if model.is_crossing:
        got = "one onto it" if model.lands_on_threshold else "none"
        raise ModelError(
            f"Expected a reset of {variable.name} in {model.name} to below its threshold, since it "
            f"is held in the refractory period, but got {got}; add one, such as {variable.name} = "
            "0, or leave refractory out."
        )
    names = ", ".join(s.name for s in refractory.hold)
    if variable not in refractory.hold or len(set(refractory.hold)) < len(refractory.hold):
        raise ModelError(
            f"Expected hold of the refractory period of {model.name} to name {variable.name}, "
            f"which spikes, and no variable twice but got {names or 'nothing'}; "
            f'write for example hold = ["{variable.name}"], or leave hold out.'
        )
    if refractory.time.has(sp.oo, -sp.oo, sp.zoo, sp.nan):
        raise ModelError(
            f"Expected a finite refractory period of {model.name} but got "
            f"{format_expression(refractory.time)}; give its time as an expression of parameters."
        )


def _check_domain(
    model: NeuronModel,
    relation: sp.Basic,
    exact: Mapping[sp.Symbol, sp.Expr],
    values: Mapping[str, float],
    name: str,
) -> None:
    """Raise `ModelError` unless ``relation`` holds at the parameter values ``exact``."""
    try:
        holds = relation.func(*(arg.xreplace(exact) for arg in relation.args))
    except TypeError:  # a side is not a real number, as in sqrt(x) > 0 at x = -1
        holds = sp.false
    if holds is not sp.true:
        involved = sorted({s.name for s in relation.free_symbols} | {name})
        got = ", ".join(f"{n}={values[n]!r}" for n in involved)
        raise ModelError(
            f"Expected {format_expression(relation)} in {model.name} but got {got}; "
            f"choose {name} inside its domain."
        )


def _print_assignments(state: tuple[sp.Symbol, ...], after: tuple[sp.Expr, ...]) -> str:
    """Print statements that, carried out one after another, take ``state`` to ``after``."""
    changed = {s: e for s, e in zip(state, after, strict=True) if s != e}
    text = []
    while changed:
        # A variable can be overwritten once nobody else still needs its old value.
        ready = [
            s for s in changed if not any(s in changed[o].free_symbols for o in changed if o != s)
        ]
        if not ready:
            raise ModelError(
                f"Expected a reset or input whose statements can be put in an order but got one "
                f"that exchanges {', '.join(s.name for s in changed)}; keep one of them."
            )
        text.append(f"{ready[0].name} = {format_expression(changed.pop(ready[0]))}")
    return "; ".join(text)


def _print_source(model: NeuronModel) -> dict[str, str]:
    """Print a model's mathematics as the texts of a model file."""
    lines = zip(model.state, model.derivatives, strict=True)
    arrow = "->" if model.spike.is_blowup else "="
    source = {
        "equations": "\n".join(f"d{s.name}/dt = {format_expression(e)}" for s, e in lines),
        "spike": f"{model.spike.variable.name} {arrow} {format_expression(model.spike.value)}",
        "reset": _print_assignments(model.state, model.reset),
        "input": _print_assignments(model.state, model.jump),
    }
    if model.refractory is not None:
        source["refractory.time"] = format_expression(model.refractory.time)
    for name, jump in model.other_inputs:
        source[f"inputs.{name}"] = _print_assignments(model.state, jump)
    for symbol, value in zip(model.state, model.rest, strict=True):
        source[f"rest.{symbol.name}"] = format_expression(value)
    for parameter in model.parameters:
        if parameter.domain is not sp.true:
            source[f"parameters.{parameter.name}.domain"] = format_expression(parameter.domain)
    return source | _print_assumptions(model)


def _print_assumptions(model: NeuronModel) -> dict[str, str]:
    """Print assumptions under the first symbol that each is about."""
    order = [symbols.WEIGHT, *model.state, *(p.symbol for p in model.parameters)]
    grouped: dict[str, list[str]] = {}
    for relation in model.assumptions:
        about = next(s for s in order if s in relation.free_symbols)
        grouped.setdefault(f"assumptions.{about.name}", []).append(format_expression(relation))
    return {key: " and ".join(texts) for key, texts in grouped.items()}


def _merge_source(printed: dict[str, str], written: Mapping[str, str]) -> dict[str, str]:
    """Prefer the texts as written; written assumptions replace the printed ones as a whole."""
    if any(key.startswith("assumptions.") for key in written):
        printed = {k: v for k, v in printed.items() if not k.startswith("assumptions.")}
    return printed | dict(written)
