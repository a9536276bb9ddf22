"""A build script is run with a stub docker: what it passes is kept, and a catalogue that says the same is at parity.

The script is written from how ExecuTorch's is described: a `case` over sixteen names, three args read from files of
pins, a file copied in first, and `--no-cache` always.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.adopt import recorded
from imageyard.adopt.parity import differences
from imageyard.adopt.recording import record
from imageyard.catalogue import expand
from imageyard.errors import ConfigurationError, NotFound
from support.git import commit_all, sh

SCRIPT = """\
#!/bin/bash
set -eu
name="$1"
folder=$(cd "$(dirname "$0")" && pwd)
CLANG= GCC= PYTHON=3.10 MINIMAL=
case "$name" in
  mobile-gcc9*) GCC=9 ;;
  mobile-gcc11*) GCC=11 ;;
  mobile-clang*) CLANG=${name#mobile-clang}; CLANG=${CLANG%%-*} ;;
  *) echo "no such image: $name" >&2; exit 3 ;;
esac
case "$name" in
  *-arm) SDK=arm ;;
  *-android) SDK=android ;;
  *-qnn) SDK=qnn ;;
  *) SDK= ;;
esac
TORCH=$(cat pins/torch.txt)
cp ../../requirements.txt .
trap 'rm requirements.txt' EXIT
docker info > /dev/null
docker build --no-cache --progress=plain -f ubuntu/Dockerfile \\
  --build-arg "PYTHON=$PYTHON" --build-arg "CLANG=$CLANG" --build-arg "GCC=$GCC" --build-arg "SDK=$SDK" \\
  --build-arg "TORCH=$TORCH" --build-arg "NIGHTLY=$(cat pins/nightly.txt)" \\
  --build-arg "BUCK=$(cat ../../pins/buck.txt)" --build-arg FROM_OUTSIDE -t "$name" "${@:2}" .
docker images -q "$name"
"""
NAMES = [
    f"mobile-{compiler}{sdk}"
    for compiler in ("gcc9", "gcc11", "clang12", "clang18")
    for sdk in ("", "-arm", "-android", "-qnn")
]
CATALOGUE = """\
defaults:
  dockerfile: ubuntu/Dockerfile
  files: {requirements.txt: /requirements.txt}
  args:
    {PYTHON: 3.10, TORCH: "file:pins/torch.txt", NIGHTLY: "file:pins/nightly.txt", BUCK: "file:/pins/buck.txt"}
  arches: [amd64]
axes:
  compiler: {"gcc{9,11}": {GCC: "{}"}, "clang{12,18}": {CLANG: "{}"}}
  sdk: {"{arm,android,qnn}": {SDK: "{}"}}
  plain: {mobile}
images:
  mobile:
    names:
      mobile-{compiler}:
      mobile-{compiler}-{sdk}:
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository whose script was changed after its last commit: what stands there counts."""
    top = tmp_path / "repository"
    for name, text in {
        ".ci/docker/build.sh": "#!/bin/bash\nexit 9\n",
        ".ci/docker/pins/torch.txt": "abc\n",
        ".ci/docker/pins/nightly.txt": "dev1\n",
        ".ci/docker/ubuntu/Dockerfile": "FROM scratch\n",
        ".ci/docker/images.yml": CATALOGUE,
        "pins/buck.txt": "2026\n",
        "requirements.txt": "ruff\n",
        ".gitignore": "ignored\n",
        "ignored": "never copied\n",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    sh(top, "init", "--quiet")
    commit_all(top)
    (top / ".ci" / "docker" / "build.sh").write_text(SCRIPT)
    return top


def test_sixteen_names(top: Path, tmp_path: Path) -> None:
    """Args that the script leaves empty and `--no-cache` are all that differs; the repository is as it was."""
    before = {path: path.read_bytes() for path in top.rglob("*") if path.is_file() and ".git" not in path.parts}
    found = record(top, top / ".ci" / "docker" / "build.sh", NAMES, "amd64", {})
    assert found.ignored == ("--progress", "--tag")
    (tmp_path / "builds.json").write_text(recorded.as_text(found.builds, "a test"))
    builds = recorded.load(tmp_path / "builds.json")
    assert builds == list(found.builds)
    assert builds[0] == recorded.RecordedBuild(
        "mobile-gcc9",
        "amd64",
        "ubuntu/Dockerfile",
        {"PYTHON": "3.10", "CLANG": "", "GCC": "9", "SDK": "", "TORCH": "abc", "NIGHTLY": "dev1", "BUCK": "2026"},
        context=".ci/docker",
        no_cache=True,
        files=("requirements.txt",),
    )
    catalogue = expand.load(top / ".ci" / "docker" / "images.yml", top)
    different = differences(catalogue.rows, builds, catalogue.folder)
    assert {one.name for one in different} == set(NAMES)
    assert {one.subject for one in different} == {"no-cache", "empty arg CLANG", "empty arg GCC", "empty arg SDK"}
    after = {path: path.read_bytes() for path in top.rglob("*") if path.is_file() and ".git" not in path.parts}
    assert after == before


def test_a_pin_that_moved(top: Path) -> None:
    """The catalogue reads what stands there now, and the record what stood there: it is told which arg it is."""
    found = record(top, top / ".ci" / "docker" / "build.sh", NAMES[:1], "amd64", {"FROM_OUTSIDE": "yes"})
    (top / ".ci" / "docker" / "pins" / "torch.txt").write_text("def\n")
    catalogue = expand.load(top / ".ci" / "docker" / "images.yml", top)
    rows = [row for row in catalogue.rows if row.name == NAMES[0]]
    different = {one.subject: (one.recorded, one.ours) for one in differences(rows, found.builds, catalogue.folder)}
    assert different["arg TORCH"] == ("abc", "def")
    assert different["arg FROM_OUTSIDE"] == ("yes", None)


def test_a_name_that_the_script_does_not_know(top: Path) -> None:
    with pytest.raises(ConfigurationError, match="the script ended with 3") as failed:
        record(top, top / ".ci" / "docker" / "build.sh", ["mobile-icc"], "amd64", {})
    assert failed.value.detail == ("no such image: mobile-icc",)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("true", "0 builds"),
        ("docker run debian true", "0 builds"),
        ("docker build .; docker build .", "2 builds"),
        ("docker build /", "out of the repository"),
        ("docker build --platform linux/vax .", "linux/vax"),
    ],
)
def test_a_script_that_is_not_one_build(top: Path, lines: str, words: str) -> None:
    (top / "build.sh").write_text(f"#!/bin/sh\n{lines}\n")
    with pytest.raises(ConfigurationError) as refused:
        record(top, top / "build.sh", ["one"], "amd64", {})
    assert words in str(refused.value)


def test_where_the_platform_is_named(top: Path) -> None:
    (top / "build.sh").write_text("#!/bin/sh\ndocker buildx build --platform linux/arm/v7 .ci/docker/ubuntu\n")
    (found,) = record(top, top / "build.sh", ["one"], "amd64", {}).builds
    assert (found.arch, found.context, found.dockerfile) == ("armv7", ".ci/docker/ubuntu", "Dockerfile")


def test_no_script(top: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        record(top, top / "none.sh", ["one"], "amd64", {})
    with pytest.raises(ConfigurationError, match="not in the repository"):
        record(top, tmp_path / "else.sh", ["one"], "amd64", {})
