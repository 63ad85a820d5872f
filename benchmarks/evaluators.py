"""Generated functions beside loops that were written by hand, both compiled by Numba.

Nanoseconds per evaluation over arrays that fit into the cache: the time to the next spike, and the
flow with an input, as in a training step. The hand-written loops are what one would write for one
model and fixed time constants (tau_m = 2 tau_s where there are two), without any other case.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks.suite import Session
from benchmarks.timing import interleave, time_calls
from derivations import compile_model
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.jit import compile_undisturbed

N = 4096
MODELS = ("theta", "qif", "lif")
DT = 0.01
WEIGHT = 0.5

Loop = Callable[[Any, Any, Any, Any], None]


def measure(session: Session) -> None:
    """Generated and written by hand in turns."""
    n = 64 if session.options.tiny else N
    models = MODELS[:1] if session.options.quick or session.options.tiny else MODELS
    calls: dict[str, Callable[[], object]] = {}
    for name in models:
        session.show(f"compiling evaluators of {name}")
        model = compile_model(name)
        for what, generated, written in (
            ("time to spike", make_waits(model), WAITS[name]),
            ("flow and input", make_flows(model), FLOWS[name]),
        ):
            ours, theirs = make_calls(model, draw_states(model, n), generated, written)
            calls[f"{name}, {what}: generated"] = ours
            calls[f"{name}, {what}: by hand"] = theirs
    steps = {k: time_calls(f, least=session.options.least / 5) for k, f in calls.items()}
    seconds = interleave(steps, session.options.rounds, show=session.show)
    for name, values in seconds.items():
        better = "lower" if name.endswith("generated") else None
        session.add(name, (1e9 * s / n for s in values), "ns/evaluation", better)
    for name in [k for k in seconds if k.endswith("generated")]:
        what = name.split(":")[0]
        session.add_ratio(f"{what}: generated over by hand", seconds[name],
                          seconds[f"{what}: by hand"], "lower")  # fmt: skip


def make_calls(
    model: CompiledModel, states: np.ndarray, generated: Loop, written: Loop
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Both loops over the same states.

    Raises:
        AssertionError: If they do not compute the same numbers.
    """
    constants = tuple(float(c) for c in model.functions.constants(*model.check_parameters({})))
    step = tuple(float(p) for p in model.functions.propagator(DT, *constants))
    charts = [model.functions.enter_chart(*row, *constants) for row in states.T]
    coordinates = np.ascontiguousarray(np.transpose(charts), dtype=np.float64)
    plain = coordinates if model.name == "theta" else states
    ours, theirs = np.empty(states.shape[1]), np.empty(states.shape[1])
    generated(coordinates, constants, step + constants, ours)
    written(plain, constants, step + constants, theirs)
    if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12):
        raise AssertionError(f"{model.name}: {ours[:3]} generated, {theirs[:3]} by hand")
    return (
        lambda: generated(coordinates, constants, step + constants, ours),
        lambda: written(plain, constants, step + constants, theirs),
    )


def draw_states(model: CompiledModel, n: int) -> np.ndarray:
    """States of neurons on their way to a spike, shape (n_state, n)."""
    rng = np.random.default_rng(0)
    V = rng.uniform(-0.9, 0.9, n)
    return np.array([V] if len(model.state) == 1 else [V, rng.uniform(8.0, 12.0, n)])


def make_waits(model: CompiledModel) -> Loop:
    """A loop over the generated time to the spike."""
    wait = model.functions.time_to_spike
    if len(model.coordinates) == 2:

        @compile_undisturbed
        @numba.njit(error_model="numpy")
        def loop(states: Any, constants: Any, rest: Any, out: Any) -> None:
            for i in range(out.shape[0]):
                out[i] = wait(states[0, i], states[1, i], *constants)

    else:

        @compile_undisturbed
        @numba.njit(error_model="numpy")
        def loop(states: Any, constants: Any, rest: Any, out: Any) -> None:
            for i in range(out.shape[0]):
                out[i] = wait(states[0, i], states[1, i], states[2, i], *constants)

    found: Loop = loop
    return found


def make_flows(model: CompiledModel) -> Loop:
    """A loop over generated flow and jump; sums what comes out of them."""
    flow, jump, leave = model.functions.flow, model.functions.jump, model.functions.leave_chart
    if len(model.coordinates) == 2:

        @compile_undisturbed
        @numba.njit(error_model="numpy")
        def loop(states: Any, constants: Any, rest: Any, out: Any) -> None:
            for i in range(out.shape[0]):
                x, y = flow(states[0, i], states[1, i], *rest)
                x, y = jump(x, y, WEIGHT, *constants)
                out[i] = x + y

    else:

        @compile_undisturbed
        @numba.njit(error_model="numpy")
        def loop(states: Any, constants: Any, rest: Any, out: Any) -> None:
            for i in range(out.shape[0]):
                x, y, current = flow(states[0, i], states[1, i], states[2, i], *rest)
                x, y, current = jump(x, y, current, WEIGHT, *constants)
                V, current = leave(x, y, current, *constants)
                out[i] = V + current

    found: Loop = loop
    return found


@compile_undisturbed
@numba.njit(error_model="numpy")
def wait_theta(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """Angle over angular velocity."""
    omega = constants[1]
    for i in range(out.shape[0]):
        out[i] = math.atan2(states[1, i], states[0, i]) / omega


@compile_undisturbed
@numba.njit(error_model="numpy")
def flow_theta(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """Rotation and shear."""
    cos, sin, shear = rest[0], rest[1], WEIGHT * constants[3]
    for i in range(out.shape[0]):
        x = cos * states[0, i] + sin * states[1, i]
        y = cos * states[1, i] - sin * states[0, i]
        out[i] = x + shear * y + y


@compile_undisturbed
@numba.njit(error_model="numpy")
def wait_qif(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """Positive current: where an oscillator in 1 - exp(-t) crosses 0."""
    for i in range(out.shape[0]):
        root = math.sqrt(states[1, i])
        s = math.atan2(root, states[0, i]) / root
        out[i] = -math.log1p(-s) if s < 1.0 else math.inf


@compile_undisturbed
@numba.njit(error_model="numpy")
def flow_qif(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """The oscillator over a fixed time."""
    z = math.exp(-DT)
    for i in range(out.shape[0]):
        V, current = states[0, i], states[1, i]
        root = math.sqrt(current)
        C, S = math.cos(root * (1 - z)), math.sin(root * (1 - z)) / root
        V = z * (V * C + current * S) / (C - V * S)
        out[i] = V + current * z * z + WEIGHT


@compile_undisturbed
@numba.njit(error_model="numpy")
def wait_lif(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """A quadratic equation."""
    for i in range(out.shape[0]):
        V, current = states[0, i], states[1, i]
        inner = (V + current) ** 2 - 4 * current
        if inner <= 0.0 or current - V <= 2 * (1 - V):
            out[i] = math.inf
        else:
            out[i] = -math.log((V + current + math.sqrt(inner)) / (2 * current))


@compile_undisturbed
@numba.njit(error_model="numpy")
def flow_lif(states: Any, constants: Any, rest: Any, out: Any) -> None:
    """Two exponentials, the same for all."""
    a = math.exp(-DT)
    for i in range(out.shape[0]):
        V, current = states[0, i], states[1, i]
        out[i] = V * a + current * (a - a * a) + current * a * a + WEIGHT


WAITS = {"theta": wait_theta, "qif": wait_qif, "lif": wait_lif}
FLOWS = {"theta": flow_theta, "qif": flow_qif, "lif": flow_lif}
