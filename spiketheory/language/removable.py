r"""Removable singularities: quotients that are 0/0 at a point and smooth there in truth.

The rate functions of Hodgkin and Huxley are the example, $x/(1 - e^{-x})$. Each factor that
vanishes with an expression E is written as E times an entire function without that zero,

$$1 - e^E = -E\,\exp[0, E], \qquad \sinh E = E\, e^{-E} \exp[0, 2E], \qquad
\tanh E = \frac{2E\,\exp[0, -2E]}{1 + e^{-2E}},$$

with the divided difference $\exp[0, E] = (e^E - 1)/E$, and the two E of a quotient cancel. What is
left has the right value and the right derivatives at the point itself and beside it.
"""

import dataclasses
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import sympy as sp

from spiketheory.language.functions import exp_dd
from spiketheory.language.model import NeuronModel, SpikeCondition

Zero = tuple[sp.Expr, sp.Expr]
"""An expression E that vanishes, and the function without that zero that E is multiplied with."""


@lru_cache(maxsize=256)
def resolve_removable(model: NeuronModel) -> NeuronModel:
    """The model without removable singularities; the model itself if it has none."""
    state = model.state
    written: dict[str, Any] = {
        what: tuple(resolve_expression(e, state) for e in getattr(model, what))
        for what in ("derivatives", "reset", "jump", "rest")
    }
    value = resolve_expression(model.spike.value, state)
    if value == model.spike.value and all(v == getattr(model, k) for k, v in written.items()):
        return model
    spike = SpikeCondition(variable=model.spike.variable, value=value)
    return dataclasses.replace(model, spike=spike, **written)


def resolve_expression(expression: sp.Expr, state: Collection[sp.Symbol]) -> sp.Expr:
    """Write every quotient that is 0/0 at a point, where that can be seen, without the 0/0."""
    if not expression.has(sp.exp, sp.sinh, sp.tanh):
        return expression
    return expression.replace(
        lambda e: e.is_Mul or e.is_Add,
        lambda e: resolve_product(e, state) if e.is_Mul else resolve_sum(e, state),
    )


def resolve_sum(total: sp.Expr, state: Collection[sp.Symbol]) -> sp.Expr:
    """The same where the quotient has been multiplied out: terms over one denominator."""
    for factor in sorted(total.atoms(sp.Pow), key=sp.default_sort_key):
        if not (factor.exp.is_Integer and factor.exp < 0) or find_zero(factor.base) is None:
            continue
        over = [t for t in total.args if factor in sp.Mul.make_args(t)]
        if len(over) > 1:
            product = sp.factor_terms(sp.Add(*(t / factor for t in over))) * factor
            resolved = resolve_product(product, state)
            if resolved != product:
                return resolve_sum(total - sp.Add(*over) + resolved, state)
    return total


def resolve_product(product: sp.Expr, state: Collection[sp.Symbol]) -> sp.Expr:
    """A product in which zeros above and below the line have been cancelled."""
    above: list[sp.Expr] = []
    below: list[sp.Expr] = []
    for factor in sp.Mul.make_args(product):
        base, exponent = (factor.base, factor.exp) if factor.is_Pow else (factor, sp.S.One)
        if exponent.is_Integer:
            (above if exponent > 0 else below).append(base)
    for upper in above:
        for lower in below:
            quotient = cancel_zeros(upper, lower, state)
            if quotient is not None:
                return resolve_product(product / upper * lower * quotient, state)
    return product


def cancel_zeros(
    upper: sp.Expr, lower: sp.Expr, state: Collection[sp.Symbol]
) -> sp.Expr | None:  # fmt: skip
    """``upper / lower`` without their common zero; None if none is seen."""
    first, second = find_zero(upper), find_zero(lower)
    if first is None and second is None:
        return None
    first, second = first or (upper, sp.S.One), second or (lower, sp.S.One)
    ratio = sp.cancel(first[0] / second[0])
    if not first[0].free_symbols or ratio.has(*state):
        return None
    return ratio * first[1] / second[1]


def find_zero(factor: sp.Expr) -> Zero | None:
    """How a transcendental factor vanishes; None for any other."""
    if isinstance(factor, sp.sinh | sp.tanh):
        (E,) = factor.args
        if isinstance(factor, sp.sinh):
            return E, sp.exp(-E) * exp_dd(0, 2 * E)
        return E, 2 * exp_dd(0, -2 * E) / (1 + sp.exp(-2 * E))
    if not factor.is_Add or len(factor.args) != 2 or not factor.has(sp.exp):
        return None
    first, second = sorted(factor.args, key=lambda e: (e.has(sp.exp), sp.default_sort_key(e)))
    ratio = sp.powsimp(-second / first)
    if not isinstance(ratio, sp.exp) or not ratio.free_symbols:
        return None
    (E,) = ratio.args
    return E, -first * exp_dd(0, E)


def has_gap(values: Sequence[sp.Expr]) -> bool:
    """Whether one of some values does not exist: 0/0, or division by zero."""
    return any(v.has(sp.nan, sp.zoo, sp.oo, -sp.oo) for v in values)
