"""The corpus: published neuron models, what they are given, and whether the product agrees.

`models/NAME.toml` is a model as it was published; `protocols.toml` says by model where it is from,
what is done with it, and, where the language does not reach it, what the refusal says and why it
is right.
"""

import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from reference import Trial, find_spikes

from sim.engine.choose import simulate
from sim.files.network_file import read_network_file
from spiketheory.errors import ModelError
from spiketheory.language.parse import read_model
from spiketheory.machine.compile import CompiledModel, load_compiled
from spiketheory.route.driver import verify_model
from spiketheory.route.model_cache import load_or_generate

FOLDER = Path(__file__).parent
TOLERANCE, REFERENCE_FACTOR = 1e-9, 100
MOST = 20
"""Spikes that are compared."""
NEEDS = {
    "refractory": "but got 'refractory'",
    "no_reset": "Expected a statement such as V \\+= w but got none in reset",
    "crossing": "to move \\w+ off the spike but got one that leaves it there",
    "ports": "does not support several ports yet",
}
"""Parts of the language by name, and what a reader says that lacks them."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One trial of a model.

    Attributes:
        name: Which of the model's protocols; empty if there is but one.
        duration: Its end.
        inputs: (time, weight) or (time, weight, port).
        parameters: Values in place of the defaults.
        initial: Initial values in place of the rest.
        far: See `reference.Trial`, as is the next.
        scale: See there.
        least: How many spikes there are at least.
    """

    name: str = ""
    duration: float
    inputs: tuple[tuple[Any, ...], ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)
    far: float = float("inf")
    scale: float = 1.0
    least: int = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model of the corpus.

    Attributes:
        name: Its name.
        family: What it is akin to.
        source: Authors, year, equations and tables.
        protocols: What is done with it.
        ci: Whether it runs in every gate.
        needs: Parts of the language that it uses, by the names of `NEEDS`.
        refused: What the refusal says, as a regular expression; empty if the model derives.
        why: Why that is right.
        fails: What is known to be wrong with the product here; who mends it removes this.
    """

    name: str
    family: str
    source: str
    protocols: tuple[Protocol, ...] = ()
    ci: bool = False
    needs: tuple[str, ...] = ()
    refused: str = ""
    why: str = ""
    fails: str = ""

    @property
    def path(self) -> Path:
        """Its model file."""
        return FOLDER / "models" / f"{self.name}.toml"


def read_corpus() -> dict[str, Entry]:
    """All models by name."""
    tables = tomllib.loads((FOLDER / "protocols.toml").read_text(encoding="utf-8"))
    return {name: read_entry(name, table) for name, table in tables.items()}


def read_entry(name: str, table: dict[str, Any]) -> Entry:
    """One table of the file; what its protocols share stands beside them."""
    given = table.pop("protocols", [{}])
    shared = {k: table.pop(k) for k in tuple(table) if k in Protocol.__dataclass_fields__}
    has_trials = "duration" in shared or any("duration" in own for own in given)
    protocols = [read_protocol(shared | own) for own in given] if has_trials else []
    return Entry(
        name=name, **table | {"needs": tuple(table.get("needs", ())), "protocols": tuple(protocols)}
    )


def read_protocol(table: dict[str, Any]) -> Protocol:
    """One protocol; inputs may be trains ``{start, every, count, weight, port}``."""
    inputs: list[tuple[Any, ...]] = []
    for one in table.get("inputs", ()):
        if isinstance(one, dict):
            more = (one["port"],) if "port" in one else ()
            times = [one["start"] + k * one["every"] for k in range(one["count"])]
            inputs += [(t, one["weight"], *more) for t in times]
        else:
            inputs.append(tuple(one))
    return Protocol(**table | {"inputs": tuple(sorted(inputs, key=lambda i: i[0]))})


def find_missing(entry: Entry) -> str:
    """Which part of the language that the model needs is not there yet; empty if none."""
    try:
        read_model(entry.path)
    except ModelError as err:
        for need in entry.needs:
            if re.search(NEEDS[need], str(err)):
                return need
        raise
    return ""


def compile_entry(entry: Entry, backend: str) -> tuple[CompiledModel, str, float]:
    """Derive, verify and load a model, without a cache; also the method and processor seconds."""
    begin = time.process_time()
    verified = verify_model(read_model(entry.path))
    module = load_or_generate(verified.derivation.model, verified)
    compiled = load_compiled(module, backend=backend)
    return compiled, verified.derivation.method, time.process_time() - begin


def write_network(entry: Entry, protocol: Protocol, path: Path) -> None:
    """A network file (docs/formats.md, 8) of one neuron, an input for each weight and port."""
    trains: dict[tuple[Any, ...], list[float]] = {}
    for moment, *what in protocol.inputs:
        trains.setdefault(tuple(what), []).append(moment)
    population = {"model": str(entry.path), "size": 1}
    population |= {"parameters": dict(protocol.parameters), "initial": dict(protocol.initial)}
    tables: dict[str, Any] = {
        "version": 2, "network": {"duration": protocol.duration}, "populations": {"n": population},
    }  # fmt: skip
    for number, ((weight, *port), times) in enumerate(trains.items()):
        name = f"i{number}"
        tables.setdefault("inputs", {})[name] = {"size": 1, "times": times}
        edge = {"pre": name, "post": "n", "weight": float(weight), "connect": "all"}
        tables.setdefault("projections", []).append(edge | ({"port": port[0]} if port else {}))
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")


def simulate_protocol(
    entry: Entry, protocol: Protocol, compiled: CompiledModel, folder: Path
) -> np.ndarray:
    """Spike times by the product: a network file, run by the event engine."""
    path = folder / "network.toml"
    write_network(entry, protocol, path)
    network = read_network_file(path, compile_model=lambda _: compiled).network
    return np.array(simulate(network, engine="events").spike_time)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far a protocol's spikes are from the reference.

    Attributes:
        found: Spike times by the product, the first `MOST`.
        expected: By the reference with a tolerance of 1e-13.
        doubt: How far the reference with a tolerance of 1e-12 is from it, shape as `expected`.
    """

    found: np.ndarray
    expected: np.ndarray
    doubt: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """Differences relative to the time."""
        return np.abs(self.found - self.expected) / self.expected

    @property
    def allowed(self) -> np.ndarray:
        """What they may be."""
        return np.maximum(TOLERANCE, REFERENCE_FACTOR * self.doubt / self.expected)


def check_protocol(
    entry: Entry, protocol: Protocol, compiled: CompiledModel, folder: Path
) -> Comparison:
    """Run a protocol by the reference and by the product, until the last spike that counts."""
    expected = find_expected(entry, protocol)
    found = simulate_protocol(entry, cut_protocol(protocol, expected[1]), compiled, folder)
    return compare(entry, protocol, found, expected)


def find_expected(entry: Entry, protocol: Protocol) -> tuple[np.ndarray, ...]:
    """Spike times by the reference, with tolerances of 1e-12 and of 1e-13."""
    trial = Trial(
        duration=protocol.duration,
        inputs=[(i[0], i[1], i[2] if len(i) > 2 else port_of(entry)) for i in protocol.inputs],
        initial=protocol.initial, far=protocol.far, scale=protocol.scale, most=MOST,
    )  # fmt: skip
    return find_spikes(entry.path, trial, protocol.parameters)


def cut_protocol(protocol: Protocol, expected: np.ndarray) -> Protocol:
    """The protocol until soon after its last spike that is compared."""
    if len(expected) < MOST:
        return protocol
    end = min(protocol.duration, expected[-1] + 0.1 * (expected[-1] - expected[-2]))
    inputs = tuple(one for one in protocol.inputs if one[0] <= end)
    return replace(protocol, duration=float(end), inputs=inputs)


def compare(
    entry: Entry, protocol: Protocol, found: np.ndarray, expected: tuple[np.ndarray, ...]
) -> Comparison:
    """Compare with the reference; it raises AssertionError where the number of spikes differs."""
    rough, fine = expected
    found = found[:MOST]
    where = f"{entry.name} {protocol.name}: {found} by the product, {fine} by the reference"
    assert len(rough) == len(fine), f"the reference does not agree with itself: {where}"
    assert len(found) == len(fine), where
    assert len(found) >= protocol.least, where
    return Comparison(found=found, expected=fine, doubt=np.abs(rough - fine))


def port_of(entry: Entry) -> str:
    """The port of inputs that name none."""
    model = tomllib.loads(entry.path.read_text(encoding="utf-8"))["model"]
    return next(iter(model["inputs"])) if "inputs" in model else "default"
