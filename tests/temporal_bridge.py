"""Networks of the oracle `temporal` as networks of the package, and gradients of both by path."""

import random
from dataclasses import dataclass, replace

import numpy as np
from networks import compiled
from temporal import differentiate, differentiate_together, list_paths, simulate
from temporal.answers import Runs
from temporal.arithmetic import working
from temporal.given import Numbers
from temporal.readouts import find_loss

from derivations import compile_readout
from sim.events.differentiate import differentiate as backward
from sim.events.simulate import simulate as run_events
from sim.inputs.trials import Trials
from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.network.readouts import LinearReadout
from sim.temporal.batch import MAX_SPIKES, run_temporal
from sim.temporal.line import Line
from sim.temporal.logit_losses import make_cross_entropy
from sim.temporal.stack import read_temporal


def build_network(network, trial, backend="numpy"):
    """The network without its readout, with the trial's input spikes."""
    names = ["in", *(f"layer{k}" for k in range(len(network.layers)))]
    times, channels = zip(*trial.inputs, strict=True)
    populations, projections = [], []
    for k, layer in enumerate(network.layers):
        own = names[k + 1]
        parameters = {n: as_numbers(v) for n, v in layer.all_parameters.items()}
        initial = {n: np.array(v) for n, v in layer.all_initial.items()}
        populations.append(Population(
            name=own, model=compiled(layer.model, backend), size=layer.size,
            parameters=parameters, initial=initial,
        ))  # fmt: skip
        delays = network.layers[k - 1].delays if k else None
        projections.append(connect(names[k], own, layer.weights, delays))
        if layer.recurrent is not None:
            projections.append(connect(own, own, layer.recurrent, layer.recurrent_delays))
    n_channels = len(network.layers[0].weights[0])
    inputs = SpikeTrains(
        name="in", size=n_channels, times=np.array(times), channels=np.array(channels)
    )
    return Network(
        populations=populations, inputs=[inputs], projections=projections, duration=trial.duration
    )


def as_numbers(value):
    return np.array(value) if isinstance(value, list) else value


def connect(pre, post, weights, delays):
    """A projection; delays are those of the senders."""
    weights = np.array(weights)
    given = None if delays is None else np.broadcast_to(np.array(delays), weights.shape)
    return Projection(pre=pre, post=post, weights=weights, delays=given)


def build_trials(network, trial):
    """The trial as a batch of one."""
    times, channels = zip(*trial.inputs, strict=True)
    n_channels = len(network.layers[0].weights[0])
    return Trials.from_pairs([(list(times), list(channels))], n_channels=n_channels)


def build_readout(readout, duration, backend="numpy"):
    """The readout; the half width of windows is a length there, and here a part of T/M."""
    values = {}
    if readout.kind in ("leaky_integrator", "potential_at_end", "maximum"):
        values = {"tau_m": readout.tau_m, "tau_s": readout.tau_s}
    if readout.kind == "windows":
        n = len(readout.weights[0][0])
        width = 1.0 if readout.width is None else readout.width * n / duration
        values = {"n_windows": n, "width": width}
    kind = compile_readout(readout.kind, backend=backend, **values)
    weights = np.array(readout.weights)
    bias = np.zeros(len(weights)) if readout.bias is None else np.array(readout.bias)
    return LinearReadout(compiled=kind, weights=weights, bias=bias)


def without_delays_to_readout(network):
    """The network whose last layer is read without delay: the package has no other readouts."""
    *before, last = network.layers
    return replace(network, layers=[*before, replace(last, delays=None)])


def find_trains(stack, trials):
    """Spikes of the first trial, per layer (time, neuron), by time."""
    line = Line(stack, stack, trials, max_spikes=MAX_SPIKES)
    times, neurons = line.run(0.0, 0)
    found = []
    for _, own in stack.network.parts:
        inside = (neurons >= own.start) & (neurons < own.stop)
        found.append(list(zip(times[inside].tolist(), (neurons[inside] - own.start).tolist(),
                              strict=True)))  # fmt: skip
    return found


def run_engine(network, trial, backend="numpy"):
    """Spikes per layer, logits, loss, and slopes by the oracle's paths."""
    stack = read_temporal(build_network(network, trial, backend))
    assert not isinstance(stack, str), stack
    trials = build_trials(network, trial)
    readout = build_readout(network.readout, trial.duration, backend)
    outcome, gradients = run_temporal(
        stack, trials, np.array([trial.label]), readout, make_cross_entropy(), parameters=True,
        input_times=True,
    )  # fmt: skip
    spikes = find_trains(stack, trials)
    assert outcome.counts.sum() == sum(map(len, spikes))
    return spikes, outcome.logits[0], outcome.loss[0], list_slopes(network, trial, gradients)


def list_slopes(network, trial, gradients):
    """Derivatives of the package by paths of the oracle."""
    found, position, own = {}, 0, gradients.network
    for k, layer in enumerate(network.layers):
        put_array(found, ("weights", k), own.weights[position])
        if k:
            put_array(found, ("delays", k - 1), own.delays[position].sum(axis=0))
        position += 1
        if layer.recurrent is not None:
            put_array(found, ("recurrent", k), own.weights[position])
            put_array(found, ("recurrent_delays", k), own.delays[position].sum(axis=0))
            position += 1
        for name, value in own.initial[k].items():
            put_array(found, ("initial", k, name), value)
        for name, value in own.parameters[k].items():
            put_array(found, ("parameters", k, name), value)
    times, channels = np.array(trial.inputs).T
    order = np.lexsort((channels, times))
    found.update({("inputs", int(n)): v
                  for n, v in zip(order, own.input_times[0], strict=True)})  # fmt: skip
    put_array(found, ("readout_weights",), gradients.weights)
    put_array(found, ("bias",), gradients.bias)
    for name, value in gradients.settings.items():
        put_array(found, ("readout_parameters", name), value)
    return {path: float(value) for path, value in found.items()}


def put_array(found, path, values):
    """Entries of an array, or a number, by path."""
    for place, value in np.ndenumerate(values):
        found[(*path, *place)] = value


def find_event_gradient(network, trial):
    """The event engine's slopes by path, given the oracle's by the times of the last spikes."""
    recording = run_events(build_network(network, trial), record=True)
    by_time = differentiate_readout(network, trial)
    first = sum(layer.size for layer in network.layers[:-1])
    slopes = np.zeros(len(recording.spike_time))
    slopes[recording.spike_neuron >= first] = [float(v) for v in by_time]
    gradients = backward(recording, spike_time=slopes, parameters=True)
    found, position = {}, 0
    for k, layer in enumerate(network.layers):
        put_array(found, ("weights", k), gradients.weights[position])
        if k:
            put_delays(found, ("delays", k - 1), gradients.delays[position])
        position += 1
        if layer.recurrent is not None:
            put_array(found, ("recurrent", k), gradients.weights[position])
            put_delays(found, ("recurrent_delays", k), gradients.delays[position])
            position += 1
        for name, value in gradients.initial[k].items():
            for i, v in enumerate(value):
                found["initial", k, name, i] = v
        for name, value in gradients.parameters[k].items():
            if np.ndim(value):
                found.update({("parameters", k, name, i): v for i, v in enumerate(value)})
            else:
                found["parameters", k, name] = value
    found.update({("inputs", n): v for n, v in enumerate(gradients.input_times[0])})
    return found


def put_delays(found, path, matrix):
    for j, value in enumerate(np.asarray(matrix).sum(axis=0)):
        found[(*path, j)] = value


def differentiate_readout(network, trial):
    """Slopes of the loss by the times of the last layer's spikes, in their order."""
    with working():
        numbers = Numbers(network, trial)
        runs = Runs(numbers)
        step = 10**30
        found = []
        for k, (t, j) in enumerate(runs.base[-1]):
            losses = []
            for sign in (1, -1):
                moved = [*runs.base[-1]]
                moved[k] = t + sign * step, j
                losses.append(find_loss(runs.find_logits([moved]), numbers.label))
            found.append((losses[0] - losses[1]) / (2 * step) * 10**50)
        return found


def choose_common(network, trial, most, seed=0):
    """At most so many of the oracle's paths of each kind, those that the package has too."""
    rng, last, found = random.Random(seed), len(network.layers) - 1, []
    kinds = {}
    for path in list_paths(network, trial):
        if path[:2] != ("delays", last):
            kinds.setdefault(path[0], []).append(path)
    for paths in kinds.values():
        found += rng.sample(paths, min(most, len(paths)))
    return found


@dataclass(frozen=True)
class Comparison:
    """How far the package is from the oracle.

    Attributes:
        spikes: Largest difference of a spike time; inf if other neurons spike, or more often.
        loss: Difference of the loss.
        errors: By kind of path the largest difference of a slope, as a part of the largest slope.
        largest: The largest slope.
        n_kinks, n_left_out: How many slopes have two sides, and how many were not compared: tied,
            or at a jump.
    """

    spikes: float
    loss: float
    errors: dict
    largest: float
    n_kinks: int
    n_left_out: int

    @property
    def worst(self):
        return max(self.errors.values())


def compare(network, trial, most, seed=0, backend="numpy"):
    """Compare slopes: the package's largest of each kind, and at most so many random ones."""
    spikes, _, loss, own = run_engine(network, trial, backend)
    paths = choose_common(network, trial, most, seed)
    for kind in sorted({find_kind(path) for path in own}):
        paths.append(max((p for p in own if find_kind(p) == kind), key=lambda p: abs(own[p])))
    paths = list(dict.fromkeys(paths))
    result = simulate(network, trial)
    found = differentiate(network, trial, paths)
    largest = max(map(abs, own.values()))
    errors, n_left_out = compare_instants(network, trial, own, most, seed), 0
    for path, slope in found.slopes.items():
        if slope is None or path in found.tied or is_at_jump(path, found.kinks):
            n_left_out += 1
            continue
        error = abs(float(slope) - own[path]) / largest
        errors[path[0]] = max(errors.get(path[0], 0.0), error)
    return Comparison(
        spikes=find_shift(spikes, result.spikes), loss=abs(loss - float(result.loss)),
        errors=errors, largest=largest, n_kinks=len(found.kinks), n_left_out=n_left_out,
    )  # fmt: skip


def find_kind(path):
    """What a path leads to: its name, for parameters and states their own."""
    place = {"parameters": 2, "initial": 2, "readout_parameters": 1}.get(path[0])
    return path[0] if place is None else f"{path[0]} {path[place]}"


def is_at_jump(path, kinks):
    """Whether a spike would jump if a time became larger, or if it became smaller."""
    return path[0] in ("inputs", "delays") and None in kinks.get(path, ())


def compare_instants(network, trial, own, most, seed):
    """The error by ``instants``: all inputs of one moved as one, as none of its ties is.

    In fields up to quadratic ones the mean derivatives of both sides add up to this slope.
    """
    if {layer.model for layer in network.layers} & {"adex", "rapid_theta"}:
        return {}
    groups = {}
    for n, (time, _) in enumerate(trial.inputs):
        groups.setdefault(time, []).append(n)
    several = [group for group in groups.values() if len(group) > 1]
    chosen = random.Random(seed).sample(several, min(most, len(several)))
    sums = [sum(own["inputs", n] for n in group) for group in several]
    chosen.append(max(zip(sums, several, strict=True), key=lambda pair: abs(pair[0]))[1])
    largest, errors = max(map(abs, own.values())), []
    for group, slope in zip(chosen, differentiate_together(network, trial, chosen), strict=True):
        if slope is not None:
            errors.append(abs(float(slope) - sum(own["inputs", n] for n in group)) / largest)
    return {"instants": max(errors)} if errors else {}


def find_shift(spikes, expected):
    """The largest difference of spike times per layer (time, neuron)."""
    worst = 0.0
    for layer, other in zip(spikes, expected, strict=True):
        left, right = (sorted((j, float(t)) for t, j in s) for s in (layer, other))
        if [j for j, _ in left] != [j for j, _ in right]:
            return np.inf
        shifts = [abs(a - b) for (_, a), (_, b) in zip(left, right, strict=True)]
        worst = max(worst, max(shifts, default=0.0))
    return worst
