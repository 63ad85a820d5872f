"""`certify` with fixed parameters, equalities, ranges and maps, end to end."""

import json

import pytest
from commands import assert_refused, run, run_ok

MODEL = """
[model]
name = "drifting"
equations = \"\"\"
dV/dt = I/tau_m + c
dI/dt = -I/tau_s
\"\"\"
spike = "V = 1"
reset = "V = 0"
input = "I += w"
rest = {V = 0, I = 0}
[parameters]
tau_m = {default = 1.0, domain = "tau_m > 0", unit = "ms"}
tau_s = {default = 0.5, domain = "tau_s > 0"}
c = 0.5
[assumptions]
w = "w >= 0"
I = "I >= 0"
"""


@pytest.fixture
def model(tmp_path):
    """A model that is continuous where c is positive."""
    file = tmp_path / "drifting.toml"
    file.write_text(MODEL)
    return str(file)


def test_a_certificate_for_one_value_says_so_and_holds_it(model):
    content = json.loads(run_ok("certify", "--model", model, "--param", "c=0.3", "--json").stdout)
    assert content["verdict"] == "continuous"
    assert content["assumptions"] == ["c = 3/10"]  # those of the model are in its file
    assert "default = 0.3" in content["model_file"]
    assert run("certify", "--model", model, "--json").exit_code in (1, 3)


def test_an_equality_is_assumed_and_its_trial_obeys_it():
    result = run("certify", "--model", "lif", "--assume", "tau_m = 3*tau_s", "--json")
    assert result.exit_code == 1, result.stderr
    content = json.loads(result.stdout)
    assert content["assumptions"] == ["tau_m = 3*tau_s"]
    trial = content["witnesses"][0]["trial"]
    assert trial["tau_m"] == 3 * trial["tau_s"]


def test_what_no_parameter_obeys_is_refused():
    for texts in (("tau_m = -1",), ("tau_m = 2", "tau_m = 3")):
        options = [part for text in texts for part in ("--assume", text)]
        assert_refused(run("certify", "--model", "lif", *options), "Expected assumptions that")
    assert_refused(run("certify", "--model", "lif", "--param", "tau_m=-1"), "Expected tau_m > 0")
    assert_refused(run("certify", "--model", "lif", "--param", "tau=1"), "Expected a parameter of")


@pytest.mark.slow
def test_blame_names_the_range_of_a_parameter(model):
    result = run_ok("certify", "--model", model, "--blame", "--param", "tau_m=2", "--json")
    ranges = json.loads(result.stdout)["parameters"]
    assert list(ranges) == ["tau_s", "c"]
    assert ranges["tau_s"]["others"] == {"tau_m": 2.0, "c": 0.5}
    assert ranges["tau_s"]["ranges"] == [
        {"range": "(0, oo)", "verdict": "continuous", "proved_throughout": True, "values": []}
    ]
    last = ranges["c"]["ranges"][-1]
    assert last["range"] == "(0, oo)"
    assert (last["verdict"], last["proved_throughout"]) == ("continuous", True)
    assert {r["verdict"] for r in ranges["c"]["ranges"][:-1]} <= {"refuted", "undecided"}


def test_blame_is_a_table_for_people(model):
    text = run_ok("certify", "--model", model, "--blame", "--param", "c=1").stdout
    assert "others are tau_m = 1, tau_s = 0.5, c = 1." in text
    assert "tau_m [ms]  (0, oo)  continuous  for the whole range" in text


def test_a_map_is_drawn_and_described(model, tmp_path):
    out = tmp_path / "map.svg"
    options = ("--map", "c=-5:1.5,tau_m", "--grid", "2", "--out", out)
    content = json.loads(run_ok("certify", "--model", model, *options, "--json").stdout)
    assert content["parameters"] == ["c", "tau_m"]
    assert content["units"] == ["", "ms"]
    assert content["values"][0] == [-5, 1.5]
    assert all(row[1:] == ["continuous"] for row in content["verdicts"])
    assert all(row[0] != "continuous" for row in content["verdicts"])
    drawn = out.read_text()
    for text in ("c [1]", "tau_m [ms]", "continuous", "defaults", "tau_s = 0.5"):
        assert text in drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--map", "c,tau_m"), "Expected --out FILE.png"),
        (("--map", "c", "--out", "map.png"), "Expected two parameters such as"),
        (("--map", "c=1,tau_m", "--out", "map.png"), "Expected two parameters such as"),
        (("--map", "c,tau_m", "--blame", "--out", "map.png"), "Expected either --blame or --map"),
    ],
)
def test_views_that_cannot_be_shown_are_refused(model, options, message):
    result = run("certify", "--model", model, *options)
    assert result.exit_code == 2
    assert message in result.stderr
