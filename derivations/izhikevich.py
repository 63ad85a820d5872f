r"""The Izhikevich neuron with delta-shaped inputs.

    dV/dt = 0.04 V^2 + 5 V + 140 - u + I0, du/dt = a (b V - u);  V = V_peak, V = c, u += d, V += w

1. Two variables, a quadratic and a linear equation that drive each other (E. M. Izhikevich, IEEE
   Trans. Neural Netw. 14, 1569, 2003; millivolts and milliseconds): no closed form is known.
2. The spike is a finite peak, so the state itself is a regular chart.
3. Taylor series with variational equations give spike times and gradients to machine precision.

`spiketheory.symbolic.methods.taylor` finds the chart; ``python cli.py derive --model izhikevich``
prints it.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="izhikevich",
    description="Izhikevich neuron, regular spiking by default (mV, ms), delta inputs.",
    equations="""
    dV/dt = 0.04*V**2 + 5*V + 140 - u + I0
    du/dt = a*(b*V - u)
    """,
    spike="V = V_peak",
    reset="V = c; u += d",
    input="V += w",
    rest={"V": -70, "u": -14},
    parameters={
        "a": {"default": 0.02, "domain": "a > 0", "unit": "1/ms"},
        "b": {"default": 0.2, "unit": "1/ms"},
        "c": {"default": -65.0, "domain": "c < V_peak", "unit": "mV"},
        "d": {"default": 8.0, "unit": "mV/ms"},
        "I0": {"default": 10.0, "unit": "mV/ms"},
        "V_peak": {"default": 30.0, "unit": "mV"},
    },
    assumptions={"w": "real"},
    origin="derivations/izhikevich.py",
)
