"""Fixtures of the tests of what goes wrong around the program."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from commands import SMALL, run_ok
from leftovers import STARTED


@pytest.fixture(autouse=True)
def heard_signals():
    """Signals as at a terminal, whatever the shell that started the tests ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def nobody_left():
    """What a test that fails has started does not run on."""
    yield
    for command in STARTED:
        for process in command.list_processes():
            os.kill(process, signal.SIGKILL)
    STARTED.clear()


@pytest.fixture
def trained_once(own_folder, tmp_path_factory):
    """A run of two epochs, not to be changed; its machine code is on disk then."""
    folder = tmp_path_factory.getbasetemp() / "trained_for_faults"
    if not folder.exists():
        run_ok("train", *SMALL, "--out", folder)
    return folder


@pytest.fixture
def trained(trained_once):
    """A copy of it in the folder ``run``."""
    return Path(shutil.copytree(trained_once, "run"))
