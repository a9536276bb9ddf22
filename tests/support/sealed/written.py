"""Dockerfiles that BuildKit accepts, written by hypothesis over the context of `corpus`."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from support.sealed.corpus import CONTEXT, Case, recipe_of

__all__ = ["dockerfiles"]

IGNORED = ["**/*.md", "other", "vendor/lib/inner", "!src/notes.md", "*/unused*"]
FILES = sorted(path for path in CONTEXT if not any(each in path for each in ("[", " ", ".md", "other", "inner")))
FOLDERS = ["src", "src/deep", "conf", "common", "vendor", "conf.d", ".", "src/", "./conf"]
PATTERNS = [
    "*.txt",
    "conf/*.conf",
    "*/*.txt",
    "src/[mu]*.c",
    "s?c/*.c",
    "conf/[^a].conf",
    "ven*",
    "arch*/*",
    "nothing*",
]
EXCLUDES = ["", "", "--exclude=*.md ", "--exclude=**/*.c ", "--exclude=* --exclude=!*.conf ", "--exclude=deep "]
VALUES = ["a", "b"]


@st.composite
def _copy(draw: st.DrawFn, arg: str | None) -> str:
    """A COPY or an ADD of a file, a folder, a pattern, through an argument, or of a text of its own."""
    keyword = draw(st.sampled_from(["COPY", "COPY", "ADD", "copy"]))
    into = draw(st.sampled_from(["/", "/in/", "/in/deeper/", "there/"]))
    kind = draw(st.sampled_from(["file", "folder", "pattern", "several", "json", "heredoc", *(["arg"] if arg else [])]))
    flags = draw(st.sampled_from(EXCLUDES))
    flags += draw(st.sampled_from(["", "", "--chmod=0600 ", "--chown=1:2 ", "--link "]))
    match kind:
        case "file":
            return f"{keyword} {flags}{draw(st.sampled_from(FILES))} {into}"
        case "folder":
            return f"{keyword} {flags}{draw(st.sampled_from(FOLDERS))} {into}"
        case "pattern":
            return f"{keyword} {flags}{draw(st.sampled_from(PATTERNS))} requirements.txt {into}"
        case "several":
            files = draw(st.lists(st.sampled_from(FILES), min_size=2, max_size=3))
            return f"{keyword} {' '.join(files)} \\\n  # a comment\n  {into}"
        case "json":
            return f'{keyword} ["{draw(st.sampled_from(FILES))}", "name with space.txt", "{into}"]'
        case "heredoc":
            return (
                f"{keyword} <<EOF {into}{draw(st.sampled_from(['one', 'two']))}\nCOPY nothing /here ${arg or 'NO'}\nEOF"
            )
        case _:
            return f"{keyword} {flags}conf/${{{arg}:-a}}.conf {into}"


@st.composite
def _stage(draw: st.DrawFn, index: int, args: list[str]) -> str:
    """A stage from nothing or from an earlier one, which it may copy from too."""
    base = draw(st.sampled_from(["scratch", "scratch", *(f"s{each}" for each in range(index))]))
    lines = [f"FROM {base} AS s{index}"]
    arg = draw(st.sampled_from([None, *args]))
    if arg:
        lines.append(draw(st.sampled_from([f"ARG {arg}", f"ARG {arg}=b", f"ENV {arg}=a", f"ARG X=1 {arg}=a"])))
    if draw(st.booleans()):
        lines.append(f"WORKDIR {draw(st.sampled_from(['/w', 'relative', '/w/$NOBODY']))}")
    lines += draw(st.lists(_copy(arg), min_size=1, max_size=3))
    if index and draw(st.booleans()):
        origin = draw(st.integers(0, index - 1))
        lines.append(f"COPY --from={draw(st.sampled_from([str(origin), f's{origin}', f'S{origin}']))} / /from/")
    if draw(st.integers(0, 5)) == 0:
        lines.append("ONBUILD " + draw(_copy(None).filter(lambda text: "<<" not in text)))
    lines.append(draw(st.sampled_from(["", "LABEL a=b", "# a comment", "EXPOSE 80", 'CMD ["a"]'])))
    return "\n".join(lines)


@st.composite
def dockerfiles(draw: st.DrawFn) -> Case:
    """A Dockerfile of up to four stages, with arguments, a target, an ignore file."""
    args = draw(st.lists(st.sampled_from(["WHICH", "OTHER", "THIRD"]), unique=True, max_size=3))
    heads = [draw(st.sampled_from([f"ARG {arg}=a", ""])) for arg in args]
    count = draw(st.integers(1, 4))
    body = [draw(_stage(index, args)) for index in range(count)]
    ignored = draw(st.lists(st.sampled_from(IGNORED), max_size=3))
    context = {**CONTEXT, "Dockerfile.dockerignore": "\n".join(ignored).encode()} if ignored else CONTEXT
    given = draw(st.dictionaries(st.sampled_from(args), st.sampled_from(VALUES))) if args else {}
    target = draw(st.sampled_from([None, *(f"s{index}" for index in range(count))]))
    text = "\n".join([*filter(None, heads), *body]) + "\n"
    case = Case("written", text.encode(), context, given, target)
    assume(not _takes_nothing(case))
    return case


def _takes_nothing(case: Case) -> bool:
    """An exclude may leave nothing of a folder, which BuildKit and the reader refuse."""
    try:
        recipe_of(case)
    except ConfigurationError as error:
        return "takes no file" in error.headline
    return False
