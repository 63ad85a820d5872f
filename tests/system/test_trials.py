"""Trial files through the command line: answer keys, figures, early ends, refused files."""

import json
import signal
import time

import numpy as np
import pytest
from commands import assert_refused, list_files, run, run_ok, run_process, start_process

TIMES, GRADIENTS = 1e-11, 1e-9
pytestmark = pytest.mark.usefixtures("own_folder")


def write_trial(path="trial.npz", **changes):
    """Two theta neurons, one input channel."""
    arrays = {
        "model": "theta", "T": 6.0, "tau": 1.1, "I0": np.array([1.2, 0.9]),
        "weights": np.array([[0.0, 0.4], [-0.3, 0.0]]), "V0": np.array([0.1, 0.6]),
        "input_weights": np.array([[0.5], [0.2]]), "input_times": np.array([0.7, 1.9]),
        "input_neurons": np.array([0, 0]),
    }  # fmt: skip
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
    return path


def load(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("name", ["qif", "lif"])
def test_the_answer_keys_are_reproduced(name, reference_dir):
    path = reference_dir / f"{name}_recurrent.npz"
    key = load(path)
    run_ok("simulate", path, "--out", "out.npz", "--backend", "numpy", "--plot", "picture.png")
    assert list_files() == {"out.npz", "picture.png"}
    got = load("out.npz")
    assert got["spike_neuron"].tolist() == key["spike_neuron"].tolist()
    np.testing.assert_allclose(got["spike_time"], key["spike_time"], rtol=TIMES)
    for field in ("V_end", "I_end"):
        np.testing.assert_allclose(got[field], key[field], rtol=TIMES)
    fields = [field for field in key if field.startswith("grad_")]
    assert len(fields) == 5
    for field in fields:
        np.testing.assert_allclose(got[field], key[field], rtol=GRADIENTS, err_msg=field)


def test_a_trial_gives_spikes_states_and_on_request_gradients():
    summary = json.loads(
        run_ok("simulate", write_trial(), "--out", "a.npz", "--backend", "numpy", "--json").stdout
    )
    plain = load("a.npz")
    n = len(plain["spike_time"])
    assert n > 1
    assert summary["spikes"] == n
    assert summary["populations"] == [{"name": "neurons", "model": "theta", "size": 2, "spikes": n}]
    assert set(plain) == {"spike_time", "spike_neuron", "V_end"}
    write_trial("with.npz", functional_coef=np.ones(n), delays=np.full((2, 2), 0.25))
    text = run_ok("simulate", "with.npz", "--out", "b.npz", "--backend", "numpy").output
    assert "2 theta neurons (neurons)" in text
    found = load("b.npz")
    assert found["grad_I0"].shape == (2,)
    assert found["grad_tau"].shape == ()
    assert found["grad_delays"].shape == (2, 2)
    assert found["grad_delays"][0, 0] == 0.0
    assert found["grad_V0"].shape == (2,)
    assert found["functional"] == found["spike_time"].sum()


def test_both_engines_agree_also_in_gradients_and_old_names_are_understood():
    write_trial()
    found = {}
    for engine in ("auto", "events", "plain", "lazy", "eager"):
        options = ("--out", "o.npz", "--backend", "numpy", "--engine", engine)
        run_ok("simulate", "trial.npz", *options)
        n = len(load("o.npz")["spike_time"])
        write_trial("with.npz", functional_coef=np.ones(n))
        run_ok("simulate", "with.npz", *options)
        found[engine] = load("o.npz")
    for name, value in found["events"].items():
        np.testing.assert_allclose(found["plain"][name], value, rtol=1e-10, atol=1e-12)
        for one, other in (("auto", "events"), ("lazy", "events"), ("eager", "plain")):
            np.testing.assert_array_equal(found[one][name], found[other][name])


def test_layers_refuse_a_single_trial():
    write_trial()
    result = run("simulate", "trial.npz", "--out", "o.npz", "--engine", "layers")
    assert_refused(result, "Expected the engine 'windows', 'events' or 'plain' for a single trial")


def test_a_network_that_fires_without_bound_is_an_error_and_its_spikes_are_kept():
    write_trial(model="lif_delta", I0=2.0, V0=None, tau=1.0, weights=np.full((2, 2), 1.5))
    result = run(
        "simulate", "trial.npz", "--out", "o.npz", "--backend", "numpy", "--max-spikes", 50
    )
    assert_refused(result, r"Expected at most 50 spikes but got more .* neuron \d of neurons fires "
                           r"most.*ran up to then is in o.npz")  # fmt: skip
    assert len(load("o.npz")["spike_time"]) == 51
    assert load("o.npz")["t_end"] < 6.0


def test_ctrl_c_ends_a_run_and_writes_what_it_did():
    rng = np.random.default_rng(0)
    n = 30
    write_trial(T=1e9, tau=1.0, I0=1.25, weights=rng.normal(0, 0.1, (n, n)), V0=None,
                input_weights=None, input_times=None, input_neurons=None)  # fmt: skip
    process = start_process(
        "simulate", "trial.npz", "--out", "o.npz", "--backend", "numpy",
        "--max-spikes", 10**9,
    )  # fmt: skip
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Stopped at t = " in stdout
    kept = load("o.npz")
    assert 0 < kept["t_end"] < 1e9
    assert kept["spike_time"].max() <= kept["t_end"]


REFUSED = [
    ({"T": 0.0}, "Expected duration > 0 but got duration=0.0"),
    ({"T": np.nan}, "Expected duration > 0 but got duration=nan"),
    ({"weights": np.zeros((2, 3))}, r"Expected weights of shape \(2, 2\) but got shape \(2, 3\)"),
    ({"weights": np.zeros((0, 0)), "I0": None, "V0": None}, "Expected at least one neuron"),
    ({"weights": np.array([[0, np.nan], [0, 0]])}, "Expected finite numbers in weights of"),
    ({"weights": np.array([["a", "b"], ["c", "d"]])}, "Expected numbers in weights but got"),
    ({"input_weights": np.ones((3, 1))}, "Expected weights of inputs -> neurons of shape"),
    ({"input_neurons": np.array([0, 1])}, "Expected channels 0 to 0 in inputs"),
    ({"input_times": None}, "input_times is missing"),
    ({"model": None}, "model is missing"),
    ({"delays": np.full((2, 2), -0.1)}, "Expected delays of neurons -> neurons >= 0 but got -0.1"),
    ({"tau": -1.0}, "Expected tau > 0 but got tau=-1"),
    ({"tua": 1.0}, "got 'tua'"),
    ({"V0": np.array([0.1])}, r"Expected V of neurons of shape \(2,\)"),
    ({"functional_coef": np.ones(99)}, "Expected functional_coef to have one entry for each"),
    ({"functional_coef": np.array([np.nan])}, "Expected finite numbers in functional_coef"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_a_trial_file_that_makes_no_sense_is_refused(changes, message):
    write_trial(**changes)
    result = run("simulate", "trial.npz", "--out", "out.npz", "--backend", "numpy")
    assert_refused(result, message)
    assert list_files() == {"trial.npz"}


def test_options_of_trials_are_refused_for_feedforward_batches():
    from commands import write_batch

    result = run("simulate", write_batch(), "--out", "o.npz", "--plot", "p.png")
    assert result.exit_code == 2
    assert "Expected --plot and --engine events or plain with a trial" in result.stderr


def test_the_program_runs_a_trial_in_a_process_of_its_own():
    code, stdout, stderr = run_process(
        "simulate", write_trial(), "--out", "o.npz", "--backend", "numpy"
    )
    assert (code, stderr) == (0, "")
    assert "Wrote spike_time, spike_neuron, V_end to o.npz." in stdout
