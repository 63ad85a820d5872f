"""The pytest plugin: options and a fixture; importing it loads nothing but pytest.

Installed with the package; docs/checking.md shows a test that uses it.
"""

from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--spike-examples`` and ``--spike-seed``."""
    group = parser.getgroup("spiketheory", "property tests of neuron models")
    group.addoption("--spike-examples", type=int, default=100, metavar="N",
                    help="examples per property of the fixture check_spikes")  # fmt: skip
    group.addoption("--spike-seed", type=int, default=0, metavar="S",
                    help="seed of the fixture check_spikes")  # fmt: skip


@pytest.fixture
def check_spikes(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`spiketheory.testing.assert_spikes_only_shift` with the options' examples and seed."""
    defaults = {
        "examples": request.config.getoption("--spike-examples"),
        "seed": request.config.getoption("--spike-seed"),
    }

    def check(model: Any, **options: Any) -> Any:
        from spiketheory.testing import assert_spikes_only_shift

        return assert_spikes_only_shift(model, **{**defaults, **options})

    return check
