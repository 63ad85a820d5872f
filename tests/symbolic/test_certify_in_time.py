"""A certificate that takes too long ends soon after its time, whatever it is doing then."""

import time

import pytest
from commands import run

from derivations import read_neuron_model
from spiketheory.certification.certify import certify
from spiketheory.errors import TimeLimitError
from spiketheory.language.parse import build_model
from spiketheory.time_limit import limit_time

SOON = 1.0


def build_rotator():
    """A model whose trials are searched for and run for a second and more."""
    return build_model(
        name="rotator",
        equations="dth/dt = (om + I - sin(th))/tau\ndI/dt = -I/tau",
        spike="th = pi",
        reset="th = -pi",
        input="I += w",
        rest={"th": 0, "I": 0},
        parameters={
            "tau": {"default": 1.0, "domain": "tau > 0"},
            "om": {"default": 1.5, "domain": "om > 1"},
        },
    )


def measure_delays(model, moments):
    """How long after each of some limits `certify` ends."""
    delays = []
    for seconds in moments:
        begun = time.monotonic()
        with pytest.raises(TimeLimitError) as raised, limit_time(seconds, "the certificate"):
            certify(model)
        delays.append(time.monotonic() - begun - seconds)
        assert f"to take at most {seconds:g} s but it is not done" in str(raised.value)
    return delays


def test_a_certificate_ends_soon_after_its_time_at_any_moment():
    assert max(measure_delays(build_rotator(), [0.02, 0.1, 0.2, 0.3, 0.4])) < SOON


@pytest.mark.slow
def test_a_certificate_ends_soon_after_its_time_at_thirty_moments():
    model = build_rotator()
    certify(model)  # so that it takes equally long each time
    begun = time.monotonic()
    certify(model)
    whole = time.monotonic() - begun
    moments = [whole * (k + 0.5) / 32 for k in range(30)]
    assert max(measure_delays(model, moments)) < SOON


def test_a_certificate_out_of_time_is_undecided():
    result = run("certify", "--model", "lif_alpha", "--timeout", "0.05")
    assert result.exit_code == 3, result.output
    assert result.stdout == ""
    assert result.stderr.startswith(
        "Undecided: Expected the certificate of lif_alpha to take at most 0.05 s but it is not "
        "done;"
    )


def test_going_through_a_certificate_again_obeys_the_limit(tmp_path, monkeypatch):
    file = tmp_path / "lif.json"
    file.write_text("{}")

    def take_long(_):
        time.sleep(5)

    monkeypatch.setattr("spiketheory.certification.recheck.recheck", take_long)
    result = run("certify", "--recheck", file, "--timeout", "0.05")
    assert result.exit_code == 3, result.output
    assert "Undecided: Expected going through" in result.stderr


def test_a_derivation_out_of_time_is_bad_input():
    result = run("derive", "--model", "lif_alpha", "--timeout", "0.05", "--no-cache")
    assert result.exit_code == 2, result.output
    assert read_neuron_model("lif_alpha").name in result.stderr
