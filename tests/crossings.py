"""Neurons that go on through their spikes, and an independent integration of their trials."""

import importlib.util
import sys
from functools import lru_cache

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.generation.generate import print_source
from spiketheory.generation.lower import lower
from spiketheory.language.parse import build_model
from spiketheory.language.symbols import WEIGHT
from spiketheory.machine.compile import load_compiled
from spiketheory.symbolic.derive import derive

POSITIVE = {"tau": "tau > 0", "tau_s": "tau_s > 0", "V_th": "V_th > 0", "C": "C > 0",
            "V2": "V2 > 0", "V4": "V4 > 0"}  # fmt: skip
MORRIS_LECAR = """
dV/dt = (I - gL*(V - EL) - gK*n*(V - EK) - gCa*(1 + tanh((V - V1)/V2))/2*(V - ECa))/C
dn/dt = phi*((1 + tanh((V - V3)/V4))/2 - n)*cosh((V - V3)/(2*V4))
"""
COMMON = {"gL": 2.0, "EL": -60.0, "gK": 8.0, "EK": -84.0, "ECa": 120.0, "C": 20.0, "V1": -1.2,
          "V2": 18.0}  # fmt: skip
TYPES = {
    "I": {"gCa": 4.0, "V3": 12.0, "V4": 17.4, "phi": 1 / 15, "I": 45.0},
    "II": {"gCa": 4.4, "V3": 2.0, "V4": 30.0, "phi": 0.04, "I": 95.0},
}
"""Rinzel & Ermentrout (1998), Analysis of neural excitability and oscillations, table 7.1."""


def make(equations, *, spike, parameters, rest, reset="", jump="V += w", name="mine"):
    """A model; parameters that a model is about have their domains."""
    table = {
        k: {"default": v} | ({"domain": POSITIVE[k]} if k in POSITIVE else {})
        for k, v in parameters.items()
    }
    return build_model(
        name=name, equations=equations, spike=spike, reset=reset, input=jump, rest=rest,
        parameters=table,
    )  # fmt: skip


def make_lif(*, reset="", jump="I += w"):
    """A leaky integrator of a current that decays."""
    return make(
        "dV/dt = (I - V)/tau\ndI/dt = -I/tau_s", spike="V >= V_th", reset=reset, jump=jump,
        rest={"V": 0, "I": 0}, parameters={"tau": 10.0, "tau_s": 4.0, "V_th": 1.0}, name="leaky",
    )  # fmt: skip


def make_stepped():
    """A leaky integrator that inputs drive by steps of a current."""
    return make(
        "dV/dt = (I - V)/tau\ndI/dt = 0*I", spike="V >= V_th", jump="I += w",
        rest={"V": 0, "I": 0}, parameters={"tau": 10.0, "V_th": 1.0}, name="stepped",
    )  # fmt: skip


def make_fitzhugh(*, reset="", drive=0.5):
    """FitzHugh-Nagumo."""
    return make(
        "dV/dt = V - V**3/3 - W + I\ndW/dt = (V + a - b*W)/tau", spike="V >= V_th", reset=reset,
        rest={"V": -1.2, "W": -0.6}, name="fitzhugh",
        parameters={"I": drive, "a": 0.7, "b": 0.8, "tau": 12.5, "V_th": 1.0},
    )  # fmt: skip


def make_morris_lecar(kind):
    """Morris-Lecar of excitability I or II."""
    return make(
        MORRIS_LECAR, spike="V = 0", rest={"V": -60.0, "n": 0.01}, parameters=COMMON | TYPES[kind],
        name=f"morris_lecar_{kind}",
    )  # fmt: skip


def make_resonator(*, reset="x = 0; y = y_th", drive="x += w"):
    """Resonate-and-fire: z' = (b + i omega) z, reset to i at Im z = y_th; Izhikevich (2001)."""
    return build_model(
        name="resonator", equations="dx/dt = b*x - omega*y\ndy/dt = omega*x + b*y",
        spike="y = y_th", reset=reset, input=drive, rest={"x": 0, "y": 0},
        parameters={
            "b": {"default": -4.0, "domain": "b < 0"},
            "omega": {"default": 10.0, "domain": "omega > 0"},
            "y_th": {"default": 1.0, "domain": "y_th > 0"},
        },
    )  # fmt: skip


@lru_cache(maxsize=16)
def print_module(model):
    """The module that would be generated, not verified."""
    return print_source(lower(derive(model)), "module")


def load(text, folder, *, backend="numpy"):
    """A module's text, compiled."""
    name = f"crossing_{abs(hash(text))}"
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return load_compiled(module, backend=backend)


def connect(model, times, weights, duration):
    """One neuron with one input per spike."""
    n = len(times)
    return Network(
        populations=[Population(name="cell", model=model, size=1)],
        inputs=[SpikeTrains(name="in", size=n, times=np.array(times), channels=np.arange(n))],
        projections=[Projection(pre="in", post="cell", weights=np.array([weights]))],
        duration=float(duration),
    )


def integrate(model, times, weights, duration, *, tolerance=1e-13):
    """Spike times of one neuron at rest by DOP853 with a directional event."""
    values = {p.symbol: p.default for p in model.parameters}
    velocity, jump, reset = (
        sp.lambdify(symbols, [e.subs(values) for e in given], "numpy")
        for symbols, given in (
            (model.state, model.derivatives), ((*model.state, WEIGHT), model.jump),
            (model.state, model.reset),
        )
    )  # fmt: skip
    threshold = float(model.spike.value.subs(values))
    place = model.state.index(model.spike.variable)

    def height(t, y):
        return y[place] - threshold

    height.direction, height.terminal = 1, True

    def run(begin, end, state, events):
        return solve_ivp(lambda t, y: velocity(*y), (begin, end), state, method="DOP853",
                         rtol=tolerance, atol=1e-14, events=events, max_step=1.0)  # fmt: skip

    state, now, spikes = np.array([float(r.subs(values)) for r in model.rest]), 0.0, []
    for stop, weight in [*sorted(zip(times, weights, strict=True)), (duration, None)]:
        while now < stop:
            found = run(now, stop, state, height)
            state, now = found.y[:, -1], found.t[-1]
            if found.status == 1:
                spikes.append(now)
                state = np.array(reset(*state), dtype=float)
                found = run(now, min(now + 1e-3, stop), state, None)  # off the surface
                state, now = found.y[:, -1], found.t[-1]
        if weight is not None:
            before = state[place]
            state = np.array(jump(*state, weight), dtype=float)
            if before < threshold <= state[place]:
                spikes.append(now)
                state = np.array(reset(*state), dtype=float)
    return np.array(spikes)
