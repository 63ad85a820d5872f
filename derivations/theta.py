r"""The theta neuron: a quadratic integrate-and-fire neuron driven above threshold.

    tau dV/dt = V (V - 1) + I0,  I0 > 1/4;  spike V -> oo, reset V = -oo, input V += w

1. With u = V - 1/2 the equation is tau du/dt = u^2 + b^2, b = sqrt(I0 - 1/4): there is no fixed
   point, the neuron fires periodically (Ermentrout & Kopell 1986).
2. In homogeneous coordinates, u = b x/y, it is linear: x' = omega y, y' = -omega x with
   omega = b/tau. The state rotates.
3. The neuron spikes where y = 0, psi/omega from now, with psi = atan2(y, x) in (0, pi]; its phase
   is (pi - psi)/omega and its period pi/omega.
4. An input is the shear x += (w/b) y. It leaves y alone: an input never makes or removes a spike.
5. Plus and minus infinity are one point of the projective line: the reset changes nothing.
6. After the trial's end the neuron is kicked once by its pseudo input and then runs freely
   (Klos & Memmesheimer 2025, supplement).

`spiketheory.symbolic.methods.riccati` carries these steps out for any quadratic membrane equation;
``python cli.py derive --model theta`` prints them with their checks.
"""

from spiketheory.language.parse import build_model

MODEL = build_model(
    name="theta",
    description="Theta neuron: quadratic integrate-and-fire, driven above threshold.",
    equations="dV/dt = (V*(V - 1) + I0)/tau",
    spike="V -> oo",
    reset="V = -oo",
    input="V += w",
    rest={"V": "1/2"},
    parameters={
        "tau": {"default": 1.0, "domain": "tau > 0", "unit": "tau"},
        "I0": {"default": 1.25, "domain": "I0 > 1/4"},
    },
    assumptions={"w": "real"},
    origin="derivations/theta.py",
)
