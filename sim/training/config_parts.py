"""The parts of a training configuration: one frozen record for each thing that is decided.

A setting's name in files and on the command line is that of its field; of the field ``name`` it is
the part's (``loss = "target_time"``), see `sim.training.config.SETTINGS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sim.speech.augment import read_augmentation
from sim.speech.recordings import RECORDED, SPEECH_SETS
from sim.speech.settings import read_settings
from sim.training.data import DATASETS
from sim.training.optim import OPTIMISERS
from sim.training.plain_values import check_at_least, check_range
from sim.training.schedules import SCHEDULES
from sim.training.trial_data import is_trial_dataset
from spiketheory.errors import InputError, check_choice, check_positive

ENCODINGS = ("bins", "latency")
LOSSES = ("first_spike", "first_spike_in_time", "target_time")
PRECISIONS = ("float64", "float32")
FROZEN = ("none", "hidden")
EQUAL, BALANCED = "equal", "balanced"
READOUTS = (
    *("first_spike", "leaky_integrator", "linear_window", "windows", "potential_at_end"),
    *("maximum", "count"),
)
"""What is read of the outputs; see `sim.training.temporal_train` for all but the first."""


@dataclass(frozen=True, kw_only=True)
class DatasetPart:
    """What is learned.

    Attributes:
        name: One of `sim.training.data.DATASETS`, or the path of a trials file (``.npz``).
        validation: Samples to look at after every epoch, drawn from the validation part, or from
            the training part (which they leave) if there is none. The test set is then looked at
            once, at the end. With 0 it is looked at after every epoch.
        validation_groups: In place of that: the groups of a trials file, such as speakers.
        test_groups: Groups of a trials file that are the test set; none for what the file says.
        test_every: Look at the test set after every so many epochs, too; 0 for never.
    """

    name: str = "digits"
    validation: int = 0
    validation_groups: tuple[str, ...] = ()
    test_groups: tuple[str, ...] = ()
    test_every: int = 0

    def __post_init__(self) -> None:
        check_at_least("validation", self.validation, 0)
        check_at_least("test_every", self.test_every, 0)
        if is_trial_dataset(self.name):
            self.check_groups()
            return
        check_choice("dataset", self.name, (*DATASETS, *SPEECH_SETS))
        for name in ("validation_groups", "test_groups"):
            if getattr(self, name):
                raise InputError(
                    f"Expected a trials file (.npz) for {name} but got {self.name}, which has no "
                    "groups; leave it out."
                )

    def check_groups(self) -> None:
        """Raise `InputError` if the same trials are asked for in two ways."""
        if self.validation and self.validation_groups:
            raise InputError(
                f"Expected validation or validation_groups but got both, {self.validation} and "
                f"{', '.join(self.validation_groups)}; choose one of them."
            )
        both = sorted(set(self.validation_groups) & set(self.test_groups))
        if both:
            raise InputError(
                f"Expected other groups in validation_groups than in test_groups but got {both[0]} "
                "in both; what chooses must not be what is tested on."
            )

    @property
    def validates(self) -> bool:
        """Whether samples other than the test set are looked at after every epoch."""
        return bool(self.validation or self.validation_groups)


MOST_SMOOTH = 1000.0


@dataclass(frozen=True, kw_only=True)
class NetworkPart:
    """Neurons and how they are connected.

    Attributes:
        model: Name of a built-in neuron model, or path of a model file.
        parameters: Values of the model's parameters; defaults fill in the rest.
        duration: The trial's end T [time].
        hidden: Numbers of neurons of the hidden layers.
        weight_scale: Weights start uniform in +-weight_scale/sqrt(fan_in).
        smooth_start: Weights of the input start alike in neighbouring channels, with a readout of
            spike trains: they are smoothed by a Gaussian of this width [channels].
        precision: ``float64`` or ``float32``, of weights and states.
        recurrent: Whether hidden layers project to themselves.
        delay: Spikes of hidden neurons are under way for up to so long at the start, each neuron's
            for a time of its own [time].
        learn_delays: Whether these learn.
        learn_parameters: Names of the neuron's parameters that learn, one of each for every neuron.
        freeze: ``none``, or ``hidden``: hidden neurons and all that leads to them stay as they were
            drawn, and only what reads them learns. The control of what is gained by learning.
    """

    model: str = "theta"
    parameters: Mapping[str, float] = field(default_factory=dict)
    duration: float = 2.0
    hidden: tuple[int, ...] = (100,)
    weight_scale: float = 0.5
    smooth_start: float = 0.0
    precision: str = "float64"
    recurrent: bool = False
    delay: float = 0.0
    learn_delays: bool = False
    learn_parameters: tuple[str, ...] = ()
    freeze: str = "none"

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("freeze", self.freeze, FROZEN)
        if self.freezes_hidden and not self.hidden:
            raise InputError(
                "Expected hidden layers for freeze = hidden but got none; give hidden, or leave it "
                "out."
            )
        check_positive("duration", self.duration)
        check_positive("weight_scale", self.weight_scale)
        check_range("smooth_start", self.smooth_start, 0.0, MOST_SMOOTH)
        for width in self.hidden:
            check_at_least("every hidden layer", width, 1)
        check_range("delay", self.delay, 0.0, np.inf)
        if self.learn_delays and not self.delay:
            raise InputError(
                "Expected delay > 0 for learn_delays but got 0; say how long spikes are under way "
                "at the start."
            )

    @property
    def freezes_hidden(self) -> bool:
        """Whether only what reads the last hidden layer learns."""
        return self.freeze == "hidden"


@dataclass(frozen=True, kw_only=True)
class EncodingPart:
    """How intensities become input spikes.

    Attributes:
        name: ``bins`` or ``latency``.
        n_bins: Number of input spike times if binned.
        first_input: Time of the spike of a full intensity, if latency [time].
        last_input: Time of the spike of a vanishing intensity, if latency [time].
        threshold: Intensities below do not spike, if latency.
    """

    name: str = "bins"
    n_bins: int = 1
    first_input: float = 0.0
    last_input: float = 1.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_choice("encoding", self.name, ENCODINGS)
        check_at_least("n_bins", self.n_bins, 1)
        check_range("threshold", self.threshold, 0.0, 1.0)
        check_range("first_input", self.first_input, 0.0, np.inf)
        check_range("last_input", self.last_input, 0.0, np.inf)
        if self.first_input > self.last_input:
            raise InputError(
                f"Expected first_input <= last_input but got first_input={self.first_input}, "
                f"last_input={self.last_input}; bright inputs spike first."
            )


@dataclass(frozen=True, kw_only=True)
class LossPart:
    """What is minimised.

    Attributes:
        name: ``first_spike``, ``first_spike_in_time`` or ``target_time``, of first spikes; a
            readout of spike trains has the cross entropy of its logits.
        gamma: Strength of the bound on the label's spike time, in ``first_spike``.
        sharpness: How sharply ``first_spike_in_time`` tells times apart [1/T].
        target_label: Target time of the label's output, in ``target_time``, in units of T.
        target_other: Target time of the other outputs, in ``target_time``, in units of T.
        smoothing: Label smoothing of the cross entropy, from 0 to below 1.
        class_weights: ``equal``, ``balanced`` (each class weighs as much as any other, however
            often it comes) or a number for each class, of the cross entropy.
    """

    name: str = "first_spike"
    gamma: float = 0.01
    sharpness: float = 40.0
    target_label: float = 0.5
    target_other: float = 1.0
    smoothing: float = 0.0
    class_weights: str | tuple[float, ...] = EQUAL

    def __post_init__(self) -> None:
        check_choice("loss", self.name, LOSSES)
        check_range("gamma", self.gamma, 0.0, np.inf)
        check_positive("sharpness", self.sharpness)
        for name in ("target_label", "target_other"):
            check_range(name, getattr(self, name), -np.inf, np.inf)
        check_range("smoothing", self.smoothing, 0.0, 0.99)
        if isinstance(self.class_weights, str):
            check_choice("class_weights", self.class_weights, (EQUAL, BALANCED))
            return
        for weight in self.class_weights:
            check_positive("every one of class_weights", weight)


@dataclass(frozen=True, kw_only=True)
class ReadoutPart:
    """What is read of the network.

    Attributes:
        name: ``first_spike`` reads the spike times of output neurons, pseudospikes included;
            else a readout of spike trains (`READOUTS`), which any neuron model trains with.
        parameters: Its parameters; defaults fill in the rest.
        centred: Whether a readout of spike trains reads what a hidden neuron does beyond what it
            did on average before training, so that its weights and bias learn apart.
        decorrelate: If above 0, a readout of spike trains is centred, and its weights learn in
            coordinates in which what it reads was uncorrelated before training; principal variances
            below this share of their mean count as if they were that share.
    """

    name: str = "first_spike"
    parameters: Mapping[str, float] = field(default_factory=dict)
    centred: bool = False
    decorrelate: float = 0.0

    def __post_init__(self) -> None:
        check_choice("readout", self.name, READOUTS)
        check_range("decorrelate", self.decorrelate, 0.0, np.inf)

    @property
    def is_centred(self) -> bool:
        """Whether a readout of spike trains reads differences from what it read before training."""
        return self.centred or self.decorrelate > 0


@dataclass(frozen=True, kw_only=True)
class ActivityPart:
    """How much hidden neurons spike, with a readout of spike trains.

    Attributes:
        start_rate: Spikes of a hidden neuron per sample, on average, before training: to so many
            the weights are scaled.
        rate_low, rate_high: Fewer or more spikes of a neuron per sample cost.
        rate_cost: How much; 0 for nothing.
        margin: How much maxima of the potential near the threshold cost, which spikes appear and
            vanish at, in models that have such maxima; 0 for nothing.
        margin_width: How near they are [unit of the potential].
        lift: By how much of their size the input weights of silent neurons rise in each step.
        count_jumps: On so many training samples appearing and vanishing spikes are counted in each
            epoch; 0 for none.
    """

    start_rate: float = 1.0
    rate_low: float = 0.05
    rate_high: float = 10.0
    rate_cost: float = 0.0
    margin: float = 0.0
    margin_width: float = 0.1
    lift: float = 0.01
    count_jumps: int = 64

    def __post_init__(self) -> None:
        check_positive("start_rate", self.start_rate)
        for name in ("rate_low", "rate_high", "rate_cost", "margin", "lift"):
            check_range(name, getattr(self, name), 0.0, np.inf)
        check_positive("margin_width", self.margin_width)
        check_at_least("count_jumps", self.count_jumps, 0)
        if self.rate_low > self.rate_high:
            raise InputError(
                f"Expected rate_low <= rate_high but got rate_low={self.rate_low}, "
                f"rate_high={self.rate_high}; a neuron may have any rate between them."
            )


@dataclass(frozen=True, kw_only=True)
class OptimiserPart:
    """How gradients become steps.

    Attributes:
        name: ``adabelief``, ``adam`` or ``sgd``.
        learning_rate: Initial learning rate.
        batch: Samples per optimiser step.
        clip: Gradients longer than so many times the median of the last ones are shortened, with a
            readout of spike trains; 0 for never.
        readout_rate: How many times faster weights of a readout of spike trains learn than others,
            in units of their size at the start.
        clip_sample: The same for the gradient of each sample, before they are added, by the norm
            of its part by hidden weights, which has heavy tails.
    """

    name: str = "adabelief"
    learning_rate: float = 4e-3
    batch: int = 100
    clip: float = 10.0
    readout_rate: float = 1.0
    clip_sample: float = 0.0

    def __post_init__(self) -> None:
        check_choice("optimiser", self.name, OPTIMISERS)
        check_positive("learning_rate", self.learning_rate)
        check_at_least("batch", self.batch, 1)
        check_range("clip", self.clip, 0.0, np.inf)
        check_positive("readout_rate", self.readout_rate)
        check_range("clip_sample", self.clip_sample, 0.0, np.inf)


@dataclass(frozen=True, kw_only=True)
class SchedulePart:
    """How long training takes, and how the learning rate changes.

    Attributes:
        name: ``constant``, ``exponential``, ``cosine`` or ``plateau``.
        epochs: Passes through the training set.
        decay_epochs: Decay constant of the exponential schedule.
        plateau_epochs: After so many epochs without a smaller loss the learning rate falls, in
            ``plateau``: that of the validation samples, or of training if there are none.
        plateau_factor: To this fraction.
        warm_up: Epochs in which the learning rate rises from 0.
        patience: Training ends after so many epochs without a better accuracy on the samples that
            are held out, and goes back to the best epoch; 0 for never. Needs validation > 0.
    """

    name: str = "exponential"
    epochs: int = 20
    decay_epochs: float = 100.0
    plateau_epochs: int = 5
    plateau_factor: float = 0.5
    warm_up: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        check_choice("schedule", self.name, SCHEDULES)
        check_at_least("epochs", self.epochs, 1)
        check_positive("decay_epochs", self.decay_epochs)
        check_at_least("plateau_epochs", self.plateau_epochs, 1)
        check_range("plateau_factor", self.plateau_factor, 0.0, 1.0)
        check_range("warm_up", self.warm_up, 0.0, np.inf)
        check_at_least("patience", self.patience, 0)


@dataclass(frozen=True, kw_only=True)
class AugmentationPart:
    """Random changes of training samples.

    Attributes:
        flip: Probability that an input's bin v becomes V - v.
        shift: Largest random translation of an image, in pixels.
        turn: Largest random rotation of an image, in degrees.
        zoom: Largest random change of an image's size, as a fraction.
    """

    flip: float = 0.0
    shift: int = 0
    turn: float = 0.0
    zoom: float = 0.0

    def __post_init__(self) -> None:
        check_range("flip", self.flip, 0.0, 1.0)
        check_at_least("shift", self.shift, 0)
        check_range("turn", self.turn, 0.0, 180.0)
        check_range("zoom", self.zoom, 0.0, 0.99)

    @property
    def moves_images(self) -> bool:
        """Whether training images are shifted, turned or scaled."""
        return bool(self.shift or self.turn or self.zoom)


@dataclass(frozen=True, kw_only=True)
class SpeechPart:
    """How recordings become spikes; what changes them, and spikes, at random.

    Attributes:
        fold: Speaker who is left out for the test; empty for the data set's own split.
        encoder: Settings of the encoder of recordings, see `sim.speech.settings.EncoderSettings`;
            the duration is the network's.
        augment: By how much training samples are changed, see `sim.speech.augment.Augmentation`.
    """

    fold: str = ""
    encoder: Mapping[str, float] = field(default_factory=dict)
    augment: Mapping[str, float] = field(default_factory=dict)

    def check(self, dataset: str, duration: float) -> None:
        """Raise `InputError` if something is set that the data set does not have."""
        if dataset not in SPEECH_SETS:
            for name in ("fold", "encoder", "augment"):
                if getattr(self, name):
                    raise InputError(
                        f"Expected a data set of speech ({', '.join(SPEECH_SETS)}) for {name} but "
                        f"got {dataset}; leave it out."
                    )
            return
        if "duration" in self.encoder:
            raise InputError(
                "Expected the duration of recordings to be the network's but got one of the "
                "encoder's own; set duration alone."
            )
        if self.encoder and dataset not in RECORDED:
            raise InputError(
                f"Expected recordings ({', '.join(RECORDED)}) for encoder but got {dataset}, which "
                "has spikes already; leave it out."
            )
        read_settings({**self.encoder, "duration": duration})
        read_augmentation(self.augment, images=dataset in RECORDED)
