r"""The leaky integrate-and-fire neuron with alpha-shaped synaptic currents.

    tau_m dV/dt = -V + I, tau_s dI/dt = -I + J, tau_s dJ/dt = -J;
    spike V = V_th, reset V = 0, input J += w

1. A cascade of three: J drives I, I drives V. An input lets the current rise as t exp(-t/tau_s)
   (W. Rall, J. Neurophysiol. 30, 1138, 1967).
2. The flow needs divided differences of exp at up to three rates, two of which are equal.
3. V has at most two extrema between events; the first crossing of the threshold is isolated by a
   chain of four functions of time and then found to the last bit.
4. As for lif, V may graze the threshold: spikes can vanish.

`spiketheory.symbolic.methods.linear` carries these steps out for any cascade of linear equations.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="lif_alpha",
    description="Leaky integrate-and-fire neuron with alpha-shaped input currents.",
    equations="""
    dV/dt = (-V + I)/tau_m
    dI/dt = (-I + J)/tau_s
    dJ/dt = -J/tau_s
    """,
    spike="V = V_th",
    reset="V = 0",
    input="J += w",
    rest={"V": 0, "I": 0, "J": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
        "V_th": {"default": 1.0, "domain": "V_th > 0"},
    },
    assumptions={"w": "real"},
    origin="derivations/lif_alpha.py",
)
