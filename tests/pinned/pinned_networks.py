"""The networks that are pinned: 12 layered ones, of which 3 in single precision, 18 recurrent ones.

Each draws its numbers from a seed, once: `write_pinned.py` stores them, and the test computes from
what is stored. With the numba back end, in machine code: layered networks of theta and qif,
recurrent ones of theta, qif and lif; the others with numpy, to save compiling.

Seeds were chosen so that inputs changed in their last bits, and the other back end, change no array
by more than 1.5e-13 of its largest entry (single precision: 1e-6), where no events are tied.
"""

from pathlib import Path

from pinned_layered import Layered
from pinned_recurrent import Group, Recurrent

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
QIF_CURRENT, QIF_ADAPTATION, LIF_INHIBITION = (
    str(EXAMPLES / f"{name}.toml")
    for name in ("qif_current", "qif_adaptation", "lif_feedforward_inhibition")
)

LAYERED = (
    Layered(
        name="layered_theta", model="theta", sizes=(3, 4, 4, 2), seed=1, duration=6.0,
        weights=(0.5, 1.5), initial=(0.1, 3.0), end=7.0,
    ),
    Layered(
        name="layered_theta_silent", model="theta", sizes=(3, 4, 4, 2), seed=2, duration=1.0,
        weights=(0.0, 0.4), initial=(0.05, 0.3), end=1.0, silent=True,
    ),
    Layered(
        name="layered_theta_ties", model="theta", sizes=(6, 5, 4, 5, 3), seed=3, duration=5.0,
        weights=(0.4, 2.0), initial=(0.1, 3.0), end=6.0, n_required=3, tied=True,
    ),
    Layered(
        name="layered_theta_wide", model="theta", sizes=(24, 100, 7), seed=4, duration=3.0,
        weights=(0.5, 2.0), initial=(0.1, 3.0), end=3.0, n_samples=5, binned=True, threads=2,
        parameters={"tau": 1.9, "I0": 1.1},
    ),
    Layered(
        name="layered_theta_wide_float32", model="theta", sizes=(24, 100, 7), seed=5, duration=3.0,
        weights=(0.5, 2.0), initial=(0.1, 3.0), end=3.0, n_samples=5, binned=True,
        precision="float32",
    ),
    Layered(
        name="layered_theta_float32", model="theta", sizes=(3, 4, 4, 2), seed=51, duration=4.0,
        weights=(0.5, 1.5), initial=(0.1, 3.0), end=5.0, tied=True, precision="float32",
    ),
    Layered(
        name="layered_qif", model="qif", sizes=(5, 4, 4, 2), seed=7, duration=4.0,
        weights=(8.0, 8.0), initial=(-0.5, 0.9), end=5.0, n_required=2, tied=True,
        parameters={"tau_m": 1.0, "tau_s": 0.5},
    ),
    Layered(
        name="layered_qif_wide", model="qif", sizes=(15, 64, 5), seed=8, duration=3.0,
        weights=(6.0, 12.0), initial=(-0.5, 0.9), end=3.0,
    ),
    Layered(
        name="layered_qif_float32", model="qif", sizes=(10, 33, 20, 4), seed=51, duration=3.0,
        weights=(6.0, 12.0), initial=(-0.5, 0.9), end=3.0, precision="float32",
    ),
    Layered(
        name="layered_qif_delta", model="qif_delta", backend="numpy", sizes=(5, 6, 3), seed=10,
        duration=4.0, weights=(0.8, 1.5), initial=(-1.0, 0.9), end=4.5, n_required=2, tied=True,
        parameters={"tau": 0.8, "I0": 0.1},
    ),
    Layered(
        name="layered_rapid_theta", model="rapid_theta", backend="numpy", sizes=(4, 5, 5, 3),
        seed=11, duration=3.0, weights=(0.4, 1.0), initial=(0.1, 2.6), end=3.0,
    ),
    Layered(
        name="layered_qif_current_silent", model=QIF_CURRENT, backend="numpy", sizes=(4, 5, 3),
        seed=12, duration=20.0, weights=(5.0, 10.0), initial=(-3.0, 3.0), end=20.0, silent=True,
    ),
)  # fmt: skip

THETA = {
    "model": "theta", "initial": {"V": (-0.5, 1.5)}, "driven": (0.5, 1.0), "heard": (0.0, 0.4),
}  # fmt: skip
QIF = {
    "model": "qif", "initial": {"V": (-0.3, 0.3), "I": (0.0, 4.0)}, "driven": (4.0, 3.0),
    "heard": (0.3, 2.0),
}  # fmt: skip
LIF = {
    "model": "lif", "initial": {"V": (0.0, 0.9), "I": (0.0, 2.0)}, "driven": (3.0, 2.0),
    "heard": (0.0, 0.5),
}  # fmt: skip
DELAYS = (0.0, 0.2, 0.7)

COMPILED = (
    Recurrent(
        name="recurrent_theta_ties", backend="numba", seed=21, duration=9.0, n_inputs=20, grid=0.5,
        groups=(
            Group(
                model="theta", size=8, initial={"phi0": 0.5}, driven=(0.6, 0.0), heard=(0.2, 0.0),
            ),
        ),
        density=1.0, delays=(0.5,),
    ),
    Recurrent(
        name="recurrent_theta_silent", backend="numba", seed=22, duration=0.6, n_inputs=5,
        groups=(
            Group(
                model="theta", size=6, initial={"phi0": (0.05, 0.4)}, driven=(0.0, 0.2),
                heard=(0.3, 0.5),
            ),
        ),
        delays=DELAYS, silent=True,
    ),
    Recurrent(
        name="recurrent_theta_parameters", backend="numba", seed=51, duration=8.0, n_inputs=20,
        groups=(
            Group(**THETA, size=20, parameters={"tau": (0.8, 1.3), "I0": (0.4, 2.0)}),
        ),
        density=0.3, delays=DELAYS, sparse=True,
    ),
    Recurrent(
        name="recurrent_qif", backend="numba", seed=50, duration=6.0, n_inputs=20,
        groups=(Group(**QIF, size=8),), delays=DELAYS, probes=(0.0, 1.5, 4.0),
    ),
    Recurrent(
        name="recurrent_qif_silent", backend="numba", seed=25, duration=0.5, n_inputs=6, grid=0.125,
        groups=(
            Group(
                model="qif", size=5, initial={"V": (-0.3, 0.3)}, driven=(0.5, 1.0),
                heard=(3.0, 2.0),
            ),
        ),
        silent=True,
    ),
    Recurrent(
        name="recurrent_lif", backend="numba", seed=26, duration=6.0, n_inputs=25,
        groups=(
            Group(
                **LIF, size=16,
                parameters={"tau_m": (0.8, 1.2), "tau_s": (0.3, 0.7), "V_th": (0.8, 1.2)},
            ),
        ),
        density=0.4, delays=DELAYS, sparse=True,
    ),
    Recurrent(
        name="recurrent_theta_qif", backend="numba", seed=54, duration=6.0, n_inputs=20,
        groups=(
            Group(**THETA, name="fast", size=7, parameters={"I0": (0.5, 2.0)}),
            Group(**QIF, name="slow", size=5),
        ),
        delays=DELAYS, probes=(1.0, 3.0),
    ),
)  # fmt: skip

INTERPRETED = (
    Recurrent(
        name="recurrent_three_models", seed=50, duration=4.0, n_inputs=8,
        groups=(
            Group(**THETA, name="one", size=4),
            Group(**LIF, name="two", size=3),
            Group(model="adex", name="three", size=2, driven=(0.4, 0.3), heard=(0.1, 0.1)),
        ),
        delays=DELAYS,
    ),
    Recurrent(
        name="recurrent_qif_delta", seed=32, duration=6.0, n_inputs=15,
        groups=(
            Group(
                model="qif_delta", size=6, parameters={"I0": (-0.1, 1.5)},
                initial={"V": (-0.5, 0.8)}, driven=(0.5, 0.5), heard=(0.1, 0.4),
            ),
        ),
        delays=DELAYS,
    ),
    Recurrent(
        name="recurrent_rapid_theta", seed=52, duration=6.0, n_inputs=15,
        groups=(
            Group(
                model="rapid_theta", size=6, parameters={"I0": (0.8, 1.6)},
                initial={"V": (-0.5, 0.8)}, driven=(0.3, 0.3), heard=(0.1, 0.3),
            ),
        ),
        delays=DELAYS, probes=(2.0,),
    ),
    Recurrent(
        name="recurrent_lif_alpha", seed=34, duration=6.0, n_inputs=20,
        groups=(
            Group(
                model="lif_alpha", size=6, initial={"V": (0.0, 0.9), "J": (0.0, 3.0)},
                driven=(4.0, 3.0), heard=(0.2, 0.6),
            ),
        ),
        delays=DELAYS,
    ),
    Recurrent(
        name="recurrent_lif_delta_ties", seed=35, duration=5.0, n_inputs=12, grid=0.25,
        groups=(
            Group(
                model="lif_delta", size=6, parameters={"I0": 1.5}, driven=(0.1, 0.0),
                heard=(-0.1, 0.0),
            ),
        ),
        density=1.0,
    ),
    Recurrent(
        name="recurrent_nlif", seed=36, duration=6.0, n_inputs=20,
        groups=(
            Group(
                model="nlif", size=6, parameters={"V_th": (0.8, 1.2)}, initial={"V": (0.0, 0.7)},
                driven=(1.0, 0.7), heard=(0.1, 0.5),
            ),
        ),
        delays=DELAYS, sparse=True,
    ),
    Recurrent(
        name="recurrent_eif", seed=37, duration=5.0, n_inputs=12,
        groups=(
            Group(
                model="eif", size=4, initial={"V": (-1.0, 0.0)}, driven=(0.5, 1.0),
                heard=(0.1, 0.4),
            ),
        ),
        delays=DELAYS,
    ),
    Recurrent(
        name="recurrent_izhikevich", seed=52, duration=100.0, n_inputs=15,
        groups=(
            Group(
                model="izhikevich", size=4, parameters={"a": (0.02, 0.1), "d": (2.0, 8.0)},
                driven=(4.0, 3.0), heard=(1.0, 2.0),
            ),
        ),
        delays=(0.0, 1.0, 5.0),
    ),
    Recurrent(
        name="recurrent_adex", seed=39, duration=6.0, n_inputs=6,
        groups=(
            Group(
                model="adex", size=3, parameters={"I0": (1.2, 1.7)}, driven=(0.2, 0.2),
                heard=(0.1, 0.1),
            ),
        ),
        probes=(3.0,),
    ),
    Recurrent(
        name="recurrent_qif_adaptation", seed=40, duration=10.0, n_inputs=12,
        groups=(
            Group(
                model=QIF_ADAPTATION, size=4, initial={"V": (-0.5, 0.5), "u": (0.0, 0.3)},
                driven=(0.3, 0.4), heard=(0.1, 0.3),
            ),
        ),
        delays=DELAYS,
    ),
    Recurrent(
        name="recurrent_lif_feedforward_inhibition", seed=41, duration=100.0, n_inputs=40,
        groups=(
            Group(
                model=LIF_INHIBITION, size=4, parameters={"g": (0.2, 0.4)}, driven=(100.0, 60.0),
                heard=(10.0, 40.0),
            ),
        ),
        delays=(0.0, 1.0, 5.0),
    ),
)  # fmt: skip

NETWORKS = {network.name: network for network in (*LAYERED, *COMPILED, *INTERPRETED)}
