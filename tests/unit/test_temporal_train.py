"""Training with a readout of spike trains: gradients by what learns, jumps, bits, bad input."""

import numpy as np
import pytest

from derivations import compile_model, compile_readout
from sim.temporal.batch import run_temporal
from sim.training.config import change_config, make_config
from sim.training.data import Dataset
from sim.training.temporal_train import TemporalTrainer
from sim.training.train import train_network
from spiketheory.errors import InputError


def make_dataset(n=24, n_inputs=5, seed=0):
    """Two classes: either the first or the last inputs are bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    inputs = rng.uniform(0.0, 0.4, (n, n_inputs)).astype(np.float32)
    inputs[labels == 0, :2] += 0.6
    inputs[labels == 1, -2:] += 0.6
    half = n // 2
    return Dataset(
        name="bars", train_inputs=inputs[:half], train_labels=labels[:half],
        test_inputs=inputs[half:], test_labels=labels[half:], n_classes=2,
    )  # fmt: skip


def make_trainer(model="lif", readout="leaky_integrator", **options):
    settings = {"hidden": (6,), "batch": 4, "epochs": 2, "count_jumps": 0, "warm_up": 0.0} | options
    config = make_config(readout=readout, model=model, **settings)
    compiled = compile_readout(readout, backend="numpy", **config.readout.parameters)
    return TemporalTrainer(config, make_dataset(), compile_model(model, backend="numpy"), compiled)


LEARNING = {
    "lif, time constants and delays": {
        "recurrent": True, "delay": 0.2, "learn_delays": True, "learn_parameters": ("tau_m",),
        "hidden": (4, 3),
    },
    "theta, phases": {"model": "theta", "readout": "windows", "hidden": (4,)},
}  # fmt: skip


@pytest.mark.parametrize("case", LEARNING)
def test_gradients_by_what_learns_are_differences_of_the_loss(case):
    trainer = make_trainer(**LEARNING[case])
    state = trainer.start()
    arrays, scales = trainer.read_state(state)
    trials, labels = trainer.train_trials, trainer.dataset.train_labels
    stack, readout = trainer.build(arrays, scales)
    found = run_temporal(stack, trials, labels, readout, trainer.logit_loss, parameters=True)[1]
    gradients = trainer.temporal.read_gradients(found, arrays, scales)
    assert set(trainer.temporal.names) == set(arrays)
    rng, largest = np.random.default_rng(1), max(np.abs(g).max() for g in gradients)
    for name, gradient in zip(trainer.temporal.names, gradients, strict=True):
        place = tuple(rng.integers(0, n) for n in arrays[name].shape)
        ends = []
        for change in (1e-6, -1e-6):
            moved = {n: a.copy() for n, a in arrays.items()}
            moved[name][place] += change
            ends.append(trainer.run(moved, scales, trials, labels).loss.mean())
        expected = (ends[0] - ends[1]) / 2e-6
        assert abs(gradient[place] - expected) < 1e-6 * largest, name


def test_neurons_spike_as_often_as_asked_before_training():
    trainer = make_trainer(start_rate=2.0, hidden=(40,))
    assert trainer.evaluate(trainer.start()).spikes_per_hidden_neuron == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("model", ["lif", "nlif", "theta", "qif"])
def test_any_model_learns_two_bars(model):
    trainer = make_trainer(model, epochs=30, hidden=(10,), learning_rate=0.2)
    state = train_network(trainer, trainer.start())
    assert state.rows[-1]["test_accuracy"] == 1.0
    assert state.rows[-1]["train_loss"] < 0.2


def test_spikes_of_lif_appear_and_vanish_and_those_of_theta_do_not():
    totals = {}
    for model in ("lif", "theta"):
        trainer = make_trainer(model, count_jumps=12, epochs=3, hidden=(12,), learning_rate=0.3)
        rows = train_network(trainer, trainer.start()).rows[1:]
        totals[model] = sum(row["spikes_appeared"] + row["spikes_vanished"] for row in rows)
    assert totals["lif"] > 0
    assert totals["theta"] == 0


def test_a_run_that_is_gone_on_with_has_the_same_bits():
    trainer = make_trainer(recurrent=True, delay=0.2, learn_delays=True, epochs=3)
    whole = train_network(trainer, trainer.start())
    half = make_trainer(recurrent=True, delay=0.2, learn_delays=True, epochs=3)
    state = half.start()
    half.run_epoch(state)
    arrays = {name: array.copy() for name, array in half.to_arrays(state).items()}
    again = make_trainer(recurrent=True, delay=0.2, learn_delays=True, epochs=3)
    state = again.from_arrays(arrays, epoch=1, rows=state.rows)
    while not again.is_over(state):
        again.run_epoch(state)
    for a, b in zip(whole.parameters, state.parameters, strict=True):
        assert a.tobytes() == b.tobytes()


def test_training_ends_early_and_goes_back_to_the_best_epoch():
    trainer = make_trainer(epochs=40, patience=2, validation=3, learning_rate=2.0)
    state = train_network(trainer, trainer.start())
    accuracies = [row["test_accuracy"] for row in state.rows]
    assert state.epoch < 40
    assert trainer.evaluate(state).accuracy == max(accuracies)


def test_silent_neurons_are_lifted():
    trainer = make_trainer(lift=0.5)
    state = trainer.start()
    arrays, _ = trainer.read_state(state)
    state.optimiser_state["rates"][:] = [0, 0, 5, 5, 5, 5]
    before = arrays["W0"].copy()
    trainer.run_step(state, np.arange(4), 0.0, np.random.default_rng(0))
    silent = state.optimiser_state["rates"] < 0.02
    np.testing.assert_allclose(arrays["W0"] - before, 0.5 * silent[:, None] * np.ones(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": ()}, "Expected hidden layers for the readout"),
        ({"learn_parameters": ("tau",)}, "to learn but got 'tau'"),
        ({"learn_delays": True}, "Expected delay > 0 for learn_delays"),
        ({"patience": 3}, "Expected validation > 0 for patience"),
        ({"rate_low": 3.0, "rate_high": 1.0}, "Expected rate_low <= rate_high"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"delay": -1.0}, "delay"),
        ({"start_rate": 0.0}, "start_rate"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(options, message):
    with pytest.raises(InputError, match=message):
        make_trainer(**options)


def test_what_first_spikes_do_not_have_is_refused():
    with pytest.raises(InputError, match="Expected a readout of spike trains for recurrent"):
        make_config(recurrent=True)
    config = make_config(readout="count")
    assert change_config(config, readout="maximum").reads_trains
