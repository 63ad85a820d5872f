r"""The one place a sympy Symbol is made: names, assumptions, LaTeX.

Sympy takes two symbols of one name but different assumptions for different symbols, so every
symbol of the project comes from here, and a model hands out its own (`NeuronModel.symbols`).
"""

import keyword
import re
from collections.abc import Collection, Iterable

import sympy as sp

FUNCTION_NAMES = (
    *("abs", "acos", "asin", "atan", "cos", "cosh", "exp"),
    *("log", "sin", "sinh", "sqrt", "tan", "tanh"),
)
"""Functions that equations may call."""

CONSTANT_NAMES = ("oo", "pi")
"""Constants that equations may use."""

WEIGHT = sp.Symbol("w", real=True)
"""Weight of an input [state units]."""

DURATION = sp.Symbol("dt", nonnegative=True)
"""Time since the last event [the caller's tau]."""

PSEUDO_INPUT = sp.Symbol("J_pseudo", real=True)
"""Input current that the pseudodynamics after the trial's end see; 0 is none.

Not called ``J``: lif_alpha has a state of that name, and sympy could not tell the two apart.
"""

TIME = sp.Symbol("t", nonnegative=True)
"""Time since the trial's start; in a readout, that of a hidden spike [the caller's tau]."""

TRIAL_END = sp.Symbol("T", positive=True)
"""When the trial ends: the "duration" of generated readouts [the caller's tau]."""

FEATURE = sp.Symbol("m", nonnegative=True)
"""Number of a feature of a readout that has several, from 0."""

SINCE_SPIKE = sp.Symbol("d", nonnegative=True)
"""Time since a hidden spike [the caller's tau]."""

FREQUENCY = sp.Symbol("s", positive=True)
"""The variable of Laplace transforms."""

RESERVED_NAMES = {
    "w": "the weight of an input",
    "t": "time",
    "dt": "the time since the last event",
    "J_pseudo": "the input of the pseudodynamics",
    "real": "the assumption that a number is real",
    "np": "NumPy in generated code",
    "choose_branches": "a function of generated code",
}
"""Names that a model may not use for its own, and what each means."""

MAX_NAME_LENGTH = 64

_GREEK = re.compile(
    "alpha|beta|gamma|delta|(var)?epsilon|zeta|eta|(var)?theta|iota|kappa|lambda|mu|nu|xi|pi|rho|"
    "sigma|tau|upsilon|(var)?phi|chi|psi|omega|"
    "Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)


def state_symbol(name: str) -> sp.Symbol:
    """Return the symbol of a state variable: real."""
    return sp.Symbol(name, real=True)


def parameter_symbol(name: str, *, positive: bool | None = None) -> sp.Symbol:
    """Return the symbol of a parameter: positive if its domain says so, else real."""
    return sp.Symbol(name, positive=True) if positive else sp.Symbol(name, real=True)


def constant_symbol(name: str, **assumptions: bool | None) -> sp.Symbol:
    """Return the symbol of an auxiliary constant: real unless ``assumptions`` say otherwise."""
    return sp.Symbol(name, **(assumptions or {"real": True}))


def distance_symbol(name: str, *, is_open: bool) -> sp.Dummy:
    """A symbol of its own for the distance to a bound: positive if the bound is left out."""
    return sp.Dummy(name, positive=True) if is_open else sp.Dummy(name, nonnegative=True)


def pick_name(name: str, taken: Collection[str]) -> str:
    """Return ``name``, with underscores behind it until it is not among ``taken``."""
    while name in taken:
        name += "_"
    return name


def pick_names(names: Iterable[str], taken: Collection[str]) -> list[str]:
    """Return ``names`` with underscores behind them until all differ and none is ``taken``."""
    picked: list[str] = []
    for name in names:
        picked.append(pick_name(name, {*taken, *picked}))
    return picked


def find_name_fault(name: str) -> str | None:
    """Say why a model cannot use ``name`` for a parameter or a state variable.

    Args:
        name: The name to look at.

    Returns:
        A clause that completes "Expected a free name but got ...", or ``None`` if nothing is wrong.
    """
    if len(name) > MAX_NAME_LENGTH:
        return f"which is longer than {MAX_NAME_LENGTH} characters"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return "which is not an ASCII letter followed by letters, digits and underscores"
    if "__" in name:
        return "which has a double underscore"
    if keyword.iskeyword(name):
        return "which is a word of the Python language"
    if name in FUNCTION_NAMES:
        return "which is a function"
    if name in CONSTANT_NAMES:
        return "which is a constant"
    if name in RESERVED_NAMES:
        return f"which is reserved for {RESERVED_NAMES[name]}"
    return None


def latex_name(symbol: sp.Symbol) -> str:
    r"""Return the LaTeX of a symbol's name.

    Greek names become letters, digits at the end and parts behind underscores subscripts:
    ``tau_m`` gives ``\tau_{m}``, ``I0`` gives ``I_{0}``, ``V_th`` gives ``V_{\mathrm{th}}``.

    Args:
        symbol: Any symbol; one made elsewhere may have any name.

    Returns:
        LaTeX for math mode.
    """
    if symbol == DURATION:
        return r"\Delta t"
    head, *subscripts = [part for part in symbol.name.split("_") if part] or [symbol.name]
    digits = re.fullmatch(r"([A-Za-z]+)(\d+)", head)
    if digits:
        head, subscripts = digits[1], [digits[2], *subscripts]
    if not subscripts:
        return _latex_word(head)
    return f"{_latex_word(head)}_{{{','.join(map(_latex_word, subscripts))}}}"


def _latex_word(word: str) -> str:
    r"""Return a Greek letter, a single letter, a number or an upright word."""
    if _GREEK.fullmatch(word):
        return "\\" + word
    if len(word) == 1 or word.isdigit():
        return word
    escaped = re.sub(r"([_#$%&{}])", r"\\\1", word)
    return rf"\mathrm{{{escaped}}}"
