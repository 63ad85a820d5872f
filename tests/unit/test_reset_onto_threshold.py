"""Neurons that are reset onto their threshold and fall from there: spikes are upward crossings."""

import mpmath
import numpy as np
import pytest
from crossings import connect, load, make, make_lif, make_resonator, print_module
from mpmath import mpf

from sim.engine.choose import simulate
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.certification.certify import certify
from spiketheory.certification.obligations import list_obligations
from spiketheory.checking.opponent import check_simulated
from spiketheory.errors import DerivationError, InputError, ModelError
from spiketheory.language.parse import build_model
from spiketheory.symbolic.derive import derive

B, OMEGA = mpf(-4), mpf(10)
TIMES = [0.125 + 0.625 * k for k in range(5)]
WEIGHTS = [2.5, 2.25, -1.5, 1.5, 3.0]
ENGINES = ("events", "plain")


def turn(z, t):
    """z' = (b + i omega) z, the resonate-and-fire neuron between events."""
    return z * mpmath.exp(mpmath.mpc(B, OMEGA) * t)


def find_crossing(z, longest):
    """The first time in (0, longest) at which Im z rises through 1, to 40 digits.

    |z| exp(b t) sin(arg z + omega t) has one maximum and one minimum in a turn, where its phase is
    atan(-omega/b) or that and a half turn: between a minimum and the next maximum it rises.
    """
    if not z:
        return None
    top = mpmath.atan2(OMEGA, -B)
    k = mpmath.ceil((mpmath.arg(z) - top) / (2 * mpmath.pi)) - 1
    while True:
        low, high = (
            (top + 2 * mpmath.pi * (k + back) - mpmath.arg(z)) / OMEGA for back in (-0.5, 0)
        )
        low, k = max(low, mpf(0)), k + 1
        if low >= longest:
            return None
        if high <= 0 or mpmath.im(turn(z, low)) >= 1 or mpmath.im(turn(z, high)) <= 1:
            continue
        found = mpmath.findroot(
            lambda t: mpmath.im(turn(z, t)) - 1, (low, high), solver="anderson", tol=mpf(10) ** -60
        )
        return found if found < longest else None


def find_spikes(times, weights, end):
    """Spike times by the closed form."""
    with mpmath.workdps(40):
        z, now, spikes = mpmath.mpc(0), mpf(0), []
        for stop, weight in [*zip(times, weights, strict=True), (end, 0.0)]:
            while (wait := find_crossing(z, stop - now)) is not None:
                now += wait
                spikes.append(float(now))
                z = mpmath.mpc(0, 1)
            z, now = turn(z, stop - now) + mpf(weight), mpf(stop)
        return spikes


@pytest.fixture(scope="module")
def resonator(tmp_path_factory):
    return load(print_module(make_resonator()), tmp_path_factory.mktemp("resonator"))


@pytest.mark.parametrize(
    ("engine", "end", "count"), [("events", 3.5, 3), ("plain", 0.5, 1)]
)  # fmt: skip
def test_spikes_are_those_of_the_closed_form_in_40_digits(resonator, engine, end, count):
    inputs = [(t, w) for t, w in zip(TIMES, WEIGHTS, strict=True) if t < end]
    times, weights = map(list, zip(*inputs, strict=True))
    expected = find_spikes(times, weights, end)
    found = simulate(connect(resonator, times, weights, end), engine=engine).spike_time
    assert len(expected) == count
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_its_own_spike_that_pushes_it_up_is_no_second_spike(resonator, engine):
    """It is at x = w then, and above its threshold for half a turn."""
    w = 30.0
    network = Network(
        populations=[Population(name="cell", model=resonator, size=1)],
        inputs=[SpikeTrains(name="in", size=1, times=np.array([0.0]), channels=np.array([0]))],
        projections=[
            Projection(pre="in", post="cell", weights=np.array([[w]])),
            Projection(pre="cell", post="cell", weights=np.array([[w]])),
        ],
        duration=1.0,
    )
    with mpmath.workdps(40):
        first = find_crossing(mpmath.mpc(w), mpf(1))
        period = find_crossing(mpmath.mpc(w, 1), mpf(1))
    expected = [float(first + k * period) for k in range(2)]
    np.testing.assert_allclose(simulate(network, engine=engine).spike_time, expected, rtol=1e-14)


def explain(model):
    with pytest.raises(DerivationError) as raised:
        derive(model)
    return str(raised.value)


def test_it_is_refused_where_v_need_not_fall_from_the_threshold():
    charged = make("dV/dt = I - V", spike="V = V_th", reset="V = V_th", rest={"V": 0},
                   parameters={"I": 0.5, "V_th": 1.0})  # fmt: skip
    driven = make_lif(reset="V = V_th")
    for model, speed in ((charged, "I - V_th"), (driven, "(I - V_th)/tau")):
        message = explain(model)
        assert "V = V_th need not lie below V_th: the neuron would spike without end" in message
        assert f"or see that V falls there: dV/dt = {speed} need not be negative." in message


def test_it_is_refused_where_the_threshold_is_computed_or_moves():
    """Two evaluations of a sum may differ by rounding."""
    options = {"input": "V += w", "rest": {"V": 0, "u": 0}, "name": "mine"}
    field = "dV/dt = -V\ndu/dt = -u"
    positive = {p: {"default": 1.0, "domain": f"{p} > 0"} for p in ("a", "c")}
    for theta, reset in (("a + c", "V = a + c; u = 0"), ("a + u", "V = a; u = 0")):
        model = build_model(equations=field, spike=f"V = {theta}", reset=reset,
                            parameters=positive, **options)  # fmt: skip
        assert not model.lands_on_threshold
        assert "the neuron would spike without end; lower it" in explain(model)


def test_it_has_no_refractory_period():
    words = "V in mine to below its threshold, since it is held in .* but got one onto it; add"
    with pytest.raises(ModelError, match=words):
        build_model(name="mine", equations="dV/dt = -V", spike="V = 1", reset="V = 1",
                    input="V += w", rest={"V": 0}, refractory={"time": "2"})  # fmt: skip


def test_no_lemma_is_about_it_and_the_opponent_has_no_simulator_for_it():
    model = make_resonator()
    duties = list_obligations(model, [])
    assert {o.condition for o in duties.obligations} >= {"C1", "C6"}
    assert all(o.text.startswith("the reset of y leads onto the threshold") and not o.ways
               for o in duties.obligations)  # fmt: skip
    with pytest.raises(InputError, match="that of resonator leads onto it"):
        check_simulated(model)


@pytest.mark.slow
def test_a_graze_refutes_its_certificate():
    certificate = certify(make_resonator())
    assert certificate.verdict == "refuted"
