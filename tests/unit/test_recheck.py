"""The second checker: certificates with any field tampered with are refused.

Forgeries come in two kinds: as an editor would leave them, which the digest shows; and with digests
worked out anew, which only the mathematics can show.
"""

import copy
import itertools
import json
import random
from functools import lru_cache

import pytest
from models import certify_once, mark_slow

from derivations import read_neuron_model
from spiketheory.certification.certificate_json import find_digest, render_certificate_json
from spiketheory.certification.recheck import recheck
from spiketheory.errors import InputError, VerificationError

CERTIFIED = {
    "qif": ("qif",),
    "theta": ("theta",),
    "edge": ("nlif", "w >= 0", "I >= 0"),
    "lif": ("lif",),
    "nlif": ("nlif",),
    "boxes": ("bounded_inhibition",),
}
"""Models, and what is assumed of them."""
FORGED = {"qif": 280, "theta": 180, "edge": 30, "lif": 8, "nlif": 4, "boxes": 2}
"""How many of all forgeries of each are tried with new digests; at least 500."""


@lru_cache(maxsize=8)
def write(name):
    return render_certificate_json(certify_once(*CERTIFIED[name]))


def list_paths(node, at=()):
    """Every place in a JSON document."""
    yield at
    if isinstance(node, dict):
        for key, value in node.items():
            yield from list_paths(value, (*at, key))
    elif isinstance(node, list):
        for key, value in enumerate(node):
            yield from list_paths(value, (*at, key))


def look_up(node, at):
    for key in at:
        node = node[key]
    return node


def list_changes(value, texts):
    """Deleted is another; emptied, swapped, widened, narrowed, relabelled, retyped."""
    if isinstance(value, bool):
        return [not value, int(value), str(value), None]
    if isinstance(value, int | float):
        return [value + 1, -value - 1, value * (1 + 1e-4), str(value), None, True]
    if isinstance(value, str):
        return ["", f"{value}0", *texts, 0, None, [value]]
    if isinstance(value, list):
        return [[], value[::-1], [*value, *(value[:1] or ["x"])], value[:-1], {}, None]
    if isinstance(value, dict):
        return [{}, {**value, "extra": 1}, [], None, *list_swaps(value)]
    return [0, "", [], {}, "leaf"]


def list_swaps(value):
    """Two entries of an object with their values exchanged."""
    keys = list(value)
    return [{**value, a: value[b], b: value[a]} for a, b in itertools.pairwise(keys)]


def list_forgeries(text, seed):
    """Certificates with one place changed, in an order that the seed shuffles."""
    document, draw = json.loads(text), random.Random(seed)
    places = [at for at in list_paths(document) if at and at[-1] != "digest"]
    texts = [v for v in (look_up(document, at) for at in places) if isinstance(v, str)]
    changes = []
    for at in places:
        value = look_up(document, at)
        changes.append((at, None, True))
        changes += [
            (at, new, False) for new in list_changes(value, draw.sample(texts, 3))
            if json.dumps(new) != json.dumps(value)
        ]  # fmt: skip
    draw.shuffle(changes)
    for at, new, deleted in changes:
        forged = copy.deepcopy(document)
        if deleted:
            del look_up(forged, at[:-1])[at[-1]]
        else:
            look_up(forged, at[:-1])[at[-1]] = new
        yield at, new, forged


def renew_digests(document):
    """What a forger does who knows how the digest is made."""
    if isinstance(document.get("suggestion"), dict) and "digest" in document["suggestion"]:
        renew_digests(document["suggestion"])
    document["digest"] = find_digest(document)


def is_refused(document):
    try:
        recheck(json.dumps(document))
    except (VerificationError, InputError):
        return True
    return False


@pytest.mark.parametrize("name", CERTIFIED)
def test_a_certificate_as_it_was_written_passes(name):
    lines = recheck(write(name))
    assert lines[-1].startswith("the verdict ")


@pytest.mark.parametrize("name", mark_slow(CERTIFIED, "nlif"))  # as lif, with more to change
def test_any_edit_shows_in_the_digest(name):
    document = json.loads(write(name))
    for at, new, forged in list_forgeries(write(name), 1):
        if "digest" in forged:
            assert forged["digest"] == document["digest"]
            assert find_digest(forged) != document["digest"], (at, new)


def loses_a_counterexample(at):
    """That a claim is false at some point is information: without it a claim is merely open."""
    return "counterexample" in at


def is_another_proof(at):
    """Another way to cut boxes, or another number in a proof, may well prove the same."""
    return "tree" in at


def test_at_least_500_forgeries_are_tried():
    assert sum(FORGED.values()) >= 500


@pytest.mark.parametrize("name", FORGED)
def test_forgeries_with_new_digests_are_refused(name):
    count = 0
    for at, new, forged in list_forgeries(write(name), 2):
        if loses_a_counterexample(at) or is_another_proof(at):
            continue
        renew_digests(forged)
        assert is_refused(forged), (at, new)
        count += 1
        if count == FORGED[name]:
            break
    assert count == FORGED[name]


def change_all(document, change):
    """Change every piece of evidence."""
    for condition in document["conditions"].values():
        for entry in condition["evidence"]:
            change(entry)


FORGERIES = {
    "no evidence": lambda d: [c.update(evidence=[]) for c in d["conditions"].values()],
    "holds without a proof": lambda d: change_all(
        d, lambda e: (e.pop("proof", None), e.update(holds=True))
    ),
    "another model": lambda d: d.update(model="lif", model_file=read_neuron_model("lif").to_toml()),
    "claims replaced": lambda d: change_all(d, lambda e: "claim" in e and e.update(claim="1 > 0")),
    "narrowed ranges": lambda d: change_all(
        d, lambda e: [r.update(low="1", high="2") for r in e.get("ranges", {}).values()]
    ),
    "edited assumptions": lambda d: d.update(assumptions=["I > 5"]),
    "a status that is none": lambda d: d["conditions"]["C1"].update(status="certain"),
    "an unknown key": lambda d: d.update(author="me"),
    "a stronger verdict": lambda d: d.update(verdict="continuous"),
    "a smaller schema": lambda d: d.update(schema=1),
    "a boolean schema": lambda d: d.update(schema=True),
    "no digest": lambda d: d.pop("digest"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_that_once_passed_is_refused(forgery):
    document = json.loads(write("qif"))
    FORGERIES[forgery](document)
    if "digest" in document:
        renew_digests(document)
    assert is_refused(document)


def test_a_smooth_verdict_for_a_refuted_model_is_refused():
    """lif with the evidence of qif, of itself without witnesses, or all marked as proved."""
    lif, qif = json.loads(write("lif")), json.loads(write("qif"))
    for document in (
        {**lif, "conditions": qif["conditions"], "verdict": "smooth", "witnesses": []},
        {**lif, "witnesses": []},
        {**lif, "conditions": {
            n: {**c, "status": "proved"} for n, c in lif["conditions"].items()
        }},
    ):  # fmt: skip
        renew_digests(document)
        assert is_refused(document)


WITNESSES = {
    "two trials that do not differ": lambda w: w["trial"].update(T=w["trial"]["input_times"][0]),
    "values that are far apart": lambda w: w.update(values=[w["values"][0] - 1, w["values"][1]]),
    "equal values": lambda w: w.update(values=[w["values"][0]] * 2),
    "a parameter outside its domain": lambda w: w["trial"].update(tau_m=-1.0),
    "a start beyond the threshold": lambda w: w["trial"].update(V0=[2.0]),
    "a critical value elsewhere": lambda w: w["ladder"].update(critical=str(w["values"][0])),
    "other spikes": lambda w: w.update(spikes=w["spikes"][::-1]),
    "a jump of nothing": lambda w: w["ladder"].update(
        rungs=[[g, 0.0] for g, _ in w["ladder"]["rungs"]]
    ),
    "a broken condition that it does not break": lambda w: w.update(condition="C4"),
}


@pytest.mark.parametrize("forgery", WITNESSES)
def test_a_witness_that_shows_nothing_is_refused(forgery):
    document = json.loads(write("lif"))
    WITNESSES[forgery](document["witnesses"][0])
    renew_digests(document)
    assert is_refused(document)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"model_file": 3}', '{"schema": 1, "model_file": ""}', "NaN", "null",
             '{"schema": 2, "schema": 2, "model_file": ""}', b"\xb7{}", "[" * 100_000],
)  # fmt: skip
def test_what_is_no_certificate_is_refused_in_one_paragraph(text):
    with pytest.raises(InputError, match="Expected the JSON of a certificate") as caught:
        recheck(text)
    assert "\n" not in str(caught.value)
