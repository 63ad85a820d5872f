"""A report as plain values and as text, and its files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spiketheory.checking.failure import Failure
from spiketheory.checking.failure_file import write_failure
from spiketheory.checking.figures.failure_figure import draw_failure
from spiketheory.checking.runner import Report
from spiketheory.checking.subject import Subject

MEANING = {
    "smooth": "spikes only shift, and so smoothly: every property holds in every example",
    "continuous": "spikes only shift; gradients jump where an input meets a spike",
    "broken": "a property fails; the smallest trials found are below",
}


def write_failures(report: Report, subject: Subject, folder: Path) -> dict[str, list[str]]:
    """Write a trial file and a figure for every property that fails.

    Returns:
        The paths by property.
    """
    written: dict[str, list[str]] = {}
    for result in report.results:
        if result.failure is None:
            continue
        stem = folder / f"{report.model}-{result.name}"
        write_failure(stem.with_suffix(".npz"), subject, result.failure)
        draw_failure(stem.with_suffix(".png"), subject, result.failure)
        written[result.name] = [str(stem.with_suffix(s)) for s in (".npz", ".png")]
    return written


def describe_report(report: Report, written: dict[str, list[str]]) -> dict[str, Any]:
    """A report as plain values (docs/formats.md, 11)."""
    return {
        "model": report.model,
        "verdict": report.verdict,
        "parameters": report.parameters,
        "assumptions": list(report.assumptions),
        "seed": report.seed,
        "examples": report.examples,
        "properties": [
            {
                "name": r.name,
                "text": r.text,
                "status": r.status,
                "examples": r.examples,
                "reason": r.reason,
                "failure": describe_failure(r.failure) if r.failure else None,
                "files": written.get(r.name, []),
            }
            for r in report.results
        ],
    }


def describe_failure(failure: Failure) -> dict[str, Any]:
    """A failure as plain values."""
    trial, gap = failure.trial, failure.gap
    return {
        "parameter": failure.place and {
            "name": failure.place.field, "index": list(failure.place.index),
            "values": failure.values and list(failure.values),
        },
        "spike": gap and {
            "neuron": gap.neuron, "number": gap.index, "times": list(gap.times), "change": gap.size,
        },
        "proof": failure.proof,
        "trial": {
            "T": trial.duration,
            "weights": [list(row) for row in trial.weights],
            "input_weights": [list(row) for row in trial.input_weights],
            "input_times": list(trial.input_times),
            "input_neurons": list(trial.input_neurons),
            "initial": [list(state) for state in trial.initial],
        },
    }  # fmt: skip


def format_report(report: Report, written: dict[str, list[str]]) -> str:
    """A report as text for people."""
    return "\n".join(list_lines(report, written))


def list_lines(report: Report, written: dict[str, list[str]]) -> Iterator[str]:
    """The lines of `format_report`."""
    yield f"{report.model}: {report.verdict} ({MEANING[report.verdict]})"
    assumed = f", assuming {' and '.join(report.assumptions)}" if report.assumptions else ""
    yield f"seed {report.seed}, {report.examples} examples{assumed}"
    for r in report.results:
        yield f"  {r.status:8s}{r.name:13s}{r.text} ({r.examples} examples)"
        if r.status == "skipped":
            yield f"          {r.reason}"
    for r in report.results:
        if r.failure is None:
            continue
        yield f"\n{r.name}: {r.reason}"
        yield f"  confirmed {r.failure.proof}"
        trial = r.failure.trial
        yield f"  {count(trial.n_neurons, 'neuron')}, {count(len(trial.input_times), 'input')}:"
        for name in ("weights", "input_weights", "input_times", "input_neurons", "initial"):
            value = getattr(trial, name)
            yield f"    {name} = {[list(v) if isinstance(v, tuple) else v for v in value]}"
        for path in written.get(r.name, ()):
            yield f"  wrote {path}"


def count(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"
