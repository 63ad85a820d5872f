"""Rule R5: that spikes pile up is proved where it is true, and only there; runs agree."""

import numpy as np
import pytest
from models import make_model

from spiketheory.certification.certificate import PROVED, REFUTED, UNDECIDED
from spiketheory.certification.claims import Proof
from spiketheory.certification.discharge import conclude
from spiketheory.certification.obligations import list_obligations
from spiketheory.certification.proofs import prove
from spiketheory.language.parse import parse_assumption

STEP = {"spike": "V = 1", "reset": "V = 0", "input": "I += w"}
BLOWUP = {"spike": "V -> oo", "reset": "V = -oo", "input": "I += w"}
DRIVE = "\ndI/dt = -I"


def examine(equations, assume=(), decide=prove, **texts):
    model = make_model(equations + DRIVE, **texts)
    assumed = [parse_assumption(a, model) for a in assume]
    return conclude(list_obligations(model, assumed).obligations, decide).conditions["C5"]


def add(reset, texts=STEP):
    return texts | {"reset": f"{texts['reset']}; {reset}"}


THREE = "dV/dt = V**2 + a + I\nda/dt = -a\ndb/dt = -b\ndc/dt = -c"
PILES_UP = [
    ("dV/dt = 1 + a + I\nda/dt = -a\ndb/dt = -b", add("a += b; b += 1"), ()),
    ("dV/dt = 1 + z**2 + I\ndz/dt = -z", add("z += 1"), ()),
    ("dV/dt = 1 - V + z**2 + I\ndz/dt = -z", add("z += 1"), ("z >= 3",)),
    ("dV/dt = 1 + z + I\ndz/dt = -z", add("z += z"), ()),
    ("dV/dt = 1 + I\ndz/dt = -z", STEP | {"reset": "V = 1 - exp(-z); z += 1"}, ("z >= 0",)),
    ("dV/dt = 2 + z + I\ndz/dt = -z", STEP | {"reset": "V = 1 - 1/z; z += 1"}, ("z > 0",)),
    (THREE, add("a += b; b += c; c += 1", BLOWUP), ()),
    ("dV/dt = V**2 - V + z**3 + I\ndz/dt = -z", add("z += 1", BLOWUP), ()),
    ("dV/dt = V**2 + z + I\ndz/dt = -z", add("z *= 2", BLOWUP), ()),
]
DOES_NOT = [
    ("dV/dt = 1 + z + I\ndz/dt = -z", add("z += 1"), ()),  # harmonic
    ("dV/dt = V**2 + z**2 + I\ndz/dt = -z", add("z += 1", BLOWUP), ()),  # harmonic
    ("dV/dt = 1 + a + I\nda/dt = -a\ndb/dt = -b", add("a += b; b = 1"), ()),
    ("dV/dt = 1 + z**2 + I\ndz/dt = -z", add("z = z/2 + 1"), ()),
    ("dV/dt = 1 + b + I\nda/dt = -a\ndb/dt = -b", add("a += b; b += 1"), ()),  # a is not used
    ("dV/dt = 2 + z + I\ndz/dt = -z", STEP | {"reset": "V = 1/2 - 1/z; z += 1"}, ("z > 1",)),
]
UNCLEAR = [
    ("dV/dt = 1 + z**2 + I\ndz/dt = -z", add("z += 1"), ("z <= 100",)),  # not admissible
    ("dV/dt = 1 + z**2 - z**3 + I\ndz/dt = -z", add("z += 1"), ()),
    ("dV/dt = 1 + z**2 + I\ndz/dt = -z**2", add("z += 1"), ()),
    ("dV/dt = 1 + z**2 + I\ndz/dt = z**2", add("z += 1"), ()),  # runs away between spikes
    ("dV/dt = 1 + z**2 + I\ndz/dt = -z", add("z += 1") | {"spike": "V = 1 + z**2"}, ()),
]


@pytest.mark.parametrize(("equations", "texts", "assume"), PILES_UP)
def test_what_piles_up_is_refuted_by_a_proof(equations, texts, assume):
    found = examine(equations, assume, **texts)
    assert found.status == REFUTED
    shown = [e for e in found.evidence if e.lemma == "R5"]
    assert shown[-1].holds
    assert all(isinstance(e.finding, Proof) for e in shown[:-1])


@pytest.mark.parametrize(("equations", "texts", "assume"), DOES_NOT)
def test_what_does_not_is_not(equations, texts, assume):
    assert examine(equations, assume, **texts).status == PROVED


@pytest.mark.parametrize(("equations", "texts", "assume"), UNCLEAR)
def test_what_the_rules_do_not_reach_is_undecided(equations, texts, assume):
    assert examine(equations, assume, **texts).status == UNDECIDED


def test_nothing_piles_up_by_words():
    """With a prover that proves nothing no pile-up is shown."""
    for equations, texts, assume in PILES_UP:
        assert examine(equations, assume, lambda claim: None, **texts).status == UNDECIDED


def test_a_reset_onto_the_threshold_at_a_closed_end_is_a_fixed_point():
    def reset_to(domain):
        given = {"V_r": {"default": 0.0, "domain": domain}}
        return examine("dV/dt = 2 + I", **STEP | {"reset": "V = V_r", "parameters": given})

    assert reset_to("V_r <= 1").status == REFUTED
    assert "V_r = 1" in reset_to("V_r <= 1").evidence[-1].text
    assert reset_to("V_r < 1").status == PROVED


def run(speed, reset, state, spikes):
    """Times of spikes at the given number of them: intervals are short, so state is held."""
    time, times = 0.0, []
    for _ in range(spikes):
        state, gap = reset(state)
        step = gap / speed(state)
        time += step
        state = state * np.exp(-step)
        times.append(time)
    return times


@pytest.mark.parametrize(
    ("speed", "reset", "piles_up"),
    [
        (lambda s: 1 + s[0], lambda s: (s + np.array([s[1], 1]), 1.0), True),  # a += b; b += 1
        (lambda s: 1 + s[0] ** 2, lambda s: (s + np.array([1, 0]), 1.0), True),
        (lambda s: 1 + s[0], lambda s: (s + np.array([1, 0]), 1.0), False),
    ],
)
def test_runs_agree(speed, reset, piles_up):
    """D_N = t_2N - t_N falls by a factor from doubling to doubling, or does not."""
    times = run(speed, reset, np.array([20.0, 20.0]), 2**12)
    gaps = [times[2 ** (k + 1) - 1] - times[2**k - 1] for k in range(6, 12)]
    ratios = np.array(gaps[1:]) / gaps[:-1]
    assert bool(ratios.max() < 0.8) is piles_up
