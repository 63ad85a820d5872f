r"""The adaptive exponential integrate-and-fire neuron with delta-shaped inputs.

    tau_m dV/dt = -V + Delta exp((V - V_T)/Delta) - u + I0, tau_u du/dt = a V - u;
    spike V = V_peak, reset V = V_r, u += b, input V += w

1. Two variables that drive each other, one exponentially (R. Brette and W. Gerstner, J.
   Neurophysiol. 94, 3637, 2005): no closed form is known. Units: rest 0, threshold V_T = 1 by
   default, time in membrane time constants.
2. On the way to the peak r = exp(-(V - V_T)/Delta) takes the place of V; it falls at a finite
   speed.
3. Taylor series with variational equations give spike times and gradients to machine precision.

`spiketheory.symbolic.methods.taylor` finds the chart; ``python cli.py derive --model adex`` prints
it.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="adex",
    description="Adaptive exponential integrate-and-fire neuron, delta inputs.",
    equations="""
    dV/dt = (-V + Delta*exp((V - V_T)/Delta) - u + I0)/tau_m
    du/dt = (a*V - u)/tau_u
    """,
    spike="V = V_peak",
    reset="V = V_r; u += b",
    input="V += w",
    rest={"V": 0, "u": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_u": {"default": 15.0, "domain": "tau_u > 0", "unit": "tau"},
        "Delta": {"default": 0.1, "domain": "Delta > 0"},
        "V_T": {"default": 1.0},
        "a": {"default": 0.13},
        "b": {"default": 0.13},
        "V_r": {"default": 0.0, "domain": "V_r < V_peak"},
        "V_peak": {"default": 3.0},
        "I0": {"default": 1.5},
    },
    assumptions={"w": "real"},
    origin="derivations/adex.py",
)
