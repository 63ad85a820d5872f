"""A model's functions for the event loop: compiled, or in 50 digits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import sympy as sp
from mpmath import mpf

from spiketheory.checking.loop import Loop
from spiketheory.generation.generate import print_source
from spiketheory.generation.lower import Lowering, lower
from spiketheory.machine.compile import CompiledModel, make_module
from spiketheory.symbolic.derivation import Derivation
from spiketheory.verification.cases import MPMATH
from spiketheory.verification.places import Kernels, read_functions

DIGITS = 50
SCALARS = ("time_to_spike", "will_spike")


def make_float_loop(
    compiled: CompiledModel, parameters: Mapping[str, float], derivation: Derivation | None
) -> Loop:
    """The event loop over a model's generated functions.

    Args:
        compiled: The model.
        parameters: Values of its parameters; defaults fill in the rest.
        derivation: Its derivation, for derivatives by the initial state; None leaves them out.
    """
    values = compiled.check_parameters(parameters)
    constants = tuple(map(float, compiled.module.constants(*values)))
    slopes = None
    if derivation is not None:
        slopes = bind_slopes(derivation, constants, values, "math")
    return Loop(
        functions=compiled.functions, constants=constants, slopes=slopes,
        has_periods=compiled.has_refractory_period, n_ports=compiled.n_ports,
    )  # fmt: skip


def make_exact_loop(derivation: Derivation, parameters: Mapping[str, float]) -> Loop | None:
    """The event loop over the same kernel functions in 50 digits.

    Returns:
        The loop; None for a model without a closed form.
    """
    if derivation.is_integrated:
        return None
    ir = lower(derivation)
    kernels = Kernels(ir, as_written=True)
    functions: dict[str, Callable[..., Any]] = dict(kernels.functions)
    functions |= {name: take_first(functions[name]) for name in SCALARS}
    with mpmath.workdps(DIGITS):
        values = [mpf(parameters[p.name]) for p in derivation.model.parameters]
        constants = tuple(functions["constants"](*values))
    if derivation.model.is_crossing or derivation.refractory is not None:
        functions |= read_functions(print_source(ir, "mpmath"))
    return Loop(
        functions=make_module("exact", functions),
        constants=constants,
        slopes=bind_slopes(derivation, constants, values, [MPMATH, "mpmath"]),
        has_periods=derivation.refractory is not None,
        n_ports=len(derivation.jumps),
    )


def take_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns the only entry of a list, as the number that it is."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)[0]

    return call


def bind_slopes(
    derivation: Derivation, constants: Sequence[Any], parameters: Sequence[Any], library: Any
) -> Callable[..., list[list[Any]]]:
    """Derivatives of the coordinates by the state variables, as a function of the state."""
    state = derivation.shown.state
    matrix = sp.Matrix(derivation.enter).jacobian(list(state))
    # The time left, which is nothing at the start, or the side of the threshold.
    if derivation.refractory is not None or derivation.model.is_crossing:
        matrix = matrix.col_join(sp.zeros(1, len(state)))
    names = list(Lowering(derivation).constants)
    # A parameter that is a constant too stands among the constants.
    pairs = zip((p.symbol for p in derivation.model.parameters), parameters, strict=True)
    others = {symbol: value for symbol, value in pairs if symbol not in names}
    evaluate = sp.lambdify([*state, *names, *others], matrix.tolist(), library, dummify=True)

    def slopes(*at: Any) -> list[list[Any]]:
        return evaluate(*at, *constants, *others.values())

    return slopes
