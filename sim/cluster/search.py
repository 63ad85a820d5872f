"""Draw the runs of a search, and stop those that fall behind: Optuna does both."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.cluster.sweep_file import Search, read_bounds
from spiketheory.errors import InputError


def load_optuna() -> Any:
    """Optuna, quietly; an error that says how to install it."""
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as err:
        raise InputError(
            f"Expected Optuna for [search] but got none ({err}); install it with "
            "pip install 'spiketheory[cluster]', or write [vary] in its place."
        ) from err
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def draw_points(search: Search) -> list[Mapping[str, Any]]:
    """Options of each run of a search; the same for the same seed."""
    optuna = load_optuna()
    space = {name: make_distribution(optuna, name, one) for name, one in search.space.items()}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=search.seed))
    drawn = [study.ask(space).params for _ in range(search.runs)]
    return [
        {name: search.space[name]["choices"][value] if "choices" in search.space[name] else value
         for name, value in one.items()}
        for one in drawn
    ]  # fmt: skip


def make_distribution(optuna: Any, name: str, given: Mapping[str, Any]) -> Any:
    """A distribution of Optuna; choices are drawn by their place, since some are lists."""
    kinds = optuna.distributions
    if "choices" in given:
        return kinds.CategoricalDistribution(range(len(given["choices"])))
    low, high, scale = read_bounds(name, given)
    if given.get("whole", False):
        return kinds.IntDistribution(round(low), round(high), log=scale == "log")
    return kinds.FloatDistribution(low, high, log=scale == "log")


class Halving:
    """Successive halving: after 1, 3, 9, ... epochs one run of three goes on.

    It is Optuna's asynchronous kind, fed in the order of the runs, so that it decides the same with
    any number of workers.

    Args:
        search: The search.
        goal: ``maximise`` or ``minimise``.
        epochs: Epochs of the longest run.

    Attributes:
        rungs: Epochs after which it looks, and last the end.
    """

    def __init__(self, search: Search, goal: str, epochs: int) -> None:
        self.optuna = load_optuna()
        pruner = self.optuna.pruners.SuccessiveHalvingPruner(
            min_resource=search.first_epochs, reduction_factor=search.factor
        )
        direction = "maximize" if goal == "maximise" else "minimize"
        self.study = self.optuna.create_study(direction=direction, pruner=pruner)
        self.trials: dict[int, Any] = {}
        self.rungs = []
        rung = search.first_epochs
        while rung < epochs:
            self.rungs.append(rung)
            rung *= search.factor
        self.rungs.append(epochs)

    def should_stop(self, number: int, epoch: int, values: Sequence[float | None]) -> bool:
        """Whether a run is too far behind those that came as far.

        Args:
            number: The run's number.
            epoch: How far it came.
            values: Its metric by epoch.
        """
        if number not in self.trials:
            self.trials[number] = self.study.ask()
        trial = self.trials[number]
        value = values[epoch] if epoch < len(values) else None
        trial.report(float("nan") if value is None else float(value), epoch)
        stops = bool(trial.should_prune()) or value is None or not np.isfinite(value)
        if stops:
            self.study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
        return stops
