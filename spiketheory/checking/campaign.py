"""Certificates of many random models under attack, shared between processes."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from spiketheory.certification.certify import certify
from spiketheory.checking.attack.contradiction import Contradiction
from spiketheory.checking.attack.replay import write_contradiction
from spiketheory.checking.opponent import QUICK, attack
from spiketheory.checking.random_models import draw_model
from spiketheory.errors import InputError, ModelError

CERTIFY_SECONDS, ATTACK_SECONDS = 20.0, 60.0
OUT_OF_TIME, REFUSED, FAILED = "out of time", "refused", "failed"
VERDICTS = ("smooth", "continuous", "refuted", "undecided", OUT_OF_TIME, REFUSED, FAILED)


class Late(BaseException):
    """The time of one model is over; no `except Exception` on the way can keep it."""


@contextmanager
def end_after(seconds: float) -> Iterator[None]:
    """Raise `Late` in the block after so much of the processor, and again until it is heard.

    A busy machine does not decide what is out of time; without such timers nothing is.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or not hasattr(signal, "ITIMER_PROF"):
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one model.

    Attributes:
        seed: Of the model.
        name: Its name.
        verdict: Of the certificate, or why there is none.
        seconds: Of certificate and attack.
        contradictions: What the attack found.
        late: Whether the attack, not the certificate, ran out of time.
        reason: Why there is no certificate.
        lost: Suspects that could not be followed in many digits.
    """

    seed: int
    name: str
    verdict: str
    seconds: tuple[float, float] = (0.0, 0.0)
    contradictions: tuple[Contradiction, ...] = ()
    late: bool = False
    reason: str = ""
    lost: tuple[str, ...] = ()


def attack_random(seed: int, folder: str | None = None) -> Row:
    """Draw a model, certify it and attack the certificate.

    Args:
        seed: Of the model, and of the attack.
        folder: Where contradictions are written to.
    """
    model, start = draw_model(seed), time.perf_counter()
    try:
        with end_after(CERTIFY_SECONDS):
            certificate = certify(model)
    except Late:
        return Row(seed=seed, name=model.name, verdict=OUT_OF_TIME, seconds=(CERTIFY_SECONDS, 0.0))
    except (InputError, ModelError) as err:
        return Row(seed=seed, name=model.name, verdict=REFUSED, reason=str(err))
    except Exception as err:  # whatever goes wrong in a prover is a find too
        reason = f"{type(err).__name__}: {err}"
        return Row(seed=seed, name=model.name, verdict=FAILED, reason=reason)
    middle = time.perf_counter()
    found: tuple[Contradiction, ...] = ()
    lost: tuple[str, ...] = ()
    late, reason = False, ""
    try:
        with end_after(ATTACK_SECONDS):
            result = attack(model, certificate, seed=seed, effort=QUICK, first=True)
            found, lost = result.contradictions, result.lost
    except Late:
        late = True
    except InputError as err:
        reason = str(err)
    seconds = (middle - start, time.perf_counter() - middle)
    if folder is not None:
        for hit in found:
            path = Path(folder) / f"{model.name}-{hit.kind}.json"
            write_contradiction(path, model, (), certificate.verdict, hit)
    return Row(seed=seed, name=model.name, verdict=certificate.verdict, seconds=seconds,
               contradictions=found, late=late, lost=lost, reason=reason)  # fmt: skip


def run_campaign(
    seeds: Sequence[int], *, workers: int = 1, folder: str | None = None
) -> Iterator[Row]:
    """Attack the models of some seeds, each as `attack_random` does.

    Yields:
        The rows in the order of the seeds.
    """
    if workers == 1:
        yield from (attack_random(seed, folder) for seed in seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = [pool.submit(attack_random, seed, folder) for seed in seeds]
        try:
            yield from (future.result() for future in waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def summarise(rows: Sequence[Row]) -> str:
    """A table of verdicts and finds."""
    lines = [f"{'verdict':12s}{'models':>8s}{'contradicted':>14s}{'attack late':>13s}{'lost':>6s}"]
    for verdict in VERDICTS:
        own = [r for r in rows if r.verdict == verdict]
        if own:
            hit, late, lost = (
                sum(map(bool, values)) for values in
                ([r.contradictions for r in own], [r.late for r in own], [r.lost for r in own])
            )  # fmt: skip
            lines.append(f"{verdict:12s}{len(own):8d}{hit:14d}{late:13d}{lost:6d}")
    hits = [(r, hit) for r in rows for hit in r.contradictions]
    lines.append(f"{'all':12s}{len(rows):8d}{len(hits):14d}")
    lines += [f"{r.name} (seed {r.seed}): {r.verdict}, but {h.kind}: {h.text}" for r, h in hits]
    lines += [f"{r.name} (seed {r.seed}): {r.reason}" for r in rows if r.verdict == FAILED]
    return "\n".join(lines)
