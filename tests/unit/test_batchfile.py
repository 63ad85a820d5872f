import zipfile
from functools import partial

import numpy as np
import pytest

from derivations import compile_model
from sim.files.batch_file import (
    count_spikes_by_layer,
    read_arrays,
    read_batch_file,
    simulate_batch,
    write_arrays,
)
from spiketheory.errors import InputError, ModelError, SimulationError

COMPILE = partial(compile_model, backend="numpy")
REMOVED = object()


def make_arrays(**changes):
    """A batch of 3 samples through 3 inputs, 2 hidden neurons and 2 outputs."""
    rng = np.random.default_rng(1)
    arrays = {
        "model": "theta",
        "tau": 1.5,
        "T": 2.0,
        "gamma": 0.01,
        "input_times": np.array([0.1, 0.5]),
        "input_bins": np.array([[0, 1, 2], [1, 1, 0], [2, 2, 2]]),
        "labels": np.array([0, 1, 1]),
        "W0": 3 * rng.normal(size=(3, 2)),
        "W1": 3 * rng.normal(size=(2, 2)),
        "phi0": np.full(4, 1.0),
    }
    arrays |= changes
    return {name: value for name, value in arrays.items() if value is not REMOVED}


@pytest.fixture
def write(tmp_path):
    def write_file(**changes):
        path = tmp_path / "batch.npz"
        np.savez(path, **make_arrays(**changes))
        return path

    return write_file


def read(path, **options):
    return read_batch_file(path, compile_model=COMPILE, **options)


def test_every_field_arrives(write):
    batch = read(write())
    network = batch.network
    assert network.model.name == "theta"
    assert network.parameters == {"tau": 1.5, "I0": 1.25}
    assert network.duration == 2.0
    assert network.layer_sizes == (3, 2, 2)
    np.testing.assert_array_equal(network.weights[1], make_arrays()["W1"])
    np.testing.assert_array_equal(network.initial, np.full(4, 1.0))
    np.testing.assert_array_equal(batch.inputs.times, [0.1, 0.5])
    np.testing.assert_array_equal(batch.inputs.bins, make_arrays()["input_bins"])
    np.testing.assert_array_equal(batch.labels, [0, 1, 1])
    assert batch.gamma == 0.01


def test_optional_fields_have_defaults(write):
    batch = read(write(labels=REMOVED, gamma=REMOVED, phi0=REMOVED, tau=REMOVED))
    assert batch.labels is None
    assert batch.gamma == 0.0
    assert batch.network.parameters["tau"] == 1.0
    period = np.pi / np.sqrt(1.25 - 0.25)
    np.testing.assert_allclose(batch.network.initial, period / 2, rtol=1e-15)


def test_another_model_can_be_chosen(write):
    batch = read(write(phi0=REMOVED), model="qif_delta")
    assert batch.network.model.name == "qif_delta"


def test_a_result_file_is_a_batch_file_too(write):
    arrays = simulate_batch(read(write()))
    batch = read(write(**arrays))
    assert batch.network.layer_sizes == (3, 2, 2)


def test_with_labels_the_results_hold_loss_and_gradients(write):
    results = simulate_batch(read(write()))
    shapes = {name: array.shape for name, array in results.items()}
    n = len(results["spike_time"])
    assert n > 0
    assert shapes == {
        "t_out": (3, 2),
        "loss": (),
        "grad_W0": (3, 2),
        "grad_W1": (2, 2),
        "grad_phi0": (4,),
        "grad_input_times": (2,),
        "spike_sample": (n,),
        "spike_neuron": (n,),
        "spike_time": (n,),
    }
    assert all(np.isfinite(array).all() for array in results.values())


def test_without_labels_the_results_hold_the_same_spikes_alone(write):
    full, bare = simulate_batch(read(write())), simulate_batch(read(write(labels=REMOVED)))
    assert set(bare) == {"t_out", "spike_sample", "spike_neuron", "spike_time"}
    for name, array in bare.items():
        np.testing.assert_array_equal(array, full[name])


def test_spikes_are_counted_by_layer(write):
    network = read(write()).network
    assert count_spikes_by_layer(network, np.array([0, 3, 1, 1, 3])) == [3, 2]
    assert count_spikes_by_layer(network, np.array([], dtype=int)) == [0, 0]


def test_what_is_written_is_read_bit_for_bit(tmp_path):
    arrays = {"a": np.array([0.1, np.inf]), "b": np.arange(3), "name": np.array("theta")}
    write_arrays(tmp_path / "new" / "folder" / "out.npz", arrays)
    found = read_arrays(tmp_path / "new" / "folder" / "out.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].tobytes() == array.tobytes()


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "out.npz"
    write_arrays(path, {"a": np.zeros(1)})
    before = path.read_bytes()

    def fill_the_disk(file, **arrays):
        file.write(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill_the_disk)
    with pytest.raises(InputError, match=r"Expected to write .* No space left on device; choose"):
        write_arrays(path, {"a": np.ones(1)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


BAD_FIELDS = [
    ({"model": "hodgkin"}, "Expected a built-in model .* but got 'hodgkin'"),
    ({"model": 3.0}, r"Expected model to be one text but got float64 of shape \(\)"),
    ({"model": np.array(["theta"])}, r"Expected model to be one text but got <U5 of shape \(1,\)"),
    ({"tau": -1.0}, "Expected tau > 0 but got tau=-1.0"),
    ({"tau": np.nan}, "Expected tau > 0 but got tau=nan"),
    ({"tau": np.ones(2)}, r"Expected tau to be one number but got float64 of shape \(2,\)"),
    ({"I0": 0.25}, "Expected I0 > 1/4 but got I0=0.25"),
    ({"T": 0.0}, "Expected T > 0 but got T=0.0"),
    ({"T": np.nan}, "Expected T > 0 but got T=nan"),
    ({"T": "long"}, "Expected T to be one number but got <U4"),
    ({"gamma": -0.1}, "Expected gamma >= 0 but got gamma=-0.1"),
    ({"gamma": np.inf}, "Expected gamma >= 0 but got gamma=inf"),
    ({"W0": np.ones((2, 2))}, r"Expected 2 inputs \(rows of W0\) but got 3"),
    ({"W0": np.ones(3)}, r"Expected W0 of shape \(any, any\) but got shape \(3,\)"),
    ({"W0": np.ones((3, 0)), "W1": np.ones((0, 2))}, "Expected neurons on both sides of W0 but"),
    ({"W1": np.ones((3, 2))}, r"Expected W1 of shape \(2, any\) but got shape \(3, 2\)"),
    ({"W1": np.full((2, 2), np.nan)}, r"Expected finite numbers in W1 but got W1\[0, 0\]=nan"),
    ({"W1": np.full((2, 2), np.inf)}, r"Expected finite numbers in W1 but got W1\[0, 0\]=inf"),
    ({"W1": np.ones((2, 2), dtype=complex)}, "Expected numbers in W1 but got the type complex128"),
    ({"W3": np.ones((2, 2))}, "Expected the layers W0 to W2 without a gap but got W3; add W2"),
    ({"phi0": np.ones(3)}, r"Expected initial phi0 of shape \(4,\) but got shape \(3,\)"),
    ({"phi0": np.full(4, -1.0)}, "Expected every initial phi0 between 0 and .* but got values"),
    ({"phi0": np.full(4, np.nan)}, r"Expected finite numbers in initial phi0 but got"),
    ({"phi0": np.array(["a"] * 4)}, "Expected numbers in phi0 but got the type <U1"),
    ({"input_times": np.array([-0.1, 0.5])}, "Expected finite spike times >= 0 in strictly incre"),
    ({"input_times": np.array([0.5, 0.1])}, r"strictly increasing order but got .*0\.5, 0\.1"),
    ({"input_times": np.array([0.5, 0.5])}, "Expected finite spike times >= 0 in strictly incre"),
    ({"input_times": np.array([0.5, np.nan])}, "Expected finite spike times >= 0 in strictly inc"),
    ({"input_times": np.array([0.5, np.inf])}, "Expected finite spike times >= 0 in strictly inc"),
    ({"input_times": np.zeros(0)}, "Expected 1 to 255 spike times but got 0"),
    ({"input_times": np.array([0j, 1j])}, "Expected numbers in input_times but got the type com"),
    ({"input_bins": np.full((3, 3), 3)}, r"Expected bins in 0..2 but got bins\[0, 0\]=3"),
    ({"input_bins": np.full((3, 3), -1)}, r"Expected bins in 0..2 but got bins\[0, 0\]=-1"),
    ({"input_bins": np.ones((3, 3))}, "Expected whole numbers in bins but got type float64"),
    ({"input_bins": np.ones(3, dtype=int)}, r"Expected bins of shape \(any, any\) but got"),
    ({"labels": np.array([0, 1])}, r"Expected labels of shape \(3,\) but got shape \(2,\)"),
    ({"labels": np.array([0, 1, 2])}, "Expected labels from 0 to 1 but got 0 to 2"),
    ({"labels": np.array([0, 1, -1])}, "Expected labels from 0 to 1 but got -1 to 1"),
    ({"labels": np.array([0.0, 1.0, 1.0])}, "Expected whole numbers as labels but got float64"),
    ({"lables": np.array([0, 1, 1])}, "Expected fields among .* but got 'lables'; correct its nam"),
    ({"T": REMOVED}, "Expected the fields .* but T is missing"),
    ({"T": REMOVED, "W0": REMOVED}, "Expected the fields .* but T, W0 are missing .*; add them"),
    (
        {"input_bins": np.zeros((0, 3), dtype=int), "labels": np.zeros(0, dtype=int)},
        "Expected at least one sample but got none",
    ),
    (
        {"weights": np.ones((2, 2)), "input_weights": np.ones((2, 3)), "input_neurons": 0},
        "trial of a recurrent network; read it with sim.files.trial_file",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS)
def test_a_bad_field_is_refused_with_what_was_expected(changes, message, write):
    with pytest.raises((InputError, ModelError), match=message) as caught:
        simulate_batch(read(write(**changes)))
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_object_array_is_refused_without_unpickling(tmp_path):
    np.savez(tmp_path / "batch.npz", **make_arrays(W0=np.array([[1, None]], dtype=object)))
    with pytest.raises(InputError, match=r"Expected a NumPy .npz file .* Python objects"):
        read(tmp_path / "batch.npz")


def make_damaged(kind, path):
    whole = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("W0 = 1\n")
    elif kind == "single array":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    elif kind == "foreign member":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("README", "not an array")
    elif kind == "damaged member":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("W0.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': 'no")
    elif kind == "huge shape":
        header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000,)}"
        text = header.encode() + b" " * (118 - len(header) - 1) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("W0.npy", b"\x93NUMPY\x01\x00\x76\x00" + text)
    else:
        path.write_bytes(whole[: int(len(whole) * kind)])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file or directory"),
        ("folder", "Is a directory"),
        ("empty", "not an .npz archive"),
        ("text", "not an .npz archive"),
        ("single array", "not an .npz archive"),
        ("foreign member", "README is no array"),
        ("damaged member", "."),
        ("huge shape", "."),
        (0.1, "."),
        (0.5, "not a zip file"),
        (0.99, "not a zip file"),
    ],
)
def test_a_file_that_is_no_archive_of_arrays_is_refused(kind, reason, write):
    path = write()
    make_damaged(kind, path)
    with pytest.raises(InputError, match=f"Expected a NumPy .npz file at .* failed: .*{reason}"):
        read(path)


def test_every_flipped_byte_is_read_right_or_refused(write):
    path = write()
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 23):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        try:
            read(path)
        except (InputError, ModelError):
            refused += 1
    assert refused > len(whole) / 23 / 2


@pytest.mark.parametrize("labels", [np.array([0, 1, 1]), REMOVED])
def test_a_batch_that_fires_without_bound_is_refused_at_the_number_of_spikes_that_is_asked_for(
    write, labels
):
    r"""Without input each of two neurons spikes $T\sqrt{I_0}/(\pi\tau)$ = 42 times."""
    batch = read(write(I0=1e4, labels=labels, phi0=REMOVED, W0=np.zeros((3, 2))))
    assert np.sum(simulate_batch(batch, max_spikes=84)["spike_neuron"] < 2) == 3 * 84
    with pytest.raises(SimulationError, match="at most 50 spikes per layer and sample"):
        simulate_batch(batch, max_spikes=50)
