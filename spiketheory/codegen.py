"""Generate source text from the kernel IR.

One text serves both targets: its functions take NumPy arrays as they are and compile with Numba
for scalars. A function with branches is written with ``if`` (only the branch that is needed
runs) and has a twin for arrays, ``<name>_array``.
"""

import sympy as sp

from spiketheory import templates
from spiketheory.errors import check_choice
from spiketheory.lower import KernelBranch, KernelFunction, KernelIR
from spiketheory.printers import print_numpy

FORMAT = 1
TARGETS = ("module", "numba", "numpy")
LINE_LENGTH = 96


def generate(ir: KernelIR, *, target: str = "module") -> str:
    """Return Python source for ``ir``.

    Args:
        ir: The lowered derivation.
        target: ``module`` for the whole module, as it is compiled and checked in; ``numba`` for
            the scalar functions only; ``numpy`` for the array functions only.

    Returns:
        The text of a module.
    """
    check_choice("target", target, TARGETS)
    texts = []
    for function in ir.functions:
        branched = len(function.branches) > 1
        if target != "numpy" or not branched:
            texts.append(print_function(function))
        if branched and target != "numba":
            name = function.name if target == "numpy" else f"{function.name}_array"
            texts.append(print_array_function(function, name))
    imports = ["import numpy as np"]
    if any("choose_branches" in text for text in texts):
        imports += ["", "from spiketheory.branches import choose_branches"]
    if target != "numpy":
        texts.append(print_layout(ir))
    return print_module(ir, "\n\n".join(texts), "\n".join(imports))


def print_module(ir: KernelIR, functions: str, imports: str) -> str:
    """Fill the module template."""
    derivation = ir.derivation
    model = derivation.model
    counts = (
        f"{f.name} {sum(f.operations.values())}" for f in ir.functions if f.name in COUNTED
    )  # fmt: skip
    return templates.MODULE.format(
        title=f"Functions of the neuron model {model.name}.",
        description=model.description or "No description.",
        digest=model.digest,
        method=derivation.method,
        chart=derivation.chart.name,
        operations=", ".join(counts) + ".",
        imports=imports,
        format=FORMAT,
        name=model.name,
        parameters=tuple(p.name for p in model.parameters),
        defaults=tuple(float(p.default) for p in model.parameters),
        domains=tuple(str(p.domain) for p in model.parameters),
        state=tuple(s.name for s in model.state),
        coordinates=tuple(c.name for c in derivation.chart.coordinates),
        constants=ir.constants,
        propagator=tuple(s.name for s in derivation.propagator.symbols),
        initial=derivation.initial.symbol.name,
        has_pseudospikes=derivation.pseudospike is not None,
        functions=functions.rstrip("\n"),
    )


def print_layout(ir: KernelIR) -> str:
    """Text of ``load`` and ``store``: one neuron's coordinates in an array (coordinate, neuron)."""
    names = [c.name for c in ir.derivation.chart.coordinates]
    return templates.LAYOUT.format(
        names=", ".join(names),
        loads=", ".join(f"array[{i}, neuron]" for i in range(len(names))) + ",",
        stores="\n".join(f"    array[{i}, neuron] = {name}" for i, name in enumerate(names)),
    )


COUNTED = ("propagator", "flow", "flow_vjp", "will_spike", "time_to_spike", "jump", "jump_vjp")


def print_function(function: KernelFunction) -> str:
    """Text of a function; its branches become ``if`` statements."""
    lines: list[str] = []
    for branch in function.branches:
        if branch.condition == sp.true:
            lines += print_body(branch, "    ")
        else:
            lines.append(f"    if {print_numpy(branch.condition)}:")
            lines += print_body(branch, "        ")
    return templates.FUNCTION.format(
        name=function.name,
        arguments=", ".join(function.arguments),
        docstring=print_docstring(function),
        body="\n".join(lines),
    )


def print_array_function(function: KernelFunction, name: str) -> str:
    """Text of the array twin of a function with branches."""
    arguments = ", ".join(function.arguments)
    branches = [
        templates.ARRAY_BRANCH.format(
            number=i, arguments=arguments, body="\n".join(print_body(branch, "        "))
        )
        for i, branch in enumerate(function.branches, 1)
    ]
    return templates.ARRAY_FUNCTION.format(
        name=name,
        arguments=arguments,
        summary=function.summary,
        branches="\n".join(branches),
        conditions=", ".join(print_numpy(b.condition) for b in function.branches),
        names=", ".join(f"branch_{i}" for i in range(1, len(branches) + 1)),
    )


def print_body(branch: KernelBranch, indent: str) -> list[str]:
    """Lines of straight-line code: assignments and a return statement."""
    lines = [f"{indent}{s.name} = {print_numpy(value)}" for s, value in branch.assignments]
    results = ", ".join(print_result(r) for r in branch.results)
    return [*lines, f"{indent}return {results}"]


def print_result(value: sp.Basic) -> str:
    """Text of a result; whole numbers are written as floats, so that all branches agree in type."""
    if value.is_Integer:
        return f"{int(value)}.0"
    return print_numpy(value)


def print_docstring(function: KernelFunction) -> str:
    """Summary, details, results and operation count."""
    counts = ", ".join(f"{count} {kind}" for kind, count in function.operations.items())
    lines = [function.summary, ""]
    lines += [f"    {line}" for detail in function.details for line in wrap(detail)]
    if function.details:
        lines.append("")
    lines.append(f"    Returns {', '.join(function.results)}. Operations: {counts or 'none'}.")
    return "\n".join([*lines, "    "])


def wrap(text: str) -> list[str]:
    """Break a long docstring line at spaces."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) + 1 > LINE_LENGTH - 4:
            lines.append(line)
            line = "    " + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
