r"""The leaky integrator, whose potential is integrated over the trial with a fading weight.

    tau_m dV/dt = -V + I, tau_s dI/dt = -I;  input I += w;  logit = 1/T int_0^T exp(-t/T) V dt

1. The equations are linear and the neuron has no threshold: the logit is the sum over hidden spikes
   of weight times kappa(t), with kappa(t) = 1/T int_t^T exp(-s/T) eps(s - t) ds and eps the
   potential after an input of weight 1.
2. By Laplace transform both are divided differences of the exponential function, which hold for
   tau_m = tau_s as well.
3. eps(0) = 0, so that kappa vanishes at T together with its slope: a spike that leaves through the
   trial's end fades out.

That speech is learned well with exact gradients if the potential is integrated with such a weight,
there on a time grid, is in T. Nowotny, J. P. Turner and J. C. Knight (arXiv:2212.01232).
`spiketheory.symbolic.readout` carries the steps out for any cascade of linear equations.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="leaky_integrator",
    description="Integral of the potential of a leaky integrator, with a weight that fades.",
    equations="""
    dV/dt = (-V + I)/tau_m
    dI/dt = -I/tau_s
    """,
    input="I += w",
    reads="integral",
    weight="exp(-t/T)/T",
    parameters={
        "tau_m": {"default": 1.0, "domain": "tau_m > 0", "unit": "tau"},
        "tau_s": {"default": 0.5, "domain": "tau_s > 0", "unit": "tau"},
    },
)
