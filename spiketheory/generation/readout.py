"""Generate the module of a readout: lower its derivation to kernel functions, and print them."""

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from spiketheory.generation import templates
from spiketheory.generation.generate import (
    list_imports,
    print_body,
    print_docstring,
    print_fact,
    print_signature,
    write_in_digits,
)
from spiketheory.generation.kernel_ir import (
    KernelBranch,
    KernelFunction,
    build_branches,
    build_function,
    finish_function,
)
from spiketheory.generation.templates import READOUT_FORMAT
from spiketheory.generation.wrap import HARD_SPACE, escape_docstring, lay_out_assignment, wrap
from spiketheory.language.model import format_expression
from spiketheory.language.printers import name_in_code, print_plain, print_scalar
from spiketheory.language.symbols import (
    FEATURE,
    SINCE_SPIKE,
    TIME,
    TRIAL_END,
    constant_symbol,
)
from spiketheory.symbolic.derivation import Branch, Check
from spiketheory.symbolic.readout import Kernel, ReadoutDerivation

CODE_TIME = constant_symbol("time", **TIME.assumptions0)
CODE_END = constant_symbol("duration", **TRIAL_END.assumptions0)
CODE_ELAPSED = constant_symbol("elapsed", **SINCE_SPIKE.assumptions0)
BAR = constant_symbol("bar")
SPELLED = {TIME: CODE_TIME, TRIAL_END: CODE_END, SINCE_SPIKE: CODE_ELAPSED}
"""Names in code of what the mathematics calls t, T and d."""
NOTHING = sp.S.Zero


@dataclass(frozen=True, kw_only=True)
class ReadoutIR:
    """All that the module of a readout is printed from.

    Attributes:
        derivation: The derivation.
        functions: The functions.
    """

    derivation: ReadoutDerivation
    functions: tuple[KernelFunction, ...]


@dataclass(frozen=True, kw_only=True)
class VerifiedReadout:
    """Functions of a readout that passed every check; `verify_readout` alone makes one.

    Attributes:
        ir: The functions.
        checks: What was checked.
    """

    ir: ReadoutIR
    checks: tuple[Check, ...]


def lower_readout(derivation: ReadoutDerivation) -> ReadoutIR:
    """The functions of a readout's module."""
    model = derivation.model
    values = [p.symbol for p in model.values]
    domains = KernelBranch(
        condition=sp.true, assignments=(), results=tuple(p.domain for p in model.values)
    )
    valid = finish_function(  # as it stands: sympy would evaluate tau > 0, of a positive symbol
        "parameters_valid", "Whether each parameter and setting lies in its domain.",
        tuple(format_expression(p.domain) for p in model.values), values,
        [f"{p.name}_valid" for p in model.values], (domains,),
    )  # fmt: skip
    if derivation.kernel is None:
        return ReadoutIR(derivation=derivation, functions=(valid, *lower_response(derivation)))
    return ReadoutIR(
        derivation=derivation, functions=(valid, *lower_kernel(derivation, derivation.kernel))
    )


def lower_kernel(derivation: ReadoutDerivation, kernel: Kernel) -> tuple[KernelFunction, ...]:
    """The kernel, its slope, and its derivatives by the parameters."""
    model = derivation.model
    arguments = [CODE_TIME, FEATURE, CODE_END, *(p.symbol for p in model.values)]
    names = [f"d_{p.name}" for p in model.parameters]
    return (
        build_branches(
            "kernel", "What a hidden spike of weight 1 adds to the output.",
            (f"kappa(t) = {print_plain(kernel.value)}",), arguments, ["kappa"],
            branch(kernel, [kernel.value]), scalar=True,
        ),
        build_branches(
            "kernel_slope", "Derivative of the kernel by the time of the spike.",
            (f"kappa'(t) = {print_plain(kernel.slope)}",), arguments, ["slope"],
            branch(kernel, [kernel.slope]), scalar=True,
        ),
        build_branches(
            "kernel_and_slope", "Both, for little more than one of them.",
            (), arguments, ["kappa", "slope"], branch(kernel, [kernel.value, kernel.slope]),
        ),
        build_branches(
            "kernel_vjp", "Derivatives of a loss by the parameters, from the one by the kernel.",
            (), [*arguments, BAR], names, branch(kernel, [BAR * e for e in kernel.by]),
        ),
    )  # fmt: skip


def branch(kernel: Kernel, values: Sequence[sp.Expr]) -> tuple[Branch, ...]:
    """Values between two times; zeros before and after them."""
    nothing = (NOTHING,) * len(values)
    inside = Branch(condition=sp.true, values=tuple(v.subs(SPELLED) for v in values))
    if not values:
        return (inside,)
    late = Branch(condition=sp.Gt(CODE_TIME, kernel.high.subs(SPELLED)), values=nothing)
    if kernel.low == -sp.oo:
        return late, inside
    return (
        Branch(condition=sp.Lt(CODE_TIME, kernel.low.subs(SPELLED)), values=nothing),
        late,
        inside,
    )


def lower_response(derivation: ReadoutDerivation) -> tuple[KernelFunction, ...]:
    """The potential after an input, its slope, and its derivatives by the parameters."""
    model = derivation.model
    arguments = [CODE_ELAPSED, *(p.symbol for p in model.values)]
    value, slope = derivation.state[0], derivation.slope
    names = [f"d_{p.name}" for p in model.parameters]
    return (
        build_function(
            "response", "Potential a time after a hidden spike of weight 1.",
            (f"eps(d) = {print_plain(value)}",), arguments, ["eps"],
            [value.subs(SPELLED)], scalar=True,
        ),
        build_function(
            "response_slope", "Derivative of that potential by the time.",
            (f"eps'(d) = {print_plain(slope)}",), arguments, ["slope"],
            [slope.subs(SPELLED)], scalar=True,
        ),
        build_function(
            "response_vjp", "Derivatives of a loss by the parameters, from the one by `response`.",
            (), [*arguments, BAR], names, [BAR * e.subs(SPELLED) for e in derivation.by],
        ),
    )  # fmt: skip


def generate_readout(verified: VerifiedReadout) -> str:
    """Python source of a readout's module.

    Args:
        verified: What `spiketheory.verification.readout.verify_readout` returned.
    """
    if not isinstance(verified, VerifiedReadout):
        raise TypeError(
            f"Expected a VerifiedReadout but got {type(verified).__name__}; call "
            "verify_readout(lower_readout(...)) first, since only checked mathematics becomes code."
        )
    return print_readout(verified.ir)


def print_readout(ir: ReadoutIR, *, in_digits: bool = False) -> str:
    """The text of a module, in the precision of floats or, to be verified, of mpmath."""
    model = ir.derivation.model
    texts = [print_function(f, ir.derivation).rstrip() + "\n" for f in ir.functions]
    functions = "\n\n".join(map(write_in_digits, texts) if in_digits else texts)
    imports = list_imports(functions, in_digits=in_digits)
    if not in_digits:  # faster for the few points of a kernel
        imports = imports.replace("runtime.special import", "runtime.differences import")
    counts = (
        f"{f.name}{HARD_SPACE}{sum(f.operations.values())}" for f in ir.functions[1:]
    )  # fmt: skip
    return templates.READOUT_MODULE.format(
        title=f"Functions of the readout {model.name}.",
        description=escape_docstring(model.description),
        name=model.name,
        digest=model.digest,
        operations="\n".join(wrap(f"Operations per call: {', '.join(counts)}.")),
        imports=imports,
        format=READOUT_FORMAT,
        facts="\n".join(print_fact(name, value) for name, value in list_facts(ir).items()),
        functions=functions.rstrip("\n"),
    )


def list_facts(ir: ReadoutIR) -> dict[str, object]:
    """The module's constants; `spiketheory.machine.readout` reads them."""
    model, kernel = ir.derivation.model, ir.derivation.kernel
    at_end = ("", "", "") if kernel is None else tuple(map(format_expression, kernel.at_end))
    return {
        "NAME": model.name,
        "DIGEST": model.digest,
        "READS": model.reads,
        "PARAMETERS": tuple(p.name for p in model.parameters),
        "SETTINGS": tuple(p.name for p in model.settings),
        "DEFAULTS": tuple(float(p.default) for p in model.values),
        "DOMAINS": tuple(format_expression(p.domain) for p in model.values),
        "FEATURES": model.features,
        "HAS_KERNEL": model.has_kernel,
        "VALUE_AT_END": at_end[0],
        "SLOPE_AT_END": at_end[1],
        "CURVATURE_AT_END": at_end[2],
    }


def print_function(function: KernelFunction, derivation: ReadoutDerivation) -> str:
    """Text of a function: the definitions that it uses, and its branches."""
    lines: list[str] = []
    definitions = derivation.model.definitions
    used: set[sp.Basic] = set()
    for b in function.branches:
        used |= b.condition.free_symbols.union(*(v.free_symbols for _, v in b.assignments))
        used |= set().union(*(r.free_symbols for r in b.results))
    if used & definitions.keys():
        for symbol, value in definitions.items():
            opening = f"    {name_in_code(symbol.name)} = "
            lines.append(lay_out_assignment(opening, value.subs(SPELLED), "    "))
    for b in function.branches:
        if b.condition == sp.true:
            lines += print_body(b, "    ", scalar=function.scalar)
        else:
            lines.append(f"    if {print_scalar(b.condition)}:")
            lines += print_body(b, "        ", scalar=function.scalar)
    return templates.FUNCTION.format(
        signature=print_signature(function.name, list(map(name_in_code, function.arguments))),
        docstring=print_docstring(function),
        body="\n".join(lines),
    )
