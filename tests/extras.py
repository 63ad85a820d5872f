"""Packages of extras: tests of what needs one are skipped without, but not where all must run."""

import os
from importlib.util import find_spec

import pytest

ALL_MUST_RUN = os.environ.get("SPIKETHEORY_EXTRAS", "") not in ("", "0", "false")
"""Set by `.ci/run` after it has installed the extras."""


def need(package: str, extra: str) -> None:
    """Skip the module that calls unless a package is there; where all must run it is an error."""
    if find_spec(package) is not None:
        return
    reason = f'needs {package}, which is not installed: pip install ".[{extra}]"'
    if ALL_MUST_RUN:
        raise ModuleNotFoundError(reason)
    pytest.skip(reason, allow_module_level=True)
