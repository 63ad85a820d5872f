"""The inside of ``certify --model FOLDER``: many models, each in a process of its own."""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from sim.cluster.client import ClusterOptions

EXIT_CODES = (("refuted", 1), ("refused", 2), ("failed", 2), ("undecided", 3))
"""The first verdict that some model has decides."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about one model.

    Attributes:
        path: Its file; all machines see it.
        assumptions: Assumed beside those of the file.
        parameters: Values that are kept fixed.
        seconds: Of the processor, so that a busy machine does not decide; 0 is no limit.
    """

    path: str
    assumptions: tuple[str, ...]
    parameters: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one model.

    Attributes:
        file: Its file's name.
        verdict: That of the certificate, ``refused`` (the file is no model), or ``failed``.
        seconds: Of the processor.
        reason: Why there is no certificate.
        certificate: In JSON; "" if there is none.
    """

    file: str
    verdict: str
    seconds: float
    reason: str = ""
    certificate: str = ""

    @property
    def plain(self) -> dict[str, Any]:
        """Without the certificate."""
        return {k: v for k, v in asdict(self).items() if k != "certificate"}


def certify_folder(
    folder: Path, assumptions: tuple[str, ...], parameters: dict[str, float], *, timeout: float,
    out: Path | None, resume: Path | None, where: "ClusterOptions | None", workers: int,
    as_json: bool,
) -> int:  # fmt: skip
    """Certify all models of a folder, print a table, and return the exit code."""
    from spiketheory.commands.common import hold_folder, print_either
    from spiketheory.commands.display import format_json, track
    from spiketheory.commands.terminal import make_console
    from spiketheory.files import write_text_atomically

    questions = [
        Question(path=str(path.absolute()), assumptions=assumptions, parameters=parameters,
                 seconds=timeout)
        for path in list_models(folder)
    ]  # fmt: skip
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        hold_folder(out)
    rows: dict[str, Row] = {}

    def take() -> Iterator[tuple[int, None]]:
        for row in answer(questions, resume, where, workers):
            rows[row.file] = row
            if out is not None and row.certificate:
                write_text_atomically(out / f"{Path(row.file).stem}.json", row.certificate)
            yield len(rows), None

    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    track(take(), total=len(questions), console=console, what="models")
    ordered = [rows[name] for name in sorted(rows)]
    if as_json:
        click.echo(format_json([row.plain for row in ordered]))
    else:
        print_either(draw_rows(ordered))
        for row in ordered:
            if row.reason:
                click.echo(f"{row.file}: {row.reason}")
        if out is not None:
            click.echo(f"Certificates are in {out}.")
    verdicts = {row.verdict for row in ordered}
    return next((code for verdict, code in EXIT_CODES if verdict in verdicts), 0)


def list_models(folder: Path) -> list[Path]:
    """The model files of a folder, by name."""
    from spiketheory.errors import InputError

    found = sorted(folder.glob("*.toml"))
    if not found:
        raise InputError(
            f"Expected model files (.toml) in {folder} but there is none; give another folder."
        )
    return found


def answer(
    questions: Sequence[Question], resume: Path | None, where: "ClusterOptions | None", workers: int
) -> Iterator[Row]:
    """What becomes of each model; those that are in the journal are not certified again."""
    from spiketheory.checking.journal import Lines
    from spiketheory.commands.common import hold_folder
    from spiketheory.commands.spread.processes import open_processes, run_ahead

    if resume is not None:
        hold_folder(resume.absolute().parent, f".{resume.name}.lock")
    one = questions[0]
    head = {"certify": list(one.assumptions), "parameters": one.parameters, "timeout": one.seconds}
    journal = Lines(resume, head, "certification")
    try:
        known = {digest: Row(**row) for digest, row in journal.found}
    except (TypeError, ValueError) as err:
        raise journal.refuse(err) from err
    digests = {q.path: find_digest(q.path) for q in questions}
    yield from (known[digests[q.path]] for q in questions if digests[q.path] in known)
    todo = [q for q in questions if digests[q.path] not in known]
    if not todo:
        return
    remedy = f"What was done is in {resume}; give the same command." if resume else (
        "Begin anew, with --resume FILE to keep what is done."
    )  # fmt: skip
    with open_processes(where, workers, remedy=remedy) as pool:
        for question, row in run_ahead(pool, certify_alone, todo):
            journal.write([digests[question.path], asdict(row)])
            yield row


def find_digest(path: str) -> str:
    """Of a file's name and content."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    return hashlib.sha256(Path(path).name.encode() + b"\0" + content).hexdigest()


def certify_alone(question: Question) -> Row:
    """Certify a model in a process of its own, whose main thread can be told that time is over."""
    from spiketheory.errors import ProcessError
    from spiketheory.workers import call_alone

    started = time.perf_counter()
    try:
        row: Row = call_alone(certify_file, question)
    except ProcessError as err:
        return Row(
            file=Path(question.path).name, verdict="failed",
            seconds=round(time.perf_counter() - started, 2), reason=str(err),
        )  # fmt: skip
    return row


def certify_file(question: Question) -> Row:
    """Certify a model."""
    from derivations import read_neuron_model
    from spiketheory.certification.certify import certify
    from spiketheory.certification.parameter_ranges import fix_parameters
    from spiketheory.documents.certificate import write_certificate
    from spiketheory.errors import SpiketheoryError, TimeLimitError
    from spiketheory.language.parse import parse_assumption
    from spiketheory.time_limit import limit_time

    reason, text = "", ""
    try:
        model = read_neuron_model(question.path)
        neuron, relations = fix_parameters(model, question.parameters)
        what = f"the certificate of {neuron.name}"
        relations = (*relations, *(parse_assumption(r, neuron) for r in question.assumptions))
        with limit_time(question.seconds, what, of_processor=True):
            certificate = certify(neuron, relations)
        verdict, text = certificate.verdict, write_certificate(certificate, format="json")
    except TimeLimitError as err:
        verdict, reason = "undecided", str(err)
    except SpiketheoryError as err:
        verdict, reason = "refused", str(err)
    return Row(
        file=Path(question.path).name, verdict=verdict, reason=reason, certificate=text,
        seconds=round(time.process_time(), 2),
    )  # fmt: skip


def draw_rows(rows: Sequence[Row]) -> "Table":
    """A table of verdicts, with how many there are of each."""
    from collections import Counter

    from rich.table import Table

    table = Table("model", "verdict")
    table.add_column("seconds", justify="right")
    for row in rows:
        table.add_row(row.file, row.verdict, f"{row.seconds:.1f}")
    counts = Counter(row.verdict for row in rows)
    table.caption = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    return table
