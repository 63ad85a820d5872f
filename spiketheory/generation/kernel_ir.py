"""The kernel IR: straight-line functions, their common subexpressions and operation counts."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

import sympy as sp

from spiketheory.language.functions import Opaque, exp_dd, lambert_w, sinc_slope, softplus
from spiketheory.language.printers import is_reciprocal, split_product
from spiketheory.language.symbols import state_symbol
from spiketheory.shown import shown_by
from spiketheory.symbolic.derivation import Branch, Check, Derivation


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a function that returns several numbers."""

    targets: tuple[sp.Symbol, ...]
    function: sp.Expr


@dataclass(frozen=True, kw_only=True)
class KernelBranch:
    """Straight-line code: calls, then assignments, then results."""

    condition: sp.Basic
    assignments: tuple[tuple[sp.Symbol, sp.Expr], ...]
    results: tuple[sp.Basic, ...]
    calls: tuple[Call, ...] = ()


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
    """Everything that code generation needs; no further mathematics happens after it.

    Attributes:
        derivation: The derivation.
        constant_symbols: The constants, in the order in which functions take them.
        functions: The functions.
        texts: Source of further functions, of derivations without a closed form.
    """

    derivation: Derivation
    constant_symbols: tuple[sp.Symbol, ...]
    functions: tuple[KernelFunction, ...]
    texts: tuple[str, ...] = ()

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the constants."""
        return tuple(c.name for c in self.constant_symbols)


@dataclass(frozen=True, kw_only=True)
class VerifiedKernel:
    """Kernel functions that passed every check; `spiketheory.verification.verify` alone makes one.

    Attributes:
        ir: The kernel functions, exactly those that were checked and that will be printed.
        checks: What was checked.
    """

    ir: KernelIR
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"VerifiedKernel({self.derivation!r}, {len(self.checks)} checks hold)"

    _repr_latex_ = shown_by("spiketheory.documents.notebook.show_verified")

    @property
    def derivation(self) -> Derivation:
        """The derivation that they are lowered from."""
        return self.ir.derivation


def branch_ports(port: sp.Symbol, rows: Sequence[Sequence[sp.Expr]]) -> tuple[Branch, ...]:
    """Values for each port, by its number; the last port needs no condition."""
    last = len(rows) - 1
    return tuple(
        Branch(condition=sp.true if k == last else sp.Eq(port, k), values=tuple(row))
        for k, row in enumerate(rows)
    )


def build_function(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    values: Sequence[sp.Basic],
    *,
    scalar: bool = False,
    calls: Sequence[Call] = (),
) -> KernelFunction:
    """A function without branches; ``calls`` that no result needs are left out."""
    used = set().union(*(value.free_symbols for value in values))
    branch = Branch(condition=sp.true, values=tuple(values))
    return build_branches(
        name, summary, details, arguments, results, (branch,), scalar=scalar,
        calls=[call for call in calls if used & set(call.targets)],
    )  # fmt: skip


def build_branches(
    name: str,
    summary: str,
    details: tuple[str, ...],
    arguments: Sequence[sp.Symbol],
    results: Sequence[str],
    branches: Sequence[Branch],
    *,
    scalar: bool = False,
    calls: Sequence[Call] = (),
) -> KernelFunction:
    """A function with branches, each after common subexpression elimination."""
    taken = {s.name for s in (*arguments, *(t for call in calls for t in call.targets))}
    lowered = tuple(
        eliminate_common(b.condition, b.values, taken=taken, calls=calls) for b in branches
    )
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
    condition: sp.Basic,
    values: Sequence[sp.Basic],
    *,
    taken: Collection[str] = (),
    calls: Sequence[Call] = (),
) -> KernelBranch:
    """Common subexpression elimination over all results of one branch.

    Args:
        condition: The branch's condition.
        values: Its results.
        taken: Names that the new variables must not have.
        calls: What comes before.
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
        condition=condition,
        assignments=tuple(assignments),
        results=tuple(results),
        calls=tuple(calls),
    )


def rewrite_stably(expression: sp.Basic) -> sp.Basic:
    """Replace forms that overflow or cancel by functions that do not."""
    return expression.replace(is_softplus, lambda e: softplus(find_exponent(e)))


def is_softplus(part: sp.Basic) -> bool:
    """Whether an expression is log(1 + exp(z))."""
    return isinstance(part, sp.log) and isinstance(part.args[0] - 1, sp.exp)


def find_exponent(part: sp.Basic) -> sp.Expr:
    """The z of log(1 + exp(z))."""
    return (part.args[0] - 1).args[0]


def is_scalar_only(function: KernelFunction) -> bool:
    """Whether a function calls what takes no arrays: its twin for arrays is a loop."""
    parts = [
        part
        for branch in function.branches
        for part in (branch.condition, *branch.results, *(v for _, v in branch.assignments))
    ]
    if any(branch.calls for branch in function.branches):
        return True
    return any(part.has(sp.Piecewise, *SCALAR_ONLY) for part in parts)


def count_operations(branch: KernelBranch) -> dict[str, int]:
    """Count what the branch's text computes; signs and numbers such as 1/2 are free."""
    counts: Counter[str] = Counter()
    expressions = [call.function for call in branch.calls]
    for expression in (*expressions, *(v for _, v in branch.assignments), *branch.results):
        add_operations(expression, counts)
    order = [*ARITHMETIC, *sorted(set(counts) - set(ARITHMETIC))]
    return {kind: counts[kind] for kind in order if counts[kind]}


SCALAR_ONLY = (*Opaque.__subclasses__(), exp_dd, lambert_w, sinc_slope)
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
