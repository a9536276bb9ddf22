"""What changed in an image, end to end: real dpkg-query in a real engine, records at a real registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from support.registry.served import tool
from support.yard.publishing import ARCH, BASE, CONTEXT, PublishingYard

pytestmark = [pytest.mark.engine]

TITLE = f"{BASE} {ARCH}"


def status(**packages: str) -> str:
    """The file in which dpkg says what is installed."""
    form = "Package: {}\nStatus: install ok installed\nArchitecture: {}\nMulti-Arch: same\nVersion: {}\n\n"
    return "".join(form.format(name, ARCH, version) for name, version in packages.items())


def ok(yard: PublishingYard, *argv: str) -> str:
    """The result of a command that succeeds."""
    done = yard.inv(*argv)
    assert done.code == 0, done.all
    return done.out.rstrip()


@pytest.fixture
def debian(port: PublishingYard) -> PublishingYard:
    """The yard with dpkg-query and its libraries of this machine in its base, and a fact that runs it."""
    program = shutil.which("dpkg-query")
    if program is None:
        pytest.skip("needs a machine with dpkg")
    linked = subprocess.check_output(["ldd", program], text=True)
    for file in (program, *re.findall(r"(/\S+) \(0x", linked)):
        kept = port.top / CONTEXT / "base/root" / file.lstrip("/")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, kept)
    facts = "facts: {packages: {run: /usr/bin/dpkg-query -W}, nothing: {run: no-such-program}}"
    port.edit("images.yml", "defaults:\n", f"defaults:\n  {facts}\n")
    port.write("base/status", status(libc6="2.36-9", bash="5.2-1"))
    dockerfile = port.text("base/Dockerfile")
    port.write("base/Dockerfile", f"{dockerfile}COPY base/root/ /\nCOPY base/status /var/lib/dpkg/status\n")
    port.commit()
    return port


def publish(yard: PublishingYard, day: str) -> str:
    """Build and push the image, and call it a canary too; returns its tag."""
    ok(yard, "build", BASE)
    ok(yard, "push", BASE)
    tag = yard.tag(BASE)
    tool("crane", "tag", str(yard.at(tag)), f"{BASE}-weekly-{day}")
    return tag


def test_an_image_is_built_pushed_changed_and_compared(debian: PublishingYard) -> None:
    before = publish(debian, "20260103")
    (record,) = json.loads(ok(debian, "records", BASE, "--json"))
    assert record["facts"] == {"packages": [f"bash:{ARCH}\t5.2-1", f"libc6:{ARCH}\t2.36-9"]}
    assert record["remarks"] == ["no fact nothing: no such program (exit status 127)"]
    manifest = json.loads(tool("crane", "manifest", str(debian.at(before))))
    assert record["layers"] == [layer["size"] for layer in manifest["layers"]]
    tool("crane", "tag", str(debian.at(before)), f"{BASE}-weekly-20260110")

    debian.write("base/status", status(libc6="2.41-2", zlib1g="1.3"))
    debian.commit()
    after = publish(debian, "20260117")

    said = ok(debian, "diff", BASE).splitlines()
    assert said[:7] == [
        f"{TITLE}: {before} (HEAD^1) -> {after} (now)",
        "why:",
        "  base/status changed",
        "packages: 1 came, 1 went, 1 moved",
        f"  moved  libc6:{ARCH}   2.36-9 -> 2.41-2",
        f"  came   zlib1g:{ARCH}  1.3",
        f"  went   bash:{ARCH}    5.2-1",
    ]
    assert said[7].startswith("size: ")
    assert "COPY base/status /var/lib/dpkg/status" in said[8]
    assert said[9] == f"  {len(manifest['layers']) - 1} layers the same"
    by_tag, by_digest = (
        json.loads(ok(debian, "diff", BASE, "--from", name, "--json"))
        for name in (before, tool("crane", "digest", str(debian.at(before))))
    )
    assert by_tag["facts"]["packages"]["moved"] == {f"libc6:{ARCH}": ["2.36-9", "2.41-2"]}
    assert {key: by_tag[key] for key in ("facts", "why", "layers", "to")} == {
        key: by_digest[key] for key in ("facts", "why", "layers", "to")
    }

    assert ok(debian, "facts", BASE) == f"packages\tlibc6:{ARCH}\t2.41-2\npackages\tzlib1g:{ARCH}\t1.3"
    for weekly, tags in (
        ((), (before, after)),
        (("--weekly",), (f"{BASE}-weekly-20260103", f"{BASE}-weekly-20260117")),
    ):
        lines = ok(debian, "facts", BASE, "--find", "libc6", *weekly).splitlines()[1:]
        assert [line.split()[:4] for line in lines] == [
            ["packages", f"libc6:{ARCH}", "2.36-9", tags[0]],
            ["packages", f"libc6:{ARCH}", "2.41-2", tags[1]],
        ]
    canary = ok(debian, "diff", BASE, "--to", "weekly-20260117").splitlines()
    assert canary[0] == f"{TITLE}: {BASE}-weekly-20260110 -> {BASE}-weekly-20260117"

    debian.write("base/status", status(libc6="2.42-1", zlib1g="1.3"))
    ok(debian, "build", BASE)
    here = ok(debian, "diff", BASE).splitlines()
    assert here[0] == f"{TITLE}: {after} (HEAD) -> {debian.tag(BASE)} (now)"
    assert here[3:] == ["packages: 1 moved", f"  moved  libc6:{ARCH}  2.41-2 -> 2.42-1"], "an image that only is here"


def test_what_is_nowhere_and_what_has_no_such_package(debian: PublishingYard) -> None:
    done = debian.inv("diff", BASE)
    assert (done.code, done.out) == (7, "")
    assert "and was not built here" in done.err
    for argv, code in (
        (("diff", BASE, "--from", "nowhere"), 2),
        (("diff", "linux-*"), 2),
        (("facts", BASE), 7),
        (("facts", BASE, "--find", "libc6", "--weekly"), 7),
        (("facts", BASE, "--weekly"), 2),
    ):
        assert debian.inv(*argv).code == code, argv
