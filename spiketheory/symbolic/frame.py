r"""The co-moving frame: coordinates that do not change between events.

Where the flow is linear in the chart's coordinates, $z(t) = \Phi(s) u$ with s the time since an
origin, u stays as it is from one event to the next. An input there is
$u \to \Phi(s)^{-1} J(\Phi(s) u)$: products of numbers that depend on s alone, the *factors*, with
what the input is made of. They are computed once for all targets of a spike, so that an input costs
a few products and sums and no exponential. $\Phi(s)^{-1} = \Phi(-s)$, so nothing new is solved.

Whether a neuron has spiked before s is asked at each of its inputs:

- Projective coordinates: by the sign of the surface, which turns at each spike; so two looks may
  not be farther apart than a part of a period.
- One variable: V moves in one direction, and u is compared with the origin of the trajectory that
  reaches the threshold at s, $\Phi(-s) V_{th}$.
- Several: V may cross and come back between two inputs. What drives it is bounded from its value
  at s back to the last event, and so is V; where that bound reaches the threshold, the time to
  spike from the last event decides.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.symbols import DURATION, WEIGHT, constant_symbol, pick_name, state_symbol
from spiketheory.symbolic.derivation import Branch, Derivation, Frame, Integrated

FEW_TIME_CONSTANTS = sp.Integer(4)
"""Of the fastest rate, in a frame of one variable: rounding of s counts so often in an exponent.

Divided by the number of variables: with each that drives another more terms cancel.
"""
SPREAD = sp.Integer(2)
"""How far rates may draw modes apart: terms of u that cancel in V are exp(this) times larger."""
LARGEST_EXPONENT = sp.Integer(200)
"""By which a refractory period may make numbers of the frame grow."""
HYPERBOLIC = sp.S.Half
"""The same for both directions of a hyperbolic flow, which part at twice their rate."""


def add_frame(derivation: Derivation) -> Derivation:
    """The derivation, with its co-moving frame or the reason why there is none."""
    found = explain_lack(derivation)
    if found:
        return dataclasses.replace(derivation, without_frame=found)
    return dataclasses.replace(derivation, frame=FrameBuilder(derivation).build())


def explain_lack(derivation: Derivation) -> str:
    """Say why there is no co-moving frame; nothing if there is one."""
    d = derivation
    if d.is_integrated:
        return "its flow has no closed form"
    chart = d.chart
    if d.numbers is not None:
        return "what carries its coordinates along depends on its state, which inputs change"
    if not are_affine(d.closed.flow, chart.coordinates):
        return "its flow is not linear in its coordinates"
    if d.other_jumps and not acts_linearly(d):
        return "an input at one of its ports does not act linearly on its coordinates"
    if d.model.is_crossing:
        return "it goes on through its spikes, and its side of the threshold is a state as well"
    if d.refractory is not None and not is_simply_held(d):
        return "what goes on in its refractory period does not go on as it does otherwise"
    if chart.projective and len(chart.coordinates) != 2:
        return "it has more coordinates than the two of which only the ratio matters"
    return ""


def is_simply_held(derivation: Derivation) -> bool:
    """Whether all coordinates are held in the refractory period, or one that drives no other."""
    d, phase = derivation, derivation.refractory
    assert phase is not None
    coordinates, held = d.chart.coordinates, list_held(d)
    if len(held) == len(coordinates):
        return True
    free = [k for k, c in enumerate(coordinates) if c not in held]
    same = all(phase.field[k] == d.chart.field[k] for k in free)
    still = all(v == 0 for v, c in zip(phase.field, coordinates, strict=True) if c in held)
    alike = all(
        jump[k] == other[k] and not jump[k].has(*held)
        for jump, other in zip(phase.jumps, d.jumps, strict=True) for k in free
    )  # fmt: skip
    alone = len(held) == 1 and not any(phase.field[k].has(*held) for k in free)
    return same and still and alike and alone and not isinstance(phase.solution, Integrated)


def list_held(derivation: Derivation) -> list[sp.Symbol]:
    """Coordinates that are held in the refractory period."""
    assert derivation.model.refractory is not None
    hold = derivation.model.refractory.hold
    free = [s for s in derivation.model.state if s not in hold]
    return [c for c in derivation.chart.coordinates if c not in free]


def acts_linearly(derivation: Derivation) -> bool:
    """Whether inputs act linearly on the coordinates; else they are carried to s and back."""
    return all(are_affine(jump, derivation.chart.coordinates) for jump in derivation.jumps)


def are_affine(expressions: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> bool:
    """Whether expressions are linear in some variables plus a constant."""
    matrix = sp.Matrix(list(expressions)).jacobian(list(variables))
    return not matrix.has(*variables) and not matrix.has(sp.Derivative)


@dataclass(frozen=True)
class Terms:
    """What an input adds to the coordinates: a vector, and multiples of coordinates at s."""

    constant: tuple[sp.Expr, ...]
    linear: Mapping[int, tuple[sp.Expr, ...]]


class Factors:
    """Numbers of s, each under a name; what is the same in all branches has one name.

    Args:
        taken: Names that are used otherwise.
        conditions: Those of the branches.
    """

    def __init__(self, taken: set[str], conditions: Sequence[sp.Basic]) -> None:
        self.taken, self.conditions = taken, conditions
        self.rows: dict[tuple[sp.Expr, ...], sp.Symbol] = {}

    def name(self, name: str, values: Sequence[sp.Expr]) -> sp.Expr:
        """The symbol of a number of s; the number itself if it does not depend on s."""
        row = tuple(values)
        if not any(v.has(DURATION) for v in row) and len({*row}) == 1:
            return row[0]
        if row not in self.rows:
            symbol = state_symbol(pick_name(name, self.taken))
            self.taken.add(symbol.name)
            self.rows[row] = symbol
        return self.rows[row]

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """All symbols, in the order in which they came."""
        return tuple(self.rows.values())

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Their values."""
        return tuple(
            Branch(condition=condition, values=tuple(row[k] for row in self.rows))
            for k, condition in enumerate(self.conditions)
        )


class FrameBuilder:
    """Builds the frame of one derivation.

    Args:
        derivation: One for which `explain_lack` finds nothing.
    """

    def __init__(self, derivation: Derivation) -> None:
        d = self.derivation = derivation
        self.coordinates = d.chart.coordinates
        self.n = len(self.coordinates)
        taken = {s.name for s in (*d.model.state, *d.shown.state, *self.coordinates)}
        taken |= {p.name for p in d.model.parameters} | {c.symbol.name for c in d.constants}
        taken |= {WEIGHT.name, DURATION.name, "port"}
        self.since, self.at = (
            constant_symbol(pick_name(name, taken), nonnegative=True) for name in ("since", "at")
        )
        self.taken = taken | {self.since.name, self.at.name}
        self.factors = Factors(self.taken, [b.condition for b in d.propagator.branches])
        self.now = self.name_flow()
        self.here = tuple(state_symbol(pick_name(f"{c}_now", self.taken)) for c in self.coordinates)
        self.taken |= {s.name for s in self.here}

    def build(self) -> Frame:
        """The frame."""
        d = self.derivation
        is_projective = bool(d.chart.projective)
        push, jump = self.build_jump() if acts_linearly(d) else self.carry_jump()
        window, reach = self.find_oscillation() if is_projective else self.find_reach()
        too_long = self.find_overlong_period()
        window, reach = (*too_long, *window), (*too_long, *reach)
        quiet = self.is_positive_surface() if is_projective else self.stays_below()
        crosses = sp.false
        if not d.model.spike.is_blowup and any(self.moves_potential(j) for j in d.jumps):
            crosses = self.is_beyond()
        return Frame(
            factors=self.factors.symbols,
            branches=self.factors.branches,
            here=self.here,
            now=self.now,
            pushed=tuple(self.pushed),
            push=push,
            jump=jump,
            quiet=quiet,
            crosses=crosses,
            since=self.since,
            at=self.at,
            spike=self.find_spike(),
            turns_over=is_projective,
            keeps_time=not is_projective and self.n > 1,
            window=window,
            reach=reach,
            held_jump=self.take_while_held(jump) if d.refractory is not None else (),
        )

    def take_while_held(self, jump: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """After an input to a refractory neuron: what is held is the same at its release.

        It is held at row . u, with the row of the flow from the origin to the release.
        """
        held = list_held(self.derivation)
        if len(held) == self.n:
            return self.coordinates
        place = self.coordinates.index(held[0])
        (branch,) = self.derivation.propagator.branches
        row = sp.Matrix([self.substitute(branch, self.at)[place]]).jacobian(self.coordinates)
        moved = [after - c for c, after in zip(self.coordinates, jump, strict=True)]
        kept = sp.Add(*(row[k] * e for k, e in enumerate(moved) if k != place)) / row[place]
        return tuple(
            c - kept if k == place else after
            for k, (c, after) in enumerate(zip(self.coordinates, jump, strict=True))
        )

    def substitute(self, branch: Branch, time: sp.Expr) -> tuple[sp.Expr, ...]:
        """The flow over a time, which may be negative, with one branch of the propagator."""
        symbols = self.derivation.propagator.symbols
        values = [v.subs(DURATION, time) for v in branch.values]
        named = dict(zip(symbols, values, strict=True))
        return tuple(e.xreplace(named) for e in self.derivation.closed.flow)

    def name_flow(self) -> tuple[sp.Expr, ...]:
        """The coordinates at s, from those of the frame, with factors that have names."""
        d = self.derivation
        used = set().union(*(e.free_symbols for e in d.closed.flow))
        for k, symbol in enumerate(d.propagator.symbols):
            if symbol in used:
                row = tuple(b.values[k] for b in d.propagator.branches)
                self.factors.rows[row] = symbol
                self.taken.add(symbol.name)
        same = {
            s: self.factors.rows[tuple(b.values[k] for b in d.propagator.branches)]
            for k, s in enumerate(d.propagator.symbols) if s in used
        }  # fmt: skip
        return tuple(e.xreplace(same) for e in d.closed.flow)

    @cached_property
    def back(self) -> list[sp.Matrix]:
        """The matrix of the flow from s back to the origin, with each branch."""
        found = []
        for branch in self.derivation.propagator.branches:
            flow = sp.Matrix(self.substitute(branch, -DURATION))
            found.append(flow.jacobian(self.coordinates))
        return found

    def build_jump(self) -> tuple[tuple[tuple[sp.Expr, ...], ...], tuple[sp.Expr, ...]]:
        """Numbers of an input for each port, and the coordinates after it in terms of them."""
        ports = [self.split_jump(jump) for jump in self.derivation.jumps]
        columns = sorted({c for terms in ports for c in terms.linear})
        self.pushed: list[sp.Symbol] = []
        rows: list[list[sp.Expr]] = [[] for _ in ports]
        after = []
        for j, coordinate in enumerate(self.coordinates):
            total: sp.Expr = coordinate
            for column in (None, *columns):
                values = [self.carry_back(terms, column, j, k) for k, terms in enumerate(ports)]
                if all(v == 0 for v in values):
                    continue
                mark = f"_{self.coordinates[column]}" if column is not None else ""
                symbol = state_symbol(pick_name(f"push_{coordinate}{mark}", self.taken))
                self.taken.add(symbol.name)
                self.pushed.append(symbol)
                for row, value in zip(rows, values, strict=True):
                    row.append(value)
                total += symbol * (self.here[column] if column is not None else 1)
            after.append(total)
        return tuple(map(tuple, rows)), tuple(after)

    def carry_jump(self) -> tuple[tuple[tuple[sp.Expr, ...], ...], tuple[sp.Expr, ...]]:
        """The same of an input that does not act linearly: on the coordinates at s, then back."""
        at_s = dict(zip(self.coordinates, self.here, strict=True))
        moved = [e.subs(at_s, simultaneous=True) for e in self.derivation.jump]
        rest = dict.fromkeys(self.coordinates, sp.S.Zero)
        branches = self.derivation.propagator.branches
        origins = [[e.subs(rest) for e in self.substitute(b, -DURATION)] for b in branches]
        after = []
        for j, coordinate in enumerate(self.coordinates):
            total = self.factors.name(f"back_{coordinate}", [o[j] for o in origins])
            for i, value in enumerate(moved):
                name = f"back_{coordinate}_{self.coordinates[i]}"
                total += self.factors.name(name, [m[j, i] for m in self.back]) * value
            after.append(total)
        symbol = state_symbol(pick_name("push", self.taken))
        self.taken.add(symbol.name)
        self.pushed = [symbol]
        return ((WEIGHT,),), tuple(e.xreplace({WEIGHT: symbol}) for e in after)

    def split_jump(self, jump: Sequence[sp.Expr]) -> Terms:
        """What an input adds to the coordinates."""
        added = sp.Matrix([
            sp.expand(e - c) for c, e in zip(self.coordinates, jump, strict=True)
        ])  # fmt: skip
        matrix = added.jacobian(self.coordinates)
        rest = added.subs(dict.fromkeys(self.coordinates, sp.S.Zero))
        linear = {
            k: tuple(matrix[:, k]) for k in range(self.n) if any(e != 0 for e in matrix[:, k])
        }
        return Terms(tuple(rest), linear)

    def carry_back(self, terms: Terms, column: int | None, row: int, port: int) -> sp.Expr:
        """What an input adds to a coordinate of the frame, as a multiple of a coordinate at s."""
        added = terms.constant if column is None else terms.linear.get(column, ())
        if all(e == 0 for e in added):
            return sp.S.Zero
        totals = [
            sp.Add(*(matrix[row, i] * e for i, e in enumerate(added))) for matrix in self.back
        ]
        gains = [sp.factor_terms(sp.expand(t / WEIGHT)) for t in totals]
        name = f"gain_{self.coordinates[row]}" + (f"_{port}" if port else "")
        if not any(g.has(WEIGHT) for g in gains):
            return WEIGHT * self.factors.name(name, gains)
        return sp.Add(*(
            self.factors.name(f"{name}_{i}", [m[row, i] for m in self.back]) * e
            for i, e in enumerate(added) if e != 0
        ))  # fmt: skip

    def is_positive_surface(self) -> sp.Basic:
        """Projective coordinates: the surface has not turned its sign."""
        at_s = dict(zip(self.coordinates, self.here, strict=True))
        return self.derivation.chart.surface.subs(at_s, simultaneous=True) >= 0

    def moves_potential(self, jump: Sequence[sp.Expr]) -> bool:
        """Whether an input moves what has the threshold."""
        place = self.place
        return bool(sp.expand(jump[place] - self.coordinates[place]) != 0)

    @property
    def place(self) -> int:
        """Place of the coordinate that has the threshold."""
        return self.coordinates.index(self.derivation.model.spike.variable)

    @cached_property
    def threshold(self) -> sp.Expr:
        """One variable: what it is at the origin if the surface is reached at s."""
        (coordinate,), surface = self.coordinates, self.derivation.chart.surface
        there = coordinate - surface / surface.diff(coordinate)
        origins = [
            sp.expand(self.substitute(b, -DURATION)[0].subs(coordinate, there))
            for b in self.derivation.propagator.branches
        ]
        return self.factors.name("threshold", origins)

    def is_beyond(self) -> sp.Basic:
        """Whether V is on its threshold or beyond it at s."""
        spike = self.derivation.model.spike
        if self.n == 1:
            return self.coordinates[0] >= self.threshold
        return self.here[self.place] >= spike.value

    @cached_property
    def matrix(self) -> sp.Matrix:
        """Of the linear equations."""
        field = sp.Matrix(self.derivation.chart.field)
        return field.jacobian(self.coordinates).applyfunc(sp.factor)

    @cached_property
    def drive(self) -> sp.Matrix:
        """Their constants."""
        rest = dict.fromkeys(self.coordinates, sp.S.Zero)
        return sp.Matrix(self.derivation.chart.field).subs(rest).applyfunc(sp.factor)

    def stays_below(self) -> sp.Basic:
        """A condition under which V has not crossed its threshold before s."""
        spike = self.derivation.model.spike
        if self.n == 1:
            falls = self.derivation.chart.surface.diff(self.coordinates[0]) < 0
            sign = sp.Le if falls == sp.true else sp.Ge
            return sign(self.coordinates[0], self.threshold)
        return self.bound(self.place, 1) < spike.value

    def bound(self, index: int, side: int) -> sp.Expr:
        r"""The most (side 1) or least (-1) that a coordinate was from the last event to s.

        Backwards in time $x(s - \xi) = x + \int_0^\xi e^{-r \eta} (-r x - f) d\eta$, with f what
        drives it: at most $x + \phi(\xi) \max(0, -r x - f_{min})$, and
        $\phi(\xi) \le \xi\, e^{|r| s}$ if r < 0, else $\xi$.
        """
        here, rate = self.here[index], self.matrix[index, index]
        pick = sp.Max if side > 0 else sp.Min
        others = [j for j in range(self.n) if j != index and self.matrix[index, j] != 0]
        if not others and self.drive[index] == 0:
            return pick(here, self.coordinates[index])
        decays = not is_positive(rate, self.derivation.model.parameters) and not rate.is_zero
        growth = sp.exp(-rate * DURATION) if decays else sp.S.One
        name = self.coordinates[index].name
        total = self.scale(f"pull_{name}", -rate * growth) * here
        total -= self.scale(f"drive_{name}", self.drive[index] * growth)
        for j in others:
            coupling = self.matrix[index, j]
            scaled = self.scale(f"pull_{name}_{self.coordinates[j]}", coupling * growth)
            if is_positive(coupling, self.derivation.model.parameters):
                total -= scaled * self.bound(j, -side)
            elif is_positive(-coupling, self.derivation.model.parameters):
                total -= scaled * self.bound(j, side)
            else:
                lower = sp.Min if side > 0 else sp.Max
                total -= lower(scaled * self.bound(j, 1), scaled * self.bound(j, -1))
        total = sp.factor_terms(total)
        return here + (DURATION - self.since) * pick(0, total)

    def scale(self, name: str, value: sp.Expr) -> sp.Expr:
        """A number of s that is the same in all branches, with a name."""
        return self.factors.name(name, [value] * len(self.factors.conditions))

    def find_spike(self) -> tuple[Branch, ...]:
        """The first spike before s, where there is one; no branches: from the last event."""
        d = self.derivation
        if d.chart.projective:
            return self.find_spike_back()
        if self.n > 1:
            return ()
        ways = [b for b in d.closed.time_to_spike if b.values[0] != 0]
        return tuple(Branch(condition=b.condition, values=(sp.Max(0, b.values[0]),)) for b in ways)

    def find_spike_back(self) -> tuple[Branch, ...]:
        """Projective coordinates at s, behind the spike: with time, x turns over.

        So soon after a spike x is positive. Where it is not, the surface was not crossed: y is 0
        but for rounding, just behind a spike that was seen.
        """
        x, y = self.coordinates
        seen = Branch(condition=self.here[0] < 0, values=(sp.oo,))
        mirrored = {x: self.here[0], y: -self.here[1]}
        ways = [b for b in self.derivation.closed.time_to_spike if b.values[0] is not sp.oo]
        return seen, *(
            Branch(
                condition=b.condition.subs(mirrored, simultaneous=True),
                values=(DURATION - b.values[0].subs(mirrored, simultaneous=True),),
            )
            for b in ways
        )

    def find_oscillation(self) -> tuple[tuple[Branch, ...], tuple[Branch, ...]]:
        """Projective coordinates: a third of a period, and a whole turn; or a few time constants.

        Between two looks the sign may turn once: half a period less what rounding asks for.
        """
        square = sp.factor(self.matrix.det())
        rate = sp.sqrt(sp.Abs(square))
        turning = (sp.pi / (3 * rate), 2 * sp.pi / rate)
        parting = HYPERBOLIC / rate
        if is_positive(square, self.derivation.model.parameters) or square.is_positive:
            return tuple((Branch(condition=sp.true, values=(v,)),) for v in turning)  # type: ignore
        return tuple(
            (
                Branch(condition=square > 0, values=(value,)),
                Branch(condition=square < 0, values=(parting,)),
                Branch(condition=sp.true, values=(sp.oo,)),
            )
            for value in turning
        )  # type: ignore

    def find_reach(self) -> tuple[tuple[Branch, ...], tuple[Branch, ...]]:
        """A few of the fastest time constants, and of the differences of rates."""
        rates = [self.matrix[i, i] for i in range(self.n)]
        sizes = [self.n * sp.Abs(r) / FEW_TIME_CONSTANTS for r in rates if not r.is_zero]
        sizes += [
            (rates[i] - rates[j]) / SPREAD
            for i in range(self.n) for j in range(self.n)
            if i != j and self.drives(j, i) and rates[i] != rates[j]
        ]  # fmt: skip
        fastest = sp.Max(*sizes) if len(sizes) > 1 else sizes[0] if sizes else sp.S.Zero
        reach = 1 / fastest if sizes else sp.oo
        found = (Branch(condition=sp.true, values=(reach,)),)
        return found, found

    def find_overlong_period(self) -> tuple[Branch, ...]:
        """A refractory period in which numbers grow too large: the frame reaches nowhere."""
        phase = self.derivation.refractory
        if phase is None:
            return ()
        rates = [sp.Abs(self.matrix[i, i]) for i in range(self.n)]
        grows: sp.Basic = sp.true
        if self.derivation.chart.projective:
            square = sp.factor(self.matrix.det())
            rates, grows = [sp.sqrt(sp.Abs(square))], square < 0
        sizes = [r for r in rates if not r.is_zero]
        if not sizes or grows == sp.false:
            return ()
        fastest = sp.Max(*sizes) if len(sizes) > 1 else sizes[0]
        condition = sp.And(grows, phase.time * fastest > LARGEST_EXPONENT)
        return () if condition == sp.false else (Branch(condition=condition, values=(sp.S.Zero,)),)

    def drives(self, source: int, target: int) -> bool:
        """Whether a coordinate drives another, however far."""
        steps = [j for j in range(self.n) if j != target and self.matrix[target, j] != 0]
        return source in steps or any(self.drives(source, j) for j in steps)
