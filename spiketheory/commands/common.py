"""What commands share: options, exit codes, and printing."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from spiketheory.interrupts import REQUESTS, find_exit_code

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2

MODEL_OPTION = click.option(
    "--model",
    required=True,
    metavar="NAME|FILE.toml",
    help="A built-in model (see `spiketheory models`) or a model file.",
)
OUT_OPTION = click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write to this file.  [default: print to the terminal]",
)
DATA_OPTION = click.option(
    "--data",
    "root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds data sets, such as MNIST/raw, and the only one that is searched; "
    "digits and yinyang need none.  [default: $SPIKETHEORY_DATA, then your user data folder]",
)
JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs.  [default: text for people]"
)
AS_JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="The same as --format json.  [default: --format]"
)
TIMEOUT_OPTION = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Give up after this long; 0 is never.",
)
DERIVE_TIMEOUT_OPTION = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=300,
    metavar="SECONDS",
    help="Give up a model file that takes longer to derive; 0 is never.  [default: 300]",
)

PATIENCE = 1.0  # seconds without a word


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
    """Show on the terminal what is going on, from the second `PATIENCE` on.

    Yields:
        A function that takes what is going on now.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from threading import Timer

    from spiketheory.commands.terminal import make_console

    status = make_console(stderr=True).status("")
    timer = Timer(PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: status.update(f"{text} ...")
    finally:
        timer.cancel()
        timer.join()
        status.stop()


def compile_in_time(compile_model: Callable[[str], Any], seconds: float) -> Callable[[str], Any]:
    """The same function with a limit: a model file may have to be derived first."""
    from spiketheory.time_limit import limit_time

    def compile_it(model: str) -> Any:
        with limit_time(seconds, f"the derivation of {model}"):
            return compile_model(model)

    return compile_it


def hold_folder(folder: Path, name: str = ".lock", *, demanded: bool = True) -> None:
    """Keep other processes from writing to a folder until the command ends; see `FolderLock`."""
    from spiketheory.folder_lock import FolderLock

    is_new = not folder.exists()
    lock = FolderLock(folder, name, demanded=demanded)

    def release() -> None:
        lock.release()
        if is_new:
            with suppress(OSError):  # something was written
                folder.rmdir()

    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(release)


def end_stopped(text: str = "") -> NoReturn:
    """Say that a command was stopped, if there is still a terminal, and exit."""
    REQUESTS.hear()
    try:
        click.echo(text, err=True, nl=bool(text))
        sys.stdout.flush()
    except OSError:  # nor is there any for what is not written yet
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    raise click.exceptions.Exit(find_exit_code())


def print_either(text: Any) -> None:
    """Print a text as it is, or a table as wide as the terminal."""
    if isinstance(text, str):
        click.echo(text)
        return
    from spiketheory.commands.terminal import make_console

    make_console().print(text)


def write_output(text: str, out: Path | None) -> None:
    """Print, or write to a file whole or not at all."""
    if out is None:
        click.echo(text)
        return
    from spiketheory.files import write_text_atomically

    write_text_atomically(out, text if text.endswith("\n") else text + "\n")
    click.echo(f"Wrote {out}.", err=True)
