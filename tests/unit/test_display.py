import io
import json
import math
from types import SimpleNamespace

import pytest
from rich.console import Console

from spiketheory.commands.display import (
    draw_metrics,
    draw_models,
    format_end,
    format_json,
    format_row,
    format_simulation,
    format_start,
    format_stop,
    make_progress,
    should_print,
)


def make_run(*, saved_epoch, epochs=5):
    dataset = SimpleNamespace(train_labels=range(7))
    test = SimpleNamespace(labels=range(2))
    trainer = SimpleNamespace(
        config=SimpleNamespace(
            schedule=SimpleNamespace(epochs=epochs), dataset=SimpleNamespace(name="toy")
        ),
        test=test,
        watched=test,
        sizes=(6, 5, 3),
        model=SimpleNamespace(name="theta"),
        dataset=dataset,
    )
    return SimpleNamespace(trainer=trainer, folder="runs/[toy]", saved_epoch=saved_epoch)


def test_numbers_that_json_does_not_know_become_null():
    value = {"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": {"d": (math.nan, "nan", 3)}}
    text = format_json(value)
    assert json.loads(text) == {"a": None, "b": [None, None, 1.5], "c": {"d": [None, "nan", 3]}}
    assert "NaN" not in text


@pytest.mark.parametrize("epochs", [1, 2, 10, 47, 100, 1000])
def test_a_run_prints_its_ends_and_about_ten_lines_between(epochs):
    printed = [epoch for epoch in range(epochs + 1) if should_print(epoch, epochs)]
    assert printed[0] == 0
    assert printed[-1] == epochs
    assert 1 in printed
    assert min(epochs, 10) < len(printed) <= 14


def test_a_row_of_metrics_reads_as_a_sentence():
    row = {
        "epoch": 3,
        "test_accuracy": 0.98765,
        "spikes_per_hidden_neuron": 0.417,
        "silent_fraction": 0.25,
    }
    assert format_row(row) == (
        "epoch   3: 98.77% of held-out samples correct, 0.42 spikes per hidden neuron, 25% silent"
    )


def test_a_row_without_hidden_neurons_does_not_speak_of_them():
    row = {"epoch": 3, "test_accuracy": 0.98765}
    assert format_row(row, hidden=False) == "epoch   3: 98.77% of held-out samples correct"


@pytest.mark.parametrize(("sizes", "shown"), [([4, 5, 3], True), ([4, 3], False)])
def test_the_table_of_metrics_shows_hidden_neurons_if_there_are_any(sizes, shown):
    numbers = (
        "accuracy", "accuracy_ordinary", "loss", "loss_ordinary", "spikes_per_hidden_neuron",
        "silent_fraction", "synaptic_operations", "spiking_pj", "dense_pj",
    )  # fmt: skip
    row = {**dict.fromkeys(numbers, 0.5), "samples": 2, "dataset": "toy", "layer_sizes": sizes}
    labels = " ".join(str(cell) for cell in draw_metrics(row).columns[0].cells)
    assert ("hidden" in labels) is shown


@pytest.mark.parametrize(
    ("epochs", "text"), [(1, "Trained for 1 epoch in"), (2, "for 2 epochs in")]
)
def test_an_end_says_what_to_type_next(epochs, text):
    state = SimpleNamespace(epoch=epochs, rows=[{"seconds": 0.5}])
    run = SimpleNamespace(state=state, folder="my run", model_file=None)
    end = format_end(run, [], program="python cli.py")
    assert text in end
    assert end.endswith("Try next: python cli.py evaluate 'my run'")


def test_the_progress_bar_fits_into_80_columns():
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    bar = make_progress(console)
    bar.add_task("Epoch 1000/1000", total=9, note="loss 0.123  accuracy 100.0%")
    console.print(bar.get_renderable())
    (line,) = console.file.getvalue().splitlines()
    assert "Epoch 1000/1000" in line
    assert line.rstrip().endswith("loss 0.123  accuracy 100.0%")


def test_a_start_says_what_is_trained_or_that_nothing_is_left():
    new = format_start(make_run(saved_epoch=None))
    assert new == "Training 6-5-3 theta neurons on toy: 7 samples, 2 held out."
    assert format_start(make_run(saved_epoch=2)) == new
    assert "all its 5 epochs behind it; give a larger --epochs" in format_start(
        make_run(saved_epoch=5)
    )


def test_a_stop_says_what_is_saved_and_how_to_go_on():
    assert format_stop(make_run(saved_epoch=None)) == (
        "Stopped before the first epoch; nothing was saved."
    )
    assert format_stop(make_run(saved_epoch=0)) == (
        "Stopped. Everything up to epoch 0 is in runs/[toy]; continue with\n"
        "  spiketheory train --resume 'runs/[toy]'"
    )


def test_equations_in_a_table_are_not_taken_for_markup():
    row = {
        "name": "m",
        "equations": "dV/dt = [red]V",
        "parameters": {"tau": 1.0},
        "method": "riccati",
        "pseudospikes": True,
    }
    table = draw_models([row])
    assert [str(cell) for column in table.columns for cell in column.cells] == [
        "m", "dV/dt = [red]V", "tau = 1", "riccati", "yes"
    ]  # fmt: skip


def test_a_simulation_without_labels_has_no_loss():
    summary = {
        "samples": 3, "layer_sizes": [3, 2], "model": "theta", "spikes_per_layer": [4],
        "fields": ["t_out"], "out": "out.npz",
    }  # fmt: skip
    assert format_simulation(summary) == (
        "3 samples through 3-2 theta neurons: 4 spikes by layer.\nWrote t_out to out.npz."
    )
    assert "Mean loss 0.25." in format_simulation({**summary, "loss": 0.25})
