"""Simulators that step in time, with the networks of `benchmarks.large`."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peer_process import read_answer
from benchmarks.suite import Session

TAU = 20.0
"""What peers take for tau [ms]."""
STEP = TAU / 100
HERE = Path(__file__).parent


class Peer(NamedTuple):
    """One way that a peer simulates a model.

    Attributes:
        name: What the figure says.
        script: The program.
        model: Its name for the model.
    """

    name: str
    script: str
    model: str


GRID, PRECISE, BRIAN = "NEST, grid", "NEST, precise", "Brian2, C++"
NEST, CPP = "nest_peer.py", "brian_cpp_peer.py"
PEERS: dict[str, tuple[Peer, ...]] = {
    "lif_delta": (
        Peer(GRID, NEST, "iaf_psc_delta"), Peer(PRECISE, NEST, "iaf_psc_delta_ps"),
        Peer(BRIAN, CPP, "delta"),
    ),
    "lif": (
        Peer(GRID, NEST, "iaf_psc_exp"), Peer(PRECISE, NEST, "iaf_psc_exp_ps"),
        Peer(BRIAN, CPP, "exp"),
    ),
    "theta": (Peer(BRIAN, CPP, "theta"),),
}  # fmt: skip
"""By model; the others have none that steps the same equations."""
MISSING = {
    NEST: "NEST: left out; pip install nest-simulator in an environment of its own and give "
    "--nest-python its interpreter.",
    CPP: "Brian2's C++: left out; pip install brian2 in an environment of its own (with a C++ "
    "compiler) and give --brian-python its interpreter.",
}


class Answers:
    """A peer that waits for its turns."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def step(self) -> float:
        """Seconds per spike of another stretch of time."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = read_answer(self.process)
        return float(answer["seconds"]) / max(int(answer["spikes"]), 1)


@contextmanager
def open_peer(
    session: Session, python: str, peer: Peer, settings: dict[str, Any]
) -> Iterator[Answers | None]:
    """A peer with its network, in a process that ends with the block; None if it ended itself."""
    text = json.dumps(
        {
            **settings, "model": peer.model, "tau": TAU, "resolution": STEP,
            "delays": [TAU * delay for delay in settings["delays"]],
            "duration": TAU * settings["duration"],
        }
    )  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [python, str(HERE / peer.script), text], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=errors, text=True, env=env,
        )  # fmt: skip
        try:
            first = read_answer(process)
            if first is None:
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no message"])[-1]
                session.note(f"{peer.name}: left out, it ended with: {last}")
                yield None
            else:
                session.note(f"{peer.name}: version {first['version']}, steps of tau/100.")
                yield Answers(process)
        finally:
            process.terminate()
            with suppress(BrokenPipeError):
                process.communicate()


def list_peers(session: Session, model: str) -> list[tuple[str, Peer]]:
    """Peers of a model with the interpreter of each; a note says why one is left out."""
    interpreters = {NEST: session.options.nest_python, CPP: session.options.brian_python}
    found = []
    for peer in PEERS.get(model, ()):
        python = interpreters[peer.script]
        if python is None:
            session.note(MISSING[peer.script])
        else:
            found.append((python, peer))
    return found
