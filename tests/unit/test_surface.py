"""Inputs that turn a neuron away on its threshold, and the search that draws them."""

import contextlib
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derivations import compile_model, read_neuron_model
from spiketheory.checking.properties import check_swaps
from spiketheory.checking.search import plan_batches, run_batch
from spiketheory.checking.strategies import inputs_at_spikes
from spiketheory.checking.subject import (
    NotApplicable,
    find_sign_changes,
    find_states_at_spikes,
    find_turning_weights,
    make_subject,
)
from spiketheory.language.parse import read_model


@lru_cache(maxsize=8)
def prepare(name, *assume):
    return make_subject(
        read_neuron_model(name), compile_model(name, backend="numpy"), assume=assume
    )


def test_sign_changes_are_found_to_both_sides_and_infinite_values_are_none():
    assert find_sign_changes(lambda x: (x - 5) * (x + 0.3), 0.0, 1.0) == pytest.approx(
        [-0.3, 5], abs=1e-5
    )
    assert find_sign_changes(lambda x: float("nan"), 0.0, 1.0) == []


def test_the_weight_that_turns_a_neuron_on_its_threshold_is_that_of_its_field():
    lif = prepare("lif")  # tau_m V' = -V + I at V = 1
    (turning,) = find_turning_weights(lif, [1.0, 1.75])
    assert turning == pytest.approx(-0.75, abs=1e-4)
    assert find_turning_weights(lif, [1.0, 0.25]) == pytest.approx([0.75], abs=1e-4)
    assert find_turning_weights(prepare("qif"), [0.0, 1.0]) == []


@pytest.mark.parametrize("name", ["lif", "qif", "lif_delta"])
def test_what_is_drawn_is_admissible_and_meets_a_spike(name):
    subject = prepare(name)
    met = []

    @settings(max_examples=20, deadline=None, database=None)
    @given(drawn=inputs_at_spikes(subject))
    def look(drawn):
        assert subject.allows(drawn.trial)
        _, place, value = drawn.find(subject)
        assert place.index == (len(drawn.trial.input_times) - 1,)
        away = subject.run(drawn.trial.move(place, 2 * drawn.trial.duration))
        assert value in [time for time, _ in away.spikes]
        for _, state in find_states_at_spikes(subject, away):
            if not subject.neuron.spike.is_blowup:
                assert state[subject.scales.voltage] > subject.scales.ceiling - 1e-9
        met.append(value)

    look()
    assert len(met) >= 20


def test_assumptions_hold_of_what_is_drawn():
    subject = prepare("nlif", "w >= 0", "I > 0")

    @settings(max_examples=20, deadline=None, database=None)
    @given(data=st.data())
    def look(data):
        drawn = data.draw(inputs_at_spikes(subject))
        assert min(drawn.trial.input_weights[0]) >= 0
        with contextlib.suppress(NotApplicable):
            check_swaps(subject, drawn)

    look()


PEAKED = """
[model]
name = "peaked"
equations = \"\"\"
dV/dt = (V*(V - 1) + I)/tau_m
dI/dt = -I/tau_s
\"\"\"
spike = "V = 10"
reset = "V = -10"
input = "I += w"
rest = {V = 0, I = 0}
[parameters]
tau_m = {default = 1.0, domain = "tau_m > 0"}
tau_s = {default = 0.5, domain = "tau_s > 0"}
"""


@pytest.mark.slow
def test_a_strong_input_that_turns_a_neuron_away_at_its_peak_is_found_with_any_seed(tmp_path):
    file = tmp_path / "peaked.toml"
    file.write_text(PEAKED)
    subject = make_subject(read_model(file), compile_model(str(file)))
    (turning,) = find_turning_weights(subject, [10.0, 0.5])
    assert turning == pytest.approx(-90.5, abs=0.01)
    for seed in range(10):
        outcomes = (run_batch(subject, batch) for batch in plan_batches(["swaps"], 100, seed))
        assert any(outcome.failure for outcome in outcomes), seed
