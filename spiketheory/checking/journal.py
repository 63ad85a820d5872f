"""What a campaign has behind it, so that one that was stopped goes on there."""

import json
from pathlib import Path
from typing import Any

from spiketheory.checking.search import Batch, Outcome
from spiketheory.errors import InputError
from spiketheory.reading import DamagedError, parse_json, read_text, show

MOST_JOURNAL = 2**30
"""Bytes; a check of a million examples writes some 40 MB."""


class Lines:
    """A line of JSON for each thing that is done, behind a line on what is being done.

    Args:
        path: The file; None for none.
        head: What is being done; a file of something else is refused.
        what: The same in a word, for messages.

    Attributes:
        read: Lines that were there.

    Raises:
        InputError: If the file cannot be read or written, or is of something else.
    """

    def __init__(self, path: Path | None, head: dict[str, Any], what: str) -> None:
        self.path, self.what, self.found = path, what, list[Any]()
        self.head = json.loads(json.dumps({"version": 1, **head}))
        if path is None:
            return
        try:
            if path.exists():
                self.read(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(self.head) + "\n", encoding="utf-8")
        except OSError as err:
            raise InputError(
                f"Expected to keep what is done in {path} but the system said: "
                f"{err.strerror or err}; choose a place that can be written to."
            ) from err

    def read(self, path: Path) -> None:
        """Read what was written; a last line that is not whole is left out, and written anew."""
        try:
            text = read_text(path, most=MOST_JOURNAL)
            lines = text.splitlines()
            head = parse_json(lines[0]) if lines else None
            if head != self.head:
                raise InputError(
                    f"Expected the journal {path} to be of this {self.what} but it is of "
                    f"{show(head)}; give the same model and options, or another --resume file."
                )
            whole = lines[1:] if text.endswith("\n") else lines[1:-1]
            self.found = [parse_json(line) for line in whole]
        except DamagedError as err:
            raise self.refuse(err) from err
        if not text.endswith("\n"):
            path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")

    def refuse(self, err: Exception) -> InputError:
        """What is raised if the file is no journal."""
        return InputError(
            f"Expected a journal of a {self.what} in {self.path} but reading it failed: {err}; "
            "give another file, or remove it and begin anew."
        )

    def write(self, value: Any) -> None:
        """Add a line."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")


class Journal:
    """Batches of a check in which every example held.

    A batch with a failure is not written down: it is searched again, and fails again.

    Args:
        path: The file; None for none.
        head: What the check is of.

    Attributes:
        known: Outcomes by batch.

    Raises:
        InputError: As `Lines`.
    """

    def __init__(self, path: Path | None, head: dict[str, Any]) -> None:
        self.lines, self.known = Lines(path, head, "check"), dict[Batch, Outcome]()
        try:
            for name, number, examples, seed, counted, seconds in self.lines.found:
                batch = Batch(name=name, number=number, examples=examples, seed=seed)
                self.known[batch] = Outcome(
                    batch=batch, examples=counted, failure=None, drawn=None, seconds=seconds
                )
        except (TypeError, ValueError) as err:
            raise self.lines.refuse(err) from err

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a batch."""
        if outcome.failure is None:
            b = outcome.batch
            self.lines.write(
                [b.name, b.number, b.examples, b.seed, outcome.examples, outcome.seconds]
            )
