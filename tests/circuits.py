"""Small recurrent networks in plain numbers, and a plain event loop that runs them in 50 digits.

The loop shares no code with ``sim``: at every event it advances all neurons, and finds the next one
by looking at all. It calls the generated functions, in 50 digits where they are closed forms.
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
    if not sparse:
        make = [m.toarray() for m in make]
    return Projection(
        pre=pre, post=post, weights=make[0], delays=make[1] if np.any(delays) else None
    )


@lru_cache
def functions_of(name):
    """A model's functions: in 50 digits, or as they are where they integrate."""
    model = compiled(name)
    return model.functions if name in INTEGRATED else make_exact(model.module)


class Run:
    """What a trial does, in order; ``spikes`` are [time, neuron], ``probed_state`` by probe."""

    def __init__(self, trial, number=mpf):
        self.trial, self.number = trial, number
        self.f = [functions_of(name) for name in trial.models]
        self.constants = [
            f.constants(*(number(row[p]) for p in compiled(name).parameters))
            for f, name, row in zip(self.f, trial.models, trial.parameters, strict=True)
        ]
        self.states = [
            f.enter_chart(*(number(row[v]) for v in compiled(name).state), *c)
            for f, name, row, c in zip(
                self.f, trial.models, trial.initial, self.constants, strict=True
            )
        ]
        self.spikes, self.probed_state = [], []
        self.run()

    def at(self, i, dt):
        f, c = self.f[i], self.constants[i]
        return f.flow(*self.states[i], *f.propagator(dt, *c), *c)

    def see(self):
        return [
            f.leave_chart(*s, *c)
            for f, s, c in zip(self.f, self.states, self.constants, strict=True)
        ]

    def run(self):
        trial, number = self.trial, self.number
        n = len(trial.models)
        end = number(trial.duration)
        pending = [(number(t), k, n + c) for k, (t, c) in enumerate(trial.inputs)]
        under_way = []  # (time, order, target, weight)
        probes = [number(t) for t in trial.probes]
        now, sent = number(0), 0

        def send(source):
            nonlocal sent
            for s, target, weight, delay in trial.edges:
                if s == source:
                    under_way.append((now + number(delay), sent, target, number(weight)))
                    sent += 1

        waits = [None] * n  # None: to be found anew
        while True:
            for i in range(n):
                if waits[i] is None:
                    waits[i] = self.f[i].time_to_spike(*self.states[i], *self.constants[i])
            spiker = min(range(n), key=lambda i: max(waits[i], 0))
            events = [
                (min(pending)[0] if pending else mpmath.inf, "input"),
                (min(under_way)[0] if under_way else mpmath.inf, "arrival"),
                (probes[0] if probes else mpmath.inf, "probe"),
                (now + max(waits[spiker], 0), "spike"),
            ]
            when, what = min(events, key=lambda event: event[0])
            if when > end or (what == "spike" and when == end):
                break
            dt = max(waits[spiker], 0) if what == "spike" else when - now
            f, c = self.f[spiker], self.constants[spiker]
            if what == "spike":
                fired = f.fire(*self.states[spiker], *f.propagator(dt, *c), *c)
            if dt > 0:
                self.states = [self.at(i, dt) for i in range(n)]
                waits = [w - dt for w in waits]
            now = when
            if what == "spike":
                self.states[spiker], waits[spiker] = fired, None
                self.spikes.append((now, spiker))
                send(spiker)
            elif what == "input":
                event = min(pending)
                pending.remove(event)
                send(event[2])
            elif what == "probe":
                probes.pop(0)
                self.probed_state.append(self.see())
            else:
                event = min(under_way)
                under_way.remove(event)
                _, _, target, weight = event
                f, c = self.f[target], self.constants[target]
                self.states[target] = f.jump(*self.states[target], weight, *c)
                waits[target] = None
        self.states = [self.at(i, end - now) for i in range(n)]
        self.end = self.see()


def run_exactly(trial):
    """The run in 50 digits; in floats if a model of it is integrated."""
    if any(name in INTEGRATED for name in trial.models):
        return Run(trial, float)
    with mpmath.workdps(DIGITS):
        return Run(trial)
