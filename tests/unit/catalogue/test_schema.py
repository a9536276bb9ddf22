"""The schema for editors: up to date, valid, and no stricter and hardly laxer than decoding."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from imageyard.catalogue import schema
from imageyard.catalogue.expand import expand, load
from imageyard.catalogue.grammar import FIELDS, TOP
from imageyard.catalogue.text import parse

HOUSE = Path(__file__).parents[3]
FILE = HOUSE / ".ci" / "docker" / "imageyard" / "catalogue" / "images.schema.json"
CORPUS = HOUSE / "tests" / "corpus" / "catalogues"
EXAMPLES = sorted((HOUSE / "examples").glob("*/images.yml"))
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())


def faults(source):
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(source))]


def test_the_committed_schema_is_the_generated_one():
    assert FILE.read_text() == schema.text(), "write schema.text() to it anew"


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid_and_name_their_schema(path):
    assert load(path, HOUSE).rows
    assert faults(path.read_text()) == []
    line = path.read_text().splitlines()[0]
    assert line.startswith("# yaml-language-server: $schema=")
    assert (path.parent / line.partition("=")[2]).resolve() == FILE


def test_numbers_and_booleans_are_admitted_as_editors_read_them():
    assert faults("images: {a: {sbom: yes, attempts: 2, epoch: 3, args: {A: 3.10, B: yes, C: ~}, names: {x: }}}") == []


@pytest.mark.parametrize(
    "name",
    [path.stem for path in sorted(CORPUS.glob("unknown_key_*.yml"))]
    + ["no_images", "no_names", "names_empty", "null_names", "null_in_defaults", "list_instead_of_map", "arch_unknown"]
    + ["provenance_unknown", "duration_words", "attempts_zero", "arg_name_form", "registry_half", "unpinned_yes"],
)
def test_the_schema_refuses_what_decoding_refuses(name):
    assert faults((CORPUS / f"{name}.yml").read_text())


def test_every_key_has_a_sentence():
    for fields in (TOP.fields, FIELDS):
        for key, field in fields.items():
            assert len(field.about) > 10, key
            assert schema.schema()["properties"].get(key, {"description": field.about})["description"]


def test_the_manual_names_every_key_and_its_example_is_a_catalogue():
    manual = (HOUSE / "docs" / "catalogue.md").read_text()
    assert [key for key in [*TOP.fields, *FIELDS] if f"`{key}`" not in manual] == []
    source = manual.split("```yaml\n")[1].split("```")[0]
    assert faults(source) == []
    assert len(expand(parse(source)).catalogue.rows) == 10
