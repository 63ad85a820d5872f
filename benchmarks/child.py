"""Tasks that `benchmarks.processes` has done in processes of their own.

``python -m benchmarks.child TASK`` prints one line of JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.processes import START


def measure_derivation(model: str) -> dict[str, float]:
    """Seconds to derive, verify and generate a model, nothing cached."""
    marks = [time.perf_counter()]
    from derivations import read_neuron_model
    from spiketheory.generation.generate import generate
    from spiketheory.generation.lower import lower
    from spiketheory.symbolic.derive import derive
    from spiketheory.verification.verify import verify

    neuron = read_neuron_model(model)
    marks.append(time.perf_counter())
    derivation = derive(neuron)
    marks.append(time.perf_counter())
    verified = verify(lower(derivation))
    marks.append(time.perf_counter())
    generate(verified)
    marks.append(time.perf_counter())
    names = ("import", "derive", "verify", "generate")
    return {name: b - a for name, a, b in zip(names, marks, marks[1:], strict=False)}


def measure_kernels(model: str) -> dict[str, float]:
    """Seconds until the training kernels of a model have run once; compiled if not cached."""
    start = time.perf_counter()
    from benchmarks.networks import make_trainer

    trainer = make_trainer(model, hidden=(4,), samples=2, batch=2)
    state = trainer.start()
    imported = time.perf_counter()
    trainer.compile(state)
    return {"import": imported - start, "kernels": time.perf_counter() - imported}


def measure_first_step(*arguments: str) -> dict[str, float]:
    """Seconds from the start of the process to the end of the first training step."""
    from sim.training.train import Progress, Trainer, TrainState
    from spiketheory.commands.main import main

    def stop(progress: Progress) -> None:
        seconds = (time.time_ns() - int(os.environ[START])) / 1e9
        print(json.dumps({"first_step": seconds}), flush=True)
        os._exit(0)

    plain = Trainer.run_epoch

    def run_epoch(self: Trainer, state: TrainState, on_batch: Any = None) -> Any:
        return plain(self, state, stop)

    Trainer.run_epoch = run_epoch  # type: ignore[method-assign]
    sys.argv = ["spiketheory", "train", *arguments]
    main()
    return {}


def measure_memory(model: str, hidden: str, batch: str, activity: str) -> dict[str, float]:
    """Peak memory of a training step [bytes], and what importing and compiling alone takes."""
    from benchmarks.networks import count_activity, make_trainer, set_activity

    sizes = tuple(map(int, hidden.split(",")))
    trainer = make_trainer(model, hidden=sizes, samples=int(batch), batch=int(batch))
    state = set_activity(trainer, float(activity))
    setup = find_peak()
    before = read_status("VmRSS") or setup
    with suppress(OSError):  # the peak starts anew, so that it is that of training
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    trainer.run_epoch(state)
    peak = find_peak()
    activity = count_activity(trainer, state)
    return {"added": peak - before, "peak": max(setup, peak), "activity": activity}


def measure_building(*case: str) -> dict[str, float]:
    """What building one large network takes; see `benchmarks.large_build`."""
    from benchmarks.built_networks import build

    return {**build(*case), "peak": find_peak()}


def read_status(field: str) -> float | None:
    """What Linux knows of this process's memory [bytes]; None elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return 1024.0 * int(line.split()[1])
    return None


def find_peak() -> float:
    """The most memory that this process has held [bytes].

    On Linux from /proc: the other count starts from what the parent held.
    """
    import resource

    found = read_status("VmHWM")
    if found is not None:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "derivation": measure_derivation,
    "kernels": measure_kernels,
    "first_step": measure_first_step,
    "memory": measure_memory,
    "building": measure_building,
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
