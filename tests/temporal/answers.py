"""What a network does in a trial, and the slopes of its loss by central differences."""

import random
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpfr

from temporal.arithmetic import DIGITS, instant, instant_to_mpf, to_mpf, working
from temporal.given import Numbers
from temporal.layers import MOST_SPIKES, LayerRun, make_neurons
from temporal.readouts import POTENTIALS, find_logits, find_loss
from temporal.records import INTEGRATED

STEP = "1e-20"
STEP_INTEGRATED = "1e-12"
DIGITS_INTEGRATED = 42
"""Of which integration keeps some 33."""
NEAR = "1e-8"
"""A step must move spikes by less, else they jumped; two sides are one if they differ by less."""
SMALLEST = "1e-18"
"""Slopes that are 0."""
NAMES = (
    "weights", "recurrent", "delays", "recurrent_delays", "parameters", "initial", "inputs",
    "readout_weights", "bias", "readout_parameters",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a network did, in numbers of mpmath.

    Attributes:
        spikes: Per layer (time, neuron), in order.
        logits: Of each output.
        loss: Cross entropy.
    """

    spikes: list
    logits: list
    loss: object


@dataclass(frozen=True)
class Gradient:
    """Slopes of the loss by path (`list_paths`).

    Attributes:
        slopes: Numbers of mpmath; the mean of both sides, or the one that exists, or None.
        kinks: Paths whose two sides differ, with the slopes on the left and on the right. None is
            a side on which the loss or a spike jumps (an input comes off others with which it
            carried a neuron to its threshold), or that does not exist (a recurrent delay below 0).
        tied: Paths of times and delays of events that arrive together with others at a neuron
            that spikes at this instant: engines that give such a spike one cause have another
            slope there.
    """

    slopes: dict
    kinks: dict
    tied: set


class Runs:
    """Runs of a network, of which only what a change can reach is run again."""

    def __init__(self, numbers, most=MOST_SPIKES):
        self.numbers, self.most, self.cache = numbers, most, {}
        self.base, self.events, self.causes = None, [], []
        self.base = self.run(0, None)
        self.tied = find_tied(self.base, self.events, self.causes)

    def run(self, first, only):
        """Spikes per layer, (instant, neuron).

        Args:
            first: The first layer that may have changed; those before are as at first.
            only: The one neuron of it that may have changed; None for all.
        """
        known = list(self.base[:first]) if self.base else []
        for depth in range(first, len(self.numbers.models)):
            known.append(self.run_layer(depth, known, only if depth == first else None))
        return known

    def run_layer(self, depth, known, only):
        """Spikes of one layer."""
        values, end = self.numbers.values, self.numbers.end
        recurrent = values["recurrent"][depth]
        if depth == 0:
            arrivals = zip(values["inputs"], self.numbers.channels, strict=True)
        else:
            delays = values["delays"][depth - 1]
            arrivals = ((t + delays[j], j) for t, j in known[depth - 1])
        order = sorted((time, n, j) for n, (time, j) in enumerate(arrivals) if time < end)
        arrivals = [(time, j) for time, _, j in order]
        weights = values["weights"][depth]
        numbers = range(len(weights))
        alone = recurrent is None and only is not None
        neurons = make_neurons(
            self.numbers.models[depth], values["parameters"][depth], values["initial"][depth],
            [only] if alone else numbers, self.cache,
        )  # fmt: skip
        delays = values["recurrent_delays"][depth]
        run = LayerRun(neurons, weights, arrivals, recurrent, delays, end, self.most)
        spikes = run.run()
        if self.base is None:
            self.events.append([n for _, n, _ in order])
            self.causes.append(run.causes)
        if alone:
            spikes = sorted(spikes + [s for s in self.base[depth] if s[1] != only])
        return spikes

    def find_logits(self, spikes):
        """The logits of a run; None if there is no readout."""
        n = self.numbers
        if n.kind is None:
            return None
        taus = n.values["readout_parameters"]
        size = len(n.values["readout_weights"])
        delays, end = n.values["delays"][-1], n.end
        read = {
            "weights": n.values["readout_weights"], "bias": n.values["bias"], "width": n.width,
            **{name: v if isinstance(v, list) else [v] * size for name, v in taus.items()},
        }  # fmt: skip
        arrivals = sorted((t + delays[j], j) for t, j in spikes[-1])
        return find_logits(n.kind, read, [a for a in arrivals if a[0] < end], end)

    def find_reach(self, path):
        """The first layer that a number can change, and which neuron of it (None: any)."""
        name = path[0]
        if name == "inputs":
            return 0, None
        if name == "delays":
            return path[1] + 1, None
        if name in ("weights", "recurrent"):
            return path[1], path[2]
        if name in ("parameters", "initial"):
            return path[1], path[3] if len(path) == 4 else None
        if name == "recurrent_delays":
            return path[1], None
        return len(self.numbers.models), None

    def find_moved(self, path, step):
        """Spikes and loss with one number moved."""
        undo = self.numbers.move(path, step)
        try:
            spikes = self.run(*self.find_reach(path))
            return spikes, find_loss(self.find_logits(spikes), self.numbers.label)
        finally:
            undo()

    def find_together(self, group, step):
        """The loss with some inputs moved; None if spikes appear, vanish or jump."""
        undo = [self.numbers.move(("inputs", n), step) for n in group]
        spikes = self.run(0, None)
        for back in undo:
            back()
        if not is_near(spikes, self.base):
            return None
        return find_loss(self.find_logits(spikes), self.numbers.label)


def find_tied(spikes, events, causes):
    """Paths of times and delays by which several arrivals at a neuron that spikes come apart.

    Args:
        spikes: Per layer (instant, neuron).
        events: Per layer of each arrival which input or which spike of the layer before it is.
        causes: Per layer of each spike what arrived at its neuron at its instant.
    """
    found = set()

    def mark(depth, cause):
        """An arrival must not be moved, nor what made its sender spike at that instant."""
        if cause < 0:
            number, origin = -1 - cause, depth
            found.add(("recurrent_delays", depth, spikes[depth][number][1]))
        elif depth == 0:
            found.add(("inputs", events[0][cause]))
            return
        else:
            number, origin = events[depth][cause], depth - 1
            found.add(("delays", origin, spikes[origin][number][1]))
        if (origin, number) not in seen:
            seen.add((origin, number))
            for earlier in causes[origin][number]:
                mark(origin, earlier)

    seen = set()
    for depth, layer in enumerate(causes):
        for own in layer:
            if len(set(own)) > 1:
                for cause in own:
                    mark(depth, cause)
    return found


def is_near(spikes, others):
    """Whether the same neurons spike equally often, and at nearly the same instants."""
    near = instant(mpfr(NEAR))
    for layer, other in zip(spikes, others, strict=True):
        left, right = (sorted((j, t) for t, j in s) for s in (layer, other))
        if [j for j, _ in left] != [j for j, _ in right]:
            return False
        if any(abs(a - b) > near for (_, a), (_, b) in zip(left, right, strict=True)):
            return False
    return True


def choose_digits(network):
    """How many digits to compute with."""
    integrated = any(layer.model in INTEGRATED for layer in network.layers)
    return DIGITS_INTEGRATED if integrated else DIGITS


def simulate(network, trial, *, digits=None, most_spikes=MOST_SPIKES):
    """Run a network; without a readout there are neither logits nor a loss.

    Raises:
        OverflowError: If a layer has more spikes than ``most_spikes``.
    """
    with working(digits or choose_digits(network)):
        numbers = Numbers(network, trial)
        runs = Runs(numbers, most_spikes)
        logits = runs.find_logits(runs.base)
        return Result(
            [[(instant_to_mpf(t), j) for t, j in layer] for layer in runs.base],
            logits and [to_mpf(v) for v in logits],
            logits and to_mpf(find_loss(logits, numbers.label)),
        )


def list_paths(network, trial, names=NAMES):
    """Paths of all numbers of these names.

    ``("weights", layer, post, pre)``, ``("recurrent", layer, post, pre)``, ``("delays", layer,
    neuron)``, ``("recurrent_delays", layer, neuron)``, ``("parameters", layer, name)`` or with
    ``neuron`` behind it where it is a list, ``("initial", layer, variable, neuron)``, ``("inputs",
    number)``, ``("readout_weights", output, neuron)`` or with ``window``, ``("bias", output)``,
    ``("readout_parameters", name)`` or with ``output``.
    """
    with working():
        values = Numbers(network, trial).values
    found = []
    for name in names:
        walk((name,), values.get(name, []), found)
    with_recurrence = {i for i, layer in enumerate(network.layers) if layer.recurrent is not None}
    uses_taus = network.readout and network.readout.kind in POTENTIALS
    return [
        p
        for p in found
        if not (p[0] == "recurrent_delays" and p[1] not in with_recurrence)
        and not (p[0] == "readout_parameters" and not uses_taus)
    ]


def walk(path, value, found):
    """Append the paths of all numbers of a tree."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            walk((*path, key), inner, found)
    elif value is not None and not (path[0] == "initial" and gmpy2.is_infinite(value)):
        found.append(path)


def choose_paths(network, trial, names, most, seed):
    """Paths of some names (or paths, which stay), at most so many of each name."""
    given = [n for n in names if not isinstance(n, str)]
    rng = random.Random(seed)
    for name in [n for n in names if isinstance(n, str)]:
        paths = list_paths(network, trial, [name])
        if most is not None and len(paths) > most:
            paths = rng.sample(paths, most)
        given += paths
    return given


def differentiate(network, trial, names=NAMES, *, most=None, seed=0):
    """Slopes of the loss by central differences.

    Args:
        network: With a readout.
        trial: The trial.
        names: Names (`NAMES`), or paths (`list_paths`).
        most: At most so many of each name, chosen at random; None for all.
        seed: Of that choice.
    """
    paths = choose_paths(network, trial, names, most, seed)
    with working(choose_digits(network)):
        return find_slopes(Numbers(network, trial), paths)


def find_slopes(numbers, paths):
    """The slopes by these numbers."""
    runs = Runs(numbers)
    loss = find_loss(runs.find_logits(runs.base), numbers.label)
    integrated = any(model in INTEGRATED for model in numbers.models)
    step = mpfr(STEP_INTEGRATED if integrated else STEP)
    slopes, kinks = {}, {}
    for path in paths:
        slope, left, right = find_slope(runs, path, step, loss)
        slopes[path] = None if slope is None else to_mpf(slope)
        if left is None or right is None or is_kink(left, right):
            kinks[path] = tuple(None if v is None else to_mpf(v) for v in (left, right))
    return Gradient(slopes, kinks, runs.tied & set(paths))


def is_kink(left, right):
    """Whether slopes on two sides are two."""
    return abs(left - right) > mpfr(NEAR) * max(abs(left), abs(right)) + mpfr(SMALLEST)


def find_slope(runs, path, step, loss):
    """A slope, and those on the left and on the right."""
    inner, key = runs.numbers.find(path)
    signs = (1,) if path[0] == "recurrent_delays" and inner[key] == 0 else (1, -1)
    losses = {}
    for sign in signs:
        spikes, value = runs.find_moved(path, sign * step)
        if is_near(spikes, runs.base) and abs(value - loss) < mpfr(NEAR):
            losses[sign] = value
    if not losses:
        return None, None, None
    if len(losses) == 2:
        slope = (losses[1] - losses[-1]) / (2 * step)
        return slope, (loss - losses[-1]) / step, (losses[1] - loss) / step
    ((sign, near),) = losses.items()
    _, far = runs.find_moved(path, 2 * sign * step)
    slope = sign * (4 * near - far - 3 * loss) / (2 * step)
    return (slope, None, slope) if sign > 0 else (slope, slope, None)


def differentiate_together(network, trial, groups):
    """Slopes of the loss where several inputs move as one.

    Args:
        network: With a readout.
        trial: The trial.
        groups: Numbers of inputs that move together.

    Returns:
        Of each group the slope; None where the loss or a spike jumps.
    """
    with working(choose_digits(network)):
        runs = Runs(Numbers(network, trial))
        integrated = any(model in INTEGRATED for model in runs.numbers.models)
        step = mpfr(STEP_INTEGRATED if integrated else STEP)
        found = []
        for group in groups:
            losses = [runs.find_together(group, sign * step) for sign in (1, -1)]
            jumps = None in losses
            found.append(None if jumps else to_mpf((losses[0] - losses[1]) / (2 * step)))
        return found


def condition(network, trial, names=("weights", "recurrent"), *, most=10, seed=0):
    """How much the gradient changes if all weights change by a relative 1e-16, up or down.

    Returns:
        The largest change of a slope as a part of the largest slope; inf if one appears or
        vanishes.
    """
    paths = choose_paths(network, trial, names, most, seed)
    rng = random.Random(seed)
    with working(choose_digits(network)):
        numbers = Numbers(network, trial)
        first = find_slopes(numbers, paths).slopes
        for path in list_paths(network, trial, ("weights", "recurrent")):
            inner, key = numbers.find(path)
            inner[key] *= 1 + rng.choice((-1, 1)) * mpfr("1e-16")
        second = find_slopes(numbers, paths).slopes
    largest = max((abs(v) for v in first.values() if v is not None), default=0)
    if any((first[p] is None) != (second[p] is None) for p in paths):
        return to_mpf(gmpy2.inf())
    changes = [abs(second[p] - v) for p, v in first.items() if v is not None]
    return max(changes, default=0) / largest if largest else largest
