"""The command line: bench."""

import json
from pathlib import Path

import pytest
from commands import list_files, run, run_ok, run_process

from benchmarks.suite import BENCHMARKS

pytestmark = pytest.mark.usefixtures("own_folder")


def measure(out, *more):
    return run_ok("bench", "scaling", "--tiny", "--out", out, *more)


def change(path, factor):
    """The same result with every value multiplied, as from a machine that got slower."""
    result = json.loads(Path(path).read_text())
    for figure in result["figures"]:
        figure["values"] = [v * factor for v in figure["values"]]
    Path("changed.json").write_text(json.dumps(result))
    return "changed.json"


def test_a_benchmark_writes_its_result_and_a_figure_and_shows_them():
    result = measure("r.json")
    assert list_files() == {"r.json", "r.png"}
    assert "speed-up" in result.stdout or "1 thread" in result.stdout
    assert "Measuring scaling" in result.stderr
    assert "Wrote r.json." in result.stderr
    kept = json.loads(Path("r.json").read_text())
    assert kept["complete"] is True
    assert {f["benchmark"] for f in kept["figures"]} == {"scaling"}
    assert all(len(f["values"]) in (1, 2) for f in kept["figures"])


def test_a_result_compared_with_itself_has_not_changed():
    printed = json.loads(measure("r.json", "--json").stdout)
    assert printed == json.loads(Path("r.json").read_text())
    result = run_ok("bench", "compare", "r.json", "r.json", "--fail-on-slower", 0)
    assert f"{len(printed['figures'])} figures: {len(printed['figures'])} within" in result.stdout


def test_what_got_slower_fails_on_demand():
    measure("r.json")
    slower = change("r.json", 100.0)
    assert run("bench", "compare", "r.json", slower).exit_code == 0
    failed = run("bench", "compare", "r.json", slower, "--fail-on-slower", 20)
    assert failed.exit_code == 1
    assert "got worse by" in failed.stderr
    found = json.loads(run_ok("bench", "compare", "r.json", slower, "--json").stdout)
    assert "worse" in {c["verdict"] for c in found["changes"]}
    shown = run_ok("bench", "compare", "r.json", slower, "--all").stdout
    assert "100.000" in shown


def test_names_that_are_wrong_are_bad_usage():
    unknown = run("bench", "speed")
    assert unknown.exit_code == 2
    assert "Expected a benchmark to be one of" in unknown.stderr
    assert run("bench", "compare", "none.json", "none.json").exit_code == 2
    assert run("bench", "--round", 3).exit_code == 2
    assert run("bench", "--spikegd", "nowhere").exit_code == 2


def test_the_list_and_the_help_say_what_there_is():
    listed = run_ok("bench", "list").stdout
    assert all(name in listed for name in BENCHMARKS)
    assert "bench compare A.json B.json" in run_ok("bench", "--help").stdout
    assert "--spikegd" in run_ok("bench", "run", "--help").stdout


def test_the_module_is_the_same_program():
    code = (
        "import runpy, sys; sys.argv = ['benchmarks', 'list']\n"
        "runpy.run_module('benchmarks', run_name='__main__')"
    )
    code, stdout, stderr = run_process(code=code)
    assert (code, stderr) == (0, "")
    assert stdout == run_ok("bench", "list").stdout


def test_peers_that_are_missing_are_named_with_what_to_install(monkeypatch):
    for module in ("dense", "snntorch_peer"):
        monkeypatch.setattr(f"benchmarks.{module}.find_spec", lambda name: None)
    run_ok("bench", "feedforward", "--tiny", "--quick", "--out", "r.json")
    notes = " ".join(json.loads(Path("r.json").read_text())["notes"])
    assert "pip install torch" in notes
    assert "pip install snntorch" in notes
    assert "--spikegd PATH" in notes
