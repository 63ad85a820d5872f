"""Any ratio of synaptic and membrane time constant: generated evaluators against integration.

Spike times and states of qif and lif at ten random states per ratio, spiking and silent ones,
against direct integration of the models' own equations to 30 digits, which knows no closed form;
gradients against its central differences.
"""

import math
import random
from functools import lru_cache

import mpmath
import pytest
from mpmath import mpf
from networks import compiled

from derivations import read_neuron_model
from spiketheory.reference.integrate import Reference

DIGITS = 30
TOLERANCE = mpf(10) ** -12
GRADIENT = mpf(10) ** -11
STEP = mpf(10) ** -10
LONGEST = mpf(20)
N_STATES = 10
RATIOS = (0.1, 0.25, 0.5, 1.0, 1.5, 3.0)
CASES = [("qif", ratio) for ratio in RATIOS] + [("lif", ratio) for ratio in (*RATIOS, 2.0)]
TAU_M = 0.8


def list_parameters(name, ratio):
    """Parameter values; the ratio is exact, so that lif takes the branch that is meant for it."""
    return (TAU_M, ratio * TAU_M) if name == "qif" else (TAU_M, ratio * TAU_M, 1.1)


@lru_cache
def make_reference(name, parameters):
    model = read_neuron_model(name)
    symbols = [p.symbol for p in model.parameters]
    return Reference(model, dict(zip(symbols, map(mpf, parameters), strict=True)), digits=DIGITS)


def run(name, parameters, state):
    """Functions, constants, coordinates and time to the spike, as generated."""
    functions = compiled(name).functions
    constants = functions.constants(*parameters)
    coordinates = functions.enter_chart(*state, *constants)
    return functions, constants, coordinates, functions.time_to_spike(*coordinates, *constants)


@lru_cache
def draw_states(name, ratio):
    """Random states: as many that lead to a spike as silent ones."""
    draw = random.Random(f"{name} {ratio}")
    parameters = list_parameters(name, ratio)
    spiking, silent = [], []
    while len(spiking) < N_STATES // 2 or len(silent) < N_STATES // 2:
        potential = draw.gauss(0, 1.5) if name == "qif" else 1.1 - abs(draw.gauss(0, 1))
        state = (potential, draw.gauss(0, 3) * (1 + 1 / ratio))
        wait = run(name, parameters, state)[-1]
        (spiking if wait < LONGEST else silent).append(state)
    return spiking[: N_STATES // 2], silent[: N_STATES // 2]


def relative(got, want):
    return abs(mpf(float(got)) - want) / max(abs(want), mpf(10) ** -3)


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_spike_times_and_states_at_the_spike_are_those_of_direct_integration(name, ratio):
    parameters = list_parameters(name, ratio)
    reference = make_reference(name, parameters)
    for state in draw_states(name, ratio)[0]:
        functions, constants, coordinates, wait = run(name, parameters, state)
        arrived, exact = reference.arrive(list(map(mpf, state)), LONGEST)
        assert exact is not None, state
        assert abs(mpf(wait) - exact) <= TOLERANCE * exact, state
        step = functions.propagator(wait, *constants)
        fired = functions.fire(*coordinates, *step, *constants)
        assert relative(fired[-1], arrived[1]) <= TOLERANCE, state  # the current


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_silent_states_are_silent_and_flow_as_direct_integration_does(name, ratio):
    parameters = list_parameters(name, ratio)
    reference = make_reference(name, parameters)
    for state in draw_states(name, ratio)[1]:
        functions, constants, coordinates, wait = run(name, parameters, state)
        assert reference.arrive(list(map(mpf, state)), LONGEST)[1] is None, state
        assert wait == math.inf, state
        for duration in (0.3, 2.0):
            want, _ = reference.follow(list(map(mpf, state)), mpf(duration))
            step = functions.propagator(duration, *constants)
            end = functions.flow(*coordinates, *step, *constants)
            for got, right in zip(functions.leave_chart(*end, *constants), want, strict=True):
                assert relative(got, right) <= TOLERANCE, state


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_gradients_of_the_spike_time_are_differences_of_direct_integration(name, ratio):
    """By the state, and by the parameters."""
    parameters = list_parameters(name, ratio)
    for state in draw_states(name, ratio)[0][:2]:
        functions, constants, coordinates, wait = run(name, parameters, state)
        nothing = [0.0] * len(coordinates)
        step = functions.propagator(wait, *constants)
        slopes = functions.fire_vjp(*coordinates, *step, *constants, *nothing, 1.0)
        bars = functions.fire_constants_vjp(*coordinates, wait, *constants, *nothing, 1.0)
        # x = V where y = 1, so the first slope is that by V
        got = [slopes[0], slopes[-1], *functions.constants_vjp(*parameters, *bars)]
        want = differentiate(name, [*state, *parameters])
        size = max(map(abs, want))
        for g, w in zip(got, want, strict=True):
            assert abs(mpf(float(g)) - w) <= GRADIENT * size, (state, got, want)


def differentiate(name, start):
    """Central differences of the reference's spike time by everything."""
    slopes = []
    with mpmath.workdps(2 * DIGITS):
        for i in range(len(start)):
            ends = []
            for sign in (1, -1):
                moved = [mpf(v) + sign * STEP * (i == j) for j, v in enumerate(start)]
                reference = make_reference(name, tuple(moved[2:]))
                ends.append(reference.arrive(moved[:2], LONGEST)[1])
            slopes.append((ends[0] - ends[1]) / (2 * STEP))
    return slopes
