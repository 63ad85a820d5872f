"""Commands about data sets: data show, data export."""

from pathlib import Path
from typing import Any

import click

from spiketheory.commands.common import DATA_OPTION, JSON_OPTION
from spiketheory.commands.train_options import parse_parameters

ENCODER_OPTION = click.option(
    "--encoder",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_parameters,
    help="Setting of the encoder, such as bands=128; repeatable.  [default: docs/speech.md]",
)


@click.group()
def data() -> None:
    """Look at data sets of speech, and write them in other formats.

    \b
    Examples:
      spiketheory data show 7_theo_0.wav --plot
      spiketheory data export --format shd --data FOLDER --out fsdd-as-shd
    """  # noqa: D301


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@ENCODER_OPTION
@click.option(
    "--plot",
    is_flag=True,
    help="Draw waveform, loudness and spikes under each other.  [default: no]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Where to draw.  [default: the recording's name, .png, in this folder]",
)
@JSON_OPTION
def show(
    file: Path, encoder: dict[str, float] | None, plot: bool, out: Path | None, as_json: bool
) -> None:
    """Say what a recording is, and how it is encoded as spikes."""
    import json

    from sim.speech.hair_cells import encode
    from sim.speech.settings import read_settings
    from sim.speech.spectrum import read_image
    from sim.speech.wav import read_wav

    settings = read_settings(encoder or {})
    samples, rate = read_wav(file)
    image = read_image(file, settings)
    trials = encode(image[None], settings)
    found: dict[str, Any] = {
        "file": str(file), "rate": rate, "seconds": len(samples) / rate,
        "bands": settings.bands, "frames": len(image), "duration": settings.duration,
        "spikes": len(trials.time),
    }  # fmt: skip
    if plot or out is not None:
        from sim.analysis.speech_figure import plot_speech
        from spiketheory.files import check_apart

        target = out or Path(f"{file.stem}.png")
        check_apart(target, file)
        plot_speech(
            target, name=file.name, samples=samples, rate=rate, image=image, spikes=trials.time,
            channels=trials.channel, duration=settings.duration, stretched=bool(settings.fill),
        )  # fmt: skip
        found["figure"] = str(target)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(
        f"{file.name}: {found['seconds']:.3f} s at {rate} Hz; {found['spikes']:,} spikes of "
        f"{settings.n_channels} channels in {settings.duration:g} s"
    )
    if "figure" in found:
        click.echo(f"Wrote {found['figure']}.")


@data.command()
@click.option("--format", "layout", type=click.Choice(["shd"]), required=True,
              help="shd: HDF5 as the Spiking Heidelberg Digits have it.")  # fmt: skip
@click.option("--dataset", type=click.Choice(["fsdd", "wav"]), default="fsdd", show_default=True,
              help="Recordings to encode.")  # fmt: skip
@click.option("--fold", default="", metavar="SPEAKER",
              help="Speaker who is left out for the test.  [default: the data set's own split]"
              )  # fmt: skip
@ENCODER_OPTION
@DATA_OPTION
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Folder to write shd_train.h5 and shd_test.h5 into.")  # fmt: skip
def export(
    layout: str, dataset: str, fold: str, encoder: dict[str, float] | None, root: Path | None,
    out: Path,
) -> None:  # fmt: skip
    """Encode recordings and write them in another format.

    What the data set validates with is written to the training file.
    """
    from sim.training.speech_data import export_recordings

    for path, n in export_recordings(dataset, encoder or {}, fold=fold, root=root, folder=out):
        click.echo(f"Wrote {n:,} recordings to {path}.")
