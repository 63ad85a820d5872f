"""Text that joins the free flow and the held one: the functions of a neuron with refractory period.

The time that is left of the period is one more coordinate, ``left``: it is set by the reset, falls
at rate one, and is 0 ever after. The functions that the model would have without a period keep
their text under names with ``free_``; those that are printed here, under the ordinary names, call
them and the held ones. So engines need not know of refractory periods at all.

With x the other coordinates, L a loss and l its derivatives: where the period ends on the way, at
the state m, an end that comes later by d leads to what the state m + (held velocity - free
velocity) d would have led to (`release_slope`). After a spike a neuron is held, while the functions
of the free neuron suppose that it goes on: the difference counts as a part of the derivative by the
spike time (`late_spike`).
"""

import io
import textwrap
import tokenize
from collections.abc import Collection, Iterable, Sequence

from spiketheory.generation.kernel_ir import KernelIR
from spiketheory.generation.refractory_frame import print_frame
from spiketheory.generation.taylor_printer import print_taylor_functions
from spiketheory.generation.wrap import lay_out_call
from spiketheory.language.printers import name_in_code
from spiketheory.language.symbols import pick_name
from spiketheory.symbolic.taylor_system import TaylorSystem

ELAPSED = "elapsed"
UNCHANGED = ("parameters_valid", "constants", "initial_bounds", "constants_vjp")
"""Functions without coordinates."""
ENDS = ("initial_state", "initial_value", "enter_chart", "leave_chart")
"""Functions without branches of their own, which take arrays if those of the free neuron do."""
HELD = ("held_flow", "held_flow_vjp", "held_flow_constants_vjp")


def prefix_names(text: str, names: Collection[str], prefix: str) -> str:
    """The same text with a prefix before some names, but in strings and comments."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        renamed = token.type == tokenize.NAME and token.string in names
        found.append((token.start, len(token.string), renamed))
    lines = text.splitlines(keepends=True)
    for (row, column), _, renamed in reversed(found):
        if renamed:
            line = lines[row - 1]
            lines[row - 1] = line[:column] + prefix + line[column:]
    return "".join(lines)


def find_names(text: str) -> set[str]:
    """All names of a text, but in strings and comments."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def print_held_flow(system: TaylorSystem) -> list[str]:
    """Texts of the held flow where it is integrated, and of what they call."""
    texts = {
        text.split("(")[0].removeprefix("def "): text for text in print_taylor_functions(system)
    }
    renamed = {f"held_{name}": prefix_names(text, texts, "held_") for name, text in texts.items()}
    needed: set[str] = set()
    waiting = [name for name in HELD if name in renamed]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += find_names(renamed[name]) & set(renamed)
    return [text for name, text in renamed.items() if name in needed]


def print_refractory(ir: KernelIR, texts: Sequence[str]) -> list[str]:
    """The texts of all functions of a neuron with refractory period.

    Args:
        ir: The kernel functions.
        texts: The texts of the functions that the neuron would have without it, and of the held
            phase.
    """
    names = {
        text.split("(")[0].removeprefix("def ").removesuffix("_array") for text in texts
    } - set(UNCHANGED)
    free = {n for n in names if not n.startswith(("held_", "refractory_time"))}
    free |= {f"{n}_array" for n in free}
    renamed = [prefix_names(text, free, "free_") for text in texts]
    wrappers = Wrappers(ir)
    return [*renamed, *wrappers.print_all(), *print_frame(wrappers, ir)]


class Wrappers:
    """Prints the functions of the whole neuron.

    Attributes:
        x, p, l: Names of the coordinates, constants and derivatives by the coordinates.
        left: Name of the time left.
        is_integrated: Whether the free neuron is integrated.
    """

    def __init__(self, ir: KernelIR) -> None:
        chart, model = ir.derivation.chart, ir.derivation.shown
        self.x = [name_in_code(c.name) for c in chart.coordinates]
        self.p = list(map(name_in_code, ir.constants))
        self.state = [name_in_code(s.name) for s in model.state]
        taken = {*self.x, *self.p, *self.state, "w"}

        def name(wanted: str) -> str:
            found = pick_name(wanted, taken)
            taken.add(found)
            return found

        self.initial = name_in_code(ir.derivation.initial.symbol.name)
        self.left, self.elapsed = name(left_name(ir)), name(ELAPSED)
        self.l = [name(f"l_{c}") for c in self.x]
        self.l_left, self.l_state = name("l_left"), [name(f"l_{s}_state") for s in self.state]
        self.m, self.after, self.step = name("at_end"), name("after"), name("step")
        self.rest, self.late, self.back = name("rest"), name("late"), name("back")
        self.g_time, self.more = name("g_time"), name("more")
        self.held, self.free = name("held"), name("free")
        self.missing = [name(n) for n in ("delay", "period", "rate")]
        self.bars = [name(f"g_{n}") for n in ("delay", "period", "rate")]
        self.is_integrated = ir.derivation.is_integrated
        functions = {f.name: f for f in ir.functions}
        self.varied = len(functions["jump_constants_vjp"].results) if (
            "jump_constants_vjp" in functions) else 0  # fmt: skip
        self.has_pseudospikes = "pseudospike" in functions
        self.port = [functions["jump_at"].arguments[len(self.x) + 1]] if (
            "jump_at" in functions) else []  # fmt: skip
        self.pseudo = list(functions["pseudospike"].arguments[len(self.x):][:1]) if (
            self.has_pseudospikes) else []  # fmt: skip

    def function(self, name: str, arguments: Iterable[str], summary: str, body: str) -> str:
        """The text of one function."""
        first = lay_out_call(f"def {name}", list(arguments), indent="", closing="):", call=True)
        return f'{first}\n    """{summary}"""\n{textwrap.indent(self.fill(body), "    ")}\n'

    def fill(self, body: str) -> str:
        """Fill in names: {X} coordinates, {P} constants, {L} derivatives, and single ones."""
        return textwrap.dedent(body).strip("\n").format(
            X=", ".join(self.x), P=", ".join(["", *self.p]), L=", ".join(self.l),
            S=", ".join(self.state), LS=", ".join(self.l_state), left=self.left,
            elapsed=self.elapsed, l_left=self.l_left, m=self.m, after=self.after,
            step=self.step, rest=self.rest, late=self.late, back=self.back, more=self.more,
            g_time=self.g_time, initial=self.initial, pseudo="".join(self.pseudo),
            held=self.held, free=self.free,
        )  # fmt: skip

    def print_all(self) -> list[str]:
        """Texts of all functions."""
        texts = [
            *self.print_ends(), *self.print_helpers(), *self.print_flow(), *self.print_fire(),
            *self.print_events(),
        ]  # fmt: skip
        texts += self.print_pseudospikes() if self.has_pseudospikes else []
        return texts + (self.print_constants() if self.varied else [])

    def print_ends(self) -> list[str]:
        """Into the chart and out of it: nothing is left at the start."""
        x, p = [*self.x, self.left], self.p
        bars = [*self.l, self.l_left]
        return [
            self.function("initial_state", [self.initial, *p],
                          "Coordinates of a neuron that is not refractory.",
                          "return free_initial_state({initial}{P}) + (0.0,)"),
            self.function("initial_state_vjp", [self.initial, *p, *bars],
                          "Its derivative on derivatives by the coordinates.",
                          "return free_initial_state_vjp({initial}{P}, {L})"),
            self.function("initial_value", [*x, *p], "The initial coordinate.",
                          "return free_initial_value({X}{P})"),
            self.function("enter_chart", [*self.state, *p],
                          "Coordinates of a given state that is not refractory.",
                          "return free_enter_chart({S}{P}) + (0.0,)"),
            self.function("enter_chart_vjp", [*self.state, *p, *bars],
                          "Derivatives of a loss by the state, from those by the coordinates.",
                          "return free_enter_chart_vjp({S}{P}, {L})"),
            self.function("leave_chart", [*x, *p], "State of given coordinates.",
                          "return free_leave_chart({X}{P})"),
            self.function("leave_chart_vjp", [*x, *p, *self.l_state],
                          "Derivatives of a loss by the coordinates, from those by the state.",
                          "return free_leave_chart_vjp({X}{P}, {LS}) + (0.0,)"),
        ]  # fmt: skip

    def print_helpers(self) -> list[str]:
        """The velocity, the propagator, and what derivatives need."""
        difference = " + ".join(
            f"{bar} * ({self.held}[{i}] - {self.free}[{i}])" for i, bar in enumerate(self.l)
        )
        return [
            self.function("velocity", [*self.x, self.left, *self.p],
                          "Time derivatives of the coordinates between events.", """
                          if {left} > 0.0:
                              return held_velocity({X}{P}) + (-1.0,)
                          return free_velocity({X}{P}) + (0.0,)
                          """),
            self.function("propagator", [self.elapsed, *self.p],
                          "The duration: what else the flow needs depends on the time left.",
                          "return ({elapsed},)"),
            self.function("release_slope", [*self.x, *self.p, *self.l],
                          "Derivative of a loss by the time at which the period ends.",
                          f"{self.held} = held_velocity({{X}}{{P}})\n"
                          f"{self.free} = free_velocity({{X}}{{P}})\n"
                          f"return {difference}"),
            self.function("late_spike", [*self.x, *self.p, *self.l, self.l_left, self.g_time],
                          "Derivative by the spike time, for the functions of the free neuron.",
                          "return {g_time} + {l_left} - release_slope({X}{P}, {L})"),
        ]  # fmt: skip

    def print_flow(self) -> list[str]:
        """The flow, and how long it takes to the spike."""
        x = [*self.x, self.left]
        return [
            self.function("flow", [*x, self.elapsed, *self.p],
                          "Coordinates after a time without events.", """
                          if {left} <= 0.0:
                              {step} = free_propagator({elapsed}{P})
                              return free_flow({X}, *{step}{P}) + (0.0,)
                          if {elapsed} < {left}:
                              return held_flow({X}, {elapsed}{P}) + ({left} - {elapsed},)
                          {m} = held_flow({X}, {left}{P})
                          {step} = free_propagator({elapsed} - {left}{P})
                          return free_flow(*{m}, *{step}{P}) + (0.0,)
                          """),
            self.function("flow_vjp", [*x, self.elapsed, *self.p, *self.l, self.l_left],
                          "Derivatives of a loss by the coordinates before the flow.", """
                          if {left} <= 0.0:
                              {step} = free_propagator({elapsed}{P})
                              return free_flow_vjp({X}, *{step}{P}, {L}) + (0.0,)
                          if {elapsed} < {left}:
                              return held_flow_vjp({X}, {elapsed}{P}, {L}) + ({l_left},)
                          {m} = held_flow({X}, {left}{P})
                          {step} = free_propagator({elapsed} - {left}{P})
                          {back} = free_flow_vjp(*{m}, *{step}{P}, {L})
                          return held_flow_vjp({X}, {left}{P}, *{back}) + (
                              release_slope(*{m}{P}, *{back}),
                          )
                          """),
            self.function("time_to_spike", [*x, *self.p],
                          "Time to the next spike without further input; inf if there is none.", """
                          if {left} <= 0.0:
                              return free_time_to_spike({X}{P})
                          return {left} + free_time_to_spike(*held_flow({X}, {left}{P}){P})
                          """),
            *self.print_bounded(),
            self.function("will_spike", [*x, self.elapsed, *self.p],
                          "Whether a spike comes within a time.", self.prediction),
        ]  # fmt: skip

    @property
    def prediction(self) -> str:
        """Lines that say whether a spike comes in time."""
        if not self.is_integrated:
            return "return time_to_spike({X}, {left}{P}) < {elapsed}"
        return "return spike_within({X}, {left}, {elapsed}{P}) < {elapsed}"

    def print_bounded(self) -> list[str]:
        """The time to the spike where it is looked for in a given time only."""
        if not self.is_integrated:
            return []
        return [
            self.function("spike_within", [*self.x, self.left, self.elapsed, *self.p],
                          "Time to the next spike; inf if it is not within a time.", """
                          if {left} <= 0.0:
                              return free_spike_within({X}, {elapsed}{P})
                          if {elapsed} <= {left}:
                              return np.inf
                          {m} = held_flow({X}, {left}{P})
                          return {left} + free_spike_within(*{m}, {elapsed} - {left}{P})
                          """),
        ]  # fmt: skip

    def print_fire(self) -> list[str]:
        """The spike after a time, which comes after the period.

        A neuron that is beyond its threshold when the period ends spikes there and then: when it
        does depends on the time left alone.
        """
        x = [*self.x, self.left]
        slope = " + ".join(
            f"{self.back}[{i}] * {self.held}[{i}] - {bar} * {self.free}[{i}]"
            for i, bar in enumerate(self.l)
        )
        release = """
            {m} = ({X},)
            {rest} = {elapsed}
            if {left} > 0.0:
                {m} = held_flow({X}, {left}{P})
                {rest} = {elapsed} - {left}
            {step} = free_propagator({rest}{P})
        """
        return [
            self.function("fire", [*x, self.elapsed, *self.p],
                          "Coordinates after the spike that ends the given time.",
                          textwrap.dedent(release).strip("\n") + textwrap.dedent("""
                          return free_fire(*{m}, *{step}{P}) + (refractory_time({PP}),)
                          """).replace("{PP}", ", ".join(self.p))),
            self.function("fire_vjp", [*x, self.elapsed, *self.p, *self.l, self.l_left,
                                       self.g_time],
                          "Derivatives of a loss by the coordinates before flow and spike.",
                          textwrap.dedent(release).strip("\n") + textwrap.dedent("""
                          {after} = free_fire(*{m}, *{step}{P})
                          {late} = late_spike(*{after}{P}, {L}, {l_left}, {g_time})
                          if {left} > 0.0 and {rest} <= 0.0:
                              {back} = free_reset_vjp(*{m}{P}, {L})
                              {held} = held_velocity(*{m}{P})
                              {free} = free_velocity(*{after}{P})
                              return held_flow_vjp({X}, {left}{P}, *{back}) + (
                                  {late} + SLOPE,
                              )
                          {back} = free_fire_vjp(*{m}, *{step}{P}, {L}, {late})
                          if {left} <= 0.0:
                              return {back} + (0.0,)
                          return held_flow_vjp({X}, {left}{P}, *{back}) + (
                              release_slope(*{m}{P}, *{back}),
                          )
                          """).replace("SLOPE", slope)),
        ]  # fmt: skip

    def print_events(self) -> list[str]:
        """Inputs, and the reset."""
        x, bars = [*self.x, self.left], [*self.l, self.l_left]
        period = f"refractory_time({', '.join(self.p)})"
        return [
            *self.print_jumps("jump", []),
            *(self.print_jumps("jump_at", self.port) if self.port else []),
            self.function("reset", [*x, *self.p], "Coordinates after a spike.",
                          f"return free_reset({{X}}{{P}}) + ({period},)"),
            self.function("reset_vjp", [*x, *self.p, *bars],
                          "Derivatives of a loss by the coordinates at a spike of fixed time.",
                          "return free_reset_vjp({X}{P}, {L}) + (0.0,)"),
        ]  # fmt: skip

    def print_jumps(self, name: str, port: list[str]) -> list[str]:
        """An input, at a port if there are several."""
        x, bars, n = [*self.x, self.left], [*self.l, self.l_left], len(self.x)
        given = ", ".join(["w", *port])
        texts = [
            self.function(name, [*x, "w", *port, *self.p], "Coordinates after an input.", f"""
                          if {{left}} > 0.0:
                              return held_{name}({{X}}, {given}{{P}}) + ({{left}},)
                          return free_{name}({{X}}, {given}{{P}}) + (0.0,)
                          """),
            self.function(f"{name}_vjp", [*x, "w", *port, *self.p, *bars],
                          "Derivatives by the coordinates before it, its weight and its time.",
                          f"""
                          if {{left}} > 0.0:
                              {{back}} = held_{name}_vjp({{X}}, {given}{{P}}, {{L}})
                              return {{back}}[:{n}] + ({{l_left}},) + {{back}}[{n}:]
                          {{back}} = free_{name}_vjp({{X}}, {given}{{P}}, {{L}})
                          return {{back}}[:{n}] + (0.0,) + {{back}}[{n}:]
                          """),
        ]  # fmt: skip
        if self.varied:
            texts.append(
                self.function(f"{name}_constants_vjp", [*x, "w", *port, *self.p, *bars],
                              "Derivatives of a loss by the constants.", f"""
                if {{left}} > 0.0:
                    return held_{name}_constants_vjp({{X}}, {given}{{P}}, {{L}})
                return free_{name}_constants_vjp({{X}}, {given}{{P}}, {{L}})
                """)
            )  # fmt: skip
        return texts

    def print_pseudospikes(self) -> list[str]:
        """The pseudodynamics begins when the period is over."""
        x = [*self.x, self.left, *self.pseudo]
        n = len(self.x)
        delay, between, rate = self.missing
        bars = ", ".join(self.bars)
        period = f"refractory_time({', '.join(self.p)})"
        return [
            self.function("pseudospike", [*x, *self.p],
                          "First missing spike after the trial's end, time between more, rate.",
                          f"""
                          {delay}, {between}, {rate} = free_pseudospike({{X}}, {{pseudo}}{{P}})
                          return {{left}} + {delay}, {period} + {between}, {rate}
                          """),
            self.function("pseudospike_vjp", [*x, *self.p, *self.bars],
                          "Derivatives of a loss by the coordinates and the pseudo input.", f"""
                          {{back}} = free_pseudospike_vjp({{X}}, {{pseudo}}{{P}}, {bars})
                          return {{back}}[:{n}] + ({self.bars[0]},) + {{back}}[{n}:]
                          """),
        ]  # fmt: skip

    def sum_up(self, first: str, second: str) -> str:
        """The line that returns the sums of two tuples of derivatives by the constants."""
        parts = ", ".join(f"{first}[{i}] + {second}[{i}]" for i in range(self.varied))
        return f"return ({parts},)"

    # Long: a list of functions, each with its words.
    def print_constants(self) -> list[str]:
        """Derivatives by the constants."""
        x, bars = [*self.x, self.left], [*self.l, self.l_left]
        words = "Derivatives of a loss by the constants."
        add = self.sum_up(self.back, self.more)
        added = add.removeprefix("return ")
        p = ", ".join(self.p)
        texts = [
            self.function("initial_state_constants_vjp", [self.initial, *self.p, *bars], words,
                          "return free_initial_state_constants_vjp({initial}{P}, {L})"),
            self.function("enter_chart_constants_vjp", [*self.state, *self.p, *bars], words,
                          "return free_enter_chart_constants_vjp({S}{P}, {L})"),
            self.function("leave_chart_constants_vjp", [*x, *self.p, *self.l_state], words,
                          "return free_leave_chart_constants_vjp({X}{P}, {LS})"),
            self.function("reset_constants_vjp", [*x, *self.p, *bars], words, f"""
                          {{back}} = free_reset_constants_vjp({{X}}{{P}}, {{L}})
                          {{more}} = refractory_time_constants_vjp({p}, {{l_left}})
                          {add}
                          """),
            self.function("flow_constants_vjp", [*x, self.elapsed, *self.p, *bars], words, f"""
                          if {{left}} <= 0.0:
                              return free_flow_constants_vjp({{X}}, {{elapsed}}{{P}}, {{L}})
                          if {{elapsed}} < {{left}}:
                              return held_flow_constants_vjp({{X}}, {{elapsed}}{{P}}, {{L}})
                          {{m}} = held_flow({{X}}, {{left}}{{P}})
                          {{rest}} = {{elapsed}} - {{left}}
                          {{step}} = free_propagator({{rest}}{{P}})
                          {{late}} = free_flow_vjp(*{{m}}, *{{step}}{{P}}, {{L}})
                          {{back}} = free_flow_constants_vjp(*{{m}}, {{rest}}{{P}}, {{L}})
                          {{more}} = held_flow_constants_vjp({{X}}, {{left}}{{P}}, *{{late}})
                          {add}
                          """),
            self.function("fire_constants_vjp", [*x, self.elapsed, *self.p, *bars, self.g_time],
                          words, f"""
                          {{m}} = ({{X}},)
                          {{rest}} = {{elapsed}}
                          if {{left}} > 0.0:
                              {{m}} = held_flow({{X}}, {{left}}{{P}})
                              {{rest}} = {{elapsed}} - {{left}}
                          {{step}} = free_propagator({{rest}}{{P}})
                          {{after}} = free_fire(*{{m}}, *{{step}}{{P}})
                          {{late}} = late_spike(*{{after}}{{P}}, {{L}}, {{l_left}}, {{g_time}})
                          {{more}} = refractory_time_constants_vjp({p}, {{l_left}})
                          if {{left}} > 0.0 and {{rest}} <= 0.0:
                              {{back}} = free_reset_constants_vjp(*{{m}}{{P}}, {{L}})
                              {{back}} = {added}
                              {{late}} = free_reset_vjp(*{{m}}{{P}}, {{L}})
                              {{more}} = held_flow_constants_vjp({{X}}, {{left}}{{P}}, *{{late}})
                              {add}
                          {{back}} = free_fire_constants_vjp(*{{m}}, {{rest}}{{P}}, {{L}}, {{late}})
                          {{back}} = {added}
                          if {{left}} <= 0.0:
                              return {{back}}
                          {{after}} = free_fire_vjp(*{{m}}, *{{step}}{{P}}, {{L}}, {{late}})
                          {{more}} = held_flow_constants_vjp({{X}}, {{left}}{{P}}, *{{after}})
                          {add}
                          """),
        ]  # fmt: skip
        if self.has_pseudospikes:
            names = ", ".join(self.bars)
            arguments = [*x, *self.pseudo, *self.p, *self.bars]
            texts.append(
                self.function("pseudospike_constants_vjp", arguments,
                              words, f"""
                {{back}} = free_pseudospike_constants_vjp({{X}}, {{pseudo}}{{P}}, {names})
                {{more}} = refractory_time_constants_vjp({p}, {self.bars[1]})
                {add}
                """)
            )  # fmt: skip
        return texts


def left_name(ir: KernelIR) -> str:
    """Name of the coordinate that is the time left of the refractory period."""
    names = {c.name for c in ir.derivation.chart.coordinates} | set(ir.constants)
    names |= {s.name for s in (*ir.derivation.model.state, *ir.derivation.shown.state)}
    return pick_name("left", {*names, *map(name_in_code, names)})
