"""The command ``listen``: a trained network hears a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import DATA_OPTION, JSON_OPTION, print_either, show_progress

if TYPE_CHECKING:
    import numpy as np

    from sim.report.listening import Ear, Judge, Rates
    from sim.training.run_folder import Run

KEPT = "listen.npz"
NO_SOUND = "no sound"
NO_WORD = "no word"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@DATA_OPTION
@click.option("--check", is_flag=True,
              help="Also measure how often words of the test part, and sounds that are none, are "
              "rejected.  [default: no]")  # fmt: skip
@JSON_OPTION
def listen(run: Path, file: Path | None, root: Path | None, check: bool, as_json: bool) -> None:
    """Let the network in RUN, trained on recordings, hear FILE.wav.

    Prints the digit of every word with its probability, or that the sound is no word: silence,
    noise, words played backwards. What a word is, is learned from the run's training recordings at
    first, which takes a minute, and kept in RUN.

    \b
    Examples:
      spiketheory train --dataset fsdd --data FOLDER --out runs/digits
      spiketheory listen runs/digits seven.wav --data FOLDER
      spiketheory listen runs/digits --check --data FOLDER
    """  # noqa: D301
    if file is None and not check:
        raise click.UsageError("Expected FILE.wav or --check but got neither; give one of them.")
    from sim.report.listening import Ear, find_corpus, measure_rates
    from spiketheory.commands.display import format_json
    from spiketheory.commands.trained.report import load, make_reader
    from spiketheory.errors import InputError

    loaded = load(run, root)
    reader = make_reader(loaded)
    if reader is None:
        raise InputError(
            f"Expected a network with a readout of spike trains but the outputs of {run} spike "
            "themselves; train one with --dataset fsdd."
        )
    found: dict[str, Any] = {"run": str(run)}
    with show_progress() as show:
        ear = Ear(reader, loaded.trainer.config)
        judge = find_judge(loaded, ear, root, show)
        if file is not None:
            found |= hear_file(ear, judge, file)
        if check:
            show("Listening to the test part")
            corpus = find_corpus(loaded.trainer.config, root)
            found["rates"] = describe_rates(measure_rates(ear, corpus, judge))
    print_either(format_json(found) if as_json else "\n".join(write_lines(found)))


def find_judge(loaded: "Run", ear: "Ear", root: Path | None, show: Any) -> "Judge":
    """What says whether a sound is a word: kept with the run, or learned now."""
    from sim.report.judge_file import read_judge, write_judge
    from sim.report.listening import find_corpus, teach

    path = loaded.folder / KEPT
    arrays = loaded.trainer.to_arrays(loaded.state)
    judge = read_judge(path, arrays)
    if judge is None:
        show("Learning what a word is")
        judge = teach(ear, find_corpus(loaded.trainer.config, root))
        write_judge(path, judge, arrays)
    return judge


def hear_file(ear: "Ear", judge: "Judge", file: Path) -> dict[str, Any]:
    """The words of a recording."""
    from sim.report.sounds import split_words
    from sim.speech.wav import is_silent, read_sound

    samples, rate = read_sound(file)
    if is_silent(samples):
        return {"file": str(file), "words": [reject(0.0, len(samples) / rate, NO_SOUND)]}
    words = [
        judge_word(ear, judge, samples[begin:end], rate, begin / rate, end / rate)
        for begin, end in split_words(samples, rate)
    ]
    return {"file": str(file), "words": words}


def reject(begin: float, end: float, why: str) -> dict[str, Any]:
    """A sound that is no word."""
    return {"begin": begin, "end": end, "digit": None, "probability": None, "rejected": why}


def judge_word(
    ear: "Ear", judge: "Judge", samples: "np.ndarray", rate: int, begin: float, end: float
) -> dict[str, Any]:
    """One word."""
    from sim.report.evidence import soften

    heard = ear.hear([(samples, rate)])
    margin = float(judge.score(heard.features)[0] - judge.threshold)
    likely = soften(heard.logits[0] / judge.temperature)
    if margin < 0:
        return reject(begin, end, NO_WORD) | {"margin": margin}
    digit = int(likely.argmax())
    return {"begin": begin, "end": end, "digit": digit, "probability": float(likely[digit]),
            "rejected": None, "margin": margin}  # fmt: skip


def describe_rates(rates: "Rates") -> dict[str, Any]:
    """How often what is rejected, as plain values."""
    return {
        "test_words": rates.n, "rejected_words": rates.words, "rejected": rates.others,
        "accuracy": rates.accuracy, "accuracy_of_kept_words": rates.accuracy_kept,
    }  # fmt: skip


def write_lines(found: dict[str, Any]) -> list[str]:
    """The same in words."""
    lines = []
    for word in found.get("words", []):
        place = f"{word['begin']:.2f} to {word['end']:.2f} s"
        said = (
            f"rejected: {word['rejected']}"
            if word["rejected"]
            else f"{word['digit']}  ({word['probability']:.1%} sure)"
        )
        lines.append(f"{place}: {said}")
    if "rates" in found:
        rates = found["rates"]
        lines.append(
            f"Of {rates['test_words']} words of the test part {rates['rejected_words']:.1%} are "
            f"rejected; {rates['accuracy']:.1%} of all are right, "
            f"{rates['accuracy_of_kept_words']:.1%} of those that are not rejected."
        )
        others = ", ".join(f"{kind} {share:.1%}" for kind, share in rates["rejected"].items())
        lines.append(f"Of other sounds are rejected: {others}.")
    return lines
