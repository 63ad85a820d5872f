from pathlib import Path

import pytest
from models import generate_text

import derivations
from derivations import (
    READOUTS,
    SPIKE_READOUTS,
    generate_readout_source,
    generate_source,
    list_models,
    read_neuron_model,
)
from spiketheory.files import write_text_atomically

FOLDER = Path(derivations.__file__).parent / "generated"


@pytest.mark.parametrize("name", list_models())
def test_the_checked_in_module_is_what_the_generator_writes(name, request):
    """What is written is verified; what is compared is so in symbolic/test_verify.py."""
    updates = request.config.getoption("--update", default=False)
    text = generate_source(name) if updates else generate_text(read_neuron_model(name))
    compare(FOLDER / f"{name}.py", text, request)


@pytest.mark.parametrize("name", sorted({*READOUTS} - {*SPIKE_READOUTS}))
def test_the_checked_in_module_of_a_readout_is_what_the_generator_writes(name, request):
    compare(FOLDER / "readouts" / f"{name}.py", generate_readout_source(name), request)


def compare(path, text, request):
    if request.config.getoption("--update", default=False):
        write_text_atomically(path, text)
    assert path.read_text(encoding="utf-8") == text, (
        f"{path} differs from what the generator writes; run pytest tests/golden --update "
        "and review the difference"
    )
