"""Figures of a run's page, as SVG that follows the page's light and dark mode."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.training_figures import (
    ORANGE,
    PURPLE,
    SKY,
    RasterPanel,
    draw_learning_curves,
    draw_rasters,
)
from sim.report.measure import Answers, Story
from spiketheory.documents.figure_svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    STYLE,
    VERMILION,
    make_canvas,
    write_svg,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LAYERS = (BLUE, GREEN, PURPLE, SKY)
OTHERS = 3
"""So many outputs beside the answer and the label have a curve in ink."""


def draw_curves(rows: Sequence[dict[str, float]]) -> str:
    """Learning curves."""
    return draw_on_page(lambda: draw_learning_curves(rows), "curves")


def draw_panels(panels: Sequence[RasterPanel]) -> str:
    """Rasters of a network whose outputs spike."""
    return draw_on_page(lambda: draw_rasters(panels), "rasters")


def draw_on_page(draw: "Callable[[], Canvas]", name: str) -> str:
    """SVG of a figure that was made for a white sheet."""
    from matplotlib import rc_context

    canvas = draw()
    canvas.set_facecolor("none")
    for axes in canvas.axes:
        axes.set_facecolor("none")
    with rc_context(STYLE):
        return write_svg(canvas, name=name)


def draw_confusion(table: np.ndarray) -> str:
    """The confusion matrix; the diagonal is grey, so that errors stand out."""
    from matplotlib import rc_context

    n = len(table)
    with rc_context(STYLE):
        canvas, (axes,) = make_canvas(height=5.2)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        wrong = share.copy()
        np.fill_diagonal(wrong, 0.0)
        top, h = max(float(wrong.max()), 0.05), 0.47  # a gap tells neighbours apart
        for i in range(n):
            for k in range(n):
                if not table[i, k]:
                    continue
                color = GREY if i == k else VERMILION
                depth = 0.45 * share[i, k] if i == k else 0.15 + 0.75 * wrong[i, k] / top
                axes.fill(
                    [k - h, k + h, k + h, k - h], [i - h, i - h, i + h, i + h],
                    color=color, alpha=float(depth), linewidth=0,
                )  # fmt: skip
                if n <= 20:
                    axes.text(k, i, str(table[i, k]), ha="center", va="center", fontsize=9)
        step = -(-n // 20)
        axes.set(
            xticks=range(0, n, step), yticks=range(0, n, step), xlim=(-0.5, n - 0.5),
            ylim=(n - 0.5, -0.5), xlabel="taken for", ylabel="class", aspect="equal",
        )  # fmt: skip
        axes.grid(visible=False)
        return write_svg(canvas, name="confusion")


def draw_story(story: Story) -> str:
    """One sample: input, hidden layers, potentials of the readout, probabilities."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        rows = [draw_input, draw_hidden]
        rows += [draw_potentials] if story.potentials is not None else []
        rows += [draw_probabilities]
        canvas, axes = make_canvas(height=2.1 * len(rows) + 0.6, rows=len(rows))
        for one, draw in zip(axes, rows, strict=True):
            draw(one, story)
            one.axvline(story.settled, color=ORANGE, linewidth=1.4, zorder=0)
            one.grid(visible=False)
        place = story.settled / story.duration
        axes[0].text(
            place + (0.01 if place < 0.5 else -0.01), 1.02, "moment of decision", color=ORANGE,
            fontsize=9.5, transform=axes[0].transAxes, ha="left" if place < 0.5 else "right",
        )  # fmt: skip
        axes[-1].set(xlim=(0, story.duration), xlabel="time")
        return write_svg(canvas, name="story")


def draw_input(axes: "Axes", story: Story) -> None:
    """Input spikes."""
    draw_dots(axes, story.input_times, story.input_channels, story.n_channels, INK)
    axes.set_ylabel("input")


def draw_hidden(axes: "Axes", story: Story) -> None:
    """Spikes of the hidden layers, one above the other."""
    first = 0
    for k, width in enumerate(story.widths):
        own = (story.neurons >= first) & (story.neurons < first + width)
        color = LAYERS[k % len(LAYERS)]
        draw_dots(axes, story.times[own], story.neurons[own], sum(story.widths), color)
        if k:
            axes.axhline(first - 0.5, color=GREY, linewidth=0.8)
        first += width
    axes.set_ylabel("hidden neuron")


def draw_dots(axes: "Axes", times: np.ndarray, rows: np.ndarray, n_rows: int, color: str) -> None:
    """Spikes as strokes; as dots where there are many rows."""
    mark: Any = {"marker": "|", "markersize": 5} if n_rows <= 40 else {"marker": ".", "ms": 2.2}
    axes.plot(times, rows, linestyle="none", color=color, **mark)
    axes.set_ylim(-0.5, n_rows - 0.5)


def draw_potentials(axes: "Axes", story: Story) -> None:
    """Potentials of the readout's neurons."""
    assert story.potentials is not None
    draw_outputs(axes, story, story.potentials)
    axes.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    axes.set_ylabel("potential of\nthe readout")


def draw_probabilities(axes: "Axes", story: Story) -> None:
    """What the spikes until now say."""
    draw_outputs(axes, story, story.probabilities)
    axes.set(ylim=(-0.03, 1.03), ylabel="probability")
    axes.legend(loc="center right")


def draw_outputs(axes: "Axes", story: Story, values: np.ndarray) -> None:
    """A curve for each output; answer and label in colour, the nearest others in ink."""
    answer = int(story.probabilities[-1].argmax())
    order = np.argsort(-story.probabilities.max(axis=0))
    special = {answer, story.label}
    near = [int(k) for k in order if int(k) not in special][:OTHERS]
    for k in range(values.shape[1]):
        if k in special:
            continue
        color, width = (INK, 0.9) if k in near else (GREY, 0.5)
        axes.plot(story.grid, values[:, k], color=color, linewidth=width)
        if k in near and values is story.probabilities and values[:, k].max() > 0.25:
            place = int(values[:, k].argmax())
            axes.annotate(str(k), (story.grid[place], values[place, k]), fontsize=9, color=INK)
    if story.label != answer:
        axes.plot(story.grid, values[:, story.label], color=VERMILION, label=f"class {story.label}")
    right = ", which is right" if story.label == answer else ""
    axes.plot(story.grid, values[:, answer], color=BLUE, label=f"answer {answer}{right}")


def draw_knowing(answers: Answers, duration: float) -> str:
    """Accuracy over time within a trial, and over spikes that the readout has heard."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        canvas, _ = make_canvas(height=3.6)
        canvas.clear()
        left, right = canvas.subplots(1, 2, sharey=True)
        chance = 100.0 * np.bincount(answers.labels).max() / len(answers.labels)
        left.plot(answers.grid, 100 * answers.accuracy, color=BLUE, label="right by then")
        share = [np.mean(answers.settled <= time) for time in answers.grid]
        left.plot(answers.grid, 100 * np.array(share), "--", color=GREEN, label="answer settled")
        left.set(xlabel="time within the trial", ylabel="samples (%)", xlim=(0, duration))
        left.legend(loc="lower right")
        right.plot(
            answers.budgets, 100 * answers.accuracy_by_spikes, "o-", markersize=4, color=BLUE
        )
        right.set_xscale("symlog", linthresh=1.0)
        right.set_xlim(-0.2, 1.15 * max(answers.budgets[-1], 1))
        shown = [b for b in (0, 1, 10, 100, 1000) if b <= answers.budgets[-1]]
        right.set_xticks(shown, [f"{b:,}" for b in shown])
        right.minorticks_off()
        right.set_xlabel("spikes that the readout has heard")
        for axes in (left, right):
            axes.set_facecolor("none")
            axes.axhline(chance, color=GREY, linewidth=0.9, linestyle=":")
            axes.set_ylim(0, 103)
        right.text(right.get_xlim()[1], chance + 1.5, "largest class", ha="right", color=GREY,
                   fontsize=9)  # fmt: skip
        return write_svg(canvas, name="knowing")


def draw_spike_counts(answers: Answers) -> str:
    """How many hidden spikes samples have, those that are wrong beside those that are right."""
    from matplotlib import rc_context

    totals = answers.counts.sum(axis=1)
    right = answers.guesses == answers.labels
    with rc_context(STYLE):
        canvas, (axes,) = make_canvas(height=2.8)
        edges = np.linspace(totals.min(), totals.max() + 1, 25)
        groups = [totals[right], totals[~right]]
        names = (f"right ({right.sum():,})", f"wrong ({np.count_nonzero(~right):,})")
        axes.hist(groups, bins=edges.tolist(), stacked=True, color=[GREY, VERMILION], label=names)
        axes.set(xlabel="hidden spikes of a sample", ylabel="samples")
        axes.legend()
        return write_svg(canvas, name="counts")
