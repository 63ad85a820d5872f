"""The tables ``[inputs.NAME]`` of a network file with a process (docs/formats.md, 8)."""

import numpy as np

from sim.files.tables import Table, TableReader, TomlValue
from sim.inputs.drawn_trains import PROCESSES, DrawnTrains, make_seed
from spiketheory.reading import show

DRAWN = ("process", "phase", "seed")


def read_drawn(
    reader: TableReader, name: str, table: Table, size: int, duration: float, seed: int
) -> DrawnTrains:
    """Poisson or regular trains of a rate that may change in steps.

    Args:
        reader: The reader of the file.
        name: Name of the input.
        table: Its table.
        size: Number of channels.
        duration: The trial's end T [time].
        seed: Of the network.
    """
    where = f"[inputs.{name}]"
    process = reader.choice(table["process"], f"process of {where}", PROCESSES)
    others = [key for key in ("times", "channels", "steps") if key in table]
    if others or "rate" not in table:
        raise reader.fail(
            f"rate with process in {where}", show(others or "none"), "give rate alone"
        )
    if "phase" in table and process != "regular":
        raise reader.fail(f'phase of {where} with process = "regular"', process, "leave it out")
    starts, rates = read_rate(reader, table["rate"], size, f"rate of {where}")
    own = reader.whole(table["seed"], f"seed of {where}") if "seed" in table else None
    return DrawnTrains(
        name=name, size=size, rates=rates, starts=starts, process=process, duration=duration,
        phases=reader.values(table.get("phase", 0.0), size, f"phase of {where}"),
        seed=make_seed(seed, name) if own is None else own,
    )  # fmt: skip


def read_rate(
    reader: TableReader, given: TomlValue, size: int, where: str
) -> tuple[np.ndarray | None, np.ndarray | float]:
    """When a rate changes, and the rates: values, or steps of a time and values."""
    if not isinstance(given, list) or not any(isinstance(step, list) for step in given):
        return None, reader.values(given, size, where)
    starts, rates = [], []
    for step in given:
        if not isinstance(step, list) or len(step) != 2:
            raise reader.fail(
                f"pairs of a time and a rate for {where}", show(step), "write [[t, rate], ...]"
            )
        starts.append(reader.number(step[0], f"times of {where}"))
        values = np.asarray(reader.values(step[1], size, where))
        if values.ndim and len(values) != size:
            raise reader.fail(
                f"{size} rates, one per channel, in a step of {where}", f"{len(values)}",
                "give as many, or one number for all",
            )  # fmt: skip
        rates.append(np.broadcast_to(values, (size,)))
    table = np.array(rates)
    is_one = bool((table == table[:, :1]).all())
    return np.array(starts), table[:, 0] if is_one else table
