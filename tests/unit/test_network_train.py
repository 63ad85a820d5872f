"""Training of described networks: gradients, losses, resuming, and what is refused."""

import json
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from derivations import compile_model, read_neuron_model
from sim.cluster.data_parallel import train_on_cluster
from sim.engine.choose import choose_engine
from sim.files.network_file import Learnable, read_network_file
from sim.files.trials_file import TrialsFile, write_trials_file
from sim.inputs.trials import Trials
from sim.training.learner import Learner
from sim.training.networks.network_config import read_training
from sim.training.networks.network_run import (
    draw_network_run,
    load_network_run,
    read_network_checkpoint,
    start_network_run,
)
from sim.training.networks.network_train import NetworkTrainer, read_own_trial, train_described
from spiketheory.errors import CheckpointError, InputError, SimulationError

ROOT = Path(__file__).resolve().parents[2]
RECURRENT = ROOT / "examples" / "learning" / "recurrent_network.toml"
TEXT = """
version = 2
[network]
duration = 4.0
[populations.a]
model = "qif"
size = 2
parameters = {tau_m = [1.0, 1.2]}
initial = {V = 0.1}
learn = ["V", "I", "tau_m", "tau_s"]
[populations.b]
model = "theta"
size = 1
learn = ["phi0", "I0"]
[inputs.one]
size = 1
times = [0.2, 1.1]
[inputs.two]
size = 2
times = [0.4, 0.9, 2.0]
channels = [0, 1, 1]
[[projections]]
pre = "one"
post = "a"
weights = [[5.0], [0.0]]
learn = true
[[projections]]
pre = "two"
post = "a"
weights = [[0.0, 4.0], [6.0, 0.0]]
mask = [[false, true], [true, true]]
delay = [0.1, 0.2, 0.3]
learn = ["weights", "delays"]
[[projections]]
pre = "a"
post = "b"
edges = [[1, 0, 0.4], [0, 0, 0.3]]
delay = 0.5
learn = ["delays", "weights"]
[readouts.all]
population = "a"
[readouts.last]
population = "b"
n_spikes = 2
[loss]
kind = "target_time"
readout = "last"
targets = [[1.0, 3.0]]
[training]
steps = 4
learning_rate = 0.01
"""
LAYERS = """
version = 2
[network]
duration = 2.0
[populations.hidden]
model = "theta"
size = 4
parameters = {tau = 1.9, I0 = 1.25}
learn = ["phi0"]
[populations.output]
model = "theta"
size = 2
parameters = {tau = 1.9, I0 = 1.25}
[inputs.world]
size = 2
[[projections]]
pre = "world"
post = "hidden"
weight = {uniform = [-1.0, 2.0]}
learn = true
[[projections]]
pre = "hidden"
post = "output"
weight = {uniform = [-1.0, 2.0]}
learn = true
[loss]
kind = "first_spike"
[training]
epochs = 3
batch = 7
learning_rate = 0.02
schedule = "cosine"
"""


def compile_numpy(name):
    return compile_model(name, backend="numpy")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def make_trainer(path, **changes):
    file = read_network_file(path, compile_model=compile_numpy)
    return NetworkTrainer(file, read_training(path, {**file.training, **changes}), None)


def write_labelled(path, n=20):
    """Two classes: the channel that spikes twice."""
    rng = np.random.default_rng(2)
    labels = np.arange(n) % 2
    trains = [[rng.uniform(0, 2, 1 + (k == label)) for k in range(2)] for label in labels]
    write_trials_file(
        path, TrialsFile(trials=Trials.from_trains(trains), duration=2.0, labels=labels)
    )


def test_gradients_by_all_that_learns_are_slopes(tmp_path):
    trainer = make_trainer(write(tmp_path / "net.toml", TEXT))
    state = trainer.start()
    outcome, found = trainer.compute(state, trainer.train, gradient=True)
    assert np.isfinite(outcome.loss).all()
    assert sum(len(a) for a in state.parameters) == 2 + 3 + 3 + 2 + 2 + 2 + 2 + 2 + 1 + 1 + 1
    step, checked = 1e-6, 0
    for array, gradient in zip(state.parameters, found, strict=True):
        for k in range(len(array)):
            kept, losses = array[k], []
            for sign in (1, -1):
                array[k] = kept + sign * step
                shifted, _ = trainer.compute(state, trainer.train, gradient=False)
                losses.append(shifted.loss[0])
            array[k] = kept
            assert gradient[k] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=2e-6)
            checked += abs(gradient[k]) > 1e-5
    assert checked >= 12


def test_a_network_is_rebuilt_from_what_learns(tmp_path):
    trainer = make_trainer(write(tmp_path / "net.toml", TEXT))
    learner = trainer.learner
    assert learner.names[:2] == ["weights_0", "weights_1"]
    arrays = learner.start()
    for array in arrays:
        array += 0.25
    rebuilt = Learner(learner.build(arrays), learner.learn)
    for again, array in zip(rebuilt.start(), arrays, strict=True):
        np.testing.assert_array_equal(again, array)
    assert rebuilt.network.projections[1].mask.tolist() == [[False, True], [True, True]]
    arrays[learner.learn.index(Learnable("delays", 1))][:] = -1.0
    phase = arrays[learner.learn.index(Learnable("initial", 1, "phi0"))]
    phase[:] = 1e3
    learner.constrain(arrays)
    assert learner.build(arrays).projections[1].edge_delays.tolist() == [0, 0, 0]
    assert phase[0] < 1e3


def test_the_experiment_of_the_paper_learns_as_it_did_as_a_script():
    with open(ROOT / "tests" / "data" / "recurrent_network.json") as file:
        wanted = json.load(file)
    trainer = make_trainer(RECURRENT, steps=6)
    state = trainer.start()
    assert train_described(trainer, state)
    losses = [row["loss"] for row in state.rows]
    np.testing.assert_allclose(losses, wanted["losses"], rtol=1e-12, atol=0)
    outcome, _ = trainer.compute(state, trainer.test, gradient=False)
    np.testing.assert_allclose(outcome.output_times[0], wanted["outputs_after"], rtol=1e-12)
    assert [row["epoch"] for row in state.rows] == list(range(7))


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path):
    path = write(tmp_path / "net.toml", TEXT)

    def start(folder, epochs):
        return start_network_run(
            path, compile_model=compile_numpy, folder=tmp_path / folder,
            options={"epochs": epochs},
        )  # fmt: skip

    whole = start("whole", 5)
    train_described(whole.trainer, whole.state)
    part = start("part", 2)
    train_described(part.trainer, part.state)
    part.save()
    folder = tmp_path / "part"
    resumed = load_network_run(
        folder, read_network_checkpoint(folder), compile_model=compile_numpy, epochs=5
    )
    train_described(resumed.trainer, resumed.state)
    for a, b in zip(whole.state.parameters, resumed.state.parameters, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [r["loss"] for r in whole.state.rows] == [r["loss"] for r in resumed.state.rows]
    assert [r["epoch"] for r in resumed.state.rows] == list(range(6))
    assert [p.name for p in draw_network_run(resumed)] == ["loss.png", "spikes.png"]
    again = load_network_run(
        folder / "checkpoint.npz", read_network_checkpoint(folder), compile_model=compile_numpy
    )
    assert again.trainer.settings.epochs == 2
    with pytest.raises(InputError, match="Expected at least 2 steps, which this run has behind"):
        load_network_run(
            folder, read_network_checkpoint(folder), compile_model=compile_numpy, epochs=1
        )


def test_a_run_keeps_its_model_file(tmp_path):
    text = read_neuron_model("qif_delta").to_toml()
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "mine.toml", text)
    changed = TEXT.replace('"qif"', '"mine.toml"').replace('"I", "tau_m", "tau_s"', "")
    changed = re.sub(r"parameters = \{tau_m.*\n", "", changed)
    path = write(tmp_path / "in" / "net.toml", changed)
    options = {"compile_model": compile_numpy, "options": {}, "folder": tmp_path / "run"}
    run = start_network_run(path, **options)
    run.save()
    assert (tmp_path / "run" / "model0.toml").read_text() == text
    (tmp_path / "in" / "mine.toml").unlink()
    folder = tmp_path / "run"
    found = load_network_run(folder, read_network_checkpoint(folder), compile_model=compile_numpy)
    np.testing.assert_array_equal(found.state.parameters[0], run.state.parameters[0])
    write(folder / "model0.toml", text.replace("V - 1", "V - 2"))
    with pytest.raises(CheckpointError, match="their equations have changed"):
        load_network_run(folder, read_network_checkpoint(folder), compile_model=compile_numpy)


def test_layers_learn_the_labels_of_a_trials_file(tmp_path):
    write_labelled(tmp_path / "t.npz")
    path = write(tmp_path / "net.toml", LAYERS + "dataset = 't.npz'")
    run = start_network_run(path, compile_model=compile_numpy, options={}, folder=tmp_path / "r")
    trainer, state = run.trainer, run.state
    assert choose_engine(trainer.network(state)).engine.name == "layers"
    assert train_described(trainer, state)
    assert [row["epoch"] for row in state.rows] == [0, 1, 2, 3]
    assert state.rows[-1]["train_loss"] < state.rows[1]["train_loss"]
    assert set(state.rows[-1]) == set(state.rows[0])
    assert 0 <= state.rows[-1]["test_accuracy"] <= 1
    run.save()
    assert run.tables["training"]["dataset"] == str(tmp_path / "t.npz")
    draw_network_run(run)
    assert (tmp_path / "r" / "metrics.csv").read_text().count("\n") == 5


def test_engines_agree_on_the_steps_of_layers(tmp_path):
    write_labelled(tmp_path / "t.npz")
    path = write(tmp_path / "net.toml", LAYERS + "dataset = 't.npz'")
    found = []
    for engine in ("layers", "events"):
        run = start_network_run(
            path, compile_model=compile_numpy, folder=tmp_path / engine,
            options={"engine": engine, "epochs": 1},
        )  # fmt: skip
        train_described(run.trainer, run.state)
        found.append(run.state)
    for a, b in zip(found[0].parameters, found[1].parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


class Here:
    """A cluster of three workers, all of which are this process."""

    def __init__(self):
        self.parts = 0

    def nthreads(self):
        return dict.fromkeys("abc", 1)

    def submit(self, function, *arguments, **_):
        self.parts += 1
        return function(*arguments)

    def gather(self, found):
        return found


def test_layers_learn_the_same_on_workers_to_the_last_bit(tmp_path):
    pytest.importorskip("distributed")
    write_labelled(tmp_path / "t.npz", n=40)
    path = write(tmp_path / "net.toml", LAYERS + "dataset = 't.npz'")
    found = []
    for client in (None, Here()):
        run = start_network_run(
            path, compile_model=compile_numpy, folder=tmp_path / f"r{len(found)}",
            options={"epochs": 2, "batch": 20},
        )  # fmt: skip
        with (
            train_on_cluster(
                run, client, root=None, compile_model=compile_numpy, compile_readout=None
            )
            if client
            else nullcontext()
        ):
            train_described(run.trainer, run.state)
        found.append(run.state)
        run.close()
    assert client.parts == 2 * 2 * 2  # epochs, batches, blocks
    for a, b in zip(found[0].parameters, found[1].parameters, strict=True):
        assert a.tobytes() == b.tobytes()
    assert found[0].rows[-1]["train_loss"] == found[1].rows[-1]["train_loss"]


def test_what_workers_cannot_share_says_why(tmp_path):
    pytest.importorskip("distributed")
    write_labelled(tmp_path / "t.npz")
    layers = LAYERS + "dataset = 't.npz'"
    for text, reason in (
        (TEXT, "it learns one trial"),
        (layers + "\nengine = 'events'", "the engine 'events' runs it, since it was asked for"),
        (layers.replace('["phi0"]', '["phi0", "tau"]'), "delays or parameters learn"),
    ):
        run = start_network_run(
            write(tmp_path / "net.toml", text), compile_model=compile_numpy, options={},
            folder=tmp_path / "r",
        )  # fmt: skip
        with (
            pytest.raises(InputError, match=reason),
            train_on_cluster(
                run, Here(), root=None, compile_model=compile_numpy, compile_readout=None
            ),
        ):
            pass
        run.close()


def test_a_long_gradient_is_clipped(tmp_path):
    path = write(tmp_path / "net.toml", TEXT)
    settings = {"optimiser": "sgd", "clip": 1e-3, "schedule": "constant", "learning_rate": 1.0}
    trainer = make_trainer(path, **settings)
    state = trainer.start()
    before = [p.copy() for p in state.parameters]
    trainer.run_epoch(state)
    moved = [a - b for a, b in zip(state.parameters, before, strict=True)]
    assert np.sqrt(sum((m**2).sum() for m in moved)) == pytest.approx(1e-3)


def test_training_that_breaks_down_says_so(tmp_path):
    path = write(tmp_path / "net.toml", TEXT)
    trainer = make_trainer(path, learning_rate=1e5, optimiser="sgd")
    with pytest.raises(SimulationError, match=r"after \d+ steps .*; lower the learning rate"):
        train_described(trainer, trainer.start())


def test_training_may_be_stopped(tmp_path):
    trainer = make_trainer(write(tmp_path / "net.toml", TEXT))
    state = trainer.start()
    assert not train_described(trainer, state, on_epoch=lambda state: state.epoch == 2)
    assert [row["epoch"] for row in state.rows] == [0, 1, 2]


def test_channels_of_several_inputs_are_counted_through(tmp_path):
    network = read_network_file(write(tmp_path / "n.toml", TEXT), compile_model=compile_numpy)
    trial = read_own_trial(network.network)
    assert trial.time.tolist() == [0.2, 0.4, 0.9, 1.1, 2.0]
    assert trial.channel.tolist() == [0, 1, 2, 0, 2]


REFUSED = [
    ("steps = 4", "steps = 4\nepochs = 3", "Expected steps or epochs in .training."),
    ("steps = 4", "steps = 0", r"Expected epochs to be .* at least 1 .*\(\[training\] of"),
    ("steps = 4", "steps = 1.5", r"Expected epochs in \[training\] .* to be a whole number"),
    ("steps = 4", "step = 4", r"Expected steps, epochs, .* in \[training\] .* but got 'step'"),
    ("steps = 4", "steps = 4\ndataset = 't.npz'", "Expected epochs with a dataset"),
    ("steps = 4", "clip = 0.0", "Expected clip > 0 but got clip=0.0"),
    ("steps = 4", "optimiser = 'lion'", "Expected optimiser to be one of"),
    ("steps = 4", "engine = 'fast'", "Expected engine to be one of auto"),
    ("learn =", "#", "Expected something that learns but got none; add learn = true"),
    (TEXT[TEXT.index("[loss]") : TEXT.index("[training]")], "", r"Expected \[loss\] in a network"),
    ("targets = [[1.0, 3.0]]", "", "Expected targets in"),
    ("version = 2", "", "Expected version = 2 in .* to train a described network but got none"),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED, ids=[m[:30] for *_, m in REFUSED])
def test_a_description_that_cannot_be_trained_is_refused(tmp_path, old, new, message):
    assert old in TEXT
    path = write(tmp_path / "net.toml", TEXT.replace(old, new))
    with pytest.raises(InputError) as caught:
        start_network_run(path, compile_model=compile_numpy, options={}, folder=tmp_path / "run")
    assert re.search(message, str(caught.value)), str(caught.value)
    assert not (tmp_path / "run").exists()


def test_labels_are_needed_and_must_fit_the_readout(tmp_path):
    path = write(tmp_path / "net.toml", LAYERS)
    options = {"compile_model": compile_numpy, "folder": tmp_path / "run"}
    with pytest.raises(InputError, match="Expected labels but the network's own trial has none"):
        start_network_run(path, options={}, **options)
    trials = Trials.from_trains([[[0.1], []]] * 6)
    content = TrialsFile(trials=trials, duration=2.0, labels=np.array([2] * 6))
    write_trials_file(tmp_path / "t.npz", content)
    with pytest.raises(InputError, match="Expected labels below 2, the number of neurons of the"):
        start_network_run(path, options={"dataset": str(tmp_path / "t.npz")}, **options)
