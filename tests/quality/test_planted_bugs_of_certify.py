"""Negative controls of `certify`: a wrong chart, field or jump must not pass as proved."""

import dataclasses

import pytest
import sympy as sp

from derivations import read_neuron_model
from spiketheory.certification import conditions
from spiketheory.certification.boundary import find_boundary, list_saltation
from spiketheory.certification.certificate import PROVED, REFUTED
from spiketheory.certification.conditions import examine
from spiketheory.certification.proofs import Counterexample, Proof
from spiketheory.certification.region import build_region
from spiketheory.language.parse import parse_model


def examine_changed(name, **changes):
    """Statuses of a built-in model with some of its texts replaced."""
    text = read_neuron_model(name).to_toml()
    for old, new in changes.pop("texts"):
        assert old in text
        text = text.replace(old, new)
    model = parse_model(text)
    found = examine(find_boundary(model), build_region(model))
    return {n: c.status for n, c in found.items()}


@pytest.mark.parametrize(
    ("name", "old", "new", "broken"),
    [
        ("qif", 'reset = "V = -oo"', 'reset = "V = -oo; I = 0"', "C4"),
        ("qif", 'reset = "V = -oo"', 'reset = "V = -oo; I = I + 0.001*I"', "C4"),
        ("qif", 'reset = "V = -oo"', 'reset = "V = 0"', "C6"),
        ("qif", 'input = "I += w"', 'input = "I = 0.999*I + w"', "C4"),
        ("theta", 'spike = "V -> oo"', 'spike = "V = 1000000000"', "C1"),
        ("nlif", 'spike = "V = V_th"', 'spike = "V = V_th + I/1000"', "C3"),
        ("eif", 'reset = "V = V_r"', 'reset = "V = V_r + I/1000"', "C4"),
        ("lif", 'reset = "V = 0"', 'reset = "V = V_th"', "C5"),
    ],
)
def test_a_small_change_of_the_model_breaks_the_condition_that_it_should(name, old, new, broken):
    if name == "theta":
        pytest.importorskip("sympy")
        changed = examine_changed(
            name, texts=[(old, new), ('reset = "V = -oo"', 'reset = "V = -5"')]
        )
        assert changed["C1"] == PROVED  # V**2 is large there: what breaks is the jump
        assert changed["C3"] == REFUTED
        return
    assert examine_changed(name, texts=[(old, new)])[broken] == REFUTED


def test_a_saltation_matrix_with_a_wrong_sign_is_no_smooth_swap(monkeypatch):
    def wrong(boundary):
        matrix = list_saltation(boundary)
        matrix[0, 0] = -matrix[0, 0]
        return matrix

    model = read_neuron_model("qif_delta")
    changed = dataclasses.replace(
        model, derivatives=tuple(d + 3 * model.state[0] for d in model.derivatives)
    )
    for one in (model, changed, read_neuron_model("nlif")):
        assumptions = [] if one.name != "nlif" else [one.symbols["I"] > 0]
        region = build_region(one, assumptions)
        boundary = find_boundary(one)
        rows = [e for e in examine(boundary, region)["C6"].evidence if "own" not in e.text]
        assert all(isinstance(e.finding, Proof) for e in rows)
        if one.name == "nlif":  # of the quadratic ones every term with it vanishes on the spike
            monkeypatch.setattr(conditions, "list_saltation", wrong)
            rows = [e for e in examine(boundary, region)["C6"].evidence if "own" not in e.text]
            assert any(isinstance(e.finding, Counterexample) for e in rows)


@pytest.mark.parametrize("name", ["nlif", "eif"])
def test_the_spikes_own_time_counts_for_a_smooth_swap(name):
    """Of nlif only the spike's own time has a kink, of eif only the state after it."""
    model = read_neuron_model(name)
    assumptions = [model.symbols["I"] > 0] if name == "nlif" else []
    condition = examine(find_boundary(model), build_region(model, assumptions))["C6"]
    assert condition.status == REFUTED
    false = ["own" in e.text for e in condition.evidence if isinstance(e.finding, Counterexample)]
    assert all(false) if name == "nlif" else not any(false)


def test_a_speed_of_the_wrong_sign_is_not_proved_positive():
    model = read_neuron_model("qif")
    boundary = find_boundary(model)
    turned = dataclasses.replace(
        boundary.arriving, velocity=tuple(-v for v in boundary.arriving.velocity)
    )
    wrong = dataclasses.replace(boundary, arriving=turned)
    assert examine(wrong, build_region(model))["C1"].status == REFUTED


def test_an_input_that_flips_the_potential_delays_a_spike():
    model = read_neuron_model("qif_delta")
    V = model.state[0]
    flipped = dataclasses.replace(model, jump=(-V + sp.Symbol("w", real=True),))
    assert examine(find_boundary(flipped), build_region(flipped))["C3"].status == REFUTED
