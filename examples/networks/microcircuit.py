r"""The cortical microcircuit, scaled: T. C. Potjans and M. Diesmann, Cereb. Cortex 24, 785 (2014).

    python examples/networks/microcircuit.py --out results [--scale 0.1] [--duration 5000]

writes the network file for a scale, runs it (if it was not run before), and writes its rates beside
published ones: a table (JSON and in the terminal) and a figure. `microcircuit.toml` is that file at
a scale of 0.1.

Numbers of neurons and in-degrees are those of the full network times the scale k. Weights grow by
1/sqrt(k), which keeps the variance of the input, and a constant current brings back its mean, from
the rates of the full network: S. J. van Albada, M. Helias and M. Diesmann, PLoS Comput. Biol. 11,
e1004490 (2015). Numbers are those of the paper's tables 4 and 5, as NEST's example has them.

It differs from the paper in this: no pair is connected twice, external trains of a neuron are one
Poisson train of the sum of their rates, and delays are 20 equally likely quantiles of the paper's
distributions, rounded to 0.1 ms as there.
"""

import json
import math
from pathlib import Path
from typing import Any

import click
import numpy as np
import tomli_w
from scipy.stats import norm

from sim.analysis.population_measures import MeasureSettings, measure_populations
from sim.analysis.spike_data import SpikeData
from sim.analysis.spike_figures import save_figure
from sim.analysis.training_figures import BLUE, GREY, INK, STYLE, VERMILION
from sim.files.result_file import read_result
from spiketheory.commands.main import main as spiketheory

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
PROBABILITIES = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
"""From the population of the column to that of the row."""
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
"""Of the full network, in NEST's example of this model (its ``full_mean_rates``) [Hz]."""
NETPYNE = {
    "NetPyNE, full": (0.90, 2.80, 4.39, 5.70, 6.80, 8.22, 1.14, 7.60),
    "NetPyNE, 10 %": (0.75, 3.28, 4.76, 6.20, 6.55, 8.97, 1.10, 8.06),
}
"""C. Romaro et al., Neural Comput. 33, 1993 (2021), table A.1 [Hz]."""
TAU_M, TAU_S, RESISTANCE = 10.0, 0.5, 0.04
"""In ms, ms and mV/pA."""
PSP, G, SPREAD, BACKGROUND = 0.15, -4.0, 0.1, 0.008
"""Mean potential of an input [mV], relative strength of inhibition, relative sd of weights, and the
rate of an external train [1/ms]."""
DELAYS = {"E": (1.5, 0.75), "I": (0.75, 0.375)}
SHORTEST, QUANTILES = 0.1, 20
START = 500.0
"""Transient that is left out [ms]."""


def find_weight() -> float:
    """The jump of the current, in mV, that moves the potential by at most `PSP`."""
    ratio = TAU_M / TAU_S
    highest = (
        (ratio ** (-1 / (ratio - 1)) - ratio ** (-ratio / (ratio - 1))) * TAU_S / (TAU_M - TAU_S)
    )
    return PSP / highest


def list_delays(mean: float, sd: float) -> list[float]:
    """Quantiles of a normal distribution above `SHORTEST`, rounded to 0.1 ms."""
    low = norm.cdf(SHORTEST, mean, sd)
    levels = low + (1 - low) * (np.arange(QUANTILES) + 0.5) / QUANTILES
    return [round(max(float(x), SHORTEST), 1) for x in norm.ppf(levels, mean, sd)]


def describe(scale: float, duration: float, seed: int = 1) -> dict[str, Any]:
    """The network file as plain values."""
    sizes = np.round(SIZES * scale).astype(int)
    pairs = np.outer(SIZES, SIZES).astype(float)
    totals = np.log1p(-PROBABILITIES) / np.log1p(-1 / pairs)
    weights = np.full((8, 8), find_weight())
    weights[:, 1::2] *= G
    weights[0, 2] *= 2
    in_degrees = totals / SIZES[:, None]
    recurrent = (weights * in_degrees * (FULL_RATES / 1000)).sum(axis=1)
    outside = find_weight() * EXTERNAL * BACKGROUND
    current = TAU_S * (1 - math.sqrt(scale)) * (recurrent + outside)
    tables: dict[str, Any] = {
        "version": 2, "network": {"duration": duration, "seed": seed}, "populations": {},
        "inputs": {}, "projections": [],
    }  # fmt: skip
    for k, name in enumerate(NAMES):
        tables["populations"][name] = {
            "model": "microcircuit_neuron.toml", "size": int(sizes[k]),
            "parameters": {"I_dc": round(float(current[k]), 6)},
            "initial": {"V": {"uniform": [-70.0, -52.0]}},
        }  # fmt: skip
        tables["inputs"][f"to_{name}"] = {
            "size": int(sizes[k]), "process": "poisson",
            "rate": round(float(EXTERNAL[k] * scale * BACKGROUND), 9),
        }  # fmt: skip
        tables["projections"].append(
            {"pre": f"to_{name}", "post": name, "connect": "one_to_one",
             "weight": round(find_weight() / math.sqrt(scale), 6)}
        )  # fmt: skip
    for post, pre in np.argwhere(PROBABILITIES > 0):
        mean = float(weights[post, pre]) / math.sqrt(scale)
        tables["projections"].append(
            {
                "pre": NAMES[pre], "post": NAMES[post],
                "rule": {"total": round(float(totals[post, pre]) * scale**2)},
                "weight": {"normal": [round(mean, 6), round(abs(mean) * SPREAD, 6)]},
                "delay": {"choice": list_delays(*DELAYS[NAMES[pre][-1]])},
            }
        )  # fmt: skip
    return tables


def write_file(tables: dict[str, Any], path: Path, scale: float) -> None:
    """Write the network file; its neuron is looked for in this folder."""
    head = (
        f"# The cortical microcircuit (Potjans and Diesmann 2014) at a scale of {scale:g}, in mV\n"
        "# and ms; written by microcircuit.py, whose first lines say how it was scaled.\n"
    )
    rest = {name: tables[name] for name in ("version", "network")}
    parts = [head, tomli_w.dumps(rest)]
    for group in ("populations", "inputs"):
        parts += [write_table(f"[{group}.{name}]", one) for name, one in tables[group].items()]
    parts += [write_table("[[projections]]", one) for one in tables["projections"]]
    path.write_text("\n".join(parts), encoding="utf-8")


def write_table(head: str, table: dict[str, Any]) -> str:
    """A table with a line for each name."""
    return "\n".join([head, *(f"{name} = {write_value(v)}" for name, v in table.items()), ""])


def write_value(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {write_value(v)}" for name, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_value, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def draw(data: SpikeData, rows: list[dict[str, Any]], path: Path) -> None:
    """Draw a raster, and rates beside published ones."""
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.3, 1.0])
        stop = min(START + 400.0, data.time)
        seen = (data.times >= START) & (data.times < stop)
        edges = np.concatenate([[0], np.cumsum(data.sizes)])
        for k, name in enumerate(data.names):
            own = seen & (data.neurons >= edges[k]) & (data.neurons < edges[k + 1])
            left.scatter(data.times[own], data.neurons[own], s=0.6, linewidths=0, rasterized=True,
                         color=BLUE if name[-1] == "E" else VERMILION)  # fmt: skip
        left.set_yticks((edges[:-1] + edges[1:]) / 2, data.names)
        left.set(
            ylim=(edges[-1], 0), xlim=(START, stop), xlabel="ms", title="spikes of all neurons"
        )
        places = np.arange(len(rows))
        colours = [BLUE if row["name"][-1] == "E" else VERMILION for row in rows]
        right.barh(places, [row["rate"] for row in rows], color=colours, height=0.6, label="ours")
        right.plot(FULL_RATES, places, "o", color=INK, markersize=5, label="NEST, full")
        for (label, rates), mark in zip(NETPYNE.items(), "sd", strict=True):
            right.plot(rates, places, mark, color=GREY, markersize=5, label=label)
        right.set_yticks(places, [row["name"] for row in rows])
        right.set(ylim=(7.6, -0.6), xlabel="Hz", title="mean rates")
        right.legend()
    save_figure(figure, path)


def tell(data: SpikeData) -> list[dict[str, Any]]:
    """Statistics of each population, beside published rates."""
    rows = []
    settings = MeasureSettings(start=START, bin=3.0)
    for k, one in enumerate(measure_populations(data, settings)):
        row = one.summarise(1000.0)
        row["published"] = {"NEST, full": float(FULL_RATES[k])}
        row["published"] |= {name: rates[k] for name, rates in NETPYNE.items()}
        rows.append(row)
    return rows


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the results."
)
@click.option("--scale", default=0.1, show_default=True, help="Of neurons and in-degrees.")
@click.option("--duration", default=5000.0, show_default=True, help="In ms.")
@click.option("--engine", default="auto", show_default=True, help="See spiketheory simulate.")
@click.option("--write", is_flag=True, help="Write the network file alone.")
def main(out: Path, scale: float, duration: float, engine: str, write: bool) -> None:
    """Run the microcircuit and tell its rates beside published ones."""
    out.mkdir(parents=True, exist_ok=True)
    tables = describe(scale, duration)
    if not write:
        neuron = Path(__file__).with_name("microcircuit_neuron.toml").resolve()
        for population in tables["populations"].values():
            population["model"] = str(neuron)
    write_file(tables, out / "microcircuit.toml", scale)
    if write:
        return
    spikes = out / "microcircuit.h5"
    if not spikes.exists() or read_result(spikes).time != duration:
        spiketheory(
            ["simulate", str(out / "microcircuit.toml"), "--out", str(spikes), "--engine", engine,
             "--max-spikes", "1000000000"], standalone_mode=False,
        )  # fmt: skip
    data = read_result(spikes)
    rows = tell(data)
    (out / "microcircuit.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    for row in rows:
        others = ", ".join(f"{name} {rate:.2f}" for name, rate in row["published"].items())
        click.echo(f"{row['name']:5} {row['rate']:6.2f} Hz (sd {row['rate_sd']:.2f}), CV "
                   f"{row['cv']:.2f}; {others}")  # fmt: skip
    draw(data, rows, out / "microcircuit.png")


if __name__ == "__main__":
    main()
