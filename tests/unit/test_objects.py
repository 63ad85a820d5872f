"""What people hold in their hands: it pickles, copies, and shows itself in few letters."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sim
from derivations import compile_model, compile_readout, read_neuron_model
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.certification.certify import certify
from spiketheory.errors import ModelError
from spiketheory.machine.compile import CompiledModel
from spiketheory.machine.generated_file import find_again
from spiketheory.symbolic.derive import derive

PNG = b"\x89PNG"
MOST_LETTERS = 250


def make_network(model: CompiledModel) -> Network:
    return Network(
        populations=[Population(name="cells", model=model, size=2)],
        inputs=[SpikeTrains(name="world", size=2, times=[0.4, 0.6], channels=[0, 1])],
        projections=[
            Projection(pre="world", post="cells", weights=[[1.5, -0.7], [0.9, 1.1]], delays=0.1),
            Projection(pre="cells", post="cells", weights=[[0.0, 0.2], [0.3, 0.0]], delays=0.2),
        ],
        duration=5.0,
    )


def both_ways(thing):
    return pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_model_comes_back_as_the_model_of_this_process_for_kernels_are_kept_by_model(backend):
    model = compile_model("qif", backend=backend)
    special = model.at(model.defaults_of_constants)
    assert special.specialised == (backend == "numba")
    for one in (model, special, compile_model("theta", backend=backend)):
        assert all(other is one for other in both_ways(one))
    for backends in ("numba", "numpy"):
        assert compile_model("qif", backend=backends).backend == backends


def test_a_worker_loads_the_compiled_module_again_and_finds_the_same_spikes(tmp_path):
    network = make_network(compile_model("theta", backend="numpy"))
    recording = sim.simulate(network)
    assert len(recording.spike_time) >= 2
    (tmp_path / "sent").write_bytes(pickle.dumps((network, recording)))
    code = (
        "import pickle, sys, sim, derivations\n"
        "network, recording = pickle.load(open(sys.argv[1], 'rb'))\n"
        "model = network.populations[0].model\n"
        "assert model is derivations.compile_model('theta', backend='numpy')\n"
        "assert (sim.simulate(network).spike_time == recording.spike_time).all()\n"
        "print(len(recording.spike_time), 'sympy' in sys.modules)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "sent")]
    done = subprocess.run(
        arguments, capture_output=True, text=True, cwd=Path(sim.__file__).parents[1], check=True
    )
    assert done.stdout.split() == [str(len(recording.spike_time)), "False"]


def test_a_module_that_is_not_there_is_refused_with_the_remedy(tmp_path):
    where = str(tmp_path / "my_neuron_0.py")
    with pytest.raises(ModelError, match=r"got no file .*my_neuron_0.py; call compile_model"):
        find_again("spiketheory_generated_my_neuron_0", where, "abc")
    with pytest.raises(ModelError, match="of digest abc but got one of digest d4"):
        find_again("derivations.generated.theta", "", "abc")


@pytest.mark.parametrize("engine", ["events", "plain"])
def test_a_recording_that_was_pickled_can_still_be_gone_back_through(engine):
    network = make_network(compile_model("theta", backend="numpy"))
    recording = sim.simulate(network, record=True, engine=engine)
    slopes = np.linspace(1.0, 2.0, len(recording.spike_time))
    wanted = sim.differentiate(recording, spike_time=slopes)
    for other in both_ways(recording):
        found = sim.differentiate(other, spike_time=slopes)
        for a, b in zip(found.weights, wanted.weights, strict=True):
            assert np.array_equal(a, b)
        assert np.any(wanted.weights[0])


def list_things() -> dict[str, object]:
    model = compile_model("theta", backend="numpy")
    network = make_network(model)
    written = read_neuron_model("qif")
    trials = sim.Trials.from_pairs([([0.4], [0]), ([0.5], [1])], n_channels=2)
    recording = sim.simulate(network, record=True)
    readout = sim.LinearReadout(
        compiled=compile_readout("leaky_integrator", backend="numpy"), weights=np.ones((40, 2)),
        bias=np.zeros(40),
    )  # fmt: skip
    return {
        "compiled model": model,
        "written model": written,
        "derivation": derive(written),
        "certificate": certify(written),
        "network": network,
        "population": network.populations[0],
        "projection": network.projections[0],
        "recording": recording,
        "batch": sim.simulate(network, trials),
        "gradients": sim.differentiate(recording, spike_time=np.ones_like(recording.spike_time)),
        "trials": trials,
        "readout": readout,
        "compiled readout": readout.compiled,
        "loss": sim.make_first_spike_loss(gamma=0.1, duration=2.0),
        "loss of logits": sim.make_cross_entropy(),
    }


@pytest.fixture(scope="module")
def things() -> dict[str, object]:
    return list_things()


def test_everything_pickles_and_deep_copies(things):
    for name, thing in things.items():
        for other in both_ways(thing):
            assert type(other) is type(thing), name
            assert repr(other) == repr(thing)


def test_everything_is_told_in_a_few_letters(things):
    for name, thing in things.items():
        assert len(repr(thing)) < MOST_LETTERS, name
        assert type(thing).__name__ in repr(thing)
    many = sim.Network(
        populations=[Population(name="cells", model=things["compiled model"], size=2000)],
        duration=1.0,
    )
    for thing in (many, many.populations[0], sim.simulate(many)):
        assert len(repr(thing)) < MOST_LETTERS


def test_a_notebook_shows_equations_verdicts_rasters_and_the_network(things):
    for name in ("network", "recording", "batch"):
        assert things[name]._repr_png_().startswith(PNG)
    for name in ("written model", "derivation"):
        assert r"\frac{\mathrm{d} V}{\mathrm{d} t}" in things[name]._repr_latex_()
    assert r"\frac{\mathrm{d} V}{\mathrm{d} t}" in things["compiled model"]._repr_latex_()
    assert things["compiled model"]._repr_html_() is None
    html = things["certificate"]._repr_html_()
    assert "<b>qif: smooth.</b>" in html
    assert html.count("<tr>") == 8  # a header and H, C1 to C6


def test_a_figure_shows_itself_without_pyplot(things):
    from sim.analysis.network_figure import draw_network
    from sim.analysis.trial_figure import draw_recording

    assert draw_recording(things["recording"])._repr_png_().startswith(PNG)
    assert draw_network(things["network"])._repr_png_().startswith(PNG)
