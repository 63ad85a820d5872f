"""Optimisers that update arrays in place.

An optimiser is a frozen record of settings. What it remembers from batch to batch lives in a flat
dictionary of named arrays ("step", "first_0", "second_0", ...), so that a checkpoint can store it
and a resumed run continues bit for bit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sim.threads import get_thread_count, run_on_threads
from spiketheory.errors import InputError, SimulationError, check_choice, check_positive

BLOCK = 2**14
"""Numbers that are updated at once."""

Array = np.ndarray
State = dict[str, Array]


class Optimiser(ABC):
    """What every optimiser does: `init` makes its state, `update` changes the parameters."""

    def init(self, parameters: Sequence[Array]) -> State:
        """Return the state before the first update: step 0 and every moment zero.

        Args:
            parameters: The arrays to be trained, of any shapes, float.

        Raises:
            InputError: If an array does not hold floating-point numbers.
        """
        for index, parameter in enumerate(parameters):
            if not np.issubdtype(parameter.dtype, np.floating):
                raise InputError(
                    f"Expected floating-point numbers in parameters[{index}] but got "
                    f"dtype {parameter.dtype}; convert it with astype(float)."
                )
        state: State = {"step": np.zeros((), dtype=np.int64)}
        for moment in self.moments():
            for index, parameter in enumerate(parameters):
                state[f"{moment}_{index}"] = np.zeros_like(parameter)
        return state

    def update(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        state: State,
        learning_rate: float,
    ) -> None:
        """Take one step: change ``parameters`` and ``state`` in place.

        All input is checked first; if anything is raised, nothing has been changed. A rate of 0
        leaves the parameters as they are (the moments move on).

        Args:
            parameters: The arrays to be trained.
            gradients: Derivatives of the loss, one array per parameter, of the same shape.
            state: What `init` returned, or a checkpoint restored.
            learning_rate: Step size, >= 0.

        Raises:
            InputError: If shapes, state or learning rate do not fit.
            SimulationError: If a gradient is NaN, infinite, or so large that its square is.
        """
        self._check(parameters, gradients, state, learning_rate)
        step = int(state["step"]) + 1
        for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            limit = math.sqrt(float(np.finfo(parameter.dtype).max))
            _check_gradient(index, gradient, limit, step)
        state["step"][...] = step
        blocks = list(self._blocks(parameters, gradients, state))
        n_threads = max(1, min(get_thread_count(), len(blocks)))

        def run(thread: int) -> None:
            with np.errstate(under="ignore"):  # old moments fade to zero; that is no error
                for parameter, gradient, *moments in blocks[thread::n_threads]:
                    self._step(parameter, gradient, moments, step, learning_rate)

        run_on_threads(run, n_threads)

    def _blocks(
        self, parameters: Sequence[Array], gradients: Sequence[Array], state: State
    ) -> Iterator[list[Array]]:
        """Pieces of each parameter, its gradient and its moments that fit into a core's cache."""
        for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            arrays = [parameter, gradient, *(state[f"{m}_{index}"] for m in self.moments())]
            if not all(array.flags.c_contiguous for array in arrays):
                yield arrays
                continue
            flat = [array.reshape(-1) for array in arrays]
            for first in range(0, parameter.size, BLOCK):
                yield [array[first : first + BLOCK] for array in flat]

    @abstractmethod
    def moments(self) -> tuple[str, ...]:
        """Return the names of the running averages kept for each parameter array."""

    @abstractmethod
    def _step(
        self, parameter: Array, gradient: Array, moments: list[Array], step: int, rate: float
    ) -> None:
        """Update one parameter array and its moments in place; ``step`` counts from 1."""

    def _check(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        state: State,
        learning_rate: float,
    ) -> None:
        if not (math.isfinite(learning_rate) and learning_rate >= 0):
            raise InputError(
                f"Expected learning_rate >= 0 but got learning_rate={learning_rate}; "
                "check the schedule."
            )
        shapes = [parameter.shape for parameter in parameters]
        if (got := [gradient.shape for gradient in gradients]) != shapes:
            raise InputError(
                f"Expected gradients of shapes {shapes} but got {got}; "
                "give one gradient per parameter, in the same order."
            )
        wanted: dict[str, tuple[int, ...]] = {"step": ()}
        for moment in self.moments():
            wanted |= {f"{moment}_{index}": shape for index, shape in enumerate(shapes)}
        if (held := {name: array.shape for name, array in state.items()}) != wanted:
            raise InputError(
                f"Expected an optimiser state of shapes {wanted} but got {held}; make it with "
                "init(parameters), or resume with the optimiser and network that were saved."
            )


def _check_gradient(index: int, gradient: Array, limit: float, step: int) -> None:
    """Raise if an entry is NaN or its square would overflow (min and max propagate NaN)."""
    if gradient.size == 0 or (gradient.min() > -limit and gradient.max() < limit):
        return
    bad = np.argwhere(~((gradient > -limit) & (gradient < limit)))
    where = tuple(int(i) for i in bad[0])
    raise SimulationError(
        f"Expected finite gradients (below {limit:.2g}) but got gradients[{index}]"
        f"[{', '.join(map(str, where))}]={gradient[where]} ({len(bad)} such) at step {step}; "
        "lower the learning rate, or look for extreme inputs or weights."
    )


@dataclass(frozen=True, kw_only=True)
class _Adaptive(Optimiser):
    """What AdaBelief and Adam share: steps of rate * m_hat / (sqrt(s_hat) + eps)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float

    def __post_init__(self) -> None:
        _check_decay("beta1", self.beta1)
        _check_decay("beta2", self.beta2)
        check_positive("eps", self.eps)

    def moments(self) -> tuple[str, ...]:
        """Return the names of m and s."""
        return ("first", "second")

    @abstractmethod
    def _weigh_square(self, gradient: Array, scratch: Array) -> None:
        """Put what s gains into ``scratch``, which holds (1 - beta1) * (g - old m)."""

    def _step(
        self, parameter: Array, gradient: Array, moments: list[Array], step: int, rate: float
    ) -> None:
        first, second = moments
        scratch = np.subtract(gradient, first)
        scratch *= 1 - self.beta1
        first += scratch
        self._weigh_square(gradient, scratch)
        second *= self.beta2
        second += scratch
        # Both bias corrections are pulled out of the arrays: two passes fewer.
        root_correction = math.sqrt(1 - self.beta2**step)
        np.sqrt(second, out=scratch)
        scratch += self.eps * root_correction
        np.divide(first, scratch, out=scratch)
        scratch *= rate * root_correction / (1 - self.beta1**step)
        parameter -= scratch


@dataclass(frozen=True, kw_only=True)
class AdaBelief(_Adaptive):
    r"""AdaBelief: the step is small where the gradient differs from what was predicted.

    With $e_t = g_t - m_{t-1}$:
    $m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t$,
    $s_t = \beta_2 s_{t-1} + (1 - \beta_2) e_t^2 + \epsilon_\mathrm{root}$,
    $\theta_t = \theta_{t-1} - \eta\, \hat m_t / (\sqrt{\hat s_t} + \epsilon)$,
    where the hats divide by $1 - \beta^t$. The state holds m ("first_i") and s ("second_i").

    This is `optax.adabelief` up to version 0.2.3 (July 2024), the newest when the code of the
    paper we reproduce appeared: the prediction error is taken against the OLD mean $m_{t-1}$.
    The AdaBelief paper, and optax since 0.2.4 (November 2024, pull request 1130), take the NEW
    mean. As $g_t - m_t = \beta_1 (g_t - m_{t-1})$, that is (up to the epsilons) the same method
    with the learning rate divided by $\beta_1$: steps 11 % longer at the default. To follow it,
    pass ``learning_rate / beta1``. As in both, eps_root is added in every step and accumulates.

    Attributes:
        beta1: Decay of the mean gradient, in [0, 1).
        beta2: Decay of the mean squared prediction error, in [0, 1).
        eps: Added to the root in the denominator, > 0.
        eps_root: Added to s in every step, > 0.

    References:
        Zhuang et al. (2020), arXiv:2010.07468, Algorithm 2.
    """

    eps: float = 1e-16
    eps_root: float = 1e-16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("eps_root", self.eps_root)

    def _weigh_square(self, gradient: Array, scratch: Array) -> None:
        np.square(scratch, out=scratch)
        scratch *= (1 - self.beta2) / (1 - self.beta1) ** 2
        scratch += self.eps_root


@dataclass(frozen=True, kw_only=True)
class Adam(_Adaptive):
    r"""Adam: the step is scaled by the root of the mean squared gradient.

    $m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t$, $v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2$,
    $\theta_t = \theta_{t-1} - \eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon)$,
    where the hats divide by $1 - \beta^t$. The state holds m ("first_i") and v ("second_i").

    Attributes:
        beta1: Decay of the mean gradient, in [0, 1).
        beta2: Decay of the mean squared gradient, in [0, 1).
        eps: Added to the root in the denominator, > 0.

    References:
        Kingma & Ba (2015), arXiv:1412.6980, Algorithm 1.
    """

    eps: float = 1e-8

    def _weigh_square(self, gradient: Array, scratch: Array) -> None:
        np.square(gradient, out=scratch)
        scratch *= 1 - self.beta2


@dataclass(frozen=True, kw_only=True)
class SGD(Optimiser):
    r"""Gradient descent, plain or with (Nesterov) momentum.

    $v_t = \mu v_{t-1} + g_t$; $\theta_t = \theta_{t-1} - \eta v_t$, or with Nesterov's look-ahead
    $\theta_t = \theta_{t-1} - \eta (g_t + \mu v_t)$, as in PyTorch and optax. The state holds v
    ("trace_i"); without momentum it holds the step only.

    Attributes:
        momentum: Decay mu of the velocity, in [0, 1).
        nesterov: Whether to look ahead; needs momentum.

    References:
        Sutskever et al. (2013), On the importance of initialization and momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_decay("momentum", self.momentum)
        if self.nesterov and self.momentum == 0:
            raise InputError(
                "Expected momentum > 0 with nesterov=True but got momentum=0; "
                "set a momentum such as 0.9 or leave nesterov off."
            )

    def moments(self) -> tuple[str, ...]:
        """Return the names of the running averages kept for each parameter array."""
        return ("trace",) if self.momentum else ()

    def _step(
        self, parameter: Array, gradient: Array, moments: list[Array], step: int, rate: float
    ) -> None:
        direction = gradient
        if moments:
            (trace,) = moments
            trace *= self.momentum
            trace += gradient
            direction = gradient + self.momentum * trace if self.nesterov else trace
        parameter -= rate * direction


OPTIMISERS = {"adabelief": AdaBelief, "adam": Adam, "sgd": SGD}


def make_optimiser(name: str, **settings: float) -> Optimiser:
    """Return the optimiser called ``name``; settings left out take their defaults.

    Raises:
        InputError: If the name or a setting is unknown, or a value is out of range.
    """
    return make_named(OPTIMISERS[check_choice("optimiser", name, OPTIMISERS)], name, settings)


def make_named(make: type, name: str, settings: dict[str, float]) -> Any:
    """Make something of settings by name, or say which there are."""
    try:
        return make(**settings)
    except TypeError as err:
        known = ", ".join(field.name for field in fields(make))
        raise InputError(
            f"Expected settings of {name} among {known} (those without a default are required) "
            f"but got {', '.join(sorted(settings)) or 'none'}; correct the names."
        ) from err


def _check_decay(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InputError(f"Expected 0 <= {name} < 1 but got {name}={value}; give a decay below 1.")
