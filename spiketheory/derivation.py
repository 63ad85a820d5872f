"""The records that `derive` and `verify` return.

Everything is expressed in a *chart*: coordinates of the state in which the flow is regular, also
where the membrane potential is not. Expressions use the chart's coordinates, the derived
constants and the propagator values by symbol; `DURATION`, `WEIGHT` and `PSEUDO_INPUT` stand for
the time that passes, the weight of an input and the pseudo input.
"""

from dataclasses import dataclass

import sympy as sp

from spiketheory.model import NeuronModel


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One case of a piecewise definition; the first branch whose condition holds counts."""

    condition: sp.Basic
    values: tuple[sp.Basic, ...]


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number that depends on the parameters alone, computed once per simulation."""

    symbol: sp.Symbol
    value: sp.Expr
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the derivation, as a person would write it down."""

    title: str
    text: str
    equations: tuple[sp.Basic, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Coordinates in which the flow is regular.

    Attributes:
        name: What the coordinates are called.
        coordinates: Their symbols.
        to_state: The model's state, as expressions of the coordinates.
        from_state: The coordinates, as expressions of the model's state.
        field: Time derivatives of the coordinates between events.
        surface: A function of the coordinates; the neuron spikes where it falls through zero.
        projective: Whether positive multiples of the coordinates are the same state.
    """

    name: str
    coordinates: tuple[sp.Symbol, ...]
    to_state: tuple[sp.Expr, ...]
    from_state: tuple[sp.Expr, ...]
    field: tuple[sp.Expr, ...]
    surface: sp.Expr
    projective: bool


@dataclass(frozen=True, kw_only=True)
class Propagator:
    """Numbers that depend on the duration and the constants alone: shared by many neurons."""

    symbols: tuple[sp.Symbol, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, kw_only=True)
class InitialCoordinate:
    """The number that a network may learn as a neuron's initial state.

    Attributes:
        symbol: Its symbol (phase, membrane potential).
        meaning: What it is.
        state: Chart coordinates as expressions of it.
        value: It, as an expression of the chart coordinates.
        lower: Smallest admissible value (may be ``-oo``).
        upper: Largest admissible value (may be ``oo``).
        default: Where an untrained network starts.
    """

    symbol: sp.Symbol
    meaning: str
    state: tuple[sp.Expr, ...]
    value: sp.Expr
    lower: sp.Expr
    upper: sp.Expr
    default: sp.Expr


@dataclass(frozen=True, kw_only=True)
class Pseudospike:
    """The pseudodynamics after the end of the trial.

    Attributes:
        delay: Time from the trial's end to the first missing spike.
        period: Time from one missing spike to the next.
        rate: The neuron's pseudo rate, the input of the layers after it.
        meaning: What these stand for.
        kick: Whether the pseudo input acts as an ordinary input at the trial's end.
        free: Whether the neuron obeys its own equation after the trial's end.
    """

    delay: sp.Expr
    period: sp.Expr
    rate: sp.Expr
    meaning: str
    kick: bool
    free: bool


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """All closed forms of one model.

    Attributes:
        model: The model they were derived from.
        method: Name of the method.
        reason: Why this method was chosen.
        chart: The coordinates.
        constants: Derived constants, each in terms of the parameters and the ones before it.
        propagator: Values that depend on the duration and the constants alone.
        flow: Coordinates after the propagator's duration without events.
        will_spike: Whether a spike comes within the propagator's duration.
        time_to_spike: Time to the next spike without further input, ``oo`` if there is none.
        time_to_spike_gradient: Its derivatives with respect to the coordinates.
        jump: Coordinates after an input of weight ``w``.
        reset: Coordinates after a spike, as expressions of the coordinates on the surface.
        initial: The learnable initial coordinate.
        pseudospike: The pseudodynamics; None where the model has none.
        steps: The derivation in steps.
        references: Where the formulas come from.
    """

    model: NeuronModel
    method: str
    reason: str
    chart: Chart
    constants: tuple[Constant, ...]
    propagator: Propagator
    flow: tuple[sp.Expr, ...]
    will_spike: sp.Basic
    time_to_spike: tuple[Branch, ...]
    time_to_spike_gradient: tuple[sp.Expr, ...]
    jump: tuple[sp.Expr, ...]
    reset: tuple[sp.Expr, ...]
    initial: InitialCoordinate
    pseudospike: Pseudospike | None
    steps: tuple[Step, ...]
    references: tuple[str, ...]

    @property
    def constant_values(self) -> dict[sp.Symbol, sp.Expr]:
        """Every constant as an expression of the parameters alone."""
        values: dict[sp.Symbol, sp.Expr] = {}
        for constant in self.constants:
            values[constant.symbol] = constant.value.subs(values)
        return values

    @property
    def propagator_values(self) -> tuple[tuple[sp.Basic, dict[sp.Symbol, sp.Basic]], ...]:
        """For each branch of the propagator its condition and a substitution."""
        return tuple(
            (branch.condition, dict(zip(self.propagator.symbols, branch.values, strict=True)))
            for branch in self.propagator.branches
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of a derivation.

    Attributes:
        name: What was checked.
        method: How: ``symbolic`` or ``50 digits``.
        detail: The outcome in words or numbers.
    """

    name: str
    method: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class VerifiedDerivation:
    """A derivation that passed every check; only `spiketheory.verify.verify` makes one."""

    derivation: Derivation
    checks: tuple[Check, ...]
