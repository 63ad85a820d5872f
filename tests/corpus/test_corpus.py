"""Published models derive, and spike when an independent integration says so."""

import re

import numpy as np
import pytest
from corpus import check_protocol, compile_entry, find_missing, read_corpus

from spiketheory.errors import SpiketheoryError
from spiketheory.language.parse import read_model
from spiketheory.route.driver import verify_model
from spiketheory.time_limit import limit_time

CORPUS = read_corpus()
DERIVABLE = [entry for entry in CORPUS.values() if not entry.refused]
REFUSED = [entry for entry in CORPUS.values() if entry.refused]
LONGEST = 120
"""Seconds that a derivation may take; 30 of processor time are promised, other programs run too."""


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A folder, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def make_case(entry):
    """A model as a parameter of a test; one that is known to fail must fail."""
    marks = [pytest.mark.xfail(reason=entry.fails, strict=True)] if entry.fails else []
    return pytest.param(entry, id=entry.name, marks=marks)


def check(entry, backend, folder):
    """Derive a model, run its protocols and compare."""
    if missing := find_missing(entry):
        pytest.skip(f"the language has no {missing} yet")
    with limit_time(LONGEST, f"deriving {entry.name}"):
        compiled, _, _ = compile_entry(entry, backend)
    for protocol in entry.protocols:
        result = check_protocol(entry, protocol, compiled, folder)
        assert np.all(result.differences <= result.allowed), (protocol.name, result)


@pytest.mark.parametrize("entry", [make_case(e) for e in DERIVABLE if e.ci])
def test_a_published_model_of_each_family_spikes_when_an_integrator_says_so(entry, own_folder):
    check(entry, "numpy", own_folder)


@pytest.mark.slow
@pytest.mark.parametrize("entry", [make_case(e) for e in DERIVABLE])
def test_a_published_model_spikes_when_an_integrator_says_so(entry, own_folder):
    check(entry, "numba", own_folder)


@pytest.mark.slow
@pytest.mark.parametrize("entry", [make_case(e) for e in REFUSED])
def test_a_model_outside_the_language_is_refused_for_a_true_reason(entry):
    with limit_time(LONGEST, f"refusing {entry.name}"), pytest.raises(SpiketheoryError) as caught:
        verify_model(read_model(entry.path))
    assert re.search(entry.refused, str(caught.value)), caught.value


def test_the_corpus_has_what_was_promised():
    assert len(CORPUS) >= 60
    assert sum(entry.ci for entry in DERIVABLE) >= 12
    files = {path.stem for path in DERIVABLE[0].path.parent.glob("*.toml")}
    assert files == set(CORPUS)
    for entry in CORPUS.values():
        assert re.search(r"\b(19|20)\d\d\b", entry.source), entry.name
        assert bool(entry.refused) == bool(entry.why), entry.name
