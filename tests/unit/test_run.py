import errno

import numpy as np
import pytest
from toys import TOY, assert_same, make_toy

from derivations import compile_model, import_generated, read_neuron_model
from sim.training import run_folder as module
from sim.training.checkpoint import load_checkpoint, save_checkpoint
from sim.training.config import build_config, config_to_dict, read_config
from sim.training.run_folder import (
    Run,
    choose_folder,
    draw_run,
    load_run,
    open_folder,
    read_run,
    restore_state,
    resume_run,
    start_run,
)
from sim.training.train import train_network
from spiketheory.errors import CheckpointError, InputError, ModelError

FILES = {"config.toml", "metrics.csv", "checkpoint.npz"}


def compile_numpy(model):
    return compile_model(model, backend="numpy")


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """A model file of theta; deriving and verifying it takes its checked-in code instead."""
    path = tmp_path / "mine.toml"
    path.write_text(read_neuron_model("theta").to_toml())

    def import_checked_in(model):
        read_neuron_model(model)
        return import_generated("theta")

    monkeypatch.setattr("derivations.generate_cached", import_checked_in)
    return path


@pytest.fixture(autouse=True)
def _toy_data(monkeypatch):
    monkeypatch.setattr(module, "load_dataset", lambda name, **options: make_toy())


def start(folder, *, overwrite=False, **changes):
    config = build_config({**TOY, **changes})
    return start_run(config, compile_model=compile_numpy, folder=folder, overwrite=overwrite)


def train(folder, **changes):
    """A finished run, saved after every epoch."""
    run = start(folder, **changes)
    train_network(run.trainer, run.state, on_epoch=lambda state, row: run.save())
    return run


def load(folder):
    return load_run(folder, compile_model=compile_numpy)


def resume(folder, **options):
    return resume_run(folder, compile_model=compile_numpy, **options)


def edit_meta(folder, **changes):
    """Write the checkpoint anew with other meta, checksum and all."""
    path = folder / "checkpoint.npz"
    found = load_checkpoint(path)
    meta = {k: v for k, v in {**found.meta, **changes}.items() if v is not None}
    save_checkpoint(path, config=found.config, arrays=found.arrays, meta=meta)


def test_a_saved_run_is_loaded_bit_for_bit(tmp_path):
    run = train(tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert_same(loaded.state, run.state)
    assert loaded.trainer.config == run.trainer.config
    assert loaded.saved_epoch == run.saved_epoch == 3
    assert loaded.folder == tmp_path / "run"
    run.close()
    assert {f.name for f in (tmp_path / "run").iterdir()} == FILES


def test_a_run_can_be_named_by_its_checkpoint(tmp_path):
    run = train(tmp_path / "run")
    loaded = load(tmp_path / "run" / "checkpoint.npz")
    assert loaded.folder == run.folder


def test_the_files_beside_the_checkpoint_say_the_same(tmp_path):
    run = train(tmp_path)
    assert read_config(tmp_path / "config.toml") == run.trainer.config
    header, *lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header.split(",") == list(run.state.rows[0])
    assert len(lines) == 4
    assert (
        float(lines[-1].split(",")[header.split(",").index("test_loss")])
        == (run.state.rows[-1]["test_loss"])
    )


def test_epochs_at_once_equal_epochs_with_a_resume_bit_for_bit(tmp_path):
    whole = train(tmp_path / "whole", epochs=4)
    train(tmp_path / "run", epochs=2)
    run = resume(tmp_path / "run", epochs=4)
    train_network(run.trainer, run.state, on_epoch=lambda state, row: run.save())
    assert_same(run.state, whole.state)
    assert_same(load(tmp_path / "run").state, whole.state)
    assert read_config(tmp_path / "run" / "config.toml").schedule.epochs == 4


def test_resuming_keeps_the_number_of_epochs_unless_told(tmp_path):
    train(tmp_path)
    assert resume(tmp_path).trainer.config.schedule.epochs == 3


def test_resuming_to_fewer_epochs_than_are_done_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(InputError, match=r"Expected at least 3 epochs, which .* but got epochs=2"):
        resume(tmp_path, epochs=2)


def test_a_folder_with_a_run_is_refused_unless_it_may_be_replaced(tmp_path):
    first = train(tmp_path)
    with pytest.raises(InputError, match=r"Expected a folder without a run but .* --overwrite"):
        start(tmp_path)
    assert_same(load(tmp_path).state, first.state)
    second = train(tmp_path, overwrite=True, seed=1)
    assert_same(load(tmp_path).state, second.state)


def test_without_a_folder_a_run_gets_a_new_one_under_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [train(None, epochs=1, seed=3).folder for _ in range(3)]
    assert [str(f) for f in folders] == [
        "runs/digits-theta-seed3", "runs/digits-theta-seed3-2", "runs/digits-theta-seed3-3"
    ]  # fmt: skip
    config = build_config({**TOY, "seed": 3})
    assert choose_folder(config, "theta", overwrite=True) == folders[0]


def test_a_run_keeps_the_file_of_its_model(tmp_path, model_file):
    run = train(tmp_path / "run", model=str(model_file), epochs=1)
    content = model_file.read_bytes()
    model_file.write_text("something else")
    assert (tmp_path / "run" / "model.toml").read_bytes() == content
    assert_same(load(tmp_path / "run").state, run.state)
    assert_same(load(tmp_path / "run" / "checkpoint.npz").state, run.state)
    assert resume(tmp_path / "run").trainer.config.network.model == str(model_file)


def test_a_run_without_a_copy_of_its_model_reads_the_file_it_was_given(tmp_path, model_file):
    run = train(tmp_path / "run", model=str(model_file), epochs=1)
    (tmp_path / "run" / "model.toml").unlink()
    assert_same(load(tmp_path / "run").state, run.state)


def test_a_run_that_is_replaced_loses_its_model_file(tmp_path, model_file):
    train(tmp_path / "run", model=str(model_file), epochs=1)
    train(tmp_path / "run", epochs=1, overwrite=True)
    assert {f.name for f in (tmp_path / "run").iterdir()} == FILES


def test_a_model_file_is_written_with_the_first_checkpoint_and_not_before(tmp_path, model_file):
    run = start(tmp_path / "run", model=str(model_file))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    run.close()
    assert not (tmp_path / "run").exists()


def test_a_missing_model_file_is_refused():
    with pytest.raises(ModelError, match=r"Expected a model file at nowhere.toml but .* No such"):
        module.read_model_file("nowhere.toml")


def test_nothing_is_made_if_the_run_cannot_be_trained(tmp_path):
    with pytest.raises(ModelError, match="Expected tau > 0"):
        start(tmp_path / "run", parameters={"tau": -1.0})
    with pytest.raises(InputError, match="Expected shift below 2"):
        start(tmp_path / "run", shift=5)
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_is_tried_and_left_empty(tmp_path):
    open_folder(tmp_path / "a" / "b", overwrite=False)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_under_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match=r"Expected to write into .* but the system said: "):
            open_folder(folder, overwrite=False)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "text"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "No space left")]
)
def test_a_folder_that_is_read_only_or_full_is_refused(number, text, tmp_path, monkeypatch):
    def fail(**options):
        raise OSError(number, text)

    monkeypatch.setattr(module.tempfile, "TemporaryFile", fail)
    with pytest.raises(InputError, match=f"Expected to write into .*{text}; choose a folder that"):
        open_folder(tmp_path, overwrite=False)


def test_a_run_in_a_folder_that_cannot_be_written_to_is_not_resumed(tmp_path, monkeypatch):
    train(tmp_path)

    def fail(**options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", fail)
    with pytest.raises(InputError, match="Expected to write into"):
        resume(tmp_path)
    assert load(tmp_path).saved_epoch == 3


def test_only_an_empty_folder_is_discarded(tmp_path):
    empty = start(tmp_path / "empty")
    assert empty.saved_epoch is None
    empty.close()
    assert not (tmp_path / "empty").exists()
    full = train(tmp_path / "full", epochs=1)
    full.close()
    assert load(tmp_path / "full").saved_epoch == 1
    Run(trainer=full.trainer, state=full.state, folder=tmp_path / "none").close()
    assert not (tmp_path / "none").exists()


def test_a_missing_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"Expected a checkpoint in .* No such file"):
        load(tmp_path / "nowhere")
    with pytest.raises(
        CheckpointError, match=r"Expected a checkpoint in .*checkpoint.npz .* No suc"
    ):
        load(tmp_path)


@pytest.mark.parametrize("fraction", [0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused_and_left_alone(fraction, tmp_path):
    train(tmp_path, epochs=1)
    path = tmp_path / "checkpoint.npz"
    cut = path.read_bytes()[: int(path.stat().st_size * fraction)]
    path.write_bytes(cut)
    for read in (load, resume):
        with pytest.raises(CheckpointError, match=r"Expected a (whole )?checkpoint in "):
            read(tmp_path)
    assert path.read_bytes() == cut


def test_a_foreign_archive_is_refused(tmp_path):
    np.savez(tmp_path / "checkpoint.npz", W0=np.zeros((6, 5)))
    with pytest.raises(CheckpointError, match="without the header of a spiketheory checkpoint"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": None}, "Expected a checkpoint of a training run but .* has no digest; give"),
        ({"epoch": None}, "Expected a checkpoint of a training run but .* has no epoch"),
        ({"epoch": "3"}, "Expected a checkpoint of a training run but .* has epoch='3'"),
        ({"rows": {}}, "Expected a checkpoint of a training run but .* has rows={}"),
        ({"model": 7}, "Expected a checkpoint of a training run but .* has model=7"),
        ({"epoch": 1}, r"Expected metrics of the epochs 0 to 1 in .* but got .*\[0, 1, 2, 3\]"),
        ({"epoch": 10**12}, r"Expected metrics of the epochs 0 to 1000000000000 in"),
        ({"rows": [1, 2]}, "Expected a checkpoint of a training run but .* has the metrics 1"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(changes, message, tmp_path):
    train(tmp_path)
    edit_meta(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


def test_a_checkpoint_with_an_unknown_option_is_refused(tmp_path):
    run = train(tmp_path, epochs=1)
    config = {**config_to_dict(run.trainer.config), "warp": 9}
    found = load_checkpoint(tmp_path / "checkpoint.npz")
    save_checkpoint(
        tmp_path / "checkpoint.npz", config=config, arrays=found.arrays, meta=found.meta
    )
    with pytest.raises(CheckpointError, match=r"Expected the configuration of a .*'warp'.*; give"):
        load(tmp_path)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    _, arrays, meta = read_run(tmp_path)
    other = start(tmp_path / "other", hidden=(7,))
    with pytest.raises(CheckpointError, match=r"Expected W0 of shape \(6, 7\) .* got .*\(6, 5\)"):
        restore_state(other.trainer, arrays, meta)


def test_a_model_whose_equations_have_changed_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    edit_meta(tmp_path, digest="0123456789abcdef")
    with pytest.raises(CheckpointError, match="with digest 0123456789ab but its equations now hav"):
        load(tmp_path)


def test_an_interrupted_save_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    run = train(tmp_path, epochs=1)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    run.state.parameters[0] += 1
    with pytest.raises(KeyboardInterrupt):
        run.save()
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_the_figures_of_a_run_are_drawn(tmp_path):
    run = train(tmp_path, epochs=1, encoding="latency")
    files = draw_run(tmp_path, run.trainer, run.state)
    assert [f.name for f in files] == ["learning_curves.png", "rasters.png"]
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG")
