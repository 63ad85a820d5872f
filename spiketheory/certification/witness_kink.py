"""Searches for kinks of spike times (C6)."""

import itertools

from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.trial import TIME_OF
from spiketheory.certification.witness_bench import BESIDE, Bench, Family
from spiketheory.certification.witness_locate import locate
from spiketheory.certification.witness_swap import list_arriving, list_driven, list_later
from spiketheory.certification.witness_sample import Values
from spiketheory.language.symbols import WEIGHT


def try_kinks_of_swaps(bench: Bench, condition: Condition) -> Witness | None:
    return None


def try_kinks(bench: Bench, condition: Condition) -> Witness | None:
    return None
