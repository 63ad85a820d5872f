"""The options of the command ``train`` that are `sim.training.config.SETTINGS`.

Imports click alone, so that ``--help`` answers at once; the defaults that the help texts state are
those of `sim.training.presets.DEFAULTS`, which a test compares.
"""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., None]


def parse_hidden(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``100,100`` to a tuple; the empty text is no hidden layer."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(",")) if value.strip() else ()
    except ValueError as err:
        raise click.BadParameter(
            f"Expected numbers of neurons such as 100,100 but got {value!r}; "
            "separate whole numbers by commas."
        ) from err


def parse_parameters(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Any:
    """``tau=1.9`` pairs to a table."""
    pairs = {}
    for text in value:
        name, _, number = text.partition("=")
        try:
            pairs[name.strip()] = float(number)
        except ValueError as err:
            raise click.BadParameter(
                f"Expected NAME=NUMBER but got {text!r}; write for example tau=1.9."
            ) from err
    return pairs or None


def parse_names(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``tau_m,tau_s`` to a tuple."""
    if value is None:
        return None
    return tuple(name.strip() for name in value.split(",") if name.strip())


def parse_weights(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``1,2.5`` to numbers; a name stays one."""
    if value is None or not any(c.isdigit() for c in value):
        return value
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as err:
        raise click.BadParameter(
            f"Expected balanced or numbers such as 1,2.5,1 but got {value!r}; separate one number "
            "for each class by commas."
        ) from err


READOUT_NAMES = (
    *("first_spike", "leaky_integrator", "linear_window", "windows", "potential_at_end"),
    *("maximum", "count"),
)
"""Those of `sim.training.config_parts`, which is not imported for a help text; a test compares."""
DATASET_NAMES = (
    *("digits", "mnist", "fashion-mnist", "kmnist", "emnist-balanced", "emnist-byclass"),
    *("emnist-bymerge", "emnist-digits", "emnist-letters", "emnist-mnist", "yinyang"),
    *("fsdd", "wav", "shd", "ssc", "events"),
)
"""Those of `sim.training.data` and `sim.speech.recordings`, which are not
imported for a help text; a test compares."""


class DatasetName(click.Choice[str]):
    """A data set's name, or the path of a trials file."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Let paths through."""
        return value if str(value).endswith(".npz") else super().convert(value, param, ctx)


TRAIN_OPTIONS = (
    click.option("--dataset", type=DatasetName(DATASET_NAMES),
                 metavar="[digits|mnist|fashion-mnist|kmnist|emnist-SPLIT|yinyang|fsdd|wav|shd|ssc|"
                 "events|FILE.npz]",
                 help="What to learn: 8x8 digits (come along), images in torchvision's folders "
                 "(MNIST and its like; SPLIT is balanced, byclass, bymerge, digits, letters or "
                 "mnist), points in a yin-yang sign (generated), spoken digits (fsdd: recordings), "
                 "your own recordings (wav), spoken words as spikes (shd, ssc), arrays of events "
                 "(events), or the trials in a file.  "
                 "[default: digits]"),
    click.option("--model", metavar="NAME|FILE.toml",
                 help="A built-in neuron model or a model file.  [default: theta]"),
    click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE",
                 callback=parse_parameters, help="Value of a model parameter; repeatable.  "
                 "[default: tau=1.909859, I0=1.25 for theta, else the model's own; speech "
                 "tau=0.05, I0=0.5]"),
    click.option("--hidden", callback=parse_hidden, metavar="N,N,...",
                 help="Neurons of each hidden layer; '' for none.  [default: 100; mnist 100,100; "
                 "speech 128]"),
    click.option("--epochs", type=int,
                 help="Passes through the training set.  [default: 40; mnist 10; yinyang 60; "
                 "speech 30; paper 100]"),
    click.option("--batch", type=int,
                 help="Samples per optimiser step.  [default: 50; mnist 1000; speech 32]"),
    click.option("--seed", type=int,
                 help="Seed of weights, order and augmentation; equal seeds give equal results.  "
                 "[default: 0]"),
    click.option("--encoding", type=click.Choice(["bins", "latency"]),
                 help="How intensities become input spikes: at a few shared times, or each at a "
                 "time of its own.  [default: latency; mnist bins]"),
    click.option("--n-bins", type=int,
                 help="Number of shared input spike times, 1 to 63, with bins.  [default: 1]"),
    click.option("--duration", type=float,
                 help="End T of each trial, in units of the model's time.  [default: 2; "
                 "yinyang 4; speech 0.8]"),
    click.option("--loss", type=click.Choice(["first_spike", "first_spike_in_time", "target_time"]),
                 help="Cross entropy of the first output spikes, the same with 'none before T' as "
                 "one class more (right by spikes alone, not only with pseudospikes), or squared "
                 "distance to target times.  [default: first_spike_in_time; mnist first_spike]"),
    click.option("--readout", type=click.Choice(READOUT_NAMES),
                 help="What is read of the outputs: their first spikes, pseudospikes included, or "
                 "the hidden spike trains, by a neuron that does not spike; then any model "
                 "trains.  [default: first_spike; speech linear_window]"),
    click.option("--readout-param", "readout_parameters", multiple=True, metavar="NAME=VALUE",
                 callback=parse_parameters, help="Value of a readout's parameter; repeatable.  "
                 "[default: none]"),
    click.option("--recurrent/--no-recurrent", default=None,
                 help="Whether hidden layers project to themselves.  [default: no]"),
    click.option("--delay", type=float,
                 help="Spikes of hidden neurons are under way for up to so long.  [default: 0]"),
    click.option("--learn-delays/--no-learn-delays", default=None,
                 help="Whether these learn.  [default: no]"),
    click.option("--learn", "learn_parameters", metavar="NAME,NAME,...", callback=parse_names,
                 help="Parameters of the neuron that learn, such as tau_m, one for every neuron.  "
                 "[default: none]"),
    click.option("--freeze", type=click.Choice(["none", "hidden"]),
                 help="hidden: hidden neurons stay as they were drawn, and only what reads them "
                 "learns; the control of what learning gains.  [default: none]"),
    click.option("--smoothing", type=float,
                 help="Label smoothing, with a readout of spike trains.  "
                 "[default: 0; speech 0.05]"),
    click.option("--class-weights", callback=parse_weights, metavar="balanced|X,X,...",
                 help="Weight of each class in the loss, with a readout of spike trains; balanced: "
                 "rare ones weigh more.  [default: equal]"),
    click.option("--start-rate", type=float,
                 help="Spikes per hidden neuron and sample before training, with a readout of "
                 "spike trains.  [default: 1; speech 6]"),
    click.option("--patience", type=int,
                 help="With a readout of spike trains and --validation: end after so many epochs "
                 "without a better accuracy, and go back to the best; 0 for never.  [default: 0]"),
    click.option("--count-jumps", type=int,
                 help="Count spikes that appear or vanish on so many samples in each epoch, with a "
                 "readout of spike trains; 0 for none.  [default: 64; speech 0]"),
    click.option("--optimiser", type=click.Choice(["adabelief", "adam", "sgd"]),
                 help="How gradients become steps.  [default: adabelief; speech adam]"),
    click.option("--learning-rate", type=float,
                 help="Learning rate at the start.  [default: 0.004; speech 0.03]"),
    click.option("--schedule",
                 type=click.Choice(["constant", "exponential", "cosine", "plateau"]),
                 help="How the learning rate falls.  [default: cosine; mnist exponential]"),
    click.option("--warm-up", type=float,
                 help="Epochs in which it rises from 0 before.  [default: 0; speech 1]"),
    click.option("--clip-sample", type=float,
                 help="Shorten the gradient of a sample that is longer than so many times the "
                 "median of the last ones, with a readout of spike trains; 0 for never.  "
                 "[default: 0; speech 2]"),
    click.option("--flip", type=float,
                 help="Probability of flipping an input of a training sample, with bins.  "
                 "[default: 0; mnist 0.02]"),
    click.option("--shift", type=int,
                 help="Shift training images at random by up to this many pixels.  [default: 0]"),
    click.option("--turn", type=float,
                 help="Turn training images at random by up to this many degrees.  [default: 0]"),
    click.option("--zoom", type=float,
                 help="Scale training images at random by up to this fraction.  [default: 0]"),
    click.option("--fold", metavar="SPEAKER",
                 help="Of recordings: leave this speaker out for the test; '' for the data set's "
                 "own split.  [default: none]"),
    click.option("--encoder", multiple=True, metavar="NAME=VALUE", callback=parse_parameters,
                 help="Setting of the encoder of recordings, such as bands=128; repeatable.  "
                 "[default: none; fsdd, wav as in docs/speech.md]"),
    click.option("--augment", multiple=True, metavar="NAME=VALUE", callback=parse_parameters,
                 help="By how much speech is changed at random, such as shift=0.75; repeatable.  "
                 "[default: none; fsdd, wav as in docs/speech.md]"),
    click.option("--precision", type=click.Choice(["float64", "float32"]),
                 help="Precision of weights and states; float32 is faster, with gradients right "
                 "to some 1e-5.  [default: float64]"),
    click.option("--validation", type=int,
                 help="Look at so many samples after every epoch, taken from the training set "
                 "(yinyang: from its 1,000 validation samples), and at the test set once, at the "
                 "end; 0 looks at the test set after every epoch.  "
                 "[default: 237; mnist 0; yinyang 1000; speech 300]"),
    click.option("--validation-groups", metavar="NAME,NAME,...", callback=parse_names,
                 help="In place of that: groups of a trials file, such as speakers.  "
                 "[default: none]"),
    click.option("--test-groups", metavar="NAME,NAME,...", callback=parse_names,
                 help="Groups of a trials file that are the test set.  [default: none]"),
    click.option("--test-every", type=int,
                 help="Look at the test set after every so many epochs, too; 0 for never.  "
                 "[default: 0]"),
)  # fmt: skip


def add_train_options(command: Command) -> Command:
    """Add the options of `train` that are fields of the configuration."""
    for option in reversed(TRAIN_OPTIONS):
        command = option(command)
    return command
