"""The records that `certify` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from spiketheory.certification.claims import Finding
from spiketheory.certification.refutation.ladder import Ladder
from spiketheory.certification.refutation.trial import Trial
from spiketheory.certification.region import Range
from spiketheory.language.model import NeuronModel
from spiketheory.shown import shown_by

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
        rule: Which kind of counterexample it is, ``R1`` to ``R6`` (docs/certificates.md).
        ladder: How the jump stays as the two values are brought together.
        from_rest: Whether both trials start from rest.
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
    rule: str
    ladder: Ladder
    from_rest: bool

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

    def __repr__(self) -> str:
        statuses = ", ".join(f"{c.name} {c.status}" for c in self.conditions)
        return f"Certificate({self.model.name}: {self.verdict}; {statuses})"

    _repr_html_ = shown_by("spiketheory.documents.notebook.show_certificate")

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
