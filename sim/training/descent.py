"""Gradient descent on a function of arrays, for experiments that write their own loss."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim.training.optim import Optimiser
from sim.training.schedules import Schedule


def descend(
    parameters: Sequence[np.ndarray],
    evaluate: Callable[[int], tuple[float, Sequence[np.ndarray]]],
    *,
    optimiser: Optimiser,
    schedule: Schedule,
    steps: int,
    constrain: Callable[[], None] = lambda: None,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> np.ndarray:
    """Gradient descent; ``parameters`` are changed in place.

    Args:
        parameters: The arrays that learn.
        evaluate: Returns loss and gradients after the given number of steps.
        optimiser: The optimiser.
        schedule: Its learning rate; what it calls an epoch is one step here.
        steps: Number of steps.
        constrain: Called after each step, to keep parameters within their bounds.
        on_step: Called with the number of steps and the loss there.

    Returns:
        The loss before each step and after the last, shape (steps + 1,).
    """
    state = optimiser.init(parameters)
    losses = np.empty(steps + 1)
    for step in range(steps + 1):
        losses[step], gradients = evaluate(step)
        if step < steps:
            optimiser.update(parameters, gradients, state, schedule(step, steps))
            constrain()
        on_step(step, float(losses[step]))
    return losses


def summarise(losses: np.ndarray, started: float) -> dict[str, Any]:
    """What a descent did, as plain values.

    Args:
        losses: What `descend` returned.
        started: Reading of `time.perf_counter` at the start.
    """
    shown = np.unique(np.geomspace(1, len(losses), 60).astype(int)) - 1
    return {
        "steps": len(losses) - 1,
        "wall_seconds": round(time.perf_counter() - started, 2),
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
        "loss_curve": {"step": shown.tolist(), "loss": losses[shown].tolist()},
    }
