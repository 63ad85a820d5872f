"""From a model's equations to machine code: each step in processes that find nothing cached."""

from benchmarks.processes import empty_cache, run_child
from benchmarks.suite import Session

MODELS = ("theta", "qif", "lif")
STEPS = ("derive", "verify", "generate")


def measure(session: Session) -> None:
    """Derivation, verification and generation; kernels compiled, and loaded from the disk."""
    options = session.options
    rounds = 1 if options.quick or options.tiny else 3
    models = MODELS[:1] if options.quick or options.tiny else MODELS
    for model in models:
        session.show(f"deriving {model}")
        found = [run_child("derivation", model) for _ in range(rounds)]
        for step in STEPS:
            session.add(f"{model}: {step}", (f[step] for f in found), "s", "lower")
    if options.tiny:
        return
    for model in [m for m in models if m != "lif"]:  # lif has no pseudospikes: it is not trained
        compiled, loaded = [], []
        for _ in range(1 if options.quick else 2):
            with empty_cache() as cache:
                session.show(f"compiling the training kernels of {model}")
                compiled.append(run_child("kernels", model, env=cache)["kernels"])
                loaded.append(run_child("kernels", model, env=cache)["kernels"])
        session.add(f"{model}: training kernels compiled", compiled, "s", "lower")
        session.add(f"{model}: training kernels loaded", loaded, "s", "lower")
