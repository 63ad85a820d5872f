import re

import pytest

from sim.training.config import (
    SETTINGS,
    build_config,
    config_to_dict,
    make_config,
    read_config,
    write_config,
)
from sim.training.plain_values import CONVERTERS, DESCRIPTIONS
from sim.training.presets import DEFAULTS, PRESETS
from spiketheory.commands.train import train
from spiketheory.errors import InputError

UNUSUAL = {
    "dataset": "yinyang",
    "model": "my models/nöuron.toml",
    "parameters": {"tau": 0.1 + 0.2, "I0": 1e-300},
    "duration": 1 / 3,
    "hidden": (3, 1, 4),
    "encoding": "latency",
    "n_bins": 7,
    "first_input": 0.25,
    "last_input": 0.75,
    "threshold": 0.125,
    "weight_scale": 2.5,
    "smooth_start": 1.25,
    "loss": "target_time",
    "gamma": 0.5,
    "sharpness": 7.5,
    "target_label": 0.3,
    "target_other": 0.9,
    "epochs": 3,
    "batch": 9,
    "optimiser": "sgd",
    "learning_rate": 1e-7,
    "schedule": "cosine",
    "precision": "float32",
    "decay_epochs": 12.5,
    "shift": 2,
    "turn": 7.5,
    "zoom": 0.25,
    "validation": 11,
    "seed": 2**62,
    "readout": "windows",
    "readout_parameters": {"n_windows": 3.0},
    "recurrent": True,
    "delay": 0.1,
    "learn_delays": True,
    "learn_parameters": ("tau", "I0"),
    "start_rate": 1.5,
    "smoothing": 0.1,
    "rate_low": 0.25,
    "rate_high": 3.0,
    "rate_cost": 0.5,
    "margin": 0.125,
    "margin_width": 0.25,
    "lift": 0.03,
    "clip": 3.0,
    "warm_up": 0.5,
    "patience": 4,
    "count_jumps": 5,
    "readout_rate": 4.0,
    "centred": True,
    "decorrelate": 0.03,
    "fold": "",
    "encoder": {},
    "augment": {},
    "test_every": 3,
    "freeze": "hidden",
    "class_weights": (1.0, 2.5, 0.1 + 0.2),
    "clip_sample": 2.0,
    "plateau_epochs": 7,
    "plateau_factor": 0.25,
}


def test_a_config_survives_toml_bit_for_bit(tmp_path):
    config = build_config(UNUSUAL)
    write_config(config, tmp_path / "config.toml")
    assert read_config(tmp_path / "config.toml") == config
    unset = set(SETTINGS) - set(UNUSUAL)
    assert unset == {"flip", "validation_groups", "test_groups"}  # which need bins, or trials


def test_settings_of_speech_are_merged_by_name_and_survive_toml(tmp_path):
    config = make_config(dataset="fsdd", encoder={"bands": 32}, augment={"drop": 0.2}, fold="theo")
    write_config(config, tmp_path / "config.toml")
    assert read_config(tmp_path / "config.toml") == config
    assert config.speech.augment["shift"] == 0.75
    assert config.speech.augment["drop"] == 0.2
    again = make_config(file=tmp_path / "config.toml", encoder={"power": 2.0})
    own = {"rate": 160.0, "grid": 0.005, "lines": 2.0, "line_delay": 0.08}
    assert again.speech.encoder == {"bands": 32.0, "power": 2.0, **own}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": "theo"}, r"Expected a data set of speech .* for fold but got digits"),
        (
            {"augment": {"drop": 0.1}},
            r"Expected a data set of speech .* for augment",
        ),
        ({"dataset": "shd", "encoder": {"bands": 3}}, r"Expected recordings .* for encoder"),
        ({"dataset": "fsdd", "encoder": {"duration": 2}}, "Expected the duration of recordings"),
        ({"dataset": "fsdd", "encoder": {"bands": 0}}, "Expected 1 <= bands"),
        ({"dataset": "fsdd", "augment": {"blend": 1}}, "Expected augmentation that recordings"),
        ({"readout_rate": 0.0}, "Expected readout_rate > 0"),
    ],
)
def test_settings_of_speech_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make_config(**options)


@pytest.mark.parametrize("dataset", DEFAULTS)
def test_the_defaults_of_every_dataset_survive_toml(dataset, tmp_path):
    config = make_config(dataset=dataset)
    write_config(config, tmp_path / "config.toml")
    assert read_config(tmp_path / "config.toml") == config


def test_a_config_survives_plain_values():
    config = make_config(preset="paper", hidden=())
    assert build_config(config_to_dict(config)) == config
    assert config_to_dict(config)["hidden"] == []


def test_the_paper_preset_is_the_experiment_of_the_paper():
    config = make_config(preset="paper")
    assert config == build_config(
        dict(
            dataset="mnist",
            model="theta",
            parameters={"tau": 6 / 3.141592653589793, "I0": 1.25},
            duration=2.0,
            hidden=(100, 100),
            encoding="bins",
            n_bins=1,
            weight_scale=0.5,
            loss="first_spike",
            gamma=0.01,
            epochs=100,
            batch=1000,
            optimiser="adabelief",
            learning_rate=4e-3,
            schedule="exponential",
            decay_epochs=100.0,
            flip=0.02,
            shift=0,
            validation=0,
            seed=0,
        )
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_choice_of_train(preset):
    (choices,) = (p.type.choices for p in train.params if p.name == "preset")
    assert preset in choices
    name = "shd" if preset == "shd" else "fsdd" if preset.startswith("fsdd") else "mnist"
    assert make_config(preset=preset).dataset.name == name


def test_without_options_the_dataset_is_digits():
    assert make_config() == make_config(dataset="digits")
    assert make_config().dataset.name == "digits"


def test_options_override_defaults_and_none_leaves_them():
    config = make_config(dataset="mnist", epochs=3, batch=None)
    assert (config.schedule.epochs, config.optimiser.batch) == (3, DEFAULTS["mnist"]["batch"])


def test_what_is_run_first_must_spike_in_time_and_the_paper_need_not():
    for chosen in ({}, {"dataset": "yinyang"}, {"preset": "best"}):
        assert make_config(**chosen).loss.name == "first_spike_in_time"
    for chosen in ({"dataset": "mnist"}, {"preset": "paper"}, {"preset": "sparse"}):
        assert make_config(**chosen).loss.name == "first_spike"


def test_options_override_a_preset():
    config = make_config(preset="paper", dataset="mnist", seed=4, hidden=(50,))
    assert (config.dataset.name, config.seed, config.schedule.epochs) == ("mnist", 4, 100)
    assert config.network.hidden == (50,)


@pytest.mark.parametrize("dataset", ["digits", "yinyang"])
def test_a_preset_with_another_dataset_is_refused(dataset):
    message = f"Expected dataset = mnist for the preset paper, .* but got {dataset}; leave out one"
    with pytest.raises(InputError, match=message):
        make_config(preset="paper", dataset=dataset)


def test_one_parameter_leaves_the_others_as_the_dataset_has_them():
    config = make_config(parameters={"I0": 2.0})
    assert config.network.parameters == {"tau": 1.909859317102744, "I0": 2.0}
    assert PRESETS["paper"]["parameters"]["I0"] == 1.25


def test_another_model_starts_from_its_own_parameters():
    assert make_config(model="qif_delta").network.parameters == {}
    assert make_config(model="qif_delta", parameters={"I0": 1.0}).network.parameters == {"I0": 1.0}
    assert make_config(model="theta").network.parameters == make_config().network.parameters


def test_a_file_takes_the_place_of_a_preset(tmp_path):
    write_config(build_config(UNUSUAL), tmp_path / "config.toml")
    config = make_config(file=tmp_path / "config.toml", epochs=8, parameters={"I0": 2.0})
    assert config == build_config(
        {**UNUSUAL, "epochs": 8, "parameters": {"tau": 0.1 + 0.2, "I0": 2.0}}
    )


def test_a_preset_and_a_file_exclude_each_other(tmp_path):
    with pytest.raises(InputError, match="a preset or a configuration file but got both, paper"):
        make_config(preset="paper", file=tmp_path / "config.toml")


def test_whole_numbers_may_be_written_as_floats_where_floats_are_wanted():
    assert build_config({"duration": 2, "hidden": [3.0]}) == build_config(
        {"duration": 2.0, "hidden": (3,)}
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"dataset": "cifar"},
            "Expected dataset to be one of digits, .*yinyang but got 'cif",
        ),
        ({"encoding": "rate"}, "Expected encoding to be one of bins, latency but got 'rate'"),
        ({"loss": "mse"}, "Expected loss to be one of first_spike, .*, target_time but got 'mse'"),
        ({"optimiser": "lion"}, "Expected optimiser to be one of adabelief, adam, sgd but got 'li"),
        ({"schedule": "step"}, "Expected schedule to be one of .* but got 'step'"),
        ({"duration": 0.0}, "Expected duration > 0 but got duration=0.0"),
        ({"duration": float("nan")}, "Expected duration > 0 but got duration=nan"),
        ({"weight_scale": -1.0}, "Expected weight_scale > 0 but got weight_scale=-1.0"),
        (
            {"smooth_start": -1.0},
            "Expected a finite 0 <= smooth_start <= 1000 but got smooth_start=-1.0",
        ),
        ({"smooth_start": 1.0}, "Expected a readout of spike trains for smooth_start"),
        ({"learning_rate": float("inf")}, "Expected learning_rate > 0 but got learning_rate=inf"),
        ({"decay_epochs": 0.0}, "Expected decay_epochs > 0 but got decay_epochs=0.0"),
        ({"epochs": 0}, "Expected epochs to be a whole number of at least 1 but got 0"),
        ({"epochs": -3}, "Expected epochs to be a whole number of at least 1 but got -3"),
        ({"epochs": 1.5}, "Expected epochs to be a whole number but got 1.5"),
        ({"epochs": True}, "Expected epochs to be a whole number but got True"),
        ({"epochs": "7"}, "Expected epochs to be a whole number but got '7'"),
        ({"epochs": float("inf")}, "Expected epochs to be a whole number but got inf"),
        ({"epochs": float("nan")}, "Expected epochs to be a whole number but got nan"),
        ({"epochs": None}, "Expected epochs to be a whole number but got None"),
        ({"batch": 0}, "Expected batch to be a whole number of at least 1 but got 0"),
        ({"n_bins": 0}, "Expected n_bins to be a whole number of at least 1 but got 0"),
        ({"shift": -1}, "Expected shift to be a whole number of at least 0 but got -1"),
        ({"turn": 181.0}, "Expected a finite 0 <= turn <= 180 but got turn=181"),
        ({"zoom": -0.1}, "Expected a finite 0 <= zoom <= 0.99 but got zoom=-0.1"),
        ({"validation": -1}, "Expected validation to be a whole number of at least 0 but got -1"),
        ({"seed": -1}, "Expected seed to be a whole number of at least 0 but got -1"),
        ({"hidden": [10, 0]}, "Expected every hidden layer to be .* at least 1 but got 0"),
        ({"hidden": [1.5]}, re.escape("Expected hidden to be a list of whole numbers but got [1.")),
        ({"hidden": "12"}, "Expected hidden to be a list of whole numbers but got '12'"),
        ({"hidden": 12}, "Expected hidden to be a list of whole numbers but got 12"),
        ({"flip": 1.5}, "Expected a finite 0 <= flip <= 1 but got flip=1.5"),
        ({"flip": float("nan")}, "Expected a finite 0 <= flip <= 1 but got flip=nan"),
        ({"flip": "much"}, "Expected flip to be a number but got 'much'"),
        ({"flip": True}, "Expected flip to be a number but got True"),
        ({"flip": 10**400}, "Expected flip to be a number but got 1000"),
        ({"flip": 0.1, "encoding": "latency"}, "Expected encoding = bins for flip > 0 but got lat"),
        ({"threshold": -0.1}, "Expected a finite 0 <= threshold <= 1 but got threshold=-0.1"),
        ({"gamma": -1.0}, "Expected a finite 0 <= gamma but got gamma=-1.0"),
        ({"gamma": float("inf")}, "Expected a finite 0 <= gamma but got gamma=inf"),
        ({"sharpness": 0.0}, "Expected sharpness > 0 but got sharpness=0.0"),
        ({"first_input": -1.0}, "Expected a finite 0 <= first_input but got first_input=-1.0"),
        ({"first_input": 2.0}, "Expected first_input <= last_input but got first_input=2.0, last"),
        ({"target_label": float("nan")}, "Expected a finite target_label but got target_label=nan"),
        ({"target_other": float("inf")}, "Expected a finite target_other but got target_other=inf"),
        ({"model": 3}, "Expected model to be a text but got 3"),
        ({"parameters": ["tau"]}, "Expected parameters to be a table of numbers but got .'tau'"),
        ({"parameters": {"tau": "x"}}, "Expected parameters to be a table of numbers but got"),
        ({"learning_rat": 0.1}, "Expected options among dataset, .* but got 'learning_rat'"),
    ],
)
def test_a_bad_value_is_refused_with_what_was_expected(values, message):
    with pytest.raises(InputError, match=message) as caught:
        build_config(values)
    assert "; " in str(caught.value)  # ... and what to do
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_or_dataset_is_refused():
    with pytest.raises(
        InputError,
        match=r"preset to be one of best, fsdd, fsdd-best, .*, sparse but got 'book'",
    ):
        make_config(preset="book")
    with pytest.raises(InputError, match="Expected dataset to be one of"):
        make_config(dataset="book")


def test_every_field_can_be_converted_and_described():
    kinds = {setting.kind for setting in SETTINGS.values()}
    assert kinds == set(CONVERTERS) == set(DESCRIPTIONS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"epochs = = 3", "Invalid value"),
        (b"\xff\xfe", "no UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content, reason, tmp_path):
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"Expected a training configuration in .*{reason}"):
        read_config(path)


def test_a_folder_is_no_configuration_file(tmp_path):
    with pytest.raises(InputError, match=r"Expected a training configuration in .*directory"):
        read_config(tmp_path)
