"""A bound of V over a duration that costs no exponential: below the threshold nothing spikes.

A variable x' = r x + f with r < 0 and f at most F heads for at most T = -F/r, so that within a
duration d it is at most max(x, T + (x - T) exp(r d)), or just max(x, T). Bounds of what drives V
follow from those of what drives that. The propagator knows exp(r d) of V. Whether a neuron spikes
that the bound does not exclude is found out as before.
"""

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.model import NeuronModel

ROUNDING = sp.Rational(1, 2**40)
"""More than rounding may take off a bound, relative to what it is made of."""


def stays_below(
    model: NeuronModel, matrix: sp.Matrix, drive: sp.Matrix, decay: sp.Expr
) -> sp.Basic:
    """A condition under which V does not reach its threshold within a duration; false for never.

    Args:
        model: The model, a cascade.
        matrix: Of its linear equations.
        drive: Their constants.
        decay: exp(r d) of V: a symbol of the propagator.
    """
    index = model.state.index(model.spike.variable)
    aim = find_aim(model, matrix, drive, index, 1)
    if aim is None:
        return sp.false
    voltage, threshold = model.spike.variable, model.spike.value
    size = sp.Max(sp.Abs(voltage), sp.Abs(aim), sp.Abs(threshold))
    return sp.Max(voltage, aim + (voltage - aim) * decay) < threshold - size * ROUNDING


def find_aim(
    model: NeuronModel, matrix: sp.Matrix, drive: sp.Matrix, index: int, side: int
) -> sp.Expr | None:
    """What a variable heads for at most (side 1), or at least (-1); None if that is not known."""
    rate = matrix[index, index]
    if not is_positive(-rate, model.parameters):
        return None
    total = drive[index]
    for j, other in enumerate(model.state):
        coupling = matrix[index, j]
        if j == index or coupling == 0:
            continue
        sign = 1 if is_positive(coupling, model.parameters) else -1
        if not is_positive(sign * coupling, model.parameters):
            return None
        aim = find_aim(model, matrix, drive, j, side * sign)
        if aim is None:
            return None
        total += coupling * (sp.Max if side * sign > 0 else sp.Min)(other, aim)
    return sp.simplify(-total / rate)
