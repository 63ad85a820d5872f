"""The figure of a result: throughput, scaling and the roofline, as far as they were measured."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.picture_large import draw_costs, find_costs
from benchmarks.records import Figure, Result

OURS, OTHER, PEERS, FLOOR = "#1b6ca8", "#e08e2b", "#7c878e", "#c0392b"


def draw_pictures(result: Result, path: Path) -> list[Path]:
    """Draw what a result has beside its file; returns the files written."""
    from matplotlib.figure import Figure as Canvas

    from spiketheory.files import replace_atomically

    panels: list[Callable[[Any, Result], None]] = [
        panel for panel, needs in PANELS if needs(result)
    ]  # fmt: skip
    if not panels:
        return []
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    canvas = Canvas(figsize=(6.4 * columns, 3.9 * rows), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False).ravel()
    for place, panel in zip(axes, panels, strict=False):
        panel(place, result)
    for place in axes[len(panels) :]:
        place.axis("off")
    machine = result.machine
    commit = machine.get("commit")
    canvas.suptitle(
        f"{machine.get('cpu')}, {machine.get('threads')} threads, "
        f"{f'commit {commit[:10]}' if commit else 'installed'}"
        f"{', changed' if machine.get('dirty') else ''}, {result.started[:10]}",
        fontsize=9,
    )
    out = path.with_suffix(".png")
    with replace_atomically(out) as draft:
        canvas.savefig(draft, dpi=130)
    return [out]


def find(result: Result, benchmark: str, test: Callable[[str], bool]) -> list[Figure]:
    """Figures of a benchmark whose names pass a test."""
    return [f for f in result.figures if f.benchmark == benchmark and test(f.name)]


def find_rates(result: Result) -> list[Figure]:
    """Samples per second of the feedforward benchmark."""
    return [f for f in find(result, "feedforward", lambda n: True) if f.unit == "samples/s"]


def draw_range(axes: Any, k: int, figure: Figure, text: str, color: str) -> None:
    """One row: the median, the range, and a text behind it."""
    axes.plot([figure.lowest, figure.highest], [k, k], color=color, lw=2, alpha=0.5)
    axes.plot(figure.median, k, "o", color=color, ms=6)
    axes.text(figure.highest * 1.15, k, text, va="center", fontsize=7)


def name_rows(axes: Any, names: list[str], highest: float) -> None:
    """Names of rows at the left, and room for texts at the right."""
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=5 * highest)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color="#e4e7ea", lw=0.8)
    axes.set_axisbelow(True)


def draw_rates(axes: Any, result: Result) -> None:
    """Samples per second of everybody, training steps above inference."""
    found = sorted(find_rates(result), key=lambda f: (not f.name.endswith("step"), -f.median))
    for k, figure in enumerate(found):
        is_ours = figure.name.split(",")[0] in ("theta", "qif")
        draw_range(axes, k, figure, f"{figure.median:,.0f}", OURS if is_ours else PEERS)
    name_rows(axes, [f.name for f in found], max(f.highest for f in found))
    hidden = found[0].settings.get("hidden", [])
    sizes = "-".join(map(str, [784, *hidden, 10]))
    axes.set_xlabel(f"samples/s ({sizes}, batch {found[0].settings.get('batch')})")
    axes.set_title("Throughput")


def find_roofline(result: Result) -> list[Figure]:
    """Measured times that have a floor."""
    return find(result, "roofline", lambda n: n.endswith(": measured"))


def draw_roofline(axes: Any, result: Result) -> None:
    """Time per sample beside the floors by operations and by bytes."""
    found = find_roofline(result)
    for k, figure in enumerate(found):
        what = figure.name.removesuffix(": measured")
        over = result.find("roofline", f"{what}: over the floor")
        text = "" if over is None else f"{over.median:.1f} times the floor"
        draw_range(axes, k, figure, text, OURS)
        for by in ("operations", "bytes"):
            floor = result.find("roofline", f"{what}: floor by {by}")
            if floor is not None:
                place = floor.median
                axes.plot([place, place], [k - 0.2, k + 0.2], color=FLOOR, lw=2)
                axes.text(place, k - 0.24, by, fontsize=7, ha="center", color=FLOOR)
    names = [f.name.removesuffix(": measured") for f in found]
    name_rows(axes, names, 4 * max(f.highest for f in found))
    axes.set_xlim(left=0.4 * axes.dataLim.x0)
    axes.set_xlabel("us/sample")
    axes.set_title("Measured, and the floors (red)")


def find_sizes(result: Result) -> list[Figure]:
    """Times of networks of several sizes."""
    return find(result, "scaling", lambda n: n.split()[0] in ("width", "depth") and ":" not in n)


def draw_sizes(axes: Any, result: Result) -> None:
    """Time per sample over spikes times fan-out, and the fitted lines."""
    for kind, marker, color in (("width", "o", OURS), ("depth", "s", OTHER)):
        points = []
        for figure in [f for f in find_sizes(result) if f.name.startswith(kind)]:
            operations = result.find("scaling", f"{figure.name}: synaptic operations")
            if operations is not None:
                points.append((operations.median, figure))
        if not points:
            continue
        points.sort(key=lambda p: p[0])
        x, figures = [p[0] for p in points], [p[1] for p in points]
        names = ", ".join(f.name.split()[1] for f in figures)
        what = "neurons in one hidden layer" if kind == "width" else "hidden layers of 100"
        draw_points(axes, x, figures, marker=marker, color=color, label=f"{what}: {names}")
        draw_line(axes, result, kind, x, color)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("spikes x fan-out per sample, inputs included")
    axes.set_ylabel("us/sample")
    axes.legend(fontsize=7)
    axes.set_title("Size (dotted: fitted a + b x)")


def draw_line(axes: Any, result: Result, kind: str, x: list[float], color: str) -> None:
    """The line that was fitted to times over operations."""
    start = result.find("scaling", f"{kind}: line, at no operation")
    slope = result.find("scaling", f"{kind}: line, slope")
    if start is not None and slope is not None:
        places = [x[0] * (x[-1] / x[0]) ** (k / 50) for k in range(51)]
        line = [start.median + 1e-3 * slope.median * v for v in places]
        axes.plot(places, line, ":", color=color, lw=1.5)


def draw_points(axes: Any, x: Sequence[float], figures: list[Figure], **style: Any) -> None:
    """Medians with their ranges."""
    y = [f.median for f in figures]
    spread = [[f.median - f.lowest for f in figures], [f.highest - f.median for f in figures]]
    axes.errorbar(x, y, spread, linestyle="none", capsize=2, **style)


def find_batches(result: Result) -> list[Figure]:
    """Times of several batch sizes."""
    return find(result, "scaling", lambda n: n.startswith("batch "))


def draw_batches(axes: Any, result: Result) -> None:
    """Time per sample over the batch size."""
    found = find_batches(result)
    x = [int(f.name.split()[1]) for f in found]
    draw_points(axes, x, found, marker="o", color=OURS)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("batch size")
    axes.set_ylabel("us/sample")
    speedups = find(result, "scaling", lambda n: n.startswith("speed-up"))
    said = "; ".join(f"{f.name} {f.median:.2f}" for f in speedups)
    axes.set_title(f"Batch size{f' ({said})' if said else ''}", fontsize=10)


PANELS: tuple[tuple[Callable[[Any, Result], None], Callable[[Result], Any]], ...] = (
    (draw_rates, find_rates),
    (draw_roofline, find_roofline),
    (draw_sizes, find_sizes),
    (draw_batches, find_batches),
    *(
        (partial(draw_costs, model=model), partial(find_costs, model=model))
        for model in ("lif_delta", "theta")
    ),
)
