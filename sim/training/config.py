"""What a training run is made of: one frozen record, its presets, its TOML file."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from sim.training.data import DATASETS, IMAGE_SETS
from sim.training.optim import OPTIMISERS, SCHEDULES
from sim.training.trial_data import is_trial_dataset, suggest_settings
from spiketheory.errors import InputError, check_choice, check_positive
from spiketheory.files import write_text_atomically
from spiketheory.reading import DamagedError, parse_toml, read_text, show

ENCODINGS = ("bins", "latency")
LOSSES = ("first_spike", "first_spike_in_time", "target_time")
READOUTS = (
    *("first_spike", "leaky_integrator", "linear_window", "windows", "potential_at_end"),
    *("maximum", "count"),
)
"""What is read of the outputs; see `sim.training.temporal_train` for all but the first."""
TRAIN_ONLY = (
    *("readout_parameters", "recurrent", "delay", "learn_delays", "learn_parameters"),
    *("smoothing", "rate_cost", "patience"),
)
"""What only readouts of spike trains have."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run's outcome.

    Attributes:
        dataset: One of `sim.training.data.DATASETS`, or the path of a trials file (``.npz``).
        model: Name of a built-in neuron model, or path of a model file.
        parameters: Values of the model's parameters; defaults fill in the rest.
        duration: The trial's end T [time].
        hidden: Numbers of neurons of the hidden layers.
        encoding: ``bins`` or ``latency``.
        n_bins: Number of input spike times if binned.
        first_input: Time of the spike of a full intensity, if latency [time].
        last_input: Time of the spike of a vanishing intensity, if latency [time].
        threshold: Intensities below do not spike, if latency.
        weight_scale: Weights start uniform in +-weight_scale/sqrt(fan_in).
        loss: ``first_spike``, ``first_spike_in_time`` or ``target_time``.
        gamma: Strength of the bound on the label's spike time, in ``first_spike``.
        sharpness: How sharply ``first_spike_in_time`` tells times apart [1/T].
        target_label: Target time of the label's output, in ``target_time``, in units of T.
        target_other: Target time of the other outputs, in ``target_time``, in units of T.
        epochs: Passes through the training set.
        batch: Samples per optimiser step.
        optimiser: ``adabelief``, ``adam`` or ``sgd``.
        learning_rate: Initial learning rate.
        schedule: ``constant``, ``exponential`` or ``cosine``.
        decay_epochs: Decay constant of the exponential schedule.
        flip: Probability that an input's bin v becomes V - v in a training sample.
        shift: Largest random translation of a training image, in pixels.
        turn: Largest random rotation of a training image, in degrees.
        zoom: Largest random change of a training image's size, as a fraction.
        precision: ``float64`` or ``float32``, of weights and states.
        validation: Samples to test on in place of the test set, out of the validation part, or
            of the training part if there is none; 0 uses the test set.
        seed: Seed of weights, order and random changes of the samples.
        readout: ``first_spike`` reads the spike times of output neurons, pseudospikes included;
            else a readout of spike trains (`READOUTS`), which any neuron model trains with. What
            follows is for these alone.
        readout_parameters: Its parameters; defaults fill in the rest.
        recurrent: Whether hidden layers project to themselves.
        delay: Spikes of hidden neurons are under way for up to so long at the start, each neuron's
            for a time of its own [time].
        learn_delays: Whether these learn.
        learn_parameters: Names of the neuron's parameters that learn, one of each for every neuron.
        start_rate: Spikes of a hidden neuron per sample, on average, before training: to so many
            the weights are scaled.
        smoothing: Label smoothing of the cross entropy, from 0 to below 1.
        rate_low, rate_high: Fewer or more spikes of a neuron per sample cost.
        rate_cost: How much; 0 for nothing.
        lift: By how much of their size the input weights of silent neurons rise in each step.
        clip: Gradients longer than so many times the median of the last ones are shortened; 0 for
            never.
        warm_up: Epochs in which the learning rate rises from 0.
        patience: Training ends after so many epochs without a better accuracy on the samples that
            are held out, and goes back to the best epoch; 0 for never. Needs validation > 0.
        count_jumps: On so many training samples appearing and vanishing spikes are counted in each
            epoch; 0 for none.
    """

    dataset: str = "digits"
    model: str = "theta"
    parameters: Mapping[str, float] = field(default_factory=dict)
    duration: float = 2.0
    hidden: tuple[int, ...] = (100,)
    encoding: str = "bins"
    n_bins: int = 1
    first_input: float = 0.0
    last_input: float = 1.0
    threshold: float = 0.0
    weight_scale: float = 0.5
    loss: str = "first_spike"
    gamma: float = 0.01
    sharpness: float = 40.0
    target_label: float = 0.5
    target_other: float = 1.0
    epochs: int = 20
    batch: int = 100
    optimiser: str = "adabelief"
    learning_rate: float = 4e-3
    schedule: str = "exponential"
    decay_epochs: float = 100.0
    flip: float = 0.0
    shift: int = 0
    turn: float = 0.0
    zoom: float = 0.0
    precision: str = "float64"
    validation: int = 0
    seed: int = 0
    readout: str = "first_spike"
    readout_parameters: Mapping[str, float] = field(default_factory=dict)
    recurrent: bool = False
    delay: float = 0.0
    learn_delays: bool = False
    learn_parameters: tuple[str, ...] = ()
    start_rate: float = 1.0
    smoothing: float = 0.0
    rate_low: float = 0.05
    rate_high: float = 10.0
    rate_cost: float = 0.0
    lift: float = 0.01
    clip: float = 10.0
    warm_up: float = 1.0
    patience: int = 0
    count_jumps: int = 64

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if name != "dataset" or not is_trial_dataset(self.dataset):
                check_choice(name, getattr(self, name), choices)
        for name in (
            *("duration", "weight_scale", "sharpness", "learning_rate", "decay_epochs"),
            "start_rate",
        ):
            check_positive(name, getattr(self, name))
        for name in ("epochs", "batch", "n_bins"):
            check_at_least(name, getattr(self, name), 1)
        for name in ("shift", "validation", "seed", "count_jumps", "patience"):
            check_at_least(name, getattr(self, name), 0)
        for width in self.hidden:
            check_at_least("every hidden layer", width, 1)
        for name, (low, high) in RANGES.items():
            check_range(name, getattr(self, name), low, high)
        if self.first_input > self.last_input:
            raise InputError(
                f"Expected first_input <= last_input but got first_input={self.first_input}, "
                f"last_input={self.last_input}; bright inputs spike first."
            )
        if self.flip and self.encoding != "bins":
            raise InputError(
                "Expected encoding = bins for flip > 0 but got latency; a latency has no opposite. "
                "Set flip to 0 or use bins."
            )

        self.check_readout()

    def check_readout(self) -> None:
        """Raise `InputError` if something is set that the readout does not have."""
        if self.rate_low > self.rate_high:
            raise InputError(
                f"Expected rate_low <= rate_high but got rate_low={self.rate_low}, "
                f"rate_high={self.rate_high}; a neuron may have any rate between them."
            )
        if self.learn_delays and not self.delay:
            raise InputError(
                "Expected delay > 0 for learn_delays but got 0; say how long spikes are under way "
                "at the start."
            )
        if self.patience and not self.validation:
            raise InputError(
                "Expected validation > 0 for patience but got 0; what ends training must not be "
                "the test set. Set validation to the number of samples to hold out."
            )
        if self.readout != "first_spike":
            return
        for name in TRAIN_ONLY:
            if getattr(self, name):
                raise InputError(
                    f"Expected a readout of spike trains for {name} but got first_spike; choose "
                    f"one of {', '.join(READOUTS[1:])}."
                )

    @property
    def reads_trains(self) -> bool:
        """Whether outputs are read from spike trains, not from first spikes."""
        return self.readout != "first_spike"

    @property
    def moves_images(self) -> bool:
        """Whether training images are shifted, turned or scaled at random."""
        return bool(self.shift or self.turn or self.zoom)


RANGES: dict[str, tuple[float, float]] = {
    "flip": (0.0, 1.0),
    "turn": (0.0, 180.0),
    "zoom": (0.0, 0.99),
    "threshold": (0.0, 1.0),
    "gamma": (0.0, np.inf),
    "delay": (0.0, np.inf),
    "smoothing": (0.0, 0.99),
    "rate_low": (0.0, np.inf),
    "rate_high": (0.0, np.inf),
    "rate_cost": (0.0, np.inf),
    "lift": (0.0, np.inf),
    "clip": (0.0, np.inf),
    "warm_up": (0.0, np.inf),
    "first_input": (0.0, np.inf),
    "last_input": (0.0, np.inf),
    "target_label": (-np.inf, np.inf),
    "target_other": (-np.inf, np.inf),
}

CHOICES = {
    "dataset": tuple(DATASETS),
    "encoding": ENCODINGS,
    "loss": LOSSES,
    "readout": READOUTS,
    "optimiser": tuple(OPTIMISERS),
    "schedule": tuple(SCHEDULES),
    "precision": ("float64", "float32"),
}

# The digit task of Klos & Memmesheimer (2025): period tau pi / sqrt(I0 - 1/4) = 6, trial T = 2.
PAPER = {
    "model": "theta",
    "parameters": {"tau": 1.909859317102744, "I0": 1.25},
    "duration": 2.0,
    "hidden": (100, 100),
    "encoding": "bins",
    "n_bins": 1,
    "weight_scale": 0.5,
    "gamma": 0.01,
    "epochs": 100,
    "batch": 1000,
    "optimiser": "adabelief",
    "learning_rate": 4e-3,
    "schedule": "exponential",
    "decay_epochs": 100.0,
    "flip": 0.02,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {
        **PAPER,
        "hidden": (100,),
        "encoding": "latency",
        "last_input": 1.0,
        "threshold": 0.05,
        "weight_scale": 1.0,
        "loss": "first_spike_in_time",
        "sharpness": 40.0,
        "epochs": 40,
        "batch": 50,
        "flip": 0.0,
        "schedule": "cosine",
    },
    **{name: {**PAPER, "epochs": 10} for name in IMAGE_SETS},
    "yinyang": {
        **PAPER,
        "hidden": (100,),
        "encoding": "latency",
        "duration": 4.0,
        "last_input": 2.0,
        "weight_scale": 3.0,
        "loss": "first_spike_in_time",
        "sharpness": 80.0,
        "epochs": 60,
        "batch": 50,
        "flip": 0.0,
        "schedule": "cosine",
    },
}

# Found by search on 10,000 training samples held out (docs/mathematics.md, 5). The unit of time
# decides how sharply first_spike tells times apart: tau and T are six times the paper's in sparse.
SPARSE = {
    **PAPER,
    "parameters": {"tau": 11.459155902616464, "I0": 1.25},
    "duration": 12.0,
    "hidden": (130,),
    "weight_scale": 1.0,
    "epochs": 30,
    "batch": 200,
    "schedule": "cosine",
    "flip": 0.0,
    "shift": 1,
}
BEST = {
    **SPARSE,
    "parameters": {"tau": 5.729577951308232, "I0": 1.25},
    "duration": 6.0,
    "hidden": (600, 300),
    "weight_scale": 2.0,
    "loss": "first_spike_in_time",
    "sharpness": 24.0,
    "epochs": 120,
    "turn": 10.0,
    "zoom": 0.1,
    "precision": "float32",
}

READOUT_DEFAULTS = {"optimiser": "adam", "learning_rate": 0.05, "schedule": "cosine"}
"""Weights are counted in units of their size at the start, see `sim.training.temporal_train`."""

PRESETS: dict[str, dict[str, Any]] = {
    name: {"dataset": "mnist", **values}
    for name, values in (("paper", PAPER), ("best", BEST), ("sparse", SPARSE))
}


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise `InputError` unless ``value`` is a whole number and not below ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(
            f"Expected {name} to be a whole number of at least {least} but got {show(value)}; "
            "choose such a number."
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `InputError` unless ``value`` is finite and between ``low`` and ``high``."""
    if not (np.isfinite(value) and low <= value <= high):
        wanted = [f"{low:g} <= "] if np.isfinite(low) else [""]
        wanted += [f" <= {high:g}"] if np.isfinite(high) else [""]
        raise InputError(
            f"Expected a finite {wanted[0]}{name}{wanted[1]} but got {name}={value}; "
            "give a number in that range."
        )


def make_config(
    *, preset: str | None = None, file: Path | None = None, **options: Any
) -> TrainConfig:
    """Combine a preset, a file or the data set's defaults with options that override it.

    Parameters are merged by name as long as the model stays the same; another model starts from
    its own defaults.

    Args:
        preset: Name of a preset; None takes the defaults of the data set.
        file: A config.toml, in place of a preset.
        options: Fields of `TrainConfig`; a value of None is left out.

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
    return build_config({**base, **given})


def build_config(values: Mapping[str, Any]) -> TrainConfig:
    """Make a config of plain values, as they come from a file.

    Raises:
        InputError: If a name is unknown or a value has the wrong type.
    """
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(
            f"Expected options among {', '.join(fields)} but got {unknown[0]!r}; correct its name."
        )
    made = {}
    for name, value in values.items():
        kind = fields[name].type
        try:
            made[name] = CONVERTERS[kind](value)
        except (TypeError, ValueError, OverflowError) as err:
            raise InputError(
                f"Expected {name} to be {DESCRIPTIONS[kind]} but got {show(value)}; correct it."
            ) from err
    return TrainConfig(**made)


def convert_int(value: Any) -> int:
    """A whole number; refuses what would be rounded."""
    if isinstance(value, bool | str) or int(value) != value:
        raise ValueError(value)
    return int(value)


def convert_float(value: Any) -> float:
    """A number; refuses True and False."""
    if isinstance(value, bool | str):
        raise TypeError(value)
    return float(value)


def convert_text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def convert_list(value: Any) -> tuple[int, ...]:
    """Whole numbers; refuses a text, which Python would take apart."""
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(convert_int(v) for v in value)


def convert_names(value: Any) -> tuple[str, ...]:
    """Texts; refuses a single one, which Python would take apart."""
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return tuple(convert_text(v) for v in value)


def convert_flag(value: Any) -> bool:
    """True or false; refuses numbers."""
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def convert_table(value: Any) -> dict[str, float]:
    """Numbers by name."""
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return {str(name): convert_float(number) for name, number in value.items()}


CONVERTERS: dict[Any, Any] = {
    int: convert_int,
    float: convert_float,
    str: convert_text,
    bool: convert_flag,
    tuple[int, ...]: convert_list,
    tuple[str, ...]: convert_names,
    Mapping[str, float]: convert_table,
}

DESCRIPTIONS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of texts",
    Mapping[str, float]: "a table of numbers",
}


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as plain values: for TOML, JSON and checkpoints."""
    values = dataclasses.asdict(config)
    values["hidden"] = list(config.hidden)
    values["learn_parameters"] = list(config.learn_parameters)
    for name in ("parameters", "readout_parameters"):
        values[name] = dict(getattr(config, name))
    return values


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
