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
        ("echo FROM scratch | docker build -", "no folder of the repository"),
        ("docker build https://example.com/some.git", "no folder of the repository"),
        ("docker build -f /tmp/Dockerfile .", "Dockerfile /tmp/Dockerfile is out of the repository"),
        ("docker build --build-context c=/tmp .", "context /tmp is out of the repository"),
        ("buildah bud .", "records docker, and not buildah"),
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


def recorded_build(top: Path, *lines: str) -> recorded.RecordedBuild:
    (top / "build.sh").write_text("\n".join(["#!/bin/bash", "set -e", *lines, ""]))
    (found,) = record(top, top / "build.sh", ["one"], "amd64", {"EXPORTED": "yes"}).builds
    return found


def test_what_a_script_looks_at_after_its_build_is_not_there(top: Path) -> None:
    """PyTorch's runs the image and ends with 1 where it does not answer."""
    (top / "build.sh").write_text("#!/bin/sh\ndocker build .\ndocker run it lsb_release | grep -q Ubuntu || exit 7\n")
    found = record(top, top / "build.sh", ["one"], "amd64", {})
    assert (len(found.builds), found.failed) == (1, {"one": 7})


def test_each_platform_is_a_build(top: Path) -> None:
    (top / "build.sh").write_text("#!/bin/sh\ndocker buildx --builder b build --platform linux/amd64,linux/arm64 .\n")
    assert [one.arch for one in record(top, top / "build.sh", ["one"], "amd64", {}).builds] == ["amd64", "arm64"]


def test_args_and_contexts(top: Path) -> None:
    found = recorded_build(top, "docker build --build-arg=EXPORTED --build-context pins=$PWD/pins --target pins .")
    assert (found.args, found.contexts, found.files) == ({"EXPORTED": "yes"}, {"pins": "/pins"}, ())
    assert found.target == "pins"


def test_links_are_as_they_are(top: Path) -> None:
    """One that the script changed is told; one that leads out of the repository is copied and not followed."""
    outside = top.parent / "outside"
    outside.mkdir()
    (outside / "x").write_text("never touched\n")
    (top / "link").symlink_to("requirements.txt")
    (top / "folder").symlink_to(outside)
    commit_all(top)
    assert recorded_build(top, "docker build .").files == ()
    assert recorded_build(top, "ln -sf .gitignore link", "docker build .").files == ("link",)
    assert (outside / "x").read_text() == "never touched\n"


def test_nothing_reaches_the_repository_an_engine_or_a_login(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the script does: a push, sudo, a real docker by its path, the variables of the caller."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://real:2375")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/real")
    said = tmp_path / "said"
    recorded_build(
        top,
        "git push origin HEAD:refs/heads/pushed 2> /dev/null || git commit --quiet --allow-empty -m x || true",
        f'echo "$DOCKER_HOST $SSH_AUTH_SOCK $DOCKER_CONFIG" > {said}',
        "sudo -E -u root A=1 docker build .",
    )
    assert sh(top, "branch", "--list", "pushed") == ""
    assert "real" not in said.read_text()


def test_no_script(top: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        record(top, top / "none.sh", ["one"], "amd64", {})
    with pytest.raises(ConfigurationError, match="not in the repository"):
        record(top, tmp_path / "else.sh", ["one"], "amd64", {})
