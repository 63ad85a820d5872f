"""Connections from HDF5: lists of our own, and edge populations of SONATA.

References:
    K. Dai et al., The SONATA data format for efficient description of large-scale network models,
    PLoS Comput. Biol. 16, e1007696 (2020).
"""

from pathlib import Path
from typing import Any

import numpy as np

from sim.files.edge_columns import EdgeColumns, check_names, choose_group
from spiketheory.errors import InputError
from spiketheory.memory import check_memory
from spiketheory.reading import show

EDGES = "edges"
NODES = {"pre": "source_node_id", "post": "target_node_id"}
PROPERTIES = {"weight": "syn_weight", "delay": "delay"}
PLACES = ("edge_group_id", "edge_group_index")


def import_h5py() -> Any:
    """The library that reads HDF5."""
    try:
        import h5py
    except ImportError as err:
        raise InputError(
            "Expected the library h5py for HDF5 files but it is not installed; install it: "
            'pip install "spiketheory[events]", or pip install h5py.'
        ) from err
    return h5py


def read_hdf5(path: Path, group: str | None, ends: tuple[str, str]) -> EdgeColumns:
    """Read an HDF5 file: data sets pre, post, ..., those of a group, or SONATA."""
    h5py = import_h5py()
    check_memory(path.stat().st_size, f"the connections of {path}")
    with h5py.File(path, "r") as file:
        names = [name for name, one in file.items() if isinstance(one, h5py.Group)]
        own = [name for name, one in file.items() if isinstance(one, h5py.Dataset)]
        if EDGES in names and not own:
            return read_sonata(path, file[EDGES], group, ends)
        chosen = choose_group(path, [*names, *([""] if own else [])], group, ends)
        place = file[chosen] if chosen else file
        held = own if not chosen else list(place)
        check_names(path, held, f" of {show(chosen)}" if chosen else "")
        columns = {name: read_set(path, place, name) for name in held}
    return EdgeColumns(path=path, columns=columns, tell=lambda entry: f"entry {entry}")


def read_set(path: Path, place: Any, name: str) -> np.ndarray:
    """A data set of a group."""
    found = place.get(name)
    if found is None or not hasattr(found, "dtype"):
        raise InputError(
            f"Expected the data set {name} in {place.name} of {path} but it has "
            f"{', '.join(place) or 'nothing'}; see docs/formats.md, 15."
        )
    check_memory(found.size * found.dtype.itemsize, f"the numbers {name} of {path}")
    return np.asarray(found[()])


def read_sonata(path: Path, edges: Any, group: str | None, ends: tuple[str, str]) -> EdgeColumns:
    """Read an edge population of SONATA: the named one, or that between these node populations."""
    if group is None:
        found = [name for name in edges if read_populations(path, edges[name]) == ends]
        if len(found) != 1:
            raise InputError(
                f"Expected one edge population from {ends[0]} to {ends[1]} in {path} but got "
                f"{len(found)} among {', '.join(edges) or 'none'}; name one as group."
            )
        group = found[0]
    elif group not in edges:
        raise InputError(
            f"Expected the edge population {show(group)} in {path} but it has "
            f"{', '.join(edges) or 'none'}; correct group."
        )
    place = edges[group]
    columns = {name: read_set(path, place, key) for name, key in NODES.items()}
    places = [read_set(path, place, key) for key in PLACES]
    for name, key in PROPERTIES.items():
        values = read_property(path, place, key, *places)
        if values is not None:
            columns[name] = values
    return EdgeColumns(path=path, columns=columns, tell=lambda entry: f"edge {entry} of {group}")


def read_populations(path: Path, place: Any) -> tuple[str, ...]:
    """Names of the node populations that an edge population connects."""
    found = []
    for key in NODES.values():
        nodes = place.get(key) if hasattr(place, "keys") else None
        if nodes is None or "node_population" not in nodes.attrs:
            raise InputError(
                f"Expected {key} with the attribute node_population in {place.name} of {path} but "
                "got none; name the edge population as group, or write the attribute."
            )
        name = nodes.attrs["node_population"]
        found.append(name.decode() if isinstance(name, bytes) else str(name))
    return tuple(found)


def read_property(
    path: Path, place: Any, key: str, groups: np.ndarray, indices: np.ndarray
) -> np.ndarray | None:
    """A property of all edges; None if none of their groups has it.

    Args:
        path: The file.
        place: The edge population.
        key: Name of the property.
        groups: Number of each edge's group.
        indices: Its place there.
    """
    numbers = np.unique(groups)
    there = [number for number in numbers if key in (place.get(str(number)) or ())]
    if not there:
        return None
    if len(there) < len(numbers) or groups.shape != indices.shape:
        raise InputError(
            f"Expected {key} in all groups of {place.name} of {path} but got it in "
            f"{len(there)} of {len(numbers)}, and {indices.size} places for {groups.size} edges; "
            "complete it."
        )
    values = np.zeros(len(groups))
    for number in there:
        own, held = groups == number, read_set(path, place, f"{number}/{key}")
        if indices[own].min() < 0 or indices[own].max() >= len(held):
            raise InputError(
                f"Expected places below {len(held)} in group {number} of {place.name} of {path} "
                f"but got {indices[own].max()}; write the file again."
            )
        values[own] = held[indices[own]]
    return values
