r"""The quadratic integrate-and-fire neuron with exponentially decaying synaptic current.

    tau_m dV/dt = V (V - 1) + I, tau_s dI/dt = -I;  spike V -> oo, reset V = -oo, input I += w

1. In homogeneous coordinates, V = x/y, it is linear: tau_m x' = -x + I y, tau_m y' = -x.
2. y obeys tau_m^2 y'' + tau_m y' + I(t) y = 0 with an exponentially decaying I(t), which Bessel
   functions of the order nu = tau_s/tau_m solve (Watson, Theory of Bessel Functions, 4.31).
3. For tau_m = 2 tau_s the order is 1/2 and they are elementary: with z = exp(-t/tau_m), s = 1 - z,
   y(s) = y C - x S, x(s) = z (x C + I y S), C = cos(sqrt(I) s), S = sin(sqrt(I) s)/sqrt(I), entire
   functions of I s^2 (Klos & Memmesheimer 2025).
4. The neuron spikes where y = 0, where y falls with the speed x/tau_m > 0.
5. An input changes the current only; the reset from +oo to -oo changes nothing.
6. After the trial's end the drive is a constant softplus of current and pseudo input.

`spiketheory.symbolic.methods.bessel` carries these steps out for any quadratic membrane equation
with one exponentially decaying drive; ``python cli.py derive --model qif`` prints them with their
checks.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="qif",
    description="Quadratic integrate-and-fire neuron with exponentially decaying input currents.",
    equations="""
    dV/dt = (V*(V - 1) + I)/tau_m
    dI/dt = -I/tau_s
    """,
    spike="V -> oo",
    reset="V = -oo",
    input="I += w",
    rest={"V": 0, "I": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
    },
    assumptions={"w": "real"},
    origin="derivations/qif.py",
)
