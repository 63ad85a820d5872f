"""Print the blocks of a document: text for a terminal, LaTeX, Markdown."""

import re
import textwrap
from collections.abc import Callable, Sequence

from spiketheory.documents.blocks import (
    Block,
    Cell,
    Code,
    Figure,
    Formula,
    Heading,
    Listing,
    Paragraph,
    Summary,
    Table,
)
from spiketheory.language.notation import Math

WIDTH = 96
INDENT = "    "
TALLEST = 9
NARROWEST_COLUMN = 24  # of the last column of a table of text
LATEX_COLUMNS = 84  # letters of plain text on a line
CODE_COLUMNS = 106  # letters of code on a line


def join_blocks(blocks: Sequence[Block], printers: dict[type, Callable[..., str]]) -> str:
    """Print every block, a blank line between two; figures and the summary are for pages only."""
    written = (block for block in blocks if not isinstance(block, Figure | Summary))
    return "\n\n".join(printers[type(block)](block) for block in written) + "\n"


# Text


def render_text(blocks: Sequence[Block]) -> str:
    """Plain text, up to `WIDTH` columns wide, formulas in two dimensions where they are small."""
    return join_blocks(
        blocks,
        {
            Heading: print_text_heading,
            Paragraph: lambda block: textwrap.fill(block.text, WIDTH),
            Formula: print_text_formula,
            Table: print_text_table,
            Listing: lambda block: "\n".join(wrap_item(item) for item in block.items),
            Code: lambda block: textwrap.indent(block.text.rstrip("\n"), INDENT),
        },
    )


def print_text_heading(heading: Heading) -> str:
    """A heading, underlined; the deepest level is not."""
    if heading.level > 2:
        return heading.text
    return f"{heading.text}\n{'=-'[heading.level - 1] * len(heading.text)}"


def wrap_item(item: str) -> str:
    """An item of a list."""
    return textwrap.fill(item, WIDTH, initial_indent="  - ", subsequent_indent=INDENT)


def print_text_formula(formula: Formula) -> str:
    """A formula, indented; two-dimensional where it is small, else over several lines."""
    left = formula.left
    opening = f"{left.plain} = " if left else ""
    if len(formula.cases) == 1 and formula.cases[0][1] is None:
        return "\n".join(INDENT + line for line in place_beside(left, formula.cases[0][0]))
    lines = [opening.rstrip()] if opening else []
    shapes = [(shape_of(value, WIDTH - 40), condition) for value, condition in formula.cases]
    width = max(len(line) for (shape, _), _ in shapes for line in shape)
    tall = any(len(shape) > 1 for (shape, _), _ in shapes)
    for (shape, baseline), condition in shapes:
        lines += ["", *write_case(shape, baseline, condition, width)]
        lines = lines if tall else [line for line in lines if line]
    return "\n".join((INDENT + line).rstrip() for line in lines)


def write_case(
    shape: tuple[str, ...], baseline: int, condition: Math | None, width: int
) -> list[str]:
    """Lines of a case; its condition stands beside it where there is room, else below it."""
    room = WIDTH - 2 * len(INDENT) - width - 3
    note = condition.plain if condition else ""
    beside = note if len(note) <= room else ""
    lines = [
        f"{INDENT}{line:<{width}}   {beside if i == baseline else ''}".rstrip()
        for i, line in enumerate(shape)
    ]
    if beside == note:
        return lines
    return lines + [2 * INDENT + line for line in break_formula(note, WIDTH - 3 * len(INDENT))]


def shape_of(value: Math, width: int) -> tuple[tuple[str, ...], int]:
    """Lines and baseline of a formula: two-dimensional if that fits, else broken text."""
    if len(value.shape) <= TALLEST and max(map(len, value.shape)) <= width:
        return value.shape, value.baseline
    return break_formula(value.plain, width), 0


def place_beside(left: Math | None, right: Math) -> list[str]:
    """Lines of ``left = right``."""
    opening = (left.shape[left.baseline] if left and len(left.shape) == 1 else left.plain) if (
        left
    ) else ""  # fmt: skip
    opening += " = " if left else ""
    shape, baseline = shape_of(right, WIDTH - len(INDENT) - len(opening))
    return [
        (opening if i == baseline else " " * len(opening)) + line for i, line in enumerate(shape)
    ]


BREAKS = (
    r" (?=[+-] )|(?<=;) ",
    r" (?=(?:if|else|and|or|[*/]) )|(?<=,) ",
    r"(?<=[(,]) ?|(?<![*/]) ",
)
"""Where a formula may be broken, the better places first."""


def break_formula(text: str, width: int, *, level: int = 0) -> tuple[str, ...]:
    """Break one line of mathematics, before operators if that does."""
    lines, line = [], ""
    for part in re.split(BREAKS[level], text):
        if line and len(line) + 1 + len(part) > width:
            lines.append(line)
            line = "  " + part
        else:
            line = f"{line} {part}" if line else part
    lines.append(line)
    if max(map(len, lines)) > width and level + 1 < len(BREAKS):
        return tuple(
            piece if i == 0 else f"  {piece}" if len(piece) + 2 <= width else piece
            for line in lines
            for i, piece in enumerate(
                break_formula(line, width - 2, level=level + 1) if len(line) > width else (line,)
            )
        )
    return tuple(lines)


def plain_cell(cell: Cell) -> str:
    """Text of a table's cell."""
    if isinstance(cell, str):
        return cell
    return cell.shape[0] if len(cell.shape) == 1 else cell.plain


def print_text_table(table: Table) -> str:
    """A table with aligned columns; the last column wraps."""
    rows = [tuple(map(plain_cell, row)) for row in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    before = len(INDENT) + sum(widths[:-1]) + 2 * (len(widths) - 1)
    if before > WIDTH - NARROWEST_COLUMN:
        return print_records(table)
    widths[-1] = min(widths[-1], WIDTH - before)
    rows.insert(1, tuple("-" * width for width in widths))
    lines = []
    for row in rows:
        start = "  ".join(f"{c:<{w}}" for c, w in zip(row[:-1], widths[:-1], strict=True))
        first, *rest = textwrap.wrap(row[-1], widths[-1]) or [""]
        lines.append(f"{INDENT}{start}  {first}".rstrip())
        lines += [" " * before + line for line in rest]
    return "\n".join(lines)


def print_records(table: Table) -> str:
    """A table that is too wide: one row after the other, one cell per line."""
    width = max(map(len, table.header)) + 2
    room = WIDTH - len(INDENT) - width
    records = []
    for row in table.rows:
        lines = []
        for name, cell in zip(table.header, row, strict=True):
            text = plain_cell(cell)
            pieces = textwrap.wrap(text, room) if isinstance(cell, str) else (
                break_formula(text, room)
            )  # fmt: skip
            first, *rest = pieces or [""]
            lines.append(f"{INDENT}{name:<{width}}{first}".rstrip())
            lines += [" " * (len(INDENT) + width) + piece for piece in rest]
        records.append("\n".join(lines))
    return "\n\n".join(records)


# Markdown


def render_markdown(blocks: Sequence[Block]) -> str:
    """GitHub's Markdown with mathematics."""
    return join_blocks(
        blocks,
        {
            Heading: lambda block: f"{'#' * block.level} {escape_markdown(block.text)}",
            Paragraph: lambda block: escape_markdown(block.text),
            Formula: lambda block: f"```math\n{write_equation(block)}\n```",
            Table: print_markdown_table,
            Listing: lambda block: "\n".join(f"- {escape_markdown(i)}" for i in block.items),
            Code: lambda block: f"```python\n{block.text.rstrip()}\n```",
        },
    )


def escape_markdown(text: str) -> str:
    """Text in which nothing means anything to Markdown."""
    for character in "\\`*_<>$#|[]":
        text = text.replace(character, "\\" + character)
    return text


def print_markdown_table(table: Table) -> str:
    """A pipe table."""
    lines = [table.header, tuple("---" for _ in table.header), *table.rows]
    return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)


def markdown_cell(cell: Cell) -> str:
    """A cell; a bar inside mathematics would end it."""
    if isinstance(cell, str):
        return escape_markdown(cell)
    latex = cell.latex.replace(r"\left|", r"\left\vert ").replace(r"\right|", r"\right\vert ")
    return f"${latex}$"


# LaTeX

PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,array,booktabs,graphicx,longtable}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5\baselineskip}
% An equation as wide as the text at most.
\newsavebox{\equationbox}
\newcommand{\fitequation}[1]{%
  \sbox{\equationbox}{$\displaystyle #1$}%
  {\centering\ifdim\wd\equationbox>\linewidth
    \resizebox{\linewidth}{!}{\usebox{\equationbox}}%
  \else\usebox{\equationbox}\fi\par}}
\renewcommand{\arraystretch}{1.2}
"""
HEADINGS = ("", r"\title", r"\section*", r"\subsection*")
LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}",
    '"': "''",
}  # fmt: skip


def render_latex(blocks: Sequence[Block]) -> str:
    """A complete document for pdflatex."""
    title, *rest = blocks
    assert isinstance(title, Heading)
    body = join_blocks(
        rest,
        {
            Heading: lambda block: f"{HEADINGS[block.level]}{{{escape_latex(block.text)}}}",
            Paragraph: lambda block: escape_latex(block.text),
            Formula: lambda block: rf"\fitequation{{{write_equation(block)}}}",
            Table: print_latex_table,
            Listing: print_latex_list,
            Code: lambda block: (
                f"{{\\scriptsize\n\\begin{{verbatim}}\n{clean_code(block.text)}"
                "\n\\end{verbatim}\n}"
            ),
        },
    )
    head = f"\\title{{{escape_latex(title.text)}}}\n\\author{{spiketheory}}\n\\date{{}}\n"
    return f"{PREAMBLE}{head}\\begin{{document}}\n\\maketitle\n\n{body}\n\\end{{document}}\n"


def escape_latex(text: str) -> str:
    """Text in which nothing is a command; characters that plain LaTeX lacks become ``?``."""
    known = "".join(c if ord(c) < 0x250 else "?" for c in text)
    return "".join(LATEX_ESCAPES.get(c, c) for c in known)


def clean_code(text: str) -> str:
    """Code that cannot end the verbatim environment, in characters that plain LaTeX has."""
    lines = (line for long in text.rstrip().splitlines() for line in break_code(long))
    text = "\n".join(lines).replace("\\end{verbatim}", "\\end{ verbatim}")
    return "".join(c if ord(c) < 0x250 else "?" for c in text)


def break_code(line: str) -> list[str]:
    """A line of code in lines that fit on a page, the later ones indented."""
    inset = len(line) - len(line.lstrip())
    return textwrap.wrap(
        line, CODE_COLUMNS, subsequent_indent=" " * (inset + 8), drop_whitespace=False,
        break_long_words=False, replace_whitespace=False,
    ) or [""]  # fmt: skip


def write_equation(formula: Formula) -> str:
    """LaTeX of a formula; cases one below the other."""
    left = f"{formula.left.latex} = " if formula.left else ""
    if len(formula.cases) == 1:
        value, condition = formula.cases[0]
        note = rf" \qquad {condition.latex}" if condition else ""
        if len(value.latex_lines) > 1:
            lines = r" \\ &\quad ".join(value.latex_lines)
            return rf"\begin{{aligned}} {left}{{}}& {lines} {note} \end{{aligned}}"
        return left + value.latex + note
    rows = (
        rf"\displaystyle {value.latex} & {condition.latex if condition else ''}"
        for value, condition in formula.cases
    )
    return rf"{left}\begin{{cases}}" + r" \\[1ex] ".join(rows) + r"\end{cases}"


def print_latex_table(table: Table) -> str:
    """A table between rules, which may go on on the next page; the last column's text wraps."""
    rows = [tuple(map(plain_cell, row)) for row in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths[:-1]) > LATEX_COLUMNS:
        return print_latex_records(table)
    last = "l"
    if isinstance(table.rows[0][-1], str) and widths[-1] > 20:
        room = 1 - (sum(widths[:-1]) + 4 * len(widths)) / LATEX_COLUMNS
        last = rf">{{\raggedright\arraybackslash}}p{{{max(room, 0.2):.2f}\linewidth}}"
    columns = "l" * (len(table.header) - 1) + last
    lines = [" & ".join(map(latex_cell, row)) + r" \\" for row in (table.header, *table.rows)]
    body = "\n".join(
        [r"\toprule", lines[0], r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot", *lines[1:]]
    )
    return f"\\begin{{longtable}}{{{columns}}}\n{body}\n\\end{{longtable}}"


def print_latex_records(table: Table) -> str:
    """A table that is too wide: one row after the other, one cell per line."""
    return "\n\n\\medskip\n\n".join(
        "\n\n".join(
            rf"\textbf{{{escape_latex(name)}:}} "
            + (escape_latex(cell) if isinstance(cell, str) else rf"\fitequation{{{cell.latex}}}")
            for name, cell in zip(table.header, row, strict=True)
        )
        for row in table.rows
    )


def latex_cell(cell: Cell) -> str:
    """A cell of a table."""
    if isinstance(cell, str):
        return escape_latex(cell)
    strut = r"\rule[-2ex]{0pt}{5.5ex}" if len(cell.shape) > 1 else ""
    return rf"{strut}$\displaystyle {cell.latex}$"


def print_latex_list(listing: Listing) -> str:
    """A list of texts."""
    items = "\n".join(rf"\item {escape_latex(item)}" for item in listing.items)
    return f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
