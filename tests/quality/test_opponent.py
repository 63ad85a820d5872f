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
    Trial,
    Witness,
)
from spiketheory.checking.attack.replay import (
    read_contradiction,
    replay_contradiction,
    write_contradiction,
)
from spiketheory.checking.opponent import QUICK, Effort, attack
from spiketheory.language.parse import parse_model

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "certify"
NOTE = "Where two inputs reach the neuron at once derivatives are one-sided."


def read(name):
    path = CASES / f"{name}.toml"
    if path.exists():
        return read_neuron_model(str(path))
    if name in MODELS:
        return parse_model(MODELS[name])
    return read_neuron_model(name)


def write_model(name, equations, spike, reset, input, rest, more=""):
    return (
        f'[model]\nname = "{name}"\nequations = """\n{equations}\n"""\nspike = "{spike}"\n'
        f'reset = "{reset}"\ninput = "{input}"\nrest = {rest}\n{more}'
    )


MODELS = {
    "tri_pileup": write_model(
        "tri_pileup", "dV/dt = 1 + a + I\nda/dt = -a\ndb/dt = -b\ndI/dt = -I", "V = 1",
        "V = 0; a += b; b += 1", "I += w", "{V = 0, a = 0, b = 0, I = 0}",
        '[assumptions]\nw = "w >= 0"\nI = "I >= 0"\na = "a >= 0"\nb = "b >= 0"\n',
    ),
    "reset_exp_gap": write_model(
        "reset_exp_gap", "dV/dt = 1 + I\ndz/dt = -z\ndI/dt = -I", "V = 1",
        "V = 1 - exp(-z); z += 1", "I += w", "{V = 0, z = 0, I = 0}",
        '[assumptions]\nw = "w >= 0"\nI = "I >= 0"\nz = "z >= 0"\n',
    ),
    "tanh_runaway": write_model(
        "tanh_runaway", "dV/dt = V**2*tanh(V) + I + 1\ndI/dt = -I", "V = 1", "V = 0", "I += w",
        "{V = 0, I = 0}", '[assumptions]\nw = "w >= 0"\nI = "I >= 0"\n',
    ),
    "kink_equilibrium": write_model(
        "kink_equilibrium", "dV/dt = V**2 + abs(V)", "V -> oo", "V = -oo", "V += w", "{V = 0}"
    ),
    "phase_sin2": write_model(
        "phase_sin2", "dph/dt = 1", "ph = 1", "ph = 0", "ph += w*sin(pi*ph)**2", "{ph = 0}",
        '[assumptions]\nw = "abs(w) < 0.3"\n',
    ),
    "qif_set": write_model(
        "qif_set", "dV/dt = V**2 + z\ndz/dt = -z", "V -> oo", "V = -oo", "z = w", "{V = 0, z = 0}"
    ),
    "qif_peak": write_model(
        "qif_peak", "dV/dt = V*(V - 1) + I\ndI/dt = -2*I", "V = 10", "V = -10", "I += w",
        "{V = 0, I = 0}",
    ),
    "active_rotator": write_model(
        "active_rotator", "dth/dt = 1.5 + I - sin(th)\ndI/dt = -I", "th = pi", "th = -pi", "I += w",
        "{th = 0, I = 0}",
    ),
    "lif_inh_driven": write_model(
        "lif_inh_driven", "dV/dt = -V + 1.5 + I\ndI/dt = -I", "V = 1", "V = 0", "I += w",
        "{V = 0, I = 0}", '[assumptions]\nw = "w <= 0"\n',
    ),
    "qif_edge": write_model(
        "qif_edge", "dV/dt = a*V**2 - 20*V", "V -> oo", "V = -oo", "V += w", "{V = 0}",
        '[parameters]\na = {default = 20.0, domain = "a >= 0"}\n',
    ),
}  # fmt: skip
"""Those of the shared cases, as they are, for where there are none."""


def forge(model, verdict, *, notes=(NOTE,), witnesses=(), refuted=""):
    """A certificate that claims whatever it is told to."""
    statuses = {f"C{k}": PROVED for k in range(1, 7)}
    if verdict == "continuous":
        statuses["C6"] = UNDECIDED
    if refuted:
        statuses = {**dict.fromkeys(statuses, UNDECIDED), refuted: REFUTED}
    conditions = tuple(Condition(name=n, status=s, evidence=()) for n, s in statuses.items())
    return Certificate(model=model, assumptions=(), verdict=verdict, conditions=conditions,
                       witnesses=witnesses, notes=notes)  # fmt: skip


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
        spikes=((), ()), change="vanishes", trial=trial, digits=50,
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
