"""Forms of `COPY --parents`, and the folder that they copy from: each file's bytes are its path."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.treebase import Link
from support.sealed.corpus import Case, Content

__all__ = ["CASES", "COPIED", "REFUSED"]

_FILES = (
    "a/x/c", "a/x/e", "a/y/e", "a/y/c2", "a/file", "a/z/deep/q",
    "pack/one/json", "pack/one/src/main", "pack/two/json", "pack/two/c/d", "pack/notes", "pack/none/other",
    "b/c", "b/e",
    "linked/m/json", "linked/file",
    "deep/one/m/json", "deep/two/json",
    "in/f",
    "json",
    "odd/*/json", "odd/s/json",
)  # fmt: skip
_LINKS = {
    "linked/lnk": "../b",
    "deep/one/lnk": "../../b",
    "top": "b",
    "topfile": "b/e",
    "throughtop": "top/c",
    "in/lnk": "../b",
    "in/up": "/b/e",
    "in/dangling": "nowhere",
}
CONTEXT: Mapping[str, Content] = {
    **{path: path.encode() for path in _FILES},
    **{path: Link(text) for path, text in _LINKS.items()},
}

COPIED = (
    # what stands in front of /./ has no wildcard
    "a/x", "a/./x", "a/./y/./e", "./a/./x", "/a/./x", "a//./x", "a/x/../y", "a/./x/../y", "./a/x/", "json", "a/x/./c",
    "a/*/c", "a/./*/c", "a/./*/./c", "**/json", "a/./**/q", "pack/**/d", "*", "./*", "[ab]/?", "a/./[^x]/e",
    "nothing*", r"a/\x", r"odd/./\*/json", "deep/./*/*/json", "a/z", "pack/one/src ./b/./c /json", ".",
    # it has some
    "pack/*/./json", "pack/*/./json a/./x", "/pack/*/./json", "./pack/*/././json", "pack/*/./*", "p*/t*/./c",
    "p*/*/./src", "pack/[ot]*/./s*", "pack/**/./src", "p[^x]ck/one/./json", "a[^z]x/./c", "pack/t?o/./c/*",
    "pack/*/../one/./json", r"p*/\one/./json", "deep/*/*/./json", "deep/one/*/../m/./json", "nothing*/./x",
    "pack/*/./src/../json", r"odd/\*/./json", "a/*/./deep", "pack/*/./c/./d",
    # links
    "top", "topfile", "throughtop", "t*", "top/./c", "top/./*", "in", "in/lnk", "in/up", "in/dangling", "in/./lnk",
    "/in//./lnk", "in/lnk/./c", "in/*", "*/m/./json", "linked/lnk/./[ce]", "linked", "deep/one/./lnk",
    # with --exclude
    "--exclude=e a/x", "--exclude=x/e a/./x", "--exclude=**/e a", "--exclude=**/c pack/*/./*",
    "--exclude=** --exclude=!**/c a/x", "--exclude=b t*", "--exclude=top t*", "--exclude=pack *",
    "--exclude=src/main p*/one/./*", "--exclude=c* --exclude=!c2 a/y/./*", "--exclude=b ./",
)  # fmt: skip
"""BuildKit builds these, and from a seal it builds the same."""

REFUSED = (
    # nothing is there: BuildKit fails, or (before 0.26) copies nothing
    "nothing", "nothing/./x", "a/./nothing", "a/./nothing*", "pack/*/./nothing", "a/file/./x", "a/f*/./x", "top/c",
    # a link, or a file beside one, in the place of a folder: its bytes are no part of BuildKit's cache key
    "linked/*/./json", "linked/lnk*/./c", "*/./json", "in/*/./c", "*/lnk/./c",
    # nothing is left of a folder, which a seal cannot have
    "a/./", "--exclude=* a/./x", "deep/*/lnk/./c",
)  # fmt: skip
"""These are refused, whatever BuildKit does."""

CASES = [Case(form, f"FROM scratch\nCOPY --parents {form} /to/\n".encode(), CONTEXT) for form in COPIED]
