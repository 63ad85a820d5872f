r"""The rapid theta neuron: a quadratic neuron whose spikes set in r times faster than it recovers.

    tau dV/dt = a (V - V_G)^2 + I0 - I_T, a = a_U above V_G, a_S below;  V -> oo, V = -oo, V += w
    V_G = r/(r + 1), a_U = r (r + 1)/2, a_S = (r + 1)/(2 r), I_T = r/(2 (r + 1))

1. Two parabolas are glued at their common vertex V_G, with continuous slope. Without drive their
   fixed points are 0 (stable, slope -1) and 1 (unstable, slope r, the onset rapidness); r = 1 is
   the theta neuron (after M. Monteforte, PhD thesis, Goettingen 2011; R. Engelken, SparseProp,
   NeurIPS 2023). With a = abs(V - V_G) both branches are one equation.
2. On either side the flow rotates: the time to the next spike without input is an arctangent, plus
   the time from the glue point to the spike below it.
3. In this time as coordinate the flow is a shift, and an input the phase transition curve.
4. Pseudospikes are those of the theta neuron.

`spiketheory.symbolic.methods.glued` carries these steps out for any two parabolas with one vertex.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="rapid_theta",
    description="Rapid theta neuron: quadratic, with a faster onset than recovery of spikes.",
    equations=(
        "dV/dt = ((r + 1)*(r**2 + 1)/(4*r)*(V - r/(r + 1))**2"
        " + (r + 1)*(r**2 - 1)/(4*r)*(V - r/(r + 1))*abs(V - r/(r + 1))"
        " + I0 - r/(2*(r + 1)))/tau"
    ),
    spike="V -> oo",
    reset="V = -oo",
    input="V += w",
    rest={"V": "r/(r + 1)"},
    parameters={
        "tau": {"default": 1.0, "domain": "tau > 0", "unit": "tau"},
        "I0": {"default": 1.25, "domain": "I0 > 1/2"},
        "r": {"default": 3.0, "domain": "r > 0"},
    },
    assumptions={"w": "real"},
    origin="derivations/rapid_theta.py",
)
