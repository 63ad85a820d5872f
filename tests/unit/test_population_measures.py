"""Statistics of the populations of a run, and their figure."""

import math

import numpy as np
import pytest

from sim.analysis.measures_figure import plot_measures
from sim.analysis.population_measures import (
    MeasureSettings,
    measure_populations,
    round_width,
)
from sim.analysis.spike_data import SpikeData
from sim.inputs.drawn_trains import DrawnTrains
from spiketheory.errors import InputError


@pytest.fixture(scope="module")
def data() -> SpikeData:
    """Fifty Poisson neurons; ten that spike together and regularly; one population unrecorded."""
    noise = DrawnTrains(name="n", size=50, rates=2.0, duration=100.0, seed=1)
    clock = DrawnTrains(name="c", size=10, rates=0.5, duration=100.0, process="regular")
    times = np.concatenate([noise.times, clock.times])
    neurons = np.concatenate([noise.channels, clock.channels + 54])
    order = np.argsort(times, kind="stable")
    return SpikeData(
        times=times[order], neurons=neurons[order], names=("noise", "unseen", "clock"),
        sizes=(50, 4, 10), recorded=np.array([*range(50), *range(54, 64)]), time=100.0,
    )  # fmt: skip


def test_poisson_and_regular_populations_are_what_theory_says(data):
    noise, clock = measure_populations(data, MeasureSettings(bin=0.5, window=5.0))
    found = noise.summarise()
    assert (found["name"], found["size"], found["recorded"], found["pairs"]) == (
        "noise", 50, 50, 1225
    )  # fmt: skip
    assert found["spikes"] == np.count_nonzero(data.neurons < 50)
    assert abs(found["rate"] - 2.0) < 4 * math.sqrt(2.0 / 5000)
    assert abs(found["rate_sd"] - math.sqrt(2.0 / 100)) < 0.06
    assert abs(found["cv"] - 1) < 0.03
    assert abs(found["fano"] - 1) < 4 * math.sqrt(2 / 19 / 50)
    assert abs(found["correlation"]) < 4 / math.sqrt(200 * 1225)
    assert abs(found["synchrony"] - 1) < 4 * math.sqrt(2 / 200)
    # regular: spikes at 2, 4, ..., 98 (one at the end T = 100 is in no bin)
    told = clock.summarise(1000.0)
    assert told["spikes"] == 490
    assert told["rate"] == pytest.approx(490.0)
    assert told["rate_sd"] == pytest.approx(0.0, abs=1e-9)
    assert told["cv"] == pytest.approx(0.0, abs=1e-12)
    assert told["correlation"] == pytest.approx(1.0)
    nearest = 500.0 * round(told["peak"] / 500.0)  # a comb has peaks at all multiples
    assert told["peak"] == pytest.approx(nearest, abs=1000.0 / 12.5)
    assert nearest > 0
    # counts 10 in 49 of 200 bins: variance over mean is 10 (1 - 49 / 200)
    assert told["synchrony"] == pytest.approx(10 * (1 - 49 / 200))


def test_a_transient_is_left_out(data):
    (noise, _) = measure_populations(data, MeasureSettings(start=60.0))
    late = np.count_nonzero((data.neurons < 50) & (data.times >= 60.0))
    assert noise.summarise()["spikes"] == late
    assert noise.rates.sum() == pytest.approx(late / 40.0)


def test_silence_has_a_rate_and_nothing_else():
    silent = SpikeData(
        times=np.empty(0), neurons=np.empty(0, int), names=("a",), sizes=(3,),
        recorded=np.arange(3), time=10.0,
    )  # fmt: skip
    row = measure_populations(silent)[0].summarise()
    assert (row["spikes"], row["rate"], row["pairs"]) == (0, 0.0, 0)
    assert all(np.isnan(row[name]) for name in ("cv", "fano", "correlation", "synchrony", "peak"))


def test_widths_are_round_numbers():
    assert [round_width(w) for w in (0.2, 0.19, 1.0, 9.9, 0.6)] == [0.2, 0.1, 1.0, 5.0, 0.5]


def test_what_leaves_nothing_is_refused(data):
    with pytest.raises(InputError, match=r"Expected a start from 0 to below 100 but got 100"):
        measure_populations(data, MeasureSettings(start=100.0))
    with pytest.raises(InputError, match=r"Expected bins that fit between 0 and 100"):
        measure_populations(data, MeasureSettings(window=101.0))


def test_the_figure_is_drawn_of_everything_and_of_nothing(data, tmp_path):
    silent = SpikeData(
        times=np.empty(0), neurons=np.empty(0, int), names=("a",), sizes=(3,),
        recorded=np.arange(3), time=10.0,
    )  # fmt: skip
    for one, name in ((data, "a.png"), (silent, "b.svg")):
        plot_measures(one, measure_populations(one), tmp_path / name, unit="ms")
        assert (tmp_path / name).stat().st_size > 10_000
