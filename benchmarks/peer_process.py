"""The paper's code beside ours: handing it the same task, and taking turns with it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.machine import run_git
from benchmarks.suite import Session
from benchmarks.timing import Step
from sim.training.train import Trainer, TrainState

SCRIPT = Path(__file__).with_name("spikegd_peer.py")
CAPACITY = 200
"""Spikes per sample that the paper's configuration has room for; its time depends on nothing else.
A sample with more gets NaN."""


def find_interpreter(session: Session) -> str | None:
    """The interpreter for the paper's code, or None with a note that says why."""
    options = session.options
    if options.spikegd is None:
        session.note(
            "The paper's code: left out; check out github.com/chklos/spikegd and give --spikegd "
            "PATH (pip install jax optax jaxtyping)."
        )
        return None
    if options.spikegd_python is not None:
        return options.spikegd_python
    if find_spec("jax") is None or find_spec("optax") is None:
        session.note(
            "The paper's code: left out, JAX is missing; pip install jax optax jaxtyping, or give "
            "--spikegd-python an interpreter that has them."
        )
        return None
    return sys.executable


@contextmanager
def open_paper(
    session: Session, trainer: Trainer, state: TrainState, batch: int, precision: str
) -> Iterator[SimpleNamespace | None]:
    """The paper's code with our network and batch, compiled and waiting; None if it is left out.

    Yields:
        ``train`` and ``infer``, steps that return seconds per sample; ``loss`` of the batch, which
        must be ours; and ``version``, its commit and that of JAX.
    """
    python = find_interpreter(session)
    if python is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="spiketheory-bench-") as folder:
        task = Path(folder) / "task.npz"
        write_task(task, trainer, state, batch)
        session.show(f"compiling the paper's code, {precision}")
        with (Path(folder) / "errors.txt").open("w+") as errors:
            process = subprocess.Popen(
                [python, str(SCRIPT), str(session.options.spikegd), str(task), precision],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
            try:
                answer = read_answer(process)
                if answer is None:
                    errors.seek(0)
                    last = (errors.read().strip().splitlines() or ["no message"])[-1]
                    session.note(f"The paper's code: left out, it ended with: {last}")
                    yield None
                    return
                yield SimpleNamespace(
                    train=make_step(process, "train", batch),
                    infer=make_step(process, "infer", batch),
                    loss=answer["ready"]["infer"],
                    version=f"{describe_checkout(session.options.spikegd)}, jax {answer['jax']}",
                )
            finally:
                process.terminate()
                with suppress(BrokenPipeError):
                    process.communicate()


def write_task(path: Path, trainer: Trainer, state: TrainState, batch: int) -> None:
    """Our network and batch as arrays."""
    *weights, initial = state.parameters
    arrays: dict[str, Any] = {f"W{k}": w for k, w in enumerate(weights)}
    np.savez(
        path, **arrays, phi0=initial, bins=trainer.train_events.bins[:batch],
        labels=trainer.dataset.train_labels[:batch], capacity=CAPACITY,
    )  # fmt: skip


def read_answer(process: "subprocess.Popen[str]") -> Any:
    """The next line of JSON; None if the process has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    return json.loads(line) if line else None


def make_step(process: "subprocess.Popen[str]", name: str, batch: int) -> Step:
    """A step that has the process do something once."""

    def step() -> float:
        assert process.stdin is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        return float(read_answer(process)) / batch

    return step


def describe_checkout(folder: Path | None) -> str:
    """Commit of a checkout."""
    found = None if folder is None else run_git(folder, "log", "-1", "--format=%h")
    return f"spikegd {found or 'of unknown commit'}"
