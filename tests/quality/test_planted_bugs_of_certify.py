"""Negative controls of `certify`: a wrong chart, field or jump must not pass as proved."""

import dataclasses

import pytest
import sympy as sp

from derivations import read_neuron_model
from spiketheory.certification import at_the_spike, obligations
from spiketheory.certification.boundary import find_boundary
from spiketheory.certification.certificate import PROVED, REFUTED, UNDECIDED
from spiketheory.certification.claims import Counterexample, Proof
from spiketheory.certification.discharge import conclude
from spiketheory.certification.obligations import list_obligations
from spiketheory.certification.proofs import prove
from spiketheory.language.parse import parse_model


def examine(model, assumptions=()):
    return conclude(list_obligations(model, assumptions).obligations, prove).conditions


def is_false(condition):
    return any(isinstance(e.finding, Counterexample) for e in condition.evidence)


def examine_changed(name, **changes):
    """Conditions of a built-in model with some of its texts replaced."""
    text = read_neuron_model(name).to_toml()
    for old, new in changes.pop("texts"):
        assert old in text
        text = text.replace(old, new)
    return examine(parse_model(text))


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
        changed = examine_changed(
            name, texts=[(old, new), ('reset = "V = -oo"', 'reset = "V = -5"')]
        )
        assert changed["C1"].status == PROVED  # V**2 is large there: what breaks is the jump
        assert is_false(changed["C3"])
        return
    changed = examine_changed(name, texts=[(old, new)])[broken]
    assert changed.status in (UNDECIDED, REFUTED)
    assert is_false(changed)


@pytest.mark.parametrize("entry", [0, 1])
def test_a_wrong_velocity_behind_the_swap_is_no_smooth_swap(monkeypatch, entry):
    """Of the velocity after reset and input; qif is smooth with the right one."""

    def wrong(boundary):
        velocity = move(boundary)
        velocity[entry] = velocity[entry] + 1
        return velocity

    move = at_the_spike.move_landing
    model = read_neuron_model("qif")
    assert examine(model)["C6"].status == PROVED
    monkeypatch.setattr(at_the_spike, "move_landing", wrong)
    assert is_false(examine(model)["C6"])


@pytest.mark.parametrize("name", ["nlif", "eif"])
def test_the_spikes_own_time_counts_for_a_smooth_swap(name):
    """Of nlif the spike's own time has a kink, of eif only the state after it."""
    model = read_neuron_model(name)
    assumptions = [model.symbols["I"] > 0] if name == "nlif" else []
    evidence = examine(model, assumptions)["C6"].evidence
    false = {e.key for e in evidence if isinstance(e.finding, Counterexample)}
    assert ("L7a" in false) == (name == "nlif")
    assert false >= {"L7b.V"}


def test_a_speed_of_the_wrong_sign_is_not_proved_positive(monkeypatch):
    def turn(model):
        boundary = find_boundary(model)
        turned = dataclasses.replace(
            boundary.arriving, velocity=tuple(-v for v in boundary.arriving.velocity)
        )
        return dataclasses.replace(boundary, arriving=turned)

    model = read_neuron_model("qif")
    monkeypatch.setattr(obligations, "find_boundary", turn)
    assert is_false(examine(model)["C1"])


def test_an_input_that_flips_the_potential_delays_a_spike():
    model = read_neuron_model("qif_delta")
    V = model.state[0]
    flipped = dataclasses.replace(model, jump=(-V + sp.Symbol("w", real=True),))
    assert is_false(examine(flipped)["C3"])


def test_an_obligation_that_is_dropped_would_be_missed():
    """Each group of obligations is needed: some model fails in that one alone."""
    text = read_neuron_model("qif").to_toml()
    for old, new, key in (
        ('input = "I += w"', 'input = "I = w"', "L4.inputs.I"),
        ('reset = "V = -oo"', 'reset = "V = -oo; I = 0"', "L4.order.I"),
        ("dI/dt = -I/tau_s", "dI/dt = I**2", "L5.growth"),
        ("dI/dt = -I/tau_s", "dI/dt = -abs(I - 1)", "L8.0"),
        ("dI/dt = -I/tau_s", "dI/dt = -sqrt(I)", "H0.0"),
    ):
        assert old in text
        found = examine(parse_model(text.replace(old, new)))
        failed = {
            e.key for c in found.values() for e in c.evidence
            if not (isinstance(e.finding, Proof) or e.holds)
        }  # fmt: skip
        assert key in failed, (old, new)
