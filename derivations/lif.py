r"""The leaky integrate-and-fire neuron with exponentially decaying synaptic current.

    tau_m dV/dt = -V + I, tau_s dI/dt = -I;  spike V = V_th, reset V = 0, input I += w

1. The equations are a cascade: I drives V. With a = exp(-t/tau_m),
   V(t) = V a + I c (a - a^(tau_m/tau_s)), c = tau_s/(tau_m - tau_s) (e.g. Gerstner & Kistler,
   Spiking Neuron Models, 2002, ch. 4). Written with a divided difference of exp it holds for
   tau_m = tau_s as well.
2. For tau_m = 2 tau_s the threshold is a quadratic equation in a (Mostafa, IEEE Trans. Neural Netw.
   Learn. Syst. 29, 3227, 2018; Goeltz et al., Nat. Mach. Intell. 3, 823, 2021), for
   tau_m = tau_s its solution is a Lambert W function (Comsa et al., ICASSP 2020).
3. Otherwise V has one maximum between events, before which the first crossing lies.
4. The neuron grazes the threshold at V = I = V_th, where the spike vanishes and the gradient of
   its time diverges: spikes do not only shift.

`spiketheory.symbolic.methods.linear` carries these steps out for any cascade of linear equations.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="lif",
    description="Leaky integrate-and-fire neuron with exponentially decaying input currents.",
    equations="""
    dV/dt = (-V + I)/tau_m
    dI/dt = -I/tau_s
    """,
    spike="V = V_th",
    reset="V = 0",
    input="I += w",
    rest={"V": 0, "I": 0},
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
        "V_th": {"default": 1.0, "domain": "V_th > 0"},
    },
    assumptions={"w": "real"},
    origin="derivations/lif.py",
)
