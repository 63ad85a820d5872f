"""The figure of a result: throughput, scaling and the roofline, as far as they were measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.records import Figure, Result

OURS, PEERS, FLOOR = "#1b6ca8", "#9aa5ad", "#c0392b"


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


def draw_rates(axes: Any, result: Result) -> None:
    """Samples per second of everybody, training steps above inference."""
    found = sorted(find_rates(result), key=lambda f: (not f.name.endswith("step"), -f.median))
    for k, figure in enumerate(found):
        is_ours = figure.name.split(",")[0] in ("theta", "qif")
        axes.barh(k, figure.median, color=OURS if is_ours else PEERS)
        axes.plot([figure.lowest, figure.highest], [k, k], color="black", lw=1)
        axes.text(figure.highest * 1.1, k, f"{figure.median:,.0f}", va="center", fontsize=7)
    axes.set_yticks(range(len(found)), [f.name for f in found], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=4 * max(f.highest for f in found))
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
        axes.barh(k, figure.median, color=OURS)
        axes.plot([figure.lowest, figure.highest], [k, k], color="black", lw=1)
        floors = {}
        for by in ("operations", "bytes"):
            floor = result.find("roofline", f"{what}: floor by {by}")
            if floor is not None:
                floors[by] = floor.median
        for by, place in floors.items():
            style = "-" if place == max(floors.values()) else ":"
            axes.plot([place, place], [k - 0.4, k + 0.4], color=FLOOR, lw=2, ls=style)
            axes.annotate(by, (place, k - 0.42), fontsize=6, ha="center", color=FLOOR)
        over = result.find("roofline", f"{what}: over the floor")
        if over is not None:
            axes.text(figure.highest * 1.1, k, f"{over.median:.1f} x", va="center", fontsize=8)
    axes.set_yticks(range(len(found)), [f.name.removesuffix(": measured") for f in found])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=3 * max(f.highest for f in found))
    axes.set_xlabel("us/sample")
    axes.set_title("Roofline: measured (blue), least possible (red)")


def find_sizes(result: Result) -> list[Figure]:
    """Times of networks of several sizes."""
    return find(result, "scaling", lambda n: n.split()[0] in ("width", "depth") and ":" not in n)


def draw_sizes(axes: Any, result: Result) -> None:
    """Time per sample over spikes times fan-out."""
    found = find_sizes(result)
    for kind, marker in (("width", "o"), ("depth", "s")):
        rows = [f for f in found if f.name.startswith(kind)]
        points = []
        for figure in rows:
            operations = result.find("scaling", f"{figure.name}: synaptic operations")
            if operations is not None:
                points.append((operations.median, figure))
        if not points:
            continue
        points.sort(key=lambda p: p[0])
        x = [p[0] for p in points]
        y = [p[1].median for p in points]
        spread = [
            [p[1].median - p[1].lowest for p in points],
            [p[1].highest - p[1].median for p in points],
        ]
        names = [p[1].name.split()[1] for p in points]
        what = "neurons in one hidden layer" if kind == "width" else "hidden layers of 100"
        line = axes.errorbar(x, y, spread, marker=marker, label=f"{what}: {', '.join(names)}")
        last = (x[-1], y[-1])
        guide = [last[1] * v / last[0] for v in x]
        axes.plot(x, guide, ":", color=line.lines[0].get_color(), lw=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("spikes x fan-out per sample, inputs included")
    axes.set_ylabel("us/sample")
    axes.legend(fontsize=7)
    axes.set_title("Size (dotted: proportional)")


def find_batches(result: Result) -> list[Figure]:
    """Times of several batch sizes."""
    return find(result, "scaling", lambda n: n.startswith("batch "))


def draw_batches(axes: Any, result: Result) -> None:
    """Time per sample over the batch size."""
    found = find_batches(result)
    x = [int(f.name.split()[1]) for f in found]
    y = [f.median for f in found]
    spread = [[f.median - f.lowest for f in found], [f.highest - f.median for f in found]]
    axes.errorbar(x, y, spread, marker="o", color=OURS)
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
)
