"""Projections of network files that a rule describes."""

import re

import numpy as np
import pytest

from derivations import compile_model
from sim.files.network_file import read_network_file
from sim.training.learner import fill_projection
from spiketheory.errors import InputError

TEXT = """
version = 2
[network]
duration = 5.0
seed = 3
[populations.few]
model = "theta"
size = 30
[populations.many]
model = "theta"
size = 50
[[projections]]
pre = "few"
post = "many"
rule = {in_degree = 4}
weight = {normal = [1.0, 0.5], at_least = 0.0}
delay = {choice = [0.5, 1.0]}
[[projections]]
pre = "many"
post = "many"
rule = {probability = 0.5, precision = "float32", seed = 7}
weight = {uniform = [-2.0, -1.0]}
delay = {uniform = [0.25, 0.5], resolution = 0.125}
learn = ["weights", "delays"]
[[projections]]
pre = "many"
post = "few"
rule = {total = 100}
weight = 0.25
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "network.toml"
        path.write_text(text)
        compiled = {name: compile_model(name, backend="numpy") for name in ("theta",)}
        return read_network_file(path, compile_model=compiled.__getitem__)

    return read


def test_a_rule_says_what_is_connected_and_what_connections_have(read):
    found = read(TEXT)
    first, second, third = found.network.projections
    assert not first.has_matrix
    assert (np.bincount(first.matrix.row, minlength=50) == 4).all()
    assert first.matrix.data.min() >= 0.0
    assert set(first.edge_delays) == {0.5, 1.0}
    assert (second.matrix.row != second.matrix.col).all()
    assert (second.matrix.data == second.matrix.data.astype(np.float32)).all()
    assert second.matrix.data.min() >= -2.0
    assert second.matrix.data.max() <= -1.0
    assert set(second.edge_delays) == {0.25, 0.375, 0.5}
    assert third.n_connections == third.matrix.nnz == 100
    assert set(third.matrix.data) == {0.25}
    assert not third.edge_delays.any()
    assert [(one.kind, one.place) for one in found.learn] == [("weights", 1), ("delays", 1)]


def test_what_a_rule_draws_depends_on_its_seed_and_place_alone(read):
    first, second, third = read(TEXT).network.projections
    other = read(TEXT.replace("seed = 3", "seed = 4")).network.projections
    assert (first.matrix.toarray() != other[0].matrix.toarray()).any()
    assert second.matrix.data.tolist() == other[1].matrix.data.tolist()
    noise = TEXT.replace("weight = 0.25", "weight = {normal = [0.0, 1.0]}")
    assert read(noise).network.projections[2].matrix.row.tolist() == third.matrix.row.tolist()


def test_what_learns_takes_the_other_numbers_with_it(read):
    drawn = read(TEXT).network.projections[1]
    weights = np.linspace(0.0, 1.0, drawn.n_connections)
    made = fill_projection(drawn, weights=weights)
    assert made.matrix.data.tolist() == weights.tolist()
    assert made.edge_delays.tolist() == drawn.edge_delays.tolist()
    made = fill_projection(drawn, delays=weights)
    assert made.edge_delays.tolist() == weights.tolist()
    assert made.matrix.data.tolist() == drawn.matrix.data.tolist()


def test_rules_draw_nothing_from_what_patterns_draw_from(read):
    pattern = '[[projections]]\npre = "few"\npost = "many"\nconnect = {in_degree = 4}\nweight = 1\n'
    alone = read(TEXT[: TEXT.index("[[proj")] + pattern).network.projections[0]
    among = read(TEXT + pattern).network.projections[3]
    assert alone.matrix.col.tolist() == among.matrix.col.tolist()


REFUSED = [
    ("{in_degree = 4}", "{in_degree = 31}", "Expected a whole number from 0 to 30 for the rule"),
    ("{in_degree = 4}", "{in_degree = 4.5}", "Expected a whole number for in_degree of"),
    ("{in_degree = 4}", "{degree = 4}", "Expected in_degree, out_degree, probability, total, self"),
    ("{in_degree = 4}", "{}", "Expected one of in_degree, out_degree, probability, total in rule"),
    ("{in_degree = 4}", "{in_degree = 4, total = 3}", "Expected one of in_degree, out_degree"),
    ("{in_degree = 4}", "'in_degree'", "Expected rule of .* to be a table"),
    ("{total = 100}", "{total = 2000}", "Expected a whole number from 0 to 1500 for the rule tot"),
    ("{total = 100}", "{total = 9, self_connections = false}", "Expected self_connections=False"),
    ("{total = 100}", "{total = 9, self_connections = 1}", "Expected true or false for self_conn"),
    ("probability = 0.5", "probability = 1.5", "Expected a probability from 0 to 1 but got 1.5"),
    ('"float32"', '"float16"', "Expected precision of .* to be one of float32, float64"),
    ("weight = 0.25", "weight = [0.25]", "Expected a number for weight of"),
    ("weight = 0.25", "weight = {gamma = [1, 2]}", "Expected normal, uniform, choice, at_least"),
    ("weight = 0.25", "weight = {at_least = 1}", "Expected a number, or one of normal, uniform"),
    ("weight = 0.25", "weight = {normal = [1, -2]}", "Expected a mean and an sd >= 0"),
    ("weight = 0.25", "weight = nan", "Expected finite numbers in weight"),
    ("uniform = [0.25, 0.5]", "uniform = [-1.0, 0.5]", "Expected delays >= 0 of drawn conn"),
    ("weight = 0.25", "edges = [[0, 0, 1.0]]", "Expected rule, weight, delay in .* rule and edges"),
    ("weight = 0.25", "connect = 'all'", "Expected rule, weight, delay in .* rule and connect"),
    ("version = 2\n", "", "Expected pre, post, connect, .* in .* but got 'rule'"),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED, ids=[n[:30] for _, n, _ in REFUSED])
def test_a_rule_that_makes_no_sense_is_refused(read, old, new, message):
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if old.startswith("version"):
        text = text.replace("learn = ", "# ")
    with pytest.raises(InputError) as caught:
        read(text)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert re.search(r"^Expected .* but .*; .*\.$", str(caught.value))
    assert "network.toml" in str(caught.value)
