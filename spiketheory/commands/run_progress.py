"""How far a run is, and when it will end: a bar for a terminal, a line a minute for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sim.events.recording import Advance

if TYPE_CHECKING:
    from rich.console import Console

MINUTE = 60.0
"""Seconds between lines, and the shortest rest of a run whose end is told by the clock."""


class Estimate:
    """When a run ends, from how fast it went on since it began to.

    What comes before the first event, compiling and laying out, does not count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.first, self.last = clock, (0.0, 0.0), clock()
        self.has_begun = False

    def find_rest(self, advance: Advance) -> float | None:
        """Seconds to the end; None as long as nobody can know."""
        now = self.clock()
        if not self.has_begun:
            self.has_begun, self.first = True, (now, advance.time)
            return None
        seconds, done = now - self.first[0], advance.time - self.first[1]
        return seconds / done * (advance.duration - advance.time) if done > 0 else None

    def is_time_for_line(self) -> bool:
        """Whether a minute has passed since the last line."""
        now = self.clock()
        if now - self.last < MINUTE:
            return False
        self.last = now
        return True


def tell_end(rest: float | None, now: datetime) -> str:
    """When a run ends that has so many seconds left, by the clock; nothing if it is soon."""
    if rest is None or not rest >= MINUTE:
        return ""
    try:
        end = now + timedelta(seconds=rest)
    except OverflowError:
        return ", ends in more than a life"
    return f", ends {end:%H:%M}" if end.date() == now.date() else f", ends {end:%Y-%m-%d %H:%M}"


def write_line(advance: Advance, rest: float | None, now: datetime) -> str:
    """A line of a log."""
    part = advance.time / advance.duration
    return (
        f"t = {advance.time:.6g} of {advance.duration:g} ({part:.1%}), {advance.n_spikes} spikes"
        f"{tell_end(rest, now)}"
    )


@contextmanager
def show_run(
    console: "Console", duration: float, *, line: Callable[[str], None] | None
) -> Iterator[Callable[[Advance], None]]:
    """Show how far a run is; yields what is to be called when it goes on.

    Args:
        console: Where the bar is shown.
        duration: The trial's end T [time].
        line: Is given a line every minute; None where there is a bar, or nobody looks.
    """
    from spiketheory.commands.display import make_progress

    estimate = Estimate()
    with make_progress(console) as bar:
        task = bar.add_task("Simulating", total=duration, note="")

        def show(advance: Advance) -> None:
            rest, now = estimate.find_rest(advance), datetime.now().astimezone()
            note = f"{advance.n_spikes} spikes{tell_end(rest, now)}"
            bar.update(task, completed=advance.time, note=note)
            if line is not None and estimate.is_time_for_line():
                line(write_line(advance, rest, now))

        yield show
