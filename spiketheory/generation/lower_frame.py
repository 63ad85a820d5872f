"""Lower the co-moving frame: what an input, a look and a spike do to coordinates that stay."""

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from spiketheory.generation.kernel_ir import (
    Call,
    KernelFunction,
    branch_ports,
    build_branches,
    build_function,
    eliminate_common,
    finish_function,
)
from spiketheory.language.functions import fire, flow, propagator, time_to_spike
from spiketheory.language.symbols import DURATION, WEIGHT, pick_names, state_symbol
from spiketheory.symbolic.derivation import Branch, Derivation, Frame


def lower_frame(
    derivation: Derivation, constants: Sequence[sp.Symbol], port: sp.Symbol
) -> list[KernelFunction]:
    """Build the functions of the frame; none if there is none.

    Args:
        derivation: The derivation.
        constants: Symbols of all constants.
        port: Symbol of the number of a port.
    """
    if derivation.frame is None:
        return []
    lowering = FrameLowering(derivation, derivation.frame, tuple(constants))
    return [
        *lowering.lower_limits(),
        *lowering.lower_places(),
        *lowering.lower_inputs(port),
        *lowering.lower_spikes(),
    ]


class FrameLowering:
    """The symbols that the functions of one frame share."""

    def __init__(
        self, derivation: Derivation, frame: Frame, constants: tuple[sp.Symbol, ...]
    ) -> None:
        self.derivation, self.frame, self.constants = derivation, frame, constants
        self.coordinates = derivation.chart.coordinates
        self.names = [c.name for c in self.coordinates]
        self.look = (*self.coordinates, frame.since, DURATION, *frame.factors, *constants)
        self.seen = (*self.coordinates, *frame.factors, *constants)

    def name_apart(self, names: Sequence[str]) -> tuple[sp.Symbol, ...]:
        """Symbols named apart from all that a function takes."""
        taken = {s.name for s in (*self.look, self.frame.at)}
        return tuple(map(state_symbol, pick_names(names, taken)))

    def lower_limits(self) -> list[KernelFunction]:
        """How far the frame reaches, and the numbers of s."""
        f = self.frame
        limits = tuple(
            Branch(condition=w.condition, values=(*w.values, *r.values))
            for w, r in zip(f.window, f.reach, strict=True)
        )
        return [
            build_branches(
                "frame_limits",
                "Longest time between two looks at a neuron, and longest time since the origin.",
                (),
                self.constants,
                ["window", "reach"],
                limits,
            ),
            build_branches(
                "frame_factors",
                "Numbers of the frame that depend on dt, the time since its origin, alone.",
                (),
                (DURATION, *self.constants),
                [s.name for s in f.factors],
                f.branches,
            ),
        ]

    def lower_places(self) -> list[KernelFunction]:
        """Into the frame, out of it, and to another origin."""
        f, names = self.frame, self.names
        size: sp.Expr = sp.S.One
        if self.derivation.chart.projective:
            size = sp.Max(*(sp.Abs(e) for e in f.here))
        return [
            build_function(
                "frame_enter",
                "Coordinates of the frame, from those of the chart at its origin.",
                (),
                (*self.coordinates, *self.constants),
                names,
                self.coordinates,
            ),
            build_function(
                "frame_leave",
                "Coordinates of the chart at the factors' time.",
                (),
                self.seen,
                names,
                f.now,
            ),
            self.build(
                "frame_rebase",
                "Coordinates of the frame with its origin at the factors' time"
                f"{', of size 1' if size != 1 else ''}.",
                self.seen,
                names,
                [Branch(condition=sp.true, values=tuple(e / size for e in f.here))],
            ),
        ]

    def lower_inputs(self, port: sp.Symbol) -> list[KernelFunction]:
        """An input: its numbers, and what it does."""
        f, names = self.frame, self.names
        results = [s.name for s in f.pushed]
        functions = [
            build_function(
                "frame_push",
                "Numbers of an input of weight w at the factors' time.",
                (),
                (WEIGHT, *f.factors, *self.constants),
                results,
                f.push[0],
            )
        ]
        if len(f.push) > 1:
            functions.append(
                build_branches(
                    "frame_push_at",
                    "Numbers of an input of weight w at a port.",
                    (),
                    (WEIGHT, port, *f.factors, *self.constants),
                    results,
                    branch_ports(port, f.push),
                )
            )
        jump = self.build(
            "frame_jump",
            "Coordinates of the frame after an input with these numbers.",
            (*self.coordinates, *f.pushed, *f.factors, *self.constants),
            names,
            [Branch(condition=sp.true, values=f.jump)],
        )
        if f.held_jump:
            functions.append(
                self.build(
                    "held_frame_jump",
                    f"Coordinates of the frame after an input before its release at {f.at}.",
                    (*self.coordinates, f.at, *f.pushed, *f.factors, *self.constants),
                    names,
                    [Branch(condition=sp.true, values=f.held_jump)],
                )
            )
        return [*functions, jump]

    def build(
        self,
        name: str,
        summary: str,
        arguments: Sequence[sp.Symbol],
        results: Sequence[str],
        branches: Sequence[Branch],
        *,
        scalar: bool = False,
    ) -> KernelFunction:
        """A function of the chart's coordinates at s, of which it computes those that it needs."""
        f = self.frame
        places = dict(zip(f.here, f.now, strict=True))
        taken = {s.name for s in (*arguments, *f.here)}
        lowered = []
        for branch in branches:
            used = set().union(*(v.free_symbols for v in branch.values))
            body = eliminate_common(branch.condition.xreplace(places), branch.values, taken=taken)
            first = tuple((s, e) for s, e in places.items() if s in used)
            lowered.append(replace(body, assignments=(*first, *body.assignments)))
        return finish_function(name, summary, (), arguments, results, tuple(lowered), scalar=scalar)

    def lower_spikes(self) -> list[KernelFunction]:
        """Whether a spike came, when, and what it does."""
        f = self.frame
        quiet = self.build(
            "frame_quiet",
            "Whether surely no spike came before dt, since the last event.",
            self.look,
            ["quiet"],
            [Branch(condition=sp.true, values=(f.quiet,))],
            scalar=True,
        )
        functions = [quiet, self.lower_spike(), self.lower_fire()]
        if f.crosses != sp.false:
            functions.append(
                self.build(
                    "frame_crosses",
                    "Whether the neuron is on its threshold or beyond it at the factors' time.",
                    self.seen,
                    ["crosses"],
                    [Branch(condition=sp.true, values=(f.crosses,))],
                    scalar=True,
                )
            )
        return functions

    def lower_spike(self) -> KernelFunction:
        """The time of the first spike before s."""
        f = self.frame
        summary = "Time of the first spike before dt, since the last event; inf if there is none."
        name, results = "frame_spike", ["time"]
        if f.spike:
            never = Branch(condition=f.quiet, values=(sp.oo,))
            ways = [
                Branch(condition=b.condition, values=(self.before(b.values[0]),)) for b in f.spike
            ]
            return self.build(name, summary, self.look, results, [never, *ways], scalar=True)
        (wait,) = self.name_apart(["wait"])
        steps, state = self.follow(f.since, self.coordinates, flow, "then")
        ask = Call(targets=(wait,), function=time_to_spike(*state, *self.constants))
        found = Branch(condition=sp.true, values=(self.before(f.since + wait),))
        return build_branches(
            name, summary, (), self.look, results, (found,), scalar=True, calls=[*steps, ask]
        )

    def before(self, time: sp.Expr) -> sp.Expr:
        """A time that counts if it is before s."""
        if time is sp.oo or self.frame.turns_over:
            return time
        return sp.Piecewise((time, time < DURATION), (sp.oo, True))

    def follow(
        self, time: sp.Expr, state: Sequence[sp.Symbol], function: type, mark: str
    ) -> tuple[list[Call], tuple[sp.Symbol, ...]]:
        """Calls of a generated function over a time, and the coordinates that it returns."""
        numbers = self.name_apart([f"{s}_{mark}" for s in self.derivation.propagator.symbols])
        after = self.name_apart([f"{name}_{mark}" for name in self.names])
        return [
            Call(targets=numbers, function=propagator(time, *self.constants)),
            Call(targets=after, function=function(*state, *numbers, *self.constants)),
        ], after

    def lower_fire(self) -> KernelFunction:
        """The coordinates after a spike."""
        f = self.frame
        arguments = (*self.coordinates, f.at, *self.constants)
        summary = f"Coordinates of the frame after a spike at the time {f.at}."
        if f.turns_over:
            return build_function(
                "frame_fire", summary, (), arguments, self.names, [-c for c in self.coordinates]
            )
        there, state = self.follow(f.at, self.coordinates, fire, "then")
        back, found = self.follow(-f.at, state, flow, "back")
        whole = (Branch(condition=sp.true, values=found),)
        return build_branches(
            "frame_fire", summary, (), arguments, self.names, whole, calls=[*there, *back]
        )
