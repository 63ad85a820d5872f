"""An independent peer: heyoka.py integrates the same equations by Taylor series of its own.

Its adaptive steps and event detection share nothing with the generated functions (F. Biscani and
D. Izzo, MNRAS 504, 2614, 2021). Not a dependency: ``pip install -e ".[peers]"`` brings it.
"""

import math
import random

import pytest
from networks import compiled

hy = pytest.importorskip("heyoka")

TOLERANCE = 1e-11
LONGEST = 50.0
N_STATES = 8


def find_spike(system, state, surface, duration):
    """Time at which the surface first falls through zero; inf if it does not."""
    event = hy.t_event(surface, direction=hy.event_direction.negative)
    integrator = hy.taylor_adaptive(system, state, t_events=[event], tol=1e-18)
    outcome = integrator.propagate_until(duration)[0]
    if outcome == hy.taylor_outcome.time_limit:
        return math.inf
    assert int(outcome) == -1, outcome  # the first event stopped the integration
    return integrator.time


def integrate_eif(state, tau_m, tau_s, V_r):
    """With r = exp(-V) in the place of V from the start: the spike is r = 0."""
    r, current = hy.make_vars("r", "I")
    potential = -hy.log(r)
    system = [
        (r, -(1.0 + r * (current - potential)) / tau_m),
        (current, -current / tau_s),
    ]
    # r log r is not analytic at 0: stop a little before, where only exp(V) matters any more
    near = 1e-9
    wait = find_spike(system, [math.exp(-state[0]), state[1]], r - near, LONGEST)
    return wait + near * tau_m


def integrate_izhikevich(state, a, b, c, d, I0, V_peak):
    potential, recovery = hy.make_vars("V", "u")
    system = [
        (potential, 0.04 * potential**2 + 5.0 * potential + 140.0 - recovery + I0),
        (recovery, a * (b * potential - recovery)),
    ]
    return find_spike(system, list(state), V_peak - potential, LONGEST)


def draw_eif(draw):
    return draw.gauss(-1, 1), draw.gauss(0, 6)


def draw_izhikevich(draw):
    return draw.uniform(-75, -40), draw.uniform(-15, 5)


PEERS = {
    "eif": (integrate_eif, draw_eif),
    "izhikevich": (integrate_izhikevich, draw_izhikevich),
}


@pytest.mark.parametrize("name", PEERS)
def test_spike_times_are_those_of_heyoka(name):
    integrate, draw_state = PEERS[name]
    functions, draw = compiled(name).functions, random.Random(name)
    parameters = compiled(name).defaults
    constants = functions.constants(*parameters)
    spikes = 0
    for _ in range(N_STATES):
        state = draw_state(draw)
        got = functions.time_to_spike(*functions.enter_chart(*state, *constants), *constants)
        want = integrate(state, *parameters)
        if want == math.inf:
            assert got > LONGEST, state
            continue
        assert got == pytest.approx(want, rel=TOLERANCE), state
        spikes += 1
    assert spikes > 2
