"""The worked models in examples/: each derives, verifies, and spikes when an integrator says so."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from models import verify_derivation
from scipy.integrate import solve_ivp

from spiketheory.language.parse import read_model
from spiketheory.machine.compile import load_compiled
from spiketheory.route.model_cache import load_or_generate
from spiketheory.symbolic.derive import derive

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
METHODS = {
    "eif_adaptation": "taylor",
    "lif_conductance": "taylor",
    "lif_feedforward_inhibition": "linear",
    "qif_adaptation": "taylor",
    "qif_current": "bessel",
    "quartic": "taylor",
    "resonate_and_fire": "taylor",
}
STATES = {
    "eif_adaptation": ((-65.0, 0.0), (-62.0, 9.0), (-48.0, 2.0)),
    "lif_conductance": ((-70.0, 0.2), (-66.0, 0.1), (-70.0, 0.03)),
    "lif_feedforward_inhibition": ((0.0, 300.0, 90.0), (5.0, 200.0, 0.0), (0.0, 120.0, 36.0)),
    "qif_adaptation": ((0.0, 0.0), (-4.0, 0.6), (1.5, 1.2)),
    "qif_current": ((0.0, 200.0), (14.0, 20.0), (-40.0, 500.0), (0.0, 15.0)),
    "quartic": ((-1.0, 0.0), (0.5, -1.0), (-1.0, 3.0)),
    "resonate_and_fire": ((1.5, 0.0), (0.0, -2.0), (-3.0, 0.0), (0.9, 0.0)),
}
SILENT = {
    ("lif_conductance", (-70.0, 0.03)),
    ("lif_feedforward_inhibition", (0.0, 120.0, 36.0)),
    ("qif_current", (0.0, 15.0)),
    ("resonate_and_fire", (0.9, 0.0)),
}
"""States that lead to no spike."""

CERTAIN = {"eif_adaptation": -30.0}
"""Potentials above which a potential that blows up does; 20 for the others."""

LONGEST = 400.0
EXACT = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.toml")))
def test_an_example_spikes_when_direct_integration_says_so(name):
    model = read_model(EXAMPLES / f"{name}.toml")
    derivation = derive(model)
    assert derivation.method == METHODS[name]
    module = load_or_generate(model, verify_derivation(derivation))
    compiled = load_compiled(module, backend="numpy")
    for state in STATES[name]:
        found = wait_for_spike(compiled, state)
        expected = integrate_to_spike(model, state)
        assert np.isinf(expected) == ((name, state) in SILENT)
        assert found == pytest.approx(expected, rel=1e-8), state


def wait_for_spike(compiled, state):
    """Time to the spike by the generated functions."""
    constants = compiled.functions.constants(*compiled.defaults)
    coordinates = compiled.functions.enter_chart(*state, *constants)
    return compiled.functions.time_to_spike(*coordinates, *constants)


def integrate_to_spike(model, state, at=None):
    """Time to the spike by a Runge-Kutta method in the model's own variables; inf if none."""
    at = at or {p.symbol: p.default for p in model.parameters}
    rates = [rate.xreplace(at) for rate in model.derivatives]
    field = sp.lambdify(model.state, rates, "math")
    index = model.state.index(model.spike.variable)
    blows_up = model.spike.is_blowup
    level = CERTAIN.get(model.name, 20.0) if blows_up else float(model.spike.value.xreplace(at))

    def reach(_, s):
        return s[index] - level

    reach.terminal, reach.direction = True, 1.0
    run = solve_ivp(lambda _, s: field(*s), (0.0, LONGEST), state, events=reach, **EXACT)
    if run.status != 1:
        return np.inf
    time = run.t_events[0][0]
    return time + follow_to_infinity(field, index, run.y_events[0][0]) if blows_up else time


def follow_to_infinity(field, index, state):
    """Time from a high potential V_0 to infinity: V = V_0 + 20 (1/p - 1), p from 1 to 0."""

    def change(p, s):
        potential = state[index] + 20.0 * (1.0 / p - 1.0)
        try:
            velocity = field(*[potential if i == index else x for i, x in enumerate(s)])
        except OverflowError:  # an exponential: the rest takes no time
            return [0.0] * len(s)
        # In the place of V the time counts.
        share = -20.0 / p**2 / velocity[index]
        return [share if i == index else share * v for i, v in enumerate(velocity)]

    rest = [0.0 if i == index else x for i, x in enumerate(state)]
    return solve_ivp(change, (1.0, 1e-12), rest, **EXACT).y[index, -1]


@pytest.mark.usefixtures("own_folder")
def test_the_example_in_python_prints_a_spike_time_and_derivatives_that_hold(capsys):
    names = runpy.run_path(str(EXAMPLES / "my_model.py"), run_name="__main__")
    printed = capsys.readouterr().out
    time = float(re.search(r"spike after (\S+) ms", printed).group(1))
    slopes = {n: float(v) for n, v in re.findall(r"d\(time\)/d(\w+) += (\S+)", printed)}
    model = names["MODEL"]
    values = {"V": 0.0, "I": 20.0} | {p.name: p.default for p in model.parameters} | {"tau_s": 4.0}
    assert list(slopes) == list(values)

    def follow(name, change):
        moved = values | {name: values[name] + change}
        at = {p.symbol: moved[p.name] for p in model.parameters}
        return integrate_to_spike(model, (moved["V"], moved["I"]), at)

    assert time == pytest.approx(follow("V", 0.0), rel=1e-10)
    for name, slope in slopes.items():
        step = 1e-3 * max(abs(values[name]), 1.0)
        ends = [follow(name, k * step) for k in (-2, -1, 1, 2)]
        measured = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
        assert slope == pytest.approx(measured, rel=1e-7, abs=1e-9), name
