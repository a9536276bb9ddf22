"""A scratch repository with one image for each thing that has to hold on every pair of engine and buildx."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from support.engine.private import PrivateEngine
from support.registry.served import Served
from support.yard.publishing import PublishingYard, make_publishing_yard
from support.yard.scratch import ARCH


class Pair(NamedTuple):
    """An engine of some age with its own buildx, and one of its image stores."""

    age: Literal["current", "oldest"]
    store: Literal["containerd", "classic"]


PAIRS = [Pair(age, store) for age in ("current", "oldest") for store in ("containerd", "classic")]

CATALOGUE = """\
registry: {{trusted: {host}/{name}, branch: {host}/{name}-branch}}
builders:
  remote: {{{arch}: "{worker}", insecure: yes, connect_timeout: 15s}}
defaults:
  arches: [{arch}]
  checks:
    release: {{run: cat /etc/release, version: "{{RELEASE}}"}}
    gcc: {{run: gcc --version, version: "{{GCC_VERSION}}"}}
axes:
  os: {{bookworm: {{RELEASE: 12}}}}
  compiler: {{"gcc{{12,13}}": {{GCC_VERSION: "{{}}"}}}}
  plain: {{linux, base, fails, forgets, secret, firm, steady, loose, both, slow}}
images:
  base: {{dockerfile: base/Dockerfile, names: {{"linux-{{os}}-base": }}}}
  gcc:
    dockerfile: gcc/Dockerfile
    args: {{BASE: "image:linux-{{os}}-base"}}
    names: {{"linux-{{os}}-gcc{{12,13}}": }}
  fails: {{dockerfile: fails/Dockerfile, names: {{linux-fails: }}}}
  forgets: {{dockerfile: forgets/Dockerfile, names: {{linux-forgets: }}}}
  secret:
    dockerfile: secret/Dockerfile
    secrets: {{token: {{source: "env:YARD_TOKEN"}}}}
    names: {{linux-secret: }}
  firm: {{dockerfile: firm/Dockerfile, reproducible: yes, names: {{linux-firm: }}}}
  steady:
    dockerfile: steady/Dockerfile
    args: {{BASE: "image:linux-firm"}}
    reproducible: yes
    names: {{linux-steady: }}
  loose: {{dockerfile: steady/Dockerfile, args: {{BASE: "image:linux-firm"}}, names: {{linux-loose: }}}}
  both: {{dockerfile: both/Dockerfile, arches: [amd64, arm64], names: {{linux-both: }}}}
  slow: {{dockerfile: slow/Dockerfile, names: {{linux-slow: }}}}
"""
PARENT, CHILD, WRONG = "linux-bookworm-base", "linux-bookworm-gcc12", "linux-bookworm-gcc13"
FAILS, FORGETS, SECRET, STEADY, LOOSE = "linux-fails", "linux-forgets", "linux-secret", "linux-steady", "linux-loose"
FIRM, BOTH, SLOW = "linux-firm", "linux-both", "linux-slow"

DOCKERFILES = {
    "gcc": "ARG BASE\nFROM ${{BASE}}\nARG GCC_VERSION\nCOPY gcc/install.sh /\nRUN sh /install.sh $GCC_VERSION\n",
    "fails": "FROM {base}\n\nRUN echo first of {key} && echo the last words >&2 && exit 7\n",
    "forgets": "FROM {base}\nCOPY forgets/*.txt /src/\nRUN echo of {key} && cat /src/*.txt /src/left.txt\n",
    "secret": "FROM {base}\nRUN --mount=type=secret,id=token echo of {key} && wc -c < /run/secrets/token > /length\n",
    "firm": "FROM {base}\nRUN echo firm of {key} > /etc/firm\n",
    "steady": "ARG BASE\nFROM ${{BASE}}\nCOPY gcc/install.sh /\nWORKDIR /w\nRUN echo {key} > /key && mkdir -p /a/b\n",
    "slow": "FROM {base}\nRUN echo slow of {key}; sleep 3600; echo never\n",
}
INSTALL = (
    '[ "$1" = 13 ] && set 12\nprintf \'#!/bin/sh\\necho "gcc (Yard) %s.2.0"\\n\' "$1" > /bin/gcc && chmod +x /bin/gcc\n'
)
"""Installs what says it is version 12 where 13 was asked for."""


def make_pair_yard(engine: PrivateEngine, busybox: str, registry: Served, worker: str, folder: Path) -> PublishingYard:
    """A repository with the catalogue above, committed; `worker` is the address of the engine's BuildKit."""
    made = make_publishing_yard(engine, busybox, registry, folder)
    base = f"{registry.host}/library/busybox:1"
    made.write("images.yml", CATALOGUE.format(host=registry.host, name=made.name, arch=ARCH, worker=worker))
    for name, text in DOCKERFILES.items():
        made.write(f"{name}/Dockerfile", text.format(base=base, key=made.key))
    made.write("gcc/install.sh", INSTALL)
    made.write("forgets/named.txt", "git sees it\n")
    made.write("forgets/left.txt", "git ignores it\n")
    made.write("forgets/.gitignore", "left.txt\n")
    made.commit()
    return made
