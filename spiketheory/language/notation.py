r"""How formulas are written for people: LaTeX, plain text, and two-dimensional text.

Names follow `spiketheory.language.symbols.latex_name`; the few auxiliary symbols of the methods
have a LaTeX of their own (``inverse_b`` is $b^{-1}$, ``cos_dt`` is $\cos_{\Delta t}$).
"""

import re
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.pretty.pretty import PrettyPrinter
from sympy.printing.pretty.pretty_symbology import pretty_symbol
from sympy.printing.pretty.stringpict import prettyForm

from spiketheory.language.functions import (
    decay_wait,
    exp_dd,
    first_zero,
    lambert_w,
    log1p,
    time_to_spike,
)
from spiketheory.language.printers import PlainPrinter, is_negative
from spiketheory.language.symbols import DURATION, constant_symbol, latex_name, state_symbol

LONGEST_LINE = 80
KEPT_NAMES = ("dt", "t_spike")
LAST_DURATION = constant_symbol("~dt", **DURATION.assumptions0)
ELAPSED = "elapsed"
"""The duration as a number of the propagator; people know it as dt."""
AUXILIARY = {
    ELAPSED: r"\Delta t",
    "~dt": r"\Delta t",
    "cos_dt": r"\cos_{\Delta t}",
    "sin_dt": r"\sin_{\Delta t}",
    "c_dt": r"c_{\Delta t}",
    "s_dt": r"s_{\Delta t}",
    "turns": r"n_{\mathrm{turns}}",
    "t_spike": r"t_{\mathrm{spike}}",
}


NAMES: dict[type, str] = {exp_dd: "exp", lambert_w: "W", decay_wait: "wait"}
FIRST_ZERO = "first zero of f_0"


@dataclass(frozen=True, kw_only=True)
class Math:
    """A piece of mathematics in both writings.

    Attributes:
        plain: One line of text.
        latex: LaTeX for math mode.
        shape: Lines of two-dimensional text.
        baseline: The line that goes on with the text around it.
        latex_lines: The same LaTeX broken into lines, if it is a long sum.
    """

    plain: str
    latex: str
    shape: tuple[str, ...]
    baseline: int = 0
    latex_lines: tuple[str, ...] = ()


def write_math(expression: sp.Basic) -> Math:
    """Write an expression, a relation or a matrix."""
    plain, latex = write_plain(expression), write_latex(expression)
    expression = put_duration_last(expression)
    if isinstance(expression, sp.And | sp.Or):
        return Math(plain=plain, latex=latex, shape=(plain,))
    form = ShapePrinter({"use_unicode": True, "wrap_line": False})._print(expression)
    shape = tuple(line.rstrip() for line in form.render(wrap_line=False).split("\n"))
    lines = break_latex(expression) if len(plain) > LONGEST_LINE else ()
    return Math(plain=plain, latex=latex, shape=shape, baseline=form.baseline, latex_lines=lines)


def break_latex(expression: sp.Basic) -> tuple[str, ...]:
    """LaTeX of a sum in lines of about `LONGEST_LINE` letters; nothing if it is no sum."""
    if not isinstance(expression, sp.Add):
        return ()
    lines: list[str] = []
    length = LONGEST_LINE
    for term in sorted(expression.as_ordered_terms(), key=is_negative):
        text = write_latex(term) if not lines or is_negative(term) else f"+ {write_latex(term)}"
        length += len(write_plain(term)) + 3
        if length > LONGEST_LINE:
            lines.append(text)
            length = len(write_plain(term))
        else:
            lines[-1] += f" {text}"
    return tuple(lines)


def write_name(plain: str, latex: str) -> Math:
    """Write something that is no expression, such as a name or an arrow."""
    return Math(plain=plain, latex=latex, shape=(plain,))


def write_latex(expression: sp.Basic) -> str:
    """LaTeX of an expression for math mode; a condition that always holds is "otherwise"."""
    if expression is sp.true:
        return r"\text{otherwise}"
    text: str = NotationPrinter().doprint(put_duration_last(expression))
    return text


def write_plain(expression: sp.Basic) -> str:
    """One line of text."""
    if isinstance(expression, sp.MatrixBase):
        rows = (", ".join(map(write_plain, row)) for row in expression.tolist())
        return "[" + "; ".join(rows) + "]"
    text: str = LinePrinter().doprint(put_duration_last(expression))
    return text


def put_duration_last(expression: sp.Basic) -> sp.Basic:
    """Rename the duration so that products end with it: omega dt, not dt omega."""
    return name_functions(expression).xreplace({DURATION: LAST_DURATION})


def name_in_text(symbol: sp.Symbol) -> str:
    r"""What a symbol is called in text: Greek letters, and no LaTeX (``\dot{u}``, ``x^+``)."""
    name = re.sub(r"\\dot\{(\w+)\}", r"d\1/dt", symbol.name)
    name = name.replace("^+", "⁺").removeprefix("~")
    if name == ELAPSED:
        return "dt"
    if name in KEPT_NAMES or name != symbol.name or name.startswith("M_"):
        return name
    if name.startswith("inverse_"):
        return pretty_symbol(name.removeprefix("inverse_")) + "⁻¹"
    text: str = pretty_symbol(name)
    return text


def name_functions(expression: sp.Basic) -> sp.Basic:
    """Write the functions of generated code as people know them."""
    first = state_symbol("t_spike")
    return expression.replace(time_to_spike, lambda *_: first).replace(
        log1p, lambda z: sp.log(sp.Add(1, z, evaluate=False))
    )


class LinePrinter(PlainPrinter):
    """One line of text with Greek letters."""

    def _print_Function(self, expr: sp.Function) -> str:
        if isinstance(expr, first_zero):
            return FIRST_ZERO
        name = NAMES.get(type(expr), "")
        if name:
            opening, closing = "[]" if isinstance(expr, exp_dd) else "()"
            return f"{name}{opening}{', '.join(map(self._print, expr.args))}{closing}"
        return super()._print_Function(expr)

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return name_in_text(expr)

    def _print_Pi(self, expr: sp.Expr) -> str:
        return "π"

    def _print_Infinity(self, expr: sp.Expr) -> str:
        return "∞"


class ShapePrinter(PrettyPrinter):
    """Two-dimensional text with the same names."""

    def _print_Function(self, e: sp.Function, **settings: Any) -> prettyForm:
        if isinstance(e, first_zero):
            return prettyForm(FIRST_ZERO)
        if type(e) in NAMES:
            brackets = {"left": "[", "right": "]"} if isinstance(e, exp_dd) else {}
            inside = self._print_seq(e.args, delimiter=", ").parens(**brackets)
            return prettyForm(*prettyForm(NAMES[type(e)]).right(prettyForm(*inside)))
        return super()._print_Function(e, **settings)

    _print_exp_dd = _print_lambert_w = _print_decay_wait = _print_first_zero = _print_Function

    def _print_Symbol(self, e: sp.Symbol, bold_name: bool = False) -> prettyForm:
        return prettyForm(name_in_text(e))


class NotationPrinter(LatexPrinter):
    """LaTeX with the project's names."""

    def _print_first_zero(self, expr: sp.Function, exp: str | None = None) -> str:
        return r"\min\{t > 0 : f_0(t) = 0\}"

    def _print_exp_dd(self, expr: sp.Function, exp: str | None = None) -> str:
        return rf"\exp\left[{', '.join(map(self._print, expr.args))}\right]"

    def _print_lambert_w(self, expr: sp.Function, exp: str | None = None) -> str:
        return rf"W\left({self._print(expr.args[0])}\right)"

    def _print_decay_wait(self, expr: sp.Function, exp: str | None = None) -> str:
        return rf"\operatorname{{wait}}\left({', '.join(map(self._print, expr.args))}\right)"

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        name = expr.name
        if name in AUXILIARY:
            return AUXILIARY[name]
        if name.startswith("\\") or "^" in name:  # the text of a derivation step, LaTeX already
            return name
        if name.startswith("inverse_"):
            return f"{latex_name(sp.Symbol(name.removeprefix('inverse_')))}^{{-1}}"
        return latex_name(expr)

    def _print_BooleanTrue(self, expr: sp.Basic) -> str:
        return r"\text{otherwise}"

    def _print_Or(self, expr: sp.Or) -> str:
        return r" \;\text{or}\; ".join(
            self._print(a) for a in sorted(expr.args, key=sp.default_sort_key)
        )

    def _print_And(self, expr: sp.And) -> str:
        return r" \;\text{and}\; ".join(
            self._print(a) for a in sorted(expr.args, key=sp.default_sort_key)
        )
