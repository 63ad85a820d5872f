"""Sweep files: what varies, what is drawn, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from sim.cluster.search import Halving, draw_points
from sim.cluster.sweep import list_points, merge_options
from sim.cluster.sweep_file import Search, parse_sweep, read_sweep
from sim.cluster.sweep_table import Outcome, make_row
from spiketheory.errors import InputError

VARY = '[base]\ndataset = "digits"\n[vary]\n'


def parse(text, tmp_path):
    return parse_sweep(text, tmp_path / "sweep.toml")


def test_every_combination_is_a_run_and_the_last_option_changes_fastest(tmp_path):
    sweep = parse(VARY + "learning_rate = [0.1, 0.2]\nseed = [3, 4]\n", tmp_path)
    assert sweep.combinations == [
        {"learning_rate": 0.1, "seed": 3}, {"learning_rate": 0.1, "seed": 4},
        {"learning_rate": 0.2, "seed": 3}, {"learning_rate": 0.2, "seed": 4},
    ]  # fmt: skip


def test_ranges_are_linear_or_by_factors_and_whole_where_they_can_be(tmp_path):
    text = (
        "a = {from = 0.5, to = 2, count = 4}\nb = {from = 0.01, to = 1, count = 3, scale = 'log'}\n"
        "seed = {from = 0, to = 4, count = 5}\n"
    )
    vary = parse(VARY + text, tmp_path).vary
    np.testing.assert_allclose(vary["a"], [0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(vary["b"], [0.01, 0.1, 1.0])
    assert vary["seed"] == [0, 1, 2, 3, 4]
    assert all(type(seed) is int for seed in vary["seed"])


REFUSED = {
    "": "Expected something that varies",
    "[vary]\nseed = []\n": "Expected seed in",
    "[vary]\nseed = 3\n": "Expected seed in",
    "[vary]\na = {from = 0, to = 1, count = 3, scale = 'log'}\n": "above 0 for scale = log",
    "[vary]\na = {from = 2, to = 1, count = 3}\n": "from <= to",
    "[vary]\na = {from = 0, to = 1}\n": "Expected count >= 1",
    "[vary]\na = {from = 0, to = 1, count = true}\n": "Expected count >= 1",
    "[vary]\na = {from = 0, to = inf, count = 2}\n": "from <= to",
    "[vary]\na = {from = 0, until = 1, count = 2}\n": "got 'until'",
    "[varies]\nseed = [0]\n": "got 'varies'",
    "vary = 3\n": "to be a table",
    "[vary]\nseed = [0]\n[compare]\ngoal = 'best'\n": "Expected goal to be one of",
    "[vary]\nseed = [0]\n[compare]\naverage_over = 'seed'\n": "to be a list of options",
    "[search]\nruns = 3\n": "Expected .search.space.",
    "[search]\nruns = 0\n[search.space]\na = {choices = [1]}\n": "whole number runs >= 1",
    "[search]\nmethod = 'grid'\n[search.space]\na = {choices = [1]}\n": "Expected method to be",
    "[search.space]\na = {choices = []}\n": "Expected choices of a",
    "[search.space]\na = 3\n": "Expected a in .search.space.",
    "[vary]\na = [1]\n[search.space]\na = {choices = [1]}\n": "but got both",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_sweep_is_refused_in_words(text, tmp_path):
    with pytest.raises(InputError, match=REFUSED[text]):
        parse(text, tmp_path)


def test_a_file_that_is_missing_or_no_toml_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.toml"):
        read_sweep(tmp_path / "nothing.toml")
    (tmp_path / "bad.toml").write_text("a = = 3")
    with pytest.raises(InputError, match=r"Expected a sweep file in .*bad\.toml"):
        read_sweep(tmp_path / "bad.toml")


def test_a_run_that_is_no_configuration_says_why_and_the_others_are_there(tmp_path):
    sweep = parse(VARY + "learning_rate = [0.1, -1.0]\n", tmp_path)
    good, bad = list_points(sweep, tmp_path, tmp_path)
    assert good.config["learning_rate"] == 0.1
    assert bad.config is None
    assert "learning_rate" in bad.reason


def test_folders_tell_configurations_apart_but_not_numbers_of_epochs(tmp_path):
    one, two = (
        list_points(parse(f"{VARY}seed = [{seed}]\n", tmp_path), tmp_path, tmp_path)[0].folder
        for seed in (0, 1)
    )
    assert one != two
    short = parse(f"{VARY}seed = [0]\n".replace("[vary]", "epochs = 3\n[vary]"), tmp_path)
    assert list_points(short, tmp_path, tmp_path)[0].folder == one


def test_an_entry_of_a_table_varies_beside_the_others():
    base = {"parameters": {"tau": 1.0, "I0": 2.0}}
    merged = merge_options(base, {"parameters.tau": 3.0, "epochs": 5})
    assert merged == {"parameters": {"tau": 3.0, "I0": 2.0}, "epochs": 5}
    assert base == {"parameters": {"tau": 1.0, "I0": 2.0}}


def test_a_search_draws_the_same_for_the_same_seed_and_keeps_its_bounds():
    pytest.importorskip("optuna")
    space = {
        "learning_rate": {"from": 1e-4, "to": 1e-1, "scale": "log"},
        "hidden": {"choices": [[30], [50, 50]]}, "batch": {"from": 10, "to": 20, "whole": True},
    }  # fmt: skip
    drawn = draw_points(Search(runs=30, seed=1, space=space))
    assert drawn == draw_points(Search(runs=30, seed=1, space=space))
    assert drawn != draw_points(Search(runs=30, seed=2, space=space))
    rates = np.array([one["learning_rate"] for one in drawn])
    assert rates.min() >= 1e-4
    assert rates.max() <= 1e-1
    assert np.median(np.log10(rates)) == pytest.approx(-2.5, abs=0.6)
    assert {tuple(one["hidden"]) for one in drawn} == {(30,), (50, 50)}
    assert all(isinstance(one["batch"], int) and 10 <= one["batch"] <= 20 for one in drawn)


def test_halving_lets_the_best_go_on_and_stops_what_is_behind():
    pytest.importorskip("optuna")
    halving = Halving(Search(runs=9, space={}, first_epochs=1, factor=3), "maximise", 9)
    assert halving.rungs == [1, 3, 9]
    values = [0.1 * k for k in range(9)]
    stopped = [halving.should_stop(k, 1, [0.0, value]) for k, value in enumerate(values[::-1])]
    assert not stopped[0]  # the first, and the best
    assert all(stopped[3:])
    halving = Halving(Search(runs=9, space={}, first_epochs=1, factor=3), "minimise", 9)
    stopped = [halving.should_stop(k, 1, [0.0, value]) for k, value in enumerate(values)]
    assert not stopped[0]
    assert all(stopped[3:])


def test_halving_stops_a_run_without_a_number():
    pytest.importorskip("optuna")
    halving = Halving(Search(space={}), "maximise", 9)
    assert halving.should_stop(0, 1, [0.5, float("nan")])
    assert halving.should_stop(1, 1, [0.5])


def test_a_metric_does_not_take_the_place_of_what_varies():
    outcome = Outcome(
        number=3, folder=Path("runs/0003"), varied={"learning_rate": 0.1, "seed": 1},
        status="done", reason="", rows=[{"epoch": 2.0, "learning_rate": 1e-6}],
    )  # fmt: skip
    row = make_row(outcome)
    assert (row["learning_rate"], row["last_learning_rate"], row["epoch"]) == (0.1, 1e-6, 2.0)
