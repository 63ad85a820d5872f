"""Options, Hypothesis profiles and fixtures of all tests; README.md says where a test goes."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

LONG_ENOUGH = 60.0
"""Seconds of a run whose parts are worth knowing."""
COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("dev", max_examples=60, **COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, **COMMON)
settings.register_profile("deep", max_examples=6000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests marked slow")
    parser.addoption("--update", action="store_true", help="rewrite golden files")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; add --slow"))


def pytest_collection_finish() -> None:
    """Leave what stays until the end to itself, and look for rubbish less often.

    The collector would go through the objects of ten thousand tests again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long the tests of each folder took: the table of README.md is made of it."""
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = report.nodeid.split("/")[1].split("::")[0]
                seconds[folder] = seconds.get(folder, 0.0) + report.duration
    if sum(seconds.values()) > LONG_ENOUGH:
        terminalreporter.section("minutes of one core per folder")
        for folder, total in sorted(seconds.items(), key=lambda pair: -pair[1]):
            terminalreporter.line(f"{total / 60:6.2f}  {folder}")


@pytest.fixture(autouse=True)
def _strict_floats() -> Iterator[None]:
    """Make NumPy raise where it would warn; underflow is harmless.

    NumPy keeps these settings per thread: in the simulator's own threads the warnings are turned
    into errors by pytest's ``filterwarnings``.
    """
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(params=["numpy", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both backends, one after the other; the first use of numba compiles for 20 seconds."""
    name: str = request.param
    return name


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and no data or caches of a user."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("SPIKETHEORY_DATA", raising=False)
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Folder with reference results (docs/formats.md, 2); skips without it, but fails in CI."""
    return _require(ROOT.parent / "shared" / "reference")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with MNIST and the spoken digits; skips without it, but fails in CI."""
    named = os.environ.get("SPIKETHEORY_DATA")
    return _require(Path(named) if named else ROOT.parent / "shared" / "data")


def _require(folder: Path) -> Path:
    if folder.is_dir():
        return folder
    reason = f"needs {folder}, which is not on this machine"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
