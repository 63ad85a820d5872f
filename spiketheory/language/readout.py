"""ReadoutModel: a readout neuron as data, and how it is read from texts.

A readout neuron is linear and has no threshold: hidden spikes add their weights to its state, and
its output, a logit, is its potential read in one of the ways of `READS`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from spiketheory.errors import ModelError, check_choice
from spiketheory.language import symbols
from spiketheory.language.model import Parameter, check_name, format_expression
from spiketheory.language.parse import parse_equations, parse_statements, read_parameters
from spiketheory.language.syntax import parse_expression

READS = {
    "integral": "the integral of its potential, times a weight, over the trial",
    "end": "its potential at the trial's end",
    "maximum": "the largest value of its potential during the trial",
    "spikes": "times of its spikes",
}
"""How the output is read from a readout neuron."""
RESERVED = ("t", "T", "m", "d", "s", "w", "bar", "time", "duration", "elapsed")
"""Names that a readout's parameters and variables may not have."""


@dataclass(frozen=True, kw_only=True)
class ReadoutModel:
    """A readout, checked when made.

    Attributes:
        name: Its name.
        description: One line for people.
        reads: How it is read, a key of `READS`.
        state: State variables, the potential first; each is driven by later ones only, shape
            (n_state,). None if spikes are read.
        derivatives: Time derivative of each between spikes, shape (n_state,).
        jump: State just after a hidden spike of weight `symbols.WEIGHT`, shape (n_state,).
        parameters: Parameters that have derivatives.
        settings: Parameters that have none.
        definitions: Numbers that ``weight`` and ``support`` use, in terms of parameters, settings,
            `symbols.TRIAL_END` and `symbols.FEATURE`.
        weight: What the potential is multiplied with, a function of `symbols.TIME`; None if it
            is not integrated.
        support: Between which times the weight is what it says; it is 0 elsewhere. None: always.
        features: Name of the setting that counts the features of a hidden neuron; "" if one.
        notes: What else to know; where it is derived, if spikes are read.
        source: Texts by key, as written.
    """

    name: str
    description: str
    reads: str
    state: tuple[sp.Symbol, ...] = ()
    derivatives: tuple[sp.Expr, ...] = ()
    jump: tuple[sp.Expr, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    settings: tuple[Parameter, ...] = ()
    definitions: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    weight: sp.Expr | None = None
    support: tuple[sp.Expr, sp.Expr] | None = None
    features: str = ""
    notes: str = ""
    source: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name, "model")
        check_choice("reads", self.reads, READS)
        for symbol in (*self.state, *(p.symbol for p in (*self.parameters, *self.settings))):
            if symbol.name in RESERVED:
                raise ModelError(
                    f"Expected a free name in the readout {self.name} but got {symbol.name!r}; "
                    f"choose another than {', '.join(RESERVED)}."
                )
        if (self.weight is not None) != (self.reads == "integral"):
            raise ModelError(
                f"Expected a weight for the readout {self.name} if and only if its potential is "
                f"integrated but got {self.weight} where it reads {self.reads!r}; change one."
            )

    @property
    def has_kernel(self) -> bool:
        """Whether the output is a sum over hidden spikes of weight times kernel."""
        return self.reads in ("integral", "end")

    @property
    def values(self) -> tuple[Parameter, ...]:
        """Parameters and settings, in the order in which functions take them."""
        return (*self.parameters, *self.settings)

    @property
    def digest(self) -> str:
        """SHA-256 of the mathematical content, in hexadecimal."""
        parts: list[Any] = [self.reads, self.features]
        parts += [f"{s} {d} {j}" for s, d, j in zip(self.state, self.derivatives, self.jump,
                                                     strict=True)]  # fmt: skip
        parts += [f"{p.name} {p.default!r} {p.domain}" for p in self.values]
        parts += [f"{name} {value}" for name, value in self.definitions.items()]
        parts += [self.weight, self.support]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


# Long: a third of it says what it takes; then the record, field by field.
def build_readout(
    *,
    name: str,
    description: str,
    reads: str,
    equations: str,
    input: str,
    weight: str | None = None,
    support: tuple[str, str] | None = None,
    definitions: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    features: str = "",
    notes: str = "",
) -> ReadoutModel:
    """Make a readout from texts.

    Args:
        name: Its name.
        description: One line for people.
        reads: ``integral``, ``end`` or ``maximum``.
        equations: Lines ``dX/dt = ...``, the potential first.
        input: Statements at a hidden spike of weight ``w``, such as ``I += w``.
        weight: What the potential is multiplied with before it is integrated, in terms of ``t``,
            the trial's end ``T`` and the number ``m`` of the feature.
        support: Between which times.
        definitions: Further names for ``weight`` and ``support``, each from the ones before.
        parameters: As in a model file.
        settings: The same of those without derivatives.
        features: The setting that counts features.
        notes: What else to know.

    Raises:
        ParseError: If a text is malformed.
        ModelError: If the texts do not make a readout together.
    """
    place = f" of readout {name}"
    own, _ = read_parameters(parameters or {}, place)
    fixed, _ = read_parameters(settings or {}, place)
    known: dict[str, sp.Expr] = {p.name: p.symbol for p in (*own, *fixed)}
    derivatives = parse_equations(equations, known, where="equations" + place)
    state = {s.name: s for s in derivatives}
    jump = parse_statements(input, known | state | {"w": symbols.WEIGHT}, targets=state,
                            where="input" + place)  # fmt: skip
    names = known | {s.name: s for s in (symbols.TRIAL_END, symbols.FEATURE)}
    defined: dict[sp.Symbol, sp.Expr] = {}
    for key, text in (definitions or {}).items():
        symbol = symbols.constant_symbol(key, positive=True)
        defined[symbol] = parse_expression(text, names, where=f"definition of {key}{place}")
        names[key] = symbol
    timed = names | {"t": symbols.TIME}
    return ReadoutModel(
        name=name,
        description=description,
        reads=reads,
        state=tuple(derivatives),
        derivatives=tuple(derivatives.values()),
        jump=tuple(jump.values()),
        parameters=own,
        settings=fixed,
        definitions=defined,
        weight=None if weight is None else parse_expression(weight, timed, where="weight" + place),
        support=None
        if support is None
        else (parse_expression(support[0], names, where="support" + place),
              parse_expression(support[1], names, where="support" + place)),
        features=features,
        notes=notes,
        source={
            "equations": "\n".join(line.strip() for line in equations.strip().splitlines()),
            "input": input.strip(),
            "weight": weight or "",
            **{f"definitions.{key}": text for key, text in (definitions or {}).items()},
            **{f"parameters.{p.name}.domain": format_expression(p.domain) for p in (*own, *fixed)},
        },
    )  # fmt: skip
