"""The command line: help, models, derive, codegen, simulate."""

import json
import re
from pathlib import Path

import click
import numpy as np
import pytest
from commands import assert_refused, list_files, run, run_ok, run_process, write_batch

from sim.speech.recordings import SPEECH_SETS
from sim.training.config import SETTINGS, config_to_dict, make_config
from sim.training.data import IMAGE_SETS
from sim.training.presets import DEFAULTS
from spiketheory.commands.main import main
from spiketheory.commands.train_options import TRAIN_OPTIONS
from spiketheory.errors import VerificationError

COMMANDS = tuple(main.modules)
pytestmark = pytest.mark.usefixtures("own_folder")


def find_command(name):
    return main.get_command(click.Context(main), name)


def test_without_arguments_the_program_says_what_it_can_do():
    result = run()
    assert all(command in result.output for command in COMMANDS)
    said = "Exit codes: 0 success, 1 a check failed, 2 bad usage or input, 3 undecided."
    assert said in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text_that_states_its_default(command):
    for parameter in find_command(command).params:
        if parameter.param_type_name == "option":
            assert parameter.help
            stated = parameter.show_default or re.search(r"\[default: .+\]", parameter.help)
            assert stated or parameter.required
    text = run_ok(command, "--help").output
    assert find_command(command).help.splitlines()[0] in " ".join(text.split())
    assert run_ok(command, "-h").output == text


def read_defaults(text):
    """``[default: 50; mnist 1000]`` as {"": "50", "mnist": "1000"}."""
    general, *others = re.search(r"\[default: ([^]]*)\]", text).group(1).split("; ")
    return {"": general} | dict(other.split(" ", 1) for other in others)


def write_default(value):
    if value is False:
        return "no"
    if value in ({}, [], ""):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={number:.7g}" for name, number in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else re.sub(r"\.0$", "", str(value))


def test_the_help_of_train_states_the_true_defaults():
    stated = {option.name: read_defaults(option.help) for option in find_command("train").params}
    stated["parameters"][""] = stated["parameters"][""].removesuffix(
        " for theta, else the model's own"
    )
    names = [name for name in SETTINGS if name in stated]
    assert len(names) == len(TRAIN_OPTIONS)
    for dataset in DEFAULTS:
        config = make_config(dataset=dataset)
        for name in set(names) - {"dataset", "augment", "encoder"}:  # tables are in the docs
            # Images of the form of MNIST are trained as MNIST is, if nothing else is said.
            other = stated[name].get("mnist") if dataset in IMAGE_SETS else None
            other = stated[name].get("speech") if dataset in SPEECH_SETS else other
            text = stated[name].get(dataset, other or stated[name][""])
            assert text == write_default(config_to_dict(config)[name]), (dataset, name)
    assert stated["dataset"][""] == make_config().dataset.name
    paper = make_config(preset="paper")
    for name in set(names) - {"dataset"}:
        text = stated[name].get("paper", stated[name].get("mnist", stated[name][""]))
        assert text == write_default(config_to_dict(paper)[name]), name


@pytest.mark.parametrize("arguments", ["'--help'", "'train', '--help'"])
def test_help_starts_without_importing_anything_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['spiketheory', {arguments}]\n"
        "import atexit\n"
        "from spiketheory.commands.main import main\n"
        "heavy = {'numpy', 'sympy', 'numba', 'rich', 'sklearn', 'matplotlib', 'platformdirs'}\n"
        "atexit.register(lambda: print('loaded', sorted(heavy & set(sys.modules))))\n"
        "main()"
    )
    code, stdout, stderr = run_process(code=code)
    assert (code, stderr) == (0, "")
    assert stdout.endswith("loaded []\n")


def test_a_command_is_imported_without_the_others():
    code = (
        "import sys; sys.argv = ['spiketheory', 'train', '--help']\n"
        "import atexit\n"
        "from spiketheory.commands.main import main\n"
        "start = 'spiketheory.commands.'\n"
        "atexit.register(lambda: print(sorted(m for m in sys.modules if m.startswith(start))))\n"
        "main()"
    )
    code, stdout, stderr = run_process(code=code)
    assert (code, stderr) == (0, "")
    own = [
        f"spiketheory.commands.{name}"
        for name in (
            *("common", "group", "main", "spread", "spread.cluster_options", "terminal", "train"),
            "train_options",
        )
    ]
    assert stdout.endswith(f"{own}\n")


def test_an_unknown_command_or_option_is_bad_usage():
    assert run("trian").exit_code == 2
    assert run("train", "--epoch-count", 3).exit_code == 2
    assert run("simulate", "file.npz").exit_code == 2
    assert "Missing option '--out'" in run("simulate", "file.npz").stderr
    assert run("derive").exit_code == 2


def test_models_are_listed_with_equations_and_parameters():
    text = run_ok("models").output
    assert "theta" in text
    assert "qif_delta" in text
    assert "dV/dt" in text
    assert "I0 = 1.25" in text


def test_models_are_listed_for_programs():
    rows = json.loads(run_ok("models", "--json").stdout)
    theta = next(row for row in rows if row["name"] == "theta")
    assert theta["parameters"] == {"tau": 1.0, "I0": 1.25}
    assert theta["equations"] == "dV/dt = (V*(V - 1) + I0)/tau"
    assert all(row["description"] for row in rows)


@pytest.mark.parametrize("style", ["text", "latex", "markdown"])
def test_a_derivation_is_shown_in_every_format(style, verify_once):
    text = run_ok("derive", "--model", "theta", "--format", style).stdout
    assert "theta" in text
    assert "riccati" in text
    assert "\\" in text or style == "text"


def test_a_derivation_is_shown_for_programs(verify_once):
    first = run_ok("derive", "--model", "theta", "--format", "json").stdout
    assert run_ok("derive", "--model", "theta", "--json").stdout == first
    assert "theta" in json.dumps(json.loads(first))


def test_a_derivation_comes_with_its_code_if_asked(verify_once):
    assert "def flow" in run_ok("derive", "--model", "theta", "--code").stdout


def test_a_derivation_is_written_to_a_file(verify_once):
    result = run_ok("derive", "--model", "theta", "--format", "markdown", "--out", "new/theta.md")
    assert result.stdout == ""
    assert "Wrote" in result.stderr
    assert "theta" in Path("new/theta.md").read_text(encoding="utf-8")
    assert list_files() == {"new/theta.md"}


def test_generated_code_runs(verify_once):
    source = run_ok("codegen", "--model", "theta").stdout
    namespace = {"__name__": "generated"}
    exec(compile(source, "theta.py", "exec"), namespace)
    assert namespace["NAME"] == "theta"
    for target in ("numpy", "numba"):
        text = run_ok("codegen", "--model", "theta", "--target", target).stdout
        compile(text, target, "exec")
        assert ("def load(" in text) == (target == "numba")


MODEL_FILE = """
[model]
name = "mine"
equations = "dV/dt = (a*V**2 + b*V + I0)/tau"
spike = "V -> oo"
reset = "V = -oo"
input = "V += w"
rest = {V = 0}
[parameters]
tau = {default = 1.0, domain = "tau > 0"}
a = {default = 2.0, domain = "a > 0"}
b = {default = -1.0}
I0 = {default = 0.5}
"""
BAD_MODELS = {
    "no toml": (MODEL_FILE.replace("[model]", "[model"), "Expected"),
    "syntax error": (MODEL_FILE.replace("b*V +", "b*V + +*"), "mine|bad.toml"),
    "unknown name": (MODEL_FILE.replace("b*V", "b*W"), "W"),
    "undefined parameter": (MODEL_FILE.replace("b = {default = -1.0}", ""), "b"),
    "call": (
        MODEL_FILE.replace("b*V", "__import__('os').system('touch pwned')"),
        "__import__|call",
    ),
    "attribute": (MODEL_FILE.replace("b*V", "V.__class__"), "Expected"),
    "unknown function": (MODEL_FILE.replace("b*V", "frobnicate(V)"), "frobnicate"),
    "missing field": (MODEL_FILE.replace('spike = "V -> oo"', ""), "spike"),
    "default outside domain": (MODEL_FILE.replace("default = 2.0", "default = -2.0"), "a > 0"),
    "no method": (MODEL_FILE.replace("a*V**2", "a*V**3"), "Expected"),
}


def write_model(text):
    path = Path("bad.toml")
    path.write_text(text)
    return path


@pytest.mark.parametrize("command", ["derive", "codegen"])
@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_bad_model_file_is_refused_and_nothing_written(command, case):
    text, message = BAD_MODELS[case]
    result = run(command, "--model", write_model(text), "--out", "out.txt")
    assert_refused(result, message)
    assert list_files() == {"bad.toml"}


@pytest.mark.parametrize("command", ["derive", "codegen"])
@pytest.mark.parametrize("name", ["hodgkin", "nowhere.toml", "./folder.toml", ""])
def test_a_model_that_is_not_there_is_refused(command, name):
    Path("folder.toml").mkdir()
    assert_refused(run(command, "--model", name), "Expected .* but")


def test_a_model_file_is_derived():
    assert "mine" in run_ok("derive", "--model", write_model(MODEL_FILE)).stdout


def test_a_failed_check_is_exit_code_1(monkeypatch):
    def fail(derivation, **_):
        raise VerificationError(
            "Check 'flow' failed: Expected a residual of 0 but got 1 in step 3."
        )

    monkeypatch.setattr("spiketheory.verification.verify.verify", fail)
    for command in ("derive", "codegen"):
        result = run(command, "--model", "theta", "--out", "out.txt")
        assert result.exit_code == 1
        found = re.search(r"a fault of spiketheory, not of your model; it is recorded in (\S+)\. ",
                          result.stderr)  # fmt: skip
        report = Path(found[1]).read_text(encoding="utf-8")
        for part in ("Expected a residual of 0 but got 1 in step 3", "dV/dt", "sympy 1."):
            assert part in report
    assert list_files() == set()


def test_a_batch_file_that_fires_more_than_is_asked_for_is_refused():
    options = ("--backend", "numpy", "--max-spikes", 1)
    result = run("simulate", write_batch(), "--out", "out.npz", *options)
    assert result.exit_code == 2
    assert "Expected at most 1 spikes per layer and sample" in result.stderr
    assert list_files() == {"batch.npz"}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_batch_file_is_simulated(backend):
    result = run_ok("simulate", write_batch(), "--out", "results/out.npz", "--backend", backend)
    assert re.match(r"3 samples through 3-2-2 theta neurons: \d \+ \d spikes by l", result.stdout)
    assert "Mean loss" in result.stdout
    with np.load("results/out.npz") as found:
        assert found["t_out"].shape == (3, 2)
        assert set(found) >= {"loss", "grad_W0", "grad_W1", "grad_phi0", "spike_time"}
    assert list_files() == {"batch.npz", "results/out.npz"}


def test_a_simulation_is_summed_up_for_programs():
    arguments = ("--out", "out.npz", "--backend", "numpy", "--json")
    summary = json.loads(run_ok("simulate", write_batch(), *arguments).stdout)
    assert summary["samples"] == 3
    assert summary["layer_sizes"] == [3, 2, 2]
    with np.load("out.npz") as found:
        assert summary["loss"] == found["loss"]
        assert sum(summary["spikes_per_layer"]) == len(found["spike_time"])
        assert summary["fields"] == list(found)
    bare = json.loads(run_ok("simulate", write_batch(labels=None), *arguments).stdout)
    assert "loss" not in bare


def test_the_model_of_a_batch_file_can_be_overridden():
    arguments = ("--out", "out.npz", "--backend", "numpy", "--model", "qif_delta")
    assert "qif_delta neurons" in run_ok("simulate", write_batch(), *arguments).stdout


BAD_BATCHES = {
    "wrong shape": {"W0": np.ones((2, 2))},
    "layers that do not fit": {"W1": np.ones((3, 2))},
    "NaN weight": {"W1": np.array([[1.0, np.nan], [0.0, 1.0]])},
    "infinite weight": {"W1": np.array([[1.0, np.inf], [0.0, 1.0]])},
    "negative time": {"input_times": np.array([-0.1, 0.5])},
    "unsorted times": {"input_times": np.array([0.5, 0.1])},
    "NaN time": {"input_times": np.array([0.5, np.nan])},
    "unknown model": {"model": "hodgkin"},
    "model of the wrong type": {"model": 7},
    "parameter outside its domain": {"tau": -1.0},
    "trial without end": {"T": np.inf},
    "bin out of range": {"input_bins": np.full((3, 3), 9)},
    "label out of range": {"labels": np.array([0, 1, 2])},
    "missing field": {"W0": None},
    "unknown field": {"weigths": np.ones(3)},
    "pickled objects": {"W1": np.array([None, {}], dtype=object)},
    "no samples": {"input_bins": np.zeros((0, 3), dtype=int), "labels": np.zeros(0, dtype=int)},
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_a_bad_network_file_is_refused_and_nothing_written(case):
    path = write_batch(**BAD_BATCHES[case])
    result = run("simulate", path, "--out", "out.npz", "--backend", "numpy")
    assert_refused(result, r"^Error: Expected .* but .*; [^\n]*\.\n$")
    assert list_files() == {"batch.npz"}


@pytest.mark.parametrize("content", [None, "folder", b"", b"W0 = 1", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_network_is_refused(content):
    if content == "folder":
        Path("batch.npz").mkdir()
    elif content is not None:
        Path("batch.npz").write_bytes(content)
    before = list_files()
    result = run("simulate", "batch.npz", "--out", "out.npz", "--backend", "numpy")
    what = (
        "folder of networks"
        if content == "folder"
        else "NumPy .npz file at batch.npz but .* failed: "
    )
    assert_refused(result, rf"^Error: Expected a {what}")
    assert list_files() == before


@pytest.mark.parametrize("model", ["lif", "eif"])
def test_the_accuracy_of_the_generated_functions_is_measured(model, verify_once):
    arguments = ("--model", model, "--states", "3", "--backend", "numpy", "--json")
    rows = json.loads(run_ok("accuracy", *arguments).stdout)
    assert rows[0]["quantity"] == "time to spike"
    assert len(rows) == 3
    assert all(0 < row["worst_relative_error"] < 1e-12 for row in rows)
    assert all(row["states"] + row["ill_conditioned"] == 3 for row in rows)


def test_the_accuracy_is_shown_as_a_table(verify_once):
    result = run_ok("accuracy", "--model", "nlif", "--states", "2", "--backend", "numpy")
    assert "d(time to spike)/dI" in result.stdout


def test_a_derivation_that_takes_too_long_ends_with_an_error():
    result = run("derive", "--model", "lif_alpha", "--timeout", "0.1", "--no-cache")
    assert_refused(result, "Expected the derivation of lif_alpha to take at most 0.1 s")


def test_a_page_with_figures_needs_no_network(verify_once):
    page = run_ok("derive", "--model", "lif_delta", "--format", "html").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "<math" in page
    assert "<svg" in page
    assert "src=" not in page
