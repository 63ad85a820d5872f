"""Throw damaged files at a reader and count what happens.

    python -m tests.fuzz.run network --inputs 20000 --seed 0

The inputs are read in processes of their own, `PORTION` in each, the next with the next seed; each
may use 2 GiB more memory than it starts with, and `LIMIT` seconds of processor time for one input.
Faults are tracebacks, hangs, deaths of that process, and files left behind; the first input of each
kind of fault is kept in `--keep`.
"""

import argparse
import collections
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import click  # noqa: E402
import numpy as np  # noqa: E402
from fuzz.readers import READERS, share_work  # noqa: E402
from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

from spiketheory.errors import SpiketheoryError  # noqa: E402

ROOM = 2 * 2**30
LIMIT = 20
"""Seconds for one input."""
WAITING = 15
"""So many times as long at most, with what it waits for."""
PORTION = 2500
"""Inputs of one process: what Hypothesis remembers of them takes memory and time."""


class Hang(BaseException):
    """An input took too long."""


def on_alarm(number: int, frame: FrameType | None) -> None:
    raise Hang


def set_limits(seconds: int) -> None:
    """Limit the processor time, whatever else the machine does, and less strictly all time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(WAITING * seconds)


def read_once(name: str, content: bytes, folder: Path) -> tuple[str, str]:
    """Read one damaged file: what happened (ok, refused, fault), and the fault."""
    path = folder / f"input{READERS[name].suffix}"
    path.write_bytes(content)
    set_limits(LIMIT)
    try:
        READERS[name].read(path)
        outcome = "ok", ""
    except (SpiketheoryError, click.ClickException) as err:
        says = str(err)
        outcome = ("refused", "") if "expected" in says.lower() else ("fault", f"says only: {says}")
    except Hang as err:
        outcome = "fault", f"hang: {find_place(err)}"
    except Exception as err:
        outcome = "fault", f"{type(err).__name__}: {str(err)[:80]}: {find_place(err)}"
    finally:
        set_limits(0)
    others = [p for p in folder.iterdir() if p != path]
    for other in others:
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    if others:
        return "fault", f"left behind: {others[0].name}"
    return outcome


def find_place(err: BaseException) -> str:
    """The last line of the project that an error came through, the alarm's own left out."""
    frames = [f for f in traceback.extract_tb(err.__traceback__) if f.name != on_alarm.__name__]
    own = [f for f in frames if f.filename.startswith(str(ROOT))]
    return f"{Path(own[-1].filename).relative_to(ROOT)}:{own[-1].lineno}"


def fuzz(
    name: str, *, inputs: int, start: int, on_input: Callable[[str, str, bytes], None]
) -> None:
    """Read ``inputs`` damaged files, which follow from the seed ``start`` alone."""
    before = {s: signal.signal(s, on_alarm) for s in (signal.SIGALRM, signal.SIGPROF)}
    with tempfile.TemporaryDirectory() as folder:

        @seed(start)
        @settings(
            max_examples=inputs, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(READERS[name].inputs())
        def read_all(content: bytes) -> None:
            on_input(*read_once(name, content, Path(folder)), content)

        try:
            read_all()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_child(name: str, inputs: int, start: int, keep: Path) -> None:
    """Read files under the limits, and write down what happened after each."""
    counts: collections.Counter[str] = collections.Counter()
    faults: collections.Counter[str] = collections.Counter()
    warnings.simplefilter("ignore")
    READERS[name].inputs()  # what takes memory to build is built before the limits hold
    mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM,) * 2)
    state, said = keep / f"{name}.json", time.monotonic()

    def note(outcome: str, fault: str, content: bytes) -> None:
        nonlocal said
        counts[outcome] += 1
        if fault and not faults[fault]:
            path = keep / f"{name}-{start}-{len(faults)}{READERS[name].suffix}"
            path.write_bytes(content)
        if fault:
            faults[fault] += 1
        if fault or time.monotonic() - said > 1:
            said = time.monotonic()
            write()

    def write() -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        found: dict[str, Any] = {"counts": counts, "faults": faults, "peak_gib": round(peak, 2)}
        state.write_text(json.dumps(found), "utf-8")

    write()
    fuzz(name, inputs=inputs, start=start, on_input=note)
    write()


def run(name: str, *, inputs: int, start: int, keep: Path) -> dict[str, Any]:
    """Read files in processes of their own; one that dies is a fault, and the next goes on."""
    keep.mkdir(parents=True, exist_ok=True)
    total: dict[str, Any] = {"counts": collections.Counter(), "faults": collections.Counter()}
    peak = 0.0
    while (left := inputs - sum(total["counts"].values())) > 0:
        state = keep / f"{name}.json"
        state.unlink(missing_ok=True)
        portion = str(min(left, PORTION))
        arguments = [name, "--inputs", portion, "--seed", str(start), "--keep", str(keep)]
        child = [sys.executable, "-m", "tests.fuzz.run", *arguments, "--child"]
        done = subprocess.run(child, cwd=ROOT, check=False)
        if not state.exists():
            raise SystemExit(f"{name} could not begin (exit code {done.returncode})")
        found = json.loads(state.read_text("utf-8"))
        total["counts"].update(found.get("counts", {}))
        total["faults"].update(found.get("faults", {}))
        peak = max(peak, found.get("peak_gib", 0.0))
        start += 1
        if done.returncode != 0:
            total["counts"]["fault"] += 1
            total["faults"][f"the process died with {done.returncode}"] += 1
    return {**total, "peak_gib": peak}


def main() -> int:
    """Fuzz one reader and print the counts; exit code 1 if there are faults."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("reader", choices=[*READERS, "all"])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with share_work(), np.errstate(all="ignore"):
            run_child(options.reader, options.inputs, options.seed, options.keep)
        return 0
    faulty = False
    for name in READERS if options.reader == "all" else [options.reader]:
        began = time.monotonic()
        found = run(name, inputs=options.inputs, start=options.seed, keep=options.keep)
        seconds = time.monotonic() - began
        counts = ", ".join(f"{n} {what}" for what, n in sorted(found["counts"].items()))
        click.echo(f"{name}: {counts}; peak {found['peak_gib']} GiB; {seconds:.0f} s")
        for fault, n in found["faults"].most_common():
            click.echo(f"  {n} x {fault}")
        sys.stdout.flush()
        faulty |= bool(found["faults"])
    return int(faulty)


if __name__ == "__main__":
    sys.exit(main())
