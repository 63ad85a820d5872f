"""Thresholds that move: derived in the height above them, simulated and differentiated in V."""

from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from models import derive_once, mark_slow, verify_derivation
from scipy.integrate import solve_ivp

from derivations import compile_model
from sim.engine.choose import differentiate, simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import VerificationError
from spiketheory.language.parse import build_model, read_model
from spiketheory.language.symbols import DURATION, WEIGHT
from spiketheory.verification import measured

FOLDER = Path(__file__).resolve().parents[1] / "models"
PATHS = {
    "threshold_adapts": FOLDER / "threshold_adapts.toml",
    "mat_kobayashi_rs": FOLDER.parent / "corpus" / "models" / "mat_kobayashi_rs.toml",
}
TIMES, WEIGHTS = np.array([0.5, 1.25, 2.0]), np.array([0.3, 0.2, 0.4])
DURATIONS = {"threshold_adapts": 6.0, "mat_kobayashi_rs": 400.0}


def run(name, *, times=TIMES, weights=WEIGHTS, **given):
    population = Population(
        name="cell", model=compile_model(str(PATHS[name]), backend="numpy"), size=1, **given
    )
    network = Network(
        populations=[population],
        inputs=[SpikeTrains(name="in", size=3, times=times, channels=np.arange(3))],
        projections=[Projection(pre="in", post="cell", weights=weights[None, :])],
        duration=DURATIONS[name],
    )
    return simulate(network, record=True, engine="plain")


def integrate(model, duration):
    """Spike times by DOP853 of V itself."""
    values = {p.symbol: p.default for p in model.parameters}

    def bind(expressions, *more):
        return sp.lambdify([model.state, *more], [e.subs(values) for e in expressions])

    field, reset, jump = bind(model.derivatives), bind(model.reset), bind(model.jump, WEIGHT)
    height = sp.lambdify([model.state], (model.spike.variable - model.spike.value).subs(values))

    def crosses(t, y):
        return height(y)

    crosses.terminal, crosses.direction = True, 1
    state, now = np.array([float(r.subs(values)) for r in model.rest]), 0.0
    spikes = []
    for time, weight in [*zip(TIMES, WEIGHTS, strict=True), (duration, None)]:
        while now < time:
            found = solve_ivp(lambda t, y: field(y), (now, time), state, events=crosses,
                              method="DOP853", rtol=1e-13, atol=1e-14)  # fmt: skip
            state, now = found.y[:, -1], found.t[-1]
            if len(found.t_events[0]):
                spikes.append(now)
                state = np.array(reset(state), dtype=float)
        if weight is not None:
            state = np.array(jump(state, weight), dtype=float)
    return spikes


@pytest.mark.parametrize("name", mark_slow(PATHS, "mat_kobayashi_rs"))  # in the gate of the corpus
def test_spikes_come_when_direct_integration_says(name):
    found = run(name).spike_time
    wanted = integrate(read_model(PATHS[name]), DURATIONS[name])
    assert len(found) == len(wanted) >= 2
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_gradients_are_those_of_differences():
    recording = run("threshold_adapts")
    last = len(recording.spike_time) - 1
    found = differentiate(recording, spike_time=np.eye(last + 1)[last], parameters=True)
    step = 1e-6

    def differ(change):
        above, below = (
            run("threshold_adapts", **change(s * step)).spike_time[last] for s in (1, -1)
        )
        return (above - below) / (2 * step)

    by_weight = [differ(lambda h, d=d: {"weights": WEIGHTS + h * d}) for d in np.eye(3)]
    by_time = [differ(lambda h, d=d: {"times": TIMES + h * d}) for d in np.eye(3)]
    np.testing.assert_allclose(found.weights[0][0], by_weight, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.input_times[0], by_time, rtol=1e-6, atol=1e-8)
    for name, value in {"tau_m": 1.0, "tau_h": 2.0, "I0": 3.0}.items():
        want = differ(lambda h, name=name, value=value: {"parameters": {name: value + h}})
        assert found.parameters[0][name] == pytest.approx(want, rel=1e-6, abs=1e-8)
    for name in ("V", "h"):
        want = differ(lambda h, name=name: {"initial": {"V": 0.0, "h": 0.0} | {name: h}})
        own = run("threshold_adapts", initial={"V": 0.0, "h": 0.0})
        by_start = differentiate(own, spike_time=np.eye(last + 1)[last]).initial[0][name][0]
        assert by_start == pytest.approx(want, rel=1e-6, abs=1e-8)


def test_a_wrong_change_of_variables_is_found(monkeypatch):
    """A jump of the model in X that forgets that inputs move the threshold, too."""
    derivation = derive_once(read_model(PATHS["threshold_adapts"]))
    X = derivation.model.spike.variable
    compare = measured.Change.compare

    def forget(change, tally, place, state):
        change.jumps = [lambda *at: [*at[:1], at[1] + 2 * at[-1]]]
        compare(change, tally, place, state)

    monkeypatch.setattr(measured.Change, "compare", forget)
    assert X not in derivation.shown.state
    with pytest.raises(VerificationError, match="moving threshold"):
        verify_derivation(derivation)


def test_the_height_above_a_threshold_that_goes_on_moves_while_V_is_held():
    model = build_model(
        name="m", equations="dV/dt = 2 - V\ndh/dt = -h", spike="V = 1 + h", reset="V = 0",
        input="V += w; h += 2*w", rest={"V": 0, "h": 0}, refractory={"time": 1},
    )  # fmt: skip
    derivation = derive_once(model)
    X, h = derivation.chart.coordinates
    held = derivation.refractory
    assert held.field == (h, -h)
    assert held.jumps == ((X - 2 * WEIGHT, h + 2 * WEIGHT),)
    assert sp.simplify(held.solution[0] - (X + h * (1 - sp.exp(-DURATION)))) == 0
