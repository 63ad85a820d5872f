"""How a described network is trained: the table ``[training]`` of a network file."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.engine.choose import AUTO, ENGINES
from sim.files.tables import Table
from sim.training.optim import OPTIMISERS, Optimiser, make_optimiser
from sim.training.plain_values import CONVERTERS, DESCRIPTIONS, check_at_least, check_range
from sim.training.schedules import SCHEDULES, Schedule, make_schedule
from spiketheory.errors import InputError, check_choice, check_positive
from spiketheory.reading import show


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """Settings of the training of a described network.

    Attributes:
        epochs: Passes through the trials. With the network's own trial a pass is one step, and the
            file may call them ``steps``.
        batch: Trials per optimiser step.
        optimiser: ``adabelief``, ``adam`` or ``sgd``.
        learning_rate: Learning rate at the start.
        schedule: ``constant``, ``exponential`` or ``cosine``.
        decay: Decay constant of the exponential schedule, in epochs (steps).
        beta1: Memory of the mean gradient (adabelief, adam).
        beta2: Memory of the mean square (adabelief, adam).
        momentum: Decay of the velocity (sgd).
        clip: Largest norm of the gradient of a step; longer ones are shortened to it.
        seed: Seed of the order of the trials, and of what is set aside.
        dataset: Path of a trials file; empty for the network's own trial.
        validation: Trials held out in place of the test part, see
            `sim.training.trial_data.load_trial_dataset`.
        engine: ``auto``, or the engine to use.
    """

    epochs: int = 100
    batch: int = 100
    optimiser: str = "adabelief"
    learning_rate: float = 4e-3
    schedule: str = "exponential"
    decay: float = 100.0
    beta1: float = 0.9
    beta2: float = 0.999
    momentum: float = 0.0
    clip: float = np.inf
    seed: int = 0
    dataset: str = ""
    validation: int = 0
    engine: str = AUTO

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimiser", tuple(OPTIMISERS)),
            ("schedule", tuple(name for name in SCHEDULES if name != "plateau")),
            ("engine", (AUTO, *ENGINES)),
        ):
            check_choice(name, getattr(self, name), choices)
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("validation", 0)):
            check_at_least(name, getattr(self, name), least)
        for name in ("learning_rate", "decay"):
            check_positive(name, getattr(self, name))
        for name in ("beta1", "beta2", "momentum"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        if not self.clip > 0:
            raise InputError(f"Expected clip > 0 but got clip={self.clip}; leave it out for none.")

    def make_optimiser(self) -> Optimiser:
        """The optimiser."""
        if self.optimiser == "sgd":
            return make_optimiser(self.optimiser, momentum=self.momentum)
        return make_optimiser(self.optimiser, beta1=self.beta1, beta2=self.beta2)

    def make_schedule(self) -> Schedule:
        """The learning rate."""
        settings = {"rate": self.learning_rate}
        if self.schedule == "exponential":
            settings["decay_epochs"] = self.decay
        return make_schedule(self.schedule, **settings)


def read_training(path: Path, table: Table) -> NetworkTraining:
    """Read the table ``[training]``.

    Args:
        path: The file, for messages.
        table: The table.

    Raises:
        InputError: If a name is unknown or a value does not fit.
    """
    fields = {f.name: f for f in dataclasses.fields(NetworkTraining)}
    given = dict(table)
    if "steps" in given:
        if "epochs" in given:
            raise InputError(
                f"Expected steps or epochs in [training] of {path} but got both; keep one of them."
            )
        if given.get("dataset"):
            raise InputError(
                f"Expected epochs with a dataset in [training] of {path} but got steps; give the "
                "number of passes through its trials."
            )
        given["epochs"] = given.pop("steps")
    made = {}
    for name, value in given.items():
        if name not in fields:
            raise InputError(
                f"Expected steps, {', '.join(fields)} in [training] of {path} but got {name!r}; "
                "correct its name."
            )
        kind = fields[name].type
        try:
            made[name] = CONVERTERS[kind](value)
        except (TypeError, ValueError, OverflowError) as err:
            raise InputError(
                f"Expected {name} in [training] of {path} to be {DESCRIPTIONS[kind]} but got "
                f"{show(value)}; correct it."
            ) from err
    try:
        return NetworkTraining(**made)
    except InputError as err:
        raise InputError(f"{str(err).rstrip('.')} ([training] of {path}).") from err
