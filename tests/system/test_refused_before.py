"""Right models that were refused once: derived, verified, and simulated with the right values.

Gate: derived, printed and simulated; by hand (``--slow``): verified too, which takes a while.
"""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from models import generate_text, import_text, verify_derivation
from scipy.optimize import brentq

from derivations import read_neuron_model
from sim import Network, Population, Projection, SpikeTrains, simulate
from spiketheory.machine.compile import load_compiled
from spiketheory.symbolic.derive import derive
from spiketheory.verification import places

CASES = Path(__file__).parents[1] / "cases"


def read(name):
    return read_neuron_model(str(CASES / f"{name}.toml"))


@lru_cache
def compiled(name, folder):
    module = import_text(generate_text(read(name)), Path(folder), name=f"case_{name}")
    return load_compiled(module, backend="numpy")


def spikes(name, folder, duration, time=(), weight=()):
    network = Network(
        populations=[Population(name="cells", model=compiled(name, str(folder)), size=1)],
        inputs=[SpikeTrains(name="world", size=max(1, len(time)), times=list(time),
                            channels=list(range(len(time))))],
        projections=[Projection(pre="world", post="cells", weights=[list(weight) or [0.0]])],
        duration=duration,
    )  # fmt: skip
    return simulate(network).spike_time


ADAPTIVE = (
    *(6.9314718055978135, 14.687841185423515, 20.0, 29.630282384350515, 40.04150089082447),
    *(51.113086881481294, 62.70298420928074, 74.6741623783369, 86.91172984356697),
    99.32845776743385,
)


def test_a_threshold_that_adapts_spikes_at_the_times_of_integration(tmp_path):
    found = spikes("adaptive_threshold", tmp_path, 100.0, [20.0], [0.3])
    np.testing.assert_allclose(found, ADAPTIVE, rtol=1e-9)


def test_equal_time_constants_leave_an_input_without_effect(tmp_path):
    assert not spikes("equal_tau", tmp_path, 60.0, [1.0], [30.0]).size


def test_a_small_gain_moves_the_potential_as_little(tmp_path):
    before = 0.5 * (1 - math.exp(-0.1))
    first = brentq(lambda s: 0.5 + (before - 0.5 + 0.6 * s) * math.exp(-s / 10) - 1, 0, 10)
    found = spikes("lif_small_gain", tmp_path, 5.0, [1.0], [30.0])
    np.testing.assert_allclose(found[0], 1 + first, rtol=1e-12)


@pytest.mark.parametrize("name", ["qif_with_units", "qif_with_signs"])
def test_a_quadratic_neuron_with_units_has_its_period(name, tmp_path):
    a, d, u = 10 / (2 * 200), (600 - 10 * 15**2 / (4 * 2)) / 200, -7.5
    omega = math.sqrt(a * d)
    first = (math.pi / 2 - math.atan(u * math.sqrt(a / d))) / omega
    want = first + math.pi / omega * np.arange(4)
    np.testing.assert_allclose(spikes(name, tmp_path, want[-1] + 1), want, rtol=1e-12)


@pytest.mark.parametrize("name", ["inf", "mpf", "log1p"])
def test_parameters_with_names_of_the_code_work_like_any_other(name, tmp_path):
    np.testing.assert_allclose(
        spikes(name, tmp_path, 5.0), math.log(3) * np.arange(1, 5), rtol=1e-12
    )
    verify_derivation(derive(read(name)))


@pytest.mark.parametrize("seed", [places.SEED + 2, places.SEED + 6])
def test_places_next_to_a_boundary_are_compared_in_enough_digits(seed, monkeypatch):
    monkeypatch.setattr(places, "SEED", seed)
    monkeypatch.setattr(places, "draw_boundary", lambda *_: None)  # at random, as it was
    verify_derivation(derive(read("qif_with_units")))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.stem for p in CASES.glob("*.toml")))
@pytest.mark.parametrize("thorough", [False, True])
def test_models_that_were_refused_verify(name, thorough):
    assert verify_derivation(derive(read(name)), thorough=thorough).checks


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 13))
def test_quadratic_neurons_verify_wherever_the_checks_look(seed, monkeypatch):
    monkeypatch.setattr(places, "SEED", seed)
    for name in ("qif_with_units", "qif_with_signs"):
        verify_derivation(derive(read(name)))
