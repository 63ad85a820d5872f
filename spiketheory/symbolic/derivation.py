"""The record that `derive` returns.

Everything is expressed in a *chart*: coordinates of the state in which the flow is regular, also
where the membrane potential is not. Expressions use the chart's coordinates, the derived
constants and the propagator values by symbol; `DURATION`, `WEIGHT` and `PSEUDO_INPUT` stand for
the time that passes, the weight of an input and the pseudo input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from spiketheory.language.model import NeuronModel
from spiketheory.shown import shown_by
from spiketheory.symbolic.taylor_system import TaylorSystem


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
        projective: Coordinates of which positive multiples are the same state; none if ().
    """

    name: str
    coordinates: tuple[sp.Symbol, ...]
    to_state: tuple[sp.Expr, ...]
    from_state: tuple[sp.Expr, ...]
    field: tuple[sp.Expr, ...]
    surface: sp.Expr
    projective: tuple[sp.Symbol, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Propagator:
    """Numbers that depend on the duration and the constants alone: shared by many neurons.

    Attributes:
        symbols: Their symbols.
        branches: Their values.
        slopes: Derivatives by the constants where differentiating the branches would lose them (at
            a removable singularity): for each symbol, by the constant. Constants left out do not
            matter then.
    """

    symbols: tuple[sp.Symbol, ...]
    branches: tuple[Branch, ...]
    slopes: Mapping[sp.Symbol, Mapping[sp.Symbol, sp.Expr]] = field(default_factory=dict)

    def list_slopes(self, constant: sp.Symbol) -> list[tuple[sp.Symbol, list[sp.Expr]]]:
        """Derivatives by a constant: for each symbol, in each branch."""
        return [
            (
                symbol,
                [self.slopes[symbol].get(constant, sp.S.Zero)] * len(self.branches)
                if symbol in self.slopes
                else [branch.values[row].diff(constant) for branch in self.branches],
            )
            for row, symbol in enumerate(self.symbols)
        ]


@dataclass(frozen=True, kw_only=True)
class NumbersForm:
    """What numbers of the flow are in elementary or special functions of sympy.

    Attributes:
        where: Values of parameters and coordinates for which this holds, by symbol.
        values: The numbers.
        wait: The time to the spike in closed form, or None.
        constants: Abbreviations in ``values`` that do not depend on the duration.
        solutions: Solutions of the chart's equation that the values are combinations of; one
            number per coordinate.
    """

    where: Mapping[sp.Symbol, sp.Expr]
    values: tuple[sp.Expr, ...]
    wait: sp.Expr | None = None
    constants: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    solutions: tuple[tuple[sp.Expr, ...], ...] = ()

    @property
    def full_values(self) -> tuple[sp.Expr, ...]:
        """The numbers without abbreviations."""
        return tuple(value.xreplace(dict(self.constants)) for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers of the flow that depend on the state too, all from one function.

    Attributes:
        symbols: Their symbols.
        call: The function, applied to coordinates, propagator values and constants.
        slope: The function that returns them and their derivatives by the first of ``by``, the
            only one that depends on the coordinates.
        tangent: The function that returns them and their derivatives by some of its arguments.
        by: Places of these arguments.
        slopes: For each of them, the derivatives, in terms of ``symbols`` and ``tangents``.
        tangents: What ``tangent`` returns behind the numbers, in rows.
        closed_forms: What they are, for verification and for people.
        meaning: What they are, in words.
    """

    symbols: tuple[sp.Symbol, ...]
    call: sp.Expr
    slope: sp.Expr
    tangent: sp.Expr
    by: tuple[int, ...]
    slopes: tuple[tuple[sp.Expr, ...], ...]
    tangents: tuple[tuple[sp.Symbol, ...], ...]
    closed_forms: tuple[NumbersForm, ...] = ()
    meaning: str = ""

    def differentiate(self, variable: sp.Symbol) -> dict[sp.Symbol, sp.Expr]:
        """The numbers' derivatives by a variable, in terms of the slopes."""
        inner = [self.call.args[place].diff(variable) for place in self.by]
        return {
            symbol: sp.Add(*(
                slope[row] * change for slope, change in zip(self.slopes, inner, strict=True)
            ))
            for row, symbol in enumerate(self.symbols)
        }  # fmt: skip


def differentiate_numbers(
    expressions: Sequence[sp.Expr], coordinates: Sequence[sp.Symbol], numbers: Numbers | None
) -> sp.Matrix:
    """Derivatives by the coordinates, of the numbers that depend on them included."""
    rows = sp.Matrix(list(expressions)).jacobian(coordinates)
    if numbers is None:
        return rows
    outer = sp.Matrix(list(expressions)).jacobian(numbers.symbols)
    inner = [[numbers.differentiate(c)[s] for c in coordinates] for s in numbers.symbols]
    return rows + outer * sp.Matrix(inner)


@dataclass(frozen=True, kw_only=True)
class Descent:
    """A chain of functions of time that isolates all zeros of the first; the last has none.

    Between two zeros of heights[k + 1] = heights[k]' - rates[k] heights[k] there is at most one of
    heights[k] (Rolle's theorem for exp(-rates[k] t) heights[k]).

    Attributes:
        heights: In terms of duration, coordinates and parameters; the first is the surface.
        rates: One per height.
        horizon: A duration after which none of them changes its sign any more.
    """

    heights: tuple[sp.Expr, ...]
    rates: tuple[sp.Expr, ...]
    horizon: sp.Expr


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """A flow whose spike time is in closed form, too.

    Attributes:
        flow: Coordinates after the propagator's duration without events.
        time_to_spike: Time to the next spike without further input, ``oo`` if there is none.
        time_to_spike_gradient: Its derivatives with respect to the coordinates; may hold the
            propagator's values over the time to the spike.
        numbers: Numbers of the flow that depend on the state; None if there are none.
        time_to_peak: Time to the next maximum of what has the threshold, without further input
            and spikes, ``oo`` if there is none; no branches if the model has no such maximum.
        stays_silent: A cheap condition under which no spike comes within the propagator's duration.
    """

    flow: tuple[sp.Expr, ...]
    time_to_spike: tuple[Branch, ...]
    time_to_spike_gradient: tuple[sp.Expr, ...]
    numbers: Numbers | None = None
    time_to_peak: tuple[Branch, ...] = ()
    stays_silent: sp.Basic = sp.false


@dataclass(frozen=True, kw_only=True)
class RootSearch(ClosedForm):
    """A flow in closed form whose first spike is isolated, in some branches or in all.

    Attributes:
        descent: How the first spike is isolated where no closed form gives it.
    """

    descent: Descent


@dataclass(frozen=True, kw_only=True)
class Integrated:
    """A flow without a closed form.

    Attributes:
        system: The equations that are integrated.
    """

    system: TaylorSystem


Solution = ClosedForm | RootSearch | Integrated
"""How the equations between events are solved."""


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
class HeldPhase:
    """The refractory period, in the coordinates of the chart.

    Attributes:
        time: How long it lasts after a spike, in terms of the parameters [time].
        field: Time derivatives of the coordinates in it.
        jumps: Coordinates after an input of weight ``w`` in it, for each port.
        solution: Coordinates after `DURATION` in it without inputs; or the equations that are
            integrated.
    """

    time: sp.Expr
    field: tuple[sp.Expr, ...]
    jumps: tuple[tuple[sp.Expr, ...], ...]
    solution: tuple[sp.Expr, ...] | Integrated

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """All that it consists of."""
        flow = () if isinstance(self.solution, Integrated) else self.solution
        return (self.time, *self.field, *(e for jump in self.jumps for e in jump), *flow)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Coordinates u that do not change between events: those of the chart at an origin in time.

    In all expressions the chart's coordinates stand for those of the frame, and `DURATION` for s,
    the time since the origin.

    Attributes:
        factors: Symbols of the numbers that depend on s and the constants alone.
        branches: Their values.
        here: Symbols of the chart's coordinates at s.
        now: Their values.
        pushed: Symbols of the numbers that an input is made of.
        push: Their values, for each port, in terms of the weight and the factors.
        jump: The frame's coordinates after an input.
        quiet: A condition under which no spike came before s, since the last event.
        crosses: Whether the neuron is on its threshold or beyond it at s; false if no input
            carries it there.
        since: Symbol of the time of the last event.
        at: Symbol of the time of a spike.
        spike: Branches of the time of the spike before s, if `quiet` does not hold; none where it
            is the time to spike from the last event.
        turns_over: Whether a spike only turns the sign of all coordinates.
        held_jump: The frame's coordinates after an input that comes before the release from a
            refractory period at the time `at`; () if there is none.
        keeps_time: Whether the time of the last event matters.
        window: Branches of the longest time between two looks at a neuron.
        reach: Branches of the longest s.
    """

    factors: tuple[sp.Symbol, ...]
    branches: tuple[Branch, ...]
    here: tuple[sp.Symbol, ...]
    now: tuple[sp.Expr, ...]
    pushed: tuple[sp.Symbol, ...]
    push: tuple[tuple[sp.Expr, ...], ...]
    jump: tuple[sp.Expr, ...]
    quiet: sp.Basic
    crosses: sp.Basic
    since: sp.Symbol
    at: sp.Symbol
    spike: tuple[Branch, ...]
    turns_over: bool
    keeps_time: bool
    window: tuple[Branch, ...]
    reach: tuple[Branch, ...]
    held_jump: tuple[sp.Expr, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """All closed forms of one model.

    Attributes:
        model: The model they were derived from.
        method: Name of the method.
        reason: Why this method was chosen.
        rejected: The more special methods, and why they do not fit.
        chart: The coordinates.
        constants: Derived constants, each in terms of the parameters and the ones before it.
        propagator: Values that depend on the duration and the constants alone.
        solution: How the equations between events are solved.
        will_spike: Whether a spike comes within the propagator's duration.
        jump: Coordinates after an input of weight ``w``, at the first port if there are several.
        reset: Coordinates after a spike, as expressions of the coordinates on the surface.
        initial: The learnable initial coordinate.
        pseudospike: The pseudodynamics; None where the model has none.
        without_pseudospikes: Why it has none.
        written: The model as it was written, if another one was derived
            (`spiketheory.symbolic.measured`).
        refractory: What holds after a spike for a while; None if the neuron has no refractory
            period. Everything else is derived as if it had none.
        other_jumps: The same as ``jump`` for each further port of the model.
        frame: Coordinates that do not change between events; None if there are none.
        without_frame: Why there are none.
        steps: The derivation in steps.
        references: Where the formulas come from.
    """

    model: NeuronModel
    method: str
    reason: str
    chart: Chart
    constants: tuple[Constant, ...]
    propagator: Propagator
    solution: Solution
    will_spike: sp.Basic
    jump: tuple[sp.Expr, ...]
    reset: tuple[sp.Expr, ...]
    initial: InitialCoordinate
    pseudospike: Pseudospike | None
    steps: tuple[Step, ...]
    references: tuple[str, ...]
    rejected: tuple[str, ...] = ()
    without_pseudospikes: str = ""
    refractory: HeldPhase | None = None
    written: NeuronModel | None = None
    other_jumps: tuple[tuple[sp.Expr, ...], ...] = ()
    frame: Frame | None = None
    without_frame: str = ""

    def __repr__(self) -> str:
        return f"Derivation({self.model.name} by {self.method}, {len(self.steps)} steps)"

    _repr_latex_ = shown_by("spiketheory.documents.notebook.show_derivation")

    @property
    def jumps(self) -> tuple[tuple[sp.Expr, ...], ...]:
        """Coordinates after an input of weight ``w``, for each port."""
        return (self.jump, *self.other_jumps)

    @property
    def shown(self) -> NeuronModel:
        """The model as it was written, whose state goes into the coordinates and comes out."""
        return self.written or self.model

    @property
    def is_measured(self) -> bool:
        """Whether V is measured from a threshold that moves."""
        return self.model.spike.variable != self.shown.spike.variable

    @property
    def enter(self) -> tuple[sp.Expr, ...]:
        """The coordinates, as expressions of the state as written."""
        own, shown = self.model.spike, self.shown.spike
        if not self.is_measured:
            return self.chart.from_state
        height = {own.variable: shown.variable - shown.value}
        return tuple(e.subs(height) for e in self.chart.from_state)

    @property
    def leave(self) -> tuple[sp.Expr, ...]:
        """The state as written, as expressions of the coordinates."""
        own, shown = self.model.spike, self.shown.spike
        if not self.is_measured:
            return self.chart.to_state
        state = dict(zip(self.model.state, self.chart.to_state, strict=True))
        above = shown.value.subs(state, simultaneous=True)
        return tuple(v + above if s == own.variable else v for s, v in state.items())

    @property
    def is_integrated(self) -> bool:
        """Whether the flow has no closed form."""
        return isinstance(self.solution, Integrated)

    @property
    def closed(self) -> ClosedForm:
        """The solution in closed form; ask `is_integrated` first."""
        assert isinstance(self.solution, ClosedForm), "the flow is integrated"
        return self.solution

    @property
    def integrated(self) -> TaylorSystem:
        """The equations that are integrated; ask `is_integrated` first."""
        assert isinstance(self.solution, Integrated), "the flow has a closed form"
        return self.solution.system

    @property
    def spike_branches(self) -> tuple[Branch, ...]:
        """The branches of the time to the next spike; none where it is integrated."""
        return () if self.is_integrated else self.closed.time_to_spike

    @property
    def numbers(self) -> Numbers | None:
        """Numbers of the flow that depend on the state; None if there are none."""
        return None if self.is_integrated else self.closed.numbers

    @property
    def descent(self) -> Descent | None:
        """How the first spike is isolated; None if it need not be."""
        return self.solution.descent if isinstance(self.solution, RootSearch) else None

    def jacobian(self, expressions: Sequence[sp.Expr]) -> sp.Matrix:
        """Derivatives by the coordinates, of the numbers that depend on them included."""
        return differentiate_numbers(expressions, self.chart.coordinates, self.numbers)

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
