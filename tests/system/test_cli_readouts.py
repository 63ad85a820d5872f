"""`derive --readout` and `certify --readout` end to end."""

import json

import pytest
from commands import run, run_ok

pytestmark = pytest.mark.usefixtures("own_folder")


def test_a_readout_is_derived_with_equations_kernel_end_and_checks():
    text = run_ok("derive", "--readout", "potential_at_end", "--code").stdout
    for part in (
        "The readout potential_at_end", "V(s) =", "kappa(t) =", "dkappa/dtau_s =",
        "kappa(T) = 0", "kappa'(T) = -1/tau_m", "kernel against quadrature", "def kernel(time, m,",
    ):  # fmt: skip
        assert part in text
    assert run_ok("derive", "--readout", "potential_at_end", "--code").stdout == text


def test_a_readout_is_described_for_programs():
    content = json.loads(run_ok("derive", "--readout", "windows", "--json").stdout)
    assert content["readout"] == "windows"
    assert content["features"] == "n_windows"
    assert content["kernel"]["value"]["expr"] == "sin(pi*(end - t)/(2*h))**2"
    assert content["kernel"]["at_end"]["slope"]["expr"] == "0"
    assert [s["name"] for s in content["settings"]] == ["n_windows", "width"]
    maximum = json.loads(run_ok("derive", "--readout", "maximum", "--json").stdout)
    assert maximum["kernel"] is None
    assert "exp_dd" in maximum["response"]["expr"]


@pytest.mark.parametrize("style", ["latex", "markdown", "html"])
def test_a_readout_is_written_in_every_format(style):
    text = run_ok("derive", "--readout", "linear_window", "--format", style).stdout
    assert "linear_window" in text.replace("\\", "")
    assert "kappa" in text


def test_a_readout_of_spikes_says_where_it_is_derived():
    text = " ".join(run_ok("derive", "--readout", "first_spike").stdout.split())
    assert "pseudodynamics after it: `derive --model NAME` shows them" in text
    assert "there is no kernel" in text
    content = json.loads(run_ok("derive", "--readout", "target_times", "--json").stdout)
    assert (content["reads"], content["kernel"]) == ("spikes", None)


def test_a_smooth_neuron_with_a_kernel_that_fades_out_has_a_smooth_loss():
    result = run("certify", "--model", "qif", "--readout", "leaky_integrator")
    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "A network with the readout leaky_integrator" in text
    assert "The loss is continuously differentiable in weights" in text


def test_the_certificate_beside_a_readout_can_be_checked_again(tmp_path):
    result = run("certify", "--model", "theta", "--readout", "count", "--json")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["network"]["loss"] == "not continuous"
    assert content["network"]["value_at_end"] == "1"
    assert "the loss jumps whenever a spike passes T" in content["network"]["reasons"][-1]
    file = tmp_path / "theta.json"
    file.write_text(json.dumps(content["certificate"]))
    run_ok("certify", "--recheck", file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("derive",), "Expected either --model or --readout"),
        (("derive", "--model", "qif", "--readout", "count"), "Expected either --model or"),
        (("derive", "--readout", "mean"), "Expected readout to be one of count, first_spike"),
        (("certify", "--model", "qif", "--readout", "mean"), "Expected readout to be one of"),
        (("certify", "--model", "qif", "--readout", "count", "--blame"), "but got --blame or"),
        (("certify", "--recheck", __file__, "--readout", "count"), "--readout goes with --model"),
    ],
)
def test_bad_usage_exits_with_2(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
