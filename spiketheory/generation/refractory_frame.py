"""Text of the co-moving frame of a neuron with refractory period.

Its coordinates are those of the free neuron from the time of release on, continued back to the
origin, and that time itself: what is left of the period plus the time since the origin does not
change. So a spike sets the coordinates with which the neuron will be released, and what goes on in
between is a matter of the inputs that come until then.
"""

from collections.abc import Sequence
from typing import Protocol

from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.language.printers import name_in_code
from spiketheory.language.symbols import DURATION, pick_name


class Wrappers(Protocol):
    """What prints functions of the whole neuron (`spiketheory.generation.refractory_printer`)."""

    x: list[str]
    p: list[str]
    left: str
    m: str

    def function(self, name: str, arguments: Sequence[str], summary: str, body: str) -> str:
        """Text of a function."""


def elapsed_factor(ir: KernelIR) -> str:
    """Name of the factor that is the time since the origin itself."""
    frame = ir.derivation.frame
    assert frame is not None
    taken = {s.name for s in (*frame.factors, *frame.pushed, *frame.here, *ir.constant_symbols)}
    taken |= {c.name for c in ir.derivation.chart.coordinates}
    return pick_name("since_origin", taken)


# Long: it is a list of functions.
def print_frame(wrappers: Wrappers, ir: KernelIR) -> list[str]:
    """Texts of the frame's functions; none if the free neuron has no frame."""
    frame = ir.derivation.frame
    if frame is None:
        return []
    time, since, at = (name_in_code(s.name) for s in (DURATION, frame.since, frame.at))
    factors = [name_in_code(s.name) for s in frame.factors]
    pushed = [name_in_code(s.name) for s in frame.pushed]
    elapsed, left, p = elapsed_factor(ir), wrappers.left, wrappers.p
    x, n = [*wrappers.x, left], [*factors, elapsed]
    X, N, K = (", ".join(names) for names in (wrappers.x, factors, pushed))
    P = ", ".join(p)
    m = wrappers.m
    function = wrappers.function
    period = f"refractory_time({P})"
    texts = [
        function("frame_limits", p, "Longest time between two looks, and since the origin.",
                 f"return free_frame_limits({P})"),
        function("frame_factors", [time, *p], "Numbers of the frame at a time.",
                 f"return free_frame_factors({time}, {P}) + ({time},)"),
        function("frame_enter", [*x, *p], "Coordinates of the frame with its origin now.", f"""
                 if {left} <= 0.0:
                     return ({X}, 0.0)
                 {m} = held_flow({X}, {left}, {P})
                 return free_flow(*{m}, *free_propagator(-{left}, {P}), {P}) + ({left},)
                 """),
        function("frame_leave", [*x, *n, *p], "Coordinates of the chart at the factors' time.", f"""
                 if {left} <= {elapsed}:
                     return free_frame_leave({X}, {N}, {P}) + (0.0,)
                 {m} = free_flow({X}, *free_propagator({left}, {P}), {P})
                 return held_flow(*{m}, {elapsed} - {left}, {P}) + ({left} - {elapsed},)
                 """),
        function("frame_rebase", [*x, *n, *p],
                 "Coordinates of the frame with its origin at the factors' time.", f"""
                 return free_frame_rebase({X}, {N}, {P}) + (max({left} - {elapsed}, 0.0),)
                 """),
        function("frame_jump", [*x, *pushed, *n, *p], "Coordinates of the frame after an input.",
                 f"""
                 if {left} <= {elapsed}:
                     return free_frame_jump({X}, {K}, {N}, {P}) + ({left},)
                 return held_frame_jump({X}, {left}, {K}, {N}, {P}) + ({left},)
                 """),
        function("frame_quiet", [*x, since, time, *n, *p],
                 "Whether surely no spike came before, and the neuron is not refractory.", f"""
                 return {left} <= {time} and free_frame_quiet(
                     {X}, max({since}, {left}), {time}, {N}, {P}
                 )
                 """),
        function("frame_spike", [*x, since, time, *n, *p],
                 "Time of the first spike before; inf if there is none.", f"""
                 if {time} <= {left}:
                     return np.inf
                 return free_frame_spike({X}, max({since}, {left}), {time}, {N}, {P})
                 """),
        function("frame_fire", [*x, at, *p], "Coordinates of the frame after a spike.", f"""
                 {m} = free_fire({X}, *free_propagator({at}, {P}), {P})
                 {m} = held_flow(*{m}, {period}, {P})
                 {left} = {at} + {period}
                 return free_flow(*{m}, *free_propagator(-{left}, {P}), {P}) + ({left},)
                 """),
    ]  # fmt: skip
    ports = {f.name: f.arguments[1] for f in ir.functions if f.name == "frame_push_at"}
    for name, port in (("frame_push", []), *((k, [name_in_code(v)]) for k, v in ports.items())):
        given = ", ".join(["w", *port])
        texts.append(
            function(name, ["w", *port, *n, *p], "Numbers of an input.",
                     f"return free_{name}({given}, {N}, {P})")
        )  # fmt: skip
    if any(f.name == "frame_crosses" for f in ir.functions):
        texts.append(
            function("frame_crosses", [*x, *n, *p], "Whether it is beyond its threshold.",
                     f"return {left} <= {elapsed} and free_frame_crosses({X}, {N}, {P})")
        )  # fmt: skip
    return texts
