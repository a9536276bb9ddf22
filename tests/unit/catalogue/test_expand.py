"""Expansion: names, levels, placeholders, architectures, parents, checks, settings."""

import json
import string
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.catalogue import text
from imageyard.catalogue.builder_sections import DepotSettings, RemoteSettings, remote_settings
from imageyard.catalogue.expand import expand, load
from imageyard.catalogue.expectations.matches import MatchExpected
from imageyard.catalogue.expectations.passes import PASSES
from imageyard.catalogue.expectations.present import PresenceExpected
from imageyard.catalogue.expectations.version import VersionExpected
from imageyard.catalogue.model import Registry, Runner, Secret
from imageyard.errors import ConfigurationError

TOP = Path(__file__).parents[3]
EXAMPLES = TOP / "examples"
AXES = """
axes:
  os: {jammy: {UBUNTU_VERSION: 22.04}, noble: {UBUNTU_VERSION: 24.04}}
  python: {"py{3.10,3.11}": {PYTHON_VERSION: "{}"}, py3.14t: {PYTHON_VERSION: 3.14, FREE: 1}}
  compiler: {"gcc{11,13}": {GCC_VERSION: "{}"}}
  version: {xpu-n: {XPU: new}, xpu-n-1: {XPU: old}}
  bench: {"{inductor-,}benchmarks": {BENCH: "<{}>"}}
  plain: {linux, base, child, a, a-b, b-c}
"""


def catalogue(names, family="dockerfile: Dockerfile", top=""):
    return expand(text.parse(f"{top}{AXES}images:\n  cpu:\n    {family}\n    names:\n{names}\n")).catalogue


def only(names, family="dockerfile: Dockerfile", top=""):
    (image,) = catalogue(names, family, top).images.values()
    return image


# The golden matrix


def test_the_pytorch_catalogue_is_what_its_build_script_passes():
    matrix = json.loads((TOP / "tests" / "golden" / "pytorch-matrix.json").read_text())
    images = load(EXAMPLES / "pytorch" / "images.yml", TOP).images
    expected = {
        name: (row["dockerfile"], row["args"], ("arm64",) if name in matrix["arches"]["arm64"] else ("amd64",))
        for name, row in matrix["rows"].items()
    }
    assert {name: (i.dockerfile, i.args, i.arches) for name, i in images.items()} == expected


def test_stale_rows_stay_as_recorded_in_a_family_that_says_so():
    matrix = json.loads((TOP / "tests" / "golden" / "pytorch-matrix.json").read_text())
    images = load(EXAMPLES / "pytorch" / "images.yml", TOP).images
    stale = {name for name, row in matrix["rows"].items() if row["status"] == "stale"}
    thin = {name for name, image in images.items() if image.family == "thin"}
    # What is stale and yet as thick as its name says stands with its like.
    assert {images[name].where.path for name in stale - thin} == {"images.cpu.names.jammy-{python}-clang21"}
    assert thin < stale
    assert len(thin) == 8


def test_the_pytorch_catalogue_carries_the_rest():
    pytorch = load(EXAMPLES / "pytorch" / "images.yml", TOP)
    long = pytorch.images["pytorch-linux-jammy-aarch64-py3.10-gcc13-inductor-benchmarks"]
    assert long.timeout == 36000
    assert pytorch.images["pytorch-linux-jammy-linter"].timeout == 14400
    assert pytorch.tag == "tree"
    assert pytorch.mirrors == ("ghcr.io/pytorch/ci-image",)
    remote = pytorch.builders.of(RemoteSettings)
    assert remote is not None
    assert remote.insecure
    assert remote.addresses["arm64"] == "tcp://buildkitd-arm64.buildkit:1234"
    riscv = pytorch.images["pytorch-linux-noble-riscv64-py3.12-gcc14"]
    assert [check.run[0] for check in riscv.checks] == ["lsb_release", "riscv64-linux-gnu-gcc-14", "python"]
    assert [check.expects for check in riscv.checks] == [
        VersionExpected("24.04"),
        VersionExpected("14"),
        PresenceExpected(("TRITON", "TRITON_CPU")),
    ]


def test_the_debian_catalogue_builds_parents_first_on_both_architectures():
    debian = load(EXAMPLES / "debian" / "images.yml", TOP)
    assert [(row.name, row.arch) for row in debian.rows][:4] == [
        ("linux-bookworm-base", "amd64"),
        ("linux-bookworm-base", "arm64"),
        ("linux-trixie-base", "amd64"),
        ("linux-trixie-base", "arm64"),
    ]
    assert len(debian.rows) == 18
    child = debian.images["linux-trixie-py3.13-clang19"]
    assert child.parents == {"BASE": "linux-trixie-base"}
    assert child.args == {"PYTHON_VERSION": "3.13", "CLANG_VERSION": "19"}
    assert [(check.name, check.expects) for check in child.checks] == [
        ("python", VersionExpected("3.13")),
        ("clang", VersionExpected("19")),
    ]
    assert debian.folder == "examples/debian"
    assert debian.registry == Registry("ghcr.io/acme/ci-image", "ghcr.io/acme/ci-image")


# Names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("linux-jammy", ["linux-jammy"]),
        ("linux-{jammy,noble}", ["linux-jammy", "linux-noble"]),
        ("linux{,-base}", ["linux", "linux-base"]),
        ("linux-{os}", ["linux-jammy", "linux-noble"]),
        ("{python}", ["py3.10", "py3.11", "py3.14t"]),
        ("{os}-gcc{11,13}", ["jammy-gcc11", "jammy-gcc13", "noble-gcc11", "noble-gcc13"]),
        ("jammy-py3.1{0,1}{,-gcc11}", ["jammy-py3.10", "jammy-py3.10-gcc11", "jammy-py3.11", "jammy-py3.11-gcc11"]),
    ],
)
def test_patterns(pattern, names):
    assert list(catalogue(f'      "{pattern}":').images) == names


@pytest.mark.parametrize(
    ("name", "words", "args"),
    [
        ("jammy-xpu-n", ("jammy", "xpu-n"), {"UBUNTU_VERSION": "22.04", "XPU": "new"}),
        ("jammy-xpu-n-1", ("jammy", "xpu-n-1"), {"UBUNTU_VERSION": "22.04", "XPU": "old"}),
        ("py3.14t-gcc13", ("py3.14t", "gcc13"), {"PYTHON_VERSION": "3.14", "FREE": "1", "GCC_VERSION": "13"}),
        ("linux-inductor-benchmarks", ("linux", "inductor-benchmarks"), {"BENCH": "<inductor->"}),
        ("linux-benchmarks", ("linux", "benchmarks"), {"BENCH": "<>"}),
        ("a-b", ("a-b",), {}),
        ("a-b-c", ("a", "b-c"), {}),
        ("linux-a-base", ("linux", "a", "base"), {}),
    ],
)
def test_a_name_is_read_as_a_sentence(name, words, args):
    image = only(f"      {name}:")
    assert (image.words, image.args) == (words, args)


def test_the_prefix_stands_before_every_name_and_is_no_word():
    images = catalogue(
        "      linux-base:\n      linux-child: {args: {BASE: 'image:linux-base', ME: '{image}'}}", top="prefix: acme-\n"
    ).images
    assert list(images) == ["acme-linux-base", "acme-linux-child"]
    assert images["acme-linux-child"].parents == {"BASE": "acme-linux-base"}
    assert images["acme-linux-child"].args == {"ME": "acme-linux-child"}


def test_twenty_thousand_names_are_the_limit():
    axes = "".join(f"  d{n}: {{'{chr(97 + n)}{{{','.join('0123456789')}}}': }}\n" for n in range(5))
    source = (
        f"axes:\n{axes}images:\n  cpu:\n    dockerfile: D\n    names:\n      '{{d0}}-{{d1}}-{{d2}}-{{d3}}-{{d4}}':\n"
    )
    with pytest.raises(ConfigurationError, match="more than 20,000 names"):
        expand(text.parse(source))
    assert len(expand(text.parse(source.replace("-{d4}", ""))).catalogue.rows) == 10_000


# Levels


@pytest.mark.parametrize(
    ("defaults", "family", "name", "args"),
    [
        ("{A: d}", "{}", "{}", {"A": "d", "UBUNTU_VERSION": "22.04"}),
        ("{A: d}", "{A: f}", "{}", {"A": "f", "UBUNTU_VERSION": "22.04"}),
        ("{A: d}", "{A: f}", "{A: n}", {"A": "n", "UBUNTU_VERSION": "22.04"}),
        ("{A: d}", "{A: ~}", "{}", {"UBUNTU_VERSION": "22.04"}),
        ("{A: d}", "{A: ~}", "{A: n}", {"A": "n", "UBUNTU_VERSION": "22.04"}),
        ("{UBUNTU_VERSION: d}", "{}", "{}", {"UBUNTU_VERSION": "22.04"}),
        ("{}", "{UBUNTU_VERSION: f}", "{}", {"UBUNTU_VERSION": "f"}),
        ("{A: d}", "~", "{B: n}", {"B": "n"}),
        ("{A: ''}", "{}", "{}", {"A": "", "UBUNTU_VERSION": "22.04"}),
        ("{A: '{UBUNTU_VERSION}'}", "{}", "{UBUNTU_VERSION: n}", {"A": "n", "UBUNTU_VERSION": "n"}),
        (
            "{A: '{B}{B}', B: '<{C}>', C: c}",
            "{}",
            "{}",
            {"A": "<c><c>", "B": "<c>", "C": "c", "UBUNTU_VERSION": "22.04"},
        ),
        ("{A: '{os}/{arch}/{image}'}", "{}", "{}", {"A": "jammy/amd64/jammy", "UBUNTU_VERSION": "22.04"}),
        ("{A: '{ print } {3} {{.Name}}'}", "{}", "{}", {"A": "{ print } {3} {{.Name}}", "UBUNTU_VERSION": "22.04"}),
    ],
)
def test_args_merge_by_level(defaults, family, name, args):
    top = f"defaults: {{args: {defaults}}}\n"
    assert only(f"      jammy: {{args: {name}}}", f"dockerfile: D\n    args: {family}", top).args == args


def test_maps_merge_and_all_else_replaces():
    top = """
defaults:
  tags: [one, two]
  timeout: 1h
  checks: {gcc: {run: gcc --version, version: 11}, ld: {run: ld}, as: {run: as}}
  secrets: {token: {source: env:TOKEN}}
"""
    image = only(
        "      jammy: {tags: [three], checks: {ld: ~, gcc: {run: cc --version}}, secrets: {token: {required: no}}}",
        "dockerfile: D\n    timeout: ~",
        top,
    )
    assert image.tags == ("three",)
    assert image.timeout == 14400
    assert [(c.name, c.run, c.expects) for c in image.checks] == [
        ("gcc", ("cc", "--version"), VersionExpected("11")),
        ("as", ("as",), PASSES),
    ]
    assert image.secrets == (Secret("token", "env:TOKEN", required=False),)


def test_per_arch_comes_last_whatever_level_says_it():
    top = "defaults: {arches: [amd64, arm64], per_arch: {arm64: {args: {ACL: yes, GCC_VERSION: ~}, timeout: 10h}}}\n"
    rows = catalogue(
        "      jammy-gcc11: {args: {ACL: no, A: '{arch}'}, per_arch: {arm64: {runner: 'linux.{arch}', args: {B: 1}}}}",
        top=top,
    ).rows
    amd64, arm64 = rows
    assert amd64.args == {"ACL": "no", "UBUNTU_VERSION": "22.04", "GCC_VERSION": "11", "A": "amd64"}
    assert arm64.args == {"ACL": "yes", "UBUNTU_VERSION": "22.04", "A": "arm64", "B": "1"}
    assert (amd64.image.timeout, arm64.image.timeout) == (14400, 36000)
    assert (amd64.image.runner, arm64.image.runner) == (None, Runner(("linux.arm64",)))
    assert amd64.image.arches == arm64.image.arches == ("amd64", "arm64")


@pytest.mark.parametrize(
    ("family", "name", "runner", "plain"),
    [
        ("big", "~", None, None),
        ("big", "{}", Runner(("big",)), "big"),
        ("'{os}-{arch}'", "{}", Runner(("jammy-amd64",)), "jammy-amd64"),
        ("[linux, '{arch}']", "{}", Runner(("linux", "amd64")), ["linux", "amd64"]),
        ("[big]", "{}", Runner(("big",)), "big"),
        ("{group: large}", "{}", Runner((), "large"), {"group": "large"}),
        ("{group: a, labels: ['{os}']}", "{}", Runner(("jammy",), "a"), {"group": "a", "labels": ["jammy"]}),
        ("{group: '{arch}'}", "{}", Runner((), "amd64"), {"group": "amd64"}),
        ("{group: a, labels: [b]}", "{labels: [c]}", Runner(("c",), "a"), {"group": "a", "labels": ["c"]}),
        ("{group: a, labels: [b]}", "{labels: ~}", Runner((), "a"), {"group": "a"}),
        ("{group: a, labels: [b]}", "c", Runner(("c",)), "c"),
        ("a", "{group: b}", Runner((), "b"), {"group": "b"}),
        ("{group: a}", "[b, c]", Runner(("b", "c")), ["b", "c"]),
    ],
)  # fmt: skip
def test_a_runner_is_a_label_a_list_of_labels_or_a_group(family, name, runner, plain):
    own = "" if name == "{}" else f"runner: {name}"
    (row,) = catalogue(f"      jammy-gcc11: {{{own}}}", f"dockerfile: Dockerfile\n    runner: {family}").rows
    assert row.image.runner == runner
    assert (runner.plain if runner else None) == plain


def test_workers_for_all_or_by_trust():
    def remote(said):
        source = f"builders: {{remote: {said}}}\naxes: {{plain: {{linux}}}}\n"
        source += "images: {a: {dockerfile: D, names: {linux: }}}\n"
        builders = expand(text.parse(source.encode())).catalogue.builders
        return tuple(remote_settings(builders, level) for level in ("trusted", "branch"))

    both = RemoteSettings({"amd64": "unix:///a", "riscv64": "unix:///r"})
    assert remote("{amd64: 'unix:///a', riscv64: 'unix:///r'}") == (both, both)
    trusted = RemoteSettings({"amd64": "tcp://a:1"}, tls={"ca": "/ca"}, connect_timeout=60)
    branch = RemoteSettings({"armv7": "tcp://b:1"}, insecure=True)
    by_trust = "trusted: {amd64: 'tcp://a:1', tls: {ca: /ca}, connect_timeout: 1m}"
    assert remote(f"{{{by_trust}, branch: {{armv7: 'tcp://b:1', insecure: yes}}}}") == (trusted, branch)
    assert remote(f"{{{by_trust}}}") == (trusted, None)


def test_overrides_stand_over_every_level_where_a_row_has_the_arg():
    source = """
axes: {compiler: {"gcc{11,12}": {GCC: "{}"}}, plain: {bare}}
defaults:
  dockerfile: Dockerfile
  arches: [amd64, arm64]
  args: {LABEL: "gcc {GCC}"}
  checks: {gcc: {run: gcc --version, version: "{GCC}"}}
images: {family: {names: {"gcc{11,12}": {per_arch: {arm64: {args: {GCC: 12}}}}, bare: {args: {LABEL: ~}}}}}
"""
    rows = expand(text.parse(source.encode(), "images.yml"), overrides={"GCC": "{13}"}).catalogue.rows
    for row in rows[:4]:
        assert row.args == {"LABEL": "gcc {13}", "GCC": "{13}"}, row
        assert [check.expects for check in row.image.checks] == [VersionExpected("{13}")]
    for row in rows[4:]:
        assert (row.name, row.args, row.image.checks) == ("bare", {}, ())


def test_rows_that_do_not_differ_share_their_image():
    rows = catalogue("      jammy: {arches: [arm64, amd64]}").rows
    assert [row.arch for row in rows] == ["arm64", "amd64"]
    assert rows[0].image is rows[1].image


def test_what_is_not_said_has_these_values():
    image = only("      jammy:")
    assert (image.context, image.target, image.arches, image.tags, image.secrets) == (".", None, ("amd64",), (), ())
    assert (image.provenance, image.sbom, image.reproducible, image.unpinned_allowed) == ("off", False, False, False)
    assert (image.remote_checks, image.attempts, image.epoch, image.lane, image.runner) == (False, 1, "", None, None)
    assert (image.where.path, str(image.where)) == ("images.cpu.names.jammy", "images.yml:13:7")


def test_every_field_can_be_said():
    image = only(
        """      jammy:
        context: ci
        dockerfile: "{os}/Dockerfile"
        target: "{os}"
        contexts: {src: src, base: "docker-image://debian:bookworm"}
        provenance: max
        sbom: yes
        reproducible: true
        unpinned: allowed
        remote_checks: yes
        attempts: 3
        epoch: 2026-11
        lane: acme
        tags: [nightly, "{os}"]""",
        "arches: [arm64]",
    )
    assert (image.context, image.dockerfile, image.target, image.arches) == (
        "ci",
        "jammy/Dockerfile",
        "jammy",
        ("arm64",),
    )
    assert image.contexts == {"src": "src", "base": "docker-image://debian:bookworm"}
    assert (image.provenance, image.sbom, image.reproducible, image.unpinned_allowed) == ("max", True, True, True)
    assert (image.remote_checks, image.attempts, image.epoch, image.lane) == (True, 3, "2026-11", "acme")
    assert image.tags == ("nightly", "jammy")


# Checks


@pytest.mark.parametrize(
    ("check", "made"),
    [
        ("{run: gcc --version}", (("gcc", "--version"), PASSES)),
        ("{run: \"python -c 'import torch, sys'\"}", (("python", "-c", "import torch, sys"), PASSES)),
        ("{run: 'gcc-{GCC_VERSION} -v', version: '{GCC_VERSION}'}", (("gcc-11", "-v"), VersionExpected("11"))),
        ("{run: 'echo {SPACED}'}", (("echo", "a b; rm 'x"), PASSES)),
        ("{run: \"awk '{ print }'\"}", (("awk", "{ print }"), PASSES)),
        ("{run: python -V, matches: 'Python {DOTTED}[.]'}", (("python", "-V"), MatchExpected(r"Python 3\.10[.]"))),
        ("{run: clang -v, version: '{CLANG_VERSION}'}", None),
        ("{run: '{version} -v'}", None),
        ("{run: x, when: [GCC_VERSION]}", (("x",), PASSES)),
        ("{run: x, when: [CLANG_VERSION]}", None),
        ("{run: x, when: [CLANG_VERSION, GCC_VERSION]}", (("x",), PASSES)),
        ("{run: x, present: [CLANG_VERSION]}", (("x",), PresenceExpected(("CLANG_VERSION",)))),
    ],
)
def test_which_checks_apply_and_what_they_run(check, made):
    top = """defaults: {args: {SPACED: "a b; rm 'x", DOTTED: 3.10}}\n"""
    images = catalogue(
        f"      jammy-gcc11: {{checks: {{it: {check}}}}}\n      noble: {{args: {{CLANG_VERSION: 18}}}}", top=top
    ).images
    assert [(c.run, c.expects) for c in images["jammy-gcc11"].checks] == ([made] if made else [])


@pytest.mark.parametrize(
    ("fact", "run"),
    [
        ("{run: dpkg-query -W}", ("dpkg-query", "-W")),
        ("{run: \"sh -c 'cat /etc/a /etc/b'\"}", ("sh", "-c", "cat /etc/a /etc/b")),
        ("{run: 'gcc-{GCC_VERSION} -v'}", ("gcc-11", "-v")),
        ("{run: 'clang-{CLANG_VERSION} -v'}", None),
        ("{run: x, when: [GCC_VERSION]}", ("x",)),
        ("{run: x, when: [CLANG_VERSION]}", None),
    ],
)
def test_which_facts_apply_and_what_they_run(fact, run):
    images = catalogue(
        f"      jammy-gcc11: {{facts: {{it: {fact}}}}}\n      noble: {{args: {{CLANG_VERSION: 18}}}}"
    ).images
    assert [one.run for one in images["jammy-gcc11"].facts] == ([run] if run else [])
    assert images["noble"].facts == ()


def test_facts_merge_by_name_and_are_removed_like_checks():
    top = "defaults: {facts: {packages: {run: dpkg-query -W}, python: {run: pip list}}}\n"
    images = catalogue(
        "      jammy: {facts: {python: ~}}\n"
        "      noble: {facts: {packages: {when: [GCC_VERSION]}}}\n"
        "      noble-gcc11: {facts: {packages: {run: rpm -qa}}}",
        top=top,
    ).images
    assert {name: [(one.name, one.run[0]) for one in image.facts] for name, image in images.items()} == {
        "jammy": [("packages", "dpkg-query")],
        "noble": [("python", "pip")],
        "noble-gcc11": [("packages", "rpm"), ("python", "pip")],
    }


# Parents


def test_parents_come_before_their_children_in_whatever_order_they_are_written():
    names = """
      linux-child: {args: {BASE: "image:linux-base"}}
      jammy:
      linux-base: {args: {BASE: "image:noble"}}
      noble:
"""
    assert [row.name for row in catalogue(names).rows] == ["noble", "linux-base", "linux-child", "jammy"]


def test_a_long_chain_of_parents_is_no_recursion():
    words = ",".join(f"n{n}" for n in range(3000))
    chain = "".join(f"      n{n}: {{args: {{BASE: 'image:n{n + 1}'}}}}\n" for n in range(2999))
    source = f"axes: {{plain: {{{words}}}}}\nimages:\n  a:\n    dockerfile: D\n    names:\n{chain}      n2999:\n"
    rows = expand(text.parse(source)).catalogue.rows
    assert [row.name for row in rows] == [f"n{n}" for n in reversed(range(3000))]


def test_a_parent_may_differ_by_architecture():
    names = """
      jammy: {arches: [amd64]}
      noble: {arches: [arm64]}
      linux:
        arches: [amd64, arm64]
        args: {BASE: "image:jammy"}
        per_arch: {arm64: {args: {BASE: "image:noble"}}}
"""
    assert {(r.name, r.arch): r.image.parents for r in catalogue(names).rows if r.name == "linux"} == {
        ("linux", "amd64"): {"BASE": "jammy"},
        ("linux", "arm64"): {"BASE": "noble"},
    }


# The keys at the top


def test_settings_come_decoded():
    settings_ = catalogue(
        "      jammy:",
        top="""
registry: {trusted: ghcr.io/acme/ci, branch: ghcr.io/acme/ci-branch}
protected: [main, release/*]
builders:
  remote: {arm64: "tcp://b:1", tls: {ca: /ca.pem, cert: /c.pem, key: /k.pem}, connect_timeout: 5m}
  depot: {trusted: abc123, branch: def456, fallback: buildx}
cache: {trusted: ghcr.io/acme/cache, branch: ghcr.io/acme/cache-branch, gha: no}
ecr: {role: "arn:aws:iam::123456789012:role/ci", region: us-east-1, create: yes, duration: 30m}
ghcr: {user: acme-bot}
retention: {trusted: 90d, pins: ["*-release-*"]}
backup: {bucket: acme-images, prefix: ci/records}
page: {bucket: acme-site, region: us-east-1}
""",
    )
    assert settings_.registry == Registry("ghcr.io/acme/ci", "ghcr.io/acme/ci-branch")
    assert settings_.protected == ("main", "release/*")
    tls = {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}
    assert settings_.builders.of(RemoteSettings) == RemoteSettings({"arm64": "tcp://b:1"}, tls=tls, connect_timeout=300)
    assert settings_.builders.of(DepotSettings) == DepotSettings("abc123", "def456", "buildx")
    assert settings_.settings == {
        "cache": {"trusted": "ghcr.io/acme/cache", "branch": "ghcr.io/acme/cache-branch", "gha": False},
        "ecr": {"role": "arn:aws:iam::123456789012:role/ci", "region": "us-east-1", "create": True, "duration": 1800},
        "ghcr": {"user": "acme-bot"},
        "retention": {"trusted": 90 * 86400, "pins": ("*-release-*",)},
        "backup": {"bucket": "acme-images", "prefix": "ci/records"},
        "page": {"bucket": "acme-site", "region": "us-east-1"},
    }


# Properties

GOOD = (EXAMPLES / "debian" / "images.yml").read_text()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_catalogue_with_any_slip_is_read_or_refused(data):
    source = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(source)))
        gone = data.draw(st.integers(0, 6))
        added = data.draw(st.text(alphabet=string.printable + "~é\u2028", max_size=4))
        source = source[:at] + added + source[at + gone :]
    outcome = read_or_refused(source)
    if isinstance(outcome, ConfigurationError):
        assert outcome.at
    else:
        assert len(outcome.rows) >= len(outcome.images) > 0


def read_or_refused(source):
    try:
        return expand(text.parse(source)).catalogue
    except ConfigurationError as error:
        return error


ALTERNATIVES = st.lists(st.from_regex("[a-z]{1,3}", fullmatch=True), min_size=2, max_size=4, unique=True)


@settings(deadline=None)
@given(st.lists(ALTERNATIVES, min_size=1, max_size=3))
def test_brace_lists_expand_to_their_product(lists):
    lists = [[f"x{index}{text_}" for text_ in alternatives] for index, alternatives in enumerate(lists)]
    axes = "".join(f"  axis{index}: {{{', '.join(words)}}}\n" for index, words in enumerate(lists))
    pattern = "-".join(f"{{{','.join(words)}}}" for words in lists)
    by_axis = "-".join(f"{{axis{index}}}" for index in range(len(lists)))
    naive = ["-".join(words) for words in product(*lists)]
    for written in (pattern, by_axis):
        source = f"axes:\n{axes}images:\n  a:\n    dockerfile: D\n    names:\n      '{written}':\n"
        images = expand(text.parse(source)).catalogue.images
        assert list(images) == naive
        assert [image.words for image in images.values()] == [tuple(words) for words in product(*lists)]


LEVEL = st.dictionaries(st.sampled_from("ABCD"), st.sampled_from(["1", "2", None]), max_size=4)


@settings(deadline=None)
@given(st.lists(LEVEL, min_size=3, max_size=3))
def test_args_merge_as_a_fold(levels):
    expected = {"A": "0", "B": "0", "C": "0", "D": "0", "UBUNTU_VERSION": "22.04"}
    for level in levels[1:]:
        for key, value in level.items():
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
    _, family, name = ("{" + ", ".join(f"{k}: {v or '~'}" for k, v in level.items()) + "}" for level in levels)
    top = "defaults: {args: {A: 0, B: 0, C: 0, D: 0}}\n"
    assert only(f"      jammy: {{args: {name}}}", f"dockerfile: D\n    args: {family}", top).args == expected


def test_a_family_may_be_called_as_an_architecture_that_no_row_is_for():
    """PyTorch cross-compiles in a family `riscv64`; its rows are amd64."""
    found = expand(text.parse(b"axes: {plain: {linux}}\nimages: {riscv64: {dockerfile: D, names: {linux: }}}\n"))
    assert [(row.image.family, row.arch) for row in found.catalogue.rows] == [("riscv64", "amd64")]
