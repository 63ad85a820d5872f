"""Conductance neurons against an independent integration: the first 20 spikes."""

import time
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from derivations import compile_model
from sim.engine.choose import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.generation.lower import lower
from spiketheory.language.parse import read_model
from spiketheory.symbolic.derive import derive
from spiketheory.verification.verify import verify

FOLDER = Path(__file__).resolve().parents[1] / "data" / "conductance"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
DURATION = {"hodgkin_huxley": 100.0, "wang_buzsaki": 250.0, "adapting_cortical": 400.0}
INPUTS = [(5.0, 3.0), (12.0, -4.0), (30.0, 6.0)]
MOST = 20


def integrate(model, duration):
    """Spike times by scipy from the equations as they are written."""
    values = {p.symbol: sp.Rational(repr(p.default)) for p in model.parameters}
    rate = sp.lambdify(model.state, [d.subs(values) for d in model.derivatives], "numpy")
    reset = sp.lambdify(model.state, [r.subs(values) for r in model.reset], "numpy")

    def threshold(_, s):
        return s[0] - float(model.spike.value)

    threshold.terminal, threshold.direction = True, 1
    state, now, spikes = [float(r.subs(values)) for r in model.rest], 0.0, []
    for stop, weight in [*INPUTS, (duration, 0.0)]:
        while now < stop:
            run = solve_ivp(lambda _, s: rate(*s), (now, stop), state, "DOP853", rtol=1e-12,
                            events=threshold, atol=1e-13)  # fmt: skip
            now, state = run.t[-1], list(run.y[:, -1])
            if run.status == 1:
                spikes.append(now)
                state = list(reset(*state))
        state[0] += weight
    return spikes[:MOST]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_first_spikes_are_those_of_scipy(name):
    model = read_model(FOLDER / f"{name}.toml")
    want = integrate(model, DURATION[name])
    compiled = compile_model(str(FOLDER / f"{name}.toml"), backend="numpy")
    network = Network(
        populations=[Population(name="n", model=compiled, size=1)],
        inputs=[SpikeTrains(name="in", size=3, times=np.array([t for t, _ in INPUTS]),
                            channels=np.arange(3))],
        projections=[Projection(pre="in", post="n", weights=np.array([[w for _, w in INPUTS]]))],
        duration=DURATION[name],
    )  # fmt: skip
    got = simulate(network, engine="events").trains()[0][:MOST]
    assert len(want) >= 5
    assert len(got) == len(want)
    assert np.abs(got - np.array(want)).max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_are_derived_and_verified_within_30_seconds_of_processor_time(name):
    start = time.process_time()
    verify(lower(derive(read_model(FOLDER / f"{name}.toml"))))
    assert time.process_time() - start < 30.0
