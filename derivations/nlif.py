r"""The non-leaky integrate-and-fire neuron with exponentially decaying synaptic current.

    tau_m dV/dt = I, tau_s dI/dt = -I;  spike V = V_th, reset V = 0, input I += w

1. V(t) = V + I (tau_s/tau_m) (1 - exp(-t/tau_s)).
2. It reaches the threshold if and only if I tau_s > (V_th - V) tau_m, and then
   -tau_s log(1 - (V_th - V) tau_m/(I tau_s)) from now (H. Mostafa, IEEE Trans. Neural Netw. Learn.
   Syst. 29, 3227, 2018).
3. The charge I tau_s that is still to come decides whether a spike comes: one that leaves the trial
   does so through infinity, unless an inhibitory input meets it.

`spiketheory.symbolic.methods.linear` carries these steps out for any cascade of linear equations.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="nlif",
    description="Non-leaky integrate-and-fire neuron with exponentially decaying input currents.",
    equations="""
    dV/dt = I/tau_m
    dI/dt = -I/tau_s
    """,
    spike="V = V_th",
    reset="V = 0",
    input="I += w",
    rest={"V": 0, "I": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
        "V_th": {"default": 1.0, "domain": "V_th > 0"},
    },
    assumptions={"w": "real"},
    origin="derivations/nlif.py",
)
