"""States next to which a spike appears: whether it comes is decided to the last digits.

A neuron with a finite threshold may graze it. Time to the spike then changes like the square root
of the distance from the graze, so the spike is there or not; nothing in between.
"""

import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from networks import compiled

from derivations import read_neuron_model
from spiketheory.reference.integrate import Reference

DISTANCES = [10.0**-k for k in range(2, 14)]
TAU_M, TAU_S, V_TH = 1.0, 0.5, 1.25
OFF = float(np.nextafter(TAU_S, 1.0))
"""The quadratic equation does not hold for it, so the root is bracketed."""


def wait_of_lif(distance, tau_s):
    """Time to the spike from V = 0 with a current that lifts V to the threshold at most."""
    functions = compiled("lif").functions
    constants = functions.constants(TAU_M, tau_s, V_TH)
    return float(functions.time_to_spike(0.0, 4 * V_TH * (1 + distance), *constants))


@pytest.mark.parametrize("tau_s", [TAU_S, OFF, float(np.nextafter(TAU_S, 0.0))],
                         ids=["closed form", "root above", "root below"])  # fmt: skip
@pytest.mark.parametrize("distance", DISTANCES)
def test_lif_spikes_just_above_the_graze_and_not_just_below_it(distance, tau_s):
    # V(a) = I (a - a^2) in a = exp(-t/tau_m) has its maximum I/4 at a = 1/2
    wait = wait_of_lif(distance, tau_s)
    exact = -math.log(0.5 + math.sqrt(0.25 - 0.25 / (1 + distance)))
    # rounding errors of the current move the spike by the square root of their size
    assert wait == pytest.approx(exact, abs=1e-15 / math.sqrt(distance))
    assert wait_of_lif(-distance, tau_s) == math.inf


def test_lif_takes_the_closed_form_and_the_root_where_these_tests_mean_it():
    derivation_branches = compiled("lif").module.time_to_spike.__code__.co_names
    assert "first_zero" in derivation_branches
    assert OFF != TAU_S
    assert 2 * TAU_S == TAU_M != 2 * OFF


def test_closed_form_and_root_agree_far_from_a_graze():
    for distance in (0.1, 1.0, 30.0):
        assert wait_of_lif(distance, TAU_S) == pytest.approx(wait_of_lif(distance, OFF), rel=1e-14)


MISSED = (0.9883028144456159, 102.87526496472557, -103.66591418950638)
MISSED_AT = (1.0175632008146986, 0.45208411377535407, 1.2870727308142078)
"""All heights but the first underflowed at the horizon, and the spike was not seen."""


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_spike_is_seen_though_everything_has_faded_at_the_horizon(backend):
    functions = compiled("lif_alpha", backend).functions
    wait = functions.time_to_spike(*MISSED, *functions.constants(*MISSED_AT))
    assert wait == pytest.approx(0.00300851684137664, rel=1e-12)


def test_the_spike_that_was_missed_is_there():
    model = read_neuron_model("lif_alpha")
    at = dict(zip([p.symbol for p in model.parameters], map(mpf, MISSED_AT), strict=True))
    with mpmath.workdps(30):
        _, wait = Reference(model, at, digits=25).arrive(list(map(mpf, MISSED)), mpf(10))
    assert float(wait) == pytest.approx(0.00300851684137664, rel=1e-12)


def test_the_closed_form_of_equal_time_constants_is_exact_next_to_its_graze():
    # V = I t exp(-t) has its maximum I/e at t = 1
    functions = compiled("lif").functions
    constants = functions.constants(1.0, 1.0, 1.0)
    for distance in DISTANCES[:10]:
        wait = functions.time_to_spike(0.0, math.e * (1 + distance), *constants)
        with mpmath.workdps(40):
            exact = -mpmath.lambertw(-1 / mpf(math.e * (1 + distance))).real
        assert wait == pytest.approx(float(exact), abs=1e-15 / math.sqrt(distance))
        assert functions.time_to_spike(0.0, math.e * (1 - distance), *constants) == math.inf
