"""The obligations of a model: what is asked, and that each lemma's way asks enough."""

from functools import lru_cache
from pathlib import Path

import pytest
import sympy as sp
from models import make_model

from derivations import list_models, read_neuron_model
from spiketheory.certification.boundary import Unsupported, find_boundary
from spiketheory.certification.certificate import NAMES, PROVED
from spiketheory.certification.certify import remember
from spiketheory.certification.claims import Claim, Proof
from spiketheory.certification.discharge import conclude
from spiketheory.certification.obligations import list_edges, list_obligations
from spiketheory.certification.proofs import prove
from spiketheory.certification.region import Region, build_region
from spiketheory.certification.regularity import describe_gradients
from spiketheory.certification.well_posed import list_definedness, list_smoothness
from spiketheory.language.parse import parse_assumption

FOLDER = Path(__file__).resolve().parents[1] / "models"
EVERY = [*list_models(), *sorted(str(p) for p in FOLDER.glob("*.toml"))]


@lru_cache(maxsize=2 * len(EVERY))
def list_of(name):
    return list_obligations(read_neuron_model(name), ()).obligations


def examine(equations, assume=(), split=(), **texts):
    model = make_model(equations, **texts)
    assumed = [parse_assumption(a, model) for a in assume]
    return conclude(list_obligations(model, assumed, split).obligations, prove)


def lemmas(condition):
    return {e.lemma for e in condition.evidence if e.lemma}


def test_every_key_is_unique_and_every_condition_is_known():
    for name in EVERY:
        obligations = list_of(name)
        keys = [o.key for o in obligations]
        assert len(set(keys)) == len(keys), name
        assert {o.condition for o in obligations} <= {*NAMES, "note"}


def test_nothing_is_discharged_by_words():
    """With a prover that proves nothing, only what asks nothing holds."""
    for name in EVERY:
        obligations = list_of(name)
        found = conclude(obligations, lambda claim: None).conditions
        for obligation in obligations:
            asked = [w for w in obligation.ways if w.claims or w.growth]
            if obligation.condition != "note" and asked and obligation.ways[0].claims:
                assert found[obligation.condition].status != PROVED, (name, obligation.key)


def list_saltation(boundary):
    r"""Saltation matrix $\mathrm{D}R + (F^- - \mathrm{D}R\,F^+) (\nabla\rho)^T / \dot\rho$."""
    arrive = sp.Matrix(boundary.arriving.velocity)
    leave = sp.Matrix(boundary.leaving.velocity)
    matrix = sp.Matrix(boundary.landing_slope)
    change = (leave - matrix * arrive) / boundary.arriving.velocity[0]
    for row in range(matrix.shape[0]):
        matrix[row, 0] += change[row]
    return matrix


def swaps_smoothly_by_saltation(boundary):
    """The swap of an input and a spike by saltation matrices, entry by entry (DESIGN 4.5, C6)."""
    jumped = boundary.arriving.jumped[1:]

    def after(expression):
        return boundary.move(expression, jumped)

    before = list_saltation(boundary)
    behind = before.applyfunc(after)
    claims = list(boundary.leaving.slope * before - behind * boundary.arriving.slope)
    speed = boundary.arriving.velocity[0]
    claims += [
        boundary.arriving.slope[0, k] * speed - (after(speed) if k == 0 else 0)
        for k in range(len(boundary.others) + 1)
    ]
    return all(sp.simplify(c) == 0 for c in claims)


def test_n_plus_1_identities_say_the_same_of_a_swap_as_saltation_matrices():
    """Where input and spike commute (L3, L4), of every model whose spike a chart covers."""
    seen = {True: 0, False: 0}
    for name in EVERY:
        model = read_neuron_model(name)
        try:
            boundary = find_boundary(model)
        except Unsupported:
            continue
        found = list_of(name)
        wanted = tuple(o for o in found if o.condition in ("C3", "C4"))
        conditions = conclude(wanted, prove).conditions
        if any(conditions[c].status != PROVED for c in ("C3", "C4")):
            continue
        own = [o for o in found if o.key.startswith("L7a") or o.key.startswith("L7b")]
        smooth = all(isinstance(prove(c), Proof) for o in own for c in o.ways[0].claims)
        assert smooth is swaps_smoothly_by_saltation(boundary), name
        seen[smooth] += 1
    assert min(seen.values()) >= 5


DRIVEN = {"spike": "V = 1", "reset": "V = 0", "input": "I += w"}


def test_a_speed_that_vanishes_only_where_the_dynamics_stand_still_will_do():
    """L1e: an integrator on the closed domain I >= 0, and a driven leaky one on I0 >= 1."""
    integrator = examine("dV/dt = I\ndI/dt = -I", ["w >= 0", "I >= 0"], **DRIVEN)
    assert integrator.conditions["C1"].status == PROVED
    assert lemmas(integrator.conditions["C1"]) == {"L1e"}
    leaky = "dV/dt = I0 - V + I\ndI/dt = -I"
    driven = examine(leaky, ["w >= 0", "I >= 0", "I0 >= 1"], **DRIVEN, free="I0")
    assert driven.conditions["C1"].status == PROVED


@pytest.mark.parametrize(
    ("equations", "assume"),
    [
        ("dV/dt = I\ndI/dt = -I", ["I >= 0"]),  # an inhibitory input lowers I
        ("dV/dt = I\ndI/dt = 1 - I", ["w >= 0", "I >= 0"]),  # I = 0 is no rest
        ("dV/dt = I*I\ndI/dt = -I", ["w >= 0", "I >= 0"]),  # not linear in the distance
        ("dV/dt = I - K\ndI/dt = -I\ndK/dt = -K", ["w >= 0", "I >= 0", "K >= 0"]),
        ("dV/dt = I\ndI/dt = -I", ["w >= -I", "I >= 0"]),  # w takes I to 0
    ],
)
def test_a_speed_that_vanishes_elsewhere_is_not_saved_by_an_edge(equations, assume):
    found = examine(equations, assume, **DRIVEN).conditions["C1"]
    assert found.status != PROVED or lemmas(found) != {"L1e"}


def test_a_threshold_that_is_touched_at_odd_order_is_crossed():
    """L1t: where the speed (z - 1)**4 vanishes V rises like t**5."""
    texts = DRIVEN | {"input": "z += w"}
    found = examine("dV/dt = (z - 1)**4\ndz/dt = -z", **texts).conditions
    assert found["C1"].status == PROVED
    assert lemmas(found["C1"]) == {"L1t"}
    assert found["C6"].status != PROVED
    model = make_model("dV/dt = (z - 1)**4\ndz/dt = -z", **texts)
    assert "they have no bound" in describe_gradients(find_boundary(model), found)
    at_rest = examine("dV/dt = (z - 1)**2\ndz/dt = 1 - z", **texts).conditions["C1"]
    assert at_rest.status != PROVED  # z = 1 is an equilibrium: every derivative vanishes
    turning = examine("dV/dt = (z - 1)**3\ndz/dt = -z", **texts).conditions["C1"]
    assert turning.status != PROVED


KINKS = [
    ("dV/dt = V**2 + 1 + abs(V)", True),  # crossed upwards at the speed 1
    ("dV/dt = V**2 + abs(V)", False),  # an equilibrium on the kink
    ("dV/dt = 2*V**2 + V*abs(V) + 1", True),  # both derivatives agree
    ("dV/dt = 2*V**2 + V*abs(V)", True),  # the same on an equilibrium
    ("dV/dt = V**2 + abs(z)\ndz/dt = 1 - z", True),
    ("dV/dt = V**2 + abs(z)\ndz/dt = -z", False),
    ("dV/dt = V**2 + abs(z)\ndz/dt = y\ndy/dt = -z - y/10 + 1/20", True),  # touched for instants
    ("dV/dt = V**2 + abs(z)\ndz/dt = y\ndy/dt = -z - y/10", False),  # rests on the kink
    ("dV/dt = V**2 + abs(a)", False),  # a kink in a parameter
    ("dV/dt = (V**2 + V + 1 if V > 0 else V**2 + 1)", True),
    ("dV/dt = V**2 + 1 + (z**2 if z > 0 else 0)\ndz/dt = -z", True),
    ("dV/dt = V**2 + 1 + (abs(z) if z > 0 else 0)\ndz/dt = -z", False),  # a kink in a kink
]


@pytest.mark.parametrize(("equations", "smooth"), KINKS)
def test_a_kink_is_crossed_or_joined_smoothly(equations, smooth):
    found = examine(
        equations, spike="V -> oo", reset="V = -oo", input="V += w", free="a"
    ).conditions["C6"]
    assert (found.status == PROVED) is smooth


@pytest.mark.parametrize(
    ("equations", "texts", "holds"),
    [
        ("dV/dt = 1/V", {}, False),
        ("dV/dt = 1/(1 + V**2)", {}, True),
        ("dV/dt = log(V)", {}, False),
        ("dV/dt = log(2 + tanh(V))", {}, True),
        ("dV/dt = sqrt(2 - V)", {}, True),  # V < 1
        ("dV/dt = sqrt(V)", {}, False),
        ("dV/dt = tan(V)", {}, False),
        ("dV/dt = (1 if V > 0 else 2)", {}, False),
        ("dV/dt = (1 + V if V > 0 else 1)", {"reset": "V = -1"}, True),
        ("dV/dt = 1", {"input": "V += abs(w)"}, False),
        ("dV/dt = 1", {"reset": "V = (0 if V > 2 else -1)"}, False),
        ("dV/dt = 1/(a - b)", {"free": "a b"}, False),
        ("dV/dt = 1/(a + 1)", {"positive": "a"}, True),
    ],
)
def test_equations_must_be_defined_and_regular(equations, texts, holds):
    model = make_model(equations, **({"spike": "V = 1", "reset": "V = 0"} | texts))
    region = build_region(model)
    found = [*list_definedness(model, region), *list_smoothness(model, region)]
    assert (conclude(tuple(found), prove).conditions["H"].status == PROVED) is holds


def test_a_closed_end_may_be_looked_at_apart_if_the_neuron_cannot_spike_there():
    texts = {"spike": "V -> oo", "reset": "V = -oo", "input": "V += w", "free": "a"}
    whole = examine("dV/dt = a*V**2 - 20*V", ["a >= 0"], **texts)
    assert whole.verdict == "undecided"
    split = examine("dV/dt = a*V**2 - 20*V", ["a >= 0"], [("a", "low")], **texts)
    assert split.verdict == "smooth"
    other = examine("dV/dt = a*V**4 + V**2 - 20*V", ["a >= 0"], [("a", "low")], **texts)
    assert other.verdict == "undecided"  # on the face it spikes, in another chart
    model = make_model("dV/dt = a*V**2", **texts)
    assert list_edges(model, build_region(model, [parse_assumption("a >= 0", model)])) == (
        ("a", "low"),
    )


@pytest.mark.parametrize(("name", "text"), [("theta", "2*v*w/tau"), ("qif_delta", "2*v*w/tau")])
def test_simultaneous_inputs_are_noted_where_the_field_is_not_affine(name, text):
    found = conclude(list_obligations(read_neuron_model(name), ()).obligations, prove)
    assert [n.key for n in found.notes] == ["L7c.V"]
    assert text in found.notes[0].text


def test_what_was_found_on_one_face_is_no_proof_on_another():
    """The same claim and the same ranges, but b is 1 on one and 0 on the other."""
    b = sp.Symbol("b", real=True)
    decide = remember(prove)
    found = [
        decide(Claim(text="", expression=b, relation="> 0",
                     region=Region(ranges={}, values={b: value}, relations=())))
        for value in (sp.S.One, sp.S.Zero)
    ]  # fmt: skip
    assert [isinstance(f, Proof) for f in found] == [True, False]


def test_an_equality_with_the_parameter_of_a_face_is_put_in_there():
    parameters = {"a": {"default": -0.5, "domain": "a <= 0"}, "b": {"default": 0.5}}
    texts = {"spike": "V -> oo", "reset": "V = -oo", "input": "V += w"}
    equations = "dV/dt = b*V**2 + x\ndx/dt = -b*x**3 + x**2"
    found = examine(equations, ["b == -a"], [("a", "high")], **texts, parameters=parameters)
    assert found.verdict == "undecided"  # x runs to infinity where b = 0


def test_a_face_on_which_the_equations_have_a_pole_is_undecided():
    texts = {"spike": "V -> oo", "reset": "V = -oo", "input": "V += w", "free": "a"}
    found = examine("dV/dt = a*V**2\ndz/dt = 1/a - z", ["a >= 0"], [("a", "low")], **texts)
    assert found.verdict == "undecided"


def test_a_bound_of_another_variable_by_v_counts_before_the_threshold():
    """The dynamics are defined: z < V < 1."""
    found = examine("dV/dt = 2 + log(3 - z)\ndz/dt = -z", ["z < V"], **DRIVEN | {"input": "z += w"})
    assert found.conditions["H"].status == PROVED


def test_what_has_no_value_is_not_claimed():
    """A bound's edge at which the drift has a pole; a limit that does not exist."""
    texts = {"spike": "V -> oo", "reset": "V = -oo", "input": "V += w"}
    found = examine("dV/dt = V**2 + 1\ndz/dt = -1/z", ["z > 0"], **texts)
    assert "keeps" in [n.key for n in found.notes]
    waves = texts | {"reset": "V = -oo; z = sin(V)"}
    assert examine("dV/dt = V**2 + 1 + z\ndz/dt = -z", **waves).verdict == "undecided"


def test_simultaneous_inputs_of_a_current_need_no_note():
    found = conclude(list_obligations(read_neuron_model("qif"), ()).obligations, prove)
    assert not found.notes
    assert {e.key for e in found.waived} == {"L7c.V", "L7c.I"}


@pytest.mark.parametrize(
    ("input", "equation"),
    [("V += w*z", "dz/dt = 1 - z"), ("z *= 1 + w", "dz/dt = 1 - z"), ("z += w", "dz/dt = -z**2")],
)
def test_inputs_of_every_form_are_noted(input, equation):
    found = examine(
        f"dV/dt = V**2 + z\n{equation}", ["w > -1"], spike="V -> oo", reset="V = -oo", input=input
    )
    assert any(n.key.startswith("L7c") for n in found.notes)


def test_the_claims_of_a_model_under_an_assumption_stay_in_its_region():
    model = read_neuron_model("nlif")
    assumed = [parse_assumption("I > 0", model)]
    claims: list[Claim] = [
        c for o in list_obligations(model, assumed).obligations for w in o.ways for c in w.claims
        if o.key == "L1.crossing" and w.lemma == "L1"
    ]  # fmt: skip
    assert claims[0].ranges[model.symbols["I"]].describe() == "(0, oo)"
