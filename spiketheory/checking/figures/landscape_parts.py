"""The landscape in parts, for processes that share them: a line, and rows of the plane."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from spiketheory.checking.figures.landscape_figure import (
    Landscape,
    compute_row,
    follow_line,
    join,
)
from spiketheory.checking.runner import Recipe
from spiketheory.checking.subject import Subject

SUBJECTS: list[Subject] = []
"""Of this process: the models of the figure."""


def start_exploring(recipes: Sequence[Recipe]) -> None:
    """Say which models are looked at in this process."""
    SUBJECTS[:] = [recipe.build() for recipe in recipes]


def find_part(model: int, seed: int, grid: int, row: int | None) -> Any:
    """A row of the plane of a model; None is the line."""
    with np.errstate(all="ignore"):
        subject = SUBJECTS[model]
        if row is None:
            return follow_line(subject, seed)
        return compute_row(subject, seed, grid, row)


def explore_together(
    subjects: Sequence[Subject], submit: Callable[..., "Future[Any]"], *, seed: int, grid: int
) -> list[Landscape]:
    """The landscapes of all models.

    Args:
        subjects: The models.
        submit: Has a process in which `start_exploring` was called call a function.
        seed: Seed of the network.
        grid: Points along each axis of the plane.
    """
    parts = [
        [submit(find_part, k, seed, grid, row) for row in (None, *range(grid))]
        for k in range(len(subjects))
    ]  # lines take longest, and come first
    return [
        join(subject, own[0].result(), [one.result() for one in own[1:]])
        for subject, own in zip(subjects, parts, strict=True)
    ]
