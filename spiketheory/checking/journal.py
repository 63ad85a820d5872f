"""What a check has behind it, so that one that was stopped goes on there."""

import json
from pathlib import Path
from typing import Any

from spiketheory.checking.search import Batch, Outcome
from spiketheory.errors import InputError
from spiketheory.reading import DamagedError, parse_json, read_text, show

HEAD = ("model", "digest", "parameters", "assume", "seed", "examples")


class Journal:
    """Batches in which every example held, a line of JSON for each, behind a line on the check.

    A batch with a failure is not written down: it is searched again, and fails again.

    Args:
        path: The file; None for none.
        head: What the check is of; a journal of another one is refused.

    Attributes:
        known: Outcomes by batch.

    Raises:
        InputError: If the file cannot be read, or is of another check.
    """

    def __init__(self, path: Path | None, head: dict[str, Any]) -> None:
        self.path, self.known = path, dict[Batch, Outcome]()
        self.head = json.loads(json.dumps({"version": 1, **head}))
        if path is None:
            return
        if path.exists():
            self.read(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.head) + "\n", encoding="utf-8")

    def read(self, path: Path) -> None:
        """Read what was written; a last line that is not whole is left out, and written anew."""
        try:
            text = read_text(path)
            lines = text.splitlines()
            head = parse_json(lines[0]) if lines else None
            if head != self.head:
                raise InputError(
                    f"Expected the journal {path} to be of this check but it is of "
                    f"{show(head)}; give the same model and options, or another --resume file."
                )
            whole = lines[1:] if text.endswith("\n") else lines[1:-1]
            for line in whole:
                name, number, examples, seed, counted, seconds = parse_json(line)
                batch = Batch(name=name, number=number, examples=examples, seed=seed)
                self.known[batch] = Outcome(
                    batch=batch, examples=counted, failure=None, drawn=None, seconds=seconds
                )
        except (DamagedError, TypeError, ValueError) as err:
            if isinstance(err, InputError):
                raise
            raise InputError(
                f"Expected a journal of a check in {path} but reading it failed: {err}; "
                "give another file, or remove it and begin anew."
            ) from err
        if not text.endswith("\n"):
            path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a batch."""
        if self.path is None or outcome.failure is not None:
            return
        b = outcome.batch
        line = json.dumps([b.name, b.number, b.examples, b.seed, outcome.examples, outcome.seconds])
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
