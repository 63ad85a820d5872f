"""Fixtures of the tests of the command line."""

import shutil
from pathlib import Path

import pytest
from commands import SMALL, run_ok

import spiketheory.verification.verify


@pytest.fixture(scope="session")
def verified():
    """Derivations that were verified already, by model."""
    return {}


@pytest.fixture
def verify_once(verified, monkeypatch):
    """Verify a model once in all tests together; it takes a second or two."""
    real = spiketheory.verification.verify.verify

    def verify(ir, **_):
        key = ir.derivation.model.digest
        if key not in verified:
            verified[key] = real(ir)
        return verified[key]

    monkeypatch.setattr(spiketheory.verification.verify, "verify", verify)


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """A run of two epochs, not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    run_ok("train", *SMALL, "--out", folder)
    return folder


@pytest.fixture
def trained(trained_once):
    """A copy of it in the folder ``run``."""
    return Path(shutil.copytree(trained_once, "run"))
