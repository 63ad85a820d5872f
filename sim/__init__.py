"""Runs and trains networks of any compiled neuron model.

Names are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.analysis.lyapunov import find_lyapunov_exponent as find_lyapunov_exponent
    from sim.analysis.spike_statistics import measure_statistics as measure_statistics
    from sim.engine.choose import choose_engine as choose_engine
    from sim.engine.choose import differentiate as differentiate
    from sim.engine.choose import find_outputs as find_outputs
    from sim.engine.choose import loss_and_gradient as loss_and_gradient
    from sim.engine.choose import simulate as simulate
    from sim.engine.predict import Prediction as Prediction
    from sim.engine.predict import SpikeLists as SpikeLists
    from sim.engine.predict import list_spikes as list_spikes
    from sim.engine.predict import predict as predict
    from sim.engine.predict import pull_back as pull_back
    from sim.engine.predict import pull_back_spikes as pull_back_spikes
    from sim.engine.records import BatchRecording as BatchRecording
    from sim.events.differentiate import Gradients as Gradients
    from sim.events.differentiate import find_jacobian as find_jacobian
    from sim.events.pseudospikes import Outputs as Outputs
    from sim.events.recording import Recording as Recording
    from sim.events.recording import StoppedError as StoppedError
    from sim.files.edge_file import read_edges as read_edges
    from sim.inputs.drawn_trains import DrawnTrains as DrawnTrains
    from sim.inputs.encoding import BinnedInput as BinnedInput
    from sim.inputs.encoding import LatencyInput as LatencyInput
    from sim.inputs.encoding import encode_bins as encode_bins
    from sim.inputs.encoding import encode_latency as encode_latency
    from sim.inputs.trials import Trials as Trials
    from sim.layers.batch import record_spikes as record_spikes
    from sim.layers.batch import run_batch as run_batch
    from sim.losses import Loss as Loss
    from sim.losses import make_first_spike_in_time_loss as make_first_spike_in_time_loss
    from sim.losses import make_first_spike_loss as make_first_spike_loss
    from sim.losses import make_linear_loss as make_linear_loss
    from sim.losses import make_target_time_loss as make_target_time_loss
    from sim.network.connect import connect_edges as connect_edges
    from sim.network.connect import connect_fixed_in_degree as connect_fixed_in_degree
    from sim.network.connect import connect_small_world as connect_small_world
    from sim.network.connect import draw_poisson as draw_poisson
    from sim.network.currents import CurrentSteps as CurrentSteps
    from sim.network.distribution import Distribution as Distribution
    from sim.network.drawn import Drawn as Drawn
    from sim.network.layer_stack import LayerStack as LayerStack
    from sim.network.layer_stack import Outcome as Outcome
    from sim.network.layered import layered as layered
    from sim.network.listed import Listed as Listed
    from sim.network.network import Network as Network
    from sim.network.network import Population as Population
    from sim.network.network import Projection as Projection
    from sim.network.network import SpikeTrains as SpikeTrains
    from sim.network.readouts import LinearReadout as LinearReadout
    from sim.network.readouts import Readout as Readout
    from sim.network.readouts import ReadoutGradients as ReadoutGradients
    from sim.temporal.batch import TemporalOutcome as TemporalOutcome
    from sim.temporal.logit_losses import LogitLoss as LogitLoss
    from sim.temporal.logit_losses import make_cross_entropy as make_cross_entropy
    from sim.temporal.logit_losses import make_squared_error as make_squared_error
    from sim.training.config import TrainConfig as TrainConfig
    from sim.training.config import make_config as make_config
    from sim.training.data import Dataset as Dataset
    from sim.training.data import load_dataset as load_dataset
    from sim.training.train import Trainer as Trainer
    from sim.training.train import train_network as train_network

NAMES = {
    "find_lyapunov_exponent": "sim.analysis.lyapunov",
    "measure_statistics": "sim.analysis.spike_statistics",
    "choose_engine": "sim.engine.choose",
    "loss_and_gradient": "sim.engine.choose",
    "simulate": "sim.engine.choose",
    "Prediction": "sim.engine.predict",
    "SpikeLists": "sim.engine.predict",
    "list_spikes": "sim.engine.predict",
    "predict": "sim.engine.predict",
    "pull_back": "sim.engine.predict",
    "pull_back_spikes": "sim.engine.predict",
    "BatchRecording": "sim.engine.records",
    "Gradients": "sim.events.differentiate",
    "differentiate": "sim.engine.choose",
    "find_jacobian": "sim.events.differentiate",
    "Outputs": "sim.events.pseudospikes",
    "find_outputs": "sim.engine.choose",
    "Recording": "sim.events.recording",
    "StoppedError": "sim.events.recording",
    "read_edges": "sim.files.edge_file",
    "BinnedInput": "sim.inputs.encoding",
    "DrawnTrains": "sim.inputs.drawn_trains",
    "LatencyInput": "sim.inputs.encoding",
    "encode_bins": "sim.inputs.encoding",
    "encode_latency": "sim.inputs.encoding",
    "Trials": "sim.inputs.trials",
    "record_spikes": "sim.layers.batch",
    "run_batch": "sim.layers.batch",
    "Loss": "sim.losses",
    "make_first_spike_in_time_loss": "sim.losses",
    "make_first_spike_loss": "sim.losses",
    "make_linear_loss": "sim.losses",
    "make_target_time_loss": "sim.losses",
    "connect_edges": "sim.network.connect",
    "connect_fixed_in_degree": "sim.network.connect",
    "connect_small_world": "sim.network.connect",
    "draw_poisson": "sim.network.connect",
    "CurrentSteps": "sim.network.currents",
    "Distribution": "sim.network.distribution",
    "Drawn": "sim.network.drawn",
    "LayerStack": "sim.network.layer_stack",
    "Outcome": "sim.network.layer_stack",
    "layered": "sim.network.layered",
    "Listed": "sim.network.listed",
    "Network": "sim.network.network",
    "Population": "sim.network.network",
    "Projection": "sim.network.network",
    "SpikeTrains": "sim.network.network",
    "LinearReadout": "sim.network.readouts",
    "Readout": "sim.network.readouts",
    "ReadoutGradients": "sim.network.readouts",
    "TemporalOutcome": "sim.temporal.batch",
    "LogitLoss": "sim.temporal.logit_losses",
    "make_cross_entropy": "sim.temporal.logit_losses",
    "make_squared_error": "sim.temporal.logit_losses",
    "TrainConfig": "sim.training.config",
    "make_config": "sim.training.config",
    "Dataset": "sim.training.data",
    "load_dataset": "sim.training.data",
    "Trainer": "sim.training.train",
    "train_network": "sim.training.train",
}
"""Where each public name is defined; it is imported when it is first asked for."""
__all__ = (
    "BatchRecording",
    "BinnedInput",
    "CurrentSteps",
    "Dataset",
    "Distribution",
    "Drawn",
    "DrawnTrains",
    "Gradients",
    "LatencyInput",
    "LayerStack",
    "LinearReadout",
    "Listed",
    "LogitLoss",
    "Loss",
    "Network",
    "Outcome",
    "Outputs",
    "Population",
    "Prediction",
    "Projection",
    "Readout",
    "ReadoutGradients",
    "Recording",
    "SpikeLists",
    "SpikeTrains",
    "StoppedError",
    "TemporalOutcome",
    "TrainConfig",
    "Trainer",
    "Trials",
    "choose_engine",
    "connect_edges",
    "connect_fixed_in_degree",
    "connect_small_world",
    "differentiate",
    "draw_poisson",
    "encode_bins",
    "encode_latency",
    "find_jacobian",
    "find_lyapunov_exponent",
    "find_outputs",
    "layered",
    "list_spikes",
    "load_dataset",
    "loss_and_gradient",
    "make_config",
    "make_cross_entropy",
    "make_first_spike_in_time_loss",
    "make_first_spike_loss",
    "make_linear_loss",
    "make_squared_error",
    "make_target_time_loss",
    "measure_statistics",
    "predict",
    "pull_back",
    "pull_back_spikes",
    "read_edges",
    "record_spikes",
    "run_batch",
    "simulate",
    "train_network",
)


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(NAMES[name]), name)


def __dir__() -> list[str]:
    """All public names."""
    return sorted({*globals(), *__all__})
