"""Scans: one network file at many values, one file of results."""

import numpy as np
import pytest
from commands import run, run_ok

from spiketheory.reading import read_npz

NETWORK = """version = 2
[network]
duration = 6.0
seed = 1
[populations.cells]
model = "theta"
size = 6
parameters = {tau = 1.0, I0 = 0.75}
[[projections]]
pre = "cells"
post = "cells"
connect = {in_degree = 2}
weight = 0.1
delay = 0.5
"""
DRIVE = "populations.cells.parameters.I0"
QUICK = ("--backend", "numpy", "--workers", "1")


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(NETWORK)
    return path


def test_each_run_of_a_scan_is_that_of_a_file_with_this_number(network, tmp_path):
    out = tmp_path / "scan.npz"
    run_ok("simulate", network, "--out", out, "--scan", f"{DRIVE}=0.5:1:2",
           "--scan", "projections.1.weight=-0.1:0.3:3", *QUICK)  # fmt: skip
    found = read_npz(out)
    assert found["n_spikes"].shape == (2, 3)
    assert found["cells_V_end"].shape == (2, 3, 6)
    np.testing.assert_array_equal(found["populations_cells_parameters_I0"], [0.5, 1.0])
    one = tmp_path / "one.toml"
    one.write_text(NETWORK.replace("I0 = 0.75", "I0 = 1.0").replace("weight = 0.1", "weight = 0.3"))
    run_ok("simulate", one, "--out", tmp_path / "one.npz", "--backend", "numpy")
    alone = read_npz(tmp_path / "one.npz")
    own = slice(*found["offset"][5:7])
    np.testing.assert_array_equal(found["spike_time"][own], alone["spike_time"])
    np.testing.assert_array_equal(found["spike_neuron"][own], alone["spike_neuron"])
    np.testing.assert_array_equal(found["cells_V_end"][1, 2], alone["cells_V_end"])
    assert found["n_spikes"][1, 2] == len(alone["spike_time"]) > 0


def test_xarray_reads_the_axes_of_an_hdf5_file(network, tmp_path):
    h5py = pytest.importorskip("h5py")
    out = tmp_path / "scan.h5"
    run_ok("simulate", network, "--out", out, "--scan", f"{DRIVE}=0.5:50:3:log", *QUICK)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["populations_cells_parameters_I0"], [0.5, 5.0, 50.0])
        names = [dim.keys()[0] for dim in file["cells_V_end"].dims]
        assert names == ["populations_cells_parameters_I0", "neuron_of_cells_V"]
        assert file["population_name"][0] == b"cells"


def test_a_folder_of_networks_is_run_file_by_file(network, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for k in (2, 1):
        (folder / f"net{k}.toml").write_text(NETWORK.replace("seed = 1", f"seed = {k}"))
    run_ok("simulate", folder, "--out", tmp_path / "all.npz", *QUICK)
    found = read_npz(tmp_path / "all.npz")
    assert found["source"].tolist() == ["net1.toml", "net2.toml"]
    assert found["offset"].tolist() == [0, *np.cumsum(found["n_spikes"])]


REFUSED = {
    f"{DRIVE}=1:2": "NAME=FROM:TO:COUNT",
    f"{DRIVE}=0:2:3:log": "above 0",
    f"{DRIVE}=1:nan:3": "NAME=FROM:TO:COUNT",
    f"{DRIVE}=1:2:0": "NAME=FROM:TO:COUNT",
    f"{DRIVE}=1:2:3:cubic": "NAME=FROM:TO:COUNT",
    "populations.cell.parameters.I0=1:2:3": "'cell' of populations.cell.parameters.I0",
    "populations.cells.model=1:2:3": "Expected a number at populations.cells.model",
    "projections.2.weight=1:2:3": "1 to 1",
    "populations.cells.parameters.I9=1:2:3": "I9",
}


@pytest.mark.parametrize("scan", REFUSED)
def test_an_axis_that_is_none_is_refused_and_nothing_is_written(scan, network, tmp_path):
    found = run("simulate", network, "--out", tmp_path / "scan.npz", "--scan", scan, *QUICK)
    assert found.exit_code == 2
    assert REFUSED[scan] in found.output
    assert not (tmp_path / "scan.npz").exists()


def test_what_belongs_to_single_runs_is_refused_beside_a_scan(network, tmp_path):
    scan = ("--scan", f"{DRIVE}=1:2:2", *QUICK)
    out = ("--out", tmp_path / "scan.npz")
    assert run("simulate", network, *out, *scan, "--plot", tmp_path / "a.png").exit_code == 2
    assert run("simulate", network, "--out", tmp_path / "scan.csv", *scan).exit_code == 2
    assert run("simulate", network, *out, "--workers", "2").exit_code == 2
    assert run("simulate", tmp_path, *out, *scan).exit_code == 2
