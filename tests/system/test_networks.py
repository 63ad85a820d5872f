"""Network files through the command line."""

import json

import numpy as np
import pytest
from commands import ROOT, assert_refused, list_files, run, run_ok

pytestmark = pytest.mark.usefixtures("own_folder")

TEXT = """
[network]
duration = 5.0
seed = 3
[populations.left]
model = "theta"
size = 6
parameters = {tau = 1.0, I0 = {uniform = [0.8, 1.4]}}
initial = {V = {normal = [0.5, 0.4]}}
[populations.right]
model = "lif"
size = 4
[inputs.world]
size = 3
rate = 2.0
[inputs.once]
size = 1
times = [0.5, 1.5]
channels = [0, 0]
[[projections]]
pre = "left"
post = "right"
connect = {in_degree = 3}
weight = {normal = [3.0, 0.1]}
delay = 0.3
[[projections]]
pre = "left"
post = "left"
connect = {small_world = {neighbours = 2, rewired = 0.5}}
weight = -0.2
[[projections]]
pre = "world"
post = "right"
connect = "all"
weight = 1.0
[[projections]]
pre = "once"
post = "left"
edges = [[0, 2, 0.7], [0, 4, 0.3]]
[[projections]]
pre = "right"
post = "right"
weights = [[0.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.2, 0.0], [0.0, 0.0, 0.0, 0.3], [0.1, 0.0, 0.0, 0.0]]
"""


def write(text, path="net.toml"):
    with open(path, "w") as file:
        file.write(text)
    return path


def simulate(*options, out="o.npz"):
    run_ok("simulate", "net.toml", "--out", out, "--backend", "numpy", *options)
    with np.load(out) as file:
        return {name: file[name] for name in file.files}


def test_a_network_file_is_simulated_and_drawn():
    write(TEXT)
    found = simulate("--plot", "p.png")
    assert list_files() == {"net.toml", "o.npz", "p.png"}
    assert found["population_name"].tolist() == ["left", "right"]
    assert found["population_size"].tolist() == [6, 4]
    assert found["t_end"] == 5.0
    assert found["left_V_end"].shape == (6,)
    assert found["right_I_end"].shape == (4,)
    assert {0, 1} <= set(np.searchsorted([6], found["spike_neuron"], side="right"))


def test_the_seed_decides_everything_that_is_drawn():
    write(TEXT)
    first, again = simulate(), simulate(out="b.npz")
    assert first["spike_time"].tolist() == again["spike_time"].tolist()
    write(TEXT.replace("seed = 3", "seed = 4"))
    assert simulate()["spike_time"].tolist() != first["spike_time"].tolist()


def test_the_example_runs():
    text = (ROOT / "examples" / "networks" / "balanced.toml").read_text()
    write(text.replace("duration = 60.0", "duration = 2.0"))
    assert len(simulate()["spike_time"]) > 50


REFUSED = [
    ("duration = 5.0", "duration = 0.0", "Expected duration > 0 but got duration=0.0"),
    ("duration = 5.0", "", r"Expected duration in \[network\] in net.toml but got no duration"),
    ("duration = 5.0", "duration = 'long'", r"Expected a number for duration of \[network\]"),
    ("[network]", "[netwrk]", "Expected network, populations, inputs, projections in the file"),
    ("[network]", "[network", "Expected TOML in net.toml but got"),
    ("seed = 3", "seed = -1", r"Expected a whole number for seed of \[network\]"),
    ('model = "lif"', 'model = "lff"', "Expected a built-in model"),
    ('model = "lif"', "model = 3", r"Expected a text for model of \[populations.right\]"),
    ("size = 4", "size = 0", "Expected at least one neuron in right"),
    ("{uniform = [0.8, 1.4]}", "{gamma = [1, 2]}", r"uniform = .* for I0 of \[populations.left\]"),
    ("{uniform = [0.8, 1.4]}", "{uniform = [2, 1]}", "Expected an upper bound or an sd >= 0"),
    ("{uniform = [0.8, 1.4]}", "[1.0, 2.0]", r"Expected I0 of left of shape \(6,\)"),
    ("rate = 2.0", "rte = 2.0", r"Expected size, rate, times, channels in \[inputs.world\]"),
    ("rate = 2.0", "", r"Expected either rate or times in \[inputs.world\]"),
    ("rate = 2.0", "rate = -2.0", "Expected rates >= 0 of world"),
    ("times = [0.5, 1.5]", "times = [-0.5, 1.5]", "Expected times >= 0 in once"),
    ('pre = "world"', 'pre = "word"', r"Expected pre and post of \[\[projections\]\] 3 among"),
    ("delay = 0.3", "delay = -0.3", "Expected delays of left -> right >= 0 but got -0.3"),
    ("in_degree = 3", "in_degree = 7", "Expected an in-degree from 0 to 6"),
    ("in_degree = 3", "out_degree = 7", "Expected connect of .* to be one of all, one_to_one"),
    ("weight = -0.2", "", r"Expected one of weight, weights and edges in \[\[projections\]\] 2"),
    ("[0, 4, 0.3]", "[0, 9, 0.3]", "Expected edges from neurons 0 to 0 to neurons 0 to 5"),
    ("[0, 4, 0.3]", "[0, 2, 0.3]", "Expected each connection once in weights of once -> left"),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED, ids=[m[:40] for *_, m in REFUSED])
def test_a_network_file_that_makes_no_sense_is_refused(old, new, message):
    assert old in TEXT
    write(TEXT.replace(old, new, 1))
    result = run("simulate", "net.toml", "--out", "o.npz", "--backend", "numpy")
    assert_refused(result, message)
    assert list_files() == {"net.toml"}


def test_a_network_file_that_is_not_there_or_gets_another_model_is_refused():
    assert_refused(
        run("simulate", "net.toml", "--out", "o.npz"), "Expected a network file at net.toml"
    )
    write(TEXT)
    result = run("simulate", "net.toml", "--out", "o.npz", "--model", "lif")
    assert result.exit_code == 2
    assert "Expected --model with an .npz file" in result.stderr


def test_a_network_file_of_format_2_connects_all_by_dense_weights():
    ring = "weights = [[0.0, 0.1, 0.0, 0.0]"
    assert ring in TEXT
    write(TEXT)
    sparse = run_ok("simulate", "net.toml", "--out", "o.npz", "--backend", "numpy", "--json").stdout
    write("version = 2\n" + TEXT)
    dense = run_ok("simulate", "net.toml", "--out", "o.npz", "--backend", "numpy", "--json").stdout
    assert json.loads(dense)["connections"] == json.loads(sparse)["connections"] + 12
    assert json.loads(dense)["spikes"] == json.loads(sparse)["spikes"]


def test_a_network_file_of_a_newer_format_is_refused_and_nothing_written():
    write("version = 7\n" + TEXT)
    result = run("simulate", "net.toml", "--out", "o.npz", "--backend", "numpy")
    assert_refused(result, "Expected version = 1 or 2 in net.toml but got 7; upgrade spiketheory")
    assert list_files() == {"net.toml"}
