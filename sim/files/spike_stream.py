"""A run's spikes to HDF5 while it goes on (docs/formats.md, 8): readable at any moment.

The file is written in the mode of one writer and many readers (SWMR), in which HDF5 orders its
writes so that a file is whole after each of them: a process that is killed leaves one that holds
all that came before. Room is taken on the disk before HDF5 writes, for whom a write that fails is
fatal: a disk that fills up leaves a file that was closed in order.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from sim.events.recording import Recording
from sim.network.network import Network
from spiketheory.errors import CheckpointError, InputError
from spiketheory.files import replace_atomically

CHUNK = 65_536
"""Spikes of a piece of the file."""
BUFFER = 1_000_000
"""So many spikes are written at once, or those of `PAUSE`."""
PAUSE = 1.0
"""Seconds between two writes."""
BYTES_PER_SPIKE = 12
OVERHEAD = 2**20
"""Bytes of what HDF5 keeps beside the data of a few hundred chunks."""


class FullError(InputError):
    """There is no room for the spikes of a run; what came before is in the file."""


def import_h5py() -> Any:
    """The library that writes HDF5."""
    try:
        import h5py
    except ImportError as err:
        raise InputError(
            f"Expected h5py for a file that ends in .h5 but got none ({err}); install it with "
            "pip install 'spiketheory[events]', or write an .npz."
        ) from err
    return h5py


class SpikeStream:
    """Writes spikes while a network runs.

    Args:
        path: The file; one that is there is replaced.
        network: The network.
        recorded: Neurons whose spikes are kept; None for all.
        n_before: So many spikes of the file that is there are kept: a run goes on.

    Raises:
        InputError: If it cannot be written.
    """

    def __init__(
        self, path: Path, network: Network, recorded: np.ndarray | None, n_before: int = 0
    ) -> None:
        self.path, self.network, self.h5py = path, network, import_h5py()
        self.n_written, self.time, self.last = n_before, 0.0, time.monotonic()
        self.waiting: list[tuple[np.ndarray, np.ndarray]] = []
        with replace_atomically(path) as draft, self.open(draft, "w") as file:
            self.write_head(file, recorded)
            self.fields = list(file)
            if n_before:
                self.copy_spikes(file)
        values = sum(p.size * (1 + len(p.model.state)) for p in network.populations)
        self.room = path.stat().st_size
        self.head = self.room + 8 * values - BYTES_PER_SPIKE * n_before
        self.file = self.open(path, "r+")
        self.file.swmr_mode = True
        self.take_room(0)

    def open(self, path: Path, mode: str) -> Any:
        """The file in the form that may be read while it is written."""
        return self.h5py.File(path, mode, libver=("v110", "v110"))

    def write_head(self, file: Any, recorded: np.ndarray | None) -> None:
        """All fields, those that come later empty."""
        network, texts = self.network, self.h5py.string_dtype()
        for name, dtype in (("spike_time", "f8"), ("spike_neuron", "i4")):
            file.create_dataset(name, (0,), dtype=dtype, maxshape=(None,), chunks=(CHUNK,))
        names = np.array([p.name for p in network.populations], dtype=object)
        file.create_dataset("population_name", data=names, dtype=texts)
        file["population_size"] = np.array([p.size for p in network.populations])
        file["duration"] = network.duration
        file["t_end"], file["closed"] = 0.0, 0
        if recorded is not None:
            file["recorded"] = recorded
        file.create_dataset("spike_count", (network.n_neurons,), dtype="i8")
        for population in network.populations:
            for name in population.model.state:
                field = f"{population.name}_{name}_end"
                file.create_dataset(field, (population.size,), dtype="f8", fillvalue=np.nan)

    def copy_spikes(self, file: Any) -> None:
        """Copy the spikes that are kept from the file that is there.

        Raises:
            CheckpointError: If it has fewer.
        """
        names, n = ("spike_time", "spike_neuron"), self.n_written
        with self.h5py.File(self.path, "r", swmr=True, libver="latest") as old:
            has = min(len(old[name]) if name in old else 0 for name in names)
            if has < n:
                raise CheckpointError(
                    f"Expected at least {n} spikes in {self.path}, with which the run was saved, "
                    f"but got {has}; begin anew."
                )
            for name in names:
                file[name].resize((n,))
                for first in range(0, n, BUFFER):
                    part = slice(first, min(first + BUFFER, n))
                    file[name][part] = old[name][part]

    def add(self, times: np.ndarray, neurons: np.ndarray) -> None:
        """Take the next spikes."""
        self.waiting.append((times, neurons))

    def advance(self, now: float) -> None:
        """All spikes before a time are here; write them if it is time to."""
        waiting = sum(len(times) for times, _ in self.waiting)
        if waiting >= BUFFER or time.monotonic() - self.last >= PAUSE:
            self.write(now)

    def write(self, now: float) -> None:
        """Write the spikes before a time.

        Raises:
            FullError: If there is no room.
        """
        n = sum(len(times) for times, _ in self.waiting)
        self.take_room(n)
        try:
            for place, name in enumerate(("spike_time", "spike_neuron")):
                dataset = self.file[name]
                dataset.resize((self.n_written + n,))
                first = self.n_written
                for part in self.waiting:
                    dataset[first : first + len(part[place])] = part[place]
                    first += len(part[place])
                dataset.flush()
            self.file["t_end"][()] = now
            self.file["t_end"].flush()
        except (OSError, RuntimeError) as err:  # h5py has its own for a write that fails
            raise self.fail(str(err)) from err
        self.n_written, self.time, self.last = self.n_written + n, now, time.monotonic()
        self.waiting.clear()

    def take_room(self, n: int) -> None:
        """Take room on the disk for so many more spikes, and for closing the file.

        Raises:
            FullError: If there is none.
        """
        chunks = -(-(self.n_written + n) // CHUNK)
        wanted = self.head + chunks * (CHUNK * BYTES_PER_SPIKE + 64) + OVERHEAD
        if wanted <= self.room or not hasattr(os, "posix_fallocate"):
            return
        try:
            handle = os.open(self.path, os.O_RDWR)
            try:
                os.posix_fallocate(handle, self.room, wanted - self.room)
            finally:
                os.close(handle)
        except OSError as err:
            raise self.fail(err.strerror or str(err)) from err
        self.room = wanted

    def fail(self, reason: str) -> FullError:
        """The error of a file that cannot grow."""
        return FullError(
            f"Expected room for the spikes in {self.path} but the system said: {reason}; what ran "
            f"up to t={self.time:g} of T={self.network.duration:g}, {self.n_written} spikes, is "
            "there. Make room, or record fewer neurons."
        )

    def finish(self, recording: Recording) -> None:
        """Write what is left, and the states at the end of the run."""
        self.write(recording.time)
        self.file["spike_count"][...] = recording.spike_counts
        for population, state in zip(self.network.populations, recording.end_state, strict=True):
            for name, value in state.items():
                self.file[f"{population.name}_{name}_end"][...] = value
        self.file["closed"][()] = 1

    def close(self) -> None:
        """Close the file; what is not written by then is lost."""
        try:
            self.file.close()
        except (OSError, RuntimeError) as err:
            raise self.fail(str(err)) from err
