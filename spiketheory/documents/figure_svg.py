"""The look of figures, and their SVG.

Colours come from the page's style sheet where there is one, so that figures follow its light and
dark mode. Matplotlib is imported only when something is drawn, and only its object-oriented part.
"""

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, GREY, GRID, SHADE, PAPER = "#222222", "#7a7a7a", "#e4e4e4", "#ececec", "#fefefe"
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe & Ito
PAGE_COLORS = {
    INK: "ink",
    GREY: "grey",
    GRID: "grid",
    SHADE: "shade",
    PAPER: "paper",
    BLUE: "blue",
    VERMILION: "red",
    GREEN: "green",
}
"""Colours that the page's style sheet may replace: ``var(--fig-NAME)``."""

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.title_fontsize": 9.5,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}


def make_canvas(*, height: float, rows: int = 1) -> "tuple[Canvas, list[Axes]]":
    """A canvas as wide as a page's column, and its axes."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(7.4, height), layout="constrained", facecolor="none")
    axes = canvas.subplots(rows, 1, sharex=True, squeeze=False)
    for one in axes.flat:
        one.set_facecolor("none")
    return canvas, list(axes.flat)


def write_svg(canvas: "Canvas", *, name: str) -> str:
    """SVG to stand inside a page: unique names, the page's colours, nothing else in front.

    Args:
        canvas: What was drawn.
        name: What all ids begin with.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": name}):
        canvas.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace(
        "xlink:href", "href"
    )
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    for color, role in PAGE_COLORS.items():
        text = text.replace(color, f"var(--fig-{role}, {color})")
    return text
