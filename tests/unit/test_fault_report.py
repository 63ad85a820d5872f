"""What a failed check says to the user of a model, and the file that it leaves."""

import re
from pathlib import Path

import pytest
from models import make_model

from spiketheory.errors import UnsupportedError, VerificationError
from spiketheory.route.fault_report import report_faults

MODEL = make_model("dV/dt = -V/tau", positive="tau")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fail(error):
    with pytest.raises(VerificationError) as caught, report_faults(MODEL):
        raise error
    return str(caught.value)


def test_a_failed_check_is_no_fault_of_the_model_and_is_recorded():
    failure = VerificationError("Check 'flow' failed: expected 1 but got 2; correct the flow.")
    message = fail(failure)
    assert "check 'flow' failed; this is a fault of spiketheory, not of your model" in message
    assert "correct the flow" not in message
    path = Path(re.search(r"recorded in (\S+)\.", message)[1])
    text = path.read_text(encoding="utf-8")
    for part in (str(failure), MODEL.to_toml().strip(), MODEL.digest, "sympy 1.", "Traceback"):
        assert part in text
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_fault_is_recorded_once_and_another_beside_it():
    first, again = fail(VerificationError("one")), fail(VerificationError("one"))
    assert first == again != fail(VerificationError("other"))


def test_a_cache_that_cannot_be_written_is_no_second_fault(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Path(re.search(r"recorded in (\S+)\.", fail(VerificationError("one")))[1]).exists()


def test_what_the_user_can_change_is_said_as_it_is():
    assert fail(UnsupportedError("write it otherwise")) == "write it otherwise"
