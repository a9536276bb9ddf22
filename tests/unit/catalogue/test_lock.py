"""Lock files: what they pin, the line of every fault, and rewriting one line alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.catalogue import lock, lock_epochs
from imageyard.catalogue.base_config import BaseConfig
from imageyard.errors import ConfigurationError

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
TEXT = f"""# Bases, as the hub answered.
debian:bookworm-slim@{A}  # 2026-11-01

ghcr.io/acme/tool@{B}
"""


def test_a_reference_is_found_in_any_of_its_spellings():
    pins = lock.parse(TEXT)
    assert dict(pins.pinned) == {"docker.io/library/debian:bookworm-slim": A, "ghcr.io/acme/tool:latest": B}
    assert pins.get("docker.io/library/debian:bookworm-slim") == A
    assert pins.get("library/debian:bookworm-slim") == A
    assert pins.get("ghcr.io/acme/tool:latest") == B
    assert pins.get("debian:trixie-slim") is None
    assert str(pins.where["ghcr.io/acme/tool:latest"]) == "images.lock:4:1"


def test_a_lock_that_is_missing_or_empty_pins_nothing(tmp_path):
    assert lock.read(tmp_path / "images.lock").pinned == {}
    (tmp_path / "images.lock").write_text("")
    assert lock.read(tmp_path / "images.lock").pinned == {}


@pytest.mark.parametrize(
    ("line", "at", "said"),
    [
        ("debian:bookworm", "3:1", "not a pinned reference: 'debian:bookworm'"),
        ("debian:bookworm@sha256:abc", "3:17", "not a sha256 digest: 'sha256:abc'"),
        (f"debian:bookworm@{A.upper()}", "3:17", "not a sha256 digest"),
        (f"Debian@{A}", "3:1", "not an image reference: 'Debian'"),
        (f"debian@{A} 2026-11-01", "3:1", "not a pinned reference"),
        (f" debian@{A}", "3:1", "not a pinned reference"),
        (f"debian:bookworm@{B}", "3:1", "docker.io/library/debian:bookworm is pinned twice; first at line 2"),
        ("<<<<<<< HEAD", "3:1", "a merge conflict stands here"),
        ("=======", "3:1", "a merge conflict stands here"),
    ],
)
def test_a_bad_line_is_pointed_at(line, at, said):
    with pytest.raises(ConfigurationError) as caught:
        lock.parse(f"# one\ndebian:bookworm@{A}\n{line}\n")
    assert str(caught.value.at) == f"images.lock:{at}"
    assert said in caught.value.headline


def test_a_lock_that_is_no_text_is_pointed_at(tmp_path):
    (tmp_path / "images.lock").write_bytes(b"# one\n\xff\n")
    with pytest.raises(ConfigurationError) as caught:
        lock.read(tmp_path / "images.lock", "images.lock")
    assert caught.value.at == "images.lock:2:1"


CONFIGS = f"""{A} linux/amd64 {{"Env":["A=1","B=x # y"],"OnBuild":["COPY . /src/"]}}
{A} linux/arm64 {{"Env":["A=1"]}}
{B} linux/amd64,linux/arm64 {{}}
"""
ONE = BaseConfig(("A=1", "B=x # y"), ("COPY . /src/",))


def test_what_an_image_leaves_stands_beside_its_pin():
    pins = lock.parse(f"debian@{A}\n{CONFIGS}")
    assert pins.configs == {
        A: {"linux/amd64": ONE, "linux/arm64": BaseConfig(("A=1",))},
        B: {"linux/amd64": BaseConfig(), "linux/arm64": BaseConfig()},
    }
    assert list(pins.pinned) == ["docker.io/library/debian:latest"]
    assert lock.parse(f"debian@{A}\n").configs == {}, "nobody asked"


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("sha256:abc linux/amd64 {}", 1, "not a sha256 digest: 'sha256:abc'"),
        (A, 1, "not a platform: ''"),
        (f"{A} amd64 {{}}", 73, "not a platform: 'amd64'"),
        (f"{A} linux/amd64,linux {{}}", 73, "not a platform: 'linux'"),
        (f"{A} linux/amd64", 84, "the image's config is missing"),
        (f"{A} linux/amd64 {{", 85, "it is not JSON"),
        (f"{A} linux/amd64 []", 85, "it is not an object"),
        (f'{A} linux/amd64 {{"Cmd":[]}}', 85, "it has 'Cmd'; only Env and OnBuild count"),
        (f'{A} linux/amd64 {{"Env":"A=1"}}', 85, "Env is not a list of texts"),
        (f'{A} linux/amd64 {{"OnBuild":[1]}}', 85, "OnBuild is not a list of texts"),
        (f"{A} linux/arm64,linux/riscv64 {{}}", 1, f"{A} has two configs for linux/riscv64; the first is at line 1"),
    ],
)
def test_a_bad_config_is_pointed_at(line, column, said):
    with pytest.raises(ConfigurationError) as caught:
        lock.parse(f"{A} linux/riscv64 {{}}\n{line}\n")
    assert said in caught.value.headline
    assert str(caught.value.at) == f"images.lock:2:{column}"
    assert "inv lock" in "".join(caught.value.hint)


@pytest.mark.parametrize(
    ("before", "configs", "keep", "after"),
    [
        ("", {}, (), ""),
        ("", {A: {"linux/amd64": BaseConfig()}}, (A,), f"{A} linux/amd64 {{}}\n"),
        (f"a@{A}  # old\n# end", {A: {"linux/amd64": ONE}}, (A,), f"a@{A}  # old\n{CONFIGS[:136]}\n# end\n"),
        (f"a@{A}\r\n# end\r\n", {A: {"x/y": BaseConfig()}}, (A,), f"a@{A}\r\n{A} x/y {{}}\r\n# end\r\n"),
        (f"a@{A}\n# one\n{CONFIGS}# end\n", {}, (A, B), f"a@{A}\n# one\n{CONFIGS}# end\n"),
        (f"{A} linux/amd64 {{}}\n# one\n", {}, (), "# one\n"),
        (f"{A} x/y {{}}\na@{A}\n", {A: {"x/y": ONE}}, (A,), f"a@{A}\n{CONFIGS[:136].replace('linux/amd64', 'x/y')}\n"),
        (f"{A} x/y   {{}}\na@{A}\n", {A: {"x/y": BaseConfig()}}, (A,), f"{A} x/y   {{}}\na@{A}\n"),
        (f"b@{B}\nc@{B}\nd@{A}\n", {B: {"x/y": ONE}}, (A, B), None),
    ],
)
def test_configs_are_written_below_their_pins_and_go_with_them(before, configs, keep, after):
    written = lock.with_configs(before, configs, keep)
    if after is None:
        assert [line[:2] for line in written.splitlines()] == ["b@", "c@", "sh", "d@"]
        return
    assert written == after
    assert lock.with_configs(written, configs, keep) == written


def test_a_pin_is_rewritten_between_configs():
    text = f"a@{A}\n{CONFIGS}"
    assert lock.with_line(text, "a", B, "2026-11-21") == f"a@{B}  # 2026-11-21\n{CONFIGS}"


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=3).map(tuple))
def test_any_text_of_a_config_comes_back(texts):
    configs = {A: {"linux/amd64": BaseConfig(texts, texts[::-1])}}
    assert lock.parse(lock.with_configs("# end", configs, (A,))).configs == configs


@pytest.mark.parametrize(
    ("before", "reference", "after"),
    [
        ("", "debian:x", f"docker.io/library/debian:x@{B}  # 2026-11-21\n"),
        ("# one", "debian:x", f"# one\ndocker.io/library/debian:x@{B}  # 2026-11-21\n"),
        (f"debian:x@{A}  # old\n# end\n", "docker.io/library/debian:x", f"debian:x@{B}  # 2026-11-21\n# end\n"),
        (f"debian@{A}\nb@{A}\n", "b", f"debian@{A}\nb@{B}  # 2026-11-21\n"),
        (f"debian@{A}\r\nb@{A}\r\n", "b", f"debian@{A}\r\nb@{B}  # 2026-11-21\r\n"),
        (f"a@{A}\r\n", "b", f"a@{A}\r\ndocker.io/library/b:latest@{B}  # 2026-11-21\r\n"),
    ],
)
def test_one_line_is_rewritten(before, reference, after):
    assert lock.with_line(before, reference, B, "2026-11-21") == after


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b:1", "ghcr.io/acme/c", "# note", ""]), max_size=6), st.sampled_from("abd"))
def test_rewriting_changes_nothing_else(entries, reference):
    seen, lines = set(), []
    for entry in entries:
        if entry not in seen:
            lines.append(f"{entry}@{A}" if entry and not entry.startswith("#") else entry)
            seen.add(entry or None)
    old = "".join(f"{line}\n" for line in lines)
    new = lock.with_line(old, reference, B, "2026-11-21")
    assert lock.parse(new).pinned == {**lock.parse(old).pinned, lock.reference_key(reference): B}
    changed = [line for line in new.splitlines() if line not in lines]
    assert len(changed) == 1
    assert lock.with_line(new, reference, B, "2026-11-21") == new


def test_the_file_is_rewritten_whole_or_not_at_all(tmp_path):
    path = tmp_path / "images.lock"
    lock.rewrite(path, "debian:bookworm", A, "2026-11-20")
    lock.rewrite(path, "debian:bookworm", B, "2026-11-21")
    assert path.read_text() == f"docker.io/library/debian:bookworm@{B}  # 2026-11-21\n"
    path.write_text("what is this")
    with pytest.raises(ConfigurationError):
        lock.rewrite(path, "debian:bookworm", A, "2026-11-20")
    assert path.read_text() == "what is this"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("epoch", "not an epoch: 'epoch'"),
        ("epoch 2026 a b", "not an epoch"),
        ("epoch a:b", "not an epoch: 'epoch a:b'"),
        ("epoch 3", "every image has two epochs; the first is at line 1"),
        ("epoch 3 linux-tool", "linux-tool has two epochs; the first is at line 2"),
    ],
)
def test_a_bad_epoch_is_pointed_at(line, said):
    with pytest.raises(ConfigurationError) as caught:
        lock.parse(f"epoch 1\nepoch 2 linux-tool\n{line}\n")
    assert (said in caught.value.headline, caught.value.at) == (True, "images.lock:3:1")


@pytest.mark.parametrize(
    ("text", "image", "declared", "epoch"),
    [
        ("", "a", "", ""),
        ("", "a", "2", "2"),
        ("epoch 2026-11-28  # weekly\n", "a", "", "lock:2026-11-28"),
        ("epoch 2026-11-28\n", "a", "2", "2 lock:2026-11-28"),
        ("epoch 2026-11-28\nepoch 7 a\n", "a", "2", "2 lock:7"),
        ("epoch 7 a\n", "b", "2", "2"),
    ],
)
def test_the_epoch_of_a_recipe(text, image, declared, epoch):
    assert lock_epochs.epoch_of(lock.parse(text).epochs, image, declared) == epoch


@pytest.mark.parametrize(
    ("before", "images", "after"),
    [
        ("", (), "epoch N\n"),
        ("# one\n\n# two\n", (), "# one\nepoch N\n\n# two\n"),
        (f"# one\na@{A}\n", (), f"# one\nepoch N\na@{A}\n"),
        (f"a@{A}\nepoch 1  # old\nb@{B}\n", (), f"a@{A}\nepoch N\nb@{B}\n"),
        ("epoch N  # why\n", (), "epoch N  # why\n"),
        ("epoch 1\nepoch 2 x\nepoch 3 y\n# end\n", (), "epoch N\n# end\n"),
        ("epoch 1 x\n# end\n", (), "epoch N\n# end\n"),
        ("epoch 1\nepoch 2 x\n", ("y", "x"), "epoch 1\nepoch N x\nepoch N y\n"),
        ("epoch 1\r\n# end\r\n", ("y",), "epoch 1\r\nepoch N y\r\n# end\r\n"),
        ("epoch 1\r\n# end\r\n", (), "epoch N\r\n# end\r\n"),
    ],
)
def test_epochs_are_moved(before, images, after):
    moved = lock_epochs.with_epochs(before, "N", images)
    assert moved == after
    assert lock_epochs.with_epochs(moved, "N", images) == moved


@given(
    st.lists(st.sampled_from(["epoch 1", "epoch 2 x", "epoch 3 y", f"a@{A}", f"{B} l/a {{}}", "# c", ""]), unique=True),
    st.sets(st.sampled_from("xyz")),
)
def test_moving_epochs_changes_nothing_else(lines, images):
    old = "\n".join(lines)
    new = lock_epochs.with_epochs(old, "N", images)
    before, after = lock.parse(old), lock.parse(new)
    assert (after.pinned, after.configs) == (before.pinned, before.configs)
    assert after.epochs == ({**before.epochs, **dict.fromkeys(images, "N")} if images else {"*": "N"})
    assert [line for line in new.split("\n") if "epoch" not in line and line] == [
        line for line in lines if "epoch" not in line and line
    ]
