"""The records of a model for Taylor integration: charts, their equations, and ways between them."""

from dataclasses import dataclass

import sympy as sp

from spiketheory.errors import DerivationError

PREFIX = "taylor_"
"""Of the names of all functions that generated text calls; no symbol of a system may have it."""


@dataclass(frozen=True, kw_only=True)
class TaylorChart:
    """Coordinates with their equations.

    Attributes:
        coordinates: Their symbols.
        field: Their time derivatives.
        surface: Falls through zero at the spike; None if the neuron never spikes in this chart.
    """

    coordinates: tuple[sp.Symbol, ...]
    field: tuple[sp.Expr, ...]
    surface: sp.Expr | None


@dataclass(frozen=True, kw_only=True)
class TaylorSystem:
    """A neuron model for Taylor integration. Exactly one chart has a spike surface.

    Attributes:
        constants: Symbols of the numbers that the functions take, in order.
        near: The chart whose coordinates the simulator stores.
        far: Another chart, regular where the near one blows up; None if there is none.
        far_from_near: The far coordinates, as expressions of the near ones.
        near_from_far: The near coordinates, as expressions of the far ones.
        enter_far: Expression of the near coordinates, positive where the far chart is to be used.
        leave_far: Expression of the far coordinates, positive where the near chart is to be used;
            must be negative wherever ``enter_far`` is positive.
        reset: Near coordinates after a spike, as expressions of the spike's chart's coordinates.
        horizon: Expression of the constants: the time within which a neuron that will ever spike
            does. A later spike does not exist for ``time_to_spike`` and ``fire``. Nothing else
            stops the search, so choose it beyond the longest trial; a neuron at rest passes it
            in a few steps of some ten time constants each.
    """

    constants: tuple[sp.Symbol, ...]
    near: TaylorChart
    far: TaylorChart | None = None
    far_from_near: tuple[sp.Expr, ...] = ()
    near_from_far: tuple[sp.Expr, ...] = ()
    enter_far: sp.Expr | None = None
    leave_far: sp.Expr | None = None
    reset: tuple[sp.Expr, ...]
    horizon: sp.Expr

    def __post_init__(self) -> None:
        charts = [self.near] if self.far is None else [self.near, self.far]
        if sum(chart.surface is not None for chart in charts) != 1:
            raise DerivationError(
                "Expected a spike surface in exactly one chart but got "
                f"{[str(chart.surface) for chart in charts]}; give one, in the chart in which the "
                "spike is a finite point."
            )
        sizes = [len(self.reset), *(len(c.coordinates) for c in charts)]
        sizes += [len(c.field) for c in charts]
        if self.far is not None:
            sizes += [len(self.far_from_near), len(self.near_from_far)]
        if len(set(sizes)) != 1:
            raise DerivationError(
                f"Expected one expression per coordinate but got {sizes}; give as many to fields, "
                "reset and both ways between the charts."
            )
        for symbol in self.symbols:
            if symbol.name.startswith(PREFIX):
                raise DerivationError(
                    f"Expected a name that does not begin with {PREFIX} but got {symbol.name}; "
                    "rename it."
                )

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """Symbols of the stored coordinates."""
        return self.near.coordinates

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """All symbols."""
        far = () if self.far is None else self.far.coordinates
        return (*self.near.coordinates, *far, *self.constants)

    @property
    def spike_chart(self) -> TaylorChart:
        """The chart with the spike surface."""
        if self.near.surface is not None or self.far is None:
            return self.near
        return self.far
