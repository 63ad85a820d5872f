"""Training on a toy task; `tests/unit/test_evaluate.py` tests the metrics."""

import dataclasses

import numpy as np
import pytest
from toys import TOY, assert_same, make_toy

from derivations import compile_model
from sim.training.config import build_config
from sim.training.train import Trainer, train_network, with_epochs
from spiketheory.errors import CheckpointError, InputError, ModelError, SimulationError


def make_trainer(*, dataset=None, backend="numpy", **changes):
    config = build_config({**TOY, **changes})
    model = compile_model(config.network.model, backend=backend)
    return Trainer(config, dataset or make_toy(), model)


def train(**changes):
    trainer = make_trainer(**changes)
    return trainer, train_network(trainer, trainer.start())


def differ(first, second):
    return any(
        not np.array_equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True)
    )


def through_checkpoint(trainer, state):
    """A state as a new process would get it."""
    arrays = {name: array.copy() for name, array in trainer.to_arrays(state).items()}
    return trainer.from_arrays(arrays, epoch=state.epoch, rows=[dict(r) for r in state.rows])


VARIANTS = {
    "bins": {"encoding": "bins", "n_bins": 3},
    "latency": {"encoding": "latency"},
    "latency with a threshold": {"encoding": "latency", "threshold": 0.5, "first_input": 0.2},
    "flips and shifts": {"encoding": "bins", "n_bins": 3, "flip": 0.1, "shift": 1},
    "shifted latencies": {"encoding": "latency", "shift": 1},
    "in time": {"encoding": "latency", "loss": "first_spike_in_time"},
    "target times": {"encoding": "latency", "loss": "target_time"},
    "another model": {"encoding": "latency", "model": "qif_delta", "parameters": {"I0": 0.5}},
    "no hidden layer": {"encoding": "latency", "hidden": ()},
    "two hidden layers": {"encoding": "latency", "hidden": (4, 3)},
    "plain sgd, constant rate": {"encoding": "latency", "optimiser": "sgd", "schedule": "constant"},
    "adam, cosine": {"encoding": "latency", "optimiser": "adam", "schedule": "cosine"},
    "one sample per step": {"encoding": "latency", "batch": 1, "epochs": 2},
    "one step per epoch": {"encoding": "latency", "batch": 10**6},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_seeds_train_equally_bit_for_bit_and_others_do_not(variant):
    _, first = train(**VARIANTS[variant])
    _, second = train(**VARIANTS[variant])
    assert_same(first, second)
    _, other = train(**VARIANTS[variant], seed=1)
    assert differ(first, other)


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_lowers_the_training_loss(variant):
    changes = {**VARIANTS[variant], "epochs": 6}
    _, state = train(**changes)
    assert [row["epoch"] for row in state.rows] == list(range(7))
    losses = [row["train_loss"] for row in state.rows[1:]]
    assert losses[-1] < losses[0]
    assert all(np.isfinite(v) for row in state.rows[1:] for v in row.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_was_stopped_and_resumed_is_the_same_bit_for_bit(variant):
    changes = VARIANTS[variant]
    trainer, whole = train(**changes)
    partial = trainer.start()

    def stop(state, row):
        if state.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(trainer, partial, on_epoch=stop)
    fresh = make_trainer(**changes)
    resumed = through_checkpoint(fresh, partial)
    assert resumed.epoch == 1
    assert_same(train_network(fresh, resumed), whole)


def test_more_epochs_continue_a_finished_run_as_if_it_had_been_longer():
    trainer, short = train(epochs=2)
    _, whole = train(epochs=4)
    longer = make_trainer(epochs=4)
    assert with_epochs(trainer.config, 4) == longer.config
    assert_same(train_network(longer, through_checkpoint(longer, short)), whole)


def test_a_run_that_stopped_within_an_epoch_repeats_that_epoch():
    trainer, whole = train()
    saved, state = [], trainer.start()

    def stop(progress):
        if progress.epoch == 2 and progress.batch == 2:
            raise KeyboardInterrupt

    def save(state, row):
        saved.append(through_checkpoint(trainer, state))

    with pytest.raises(KeyboardInterrupt):
        train_network(trainer, state, on_batch=stop, on_epoch=save)
    assert saved[-1].epoch == 1
    assert_same(train_network(trainer, saved[-1]), whole)


def test_compiled_training_agrees_with_interpreted_training():
    _, numpy_state = train(encoding="latency", backend="numpy")
    _, numba_state = train(encoding="latency", backend="numba")
    for a, b in zip(numpy_state.parameters, numba_state.parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_epoch_zero_is_the_untrained_network():
    trainer = make_trainer()
    untrained = trainer.evaluate(trainer.start())
    seen = []
    state = train_network(trainer, trainer.start(), on_epoch=lambda s, row: seen.append(dict(row)))
    first = state.rows[0]
    assert first["epoch"] == 0
    assert first["test_loss"] == untrained.loss
    assert first["test_accuracy"] == untrained.accuracy
    assert np.isnan(first["train_loss"])
    assert np.isnan(first["train_accuracy"])
    assert first["seconds"] == first["learning_rate"] == 0.0
    np.testing.assert_equal(seen, state.rows)


def test_a_silent_network_learns_to_spike():
    _, state = train(
        encoding="latency", epochs=40, batch=5, schedule="constant", learning_rate=0.05
    )
    assert state.rows[0]["silent_fraction"] == 1.0
    assert state.rows[0]["spikes_per_hidden_neuron"] == 0.0
    assert state.rows[0]["test_accuracy_ordinary"] == 0.0
    assert state.rows[-1]["test_accuracy"] == 1.0
    assert state.rows[-1]["test_accuracy_ordinary"] > 0.5


def test_the_loss_in_time_learns_to_be_right_by_spikes_alone():
    _, state = train(
        encoding="latency", epochs=40, batch=5, schedule="constant", learning_rate=0.05,
        loss="first_spike_in_time",
    )  # fmt: skip
    assert state.rows[0]["test_accuracy_ordinary"] == 0.0
    assert state.rows[-1]["test_accuracy_ordinary"] == state.rows[-1]["test_accuracy"] == 1.0


def test_the_untrained_network_has_uniform_weights_and_default_phases():
    trainer = make_trainer(hidden=(300, 200), weight_scale=0.5)
    *weights, initial = trainer.start().parameters
    assert [w.shape for w in weights] == [(6, 300), (300, 200), (200, 3)]
    for w in weights:
        bound = 0.5 / np.sqrt(len(w))
        assert np.abs(w).max() <= bound
        assert np.abs(w).max() > 0.98 * bound
        assert abs(w.mean()) < 0.05 * bound
    np.testing.assert_allclose(initial, 3.0, rtol=1e-12)  # half the period 6
    assert initial.shape == (503,)


def test_initial_phases_stay_within_their_bounds():
    trainer, state = train(learning_rate=3.0, optimiser="adam", schedule="constant")
    lower, upper, _ = trainer.network(state).initial_bounds
    initial = state.parameters[-1]
    assert initial.min() >= lower
    assert initial.max() <= upper
    assert np.any((initial == lower) | (initial == upper))


def test_the_callbacks_see_every_batch_and_the_rate_falls():
    seen = []
    trainer = make_trainer(epochs=2, schedule="cosine")
    state = train_network(trainer, trainer.start(), on_batch=seen.append)
    assert [(p.epoch, p.batch) for p in seen] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert {(p.epochs, p.batches) for p in seen} == {(2, 3)}
    last_of_epoch = [p for p in seen if p.batch == p.batches]
    assert [p.loss for p in last_of_epoch] == [row["train_loss"] for row in state.rows[1:]]
    assert [p.accuracy for p in last_of_epoch] == [row["train_accuracy"] for row in state.rows[1:]]
    assert state.rows[2]["learning_rate"] < state.rows[1]["learning_rate"] < 2e-2


def test_every_epoch_sees_every_sample_once_in_another_order():
    trainer = make_trainer()
    orders = [
        np.concatenate(list(trainer.split_batches(np.random.default_rng(seed)))) for seed in (0, 1)
    ]
    for order in orders:
        assert sorted(order) == list(range(20))
    assert not np.array_equal(*orders)


def test_compiling_changes_nothing():
    trainer = make_trainer()
    state, other = trainer.start(), trainer.start()
    trainer.compile(state)
    assert_same(state, other)


def test_augmentation_changes_training_inputs_only_and_leaves_the_data_alone():
    trainer = make_trainer(encoding="bins", n_bins=3, flip=0.5, shift=1)
    indices = np.arange(10)
    before = trainer.train_events.bins.copy()
    events = trainer.augment(indices, np.random.default_rng(0))
    assert not np.array_equal(events.bins, before[indices])
    np.testing.assert_array_equal(trainer.train_events.bins, before)
    plain = make_trainer(encoding="bins", n_bins=3)
    np.testing.assert_array_equal(trainer.test.events.bins, plain.test.events.bins)
    unchanged = plain.augment(indices, np.random.default_rng(0))
    np.testing.assert_array_equal(unchanged.bins, before[indices])


def test_shifted_latencies_keep_their_times_and_lose_what_leaves_the_image():
    trainer = make_trainer(encoding="latency", shift=1)
    indices = np.arange(20)
    events = trainer.augment(indices, np.random.default_rng(0))
    original = trainer.train_inputs.times
    for i, count in enumerate(events.counts):
        assert count in (2, 3, 4, 6)  # of 2x3 pixels
        assert set(events.times[i, :count]) <= set(original[i])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"parameters": {"tau": 0.0}}, ModelError, "Expected tau > 0 but got tau=0.0"),
        ({"parameters": {"rho": 1.0}}, ModelError, "Expected parameters of theta .* but got 'rho'"),
        ({"shift": 2}, InputError, "Expected shift below 2, the size of the images of toy, but go"),
        ({"n_bins": 64}, InputError, "Expected n_bins to be a whole number from 1 to 63 but got n"),
        ({"hidden": (10**9,)}, InputError, "the 9,000,000,000 weights of these layers need about"),
        ({"hidden": (10**5, 10**5, 10**5)}, InputError, "Expected a network that fits into"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_training_starts(changes, error, message):
    with pytest.raises(error, match=message) as caught:
        make_trainer(**changes)
    assert "; " in str(caught.value)


def test_shifting_what_is_no_image_is_refused_before_training_starts():
    plain = dataclasses.replace(make_toy(), image_shape=None)
    with pytest.raises(InputError, match="Expected images for shift, turn or zoom > 0 but toy has"):
        make_trainer(dataset=plain, shift=1)
    assert make_trainer(dataset=plain).sizes == (6, 5, 3)


def test_a_model_without_pseudospikes_is_refused_before_training_starts():
    model = dataclasses.replace(compile_model("theta", backend="numpy"), has_pseudospikes=False)
    with pytest.raises(InputError, match=r"Expected a model with pseudospikes .* theta has none"):
        Trainer(build_config(TOY), make_toy(), model)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("optimiser", ["sgd", "adabelief"])
def test_a_training_that_diverges_says_in_which_epoch_and_what_helps(optimiser):
    trainer = make_trainer(
        encoding="latency", learning_rate=1e308, schedule="constant", optimiser=optimiser
    )
    state = trainer.start()
    with (
        np.errstate(all="ignore"),
        pytest.raises(SimulationError, match=r"but in epoch 1 .*; lower the learning rate\.$"),
    ):
        train_network(trainer, state)
    assert state.epoch == 0
    assert [row["epoch"] for row in state.rows] == [0]


def test_a_state_survives_its_arrays_and_shares_nothing_with_them():
    trainer, state = train()
    arrays = trainer.to_arrays(state)
    copied = trainer.from_arrays(arrays, epoch=state.epoch, rows=state.rows)
    assert_same(copied, state)
    arrays["W0"][:] = 0
    assert copied.parameters[0].any()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.pop("W1"), r"Expected W1 of shape \(5, 3\) .* but got nothing"),
        (
            lambda a: a.pop("optimiser_step"),
            r"Expected optimiser_step of shape \(\) .* got nothing",
        ),
        (lambda a: a.update(W0=np.zeros((6, 4))), r"Expected W0 .* got float64 of shape \(6, 4\)"),
        (lambda a: a.update(W0=np.zeros((6, 5), "f4")), r"Expected W0 .* but got float32 of shape"),
        (
            lambda a: a.update(W2=np.zeros((3, 3))),
            r"Expected the arrays W0, W1, .* but got also W2",
        ),
    ],
)
def test_arrays_of_another_configuration_are_refused(damage, message):
    trainer = make_trainer()
    arrays = trainer.to_arrays(trainer.start())
    damage(arrays)
    with pytest.raises(CheckpointError, match=f"{message}.*; it belongs to another configuration"):
        trainer.from_arrays(arrays, epoch=0, rows=[])


@pytest.mark.parametrize("optimiser", ["adabelief", "adam", "sgd"])
def test_frozen_hidden_layers_stay_and_the_outputs_learn(optimiser):
    trainer = make_trainer(hidden=(4, 3), freeze="hidden", optimiser=optimiser)
    before = trainer.start()
    state = train_network(trainer, trainer.start())
    for old, new in zip(before.parameters[:2], state.parameters[:2], strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before.parameters[2], state.parameters[2])
    np.testing.assert_array_equal(before.parameters[3][:7], state.parameters[3][:7])
    assert not np.array_equal(before.parameters[3][7:], state.parameters[3][7:])


def test_a_run_of_an_earlier_version_goes_on_with_its_validation_metrics_apart():
    toy = make_toy()
    dataset = dataclasses.replace(
        toy, validation_inputs=toy.test_inputs[:4], validation_labels=toy.test_labels[:4]
    )
    trainer = make_trainer(dataset=dataset, validation=4)
    state = train_network(trainer, trainer.start())
    old = [
        {n.replace("validation_", "test_"): v for n, v in r.items() if not n.startswith("test_")}
        for r in state.rows
    ]
    found = trainer.from_arrays(trainer.to_arrays(state), epoch=3, rows=old)
    for row, wanted in zip(found.rows, state.rows, strict=True):
        assert row.keys() == wanted.keys()
        assert row["validation_accuracy"] == wanted["validation_accuracy"]
        assert np.isnan(row["test_accuracy"])
