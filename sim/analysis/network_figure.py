"""A drawing of a network: inputs, populations and readouts, and what leads from each to each."""

from typing import TYPE_CHECKING

from sim.analysis.training_figures import BLUE, GREY, INK, ORANGE, STYLE
from sim.network.network import Network, Projection
from sim.network.readouts import LinearReadout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spiketheory.documents.canvas import Figure

WIDTH, HEIGHT = 1.5, 0.62
GAP = 1.1
LOWER = 0.95
"""Boxes above each other are so far apart."""
Place = tuple[float, float]


def show_network(network: Network) -> bytes:
    """The drawing as a PNG, for notebooks."""
    return draw_network(network)._repr_png_()


def draw_network(network: Network) -> "Figure":
    """Draw a network; a thicker arrow stands for denser connections."""
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    places = place_boxes(network)
    right, low = (max(v) for v in zip(*((x, -y) for x, y in places.values()), strict=True))
    with mpl.rc_context(STYLE):
        size = (right + WIDTH + 0.4, low + 2.2 * HEIGHT + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(-0.2, size[0] - 0.2), ylim=(-low - HEIGHT, 1.2 * HEIGHT + 0.6))
        axes.set_aspect("equal")
        axes.axis("off")
        draw_members(axes, network, places)
        for projection in network.projections:
            draw_projection(axes, projection, places)
        for readout in network.readouts:
            source = readout.population or network.populations[-1].name
            draw_arrow(axes, places[source], places[f"readout {readout.name}"], 0.8, GREY)
        axes.set_title(f"{network.n_neurons} neurons, {network.n_connections} connections, "
                       f"T = {network.duration:g}")  # fmt: skip
    return figure


def find_depths(network: Network) -> dict[str, int]:
    """Column of each member: one more than the nearest of those that lead to it."""
    depths = {p.name: 0 for p in network.inputs} | {c.name: 0 for c in network.currents}
    todo = [(p.pre, p.post) for p in network.projections]
    for k in range(len(network.populations)):
        for pre, post in todo:
            if depths.get(pre) == k and post not in depths:
                depths[post] = k + 1
    return {p.name: depths.get(p.name, 1) for p in network.populations} | depths


def place_boxes(network: Network) -> dict[str, Place]:
    """Lower left corner of each member's box."""
    depths = find_depths(network)
    last = 1 + max(depths.values())
    depths |= {f"readout {readout.name}": last for readout in network.readouts}
    rows: dict[int, int] = {}
    places = {}
    for name, depth in depths.items():
        row = rows[depth] = rows.get(depth, -1) + 1
        places[name] = (depth * (WIDTH + GAP), -row * LOWER)
    return places


def draw_members(axes: "Axes", network: Network, places: dict[str, Place]) -> None:
    """Draw the boxes with what is in them."""
    sources = [(p.name, p.size) for p in network.inputs]
    for name, size in [*sources, *((c.name, c.size) for c in network.currents)]:
        draw_box(axes, places[name], name, f"{size} channels", ORANGE)
    for population in network.populations:
        text = f"{population.size} × {population.model.name}"
        draw_box(axes, places[population.name], population.name, text, BLUE)
    for readout in network.readouts:
        if isinstance(readout, LinearReadout):
            text = f"{len(readout.bias)} × {readout.compiled.name}"
        else:
            text = f"first {readout.n_spikes} of each" if readout.n_spikes > 1 else "first spikes"
        draw_box(axes, places[f"readout {readout.name}"], readout.name, text, GREY)


def draw_box(axes: "Axes", place: Place, name: str, text: str, colour: str) -> None:
    """Draw one box."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(place, WIDTH, HEIGHT, facecolor="white", edgecolor=colour, lw=1.4))
    middle = place[0] + WIDTH / 2
    for text_, height, weight in ((name, 0.68, "bold"), (text, 0.28, "normal")):
        axes.text(middle, place[1] + height * HEIGHT, text_, ha="center", va="center", fontsize=7,
                  color=INK, weight=weight, parse_math=False)  # fmt: skip


def draw_projection(axes: "Axes", projection: Projection, places: dict[str, Place]) -> None:
    """Draw what leads from one box to another, or back to the same."""
    n_post, n_pre = projection.shape
    density = projection.n_expected / max(1, n_post * n_pre)
    width = 0.6 + 1.4 * float(density)
    start, end = places[projection.pre], places[projection.post]
    draw_arrow(axes, start, end, width, INK)


def draw_arrow(axes: "Axes", start: Place, end: Place, width: float, colour: str) -> None:
    """Draw an arrow between boxes: straight to the right, around those in between otherwise."""
    from matplotlib.patches import FancyArrowPatch

    bend = "arc3"
    middle = HEIGHT / 2
    first, second = (start[0] + WIDTH, start[1] + middle), (end[0], end[1] + middle)
    if start == end:
        first, second = (
            (start[0] + 0.7 * WIDTH, start[1] + HEIGHT), (start[0] + 0.3 * WIDTH, start[1] + HEIGHT)
        )  # fmt: skip
        bend = "arc3,rad=0.9"
    elif end[0] == start[0]:
        down = end[1] < start[1]
        x = start[0] + (0.4 if down else 0.6) * WIDTH
        first, second = (x, start[1] + (not down) * HEIGHT), (x, end[1] + down * HEIGHT)
        bend = "arc3" if abs(end[1] - start[1]) < 1.5 * LOWER else "arc3,rad=0.3"
    elif end[0] < start[0]:
        first, second = (start[0] + WIDTH / 2, start[1]), (end[0] + WIDTH / 2, end[1])
        bend = "arc3,rad=-0.4"
    axes.add_patch(
        FancyArrowPatch(first, second, arrowstyle="-|>", mutation_scale=9, lw=width, color=colour,
                        connectionstyle=bend, shrinkA=0, shrinkB=0)
    )  # fmt: skip
