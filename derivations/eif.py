r"""The exponential integrate-and-fire neuron with exponentially decaying synaptic current.

    tau_m dV/dt = -V + exp(V) + I, tau_s dI/dt = -I;  spike V -> oo, reset V = V_r, input I += w

1. No closed form is known: the potential is the sum of a linear and an exponential term
   (N. Fourcaud-Trocme et al., J. Neurosci. 23, 11628, 2003). Units: threshold 0, slope factor 1.
2. V reaches infinity in finite time. With r = exp(-V) the spike is the point r = 0, crossed with
   the speed 1/tau_m: tau_m r' = -(1 + r log r + r I).
3. From V = -oo the potential would need infinitely long to come back; the reset is finite.
4. Taylor series with variational equations give spike times and gradients to machine precision.

`spiketheory.symbolic.methods.taylor` finds the chart; ``python cli.py derive --model eif`` prints
it.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="eif",
    description="Exponential integrate-and-fire neuron with decaying input currents.",
    equations="""
    dV/dt = (-V + exp(V) + I)/tau_m
    dI/dt = -I/tau_s
    """,
    spike="V -> oo",
    reset="V = V_r",
    input="I += w",
    rest={"V": "V_r", "I": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
        "V_r": {"default": -1.0},
    },
    assumptions={"w": "real"},
    origin="derivations/eif.py",
)
