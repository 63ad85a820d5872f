"""Network files of format 2: what they say, and what is refused."""

import re
import tomllib

import numpy as np
import pytest

from derivations import compile_model
from sim.files.network_file import Learnable, read_network_file
from spiketheory.errors import InputError

TEXT = """
version = 2
[network]
duration = 5.0
seed = 3
precision = "float32"
[populations.left]
model = "qif"
size = 3
initial = {V = [0.1, 0.2, 0.3]}
learn = ["V", "I", "tau_m"]
[populations.right]
model = "theta"
size = 2
learn = ["phi0"]
[inputs.world]
size = 2
[inputs.once]
size = 1
times = [0.5, 1.5]
[[projections]]
pre = "world"
post = "left"
weights = [[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]
port = "default"
[[projections]]
pre = "once"
post = "left"
weights = [[1.0], [2.0], [3.0]]
mask = [[true], [false], [true]]
delay = [0.5, 0.25]
learn = ["weights", "delays"]
[[projections]]
pre = "left"
post = "right"
weight = [1.0, 2.0]
mask = [[false, true, false], [false, false, true]]
learn = true
[[projections]]
pre = "left"
post = "left"
edges = [[0, 1, 0.0], [2, 0, 0.5]]
delay = {uniform = [1.0, 2.0]}
learn = false
[readouts.answer]
population = "right"
n_spikes = 2
neurons = [1, 0]
kind = "first_spikes"
[loss]
kind = "target_time"
targets = [[1.0, inf], [2.0, 3.0]]
[training]
steps = 3
"""


def compile_numpy(name):
    return compile_model(name, backend="numpy")


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "net.toml"
        path.write_text(text)
        return read_network_file(path, compile_model=compile_numpy)

    return read_text


def test_what_is_connected_is_said_by_masks_edges_and_patterns(read):
    network = read(TEXT).network
    full, masked, drawn, edges = network.projections
    assert full.is_full
    assert full.dense.tolist() == [[0, 1], [2, 0], [0, 0]]
    assert masked.matrix.nnz == 2
    assert masked.matrix.data.tolist() == [1.0, 3.0]
    assert masked.edge_delays.tolist() == [0.5, 0.25]
    assert drawn.dense.tolist() == [[0, 1, 0], [0, 0, 2]]
    assert drawn.matrix.nnz == 2
    assert edges.matrix.nnz == 2
    assert np.all((edges.edge_delays > 1) & (edges.edge_delays < 2))
    assert network.precision == "float32"
    assert len(network.inputs[0].times) == 0
    assert network.n_channels == 3
    neurons, n_spikes = network.find_readout()
    assert neurons.tolist() == [4, 3]
    assert n_spikes == 2


def test_what_learns_and_what_for_is_read(read):
    found = read(TEXT)
    assert found.learn == (
        Learnable("weights", 1),
        Learnable("delays", 1),
        Learnable("weights", 2),
        Learnable("initial", 0, "V"),
        Learnable("initial", 0, "I"),
        Learnable("parameter", 0, "tau_m"),
        Learnable("initial", 1, "phi0"),
    )
    assert found.loss.loss.name == "target_time"
    assert found.loss.readout.name == "answer"
    assert found.loss.targets.tolist() == [[1.0, np.inf], [2.0, 3.0]]
    assert found.training == {"steps": 3}
    assert found.tables == tomllib.loads(TEXT)


def replace_loss(text, loss):
    before, _, after = text.partition("[loss]")
    return before + "[loss]\n" + loss + after[after.index("\n[training]") :]


def test_losses_of_labels_and_spike_trains_are_read(read):
    label = read(replace_loss(TEXT, "kind = 'first_spike'\ngamma = 0.5\nlabel = 1")).loss
    assert label.loss.settings == (0.5, 5.0)
    assert label.targets == 1
    trains = read(replace_loss(TEXT, "kind = 'spike_trains'\ntargets = [[1.0, 2.0], []]")).loss
    assert trains.loss.n_required == 3
    assert trains.loss.settings == (1.1 * 5, 0.2 * 5)
    assert trains.targets.tolist() == [[1.0, 2.0, np.inf], [np.inf] * 3]
    by_label = TEXT.replace("n_spikes = 2\n", "")
    times = read(replace_loss(by_label, "kind = 'target_time'\ntarget_label = 0.25")).loss
    assert times.targets is None
    assert times.label_times == (1.25, 5.0)


def test_a_file_may_name_the_network_of_another(read, tmp_path):
    before, _, after = TEXT.partition("[loss]")
    (tmp_path / "other.toml").write_text(before)
    found = read("version = 2\nnetwork = 'other.toml'\n[loss]" + after)
    assert found.network.n_neurons == 5
    assert found.training == {"steps": 3}
    assert found.tables == tomllib.loads(TEXT)
    (tmp_path / "other.toml").write_text(before.replace("version = 2", ""))
    with pytest.raises(InputError, match=r"Expected a network file of version 2 with \[network\]"):
        read("version = 2\nnetwork = 'other.toml'")
    with pytest.raises(InputError, match=r"Expected a network file at .* reading it failed"):
        read("version = 2\nnetwork = 'none.toml'")


def test_a_port_has_the_name_that_the_model_file_gives_it(read, tmp_path):
    model = """
[model]
name = "driven"
equations = "dV/dt = I0"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0}
[model.inputs]
exc = "V += w"
[parameters]
I0 = {default = 1.0, domain = "I0 > 0"}
"""
    (tmp_path / "mine.toml").write_text(model)
    text = TEXT.replace('"theta"', '"mine.toml"').replace('learn = ["phi0"]\n', "")
    assert read(text).network.populations[1].model.ports == ("default", "exc")
    named = text.replace("weight = [1.0, 2.0]", "weight = [1.0, 2.0]\nport = 'exc'")
    assert read(named).network.projections[2].post == "right"
    with pytest.raises(InputError, match=r"port of .* to be one of default, exc in .*'inh'"):
        read(named.replace("'exc'", "'inh'"))
    (tmp_path / "mine.toml").write_text(model.replace("exc =", "inh = 'V -= w'\nexc ="))
    assert read(named).network.projections[2].port == "exc"
    assert read(text).network.projections[2].port == "default"
    assert read(text).network.populations[1].model.find_port("default") == 0
    assert read(text).network.populations[1].model.find_port("exc") == 1


STEPS = 'size = 1\nsteps = [[0.0, 1.0], [2.0, 0.5]]\n[[projections]]\npre = "world"'
ONCE = 'size = 1\ntimes = [0.5, 1.5]\n[[projections]]\npre = "world"'
REFUSED = [
    ("version = 2", "version = 3", r"Expected version = 1 or 2 in .* but got 3; upgrade"),
    ("version = 2", "version = true", "Expected version = 1 or 2 in .* but got True"),
    ("version = 2", "", "Expected network, populations, inputs, projections in the file"),
    ('"float32"', '"float16"', r"precision of \[network\] to be one of float64, float32"),
    ('learn = ["phi0"]', 'learn = ["V"]', "learn of .*right.* to be one of phi0, tau, I0"),
    ('learn = ["phi0"]', "learn = true", r"a list for learn of \[populations.right\]"),
    ('"V", "I", "tau_m"', '"V", "V"', "Expected different names in learn of"),
    ("times = [0.5, 1.5]", "times = [1.0]\nrate = 1.0", "Expected one of rate, times, steps in"),
    ('port = "default"', 'port = "exc"', "port of .* to be one of default in .* but got 'exc'"),
    ('port = "default"', "port = 3", "port of .* to be one of default in .* but got 3"),
    ("mask = [[true], [false]", "mask = [[true], [1]", r"Expected true or false in mask of .* 1;"),
    ("mask = [[true], [false], [true]]", "mask = [[true]]", "Expected 3 rows of 1 in mask"),
    ("delay = [0.5, 0.25]", "delay = [0.5]", "Expected one delay for each of the 2 connections"),
    ("delay = [0.5, 0.25]\n", "", "Expected delay of .* 2, since it learns in .* but got none"),
    ("delay = [0.5, 0.25]", "delay = -1", "Expected delays of once -> left >= 0"),
    ("weight = [1.0, 2.0]", "weight = [1.0]", "Expected one weight for each of the 2 connections"),
    ("weight = [1.0, 2.0]", "weight = 1\nconnect = 'all'", "Expected either mask or connect in"),
    ("[2, 0, 0.5]]", "[2, 0, 0.5]]\nmask = [[true]]", "Expected either mask or edges in"),
    ("[2, 0, 0.5]]", "[2, 0, 0.5]]\nconnect = 'all'", "connect of .* with weight in .* edges"),
    ("[2, 0, 0.5]]", "[2, 0]]", "Expected equally long rows for edges of"),
    ("[[0, 1, 0.0], [2, 0, 0.5]]", "[[0, 1]]", r"Expected \[pre, post, weight\] for every edge"),
    ("learn = false", "learn = ['tau']", "learn of .* 4 to be one of weights, delays in"),
    ('population = "right"', 'population = "up"', "Expected the population of readout answer to"),
    ("n_spikes = 2", "n_spikes = 0", "Expected at least one spike in readout answer"),
    ("neurons = [1, 0]", "neurons = [2]", "Expected neurons 0 to 1 of right in readout answer"),
    ('"first_spikes"', '"rates"', r"kind of \[readouts.answer\] to be one of first_spikes in"),
    (
        '"target_time"',
        '"distance"',
        "to be one of first_spike, target_time, spike_trains, cross_entropy, squared_error in",
    ),
    ('"target_time"', '"first_spike"', r"Expected kind, readout, gamma, label in \[loss\]"),
    ("[[1.0, inf], [2.0, 3.0]]", "[[1.0], [2.0]]", "Expected 2 target times for each of 2 neurons"),
    ("[[1.0, inf], [2.0, 3.0]]", "[[1.0, nan], [2.0, 3.0]]", "but got nan; write inf"),
    (
        "targets = [[1.0, inf], [2.0, 3.0]]",
        "readout = 'x'",
        r"readout of \[loss\] to be one of ans",
    ),
    ("targets = [[1.0, inf], [2.0, 3.0]]", "", r"Expected targets in \[loss\] in .* but got none"),
    ("[training]\nsteps = 3", "", None),
    (ONCE, STEPS, r"current of once -> left to lead to a port of .* dX/dt = 0 .* got the port def"),
    (ONCE, STEPS.replace("2.0, 0.5", "0.0, 0.5"), "Expected times >= 0 that rise for steps of"),
    (ONCE, STEPS.replace(", 0.5", ""), "Expected equally long rows for steps of"),
    (ONCE, STEPS.replace("[2.0, 0.5]", "[2.0, nan]"), "Expected pairs of time and current"),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED, ids=[n[:30] for _, n, _ in REFUSED])
def test_a_file_that_makes_no_sense_is_refused(read, old, new, message):
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if message is None:
        read(text)
        return
    with pytest.raises(InputError) as caught:
        read(text)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert re.search(r"^Expected .* but .*; .*\.$", str(caught.value))


TRAINS = "kind = 'spike_trains'\ntargets = "


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (TRAINS + "[[1.0]]", "Expected 2 lists of spike times in targets"),
        (TRAINS + "[[2.0, 1.0], []]", r"Expected times >= 0 that rise in targets .* \[2.0, 1.0\]"),
        (TRAINS + "[[-2.0], []]", "Expected times >= 0 that rise in targets"),
        (TRAINS + "[[0.0], []]\nsoften = 0", "Expected soften > 0"),
        (TRAINS + "[[1.0], []]\nsilent_after = -1", "a finite number >= 0 for silent_after"),
        ("kind = 'first_spike'\ngamma = -1", "Expected a finite number >= 0 for gamma"),
        ("kind = 'first_spike'\nlabel = 2", r"Expected label of \[loss\] to be 0 to 1"),
        ("kind = 'target_time'\ntargets = [[1.0, 2.0], [1.0, 1.0]]\ntarget_label = 1.0", "both"),
    ],
)  # fmt: skip
def test_a_loss_that_makes_no_sense_is_refused(read, loss, message):
    with pytest.raises(InputError, match=message):
        read(replace_loss(TEXT, loss))


def test_an_sd_of_minus_zero_is_zero(read):
    network = read(TEXT.replace("[0.1, 0.2, 0.3]", "{normal = [0.1, -0.0]}")).network
    np.testing.assert_array_equal(network.populations[0].initial["V"], [0.1, 0.1, 0.1])


DRAWN = """
version = 2
[network]
duration = 10.0
seed = 3
[populations.cells]
model = "theta"
size = 2
[inputs.burst]
size = 2
process = "poisson"
rate = [[0.0, 1.0], [5.0, [0.0, 20.0]]]
[inputs.clock]
size = 2
process = "regular"
rate = 0.5
phase = [0.0, 0.5]
[inputs.other]
size = 2
process = "poisson"
rate = 1.0
seed = 8
"""


def read_text(tmp_path, text):
    path = tmp_path / "network.toml"
    path.write_text(text)
    return read_network_file(path, compile_model=lambda name: compile_model(name, backend="numpy"))


def test_inputs_with_a_process_are_drawn_of_their_name_and_the_seed(tmp_path):
    burst, clock, other = read_text(tmp_path, DRAWN).network.inputs
    assert burst.starts.tolist() == [0.0, 5.0]
    assert burst.table.tolist() == [[1.0, 1.0], [0.0, 20.0]]
    assert clock.times.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    assert clock.channels.tolist() == [1, 0] * 5
    assert other.seed == 8
    more = DRAWN.replace("[inputs.burst]", "[inputs.more]\nsize = 3\nrate = 2.0\n[inputs.burst]")
    assert np.array_equal(read_text(tmp_path, more).network.inputs[1].times, burst.times)
    changed = DRAWN.replace("seed = 3", "seed = 4")
    assert len(burst.times) > 50
    assert not np.array_equal(read_text(tmp_path, changed).network.inputs[0].times, burst.times)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"regular"', '"gamma"', "process of [inputs.clock] to be one of poisson, regular"),
        ("rate = 0.5\n", "", "rate with process in [inputs.clock]"),
        ("rate = 0.5", "rate = 0.5\ntimes = [1.0]", "rate with process in [inputs.clock]"),
        ("[5.0, [0.0, 20.0]]", "[5.0, [20.0]]", "2 rates, one per channel, in a step of rate"),
        ("[5.0, [0.0, 20.0]]", "[5.0]", "pairs of a time and a rate for rate of [inputs.burst]"),
        ("[[0.0, 1.0]", "[[1.0, 1.0]", "times that rise from 0 on in the rates of burst"),
        ("seed = 8", "phase = 0.5", 'phase of [inputs.other] with process = "regular"'),
        ("version = 2\n", "", "size, rate, times, channels in [inputs.burst]"),
    ],
)
def test_malformed_processes_are_refused(tmp_path, old, new, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_text(tmp_path, DRAWN.replace(old, new, 1))
