"""Sweep files: a configuration, what varies, and how runs are compared."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spiketheory.errors import InputError, check_choice
from spiketheory.reading import DamagedError, parse_toml, read_text, show

GOALS = ("maximise", "minimise")
METHODS = ("random", "halving")
SCALES = ("linear", "log")
TABLES = {
    "base": "options of train, or preset and config",
    "vary": "lists and ranges; every combination is a run",
    "search": "method, runs, seed, space",
    "compare": "metric, goal, average_over",
}
RANGE = ("from", "to", "count", "scale")
SPACE = ("from", "to", "scale", "whole", "choices")
AVERAGED = ("seed", "fold")


@dataclass(frozen=True, kw_only=True)
class Search:
    """Runs that are drawn in place of all combinations.

    Attributes:
        method: ``random``, or ``halving``, which stops runs that are behind the others.
        runs: How many are drawn.
        seed: Seed of the drawing.
        space: Distributions by option: choices, or bounds with scale.
        first_epochs: Epochs after which ``halving`` looks first.
        factor: One run of so many goes on each time.
    """

    method: str = "random"
    runs: int = 20
    seed: int = 0
    space: Mapping[str, Any] = field(default_factory=dict)
    first_epochs: int = 1
    factor: int = 3


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep as its file says.

    Attributes:
        base: Options that all runs have.
        vary: Values by option, in order.
        search: Runs that are drawn; None for none.
        metric: What is compared: a column of the runs' metrics, in their last epoch; empty for the
            accuracy on validation samples, or on the test set if there are none.
        goal: ``maximise`` or ``minimise``.
        average_over: Options over which runs are averaged.
    """

    base: Mapping[str, Any]
    vary: Mapping[str, list[Any]]
    search: Search | None = None
    metric: str = ""
    goal: str = "maximise"
    average_over: tuple[str, ...] = AVERAGED

    @property
    def combinations(self) -> list[dict[str, Any]]:
        """Every combination of what varies; the last option changes fastest."""
        return [
            dict(zip(self.vary, values, strict=True))
            for values in itertools.product(*self.vary.values())
        ]


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        InputError: If it is missing or malformed.
    """
    try:
        return parse_sweep(read_text(path), path)
    except DamagedError as err:
        raise InputError(
            f"Expected a sweep file in {path} but reading it failed: {err}; "
            "give a TOML file with [base] and [vary]."
        ) from err


def parse_sweep(text: str, path: Path) -> Sweep:
    """A sweep from the text of its file."""
    values = parse_toml(text)
    check_names(f"tables of {path}", values, TABLES)
    tables = {name: read_table(path, name, values.get(name, {})) for name in TABLES}
    vary = {name: list_values(name, given) for name, given in tables["vary"].items()}
    compare = tables["compare"]
    check_names("[compare]", compare, ("metric", "goal", "average_over"))
    search = read_search(tables["search"]) if "search" in values else None
    if not vary and search is None:
        raise InputError(
            f"Expected something that varies in {path} but got no [vary] and no [search]; write "
            "for example seed = [0, 1, 2] in [vary]."
        )
    both = sorted(set(vary) & set(search.space if search else {}))
    if both:
        raise InputError(
            f"Expected {both[0]} in [vary] or in [search.space] but got both; leave one out."
        )
    averaged = compare.get("average_over", list(AVERAGED))
    if not isinstance(averaged, list) or not all(isinstance(name, str) for name in averaged):
        raise InputError(
            f"Expected average_over to be a list of options but got {show(averaged)}; correct it."
        )
    return Sweep(
        base=tables["base"], vary=vary, search=search,
        metric=str(compare.get("metric", "")),
        goal=check_choice("goal", str(compare.get("goal", "maximise")), GOALS),
        average_over=tuple(averaged),
    )  # fmt: skip


def read_table(path: Path, name: str, given: Any) -> Mapping[str, Any]:
    """One table of the file."""
    if not isinstance(given, Mapping):
        raise InputError(
            f"Expected [{name}] of {path} to be a table, {TABLES[name]}, but got {show(given)}; "
            "correct it."
        )
    return given


def check_names(what: str, given: Mapping[str, Any], known: Any) -> None:
    """Raise `InputError` unless all names are known."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(
            f"Expected {what} among {', '.join(known)} but got {unknown[0]!r}; correct its name."
        )


def list_values(name: str, given: Any) -> list[Any]:
    """The values of an option that varies: a list, or a range."""
    if isinstance(given, list) and given:
        return list(given)
    if not isinstance(given, Mapping):
        raise InputError(
            f"Expected {name} in [vary] to be a list of values, or a range such as "
            f"{{from = 0.1, to = 10, count = 5, scale = 'log'}}, but got {show(given)}; correct it."
        )
    check_names(f"the range of {name}", given, RANGE)
    low, high, scale = read_bounds(name, given)
    count = given.get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(
            f"Expected count >= 1 in the range of {name} but got {show(count)}; say how many "
            "values there are."
        )
    spaced = np.geomspace if scale == "log" else np.linspace
    values = spaced(low, high, count).tolist()
    if isinstance(given["from"], int) and all(float(value).is_integer() for value in values):
        return [int(value) for value in values]
    return list(values)


def read_bounds(name: str, given: Mapping[str, Any]) -> tuple[float, float, str]:
    """Lower bound, upper bound and scale of a range."""
    ends = [given.get("from"), given.get("to")]
    numbers = [e for e in ends if isinstance(e, int | float) and not isinstance(e, bool)]
    scale = check_choice(f"scale of {name}", str(given.get("scale", "linear")), SCALES)
    fits = len(numbers) == 2 and bool(np.isfinite(numbers).all()) and numbers[0] <= numbers[1]
    if not fits or (scale == "log" and numbers[0] <= 0):
        raise InputError(
            f"Expected numbers from <= to in the range of {name}"
            f"{', above 0 for scale = log,' if scale == 'log' else ''} but got "
            f"from = {show(ends[0])} and to = {show(ends[1])}; correct them."
        )
    return float(numbers[0]), float(numbers[1]), scale


def read_search(given: Mapping[str, Any]) -> Search:
    """The table [search]."""
    check_names("[search]", given, ("method", "runs", "seed", "space", "first_epochs", "factor"))
    space = given.get("space")
    if not isinstance(space, Mapping) or not space:
        raise InputError(
            f"Expected [search.space] with an option such as learning_rate = {{from = 1e-4, "
            f"to = 1e-1, scale = 'log'}} but got {show(space)}; say what is searched."
        )
    for name, one in space.items():
        check_space(name, one)
    numbers = {}
    lowest = {"runs": 1, "seed": 0, "first_epochs": 1, "factor": 2}
    for name in lowest:
        value = given.get(name, getattr(Search, name))
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest[name]:
            raise InputError(
                f"Expected a whole number {name} >= {lowest[name]} in [search] but got "
                f"{show(value)}; correct it."
            )
        numbers[name] = value
    method = check_choice("method", str(given.get("method", "random")), METHODS)
    return Search(method=method, space=space, **numbers)


def check_space(name: str, given: Any) -> None:
    """Raise `InputError` unless a distribution is one."""
    if not isinstance(given, Mapping):
        raise InputError(
            f"Expected {name} in [search.space] to be {{choices = [...]}} or {{from = ..., "
            f"to = ..., scale = 'log'}} but got {show(given)}; correct it."
        )
    check_names(f"the distribution of {name}", given, SPACE)
    if "choices" not in given:
        read_bounds(name, given)
    elif not isinstance(given["choices"], list) or not given["choices"]:
        raise InputError(
            f"Expected choices of {name} to be a list but got {show(given['choices'])}; correct it."
        )
