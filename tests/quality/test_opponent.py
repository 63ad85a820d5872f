"""Controls of the opponent: false proofs that it must find, true ones that it must not."""

from pathlib import Path

import pytest

from derivations import read_neuron_model
from spiketheory.certification.certificate import (
    PROVED,
    REFUTED,
    UNDECIDED,
    Certificate,
    Condition,
    Witness,
)
from spiketheory.certification.refutation.ladder import Ladder
from spiketheory.certification.refutation.trial import Trial
from spiketheory.checking.attack.replay import (
    read_contradiction,
    replay_contradiction,
    write_contradiction,
)
from spiketheory.checking.opponent import QUICK, Effort, attack

FOLDER = Path(__file__).resolve().parents[1] / "models"
NOTE = "Where two inputs reach the neuron at once derivatives are one-sided."


def read(name):
    path = FOLDER / f"{name}.toml"
    return read_neuron_model(str(path) if path.exists() else name)


def forge(model, verdict, *, notes=(NOTE,), witnesses=(), refuted=""):
    """A certificate that claims whatever it is told to."""
    statuses = {f"C{k}": PROVED for k in range(1, 7)}
    if verdict == "continuous":
        statuses["C6"] = UNDECIDED
    if refuted:
        statuses = {**dict.fromkeys(statuses, UNDECIDED), refuted: REFUTED}
    conditions = tuple(Condition(name=n, status=s, evidence=()) for n, s in statuses.items())
    return Certificate(model=model, assumptions=(), split=(), verdict=verdict, strength="forged",
                       conditions=conditions, witnesses=witnesses, notes=notes)  # fmt: skip


def attack_forged(name, verdict, **options):
    model = read(name)
    effort = options.pop("effort", QUICK)
    certificate = forge(model, verdict, **options)
    return model, attack(model, certificate, effort=effort, first=True)


FALSE = {
    "lif": "jump", "lif_delta": "jump", "nlif": "jump", "phase_sin2": "jump", "qif_set": "jump",
    "qif_peak": "jump", "active_rotator": "jump", "lif_inh_driven": "jump",
    "tri_pileup": "pile-up", "reset_exp_gap": "pile-up", "tanh_runaway": "runaway",
    "kink_equilibrium": "kink", "eif": "kink",
}  # fmt: skip
"""Models that are not smooth, and what shows it."""
QUICKLY = {"lif_delta", "phase_sin2", "qif_peak", "tanh_runaway"}


@pytest.mark.parametrize(
    "name", [n if n in QUICKLY else pytest.param(n, marks=pytest.mark.slow) for n in FALSE]
)
def test_a_false_proof_of_smooth_is_found_and_can_be_looked_at_again(name, tmp_path):
    model, result = attack_forged(name, "smooth")
    assert [c.kind for c in result.contradictions] == [FALSE[name]]
    path = tmp_path / "found.json"
    write_contradiction(path, model, (), "smooth", result.contradictions[0])
    again, assume, found = read_contradiction(path)
    assert again == model
    assert found == result.contradictions[0]
    assert replay_contradiction(again, assume, found)


TRUE = {"qif": "smooth", "theta": "smooth", "qif_delta": "smooth", "eif": "continuous"}


@pytest.mark.parametrize(
    "name", [n if n == "qif" else pytest.param(n, marks=pytest.mark.slow) for n in TRUE]
)
def test_a_true_proof_is_not_contradicted(name):
    effort = Effort(swaps=8, ties=24, lines=12, long=8, steps=800) if name == "qif" else QUICK
    _, result = attack_forged(name, TRUE[name], effort=effort)
    assert result.contradictions == ()
    assert result.trials > 500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["theta", "qif_delta"])
def test_a_kink_where_two_inputs_meet_needs_its_note(name):
    _, result = attack_forged(name, "smooth", notes=())
    assert [c.kind for c in result.contradictions] == ["kink"]


def make_witness(values, *, weights, times, initial, duration, parameters):
    trial = Trial(parameters=parameters, initial=initial, weights=weights, times=times,
                  duration=duration)  # fmt: skip
    return Witness(
        condition="C1", parameter="weight of input 1", place="weight", number=0, values=values,
        spikes=((), ()), change="vanishes", trial=trial, digits=50, rule="R1", from_rest=True,
        ladder=Ladder(critical="4", spike=1, is_kink=False, rungs=(), limits=(0.0, 0.0), digits=50),
    )  # fmt: skip


def refute(name, witness):
    return attack_forged(name, REFUTED, witnesses=(witness,), refuted="C1")[1]


@pytest.mark.slow
def test_a_spike_that_slides_to_infinity_refutes_nothing():
    """t* = 0.5 + log(w/(w - 1))/20 in qif_edge with a = 20."""
    parameters = {p.name: p.default for p in read("qif_edge").parameters}
    witness = make_witness((1 - 2e-10, 1 + 2e-10), weights=(1.0,), times=(0.5,),
                           initial={"V": 0.0}, duration=5.0, parameters=parameters)  # fmt: skip
    result = refute("qif_edge", witness)
    assert [c.kind for c in result.contradictions] == ["witness"]
    assert "dissolves" in result.contradictions[0].text


def make_lif_witness(values, **changes):
    """The graze of lif at w = 4: V = 4 (exp(-t) - exp(-2 t)) just reaches 1."""
    parameters = {p.name: p.default for p in read("lif").parameters}
    given = {"weights": (4.0,), "times": (0.0,), "initial": {"V": 0.0, "I": 0.0}, "duration": 1.0}
    return make_witness(values, **{**given, "parameters": {**parameters, **changes}})


@pytest.mark.slow
def test_a_true_witness_stands():
    assert refute("lif", make_lif_witness((4 - 1e-10, 4 + 1e-10))).contradictions == ()


@pytest.mark.parametrize(
    ("witness", "says"),
    [
        (make_lif_witness((4 - 1e-10, 4 + 1e-10), tau_m=-1.0), "domain"),
        (make_lif_witness((3.9, 4.1)), "moves a number"),
    ],
)
def test_a_witness_outside_of_its_domain_or_with_too_large_a_step_is_seen(witness, says):
    assert [says in c.text for c in refute("lif", witness).contradictions] == [True]


def test_refuted_without_a_witness_is_a_contradiction():
    result = attack_forged("lif", REFUTED, refuted="C1")[1]
    assert [c.text for c in result.contradictions] == ["refuted without a witness"]
