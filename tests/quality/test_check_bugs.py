"""The properties of `check` can fail: broken models, and bugs planted in the code, are found."""

import dataclasses
from functools import lru_cache
from types import SimpleNamespace

import pytest

import sim.plain.backward
from derivations import compile_model, read_neuron_model
from spiketheory.checking.loop import Loop
from spiketheory.checking.runner import run_check
from spiketheory.checking.subject import make_subject


@lru_cache(maxsize=8)
def prepare(name, *assume):
    return make_subject(
        read_neuron_model(name), compile_model(name, backend="numpy"), assume=assume
    )


def check(subject, *names, examples=100, seed=0):
    *_, (_, report) = run_check(subject, examples=examples, seed=seed, names=names)
    return report


def plant(name, **functions):
    """A model whose compiled functions are replaced; 50 digits keep the right ones."""
    compiled = compile_model(name, backend="numpy")
    changed = SimpleNamespace(**(vars(compiled.functions) | functions))
    compiled = dataclasses.replace(compiled, functions=changed)
    return make_subject(read_neuron_model(name), compiled)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_vanishing_spike_of_lif_shrinks_to_one_neuron_one_input_and_round_numbers(seed):
    (result,) = check(prepare("lif"), "continuity", seed=seed).results
    trial, place = result.failure.trial, result.failure.place
    assert (trial.n_neurons, trial.input_times, trial.initial) == (1, (0.0,), ((0.0, 0.0),))
    assert (place.field, place.index) == ("input_weights", (0, 0))
    assert result.failure.values == pytest.approx((4.0, 4.0), abs=2e-12)
    assert max(result.failure.values) > 4.0 >= min(result.failure.values)
    assert "in 50 digits, values 1e-30 apart" in result.failure.proof


def test_a_wrong_sign_in_a_gradient_is_found():
    jump_vjp = compile_model("qif", backend="numpy").functions.jump_vjp

    def flipped(*arguments):
        *rest, by_weight, by_time = jump_vjp(*arguments)
        return (*rest, -by_weight, by_time)

    report = check(plant("qif", jump_vjp=flipped), "continuity", "gradients")
    assert [r.status for r in report.results] == ["passed", "failed"]
    assert report.results[1].failure.place.field in ("input_weights", "weights")


def test_a_reset_that_forgets_the_current_is_found():
    fire = compile_model("qif", backend="numpy").functions.fire

    def forgetful(*arguments):
        x, y, _ = fire(*arguments)
        return x, y, 0.0

    report = check(plant("qif", fire=forgetful), "continuity", "counts", "swaps", "digits")
    assert report.verdict == "broken"
    assert {r.name for r in report.results if r.status == "failed"} >= {"swaps", "digits"}


class DoubledAtTies(Loop):
    """An event loop that lets an event act twice if it is simultaneous with the one before."""

    def jump(self, state, weight, port=0):
        moved = super().jump(state, weight, port)
        return super().jump(moved, weight, port) if self.__dict__.get("tied") else moved

    def act(self, trial, events, waits, causes):
        self.__dict__["tied"] = len(events) > 1 and events[-1].duration == 0
        try:
            return super().act(trial, events, waits, causes)
        finally:
            self.__dict__["tied"] = False


@pytest.mark.parametrize("name", ["theta", "qif"])
def test_a_jump_applied_twice_at_simultaneous_spikes_is_found(name):
    subject = make_subject(
        read_neuron_model(name), compile_model(name, backend="numpy"), loop=DoubledAtTies
    )
    report = check(subject, "continuity", "swaps")
    assert report.results[1].status == "failed"


def test_an_event_loop_without_a_bug_passes():
    assert check(prepare("theta"), "continuity", "swaps").verdict == "smooth"


def test_pseudospikes_that_come_too_late_are_found():
    pseudospike = compile_model("theta", backend="numpy").functions.pseudospike

    def late(*arguments):
        delay, period, rate = pseudospike(*arguments)
        return delay + 1e-3, period, rate

    subject = plant("theta", pseudospike=late)
    (result,) = check(subject, "pseudospikes", examples=25).results
    assert "differ by 0.001 from those of 50 digits" in result.reason
    subject = dataclasses.replace(subject, exact=None)
    (result,) = check(subject, "pseudospikes", examples=25).results
    assert "pseudospikes included, jumps" in result.reason


def test_a_flow_that_is_too_fast_is_found():
    flow = compile_model("qif", backend="numpy").functions.flow

    def fast(*arguments):
        x, y, current = flow(*arguments)
        return x * (1 + 1e-6), y, current

    assert check(plant("qif", flow=fast), "flow", examples=25).verdict == "broken"


def test_a_prediction_that_misses_spikes_is_found():
    report = check(plant("lif", will_spike=lambda *arguments: False), "prediction", examples=25)
    assert report.verdict == "broken"


def test_a_loop_that_prefers_low_numbers_is_found():
    class Biased(Loop):
        def act(self, trial, events, waits, causes):
            if events[-1].neuron == 0:
                weights = tuple(tuple(2 * w for w in row) for row in trial.weights)
                trial = dataclasses.replace(trial, weights=weights)
            return super().act(trial, events, waits, causes)

    subject = make_subject(
        read_neuron_model("theta"), compile_model("theta", backend="numpy"), loop=Biased
    )
    assert check(subject, "symmetry", examples=100).verdict == "broken"


def test_derivatives_through_a_spike_that_only_single_trials_take_are_found():
    """Layers of qif flow through the spike; in the other engines the neuron fires."""
    fire_vjp = compile_model("qif", backend="numpy").functions.fire_vjp

    def flipped(*arguments):
        *rest, by_x, by_y, by_current, by_time = arguments
        return fire_vjp(*rest, -by_x, -by_y, by_current, by_time)

    (result,) = check(plant("qif", fire_vjp=flipped), "engines").results
    assert result.status == "failed"
    assert "the engines layers and plain differ by" in result.reason
    assert "on a stack of" in result.reason
    assert "events agrees with plain" in result.reason


def test_a_flow_that_depends_on_how_it_is_cut_is_found_by_the_engines():
    propagator = compile_model("theta", backend="numpy").functions.propagator

    def curved(duration, *constants):
        cos_dt, sin_dt, turns = propagator(duration, *constants)
        return cos_dt, sin_dt * (1 + 1e-6 * duration**2), turns

    single = dataclasses.replace(
        plant("theta", propagator=curved).compiled, has_pseudospikes=False
    )  # a recurrent network alone
    subject = make_subject(read_neuron_model("theta"), single)
    (result,) = check(subject, "engines").results
    assert result.status == "failed"
    assert "the engines events and plain differ" in result.reason
    assert "on a recurrent network of" in result.reason
    assert result.failure.trial.n_neurons <= 2


def test_an_engine_without_the_rule_for_ties_is_found(monkeypatch):
    monkeypatch.setattr(sim.plain.backward, "find_ties", lambda run: {})
    (result,) = check(prepare("theta"), "engines", examples=300).results
    assert result.status == "failed"
    assert "differ" in result.reason
    assert "input times" in result.reason or "delays" in result.reason


@pytest.mark.parametrize("name", ["theta", "qif", "qif_delta", "rapid_theta", "lif", "lif_delta"])
def test_the_engines_agree_on_built_in_models(name):
    (result,) = check(prepare(name), "engines").results
    assert result.status == "passed", result.reason
