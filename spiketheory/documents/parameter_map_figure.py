"""The figure of a map of verdicts over two parameters."""

import itertools
from pathlib import Path

from spiketheory.certification.certificate import CONTINUOUS, REFUTED, SMOOTH, UNDECIDED
from spiketheory.certification.parameter_map import Map
from spiketheory.documents.figure_svg import BLUE, GREEN, GREY, INK, STYLE, VERMILION
from spiketheory.files import replace_atomically

COLORS = {SMOOTH: GREEN, CONTINUOUS: BLUE, REFUTED: VERMILION, UNDECIDED: GREY}
OUTSIDE = "outside of the domain"
WIDTH, HEIGHT, DPI = 5.6, 4.4, 150
NO_DATE: dict[str, dict[str, None]] = {
    "svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}
}  # fmt: skip


def draw_map(path: Path, found: Map, model: str) -> None:
    """Write the map to a file: a coloured cell for each verdict, a dot at the defaults."""
    from matplotlib import rc_context
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    from spiketheory.documents.canvas import Figure

    legend = {**COLORS, OUTSIDE: "white"}
    numbers = {verdict: k for k, verdict in enumerate(legend)}
    cells = [[numbers[v or OUTSIDE] for v in row] for row in found.verdicts]
    shown = [name for name, k in numbers.items() if any(k in row for row in cells)]
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        axes.pcolormesh(
            *(find_edges(v, is_log) for v, is_log in
              zip(found.values, found.are_logarithmic, strict=True)),
            cells,
            cmap=ListedColormap(list(legend.values())),
            norm=BoundaryNorm([k - 0.5 for k in range(len(legend) + 1)], len(legend)),
            edgecolors="white",
            linewidth=0.4,
        )  # fmt: skip
        axes.plot(*found.defaults, "o", color=INK, ms=4, label="defaults")
        for axis, name, unit, is_log in zip(
            "xy", found.parameters, found.units, found.are_logarithmic, strict=True
        ):
            axes.set(**{f"{axis}label": f"{name} [{unit or 1}]"})
            if is_log:
                axes.set(**{f"{axis}scale": "log"})
                ticks = getattr(axes, f"{axis}axis")
                ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))
                ticks.set_major_formatter(StrMethodFormatter("{x:g}"))
                ticks.set_minor_formatter(NullFormatter())
        others = ", ".join(f"{n} = {v:g}" for n, v in found.others.items())
        axes.set_title(f"Verdicts on {model}" + (f" at {others}" if others else ""))
        handles = [Patch(facecolor=legend[n], edgecolor=INK, lw=0.4, label=n) for n in shown]
        figure.legend(
            handles=[*handles, *axes.get_legend_handles_labels()[0]], loc="outside lower center",
            ncols=3,
        )  # fmt: skip
        with replace_atomically(path) as temporary:
            style = path.suffix.lower().removeprefix(".")
            figure.savefig(temporary, format=style, dpi=DPI, metadata=NO_DATE[style])


def find_edges(values: tuple[float, ...], is_logarithmic: bool) -> list[float]:
    """Where cells meet: half-way between values, in the logarithm if they are spaced so."""
    if len(values) == 1:
        return [values[0] - 0.5, values[0] + 0.5]
    if is_logarithmic:
        ratio = (values[-1] / values[0]) ** (0.5 / (len(values) - 1))
        inner = [(a * b) ** 0.5 for a, b in itertools.pairwise(values)]
        return [values[0] / ratio, *inner, values[-1] * ratio]
    half = (values[-1] - values[0]) / (2 * (len(values) - 1))
    inner = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    return [values[0] - half, *inner, values[-1] + half]
