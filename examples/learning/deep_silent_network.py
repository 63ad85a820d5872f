"""A deep network in which no neuron spikes learns handwritten digits by exact gradient descent.

Theta neurons, 64-50-50-50-50-50-50-10, trained on scikit-learn's digits by the same trainer as
`spiketheory train`. The weights of the first layer start so small that no input makes any neuron
spike; what the gradient goes through are the pseudospikes that follow on the trial's end. Run it
with

    python examples/learning/deep_silent_network.py --out FOLDER
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from derivations import compile_model
from sim.analysis.training_figures import BLUE, GREY, INK, ORANGE, STYLE
from sim.layers.batch import Events, run_batch
from sim.network.layer_stack import split_layers
from sim.training.config import TrainConfig, make_config
from sim.training.data import load_dataset
from sim.training.train import Row, Trainer, TrainState, train_network
from spiketheory.commands.display import make_progress
from spiketheory.commands.experiment import open_folder, program, report
from spiketheory.commands.terminal import make_console

HIDDEN = (50,) * 6
SETTINGS: dict[str, Any] = {
    "dataset": "digits",
    "hidden": HIDDEN,
    "duration": 2.8,
    "loss": "first_spike",
    "gamma": 0.07,
    "weight_scale": 8.0,
    "validation": 0,
}
"""A free neuron spikes at 3; strong weights carry differences through the silent layers."""
FIRST_LAYER = 0.005
"""Factor of the first layer's weights at the start."""


def make_trainer(epochs: int, seed: int, backend: str) -> tuple[Trainer, TrainState]:
    """The trainer, and the silent network that it starts with."""
    config: TrainConfig = make_config(**SETTINGS, epochs=epochs, seed=seed)
    dataset = load_dataset(config.dataset.name)
    trainer = Trainer(config, dataset, compile_model(config.network.model, backend=backend))
    state = trainer.start()
    state.parameters[0] *= FIRST_LAYER
    trainer.compile(state)
    return trainer, state


def find_silence(trainer: Trainer, state: TrainState) -> list[float]:
    """Fraction of neurons of each layer, the output's last, that spike in no test sample."""
    network = trainer.network(state)
    outcome, _ = run_batch(network, trainer.test.events, trainer.dataset.test_labels, trainer.loss)
    layers = split_layers(outcome.active, network.layer_sizes[1:])
    return [float(1.0 - active.mean()) for active in layers]


def count_spikes(trainer: Trainer, state: TrainState) -> int:
    """Spikes of all hidden neurons and active outputs in all samples, training samples too."""
    network, dataset = trainer.network(state), trainer.dataset
    parts: tuple[tuple[Events, np.ndarray], ...] = (
        (trainer.train_events, dataset.train_labels),
        (trainer.test.events, dataset.test_labels),
    )
    outcomes = [run_batch(network, *part, trainer.loss)[0] for part in parts]
    return sum(int(o.hidden_spikes.sum() + o.n_ordinary.sum()) for o in outcomes)


def learn(trainer: Trainer, state: TrainState) -> list[list[float]]:
    """Train; returns the silent fractions before training and after each epoch."""
    silence: list[list[float]] = []
    console = make_console(stderr=True, quiet=not sys.stderr.isatty())
    with make_progress(console) as bar:
        task = bar.add_task("Learning", total=trainer.config.schedule.epochs, note="")

        def on_epoch(state: TrainState, row: Row) -> None:
            silence.append(find_silence(trainer, state))
            note = f"test accuracy {row['test_accuracy']:.3f}"
            bar.update(task, completed=state.epoch, note=note)

        train_network(trainer, state, on_epoch=on_epoch)
    return silence


def draw(rows: list[Row], silence: list[list[float]]) -> Figure:
    """Draw silent neurons by layer and epoch, and accuracy over epochs."""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 6.2), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=[1.0, 1.1], sharex=True)
        draw_silence(above, silence)
        epochs = [row["epoch"] for row in rows]
        curves = (
            ("test_accuracy", "test, pseudospikes included", BLUE, "-"),
            ("test_accuracy_ordinary", "test, spikes alone", ORANGE, "--"),
            ("train_accuracy", "training", GREY, ":"),
        )
        for key, label, color, style in curves:
            values = [100 * row[key] for row in rows]
            below.plot(epochs, values, color=color, linestyle=style, label=label)
        below.axhline(10, color=INK, linewidth=0.7)
        below.text(epochs[-1], 11, "chance", ha="right", va="bottom", fontsize=8.5, color=INK)
        below.set(xlabel="epochs", ylabel="accuracy [%]", ylim=(0, 102))
        below.set_xlim(-0.5, epochs[-1] + 0.5)
        below.legend(loc="center right")
    return figure


def draw_silence(axes: Axes, silence: list[list[float]]) -> None:
    """Draw a map: layers from input (top) to output, epochs to the right."""
    values = 100 * np.array(silence).T
    n_layers, n_epochs = values.shape
    image = axes.imshow(
        values, aspect="auto", cmap="cividis_r", vmin=0, vmax=100, interpolation="nearest",
        extent=(-0.5, n_epochs - 0.5, n_layers + 0.5, 0.5),
    )  # fmt: skip
    names = [f"hidden {k}" for k in range(1, n_layers)]
    axes.set_yticks(range(1, n_layers + 1), [*names, "output"])
    axes.grid(visible=False)
    axes.set_title("neurons that spike in no test sample")
    axes.figure.colorbar(image, ax=axes, label="silent neurons [%]", pad=0.02)


@program(steps=40, unit="epochs")
def main(out: Path, epochs: int, seed: int, backend: str) -> None:
    """Let a deep, silent network learn handwritten digits."""
    started = time.perf_counter()
    folder = open_folder(out)
    trainer, state = make_trainer(epochs, seed, backend)
    spikes = count_spikes(trainer, state)
    silence = learn(trainer, state)
    rows = state.rows
    results = {
        "seed": seed,
        "epochs": epochs,
        "hidden": list(HIDDEN),
        "wall_seconds": round(time.perf_counter() - started, 2),
        "spikes_at_first": spikes,
        "first_test_accuracy": rows[0]["test_accuracy"],
        "last_test_accuracy": rows[-1]["test_accuracy"],
        "last_test_accuracy_of_spikes_alone": rows[-1]["test_accuracy_ordinary"],
        "last_spikes_per_hidden_neuron": rows[-1]["spikes_per_hidden_neuron"],
        "test_accuracy": [row["test_accuracy"] for row in rows],
        "silent_fraction_by_layer": silence,
    }
    report(folder, "deep_silent_network", results, draw(rows, silence))


if __name__ == "__main__":
    main()
