"""Bad catalogues, one fault each: the exit code and the whole message stand beside them in `NAME.expect`."""

from pathlib import Path

import pytest
from imageyard.catalogue.expand import load
from imageyard.errors import ConfigurationError, exit_code

CORPUS = Path(__file__).parents[2] / "corpus" / "catalogues"
CASES = sorted(CORPUS.glob("*.yml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_bad_catalogue_is_refused_in_these_words(path):
    with pytest.raises(ConfigurationError) as caught:
        load(path, CORPUS)
    said = f"exit {exit_code(caught.value)}\n{caught.value}\n"
    assert said == path.with_suffix(".expect").read_text()


def test_every_case_has_its_message_and_every_message_its_case():
    assert len(CASES) >= 60
    assert {path.stem for path in CASES} == {path.stem for path in CORPUS.glob("*.expect")}
