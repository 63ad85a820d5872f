"""Large networks that cannot be run, or not to their end: said in words, and what ran is kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, run, run_ok, run_process

from sim.files.result_file import read_result

pytestmark = pytest.mark.usefixtures("own_folder")

NETWORK = """
version = 2
[network]
duration = {duration}
seed = 3
[populations.cells]
model = "lif_delta"
size = {size}
parameters = {{I0 = 1.3}}
initial = {{V = {{uniform = [0.0, 1.0]}}}}
[[projections]]
pre = "cells"
post = "cells"
rule = {{in_degree = {number}}}
weight = {weight}
delay = {delay}
"""
GIVEN = {"duration": 20.0, "size": 60, "number": 5, "weight": -0.05, "delay": 0.1}
WINDOWS = ("--backend", "numpy", "--engine", "windows")
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from sim.files import spike_stream
from sim.windows import simulate
from spiketheory.commands.main import main
spike_stream.PAUSE, spike_stream.CHUNK = 0.0, 4096
simulate.SHARES["numpy"] = 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
main(sys.argv[1:])
"""
"""The program where no file may grow beyond a limit."""


def write_network(**changes):
    Path("net.toml").write_text(NETWORK.format(**GIVEN | changes))


def simulate(*arguments):
    return run("simulate", "net.toml", *WINDOWS, *arguments)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        ("0.0", "cells -> cells has connections without a delay; .* choose the engine 'events'"),
        ("{uniform = [0.0, 0.1]}", "cells -> cells has connections without a delay"),
        ("1e-9", "has delays of 1e-09, of which T=20 has more than 1e\\+09"),
    ],
)
def test_delays_that_make_no_windows_are_refused(delay, message):
    write_network(delay=delay)
    Path("old.h5").write_text("what was there")
    for more in ((), ("--checkpoint-every", 5)):
        assert_refused(simulate("--out", "out.h5", *more), message)
        assert_refused(simulate("--out", "old.h5", *more), message)
    assert_refused(simulate("--out", "out.npz"), message)
    assert not Path("out.h5").exists()
    assert Path("old.h5").read_text() == "what was there"


def test_a_network_that_does_not_fit_is_refused_before_anything_is_laid_out():
    write_network(size=20_000_000, number=100_000)
    found = simulate("--out", "out.h5")
    assert_refused(found, r"a network of 2,000,000,000,000 connections that fits into .* GiB for")
    assert not Path("out.h5").exists()


def test_a_network_that_runs_away_keeps_its_spikes_and_names_a_neuron_and_its_rate():
    write_network(weight=0.3, number=20)
    for out in ("out.h5", "out.npz"):
        found = simulate("--out", out, "--max-spikes", 2000)
        assert found.exit_code == 2
        message = " ".join(found.stderr.split())
        assert "at most 2000 spikes" in message
        assert "of cells fires most" in message
        assert "per unit of time)" in message
        assert f"What ran up to then is in {out}" in message
        kept = read_result(Path(out))
        assert 2000 < len(kept.times) < 20_000


def test_a_disk_that_fills_up_ends_a_run_from_which_one_goes_on():
    write_network(size=1000)
    options = (*WINDOWS, "--checkpoint-every", 20, "--json")
    run_ok("simulate", "net.toml", "--out", "whole.h5", *WINDOWS)
    code, stdout, stderr = run_process(
        "simulate", "net.toml", "--out", "out.h5", *options, code=LIMITED.format(limit=1_150_000)
    )
    assert (code, stdout) == (2, "")
    assert "Expected room for the spikes in out.h5" in " ".join(stderr.split())
    whole, kept = read_result(Path("whole.h5")), read_result(Path("out.h5"))
    n = len(kept.times)
    assert 0 < n < len(whole.times)
    assert np.array_equal(kept.times, whole.times[:n])
    assert 0 < kept.time < 20
    done = run_ok("simulate", "net.toml", "--out", "out.h5", *options, "--resume")
    assert json.loads(done.stdout)["time"] == 20
    kept = read_result(Path("out.h5"))
    assert np.array_equal(kept.times, whole.times)
    assert np.array_equal(kept.neurons, whole.neurons)
