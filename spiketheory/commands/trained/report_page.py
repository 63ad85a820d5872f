"""The page of a training run, as blocks of a document."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w

from sim.report.costs import Costs
from sim.report.figures import (
    draw_confusion,
    draw_curves,
    draw_knowing,
    draw_panels,
    draw_spike_counts,
    draw_story,
)
from sim.report.measure import Answers, Reader, Story, choose_sample, confuse
from sim.training.config import config_to_dict
from spiketheory.documents.blocks import (
    Block,
    Code,
    Figure,
    Heading,
    Listing,
    Paragraph,
    Summary,
    Table,
)

if TYPE_CHECKING:
    from sim.training.run_folder import Run

MISSING = (
    "potentials of readouts: its outputs spike themselves, and the first to spike is the answer",
    "accuracy over time and over spikes: the answer is one spike, not a sum over spikes",
    "spikes that appear and vanish: they are counted where a readout of spike trains learns",
    "a recurrent network to compare with: this one is feedforward, its energy is compared with a "
    "dense feedforward network",
)
"""What the page of a run without a readout of spike trains does not have."""
STEPS = 100


def build_page(run: "Run", reader: Reader | None, *, steps: int = STEPS) -> list[Block]:
    """The page of a run.

    Args:
        run: The run.
        reader: Its network and samples; None if outputs spike themselves.
        steps: Steps of the dense networks that costs are compared with.
    """
    trainer, rows = run.trainer, run.state.rows
    title = f"{trainer.config.dataset.name}, {trainer.model.name}, seed {trainer.config.seed}"
    if reader is None:
        labels = trainer.watched.labels
        guesses = trainer.guess(run.state, len(labels))
        middle = [*list_missing(), *tell_layers(run, guesses)]
    else:
        answers = reader.answer()
        labels, guesses = answers.labels, answers.guesses
        middle = [
            *tell_sample(reader.tell(choose_sample(answers))),
            *tell_when(answers, trainer.config.network.duration),
            *tell_costs(reader.count_costs(answers.counts, steps), steps),
            *tell_jumps(rows, trainer.model.name),
        ]
    return [
        Heading(text=title, level=1),
        summarise(run, labels, guesses, part=trainer.watched.name if reader is None else "test"),
        *tell_learning(rows),
        *tell_errors(labels, guesses, trainer.dataset.n_classes),
        *middle,
        *tell_settings(run),
    ]


def summarise(run: "Run", labels: np.ndarray, guesses: np.ndarray, *, part: str) -> Summary:
    """The box at the top."""
    trainer, hits = run.trainer, int(np.count_nonzero(labels == guesses))
    config = trainer.config
    low, high = bound_share(hits, len(labels))
    held_out = "held-out samples" if part == "test" else "validation samples"
    seconds = sum(row["seconds"] for row in run.state.rows)
    return Summary(
        rows=(
            ("network", f"{'-'.join(map(str, trainer.sizes))} {trainer.model.name} neurons"
             + (", recurrent" if config.network.recurrent else "")),
            ("readout", config.readout.name.replace("_", " ")),
            ("samples",
             f"{len(trainer.dataset.train_labels):,} to learn, {len(labels):,} {held_out}"),
            ("training", f"{run.state.epoch} epochs, {seconds:.1f} s, seed {config.seed}"),
        ),
        verdict=(
            f"{hits / len(labels):.2%} of {held_out} right ({hits:,} of {len(labels):,}; 95 % "
            f"interval {low:.1%} to {high:.1%}, of the samples alone: other seeds differ too)"
        ),
        passed=True,
    )  # fmt: skip


def bound_share(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %."""
    z = 1.959963984540054
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def tell_learning(rows: Sequence[dict[str, float]]) -> list[Block]:
    """Learning curves."""
    caption = (
        "Error rate, loss and activity after every epoch; epoch 0 is the untrained network. "
        "Held-out samples have no part in the gradients."
    )
    return [
        Heading(text="Learning"),
        Figure(svg=draw_curves(rows), caption=caption, alt=caption),
    ]


def tell_errors(labels: np.ndarray, guesses: np.ndarray, n_classes: int) -> list[Block]:
    """The confusion matrix and what is confused most."""
    table = confuse(labels, guesses, n_classes)
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    caption = "How often samples of each class were taken for each; errors are red."
    blocks: list[Block] = [
        Heading(text="What is taken for what"),
        Figure(svg=draw_confusion(table), caption=caption, alt=caption),
    ]
    order = np.argsort(-wrong, axis=None, kind="stable")[:5]
    pairs = [(int(k) // n_classes, int(k) % n_classes) for k in order]
    most = [f"{a} for {b} ({wrong[a, b]})" for a, b in pairs if wrong[a, b]]
    text = f"Taken for another most often: {', '.join(most)}." if most else "No sample is wrong."
    return [*blocks, Paragraph(text=text)]


def tell_sample(story: Story) -> list[Block]:
    """One sample through the layers."""
    what = ", potentials of the readout's neurons" if story.potentials is not None else ""
    caption = (
        f"A sample of class {story.label}: input spikes, spikes of the hidden layers (the first at "
        f"the bottom){what}, and the probability of each output by the spikes until then. The "
        f"vertical line is the moment of decision, {story.settled:.3g}: from then on the answer "
        "stays."
    )
    return [
        Heading(text="One sample"),
        Paragraph(
            text="Of the samples that are right, the one whose decision comes in the middle."
        ),
        Figure(svg=draw_story(story), caption=caption, alt=caption),
    ]


def tell_when(answers: Answers, duration: float) -> list[Block]:
    """When the network knows."""
    caption = (
        "Left: samples that are right if the readout is asked at a time, by the spikes until then "
        "(blue), and samples whose answer no longer changes (green). Right: the same after so many "
        "spikes of the last layer. Dotted: always the largest class."
    )
    final = answers.accuracy[-1]
    reached = answers.grid[int(np.argmax(answers.accuracy >= 0.95 * final))]
    totals = answers.counts.sum(axis=1)
    text = (
        f"95 % of the final accuracy is there after {reached:.3g} of {duration:.3g} "
        f"({reached / duration:.0%} of the trial); the median decision comes at "
        f"{np.median(answers.settled):.3g}."
    )
    counted = (
        f"Hidden spikes of a sample: {totals.mean():.1f} on average, {totals.min():,} to "
        f"{totals.max():,}."
    )
    return [
        Heading(text="When it knows"),
        Figure(svg=draw_knowing(answers, duration), caption=caption, alt=caption),
        Paragraph(text=text),
        Heading(text="Spikes and errors", level=3),
        Figure(svg=draw_spike_counts(answers), caption=counted, alt=counted),
        share_by_spikes(answers),
    ]


def share_by_spikes(answers: Answers) -> Table:
    """Accuracy of quarters of the samples, by their number of hidden spikes."""
    totals = answers.counts.sum(axis=1)
    right = answers.guesses == answers.labels
    rows = []
    for part in np.array_split(np.argsort(totals, kind="stable"), 4):
        if len(part):
            rows.append(
                (f"{totals[part].min():,} to {totals[part].max():,}", f"{len(part):,}",
                 f"{right[part].mean():.2%}")
            )  # fmt: skip
    return Table(header=("hidden spikes", "samples", "right"), rows=tuple(rows))


def tell_costs(costs: Sequence[Costs], steps: int) -> list[Block]:
    """Costs in NeuroBench's terms."""
    rows = tuple(
        (c.name, f"{c.accumulates:,.0f}", f"{c.multiply_accumulates:,.0f}",
         f"{c.activation_sparsity:.2%}", f"{c.connection_sparsity:.1%}",
         f"{c.footprint / 1024:,.0f} KiB", f"{c.picojoules / 1e3:,.2f} nJ")
        for c in costs
    )  # fmt: skip
    header = (
        "network", "effective ACs", "effective MACs", "activation sparsity",
        "connection sparsity", "footprint", "energy",
    )  # fmt: skip
    text = (
        f"Of one sample, in the terms of NeuroBench. Dense networks have as many neurons and hear "
        f"a frame in each of {steps} steps. An AC is an addition where a spike arrives at a "
        "synapse (0.9 pJ), a MAC a multiplication and addition (4.6 pJ; here a readout's weight "
        "times its kernel), in 45 nm (Horowitz 2014). Finding the next spike, the states between "
        "spikes, activation functions and memory traffic are not counted: the energies are lower "
        "bounds, and that of the spiking network is the looser one. Numbers count 4 bytes each."
    )
    return [
        Heading(text="What it costs"),
        Table(header=header, rows=rows),
        Paragraph(text=text),
    ]


def tell_jumps(rows: Sequence[dict[str, float]], model: str) -> list[Block]:
    """Spikes that appeared and vanished in mid-trial."""
    names = ("spikes_appeared", "spikes_vanished", "spikes_through_end")
    found = [row for row in rows if np.isfinite(row.get(names[0], np.nan))]
    heading = Heading(text="Spikes that appear and vanish")
    if not found:
        text = "They were not counted: --count-jumps was 0, or there was no step."
        return [heading, Paragraph(text=text)]
    values = np.array([[row[name] for name in names] for row in found])
    said = ("appeared in mid-trial", "vanished in mid-trial", "came or went through the end")
    cells = tuple(
        (name, f"{column.mean():.3g}", f"{column.max():.3g}", f"{np.count_nonzero(column)}")
        for name, column in zip(said, values.T, strict=True)
    )
    text = (
        f"Per 1,000 hidden spikes, in the last step of each of {len(found)} epochs. Where a spike "
        "appears or vanishes in mid-trial the loss jumps."
    )
    if not values[:, :2].any():
        text += (
            f" {model} had none: its loss is continuous. That is not to say that it is flat: it "
            "can be steep where a neuron stays near its unstable point."
        )
    header = ("spikes that", "mean", "most", "epochs with any")
    return [heading, Paragraph(text=text), Table(header=header, rows=cells)]


def list_missing() -> list[Block]:
    """What the page does not have."""
    text = "The answer of this run is the first spike of an output neuron. So the page has no:"
    return [Heading(text="What is not here"), Paragraph(text=text), Listing(items=MISSING)]


def tell_layers(run: "Run", guesses: np.ndarray) -> list[Block]:
    """A sample and the costs of a network whose outputs spike."""
    trainer, state = run.trainer, run.state
    labels = trainer.watched.labels
    sample = int(np.argmax(guesses == labels))
    panel = trainer.draw_sample(state, sample, f"after {state.epoch} epochs")
    energy = trainer.evaluate(state).energy
    caption = f"A sample of class {labels[sample]}: spikes of hidden layers and outputs."
    rows: tuple[tuple[str, ...], ...] = (
        ("this network", f"{energy.synaptic_operations:,.0f} ACs",
         f"{energy.spiking_pj / 1e3:,.2f} nJ"),
        ("dense feedforward", f"{energy.multiply_accumulates:,.0f} MACs",
         f"{energy.dense_pj / 1e3:,.2f} nJ"),
    )  # fmt: skip
    return [
        Heading(text="One sample"),
        Figure(svg=draw_panels([panel]), caption=caption, alt=caption),
        Heading(text="What it costs"),
        Table(header=("network", "synaptic operations", "energy, lower bound"), rows=rows),
    ]


def tell_settings(run: "Run") -> list[Block]:
    """Everything that makes the run again."""
    trainer = run.trainer
    values: dict[str, Any] = config_to_dict(trainer.config)
    text = (
        f"Seed {trainer.config.seed}. The equations of {trainer.model.name} have the digest "
        f"{trainer.model.digest[:12]}. The file is the run's config.toml: "
        "spiketheory train --config config.toml trains the same network again."
    )
    return [
        Heading(text="Seed and settings"),
        Paragraph(text=text),
        Code(text=tomli_w.dumps(values)),
    ]
