"""The records that `certify` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp
from mpmath import mpf

from spiketheory.certification.claims import Finding
from spiketheory.certification.region import Range
from spiketheory.language.model import NeuronModel

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
SMOOTH, CONTINUOUS = "smooth", "continuous"
VERDICTS = (SMOOTH, CONTINUOUS, REFUTED, UNDECIDED)

STATEMENTS = {
    "H": "well posed: the equations are defined and regular on all that is admissible",
    "C1": "transversality: every state on the spike surface crosses it at positive speed",
    "C2": "no spike by jump: an input leaves a state before the surface before it",
    "C3": "neutral jump: an input just before a spike does not delay it by a finite time",
    "C4": "order does not matter: reset and input commute on the spike surface",
    "C5": "no pile-up: finitely many spikes in finite time, and no state becomes infinite",
    "C6": "smooth swap: reset and input commute to first order as well",
}
NAMES = tuple(STATEMENTS)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One claim that a condition rests on, and what was found.

    Attributes:
        text: The claim in words.
        expression: What it is about, in the model's symbols; None for an argument in words.
        relation: ``= 0``, ``> 0`` or ``>= 0``; "" for an argument in words.
        finding: A proof, a counterexample, or None if it was neither proved nor refuted.
        holds: Whether ranks were found; None for a claim about an expression.
        key: The obligation that it belongs to.
        lemma: The lemma that it serves.
        ranges: Ranges of the free symbols in which the claim is written.
    """

    text: str
    expression: sp.Expr | None = None
    relation: str = ""
    finding: Finding = None
    holds: bool | None = None
    key: str = ""
    lemma: str = ""
    ranges: Mapping[sp.Symbol, Range] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One of the conditions H, C1 to C6.

    Attributes:
        name: ``H``, ``C1`` to ``C6``.
        status: ``proved``, ``refuted`` or ``undecided``.
        evidence: What the status rests on.
        holds_under: Bounds under which it would hold, if it does not in general.
        tried: What was tried in vain, if it is undecided.
    """

    name: str
    status: str
    evidence: tuple[Evidence, ...]
    holds_under: tuple[sp.Basic, ...] = ()
    tried: str = ""

    @property
    def statement(self) -> str:
        """The condition in words."""
        return STATEMENTS[self.name]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial of one neuron.

    Attributes:
        parameters: Values by name.
        initial: Initial state by name of the variable.
        weights: Weight of each input, shape (n_inputs,).
        times: Time of each input, shape (n_inputs,).
        duration: The trial's end T.
    """

    parameters: Mapping[str, float]
    initial: Mapping[str, float]
    weights: tuple[float, ...]
    times: tuple[float, ...]
    duration: float

    def moved(self, place: str, number: int, value: float) -> "Trial":
        """The trial with one number changed.

        Args:
            place: ``weight`` or ``time`` of an input, or the name of a state variable.
            number: Which input, from 0.
            value: The new value.
        """
        if place in ("weight", "time"):
            values = list(self.weights if place == "weight" else self.times)
            values[number] = value
            if place == "weight":
                return replace(self, weights=tuple(values))
            return replace(self, times=tuple(values))
        return replace(self, initial={**self.initial, place: value})

    def list_inputs(self) -> list[tuple[mpf, mpf]]:
        """Time and weight of every input in the order of time; equal times keep their order."""
        pairs = zip(map(mpf, self.times), map(mpf, self.weights), strict=True)
        return sorted(pairs, key=lambda pair: pair[0])

    def list_initial(self, model: NeuronModel) -> list[mpf]:
        """The initial state, in the model's order."""
        return [mpf(self.initial[s.name]) for s in model.state]

    def name_initial(self, variable: str) -> str:
        """Key of a variable's initial value: ``I0``; ``initial_I`` if that is a parameter."""
        return f"initial_{variable}" if f"{variable}0" in self.parameters else f"{variable}0"

    def to_arrays(self, model: str) -> dict[str, np.ndarray]:
        """The trial as a trial file holds it (docs/formats.md)."""
        arrays: dict[str, np.ndarray] = {"model": np.array(model), "T": np.array(self.duration)}
        arrays |= {name: np.array(value) for name, value in self.parameters.items()}
        arrays |= {self.name_initial(n): np.array([v]) for n, v in self.initial.items()}
        arrays["weights"] = np.zeros((1, 1))
        arrays["input_weights"] = np.array([self.weights]).reshape(1, -1)
        arrays["input_times"] = np.array(self.times)
        arrays["input_neurons"] = np.arange(len(self.times))
        return arrays


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A trial in which moving one parameter by less than 1e-9 breaks a condition.

    Attributes:
        condition: The condition that it breaks.
        parameter: What is moved: ``weight of input 1``, ``time of input 2``, ``V0``.
        place: The same for `Trial.moved`.
        number: Which input it is, from 0.
        values: Its two values.
        spikes: Spike times at either, in 50-digit arithmetic, as floats.
        change: What happens between the values, in words.
        trial: The trial at the first value.
        digits: Digits of the arithmetic that confirmed it.
    """

    condition: str
    parameter: str
    place: str
    number: int
    values: tuple[float, float]
    spikes: tuple[tuple[float, ...], tuple[float, ...]]
    change: str
    trial: Trial
    digits: int

    @property
    def what_moves(self) -> str:
        """The parameter with its article."""
        return f"the {self.parameter}" if " " in self.parameter else self.parameter


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Whether the spikes of a model only shift.

    Attributes:
        model: The model.
        assumptions: What was assumed of weights, states and parameters beside the model's own.
        split: Closed ends of domains of parameters that were looked at apart, as (name, end).
        verdict: One of `VERDICTS`.
        strength: What the verdict rests on, in one line.
        conditions: H, C1 to C6.
        witnesses: One for every refuted condition.
        under: The certificate under further assumptions with which spikes only shift, if some
            were found.
        notes: What else a reader must know.
        waived: Proofs for which a note is not needed.
        regularity: Whether gradients stay bounded, or where they diverge and how.
        ending: What happens at the end of a trial. (Not a part of what is rechecked.)
    """

    model: NeuronModel
    assumptions: tuple[sp.Basic, ...]
    split: tuple[tuple[str, str], ...]
    verdict: str
    strength: str
    conditions: tuple[Condition, ...]
    witnesses: tuple[Witness, ...] = ()
    under: "Certificate | None" = None
    notes: tuple[str, ...] = ()
    waived: tuple[Evidence, ...] = ()
    regularity: str = ""
    ending: str = ""
    by_name: Mapping[str, Condition] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {c.name: c for c in self.conditions})

    @property
    def assumed(self) -> tuple[sp.Basic, ...]:
        """Everything that was assumed, the model's own assumptions first."""
        return tuple(a for a in (*self.model.assumptions, *self.assumptions) if a != sp.true)

    @property
    def suggestion(self) -> tuple[sp.Basic, ...]:
        """Further assumptions under which spikes would only shift; empty if none was found."""
        if self.under is None:
            return ()
        return self.under.assumptions[len(self.assumptions) :]

    @property
    def suggested(self) -> str:
        """The verdict under them."""
        return self.under.verdict if self.under is not None else ""
