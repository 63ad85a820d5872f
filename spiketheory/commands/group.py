"""Groups of commands that say what went wrong in a paragraph, and import commands when needed."""

import errno
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from spiketheory.commands.common import EXIT_BAD_INPUT, EXIT_CHECK_FAILED, end_stopped
from spiketheory.commands.terminal import protect_output
from spiketheory.interrupts import REQUESTS, hurry, raise_stops


class Group(click.Group):
    """Turns the errors that a user can cause into one paragraph and an exit code."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the program with its output protected, click's own messages included.

        One that was stopped does not wait long for its threads.
        """
        try:
            with protect_output():
                return super().main(args, *more, **options)
        except SystemExit as end:
            if args is None and REQUESTS.number:
                hurry(int(end.code or 0))
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a traceback is left for what only we can have caused."""
        return invoke_safely(ctx, super().invoke)


def invoke_safely(ctx: click.Context, invoke: Callable[[click.Context], Any]) -> Any:
    """Call ``invoke``; if it is stopped, or a user's error ends it, say so and exit."""
    with raise_stops():
        try:
            return invoke(ctx)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except KeyboardInterrupt:
            end_stopped("Stopped.")
        except Exception as err:
            no_terminal = isinstance(err, OSError) and err.errno == errno.EIO
            if REQUESTS.is_open or (REQUESTS.number and no_terminal):  # what the end turned into
                end_stopped("Stopped.")
            explain_failure(ctx, err)
            raise


def explain_failure(ctx: click.Context, err: Exception) -> None:
    """Exit with a paragraph on an error that a user can cause; return if it is another."""
    if isinstance(err, MemoryError):
        fail(
            ctx,
            f"Expected enough memory but ran out of it ({str(err) or 'no details'}); choose "
            "fewer neurons, fewer samples or a smaller --batch.",
        )
    # The reader has gone, as in `| head`: click ends quietly.
    if isinstance(err, OSError) and err.errno != errno.EPIPE:
        fail(
            ctx,
            f"Expected to read and write files but the system said: {err}; "
            "check the path, its permissions and the room on the disk.",
        )
    if isinstance(err, ValueError):
        from spiketheory.errors import SpiketheoryError, VerificationError

        if isinstance(err, SpiketheoryError):
            failed = isinstance(err, VerificationError)
            fail(ctx, str(err), EXIT_CHECK_FAILED if failed else EXIT_BAD_INPUT)


def fail(ctx: click.Context, message: str, code: int = EXIT_BAD_INPUT) -> None:
    """Print an error and exit."""
    click.echo(f"Error: {message}", err=True)
    ctx.exit(code)


class LazyGroup(Group):
    """A group whose commands live in modules that are imported when one of them is looked up.

    Args:
        modules: The module of each command by the command's name; the module has an attribute of
            that name.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = dict(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the alphabet."""
        return sorted({*self.modules, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in self.modules:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.modules[cmd_name]), cmd_name)
        return command
