r"""The four states of N. Brunel, J. Comput. Neurosci. 8, 183 (2000), figure 8, at full size.

    python examples/networks/brunel.py --out results [--state C] [--length 0.5]

runs `brunel.toml` with the strength g of inhibition and the rate from outside of each state, and
writes rates, CV and frequencies beside those of the paper: a table (JSON and in the terminal) and a
figure. What was run before is not run again.

Rates and frequencies of simulations are those of the paper's table 1, which has none of state A.
Rates and CV by theory are those of its eqs. 21 and 22 and of its appendix A.1: neurons that are
independent under white noise, which they are not where the network oscillates.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import tomli_w
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from sim.analysis.population_measures import MeasureSettings, measure_populations
from sim.analysis.spike_data import SpikeData
from sim.analysis.spike_figures import save_figure
from sim.analysis.spike_measures import measure_rate, measure_spectrum
from sim.analysis.training_figures import BLUE, INK, STYLE
from sim.files.result_file import read_result
from sim.files.tables import read_toml
from spiketheory.commands.main import main as spiketheory

HERE = Path(__file__).resolve().parent
TAU, THRESHOLD, RESET, T_REF, J, N_INPUTS, PART_INHIBITORY = 20.0, 20.0, 10.0, 2.0, 0.1, 1000, 0.25
START = 100.0
"""Transient that is left out [ms]."""
SHOWN = 50
"""Neurons in a raster, as in the paper."""


class State(NamedTuple):
    """A state of the network.

    Attributes:
        what: Its name.
        g: Strength of inhibition relative to excitation.
        outside: Rate from outside relative to that which reaches the threshold.
        duration: What is run of it [ms].
        rate: Of neurons in the paper's simulation [Hz]; None if it does not say.
        frequency: Of the network, the same.
    """

    what: str
    g: float
    outside: float
    duration: float
    rate: float | None
    frequency: float | None


STATES = {
    "A": State("synchronous regular", 3.0, 2.0, 200.0, None, None),
    "B": State("synchronous irregular, fast", 6.0, 4.0, 300.0, 60.7, 180.0),
    "C": State("asynchronous irregular", 5.0, 2.0, 500.0, 37.7, None),
    "D": State("synchronous irregular, slow", 4.5, 0.9, 1000.0, 5.5, 22.0),
}


def write_file(state: State, duration: float, path: Path) -> None:
    """Write the network file of a state."""
    tables = read_toml(HERE / "brunel.toml", "a network file")
    tables["network"]["duration"] = duration
    for population in tables["populations"].values():
        population["model"] = str(HERE / population["model"])
    for given in tables["inputs"].values():
        given["rate"] = state.outside * THRESHOLD / (J * TAU)
    for projection in tables["projections"]:
        if projection["pre"] == "inhibitory":
            projection["weight"] = round(-state.g * J, 12)
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")


def find_input(state: State, rate: float) -> tuple[float, float]:
    """Mean and standard deviation of the input of a neuron at a rate [1/ms] of all others [mV]."""
    outside = state.outside * THRESHOLD / (J * TAU)
    recurrent = N_INPUTS * rate
    mean = J * TAU * (outside + recurrent * (1 - PART_INHIBITORY * state.g))
    variance = J**2 * TAU * (outside + recurrent * (1 + PART_INHIBITORY * state.g**2))
    return mean, math.sqrt(variance)


def predict(state: State) -> tuple[float, float] | None:
    """Rate [Hz] and CV of independent neurons; None where noise does not make them spike."""

    def respond(rate: float) -> float:
        low, high = find_limits(state, rate)
        inside = quad(lambda u: erfcx(-u), low, high, limit=200)[0]
        return float(1 / (T_REF + TAU * math.sqrt(math.pi) * inside) - rate)

    if PART_INHIBITORY * state.g < 1:  # excitation outweighs inhibition
        return None
    rate = brentq(respond, 1e-6, 1 / T_REF - 1e-6)
    low, high = find_limits(state, rate)

    def inner(x: float) -> float:
        return float(quad(lambda y: math.exp(x * x - y * y) * erfcx(-y) ** 2, -12.0, x)[0])

    return rate * 1000, math.sqrt(2 * math.pi * (rate * TAU) ** 2 * quad(inner, low, high)[0])


def find_limits(state: State, rate: float) -> tuple[float, float]:
    """Reset and threshold in units of the fluctuations, from the mean."""
    mean, sd = find_input(state, rate)
    return (RESET - mean) / sd, (THRESHOLD - mean) / sd


def tell(name: str, data: SpikeData) -> dict[str, Any]:
    """Statistics of a run beside those of the paper."""
    state, theory = STATES[name], predict(STATES[name])
    settings = MeasureSettings(start=START, bin=0.5)
    one = measure_populations(data, settings)[0].summarise(1000.0)
    every = measure_rate(data.times, sum(data.sizes), START, data.time, 0.5)
    frequencies, power = measure_spectrum(every, 0.5, len(every) // 2)
    return {
        "state": name, "what": state.what, "g": state.g, "outside": state.outside,
        "duration": data.time, "rate": one["rate"], "rate_of_paper": state.rate,
        "rate_by_theory": theory and theory[0], "cv": one["cv"],
        "cv_by_theory": theory and theory[1],
        "frequency": float(frequencies[power.argmax()]) * 1000,
        "frequency_of_paper": state.frequency,
        "correlation": one["correlation"], "synchrony": one["synchrony"], "fano": one["fano"],
    }  # fmt: skip


def draw(runs: dict[str, SpikeData], rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the spikes of 50 neurons and the activity of the network, as in the paper's figure."""
    import matplotlib as mpl

    from spiketheory.documents.canvas import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.0 * len(runs), 5.0), layout="constrained")
        axes = figure.subplots(2, len(runs), sharex="col", squeeze=False, height_ratios=[1.2, 1.0])
        for k, (name, data) in enumerate(runs.items()):
            stop = min(
                data.time, START + (100.0 if name == "A" else 400.0 if name == "D" else 200.0)
            )
            times, neurons, _ = data.select(0, START)
            seen = (neurons < SHOWN) & (times < stop)
            axes[0, k].scatter(times[seen], neurons[seen], s=2.0, color=INK, linewidths=0)
            row, state = rows[k], STATES[name]
            axes[0, k].set_title(f"{name}: g = {state.g:g}, {state.outside:g} of threshold\n"
                                 f"{row['rate']:.1f} Hz, CV {row['cv']:.2f}")  # fmt: skip
            every = data.times[(data.times >= START) & (data.times < stop)]
            rate = measure_rate(every, sum(data.sizes), START, stop, 0.5) * 1000
            middles = START + (np.arange(len(rate)) + 0.5) * 0.5
            axes[1, k].fill_between(middles, rate, color=BLUE, linewidth=0)
            axes[1, k].set(xlabel="ms", xlim=(START, stop), ylim=(0, None))
        axes[0, 0].set_ylabel("neuron")
        axes[1, 0].set_ylabel("activity (Hz)")
    save_figure(figure, path)


def show(value: float | None) -> str:
    """A number, or that there is none."""
    return "-" if value is None else f"{value:.3g}"


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the results."
)
@click.option("--state", "names", multiple=True, type=click.Choice([*STATES]),
              help="Repeatable.  [default: all]")  # fmt: skip
@click.option("--length", default=1.0, show_default=True, help="Of the usual durations, a part.")
@click.option("--engine", default="auto", show_default=True, help="See spiketheory simulate.")
def main(out: Path, names: tuple[str, ...], length: float, engine: str) -> None:
    """Run the states of Brunel's network and tell their statistics beside the paper's."""
    out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for name in names or STATES:
        file, spikes = out / f"brunel_{name}.toml", out / f"brunel_{name}.h5"
        duration = STATES[name].duration * length
        if not spikes.exists() or read_result(spikes).time != duration:
            write_file(STATES[name], duration, file)
            spiketheory(
                ["simulate", str(file), "--out", str(spikes), "--engine", engine],
                standalone_mode=False,
            )
        runs[name] = read_result(spikes)
    rows = [tell(name, data) for name, data in runs.items()]
    (out / "brunel.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    for row in rows:
        click.echo(
            f"{row['state']} ({row['what']}): {row['rate']:.1f} Hz (paper "
            f"{show(row['rate_of_paper'])}, theory {show(row['rate_by_theory'])}), CV "
            f"{row['cv']:.2f} (theory {show(row['cv_by_theory'])}), {row['frequency']:.0f} Hz "
            f"(paper {show(row['frequency_of_paper'])})"
        )
    draw(runs, rows, out / "brunel.png")


if __name__ == "__main__":
    main()
