"""An independent integration of a model file: scipy's DOP853 on the text of the equations.

Shares nothing with the package, its reader included. Expressions of a model file are Python's own,
so each text is compiled as it stands, with the functions of `math`. One neuron is followed from
event to event: inputs, spikes, ends of refractory periods. Every event begins a new integration at
time 0, and durations are added up.

Where V runs to infinity, or so fast to a peak that time has too few digits, V itself takes the
place of time beyond a level `far` that the protocol names, and time is a variable like others:
V = far + scale (1/p - 1), p from 1 to 0. After a reset to -oo the same holds below -far.
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

MATH = {name: getattr(math, name) for name in (
    "acos", "asin", "atan", "cos", "cosh", "exp", "log", "sin", "sinh", "sqrt", "tan", "tanh", "pi",
)} | {"abs": abs}  # fmt: skip
AT_INFINITY = 1e-13
"""What p is at V = oo; the rest of the way takes p dt/dp, some 1e-13 of the time beyond `far`."""
MOST_STEPS = 100_000
"""Changes of phase in one trial; more is a fault of the protocol."""
SPIKE = re.compile(r"(\w+)\s*(->|>=|==?)\s*(.+)")


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """A model file as code.

    Attributes:
        state: Names of the state variables.
        parameters: Values by name.
        rates: Code of a function of the state: the time derivative of each variable.
        spiking: Which state variable spikes.
        threshold: Code of a function of the state: its value at a spike; None if it runs to
            infinity.
        reset: Statements at a spike as code; None if the state goes on unchanged.
        from_below: Whether a reset leads to -oo.
        inputs: Statements of each port, as code.
        rest: Code of the initial state.
        refractory: Code of the refractory time; None if there is none.
        held: Which state variables are held during it.
    """

    state: tuple[str, ...]
    parameters: Mapping[str, float]
    rates: Any
    spiking: int
    threshold: Any
    reset: Any
    from_below: bool
    inputs: Mapping[str, Any]
    rest: tuple[Any, ...]
    refractory: Any
    held: tuple[int, ...]


def read_neuron(path: Path, overrides: Mapping[str, float]) -> Neuron:
    """Read a model file with other values for some of its parameters."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    model, given = document["model"], document.get("parameters", {})
    values = {n: float(v["default"] if isinstance(v, dict) else v) for n, v in given.items()}
    assert set(overrides) <= set(values), overrides
    equations = dict(
        re.fullmatch(r"d(\w+)/dt\s*=\s*(.+)", line).groups()
        for line in strip_comments(model["equations"]).splitlines() if line.strip()
    )  # fmt: skip
    state, origin = tuple(equations), str(path)
    head = f"lambda {', '.join(state)}: "
    name, arrow, value = SPIKE.fullmatch(model["spike"].strip()).groups()
    refractory = model.get("refractory", {})
    held = refractory.get("hold", [name])
    inputs = model.get("inputs") or {"default": model.get("input", "")}
    reset = strip_comments(model["reset"])
    return Neuron(
        state=state,
        parameters=values | {n: float(v) for n, v in overrides.items()},
        rates=compile(head + f"[{', '.join(equations.values())}]", origin, "eval"),
        spiking=state.index(name),
        threshold=None if arrow == "->" else compile(head + value, origin, "eval"),
        reset=compile_statements(reset, path) if reset.strip() else None,
        from_below="-oo" in reset,
        inputs={port: compile_statements(text, path) for port, text in inputs.items()},
        rest=tuple(compile(str(model["rest"][n]), origin, "eval") for n in state),
        refractory=compile(refractory["time"], origin, "eval") if refractory else None,
        held=tuple(state.index(n) for n in held) if refractory else (),
    )


def strip_comments(text: str) -> str:
    """Remove comments from lines; blanks around lines go, too."""
    return "\n".join(line.split("#", 1)[0].strip() for line in text.splitlines())


def compile_statements(text: str, path: Path) -> Any:
    """Compile statements between semicolons or line ends."""
    parts = [p.strip() for p in strip_comments(text).replace("\n", ";").split(";")]
    return compile("\n".join(p for p in parts if p) or "pass", str(path), "exec")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What happens to the neuron.

    Attributes:
        duration: The trial's end.
        inputs: (time, weight, port) in order.
        initial: Initial values by state variable, where they are not the rest.
        far: V beyond which V takes the place of time.
        scale: How fast it grows then.
        most: The trial ends with this spike.
    """

    duration: float
    inputs: Sequence[tuple[float, float, str]] = ()
    initial: Mapping[str, float] = field(default_factory=dict)
    far: float = math.inf
    scale: float = 1.0
    most: int = 20


@dataclass(frozen=True, kw_only=True)
class Way:
    """V as a function of p, which takes the place of time; its slope; p of V; p at the end."""

    potential: Callable[[float], float]
    slope: Callable[[float], float]
    place: Callable[[float], float]
    end: float


class Run:
    """One neuron from 0 to the trial's end; afterwards `spikes` has the times."""

    def __init__(self, neuron: Neuron, trial: Trial, rtol: float, sizes: np.ndarray | None) -> None:
        self.neuron, self.trial = neuron, trial
        self.names = MATH | dict(neuron.parameters)
        self.field = eval(neuron.rates, self.names)
        self.threshold = neuron.threshold and eval(neuron.threshold, self.names)
        self.sizes = np.zeros(len(neuron.state)) if sizes is None else sizes
        atol = 1e-3 * rtol if sizes is None else 1e-2 * rtol * np.maximum(sizes, 1e-300)
        self.options = {"method": "DOP853", "rtol": rtol}
        self.atol = np.broadcast_to(atol, (len(neuron.state),))
        rest = [float(eval(code, self.names)) for code in neuron.rest]
        self.y = np.array(
            [float(trial.initial.get(n, v)) for n, v in zip(neuron.state, rest, strict=True)]
        )
        self.t, self.spikes, self.left = 0.0, [], 0.0
        self.is_above = self.neuron.reset is None and self.gap(self.y) >= 0

    def compute(self, code: Any, y: Sequence[float]) -> Any:
        """Evaluate code at a state."""
        return eval(code, self.names, dict(zip(self.neuron.state, map(float, y), strict=True)))

    def carry_out(self, code: Any, y: np.ndarray, **more: float) -> np.ndarray:
        """The state after statements."""
        state = self.neuron.state
        values = dict(zip(state, map(float, y), strict=True)) | more
        exec(code, self.names | {"oo": math.inf}, values)
        return np.array([float(values[n]) for n in state])

    def gap(self, y: np.ndarray) -> float:
        """How far beyond its threshold the spiking variable is."""
        if self.neuron.threshold is None:
            return -1.0
        return float(y[self.neuron.spiking] - self.threshold(*y.tolist()))

    def rates(self, y: np.ndarray) -> np.ndarray:
        """Time derivatives; held variables stand still."""
        try:
            found = np.array(self.field(*y.tolist()), dtype=float)
        except (OverflowError, ZeroDivisionError, ValueError):
            return np.full(len(y), math.nan)  # refuses a trial step that went too far
        if self.left > 0:
            found[list(self.neuron.held)] = 0.0
        return found

    def run(self) -> "Run":
        """Follow the neuron."""
        pending = list(self.trial.inputs)
        for _ in range(MOST_STEPS):
            if len(self.spikes) >= self.trial.most:
                return self
            stop = pending[0][0] if pending else self.trial.duration
            stop = min(stop, self.trial.duration)
            at_end = self.left > 0 and self.left <= stop - self.t
            if not self.advance(self.left if at_end else stop - self.t):
                continue
            if at_end:
                self.left = 0.0
                if self.gap(self.y) >= 0 and self.neuron.reset is not None:
                    self.spike()
            elif not pending or pending[0][0] > self.trial.duration:
                return self
            else:
                self.receive(*pending.pop(0)[1:])
        raise AssertionError(f"no end after {MOST_STEPS} phases at t={self.t}")

    def receive(self, weight: float, port: str) -> None:
        """An input; what is held keeps its value."""
        before = self.y
        after = self.carry_out(self.neuron.inputs[port], before, w=weight)
        if self.left > 0:
            after[list(self.neuron.held)] = before[list(self.neuron.held)]
        self.y = after
        if self.neuron.threshold is None:
            return
        if self.gap(after) >= 0 and self.left <= 0 and not self.is_above:
            self.spike()
        elif self.neuron.reset is None:
            self.is_above = self.gap(after) >= 0

    def spike(self) -> None:
        """Note the spike and reset."""
        self.spikes.append(self.t)
        if self.neuron.reset is None:
            self.is_above = True
            return
        before = self.gap(self.y)
        self.y = self.carry_out(self.neuron.reset, self.y)
        if self.neuron.threshold is not None and self.gap(self.y) == before:
            self.is_above = True  # the reset moves other variables alone: a crossing
            return
        assert self.gap(self.y) <= 0 or self.neuron.refractory, "reset beyond the threshold"
        if self.neuron.refractory:
            self.left = float(self.compute(self.neuron.refractory, self.y))

    def advance(self, duration: float) -> bool:
        """Go on for a duration or to the next event; say whether the duration is over."""
        v, far, index = self.y[self.neuron.spiking], self.trial.far, self.neuron.spiking
        if self.left <= 0 and (v >= far or (v <= -far and self.neuron.from_below)):
            return self.advance_far(duration, 1.0 if v >= far else -1.0)
        if duration <= 0:
            return True

        def gap(_: float, y: np.ndarray) -> float:
            return self.gap(y) if far == math.inf else y[index] - far

        passed, y, found = integrate(
            lambda _, y: self.rates(y), 0.0, duration, self.y, gap if self.left <= 0 else None,
            -1.0 if self.is_above else 1.0, self.options | {"atol": self.atol},
        )  # fmt: skip
        self.note(y)
        self.t += passed
        self.left = max(self.left - passed, 0.0) if self.left > 0 else 0.0
        if not found:
            return True
        if far < math.inf:
            self.y[index] = far
        elif self.is_above:
            self.is_above = False
        else:
            self.spike()
        return False

    def advance_far(self, duration: float, side: float) -> bool:
        """Go to the spike, or back from minus infinity, with V in the place of time."""
        index, way = self.neuron.spiking, self.choose_way(side)

        def change(p: float, s: np.ndarray) -> np.ndarray:
            y = s.copy()
            y[index] = way.potential(p)
            try:
                found = np.array(self.field(*y.tolist()), dtype=float)
            except OverflowError:  # an exponential: the rest of the way takes no time
                return np.zeros(len(s))
            speed = found[index]
            if not speed > 0:
                raise AssertionError(f"dV/dt = {speed} at V = {y[index]}: raise `far`")
            found *= way.slope(p) / speed
            found[index] = way.slope(p) / speed
            return found

        s = self.y.copy()
        s[index] = 0.0
        atol = self.atol.copy()
        atol[index] = 1e-5 * self.options["rtol"] * self.trial.duration
        p, s, found = integrate(
            change, way.place(self.y[index]), way.end, s, lambda _, s: s[index] - duration, 1.0,
            self.options | {"atol": atol},
        )  # fmt: skip
        self.t += duration if found else s[index]
        s[index] = way.potential(p)
        self.note(s)
        if not found and side > 0:
            self.spike()
        elif not found:
            self.y[index] = math.nextafter(-self.trial.far, 0.0)
        return found

    def choose_way(self, side: float) -> "Way":
        """The way of V from `far` on, or up to -far."""
        far, scale = self.trial.far, self.trial.scale
        if self.threshold is not None:
            length = float(self.threshold(*self.y.tolist())) - far
            return Way(
                potential=lambda p: far + length * p, slope=lambda _: length,
                place=lambda v: (v - far) / length, end=1.0,
            )  # fmt: skip
        return Way(
            potential=lambda p: side * (far + scale * (1.0 / p - 1.0)),
            slope=lambda p: -side * scale / p**2,
            place=lambda v: (
                AT_INFINITY if math.isinf(v) else 1.0 / (1.0 + (side * v - far) / scale)
            ),
            end=AT_INFINITY if side > 0 else 1.0,
        )

    def note(self, y: np.ndarray) -> None:
        """Take a state over, and the sizes that variables reach."""
        self.y = y
        near = np.abs(y)
        most = abs(self.trial.far) + self.trial.scale
        near[self.neuron.spiking] = min(near[self.neuron.spiking], most)
        self.sizes = np.maximum(self.sizes, near)


def integrate(
    rates: Callable[[float, np.ndarray], np.ndarray], start: float, end: float, y: np.ndarray,
    gap: Callable[[float, np.ndarray], float] | None, sign: float, options: Mapping[str, Any],
) -> tuple[float, np.ndarray, bool]:  # fmt: skip
    """Integrate to the end, or to where the gap crosses zero in a direction.

    The dense output only says in which step the crossing is: from the beginning of that step the
    way is integrated once more to the place itself, by Newton's method.

    Returns:
        Where it ended, the state there, and whether the gap crossed zero.
    """
    events = None
    if gap is not None:
        events = lambda x, s: gap(x, s)  # noqa: E731
        events.terminal, events.direction = True, sign
    run = solve_ivp(rates, (start, end), y, events=events, **options)
    if not run.success:
        raise AssertionError(f"the reference did not come to its end: {run.message}")
    if run.status == 0:
        return end, run.y[:, -1].copy(), False
    assert gap is not None
    x, before, s = run.t[-1], run.t[-2], run.y[:, -2]
    for _ in range(4):
        state = step(rates, before, x, s, options)
        h = 1e-6 * max(abs(x - before), 1e-12 * abs(end - start))
        ahead = h * rates(x, state)
        change = -gap(x, state) * 2 * h / (gap(x, state + ahead) - gap(x, state - ahead))
        if not math.isfinite(change) or abs(change) > abs(x - before):
            break
        x += change
        if abs(change) <= 1e-16 * abs(x):
            break
    return x, step(rates, before, x, s, options), True


def step(
    rates: Callable[[float, np.ndarray], np.ndarray], start: float, end: float, y: np.ndarray,
    options: Mapping[str, Any],
) -> np.ndarray:  # fmt: skip
    """Integrate a short way."""
    return y.copy() if end == start else solve_ivp(rates, (start, end), y, **options).y[:, -1]


def find_spikes(path: Path, trial: Trial, overrides: Mapping[str, float]) -> tuple[np.ndarray, ...]:
    """Spike times with tolerances of 1e-12 and of 1e-13."""
    neuron = read_neuron(path, overrides)
    with np.errstate(all="ignore"):
        rough = Run(neuron, trial, 1e-6, None).run()
        sizes = rough.sizes
        return tuple(
            np.array(Run(neuron, trial, rtol, sizes).run().spikes) for rtol in (1e-12, 1e-13)
        )
