"""The command ``stats``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spiketheory.commands.common import JSON_OPTION

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from sim.analysis.population_measures import PopulationMeasures

ARRAYS = (
    *("rates", "cv", "fano", "correlations", "rate", "smooth_rate", "frequencies", "spectrum"),
)
WIDTH = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--start", default=0.0, show_default=True,
              help="Leave out the transient before this time.")  # fmt: skip
@click.option("--bin", "width", type=WIDTH,
              help="Width of the bins of rates, correlations and spectra.  "
              "[default: some 500 in the run]")  # fmt: skip
@click.option("--window", type=WIDTH,
              help="Width of the windows of Fano factors.  "
              "[default: some 20 in the run]")  # fmt: skip
@click.option("--smooth", type=WIDTH,
              help="Standard deviation of the kernel that rates are smoothed by.  "
              "[default: 3 bins]")  # fmt: skip
@click.option("--sample", type=click.IntRange(min=2), default=100, show_default=True,
              help="Correlations are those of pairs of so many neurons of each.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Draws that sample.")
@click.option("--second", type=WIDTH, metavar="UNITS",
              help="So many units of time make a second, such as 1000; rates are told in Hz.  "
              "[default: per unit of time]")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png",
              help="Draw raster, rates, irregularity and spectra; .png or .svg.  "
              "[default: draw nothing]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.npz",
              help="Write the statistics of every neuron and bin.  "
              "[default: write nothing]")  # fmt: skip
@JSON_OPTION
def stats(
    file: Path, second: float | None, plot: Path | None, out: Path | None, as_json: bool,
    width: float | None, **options: Any,
) -> None:  # fmt: skip
    """Tell the statistics of the spikes in FILE, population by population.

    FILE is what `spiketheory simulate NETWORK.toml --out FILE` wrote, .npz or .h5; an .h5 also
    while the network runs, or after a crash. Rates, CV of the intervals between spikes, Fano factor
    of counts in windows, correlation of binned counts of pairs, synchrony (variance over mean of
    the population's counts in bins), peak of the spectrum of the population's rate.

    \b
    Example:
      spiketheory simulate examples/networks/balanced.toml --out balanced.npz
      spiketheory stats balanced.npz --start 10 --plot balanced.png
    """  # noqa: D301
    from sim.analysis.population_measures import MeasureSettings, measure_populations
    from sim.files.batch_file import write_arrays
    from sim.files.result_file import read_result
    from spiketheory.commands.display import format_json
    from spiketheory.commands.terminal import make_console
    from spiketheory.errors import check_choice
    from spiketheory.files import check_apart

    check_apart(plot, file, out)
    check_apart(out, file)
    if plot is not None:
        check_choice("the suffix of --plot", plot.suffix.lower(), (".svg", ".png"))
    data = read_result(file)
    found = measure_populations(data, MeasureSettings(bin=width, **options))
    rows = [one.summarise(second or 1.0) for one in found]
    if as_json:
        click.echo(format_json({"file": str(file), "time": data.time, "populations": rows,
                                "bin": found[0].width}))  # fmt: skip
    else:
        make_console().print(draw_table(rows, "Hz" if second else "1/time"))
    if out is not None:
        write_arrays(out, collect_measures(found))
        click.echo(f"Wrote {out}.", err=True)
    if plot is not None:
        from sim.analysis.measures_figure import plot_measures

        plot_measures(data, found, plot, start=options["start"])
        click.echo(f"Wrote {plot}.", err=True)


def collect_measures(found: "list[PopulationMeasures]") -> "dict[str, np.ndarray]":
    """All arrays, by population and name."""
    return {f"{one.name}_{name}": getattr(one, name) for one in found for name in ARRAYS}


def draw_table(rows: list[dict[str, Any]], unit: str) -> "Table":
    """Statistics as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table("population", "n", f"rate ({unit})", "sd", "CV", "Fano", "corr.", "sync.",
                  f"peak ({unit})")  # fmt: skip
    names = ("rate_sd", "cv", "fano", "correlation", "synchrony", "peak")
    for row in rows:
        numbers = (f"{row[name]:.3g}" for name in names)
        table.add_row(Text(row["name"]), str(row["recorded"]), f"{row['rate']:.4g}", *numbers)
    return table
