"""The kernel IR: straight-line functions, their common subexpressions and operation counts."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

import sympy as sp

from spiketheory.derivation import Branch, Derivation
from spiketheory.printers import is_reciprocal, split_product
from spiketheory.symbols import state_symbol


class softplus(sp.Function):
    """log(1 + exp(z)) without overflow."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative, the logistic function."""
        return 1 / (1 + sp.exp(-self.args[0]))


@dataclass(frozen=True, kw_only=True)
class KernelBranch:
    """Straight-line code: assignments, then results."""

    condition: sp.Basic
    assignments: tuple[tuple[sp.Symbol, sp.Expr], ...]
    results: tuple[sp.Basic, ...]


@dataclass(frozen=True, kw_only=True)
class KernelFunction:
    """One generated function.

    Attributes:
        name: Its name.
        summary: First line of its docstring.
        details: Further lines of its docstring: formulas and meanings.
        arguments: Argument names, in order.
        results: Names of the results, in order.
        branches: Its cases; the first whose condition holds counts.
        operations: How many operations of which kind the longest branch needs.
        scalar: Whether it returns a number; otherwise a tuple, also of one entry.
    """

    name: str
    summary: str
    details: tuple[str, ...]
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    branches: tuple[KernelBranch, ...]
    operations: dict[str, int]
    scalar: bool = False


@dataclass(frozen=True, kw_only=True)
class KernelIR:
    """Everything that code generation needs; no further mathematics happens after it."""

    derivation: Derivation
    constants: tuple[str, ...]
    functions: tuple[KernelFunction, ...]


def build_function(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    values: Sequence[sp.Basic],
    *,
    scalar: bool = False,
) -> KernelFunction:
    """A function without branches."""
    branch = Branch(condition=sp.true, values=tuple(values))
    return build_branches(name, summary, details, arguments, results, (branch,), scalar=scalar)


def build_branches(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    branches: Sequence[Branch],
    *,
    scalar: bool = False,
) -> KernelFunction:
    """A function with branches, each after common subexpression elimination."""
    taken = {a.name for a in arguments}
    lowered = tuple(eliminate_common(b.condition, b.values, taken=taken) for b in branches)
    return finish_function(name, summary, details, arguments, results, lowered, scalar=scalar)


def build_chain(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    chain: Sequence[tuple[sp.Symbol, sp.Expr]],
    more: Sequence[sp.Symbol],
) -> KernelFunction:
    """A function that computes a chain of named values, each from the ones before, and more."""
    assignments = tuple((symbol, rewrite_stably(value)) for symbol, value in chain)
    results = [symbol for symbol, _ in chain] + list(more)
    branch = KernelBranch(condition=sp.true, assignments=assignments, results=tuple(results))
    return finish_function(
        name, summary, details, arguments, [r.name for r in results], (branch,)
    )  # fmt: skip


def finish_function(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    branches: tuple[KernelBranch, ...],
    *,
    scalar: bool = False,
) -> KernelFunction:
    """Count the operations and make the record."""
    counts = [count_operations(b) for b in branches]
    return KernelFunction(
        name=name,
        summary=summary,
        details=details,
        arguments=tuple(a.name for a in arguments),
        results=tuple(results),
        branches=branches,
        operations=max(counts, key=lambda c: sum(c.values())),
        scalar=scalar,
    )


def eliminate_common(
    condition: sp.Basic, values: Sequence[sp.Basic], *, taken: Collection[str] = ()
) -> KernelBranch:
    """Common subexpression elimination over all results of one branch.

    Args:
        condition: The branch's condition.
        values: Its results.
        taken: Names that the new variables must not have.
    """
    rewritten = [rewrite_stably(v) for v in values]
    names = (name for i in count() if (name := f"t{i}") not in taken)
    assignments, results = sp.cse(
        rewritten,
        symbols=map(state_symbol, names),
        optimizations="basic",
        order="canonical",
    )
    return KernelBranch(
        condition=condition, assignments=tuple(assignments), results=tuple(results)
    )  # fmt: skip


def rewrite_stably(expression: sp.Basic) -> sp.Basic:
    """Replace forms that overflow or cancel by functions that do not."""
    z = sp.Wild("z")
    return expression.replace(sp.log(1 + sp.exp(z)), softplus(z))


def count_operations(branch: KernelBranch) -> dict[str, int]:
    """Count what the branch's text computes; signs and numbers such as 1/2 are free."""
    counts: Counter[str] = Counter()
    for expression in (*(value for _, value in branch.assignments), *branch.results):
        add_operations(expression, counts)
    order = [*ARITHMETIC, *sorted(set(counts) - set(ARITHMETIC))]
    return {kind: counts[kind] for kind in order if counts[kind]}


ARITHMETIC = ("add", "multiply", "divide", "compare", "logic", "sqrt", "power")


def add_operations(part: sp.Basic, counts: Counter[str]) -> None:
    """Add the operations of an expression tree to ``counts``, as `printers` writes it."""
    operands = part.args
    if part.is_Add:
        counts["add"] += len(part.args) - 1
    elif part.is_Mul or is_reciprocal(part):
        _, above, below = split_product(part)
        counts["multiply"] += max(len(above) - 1, 0) + max(len(below) - 1, 0)
        counts["divide"] += bool(below)
        operands = (*above, *below)
    elif part.is_Pow:
        kinds = {sp.S.Half: "sqrt", sp.Integer(2): "multiply"}
        counts[kinds.get(part.exp, "power")] += 1
    elif part.is_Relational:
        counts["compare"] += 1
    elif isinstance(part, sp.And | sp.Or):
        counts["logic"] += len(part.args) - 1
    elif part.is_Function:
        counts[type(part).__name__.lower()] += 1
    for operand in operands:
        add_operations(operand, counts)
