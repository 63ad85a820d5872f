"""The event loop of one layer.

What happens at one instant (docs/mathematics.md, 12): all that arrives acts; then the neurons on
or beyond their threshold spike, the first by number first, each followed at once by what its spike
does without delay, itself included; then the next is looked for. A spike at T is none.
"""

import heapq

from temporal.linear import Cascade, LifDelta, Nlif
from temporal.quadratic import Parabola, RapidTheta, make_qif
from temporal.taylor import Adex, Eif, Izhikevich

MOST_SPIKES = 5000
NEURONS = {
    "theta": Parabola,
    "qif_delta": Parabola,
    "rapid_theta": RapidTheta,
    "qif": make_qif,
    "lif": Cascade,
    "lif_alpha": Cascade,
    "lif_delta": LifDelta,
    "nlif": Nlif,
    "eif": Eif,
    "adex": Adex,
    "izhikevich": Izhikevich,
}


class LayerRun:
    """A run of a layer, or of some neurons that do not hear of the others.

    Where an arrival can make a neuron spike at once, it is written down which arrivals at that
    instant did: as numbers of the arrivals, or (negative, from -1 on) of the layer's own spikes.

    Args:
        neurons: By number.
        weights: From those who send from outside, [post][pre].
        arrivals: Instant and sender of each arrival from outside, in order of time.
        recurrent: From the layer itself, [post][pre], or None.
        delays: Of each neuron within the layer, in instants.
        end: The trial's end.
        most: More spikes than this are an error.
    """

    def __init__(self, neurons, weights, arrivals, recurrent, delays, end, most=MOST_SPIKES):
        self.neurons, self.weights, self.recurrent = neurons, weights, recurrent
        self.delays, self.end, self.most = delays, end, most
        self.arrivals, self.under_way = arrivals, []
        self.at = dict.fromkeys(neurons, 0)
        self.due = dict.fromkeys(neurons)
        self.unknown = set(neurons)
        self.spikes = []
        self.heard = {i: (None, []) for i in neurons}
        self.causes = []
        """Of each spike what arrived at its neuron at its instant."""

    def run(self):
        """Spikes as (instant, neuron), in order."""
        position = 0
        while True:
            stop = self.end
            if position < len(self.arrivals):
                stop = min(stop, self.arrivals[position][0])
            if self.under_way:
                stop = min(stop, self.under_way[0][0])
            self.look_ahead(stop)
            coming = [(due, i) for i, due in self.due.items() if due is not None]
            time, i = min(coming, default=(self.end, None))
            if time < stop:
                self.spike(i, time)
                continue
            if stop >= self.end:
                return self.spikes
            senders, position = self.collect(stop, position)
            self.deliver(stop, *senders)

    def look_ahead(self, stop):
        """When the neurons that were touched will spike, if before ``stop``."""
        for i in self.unknown:
            neuron = self.neurons[i]
            if neuron.is_beyond():
                self.due[i] = self.at[i]
            else:
                wait = neuron.find(stop - self.at[i])
                self.due[i] = None if wait is None else self.at[i] + wait
        self.unknown = set()

    def collect(self, time, position):
        """Those whose spikes arrive at an instant: from outside, from within."""
        outside, inside = [], []
        while position < len(self.arrivals) and self.arrivals[position][0] == time:
            outside.append(position)
            position += 1
        while self.under_way and self.under_way[0][0] == time:
            inside.append(heapq.heappop(self.under_way)[1])
        return (outside, inside), position

    def deliver(self, time, outside, inside):
        """All that arrives at an instant acts: numbers of arrivals, and of own spikes."""
        senders = [self.arrivals[n][1] for n in outside]
        own = [self.spikes[n][1] for n in inside]
        for i, neuron in self.neurons.items():
            at_spike = self.due[i] == time
            if at_spike:
                if self.at[i] != time or not neuron.is_beyond():
                    neuron.settle(time - self.at[i])
            else:
                neuron.advance(time - self.at[i])
            self.at[i] = time
            row = self.weights[i]
            w = sum((row[j] for j in senders), 0)
            if own:
                row = self.recurrent[i]
                w += sum((row[j] for j in own), 0)
            neuron.kick(w)
            if neuron.is_moved_at_threshold:
                if self.heard[i][0] != time:
                    self.heard[i] = time, []
                self.heard[i][1].extend([*outside, *(-1 - n for n in inside)])
            if not at_spike or neuron.is_moved_at_threshold:
                self.unknown.add(i)

    def spike(self, i, time):
        """Neuron i spikes."""
        neuron = self.neurons[i]
        if self.at[i] != time or not neuron.is_beyond():
            neuron.settle(time - self.at[i])
        neuron.fire()
        self.at[i] = time
        self.unknown.add(i)
        self.due[i] = None
        heard = self.heard[i]
        self.causes.append(heard[1] if heard[0] == time else [])
        number = len(self.spikes)
        self.spikes.append((time, i))
        if len(self.spikes) > self.most:
            raise OverflowError(f"more than {self.most} spikes in a layer")
        if self.recurrent is None:
            return
        if self.delays[i]:
            heapq.heappush(self.under_way, (time + self.delays[i], number))
        else:
            self.deliver(time, [], [number])


def make_neurons(model, parameters, initial, numbers, cache):
    """The neurons of these numbers; values are by name numbers, or lists of one per neuron."""

    def pick(values, i):
        return {n: v[i] if isinstance(v, list) else v for n, v in values.items()}

    make = NEURONS[model]
    return {i: make(pick(parameters, i), pick(initial, i), cache) for i in numbers}
