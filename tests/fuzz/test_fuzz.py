"""Small versions of the fuzzers; `python -m tests.fuzz.run` has the large ones."""

import collections
import warnings

import numpy as np
import pytest
from fuzz import readers
from fuzz.run import fuzz

DEARER = {"certificate": 3, "simulated_network": 30, "failure": 40, "contradiction": 40}
"""Inputs of readers that go on to compute something."""


@pytest.mark.parametrize("name", readers.READERS)
def test_damaged_files_are_refused_in_words_and_leave_nothing_behind(name):
    counts = collections.Counter()
    with readers.share_work(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fuzz(
            name, inputs=DEARER.get(name, 100), start=1,
            on_input=lambda outcome, fault, content: counts.update([fault or outcome]),
        )  # fmt: skip
    assert set(counts) <= {"ok", "refused"}, counts


def test_a_fuzzer_sees_a_reader_that_fails(monkeypatch):
    def read(path):
        path.with_name("half").write_text("")
        raise KeyError("stop")

    broken = readers.Reader(suffix=".idx", inputs=readers.damage_idx, read=read)
    monkeypatch.setitem(readers.READERS, "idx", broken)
    found = []
    fuzz("idx", inputs=2, start=0, on_input=lambda outcome, fault, content: found.append(fault))
    assert found == ["left behind: half"] * 2
    monkeypatch.setitem(
        readers.READERS, "idx",
        readers.Reader(suffix=".idx", inputs=readers.damage_idx, read=lambda path: {}["stop"]),
    )  # fmt: skip
    fuzz("idx", inputs=1, start=0, on_input=lambda outcome, fault, content: found.append(fault))
    assert found[-1].startswith("KeyError: 'stop'")
