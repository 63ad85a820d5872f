"""Groups of commands that say what went wrong in a paragraph, and import commands when needed."""

import errno
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from spiketheory.commands.common import EXIT_BAD_INPUT, EXIT_CHECK_FAILED, EXIT_STOPPED
from spiketheory.commands.terminal import protect_output


class Group(click.Group):
    """Turns the errors that a user can cause into one paragraph and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program with its output protected, click's own messages included."""
        with protect_output():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a traceback is left for what only we can have caused."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(EXIT_STOPPED)
        except MemoryError as err:
            fail(
                ctx,
                f"Expected enough memory but ran out of it ({str(err) or 'no details'}); choose "
                "fewer neurons, fewer samples or a smaller --batch.",
            )
        except OSError as err:
            if err.errno == errno.EPIPE:  # the reader has gone, as in `| head`: click ends quietly
                raise
            fail(
                ctx,
                f"Expected to read and write files but the system said: {err}; "
                "check the path, its permissions and the room on the disk.",
            )
        except ValueError as err:
            from spiketheory.errors import SpiketheoryError, VerificationError

            if not isinstance(err, SpiketheoryError):
                raise
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
