"""Fixtures of the tests of what goes wrong around the program."""

import shutil
from pathlib import Path

import pytest
from commands import SMALL, run_ok


@pytest.fixture
def trained(own_folder, tmp_path_factory):
    """A run of two epochs in the folder ``run``."""
    folder = tmp_path_factory.getbasetemp() / "trained_for_faults"
    if not folder.exists():
        run_ok("train", *SMALL, "--out", folder)
    return Path(shutil.copytree(folder, "run"))
