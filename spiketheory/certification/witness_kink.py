"""Searches for kinks of spike times (C6)."""


from spiketheory.certification.certificate import Condition, Witness
from spiketheory.certification.witness_bench import Bench


def try_kinks_of_swaps(bench: Bench, condition: Condition) -> Witness | None:
    return None


def try_kinks(bench: Bench, condition: Condition) -> Witness | None:
    return None
