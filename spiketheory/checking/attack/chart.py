"""Coordinates of many neurons: the state, or what stands for V close to a blow-up."""

import numpy as np

from spiketheory.checking.attack.equations import EXPONENTIAL, Array, Equations

PLAIN, RISING, LEAVING = 0, 1, 2
"""The state as it is; on the way to +oo; on the way from -oo."""
ENTER, RETURN = 20.0, 10.0
"""|V| at which lanes change to the chart at infinity and back."""
ENTER_STEEP, RETURN_STEEP = 6.0, 3.0
"""The same for kappa V of an exponential."""
LARGEST = 1e290
STEEPEST = 600.0


class Chart:
    """Coordinates of lanes; a part of them may be in the chart at infinity.

    Args:
        equations: The model.
        parameters: Parameters of each lane, shape (n_parameters, N).
        state: States, shape (n_state, N).
        kinds: Charts of the lanes, if ``state`` holds coordinates.
    """

    def __init__(
        self, equations: Equations, parameters: Array, state: Array, kinds: Array | None = None
    ) -> None:
        self.equations = equations
        self.coordinates = state
        self.steepness = np.broadcast_to(
            np.asarray(equations.steepness(*parameters)[0], float), state.shape[1:]
        )
        self.by_lane = np.ones(state.shape[1])
        if kinds is not None:
            self.kinds = kinds
            return
        self.kinds = np.zeros(state.shape[1], np.int8)
        self.put_state(np.arange(state.shape[1]), state)

    def keep(self, kept: Array, parameters: Array) -> "Chart":
        """The chart of some of the lanes."""
        return Chart(self.equations, parameters, self.coordinates[:, kept], self.kinds[kept])

    def get_voltage(self, x: Array, kinds: Array, steepness: Array) -> Array:
        """V of coordinates."""
        e = self.equations
        if e.kind == EXPONENTIAL:
            V = -np.log(np.maximum(np.abs(x), np.exp(-STEEPEST))) / steepness
            return np.where(kinds == PLAIN, x, V)
        k = e.exponent
        size = np.abs(x)
        V = 1 / size if k == 2 else size ** (-1 / (k - 1))
        V = np.minimum(V, LARGEST ** (1 / k))
        return np.where(kinds == PLAIN, x, np.where(kinds == RISING, V, -V))

    def get_slope(self, V: Array, kinds: Array, steepness: Array) -> Array:
        """Derivative of the coordinate by V."""
        e = self.equations
        if e.kind == EXPONENTIAL:
            return np.where(kinds == PLAIN, 1.0, -steepness * np.exp(-steepness * V))
        k = e.exponent
        return np.where(kinds == PLAIN, 1.0, (1 - k) * np.abs(V) ** -k)

    def get_velocity(self, x: Array, p: Array, kinds: Array) -> Array:
        """Derivatives of coordinates by time."""
        e = self.equations
        state, slope = x, None
        if e.is_blowup and kinds.any():
            steepness = np.asarray(e.steepness(*p)[0], float)
            V = self.get_voltage(x[e.voltage], kinds, steepness)
            slope = self.get_slope(V, kinds, steepness)
            state = x.copy()
            state[e.voltage] = V
        found = np.empty_like(x)
        for i, value in enumerate(e.field(*state, *p)):
            found[i] = value
        if slope is not None:
            found[e.voltage] *= slope
        return found

    def get_height(self, x: Array, slope: Array, p: Array) -> tuple[Array, Array]:
        """Distance to the surface and its derivative by time; of lanes that may spike."""
        e = self.equations
        if e.is_blowup:
            return x[e.voltage].copy(), slope[e.voltage].copy()
        values = (e.height(*x, *p)[0], e.climb(*x, *p)[0])
        shape = x.shape[1:]
        height, climb = (np.broadcast_to(np.asarray(v, float), shape).copy() for v in values)
        return height, climb

    def may_spike(self, which: Array) -> Array:
        """Which of some lanes are in a chart that the surface is in."""
        if not self.equations.is_blowup:
            return np.ones(which.size, bool)
        return self.kinds[which] == RISING

    def get_state(self) -> Array:
        """States of all lanes; V is -oo just after a reset to there."""
        if not self.equations.is_blowup or not self.kinds.any():
            return self.coordinates
        index = self.equations.voltage
        state = self.coordinates.copy()
        V = self.get_voltage(state[index], self.kinds, self.steepness)
        state[index] = np.where((self.kinds == LEAVING) & (state[index] == 0), -np.inf, V)
        return state

    def put_state(self, lanes: Array, state: Array) -> None:
        """Set states of some lanes; those far out enter the chart there."""
        e = self.equations
        self.coordinates[:, lanes] = state
        if not e.is_blowup or not lanes.size:
            return
        V = state[e.voltage]
        self.kinds[lanes] = self.choose(V, self.steepness[lanes])
        self.encode(lanes, V)

    def choose(self, V: Array, steepness: Array) -> Array:
        """The charts in which values of V enter."""
        e = self.equations
        if e.kind == EXPONENTIAL:
            return np.where(V * steepness > ENTER_STEEP, RISING, PLAIN).astype(np.int8)
        kinds = np.where(V > ENTER, RISING, PLAIN)
        if e.from_infinity:
            kinds = np.where(V < -ENTER, LEAVING, kinds)
        return kinds.astype(np.int8)

    def encode(self, lanes: Array, V: Array) -> None:
        """Write V as the coordinate of each lane's chart."""
        e, kinds = self.equations, self.kinds[lanes]
        if e.kind == EXPONENTIAL:
            far = np.exp(-self.steepness[lanes] * np.maximum(V, 0))
        else:
            far = np.abs(V) ** (1 - e.exponent)
            far = np.where(kinds == LEAVING, -far, far)
        self.coordinates[e.voltage, lanes] = np.where(kinds == PLAIN, V, far)

    def change_charts(self) -> Array:
        """Let lanes enter the chart at infinity, or leave it; returns those that do."""
        e = self.equations
        if not e.is_blowup:
            return np.zeros(0, int)
        x = self.coordinates[e.voltage]
        V = self.get_voltage(x, self.kinds, self.steepness)
        wanted = self.choose(V, self.steepness)
        size = V * self.steepness if e.kind == EXPONENTIAL else np.abs(V)
        near = size < (RETURN_STEEP if e.kind == EXPONENTIAL else RETURN)
        stays = (self.kinds != PLAIN) & ~near & (wanted == PLAIN)
        changing = np.flatnonzero((wanted != self.kinds) & ~stays)
        if changing.size:
            self.kinds[changing] = wanted[changing]
            self.encode(changing, V[changing])
        return changing
