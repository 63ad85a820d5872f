"""A training run's configuration: one frozen record of parts, its plain values, its TOML file."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from sim.training.config_parts import (
    EQUAL,
    READOUTS,
    ActivityPart,
    AugmentationPart,
    DatasetPart,
    EncodingPart,
    LossPart,
    NetworkPart,
    OptimiserPart,
    ReadoutPart,
    SchedulePart,
    SpeechPart,
)
from sim.training.plain_values import CONVERTERS, DESCRIPTIONS, check_at_least
from sim.training.presets import DEFAULTS, PRESETS, READOUT_DEFAULTS
from sim.training.trial_data import is_trial_dataset, suggest_settings
from spiketheory.errors import InputError, check_choice
from spiketheory.files import write_text_atomically
from spiketheory.reading import DamagedError, parse_toml, read_text, show


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run's outcome.

    Attributes:
        dataset: What is learned.
        network: Neurons and how they are connected.
        encoding: How intensities become input spikes.
        loss: What is minimised.
        readout: What is read of the network.
        activity: How much hidden neurons spike.
        optimiser: How gradients become steps.
        schedule: How long training takes, and how the learning rate changes.
        augmentation: Random changes of training samples.
        speech: How recordings become spikes, and what changes them at random.
        seed: Seed of weights, order and random changes of the samples.
    """

    dataset: DatasetPart = field(default_factory=DatasetPart)
    network: NetworkPart = field(default_factory=NetworkPart)
    encoding: EncodingPart = field(default_factory=EncodingPart)
    loss: LossPart = field(default_factory=LossPart)
    readout: ReadoutPart = field(default_factory=ReadoutPart)
    activity: ActivityPart = field(default_factory=ActivityPart)
    optimiser: OptimiserPart = field(default_factory=OptimiserPart)
    schedule: SchedulePart = field(default_factory=SchedulePart)
    augmentation: AugmentationPart = field(default_factory=AugmentationPart)
    speech: SpeechPart = field(default_factory=SpeechPart)
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least("seed", self.seed, 0)
        self.speech.check(self.dataset.name, self.network.duration)
        if self.augmentation.flip and self.encoding.name != "bins":
            raise InputError(
                "Expected encoding = bins for flip > 0 but got latency; a latency has no opposite. "
                "Set flip to 0 or use bins."
            )
        if self.schedule.patience and not self.dataset.validates:
            raise InputError(
                "Expected validation > 0 for patience but got 0; what ends training must not be "
                "the test set. Set validation to the number of samples to hold out."
            )
        if not self.reads_trains:
            self.check_first_spikes()

    def check_first_spikes(self) -> None:
        """Raise `InputError` if something is set that only readouts of spike trains have."""
        values = config_to_dict(self)
        for name in TRAIN_ONLY:
            if values[name] and values[name] != EQUAL:
                raise InputError(
                    f"Expected a readout of spike trains for {name} but got first_spike; choose "
                    f"one of {', '.join(READOUTS[1:])}."
                )

    @property
    def reads_trains(self) -> bool:
        """Whether outputs are read from spike trains, not from first spikes."""
        return self.readout.name != "first_spike"


TRAIN_ONLY = (
    *("readout_parameters", "recurrent", "delay", "learn_delays", "learn_parameters"),
    *("smoothing", "class_weights", "rate_cost", "margin", "patience", "clip_sample"),
    "smooth_start",
)
"""What only readouts of spike trains have."""


class Setting(NamedTuple):
    """Where a setting stands.

    Attributes:
        part: Field of `TrainConfig`.
        name: Field of that part; empty if the field of `TrainConfig` is no part.
        kind: Its type, a key of `CONVERTERS`.
    """

    part: str
    name: str
    kind: Any


def list_settings() -> dict[str, Setting]:
    """All settings by the names that they have in files and on the command line."""
    found = {}
    for part in dataclasses.fields(TrainConfig):
        if not dataclasses.is_dataclass(part.type):
            found[part.name] = Setting(part.name, "", part.type)
            continue
        for one in dataclasses.fields(part.type):
            plain = part.name if one.name == "name" else one.name
            if (part.name, one.name) == ("readout", "parameters"):  # the neuron has some, too
                plain = "readout_parameters"
            assert plain not in found
            found[plain] = Setting(part.name, one.name, one.type)
    return found


SETTINGS = list_settings()


def make_config(
    *, preset: str | None = None, file: Path | None = None, **options: Any
) -> TrainConfig:
    """Combine a preset, a file or the data set's defaults with options that override it.

    Parameters are merged by name as long as the model stays the same; another model starts from
    its own defaults. So are the settings of speech.

    Args:
        preset: Name of a preset; None takes the defaults of the data set.
        file: A config.toml, in place of a preset.
        options: `SETTINGS` by name; a value of None is left out.

    Raises:
        InputError: If a name or a value is not valid, both a preset and a file are given, or the
            preset belongs to another data set.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if preset is not None and file is not None:
        raise InputError(
            f"Expected a preset or a configuration file but got both, {preset} and {file}; "
            "choose one of them."
        )
    if file is not None:
        base = config_to_dict(read_config(file))
    elif preset is not None:
        base = PRESETS[check_choice("preset", preset, PRESETS)]
        if given.get("dataset", base["dataset"]) != base["dataset"]:
            raise InputError(
                f"Expected dataset = {base['dataset']} for the preset {preset}, which is an "
                f"experiment on it, but got {given['dataset']}; leave out one of the two."
            )
    else:
        dataset = str(given.get("dataset", "digits"))
        if is_trial_dataset(dataset):
            defaults = suggest_settings(Path(dataset))
        else:
            defaults = DEFAULTS[check_choice("dataset", dataset, DEFAULTS)]
        base = {"dataset": dataset, **defaults}
    before = base.get("readout", "first_spike")
    if given.get("readout", before) != before:
        base = {**base, **READOUT_DEFAULTS}
    same_model = given.get("model", base["model"]) == base["model"]
    inherited = base["parameters"] if same_model else {}
    given["parameters"] = {**inherited, **given.get("parameters", {})}
    for name in ("encoder", "augment"):
        given[name] = {**base.get(name, {}), **given.get(name, {})}
    return build_config({**base, **given})


def build_config(values: Mapping[str, Any]) -> TrainConfig:
    """Make a config of plain values by name, as they come from a file.

    Raises:
        InputError: If a name is unknown or a value has the wrong type.
    """
    unknown = sorted(set(values) - set(SETTINGS))
    if unknown:
        raise InputError(
            f"Expected options among {', '.join(SETTINGS)} but got {unknown[0]!r}; correct its "
            "name."
        )
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for plain, value in values.items():
        part, name, kind = SETTINGS[plain]
        try:
            converted = CONVERTERS[kind](value)
        except (TypeError, ValueError, OverflowError) as err:
            raise InputError(
                f"Expected {plain} to be {DESCRIPTIONS[kind]} but got {show(value)}; correct it."
            ) from err
        if name:
            parts.setdefault(part, {})[name] = converted
        else:
            own[part] = converted
    types: dict[str, Any] = {one.name: one.type for one in dataclasses.fields(TrainConfig)}
    return TrainConfig(**own, **{part: types[part](**given) for part, given in parts.items()})


def change_config(config: TrainConfig, **changes: Any) -> TrainConfig:
    """The same configuration with other values of some `SETTINGS`."""
    return build_config({**config_to_dict(config), **changes})


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as plain values by name: for TOML, JSON and checkpoints."""
    found: dict[str, Any] = {}
    for plain, (part, name, _) in SETTINGS.items():
        value = getattr(config, part)
        value = getattr(value, name) if name else value
        if isinstance(value, Mapping):
            value = dict(value)
        found[plain] = list(value) if isinstance(value, tuple) else value
    return found


def write_config(config: TrainConfig, path: Path) -> None:
    """Write a config as TOML, whole or not at all."""
    write_text_atomically(path, tomli_w.dumps(config_to_dict(config)))


def read_config(path: Path) -> TrainConfig:
    """Read a config from TOML.

    Raises:
        InputError: If the file is missing or malformed.
    """
    try:
        values = parse_toml(read_text(path))
    except DamagedError as err:
        raise InputError(
            f"Expected a training configuration in {path} but reading it failed: {err}; "
            "give the config.toml of a run."
        ) from err
    return build_config(values)
