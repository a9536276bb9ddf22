"""What BuildKit read and refused, recorded from a real one, and what our reader says of the same Dockerfiles.

`tests/golden/buildkit-reads.json` was recorded with Docker 28.5.2 and buildx 0.29.1 (built-in frontend): each file
was built from the whole context and again from the files in `reads` alone, with one and the same result. `refused`
has BuildKit's own words. A file's bytes are its path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.evaluate import evaluate
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.stages import read
from imageyard.recipe.files import Shelf
from imageyard.tree import DictTree, Link

RECORD: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "buildkit-reads.json").read_text("utf-8"))


def reads(case: dict[str, Any]) -> set[str]:
    files: dict[str, bytes | Link] = {path: path.encode() for path in RECORD["files"]}
    links = {path: Link(text) for path, text in RECORD["links"].items()}
    shelf = Shelf(DictTree({**files, **links, "Dockerfile": case["dockerfile"].encode()}))
    dockerfile = read(case["dockerfile"].encode(), "Dockerfile")
    reading = evaluate(dockerfile, args=case.get("args", {}), platform="linux/amd64", target=case.get("target"))
    found: set[str] = set()
    for use in reading.files:
        try:
            found |= shelf.take(use)
        except Fault as fault:
            raise fault.at("Dockerfile", use.line) from None
    if found >= {*RECORD["files"], *RECORD["links"], "Dockerfile"}:
        return {"everything"}
    return found


def test_the_record_is_there() -> None:
    assert sum("reads" in case for case in RECORD["cases"]) > 200
    assert sum("refused" in case for case in RECORD["cases"]) > 100


@pytest.mark.parametrize("case", [case for case in RECORD["cases"] if "reads" in case], ids=lambda c: c["dockerfile"])
def test_the_same_files_are_read(case: dict[str, Any]) -> None:
    expected = {"everything"} if case["reads"] == "everything" else set(case["reads"])

    assert reads(case) == expected


@pytest.mark.parametrize("case", [case for case in RECORD["cases"] if "refused" in case], ids=lambda c: c["dockerfile"])
def test_the_same_files_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        reads(case)

    assert caught.value.headline
    assert (caught.value.at or "").startswith("Dockerfile:")
