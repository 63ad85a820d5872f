"""Certificates of many random models under attack, shared between processes."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spiketheory.certification.certify import certify
from spiketheory.checking.attack.contradiction import Contradiction
from spiketheory.checking.attack.replay import write_contradiction
from spiketheory.checking.opponent import QUICK, attack
from spiketheory.checking.random_models import draw_model
from spiketheory.errors import InputError, ModelError, TimeLimitError
from spiketheory.time_limit import limit_time
from spiketheory.workers import Workers

CERTIFY_SECONDS, ATTACK_SECONDS = 20.0, 60.0
OUT_OF_TIME, REFUSED, FAILED = "out of time", "refused", "failed"
VERDICTS = ("smooth", "continuous", "refuted", "undecided", OUT_OF_TIME, REFUSED, FAILED)


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


def attack_random(seed: int) -> Row:
    """Draw a model, certify it and attack the certificate; ``seed`` is that of both."""
    model, start = draw_model(seed), time.perf_counter()
    try:
        with limit_time(CERTIFY_SECONDS, f"the certificate of {model.name}", of_processor=True):
            certificate = certify(model)
    except TimeLimitError:
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
        with limit_time(ATTACK_SECONDS, f"the attack on {model.name}", of_processor=True):
            result = attack(model, certificate, seed=seed, effort=QUICK, first=True)
            found, lost = result.contradictions, result.lost
    except TimeLimitError:
        late = True
    except InputError as err:
        reason = str(err)
    seconds = (middle - start, time.perf_counter() - middle)
    return Row(seed=seed, name=model.name, verdict=certificate.verdict, seconds=seconds,
               contradictions=found, late=late, lost=lost, reason=reason)  # fmt: skip


def run_campaign(
    seeds: Sequence[int], *, workers: int = 1, folder: str | None = None
) -> Iterator[Row]:
    """Attack the models of some seeds, each as `attack_random` does.

    Args:
        seeds: The seeds.
        workers: Number of processes.
        folder: Where contradictions are written to.

    Yields:
        The rows in the order of the seeds.
    """
    for row in attack_all(seeds, workers):
        for hit in row.contradictions if folder is not None else ():
            path = Path(str(folder)) / f"{row.name}-{hit.kind}.json"
            write_contradiction(path, draw_model(row.seed), (), row.verdict, hit)
        yield row


def attack_all(seeds: Sequence[int], workers: int) -> Iterator[Row]:
    """The rows of `run_campaign`."""
    if workers == 1:
        yield from map(attack_random, seeds)
        return
    with Workers(workers) as pool:
        waiting = [pool.submit(attack_random, seed) for seed in seeds]
        yield from (future.result() for future in waiting)


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
