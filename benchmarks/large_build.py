"""Building large networks: seconds, bytes and peak memory, each in a process of its own."""

import os
from typing import Any

from benchmarks.processes import run_child
from benchmarks.suite import Session

CASES = (
    ("in_degree", "one", "one"),
    ("out_degree", "one", "one"),
    ("total", "one", "one"),
    ("probability", "one", "one"),
    ("in_degree", "float32", "one"),
    ("in_degree", "float64", "one"),
    ("in_degree", "one", "three"),
    ("in_degree", "one", "own"),
    ("in_degree", "float32", "own"),
    ("listed", "float32", "three"),
)
"""Rule, weights, delays."""
SIZES = ((10_000, 100), (10_000, 1000), (100_000, 100))
"""Neurons, connections of each."""
LARGE = (1_000_000, 100)


def measure(session: Session) -> None:
    """Networks of one population, by rule, weights and delays; one thread."""
    options = session.options
    cases = [(*case, *size) for size in SIZES for case in CASES]
    cases += [(*CASES[0], *LARGE), (*CASES[4], *LARGE), (*CASES[1], *LARGE)]
    if options.quick or options.tiny:
        cases = [(*CASES[0], *((200, 10) if options.tiny else SIZES[0]))]
    for rule, weights, delays, n, degree in cases:
        name = f"{rule}, weights: {weights}, delays: {delays}, {n} x {degree}"
        session.show(f"building {name}")
        found = run_child(
            "building", rule, weights, delays, str(n), str(degree),
            env={"SPIKETHEORY_THREADS": "1"},
        )  # fmt: skip
        settings: dict[str, Any] = {"rule": rule, "weights": weights, "delays": delays}
        settings |= {"neurons": n, "degree": degree, "load_average": os.getloadavg()[0]}
        session.add(f"{name}: seconds", [found["seconds"]], "s", "lower", **settings)
        session.add(f"{name}: processor", [found["processor"]], "s", "lower", **settings)
        session.add(f"{name}: size", [found["bytes"]], "bytes each", "lower", **settings)
        session.add(f"{name}: peak", [found["peak"] / 2**20], "MiB", "lower", **settings)
