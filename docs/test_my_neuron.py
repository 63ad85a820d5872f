"""A neuron model's own tests; docs/checking.md explains them. Run: ``pytest docs``."""

from pathlib import Path

from hypothesis import given, settings

from spiketheory.testing import check_model, check_swaps, coincidences, load_subject

MODEL = Path(__file__).with_name("my_neuron.toml")


def test_spikes_of_my_neuron_only_shift():
    assert check_model(MODEL, examples=8).verdict == "smooth"


def test_the_plugin_does_the_same(check_spikes):
    check_spikes(MODEL, examples=10, properties=["continuity", "counts"])


SUBJECT = load_subject(MODEL)


@settings(max_examples=10, deadline=None)
@given(drawn=coincidences(SUBJECT))
def test_a_property_with_hypothesis(drawn):
    check_swaps(SUBJECT, drawn)
