"""Neurons that go on through their spikes: how they are read, derived, printed, and searched."""

import math

import numpy as np
import pytest
import sympy as sp
from crossings import connect, load, make_fitzhugh, make_lif, make_stepped, print_module
from models import CHECKS

from sim.engine.choose import simulate
from spiketheory.certification.certify import certify
from spiketheory.checking.opponent import attack
from spiketheory.documents.document import document
from spiketheory.errors import DerivationError, InputError, ModelError, VerificationError
from spiketheory.generation.kernel_ir import VerifiedKernel
from spiketheory.generation.lower import lower
from spiketheory.language.parse import build_model, parse_model
from spiketheory.runtime import crossing, roots
from spiketheory.runtime.taylor import TAYLOR_ORDER
from spiketheory.symbolic.derive import derive
from spiketheory.verification import crossing as verification
from spiketheory.verification.verify import verify

ARMED, ABOVE, CARRIED = 0.0, 1.0, 2.0


def make_polynomial(*zeros, sign=1.0):
    """Coefficients of sign * product of (x - zero), in rising powers."""
    coefficients = np.polynomial.polynomial.polyfromroots(zeros) * sign
    return np.concatenate([coefficients, np.zeros(TAYLOR_ORDER + 1 - len(coefficients))])


def find(polynomial, above):
    return crossing.crossing_find_roots(polynomial, np.empty(TAYLOR_ORDER + 1), above)


def test_an_empty_reset_is_a_crossing_and_is_written_back_as_it_was():
    model = make_lif()
    assert model.is_crossing
    assert model.reset == model.state
    again = parse_model(model.to_toml())
    assert again == model
    assert again.digest == model.digest
    assert 'reset = ""' in model.to_toml()


def test_a_reset_of_other_variables_is_a_crossing_too_and_one_of_v_is_none():
    assert make_lif(reset="I += 0.5").is_crossing
    assert not make_lif(reset="V = 0").is_crossing
    assert not make_lif(reset="V = -1; I += 0.5").is_crossing


def test_v_that_goes_to_infinity_cannot_go_on_through_its_spike():
    with pytest.raises(ModelError, match="without V, which is infinite at the spike, but got none"):
        build_model(name="mine", equations="dV/dt = V**2", spike="V -> oo", reset="",
                    input="V += w", rest={"V": 0})  # fmt: skip


def test_a_neuron_may_rest_above_the_threshold_that_it_crosses():
    options = {"equations": "dV/dt = 2 - V", "spike": "V = 1", "input": "V += w", "rest": {"V": 2}}
    assert derive(build_model(name="mine", reset="", **options)).method == "linear"
    with pytest.raises(DerivationError, match="to rest below its threshold 1 but got V = 2"):
        derive(build_model(name="mine", reset="V = 0", **options))


def test_a_reset_that_moves_the_threshold_away_is_no_crossing():
    options = {"equations": "dV/dt = 2 - V\ndu/dt = -u", "input": "V += w",
               "rest": {"V": 0, "u": 0}}  # fmt: skip
    away = build_model(name="mine", spike="V = 1 + u", reset="u += 1", **options)
    along = build_model(name="mine", spike="V = 1 + u", reset="u += 1; V += 1", **options)
    beside = build_model(name="mine", spike="V = 1", reset="u += 1", **options)
    assert [m.is_crossing for m in (away, along, beside)] == [False, True, True]


def test_the_document_says_that_a_spike_is_an_upward_crossing():
    for reset, words in (
        ("", "and the state goes on unchanged"), ("I += 1", "through which V"),
        ("V = V_th; I = 0", "and V falls after it"),
    ):  # fmt: skip
        verified = VerifiedKernel(ir=lower(derive(make_lif(reset=reset))), checks=CHECKS)
        text = " ".join(document(verified, format="text").split())
        assert f"a spike is an upward crossing, {words}" in text


@pytest.mark.parametrize(
    ("before", "after", "side", "expected"),
    [
        (0.5, 0.9, ARMED, ARMED),
        (0.5, 1.0, ARMED, CARRIED),
        (0.5, 3.0, ARMED, CARRIED),
        (1.0, 1.0, ARMED, ARMED),  # on its way across: it spikes by itself
        (2.0, 3.0, ABOVE, ABOVE),
        (2.0, 1.0, ABOVE, ABOVE),
        (2.0, 0.5, ABOVE, ARMED),
        (1.0 - 1e-16, 1.0 - 1e-16, ABOVE, ABOVE),  # has just crossed; an input moves a current
        (3.0, 2.0, CARRIED, CARRIED),
        (3.0, 0.5, CARRIED, ARMED),
    ],
)
def test_the_side_after_an_input(before, after, side, expected):
    assert crossing.crossing_side(before, after, 1.0, side) == expected


def test_both_zeros_of_one_step_are_found_and_none_before_the_first():
    polynomial = make_polynomial(0.2, 0.6, sign=-1.0)  # below, above, below
    assert find(polynomial, True) == pytest.approx((0.2, 0.6), rel=1e-14)
    close = make_polynomial(0.2, 0.21, 0.22, 0.8, sign=-1.0)
    assert find(close, True) == pytest.approx((0.2, 0.21), rel=1e-11)
    assert find(make_polynomial(1.5, sign=-1.0), False) == (math.inf, math.inf)


def test_a_state_on_the_surface_neither_crosses_again_nor_comes_back_at_once():
    falling = make_polynomial(0.0, 0.5, sign=1.0)  # 0, below, above
    assert find(falling, True) == pytest.approx((0.5, math.inf))
    rising = make_polynomial(0.0, 0.5, sign=-1.0)  # 0, above, below: a reset turned it back
    assert find(rising, False) == pytest.approx((math.inf, 0.5))


def test_a_touch_from_above_the_threshold_is_no_way_back():
    assert find(make_polynomial(0.5, 0.5, sign=-1.0), True) == (math.inf, math.inf)


def test_the_search_in_closed_form_knows_the_side_and_not_the_sign():
    """x = exp(-t): V = 6 x - 8 x^2 + 1 crosses 2 upwards and comes back; f_2 has no zero."""

    def heights(t, offset):
        x = math.exp(-t)
        return 2 - (6 * x - 8 * x * x + 1) + offset, 6 * x - 16 * x * x, -16 * x * x

    up, down = -math.log(0.5), -math.log(0.25)
    spike = roots.first_zero(heights, (0.0, -1.0), 600.0, (0.0,))
    assert spike == pytest.approx(up)
    moved = lambda t, offset: heights(t + spike, offset)  # noqa: E731
    for offset in (0.0, 1e-16, -1e-16, 1e-14, -1e-14):  # what rounding makes of the crossing
        back, again = roots.first_zero_above(moved, (0.0, -1.0), 600.0, (offset,))
        assert back == pytest.approx(down - up, rel=1e-12)
        assert again == math.inf


def spikes_of(model, times, weights, duration, folder, *, engine="events", text=None):
    found = load(text or print_module(model), folder)
    return simulate(connect(found, times, weights, duration), engine=engine).spike_time


def test_a_neuron_spikes_again_only_after_it_was_below(tmp_path):
    jumps = make_lif(jump="V += w")
    assert spikes_of(jumps, [1.0, 2.0, 3.0], [2.0, 1.0, 1.0], 5.0, tmp_path).tolist() == [1.0]
    again = spikes_of(jumps, [1.0, 2.0, 3.0], [2.0, -5.0, 9.0], 5.0, tmp_path)
    assert again.tolist() == [1.0, 3.0]


def test_inputs_at_one_instant_act_one_after_the_other(tmp_path):
    jumps = make_lif(jump="V += w")
    across_and_back = spikes_of(jumps, [1.0, 1.0], [2.0, -2.0], 5.0, tmp_path)
    assert across_and_back.size == 0
    assert spikes_of(jumps, [1.0, 1.0, 1.0], [2.0, -2.0, 2.0], 5.0, tmp_path).tolist() == [1.0]
    back_and_across = spikes_of(jumps, [1.0, 1.5, 1.5], [2.0, -9.0, 12.0], 5.0, tmp_path)
    assert back_and_across.tolist() == [1.0, 1.5]


def test_an_input_at_the_spike_and_one_just_behind_it_make_no_second_spike(tmp_path):
    """An arrival an instant after the crossing finds V on the threshold up to rounding."""
    stepped = make_stepped()
    (spike,) = spikes_of(stepped, [0.0], [2.0], 50.0, tmp_path)
    assert spike == pytest.approx(10 * math.log(2), rel=1e-15)
    for moved in (spike, np.nextafter(spike, 0), *(spike * (1 + k * 2.0**-52) for k in range(9))):
        for weight in (1.0, 1e-3, -0.5):
            found = spikes_of(stepped, [0.0, moved], [2.0, weight], 50.0, tmp_path)
            assert len(found) == 1, (moved, weight)


def test_a_graze_is_decided_by_the_height_of_the_peak(tmp_path):
    """V of an input w to the current has its peak at w * 0.4 * 0.4^(4/6)... next to 1."""
    leaky = make_lif()
    peak = 10 / 6 * 0.0 + (4 / 6) * ((0.4) ** (4 / 6) - (0.4) ** (10 / 6))
    for sign, expected in ((1, 1), (-1, 0)):
        found = spikes_of(leaky, [0.0], [(1 + sign * 1e-9) / peak], 100.0, tmp_path)
        assert len(found) == expected


def test_nothing_is_certified_and_the_opponent_says_why_it_has_no_simulator():
    model = make_lif()
    certificate = certify(model)
    assert certificate.verdict in ("refuted", "undecided")
    with pytest.raises(InputError, match="leaves it alone"):
        attack(model, certificate)


def test_the_printed_module_has_the_side_behind_the_state():
    text = print_module(make_fitzhugh())
    assert 'COORDINATES = ("V", "W", "above")' in text
    assert 'STATE = ("V", "W")' in text
    assert sp.Symbol("above") not in derive(make_fitzhugh()).chart.coordinates


def test_the_verification_follows_an_integrated_model_through_its_spikes():
    checks = {c.name for c in verify(lower(derive(make_fitzhugh()))).checks}
    assert {"side of the threshold", "upward crossings", "gradient of an upward crossing"} <= checks


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1.0 if beyond else 0.0", "1.0 if beyond else 1.0"),
        ("crossing_side(V, v0, V_th, above)", "above"),
        ("taylor_reset(table, *constants)\n    return v0, v1, 1.0",
         "taylor_reset(table, *constants)\n    return v0, v1, 0.0"),
    ],
    ids=["re-arming is forgotten", "inputs change no side", "a second spike on the surface"],
)  # fmt: skip
def test_the_verification_catches_a_side_that_is_wrong(right, wrong, monkeypatch):
    text = print_module(make_fitzhugh())
    assert text.count(right) == 1
    planted = text.replace(right, wrong)
    monkeypatch.setattr(verification, "print_source", lambda ir, target: planted)
    with pytest.raises(VerificationError, match=r"side of the threshold|upward crossings"):
        verify(lower(derive(make_fitzhugh())))
