r"""The quadratic integrate-and-fire neuron with delta-shaped inputs and any constant drive.

    tau dV/dt = V (V - 1) + I0;  spike V -> oo, reset V = -oo, input V += w

1. With u = V - 1/2 the equation is du/dt = a u^2 + d, a = 1/tau, d = (I0 - 1/4)/tau. For
   I0 > 1/4 it is that of the theta neuron; for I0 < 1/4 there are a stable and an unstable fixed
   point, 1/2 -+ sqrt(1/4 - I0).
2. In homogeneous coordinates, u = x/y, it is linear: x' = d y, y' = -a x. Both coordinates obey
   z'' = -beta z, beta = a d: trigonometric, hyperbolic or linear flow, one entire function of
   beta dt^2.
3. The neuron spikes where y = 0: for beta > 0 always, otherwise if and only if V is above the
   unstable fixed point, a x > kappa y with kappa = sqrt(|beta|).
4. An input is the shear x += w y; it leaves y, and so spikes, alone.
5. Plus and minus infinity are one point of the projective line: the reset changes nothing.
6. At the trial's end the neuron is kicked by its pseudo input, and the drive d is replaced by
   a log(1 + exp(d/a)) > 0, so that a neuron at rest gets pseudospikes too. This is this project's
   own choice, after the idea of Klos & Memmesheimer (2025) for the qif neuron; after T it differs
   from the theta neuron's also where I0 > 1/4.

`spiketheory.symbolic.methods.riccati` carries these steps out for any quadratic membrane equation;
``python cli.py derive --model qif_delta`` prints them with their checks.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="qif_delta",
    description="Quadratic integrate-and-fire neuron, delta inputs, any constant drive.",
    equations="dV/dt = (V*(V - 1) + I0)/tau",
    spike="V -> oo",
    reset="V = -oo",
    input="V += w",
    rest={"V": 0},
    parameters={
        "tau": {"default": 1.0, "domain": "tau > 0", "unit": "tau"},
        "I0": {"default": 0.0},
    },
    assumptions={"w": "real"},
    origin="derivations/qif_delta.py",
)
