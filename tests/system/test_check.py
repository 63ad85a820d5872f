"""`spiketheory check` and `plot` from end to end, on the built-in models."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import ROOT, run

from derivations import compile_model, list_models, read_neuron_model
from spiketheory.checking.runner import make_recipe, run_check
from spiketheory.testing import assert_spikes_only_shift, check_model, load_subject

SMOOTH = ("theta", "qif_delta", "qif", "rapid_theta")
INTEGRATED = ("eif", "izhikevich", "adex")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(name, *, assume=(), examples=25, names=None, seed=0):
    recipe = make_recipe(name, parameters={}, assume=assume)
    options = {} if names is None else {"names": names}
    *_, (_, report) = run_check(recipe.build(), examples=examples, seed=seed, **options)
    return report


def test_lif_is_found_to_be_broken_and_its_failure_is_written_drawn_and_replayed():
    found = run("check", "--model", "lif", "--examples", "10", "--seed", "1", "--workers", "1",
                "--out", "out", "--json")  # fmt: skip
    assert found.exit_code == 1, found.output
    report = json.loads(found.stdout)
    assert report["verdict"] == "broken"
    first = report["properties"][0]
    assert (first["name"], first["status"]) == ("continuity", "failed")
    assert first["failure"]["trial"]["initial"] == [[0.0, 0.0]]
    assert abs(first["failure"]["parameter"]["values"][0] - 4.0) < 2e-12
    trial, figure = first["files"]
    assert Path(figure).read_bytes().startswith(b"\x89PNG")
    again = run("check", "--replay", trial)
    assert again.exit_code == 1
    assert "still fails" in again.stdout


@pytest.mark.parametrize("name", SMOOTH)
def test_models_whose_spikes_only_shift_are_smooth(name):
    report = check(name, examples=10)
    assert report.verdict == "smooth", [r.reason for r in report.results]
    assert {r.name for r in report.results if r.status == "passed"} >= {"continuity", "swaps"}


@pytest.mark.parametrize("name", ["lif_delta", "nlif"])
def test_models_with_a_threshold_are_broken(name):
    report = check(name, examples=60, names=["continuity", "swaps"])
    assert report.verdict == "broken"


def test_a_model_may_be_continuous_under_assumptions_that_it_needs():
    assume = ("w >= 0", "I > 0")
    names = ["continuity", "counts", "swaps", "smooth_swaps"]
    report = check("nlif", assume=assume, examples=30, names=names)
    assert report.verdict == "continuous"
    assert report.assumptions == ("w >= 0", "I > 0")


def test_spikes_of_eif_only_shift_but_its_gradients_jump_at_swaps():
    report = check("eif", examples=6, names=["continuity", "swaps", "smooth_swaps"])
    assert report.verdict == "continuous"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lif_alpha", "izhikevich", "adex"])
def test_models_with_a_threshold_that_take_long_are_broken(name):
    assert check(name, examples=25).verdict == "broken"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_every_seed_finds_and_shrinks_the_vanishing_spike_of_lif(seed):
    (result,) = check("lif", examples=100, names=["continuity"], seed=seed).results
    assert result.failure.trial.input_times == (0.0,)


def test_what_is_found_does_not_depend_on_the_number_of_processes():
    names = ["continuity", "swaps"]
    reports = []
    for workers in (1, 2):
        recipe = make_recipe("lif", parameters={}, assume=())
        *_, (_, report) = run_check(recipe, examples=30, seed=3, workers=workers, names=names)
        reports.append(report)
    assert reports[0] == reports[1]


def test_every_built_in_model_is_named_above():
    named = {*SMOOTH, *INTEGRATED, "lif", "lif_delta", "nlif", "lif_alpha"}
    assert named == set(list_models())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Expected either --model or --replay but got neither"),
        (("--model", "lif", "--replay", "x.npz"), "but got both"),
        (("--model", "nonsense"), "Expected a built-in model"),
        (("--model", "lif", "--assume", "w >", "--workers", "1"), "Expected"),
        (("--replay", "missing.npz"), "Expected a file that `spiketheory check` wrote"),
    ],
)
def test_wrong_usage_is_refused(arguments, message):
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_public_functions_raise_and_report():
    subject = load_subject(read_neuron_model("lif"), compiled=compile_model("lif", backend="numpy"))
    options = {"examples": 20, "properties": ["continuity"]}
    assert check_model(subject, **options).verdict == "broken"
    with pytest.raises(AssertionError, match="spike 1 of neuron 0"):
        assert_spikes_only_shift(subject, **options)


def test_the_example_of_the_documentation_passes():
    """docs/test_my_neuron.py, in a process of its own, with the plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
               "-p", "spiketheory.testing_plugin", "docs/test_my_neuron.py"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    text = (ROOT / "docs" / "checking.md").read_text(encoding="utf-8")
    for line in (ROOT / "docs" / "test_my_neuron.py").read_text(encoding="utf-8").splitlines():
        assert line in text, "docs/checking.md shows another file than the one that is tested"


def test_the_plugin_is_registered_and_loads_nothing_heavy():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (module,) = project["entry-points"]["pytest11"].values()
    assert importlib.util.find_spec(module) is not None
    code = f"import sys, {module}, spiketheory.testing; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & {"sympy", "numba", "hypothesis", "mpmath"}


def test_the_continuity_figure_finds_jumps_in_lif_and_none_in_qif():
    for name in ("figure.svg", "figure.png"):
        done = run("plot", "continuity", "--model", "qif", "--model", "lif", "--out", name)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[:2] == ["qif: no jumps", "lif: 2 jumps"]
    assert Path("figure.svg").read_text(encoding="utf-8").count("vanishes") >= 2


def test_a_figure_needs_a_suffix_of_a_figure():
    result = run("plot", "continuity", "--model", "qif", "--out", "figure.txt")
    assert result.exit_code == 2
    assert "Expected the suffix of --out to be one of" in result.stderr


def test_the_landscape_of_lif_has_jumps_and_that_of_qif_none(monkeypatch):
    monkeypatch.setattr("spiketheory.checking.figures.landscape_figure.CELLS", 60)
    done = run("plot", "landscape", "--model", "qif", "--model", "lif", "--grid", "2", "--out",
               "figure.png")  # fmt: skip
    assert done.exit_code == 0, done.output
    qif, lif = done.stdout.splitlines()[:2]
    assert qif == "qif: no jumps"
    assert int(lif.split()[1]) >= 5
