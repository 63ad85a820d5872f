"""The network file (docs/formats.md, 8): a circuit that a person writes down, in TOML.

A file without ``version`` is of format 1, in which a zero among dense weights is no connection.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.events.recording import Recording
from sim.files.input_table import DRAWN, read_drawn
from sim.files.loss_table import LossTable, read_loss_table
from sim.files.network_size import estimate_network
from sim.files.projection_table import read_projection
from sim.files.readout_table import CompileReadout, ReadoutReader
from sim.files.record_table import read_record
from sim.files.tables import Table, TableReader, TomlValue, read_toml
from sim.inputs.drawn_trains import DrawnTrains
from sim.network.connect import draw_poisson
from sim.network.currents import CurrentSteps
from sim.network.layer_stack import PRECISIONS
from sim.network.network import AnyTrains, Network, Population, Projection, SpikeTrains
from sim.network.readouts import AnyReadout
from spiketheory.errors import InputError, check_positive
from spiketheory.machine.compile import CompiledModel
from spiketheory.memory import check_memory
from spiketheory.reading import show

VERSIONS = (1, 2)
SECTIONS = ("network", "populations", "inputs", "projections")
MORE_SECTIONS = ("readouts", "loss", "training", "record")
NETWORK = ("duration", "seed")
POPULATION = ("model", "size", "parameters", "initial")
LEARN_ORDER = {"initial": 1, "parameter": 1, "readout": 2}
"""Projections come first."""
TRAINS = ("size", "rate", "times", "channels")


class Learnable(NamedTuple):
    """Something that learns.

    Attributes:
        kind: ``weights`` or ``delays`` of a projection, ``initial`` or ``parameter`` of a
            population, ``readout`` for what a readout has.
        place: Which projection, population or readout.
        name: Name of the state variable, initial coordinate or parameter; of a readout also
            ``weights`` or ``bias``. Empty for projections.
    """

    kind: str
    place: int
    name: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkFile:
    """What a network file holds.

    Attributes:
        network: The network.
        learn: What learns, projections first.
        loss: What is wanted of it; None if the file does not say.
        training: The table ``training`` as it is; `sim.training.networks.network_config` reads it.
        tables: The whole file as plain values, another that it names included.
        recorded: Neurons whose spikes are kept; None for all.
    """

    network: Network
    learn: tuple[Learnable, ...] = ()
    loss: LossTable | None = None
    training: Table = field(default_factory=dict)
    tables: Table = field(default_factory=dict)
    recorded: np.ndarray | None = None


class Reader(TableReader):
    """Reads one network file.

    Args:
        path: The file, for messages.
        compile_model: Turns a model's name into running code.
        version: Format of the file.
        compile_readout: The same for readouts of logits; None if there are none.
    """

    def __init__(
        self, path: Path, compile_model: Callable[[str], CompiledModel], version: int,
        compile_readout: CompileReadout | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path)
        self.compile_model, self.version = compile_model, version
        self.compile_readout = compile_readout
        self.learn: list[Learnable] = []

    def newer(self, *names: str) -> tuple[str, ...]:
        """Names that a file of format 1 does not have."""
        return names if self.version > 1 else ()

    def read(self, tables: Table) -> NetworkFile:
        """The circuit, and what it should learn."""
        given = {name: value for name, value in tables.items() if name != "version"}
        known = (*SECTIONS, *self.newer(*MORE_SECTIONS))
        self.check(given, "the file", known, ("network", "populations"))
        network = self.read_network(given)
        loss = given.get("loss")
        training = given.get("training", {})
        if not isinstance(training, dict):
            raise self.fail("[training] to be a table", show(training), "write names below it")
        return NetworkFile(
            network=network,
            learn=tuple(sorted(self.learn, key=lambda one: LEARN_ORDER.get(one.kind, 0))),
            loss=None if loss is None else read_loss_table(self, loss, network),
            training=training,
            tables=tables,
            recorded=read_record(self, given["record"], network) if "record" in given else None,
        )

    def read_network(self, tables: Table) -> Network:
        """The circuit."""
        names = (*NETWORK, *self.newer("precision"))
        network = self.check(tables["network"], "[network]", names, ("duration",))
        check_memory(estimate_network(tables), f"neurons, connections and inputs of {self.path}")
        duration = self.number(network["duration"], "duration of [network]")
        check_positive("duration", duration)
        precision = self.choice(
            network.get("precision", "float64"), "precision of [network]", tuple(PRECISIONS)
        )
        self.seed = self.whole(network.get("seed", 0), "seed of [network]")
        self.rng = np.random.default_rng(self.seed)
        populations = self.check_group(tables.get("populations", {}), "populations")
        inputs = self.check_group(tables.get("inputs", {}), "inputs")
        readouts = self.check_group(tables.get("readouts", {}), "readouts")
        projections = tables.get("projections", [])
        if not isinstance(projections, list):
            raise self.fail("[[projections]]", "a table", "write two brackets on either side")
        built = [
            self.read_population(k, name, table)
            for k, (name, table) in enumerate(populations.items())
        ]
        read = [self.read_input(name, table, duration) for name, table in inputs.items()]
        sizes = {p.name: p.size for p in (*built, *read)}
        models = {p.name: p.model for p in built}
        drawn = [
            self.read_connections(k, table, sizes, models) for k, table in enumerate(projections)
        ]
        return Network(
            populations=built, duration=duration, precision=precision,
            inputs=[p for p in read if isinstance(p, SpikeTrains | DrawnTrains)],
            currents=[p for p in read if isinstance(p, CurrentSteps)],
            projections=drawn,
            readouts=self.read_readouts(readouts, built),
        )  # fmt: skip

    def read_readouts(self, tables: Table, populations: list[Population]) -> list[AnyReadout]:
        """All readouts, and what of them learns."""
        sizes = {p.name: p.size for p in populations}
        backend = populations[0].model.backend if populations else "numpy"
        reader, found = ReadoutReader(self, self.compile_readout, sizes, backend), []
        for place, (name, table) in enumerate(tables.items()):
            readout, learn = reader.read(name, table)
            found.append(readout)
            self.learn += [Learnable("readout", place, wanted) for wanted in learn]
        return found

    def read_population(self, place: int, name: str, table: Table) -> Population:
        """One population."""
        where = f"[populations.{name}]"
        self.check(table, where, (*POPULATION, *self.newer("learn")), ("model", "size"))
        model = self.compile_model(self.text(table["model"], f"model of {where}"))
        size = self.whole(table["size"], f"size of {where}")

        def read(key: str) -> Table:
            given = table.get(key, {})
            if not isinstance(given, dict):
                raise self.fail(f"a table for {key} of {where}", show(given), "use {name = value}")
            return {n: self.values(v, size, f"{n} of {where}") for n, v in given.items()}

        population = Population(
            name=name, model=model, size=size, parameters=read("parameters"),
            initial=read("initial"),
        )  # fmt: skip
        initial = (model.initial,) if population.starts_at_phase else model.state
        for wanted in self.read_learn(table.get("learn", []), where, (*initial, *model.parameters)):
            kind = "initial" if wanted in initial else "parameter"
            self.learn.append(Learnable(kind, place, wanted))
        return population

    def read_learn(self, given: TomlValue, where: str, known: tuple[str, ...]) -> list[str]:
        """Names of what learns."""
        names = self.listed(given, f"learn of {where}")
        for name in names:
            self.choice(name, f"learn of {where}", known)
        if len(set(names)) < len(names):
            raise self.fail(f"different names in learn of {where}", show(names), "name each once")
        return names

    def read_input(self, name: str, table: Table, duration: float) -> AnyTrains | CurrentSteps:
        """One input: a rate, times and channels; from format 2 on channels alone, or steps."""
        where = f"[inputs.{name}]"
        self.check(table, where, (*TRAINS, *self.newer("steps", *DRAWN)), ("size",))
        size = self.whole(table["size"], f"size of {where}")
        if "process" in table:
            return read_drawn(self, name, table, size, duration, self.seed)
        kinds = [key for key in ("rate", "times", *self.newer("steps")) if key in table]
        if len(kinds) > 1 or (self.version == 1 and not kinds):
            wanted = "either rate or times" if self.version == 1 else "one of rate, times, steps"
            raise self.fail(f"{wanted} in {where}", "both or none", "give one")
        if "rate" in table:
            return draw_poisson(
                name, size, self.values(table["rate"], size, f"rate of {where}"), duration, self.rng
            )
        if "steps" in table:
            return self.read_steps(name, size, table["steps"], where)
        times = self.numbers(table.get("times", []), f"times of {where}")
        given = table.get("channels", [0] * len(times))
        channels = [self.whole(c, f"channels of {where}") for c in self.listed(given, "channels")]
        return SpikeTrains(
            name=name, size=size, times=times, channels=np.array(channels, dtype=np.int64)
        )

    def read_steps(self, name: str, size: int, given: TomlValue, where: str) -> CurrentSteps:
        """A current that is constant from each step on."""
        steps = self.rows(given, f"steps of {where}")
        if steps.shape[1] != 2 or not np.isfinite(steps).all():
            raise self.fail(
                f"pairs of time and current for steps of {where}", repr(given),
                "write [[t, value], ...]",
            )  # fmt: skip
        if steps[0, 0] < 0 or np.any(np.diff(steps[:, 0]) <= 0):
            raise self.fail(
                f"times >= 0 that rise for steps of {where}",
                show(steps[:, 0].tolist()),
                "sort them",
            )
        return CurrentSteps(name=name, size=size, times=steps[:, 0], values=steps[:, 1])

    def read_connections(
        self, place: int, table: TomlValue, sizes: Mapping[str, int],
        models: Mapping[str, CompiledModel],
    ) -> Projection:  # fmt: skip
        """One projection, and what of it learns."""
        where = f"[[projections]] {place + 1}"
        projection = read_projection(self, table, sizes, where, version=self.version, stream=place)
        if "port" in table:
            ports = models[projection.post].ports
            port = self.choice(table["port"], f"port of {where}", ports)
            projection = dataclasses.replace(projection, port=port)
        learn = table.get("learn", False)
        names = ["weights"] if learn is True else [] if learn is False else learn
        for name in self.read_learn(names, where, ("weights", "delays")):
            self.learn.append(Learnable(name, place))
            if name == "delays" and "delay" not in table:
                raise self.fail(f"delay of {where}, since it learns", "none", "add its start")
        return projection


def read_version(path: Path, tables: Table) -> int:
    """Format of a network file.

    Raises:
        InputError: If this version of the program does not read it.
    """
    version = tables.get("version", 1)
    if isinstance(version, bool) or version not in VERSIONS:
        raise InputError(
            f"Expected version = 1 or 2 in {path} but got {show(version)}; upgrade spiketheory to "
            "read newer files, or correct it."
        )
    return int(version)


def read_network_tables(path: Path) -> Table:
    """The tables of a network file, those of the file that it names as its network included.

    Raises:
        InputError: If a file cannot be read, or is malformed.
    """
    tables = read_toml(path, "a network file")
    named = tables.get("network")
    if read_version(path, tables) == 1 or not isinstance(named, str):
        return tables
    own = TableReader(path).check(tables, "the file", ("version", "network", *MORE_SECTIONS), ())
    other = path.parent / named
    base = read_toml(other, "a network file")
    if read_version(other, base) != 2 or not isinstance(base.get("network"), dict):
        raise InputError(
            f"Expected a network file of version 2 with [network] in {other}, which {path} names, "
            "but got another; write the network there."
        )
    return base | {name: value for name, value in own.items() if name != "network"}


def read_network_file(
    path: Path, *, compile_model: Callable[[str], CompiledModel],
    compile_readout: CompileReadout | None = None,
) -> NetworkFile:  # fmt: skip
    """Read a network file.

    Args:
        path: The file.
        compile_model: Turns a model's name into running code; a model file is looked for beside
            the network file.
        compile_readout: Turns the name of a readout of logits into running code, such as
            `derivations.compile_readout`.

    Raises:
        InputError: If it cannot be read, or is malformed.
    """
    return read_tables(
        path, read_network_tables(path), compile_model=compile_model,
        compile_readout=compile_readout,
    )  # fmt: skip


def read_tables(
    path: Path, tables: Table, *, compile_model: Callable[[str], CompiledModel],
    compile_readout: CompileReadout | None = None,
) -> NetworkFile:  # fmt: skip
    """Read the tables of a network file; see `read_network_file`."""

    def compile_beside(name: str) -> CompiledModel:
        beside = path.parent / name
        return compile_model(str(beside) if name.endswith(".toml") and beside.exists() else name)

    version = read_version(path, tables)
    return Reader(path, compile_beside, version, compile_readout).read(tables)


def collect_network_results(recording: Recording) -> dict[str, np.ndarray]:
    """The result fields of docs/formats.md, 8."""
    network = recording.network
    results = {
        "spike_time": recording.spike_time,
        "spike_neuron": recording.spike_neuron,
        "population_name": np.array([p.name for p in network.populations]),
        "population_size": np.array([p.size for p in network.populations]),
        "t_end": np.array(recording.time),
    }
    if recording.counted is not None:
        results["spike_count"] = recording.counted
    if recording.recorded is not None:
        results["recorded"] = recording.recorded
    for population, state in zip(network.populations, recording.end_state, strict=True):
        results |= {f"{population.name}_{name}_end": value for name, value in state.items()}
    return results
