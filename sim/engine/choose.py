"""Run any network by the engine that suits it; the public face of all engines."""

from collections.abc import Callable
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike

from sim.engine.event_engine import EVENTS
from sim.engine.layer_engine import LayerEngine
from sim.engine.logits import choose_logits
from sim.engine.plain_engine import PLAIN
from sim.engine.records import AnyLoss, AnyOutcome, BatchRecording, Engine, add_gradients
from sim.engine.single_trials import order_input_times
from sim.engine.window_engine import WINDOWS, simulate_in_windows
from sim.events import simulate as events
from sim.events.differentiate import Gradients
from sim.events.differentiate import differentiate as differentiate_events
from sim.events.kept_spikes import keep_spikes
from sim.events.pseudospikes import Outputs
from sim.events.pseudospikes import find_outputs as find_event_outputs
from sim.events.recording import Advance, Recording
from sim.inputs.encoding import BinnedInput, LatencyInput
from sim.inputs.trials import Trials
from sim.losses import Loss
from sim.network.layer_stack import Outcome
from sim.network.network import Network
from sim.network.readouts import AnyReadout
from sim.plain.recording import (
    PlainRecording,
    differentiate_plainly,
    find_plain_outputs,
    simulate_plainly,
)
from sim.temporal.batch import TemporalOutcome
from sim.temporal.logit_losses import LogitLoss
from spiketheory.errors import InputError, check_choice, check_shape

ENGINES: dict[str, Engine] = {
    "layers": LayerEngine(), "windows": WINDOWS, "events": EVENTS, "plain": PLAIN,
}  # fmt: skip
"""Engines by name, the faster ones first; ``plain`` must be asked for."""
AUTO = "auto"
MANY = 100_000
"""Networks of fewer connections are as fast in the event engine, and need no other kernels."""
SPARSE = 0.1
"""Projections with fewer of the possible connections are faster in the event engine."""


class Choice(NamedTuple):
    """An engine, and why it was chosen.

    Attributes:
        engine: The engine.
        reason: Why this one.
    """

    engine: Engine
    reason: str


def choose_engine(network: Network, engine: str = AUTO, *, loss: AnyLoss | None = None) -> Choice:
    """Say which engine runs a network, and why.

    Args:
        network: The network.
        engine: ``layers``, ``windows``, ``events`` or ``plain`` asks for one; ``auto`` takes layers
            where it can, windows for large networks without a loss in which every connection
            between neurons has a delay, otherwise events.
        loss: The loss that is to be computed; None if spikes alone are wanted.

    Raises:
        InputError: If the engine is unknown, or cannot run the network.
    """
    check_choice("engine", engine, (AUTO, *ENGINES))
    if engine != AUTO:
        reason = ENGINES[engine].why_not(network, loss)
        if reason:
            raise InputError(
                f"Expected a network that the engine {engine!r} can run but {reason}; choose "
                "'events', which runs every network."
            )
        return Choice(ENGINES[engine], "it was asked for")
    reason = ENGINES["layers"].why_not(network, loss) or why_sparse(network)
    if reason:
        return choose_for_any(network, reason, loss)
    if isinstance(loss, LogitLoss):
        in_time = f"{loss.name} is a loss of logits"
    else:
        in_time = "" if loss else network.why_no_layers
    how = f", run by the kernels in time since {in_time}" if in_time else ""
    return Choice(ENGINES["layers"], f"it is a chain of dense layers{how}")


def choose_for_any(network: Network, why_not: str, loss: AnyLoss | None = None) -> Choice:
    """Windows or events, for a network that layers do not run."""
    is_large = network.n_expected >= MANY
    if is_large and not ENGINES["windows"].why_not(network, loss):
        how = "it is large, and every connection between neurons has a delay"
        return Choice(ENGINES["windows"], f"{why_not}, and {how}")
    return Choice(ENGINES["events"], why_not)


def why_sparse(network: Network) -> str:
    """Which projection is so sparse that the event engine is faster; empty if there is none."""
    for projection in network.projections:
        n, possible = projection.n_expected, np.prod(projection.shape)
        if n < SPARSE * possible:
            return f"{projection.label} has {n:.0f} of {possible} possible connections"
    return ""


def read_trials(network: Network, trials: "Trials | BinnedInput | LatencyInput") -> Trials:
    """Check that trials fit a network."""
    found = trials if isinstance(trials, Trials) else Trials.of_compact(trials)
    if found.n_channels != network.n_channels:
        raise InputError(
            f"Expected trials of {network.n_channels} channels, as the network has, but got "
            f"{found.n_channels}; channels are counted through its inputs."
        )
    if len(found) == 0:
        raise InputError("Expected at least one trial but got none; pass a batch with trials.")
    return found


@overload
def simulate(network: Network, trials: None = None, **options: Any) -> Recording: ...


@overload
def simulate(
    network: Network,
    trials: Trials | BinnedInput | LatencyInput,
    *,
    engine: str = ...,
    record: bool = ...,
    max_spikes: int = ...,
    on_advance: Callable[[Advance], bool] | None = ...,
) -> BatchRecording: ...


def simulate(
    network: Network,
    trials: Trials | BinnedInput | LatencyInput | None = None,
    **options: Any,
) -> Recording | BatchRecording:
    """Run a network until the trial's end.

    Args:
        network: The network.
        trials: A batch of trials; None for one trial with the spikes of the network's own inputs.
        options: ``engine`` (see `choose_engine`; a single trial is not run by layers), ``record``
            (whether to keep what `differentiate` needs, which windows do not), ``max_spikes``
            (more of them are an error), ``on_advance`` (called every so often; the run stops if it
            returns True); for a single trial also ``probe_times``, ``probed``, ``recorded`` and
            ``on_spikes``, see `sim.events.simulate.simulate`.

    Returns:
        The recording of the trial, or of the batch.

    Raises:
        InputError: If trials and network do not fit, or the engine cannot run the network.
        StoppedError: If the network fires without bound, or a state leaves the range of numbers.
    """
    engine = str(options.pop("engine", AUTO))
    if trials is None:
        return simulate_one(network, engine, **options)
    record = bool(options.pop("record", False))
    in_trials = options.get("on_advance") is not None and network.layers is None
    if engine == AUTO and (record or in_trials):
        engine = "events"
    options = {"max_spikes": events.MAX_SPIKES, "on_advance": None} | options
    chosen = choose_engine(network, engine).engine
    return chosen.simulate(network, read_trials(network, trials), record=record, **options)


def simulate_one(network: Network, engine: str, **options: Any) -> Recording:
    """Run one trial, with the spikes of the network's own inputs; see `simulate`."""
    check_choice("engine", engine, (AUTO, *ENGINES))
    if engine == "layers":
        raise InputError(
            "Expected the engine 'windows', 'events' or 'plain' for a single trial but got "
            "'layers', which runs batches; pass trials, or choose another."
        )
    if engine == "plain":
        options.pop("record", None)
        recorded, on_spikes = options.pop("recorded", None), options.pop("on_spikes", None)
        recording = simulate_plainly(network, **options)
        return keep_spikes(recording, recorded, on_spikes)
    if engine == AUTO and not options.get("record") and not options.get("checkpoints"):
        engine = choose_for_any(network, "").engine.name
    if engine == "windows":
        return simulate_in_windows(network, **options)
    return events.simulate(network, **options)


def differentiate(recording: Recording | BatchRecording, **options: Any) -> Gradients:
    """Go back through a run by the engine that ran it.

    Args:
        recording: The run of a single trial, or of a batch; that of the event engine with
            ``record=True``.
        options: See `sim.events.differentiate.differentiate`. Of a batch ``spike_time``, the
            derivatives by its spike times, shape (n_spikes,), and ``parameters``.

    Returns:
        The gradients; of a batch their sum over the trials, with the derivatives by the input times
        as `loss_and_gradient` returns them.

    Raises:
        InputError: If the run was not recorded, or shapes do not fit.
    """
    if isinstance(recording, BatchRecording):
        return differentiate_batch(recording, **options)
    if isinstance(recording, PlainRecording):
        return differentiate_plainly(recording, **options)
    return differentiate_events(recording, **options)


def differentiate_batch(
    recording: BatchRecording, *, spike_time: ArrayLike, parameters: bool = False
) -> Gradients:
    """The sum of the gradients of a batch's trials; see `differentiate`."""
    if len(recording.recordings) != len(recording):
        raise InputError(
            f"Expected a batch that was recorded trial by trial but got one by the engine "
            f"{recording.engine!r}; call simulate(network, trials, record=True), or "
            "loss_and_gradient."
        )
    slopes = np.asarray(spike_time, dtype=np.float64)
    check_shape("derivatives by spike_time", slopes, recording.spike_time.shape)
    ends = np.searchsorted(recording.spike_trial, np.arange(1, len(recording)))
    parts = [
        differentiate(one, spike_time=own, parameters=parameters)
        for one, own in zip(recording.recordings, np.split(slopes, ends), strict=True)
    ]
    return order_input_times(recording.network, recording.trials, add_gradients(parts))


def find_outputs(recording: Recording, neurons: ArrayLike, n_required: int = 1) -> Outputs:
    """The first spikes of some neurons, pseudospikes included, by the engine that ran them.

    See `sim.events.pseudospikes.find_outputs`.
    """
    if isinstance(recording, PlainRecording):
        return find_plain_outputs(recording, neurons, n_required)
    return find_event_outputs(recording, neurons, n_required)


@overload
def loss_and_gradient(
    network: Network, trials: Trials | BinnedInput | LatencyInput, targets: ArrayLike, loss: Loss,
    *, engine: str = ..., readout: AnyReadout | None = ..., gradient: bool = ...,
    parameters: bool = ..., input_times: bool = ..., max_spikes: int = ...,
) -> tuple[Outcome, Gradients | None]: ...  # fmt: skip


@overload
def loss_and_gradient(
    network: Network, trials: Trials | BinnedInput | LatencyInput, targets: ArrayLike,
    loss: LogitLoss, *, engine: str = ..., readout: AnyReadout | None = ...,
    gradient: bool = ..., parameters: bool = ..., input_times: bool = ..., max_spikes: int = ...,
) -> tuple[TemporalOutcome, Gradients | None]: ...  # fmt: skip


# Long: half of it says what it takes and returns.
def loss_and_gradient(
    network: Network,
    trials: Trials | BinnedInput | LatencyInput,
    targets: ArrayLike,
    loss: AnyLoss,
    *,
    engine: str = AUTO,
    readout: AnyReadout | None = None,
    gradient: bool = True,
    parameters: bool = False,
    input_times: bool = True,
    max_spikes: int = events.MAX_SPIKES,
) -> tuple[AnyOutcome, Gradients | None]:
    """Loss of a batch of trials, and the derivatives of its mean over the trials.

    Args:
        network: The network.
        trials: The batch.
        targets: As the loss wants them, see `sim.losses.prepare_targets` and
            `sim.temporal.logit_losses.prepare_logit_targets`.
        loss: The loss of each trial's output times, or logits.
        engine: ``auto``, ``layers``, ``events`` or ``plain``; windows have no gradients.
        readout: What is read; None for the network's first readout, or the first spikes of its
            last population. A loss of logits needs a `LinearReadout`.
        gradient: Whether to go back.
        parameters: Whether to compute derivatives by the parameters of neurons and readout, too
            (of first spikes not in ``layers``).
        input_times: Whether to compute them by the input times; the other engines always do.
        max_spikes: More spikes (of a layer, of a trial) are an error.

    Returns:
        What the batch did (`Outcome`, or `TemporalOutcome` with logits), and the gradients (None
        unless asked for). Those by axonal delays are spread over the connections that share one in
        ``layers``, and are those of each connection in the others. Those by the input times are one
        array, by spike in the order of the trials; for bins by bin, for latencies of shape
        (n_trials, n_channels).

    Raises:
        InputError: If shapes do not fit, the readout does not give what the loss wants, or the
            engine cannot run the network.
        SimulationError: If a trial fires without bound or leaves the number range.
    """
    if parameters and engine == AUTO and not isinstance(loss, LogitLoss):
        engine = "events"
    choose_logits(network, loss, readout)
    chosen = choose_engine(network, engine, loss=loss).engine
    return chosen.loss_and_gradient(
        network, read_trials(network, trials), np.asarray(targets), loss, readout=readout,
        gradient=gradient, parameters=parameters, input_times=input_times, max_spikes=max_spikes,
    )  # fmt: skip
