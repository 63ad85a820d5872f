"""Taylor integration for neurons that go on through their spikes: the printer of their functions.

Equations, tangents and surface are printed as for other models; the functions that integrate know
the side of the threshold that the neuron is on, a number of their state, and call
`spiketheory.runtime.crossing`. The state at a spike that is known to come after a time is that of
the flow after that time: nothing is searched for twice.
"""

from collections.abc import Sequence

from spiketheory.generation.crossing_sides import ABOVE, ARMED, CARRIED, print_threshold
from spiketheory.generation.taylor_printer import TAB, TaylorPrinter
from spiketheory.language.model import NeuronModel
from spiketheory.language.printers import print_plain
from spiketheory.language.symbols import pick_name
from spiketheory.symbolic.taylor_system import TaylorSystem


def print_crossing_functions(model: NeuronModel, system: TaylorSystem, above: str) -> list[str]:
    """Print Python source of a system's functions; see `taylor_printer.print_taylor_functions`.

    Args:
        model: The model, whose reset leaves the potential alone.
        system: Its system, of one chart: the model's own state.
        above: Name of the number that says on which side of the threshold it is.
    """
    return CrossingPrinter(model, system, above).print_functions()


class CrossingPrinter(TaylorPrinter):
    """What the functions of one system share.

    Attributes:
        above: Name of the side.
        l_above: Name of the derivative by it, which is ignored.
    """

    def __init__(self, model: NeuronModel, system: TaylorSystem, above: str) -> None:
        super().__init__(system)
        self.voltage, self.threshold = model.spike.variable, print_threshold(model)
        self.above = above
        self.taken |= {above}
        self.l_above = pick_name(f"l_{above}", self.taken)
        self.taken |= {self.l_above}
        self.before = [*self.stored, above, self.names["elapsed"], *self.constants]

    def print_surface(self) -> str:
        """The distance from V up to the threshold, exactly zero where V is the threshold."""
        place = self.system.coordinates.index(self.voltage)
        return self.print_function(
            "taylor_surface",
            self.list_names("table", "chart") + self.constants,
            "Distance from V up to the threshold.",
            [f"    return {self.threshold} - float({self.names['table']}[{place}, 0])"],
        )

    def list_run_from(self, columns: int, limit: str, above: str, watch: bool) -> list[str]:
        """Lines that integrate from the state on; ``above`` is the text of a condition."""
        numbers = [f"float({name})" for name in self.stored]
        state = f"({', '.join(numbers)}{',' * (len(numbers) == 1)})"
        arguments = [
            *("taylor_series", "taylor_surface", self.names["table"]),
            *(str(columns), str(self.size), limit, above, str(watch), self.names["constants"]),
        ]
        results = "{time}, {beyond}, {spiked}"
        return [
            self.print_floats("constants", self.constants),
            self.print_call(
                self.fill("{table} = taylor_start"), [str(self.rows), str(columns), state]
            ),
            self.print_call(self.fill(f"{results} = crossing_integrate"), arguments),
        ]

    @property
    def is_above(self) -> str:
        """Text of the condition that the neuron must come back below before it spikes."""
        return f"{self.above} != {ARMED}"

    @property
    def limit(self) -> str:
        """Text of the duration."""
        return self.fill("float({elapsed})")

    def at_once(self, result: str, arguments: Sequence[str]) -> list[str]:
        """Lines for a neuron that an input has carried across: it spikes where it is."""
        test = f"    if {self.above} == {CARRIED}:"
        return [test, self.print_call(f"return {result}", arguments, TAB * 2)]

    def print_flow(self) -> list[str]:
        """The flow and its vector-Jacobian product."""
        field = [
            f"d{x}/dt = {print_plain(rate)}"
            for x, rate in zip(self.stored, self.system.near.field, strict=True)
        ]
        cells = [self.fill("{table}[{i}, 0]", i=i) for i in range(self.size)]
        side = self.fill("{ABOVE} if {beyond} else {ARMED}", ABOVE=ABOVE, ARMED=ARMED)
        numbers = [f"float({x})" for x in (*self.stored, self.above)]
        return [
            self.print_function(
                "flow",
                self.before,
                "Coordinates after a time without events.",
                [
                    self.fill("    if {elapsed} == 0.0:"),
                    self.print_return(numbers, TAB * 2),
                    *self.list_run_from(0, self.limit, self.is_above, False),
                    self.print_return([*cells, side]),
                ],
                [*field, "", f"Returns {', '.join([*self.stored, self.above])}."],
            ),
            self.print_function(
                "flow_vjp",
                [*self.before, *self.covector, self.l_above],
                "Derivatives of a loss by the coordinates before the flow, from those after it.",
                [
                    *self.list_run_from(self.size, self.limit, "False", False),
                    self.print_floats("covector", self.covector),
                    self.return_pulled(),
                ],
                [f"Returns {', '.join(f'd_{x}' for x in (*self.stored, self.above))}."],
            ),
        ]

    def return_pulled(self) -> str:
        """The line that returns the covector on the tangents, and no derivative by the side."""
        pulls = [
            self.fill("taylor_pull({table}, {n}, {i}, {covector})", n=self.size, i=i)
            for i in range(self.size)
        ]
        return self.print_return([*pulls, "0.0"])

    def print_spike_times(self) -> list[str]:
        """The time of the next spike, and whether it comes soon enough."""
        surface = f"the spike is where {print_plain(self.system.near.surface)} falls"
        back = f"through zero; if {self.above}, after it has risen through zero before"
        return [
            self.print_function(
                "time_to_spike",
                [*self.stored, self.above, *self.constants],
                "Time to the next spike without further input; inf if there is none.",
                [
                    f"    if {self.above} == {CARRIED}:",
                    "        return 0.0",
                    *self.list_run_from(0, self.horizon, self.is_above, True),
                    self.fill("    return {time} if {spiked} else np.inf"),
                ],
                [
                    f"{surface} {back}",
                    f"no spike after {print_plain(self.system.horizon)} is looked for",
                    "",
                    "Returns duration.",
                ],
            ),
            self.print_function(
                "spike_within",
                self.before,
                "Time to the next spike without further input; inf if it is not within a time.",
                [
                    f"    if {self.above} == {CARRIED}:",
                    "        return 0.0",
                    *self.list_run_from(0, self.limit, self.is_above, True),
                    self.fill("    return {time} if {spiked} else np.inf"),
                ],
                ["Returns duration."],
            ),
            self.print_prediction(self.before),
        ]

    def print_fire(self) -> list[str]:
        """The state after a spike and its vector-Jacobian product."""
        reset = [
            f"{x} = {print_plain(value)}"
            for x, value in zip(self.stored, self.system.reset, strict=True)
        ]
        after = [self.names["v"] + str(i) for i in range(self.size)]
        after = [pick_name(name, self.taken) for name in after]
        targets = f"{', '.join(after)}{',' * (len(after) == 1)}"
        place = self.system.coordinates.index(self.voltage)
        landed = self.fill("    {table}[{i}, 0] = ", i=place) + self.threshold
        bars = [*self.covector, self.l_above]
        return [
            self.print_function(
                "fire",
                self.before,
                "Coordinates after the next spike, which comes after the given time.",
                [
                    *self.at_once("reset", [*self.stored, self.above, *self.constants]),
                    *self.list_run_from(0, self.limit, "False", False),
                    landed,
                    self.fill("    {targets} = taylor_reset({table}, *{constants})",
                              targets=targets),
                    self.print_return([*after, ABOVE]),
                ],
                [*reset, "", f"Returns {', '.join([*self.stored, self.above])}."],
            ),
            self.print_function(
                "fire_vjp",
                [*self.before, *bars, self.names["g_time"]],
                "Derivatives of a loss by the coordinates before flow and spike.",
                [
                    *self.at_once(
                        "reset_vjp", [*self.stored, self.above, *self.constants, *bars]
                    ),
                    *self.list_spike_vjp(self.size),
                    self.return_pulled(),
                ],
                [
                    "l_*: its derivatives by the coordinates after the spike, at fixed time;",
                    "g_time: its derivative by the spike time",
                    "",
                    f"Returns {', '.join(f'd_{x}' for x in (*self.stored, self.above))}.",
                ],
            ),
        ]  # fmt: skip

    def list_spike_vjp(self, columns: int) -> list[str]:
        """Lines that go to a spike and pull the covector back through it.

        The time is no zero, at which a spike would count as caused by an input.
        """
        arguments = [
            *(self.names["table"], str(columns), "0", "1.0", "True"),
            *(self.fill("*{constants}"), *self.covector, self.names["g_time"]),
        ]
        return [
            *self.list_run_from(columns, self.limit, "False", False),
            self.print_call(self.fill("{covector} = taylor_spike_vjp"), arguments),
        ]

    def print_parameters(self) -> list[str]:
        """Derivatives of flow and spike by the constants."""
        n, wide = self.size, self.size + len(self.constants)
        pulls = [
            self.fill("taylor_pull({table}, {n}, {c_}, {covector})", n=n, c_=c)
            for c in range(n, wide)
        ]
        direct = [self.fill("{covector}[{c_}]", c_=c) for c in range(n, wide)]
        returns = f"Returns {', '.join(f'd_{k}' for k in self.constants)}."
        bars = [*self.covector, self.l_above]
        return [
            self.print_function(
                "flow_constants_vjp",
                [*self.before, *bars],
                "Derivatives of a loss by the constants through the flow.",
                [
                    *self.list_run_from(wide, self.limit, "False", False),
                    self.print_floats("covector", self.covector),
                    self.print_return(pulls),
                ],
                [returns],
            ),
            self.print_function(
                "fire_constants_vjp",
                [*self.before, *bars, self.names["g_time"]],
                "Derivatives of a loss by the constants through flow and spike.",
                [
                    *self.at_once(
                        "reset_constants_vjp",
                        [*self.stored, self.above, *self.constants, *bars],
                    ),
                    *self.list_spike_vjp(wide),
                    self.print_return([f"{p} + {d}" for p, d in zip(pulls, direct, strict=True)]),
                ],
                [
                    "l_*: its derivatives by the coordinates after the spike, at fixed time;",
                    "g_time: its derivative by the spike time",
                    "",
                    returns,
                ],
            ),
        ]
