"""The readers under test: files that each accepts, damage to them, and how it is called.

A reader may raise the project's own errors, click's, or exit with a code; anything else is a
fault. What it reads is taken as far as a user's command would take it, if that is cheap.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from click.testing import CliRunner
from fuzz import mutations as m
from hypothesis import strategies as st

from derivations import compile_model, read_neuron_model
from sim.analysis.population_measures import measure_populations
from sim.files.edge_file import read_edges
from sim.files.network_file import read_network_file
from sim.files.result_file import read_result
from sim.training import run_folder
from sim.training.checkpoint import load_checkpoint, save_checkpoint
from sim.training.config import make_config
from sim.training.data import read_idx
from sim.training.networks.network_run import is_network_config
from sim.training.trial_data import load_trial_dataset, suggest_settings
from spiketheory.certification import recheck as rechecking
from spiketheory.certification.certify import certify
from spiketheory.certification.recheck import read_certificate, recheck
from spiketheory.checking.attack.contradiction import Contradiction, PlainTrial
from spiketheory.checking.attack.replay import (
    read_contradiction,
    replay_contradiction,
    write_contradiction,
)
from spiketheory.checking.failure import Failure
from spiketheory.checking.failure_file import read_failure, write_failure
from spiketheory.checking.replay import replay
from spiketheory.checking.runner import make_recipe
from spiketheory.checking.trial import Place, Trial
from spiketheory.commands.main import main
from spiketheory.documents.certificate import write_certificate
from spiketheory.errors import InputError
from spiketheory.language.parse import parse_assumption, read_model

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / "tests" / "data" / "old_formats"
NETWORK = tomllib.loads(Path(__file__).with_name("network.toml").read_text("utf-8"))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader of files.

    Attributes:
        suffix: Of the files.
        inputs: Draws a damaged file.
        read: Reads it.
    """

    suffix: str
    inputs: Callable[[], st.SearchStrategy[bytes]]
    read: Callable[[Path], Any]


def damage_toml(trees: Sequence[Any]) -> st.SearchStrategy[bytes]:
    return m.mix(m.damaged_trees(trees).map(m.write_toml), [m.write_toml(t) for t in trees])


def damage_json(trees: Sequence[Any]) -> st.SearchStrategy[bytes]:
    return m.mix(m.damaged_trees(trees).map(m.write_json), [m.write_json(t) for t in trees])


def damage_npz(paths: Sequence[Path]) -> st.SearchStrategy[bytes]:
    files = []
    for path in paths:
        with np.load(path) as found:
            files.append(dict(found))
    return m.mix(m.damaged_arrays(files).map(m.write_npz), [p.read_bytes() for p in paths])


def load_toml(*paths: Path) -> list[Any]:
    return [tomllib.loads(path.read_text("utf-8")) for path in paths]


def damage_models() -> st.SearchStrategy[bytes]:
    own = sorted((ROOT / "tests" / "models").glob("*.toml"))[:12]
    return damage_toml(load_toml(*own, *sorted((ROOT / "examples").glob("*.toml"))[:4]))


def write_in_folder(write: Callable[[Path], Any], name: str) -> bytes:
    """What is written to a file."""
    with TemporaryDirectory() as folder:
        write(Path(folder, name))
        return Path(folder, name).read_bytes()


def simulate(path: Path) -> None:
    """The command; a file that is refused leaves no output."""
    out = path.with_name("out.npz")
    options = ("--backend", "numpy", "--max-spikes", "300")
    result = CliRunner().invoke(main, ["simulate", str(path), "--out", str(out), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if out.exists():
        assert result.exit_code == 0 or "What ran up to then is in" in result.output
        out.unlink()
    if result.exit_code:
        raise InputError(result.stderr)


def read_network(path: Path) -> None:
    read_network_file(path, compile_model=partial(compile_model, backend="numpy"))


def read_trials(path: Path) -> None:
    suggest_settings(path)
    load_trial_dataset(path)


def read_config(path: Path) -> None:
    is_network_config(path)
    make_config(file=path)


def make_trials() -> dict[str, Any]:
    return {
        "time": np.linspace(0, 1, 21), "channel": np.arange(21) % 3, "offsets": np.arange(0, 24, 3),
        "n_channels": 3, "duration": 2.0, "label": np.arange(7) % 2,
        "group": np.array(["train"] * 5 + ["test", "validation"]),
    }  # fmt: skip


def make_result() -> dict[str, Any]:
    return {
        "spike_time": np.linspace(0.1, 3.9, 40), "spike_neuron": np.arange(40) % 4,
        "population_name": np.array(["a", "b"]), "population_size": np.array([3, 2]),
        "recorded": np.arange(4), "t_end": np.array(4.0),
    }  # fmt: skip


def damage_results() -> st.SearchStrategy[bytes]:
    files = [make_result()]
    return m.mix(m.damaged_arrays(files).map(m.write_npz), [m.write_npz(files[0])])


def read_and_measure(path: Path) -> None:
    for one in measure_populations(read_result(path)):
        one.summarise()


def damage_trials() -> st.SearchStrategy[bytes]:
    files = [make_trials()]
    return m.mix(m.damaged_arrays(files).map(m.write_npz), [m.write_npz(files[0])])


def damage_checkpoints() -> st.SearchStrategy[bytes]:
    """Most with a checksum that fits what was changed, as if somebody had edited them."""
    path = OLD / "run" / "checkpoint.npz"
    found = load_checkpoint(path)
    parts = [{"config": found.config, "meta": found.meta}]

    def write(drawn: tuple[Any, dict[str, Any]]) -> bytes:
        tree, arrays = drawn
        tree = tree if isinstance(tree, dict) else {}
        record = {k: tree[k] if isinstance(tree.get(k), dict) else {} for k in ("config", "meta")}
        plain = {n: a for n, a in arrays.items() if n.isascii() and n.isprintable()}
        kept = {n: a for n, a in plain.items() if not np.asarray(a).dtype.hasobject}
        return write_in_folder(lambda p: save_checkpoint(p, arrays=kept, **record), "x.npz")

    edited = st.one_of(
        st.tuples(m.damaged_trees(parts), st.just(dict(found.arrays))),
        st.tuples(st.just(parts[0]), m.damaged_arrays([found.arrays])),
    )
    return m.mix(edited.map(write), [path.read_bytes()])


def read_checkpoint(path: Path) -> None:
    run = run_folder.load_run(path, compile_model=partial(compile_model, backend="numpy"))
    sum(float(row[name]) for row in run.state.rows for name in run_folder.METRIC_NAMES)


@cache
def load_digits() -> Any:
    return run_folder.load_dataset("digits")


@contextmanager
def share_work() -> Iterator[None]:
    """Let inputs share what takes longer than all else, where the damage left it as it was.

    Checkpoints share one data set; certificates what follows from a model, and proofs and trials
    that were gone through before.
    """
    digits, load = load_digits(), run_folder.load_dataset

    def load_shared(name: str, **options: Any) -> Any:
        same = name == "digits" and not options.get("validation")
        return digits if same else load(name, **options)

    shared = {
        "list_obligations": lambda model, *rest: [model.to_toml(), repr(rest)],
        "check_proof": lambda claim, proof: [
            repr((claim.written, claim.relation, claim.ranges)), proof
        ],
        "check_witness": lambda model, assumptions, told: [
            model.to_toml(), repr(assumptions), told
        ],
    }  # fmt: skip
    before = {name: getattr(rechecking, name) for name in shared}
    run_folder.load_dataset = load_shared
    for name, find_key in shared.items():
        setattr(rechecking, name, remember(before[name], find_key))
    try:
        yield
    finally:
        run_folder.load_dataset = load
        for name, function in before.items():
            setattr(rechecking, name, function)


def remember(function: Callable[..., Any], find_key: Callable[..., Any]) -> Callable[..., Any]:
    """A function that keeps what it returned, by a key that can be written as JSON."""
    known: dict[str, Any] = {}

    def call(*arguments: Any) -> Any:
        try:
            key = json.dumps(find_key(*arguments))
        except ValueError:  # more digits than Python writes
            return function(*arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return call


@cache
def make_subject() -> Any:
    return make_recipe("lif", parameters={}, assume=()).build()


def damage_failures() -> st.SearchStrategy[bytes]:
    trial = Trial(
        duration=5.0, weights=((0.0, 0.5), (0.0, 0.0)), input_weights=((4.0, 0.0), (0.0, 3.0)),
        input_times=(0.5, 1.0), input_neurons=(0, 1), initial=((0.0, 0.0), (0.1, 0.0)),
    )  # fmt: skip
    failures = [
        Failure(name="continuity", text="it vanishes", trial=trial, values=(4.0, 4.5),
                place=Place("input_weights", (0, 0)), proof="by hand"),
        Failure(name="symmetry", text="", trial=trial,
                extra=(("order", (1, 0)), ("input_order", (1, 0)), ("shift", (0.5,)))),
    ]  # fmt: skip
    contents = [
        write_in_folder(lambda path, f=one: write_failure(path, make_subject(), f), "f.npz")
        for one in failures
    ]
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{k}.npz") for k in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return damage_npz(paths)


def read_and_replay(path: Path) -> None:
    neuron, parameters, _, failure = read_failure(path)
    subject = make_subject()
    if neuron == subject.neuron and parameters == subject.parameters:
        replay(subject, failure)


def damage_contradictions() -> st.SearchStrategy[bytes]:
    model = read_neuron_model("lif_delta")
    trial = PlainTrial(
        parameters=tuple(p.default for p in model.parameters), initial=(0.0,), times=(0.5, 1.0),
        weights=(0.5, 0.9), duration=3.0,
    )  # fmt: skip
    found = [
        Contradiction(kind="jump", text="it vanishes", claim="C2", trial=trial,
                      place=("weights", 1), values=("0.9", "0.95"), spikes=((1.0,), ())),
        Contradiction(kind="witness", text="", claim="", trial=trial, place=("times", 0),
                      values=("0.1", "0.2"), facts={"speed": 1.0}),
    ]  # fmt: skip
    contents = [
        write_in_folder(lambda p, c=one: write_contradiction(p, model, (), "smooth", c), "c.json")
        for one in found
    ]
    return damage_json([json.loads(content) for content in contents])


def read_and_look_again(path: Path) -> None:
    model, assume, found = read_contradiction(path)
    for text in assume:
        parse_assumption(text, model)
    if model == read_neuron_model("lif_delta"):
        replay_contradiction(model, assume, found)


def read_certificate_again(path: Path) -> None:
    recheck(read_certificate(path))


def damage_certificates() -> st.SearchStrategy[bytes]:
    texts = [
        write_certificate(certify(read_neuron_model(name)), format="json")
        for name in ("qif_delta", "lif_delta")
    ]
    return damage_json([json.loads(text) for text in texts])


def make_edges() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "pre": np.arange(20) % 5, "post": np.arange(20) // 5,
        "weight": rng.normal(size=20).astype(np.float32), "delay": rng.uniform(0.1, 1.0, 20),
    }  # fmt: skip


def damage_edges() -> st.SearchStrategy[bytes]:
    files = [make_edges(), {f"a->b/{name}": column for name, column in make_edges().items()}]
    return m.mix(m.damaged_arrays(files).map(m.write_npz), [m.write_npz(f) for f in files])


def damage_lines() -> st.SearchStrategy[bytes]:
    columns = {"pre_population": np.full(20, "a"), **make_edges()}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    whole = "\r\n".join(lines).encode()
    words = st.sampled_from(
        [b",", b"\n", b'"', b"nan", b"1e400", b"-1", b"0x1", b"\0", b"\xff", b""]
    )
    places = st.integers(0, len(whole))
    damaged = st.lists(st.tuples(places, words, st.integers(0, 3)), min_size=1, max_size=4).map(
        lambda cuts: replace_parts(whole, cuts)
    )
    return m.mix(damaged, [whole])


def replace_parts(content: bytes, cuts: Sequence[tuple[int, bytes, int]]) -> bytes:
    """Content with other words at some places, in place of so many letters."""
    for place, word, n in cuts:
        content = content[:place] + word + content[place + n :]
    return content


def damage_sonata() -> st.SearchStrategy[bytes]:
    def write(path: Path) -> None:
        import h5py

        edges = make_edges()
        with h5py.File(path, "w") as file:
            place = file.create_group("edges/a_to_b")
            for name, key, population in (("pre", "source", "a"), ("post", "target", "b")):
                place[f"{key}_node_id"] = edges[name]
                place[f"{key}_node_id"].attrs["node_population"] = population
            place["edge_group_id"], place["edge_group_index"] = np.zeros(20, int), np.arange(20)
            place["0/syn_weight"], place["0/delay"] = edges["weight"], edges["delay"]

    whole = write_in_folder(write, "edges.h5")
    return m.mix(m.damaged_bytes(st.just(whole)), [whole])


def read_edge_file(path: Path) -> None:
    read_edges(path, ("a", "b"), (4, 5))


@st.composite
def damage_idx(draw: Callable[..., Any]) -> bytes:
    axes = draw(st.sampled_from([3, 3, 3, 1, 2, 0, 255]))
    lengths = [draw(st.sampled_from([0, 1, 2, 3, 5, 2**16, 2**31, 2**32 - 1])) for _ in range(3)]
    head = bytes([0, 0, draw(st.sampled_from([8, 8, 8, 9, 13])), axes])
    body = bytes(draw(st.sampled_from([0, 1, 30, 45, 1000])))
    content = head + b"".join(n.to_bytes(4, "big") for n in lengths) + body
    return draw(st.one_of(st.just(content), m.damaged_bytes(st.just(content))))


READERS = {
    "model": Reader(suffix=".toml", inputs=damage_models, read=read_model),
    "network": Reader(suffix=".toml", inputs=lambda: damage_toml([NETWORK]), read=read_network),
    "simulated_network": Reader(
        suffix=".toml", inputs=lambda: damage_toml([NETWORK]), read=simulate
    ),
    "trial": Reader(
        suffix=".npz",
        inputs=lambda: damage_npz([OLD / "trial.npz", OLD / "trial_result.npz"]),
        read=simulate,
    ),
    "batch": Reader(suffix=".npz", inputs=lambda: damage_npz([OLD / "batch.npz"]), read=simulate),
    "result": Reader(suffix=".npz", inputs=damage_results, read=read_and_measure),
    "trials": Reader(suffix=".npz", inputs=damage_trials, read=read_trials),
    "config": Reader(
        suffix=".toml",
        inputs=lambda: damage_toml(load_toml(OLD / "run" / "config.toml")),
        read=read_config,
    ),
    "checkpoint": Reader(suffix=".npz", inputs=damage_checkpoints, read=read_checkpoint),
    "failure": Reader(suffix=".npz", inputs=damage_failures, read=read_and_replay),
    "contradiction": Reader(suffix=".json", inputs=damage_contradictions, read=read_and_look_again),
    "certificate": Reader(suffix=".json", inputs=damage_certificates, read=read_certificate_again),
    "edges": Reader(suffix=".npz", inputs=damage_edges, read=read_edge_file),
    "edge_lines": Reader(suffix=".csv", inputs=damage_lines, read=read_edge_file),
    "sonata": Reader(suffix=".h5", inputs=damage_sonata, read=read_edge_file),
    "idx": Reader(suffix=".idx", inputs=damage_idx, read=partial(read_idx, n_axes=3)),
}
"""By name."""
