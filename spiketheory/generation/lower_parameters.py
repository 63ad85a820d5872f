"""Lower the derivatives by the parameters: of flow, spike, input and initial state.

Kernel functions take derived constants, so their vector-Jacobian products by the constants come
first; ``constants_vjp`` then carries these to the parameters.
"""

from collections.abc import Sequence

import sympy as sp

from spiketheory.generation.kernel_ir import (
    Call,
    KernelFunction,
    branch_ports,
    build_branches,
    build_function,
    rewrite_stably,
)
from spiketheory.language.symbols import (
    DURATION,
    PSEUDO_INPUT,
    WEIGHT,
    pick_name,
    pick_names,
    state_symbol,
)
from spiketheory.symbolic.derivation import Branch, Derivation


class Sensitivities:
    """Derivatives of a derivation's maps by its constants.

    Args:
        derivation: The derivation.
        constants: Symbols of the constants that kernel functions take.
    """

    def __init__(self, derivation: Derivation, constants: Sequence[sp.Symbol]) -> None:
        self.derivation = derivation
        self.all = tuple(constants)
        self.constants = tuple(c for c in self.all if derivation.is_integrated or self.matters(c))

    def matters(self, constant: sp.Symbol) -> bool:
        """Whether any map depends on a constant."""
        d = self.derivation
        maps = [
            *d.closed.flow,
            *d.chart.field,
            d.chart.surface,
            *(e for jump in d.jumps for e in jump),
            *d.reset,
            *d.initial.state,
        ]
        maps += [*d.enter, *d.leave]
        maps += [d.numbers.call] if d.numbers is not None else []
        maps += d.refractory.expressions if d.refractory is not None else ()
        pseudo = d.pseudospike
        maps += [pseudo.delay, pseudo.period, pseudo.rate] if pseudo is not None else []
        for symbol, slopes in d.propagator.list_slopes(constant):
            if any(e.has(symbol) for e in maps) and any(slope != 0 for slope in slopes):
                return True
        return any(e.has(constant) for e in maps)

    def flow(self, branch: int) -> sp.Matrix:
        """Derivatives of the flow over a fixed duration, in terms of the propagator's symbols."""
        d = self.derivation
        flow = sp.Matrix(d.closed.flow)
        slopes = {c: self.slope(c, branch) for c in self.constants}
        columns = []
        for constant in self.constants:
            column = flow.diff(constant) + self.through(flow, slopes[constant])
            if d.numbers is not None:
                column += self.through(flow, self.number_slopes(constant, slopes[constant]))
            columns.append(column)
        return sp.Matrix.hstack(*columns)

    def slope(self, constant: sp.Symbol, branch: int) -> dict[sp.Symbol, sp.Expr]:
        """Derivatives of the propagator's numbers by a constant."""
        slopes = self.derivation.propagator.list_slopes(constant)
        return {symbol: row[branch] for symbol, row in slopes}

    def number_slopes(
        self, constant: sp.Symbol, slopes: dict[sp.Symbol, sp.Expr]
    ) -> dict[sp.Symbol, sp.Expr]:
        """Derivatives by a constant of the numbers that depend on the state."""
        numbers = self.derivation.numbers
        assert numbers is not None
        total = numbers.differentiate(constant)
        for symbol, slope in slopes.items():
            inner = numbers.differentiate(symbol)
            total = {s: e + inner[s] * slope for s, e in total.items()}
        return total

    @staticmethod
    def through(flow: sp.Matrix, slopes: dict[sp.Symbol, sp.Expr]) -> sp.Matrix:
        """The part of a derivative that goes by way of some symbols."""
        total = sp.zeros(flow.rows, 1)
        for symbol, slope in slopes.items():
            total += flow.diff(symbol) * slope
        return total

    def direct(self, values: Sequence[sp.Expr]) -> sp.Matrix:
        """Derivatives of expressions that hold the constants themselves."""
        return sp.Matrix(list(values)).jacobian(list(self.constants))


# Long: a list of functions, each with its words.
def lower_sensitivities(
    derivation: Derivation,
    constants: Sequence[sp.Symbol],
    covector: Sequence[sp.Symbol],
    state_covector: Sequence[sp.Symbol],
    spike_time_bar: sp.Symbol,
    event: tuple[sp.Expr, sp.Matrix] | None,
    calls: tuple[Call, ...],
    port: sp.Symbol,
) -> list[KernelFunction]:
    """Build the vector-Jacobian products by constants and parameters.

    Args:
        derivation: The derivation.
        constants: Symbols of all constants.
        covector: Symbols of the derivatives of a loss by the coordinates.
        state_covector: Symbols of its derivatives by the model's own state.
        spike_time_bar: Symbol of its derivative by the spike time.
        event: Its derivatives by the spike time and by the state just before the spike; None if
            the spike is integrated.
        calls: The call that computes the numbers of the flow and their slopes.
        port: Symbol of the number of a port.
    """
    found = Sensitivities(derivation, constants)
    if not found.constants:
        return []
    d, coordinates = derivation, derivation.chart.coordinates
    results = [f"d_{c.name}" for c in found.constants]
    row = sp.Matrix([list(covector)])
    initial = d.initial.symbol
    integrated = d.is_integrated
    spike = d.model.spike
    beyond = () if spike.is_blowup or d.model.is_crossing else (
        Branch(condition=spike.variable >= spike.value,
               values=tuple(row * found.direct(d.reset))),
    )  # fmt: skip
    return [
        lower_constants(d, found),
        build_function(
            "initial_state_constants_vjp",
            f"Derivatives of a loss by the constants, at fixed {initial}.",
            (),
            (initial, *constants, *covector),
            results,
            list(row * found.direct(d.initial.state)),
        ),
        build_function(
            "jump_constants_vjp",
            "Derivatives of a loss by the constants, by way of an input.",
            (),
            (*coordinates, WEIGHT, *constants, *covector),
            results,
            list(row * found.direct(d.jump)),
        ),
        *((build_branches(
            "jump_at_constants_vjp",
            "Derivatives of a loss by the constants, by way of an input at a port.",
            (),
            (*coordinates, WEIGHT, port, *constants, *covector),
            results,
            branch_ports(port, [list(row * found.direct(jump)) for jump in d.jumps]),
        ),) if d.other_jumps else ()),
        *lower_maps(d, found, constants, covector, state_covector),
        *(() if integrated else (lower_branches(
            d, "flow_constants_vjp", "by way of the flow over the duration dt.",
            (*coordinates, DURATION, *constants, *covector), results,
            [list(row * found.flow(k)) for k in range(len(d.propagator.branches))], calls,
        ), lower_branches(
            d, "fire_constants_vjp", "by way of flow and spike; dt is the time to the spike.",
            (*coordinates, DURATION, *constants, *covector, spike_time_bar), results,
            [differentiate_event(found, row, event, k)
             for k in range(len(d.propagator.branches))], calls, beyond,
        ))),
    ]  # fmt: skip


def lower_maps(
    derivation: Derivation,
    found: Sensitivities,
    constants: Sequence[sp.Symbol],
    covector: Sequence[sp.Symbol],
    state_covector: Sequence[sp.Symbol],
) -> list[KernelFunction]:
    """Of the chart, the reset and the pseudospike: maps that take no time."""
    d, coordinates = derivation, derivation.chart.coordinates
    results = [f"d_{c.name}" for c in found.constants]

    def build(
        name: str, words: str, before: Sequence[sp.Symbol], bars: Sequence[sp.Symbol],
        values: Sequence[sp.Expr],
    ) -> KernelFunction:  # fmt: skip
        return build_function(
            f"{name}_constants_vjp", f"Derivatives of a loss by the constants, {words}.", (),
            (*before, *constants, *bars), results,
            list(sp.Matrix([list(bars)]) * found.direct(values)),
        )  # fmt: skip

    functions = [
        build("enter_chart", "at a fixed state", d.shown.state, covector, d.enter),
        build("leave_chart", "at fixed coordinates", coordinates, state_covector, d.leave),
        build("reset", "by way of the reset", coordinates, covector, d.reset),
    ]
    if d.pseudospike is not None:
        values = (d.pseudospike.delay, d.pseudospike.period, d.pseudospike.rate)
        taken = {s.name for s in (*coordinates, *constants)}
        bars = [state_symbol(pick_name(f"g_{n}", taken)) for n in ("delay", "period", "rate")]
        functions.append(
            build(
                "pseudospike",
                "by way of a pseudospike",
                (*coordinates, PSEUDO_INPUT),
                bars,
                list(map(rewrite_stably, values)),
            )
        )
    return functions


def lower_constants(derivation: Derivation, found: Sensitivities) -> KernelFunction:
    """From the constants to the parameters."""
    parameters = [p.symbol for p in derivation.model.parameters]
    values = derivation.constant_values
    taken = {p.name for p in parameters}
    bars = list(map(state_symbol, pick_names((f"g_{c.name}" for c in found.constants), taken)))
    gradient = [
        sp.Add(*(
            bar * rewrite_stably(values.get(c, c)).diff(p)
            for bar, c in zip(bars, found.constants, strict=True)
        ))
        for p in parameters
    ]  # fmt: skip
    return build_function(
        "constants_vjp",
        "Derivatives of a loss by the parameters, from those by the constants.",
        (f"g_*: its derivatives by {', '.join(c.name for c in found.constants)}",),
        (*parameters, *bars),
        [f"d_{p.name}" for p in parameters],
        gradient,
    )


def differentiate_event(
    found: Sensitivities, row: sp.Matrix, event: tuple[sp.Expr, sp.Matrix] | None, branch: int
) -> list[sp.Expr]:
    """Derivatives by the constants of the state after a spike at fixed time, and of its time."""
    d, coordinates = found.derivation, found.derivation.chart.coordinates
    assert event is not None
    through_time, through_state = event
    arrived = dict(zip(coordinates, d.closed.flow, strict=True))
    slopes = sp.Matrix([d.chart.surface]).jacobian(coordinates)
    speed = (slopes * sp.Matrix(d.chart.field))[0].subs(arrived, simultaneous=True)
    moved = found.flow(branch)
    across = slopes.subs(arrived, simultaneous=True) * moved
    across += found.direct([d.chart.surface]).subs(arrived, simultaneous=True)
    total = through_state * moved - through_time * across / speed
    total += row * found.direct(d.reset).subs(arrived, simultaneous=True)
    return list(total)


def lower_branches(
    derivation: Derivation,
    name: str,
    summary: str,
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    rows: Sequence[Sequence[sp.Expr]],
    calls: tuple[Call, ...],
    first: tuple[Branch, ...] = (),
) -> KernelFunction:
    """A function of the duration: ``first``, then the propagator's branches written out."""
    propagator = derivation.propagator
    branches = list(first)
    for branch, row in zip(propagator.branches, rows, strict=True):
        values = dict(zip(propagator.symbols, branch.values, strict=True))
        written = tuple(e.xreplace(values) for e in row)
        branches.append(Branch(condition=branch.condition, values=written))
    here = dict(zip(propagator.symbols, propagator.branches[0].values, strict=True))
    return build_branches(
        name, f"Derivatives of a loss by the constants, {summary}", (), arguments, results,
        branches,
        calls=[Call(targets=c.targets, function=c.function.xreplace(here)) for c in calls],
    )  # fmt: skip
