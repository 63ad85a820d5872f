r"""A perfect integrator, whose potential is averaged over the trial.

    dV/dt = 0;  input V += w;  logit = 1/T int_0^T V dt

V keeps what a spike adds to it, so that a spike counts for the part of the trial that is left:
kappa(t) = (T - t)/T. It vanishes at T, its slope does not.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="linear_window",
    description="Average of the potential of a perfect integrator: spikes count (T - t)/T.",
    equations="dV/dt = 0",
    input="V += w",
    reads="integral",
    weight="1/T",
)
