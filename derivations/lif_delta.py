r"""The leaky integrate-and-fire neuron with delta-shaped inputs and any constant drive.

    tau dV/dt = -V + I0;  spike V = V_th, reset V = 0, input V += w

1. V(t) = I0 + (V - I0) exp(-t/tau).
2. It reaches the threshold if and only if I0 > V_th, and then tau log((I0 - V)/(I0 - V_th)) from
   now: the oscillating leaky integrate-and-fire neuron (R. E. Mirollo and S. H. Strogatz, SIAM J.
   Appl. Math. 50, 1645, 1990).
3. An input that carries V to the threshold or beyond makes the neuron spike at once; what it
   carried beyond is lost in the reset. Spikes can be made and removed by a jump.

`spiketheory.symbolic.methods.linear` carries these steps out for any cascade of linear equations.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="lif_delta",
    description="Leaky integrate-and-fire neuron, delta inputs, any constant drive.",
    equations="dV/dt = (-V + I0)/tau",
    spike="V = V_th",
    reset="V = 0",
    input="V += w",
    rest={"V": 0},
    parameters={
        "tau": {"default": 1.0, "domain": "tau > 0", "unit": "tau"},
        "I0": {"default": 0.0},
        "V_th": {"default": 1.0, "domain": "V_th > 0"},
    },
    assumptions={"w": "real"},
    origin="derivations/lif_delta.py",
)
