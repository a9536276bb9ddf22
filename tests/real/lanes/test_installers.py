"""The real pip and uv install from the index: wheels by real builds, pages in HTML and in JSON."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from imageyard.lanes.channels import NIGHTLY
from imageyard.lanes.index_update import update_index
from imageyard.lanes.upload import upload_file
from imageyard.lanes.wheel import read_wheel
from support.lanes.built import build_with_setuptools, build_with_uv, clean_env, uv
from support.lanes.channels import BY, lane_channel, request
from support.lanes.memory_s3 import MemoryS3
from support.lanes.served_index import ServedIndex, served_index
from support.lanes.wheels import RULES

DAY = 86_400
SCRIPTS = '[tool.setuptools]\nscript-files = ["tool.sh"]\n[tool.setuptools.data-files]\n"share/acme" = ["tool.sh"]\n'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> MemoryS3:
    """Versions 1.0 and 1.1, 1.2 yanked, 1.3 withdrawn, a day between any two; and what they depend on."""
    s3 = MemoryS3()
    folder = tmp_path_factory.mktemp("projects")
    rules = lane_channel()
    upload_file(s3.bucket(), rules, build_with_uv(folder, "acme-tools", "2.0+acme"), BY)
    for minor in range(4):
        wheel = build_with_setuptools(folder, "torch-acme", f"1.{minor}+acme", "acme-tools>=1", more=SCRIPTS)
        upload_file(s3.bucket(), rules, wheel, BY)
        s3.seconds += DAY
    update_index(s3.bucket(), rules, s3.clock())
    s3.put("requests/acme/1.json", request("yank", "torch_acme-1.2+acme-py3-none-any.whl", reason="wrong ABI"))
    s3.put("requests/acme/2.json", request("withdraw", "torch_acme-1.3+acme-py3-none-any.whl"))
    update_index(s3.bucket(), rules, s3.clock())
    nightly = build_with_setuptools(folder, "torch-acme", "2.0.dev1+acme")
    upload_file(s3.bucket(), lane_channel(NIGHTLY), nightly, BY)
    update_index(s3.bucket(), lane_channel(NIGHTLY), s3.clock())
    return s3


@pytest.fixture(params=["json", "html"])
def index(request: pytest.FixtureRequest, shop: MemoryS3) -> Iterator[ServedIndex]:
    with served_index(dict(shop.handed_out), has_json=request.param == "json") as served:
        yield served


@pytest.fixture(scope="module")
def own_pip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with the pip that virtualenv brings along, which is newer than Python's own."""
    folder = tmp_path_factory.mktemp("pip") / "venv"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", "--no-download", str(folder)], check=True)
    return str(folder / "bin" / "python")


@dataclass
class Installer:
    """An installer, and what came of its last run."""

    argv: list[str]
    dry: list[str]
    said: str = field(default="")

    def install(self, index: ServedIndex, target: Path, *wanted: str, channel: str = "stable") -> dict[str, str] | None:
        """The versions that were installed, by project; None where it refused."""
        argv = [*self.argv, "--index-url", index.url(channel), "--target", str(target), *wanted]
        done = subprocess.run(argv, env=clean_env(), capture_output=True, text=True, check=False)
        self.said = done.stdout + done.stderr
        if done.returncode:
            return None
        found = [path.name.removesuffix(".dist-info").partition("-") for path in target.glob("*.dist-info")]
        return {name: version for name, _, version in found}


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, own_pip: str) -> Installer:
    if request.param == "uv":
        argv = [uv(), "pip", "install", "--no-cache", "--python", own_pip, "--link-mode", "copy"]
        return Installer(argv, ["--dry-run"])
    argv = [own_pip, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
    return Installer([*argv, "--only-binary", ":all:"], ["--dry-run"])


def test_real_wheels_are_read(shop: MemoryS3) -> None:
    wheels = {key: each.body for key, each in shop.objects.items() if key.endswith(".whl")}
    assert len(wheels) == 6
    for key, body in wheels.items():
        facts = read_wheel(io.BytesIO(body), key.rpartition("/")[2], RULES)
        assert facts.sha256 == hashlib.sha256(body).hexdigest()
        assert facts.requires_python == ">=3.8"


def test_the_newest(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    assert installer.install(index, tmp_path, "torch-acme") == {"torch_acme": "1.1+acme", "acme_tools": "2.0+acme"}
    assert (tmp_path / "torch_acme" / "__init__.py").read_text() == "VERSION = '1.1+acme'\n"


def test_a_pinned_version(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    found = installer.install(index, tmp_path, "torch-acme==1.0+acme")
    assert found == {"torch_acme": "1.0+acme", "acme_tools": "2.0+acme"}


def test_a_yanked_version_is_installed_where_it_is_pinned_alone(
    installer: Installer, index: ServedIndex, tmp_path: Path
) -> None:
    assert installer.install(index, tmp_path / "range", "torch-acme>=1.2") is None
    found = installer.install(index, tmp_path / "pin", "torch-acme==1.2+acme")
    assert found == {"torch_acme": "1.2+acme", "acme_tools": "2.0+acme"}
    assert "wrong ABI" in installer.said


def test_a_withdrawn_version_is_never_installed(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    assert installer.install(index, tmp_path, "torch-acme==1.3+acme") is None
    url = f"{index.url().partition('/index/')[0]}/files/acme/stable/torch_acme-1.3%2Bacme-py3-none-any.whl"
    assert installer.install(index, tmp_path, f"torch-acme @ {url}") is None
    assert not tmp_path.joinpath("torch_acme").exists()


def test_a_channel_has_its_own_versions(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    pre = ["--pre"] if "pip" in installer.argv[2] else ["--prerelease", "allow"]
    found = installer.install(index, tmp_path, *pre, "torch-acme", channel="nightly")
    assert found == {"torch_acme": "2.0.dev1+acme"}


def test_other_bytes_than_the_index_says_are_refused(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    """uv compares with what the requirements say (its documentation, `--require-hashes`); pip with the page too."""
    key = "files/acme/stable/torch_acme-1.1+acme-py3-none-any.whl"
    right = hashlib.sha256(index.objects[key].body).hexdigest()
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(f"torch-acme==1.1+acme --hash=sha256:{right}\n")
    argv = ["--no-deps", "--require-hashes", "-r", str(wanted)]
    assert installer.install(index, tmp_path / "right", *argv) == {"torch_acme": "1.1+acme"}
    other = index.objects["files/acme/stable/torch_acme-1.0+acme-py3-none-any.whl"].body
    index.objects = {**index.objects, key: replace(index.objects[key], body=other)}
    assert installer.install(index, tmp_path / "other", *argv) is None
    assert right in installer.said
    if installer.argv[1] == "-m":
        assert installer.install(index, tmp_path / "page", "--no-deps", "torch-acme==1.1+acme") is None
        assert right in installer.said


def test_metadata_is_read_without_the_wheel(installer: Installer, index: ServedIndex, tmp_path: Path) -> None:
    argv = [*installer.argv, "--index-url", index.url(), *installer.dry, "torch-acme"]
    done = subprocess.run(argv, env=clean_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "acme-tools" in done.stdout + done.stderr
    assert sorted(path.rpartition("/")[2] for path in index.asked(".metadata")) == [
        "acme_tools-2.0+acme-py3-none-any.whl.metadata",
        "torch_acme-1.1+acme-py3-none-any.whl.metadata",
    ]
    assert index.asked(".whl") == []


@pytest.mark.parametrize(
    ("until", "version"), [("2026-11-28T12:00:00Z", "1.0+acme"), ("2027-01-01T00:00:00Z", "1.1+acme")]
)
def test_uv_takes_nothing_newer_than_a_time(
    shop: MemoryS3, own_pip: str, tmp_path: Path, until: str, version: str
) -> None:
    """The times are in JSON alone (PEP 700)."""
    uv_pip = Installer([uv(), "pip", "install", "--no-cache", "--python", own_pip, "--exclude-newer", until], [])
    with served_index(dict(shop.handed_out), has_json=True) as index:
        assert uv_pip.install(index, tmp_path, "torch-acme", "--no-deps") == {"torch_acme": version}
