"""Training with a readout of spike trains: gradients by what learns, jumps, bits, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from derivations import compile_model, compile_readout
from sim.temporal.batch import run_temporal
from sim.training.config import change_config, make_config
from sim.training.data import Dataset
from sim.training.decorrelate import decorrelate
from sim.training.temporal_model import TemporalModel
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
        validation_inputs=inputs[::3], validation_labels=labels[::3],
    )  # fmt: skip


def make_trainer(model="lif", readout="leaky_integrator", dataset=None, **options):
    settings = {"hidden": (6,), "batch": 4, "epochs": 2, "count_jumps": 0, "warm_up": 0.0,
                "validation": 0} | options  # fmt: skip
    config = make_config(readout=readout, model=model, **settings)
    compiled = compile_readout(readout, backend="numpy", **config.readout.parameters)
    model = compile_model(model, backend="numpy")
    return TemporalTrainer(config, dataset or make_dataset(), model, compiled)


LEARNING = {
    "lif, time constants and delays": {
        "recurrent": True, "delay": 0.2, "learn_delays": True, "learn_parameters": ("tau_m",),
        "hidden": (4, 3),
    },
    "theta, phases": {"model": "theta", "readout": "windows", "hidden": (4,)},
    "theta, a centred readout": {
        "model": "theta", "readout": "windows", "hidden": (4,), "centred": True,
        "readout_rate": 4.0,
    },
    "theta, a readout in other coordinates": {
        "model": "theta", "readout": "windows", "hidden": (4,), "decorrelate": 0.1,
    },
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


def test_logits_of_a_centred_readout_are_on_average_the_bias_before_training():
    trainer = make_trainer("theta", "windows", hidden=(4,), centred=True)
    arrays, scales = trainer.read_state(trainer.start())
    arrays["bias"] += 0.7
    logits = trainer.run(arrays, scales, trainer.train_trials, trainer.dataset.train_labels).logits
    np.testing.assert_allclose(logits.mean(axis=0), 0.7, rtol=1e-12)
    assert logits.std() == pytest.approx(0.3, rel=0.2)


def test_what_a_decorrelated_readout_learns_weighs_uncorrelated_numbers():
    features = np.random.default_rng(0).normal(size=(500, 6)) @ np.diag([9, 3, 1, 1, 0.5, 0.1])
    features[:, 1] += 2 * features[:, 0] + 5
    mixing = decorrelate(features.reshape(500, 3, 2), 1e-9)
    covariance = np.cov((features @ mixing).T, bias=True)
    np.testing.assert_allclose(
        covariance, covariance[0, 0] * np.eye(6), atol=1e-4 * covariance[0, 0]
    )
    np.testing.assert_allclose(np.sum(mixing**2), 6)
    np.testing.assert_array_equal(decorrelate(np.ones((5, 2, 1)), 0.1), np.eye(2))


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


ALL_THAT_LEARNS = {
    "recurrent": True, "delay": 0.2, "learn_delays": True, "epochs": 3, "clip_sample": 1.5,
    "validation": 8, "patience": 3, "schedule": "plateau", "optimiser": "adabelief",
    "warm_up": 0.5, "smoothing": 0.1, "class_weights": (1.0, 2.0), "test_every": 2,
}  # fmt: skip


def test_a_run_that_is_gone_on_with_has_the_same_bits():
    trainer = make_trainer(**ALL_THAT_LEARNS)
    whole = train_network(trainer, trainer.start())
    half = make_trainer(**ALL_THAT_LEARNS)
    state = half.start()
    row = half.evaluate(state)
    half.add_row(state, row.loss, row.accuracy, 0.0, 0.0)
    half.run_epoch(state)
    arrays = {name: array.copy() for name, array in half.to_arrays(state).items()}
    again = make_trainer(**ALL_THAT_LEARNS)
    state = again.from_arrays(arrays, epoch=1, rows=state.rows)
    while not again.is_over(state):
        again.run_epoch(state)
    ends = again.to_arrays(state)
    for name, array in trainer.to_arrays(whole).items():
        assert array.tobytes() == ends[name].tobytes(), name
    for one, other in zip(whole.rows[1:], state.rows[1:], strict=True):
        for name in one.keys() - {"seconds"}:
            np.testing.assert_equal(one[name], other[name])


def test_training_ends_early_and_goes_back_to_the_best_epoch():
    trainer = make_trainer(epochs=40, patience=2, validation=8, learning_rate=2.0)
    seen = []
    state = train_network(
        trainer, trainer.start(),
        on_epoch=lambda state, row: seen.append([p.copy() for p in state.parameters]),
    )  # fmt: skip
    accuracies = [row["validation_accuracy"] for row in state.rows]
    best = accuracies.index(max(accuracies))
    assert state.epoch == best + 2 < 40
    for array, kept in zip(state.parameters, seen[best], strict=True):
        np.testing.assert_array_equal(array, kept)
    assert trainer.evaluate(state).accuracy == max(accuracies)
    found = trainer.evaluate(state, trainer.test)
    assert state.rows[-1]["test_accuracy"] == found.accuracy


def test_the_test_set_is_looked_at_once_at_the_end_unless_asked():
    looked = {}
    for every in (0, 2):
        trainer = make_trainer(epochs=5, validation=8, test_every=every)
        rows = train_network(trainer, trainer.start()).rows
        looked[every] = [row["epoch"] for row in rows if np.isfinite(row["test_accuracy"])]
        assert all(np.isfinite(row["validation_accuracy"]) for row in rows)
    assert looked == {0: [5], 2: [0, 2, 4, 5]}
    trainer = make_trainer(epochs=2)
    rows = train_network(trainer, trainer.start()).rows
    assert all(np.isfinite(row["test_accuracy"]) for row in rows)
    assert not any("validation_accuracy" in row for row in rows)


def test_validation_decides_and_the_test_set_does_not():
    """Other test samples leave the training as it was."""
    options = {"epochs": 6, "validation": 8, "patience": 2, "schedule": "plateau"}
    found = []
    for labels in (make_dataset().test_labels, 1 - make_dataset().test_labels):
        dataset = replace(make_dataset(), test_labels=labels)
        trainer = make_trainer(dataset=dataset, **options)
        found.append(train_network(trainer, trainer.start()))
    assert found[0].rows[-1]["test_accuracy"] == 1.0 - found[1].rows[-1]["test_accuracy"]
    for one, other in zip(found[0].parameters, found[1].parameters, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_frozen_stays_and_the_readout_learns():
    trainer = make_trainer(
        freeze="hidden", recurrent=True, delay=0.2, learn_delays=True, epochs=3, rate_cost=1.0,
        learn_parameters=("tau_m",), learning_rate=0.3, optimiser="adabelief", clip_sample=1.0,
    )  # fmt: skip
    before = trainer.start().parameters
    state = train_network(trainer, trainer.start())
    names = trainer.temporal.names
    changed = [
        name for name, old, new in zip(names, before, state.parameters, strict=True)
        if not np.array_equal(old, new)
    ]  # fmt: skip
    assert changed == ["readout", "bias"]
    assert state.rows[-1]["train_loss"] < state.rows[1]["train_loss"]


def test_samples_are_shortened_to_some_medians_of_the_norms_before():
    trainer = make_trainer(clip_sample=2.0, clip=0.0, optimiser="sgd")
    state = trainer.start()
    stack, readout = trainer.build(*trainer.read_state(state))
    units = trainer.temporal.list_units(trainer.read_state(state)[1])
    rng, indices = np.random.default_rng(0), np.array([0, 1, 2, 3])
    norms = []
    for k in range(12):
        trials, labels = trainer.train_trials.take(np.array([k])), trainer.dataset.train_labels[[k]]
        found = run_temporal(stack, trials, labels, readout, trainer.logit_loss)[1]
        gradients = trainer.temporal.read_gradients(found, *trainer.read_state(state))
        wanted = [g for n, g in zip(trainer.temporal.names, gradients, strict=True) if n[0] == "W"]
        norms.append(np.sqrt(sum(np.vdot(g, g) for g in wanted)))
    batch = stack, trainer.train_trials.take(indices), None, readout, trainer.logit_loss
    labels = trainer.dataset.train_labels[indices]
    first = trainer.choose_clip(state.kept, trainer.read_state(state)[1],
                                (*batch[:2], labels, *batch[3:]))  # fmt: skip
    assert first.limit == pytest.approx(2.0 * np.median(norms[:4]), rel=1e-12)
    assert first.units == units
    trainer.run_step(state, indices, 0.0, rng)
    np.testing.assert_allclose(state.kept["sample_norms"][-4:], norms[:4], rtol=1e-12)
    trainer.run_step(state, np.arange(4, 12), 0.0, rng)
    later = trainer.choose_clip(state.kept, trainer.read_state(state)[1], None)
    assert later.limit == pytest.approx(2.0 * np.median(norms), rel=1e-12)


def test_balanced_classes_weigh_as_much_as_each_other():
    dataset = make_dataset()
    few = np.flatnonzero(dataset.train_labels == 0)[:2]
    chosen = np.sort([*few, *np.flatnonzero(dataset.train_labels == 1)])  # 2 and 6 samples
    dataset = replace(
        dataset, train_inputs=dataset.train_inputs[chosen],
        train_labels=dataset.train_labels[chosen],
    )  # fmt: skip
    trainer = make_trainer(dataset=dataset, class_weights="balanced")
    assert trainer.logit_loss.class_weights == (8 / (2 * 2), 8 / (2 * 6))
    assert make_trainer(class_weights=[3, 1]).logit_loss.class_weights == (3.0, 1.0)
    assert make_trainer().logit_loss.class_weights == ()
    alone = replace(dataset, train_labels=np.ones_like(dataset.train_labels))
    with pytest.raises(InputError, match="balanced but class 0 of bars has none; give a list of 2"):
        make_trainer(dataset=alone, class_weights="balanced")


def test_weights_start_alike_in_neighbouring_channels_of_one_line():
    config = {"dataset": "fsdd", "readout": "windows", "hidden": (200,)}
    starts = []
    for lines, width in ((1, 0.0), (1, 3.0), (2, 3.0)):
        model = TemporalModel(
            config=make_config(**config, smooth_start=width, encoder={"lines": lines}),
            model=compile_model("theta", backend="numpy"), n_inputs=40, n_outputs=10,
            readout=compile_readout("windows", backend="numpy", n_windows=2),
        )  # fmt: skip
        starts.append(model.start(np.random.default_rng(0)))
    rough, smooth, by_line = (arrays["W0"] for arrays in starts)

    def correlate(weights, channel):
        return np.corrcoef(weights[:, channel], weights[:, channel + 1])[0, 1]

    assert abs(correlate(rough, 19)) < 0.3
    assert correlate(smooth, 19) > 0.9
    assert correlate(by_line, 18) > 0.9
    assert abs(correlate(by_line, 19)) < 0.3  # the last channel of one line, the first of another
    for weights in (smooth, by_line):
        assert weights.std() == pytest.approx(1.0, rel=0.02)
        assert weights.mean() == pytest.approx(0.3, abs=0.1)
    np.testing.assert_array_equal(starts[0]["readout"], starts[1]["readout"])


def test_silent_neurons_are_lifted():
    trainer = make_trainer(lift=0.5)
    state = trainer.start()
    arrays, _ = trainer.read_state(state)
    state.kept["rates"][:] = [0, 0, 5, 5, 5, 5]
    before = arrays["W0"].copy()
    trainer.run_step(state, np.arange(4), 0.0, np.random.default_rng(0))
    silent = state.kept["rates"] < 0.02
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
        ({"clip_sample": -1.0}, "Expected a finite 0 <= clip_sample but got clip_sample=-1.0"),
        ({"warm_up": float("nan")}, "Expected a finite 0 <= warm_up but got warm_up=nan"),
        ({"class_weights": "some"}, "Expected class_weights to be one of balanced, equal"),
        ({"class_weights": [1.0, 0.0]}, "Expected every one of class_weights > 0 but got"),
        (
            {"class_weights": [1.0]},
            "Expected 2 class_weights, one for each class of bars",
        ),
        (
            {"class_weights": 3.0},
            "Expected class_weights to be a text or a list of numbers",
        ),
        ({"plateau_epochs": 0}, "Expected plateau_epochs to be a whole number of at least 1"),
        ({"schedule": "plateau", "plateau_factor": 1.0}, "Expected a plateau's factor between 0"),
        ({"freeze": "all"}, "Expected freeze to be one of hidden, none but got 'all'"),
        ({"freeze": "hidden", "hidden": ()}, "Expected hidden layers for freeze = hidden but got"),
        ({"test_every": -1}, "Expected test_every to be a whole number of at least 0 but got -1"),
        ({"validation_groups": ["ann"]}, r"Expected a trials file \(.npz\) for validation_groups"),
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"hidden": (3000,), "recurrent": True},
            r"Expected a training that fits into 0\.1 GiB of memory but it needs about 0\.9 GiB: "
            r"0\.5 GiB for 9,021,000 weights, .*, 0\.\d GiB for the states .*; choose fewer",
        ),
        (
            {"hidden": (900, 900), "start_rate": 30.0},
            r"GiB for the states of hidden neurons at up to 5 instants of input, on each of 3 ",
        ),
    ],
)
def test_a_training_that_does_not_fit_is_refused_before_it_starts(options, message, monkeypatch):
    monkeypatch.setattr("spiketheory.memory.get_memory_size", lambda: 2**27)
    monkeypatch.setenv("SPIKETHEORY_THREADS", "3")
    make_trainer(hidden=(30,))
    with pytest.raises(InputError, match=message):
        make_trainer(**options)
