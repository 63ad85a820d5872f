"""What a refractory period adds to the obligations: lemma L10 of docs/certificates.md."""

from collections.abc import Iterator

import sympy as sp

from spiketheory.certification.claims import Claim, Obligation, Way
from spiketheory.certification.region import Region
from spiketheory.language.model import NeuronModel, Refractory

LEMMA = "L10"


def list_refractory(model: NeuronModel, region: Region) -> Iterator[Obligation]:
    """The obligations of lemma L10; none if there is no refractory period.

    Args:
        model: The model.
        region: What is admissible.
    """
    refractory = model.refractory
    if refractory is None:
        return
    claims = (
        Claim(text=f"the refractory period lasts: {refractory.time} > 0",
              expression=refractory.time, relation="> 0", region=region),
        *list_still(model, refractory, region),
        *list_threshold(model, refractory, region),
        *list_affine(model, refractory, region),
    )  # fmt: skip
    yield Obligation(key="L10.period", condition="H", ways=(Way(lemma=LEMMA, claims=claims),))
    yield Obligation(
        key="L10.kink", condition="C6",
        text="derivatives are one-sided where an input passes the end of a refractory period",
    )  # fmt: skip


def list_still(model: NeuronModel, refractory: Refractory, region: Region) -> Iterator[Claim]:
    """Inputs do not move what is held; at -oo a finite change of V moves nothing."""
    infinite = model.reset[model.state.index(model.spike.variable)] is -sp.oo
    pairs = [pair for _, jump in model.jumps for pair in zip(model.state, jump, strict=True)]
    for symbol, after in pairs:
        if symbol not in refractory.hold:
            continue
        moved = after - symbol
        if infinite and symbol == model.spike.variable:
            yield Claim(text=f"an input moves {symbol} by what does not depend on {symbol}",
                        expression=moved.diff(symbol), relation="= 0", region=region)  # fmt: skip
        else:
            yield Claim(text=f"inputs do not move {symbol}, which is held",
                        expression=moved, relation="= 0", region=region)  # fmt: skip


def list_threshold(model: NeuronModel, refractory: Refractory, region: Region) -> Iterator[Claim]:
    """The threshold stands still while V is held, so that the neuron is below it at the end."""
    for symbol in model.state:
        if symbol not in refractory.hold and model.spike.value.has(symbol):
            yield Claim(text=f"the threshold does not depend on {symbol}, which goes on",
                        expression=model.spike.value.diff(symbol), relation="= 0",
                        region=region)  # fmt: skip


def list_affine(model: NeuronModel, refractory: Refractory, region: Region) -> Iterator[Claim]:
    """What goes on obeys equations that are linear in it, so that it stays finite."""
    free = [s for s in model.state if s not in refractory.hold]
    rates = dict(zip(model.state, model.derivatives, strict=True))
    for symbol in free:
        for a in free:
            slope = rates[symbol].diff(a)
            for b in free:
                if slope.has(b):
                    yield Claim(text=f"d{symbol}/dt is linear in {a} and {b}",
                                expression=slope.diff(b), relation="= 0",
                                region=region)  # fmt: skip
