"""Readouts of logits in network files, and training with them."""

import re

import numpy as np
import pytest
from networks import compiled

from derivations import compile_readout
from sim.files.network_file import Learnable, read_network_file
from sim.inputs.trials import Trials
from sim.network.readouts import LinearReadout
from sim.training.networks.network_config import read_training
from sim.training.networks.network_run import (
    load_network_run,
    read_network_checkpoint,
    start_network_run,
)
from sim.training.networks.network_train import NetworkTrainer, train_described
from sim.training.trial_data import TrialDataset
from spiketheory.errors import InputError

TEXT = """
version = 2
[network]
duration = 2.0
[populations.cells]
model = "lif"
size = 5
[inputs.world]
size = 4
times = [0.1, 0.3, 0.4, 0.9]
channels = [0, 1, 2, 3]
[[projections]]
pre = "world"
post = "cells"
weight = {uniform = [0.0, 8.0]}
learn = true
[[projections]]
pre = "cells"
post = "cells"
weight = {normal = [0.0, 0.5]}
delay = 0.1
learn = true
[readouts.answer]
population = "cells"
kind = "leaky_integrator"
size = 2
parameters = {tau_m = 0.8}
weight = {normal = [0.0, 1.0]}
learn = ["weights", "bias", "tau_m"]
[loss]
kind = "cross_entropy"
smoothing = 0.05
label = 1
[training]
steps = 3
learning_rate = 0.05
"""


def compile_model(name):
    return compiled(name)


def read(tmp_path, text):
    path = tmp_path / "net.toml"
    path.write_text(text)
    return read_network_file(path, compile_model=compile_model, compile_readout=compile_readout)


def test_a_readout_of_logits_is_read(tmp_path):
    found = read(tmp_path, TEXT)
    (readout,) = found.network.readouts
    assert isinstance(readout, LinearReadout)
    assert readout.compiled.name == "leaky_integrator"
    assert readout.compiled.values == (0.8, 0.5)
    assert readout.weights.shape == (2, 5, 1)
    assert readout.bias.tolist() == [0.0, 0.0]
    assert found.learn[2:] == tuple(
        Learnable("readout", 0, name) for name in ("weights", "bias", "tau_m")
    )
    assert found.loss.loss.name == "cross_entropy"
    assert found.loss.readout is readout
    assert found.loss.targets.tolist() == 1
    rows = "weights = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]\nbias = [0.5, -1]"
    listed = read(tmp_path, TEXT.replace("weight = {normal = [0.0, 1.0]}", rows))
    assert listed.network.readouts[0].cube[1, :, 0].tolist() == [5, 4, 3, 2, 1]
    assert listed.network.readouts[0].bias.tolist() == [0.5, -1.0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"leaky_integrator"', '"first_spike"', "Expected a readout with a neuron of its own"),
        ('"leaky_integrator"', '"rates"', r"Expected readout.* \(\[readouts.answer\] of "),
        ("tau_m = 0.8", "tau_m = -0.8", r"tau_m=-0.8.*\(\[readouts.answer\] of "),
        ("tau_m = 0.8", "tau = 0.8", "Expected parameters of the readout leaky_integrator"),
        ("size = 2\n", "", "size in .*but got no size"),
        ("size = 2\n", "size = 0\n", "outputs and neurons"),
        ("size = 2\n", "size = 90000000000000\n", "memory"),
        ('population = "cells"', 'population = "world"', r"population of \[readouts.answer\]"),
        ("weight = {normal = [0.0, 1.0]}", "", "either weight or weights"),
        ("weight = {normal = [0.0, 1.0]}", "weights = [[1.0]]", r"weights of shape \(2, 5\)"),
        ("weight = {normal = [0.0, 1.0]}", "weight = [1.0]", r"weights of shape \(10,\)"),
        ('"bias", "tau_m"', '"bias", "tau_x"', r"learn of \[readouts.answer\]"),
        ('"bias", "tau_m"', '"bias", "bias"', "different names"),
        ("label = 1", "label = 2", r"label of \[loss\] to be 0 to 1"),
        ("smoothing = 0.05", "smoothing = 1.5", "Expected a label smoothing"),
        ("smoothing = 0.05", "class_weights = [1.0]", "2 class_weights"),
        ('kind = "cross_entropy"\nsmoothing = 0.05\nlabel = 1',
         'kind = "squared_error"\ntargets = [1.0]', "2 finite numbers for targets"),
        ('kind = "cross_entropy"\nsmoothing = 0.05\nlabel = 1',
         'kind = "first_spike"\nreadout = "answer"', r"readout of \[loss\] to be one of"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(InputError) as caught:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_loss_of_logits_needs_a_readout(tmp_path):
    before, _, after = TEXT.partition("[readouts.answer]")
    with pytest.raises(InputError, match="Expected a readout of logits for"):
        read(tmp_path, before + after[after.index("[loss]") :])


def test_a_run_learns_goes_on_and_ends_as_one_that_was_not_interrupted(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(TEXT)
    options = {"compile_model": compile_model, "compile_readout": compile_readout}
    whole = start_network_run(path, options={}, folder=tmp_path / "whole", **options)
    train_described(whole.trainer, whole.state)
    losses = [row["loss"] for row in whole.state.rows]
    assert losses[-1] < 0.9 * losses[0]
    assert "loss_ordinary" not in whole.state.rows[-1]
    assert whole.state.rows[-1]["spikes_per_neuron"] > 0
    trained = whole.trainer.network(whole.state).readouts[0]
    start = whole.trainer.learner.network.readouts[0]
    assert np.abs(trained.weights - start.weights).min() >= 0
    assert np.abs(trained.weights - start.weights).max() > 0.01
    assert trained.compiled.values[0] != start.compiled.values[0]
    part = start_network_run(path, options={"epochs": 2}, folder=tmp_path / "part", **options)
    train_described(part.trainer, part.state)
    part.save()
    part.close()
    checkpoint = read_network_checkpoint(tmp_path / "part")
    again = load_network_run(tmp_path / "part", checkpoint, epochs=3, **options)
    train_described(again.trainer, again.state)
    for one, other in zip(whole.state.parameters, again.state.parameters, strict=True):
        assert np.array_equal(one, other)
    whole.close()


def test_classes_of_a_data_set_are_learned_with_delays_to_each_target(tmp_path):
    text = TEXT.replace("label = 1\n", "").replace("delay = 0.1", "delay = {uniform = [0.1, 0.3]}")
    file = read(tmp_path, text.replace("steps = 3", "epochs = 8\nbatch = 12"))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 24)
    times = rng.uniform(0.0, 0.2, (24, 4)) + np.where(labels[:, None] == [0, 0, 1, 1], 0.0, 1.0)
    trials = Trials.from_latencies(times)
    data = TrialDataset(
        name="toy", train_inputs=trials, train_labels=labels, test_inputs=trials,
        test_labels=labels, n_classes=2,
    )  # fmt: skip
    trainer = NetworkTrainer(file, read_training(tmp_path, file.training), data)
    state = trainer.start()
    train_described(trainer, state)
    assert state.rows[-1]["test_accuracy"] >= 0.95
    assert state.rows[-1]["test_loss"] < 0.5 * state.rows[0]["test_loss"]
