r"""The leaky integrator, whose potential is read at the trial's end.

    tau_m dV/dt = -V + I, tau_s dI/dt = -I;  input I += w;  logit = V(T)

kappa(t) = eps(T - t), the potential a time T - t after an input. It vanishes at T, its slope there
is -1/tau_m.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="potential_at_end",
    description="Potential of a leaky integrator at the trial's end.",
    equations="""
    dV/dt = (-V + I)/tau_m
    dI/dt = -I/tau_s
    """,
    input="I += w",
    reads="end",
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
    },
)
