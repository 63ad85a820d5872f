"""The next maximum of V of a linear model without further input.

It lies where f_1, minus the slope of V, rises through zero (`linear.build_descent`). With one more
function in the chain, f_2 = f_1' - r_1 f_1 = f_2(0) exp(r_2 t), that is

    f_1(0) + f_2(0) (exp(r t) - 1)/r = 0,  r = r_2 - r_1,

a logarithm. Longer chains isolate the zeros of f_1 as they do those of f_0.
"""

from collections.abc import Sequence

import sympy as sp

from spiketheory.language.domains import is_positive
from spiketheory.language.functions import first_peak, log1p
from spiketheory.language.model import NeuronModel
from spiketheory.symbolic.derivation import Branch, Descent
from spiketheory.symbolic.methods.shared import clear


def find_peak(
    model: NeuronModel, descent: Descent, heights: Sequence[sp.Expr]
) -> tuple[Branch, ...]:
    """Branches of the time to the next maximum of V; none if the model has no such maximum.

    Models whose V rises or falls all the way between two inputs have none. Left out are those
    whose V moves with an input, is held after a spike, or goes on through it.

    Args:
        model: The model.
        descent: Its chain of functions.
        heights: Their values at time 0.
    """
    index = model.state.index(model.spike.variable)
    moves = any(jump[index] != model.spike.variable for _, jump in model.jumps)
    others = model.is_crossing or model.refractory is not None or bool(model.other_inputs)
    if len(heights) < 3 or moves or others:
        return ()
    never = Branch(condition=sp.true, values=(sp.oo,))
    if len(heights) > 3:
        arguments = sp.Tuple(*model.state, *(p.symbol for p in model.parameters))
        peak = first_peak(sp.Tuple(*descent.rates), descent.horizon, arguments)
        return (Branch(condition=sp.true, values=(peak,)),)
    falling, bend = heights[1:]
    rate = sp.factor(descent.rates[2] - descent.rates[1])
    rising, part = sp.And(clear(falling) < 0, clear(bend) > 0), sp.factor(-rate * falling / bend)
    branches = []
    if not is_positive(sp.Abs(rate), model.parameters):
        same = sp.Eq(sp.numer(rate), 0)
        branches.append(Branch(condition=sp.And(rising, same), values=(-falling / bend,)))
    above, below = sp.fraction(part)  # below is positive where V rises and bends down
    comes = Branch(condition=sp.And(rising, above + below > 0), values=(log1p(part) / rate,))
    return (*branches, comes, never)
