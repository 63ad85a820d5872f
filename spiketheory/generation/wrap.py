"""Break generated text into lines, as ``ruff format`` would."""

from collections.abc import Sequence

import sympy as sp

from spiketheory.language.printers import is_negative, print_numpy, split_product

LINE_LENGTH = 100
TAB = "    "
HARD_SPACE = "\N{NO-BREAK SPACE}"


def lay_out_call(
    opening: str, parts: Sequence[str], *, indent: str, closing: str = ")", call: bool = False
) -> str:
    """Text of a tuple or an argument list: on one line, or one part per line.

    Args:
        opening: Text before the parenthesis, indentation included.
        parts: The entries.
        indent: Indentation of the line that ``opening`` begins.
        closing: Text from the closing parenthesis on.
        call: Whether these are arguments: no comma after a single one, and a second line for all
            of them before there is one for each.
    """
    inside = ", ".join(parts)
    comma = "," if len(parts) == 1 and not call else ""
    line = f"{opening}({inside}{comma}{closing}"
    if len(line) <= LINE_LENGTH:
        return line
    if call and len(indent) + len(TAB) + len(inside) <= LINE_LENGTH:
        return f"{opening}(\n{indent}{TAB}{inside}\n{indent}{closing}"
    lines = "".join(f"{indent}{TAB}{part},\n" for part in parts)
    return f"{opening}(\n{lines}{indent}{closing}"


def lay_out_assignment(opening: str, value: sp.Basic, indent: str) -> str:
    """Text of ``opening`` followed by an expression, in parentheses over lines if it is long."""
    text = print_result(value)
    if len(opening) + len(text) <= LINE_LENGTH:
        return opening + text
    if len(indent) + len(TAB) + len(text) <= LINE_LENGTH:
        return f"{opening}(\n{indent}{TAB}{text}\n{indent})"
    before, total, after = find_sum(value, text)
    if total is None:
        return f"{opening}(\n{indent}{TAB}{text}\n{indent})"
    first, *rest = sorted(total.as_ordered_terms(), key=is_negative)
    lines = [print_numpy(first)]
    lines += [f"{'-' if is_negative(t) else '+'} {print_term(t)}" for t in rest]
    body = "".join(f"{indent}{TAB}{line}\n" for line in lines)
    return f"{opening}{before}(\n{body}{indent}){after}"


def find_sum(value: sp.Expr, text: str) -> tuple[str, sp.Expr | None, str]:
    """The sum that a long expression is, or that is a factor of it, and the text around it."""
    if value.is_Add:
        return "", value, ""
    if not isinstance(value, sp.Expr):  # a condition
        return "", None, ""
    for factor in split_product(value)[1]:
        before, found, after = text.partition(f"({print_numpy(factor)})")
        if factor.is_Add and found:
            return before, factor, after
    return text, None, ""


def print_term(term: sp.Expr) -> str:
    """Text of a term of a sum without its sign."""
    size = -term if is_negative(term) else term
    text = print_numpy(size)
    return f"({text})" if size.is_Add else text


def print_result(value: sp.Basic) -> str:
    """Text of a result; whole numbers are written as floats, so that all branches agree in type."""
    return f"{int(value)}.0" if value.is_Integer else print_numpy(value)


def escape_docstring(text: str) -> str:
    """Text that cannot end the docstring it stands in, nor say anything else to Python."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def wrap(text: str, *, width: int = LINE_LENGTH - 2 * len(TAB)) -> list[str]:
    """Break a docstring line at spaces; the lines after the first are indented."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = TAB + word
        else:
            line = f"{line} {word}" if line else word
    return [line.replace(HARD_SPACE, " ") for line in (*lines, line)]
