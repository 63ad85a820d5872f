r"""The weighted count of spikes.

    dV/dt = 0;  input V += w;  logit = V(T)

kappa(t) = 1 until T and 0 after it: the logit jumps where a spike passes through the trial's end.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="count",
    description="Weighted count of spikes; jumps where one passes through the trial's end.",
    equations="dV/dt = 0",
    input="V += w",
    reads="end",
)
