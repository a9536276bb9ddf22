"""`COPY --parents` on the real BuildKit: the record in golden/copy-parents.json, and a seal's image against it.

The flag is one of the labs frontend up to BuildKit 0.25. It comes from no registry here, so that these run where
IMAGEYARD_LABS_FRONTEND names the program: `go build -tags dfparents ./frontend/dockerfile/cmd/dockerfile-frontend`
of moby/buildkit. A record that was removed is written anew.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.engine.private import PrivateEngine
from support.sealed.builds import Builds, Result
from support.sealed.corpus import Case, recipe_of
from support.sealed.parents import CASES

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[2] / "golden" / "copy-parents.json"
FRONTEND = "imageyard.local/frontend:labs"


@pytest.fixture
def builds(docker_engine: PrivateEngine, tmp_path: Path) -> Builds:
    program = os.environ.get("IMAGEYARD_LABS_FRONTEND")
    if not program:
        pytest.skip("IMAGEYARD_LABS_FRONTEND names no program")
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode="w") as tar:
        tar.add(program, "frontend")
    docker_engine.docker("import", "--change", 'ENTRYPOINT ["/frontend"]', "-", FRONTEND, stdin=spool.getvalue())
    return Builds(docker_engine, tmp_path)


def by_labs(cases: Sequence[Case]) -> list[Case]:
    """The same for the labs frontend, each into a folder of its own: BuildKit's cache takes some for one another."""
    line = f"# syntax={FRONTEND}\n".encode()
    return [
        replace(case, dockerfile=line + case.dockerfile.replace(b"/to/", f"/{number}/".encode()))
        for number, case in enumerate(cases)
    ]


def copied(found: Result) -> dict[str, str]:
    """The files of an image, without the folder that they were copied to: bytes, or where a link points."""
    return {
        path.partition("/")[2]: link or data.decode()
        for path, (kind, *_, link, data) in sorted(found.items())
        if kind != tarfile.DIRTYPE
    }


def test_a_seal_builds_what_the_folder_builds(builds: Builds) -> None:
    cases = by_labs(CASES)
    whole = [copied(found) for found in builds.whole("whole", cases)]
    record = {
        case.name: {"image": image, "files": [file.path for file in recipe_of(case).files]}
        for case, image in zip(CASES, whole, strict=True)
    }
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert [copied(found) for found in builds.sealed("sealed", cases)] == whole
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == record
