"""``python -m benchmarks.speech``: spoken digits by other methods and by ours, in one table.

Same recordings, same splits, same random changes of training samples. Everything is chosen on
validation samples (recordings 5 to 9 of each speaker and digit; or one further speaker), and the
test part is looked at once.
"""

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import describe_machine, find_load
from benchmarks.speech_classic import FEATURES, MAKERS, Features, Score, train_classifier
from benchmarks.speech_data import COPIES, DECADES, Words, load_words
from benchmarks.speech_ours import CASES, train_ours
from benchmarks.speech_torch import NETWORKS, Hearing, is_there, train_network
from spiketheory.commands.group import invoke_safely

OFFICIAL = ""
METHODS = ("frames", "stretched", "augmented", "counts", "refit", "torch", "ours")
FILLED = ", words of one length"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One training in the table."""

    method: str
    fold: str
    seed: int
    score: Score


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        words: The recordings.
        folds: Speakers left out; `OFFICIAL` for the official split.
        seeds: So many, from 0.
        methods: Of `METHODS`.
        hidden, epochs: Of networks in PyTorch.
        match: Only methods whose name contains this.
    """

    words: Words
    folds: tuple[str, ...]
    seeds: int
    methods: tuple[str, ...]
    hidden: int
    epochs: int
    match: str = ""

    def name(self, method: str) -> str:
        """A method's name in the table."""
        decades = self.words.fine.decades
        scale = f", {decades:g} decades" if decades != DECADES else ""
        return method + FILLED * bool(self.words.fine.fill) + scale


def measure(plan: Plan) -> Iterator[Entry]:
    """Train everything, one after the other."""
    features = Features(plan.words)
    for label, name, kind, options in list_classifiers(plan.methods):
        if plan.match not in label:
            continue
        seeds = plan.seeds if name == "MLP" else 1  # the others draw nothing
        for fold, seed in ((f, s) for f in plan.folds for s in range(seeds)):
            score = train_classifier(features, name, kind, plan.words.split(fold), seed, **options)
            yield Entry(method=plan.name(label), fold=fold, seed=seed, score=score)
    if "torch" in plan.methods:
        yield from measure_networks(plan)
    if "ours" in plan.methods:
        for case in (c for c in CASES if plan.match in c):
            for fold, seed in ((f, s) for f in plan.folds for s in range(plan.seeds)):
                score = train_ours(plan.words, case, fold, seed)
                yield Entry(method=f"ours: {case}", fold=fold, seed=seed, score=score)


def list_classifiers(methods: tuple[str, ...]) -> list[tuple[str, str, str, dict[str, bool]]]:
    """Label, classifier, features and options of each row."""
    frames, stretched, counts = FEATURES
    rows: list[tuple[str, str, str, dict[str, bool]]] = []
    for name in MAKERS:
        plain, more = {"augmented": False}, {"augmented": True}
        if "frames" in methods:
            rows.append((f"{name}, 20 x 40 frames", name, frames, plain))
        if "stretched" in methods:
            rows.append((f"{name}, word stretched to 20 x 40", name, stretched, plain))
        if "augmented" in methods:
            rows.append((f"{name}, 20 x 40 frames, augmented", name, frames, more))
            rows.append((f"{name}, stretched, augmented", name, stretched, more))
        if "counts" in methods and name != "RBF-SVM":
            rows.append((f"{name}, spike counts in 50 ms", name, counts, plain))
        if "refit" in methods:
            both = plain | {"refit": True}
            rows.append((f"{name}, 20 x 40 frames, validation learned too", name, frames, both))
            rows.append((f"{name}, stretched, validation learned too", name, stretched, both))
            both = more | {"refit": True}
            label = f"{name}, 20 x 40 frames, augmented, validation learned too"
            rows.append((label, name, frames, both))
    return rows


def measure_networks(plan: Plan) -> Iterator[Entry]:
    """The networks in PyTorch that can be trained here."""
    for name in (n for n in NETWORKS if plan.match in n):
        if not is_there(name):
            click.echo(f"Left out {name}: it is not installed.", err=True)
            continue
        hearing = Hearing(plan.words, spiking=name != "GRU")
        for fold, seed in ((f, s) for f in plan.folds for s in range(plan.seeds)):
            score = train_network(
                hearing, name, plan.words.split(fold), seed, n_hidden=plan.hidden,
                epochs=plan.epochs,
            )  # fmt: skip
            label = plan.name(f"{name}, {plan.hidden} hidden")
            yield Entry(method=label, fold=fold, seed=seed, score=score)


def write_table(entries: list[Entry]) -> str:
    """Markdown: official split and mean over speakers left out, with the spread of seeds."""
    lines = [
        "| method | official (%) | one speaker left out (%) | worst fold | validation (%) | "
        "s/epoch | energy (nJ) |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(e.method for e in entries):
        own = [e for e in entries if e.method == method]
        official = [e for e in own if e.fold == OFFICIAL]
        others = [e for e in own if e.fold != OFFICIAL]
        by_seed = [
            statistics.mean(e.score.test for e in others if e.seed == seed)
            for seed in sorted({e.seed for e in others})
        ]
        worst = min(
            (
                (statistics.mean(e.score.test for e in others if e.fold == fold), fold)
                for fold in {e.fold for e in others}
            ),
            default=(math.nan, ""),
        )
        validated = [e.score.validation for e in own if math.isfinite(e.score.validation)]
        epoch = [e.score.epoch_seconds for e in own if math.isfinite(e.score.epoch_seconds)]
        cells = (
            method,
            show_spread([e.score.test for e in official]),
            show_spread(by_seed),
            f"{worst[1]} {100 * worst[0]:.1f}" if worst[1] else "",
            show_spread([statistics.mean(validated)] if validated else []),
            f"{statistics.median(epoch):.2g}" if epoch else "",
            f"{statistics.mean(e.score.picojoules for e in own) / 1e3:,.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def show_spread(shares: list[float]) -> str:
    """Mean and standard deviation in percent."""
    if not shares:
        return ""
    mean = f"{100 * statistics.mean(shares):.2f}"
    return mean if len(shares) < 2 else f"{mean} ± {100 * statistics.stdev(shares):.2f}"


def list_speakers(entries: list[Entry]) -> str:
    """Markdown: accuracy of each speaker left out."""
    folds = sorted({e.fold for e in entries if e.fold})
    lines = ["| method | " + " | ".join(folds) + " |", "|---" * (len(folds) + 1) + "|"]
    for method in dict.fromkeys(e.method for e in entries):
        cells = []
        for fold in folds:
            own = [e.score.test for e in entries if (e.method, e.fold) == (method, fold)]
            cells.append(f"{100 * statistics.mean(own):.1f}" if own else "")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR",
              help="Folder that holds free-spoken-digit-dataset/recordings.  "
              "[default: $SPIKETHEORY_DATA, then your user data folder]")  # fmt: skip
@click.option("--only", "methods", multiple=True, type=click.Choice(METHODS),
              help="Measure these alone; repeatable.  [default: all]")  # fmt: skip
@click.option("--match", default="", metavar="TEXT",
              help="Only methods whose name in the table contains this.  [default: all]"
              )  # fmt: skip
@click.option("--fold", "folds", multiple=True, metavar="SPEAKER",
              help="Leave these speakers out, one after the other; official is the official "
              "split.  [default: official, and each speaker]")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--hidden", type=click.IntRange(min=1), default=128, show_default=True,
              help="Hidden neurons of networks in PyTorch.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True,
              help="Epochs of networks in PyTorch.")  # fmt: skip
@click.option("--fill", type=float, default=0.0, metavar="SECONDS",
              help="Cut silence off both ends of words, and stretch them to this length, for all "
              "methods but ours.  [default: not]")  # fmt: skip
@click.option("--decades", type=float, default=DECADES, show_default=True,
              help="From silence to full loudness, for all methods but ours.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.json",
              help="Add all figures to this file; those that are in it are not measured again."
              )  # fmt: skip
@click.pass_context
def speech(ctx: click.Context, out: Path | None, **options: Any) -> None:
    """Measure spoken digits by other methods and ours."""
    invoke_safely(ctx, lambda _: run(out, **options))


def run(
    out: Path | None, *, data: Path | None, methods: tuple[str, ...], folds: tuple[str, ...],
    seeds: int, hidden: int, epochs: int, match: str, fill: float,
    decades: float,
) -> None:  # fmt: skip
    """Measure, print, keep."""
    words = load_words(data, fill, decades)
    speakers = np.unique(words.recordings.speakers).tolist()
    chosen = tuple(OFFICIAL if f == "official" else f for f in folds) or (OFFICIAL, *speakers)
    for fold in chosen:
        words.split(fold)  # refuses unknown speakers now
    plan = Plan(
        words=words, folds=chosen, seeds=seeds, methods=methods or METHODS, hidden=hidden,
        epochs=epochs, match=match,
    )  # fmt: skip
    entries = read_entries(out)
    for entry in measure(plan):
        entries = [e for e in entries if find_key(e) != find_key(entry)] + [entry]
        click.echo(
            f"{entry.method}, {entry.fold or 'official'}, seed {entry.seed}: "
            f"{entry.score.test:.2%} ({entry.score.settings}), {entry.score.seconds:.1f} s",
            err=True,
        )
        if out is not None:
            content = {"machine": describe_machine(), "load": find_load(),
                       "entries": [asdict(e) for e in entries]}  # fmt: skip
            out.write_text(json.dumps(content, indent=1), encoding="utf-8")
    click.echo(write_table(entries))
    click.echo("")
    click.echo(list_speakers(entries))
    click.echo(f"\nAugmented: {COPIES} changed copies of each sample, or anew in every epoch.")


def find_key(entry: Entry) -> tuple[str, str, int]:
    """What a training is known by."""
    return entry.method, entry.fold, entry.seed


def read_entries(path: Path | None) -> list[Entry]:
    """What was measured before."""
    if path is None or not path.exists():
        return []
    content = json.loads(path.read_text("utf-8"))
    return [Entry(**{**e, "score": Score(**e["score"])}) for e in content["entries"]]


if __name__ == "__main__":
    speech(prog_name="python -m benchmarks.speech")
