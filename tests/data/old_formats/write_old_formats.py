"""Writes the files of this folder; it was run at the last commit before network files of format 2.

In a checkout of that commit (see README.md here), with its own modules first on the path:

    python PATH/TO/write_old_formats.py FOLDER
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

NETWORK = """
[network]
duration = 5.0
seed = 3

[populations.left]
model = "theta"
size = 6
parameters = {tau = 1.0, I0 = {uniform = [0.8, 1.4]}}
initial = {V = {normal = [0.5, 0.4]}}

[populations.right]
model = "qif"
size = 4

[inputs.world]
size = 3
rate = 2.0

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
weight = 1.0

[[projections]]
pre = "right"
post = "left"
edges = [[0, 2, 0.7], [0, 4, 0.3]]

[[projections]]
pre = "right"
post = "right"
weights = [[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 4.0], [1.0, 0.0, 0.0, 0.0]]
"""
TRAIN = ("--dataset", "digits", "--hidden", "4", "--batch", "100", "--seed", "3")
TRAIN += ("--learning-rate", "0.05", "--duration", "3.0")


def run(*arguments: str) -> str:
    """Run a command of the checkout."""
    command = [sys.executable, "cli.py", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(out: Path) -> None:
    """Write inputs, and what the checkout makes of them."""
    rng = np.random.default_rng(7)
    np.savez(
        out / "batch.npz", model="theta", T=2.0, tau=1.909859317102744, I0=1.25,
        input_times=[0.3, 0.9], input_bins=rng.integers(0, 3, (3, 4)), labels=[0, 1, 1],
        W0=rng.uniform(-0.5, 3.0, (4, 3)), W1=rng.uniform(-0.5, 3.0, (3, 2)), gamma=0.02,
    )  # fmt: skip
    weights = np.where(rng.random((4, 4)) < 0.5, rng.uniform(-2, 4, (4, 4)), 0.0)
    trial = {
        "model": "qif", "T": 6.0, "tau_m": 1.2, "weights": weights, "delays": 0.2, "V0": 0.1,
        "input_weights": rng.uniform(2, 6, (4, 2)), "input_times": np.sort(rng.uniform(0, 6, 9)),
        "input_neurons": rng.integers(0, 2, 9),
    }  # fmt: skip
    np.savez(out / "trial.npz", **trial)
    run("simulate", str(out / "trial.npz"), "--out", str(out / "trial_result.npz"))
    with np.load(out / "trial_result.npz") as found:
        n_spikes = len(found["spike_time"])
    assert n_spikes > 4
    np.savez(out / "trial.npz", **trial, functional_coef=rng.normal(size=n_spikes))
    (out / "network.toml").write_text(NETWORK.lstrip(), encoding="utf-8")
    for name in ("batch.npz", "trial.npz", "network.toml"):
        stem = name.split(".")[0]
        run("simulate", str(out / name), "--out", str(out / f"{stem}_result.npz"))
    folder = str(out / "run")
    run("train", *TRAIN, "--epochs", "2", "--out", folder)
    evaluation = json.loads(run("evaluate", folder, "--json"))
    del evaluation["run"]
    shutil.copytree(folder, out / "longer")
    run("train", "--resume", str(out / "longer"), "--epochs", "3")
    with np.load(out / "longer" / "checkpoint.npz") as longer:
        resumed = {name: longer[name] for name in longer.files if name.startswith("array.")}
    np.savez(out / "resumed.npz", **{n.removeprefix("array."): a for n, a in resumed.items()})
    (out / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\n")
    shutil.rmtree(out / "longer")
    for name in ("learning_curves.png", "rasters.png"):
        os.remove(out / "run" / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
