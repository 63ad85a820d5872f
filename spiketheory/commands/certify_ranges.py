"""What `certify --blame` and `certify --map` print."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import sympy as sp

    from spiketheory.certification.parameter_map import Map
    from spiketheory.certification.parameter_ranges import Dependence
    from spiketheory.language.model import NeuronModel

Show = Callable[[str], None]
Axis = tuple[str, tuple[float, float] | None]


def parse_axes(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``tau_m,tau_s=0.1:10`` to names with ranges or None."""
    if value is None:
        return None
    axes: list[Axis] = []
    try:
        for text in value.split(","):
            name, is_ranged, ends = text.partition("=")
            low, high = map(float, ends.split(":")) if is_ranged else (0.0, 0.0)
            axes.append((name.strip(), (low, high) if is_ranged else None))
        first, second = axes
    except ValueError as err:
        raise click.BadParameter(
            f"Expected two parameters such as tau_m,tau_s or tau_m=0.1:10,tau_s=0.1:10 but got "
            f"{value!r}; separate names by a comma, and the ends of a range by a colon."
        ) from err
    return first, second


def make_verdict(
    model: "NeuronModel",
) -> Callable[[Sequence["sp.Basic"], Mapping[str, float]], str]:
    """The verdict of `certify` under more assumptions, with other defaults."""
    from spiketheory.certification.certify import certify
    from spiketheory.certification.parameter_ranges import fix_parameters

    def verdict(assumptions: Sequence["sp.Basic"], values: Mapping[str, float]) -> str:
        return certify(fix_parameters(model, values)[0], assumptions).verdict

    return verdict


def find_blame(
    model: "NeuronModel", assumptions: Sequence["sp.Basic"], free: Sequence[str], show: Show
) -> list["Dependence"]:
    """How the verdict depends on each of some parameters."""
    from spiketheory.certification.parameter_ranges import find_dependence

    verdict, asked = make_verdict(model), 0
    found = []

    def ask(relations: Sequence["sp.Basic"], values: Mapping[str, float]) -> str:
        nonlocal asked
        asked += 1
        at = ", ".join(f"{n} = {v:g}" for n, v in values.items())
        show(f"Certifying {model.name} at {at} (number {asked})")
        return verdict(relations, values)

    for name in free:
        found.append(find_dependence(model, assumptions, name, ask))
    return found


def describe_blame(model: "NeuronModel", found: Sequence["Dependence"]) -> dict[str, Any]:
    """Ranges for programs."""
    return {
        "model": model.name,
        "parameters": {
            d.parameter: {
                "unit": d.unit,
                "others": dict(d.others),
                "ranges": [
                    {
                        "range": p.span.describe(), "verdict": p.verdict,
                        "proved_throughout": p.is_proved, "values": list(p.values),
                    }
                    for p in d.parts
                ],
            }
            for d in found
        },
    }  # fmt: skip


def format_blame(model: "NeuronModel", found: Sequence["Dependence"]) -> str:
    """Ranges as a table for people."""
    rows = [("parameter", "range", "verdict", "shown")]
    for d in found:
        name = f"{d.parameter} [{d.unit or 1}]"
        for part in d.parts:
            count = len(part.values)
            shown = "for the whole range" if part.is_proved else (
                f"at {count} value{'s' * (count != 1)} of it"
            )  # fmt: skip
            rows.append((name, part.span.describe(), part.verdict, shown))
            name = ""
    widths = [max(len(row[c]) for row in rows) for c in range(4)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in [rows[0], ["-" * w for w in widths], *rows[1:]]
    ]
    others = ", ".join(f"{p.name} = {p.default:g}" for p in model.parameters)
    head = f"Verdicts on {model.name} where one parameter moves and the others are {others}."
    note = (
        "Verdicts change near the ends shown, found by bisection; an end is a simple number there."
    )
    return "\n".join([head, "", *lines, "", note])


def describe_map(model: "NeuronModel", found: "Map") -> dict[str, Any]:
    """A map for programs; a verdict is null where the domain leaves no such values."""
    return {
        "model": model.name,
        "parameters": list(found.parameters),
        "units": list(found.units),
        "values": [list(v) for v in found.values],
        "others": dict(found.others),
        "verdicts": [[v or None for v in row] for row in found.verdicts],
        "certified": [list(row) for row in found.were_asked],
    }


def format_map(found: "Map", out: Path) -> str:
    """What a map shows, in a line."""
    cells = [v or "outside of the domain" for row in found.verdicts for v in row]
    counts = ", ".join(f"{cells.count(v)} {v}" for v in sorted(set(cells)))
    asked = sum(map(sum, found.were_asked))
    return (
        f"{len(cells)} cells: {counts}; {asked} certified, others between equal ones. Wrote {out}."
    )
