"""Small recurrent networks in plain numbers, and the plain engine's runs of them in 50 digits.

They call the generated functions, in 50 digits where they are closed forms.
"""

import copy
import itertools
from dataclasses import dataclass, field, replace
from functools import lru_cache

import mpmath
import numpy as np
import scipy.sparse
from exact import DIGITS, make_exact
from mpmath import mpf
from networks import compiled

from sim.network.network import Network, Population, Projection, SpikeTrains
from sim.plain.backward import Backward, start_slopes
from sim.plain.loop import SPIKE, PlainRun
from sim.plain.neuron import Arithmetic, make_neuron
from sim.plain.plain_network import Connection, PlainNetwork

INTEGRATED = ("adex", "eif", "izhikevich")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network and its inputs.

    Attributes:
        models: Model of each neuron; equal ones stand side by side.
        parameters: Of each neuron, by name.
        initial: Of each neuron, by state variable.
        edges: ``[source, target, weight, delay]``; sources from len(models) on are channels.
        inputs: ``[time, channel]``.
        probes: Times at which states are probed.
    """

    models: list
    parameters: list
    initial: list
    edges: list
    inputs: list
    duration: float
    n_channels: int = 2
    probes: list = field(default_factory=list)

    def build(self, backend="numpy", *, sparse=False):
        """The same as a `Network`: one population per run of equal models."""
        populations, projections, first = [], [], 0
        bounds = []
        for number, (name, group) in enumerate(itertools.groupby(self.models)):
            size = len(list(group))
            members = range(first, first + size)
            populations.append(
                Population(
                    name=f"p{number}",
                    model=compiled(name, backend),
                    size=size,
                    parameters=gather(self.parameters, members),
                    initial=gather(self.initial, members),
                )
            )
            bounds.append((f"p{number}", first, size))
            first += size
        sources = [*bounds, ("in", first, self.n_channels)]
        for (pre, a, n_pre), (post, b, n_post) in itertools.product(sources, bounds):
            own = [
                (s - a, t - b, w, d)
                for s, t, w, d in self.edges
                if a <= s < a + n_pre and b <= t < b + n_post
            ]
            if own:
                projections.append(connect(pre, post, own, (n_post, n_pre), sparse))
        times, channels = zip(*self.inputs, strict=True) if self.inputs else ((), ())
        trains = SpikeTrains(
            name="in", size=self.n_channels, times=np.array(times), channels=np.array(channels, int)
        )
        return Network(
            populations=populations, inputs=[trains], projections=projections,
            duration=self.duration,
        )  # fmt: skip

    def moved(self, path, change):
        """The same with one number changed; ``path`` leads to it."""
        name, *keys = path
        value = copy.deepcopy(getattr(self, name))
        inner = value
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = inner[keys[-1]] + change
        return replace(self, **{name: value})


def gather(rows, members):
    """Per name an array over some neurons."""
    return {name: np.array([rows[i][name] for i in members]) for name in rows[members[0]]}


def connect(pre, post, edges, shape, sparse):
    """A projection; delays only if there are any."""
    sources, targets, weights, delays = map(np.array, zip(*edges, strict=True))
    make = [scipy.sparse.coo_array((v, (targets, sources)), shape=shape) for v in (weights, delays)]
    mask = None
    if not sparse:
        mask = scipy.sparse.coo_array((weights != np.inf, (targets, sources)), shape=shape)
        mask, *make = (m.toarray() for m in (mask, *make))
    return Projection(
        pre=pre, post=post, weights=make[0], mask=mask,
        delays=make[1] if np.any(delays) else None,
    )  # fmt: skip


@lru_cache
def functions_of(name):
    """A model's functions: in 50 digits, or as they are where they integrate."""
    model = compiled(name)
    return model.functions if name in INTEGRATED else make_exact(model.module)


EXACT = Arithmetic(number=mpf, functions=lambda model: functions_of(model.name))
FLOATS = EXACT._replace(number=np.float64)


class Run:
    """What a trial does, in order; ``spikes`` are [time, neuron], ``probed_state`` by probe."""

    def __init__(self, trial, arithmetic=EXACT):
        number = arithmetic.number
        n = len(trial.models)
        neurons = [
            make_neuron(
                compiled(name), arithmetic, [row[p] for p in compiled(name).parameters],
                "enter_chart", [start[v] for v in compiled(name).state],
            )
            for name, row, start in zip(trial.models, trial.parameters, trial.initial, strict=True)
        ]  # fmt: skip
        network = PlainNetwork(
            neurons=neurons,
            connections=[Connection(s, t, number(w), number(d)) for s, t, w, d in trial.edges],
            inputs=[(number(time), n + channel) for time, channel in trial.inputs],
            duration=number(trial.duration),
            ticks=None,
            groups=[range(n)],
            paths=frozenset(),
        )
        self.run = PlainRun(network=network, probe_times=[number(t) for t in trial.probes]).run()
        self.spikes = self.run.spikes
        self.end = self.see(self.run.states)
        self.probed_state = [self.see(states) for states in self.run.probed]

    def see(self, states):
        neurons = self.run.network.neurons
        return [m.at("leave_chart", s) for m, s in zip(neurons, states, strict=True)]

    def find_slopes(self, by_spike):
        """The backward pass with derivatives by the spike times, in the arithmetic of the run."""
        slopes = start_slopes(self.run)
        slopes.times[SPIKE] = [self.run.network.neurons[0].number(v) for v in by_spike]
        return Backward(self.run, slopes, with_parameters=True).go()


def run_exactly(trial):
    """The run in 50 digits; in floats if a model of it is integrated."""
    if any(name in INTEGRATED for name in trial.models):
        with np.errstate(all="ignore"):
            return Run(trial, FLOATS)
    with mpmath.workdps(DIGITS):
        return Run(trial)
