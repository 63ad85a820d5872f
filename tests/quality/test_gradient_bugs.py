"""The properties can fail: each of these planted bugs is found by them."""

import dataclasses
from types import SimpleNamespace

import networks
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from properties import test_gradients as gradients
from properties import test_spikes_shift as shifts

from sim.layers import crossings
from spiketheory.machine.link import kernel

MODEL = "theta"


def plant(**changes):
    """The theta model with some of its functions replaced; interpreted, so that it takes them."""
    model = networks.compiled(MODEL)
    functions = SimpleNamespace(**(vars(model.functions) | changes))
    return dataclasses.replace(model, functions=functions)


def change_result(name, index, change):
    """Function ``name`` of the model with one of its results changed."""
    function = getattr(networks.compiled(MODEL).functions, name)

    def changed(*arguments):
        results = function(*arguments)
        if not isinstance(results, tuple):
            return change(results)
        return (*results[:index], change(results[index]), *results[index + 1 :])

    return {name: changed}


def flip(value):
    return -value


def scale(value):
    return value * (1 + 1e-8)


def use_transposed_flow():
    flow = networks.compiled(MODEL).functions.flow

    def flow_vjp(x, y, *rest):
        *shared, l_x, l_y = rest
        return flow(l_x, l_y, *shared)

    return {"flow_vjp": flow_vjp}


def forget_time_of_spike():
    fire_vjp = networks.compiled(MODEL).functions.fire_vjp
    return {"fire_vjp": lambda *arguments: fire_vjp(*arguments[:-1], 0.0)}


def lose_spikes_of_full_turns():
    def will_spike(x, y, cos_dt, sin_dt, turns, *constants):
        return cos_dt * y - sin_dt * x < 0

    return {"will_spike": will_spike}


def add_to_phase_variable():
    """An input also moves y, and so can carry a neuron across its spike, as in the lif neuron."""
    jump = networks.compiled(MODEL).functions.jump

    def leap(x, y, w, *constants):
        x, y = jump(x, y, w, *constants)
        return x, y - 0.1 * w if y > 0.1 * w else 1e-3

    return {"jump": leap}


BUGS = {
    "the sign of a weight's derivative": change_result("jump_vjp", 2, flip),
    "the sign of an input time's derivative": change_result("jump_vjp", 3, flip),
    "an input time's derivative off by 1e-8": change_result("jump_vjp", 3, scale),
    "the flow's transpose forgotten": use_transposed_flow(),
    "the spike time's derivative forgotten": forget_time_of_spike(),
    "an initial phase's derivative off by 1e-8": change_result("initial_state_vjp", 0, scale),
    "a pseudo input's derivative off by 1e-8": change_result("pseudospike_vjp", 2, scale),
    "pseudospikes too late by 1e-8": change_result("pseudospike", 0, scale),
    "spikes too late by 1e-8": change_result("time_to_spike", 0, scale),
    "spikes of full turns lost": lose_spikes_of_full_turns(),
}

search = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def search_gradients(model):
    @search
    @given(case=networks.cases(models=(MODEL,)))
    def property_holds(case):
        assume(gradients.is_smooth(case))
        gradients.check_gradients(case, model)

    property_holds()


@pytest.mark.parametrize("bug", BUGS)
def test_the_gradient_property_finds(bug):
    with pytest.raises(AssertionError):
        search_gradients(plant(**BUGS[bug]))


@kernel()
def is_never_turned(end, state):
    return False


def test_the_gradient_property_finds_adjoints_that_spikes_do_not_turn(monkeypatch):
    monkeypatch.setattr(crossings, "is_turned", is_never_turned)
    with pytest.raises(AssertionError):
        search_gradients(plant())


def test_the_gradient_property_finds_nothing_without_a_bug():
    assert search_gradients(plant()) is None  # and raised nothing


def test_the_shift_property_finds_inputs_that_can_cause_a_spike():
    weight = st.floats(-3, 3)

    @search
    @given(case=networks.cases(models=(MODEL,)), w=weight)
    def property_holds(case, w):
        target = networks.freeze([[[w for _ in row] for row in layer] for layer in case.weights])
        assert shifts.find_jump(case, plant(**add_to_phase_variable()), target) <= 1e-6

    with pytest.raises(AssertionError):
        property_holds()
