"""Mutation testing of a random sample, by cosmic-ray; see README.md beside this file.

`start FOLDER` makes a checkout, a session and the sample; `baseline FOLDER` runs all tests
without a mutation; `run FOLDER` goes on where it was; `summary FOLDER` says what came of it.
"""

import argparse
import ast
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
SEED, MUTANTS, LIMIT = 15, 400, 120
EXCLUDED = ("core/RemoveDecorator",)
"""Operators that say little here: decorators are caches, marks of kernels, and properties."""
INTERPRETED = "not numba and not compiled_code and not backend and not cut_finer"
"""Chooses the tests that compile nothing, which would take longer than all the others."""
CONFIG = """[cosmic-ray]
module-path = [{modules}]
timeout = {limit}.0
excluded-modules = []
test-command = "{python} tests/mutation/harness.py test"

[cosmic-ray.distributor]
name = "local"
"""


def count_shares(lines: dict[str, int], total: int) -> dict[str, int]:
    """Share of each file in proportion to its lines; the largest remainders fill up."""
    whole = sum(lines.values())
    exact = {name: total * n / whole for name, n in lines.items()}
    shares = {name: int(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in rest[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def list_annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations begin and end: mutants of them say nothing."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        found.append(getattr(node, "annotation", None))
        found.append(getattr(node, "returns", None))
    return [
        ((a.lineno, a.col_offset), (a.end_lineno or a.lineno, a.end_col_offset or 0))
        for a in found
        if a is not None
    ]


def draw(places: Sequence[Any], number: int, rng: random.Random) -> list[int]:
    """Draw entries so that no place comes twice before all came once."""
    order = list(range(len(places)))
    rng.shuffle(order)
    seen: Counter[Any] = Counter()
    rounds = []
    for k in order:
        rounds.append((seen[places[k]], len(rounds), k))
        seen[places[k]] += 1
    return [k for *_, k in sorted(rounds)[:number]]


def choose(items: Iterable[Any], number: int, seed: int) -> set[str]:
    """The jobs to run: per file a share of mutants, at places drawn at random."""
    by_file: dict[str, list[Any]] = {name: [] for name in TARGETS}
    for item in items:
        by_file[str(item.mutations[0].module_path)].append(item)
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in TARGETS}
    shares = count_shares({name: len(text.splitlines()) for name, text in sources.items()}, number)
    rng, chosen = random.Random(seed), set()
    for name, own in by_file.items():
        spans = list_annotations(sources[name])
        mutations = sorted(
            (m.start_pos, m.operator_name, m.occurrence, item.job_id)
            for item in own
            for m in item.mutations
            if m.operator_name not in EXCLUDED
            and not any(a <= tuple(m.start_pos) < b for a, b in spans)
        )
        picked = draw([place for place, *_ in mutations], shares[name], rng)
        chosen |= {mutations[k][-1] for k in picked}
    return chosen


def start(folder: Path, number: int, seed: int) -> None:
    """Make a checkout of the current commit, a session, and the sample."""
    folder.mkdir(parents=True)
    checkout = folder / "main"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    shared = ROOT.parent / "shared"
    if shared.exists():
        (folder / "shared").symlink_to(shared.resolve())
    modules = ", ".join(f'"{name}"' for name in TARGETS)
    config = CONFIG.format(modules=modules, limit=LIMIT, python=sys.executable)
    (folder / "mutation.toml").write_text(config, encoding="utf-8")
    call_cosmic_ray("init", folder)
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    with use_db(str(folder / "session.sqlite")) as session:
        items = session.work_items
        chosen = choose(items, number, seed)
        left_out = [item.job_id for item in items if item.job_id not in chosen]
        skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output="not in the sample")
        session.set_multiple_results(left_out, skipped)
    print(f"{len(items)} mutants, {len(chosen)} of them drawn with seed {seed}")


def call_cosmic_ray(step: str, folder: Path) -> None:
    """Call cosmic-ray in the checkout, without what an interrupted mutation left there."""
    checkout = folder.resolve() / "main"
    subprocess.run(["git", "checkout", "--quiet", "--", "."], cwd=checkout, check=True)
    files = [str(folder.resolve() / name) for name in ("mutation.toml", "session.sqlite")]
    subprocess.run([sys.executable, "-m", "cosmic_ray.cli", step, *files], cwd=checkout, check=True)


def find_mutated() -> list[str]:
    """The files that differ from the commit: one, or none if the mutant is the same text."""
    diff = ["git", "diff", "--name-only"]
    return subprocess.run(diff, capture_output=True, text=True, check=True).stdout.split()


def run_tests(tests: Sequence[str]) -> int:
    """Run tests with kernels interpreted and without the user's caches, until one fails."""
    with tempfile.TemporaryDirectory() as cache:
        here = {"PYTHONPATH": os.getcwd(), "XDG_CACHE_HOME": cache, "NUMBA_CACHE_DIR": cache}
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
                *(
                    "-p",
                    "no:xdist",
                    "-k",
                    "not numba and not compiled_code and not backend and not cut_finer",
                    "--tb=line",
                    *tests,
                ),
            ],
            env=os.environ | here | {"HYPOTHESIS_PROFILE": "ci"},
        ).returncode


def run_baseline(folder: Path) -> None:
    """All tests without a mutation, and the seconds that they take."""
    os.chdir(folder / "main")
    for tests in dict.fromkeys(TARGETS.values()):
        begin = time.monotonic()
        code = run_tests(tests)
        print(f"{time.monotonic() - begin:6.1f} s, exit {code}: {' '.join(tests)}", flush=True)


def summarise(folder: Path) -> None:
    """Killed, survived, the interval, and each survivor's difference."""
    import scipy.stats
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import WorkerOutcome

    with use_db(str(folder / "session.sqlite")) as session:
        pending = len(session.pending_work_items)
        done = [
            (item.mutations[0], result)
            for item, result in session.completed_work_items
            if result.worker_outcome != WorkerOutcome.SKIPPED
        ]
    print(f"{len(done)} mutants run, {pending} left")
    for label, keep in [("all", "")] + [(name, name) for name in TARGETS]:
        own = [result for m, result in done if str(m.module_path).startswith(keep)]
        killed = sum(result.is_killed for result in own)
        late = sum(result.output == "timeout" for result in own)
        if own:
            low, high = scipy.stats.binomtest(killed, len(own)).proportion_ci(method="wilson")
            print(
                f"{label}: {killed} of {len(own)} killed ({late} by the limit), "
                f"{killed / len(own):.1%} [{low:.1%}, {high:.1%}]"
            )
    for mutation, result in sorted(done, key=lambda pair: str(pair[0])):
        if not result.is_killed:
            print(f"\nsurvived: {mutation.operator_name} in {mutation.module_path}")
            print("\n".join((result.diff or "").splitlines()[3:]))


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("start", "baseline", "run", "summary", "test"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    if given.step == "test":
        return max((run_tests(TARGETS[name]) for name in find_mutated()), default=0)
    if given.folder is None:
        parser.error("Expected a folder for the session but got none; name one.")
    if given.step == "start":
        start(given.folder, given.mutants, given.seed)
    elif given.step == "baseline":
        run_baseline(given.folder)
    elif given.step == "run":
        call_cosmic_ray("exec", given.folder)
    else:
        summarise(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
