"""The panels of large networks: what a synaptic event costs over the number of neurons."""

from collections import defaultdict
from typing import Any

from benchmarks.records import Figure, Result

COLOURS = {
    "windows": "#1b6ca8", "events": "#7fb0d6", "NEST, grid": "#e08e2b",
    "NEST, precise": "#c0392b", "Brian2, C++": "#7c878e",
}  # fmt: skip


def find_costs(result: Result, model: str) -> list[Figure]:
    """Speeds of a model with one weight and one delay."""
    return [
        f for f in result.figures
        if f.benchmark == "large" and f.unit == "million/s" and f.name.startswith(f"{model}, ")
        and f.settings.get("one_weight") and len(f.settings.get("delays", ())) == 1
    ]  # fmt: skip


def draw_costs(axes: Any, result: Result, model: str) -> None:
    """Nanoseconds per synaptic event; dashed with more synapses per neuron."""
    lines: dict[tuple[str, int], list[tuple[int, Figure]]] = defaultdict(list)
    for figure in find_costs(result, model):
        name = figure.name.rpartition(": ")[2]
        lines[name, figure.settings["in_degree"]].append((figure.settings["n"], figure))
    fewest = min(in_degree for _, in_degree in lines)
    for (name, in_degree), points in lines.items():
        points.sort(key=lambda point: point[0])
        axes.plot(
            [n for n, _ in points], [1e3 / f.median for _, f in points],
            "o-" if in_degree == fewest else "o--", color=COLOURS.get(name, "#000000"),
            ms=4, lw=1.5, label=name if in_degree == fewest else None,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("neurons")
    axes.set_ylabel("ns per synaptic event")
    axes.grid(color="#e4e7ea", lw=0.8)
    axes.legend(fontsize=7)
    degrees = sorted({in_degree for _, in_degree in lines})
    said = ", dashed ".join(f"{n:,d}" for n in degrees)
    axes.set_title(f"{model}, one core; synapses per neuron: {said}", fontsize=10)
