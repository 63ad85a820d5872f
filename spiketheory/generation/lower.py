"""Lower a verified derivation to kernel functions: vector-Jacobian products, CSE, counts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from spiketheory.generation.kernel_ir import (
    Call,
    KernelBranch,
    KernelFunction,
    KernelIR,
    branch_ports,
    build_branches,
    build_chain,
    build_function,
    finish_function,
    rewrite_stably,
)
from spiketheory.generation.lower_frame import lower_frame
from spiketheory.generation.lower_parameters import Sensitivities, lower_sensitivities
from spiketheory.generation.lower_refractory import lower_held_phase
from spiketheory.language.functions import (
    decay_side,
    decay_wait,
    exp_dd,
    softplus,
    time_to_spike,
)
from spiketheory.language.model import Parameter
from spiketheory.language.printers import name_in_code, print_plain
from spiketheory.language.symbols import (
    DURATION,
    PSEUDO_INPUT,
    WEIGHT,
    pick_name,
    pick_names,
    state_symbol,
)
from spiketheory.symbolic.derivation import Branch, Derivation, Integrated
from spiketheory.symbolic.taylor_system import TaylorChart, TaylorSystem


def lower(derivation: Derivation) -> KernelIR:
    """Lower a derivation to kernel functions, which `spiketheory.verification.verify` checks.

    Args:
        derivation: What `spiketheory.symbolic.derive.derive` returned.

    Returns:
        The kernel functions in the order in which they are generated.
    """
    return Lowering(derivation).lower()


class Lowering:
    """The symbols that the kernel functions of one derivation share."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.coordinates = derivation.chart.coordinates
        self.propagator = derivation.propagator.symbols
        self.parameters = tuple(p.symbol for p in derivation.model.parameters)
        self.constants = tuple(c.symbol for c in derivation.constants)
        self.constants += self.find_direct_parameters()
        self.varied = Sensitivities(derivation, self.constants).constants
        self.covector = self.name_derivatives(f"l_{c}" for c in self.coordinates)
        self.spike_time_bar, self.port, self.excess_bar = self.name_derivatives(
            ["g_time", "port", "g_excess"]
        )

    def name_derivatives(self, names: Iterable[str]) -> tuple[sp.Symbol, ...]:
        """Symbols for a loss's derivatives, named apart from everything a function may take."""
        state = (*self.derivation.model.state, *self.derivation.shown.state)
        symbols = (*self.coordinates, *self.propagator, *self.constants, *state)
        return tuple(map(state_symbol, pick_names(names, {s.name for s in symbols})))

    def find_direct_parameters(self) -> tuple[sp.Symbol, ...]:
        """Parameters that the closed forms use beside the derived constants."""
        d = self.derivation
        if d.is_integrated:
            return d.integrated.constants
        expressions = [
            *d.leave, *d.enter, *d.chart.field, *d.closed.flow,
            *(e for jump in d.jumps for e in jump), *d.reset,
            *d.closed.time_to_spike_gradient, *d.initial.state, d.initial.value,
            d.initial.lower, d.initial.upper, d.initial.default, d.will_spike,
            *(e for b in (*d.closed.time_to_spike, *d.propagator.branches)
              for e in (b.condition, *b.values)),
            *(e for b in d.closed.time_to_peak for e in (b.condition, *b.values)),
            d.closed.stays_silent,
        ]  # fmt: skip
        if d.pseudospike is not None:
            expressions += [d.pseudospike.delay, d.pseudospike.period, d.pseudospike.rate]
        if d.numbers is not None:
            expressions += [d.numbers.call]
        if d.descent is not None:
            expressions += d.descent.heights
        if d.refractory is not None:
            expressions += d.refractory.expressions
        used = set().union(*(e.free_symbols for e in expressions))
        return tuple(p for p in self.parameters if p in used)

    def lower(self) -> KernelIR:
        """Build all functions."""
        d = self.derivation
        functions = [
            *self.lower_parameters(),
            *self.lower_chart(),
            *self.lower_propagator(),
            *(() if d.is_integrated else (*self.lower_flow(), *self.lower_spike())),
            *(() if d.is_integrated else self.lower_peak()),
            *self.lower_jump(),
            *self.lower_reset(),
            *self.lower_pseudospike(),
            *self.lower_sensitivities(),
            *self.lower_refractory_period(),
            *lower_frame(d, self.constants, self.port),
        ]
        return KernelIR(
            derivation=d,
            constant_symbols=self.constants,
            functions=tuple(functions),
            texts=print_numerics(d),
        )

    def lower_parameters(self) -> list[KernelFunction]:
        """Domain check, derived constants and the bounds of the initial coordinate."""
        d = self.derivation
        direct = [c for c in self.constants if c in self.parameters]
        values = [c.value for c in d.constants]
        initial = d.initial
        substitution = d.constant_values
        return [
            # As it stands: sympy would evaluate tau > 0, of a positive symbol, to true.
            finish_function(
                "parameters_valid",
                "Whether each parameter lies in its domain.",
                tuple(describe_domain(p) for p in d.model.parameters),
                self.parameters,
                [f"{p.name}_valid" for p in d.model.parameters],
                (
                    KernelBranch(
                        condition=sp.true,
                        assignments=(),
                        results=tuple(p.domain for p in d.model.parameters),
                    ),
                ),
            ),
            build_chain(
                "constants",
                "Derived constants, computed once per simulation.",
                tuple(f"{c.symbol} = {print_plain(c.value)}: {c.meaning}" for c in d.constants),
                self.parameters,
                [(c.symbol, value) for c, value in zip(d.constants, values, strict=True)],
                direct,
            ),
            build_function(
                "initial_bounds",
                f"Smallest, largest and default value of {initial.symbol}.",
                (f"{initial.symbol}: {initial.meaning}",),
                self.parameters,
                ["lower", "upper", "default"],
                [
                    bound.subs(substitution)
                    for bound in (initial.lower, initial.upper, initial.default)
                ],
            ),
        ]

    # Long: a list of functions, each with its words.
    def lower_chart(self) -> list[KernelFunction]:
        """Into the chart and out of it."""
        d = self.derivation
        state, initial = d.shown.state, d.initial
        tangent = [
            sum(
                bar * value.diff(initial.symbol)
                for bar, value in zip(self.covector, initial.state, strict=True)
            )
        ]
        names = [c.name for c in self.coordinates]
        return [
            build_function(
                "initial_state",
                f"Coordinates of a neuron with given {initial.symbol}.",
                (f"{initial.symbol}: {initial.meaning}",),
                (initial.symbol, *self.constants),
                names,
                initial.state,
            ),
            build_function(
                "initial_state_vjp",
                f"Derivative of a loss by {initial.symbol}, from its derivatives by the state.",
                (),
                (initial.symbol, *self.constants, *self.covector),
                [f"d_{initial.symbol}"],
                tangent,
                scalar=True,
            ),
            build_function(
                "initial_value",
                f"The {initial.symbol} of a neuron with given coordinates.",
                (f"{initial.symbol} = {print_plain(initial.value)}",),
                (*self.coordinates, *self.constants),
                [initial.symbol.name],
                [initial.value],
                scalar=True,
            ),
            build_function(
                "enter_chart",
                "Coordinates of a given state.",
                describe(names, d.enter),
                (*state, *self.constants),
                names,
                d.enter,
            ),
            build_function(
                "leave_chart",
                "State of given coordinates; infinite at the spike.",
                describe([s.name for s in state], d.leave),
                (*self.coordinates, *self.constants),
                [s.name for s in state],
                d.leave,
            ),
            build_function(
                "enter_chart_vjp",
                "Derivatives of a loss by the state, from those by the coordinates.",
                (),
                (*state, *self.constants, *self.covector),
                [f"d_{s}" for s in state],
                pull_back(self.covector, sp.Matrix(d.enter).jacobian(state)),
            ),
            build_function(
                "leave_chart_vjp",
                "Derivatives of a loss by the coordinates, from those by the state.",
                (),
                (*self.coordinates, *self.constants, *self.state_covector),
                [f"d_{name}" for name in names],
                pull_back(self.state_covector, sp.Matrix(d.leave).jacobian(self.coordinates)),
            ),
        ]

    @property
    def state_covector(self) -> tuple[sp.Symbol, ...]:
        """Symbols of a loss's derivatives by the model's own state."""
        return self.name_derivatives(f"l_{s}" for s in self.derivation.shown.state)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The call that computes the numbers that depend on the state."""
        numbers = self.derivation.numbers
        return (Call(targets=numbers.symbols, function=numbers.call),) if numbers else ()

    @property
    def slope_calls(self) -> tuple[Call, ...]:
        """The call that computes these numbers and their derivatives by the state."""
        numbers = self.derivation.numbers
        if numbers is None:
            return ()
        return (Call(targets=(*numbers.symbols, *numbers.tangents[0]), function=numbers.slope),)

    @property
    def tangent_calls(self) -> tuple[Call, ...]:
        """The call that computes these numbers and all their derivatives."""
        numbers = self.derivation.numbers
        if numbers is None:
            return ()
        targets = (*numbers.symbols, *(symbol for row in numbers.tangents for symbol in row))
        return (Call(targets=targets, function=numbers.tangent),)

    def lower_propagator(self) -> list[KernelFunction]:
        """The velocity of the coordinates, and the propagator."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        return [
            build_function(
                "velocity",
                "Time derivatives of the coordinates between events.",
                describe([f"d{name}/dt" for name in names], d.chart.field),
                (*self.coordinates, *self.constants),
                [f"d_{name}" for name in names],
                d.chart.field,
            ),
            build_branches(
                "propagator",
                "Numbers of the flow that depend on the duration alone.",
                (),
                (DURATION, *self.constants),
                [s.name for s in self.propagator],
                d.propagator.branches,
            ),
        ]

    def lower_flow(self) -> list[KernelFunction]:
        """Flow and its vector-Jacobian product."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        return [
            build_function(
                "flow",
                "Coordinates after the propagator's duration without events.",
                (*describe_calls(self.calls), *describe(names, d.closed.flow)),
                (*self.coordinates, *self.propagator, *self.constants),
                names,
                d.closed.flow,
                calls=self.calls,
            ),
            build_function(
                "flow_vjp",
                "Derivatives of a loss by the coordinates before the flow, from those after it.",
                (),
                (*self.coordinates, *self.propagator, *self.constants, *self.covector),
                [f"d_{name}" for name in names],
                pull_back(self.covector, d.jacobian(d.closed.flow)),
                calls=self.slope_calls,
            ),
        ]

    # Long: a list of functions, each with its words.
    def lower_spike(self) -> list[KernelFunction]:
        """Spike time, spike predicate, the state after the spike and its gradient."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        arguments = (*self.coordinates, *self.propagator, *self.constants)
        on_surface = dict(zip(self.coordinates, d.closed.flow, strict=True))
        fired = tuple(r.subs(on_surface, simultaneous=True) for r in d.reset)
        return [
            *self.lower_descent(),
            build_branches(
                "time_to_spike",
                "Time to the next spike without further input; inf if there is none.",
                describe_branches(d.closed.time_to_spike),
                (*self.coordinates, *self.constants),
                ["duration"],
                d.closed.time_to_spike,
                scalar=True,
            ),
            self.lower_prediction(),
            build_function(
                "fire",
                "Coordinates after the spike that ends the propagator's duration.",
                describe(names, d.reset),
                arguments,
                names,
                fired,
                calls=self.calls,
            ),
            build_branches(
                "fire_vjp",
                "Derivatives of a loss by the coordinates before flow and spike.",
                (
                    "l_*: its derivatives by the coordinates after the spike, at fixed time;",
                    "g_time: its derivative by the spike time",
                ),
                (*arguments, *self.covector, self.spike_time_bar),
                [f"d_{name}" for name in names],
                (
                    *self.pull_back_immediate(),
                    Branch(condition=sp.true, values=tuple(self.pull_back_spike())),
                ),
                calls=self.slope_calls,
            ),
        ]

    def lower_prediction(self) -> KernelFunction:
        """Whether a spike comes: a cheap condition may exclude it."""
        d = self.derivation
        silent = d.closed.stays_silent
        branches = [Branch(condition=sp.true, values=(self.expand_wait(d.will_spike),))]
        details = [print_plain(d.will_spike)]
        if silent != sp.false:
            branches.insert(0, Branch(condition=silent, values=(sp.false,)))
            details.insert(0, f"no if {print_plain(silent)}")
        return build_branches(
            "will_spike",
            "Whether a spike comes within the propagator's duration.",
            tuple(details),
            (*self.coordinates, *self.propagator, *self.constants),
            ["spikes"],
            branches,
            scalar=True,
        )

    def lower_peak(self) -> list[KernelFunction]:
        """The next maximum of what has the threshold, and how far it is beyond that."""
        d = self.derivation
        if not d.closed.time_to_peak:
            return []
        voltage, arguments = d.model.spike.variable, (*self.coordinates, *self.constants)
        return [
            build_branches(
                "time_to_peak",
                f"Time to the next maximum of {voltage} without further input, if it did not "
                "spike; inf if there is none.",
                describe_branches(d.closed.time_to_peak),
                arguments,
                ["duration"],
                d.closed.time_to_peak,
                scalar=True,
            ),
            build_function(
                "excess",
                f"How far {voltage} is beyond the threshold.",
                (f"excess = {print_plain(-d.chart.surface)}",),
                arguments,
                ["excess"],
                [-d.chart.surface],
                scalar=True,
            ),
            build_function(
                "excess_constants_vjp",
                "Derivatives of a loss by the constants, at fixed coordinates, from that by it.",
                (),
                (*arguments, self.excess_bar),
                [f"d_{c.name}" for c in self.varied],
                [-self.excess_bar * d.chart.surface.diff(c) for c in self.varied],
            ),
        ]

    def pull_back_immediate(self) -> tuple[Branch, ...]:
        """The case that an input has carried the state beyond a finite threshold.

        It spikes at once, at a time that does not depend on how far beyond it is.
        """
        d = self.derivation
        if d.model.spike.is_blowup or d.model.is_crossing:
            return ()
        jacobian = sp.Matrix(d.reset).jacobian(self.coordinates)
        return (Branch(condition=is_beyond(d), values=tuple(pull_back(self.covector, jacobian))),)

    def expand_wait(self, condition: sp.Basic) -> sp.Basic:
        """Give the arguments of `time_to_spike`, where the derivation leaves them out.

        Where it is a `decay_wait` that is compared with the duration, a sign will do.
        """
        first, *others = self.derivation.closed.time_to_spike
        (wait,) = first.values
        waits = list(wait.atoms(decay_wait))
        if not others and waits and isinstance(condition, sp.StrictLessThan):
            unit = wait / waits[0]
            return decay_side(*waits[0].args, condition.rhs / unit) < 0
        return condition.replace(
            time_to_spike, lambda: time_to_spike(*self.coordinates, *self.constants)
        )

    def lower_descent(self) -> list[KernelFunction]:
        """The functions of time whose zeros isolate the first spike."""
        descent = self.derivation.descent
        if descent is None:
            return []
        return [
            build_function(
                "heights",
                "The spike surface after a duration, and what isolates its zeros.",
                ("Between two zeros of each there is at most one of the one before it.",),
                (DURATION, *self.coordinates, *self.constants),
                [f"height_{k}" for k in range(len(descent.heights))],
                descent.heights,
            )
        ]

    def lower_sensitivities(self) -> list[KernelFunction]:
        """Vector-Jacobian products by constants and parameters."""
        return lower_sensitivities(
            self.derivation, self.constants, self.covector, self.state_covector,
            self.spike_time_bar,
            None if self.derivation.is_integrated else self.pull_back_event(), self.tangent_calls,
            self.port,
        )  # fmt: skip

    def lower_refractory_period(self) -> list[KernelFunction]:
        """The held phase; nothing if there is none."""
        d = self.derivation
        if d.refractory is None:
            return []
        return lower_held_phase(
            d, d.refractory, self.constants, self.varied, self.covector, self.port
        )

    def pull_back_spike(self) -> list[sp.Expr]:
        """Transposed saltation matrix (docs/mathematics.md, 3) after the flow, on the covector.

        With b the state at the spike, which comes t* after the state a: the state after the spike
        changes by DR (DPhi da + F(b) dt*), and at a fixed later time by -F(R b) dt* more.
        """
        through_time, through_state = self.pull_back_event()
        through_state = through_state * self.derivation.jacobian(self.derivation.closed.flow)
        return [
            state + gradient * through_time
            for state, gradient in zip(
                through_state, self.derivation.closed.time_to_spike_gradient, strict=True
            )
        ]

    def pull_back_event(self) -> tuple[sp.Expr, sp.Matrix]:
        """Derivatives of a loss by the spike time and by the state just before the spike."""
        d = self.derivation
        on_surface = dict(zip(self.coordinates, d.closed.flow, strict=True))
        after = dict(zip(self.coordinates, d.reset, strict=True))
        reset_jacobian = sp.Matrix(d.reset).jacobian(self.coordinates)
        field = sp.Matrix(d.chart.field)
        covector = sp.Matrix([self.covector])
        arriving = (covector * reset_jacobian * field)[0]
        leaving = (covector * field.subs(after, simultaneous=True))[0]
        through_time = self.spike_time_bar + (arriving - leaving).subs(
            on_surface, simultaneous=True
        )
        through_state = covector * reset_jacobian.subs(on_surface, simultaneous=True)
        return through_time, through_state

    def lower_jump(self) -> list[KernelFunction]:
        """Input jump and its vector-Jacobian product, which includes the input's time."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        slopes = [*(f"d_{name}" for name in names), "d_w", "d_time"]
        return [
            build_function(
                "jump",
                "Coordinates after an input of weight w.",
                describe(names, d.jump),
                (*self.coordinates, WEIGHT, *self.constants),
                names,
                d.jump,
            ),
            build_function(
                "jump_vjp",
                "Derivatives of a loss by the coordinates before the input, its weight and time.",
                ("d_time: l . (DJ F(s) - F(J s))",),
                (*self.coordinates, WEIGHT, *self.constants, *self.covector),
                slopes,
                self.pull_back_jump(d.jump),
            ),
            *(self.lower_ports(slopes) if d.other_jumps else ()),
        ]

    def pull_back_jump(self, jump: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Derivatives of a loss by the coordinates before a jump, its weight and its time."""
        jacobian = sp.Matrix(jump).jacobian(self.coordinates)
        field = sp.Matrix(self.derivation.chart.field)
        after = dict(zip(self.coordinates, jump, strict=True))
        slip = simplify(jacobian * field - field.subs(after, simultaneous=True))
        by_weight = sp.Matrix(jump).diff(WEIGHT)
        covector = sp.Matrix([self.covector])
        return [
            *pull_back(self.covector, jacobian),
            (covector * by_weight)[0],
            collect_terms((covector * slip)[0], simple=not is_big(slip)),
        ]

    def lower_ports(self, slopes: Sequence[str]) -> list[KernelFunction]:
        """The input at any of several ports, and its vector-Jacobian product."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        arguments = (*self.coordinates, WEIGHT, self.port, *self.constants)
        ports = tuple(f"{self.port} = {k}: {name}" for k, (name, _) in enumerate(d.model.jumps))
        return [
            build_branches(
                "jump_at",
                "Coordinates after an input of weight w at a port.",
                ports,
                arguments,
                names,
                branch_ports(self.port, d.jumps),
            ),
            build_branches(
                "jump_at_vjp",
                "Derivatives of a loss by the coordinates before it, its weight and time.",
                (*ports, "d_time: l . (DJ F(s) - F(J s))"),
                (*arguments, *self.covector),
                slopes,
                branch_ports(self.port, [self.pull_back_jump(jump) for jump in d.jumps]),
            ),
        ]

    def lower_reset(self) -> list[KernelFunction]:
        """The reset of a state on the spike surface or beyond it, and its derivatives."""
        d = self.derivation
        names = [c.name for c in self.coordinates]
        jacobian = sp.Matrix(d.reset).jacobian(self.coordinates)
        return [
            build_function(
                "reset",
                "Coordinates after a spike, from those at the spike.",
                describe(names, d.reset),
                (*self.coordinates, *self.constants),
                names,
                d.reset,
            ),
            build_function(
                "reset_vjp",
                "Derivatives of a loss by the coordinates at a spike whose time they do not move.",
                ("l_*: its derivatives by the coordinates after the spike",),
                (*self.coordinates, *self.constants, *self.covector),
                [f"d_{name}" for name in names],
                pull_back(self.covector, jacobian),
            ),
        ]

    def lower_pseudospike(self) -> list[KernelFunction]:
        """Pseudospikes and their vector-Jacobian product; nothing if the model has none."""
        pseudo = self.derivation.pseudospike
        if pseudo is None:
            return []
        values = tuple(map(rewrite_stably, (pseudo.delay, pseudo.period, pseudo.rate)))
        names = ["delay", "period", "rate"]
        bars = self.name_derivatives(f"g_{name}" for name in names)
        gradient = [
            sp.factor_terms(sum(b * simplify(v.diff(s)) for b, v in zip(bars, values, strict=True)))
            for s in (*self.coordinates, PSEUDO_INPUT)
        ]
        arguments = (*self.coordinates, PSEUDO_INPUT, *self.constants)
        return [
            build_function(
                "pseudospike",
                "First missing spike after the trial's end, time between more, pseudo rate.",
                (pseudo.meaning, *describe(names, (pseudo.delay, pseudo.period, pseudo.rate))),
                arguments,
                names,
                values,
            ),
            build_function(
                "pseudospike_vjp",
                "Derivatives of a loss by the coordinates at the trial's end and the pseudo input.",
                ("g_*: its derivatives by delay, period and rate",),
                (*arguments, *bars),
                [*(f"d_{c.name}" for c in self.coordinates), "d_J"],
                gradient,
            ),
        ]


BIG = 30
"""Operations of an expression with exponentials from which on simplifying takes too long."""


def is_big(expression: Any) -> bool:
    """Whether an expression, or an entry of a matrix, takes too long to simplify."""
    entries = expression if isinstance(expression, sp.MatrixBase) else (expression,)
    return any(e.has(sp.exp, exp_dd) and e.count_ops() > BIG for e in entries)


def simplify(expression: Any) -> Any:
    """Simplify an expression or a matrix, unless it is of a kind that takes long."""
    slow = expression.has(sp.Piecewise, softplus) or is_big(expression)
    return expression if slow else sp.simplify(expression)


def collect_terms(expression: sp.Expr, *, simple: bool) -> sp.Expr:
    """Multiply out and take common factors out, unless that takes long."""
    return sp.factor_terms(sp.expand(expression)) if simple else expression


def is_beyond(derivation: Derivation) -> sp.Basic:
    """Whether the coordinates, which are the state, lie on or beyond a finite threshold."""
    spike = derivation.model.spike
    return spike.variable >= spike.value


def print_numerics(derivation: Derivation) -> tuple[str, ...]:
    """Source of the functions that integrate, where the flow has no closed form."""
    if not derivation.is_integrated:
        return ()
    from spiketheory.generation.crossing_sides import name_side
    from spiketheory.generation.crossing_taylor import print_crossing_functions
    from spiketheory.generation.refractory_printer import print_held_flow
    from spiketheory.generation.taylor_printer import print_taylor_functions

    if derivation.model.is_crossing:
        system, side = derivation.integrated, name_side(derivation)
        return tuple(print_crossing_functions(derivation.model, system, side))
    texts = print_taylor_functions(rename_symbols(derivation.integrated))
    phase = derivation.refractory
    if phase is not None and isinstance(phase.solution, Integrated):
        texts += print_held_flow(rename_symbols(phase.solution.system))
    return tuple(texts)


def rename_symbols(system: TaylorSystem) -> TaylorSystem:
    """The same system without symbols of which generated code uses the names otherwise."""
    taken = {s.name for s in system.symbols}
    names = {
        s: state_symbol(pick_name(f"own_{s.name}", taken))
        for s in system.symbols
        if name_in_code(s.name) != s.name
    }

    def rename(part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(rename, part))
        if isinstance(part, TaylorChart):
            return replace(part, **{n: rename(v) for n, v in vars(part).items()})
        return part if part is None else part.xreplace(names)

    return replace(system, **{n: rename(v) for n, v in vars(system).items()}) if names else system


def describe_calls(calls: Sequence[Call]) -> tuple[str, ...]:
    """Lines ``a, b = function(...)`` for a docstring."""
    return tuple(
        f"{', '.join(t.name for t in call.targets)} = {print_plain(call.function)}"
        for call in calls
    )


def pull_back(covector: Sequence[sp.Symbol], jacobian: sp.Matrix) -> list[sp.Expr]:
    """The row vector ``covector * jacobian``."""
    return list(sp.Matrix([list(covector)]) * jacobian)


def describe(names: Sequence[str], values: Sequence[sp.Basic]) -> tuple[str, ...]:
    """Lines ``name = value`` for a docstring."""
    return tuple(
        f"{name} = {print_plain(value)}" for name, value in zip(names, values, strict=True)
    )


def describe_branches(branches: Sequence[Branch]) -> tuple[str, ...]:
    """Lines ``value if condition`` for a docstring."""
    if len(branches) == 1:
        return (print_plain(branches[0].values[0]),)
    return tuple(
        f"{print_plain(b.values[0])} {'if ' if b.condition != sp.true else ''}"
        f"{print_plain(b.condition)}"
        for b in branches
    )


def describe_domain(parameter: Parameter) -> str:
    """A parameter's domain, for a docstring."""
    if parameter.domain == sp.true:
        return f"{parameter.name}: any real number"
    return print_plain(parameter.domain)
