"""What the domains of the parameters imply about an expression."""

from collections.abc import Iterable

import sympy as sp

from spiketheory.language.model import Parameter


def is_positive(expression: sp.Expr, parameters: Iterable[Parameter]) -> bool:
    """Return whether ``expression > 0`` follows from the parameters' domains.

    A bound ``p > c`` is used by writing ``p = c + q`` with ``q > 0`` (``c - q`` for ``p < c``);
    sympy then has to see that the sum is positive. ``False`` means "does not follow", not "is
    negative somewhere".
    """
    substitution = {p.symbol: shift_by_bound(p) for p in parameters}
    shifted = sp.factor(sp.simplify(expression.subs(substitution)))
    return bool(shifted.is_positive) or bool(sp.expand(shifted).is_positive)


def shift_by_bound(parameter: Parameter) -> sp.Expr:
    """Write a parameter with a numeric bound as that bound plus or minus a positive symbol."""
    domain = parameter.domain
    relations = domain.args if isinstance(domain, sp.And) else (domain,)
    for relation in relations:
        if isinstance(relation, sp.Gt | sp.Ge | sp.Lt | sp.Le):
            larger, smaller = relation.gts, relation.lts
            strict = isinstance(relation, sp.StrictGreaterThan | sp.StrictLessThan)
            excess = sp.Dummy(parameter.name, positive=True if strict else None,
                              nonnegative=None if strict else True)  # fmt: skip
            if larger == parameter.symbol and smaller.is_number:
                return smaller + excess
            if smaller == parameter.symbol and larger.is_number:
                return larger - excess
    return parameter.symbol
