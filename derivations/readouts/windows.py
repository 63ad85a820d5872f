r"""A perfect integrator that is read in several windows, each a raised cosine.

    dV/dt = 0;  input V += w;  feature m = int (pi/2h) sin(pi (end - t)/h) V dt, end - 2h < t < end

1. The weight is minus the slope of 1/2 (1 + cos(pi (t - c)/h)) with the centre c = end - h. V keeps
   what a spike adds to it, so that a spike counts for the integral of the weight from then on: the
   raised cosine itself inside its window, and 0 before it, where what the weight adds it takes
   away again.
2. Centres are c_m = m (T - h)/(M - 1) for m = 0 to M - 1: the last window ends at T, where its
   value and its slope vanish, and the first is at its maximum at 0. A single window ends at T.
3. The half width is h = width T/M. With width = 1 the windows add up to 1, up to the last centre.
"""

from spiketheory.language.readout import build_readout

READOUT = build_readout(
    name="windows",
    description="Several windows over the trial, raised cosines of which the last ends at T.",
    equations="dV/dt = 0",
    input="V += w",
    reads="integral",
    weight="pi/(2*h)*sin(pi*(end - t)/h)",
    support=("end - 2*h", "end"),
    definitions={
        "h": "width*T/n_windows",
        "gap": "(T - h)/(n_windows - 1) if n_windows > 1 else h",
        "end": "T - gap*(n_windows - 1 - m)",
    },
    settings={
        "n_windows": {"default": 4.0, "domain": "n_windows >= 1"},
        "width": {"default": 1.0, "domain": "0 < width <= n_windows"},
    },
    features="n_windows",
)
