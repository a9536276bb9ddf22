"""Names, versions and METADATA, as the packaging standards read them."""

from __future__ import annotations

import pytest
from imageyard.lanes.standard import (
    NotStandard,
    is_development,
    local_part,
    newest_first,
    normal_name,
    public_part,
    read_core_metadata,
    read_wheel_name,
    same_version,
)
from imageyard.lanes.wheel_documents import documents
from support.lanes.wheels import metadata_of


def test_the_parts_of_a_name() -> None:
    name = read_wheel_name("torch_acme-2.9.0.dev1+acme.7-3b-cp311.cp312-abi3-linux_x86_64.whl")
    assert (name.name, name.version, name.build) == ("torch-acme", "2.9.0.dev1+acme.7", "3b")
    assert name.compatibility == {"cp311-abi3-linux_x86_64", "cp312-abi3-linux_x86_64"}
    assert documents(name)[2] == "torch_acme-2.9.0.dev1+acme.7.dist-info/RECORD"


@pytest.mark.parametrize(
    ("version", "local", "public", "development"),
    [
        ("1.0", "", "1.0", False),
        ("1.0+acme-1_2", "acme.1.2", "1.0", False),
        ("2.0.dev3+acme", "acme", "2.0.dev3", True),
        ("2.0rc1+acme", "acme", "2.0rc1", False),
    ],
)
def test_versions(version: str, local: str, public: str, development: bool) -> None:
    assert (local_part(version), public_part(version), is_development(version)) == (local, public, development)


def test_the_newest_is_first_by_version_and_not_by_text() -> None:
    versions = ["1.9+acme", "1.10+acme", "1.10.dev2+acme", "1.10+acme.2", "1.10+acme.10", "1.9+acme"]
    assert newest_first(versions) == ["1.10+acme.10", "1.10+acme.2", "1.10+acme", "1.10.dev2+acme", "1.9+acme"]


def test_spellings() -> None:
    assert normal_name("Torch._-ACME") == "torch-acme"
    assert same_version("1.0+acme.1", "1.0.0+ACME-1")
    assert not same_version("1.0+acme.1", "1.0")
    with pytest.raises(NotStandard, match="'one' is no version"):
        same_version("one", "1.0")


def test_what_metadata_says() -> None:
    said = read_core_metadata(
        metadata_of(more="Requires-Python: >=3.9,<4\nRequires-Dist: numpy>=2\nRequires-Dist: x\n")
    )
    assert (said.name, said.requires_python, said.requires) == ("torch-acme", ">=3.9,<4", ("numpy>=2", "x"))
    assert read_core_metadata(metadata_of(more="")).requires_python is None
