"""The parts of `spiketheory.checking`: event loop, trials, assumptions, jumps, shrinking, files."""

import dataclasses
import math
from functools import lru_cache

import mpmath
import numpy as np
import pytest

from derivations import compile_model, read_neuron_model
from spiketheory.checking.assumptions import read_assumptions
from spiketheory.checking.discontinuities import find_jumps
from spiketheory.checking.failure import Failure
from spiketheory.checking.failure_file import read_failure, write_failure
from spiketheory.checking.paths import find_count_change, find_gap, find_suspect
from spiketheory.checking.properties import check_continuity
from spiketheory.checking.replay import replay
from spiketheory.checking.subject import NotApplicable, make_subject, round_down, to_exact
from spiketheory.checking.trial import Path, Place, Trial
from spiketheory.errors import InputError, ParseError


@lru_cache(maxsize=16)
def prepare(name, *assume):
    return make_subject(
        read_neuron_model(name), compile_model(name, backend="numpy"), assume=assume
    )


def make_trial(**changes):
    """One neuron at rest, one input at time 0."""
    plain = {
        "duration": 1.0, "weights": ((0.0,),), "input_weights": ((5.0,),), "input_times": (0.0,),
        "input_neurons": (0,), "initial": ((0.0, 0.0),),
    }  # fmt: skip
    return Trial(**(plain | changes))


WEIGHT = Place("input_weights", (0, 0))


@pytest.fixture(params=["qif", "lif"])
def key(request, reference_dir):
    with np.load(reference_dir / f"{request.param}_recurrent.npz") as file:
        return {name: file[name] for name in file.files}


def rows(array):
    return tuple(tuple(map(float, row)) for row in array)


def test_the_event_loop_agrees_with_the_answer_keys_forwards_and_backwards(key):
    neuron = read_neuron_model(str(key["model"]))
    given = {p.name: float(key[p.name]) for p in neuron.parameters if p.name in key}
    subject = make_subject(neuron, compile_model(neuron.name, backend="numpy"), parameters=given)
    trial = Trial(
        duration=float(key["T"]), weights=rows(key["weights"]),
        input_weights=rows(key["input_weights"]), input_times=tuple(map(float, key["input_times"])),
        input_neurons=tuple(map(int, key["input_neurons"])),
        initial=rows(zip(key["V0"], key["I0"], strict=True)),
    )  # fmt: skip
    run = subject.run(trial)
    assert [n for _, n in run.spikes] == key["spike_neuron"].tolist()
    np.testing.assert_allclose([t for t, _ in run.spikes], key["spike_time"], rtol=1e-11)
    found = subject.loop.pull(run, list(key["functional_coef"]))
    for name in ("weights", "input_weights", "input_times", "V0", "I0"):
        want = key[f"grad_{name}"]
        field, c = (name, None) if name not in ("V0", "I0") else ("initial", int(name == "I0"))
        for index in np.ndindex(want.shape):
            if name == "weights" and index[0] == index[1]:
                continue  # the networks have no self-connections
            place = Place(field, index if c is None else (*index, c))
            assert abs(found[place] - want[index]) < 1e-9 * np.abs(want).max(), place


def test_inputs_come_before_spikes_of_the_same_instant_and_a_spike_at_T_does_not_count():
    subject = prepare("nlif")
    spike = subject.run(make_trial(input_weights=((3.0,),))).spikes[0][0]
    assert not subject.run(make_trial(input_weights=((3.0,),), duration=spike)).spikes
    both = make_trial(input_weights=((3.0, 1.0),), input_times=(0.0, spike), input_neurons=(0, 1))
    assert subject.run(both).order[:3] == [(None, 0), (None, 1), (0, None)]


def test_simultaneous_spikes_are_ordered_by_neuron():
    twins = make_trial(weights=((0.0, 0.0),) * 2, input_weights=((5.0,),) * 2,
                       initial=((0.0, 0.0),) * 2)  # fmt: skip
    assert [n for _, n in prepare("lif").run(twins).spikes] == [0, 1]


def test_a_spike_that_an_input_causes_moves_with_the_input():
    subject = prepare("lif_delta")
    trial = make_trial(
        input_weights=((1.5,),), input_times=(0.4,), initial=((0.2,),), weights=((0.0,),)
    )
    run = subject.run(trial)
    assert run.spikes == [(0.4, 0)]
    found = subject.loop.pull(run, [1.0])
    assert found[Place("input_times", (0,))] == 1.0
    assert found[WEIGHT] == 0.0


@pytest.mark.parametrize("name", ["theta", "qif", "lif", "rapid_theta"])
def test_floats_and_50_digits_give_the_same_spikes(name):
    subject = prepare(name)
    unit = subject.scales.critical
    trial = make_trial(
        duration=20 * subject.scales.time, weights=((0.0, unit), (0.5 * unit, 0.0)),
        input_weights=((1.7 * unit,), (0.0,)), initial=(subject.scales.rest,) * 2,
    )  # fmt: skip
    run = subject.run(trial)
    with mpmath.workdps(50):
        gap = find_gap(run, subject.run_exactly(to_exact(trial)))
    assert run.spikes
    assert gap.size < 1e-13


def test_a_vanishing_spike_is_found_along_a_path_and_in_the_number_of_spikes():
    subject = prepare("lif")
    path = Path(start=make_trial(), end=make_trial(input_weights=((3.0,),)))
    for find in (find_suspect, find_count_change):
        jump = find(subject, path)
        assert jump.place == WEIGHT
        assert jump.gap.kind == "vanishes"
        assert jump.low == pytest.approx(4.0, abs=1e-11)
        assert abs(jump.low - jump.high) <= 2e-12


def test_a_spike_that_leaves_through_the_end_is_no_jump():
    subject = prepare("qif")
    path = Path(
        start=make_trial(duration=4.0), end=make_trial(duration=4.0, input_weights=((1.0,),))
    )
    counts = [len(subject.run(trial).spikes) for trial in (path.start, path.end)]
    assert counts == [1, 0]
    assert find_suspect(subject, path) is None
    assert find_count_change(subject, path) is None


def test_a_steep_place_of_a_model_without_50_digits_is_no_failure(monkeypatch):
    """Floats suspect a jump there and then see it shrink; the search goes on."""
    subject = dataclasses.replace(prepare("qif"), exact=None)
    end = make_trial(duration=4.0, input_weights=((1.0,),))
    path = Path(start=make_trial(duration=4.0), end=end)
    monkeypatch.setattr("spiketheory.checking.paths.JUMP", 1e-13)
    monkeypatch.setattr("spiketheory.checking.paths.FLAT", 1e-14)
    assert find_suspect(subject, path) is not None
    check_continuity(subject, path)


def test_a_spike_that_goes_to_infinity_beyond_the_digits_of_floats_is_no_jump():
    """Found by a search: at distance 1e-15 the spike still is far from T, but it moves there."""
    subject = dataclasses.replace(prepare("qif"), exact=None)
    critical = subject.scales.critical
    path = Path(
        start=make_trial(duration=60.0, input_weights=((critical * 0.9,),)),
        end=make_trial(duration=60.0, input_weights=((critical * 1.2,),)),
    )
    suspect = find_suspect(subject, path)
    assert suspect.gap.size > 1
    check_continuity(subject, path)
    check_continuity(prepare("qif"), path)


def test_a_move_of_all_parameters_is_reduced_to_one():
    start, end = make_trial(), make_trial(input_weights=((3.0,),), initial=((0.0, 0.1),))
    jump = find_suspect(prepare("lif"), Path(start=start, end=end))
    assert jump.place in (WEIGHT, Place("initial", (0, 1)))
    assert jump.gap.kind == "vanishes"


def test_all_jumps_of_a_staircase_are_found_and_steep_slopes_are_not():
    def stairs(x):
        return math.floor(3 * x) + math.tanh(1e5 * (x - 0.5))

    known = [(k / 10, stairs(k / 10)) for k in range(11)]
    found = find_jumps(stairs, lambda a, b: abs(a - b), known, flat=1e-3, narrow=1e-12)
    assert [round(3 * step.low, 9) for step in found] == [1, 2, 3]
    assert all(step.size == pytest.approx(1, abs=1e-6) for step in found)


def test_assumptions_of_weights_states_and_both_are_told_apart():
    neuron = read_neuron_model("nlif")
    values = neuron.check_parameters({})
    found = read_assumptions(neuron, values, ["w >= 0", "I > -0.5", "w < 3 - V"])
    assert (found.allow_weight(0.0), found.allow_weight(-1e-9)) == (True, False)
    assert (found.allow_state((0.0, 0.0)), found.allow_state((0.0, -0.5))) == (True, False)
    assert (found.allow_input((0.0, 0.0), 2.9), found.allow_input((0.5, 0.0), 2.9)) == (True, False)


def test_assumptions_of_parameters_alone_are_looked_at_once():
    neuron = read_neuron_model("nlif")
    values = neuron.check_parameters({"tau_m": 0.3, "tau_s": 0.1})
    assert read_assumptions(neuron, values, ["tau_m = 3*tau_s"]).allow_state((0.0, 0.0))
    with pytest.raises(InputError, match="Expected parameters that obey tau_m = 2\\*tau_s but got"):
        read_assumptions(neuron, values, ["tau_m = 2*tau_s"])


def test_a_trial_that_breaks_an_assumption_on_its_way_says_nothing():
    subject = prepare("nlif", "I > -0.5")
    with pytest.raises(NotApplicable):
        subject.run(make_trial(input_weights=((-1.0,),)))
    subject.run(make_trial(input_weights=((-0.4,),)))


def test_an_assumption_that_is_no_relation_is_refused():
    with pytest.raises(ParseError, match="Expected"):
        prepare("lif", "w")


def test_scales_are_round_and_fit_the_model():
    scales = prepare("lif").scales
    assert scales.critical == pytest.approx(4)
    assert (scales.weight, scales.ceiling) == (0.5, 1.0)
    assert [round_down(v) for v in (0.99, 1.0, 2.4, 2.6, 80)] == [0.5, 1.0, 2.0, 2.5, 50.0]


def test_a_failure_comes_back_from_its_file(tmp_path):
    subject = prepare("lif", "w <= 9")
    failure = Failure(
        name="continuity", text="it vanishes", trial=make_trial(), place=WEIGHT, values=(4.0, 4.5),
        proof="by hand", extra=(("shift", (0.5,)),),
    )  # fmt: skip
    write_failure(tmp_path / "it.npz", subject, failure)
    neuron, parameters, assume, back = read_failure(tmp_path / "it.npz")
    assert back == failure
    assert (neuron, parameters, assume) == (subject.neuron, subject.parameters, ("w <= 9",))


DAMAGE = (
    {"input_neurons": np.array([3])},
    {"weights": np.zeros((2, 2))},
    {"moved_index": np.array([7, 7])},
    {"model_file": "no"},
    {"property": "symmetry", "order": [0], "input_order": [0], "shift": [[0.5]]},
)


@pytest.mark.parametrize("change", DAMAGE)
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path, change):
    failure = Failure(name="swaps", text="", trial=make_trial(), place=WEIGHT, values=(4.0, 5.0))
    write_failure(tmp_path / "it.npz", prepare("lif"), failure)
    with np.load(tmp_path / "it.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "it.npz", **(arrays | change))
    with pytest.raises((InputError, ParseError), match="Expected"):
        read_failure(tmp_path / "it.npz")


@pytest.mark.parametrize("power", range(2, 14))
def test_whether_lif_spikes_and_when_agree_down_to_the_last_digits(power):
    """tau_m = 2 tau_s: an input of weight 4 V_th (1 + d) makes a spike if and only if d > 0."""
    loop = prepare("lif").loop
    for sign in (1, -1):
        weight = 4.0 * (1 + sign * 10.0**-power)
        state = loop.jump(loop.enter((0.0, 0.0)), weight)
        wait = loop.wait(state)
        said = loop.functions.will_spike(
            *state, *loop.functions.propagator(100.0, *loop.constants), *loop.constants
        )
        assert bool(said) == (wait < math.inf) == (sign > 0)


def test_a_trial_whose_numbers_overflow_says_nothing():
    """lif squares the current where tau_m = 2 tau_s, and a plain float that overflows raises."""
    trial = make_trial(initial=((0.0, 1e300),), duration=2.0)
    subject = prepare("lif")
    with pytest.raises(NotApplicable):
        subject.run(trial)
    extra = (("durations", (0.5, 0.5)),)
    for name in ("flow", "digits"):
        assert not replay(subject, Failure(name=name, text="", trial=trial, extra=extra))


def test_a_property_that_does_not_exist_is_refused(tmp_path):
    failure = Failure(name="luck", text="", trial=make_trial(), place=WEIGHT, values=(4.0, 5.0))
    with pytest.raises(InputError, match="the property to be one of"):
        replay(prepare("lif"), failure)
