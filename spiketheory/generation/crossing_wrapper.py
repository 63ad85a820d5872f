"""Functions of neurons that go on through their spikes, printed around those of one free crossing.

The mathematics of the derivation is that of a neuron below its threshold: flow, first crossing,
reset. The functions that are lowered from it are printed under other names, and the functions of
the interface around them: they take and return the side of the threshold too
(`spiketheory.generation.crossing_sides`), by which no loss has a derivative.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from spiketheory.generation.crossing_sides import (
    ABOVE,
    ARMED,
    CARRIED,
    name_side,
    print_threshold,
)
from spiketheory.generation.interface import INTERFACE
from spiketheory.generation.kernel_ir import KernelFunction, KernelIR
from spiketheory.generation.wrap import TAB, lay_out_call
from spiketheory.language.functions import first_zero_above
from spiketheory.language.printers import print_numpy
from spiketheory.language.symbols import pick_name

FREE = "free_"
NOT_KEPT = ("will_spike", "fire")
"""Functions of the free neuron that the wrapped ones do without."""
GROUP = "coordinates"
ADJOINTS = "adjoints of coordinates"


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """A module's functions with the side of the threshold.

    Attributes:
        functions: Kernel functions, the wrapped ones under other names.
        texts: Functions of the interface, and those without a closed form.
        names: Functions of the interface that take or return the side.
        results: How many numbers each of these returns, as far as it is wrapped.
    """

    functions: tuple[KernelFunction, ...]
    texts: tuple[str, ...]
    names: tuple[str, ...]
    results: dict[str, int]


def wrap_crossing(ir: KernelIR) -> Wrapped:
    """Wrap the functions of a model that goes on through its spikes."""
    wrapper = Wrapper(ir)
    wrapped = [f for f in ir.functions if wrapper.is_wrapped(f.name)]
    kept = [
        replace(f, name=FREE + f.name) if f in wrapped else f
        for f in ir.functions if f.name not in NOT_KEPT
    ]  # fmt: skip
    texts = [wrapper.print_wrapped(f) for f in wrapped]
    if not ir.derivation.is_integrated:
        texts = [wrapper.print_times(), *texts]
    texts += ir.texts
    printed = {text.removeprefix("def ").partition("(")[0] for text in texts}
    return Wrapped(
        functions=tuple(kept),
        texts=tuple(texts),
        names=tuple(name for name in INTERFACE if wrapper.is_wrapped(name) and name in printed),
        results={f.name: wrapper.count_results(f) for f in wrapped},
    )


class Wrapper:
    """What the functions of one module share.

    Attributes:
        above: Name of the side.
        l_above: Name of the derivative by it, which is ignored.
    """

    def __init__(self, ir: KernelIR) -> None:
        self.ir, self.derivation = ir, ir.derivation
        model, chart = ir.derivation.model, ir.derivation.chart
        taken = {name for f in ir.functions for name in f.arguments}
        self.above = name_side(ir.derivation)
        taken.add(self.above)
        self.l_above = pick_name(f"l_{self.above}", taken)
        taken.add(self.l_above)
        self.numbers = [pick_name(f"v{i}", taken) for i in range(len(chart.coordinates) + 32)]
        self.back, self.wait = pick_name("back", taken), pick_name("wait", taken)
        self.threshold = print_threshold(model)
        self.coordinates = [c.name for c in chart.coordinates]
        self.constants = list(ir.constants)
        self.place = chart.coordinates.index(model.spike.variable)
        self.elapsed = ir.derivation.propagator.symbols[-1].name

    def is_wrapped(self, name: str) -> bool:
        """Whether a function takes or returns coordinates or what belongs to them."""
        if name not in INTERFACE or name in ("load", "store", "turn"):
            return False
        groups = (*INTERFACE[name].arguments, *INTERFACE[name].results)
        return any(group.rpartition(" of ")[2] == GROUP for group in groups)

    def size(self, group: str) -> int:
        """How many numbers stand behind a name of a signature."""
        d = self.derivation
        sizes = {
            "parameters": len(d.model.parameters), "constants": len(self.constants),
            "state": len(d.model.state), GROUP: len(self.coordinates),
            "propagator": len(d.propagator.symbols),
        }  # fmt: skip
        return sizes.get(group.rpartition(" of ")[2], 1)

    def list_arguments(self, function: KernelFunction) -> list[str]:
        """Names of the wrapped function's arguments."""
        arguments, left = [], list(function.arguments)
        for group in INTERFACE[function.name].arguments:
            n = self.size(group)
            arguments += left[:n]
            left = left[n:]
            arguments += {GROUP: [self.above], ADJOINTS: [self.l_above]}.get(group, [])
        return arguments

    def list_results(self, function: KernelFunction) -> list[str]:
        """Text of the wrapped function's results, in terms of the free one's ``numbers``."""
        results, left = [], self.numbers[: len(function.results)]
        groups = INTERFACE[function.name].results
        if not any(group.rpartition(" of ")[2] == GROUP for group in groups):
            return left
        for group in groups:
            n = self.size(group)
            results += left[:n]
            left = left[n:]
            if group == GROUP:
                results.append(self.find_side(function))
            elif group.rpartition(" of ")[2] == GROUP:
                results.append("0.0")
        return results

    def count_results(self, function: KernelFunction) -> int:
        """How many numbers the wrapped function returns."""
        return 1 if function.scalar else len(self.list_results(function))

    def find_side(self, function: KernelFunction) -> str:
        """Text of the side that a map leads to."""
        now = self.numbers[self.place]
        if function.name in ("jump", "jump_at"):
            before = self.coordinates[self.place]
            return f"crossing_side({before}, {now}, {self.threshold}, {self.above})"
        if function.name == "reset":
            return ABOVE
        if function.name == "flow":
            same = f"{self.above} == {ARMED} or {self.elapsed} == 0.0"
            call = self.print_call("crossing_times", [*self.coordinates, *self.constants])
            return (
                f"{self.above} if {same} else {ARMED} if {call}[0] <= {self.elapsed} else {ABOVE}"
            )
        return f"{ABOVE} if {now} >= {self.threshold} else {ARMED}"

    def print_call(self, name: str, arguments: Sequence[str]) -> str:
        """A call on one line."""
        return f"{name}({', '.join(arguments)})"

    def print_function(
        self, name: str, arguments: Sequence[str], summary: str, body: Sequence[str]
    ) -> str:
        """Text of a function."""
        head = lay_out_call(f"def {name}", arguments, indent="", closing="):", call=True)
        return "\n".join([head, f'    """{summary}"""', *body])

    def print_wrapped(self, function: KernelFunction) -> str:
        """Text of a function of the interface."""
        special = {
            "time_to_spike": self.list_wait, "will_spike": self.list_prediction,
            "fire": self.list_fire,
        }  # fmt: skip
        arguments = self.list_arguments(function)
        if function.name in special:
            body = special[function.name]()
        else:
            body = self.list_body(function, arguments)
        return self.print_function(function.name, arguments, function.summary, body)

    def list_body(self, function: KernelFunction, arguments: Sequence[str]) -> list[str]:
        """Lines that call the free function and add the side, or no derivative by it."""
        call = self.print_call(FREE + function.name, function.arguments)
        at_once: list[str] = []
        if function.name in ("fire_vjp", "fire_constants_vjp"):
            name = function.name.replace("fire", "reset")
            bars = [a for a in arguments if a == self.l_above or a in self.list_bars()]
            known = [*self.coordinates, self.above, *self.constants, *bars]
            at_once = [
                f"    if {self.above} == {CARRIED}:",
                f"        return {self.print_call(name, known)}",
            ]
        if function.scalar:
            return [*at_once, f"    return {call}"]
        results = self.list_results(function)
        if results == self.numbers[: len(results)]:
            return [*at_once, f"    return {call}"]
        targets = self.list_targets(len(function.results))
        return [*at_once, f"    {targets} = {call}", self.print_return(results)]

    def list_targets(self, n: int) -> str:
        """The left side of an assignment of several numbers."""
        return ", ".join(self.numbers[:n]) if n > 1 else f"({self.numbers[0]},)"

    def print_return(self, values: Sequence[str]) -> str:
        """Return a tuple."""
        return lay_out_call(f"{TAB}return ", values, indent=TAB)

    def list_bars(self) -> list[str]:
        """Names of the derivatives by the coordinates after a spike."""
        reset = next(f for f in self.ir.functions if f.name == "reset_vjp")
        return list(reset.arguments[-len(self.coordinates) :])

    def list_wait(self) -> list[str]:
        """Lines of the time to the next spike."""
        known = [*self.coordinates, *self.constants]
        V = self.coordinates[self.place]
        speeds = self.list_targets(len(self.coordinates))
        velocity, times = (
            self.print_call(name, known) for name in (f"{FREE}velocity", "crossing_times")
        )
        return [
            f"    if {self.above} == {CARRIED}:",
            "        return 0.0",
            f"    if {self.above} == {ARMED}:",
            f"        if {V} < {self.threshold}:",
            f"            return {self.print_call(f'{FREE}time_to_spike', known)}",
            # on the threshold up to rounding: on its way across it, or just come back
            f"        {speeds} = {velocity}",
            f"        if {self.numbers[self.place]} > 0.0:",
            "            return 0.0",
            f"    {self.back}, {self.wait} = {times}",
            f"    return {self.wait}",
        ]

    def list_prediction(self) -> list[str]:
        """Lines that say whether a spike comes soon enough."""
        known = [*self.coordinates, self.above, *self.constants]
        return [f"    return {self.print_call('time_to_spike', known)} < {self.elapsed}"]

    def list_fire(self) -> list[str]:
        """Lines of the state after a spike: that of the flow, exactly on the threshold."""
        steps = [s.name for s in self.derivation.propagator.symbols]
        n, known = len(self.coordinates), [*self.coordinates, self.above, *self.constants]
        flow = self.print_call(f"{FREE}flow", [*self.coordinates, *steps, *self.constants])
        landed = [self.threshold if i == self.place else self.numbers[i] for i in range(n)]
        reset = self.print_call("reset", [*landed, ABOVE, *self.constants])
        return [
            f"    if {self.above} == {CARRIED}:",
            f"        return {self.print_call('reset', known)}",
            f"    {self.list_targets(n)} = {flow}",
            f"    return {reset}",
        ]

    def print_times(self) -> str:
        """The function that looks for what comes from above the threshold."""
        descent = self.derivation.descent
        assert descent is not None, "the zeros of the surface are isolated"
        arguments = sp.Tuple(*self.derivation.chart.coordinates, *self.ir.constant_symbols)
        root = first_zero_above(sp.Tuple(*descent.rates), descent.horizon, arguments)
        return self.print_function(
            "crossing_times",
            [*self.coordinates, *self.constants],
            "Time until a neuron above its threshold comes back below, and until its next spike.",
            [f"    return {print_numpy(root)}"],
        )
