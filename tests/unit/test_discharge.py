"""From what was found of claims to conditions, verdict and words; claims here are made up."""

import dataclasses

import pytest
import sympy as sp
from models import make_model

from derivations import read_neuron_model
from spiketheory.certification.boundary import find_boundary
from spiketheory.certification.certificate import (
    NAMES,
    PROVED,
    REFUTED,
    UNDECIDED,
    Certificate,
    Condition,
    Evidence,
    Witness,
)
from spiketheory.certification.claims import Claim, Counterexample, Obligation, Proof, Way
from spiketheory.certification.discharge import (
    TRIED,
    assemble,
    conclude,
    decide_verdict,
    describe_strength,
    discharge,
    find_bounds,
    settle,
    show_pile_up,
)
from spiketheory.certification.obligations import list_obligations
from spiketheory.certification.proofs import prove
from spiketheory.certification.region import Range, Region
from spiketheory.language.parse import parse_assumption, parse_model
from spiketheory.language.symbols import WEIGHT

TRUE, FALSE, OPEN = sp.symbols("true false open", real=True)
ANYWHERE = Region(ranges={s: Range() for s in (TRUE, FALSE, OPEN)}, values={}, relations=())
PILING = make_model("dV/dt = 1 + z**2\ndz/dt = -z", reset="V = 0; z += 1")
TAME = make_model("dV/dt = 1 + z\ndz/dt = -z", reset="V = 0; z += 1")


def claim(expression, text=""):
    return Claim(text=text or f"{expression}", expression=expression, relation="> 0",
                 region=ANYWHERE)  # fmt: skip


def refute(expression, relation="> 0", **point):
    return Counterexample(
        expression=expression, relation=relation, value=sp.S.Zero,
        point={sp.Symbol(n, real=True): sp.sympify(v) for n, v in point.items()},
    )  # fmt: skip


def decide(asked):
    """What the name says."""
    if asked.expression == TRUE:
        return Proof(expression=TRUE, relation="> 0", method="signs")
    return refute(FALSE) if asked.expression == FALSE else None


def way(*expressions, lemma="L", **options):
    return Way(lemma=lemma, claims=tuple(map(claim, expressions)), **options)


def oblige(condition, *ways, key="", text=""):
    return Obligation(key=key or f"{condition}.x", condition=condition, ways=ways, text=text)


ALL = tuple(oblige(name, way(TRUE, lemma=f"L{name}")) for name in NAMES)
WEAK = oblige("C1", way(OPEN), way(TRUE, lemma="L1t", continuous_only=True))


def statuses(obligations):
    return {n: c.status for n, c in conclude(tuple(obligations), decide).conditions.items()}


def replaced(*others):
    """Everything proved but what others say of their conditions."""
    conditions = {o.condition for o in others}
    return (*(o for o in ALL if o.condition not in conditions), *others)


@pytest.mark.parametrize(
    ("ways", "seen", "holds", "continuous_only"),
    [
        ([way(TRUE)], [TRUE], True, False),
        ([way(TRUE, TRUE)], [TRUE, TRUE], True, False),
        ([way(TRUE, OPEN, TRUE)], [TRUE, OPEN], False, False),
        ([way(FALSE, TRUE)], [FALSE], False, False),
        ([way(OPEN), way(TRUE, lemma="L1e")], [TRUE], True, False),
        ([way(OPEN), way(TRUE, continuous_only=True)], [TRUE], True, True),
        ([way(TRUE), way(TRUE, TRUE, continuous_only=True)], [TRUE], True, False),
        ([way(FALSE), way(OPEN)], [FALSE], False, False),
        ([way(TRUE, OPEN), way(FALSE)], [TRUE, OPEN], False, False),
        ([Way(lemma="silent")], [], True, False),
    ],
)
def test_an_obligation_is_discharged_by_all_claims_of_any_way(ways, seen, holds, continuous_only):
    """If none holds the first says what was tried, up to the claim that failed."""
    found, discharged, weak = discharge(oblige("C1", *ways), decide)
    assert [e.expression for e in found] == seen
    assert (discharged, weak) == (holds, continuous_only)
    assert [e.finding for e in found] == [decide(claim(s)) for s in seen]


def test_an_obligation_without_a_way_is_not_discharged_and_says_why():
    found, discharged, weak = discharge(oblige("C1", text="no lemma", key="L9"), decide)
    assert (discharged, weak) == (False, False)
    assert found == (Evidence(key="L9", text="no lemma", holds=False),)


def list_growth(model):
    obligations = list_obligations(model, ()).obligations
    return next(o for o in obligations if o.key == "L5.growth")


def test_growth_counts_beside_claims():
    """Ranks that exist discharge it; those that pile up do not, whatever else is proved."""
    for model, bounded in ((TAME, True), (PILING, False)):
        (growth,) = list_growth(model).ways
        found, holds, _ = discharge(list_growth(model), prove)
        assert holds is bounded
        assert found[-1].holds is bounded
        assert found[-1].lemma == "L5, L6"
        assert "z: rank 1" in found[-1].text
        assert all(isinstance(e.finding, Proof) for e in found[:-1])
        assert "factors of the reset add up to 1 <= 1" in [e.text for e in found[:-1]]
        after = dataclasses.replace(growth, claims=(claim(TRUE), claim(OPEN)))
        found, holds, _ = discharge(oblige("C5", after), decide)
        assert not holds
        assert [e.expression for e in found] == [TRUE, OPEN]


def test_what_piles_up_refutes_c5_and_nothing_else():
    growth = list_growth(PILING).ways[0].growth
    piling = oblige("C5", Way(lemma="L5, L6", growth=growth))
    found = conclude((oblige("C5", way(OPEN), key="other"), piling), prove).conditions
    assert {n: c.status for n, c in found.items() if c.status != PROVED} == {"C5": REFUTED}
    assert found["C5"].tried == ""
    shown = show_pile_up((oblige("C5", way(OPEN)), piling), prove)
    assert found["C5"].evidence[-len(shown) :] == tuple(shown)
    assert {e.lemma for e in shown} == {"R5"}
    assert shown[-1].holds
    assert all(isinstance(e.finding, Proof) for e in shown[:-1])
    assert len(shown) > 1
    assert show_pile_up((list_growth(TAME), oblige("C5", way(OPEN))), prove) == []
    elsewhere = dataclasses.replace(piling, condition="C4")
    assert conclude((elsewhere,), prove).conditions["C4"].status == UNDECIDED


@pytest.mark.parametrize("name", NAMES)
def test_a_condition_is_proved_if_all_of_its_obligations_are(name):
    assert set(statuses(ALL).values()) == {PROVED}
    for bad in (way(FALSE), way(OPEN)):
        for own in ([way(TRUE)], [bad]), ([bad], [way(TRUE)]):
            obligations = [oblige(name, *ways, key=f"{k}") for k, ways in enumerate(own)]
            found = conclude(replaced(*obligations), decide).conditions
            assert {n for n, c in found.items() if c.status != PROVED} == {name}
            assert found[name].status == UNDECIDED
            assert found[name].tried == TRIED
            assert [e.key for e in found[name].evidence] == ["0", "1"]


def test_a_spike_time_that_is_only_continuous_is_not_smooth():
    found = conclude(replaced(WEAK), decide)
    assert {n for n, c in found.conditions.items() if c.status != PROVED} == {"C6"}
    assert found.conditions["C6"].evidence[-1].key == "L1t"
    assert found.conditions["C6"].evidence[-1].holds is False
    assert found.verdict == "continuous"
    beside = oblige("C1", way(TRUE), key="later")
    assert conclude(replaced(WEAK, beside), decide).verdict == "continuous"
    failed = oblige("C1", way(OPEN, continuous_only=True))
    found = conclude(replaced(failed), decide)
    assert found.conditions["C6"].status == PROVED
    assert found.verdict == UNDECIDED


def test_where_no_chart_covers_the_spike_nothing_about_spikes_is_proved():
    found = conclude(replaced(oblige("H", key="H2", text="no chart")), decide).conditions
    assert {c.status for c in found.values()} == {UNDECIDED}
    assert [e.text for e in found["H"].evidence] == ["no chart"]
    for name in NAMES[1:]:
        last = found[name].evidence[-1]
        assert (last.key, last.holds) == ("H2", False)


def test_notes_that_are_proved_needless_are_kept_apart_and_change_no_condition():
    notes = [oblige("note", way(w), key=f"{w}") for w in (TRUE, OPEN, FALSE)]
    found = conclude((*ALL, *notes), decide)
    assert found.verdict == "smooth"
    assert [n.key for n in found.notes] == ["open", "false"]
    assert [e.key for e in found.waived] == ["true"]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "smooth"),
        ({"C6": UNDECIDED}, "continuous"),
        ({"C6": REFUTED}, "continuous"),
        *(({name: UNDECIDED}, "undecided") for name in NAMES if name != "C6"),
        *(({name: REFUTED}, "refuted") for name in NAMES if name != "C6"),
        ({"C1": UNDECIDED, "C5": REFUTED}, "refuted"),
        ({"C1": REFUTED, "C5": UNDECIDED}, "refuted"),
        ({"C1": UNDECIDED, "C6": REFUTED}, "undecided"),
    ],
)
def test_the_verdict_is_theorem_a_or_b_only_if_all_that_it_needs_is_proved(changes, verdict):
    conditions = {n: Condition(name=n, status=changes.get(n, PROVED), evidence=()) for n in NAMES}
    assert decide_verdict(conditions) == verdict


def conditions_of(**changes):
    """Conditions that are proved, each by a lemma of its own, but for some."""
    made = {}
    for name in NAMES:
        evidence = (Evidence(text="", key=name, lemma=f"L.{name}"),)
        made[name] = Condition(name=name, status=changes.get(name, PROVED), evidence=evidence)
    return made


def witness(condition, rule):
    return Witness(
        condition=condition, parameter="", place="", number=0, values=(0.0, 0.0), spikes=((), ()),
        change="", trial=None, digits=60, rule=rule, ladder=None, from_rest=True,
    )  # fmt: skip


PROOFS = "L.H, L.C1, L.C2, L.C3, L.C4, L.C5"
PILE_UP = Evidence(text="", key="R5", lemma="R5", holds=True)


@pytest.mark.parametrize(
    ("verdict", "changes", "witnesses", "text"),
    [
        ("smooth", {}, [], f"theorem B by {PROOFS}, L.C6; assumptions: none; open: nothing"),
        ("continuous", {"C6": UNDECIDED}, [],
         f"theorem A by {PROOFS}; assumptions: none; open: C6"),
        ("continuous", {"C6": REFUTED}, [witness("C6", "R6")],
         f"theorem A by {PROOFS}; assumptions: none; C6 is broken by one-sided derivatives: "
         "confirmed numerically; open: nothing"),
        ("refuted", {"C1": REFUTED, "C3": UNDECIDED, "C4": REFUTED},
         [witness("C1", "R1"), witness("C4", "R4")],
         "trials break C1 (R1), C4 (R4): confirmed numerically, jumps stay down to 1e-30; "
         "open: C3"),
        ("undecided", {"C1": UNDECIDED, "C5": UNDECIDED}, [],
         "no theorem and no trial; open: C1, C5"),
        ("undecided", {"C1": UNDECIDED, "C6": REFUTED}, [witness("C6", "R6")],
         "no theorem and no trial; open: C1"),
    ],
)  # fmt: skip
def test_the_strength_names_theorem_lemmas_trials_and_what_is_open(
    verdict, changes, witnesses, text
):
    certificate = Certificate(
        model=read_neuron_model("qif"), assumptions=(), split=(), verdict=verdict, strength="",
        conditions=tuple(conditions_of(**changes).values()), witnesses=tuple(witnesses),
    )  # fmt: skip
    assert describe_strength(certificate) == text


def test_the_strength_names_assumptions_and_each_lemma_once():
    model = read_neuron_model("nlif")
    conditions = [dataclasses.replace(c, evidence=c.evidence * 2) for c in conditions_of().values()]
    certificate = Certificate(
        model=model, assumptions=tuple(parse_assumption(a, model) for a in ("w >= 0", "I > 0")),
        split=(), verdict="smooth", strength="", conditions=tuple(conditions),
    )  # fmt: skip
    assert describe_strength(certificate) == (
        f"theorem B by {PROOFS}, L.C6; assumptions: w >= 0, I > 0; open: nothing"
    )


def test_a_pile_up_is_a_theorem_beside_trials_or_alone():
    conditions = conditions_of(C3=REFUTED, C5=REFUTED)
    conditions["C5"] = dataclasses.replace(conditions["C5"], evidence=(PILE_UP,))
    certificate = Certificate(
        model=read_neuron_model("qif"), assumptions=(), split=(), verdict="refuted", strength="",
        conditions=tuple(conditions.values()), witnesses=(witness("C3", "R3"),),
    )  # fmt: skip
    trials = "trials break C3 (R3): confirmed numerically, jumps stay down to 1e-30; "
    theorem = "theorem R5: spikes pile up; open: nothing"
    assert describe_strength(certificate) == trials + theorem
    assert describe_strength(dataclasses.replace(certificate, witnesses=())) == theorem
    other = Evidence(text="", key="a=0.silent", lemma="silent face, L6", holds=True)
    conditions["C5"] = dataclasses.replace(conditions["C5"], evidence=(other,))
    without = dataclasses.replace(certificate, conditions=tuple(conditions.values()))
    assert describe_strength(without) == f"{trials}open: nothing"


MODEL = make_model(
    "dV/dt = a + b + I - V\ndI/dt = -I/tau\ndz/dt = -z", free="a b", positive="tau", input="I += w"
)
BOUNDARY = find_boundary(MODEL)
I, z, a, b, tau = (MODEL.symbols[n] for n in ("I", "z", "a", "b", "tau"))  # noqa: E741


def false(*claims):
    evidence = tuple(
        Evidence(text="", expression=e, relation=r, finding=refute(e, r)) for e, r in claims
    )
    return Condition(name="C1", status=UNDECIDED, evidence=evidence)


@pytest.mark.parametrize(
    ("claims", "bounds"),
    [
        ([(I - a, "> 0")], ["I > a"]),
        ([(I - a, ">= 0")], ["I >= a"]),
        ([(a - 2 * I, "> 0")], ["I < a/2"]),
        ([(-3 * (I - a) * tau, ">= 0")], ["I <= a"]),
        ([(2 * (I - a) * (1 + z**2) * tau, "> 0")], ["I > a"]),
        ([(I - 2 * z, "> 0")], ["I > 2*z", "z < I/2"]),  # each variable
        ([(WEIGHT - a, "> 0")], ["w > a"]),
        ([(I - WEIGHT, "> 0")], ["I > w"]),  # a state rather than the weight
        ([(b - a, "> 0")], ["a < b"]),  # one parameter
        ([(I - a, "= 0")], []),
        ([(I**2 - a, "> 0")], []),  # not linear in the state
        ([(BOUNDARY.distance - a, "> 0")], []),
        ([(BOUNDARY.distance + I, "> 0"), (I - 1, "> 0"), (I - 1, "> 0")], ["I > 1"]),
        ([(sp.Integer(-1), "> 0")], []),
    ],
)
def test_bounds_that_would_save_a_false_claim_are_named(claims, bounds):
    assert [str(b) for b in find_bounds(false(*claims), BOUNDARY)] == bounds


def test_bounds_are_looked_for_in_false_claims_alone():
    proof = Proof(expression=I, relation="> 0", method="signs")
    evidence = [
        Evidence(text="", expression=I - 1, relation="> 0", finding=finding)
        for finding in (None, proof)
    ]
    evidence.append(Evidence(text="in words", finding=refute(I)))
    assert find_bounds(dataclasses.replace(false(), evidence=tuple(evidence)), BOUNDARY) == ()


def test_a_trial_refutes_what_was_open_and_nothing_that_was_proved():
    for status in (PROVED, REFUTED):
        settled = Condition(name="C1", status=status, evidence=false((I, "> 0")).evidence)
        assert settle(settled, shown=True, boundary=BOUNDARY) is settled
    refuted = settle(false((I - a, "> 0")), shown=True, boundary=BOUNDARY)
    assert (refuted.status, refuted.tried) == (REFUTED, "")
    assert [str(b) for b in refuted.holds_under] == ["I > a"]
    assert settle(false((I, "> 0")), shown=True, boundary=None).holds_under == ()


def test_what_no_trial_breaks_stays_open_and_says_where_a_claim_is_false():
    still = settle(false(), shown=False, boundary=BOUNDARY)
    assert (still.status, still.tried, still.holds_under) == (UNDECIDED, TRIED, ())
    open_one = false((I - a, "> 0"), (z, "> 0"))
    at = refute(I - a, I="-1/2", a="1/3")
    first = dataclasses.replace(open_one.evidence[0], finding=at)
    where = settle(
        dataclasses.replace(open_one, evidence=(first, open_one.evidence[1])),
        shown=False, boundary=BOUNDARY,
    )  # fmt: skip
    assert where.status == UNDECIDED
    assert where.tried == (
        "a claim is false (at I = -1/2, a = 1/3), but no trial was found in which a spike "
        "appears, vanishes or jumps for it: none may exist"
    )
    assert [str(b) for b in where.holds_under] == ["I > a", "z > 0"]
    nowhere = settle(false((sp.Integer(-1), "> 0")), shown=False, boundary=None)
    assert nowhere.tried.startswith("a claim is false, but no trial")


PORTS = """
[model]
name = "two_ports"
equations = "dV/dt = I - V\\ndI/dt = -I"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0, I = 0}
[model.inputs]
exc = "I += w"
shunt = "V *= w"
"""


def put_together(model, obligations, *, assume=(), witnesses=(), split=()):
    assumptions = [parse_assumption(a, model) for a in assume]
    duties = list_obligations(model, assumptions)
    found = conclude(obligations, decide)
    return assemble(duties, assumptions, split, found, witnesses)


NOTES = (
    oblige("note", key="L7c", text="Two inputs at once."),
    oblige("note", key="keeps", text="The dynamics do not keep it."),
    oblige("note", way(TRUE), key="waived"),
)


def test_a_certificate_says_what_was_found_and_what_it_rests_on():
    model = read_neuron_model("qif")
    certificate = put_together(
        model, (*ALL, *NOTES), assume=["sin(I) < 2"], split=[("tau_m", "low")]
    )
    assert certificate.verdict == "smooth"
    assert [c.name for c in certificate.conditions] == list(NAMES)
    assert certificate.notes == (
        "No proof uses the assumption sin(I) < 2: it is no bound on a single symbol.",
        "Two inputs at once.", "The dynamics do not keep it.",
    )  # fmt: skip
    assert [e.key for e in certificate.waived] == ["waived"]
    assert certificate.strength == describe_strength(certificate)
    assert certificate.strength.startswith("theorem B by LH, LC1")
    assert certificate.split == (("tau_m", "low"),)
    assert [str(r) for r in certificate.assumptions] == ["sin(I) < 2"]
    assert "derivatives of a spike time" in certificate.regularity


@pytest.mark.parametrize(
    ("changed", "verdict", "notes"),
    [
        ((), "smooth", ["Two inputs at once.", "The dynamics do not keep it."]),
        ((WEAK,), "continuous", ["Two inputs at once.", "The dynamics do not keep it."]),
        ((oblige("C2", way(OPEN)),), "undecided",
         ["Trials that break a condition were looked for with all inputs at the port exc, the "
          "first.", "The dynamics do not keep it."]),
    ],
)  # fmt: skip
def test_a_neuron_with_ports_is_told_at_which_one_trials_were_looked_for(changed, verdict, notes):
    """What is noted of a proof is said only where there is one."""
    certificate = put_together(parse_model(PORTS), (*replaced(*changed), *NOTES))
    assert certificate.verdict == verdict
    assert list(certificate.notes) == notes
    single = put_together(read_neuron_model("lif"), (*replaced(*changed), *NOTES))
    assert not any("at the port" in n for n in single.notes)


def test_a_trial_refutes_its_own_condition_alone():
    obligations = replaced(oblige("C1", way(FALSE)), oblige("C3", way(OPEN)))
    certificate = put_together(
        read_neuron_model("lif"), obligations, witnesses=[witness("C1", "R1")]
    )
    found = {n: c.status for n, c in certificate.by_name.items() if c.status != PROVED}
    assert found == {"C1": REFUTED, "C3": UNDECIDED}
    assert certificate.verdict == "refuted"
    assert certificate.witnesses[0].rule == "R1"
    assert "diverge like 1/sqrt(d)" in certificate.regularity


def test_without_a_chart_nothing_is_said_of_gradients():
    duties = list_obligations(read_neuron_model("lif"), [])
    without = dataclasses.replace(duties, boundary=None)
    found = conclude(replaced(oblige("C1", way(FALSE))), decide)
    trials = [witness("C1", "R1")]
    assert assemble(duties, [], (), found, trials).regularity
    assert assemble(without, [], (), found, trials).regularity == ""
