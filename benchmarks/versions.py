"""Two checkouts side by side: each in an environment of its own, their processes in turns.

The ratio of two processes that ran right after one another says more than two medians on a machine
whose speed changes; of the ratios of many such pairs the median is reported, with the interval in
which 95 % of medians of redrawn pairs lie.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiketheory.errors import InputError, SimulationError

CHILD = Path(__file__).with_name("version_child.py")
REDRAWN = 10_000


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How one step of the new version compares with the old one.

    Attributes:
        name: Name of the step.
        before: Median seconds of the old version.
        after: Median seconds of the new one.
        ratio: Median ratio, new by old.
        low: Lower end of its 95 % interval.
        high: Upper end.
        pairs: Number of pairs.
    """

    name: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    pairs: int


class Environment:
    """A checkout, installed in a virtual environment of its own.

    Args:
        checkout: Folder with a pyproject.toml.
        folder: Where the environment is made.
    """

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.cache = folder / "cache"
        self.python = folder / "bin" / "python"
        call([sys.executable, "-m", "venv", str(folder)])
        call([str(self.python), "-m", "pip", "install", "-q", str(checkout.resolve())])

    def measure(self) -> dict[str, float]:
        """Seconds by step, in a new process."""
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        env["NUMBA_CACHE_DIR"] = str(self.cache)
        text = call([str(self.python), str(CHILD)], env=env, cwd=self.python.parent)
        found: dict[str, float] = json.loads(text.splitlines()[-1])
        return found


def check_checkout(folder: Path) -> None:
    """Raise `InputError` unless a folder can be installed."""
    if not (folder / "pyproject.toml").is_file():
        raise InputError(
            f"Expected a checkout with a pyproject.toml but got {folder}; give the folders of two "
            "versions, or two result files."
        )


def call(words: Sequence[str], **options: object) -> str:
    """Run a program; returns what it printed.

    Raises:
        SimulationError: If it fails.
    """
    done = subprocess.run(list(words), capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise SimulationError(
            f"Expected {' '.join(words[:4])} to end well but it exited with {done.returncode}: "
            f"{done.stderr.strip()[-500:]}; mend that and run it again."
        )
    text: str = done.stdout
    return text


def compare_versions(
    before: Path, after: Path, *, pairs: int, on_pair: Callable[[int], None] = lambda k: None
) -> tuple[list[Ratio], dict[str, tuple[float, float]]]:
    """Time the steps of two checkouts.

    Args:
        before: The old checkout.
        after: The new one.
        pairs: Number of pairs of processes.
        on_pair: Called after each pair.

    Returns:
        The ratios; and for both versions the seconds of the first start, which compiles, and of the
        second.
    """
    with tempfile.TemporaryDirectory(prefix="spiketheory-versions-") as folder:
        versions = [Environment(c, Path(folder) / n) for c, n in ((before, "old"), (after, "new"))]
        first = [version.measure()["start"] for version in versions]
        second = [version.measure()["start"] for version in versions]
        found: list[list[dict[str, float]]] = [[], []]
        for k in range(pairs):
            for place in (0, 1) if k % 2 == 0 else (1, 0):
                found[place].append(versions[place].measure())
            on_pair(k)
    names = [name for name in found[0][0] if name != "start"]
    starts = {"first start": (first[0], first[1]), "second start": (second[0], second[1])}
    return [
        summarise(name, [row[name] for row in found[0]], [row[name] for row in found[1]])
        for name in names
    ], starts


def summarise(name: str, before: Sequence[float], after: Sequence[float]) -> Ratio:
    """The median ratio of pairs, and its 95 % interval by redrawing pairs."""
    ratios = np.array(after) / np.array(before)
    drawn = np.random.default_rng(0).choice(ratios, (REDRAWN, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Ratio(
        name=name, before=float(np.median(before)), after=float(np.median(after)),
        ratio=float(np.median(ratios)), low=float(low), high=float(high), pairs=len(ratios),
    )  # fmt: skip
