"""Print the blocks of a document as one web page that needs no network and no script.

Formulas are MathML, made from their LaTeX; figures stand in the page as SVG.
"""

import html
import re
from collections.abc import Sequence
from functools import lru_cache

from latex2mathml.converter import convert

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
from spiketheory.documents.html_style import PAGE, STYLE
from spiketheory.language.notation import Math


def render_html(blocks: Sequence[Block]) -> str:
    """A complete page.

    Args:
        blocks: The document; the first block is its title.

    Returns:
        HTML that stands on its own.
    """
    title, *rest = blocks
    assert isinstance(title, Heading)
    names = name_headings(rest)
    return PAGE.format(
        title=html.escape(title.text),
        style=STYLE,
        contents=print_contents(rest, names),
        body="\n".join(print_block(block, names.get(i, "")) for i, block in enumerate(rest)),
    )


def name_headings(blocks: Sequence[Block]) -> dict[int, str]:
    """By the place of a heading, the name that a link jumps to; all names differ."""
    names: dict[int, str] = {}
    for i, block in enumerate(blocks):
        if isinstance(block, Heading):
            name = re.sub(r"[^a-z0-9]+", "-", block.text.lower()).strip("-") or "part"
            names[i] = name if name not in names.values() else f"{name}-{i}"
    return names


def print_contents(blocks: Sequence[Block], names: dict[int, str]) -> str:
    """The table of contents: sections, and the steps inside them."""
    lines: list[str] = []
    inside = False
    for i, name in names.items():
        heading = blocks[i]
        assert isinstance(heading, Heading)
        if (heading.level > 2) != inside and lines:
            lines[-1] = lines[-1].removesuffix("</li>") if not inside else lines[-1]
            lines.append("<ul>" if not inside else "</ul></li>")
            inside = not inside
        lines.append(f'<li><a href="#{name}">{html.escape(heading.text)}</a></li>')
    return "\n".join(["<ul>", *lines, *(["</ul></li>"] if inside else []), "</ul>"])


def print_block(block: Block, name: str) -> str:
    """A block; ``name`` is what links to a heading say."""
    match block:
        case Heading():
            text = html.escape(block.text)
            return f'<h{block.level} id="{name}">{text}</h{block.level}>'
        case Paragraph():
            return f"<p>{html.escape(block.text)}</p>"
        case Formula():
            return f'<div class="formula" tabindex="0">{write_formula(block)}</div>'
        case Table():
            return print_table(block)
        case Listing():
            items = "\n".join(f"<li>{html.escape(item)}</li>" for item in block.items)
            return f"<ul>\n{items}\n</ul>"
        case Code():
            return f'<pre tabindex="0"><code>{html.escape(block.text.rstrip())}</code></pre>'
        case Summary():
            return print_summary(block)
        case Figure():
            return (
                f'<figure role="img" aria-label="{html.escape(block.alt)}">\n{block.svg}\n'
                f"<figcaption>{html.escape(block.caption)}</figcaption>\n</figure>"
            )


def print_cell(cell: Cell) -> str:
    """A cell of a table."""
    return html.escape(cell) if isinstance(cell, str) else write_mathml(cell.latex, cell.plain)


def print_table(table: Table) -> str:
    """A table that scrolls sideways if it is too wide."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in table.header)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{print_cell(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return (
        '<div class="table" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def print_summary(summary: Summary) -> str:
    """The box at the top of the page."""
    rows = "\n".join(
        f"<div><dt>{html.escape(label)}</dt><dd>{print_cell(cell)}</dd></div>"
        for label, cell in summary.rows
    )
    mark, kind = ("✓", "passed") if summary.passed else ("–", "unchecked")
    verdict = f'<p class="verdict {kind}"><span aria-hidden="true">{mark}</span> '
    return (
        f'<section class="summary" aria-label="Summary">\n<dl>\n{rows}\n</dl>\n'
        f"{verdict}{html.escape(summary.verdict)}</p>\n</section>"
    )


# Mathematics


def write_formula(formula: Formula) -> str:
    """A formula on a line of its own; cases one below the other, long sums in several lines."""
    value, condition = formula.cases[0]
    if len(formula.cases) > 1:
        right = write_cases(formula)
    elif len(value.latex_lines) > 1:
        lines = (write_row([write_inner(line, line)]) for line in value.latex_lines)
        right = f'<mtable displaystyle="true">{"".join(lines)}</mtable>'
    else:
        right = write_inner(value.latex, value.plain)
    if condition and len(formula.cases) == 1:
        right += f'<mspace width="2em"/>{write_inner(condition.latex, condition.plain)}'
    if formula.left:
        right = f"{write_inner(formula.left.latex, formula.left.plain)}<mo>=</mo>{right}"
    return f'<math display="block"><mrow>{right}</mrow></math>'


def write_cases(formula: Formula) -> str:
    """A brace and its cases."""
    rows = (
        write_row([write_math_part(value), write_math_part(condition) if condition else ""])
        for value, condition in formula.cases
    )
    table = f'<mtable displaystyle="true">{"".join(rows)}</mtable>'
    return f'<mrow><mo fence="true" lspace="0" rspace="0" form="prefix">{{</mo>{table}</mrow>'


def write_row(cells: Sequence[str]) -> str:
    """A row of a table inside a formula, aligned to the left."""
    return "<mtr>" + "".join(f'<mtd class="left">{cell}</mtd>' for cell in cells) + "</mtr>"


def write_math_part(math: Math) -> str:
    """MathML of a part of a formula."""
    return write_inner(math.latex, math.plain)


def write_mathml(latex: str, plain: str) -> str:
    """A ``math`` element for running text."""
    return f'<math displaystyle="true"><mrow>{write_inner(latex, plain)}</mrow></math>'


@lru_cache(maxsize=4096)
def write_inner(latex: str, plain: str) -> str:
    """MathML of a piece of LaTeX, without the ``math`` element around it.

    Args:
        latex: LaTeX for math mode.
        plain: What is shown where it cannot be converted.
    """
    try:
        element = convert(latex)
    except Exception:  # the converter refuses LaTeX that it does not know in many ways
        return f"<mtext>{html.escape(plain)}</mtext>"
    inner = element[element.index(">") + 1 : element.rindex("</math>")]
    if "\\" in inner or "<mi>&</mi>" in inner:  # a command that it has left as it was
        return f"<mtext>{html.escape(plain)}</mtext>"
    return polish(inner)


UPRIGHT = re.compile(r'(?:<mi mathvariant="normal">[^<]*</mi>){2,}')
INFINITY = "<mo>&#x0221E;</mo>"
MINUS_AFTER = re.compile(r"(</mo>)<mo>&#x02212;</mo>")
UPRIGHT_LETTER = re.compile(r"<mi>&#x000([4-7][0-9A-F]);</mi>")
FLAT = re.compile(  # brackets around nothing taller than a letter
    r'<mo stretchy="true"([^>]*form="prefix">[^<]*</mo>'
    r'(?:(?!stretchy="true"|<mfrac|<msqrt|<mroot|<mtable|<mover).)*)'
    r'<mo stretchy="true"([^>]*form="postfix")'
)
CAPITAL = re.compile(r"<mi>(&#x003[9A][0-9A-F];)</mi>")  # Greek
OPERATOR = re.compile(r"<m([io])>([A-Za-z]{2,})</m[io]>")
BEHIND = re.compile(
    r"(</(?:mi|mn|mrow|msub|msup|msubsup|mfrac|msqrt)>)(?=(?:<msu[bp]>)?<mi>[a-z]{2,}</mi>)"
)


def polish(mathml: str) -> str:
    """Mend what the converter does not do as TeX would: words, functions, upright letters."""
    mathml = mathml.replace(INFINITY, '<mi mathvariant="normal">&#x0221E;</mi>')
    mathml = mathml.replace(' fence="true"', ' fence="true" lspace="0" rspace="0"')
    found = 1
    while found:  # from the inside out
        mathml, found = FLAT.subn(r'<mo stretchy="false"\1<mo stretchy="false"\2', mathml)
    mathml = MINUS_AFTER.sub(r'\1<mo form="prefix">&#x02212;</mo>', mathml)
    mathml = UPRIGHT.sub(merge_word, mathml)
    mathml = UPRIGHT_LETTER.sub(
        lambda m: f'<mi mathvariant="normal">{chr(int(m[1], 16))}</mi>', mathml
    )
    mathml = CAPITAL.sub(upright_capital, mathml)
    mathml = OPERATOR.sub(r"<mi>\2</mi>", mathml)
    return BEHIND.sub(r'\1<mspace width="0.17em"/>', mathml)


def merge_word(found: re.Match[str]) -> str:
    """One identifier of several upright letters."""
    return f"<mi>{re.sub(r'<[^>]*>', '', found[0])}</mi>"


def upright_capital(found: re.Match[str]) -> str:
    """A capital Greek letter, upright as in TeX; small ones stay as they are."""
    capital = 0x391 <= int(found[1][3:-1], 16) <= 0x3A9
    return f'<mi mathvariant="normal">{found[1]}</mi>' if capital else found[0]
