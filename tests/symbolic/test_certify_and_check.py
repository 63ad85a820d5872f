"""A certificate and a check of the same model never contradict each other.

What a certificate proves, no trial that the check finds may break. What it refutes the check need
not find; yet it does, of all these models, but for where the excuses below say why not.
"""

import pytest
from models import FOLDER, certify_once

from derivations import compile_model, import_generated, list_models, read_neuron_model
from spiketheory.checking.opponent import attack
from spiketheory.checking.subject import choose_backend
from spiketheory.errors import DerivationError, InputError, VerificationError
from spiketheory.testing import check_model, load_subject

FURTHER = sorted(path.stem for path in FOLDER.glob("*.toml"))
QUICK = {
    "theta": 10, "qif_delta": 10, "qif": 10, "lif": 20, "lif_delta": 20, "nlif": 30,
    "integrator_charge": 10, "loses_charge": 10,
}  # fmt: skip
"""Examples for models that need seconds; all others are slow."""
MANY = 30
NOT_DERIVED = {
    "cubic_finite_reset", "qif_adaptation_driven", "quartic_finite_reset", "quartic_infinite",
    "kink_equilibrium", "qif_edge",
}  # fmt: skip
"""A check needs generated code, and `derive` refuses these."""
SILENT = {"bounded_inhibition"}
"""No input makes a neuron at rest spike."""
UNDECIDED = {"integrator_charge", "tanh_runaway"}
PILE_UP = {"tri_pileup", "reset_exp_gap"}
"""Proved to pile up, from large states that a check does not draw."""
NO_KINK = {"qif_refractory"}
"""Certified to be continuous, since lemma L10 claims no more; inputs at V = -oo leave no kink."""
ALLOWED = {
    "smooth": {"smooth"},
    "continuous": {"smooth", "continuous"},
    "refuted": {"smooth", "continuous", "broken"},
    "undecided": {"smooth", "continuous", "broken"},
}
"""What a check may say beside a certificate's verdict."""


def prepare(name, assume=()):
    if name in FURTHER:
        return load_subject(FOLDER / f"{name}.toml", assume=assume)
    compiled = compile_model(name, backend=choose_backend(import_generated(name)))
    return load_subject(read_neuron_model(name), compiled=compiled, assume=assume)


def mark(names):
    return [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in names]


def test_at_least_twenty_further_models_are_checked():
    assert len(set(FURTHER) - NOT_DERIVED - SILENT) >= 20
    assert set(QUICK) | NOT_DERIVED | SILENT | UNDECIDED <= {*list_models(), *FURTHER}


@pytest.mark.parametrize(
    "name", mark(n for n in [*list_models(), *FURTHER] if n not in NOT_DERIVED | SILENT)
)
def test_certificate_and_check_do_not_contradict_each_other(name):
    certificate = certify_once(name)
    report = check_model(prepare(name), examples=QUICK.get(name, MANY))
    reasons = [r.reason for r in report.results]
    assert report.verdict in ALLOWED[certificate.verdict], reasons
    if certificate.verdict == "refuted" and name not in PILE_UP:
        assert report.verdict == "broken", "the check found nothing of what is refuted"
    if certificate.verdict == "continuous" and name not in NO_KINK:
        assert report.verdict == "continuous", "the check found no kink where C6 is refuted"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*list_models(), *FURTHER])
def test_the_opponent_does_not_contradict_a_certificate(name):
    """Some models are attacked in the ordinary suite: tests/quality/test_opponent.py."""
    model = read_neuron_model(name if name not in FURTHER else str(FOLDER / f"{name}.toml"))
    result = attack(model, certify_once(name), [], seed=0, rounds=1)
    assert not result.contradictions


@pytest.mark.parametrize("name", mark(["nlif", "phase_with_current"]))
def test_nor_do_they_under_the_assumptions_that_a_model_needs(name):
    assume = tuple(sorted(str(a) for a in certify_once(name).suggestion))
    verdict = certify_once(name, *assume).verdict
    assert verdict == certify_once(name).suggested == "continuous"
    report = check_model(prepare(name, assume), examples=QUICK.get(name, MANY))
    assert report.verdict in ALLOWED[verdict], [r.reason for r in report.results]


def test_a_contradiction_would_be_seen():
    report = check_model(prepare("lif"), examples=20, properties=["continuity"])
    assert report.verdict not in ALLOWED[certify_once("qif").verdict]


@pytest.mark.parametrize("name", sorted(NOT_DERIVED))
def test_models_without_generated_code_are_refused_with_a_reason(name):
    with pytest.raises((DerivationError, VerificationError), match=r"[Ee]xpected"):
        prepare(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SILENT))
def test_a_model_that_no_input_makes_spike_is_refused_with_a_reason(name):
    with pytest.raises(InputError, match="Expected a model that an input can make spike"):
        prepare(name)
