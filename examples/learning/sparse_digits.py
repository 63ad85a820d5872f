"""How many spikes do digits need? Accuracy over hidden spikes per sample, for several widths.

Networks of one hidden layer of theta neurons are trained on MNIST by the preset ``sparse``; only
the width differs. 10,000 training samples are held out and tested on, so that the test set stays
unseen. MNIST is looked for as by `spiketheory train`. Run it with

    python examples/learning/sparse_digits.py --out FOLDER
"""

import sys
import time
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from derivations import compile_model
from sim.analysis.training_figures import BLUE, GREY, INK, ORANGE, STYLE
from sim.training.config import make_config
from sim.training.data import load_dataset
from sim.training.train import Trainer, train_network
from spiketheory.commands.display import make_progress
from spiketheory.commands.experiment import open_folder, program, report
from spiketheory.commands.terminal import make_console

WIDTHS = (20, 40, 80, 130, 200, 400)
HELD_OUT = 10_000
PAPER_SPIKES = 0.417 * 200
"""Hidden spikes per sample of the paper's network, 784-100-100-10."""
MOST_ERRORS = 2.5
"""In per cent."""
TICKS = (10, 20, 40, 80), (2, 5, 10, 20, 50, 100)


def train_width(width: int, epochs: int, seed: int, backend: str) -> dict[str, Any]:
    """Train a network; returns what it costs and how good it is on the samples held out."""
    config = make_config(
        preset="sparse", hidden=(width,), epochs=epochs, seed=seed, validation=HELD_OUT
    )
    dataset = load_dataset(config.dataset.name, validation=HELD_OUT, seed=seed)
    trainer = Trainer(config, dataset, compile_model(config.network.model, backend=backend))
    state = trainer.start()
    trainer.compile(state)
    last = train_network(trainer, state).rows[-1]
    return {
        "width": width,
        "spikes_per_sample": last["spikes_per_hidden_neuron"] * width,
        "accuracy": last["validation_accuracy"],
        "accuracy_of_spikes_alone": last["validation_accuracy_ordinary"],
        "synaptic_operations": last["synaptic_operations"],
    }


def draw(points: list[dict[str, Any]]) -> Figure:
    """Draw errors over spikes per sample."""
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        spikes = [p["spikes_per_sample"] for p in points]
        for key, label, color, style in (
            ("accuracy_of_spikes_alone", "spikes alone", ORANGE, "s--"),
            ("accuracy", "pseudospikes included", BLUE, "o-"),
        ):
            axes.plot(spikes, [100 * (1 - p[key]) for p in points], style, color=color, label=label)
        for point, x in zip(points, spikes, strict=True):
            axes.annotate(
                str(point["width"]), (x, 100 * (1 - point["accuracy"])), xytext=(0, -13),
                textcoords="offset points", fontsize=8.5, color=INK, ha="center",
            )  # fmt: skip
        axes.axvline(PAPER_SPIKES / 2, color=GREY, linestyle=":", linewidth=1)
        axes.axhline(MOST_ERRORS, color=GREY, linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="hidden spikes per sample",
                 ylabel="errors on held-out samples [%]",
                 title="digits by networks of 20 to 400 hidden neurons")  # fmt: skip
        axes.set_xticks(TICKS[0], map(str, TICKS[0]))
        axes.set_yticks(TICKS[1], map(str, TICKS[1]))
        axes.minorticks_off()
        axes.margins(x=0.1, y=0.12)
        axes.legend(loc="upper right")
    return figure


@program(steps=30, unit="epochs")
def main(out: Path, epochs: int, seed: int, backend: str) -> None:
    """Measure how accuracy grows with the number of spikes."""
    started = time.perf_counter()
    folder = open_folder(out)
    points = []
    with make_progress(make_console(stderr=True, quiet=not sys.stderr.isatty())) as bar:
        task = bar.add_task("Training", total=len(WIDTHS), note="")
        for width in WIDTHS:
            points.append(train_width(width, epochs, seed, backend))
            bar.update(task, advance=1, note=f"{width} neurons")
    results = {
        "seed": seed,
        "epochs": epochs,
        "wall_seconds": round(time.perf_counter() - started, 2),
        "points": points,
    }
    report(folder, "sparse_digits", results, draw(points))


if __name__ == "__main__":
    main()
