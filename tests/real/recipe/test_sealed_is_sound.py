"""A seal is sound: it builds what the whole context builds, and what it leaves out changes nothing.

That each change of a file or an argument moves the tag, or does not, is in `unit/test_sealed_tags.py`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from imageyard.builders import buildx
from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.evaluate import evaluate
from imageyard.recipe.dockerfile.scope import automatic
from imageyard.recipe.dockerfile.stages import read
from imageyard.treebase import Link
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.sealed.builds import Builds, Result
from support.sealed.corpus import BUSYBOX, CASES, RECORDED, Case, Content, recipe_of
from support.sealed.elsewhere import Repository, repositories
from support.sealed.written import dockerfiles

pytestmark = pytest.mark.engine

PARTS = 4
"""So that workers share them."""
UNSENT = (b"FROM scratch\nCOPY */* /\n", b"FROM scratch\nCOPY */*/* /\n")
"""What buildx does not send of these: where a link points to that lies in a folder which a wildcard names. A folder in
which another link happens to lead there is built; without that link it is refused (tonistiigi/fsutil)."""
PLAIN = [case for case in CASES if b"RUN" not in case.dockerfile]
ROUNDS = max(2, settings.default.max_examples // 40)
"""Batches that hypothesis writes: 2, and with `--soak` many more."""


@pytest.fixture
def builds(docker_engine: PrivateEngine, busybox_base: str, tmp_path: Path) -> Builds:
    assert busybox_base == BUSYBOX
    return Builds(docker_engine, tmp_path)


def differences(cases: Sequence[Case], ours: Sequence[Result], theirs: Sequence[Result]) -> list[str]:
    """What differs, a line each. Folders count by the files in them: git knows no empty ones, so a seal has none."""
    return [
        f"{case!r}: {path}: {mine.get(path)} is not {other.get(path)}"
        for case, mine, other in zip(cases, ours, theirs, strict=True)
        for path in sorted(mine.keys() | other.keys())
        if mine.get(path) != other.get(path) and not _empty_folder(path, mine) and not _empty_folder(path, other)
    ]


def _empty_folder(path: str, found: Result) -> bool:
    inside = any(each.startswith(f"{path}/") and not _is_folder(found[each]) for each in found)
    return path in found and _is_folder(found[path]) and not inside


def _is_folder(entry: tuple[Any, ...]) -> bool:
    return bool(entry[0] == b"5")


def beside(case: Case) -> Case:
    """The same with other bytes and modes in every file that its recipe does not name, and with one more argument."""
    used = {file.path for file in recipe_of(case).files}
    used |= {f"{folder}/{path.partition('//')[2]}" for path in used for folder in case.contexts.values()}
    files: dict[str, Content] = {}
    for path, content in case.context.items():
        other = path not in used and not path.endswith(".dockerignore")
        files[path] = _other(content) if other else content
    return replace(case, context=files, args={**case.args, "NOBODY_DECLARES_ME": "1"})


def _other(content: Content) -> Content:
    if isinstance(content, Link):
        return Link("elsewhere")
    data, runs = content if isinstance(content, tuple) else (content, False)
    return data[::-1] + b"other", not runs


@pytest.mark.parametrize("part", range(PARTS))
def test_a_seal_builds_what_the_whole_context_builds(part: int, builds: Builds) -> None:
    cases = CASES[part::PARTS]

    assert not differences(cases, builds.sealed("sealed", cases), builds.whole("whole", cases))


@pytest.mark.parametrize("part", range(PARTS))
def test_what_the_seal_leaves_out_changes_nothing(part: int, builds: Builds, soak: bool) -> None:
    cases = CASES[part :: PARTS if soak else PARTS * 3]
    others = [beside(case) for case in cases]

    assert [recipe_of(case).id for case in others] == [recipe_of(case).id for case in cases]
    assert not differences(cases, builds.whole("others", others), builds.whole("whole", cases))


@settings(
    max_examples=ROUNDS,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(cases=st.lists(dockerfiles(), min_size=4, max_size=8))
def test_the_same_for_dockerfiles_that_nobody_wrote(
    cases: list[Case], builds: Builds, tmp_path_factory: pytest.TempPathFactory
) -> None:
    each = replace(builds, folder=tmp_path_factory.mktemp("written"))
    sealed = each.sealed("sealed", cases)

    assert not differences(cases, sealed, each.whole("whole", cases))
    assert not differences(cases, sealed, each.whole("others", [beside(case) for case in cases]))


@settings(
    max_examples=ROUNDS,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(found=st.lists(repositories(st.one_of(dockerfiles(), st.sampled_from(PLAIN))), min_size=4, max_size=8))
def test_the_same_with_a_dockerfile_files_and_args_from_elsewhere(
    found: list[Repository], builds: Builds, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What stands elsewhere in a repository is built as if it had been copied into the context, or given by hand."""
    each = replace(builds, folder=tmp_path_factory.mktemp("elsewhere"))
    cases = [one.apart for one in found]
    others = [one.with_others_changed() for one in found]

    assert [one.recipe.id for one in others] == [one.recipe.id for one in found]
    assert [Repository(one.case).recipe.id for one in found] == [one.recipe.id for one in found]
    assert not differences(cases, each.sealed_repositories("sealed", found), each.whole("whole", cases))
    assert not differences(cases, each.sealed_repositories("others", others), each.whole("again", cases))


@pytest.mark.parametrize("part", range(PARTS))
def test_the_recorded_dockerfiles_too(part: int, builds: Builds, soak: bool) -> None:
    able = [case for case in RECORDED if b"RUN" not in case.dockerfile and case.dockerfile not in UNSENT]
    cases = able[part :: PARTS if soak else PARTS * 10]

    assert not differences(cases, builds.sealed("sealed", cases), builds.whole("whole", cases))


@pytest.mark.parametrize("source", ["common/*.py", "requirements.txt/*"])
def test_a_folder_of_which_nothing_is_sent_is_refused_by_both(source: str, builds: Builds) -> None:
    context = {"common/a.sh": b"a", "requirements.txt": b"r"}
    case = Case("empty", f"FROM scratch\nCOPY {source} /in/\n".encode(), context)

    with pytest.raises(AssertionError, match="no such file or directory"):
        builds.whole("whole", [case])
    with pytest.raises(ConfigurationError, match="takes no file"):
        recipe_of(case)


def test_a_dockerfile_that_stands_outside_its_context_is_not_copied_by_either(builds: Builds) -> None:
    case = Case("copied", b"FROM scratch\nCOPY Dockerfile /\n", {"requirements.txt": b"r"})

    with pytest.raises(AssertionError, match="not found"):
        builds.whole("whole", [replace(case, apart=True)])
    with pytest.raises(ConfigurationError, match="Dockerfile is not in the build context"):
        _ = Repository(case).recipe


def test_the_reader_sees_the_stages_that_buildkit_sees(builds: Builds) -> None:
    for case, answer in zip(CASES, builds.asked("targets", CASES), strict=True):
        theirs = [(stage.get("name", ""), stage.get("base", "")) for stage in answer["targets"]]
        stages = read(case.dockerfile, "Dockerfile").stages
        assert [(stage.origin.name, stage.origin.base) for stage in stages] == theirs, case


def test_the_reader_sees_the_arguments_that_buildkit_sees(builds: Builds) -> None:
    for case, answer in zip(CASES, builds.asked("outline", CASES), strict=True):
        dockerfile = read(case.dockerfile, "Dockerfile")
        reading = evaluate(
            dockerfile, args=case.args, platform="linux/amd64", target=case.target, contexts=case.contexts
        )
        theirs = {arg["name"] for arg in answer.get("args", [])}
        assert reading.declared - automatic("linux/amd64", "", "linux/amd64").keys() == theirs, case


@pytest.fixture
def remote(builds: Builds, docker_engine: PrivateEngine) -> Iterator[Builds]:
    """The same with a remote builder, made by hand: `docker buildx create --driver remote`."""
    with remote_buildkit(docker_engine.host.removeprefix("unix://")) as address:
        argv = [buildx.find(), "create", "--driver=remote", "--name=by-hand", address]
        subprocess.run(argv, env=builds.env, check=True, capture_output=True)
        yield replace(builds, builder="by-hand")


@pytest.mark.parametrize("where", ["builds", "remote"])
def test_equal_size_and_time_with_other_bytes_are_built_anew(where: str, request: pytest.FixtureRequest) -> None:
    """BuildKit tells files of a folder apart by size and time alone; a seal's times are all one."""
    builds: Builds = request.getfixturevalue(where)
    for number, data in enumerate([b"old bytes", b"new bytes", b"old bytes"]):
        case = Case("bytes", b"FROM scratch\nCOPY file /\n", {"file": data})
        (result,) = builds.sealed(f"bytes-{number}", [case])
        assert {path: entry[-1] for path, entry in result.items()} == {"file": data}


def test_a_remote_builder_builds_the_same(builds: Builds, remote: Builds) -> None:
    cases = [case for case in CASES if b"busybox" not in case.dockerfile][::15]

    assert not differences(cases, remote.sealed("remote", cases), builds.whole("whole", cases))
