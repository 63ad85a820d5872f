"""Compare many random networks in time with the oracle in 50 digits, by hand: one line for each.

nice -n 15 python tests/temporal_campaign.py --seeds 0 100 --models theta qif --out FILE.jsonl
python tests/temporal_campaign.py --table FILE.jsonl
"""

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from temporal import condition, draw  # noqa: E402
from temporal.records import INTEGRATED, MODELS, READOUTS  # noqa: E402
from temporal_bridge import (  # noqa: E402
    compare,
    find_event_gradient,
    run_engine,
    without_delays_to_readout,
)

LIMIT = 1e-12
"""Gradients that change by more, if the weights change by 1e-16 of theirs, are not compared."""
SHORT = {"eif": 1.5, "adex": 2.0, "izhikevich": 12.0}
SPIKES, SPIKES_INTEGRATED = (50, 500), (50, 100)
SIZES, SIZES_INTEGRATED = (3, 4, 5, 7, 10, 14, 20), (2, 3)


def draw_network(seed, model):
    """A network of a model, and its trial, with everything drawn by the seed."""
    rng = random.Random(f"{model} {seed}")
    slow = model in INTEGRATED
    spikes = rng.randint(*(SPIKES_INTEGRATED if slow else SPIKES))
    kind = {
        "n_layers": rng.randint(1, 2 if slow else 3),
        "size": rng.choice(SIZES_INTEGRATED if slow else SIZES),
        "n_spikes": spikes, "n_times": max(spikes // rng.choice((2, 4, 8)), 12), "n_inputs": 16,
        "recurrent": rng.random() < 0.7, "delays": rng.choice((False, "some", True)),
        "parameters": rng.choice(("default", "each", "general")),
        "readout": rng.choice(READOUTS),
    }  # fmt: skip
    network, trial = draw(seed, model, duration=SHORT.get(model), **kind)
    # some channels spike twice at once; sorted, as which of tied inputs crosses goes by order
    inputs = sorted([*trial.inputs, *rng.sample(trial.inputs, 3)])
    return kind, without_delays_to_readout(network), replace(trial, inputs=inputs)


def run_one(seed, model):
    """What came out, as a record for a line of JSON."""
    begin = time.process_time()
    try:
        kind, network, trial = draw_network(seed, model)
    except (ArithmeticError, OverflowError) as err:
        return {"seed": seed, "model": model, "refused": str(err)}
    moved = float(condition(network, trial, most=1 if model in INTEGRATED else 2))
    found = {"seed": seed, "model": model, "condition": moved, **kind}
    if moved <= LIMIT:
        found |= asdict(compare(network, trial, 1, seed))
        found["events"] = compare_events(network, trial)
    return {**found, "seconds": time.process_time() - begin}


def compare_events(network, trial):
    """The largest difference of any slope from the event engine's, as a part of the largest."""
    own, other = run_engine(network, trial)[3], find_event_gradient(network, trial)
    worst = max(other, key=lambda path: abs(other[path] - own[path]))
    return [abs(other[worst] - own[worst]) / max(map(abs, own.values())), list(worst)]


def print_table(lines):
    """The worst errors by model and readout."""
    groups = defaultdict(list)
    for line in lines:
        if "refused" not in line:
            groups[line["model"], line["readout"]].append(line)
    print("model readout networks ill-conditioned spikes loss slopes worst-kind seed event-engine")
    for (model, readout), group in sorted(groups.items()):
        good = [g for g in group if "errors" in g]
        head = f"{model} {readout} {len(group)} {len(group) - len(good)}"
        if not good:
            print(head)
            continue
        error, kind, seed = max((e, k, g["seed"]) for g in good for k, e in g["errors"].items())
        spikes, loss = max(g["spikes"] for g in good), max(g["loss"] for g in good)
        events = max(g["events"][0] for g in good)
        print(f"{head} {spikes:.1e} {loss:.1e} {error:.1e} {kind} {seed} {events:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 10))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--table", type=Path, default=None)
    chosen = parser.parse_args()
    if chosen.table:
        print_table([json.loads(line) for line in chosen.table.read_text().splitlines()])
        return
    for seed in range(*chosen.seeds):
        for model in chosen.models:
            line = json.dumps(run_one(seed, model), default=float)
            print(line, flush=True)
            if chosen.out:
                with chosen.out.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
