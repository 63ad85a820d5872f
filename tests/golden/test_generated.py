from pathlib import Path

import pytest

import derivations
from derivations import generate_source, list_models
from spiketheory.files import write_text_atomically

FOLDER = Path(derivations.__file__).parent / "generated"


@pytest.mark.parametrize("name", list_models())
def test_the_checked_in_module_is_what_the_generator_writes(name, request):
    path = FOLDER / f"{name}.py"
    text = generate_source(name)
    if request.config.getoption("--update", default=False):
        write_text_atomically(path, text)
    assert path.read_text(encoding="utf-8") == text, (
        f"{path} differs from what the generator writes; run pytest tests/golden --update "
        "and review the difference"
    )
