"""Files of pinned numbers, the machine that wrote them, and how closely they are met elsewhere."""

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np

FOLDER = Path(__file__).parent / "numbers"
MACHINE_FILE = Path(__file__).parent / "machine.json"

REORDERED: frozenset[str] = frozenset()
"""Networks with sums that may be reordered: to 1e-13 even on the machine that wrote them."""
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
"""Elsewhere, relative to the largest entry of an array: other libraries round otherwise."""
REORDERED_TOLERANCE = {"float64": 1e-13, "float32": 1e-5}

Arrays = Mapping[str, np.ndarray]


def describe_machine() -> dict[str, str]:
    """Everything that bits depend on: the processor, as LLVM sees it, and what computes on it."""
    features = llvmlite.binding.get_host_cpu_features().flatten()
    return {
        "processor": llvmlite.binding.get_host_cpu_name(),
        "features": hashlib.sha256(features.encode()).hexdigest()[:16],
        "libc": " ".join(platform.libc_ver()),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
    }


def read_machine() -> dict[str, str]:
    """The machine that wrote the numbers; nothing before the first time."""
    if not MACHINE_FILE.exists():
        return {}
    found: dict[str, str] = json.loads(MACHINE_FILE.read_text(encoding="utf-8"))
    return found


MACHINE = read_machine()


def write_machine() -> None:
    """Say that this machine wrote the numbers."""
    MACHINE_FILE.write_text(json.dumps(describe_machine(), indent=2) + "\n", encoding="utf-8")


def get_path(name: str) -> Path:
    """The file of a network."""
    return FOLDER / f"{name}.npz"


def read(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What goes into a network, and what came out of it."""
    with np.load(get_path(name)) as file:
        parts = [
            {key.removeprefix(part): file[key] for key in file if key.startswith(part)}
            for part in ("in.", "out.")
        ]
    return parts[0], parts[1]


def write(name: str, drawn: Arrays, found: Arrays) -> None:
    """Store them."""
    FOLDER.mkdir(exist_ok=True)
    named = {f"in.{key}": value for key, value in drawn.items()}
    named |= {f"out.{key}": value for key, value in found.items()}
    np.savez_compressed(get_path(name), **named)


def choose_tolerance(name: str, precision: str, machine: Mapping[str, str]) -> float:
    """How far numbers of a network may lie from the pinned ones on a machine; 0 is bit for bit."""
    if machine != MACHINE:
        return TOLERANCE[precision]
    return REORDERED_TOLERANCE[precision] if name in REORDERED else 0.0


def compare(found: Arrays, pinned: Arrays, tolerance: float) -> None:
    """Raise `AssertionError` unless the numbers are the pinned ones, whole numbers exactly.

    The tolerance is in units of the largest entry of each array.
    """
    assert sorted(found) == sorted(pinned)
    for key, want in pinned.items():
        got = found[key]
        if tolerance == 0 or want.dtype.kind != "f":
            np.testing.assert_array_equal(got, want, key, strict=True)
            continue
        assert (got.shape, got.dtype) == (want.shape, want.dtype), key
        largest = np.abs(want).max(initial=0.0)
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * largest, err_msg=key)
