"""What a network that learns in time is: plain lists and dictionaries of floats."""

from dataclasses import dataclass, field

CURRENTS = ("V", "I")
MODELS = {
    "theta": (("V",), {"tau": 1.0, "I0": 1.25}),
    "qif_delta": (("V",), {"tau": 1.0, "I0": 0.0}),
    "rapid_theta": (("V",), {"tau": 1.0, "I0": 1.25, "r": 3.0}),
    "qif": (CURRENTS, {"tau_m": 1.0, "tau_s": 0.5}),
    "lif": (CURRENTS, {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}),
    "nlif": (CURRENTS, {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}),
    "lif_alpha": (("V", "I", "J"), {"tau_m": 1.0, "tau_s": 0.5, "V_th": 1.0}),
    "lif_delta": (("V",), {"tau": 1.0, "I0": 0.0, "V_th": 1.0}),
    "eif": (CURRENTS, {"tau_m": 1.0, "tau_s": 0.5, "V_r": -1.0}),
    "adex": (
        ("V", "u"),
        {"tau_m": 1.0, "tau_u": 15.0, "Delta": 0.1, "V_T": 1.0, "a": 0.13, "b": 0.13,
         "V_r": 0.0, "V_peak": 3.0, "I0": 1.5},
    ),
    "izhikevich": (
        ("V", "u"), {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "I0": 10.0, "V_peak": 30.0},
    ),
}  # fmt: skip
"""State variables and default parameters of each model."""
REST = {"theta": {"V": 0.5}, "izhikevich": {"V": -70.0, "u": -14.0}}
"""Initial states that are not 0 (and rapid_theta: r/(r + 1); eif: V_r)."""
INTEGRATED = ("eif", "adex", "izhikevich")
READOUTS = (
    "leaky_integrator",
    "linear_window",
    "windows",
    "potential_at_end",
    "count",
    "maximum",
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Neurons of one model.

    Attributes:
        model: Its name.
        weights: From the layer before, or from the input channels, [post][pre].
        recurrent: From itself, [post][pre], or None.
        delays: Of each neuron's spikes to the next layer or the readout; None for none.
        recurrent_delays: Of each neuron's spikes to its own layer; None for none.
        parameters: By name a number or a list of one per neuron; defaults fill in.
        initial: By state variable likewise; rest fills in.
    """

    model: str
    weights: list
    recurrent: list | None = None
    delays: list | None = None
    recurrent_delays: list | None = None
    parameters: dict = field(default_factory=dict)
    initial: dict = field(default_factory=dict)

    @property
    def size(self):
        return len(self.weights)

    @property
    def all_parameters(self):
        return {**MODELS[self.model][1], **self.parameters}

    @property
    def all_initial(self):
        """Lists of one per neuron."""
        rest = dict.fromkeys(MODELS[self.model][0], 0.0) | REST.get(self.model, {})
        given = {**rest, **self.initial}
        chosen = self.all_parameters
        if self.model == "eif" and "V" not in self.initial:
            given["V"] = chosen["V_r"]
        if self.model == "rapid_theta" and "V" not in self.initial:
            r = chosen["r"]
            given["V"] = [v / (v + 1) for v in r] if isinstance(r, list) else r / (r + 1)
        return {n: v if isinstance(v, list) else [v] * self.size for n, v in given.items()}


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What makes logits of the last layer's spikes.

    A spike of a neuron with a delay comes to the readout that much later; what comes at T or after
    it is not heard, and does not count.

    Attributes:
        kind: One of `READOUTS`.
        weights: [output][neuron]; windows: [output][neuron][window].
        bias: Of each output; None for none.
        tau_m, tau_s: Time constants, where there is a potential: a number or one per output.
        width: Half the width h of a window; None for T/M, with which the windows add up to 1
            between the first centre and the last.
    """

    kind: str
    weights: list
    bias: list | None = None
    tau_m: float | list = 1.0
    tau_s: float | list = 0.5
    width: float | None = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """Layers, each of which sends to the next one, and a readout of the last (or None)."""

    layers: list
    readout: Readout | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Input spikes ``(time, channel)``, how long the trial lasts, and the right output."""

    inputs: list
    duration: float
    label: int = 0
