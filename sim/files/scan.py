"""Many runs that differ in numbers of one network file, or in their files; results in one file.

A result field of all runs has the runs' axes first. Spikes are ragged: those of run ``i``, counted
with the last axis fastest, are ``spike_time[offset[i]:offset[i + 1]]``.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sim.engine.choose import simulate
from sim.files.batch_file import read_arrays, write_arrays
from sim.files.network_file import collect_network_results, read_network_tables, read_tables
from sim.files.trial_file import is_trial, read_trial_file
from spiketheory.errors import InputError
from spiketheory.files import replace_atomically

SUFFIXES = (".npz", ".h5")
RAGGED = ("spike_time", "spike_neuron")
DESCRIPTIONS = ("population_name", "population_size")
FORM = "NAME=FROM:TO:COUNT or NAME=FROM:TO:COUNT:log"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A number of a network file that varies.

    Attributes:
        name: Where it stands, such as ``populations.cells.parameters.tau_m``.
        values: Its values, shape (n_values,).
    """

    name: str
    values: np.ndarray

    @property
    def label(self) -> str:
        """What it is called in the results."""
        return self.name.replace(".", "_")


@dataclass(frozen=True, kw_only=True)
class ScanTask:
    """Runs that one process does.

    Attributes:
        path: The file of the first.
        settings: For each run the file, and values by name.
        compile_model: Turns a model's name into running code.
        compile_readout: The same for a readout.
        engine: Which engine runs it.
        max_spikes: More spikes are an error.
    """

    path: Path
    settings: tuple[tuple[Path, Mapping[str, float]], ...]
    compile_model: Callable[..., Any]
    compile_readout: Callable[..., Any]
    engine: str
    max_spikes: int


def parse_axis(text: str) -> Axis:
    """An axis from the command line.

    Raises:
        InputError: If it is none.
    """
    name, _, given = text.partition("=")
    parts = given.split(":")
    scale = parts.pop() if len(parts) == 4 else "linear"
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        fits = len(parts) == 3 and count >= 1 and bool(np.isfinite([low, high]).all())
    except (ValueError, IndexError):
        fits = False
    if not name or not fits or scale not in ("linear", "log"):
        raise InputError(f"Expected {FORM} but got {text!r}; correct the range.")
    if scale == "log" and min(low, high) <= 0:
        raise InputError(
            f"Expected bounds above 0 for a logarithmic range but got {text!r}; correct them."
        )
    spaced = np.geomspace if scale == "log" else np.linspace
    return Axis(name=name, values=spaced(low, high, count))


def list_settings(path: Path, axes: Sequence[Axis]) -> list[tuple[Path, Mapping[str, float]]]:
    """The file and the values of each run; a folder has one for each file in it.

    Raises:
        InputError: If the folder has no networks or trials, or is to be scanned over numbers.
    """
    if not path.is_dir():
        grids = np.meshgrid(*(axis.values for axis in axes), indexing="ij")
        flat = [grid.ravel().tolist() for grid in grids]
        names = [axis.name for axis in axes]
        return [(path, dict(zip(names, values, strict=True))) for values in zip(*flat, strict=True)]
    files = sorted(p for p in path.iterdir() if p.suffix in (".npz", ".toml"))
    if axes or not files:
        came = "--scan" if axes else "none"
        raise InputError(
            f"Expected a folder of networks (.toml) and trials (.npz) in {path}, without --scan, "
            f"but got {came}; give a network file to scan over its numbers."
        )
    return [(file, {}) for file in files]


def check_settings(path: Path, axes: Sequence[Axis]) -> None:
    """Raise `InputError` unless every axis is a number of the file, and no two are the same."""
    if not axes:
        return
    tables = read_network_tables(path)
    for axis in axes:
        set_number(tables, axis.name, float(axis.values[0]), path)
    if len({axis.label for axis in axes}) < len(axes):
        raise InputError(
            f"Expected axes of different names but got {', '.join(a.name for a in axes)}; leave "
            "one out."
        )


def set_number(tables: dict[str, Any], name: str, value: float, path: Path) -> None:
    """Put a number at its place in the tables of a network file; in place.

    A part of the name is that of a table, or the number of an entry of a list, from 1. A whole
    number stays one.
    """
    *places, last = name.split(".")
    table: Any = tables
    for place in places:
        table = enter(table, place, name, path)
    is_new = isinstance(table, dict) and last not in table and places[-1:] == ["parameters"]
    before = 0.0 if is_new else enter(table, last, name, path)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise InputError(
            f"Expected a number at {name} in {path} but got {type(before).__name__}; name a single "
            "number, such as populations.cells.parameters.tau_m."
        )
    whole = isinstance(before, int) and not is_new and value.is_integer()
    table[int(last) - 1 if isinstance(table, list) else last] = int(value) if whole else value


def enter(table: Any, place: str, name: str, path: Path) -> Any:
    """A part of a table or a list."""
    if isinstance(table, dict) and place in table:
        return table[place]
    if isinstance(table, list) and place.isdecimal() and 1 <= int(place) <= len(table):
        return table[int(place) - 1]
    known = list(table) if isinstance(table, dict) else [f"1 to {len(table)}"] if isinstance(
        table, list
    ) else ["nothing"]  # fmt: skip
    raise InputError(
        f"Expected {place!r} of {name} to be one of {', '.join(known)} in {path} but it is not; "
        "correct the name."
    )


def run_scan_task(task: ScanTask) -> list[dict[str, np.ndarray]]:
    """Run some points of a scan."""
    return [run_point(task, path, values) for path, values in task.settings]


def run_point(task: ScanTask, path: Path, values: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Run a network; its result fields."""
    compile_model, kept = task.compile_model, None
    if path.suffix == ".toml":
        tables = copy.deepcopy(read_network_tables(path))
        for name, value in values.items():
            set_number(tables, name, value, path)
        described = read_tables(
            path, tables, compile_model=compile_model, compile_readout=task.compile_readout
        )
        network, kept = described.network, described.recorded
    else:
        arrays = read_arrays(path)
        if not is_trial(arrays):
            raise InputError(
                f"Expected trials in the folder but {path} is a feedforward batch; simulate it by "
                "itself."
            )
        network = read_trial_file(path, arrays, compile_model=compile_model, model=None).network
    options: dict[str, Any] = {} if kept is None else {"recorded": kept}
    recording = simulate(network, engine=task.engine, max_spikes=task.max_spikes, **options)
    return collect_network_results(recording)


def cut_tasks(
    path: Path, settings: Sequence[tuple[Path, Mapping[str, float]]], n_tasks: int, **how: Any
) -> list[ScanTask]:
    """The runs, in pieces of about the same number."""
    cut = partial(ScanTask, path=path.absolute(), **how)
    parts = np.array_split(np.arange(len(settings)), min(n_tasks, len(settings)))
    full = [(file.absolute(), values) for file, values in settings]
    return [cut(settings=tuple(full[i] for i in part)) for part in parts]


def collect_scan(
    path: Path, axes: Sequence[Axis], results: Sequence[dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """One array for each result field, and the names of its axes."""
    shape = tuple(len(axis.values) for axis in axes) or (len(results),)
    names = tuple(axis.label for axis in axes) or ("source",)
    arrays: dict[str, np.ndarray] = {axis.label: axis.values for axis in axes}
    if not axes:
        arrays["source"] = np.array([p.name for p, _ in list_settings(path, ())])
    dims: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    counts = np.array([len(one["spike_time"]) for one in results], np.int64)
    arrays["offset"] = np.concatenate([[0], np.cumsum(counts)])
    dims["offset"] = ("run_edge",)
    arrays["n_spikes"], dims["n_spikes"] = counts.reshape(shape), names
    for name in RAGGED:
        arrays[name] = np.concatenate([one[name] for one in results])
        dims[name] = ("spike",)
    first = results[0]
    for name in (*DESCRIPTIONS, *(n for n in first if n not in (*RAGGED, *DESCRIPTIONS))):
        values = [one.get(name) for one in results]
        if any(v is None or v.shape != first[name].shape for v in values):
            continue  # runs of different networks have these by themselves alone
        if name in DESCRIPTIONS:
            if all((v == first[name]).all() for v in values if v is not None):
                arrays[name], dims[name] = first[name], ("population",)
            continue
        arrays[name] = np.array(values).reshape(*shape, *first[name].shape)
        own = name.removesuffix("_end")
        dims[name] = (*names, *((f"neuron_of_{own}",) if first[name].ndim else ()))
    assert prod(shape) == len(results)
    return arrays, dims


def write_scan(
    out: Path, arrays: Mapping[str, np.ndarray], dims: Mapping[str, tuple[str, ...]]
) -> None:
    """Write the results of a scan, whole or not at all: ``.npz``, or ``.h5`` with named axes.

    xarray reads the latter (engine ``h5netcdf``).
    """
    if out.suffix == ".npz":
        write_arrays(out, arrays)
        return
    import h5py

    with replace_atomically(out) as draft, h5py.File(draft, "w") as file:
        for name, array in arrays.items():
            kind = h5py.string_dtype() if array.dtype.kind == "U" else array.dtype
            file.create_dataset(name, data=array.astype(object) if array.dtype.kind == "U" else
                                array, dtype=kind)  # fmt: skip
        sizes = {d: n for name in arrays for d, n in zip(dims[name], arrays[name].shape,
                                                         strict=True)}  # fmt: skip
        for dim, size in sizes.items():
            scale = file[dim] if dim in file else file.create_dataset(dim, data=np.arange(size))
            scale.make_scale(dim)
        for name in arrays:
            for place, dim in enumerate(dims[name]):
                if name != dim:
                    file[name].dims[place].attach_scale(file[dim])


def check_suffix(out: Path) -> None:
    """Raise `InputError` unless results can be written to a file of this name."""
    if out.suffix not in SUFFIXES:
        raise InputError(f"Expected --out FILE.npz or FILE.h5 but got {out}; name such a file.")
    if out.suffix == ".h5":
        try:
            import h5py  # noqa: F401
        except ImportError as err:
            raise InputError(
                f"Expected h5py for {out} but got none ({err}); install it with "
                "pip install 'spiketheory[events]', or write an .npz."
            ) from err
