"""Models that take input at several ports, and networks of them, for tests."""

import numpy as np

from sim.network.currents import CurrentSteps
from sim.network.network import Network, Population, Projection, SpikeTrains

COBA = """
# Brette et al. (2007), J. Comput. Neurosci. 23, 349, benchmark 1, after Vogels & Abbott (2005),
# J. Neurosci. 25, 10786: conductances in units of the leak, 10 nS.
[model]
name = "coba"
equations = \"\"\"
dV/dt = ((E_L - V) + g_e*(E_e - V) + g_i*(E_i - V) + I_ext)/tau_m
dg_e/dt = -g_e/tau_e
dg_i/dt = -g_i/tau_i
dI_ext/dt = 0
\"\"\"
spike = "V = V_th"
reset = "V = V_r"
rest = {V = "E_L", g_e = 0, g_i = 0, I_ext = 0}
[model.inputs]
exc = "g_e += w"
inh = "g_i += w"
current = "I_ext += w"
[parameters]
tau_m = {default = 20.0, domain = "tau_m > 0", unit = "ms"}
tau_e = {default = 5.0, domain = "tau_e > 0", unit = "ms"}
tau_i = {default = 10.0, domain = "tau_i > 0", unit = "ms"}
E_L = {default = -60.0, domain = "E_L < V_th", unit = "mV"}
E_e = {default = 0.0, unit = "mV"}
E_i = {default = -80.0, unit = "mV"}
V_th = {default = -50.0, unit = "mV"}
V_r = {default = -60.0, domain = "V_r < V_th", unit = "mV"}
"""
"""The conductance neuron of a benchmark, and a current from outside."""

CUBA = """
[model]
name = "cuba"
equations = \"\"\"
dV/dt = (I + I_ext - V)/tau_m
dI/dt = -I/tau_s
dI_ext/dt = 0
\"\"\"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0, I = 0, I_ext = 0}
[model.inputs]
exc = "I += w"
inh = "V *= 1 - w"
current = "I_ext += w"
[parameters]
tau_m = {default = 2.0, domain = "tau_m > 0"}
tau_s = {default = 1.0, domain = "tau_s > 0"}
"""
"""The leaky neuron with a current and divisive inhibition, whose spikes are in closed form here."""

EXCITATORY = """
[model]
name = "both_excite"
equations = \"\"\"
dV/dt = (I + K)/tau_m
dI/dt = -I/tau_s
dK/dt = -K/tau_k
\"\"\"
spike = "V = 1"
reset = "V = 0"
rest = {V = 0, I = 0, K = 0}
[model.inputs]
fast = "I += w"
slow = "K += w"
[parameters]
tau_m = {default = 1.0, domain = "tau_m > 0"}
tau_s = {default = 0.5, domain = "tau_s > 0"}
tau_k = {default = 2.0, domain = "tau_k > 0"}
[assumptions]
w = "w >= 0"
I = "I >= 0"
K = "K >= 0"
"""
"""The non-leaky neuron with two currents of one sign, each with a port of its own."""


def make_network(
    model, weights, *, times, channels, steps=((1.0, 0.0),), current=(1.0, 1.0), duration,
    recurrent=(0.0, 0.0), delay=0.3,
):  # fmt: skip
    """Two neurons of which each drives the other at one port, inputs at two ports, and a current.

    Args:
        model: The compiled model.
        weights: Two matrices (2, 2), at ``exc`` and ``inh``, from two channels.
        times, channels: Input spikes.
        steps: Times and values of the current.
        current: Its weights.
        duration: The trial's end.
        recurrent: Weight at ``exc`` of neuron 1 to 0, and at ``inh`` of neuron 0 to 1.
        delay: Delay of these.
    """
    at, values = np.transpose(steps)
    back, forth = np.zeros((2, 2)), np.zeros((2, 2))
    back[0, 1], forth[1, 0] = recurrent
    ports = zip(("exc", "inh"), weights, (back, forth), strict=True)
    projections = [Projection(pre="steps", post="n", weights=np.array(current)[:, None],
                              port="current", delays=0.05)]  # fmt: skip
    for port, inward, own in ports:
        projections += [
            Projection(pre="in", post="n", weights=inward, port=port),
            Projection(pre="n", post="n", weights=own, mask=own != 0, port=port, delays=delay),
        ]
    return Network(
        populations=[Population(name="n", model=model, size=2)],
        inputs=[SpikeTrains(name="in", size=2, times=times, channels=channels)],
        currents=[CurrentSteps(name="steps", size=1, times=at, values=values)],
        projections=projections,
        duration=duration,
    )
