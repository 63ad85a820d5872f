"""Processes of a test's own: telling them from all others, and what a signal leaves of them."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from commands import ROOT, hear_signals

MARK = "SPIKETHEORY_TEST"
"""Variable by which the processes of one command, however far, are known."""
STARTED = []
"""Commands of the test that runs."""

MODEL = """
[model]
name = "mine"
equations = "dV/dt = (V**2 + I0)/tau"
spike = "V -> oo"
reset = "V = -oo"
input = "V += w"
rest = { V = 0 }

[parameters]
tau = { default = 1.5, domain = "tau > 0" }
I0 = { default = 0.5, domain = "I0 > 0" }
"""
"""A model file that no cache knows."""


class Command:
    """The program in a process group of its own."""

    def __init__(self, *arguments, code=None, **environment):
        self.mark = uuid.uuid4().hex
        program = ["-c", code] if code else [str(ROOT / "cli.py")]
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        STARTED.append(self)

    def signal(self, number, *, group=False):
        """Send a signal to the program, or to all of its group as a terminal does."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end(self, *, seconds=60):
        """Exit code, stdout and stderr; both are at their end when nobody holds the pipes."""
        stdout, stderr = self.process.communicate(timeout=seconds)
        return self.process.returncode, stdout, stderr

    def list_processes(self):
        """Process ids that are still there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                content = (folder / "environ").read_bytes()
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in content.split(b"\0"):
                found.append(int(folder.name))
        return found

    def wait_for_none(self, *, seconds=10):
        """Wait until none is left; returns those that are."""
        end = time.monotonic() + seconds
        while (left := self.list_processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def wait_for(self, condition, *, seconds=60):
        """Wait until something holds of a running program."""
        end = time.monotonic() + seconds
        while not condition() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
