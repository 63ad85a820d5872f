"""Every number of every derivative is checked: an error of 1e-20 in any one of them is found."""

import random
import re
from functools import cache, partial

import mpmath
import pytest
from models import derive_once
from mpmath import mpf

from derivations import read_neuron_model
from spiketheory.errors import VerificationError
from spiketheory.generation.lower import lower
from spiketheory.verification import gradients
from spiketheory.verification.gradients import Observer
from spiketheory.verification.places import Kernels, Place

MODELS = {
    "theta": read_neuron_model("theta"),
    "nlif": read_neuron_model("nlif"),
}
ERROR = mpf(10) ** -20
CHECKS = {
    gradients.check_wait_gradient: ["fire_vjp"],
    gradients.check_trial: ["flow_vjp", "jump_vjp"],
    gradients.check_fire: ["fire_vjp"],
    gradients.check_start: ["initial_state_vjp"],
    gradients.check_pseudospike_gradient: ["pseudospike_vjp"],
    gradients.check_parameters: [
        *("constants_vjp", "flow_constants_vjp", "fire_constants_vjp", "jump_constants_vjp"),
        *("initial_state_constants_vjp", "fire_vjp"),
    ],
    gradients.check_maps: [
        *("leave_chart_vjp", "enter_chart_vjp", "reset_vjp", "leave_chart_constants_vjp"),
        *("enter_chart_constants_vjp", "reset_constants_vjp", "pseudospike_constants_vjp"),
        "constants_vjp",
    ],
}
"""Each check, and the kernel functions whose errors it has to find."""


@cache
def make_place(name):
    """A neuron at its default parameters, and how many results its kernel functions have."""
    with mpmath.workdps(50):
        ir = lower(derive_once(MODELS[name]))
        kernels = Kernels(ir)
        defaults = {p.symbol: mpf(p.default) for p in MODELS[name].parameters}
        place = Place(kernels, defaults, random.Random(1))
        assert place.states
    return place, {f.name: len(f.results) for f in ir.functions}


def run(check, place):
    with mpmath.workdps(50):
        return list(check([place]))


def count(checks, what):
    return int(re.search(rf"over (\d+) {what}", checks[0].detail)[1])


@pytest.mark.parametrize(
    ("name", "check", "kernel"),
    [
        pytest.param(name, check, kernel, id=f"{name}-{check.__name__}-{kernel}")
        for name in MODELS
        for check, kernels in CHECKS.items()
        for kernel in kernels
        if name == "theta" or "pseudospike" not in kernel
    ],
)
def test_a_small_error_in_any_derivative_is_found(name, check, kernel, monkeypatch):
    place, sizes = make_place(name)
    right = place.kernels.functions[kernel]

    def spoil(k, *arguments):
        found = right(*arguments)
        found[k] += ERROR * (1 + abs(found[k]))
        return found

    for k in range(sizes[kernel]):
        monkeypatch.setitem(place.kernels.functions, kernel, partial(spoil, k))
        with pytest.raises(VerificationError, match=r"^Check 'gradient"):
            run(check, place)


@pytest.mark.parametrize("name", MODELS)
def test_right_derivatives_pass_at_every_state(name):
    place, _ = make_place(name)
    n, parameters = len(place.states[0]), len(place.parameters)
    with mpmath.workdps(50):
        inside = [s for s in place.states if place.surface(s) > 0]
        spiking = [s for s in inside if mpmath.isfinite(place.wait(s))]
        beyond = len(place.beyond)
    assert len(spiking) > 3
    found = {check: run(check, place) for check in CHECKS}
    assert count(found[gradients.check_wait_gradient], "gradients") == len(spiking)
    assert count(found[gradients.check_trial], "gradients") == 2 * len(place.states) * (n + 2)
    assert count(found[gradients.check_fire], "gradients") == len(spiking) + beyond
    assert count(found[gradients.check_start], "gradients") == len(place.initial_values)
    assert count(found[gradients.check_parameters], "values") >= parameters
    if place.derivation.pseudospike is not None:
        pseudo = count(found[gradients.check_pseudospike_gradient], "gradients")
        assert pseudo == 2 * len(inside) * (n + 1)
    for check, checks in found.items():
        if place.derivation.pseudospike is None and check is gradients.check_pseudospike_gradient:
            assert checks == []
        else:
            assert mpf(re.search(r"error (?:below )?(\S+)", checks[0].detail)[1]) < mpf(10) ** -40


def test_trials_have_weak_and_strong_inputs_after_tiny_and_long_durations(monkeypatch):
    place, _ = make_place("theta")
    weights, durations = set(), set()
    jump, flow_vjp = Place.jump, Place.flow_vjp

    def record_weight(self, state, weight):
        weights.add(int(weight))
        return jump(self, state, weight)

    def record_duration(self, state, duration, covector):
        durations.add(float(mpmath.nstr(duration, 8)))
        return flow_vjp(self, state, duration, covector)

    monkeypatch.setattr(Place, "jump", record_weight)
    monkeypatch.setattr(Place, "flow_vjp", record_duration)
    assert run(gradients.check_trial, place)
    assert {10**4, -(10**4), 0, -1} <= weights
    assert {1e-12, 0.6, 2.5, 1e3} <= durations


def test_a_delay_without_a_gradient_is_found(monkeypatch):
    place, _ = make_place("theta")
    functions = place.kernels.functions
    monkeypatch.setitem(functions, "pseudospike", lambda *at: [mpf(1), mpf(2), mpf("0.5")])
    monkeypatch.setitem(functions, "pseudospike_vjp", lambda *at: [mpf(0)] * 3)
    with pytest.raises(VerificationError, match="expected a gradient of the delay from"):
        run(gradients.check_pseudospike_gradient, place)
    monkeypatch.setitem(functions, "pseudospike", lambda *at: [mpf(10) ** 10, mpf(2), mpf("0.5")])
    assert run(gradients.check_pseudospike_gradient, place)  # it may have faded


@pytest.mark.parametrize("name", MODELS)
def test_an_observer_has_a_gradient_by_every_coordinate(name):
    place, _ = make_place(name)
    with mpmath.workdps(50):
        observer = Observer(place)
        state = [mpf(v) for v in ("0.3", "0.8")[: len(place.states[0])]]
        step = mpf(10) ** -15
        for k, slope in enumerate(observer.gradient(state)):
            up, down = ([v + s * step * (i == k) for i, v in enumerate(state)] for s in (1, -1))
            want = (observer.value(up) - observer.value(down)) / (2 * step)
            assert abs(slope - want) < mpf(10) ** -25
            assert abs(slope) > mpf(10) ** -3
        multiple = [3 * v for v in state]
        same = abs(observer.value(multiple) - observer.value(state)) < mpf(10) ** -45
        assert same == bool(place.derivation.chart.projective)


def test_a_trial_that_ends_before_its_spike_is_not_compared(monkeypatch):
    """There is no way back in time, and so no derivative after a spike that is yet to come."""
    place, _ = make_place("theta")
    compared = count(run(gradients.check_parameters, place), "values")
    assert compared > 0
    monkeypatch.setattr(gradients, "AFTER", mpf(-100))
    assert run(gradients.check_parameters, place) == []
