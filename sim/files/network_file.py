"""The network file (docs/formats.md, 8): a circuit that a person writes down, in TOML."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.events.recording import Recording
from sim.network.connect import (
    connect_edges,
    connect_fixed_in_degree,
    connect_small_world,
    draw_poisson,
    make_matrix,
)
from sim.network.network import Network, Population, Projection, SpikeTrains
from spiketheory.errors import InputError
from spiketheory.machine.compile import CompiledModel

SECTIONS = ("network", "populations", "inputs", "projections")
NETWORK = ("duration", "seed")
POPULATION = ("model", "size", "parameters", "initial")
TRAINS = ("size", "rate", "times", "channels")
PROJECTION = ("pre", "post", "connect", "weight", "weights", "edges", "delay")
PATTERNS = ("all", "one_to_one", "in_degree", "small_world")
DRAWS = ("normal", "uniform")
MOST_TEXT = 10_000_000


class Reader:
    """Reads the tables of one file; all randomness comes from its seed, in the file's order.

    Args:
        path: The file, for messages.
        compile_model: Turns a model's name into running code.
    """

    def __init__(self, path: Path, compile_model: Callable[[str], CompiledModel]) -> None:
        self.path, self.compile_model = path, compile_model
        self.rng = np.random.default_rng(0)

    def fail(self, wanted: str, got: str, remedy: str) -> InputError:
        """The error of a file that is not what it should be."""
        return InputError(f"Expected {wanted} in {self.path} but got {got}; {remedy}.")

    def check(
        self, table: Any, where: str, known: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict:
        """Return a table whose names are known and of which none is missing."""
        if not isinstance(table, dict):
            raise self.fail(f"{where} to be a table", repr(table), "write name = value below it")
        for name in table:
            if name not in known:
                raise self.fail(
                    f"{', '.join(known)} in {where}", repr(name), "correct its name or remove it"
                )
        for name in needed:
            if name not in table:
                raise self.fail(f"{', '.join(needed)} in {where}", f"no {name}", "add it")
        return table

    def read(self, text: str) -> Network:
        """The circuit."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as err:
            raise InputError(f"Expected TOML in {self.path} but got {err}; correct it.") from err
        self.check(tables, "the file", SECTIONS, ("network", "populations"))
        network = self.check(tables["network"], "[network]", NETWORK, ("duration",))
        duration = self.number(network["duration"], "duration of [network]")
        self.rng = np.random.default_rng(self.whole(network.get("seed", 0), "seed of [network]"))
        populations = self.check_group(tables.get("populations", {}), "populations")
        inputs = self.check_group(tables.get("inputs", {}), "inputs")
        projections = tables.get("projections", [])
        if not isinstance(projections, list):
            raise self.fail("[[projections]]", "a table", "write two brackets on either side")
        built = [self.read_population(name, table) for name, table in populations.items()]
        trains = [self.read_trains(name, table, duration) for name, table in inputs.items()]
        sizes = {p.name: p.size for p in built} | {p.name: p.size for p in trains}
        return Network(
            populations=built, inputs=trains, duration=duration,
            projections=[
                self.read_projection(table, sizes, f"[[projections]] {k + 1}")
                for k, table in enumerate(projections)
            ],
        )  # fmt: skip

    def check_group(self, table: Any, name: str) -> dict:
        """Return a table of tables."""
        if not isinstance(table, dict) or not all(isinstance(v, dict) for v in table.values()):
            raise self.fail(f"[{name}.NAME] tables", "something else", "give each a name")
        return table

    def number(self, value: Any, where: str) -> float:
        """Return a number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(f"a number for {where}", repr(value), "write one, without quotes")
        return float(value)

    def whole(self, value: Any, where: str) -> int:
        """Return a whole number that is not negative."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.fail(f"a whole number for {where}", repr(value), "write one, >= 0")
        return value

    def values(self, value: Any, count: int, where: str) -> Any:
        """A number, a list with one for each, or what is drawn for each."""
        if isinstance(value, list):
            return np.array([self.number(v, where) for v in value])
        if not isinstance(value, dict):
            return self.number(value, where)
        kind = next(iter(value), "")
        pair = value.get(kind)
        if len(value) != 1 or kind not in DRAWS or not isinstance(pair, list) or len(pair) != 2:
            raise self.fail(
                "a number, a list, {normal = [mean, sd]} or {uniform = [low, high]} for " + where,
                repr(value), "write one of these",
            )  # fmt: skip
        a, b = (self.number(v, where) for v in pair)
        if b < (a if kind == "uniform" else 0):
            raise self.fail(f"an upper bound or an sd >= 0 for {where}", repr(pair), "correct it")
        return self.rng.normal(a, b, count) if kind == "normal" else self.rng.uniform(a, b, count)

    def read_population(self, name: str, table: dict[str, Any]) -> Population:
        """One population."""
        where = f"[populations.{name}]"
        self.check(table, where, POPULATION, ("model", "size"))
        if not isinstance(table["model"], str):
            raise self.fail(f"a text for model of {where}", repr(table["model"]), "quote the name")
        size = self.whole(table["size"], f"size of {where}")

        def read(key: str) -> dict[str, Any]:
            given = table.get(key, {})
            if not isinstance(given, dict):
                raise self.fail(f"a table for {key} of {where}", repr(given), "use {name = value}")
            return {n: self.values(v, size, f"{n} of {where}") for n, v in given.items()}

        return Population(
            name=name, model=self.compile_model(table["model"]), size=size,
            parameters=read("parameters"), initial=read("initial"),
        )  # fmt: skip

    def read_trains(self, name: str, table: dict[str, Any], duration: float) -> SpikeTrains:
        """One input: a rate, or times and channels."""
        where = f"[inputs.{name}]"
        self.check(table, where, TRAINS, ("size",))
        size = self.whole(table["size"], f"size of {where}")
        if ("rate" in table) == ("times" in table):
            raise self.fail(f"either rate or times in {where}", "both or none", "give one")
        if "rate" in table:
            return draw_poisson(
                name, size, self.values(table["rate"], size, f"rate of {where}"), duration, self.rng
            )
        times = np.array(table["times"], dtype=float)
        channels = np.array(table.get("channels", [0] * len(times)))
        return SpikeTrains(name=name, size=size, times=times, channels=channels)

    def read_projection(self, table: Any, sizes: Mapping[str, int], where: str) -> Projection:
        """One projection."""
        self.check(table, where, PROJECTION, ("pre", "post"))
        pre, post = table["pre"], table["post"]
        for end in (pre, post):
            if end not in sizes:
                raise self.fail(
                    f"pre and post of {where} among {', '.join(sizes)}", repr(end), "correct it"
                )
        shape = (sizes[post], sizes[pre])
        given = [key for key in ("weights", "edges", "weight") if key in table]
        if len(given) != 1:
            raise self.fail(
                f"one of weight, weights and edges in {where}", f"{len(given)}", "give one of them"
            )
        if given[0] == "edges":
            weights: Any = connect_edges(table["edges"], *shape)
        elif given[0] == "weights":
            weights = np.array(table["weights"], dtype=float)
        else:
            sources, targets = self.draw_pattern(table.get("connect", {"all": True}), shape, where,
                                                 same=pre == post)  # fmt: skip
            values = self.values(table["weight"], len(sources), f"weight of {where}")
            weights = make_matrix(sources, targets, values, shape)
        return Projection(pre=pre, post=post, weights=weights, delays=self.read_delay(table, where))

    def read_delay(self, table: Mapping[str, Any], where: str) -> float | None:
        """The delay of a projection."""
        return self.number(table["delay"], f"delay of {where}") if "delay" in table else None

    def draw_pattern(
        self, given: Any, shape: tuple[int, int], where: str, *, same: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sources and targets of the connections; a population does not connect to itself."""
        kind = next(iter(given), "") if isinstance(given, dict) else given
        n_post, n_pre = shape
        if kind == "in_degree":
            degree = self.whole(given[kind], f"in_degree of {where}")
            matrix = connect_fixed_in_degree(
                n_post, n_pre, degree, 1.0, self.rng, self_connections=not same
            )
        elif kind == "small_world" and isinstance(given[kind], dict) and same:
            options = self.check(given[kind], f"small_world of {where}", ("neighbours", "rewired"),
                                 ("neighbours", "rewired"))  # fmt: skip
            matrix = connect_small_world(
                n_pre, self.whole(options["neighbours"], "neighbours"),
                self.number(options["rewired"], "rewired"), 1.0, self.rng,
            )  # fmt: skip
        elif kind == "one_to_one" and n_post == n_pre:
            return np.arange(n_pre), np.arange(n_post)
        elif kind == "all":
            targets, sources = np.divmod(np.arange(n_post * n_pre), n_pre)
            kept = (sources != targets) | (not same)
            return sources[kept], targets[kept]
        else:
            raise self.fail(
                f"connect of {where} to be one of {', '.join(PATTERNS)} that fits the sizes",
                repr(given), "see docs/formats.md, 8",
            )  # fmt: skip
        return matrix.col, matrix.row


def read_network_file(path: Path, *, compile_model: Callable[[str], CompiledModel]) -> Network:
    """Read a network file.

    Args:
        path: The file.
        compile_model: Turns a model's name into running code; a model file is looked for beside
            the network file.

    Raises:
        InputError: If it cannot be read, or is malformed.
    """

    def compile_beside(name: str) -> CompiledModel:
        beside = path.parent / name
        return compile_model(str(beside) if name.endswith(".toml") and beside.exists() else name)

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            f"Expected a network file at {path} but reading it failed: {reason}; correct the path."
        ) from err
    if len(text) > MOST_TEXT:
        raise InputError(
            f"Expected at most {MOST_TEXT} characters in {path} but got {len(text)}; keep large "
            "matrices in a trial file."
        )
    return Reader(path, compile_beside).read(text)


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
    for population, state in zip(network.populations, recording.end_state, strict=True):
        results |= {f"{population.name}_{name}_end": value for name, value in state.items()}
    return results
