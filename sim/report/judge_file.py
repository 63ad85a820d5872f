"""What a run has learned of words and other sounds, kept beside its checkpoint."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.report.listening import Judge
from spiketheory.files import replace_atomically
from spiketheory.reading import DamagedError, read_npz

FORMAT = 1
NUMBERS = ("gamma", "bias", "threshold", "temperature")
ARRAYS = ("supports", "weights", "spread")


def hash_network(arrays: Mapping[str, np.ndarray]) -> str:
    """Hash of a network's numbers: what was learned belongs to these."""
    found = hashlib.sha256(str(FORMAT).encode())
    for name in sorted(arrays):
        found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def write_judge(path: Path, judge: Judge, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep a judge of a network, whole or not at all."""
    values: dict[str, Any] = {n: np.asarray(getattr(judge, n)) for n in (*ARRAYS, *NUMBERS)}
    with replace_atomically(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, network=np.array(hash_network(arrays)), **values)


def read_judge(path: Path, arrays: Mapping[str, np.ndarray]) -> Judge | None:
    """The judge of a network; None if none was kept, or it is damaged or of another network."""
    try:
        kept = read_npz(path)
        if str(kept["network"]) != hash_network(arrays):
            return None
        values = {name: np.asarray(kept[name], np.float64) for name in (*ARRAYS, *NUMBERS)}
        shape = values["weights"].shape + values["spread"].shape
        fits = len(shape) == 2 and values["supports"].shape == shape
        fits &= all(values[name].shape == () for name in NUMBERS)
        if not fits or not all(np.isfinite(value).all() for value in values.values()):
            return None
    except (DamagedError, LookupError, ValueError, TypeError):
        return None
    made: dict[str, Any] = {name: values[name] for name in ARRAYS}
    made |= {name: float(values[name]) for name in NUMBERS}
    return Judge(**made)
