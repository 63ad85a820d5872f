"""The inside of `spiketheory check --attack`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

ROUNDS_PER_MINUTE = 4


def attack_model(
    model: str,
    *,
    assume: tuple[str, ...],
    minutes: float,
    seed: int,
    out: Path,
    timeout: float,
    as_json: bool,
) -> bool:
    """Certify one model and attack the certificate; True if something contradicts it."""
    from derivations import read_neuron_model
    from spiketheory.certification.certify import certify
    from spiketheory.checking.attack.replay import write_contradiction
    from spiketheory.checking.opponent import attack
    from spiketheory.commands.common import hold_folder, show_progress
    from spiketheory.commands.display import format_json
    from spiketheory.language.parse import parse_assumption
    from spiketheory.time_limit import limit_time

    hold_folder(out, f".{Path(model).stem}.lock", demanded=False)
    with show_progress() as show:
        neuron = read_neuron_model(model)
        relations = [parse_assumption(text, neuron) for text in assume]
        with limit_time(timeout, f"the certificate of {neuron.name}"):
            certificate = certify(neuron, relations, show=show)
        rounds = max(1, round(minutes * ROUNDS_PER_MINUTE))
        result = attack(neuron, certificate, relations, seed=seed, rounds=rounds, show=show)
    lines = [
        f"{neuron.name}: {result.verdict}; {result.trials} trials in {result.rounds} rounds, "
        f"{len(result.contradictions)} contradictions"
    ]
    written = []
    for hit in result.contradictions:
        path = out / f"{neuron.name}-{hit.kind}.json"
        write_contradiction(path, neuron, assume, result.verdict, hit)
        written.append(str(path))
        lines += [f"{hit.kind}: {hit.text}", f"  contradicts {hit.claim}; confirmed {hit.proof}",
                  f"  wrote {path}"]  # fmt: skip
    lines += [f"not confirmed: {reason}" for reason in result.lost]
    if as_json:
        plain = {**asdict(result), "model": neuron.name, "files": written}
        click.echo(format_json(make_plain(plain)))
    else:
        click.echo("\n".join(lines))
    return bool(result.contradictions)


def attack_many(count: int, *, seed: int, workers: int | None, out: Path, as_json: bool) -> bool:
    """Attack certificates of random models; True if one of them is contradicted."""
    import os

    from spiketheory.checking.campaign import run_campaign, summarise
    from spiketheory.commands.common import hold_folder
    from spiketheory.commands.display import format_json, track
    from spiketheory.commands.terminal import make_console

    hold_folder(out, ".random.lock", demanded=False)
    seeds = range(seed, seed + count)
    rows: list[Any] = []
    steps = (
        (len(rows), rows.append(row))  # type: ignore[func-returns-value]
        for row in run_campaign(seeds, workers=workers or os.cpu_count() or 1, folder=str(out))
    )
    console = make_console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    track(steps, total=count, console=console, what="models")
    if as_json:
        click.echo(format_json(make_plain({"models": [asdict(r) for r in rows]})))
    else:
        click.echo(summarise(rows))
    return any(r.contradictions for r in rows)


def make_plain(value: Any) -> Any:
    """Tuples as lists, so that the printer knows them."""
    if isinstance(value, dict):
        return {k: make_plain(v) for k, v in value.items()}
    return [make_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def replay_attack(path: Path, *, as_json: bool) -> bool:
    """Look again at a contradiction from its file; True if it is still there."""
    from spiketheory.checking.attack.replay import read_contradiction, replay_contradiction
    from spiketheory.commands.display import format_json

    model, assume, found = read_contradiction(path)
    holds = replay_contradiction(model, assume, found)
    if as_json:
        click.echo(format_json({"model": model.name, "kind": found.kind, "holds": holds}))
    else:
        said = "is still there" if holds else "is not there any more"
        click.echo(f"{model.name}: {found.kind} {said}: {found.text}")
    return holds
