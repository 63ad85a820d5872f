"""Spikes that ``simulate`` wrote, of one run, from ``.npz`` or HDF5."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.spike_data import SpikeData
from sim.files.batch_file import read_arrays
from sim.files.spike_stream import import_h5py
from spiketheory.errors import InputError
from spiketheory.memory import check_memory
from spiketheory.reading import DamagedError, catch_damage

NEEDED = ("spike_time", "spike_neuron", "population_name", "population_size", "t_end")
BYTES_PER_SPIKE, BYTES_PER_NEURON = 60, 100
"""Of what statistics make of a file."""


def read_result(path: Path) -> SpikeData:
    """Read the spikes of a run; also of one that goes on, or was killed, if it writes HDF5.

    Raises:
        InputError: If the file cannot be read, or holds something else.
    """
    if path.suffix != ".h5":
        return check_result(path, read_arrays(path))
    h5py = import_h5py()
    try:
        with catch_damage():
            check_memory(BYTES_PER_SPIKE / 12 * path.stat().st_size, f"the spikes of {path}")
            with h5py.File(path, "r", swmr=True, libver="latest") as file:
                return check_result(path, read_fields(file))
    except DamagedError as err:
        raise InputError(
            f"Expected an HDF5 file of spikes at {path} but got: {err}; name one that simulate "
            "wrote."
        ) from err


def read_fields(file: Any) -> dict[str, np.ndarray]:
    """The fields of an open file; spikes that are written half are left out."""
    found = {name: file[name][()] for name in (*NEEDED, "recorded") if name in file}
    if "population_name" in found:
        found["population_name"] = file["population_name"].asstr()[()]
    if "spike_time" in found and "spike_neuron" in found:
        n = min(len(found["spike_time"]), len(found["spike_neuron"]))
        whole = np.searchsorted(found["spike_time"][:n], found.get("t_end", np.inf), side="right")
        found |= {name: found[name][:whole] for name in ("spike_time", "spike_neuron")}
    return {name: np.asarray(value) for name, value in found.items()}


def check_result(path: Path, fields: Mapping[str, np.ndarray]) -> SpikeData:
    """The spikes of a run from the fields of its file.

    Raises:
        InputError: If a field is missing or malformed.
    """
    missing = [name for name in NEEDED if name not in fields]
    if missing or "spike_trial" in fields:
        got = f"no {missing[0]}" if missing else "a batch of trials"
        raise InputError(
            f"Expected the results of one run of a network in {path} but got {got}; name a file "
            "that spiketheory simulate NETWORK.toml wrote."
        )
    times, neurons = fields["spike_time"], fields["spike_neuron"]
    sizes = fields["population_size"]
    total = sum(sizes.tolist()) if sizes.dtype.kind in "iu" and sizes.ndim == 1 else -1
    check_memory(BYTES_PER_NEURON * total, f"the neurons of {path}")
    recorded = fields.get("recorded", np.arange(max(total, 0)))
    n_names = len(fields["population_name"]) if fields["population_name"].ndim == 1 else -1
    fits = (
        total > 0 and sizes.min() > 0 and n_names == len(sizes)
        and times.ndim == neurons.ndim == recorded.ndim == 1 and len(times) == len(neurons)
        and times.dtype.kind == "f" and neurons.dtype.kind in "iu" and recorded.dtype.kind in "iu"
        and np.isfinite(times).all() and not np.any(np.diff(times, prepend=0.0) < 0)
        and fields["t_end"].ndim == 0 and fields["t_end"].dtype.kind in "fiu"
        and np.isfinite(fields["t_end"])
        and not np.any(np.diff(recorded.astype(np.int64)) <= 0)
        and np.isin(np.unique(neurons), recorded).all()
        and (not len(recorded) or (recorded[0] >= 0 and recorded[-1] < total))
    )  # fmt: skip
    if not fits:
        raise InputError(
            f"Expected sorted spike times, and neurons of the populations, in {path} but got "
            "others; simulate the network again."
        )
    return SpikeData(
        times=times.astype(np.float64), neurons=neurons.astype(np.int64),
        names=tuple(map(str, fields["population_name"])), sizes=tuple(map(int, sizes)),
        recorded=recorded.astype(np.int64), time=float(fields["t_end"]),
    )  # fmt: skip
