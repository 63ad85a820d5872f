"""Peak memory of training steps, each in a process of its own."""

from benchmarks.processes import run_child
from benchmarks.suite import Session

CASES = (
    ("100,100", 1000, 0.417),
    ("100,100", 1000, 0.05),
    ("100,100", 60_000, 0.417),
    ("1000,1000", 1000, 0.417),
    ("100,100,100,100,100,100,100,100,100,100", 1000, 0.417),
)


def measure(session: Session) -> None:
    """Peak memory, and how much of it the step added to program, images and network."""
    options = session.options
    cases = (("5", 10, 0.417),) if options.tiny else CASES[:2] if options.quick else CASES
    for hidden, batch, activity in cases:
        layers = hidden.split(",")
        shape = hidden if len(layers) < 4 else f"{len(layers)} layers of {layers[0]}"
        name = f"{shape}, batch {batch}, {activity} spikes per neuron"
        session.show(f"memory of {name}")
        found = run_child("memory", "theta", hidden, str(batch), str(activity))
        settings = {"hidden": hidden, "batch": batch, "activity": round(found["activity"], 2)}
        session.add(f"{name}: peak", [found["peak"] / 2**20], "MiB", "lower", **settings)
        added = found["added"] / 2**20
        session.add(f"{name}: added by training", [added], "MiB", "lower", **settings)
