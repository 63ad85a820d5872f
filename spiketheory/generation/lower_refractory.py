"""Lower the held phase of a refractory period: its flow, jump and length, with derivatives."""

from collections.abc import Sequence

import sympy as sp

from spiketheory.generation.kernel_ir import (
    KernelFunction,
    branch_ports,
    build_branches,
    build_function,
)
from spiketheory.language.symbols import DURATION, WEIGHT, pick_name, state_symbol
from spiketheory.symbolic.derivation import Derivation, HeldPhase, Integrated


# Long: a list of functions, each with its words.
def lower_held_phase(
    derivation: Derivation,
    phase: HeldPhase,
    constants: Sequence[sp.Symbol],
    varied: Sequence[sp.Symbol],
    covector: Sequence[sp.Symbol],
    port: sp.Symbol,
) -> list[KernelFunction]:
    """Build the functions of the held phase; what is integrated is left out.

    Args:
        derivation: The derivation.
        phase: Its held phase.
        constants: Symbols of all constants.
        varied: Those by which there are derivatives.
        covector: Symbols of the derivatives of a loss by the coordinates.
        port: Symbol of the number of a port.
    """
    coordinates = derivation.chart.coordinates
    names = [c.name for c in coordinates]
    by_state = [f"d_{name}" for name in names]
    by_constant = [f"d_{c.name}" for c in varied]
    row = sp.Matrix([list(covector)])
    field, jump = sp.Matrix(phase.field), sp.Matrix(phase.jumps[0])
    taken = {s.name for s in (*coordinates, *constants)}
    bar = state_symbol(pick_name("l_left", taken))

    def pull_back(values: Sequence[sp.Expr]) -> list[sp.Expr]:
        jump = sp.Matrix(list(values))
        after = dict(zip(coordinates, values, strict=True))
        jacobian = jump.jacobian(coordinates)
        slip = jacobian * field - field.subs(after, simultaneous=True)
        return [
            *(row * jacobian), (row * jump.diff(WEIGHT))[0], sp.expand((row * slip)[0])
        ]  # fmt: skip

    def build(
        name: str, summary: str, arguments: Sequence[sp.Symbol], results: Sequence[str],
        values: Sequence[sp.Expr], *, scalar: bool = False,
    ) -> KernelFunction:  # fmt: skip
        return build_function(name, summary, (), arguments, results, values, scalar=scalar)

    functions = [
        build("refractory_time", "How long the refractory period lasts.", constants, ["duration"],
              [phase.time], scalar=True),
        build("held_velocity", "Time derivatives of the coordinates in the refractory period.",
              (*coordinates, *constants), by_state, phase.field),
        build("held_jump", "Coordinates after an input of weight w in the refractory period.",
              (*coordinates, WEIGHT, *constants), names, phase.jumps[0]),
        build("held_jump_vjp",
              "Derivatives of a loss by the coordinates before that input, its weight and time.",
              (*coordinates, WEIGHT, *constants, *covector), [*by_state, "d_w", "d_time"],
              pull_back(phase.jumps[0])),
    ]  # fmt: skip
    if varied:
        functions += [
            build("refractory_time_constants_vjp",
                  "Derivatives of a loss by the constants, by way of that length.",
                  (*constants, bar), by_constant, [bar * phase.time.diff(c) for c in varied]),
            build("held_jump_constants_vjp",
                  "Derivatives of a loss by the constants, by way of that input.",
                  (*coordinates, WEIGHT, *constants, *covector), by_constant,
                  list(row * jump.jacobian(varied))),
        ]  # fmt: skip
    if len(phase.jumps) > 1:
        given = (*coordinates, WEIGHT, port, *constants)
        rows = [("held_jump_at", given, names, phase.jumps),
                ("held_jump_at_vjp", (*given, *covector), [*by_state, "d_w", "d_time"],
                 list(map(pull_back, phase.jumps)))]  # fmt: skip
        if varied:
            rows.append(
                ("held_jump_at_constants_vjp", (*given, *covector), by_constant,
                 [list(row * sp.Matrix(j).jacobian(varied)) for j in phase.jumps])
            )  # fmt: skip
        functions += [
            build_branches(name, "The same at a port.", (), arguments, results,
                           branch_ports(port, values))
            for name, arguments, results, values in rows
        ]  # fmt: skip
    if isinstance(phase.solution, Integrated):
        return functions
    flow = sp.Matrix(phase.solution)
    functions += [
        build("held_flow", "Coordinates after a duration in the refractory period.",
              (*coordinates, DURATION, *constants), names, phase.solution),
        build("held_flow_vjp",
              "Derivatives of a loss by the coordinates before that, from those after it.",
              (*coordinates, DURATION, *constants, *covector), by_state,
              list(row * flow.jacobian(coordinates))),
    ]  # fmt: skip
    if varied:
        functions.append(
            build("held_flow_constants_vjp",
                  "Derivatives of a loss by the constants, by way of that flow.",
                  (*coordinates, DURATION, *constants, *covector), by_constant,
                  list(row * flow.jacobian(varied)))
        )  # fmt: skip
    return functions
