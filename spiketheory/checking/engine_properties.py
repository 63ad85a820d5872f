"""All engines give one answer: spike times and gradients of small networks of the model under test.

A trial that was drawn is made into networks that the engines run: a recurrent one with delays, and,
if the model has pseudospikes, a stack of layers. The kernels are interpreted here, the model's
functions are those that `check` has; compiled kernels have the same text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse

from sim.engine.choose import differentiate, find_outputs, loss_and_gradient, simulate
from sim.events.differentiate import Gradients
from sim.inputs.trials import Trials
from sim.losses import make_linear_loss
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain.loop import Arrival, PlainRun, Spike
from sim.plain.recording import PlainRecording
from spiketheory.checking.failure import Failure, raise_failure
from spiketheory.checking.properties import SEARCH, Effort
from spiketheory.checking.subject import NotApplicable, Subject
from spiketheory.checking.trial import Trial
from spiketheory.errors import SimulationError

TIMES, GRADIENTS = 1e-10, 1e-8
"""Allowed differences: of times in units of the time scale or T, of derivatives relative to the
largest of their kind."""
NEGLIGIBLE = 1e-5
"""Derivatives this much smaller than the largest of all are sums that cancel."""
NUDGE = 1e-13
AMPLIFIED = 1e3
LEAST_MARGIN = 1e-8
MOST_SPIKES = 500
N_REQUIRED = 2
DELAYS = (0.0, 0.5, 1.0)
"""In units of the time scale."""
NAMES = ("layers", "events", "plain")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What an engine says of a network.

    Attributes:
        trains: Spike times of each neuron; last the output times, pseudospikes included.
        gradients: Derivatives by name.
        run: The plain engine's run; None of the others.
    """

    trains: list[np.ndarray]
    gradients: dict[str, np.ndarray]
    run: PlainRun | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A network for several engines.

    Attributes:
        text: What it is, in words.
        make: The network of a trial.
        run: What an engine says of it.
        engines: The engines that can run it; the last is the one that is nudged.
    """

    text: str
    make: Callable[[Subject, Trial], Network]
    run: Callable[[Network, str], Answer]
    engines: tuple[str, ...]


def list_tasks(subject: Subject, trial: Trial) -> Iterator[Task]:
    """The networks that a trial is made into."""
    n = trial.n_neurons
    neurons = f"{n} neuron{'' if n == 1 else 's'}"
    yield Task(
        text=f"a recurrent network of {neurons} with delays", make=make_recurrent,
        run=run_recurrent, engines=("events", "plain"),
    )  # fmt: skip
    if subject.compiled.has_pseudospikes:
        yield Task(
            text=f"a stack of {count_layers(trial)} layers of {neurons}", make=make_stack,
            run=run_stack, engines=NAMES,
        )  # fmt: skip


def check_engines(subject: Subject, trial: Trial, effort: Effort = SEARCH) -> None:
    """Every engine gives the same spike times and gradients."""
    silent = True
    for task in list_tasks(subject, trial):
        try:
            answers = {e: task.run(task.make(subject, trial), e) for e in task.engines}
        except SimulationError:
            continue
        *others, last = task.engines
        run = answers[last].run
        if run is not None and is_unclear(run, LEAST_MARGIN * subject.scales.time):
            continue
        silent = silent and not any(len(t) for t in answers[last].trains)
        for other in others:
            compare(subject, trial, task, answers, (other, last))
    if silent:
        raise NotApplicable


def is_unclear(run: PlainRun, least: float) -> bool:
    """Whether something arrives at a neuron just as it spikes by itself: rounding decides then.

    At a finite threshold the derivative depends on which of the two comes first.
    """
    if run.network.neurons[0].model.threshold_coordinate < 0:
        return False
    arrivals: dict[int, list[float]] = {}
    for step in run.steps:
        if isinstance(step, Arrival):
            target = run.network.connections[step.connection].target
            arrivals.setdefault(target, []).append(float(step.time))
    for step in run.steps:
        if isinstance(step, Spike) and step.cause is None:
            time = float(run.spikes[step.number][0])
            if any(abs(time - other) < least for other in arrivals.get(step.neuron, [])):
                return True
    return False


def compare(
    subject: Subject, trial: Trial, task: Task, answers: dict[str, Answer], pair: tuple[str, str]
) -> None:
    """Fail if two engines differ by more than rounding explains."""
    one, other = (answers[name] for name in pair)
    unit = max(subject.scales.time, trial.duration)
    by_time, by_gradient, where = measure(one, other, unit)
    if by_time <= TIMES and by_gradient <= GRADIENTS:
        return
    noise = [0.0, 0.0]
    for sign in (1, -1):
        try:
            moved = task.run(task.make(subject, nudge(trial, sign * NUDGE)), pair[1])
        except SimulationError as err:
            raise NotApplicable from err
        changes = measure(other, moved, unit)
        noise = [max(a, b) for a, b in zip(noise, changes[:2], strict=True)]
    if not np.isfinite(noise[0]):
        raise NotApplicable  # spikes appear or vanish by rounding
    by_time_allowed, by_gradient_allowed = (
        TIMES + AMPLIFIED * noise[0], GRADIENTS + AMPLIFIED * noise[1],
    )  # fmt: skip
    if by_time > by_time_allowed:
        size, what = by_time * unit, "spike times" if np.isfinite(by_time) else "the spikes"
    elif by_gradient > by_gradient_allowed:
        size, what = by_gradient, f"derivatives by {where}, relative to the largest"
    else:
        return
    third = [e for e in task.engines if e not in pair]
    agree = [
        f"{e} agrees with {name}"
        for e in third
        for name in pair
        if is_close(answers[e], answers[name], unit)
    ]
    raise_failure(Failure(
        name="engines", trial=trial,
        text=f"the engines {pair[0]} and {pair[1]} differ by {size:.3g} in {what}, on {task.text}"
        + "".join(f"; {text}" for text in agree),
    ))  # fmt: skip


def is_close(one: Answer, other: Answer, unit: float) -> bool:
    """Whether two answers are one."""
    by_time, by_gradient, _ = measure(one, other, unit)
    return by_time <= TIMES and by_gradient <= GRADIENTS


def measure(one: Answer, other: Answer, unit: float) -> tuple[float, float, str]:
    """Largest differences of times and of derivatives, and what these are by; inf if not finite.

    The layer engine has derivatives by some of the initial values only.
    """
    pairs = list(zip(one.trains, other.trains, strict=True))
    if any(len(a) != len(b) for a, b in pairs):
        return np.inf, np.inf, "everything"
    by_time = max(
        float(np.max(np.abs(a - b) / np.maximum(unit, np.abs(a)), initial=0.0)) for a, b in pairs
    )
    largest = max(np.max(np.abs(g), initial=0.0) for g in one.gradients.values())
    if not np.isfinite(largest):
        raise NotApplicable
    worst, where = 0.0, ""
    for name in sorted(one.gradients.keys() & other.gradients.keys()):
        values = one.gradients[name]
        scale = max(np.max(np.abs(values), initial=0.0), NEGLIGIBLE * largest, 1e-100)
        size = float(np.max(np.abs(values - other.gradients[name]), initial=0.0) / scale)
        if not size <= worst:
            worst, where = size, name
    return by_time, worst if worst == worst else np.inf, where


def nudge(trial: Trial, size: float) -> Trial:
    """The trial with weights and states changed by a little, each in its own direction.

    Input times stay: what coincides is no accident.
    """
    for k, place in enumerate(trial.places()):
        if place.field != "input_times":
            trial = trial.move(place, trial.read(place) * (1 + (-1) ** k * size))
    return trial


def make_recurrent(subject: Subject, trial: Trial) -> Network:
    """The network of a trial, with delays."""
    n, state = trial.n_neurons, np.array(trial.initial, float)
    weights = np.array(trial.weights, float)
    given = Projection(pre="input", post="neurons", weights=np.array(trial.input_weights))
    steps = (2 * np.arange(n)[:, None] + np.arange(n)) % len(DELAYS)
    return Network(
        populations=[
            Population(
                name="neurons", model=interpret(subject), size=n, parameters=subject.parameters,
                initial=dict(zip(subject.compiled.state, state.T, strict=True)),
            )
        ],
        inputs=[
            SpikeTrains(
                name="input", size=len(trial.input_weights[0]),
                times=np.array(trial.input_times, float),
                channels=np.array(trial.input_neurons, int),
            )
        ],
        projections=[
            *split_ports(subject, given),
            *split_ports(
                subject,
                Projection(
                    pre="neurons", post="neurons", weights=weights, mask=weights != 0,
                    delays=subject.scales.time * np.array(DELAYS)[steps],
                ),
            ),
        ],
        duration=trial.duration,
    )  # fmt: skip


def split_ports(subject: Subject, projection: Projection) -> list[Projection]:
    """Connections that lead to the ports that the plain loop lets their sources arrive at."""
    model = subject.compiled
    if model.n_ports == 1:
        return [projection]
    shape = np.shape(projection.weights)
    mask = np.ones(shape, bool) if projection.mask is None else np.asarray(projection.mask)
    port_of = np.broadcast_to(np.arange(shape[1]) % model.n_ports, shape)
    names = {model.find_port(name): name for name in model.ports}
    return [
        replace(projection, mask=mask & (port_of == k), port=names[k]) for k in range(model.n_ports)
    ]


def count_layers(trial: Trial) -> int:
    """How many layers the stack of a trial has."""
    return 2 if trial.n_neurons > 2 else 3


def make_stack(subject: Subject, trial: Trial) -> Network:
    """Layers that each have the trial's neurons, and its weights; input weights fill in for 0."""
    recurrent = make_recurrent(subject, trial)
    model, n = interpret(subject), trial.n_neurons
    first = np.array(trial.input_weights, float)
    own = np.array(trial.weights, float)
    between = np.where(own == 0, first[:, np.arange(n) % first.shape[1]], own)
    names = ["input", *(f"layer{k}" for k in range(count_layers(trial)))]
    voltage = subject.scales.voltage
    starts = []
    for state in trial.initial:
        given = list(subject.scales.rest)
        given[voltage] = state[voltage]
        coordinates = subject.loop.enter(given)
        (start,) = np.atleast_1d(
            subject.compiled.module.initial_value(*coordinates, *subject.loop.constants)
        )
        starts.append(float(start))
    return replace(
        recurrent,
        populations=[
            Population(
                name=name, model=model, size=n, parameters=subject.parameters,
                initial={model.initial: np.array(starts)},
            )
            for name in names[1:]
        ],
        projections=[
            Projection(pre=pre, post=post, weights=first if pre == "input" else between)
            for pre, post in pairwise(names)
        ],
    )  # fmt: skip


def interpret(subject: Subject) -> Any:
    """The model with kernels that are interpreted; its functions stay as they are."""
    compiled = subject.compiled
    return compiled if compiled.backend == "numpy" else replace(compiled, backend="numpy")


def run_recurrent(network: Network, engine: str) -> Answer:
    """Spikes, pseudospikes if there are any, and gradients of their sum with coefficients."""
    recording = simulate(network, engine=engine, record=True, max_spikes=MOST_SPIKES)
    trains = recording.trains()
    coefficients = np.empty(len(recording.spike_time))
    order = np.argsort(recording.spike_neuron, kind="stable")
    coefficients[order] = np.cos(1.0 + np.arange(len(order)))
    options: dict[str, Any] = {}
    if all(p.model.has_pseudospikes for p in network.populations):
        outputs = find_outputs(recording, np.arange(network.n_neurons), N_REQUIRED)
        trains.append(outputs.times.ravel())
        options["outputs"] = (outputs, np.sin(1.0 + np.arange(outputs.times.size)).reshape(
            outputs.times.shape))  # fmt: skip
    found = differentiate(recording, spike_time=coefficients, parameters=True, **options)
    run = recording.run if isinstance(recording, PlainRecording) else None
    return Answer(trains=trains, gradients=name_gradients(network, found), run=run)


def run_stack(network: Network, engine: str) -> Answer:
    """Spikes, and output times of the last layer with the gradients of their sum."""
    spikes = network.inputs[0]
    order = np.lexsort((spikes.channels, spikes.times))
    trials = Trials(
        time=spikes.times[order], channel=spikes.channels[order], offsets=[0, len(order)],
        n_channels=spikes.size,
    )  # fmt: skip
    recording = simulate(network, trials, engine=engine, max_spikes=MOST_SPIKES)
    targets = np.cos(1.0 + np.arange(network.populations[-1].size * N_REQUIRED))[None]
    outcome, found = loss_and_gradient(
        network, trials, targets, make_linear_loss(n_required=N_REQUIRED), engine=engine,
        max_spikes=MOST_SPIKES,
    )  # fmt: skip
    assert found is not None
    trains = [*recording.trains(0), outcome.output_times.ravel()]
    runs = [r.run for r in recording.recordings if isinstance(r, PlainRecording)]
    return Answer(
        trains=trains, gradients=name_gradients(network, replace(found, delays=[])),
        run=runs[0] if runs else None,
    )  # fmt: skip


def name_gradients(network: Network, found: Gradients) -> dict[str, np.ndarray]:
    """Derivatives as arrays by what they are by."""
    named: dict[str, np.ndarray] = {}
    for kind, matrices in (("weights", found.weights), ("delays", found.delays)):
        for projection, matrix in zip(network.projections, matrices, strict=kind == "weights"):
            values = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
            where = "" if projection.port == "default" else f" at {projection.port}"
            named[f"{kind} of {projection.label}{where}"] = values
    named |= {"input times": np.concatenate([np.empty(0), *found.input_times])}
    for kind, tables in (("initial", found.initial), ("parameter", found.parameters or [])):
        for population, table in zip(network.populations, tables, strict=False):
            for name, values in table.items():
                named[f"{kind} {name} of {population.name}"] = np.asarray(values, np.float64)
    return named
