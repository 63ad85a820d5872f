"""Verdicts over two parameters: a grid that is asked for cell by cell where neighbours differ."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from spiketheory.certification.parameter_ranges import Verdict, equate, find_span
from spiketheory.certification.region import build_region
from spiketheory.errors import InputError
from spiketheory.language.model import NeuronModel

COARSE = 4
"""Parts of each axis whose corners are asked for in any case."""

DIGITS = 3
"""Significant digits of the values of cells."""

FACTOR = 8
"""Without ends of its own an axis spans the default divided and multiplied by this."""

Axis = tuple[str, tuple[float, float] | None]
"""Name of a parameter, and its lowest and highest value or None."""

Cell = tuple[int, int]
"""Column and row."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """Verdicts over two parameters, others at fixed values.

    Attributes:
        parameters: Names, of the horizontal axis and of the vertical one.
        units: Their units.
        values: Values along either axis.
        are_logarithmic: Whether values are equally far apart in their logarithm.
        defaults: The two parameters' own values.
        others: Values of all other parameters.
        verdicts: Verdict of each cell, shape (vertical, horizontal).
        were_asked: Which cells were asked for; others have the verdict of all cells around.
    """

    parameters: tuple[str, str]
    units: tuple[str, str]
    values: tuple[tuple[float, ...], tuple[float, ...]]
    are_logarithmic: tuple[bool, bool]
    defaults: tuple[float, float]
    others: Mapping[str, float]
    verdicts: tuple[tuple[str, ...], ...]
    were_asked: tuple[tuple[bool, ...], ...]


def find_map(
    model: NeuronModel,
    assumptions: Sequence[sp.Basic],
    axes: Sequence[Axis],
    verdict: Verdict,
    *,
    cells: int,
    say: Callable[[str], None] = lambda text: None,
) -> Map:
    """Verdicts over two parameters.

    Args:
        model: The model.
        assumptions: More assumptions.
        axes: Name, and lowest and highest value or None, of the horizontal and the vertical axis.
        verdict: What is asked.
        cells: Cells along each axis; refined from `COARSE` where neighbours differ.
        say: Called with what is being done.

    Raises:
        ModelError: If there is no such parameter.
        InputError: If it may not have these values.
    """
    first, second = (model.parameter(name) for name, _ in axes)
    if first == second:
        raise InputError(
            f"Expected two parameters of a map but got {first.name} twice; name another."
        )
    others = {p.name: p.default for p in model.parameters if p not in (first, second)}
    fixed = [*assumptions, *(equate(model.parameter(n).symbol, v) for n, v in others.items())]
    grids = [choose_values(model, fixed, axis, cells) for axis in axes]

    def ask(column: int, row: int) -> str:
        at = {first.name: grids[0][0][column], second.name: grids[1][0][row]}
        say(f"Certifying at {', '.join(f'{n} = {v:g}' for n, v in at.items())}")
        here = [*fixed, *(equate(model.parameter(n).symbol, v) for n, v in at.items())]
        return "" if build_region(model, here).is_empty else verdict(here, at)

    asked, inferred = fill_map(cells, ask)
    found = inferred | asked
    return Map(
        parameters=(first.name, second.name),
        units=(first.unit, second.unit),
        values=(grids[0][0], grids[1][0]),
        are_logarithmic=(grids[0][1], grids[1][1]),
        defaults=(first.default, second.default),
        others=others,
        verdicts=tuple(tuple(found[c, r] for c in range(cells)) for r in range(cells)),
        were_asked=tuple(tuple((c, r) in asked for c in range(cells)) for r in range(cells)),
    )


def choose_values(
    model: NeuronModel, assumptions: Sequence[sp.Basic], axis: Axis, cells: int
) -> tuple[tuple[float, ...], bool]:
    """Values along an axis, and whether they are equally far apart in their logarithm.

    That is so for positive parameters without a largest value, or if it spans more than a decade.

    Raises:
        InputError: If assumptions leave but one value, or if the axis has no room for the cells.
    """
    name, ends = axis
    span, default = find_span(model, assumptions, name), model.parameter(name).default
    bounded = [float(end) if end.is_finite else None for end in (span.low, span.high)]
    low, high = ends or bounded
    size = abs(default) or 1.0
    if low is None or (low == 0 and ends is None and bounded[1] is None):
        low = size / FACTOR if bounded[0] is not None else default - size
    if high is None:
        high = max(size * FACTOR, low + size) if bounded[0] is not None else default + size
    if not low < high:
        raise InputError(
            f"Expected a range of {name} from a smaller to a larger value but got "
            f"{low:g}:{high:g}; write for example {name}=0.5:2."
        )
    is_logarithmic = low > 0 and ((ends is None and bounded[1] is None) or high > 10 * low)
    spaced = np.geomspace if is_logarithmic else np.linspace
    values = tuple(float(f"{v:.{DIGITS}g}") for v in spaced(low, high, cells))
    if len(set(values)) < cells:
        raise InputError(
            f"Expected {cells} values of {name} from {low:g} to {high:g} that differ in "
            f"{DIGITS} digits but they do not; choose a wider range or a smaller --grid."
        )
    return values, is_logarithmic


def fill_map(cells: int, ask: Callable[[int, int], str]) -> tuple[dict[Cell, str], dict[Cell, str]]:
    """Verdicts that were asked for, and those that follow from equal ones at four corners.

    Args:
        cells: Cells along each axis.
        ask: The verdict at a column and a row.
    """
    asked: dict[Cell, str] = {}
    inferred: dict[Cell, str] = {}
    cuts = sorted({round(k * (cells - 1) / COARSE) for k in range(COARSE + 1)})
    spans = list(itertools.pairwise(cuts))
    left = [(columns, rows) for rows in spans for columns in spans]
    while left:
        columns, rows = left.pop()
        corners = list(itertools.product(columns, rows))
        for corner in corners:
            if corner not in asked:
                asked[corner] = ask(*corner)
        verdicts = {asked[corner] for corner in corners}
        if len(verdicts) == 1:
            across, down = (range(a, b + 1) for a, b in (columns, rows))
            inferred |= dict.fromkeys(itertools.product(across, down), *verdicts)
        elif any(b - a > 1 for a, b in (columns, rows)):
            left += itertools.product(halve(columns), halve(rows))
    return asked, inferred


def halve(span: Cell) -> list[Cell]:
    """Both halves of a range of indices; itself if there is nothing in between."""
    low, high = span
    middle = (low + high) // 2
    return [(low, middle), (middle, high)] if low < middle else [span]
