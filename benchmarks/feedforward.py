"""Inference and training steps of the paper's network, beside other ways to classify digits.

784-100-100-10 neurons, batch 1000, in turns: ours for each model and precision, a dense ReLU
network of the same size, the paper's code if a checkout is given, snnTorch if installed. A training
step is complete: a batch is taken from the stored images, 2 % of its pixels are flipped, and the
optimiser updates the weights.
"""

from contextlib import ExitStack
from typing import Any

from benchmarks import dense, snntorch_peer
from benchmarks.networks import (
    count_activity,
    list_precisions,
    make_trainer,
    set_activity,
    time_inference,
    time_training,
)
from benchmarks.peer_process import open_paper
from benchmarks.suite import Session
from benchmarks.timing import Step, interleave, time_calls
from sim.training.train import Trainer

HIDDEN = (100, 100)
BATCH = 1000
MODELS = ("theta", "qif")
KINDS = ("training step", "inference")

Steps = dict[str, dict[str, Step]]


def measure(session: Session) -> None:
    """Measure everything that is there in turns, then add rates and ratios."""
    options = session.options
    hidden = (5, 5) if options.tiny else HIDDEN
    batch = 20 if options.tiny else BATCH
    settings: dict[str, Any] = {"hidden": list(hidden), "batch": batch}
    settings["data"] = "mnist" if options.data else "random images"
    steps: Steps = {kind: {} for kind in KINDS}
    with ExitStack() as stack:
        trainer = add_ours(session, steps, hidden, batch)
        add_dense(session, steps, trainer, batch)
        add_snntorch(session, steps, trainer, batch)
        for precision in ("float64",) if options.quick else ("float64", "float32"):
            add_paper(session, steps, stack, hidden, batch, precision)
        flat = {f"{name}, {kind}": s for kind in KINDS for name, s in steps[kind].items()}
        seconds = interleave(flat, options.rounds, show=session.show)
    for name, values in seconds.items():
        session.add_rate(name, values, "samples/s", **settings)
    for kind in KINDS:
        compare_kinds(session, {n: seconds[f"{n}, {kind}"] for n in steps[kind]}, kind, settings)


def add_ours(session: Session, steps: Steps, hidden: tuple[int, ...], batch: int) -> Trainer:
    """Our steps, for each model and precision; returns the trainer of theta in float64."""
    options = session.options
    epoch = batch * (2 if options.tiny else 5 if options.quick else 20)
    found = None
    for model in MODELS[:1] if options.quick else MODELS:
        for precision in list_precisions():
            session.show(f"compiling {model}, {precision}")
            trainer = make_trainer(
                model, hidden=hidden, samples=epoch, batch=batch, precision=precision,
                data=options.data,
            )  # fmt: skip
            state = set_activity(trainer)
            name = f"{model}, {precision}"
            activity = count_activity(trainer, state)
            session.add(f"{name}: spikes per hidden neuron", [activity], "spikes", None)
            steps["training step"][name] = time_training(trainer, state)
            least = options.least
            steps["inference"][name] = time_inference(trainer, state, batch, least=least)
            found = found or trainer
    assert found is not None
    return found


def add_dense(session: Session, steps: Steps, trainer: Trainer, batch: int) -> None:
    """A dense network of the same size."""
    library = dense.find_library()
    if library == "numpy":
        session.note(
            "The dense network runs in NumPy: PyTorch is missing; pip install torch for the usual "
            "yardstick."
        )
    data = trainer.dataset
    for precision in ("float64", "float32"):
        both = dense.make_dense(
            data.train_inputs, data.train_labels, trainer.sizes, batch, precision
        )
        add_peer(session, steps, f"dense ReLU ({library}), {precision}", both, batch)


def add_snntorch(session: Session, steps: Steps, trainer: Trainer, batch: int) -> None:
    """snnTorch, if it is there."""
    if not snntorch_peer.is_installed():
        session.note("snnTorch: left out, it is missing; pip install snntorch (needs torch).")
        return
    data = trainer.dataset
    both = snntorch_peer.make_snntorch(data.train_inputs, data.train_labels, trainer.sizes, batch)
    add_peer(session, steps, "snnTorch (25 steps), float32", both, batch)


def add_peer(session: Session, steps: Steps, name: str, both: Any, batch: int) -> None:
    """Steps of a peer that runs in this process."""
    session.show(f"warming up {name}")
    for kind, function in zip(KINDS, both, strict=True):
        steps[kind][name] = divide(time_calls(function, least=session.options.least), batch)


def divide(step: Step, number: int) -> Step:
    """The step with its seconds divided by a number."""
    return lambda: step() / number


def add_paper(
    session: Session, steps: Steps, stack: ExitStack, hidden: tuple[int, ...], batch: int,
    precision: str,
) -> None:  # fmt: skip
    """The paper's code, if a checkout was given: the same weights, batch and loss."""
    trainer = make_trainer(
        "theta", hidden=hidden, samples=batch, batch=batch, data=session.options.data
    )
    state = set_activity(trainer)
    paper = stack.enter_context(open_paper(session, trainer, state, batch, precision))
    if paper is None:
        return
    metrics_loss = find_loss(trainer, state, batch)
    difference = abs(paper.loss / metrics_loss - 1)
    session.add(f"paper's code, {precision}: relative difference of the loss", [difference],
                "relative", None, version=paper.version)  # fmt: skip
    steps["training step"][f"paper's code, {precision}"] = paper.train
    steps["inference"][f"paper's code, {precision}"] = paper.infer


def find_loss(trainer: Trainer, state: Any, batch: int) -> float:
    """Our mean loss of the first training samples."""
    import numpy as np

    from sim.layers.batch import run_batch

    chosen = np.arange(batch)
    labels = trainer.dataset.train_labels[chosen]
    events = trainer.train_events.take(chosen)
    outcome, _ = run_batch(trainer.network(state), events, labels, trainer.loss)
    return float(outcome.loss.mean())


def compare_kinds(
    session: Session, seconds: dict[str, list[float]], kind: str, settings: dict[str, Any]
) -> None:
    """Ratios of ours to each peer of the same round: how many times faster or slower."""
    ours = [name for name in seconds if name.split(",")[0] in MODELS]
    for name in ours:
        for peer in [p for p in seconds if p not in ours]:
            if peer.startswith("dense"):
                session.add_ratio(f"{name}, {kind}: time of {peer}", seconds[name],
                                  seconds[peer], "lower", **settings)  # fmt: skip
            else:
                session.add_ratio(f"{name}, {kind}: times faster than {peer}", seconds[peer],
                                  seconds[name], "higher", **settings)  # fmt: skip
