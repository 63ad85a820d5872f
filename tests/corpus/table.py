"""Write docs/corpus.md: every model of the corpus, and what came of it.

    PYTHONPATH=. python tests/corpus/table.py            # all of them, hours
    PYTHONPATH=. python tests/corpus/table.py lif_cuba   # some, printed

Every model is derived anew, in a process of its own, without a cache.
"""

import multiprocessing
import os
import re
import sys
import tempfile
from pathlib import Path

from corpus import Entry, check_protocol, compile_entry, find_missing, read_corpus

from spiketheory.errors import SpiketheoryError
from spiketheory.time_limit import limit_time

PAGE = Path(__file__).parents[2] / "docs" / "corpus.md"
HEAD = """# Published models

`tests/corpus/models/` has {n} models as people publish them, with units and the reported
parameters; `tests/corpus/protocols.toml` says where each is from and what it is given. Each is
derived without a cache, simulated by the event engine, and compared with an independent
integration (`tests/corpus/reference.py`: scipy's DOP853 on the text of the equations, begun anew
at every event) over its first 20 spikes. Differences are relative to the time of the spike; they
must stay below 1e-9, or below 100 times what the reference itself changes from a tolerance of
1e-12 to 1e-13. `pytest --slow tests/corpus` checks it. This page is written by
`PYTHONPATH=. python tests/corpus/table.py`; seconds are of processor time, on a shared machine.

Of the {n}, {ok} derive and agree, {refused} are refused for the reason that stands there, {missing}
wait for a part of the language, and {failed} fail as yet (`fails` in `protocols.toml` says why).

| model | source | method | s | trials | spikes | largest difference |
|---|---|---|---|---|---|---|
"""
LONGEST = 300


def describe(name: str) -> tuple[str, str]:
    """What came of a model, and its row."""
    entry = read_corpus()[name]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            kind, cells = run_entry(entry, Path(folder))
        except (SpiketheoryError, AssertionError) as err:
            kind, cells = "failed", ["fails", "", "", "", shorten(str(err))]
    return kind, f"| `{name}` | {cite(entry.source)} | {' | '.join(cells)} |"


def run_entry(entry: Entry, folder: Path) -> tuple[str, list[str]]:
    """Derive, simulate and compare a model; what is known to fail is not tried."""
    if entry.fails:
        return "failed", ["fails", "", "", "", entry.fails]
    if entry.refused:
        with limit_time(LONGEST, f"refusing {entry.name}"):
            said = find_refusal(entry)
        assert re.search(entry.refused, said), said or "derived, although it should be refused"
        return "refused", ["refused", "", "", "", entry.why]
    if missing := find_missing(entry):
        return "missing", [f"needs {missing}", "", "", "", ""]
    with limit_time(LONGEST, f"deriving {entry.name}"):
        compiled, method, seconds = compile_entry(entry, "numpy")
    results = [check_protocol(entry, p, compiled, folder) for p in entry.protocols]
    for result in results:
        assert (result.differences <= result.allowed).all(), result.differences.max()
    count = sum(len(result.found) for result in results)
    worst = max((d for result in results for d in result.differences), default=0.0)
    return "ok", [method, f"{seconds:.1f}", str(len(results)), str(count), f"{worst:.0e}"]


def find_refusal(entry: Entry) -> str:
    """What is said against a model; empty if it derives."""
    try:
        compile_entry(entry, "numpy")
    except SpiketheoryError as err:
        return str(err)
    return ""


def cite(source: str) -> str:
    """A source up to its year."""
    return shorten(source.split(";")[0].replace("|", "/"), 90)


def shorten(text: str, most: int = 160) -> str:
    """One line of limited length."""
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= most else line[: most - 3] + "..."


def main() -> None:
    """Run all models, or those named."""
    names = sys.argv[1:] or list(read_corpus())
    kinds, rows = [], []
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            kind, row = pool.apply(describe, (name,))
        kinds.append(kind)
        rows.append(row)
        print(row, file=sys.stderr if not sys.argv[1:] else sys.stdout, flush=True)
    if not sys.argv[1:]:
        counts = {kind: kinds.count(kind) for kind in ("ok", "refused", "missing", "failed")}
        PAGE.write_text(HEAD.format(n=len(rows), **counts) + "\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main()
