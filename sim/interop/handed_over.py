"""A network the numbers of which another library keeps: it hands them over with every batch.

Nothing here knows that library: arrays go in, arrays come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np

from sim.engine.choose import AUTO
from sim.engine.passes import EventPass, LayerPass, Pass
from sim.engine.predict import (
    choose_reading,
    choose_stack,
    list_spikes,
    predict,
    pull_back,
    pull_back_spikes,
)
from sim.events.differentiate import Gradients
from sim.files.network_file import Learnable
from sim.inputs.trials import Trials
from sim.interop.numbers import Numbers, list_learnable, name_learnable, place_times, read_numbers
from sim.layers.batch import Events, prepare_events, run_batch
from sim.losses import make_linear_loss
from sim.network.layer_stack import LayerStack
from sim.network.network import Network
from sim.network.readouts import LinearReadout
from sim.training.learner import Learner, find_bounds
from spiketheory.errors import InputError, check_choice, check_finite

LOGITS, FIRST_SPIKES, SPIKES = "logits", "first_spikes", "spikes"
OUTPUTS = (LOGITS, FIRST_SPIKES, SPIKES)
LEARNABLE = ("weights", "delays", "initial", "parameters", "readout")
"""What may be handed over."""
KNOWN: WeakValueDictionary[str, "HandedOver"] = WeakValueDictionary()
"""Those of this process by key."""


@dataclass(eq=False)
class Ready:
    """A batch as engines get it; kept, for the way back begins with the same numbers.

    Attributes:
        numbers: What it was made of.
        trials: The batch.
        network: The network; None where ``stack`` does.
        stack: The network as layers of which first spikes are read; None if it is none.
        events: The batch as these get it.
        tape: The pass that it made, if one was kept and nobody has gone back through it.
    """

    numbers: Numbers
    trials: Trials
    network: Network | None
    stack: LayerStack | None
    events: Events | None
    tape: Pass | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HandedOver:
    """A network the numbers of which are handed over.

    Attributes:
        network: The network at the start.
        output: ``logits``, ``first_spikes`` (pseudospikes included) or ``spikes`` of the last
            population.
        room: Of ``spikes``, how many a trial may have.
        learn: What is handed over, of `LEARNABLE`.
        engine: ``auto``, ``layers`` or ``events``.
        max_spikes: More spikes (of a layer, of a trial) are an error.
        key: Names it in this process, and in those that it is sent to.
    """

    network: Network
    output: str
    room: int
    learn: tuple[str, ...]
    engine: str
    max_spikes: int
    key: str

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (
            self.network, self.output, self.room, self.learn, self.engine, self.max_spikes,
            self.key,
        )  # fmt: skip

    def __deepcopy__(self, memo: dict[int, Any]) -> "HandedOver":
        return self

    @cached_property
    def learner(self) -> Learner:
        """Puts arrays in their places."""
        return Learner(
            self.network, list_learnable(self.network, self.output == LOGITS, self.learn)
        )

    @cached_property
    def names(self) -> list[str]:
        """Of each array."""
        found: list[str] = []
        for one in self.learner.learn:
            name = name_learnable(self.network, one)
            found.append(f"{name}_{found.count(name)}" if name in found else name)
        return found

    def start(self) -> list[np.ndarray]:
        """The arrays of the network at the start."""
        flat = zip(self.learner.learn, self.learner.start(), strict=True)
        return [array.reshape(self.find_shape(one, array)) for one, array in flat]

    def find_shape(self, one: Learnable, array: np.ndarray) -> tuple[int, ...]:
        """Shape of an array: (post, pre) of dense connections, one axis of sparse ones."""
        if one.kind in ("weights", "delays"):
            projection = self.network.projections[one.place]
            if projection.is_row_by_row:
                return projection.matrix.shape
        if one.kind == "readout" and one.name == "weights":
            return self.learner.find_readout(one).weights.shape
        return array.shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what comes out of each trial."""
        if self.output == SPIKES:
            return (self.room,)
        found = choose_reading(self.network, None).shape
        return found[:1] if found[1:] == (1,) else found

    @cached_property
    def base(self) -> LayerStack | None:
        """The network as layers of which first spikes are read, if that is what is wanted."""
        if self.output != FIRST_SPIKES or self.engine == "events":
            return None
        if not {one.kind for one in self.learner.learn} <= {"weights", "initial"}:
            return None
        return self.network.layers

    def make_stack(self, arrays: Sequence[np.ndarray]) -> LayerStack | None:
        """The layers with these numbers, without the detour by a network."""
        base = self.base
        if base is None:
            return None
        chain = [self.network.inputs[0].name, *(p.name for p in self.network.populations)]
        ends = [(p.pre, p.post) for p in self.network.projections]
        weights, starts = list(base.weights), np.split(
            np.array(base.initial), np.cumsum(base.layer_sizes[1:])[:-1]
        )  # fmt: skip
        for one, array in zip(self.learner.learn, arrays, strict=True):
            if one.kind == "weights":
                weights[list(pairwise(chain)).index(ends[one.place])] = array.T
            else:
                starts[one.place] = array
        initial = np.concatenate(starts).astype(np.float64)
        return replace(base, weights=tuple(weights), initial=initial)

    def prepare(self, numbers: Numbers) -> Ready:
        """A batch as engines get it; the last one is known again."""
        last: Ready | None = vars(self).get("last")
        if last is not None and last.numbers.equals(numbers):
            return last
        trials, stack = read_numbers(numbers, self.network.n_channels), None
        stack = self.make_stack(numbers.arrays)
        network, events = None, None
        if stack is None:
            flat = [np.asarray(a, np.float64).reshape(-1) for a in numbers.arrays]
            network = self.learner.build(flat) if flat else self.network
        else:
            events = prepare_events(trials, duration=stack.duration)
        ready = Ready(numbers.copy(), trials, network, stack, events)
        object.__setattr__(self, "last", ready)
        return ready

    def make_pass(self, network: Network, trials: Trials) -> Pass | None:
        """A pass that is kept to go back through; None if that is too large, or not faster."""
        room = self.room if self.output == SPIKES else None
        options: dict[str, Any] = {
            "parameters": self.learner.needs_parameters, "max_spikes": self.max_spikes,
        }  # fmt: skip
        engine, stack = self.find_engine(), None
        if self.output != FIRST_SPIKES:
            stack = choose_stack(network, engine)
        elif engine == "layers":
            return None
        if stack is None:
            return EventPass(network, trials, room, **options)
        made = LayerPass(stack, trials, room, **options)
        return made.run_forward() if made.run.is_small else None

    def run(self, numbers: Numbers, keeps: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """What comes out, shape (n_trials, ...); of spikes also the neurons.

        Args:
            numbers: What is handed over.
            keeps: Whether `pull_back` is going to be called with the same numbers, so that what it
                takes is kept until then, or until the next batch.
        """
        ready = self.prepare(numbers)
        nothing = np.empty(0, np.int64)
        options: dict[str, Any] = {"max_spikes": self.max_spikes}
        if ready.stack is not None:
            assert ready.events is not None
            zeros = np.zeros((len(ready.trials), *self.shape))
            outcome, _ = run_batch(ready.stack, ready.events, zeros, self.loss, **options)
            return outcome.output_times.reshape(zeros.shape), nothing
        assert ready.network is not None
        if keeps:
            ready.tape = self.make_pass(ready.network, ready.trials)
        if ready.tape is not None:
            values = ready.tape.values.copy()
            return values.reshape(len(values), *self.shape), ready.tape.neurons.copy()
        if self.output == SPIKES:
            return list_spikes(
                ready.network, ready.trials, room=self.room, engine=self.engine, **options
            )
        found = predict(ready.network, ready.trials, engine=self.find_engine(), **options)
        made = found.logits if self.output == LOGITS else found.output_times
        assert made is not None
        return made.reshape(len(made), *self.shape), nothing

    def pull_back(
        self, numbers: Numbers, slopes: np.ndarray, input_times: bool
    ) -> list[np.ndarray]:
        """Derivatives by the arrays and, in front of them, by the times if these are wanted."""
        ready = self.prepare(numbers)
        if ready.stack is not None:
            assert ready.events is not None
            _, found = run_batch(
                ready.stack, ready.events, slopes, self.loss, gradient=True,
                input_times=input_times, max_spikes=self.max_spikes, total=True,
            )  # fmt: skip
            assert found is not None
            by_array = self.read_stack(found.weights, found.initial)
            by_time = [] if found.input_times is None else [found.input_times]
        else:
            assert ready.network is not None
            tape, ready.tape = ready.tape, None
            if tape is not None:
                check_finite("slopes", slopes)
                gradients = tape.pull_back(slopes, input_times=input_times)
            else:
                gradients = self.pull_back_network(ready.network, ready.trials, slopes, input_times)
            by_array = self.learner.read_gradients(gradients, ready.network)
            by_time = gradients.input_times if input_times else []
        shaped = [g.reshape(a.shape) for g, a in zip(by_array, numbers.arrays, strict=True)]
        return [*(place_times(v, numbers, ready.trials) for v in by_time), *shaped]

    def pull_back_network(
        self, network: Network, trials: Trials, slopes: np.ndarray, input_times: bool
    ) -> Gradients:
        """The same for networks of any kind."""
        options: dict[str, Any] = {
            "parameters": self.learner.needs_parameters, "input_times": input_times,
            "max_spikes": self.max_spikes, "engine": self.find_engine(),
        }  # fmt: skip
        if self.output == SPIKES:
            return pull_back_spikes(network, trials, slopes, **options)
        shape = choose_reading(network, None).shape
        return pull_back(network, trials, slopes.reshape(len(slopes), *shape), **options)

    def read_stack(self, weights: Sequence[np.ndarray], initial: np.ndarray) -> list[np.ndarray]:
        """Derivatives by the arrays from those by layers."""
        network = self.network
        chain = [p.name for p in network.populations]
        found = []
        for one in self.learner.learn:
            if one.kind == "weights":
                found.append(weights[chain.index(network.projections[one.place].post)].T)
            else:
                found.append(initial[network.slices[chain[one.place]]])
        return found

    @property
    def loss(self) -> Any:
        """The weighted sum of output times."""
        return make_linear_loss(n_required=choose_reading(self.network, None).shape[1])

    def find_engine(self) -> str:
        """Derivatives by single delays are those of the event engine."""
        needs_events = "delays" in self.learn or (
            self.output == FIRST_SPIKES and self.learner.needs_parameters
        )
        return "events" if self.engine == AUTO and needs_events else self.engine

    def find_bounds(self, one: Learnable) -> tuple[Any, Any]:
        """Smallest and largest value of what is handed over."""
        if one.kind == "delays":
            return 0.0, np.inf
        found = None
        if one.kind == "initial":
            found = find_bounds(self.network.populations[one.place], one.name)
        return (-np.inf, np.inf) if found is None else found

    def project(self, arrays: Sequence[np.ndarray]) -> None:
        """Bring arrays back into their bounds, in place, also where rounding led beyond."""
        for one, array in zip(self.learner.learn, arrays, strict=True):
            low, high = self.find_bounds(one)
            np.clip(array, low, high, out=array, casting="same_kind")
            array[array < low] = np.nextafter(array[array < low], np.inf, dtype=array.dtype)
            array[array > high] = np.nextafter(array[array > high], -np.inf, dtype=array.dtype)

    def check_bounds(self, arrays: Sequence[np.ndarray]) -> None:
        """Raise `InputError` unless initial coordinates and delays are within their bounds."""
        for name, one, array in zip(self.names, self.learner.learn, arrays, strict=True):
            low, high = self.find_bounds(one)
            if np.any((array < low) | (array > high)):
                raise InputError(
                    f"Expected {name} from {np.min(low):g} to {np.max(high):g} but got values from "
                    f"{array.min():g} to {array.max():g}; call project() after each step of the "
                    "optimiser."
                )


def restore(*values: Any) -> HandedOver:
    """One that was pickled: that of this process if it is there still."""
    known = KNOWN.get(values[-1])
    if known is not None:
        return known
    names = ("network", "output", "room", "learn", "engine", "max_spikes", "key")
    made = HandedOver(**dict(zip(names, values, strict=True)))
    KNOWN[made.key] = made
    return made


def hand_over(
    network: Network, *, output: str | None, room: int | None, learn: Sequence[str], engine: str,
    max_spikes: int,
) -> HandedOver:  # fmt: skip
    """A network of which others keep the numbers.

    Raises:
        InputError: If what is read, learned or asked for does not fit.
    """
    first = next(iter(network.readouts), None)
    if output is None:
        output = LOGITS if isinstance(first, LinearReadout) else FIRST_SPIKES
        output = SPIKES if room is not None else output
    check_choice("output", output, OUTPUTS)
    check_choice("engine", engine, (AUTO, "layers", "events"))
    if (output == LOGITS) != isinstance(first, LinearReadout) and output != SPIKES:
        raise InputError(
            f"Expected a network whose first readout gives {output} but got "
            f"{'none' if first is None else first.name}; list a LinearReadout first for logits, a "
            "Readout for spikes."
        )
    if (output == SPIKES) != (room is not None):
        raise InputError(
            f"Expected room for spikes exactly where the output is 'spikes' but got room={room} "
            f"for {output!r}; say how many spikes a trial may have."
        )
    for what in learn:
        check_choice("learn", what, LEARNABLE)
    return restore(network, output, room or 0, tuple(learn), engine, max_spikes, uuid4().hex)
