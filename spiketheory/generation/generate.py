"""Generate source text from the kernel IR.

One text serves both targets: its functions take NumPy arrays as they are and compile with Numba
for scalars. A function with branches is written with ``if`` (only the branch that is needed
runs) and has a twin for arrays, ``<name>_array``.
"""

import ast
import json
import re
from collections.abc import Sequence

import sympy as sp

from spiketheory.errors import check_choice
from spiketheory.generation import templates
from spiketheory.generation.crossing_sides import name_side
from spiketheory.generation.crossing_wrapper import wrap_crossing
from spiketheory.generation.interface import INTERFACE, count_numbers
from spiketheory.generation.kernel_ir import (
    Call,
    KernelBranch,
    KernelFunction,
    KernelIR,
    VerifiedKernel,
    is_scalar_only,
)
from spiketheory.generation.refractory_frame import elapsed_factor
from spiketheory.generation.refractory_printer import (
    ELAPSED,
    ENDS,
    UNCHANGED,
    left_name,
    print_refractory,
)
from spiketheory.generation.taylor_printer import print_taylor_import
from spiketheory.generation.templates import GENERATED_FORMAT
from spiketheory.generation.wrap import (
    HARD_SPACE,
    LINE_LENGTH,
    escape_docstring,
    lay_out_assignment,
    lay_out_call,
    print_result,
    wrap,
)
from spiketheory.language.functions import LIBRARY, fire, flow, propagator
from spiketheory.language.model import NeuronModel, format_expression
from spiketheory.language.printers import name_in_code, print_numpy, print_scalar
from spiketheory.language.symbols import WEIGHT, pick_name
from spiketheory.symbolic.derivation import Derivation
from spiketheory.symbolic.inputs import ADD, classify_inputs

NUMERICAL = (
    *("flow", "flow_vjp", "flow_constants_vjp", "time_to_spike", "spike_within"),
    *("will_spike", "fire", "fire_vjp", "fire_constants_vjp"),
)
"""Functions of models without a closed form; they integrate."""
TARGETS = ("module", "numba", "numpy", "mpmath")
ANY_NUMBERS = ("roots", "crossing")
"""Runtime modules whose functions take numbers of mpmath as they are."""


def generate(verified: VerifiedKernel, *, target: str = "module") -> str:
    """Return Python source for kernel functions that were verified.

    Args:
        verified: Kernel functions that passed every check.
        target: ``module`` for the whole module, as it is compiled and checked in; ``numba`` for
            the scalar functions only; ``numpy`` for the array functions only; ``mpmath`` for the
            scalar functions in the working precision of mpmath, as they are verified (what is
            integrated is left out).

    Returns:
        The text of a module.
    """
    if not isinstance(verified, VerifiedKernel):
        raise TypeError(
            f"Expected a VerifiedKernel but got {type(verified).__name__}; call verify(lower(...)) "
            "first, since only checked mathematics becomes code."
        )
    check_choice("target", target, TARGETS)
    return print_source(verified.ir, target)


def print_source(ir: KernelIR, target: str) -> str:
    """The text of a module, for verification too; see `generate`."""
    functions, more = ir.functions, ir.texts
    wrapped = wrap_crossing(ir) if ir.derivation.model.is_crossing else None
    if wrapped is not None:
        functions, more = wrapped.functions, wrapped.texts
    if target == "mpmath":
        texts = [print_function(function) for function in functions]
        if wrapped is not None and not ir.derivation.is_integrated:
            texts += wrapped.texts
        if ir.derivation.refractory is not None:
            texts = print_refractory(ir, texts)
        return print_module(ir, "\n\n".join(map(write_in_digits, texts)), in_digits=True)
    texts = []
    for function in functions:
        looped = is_scalar_only(function)
        branched = len(function.branches) > 1 and not looped and not is_of_frame(function)
        if target != "numpy" or not branched:
            texts.append(print_function(function))
        if branched and target != "numba":
            name = function.name if target == "numpy" else f"{function.name}_array"
            texts.append(print_array_function(function, name))
    texts += more
    if ir.derivation.refractory is not None:
        texts = print_refractory(ir, texts)
    if target != "numpy":
        texts.append(print_layout(ir))
    text = print_module(ir, "\n\n".join(text.rstrip() + "\n" for text in texts))
    if target != "numpy":
        check_interface(text, ir)
    return text


def is_of_frame(function: KernelFunction) -> bool:
    """Whether a function is one of the co-moving frame, which are asked for one neuron alone."""
    return function.name.startswith("frame_")


class Digits(ast.NodeTransformer):
    """Turns the numbers of a text into those of mpmath, where Python would round."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """A decimal fraction means what it says."""
        return wrap_number(repr(node.value)) if isinstance(node.value, float) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """A quotient of whole numbers is not rounded to a double."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and isinstance(node.left, ast.Constant):
            node.left = wrap_number(repr(node.left.value))
        return node


def wrap_number(text: str) -> ast.expr:
    """The call that makes a number of mpmath."""
    return ast.parse(f"np.mpf({text!r})", mode="eval").body


def print_in_digits(function: KernelFunction) -> str:
    """Text of a function for numbers of mpmath; the first branch that holds counts."""
    return write_in_digits(print_function(function))


def write_in_digits(text: str) -> str:
    """Text for numbers of mpmath."""
    tree = Digits().visit(ast.parse(text))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def list_imports(text: str, *, in_digits: bool = False) -> str:
    """Import statements for what a module's text uses."""
    if in_digits:
        names = sorted(n for n in LIBRARY if re.search(rf"\b{n}\b", text))
        homes = {n: LIBRARY[n] if LIBRARY[n] in ANY_NUMBERS else "special_mpmath" for n in names}
        lines = [f"from spiketheory.runtime.{home} import {name}" for name, home in homes.items()]
        lines += ["from spiketheory.runtime.special_mpmath import numpy_in_digits as np"]
        return "\n".join(sorted(lines, key=lambda line: "special_mpmath" in line))
    imports = ["import numpy as np", ""]
    if "choose_branches" in text:
        imports.append("from spiketheory.runtime.branches import choose_branches")
    modules: dict[str, list[str]] = {}
    for name, module in LIBRARY.items():
        if re.search(rf"\b{name}\b", text):
            modules.setdefault(module, []).append(name)
    for module in sorted(modules):
        start, names = f"from spiketheory.runtime.{module} import ", sorted(modules[module])
        line = f"{start}{', '.join(names)}"
        imports.append(line if len(line) <= LINE_LENGTH else lay_out_call(start, names, indent=""))
    imports.append(print_taylor_import([text]))
    return "\n".join(imports).rstrip()


def print_module(ir: KernelIR, functions: str, *, in_digits: bool = False) -> str:
    """Fill the module template."""
    derivation = ir.derivation
    model = derivation.model
    counts = (
        f"{f.name}{HARD_SPACE}{sum(f.operations.values())}"
        for f in ir.functions
        if f.name in COUNTED
    )
    return templates.MODULE.format(
        title=f"Functions of the neuron model {model.name}.",
        description=escape_docstring(model.description) or "No description.",
        digest=derivation.shown.digest,
        method=derivation.method,
        chart=derivation.chart.name,
        operations="\n".join(wrap(f"Operations per call: {', '.join(counts)}.")),
        imports=list_imports(functions, in_digits=in_digits),
        format=GENERATED_FORMAT,
        facts="\n".join(print_fact(name, value) for name, value in list_facts(ir).items()),
        functions=functions.rstrip("\n"),
    )


def list_facts(ir: KernelIR) -> dict[str, object]:
    """The module's constants; `spiketheory.machine.compile` reads them."""
    derivation = ir.derivation
    model = derivation.model
    inputs = classify_inputs(model)
    return {
        "NAME": model.name,
        "DIGEST": derivation.shown.digest,
        "PARAMETERS": tuple(p.name for p in model.parameters),
        "DEFAULTS": tuple(float(p.default) for p in model.parameters),
        "DOMAINS": tuple(format_expression(p.domain) for p in model.parameters),
        "STATE": tuple(s.name for s in derivation.shown.state),
        "COORDINATES": list_coordinates(ir),
        "CONSTANTS": ir.constants,
        "PROPAGATOR": list_propagator(ir),
        "INITIAL": derivation.initial.symbol.name,
        "METHOD": derivation.method,
        "THRESHOLD_COORDINATE": find_threshold(derivation),
        "PROJECTIVE": tuple(
            derivation.chart.coordinates.index(c) for c in derivation.chart.projective
        ),
        "CROSSES_INFINITY": crosses_infinity(derivation),
        "LOOPED": list_looped(ir),
        "HAS_PSEUDOSPIKES": derivation.pseudospike is not None,
        "WITHOUT_PSEUDOSPIKES": derivation.without_pseudospikes,
        **list_frame(ir),
        # Where nothing is said, simultaneous inputs add up.
        **({} if inputs == ADD else {"INPUTS": inputs}),
        **({} if derivation.refractory is None else {"HAS_REFRACTORY_PERIOD": True}),
        # Where nothing is said, there is one port, whose name does not matter.
        **({"PORTS": tuple(name for name, _ in model.jumps)} if model.other_inputs else {}),
        # Where nothing is said, what an input adds does not stay.
        **({"CURRENT_PORTS": currents} if (currents := find_current_ports(model)) else {}),
    }


def list_frame(ir: KernelIR) -> dict[str, object]:
    """What the module says of its co-moving frame, or why it has none."""
    derivation, frame = ir.derivation, ir.derivation.frame
    if frame is None:
        return {"WITHOUT_FRAME": derivation.without_frame}
    used = set().union(*(v.free_symbols for b in frame.branches for v in (b.condition, *b.values)))
    values = derivation.constant_values
    used = used.union(*(values[s].free_symbols for s in used if s in values))
    more = () if derivation.refractory is None else (elapsed_factor(ir),)
    return {
        "FACTORS": (*(s.name for s in frame.factors), *more),
        "FACTOR_PARAMETERS": tuple(p.name for p in derivation.model.parameters if p.symbol in used),
        "PUSH": tuple(s.name for s in frame.pushed),
        "FRAME_KEEPS_TIME": frame.keeps_time,
        "FRAME_CROSSES": frame.crosses != sp.false,
        "WITHOUT_FRAME": "",
    }


def find_current_ports(model: NeuronModel) -> tuple[int, ...]:
    """Numbers of the ports at which steps of a current may arrive.

    There an input adds multiples of its weight to variables that nothing else changes, but other
    inputs, so that steps add up to the current.
    """
    kept = {
        s
        for s, rate, after in zip(model.state, model.derivatives, model.reset, strict=True)
        if rate == 0 and after == s
    }
    found = []
    for number, (_, jump) in enumerate(model.jumps):
        changes = {s: sp.expand(e - s) for s, e in zip(model.state, jump, strict=True) if s != e}
        parts = [sp.expand(change / WEIGHT) for change in changes.values()]
        if (
            changes
            and changes.keys() <= kept
            and not any(p.has(WEIGHT, *model.state) for p in parts)
        ):
            found.append(number)
    return tuple(found)


def list_coordinates(ir: KernelIR) -> tuple[str, ...]:
    """Names of the coordinates: of the chart, and what the text around its functions adds.

    That is the time left of a refractory period, or the side of the threshold.
    """
    derivation = ir.derivation
    names = tuple(c.name for c in derivation.chart.coordinates)
    if derivation.refractory is not None:
        return (*names, left_name(ir))
    return (*names, name_side(derivation)) if derivation.model.is_crossing else names


def list_propagator(ir: KernelIR) -> tuple[str, ...]:
    """Names of the numbers that depend on the duration alone."""
    if ir.derivation.refractory is not None:
        return (ELAPSED,)
    return tuple(s.name for s in ir.derivation.propagator.symbols)


def list_looped(ir: KernelIR) -> tuple[str, ...]:
    """Names of the functions that take no arrays."""
    if ir.derivation.model.is_crossing:
        return wrap_crossing(ir).names
    if ir.derivation.refractory is not None:
        plain = {
            f.name for f in ir.functions
            if f.name in ENDS and len(f.branches) == 1 and not is_scalar_only(f)
        }  # fmt: skip
        return tuple(name for name in INTERFACE if name not in {*UNCHANGED, *plain})
    own = (f.name for f in ir.functions if is_scalar_only(f) or is_of_frame(f))
    return (*own, *(NUMERICAL if ir.texts else ()))


def find_threshold(derivation: Derivation) -> int:
    """Place of the coordinate that has a finite threshold; -1 if there is none."""
    spike = derivation.model.spike
    return -1 if spike.is_blowup else derivation.chart.coordinates.index(spike.variable)


def crosses_infinity(derivation: Derivation) -> bool:
    """Whether the flow carries the state through the spike and its reset.

    So it does if the neuron spikes at infinity and is reset to minus infinity, the same point in
    projective coordinates: (x, 0) becomes (-1, 0), and other coordinates stay.
    """
    chart = derivation.chart
    if not chart.projective or not derivation.model.spike.is_blowup:
        return False
    if derivation.refractory is not None:
        return False
    after = dict(zip(chart.coordinates, derivation.reset, strict=True))
    others = [c for c in chart.coordinates if c not in chart.projective]
    return [after[c] for c in chart.projective] == [-1, 0] and all(after[c] == c for c in others)


def print_fact(name: str, value: object) -> str:
    """A module constant: a string, a truth value, or a tuple of strings or numbers."""
    if isinstance(value, tuple):
        return lay_out_call(f"{name} = ", [print_literal(v) for v in value], indent="")
    return f"{name} = {print_literal(value)}"


def print_literal(value: object) -> str:
    """A string in double quotes; anything else as Python prints it."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def print_layout(ir: KernelIR) -> str:
    """Text of what reads and writes the numbers of one neuron, or one propagator, in an array."""
    names = list(map(name_in_code, list_coordinates(ir)))
    steps = list(map(name_in_code, list_propagator(ir)))
    projective = {name_in_code(c.name) for c in ir.derivation.chart.projective}
    array, place, over = (pick_name(n, {*names, *steps}) for n in ("array", "place", "over"))
    constants = [f"array[{i}, row]" for i in range(len(ir.constants))]
    turned = [f"-{name} if {over} else {name}" if name in projective else name for name in names]
    frame = ""
    if ir.derivation.frame is not None:
        frame = templates.FRAME_LAYOUT.format(
            loads=print_return([f"array[{place} + {i}]" for i in range(len(names))], "    "),
            store_signature=print_signature("store_frame", [array, place, *names]),
            stores="\n".join(f"    {array}[{place} + {i}] = {n}" for i, n in enumerate(names)),
            array=array, place=place,
        )  # fmt: skip
    return frame + templates.LAYOUT.format(
        constants=print_return(constants, "    ") if constants else "    return ()",
        loads=print_return([f"array[{i}, neuron]" for i in range(len(names))], "    "),
        store_signature=print_signature("store", [array, place, *names]),
        stores=print_stores(array, place, names),
        load_steps=print_return([f"real(array[{i}, step])" for i in range(len(steps))], "    "),
        store_steps_signature=print_signature("store_propagator", [array, place, *steps]),
        store_steps=print_stores(array, place, steps),
        turn_signature=print_signature("turn", [*names, over]),
        turned=print_return(turned, "    "),
    )


def print_stores(array: str, place: str, names: Sequence[str]) -> str:
    """Assignments of numbers to a column of an array."""
    return "\n".join(f"    {array}[{i}, {place}] = {name}" for i, name in enumerate(names))


def check_interface(text: str, ir: KernelIR) -> None:
    """Raise `AssertionError` unless a module's functions are those that kernels are written for.

    Args:
        text: The module.
        ir: What it was printed from.
    """
    derivation = ir.derivation
    sizes = {
        "parameters": len(derivation.model.parameters),
        "constants": len(ir.constants),
        "state": len(derivation.model.state),
        "coordinates": len(list_coordinates(ir)),
        "propagator": len(list_propagator(ir)),
    }
    if derivation.frame is not None:
        sizes |= {
            "factors": len(derivation.frame.factors) + (derivation.refractory is not None),
            "push": len(derivation.frame.pushed),
        }
    defined = {
        node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)
    }
    results = {f.name: 1 if f.scalar else len(f.results) for f in ir.functions}
    if derivation.model.is_crossing:
        results |= wrap_crossing(ir).results
    sizes["varied constants"] = results.get("jump_constants_vjp", 0)
    for name, signature in INTERFACE.items():
        if name not in defined:
            assert signature.optional, f"{name} is not generated"
            continue
        asked = count_numbers(signature.arguments, sizes)
        got = len(defined[name].args.args)
        assert got == asked, f"{name} takes {got} numbers, not {asked}"
        if name in results and derivation.refractory is None:
            asked = count_numbers(signature.results, sizes)
            assert results[name] == asked, f"{name} returns {results[name]} numbers, not {asked}"


COUNTED = ("propagator", "flow", "flow_vjp", "will_spike", "time_to_spike", "jump", "jump_vjp")


def print_function(function: KernelFunction) -> str:
    """Text of a function; its branches become ``if`` statements."""
    lines: list[str] = []
    for branch in function.branches:
        if branch.condition == sp.true:
            lines += print_body(branch, "    ", scalar=function.scalar)
        else:
            printer = print_scalar if is_scalar_only(function) else print_numpy
            lines.append(lay_out_condition(printer(branch.condition)))
            lines += print_body(branch, "        ", scalar=function.scalar)
    body = "\n".join(lines)
    if is_of_frame(function):  # one number each: Python's own are a comparison and a choice
        body = body.replace("np.maximum(", "max(").replace("np.minimum(", "min(")
    return templates.FUNCTION.format(
        signature=print_signature(function.name, list(map(name_in_code, function.arguments))),
        docstring=print_docstring(function),
        body=body,
    )


def lay_out_condition(condition: str) -> str:
    """An ``if`` with its condition, over several lines if it is long."""
    line = f"    if {condition}:"
    if len(line) <= LINE_LENGTH:
        return line
    parts = condition.replace(" and ", "\n        and ")
    return f"    if (\n        {parts}\n    ):"


def print_array_function(function: KernelFunction, name: str) -> str:
    """Text of the array twin of a function with branches."""
    arguments = list(map(name_in_code, function.arguments))
    branches = [
        templates.ARRAY_BRANCH.format(
            signature=print_signature(f"branch_{i}", arguments, indent="    "),
            body="\n".join(print_body(branch, "        ", scalar=function.scalar)),
        )
        for i, branch in enumerate(function.branches, 1)
    ]
    names = [f"branch_{i}" for i in range(1, len(branches) + 1)]
    return templates.ARRAY_FUNCTION.format(
        signature=print_signature(name, arguments),
        summary=function.summary,
        branches="\n".join(branches),
        conditions=print_tuple([print_numpy(b.condition) for b in function.branches]),
        names=print_tuple(names),
        arguments=print_tuple(arguments),
    )


def print_tuple(parts: Sequence[str]) -> str:
    """A tuple as an argument of a call that is broken over lines."""
    return lay_out_call("", parts, indent=" " * 8, closing="),").removesuffix(",")


def print_signature(name: str, arguments: Sequence[str], *, indent: str = "") -> str:
    """The first line of a function, broken if it is long."""
    return lay_out_call(f"{indent}def {name}", arguments, indent=indent, closing="):", call=True)


def print_body(branch: KernelBranch, indent: str, *, scalar: bool) -> list[str]:
    """Lines of straight-line code: calls, assignments and a return statement."""
    lines = [print_call(call, indent) for call in branch.calls]
    lines += [
        lay_out_assignment(f"{indent}{name_in_code(s.name)} = ", v, indent)
        for s, v in branch.assignments
    ]
    results = [print_result(r) for r in branch.results]
    if scalar:
        line = lay_out_assignment(f"{indent}return ", branch.results[0], indent)
        if isinstance(branch.results[0], sp.Piecewise) and "\n" not in line:
            line = line.replace("return (", "return ").removesuffix(")")
        return [*lines, line]
    return [*lines, print_return(results, indent)]


def print_call(call: Call, indent: str) -> str:
    """Text of ``a, b = function(...)``."""
    names = [name_in_code(target.name) for target in call.targets]
    targets = ", ".join(names)
    is_tuple = len(names) > 1 or isinstance(call.function, propagator | flow | fire)
    if len(names) == 1 and is_tuple:
        targets = f"({targets},)"
    line = f"{indent}{targets} = {print_numpy(call.function)}"
    if len(line) <= LINE_LENGTH:
        return line
    arguments = [print_numpy(a) for a in call.function.args]
    targets = lay_out_call(indent, names, indent=indent) if is_tuple else f"{indent}{targets}"
    return lay_out_call(
        f"{targets} = {type(call.function).__name__}", arguments, indent=indent, call=True
    )


def print_return(results: Sequence[str], indent: str) -> str:
    """Return a tuple; without parentheses where it fits on a line."""
    line = f"{indent}return {', '.join(results)}"
    if len(results) > 1 and len(line) <= LINE_LENGTH:
        return line
    return lay_out_call(f"{indent}return ", results, indent=indent)


def print_docstring(function: KernelFunction) -> str:
    """Summary, details, results and operation count."""
    counts = ", ".join(f"{count}{HARD_SPACE}{kind}" for kind, count in function.operations.items())
    last = f"Returns {', '.join(function.results) or 'nothing'}. Operations: {counts or 'none'}."
    lines = [function.summary, ""]
    lines += [f"    {line}" for detail in function.details for line in wrap(detail)]
    lines += [""] if function.details else []
    lines += [f"    {line}" for line in wrap(last)]
    return "\n".join([*lines, "    "])
