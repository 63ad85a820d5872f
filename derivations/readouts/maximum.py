r"""The leaky integrator, of whose potential the maximum over the trial is read.

    tau_m dV/dt = -V + I, tau_s dI/dt = -I;  input I += w;  logit = max of V(t), 0 <= t <= T

There is no kernel: the maximum is no sum over spikes. It is a continuous function of spike times
and weights, but not a smooth one: its slope jumps where the highest point moves from one peak to
another, and no spike behind the highest point has a gradient. What is generated is the potential a
time after an input of weight 1, of which the potential is made.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="maximum",
    description="Largest potential of a leaky integrator: continuous, not smooth.",
    equations="""
    dV/dt = (-V + I)/tau_m
    dI/dt = -I/tau_s
    """,
    input="I += w",
    reads="maximum",
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
    },
)
