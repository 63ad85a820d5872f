"""Large networks to lay out, in the processes of `benchmarks.large_build`."""

import time
from typing import Any


def build(rule: str, weights: str, delays: str, n: str, degree: str) -> dict[str, float]:
    """Build one network in rows of blocks, what is compiled left out."""
    from sim.network.rows import build_rows

    build_rows(make(rule, weights, delays, 50, 5))
    network = make(rule, weights, delays, int(n), int(degree))
    start, processor = time.perf_counter(), time.process_time()
    rows = build_rows(network)
    return {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - processor,
        "bytes": rows.n_bytes / len(rows.targets),
    }


def make(rule: str, weights: str, delays: str, n: int, degree: int) -> Any:
    """A network of one population; one that is listed has its arrays drawn by NumPy."""
    from derivations import compile_model
    from sim.network.distribution import Distribution
    from sim.network.drawn import Drawn
    from sim.network.network import Network, Population, Projection

    if rule == "listed":
        given: Any = make_list(n, degree, weights, delays)
    else:
        numbers = {"total": degree * n, "probability": degree / n}
        spread = {
            "one": 0.1,
            "three": Distribution(kind="choice", numbers=(0.1, 0.2, 0.3)),
            "own": Distribution(kind="uniform", numbers=(0.1, 0.3)),
        }
        given = Drawn(
            rule=rule, number=numbers.get(rule, degree), shape=(n, n), delay=spread[delays],
            weight=0.1 if weights == "one" else Distribution(kind="normal", numbers=(0.1, 0.01)),
            precision="float64" if weights == "one" else weights,
        )  # fmt: skip
    population = Population(name="cells", model=compile_model("lif_delta", backend="numpy"), size=n)
    projection = Projection(pre="cells", post="cells", weights=given)
    return Network(populations=[population], projections=[projection], duration=1.0)


def make_list(n: int, degree: int, weights: str, delays: str) -> Any:
    """Connections in flat arrays: each neuron hears every so many, from a random one on."""
    import numpy as np

    from sim.network.listed import Listed

    rng = np.random.default_rng(0)
    targets = rng.permutation(n).repeat(degree)
    steps = np.tile(np.arange(degree) * (n // degree), n)
    return Listed(
        sources=(rng.integers(0, n, n).repeat(degree) + steps) % n, targets=targets, shape=(n, n),
        weights=rng.normal(size=n * degree).astype(weights),
        delays=rng.integers(1, 4, n * degree) / 10 if delays == "three" else 0.1,
    )  # fmt: skip
