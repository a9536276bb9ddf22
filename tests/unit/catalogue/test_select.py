"""The selector language: what a pattern selects, and how a slip is answered."""

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.catalogue.select import select
from imageyard.errors import ConfigurationError, exit_code

NAMES = [
    "linux-bookworm-py3.11-gcc11",
    "linux-bookworm-py3.11-gcc12",
    "linux-bookworm-py3.11-clang16",
    "linux-trixie-py3.13-gcc13",
    "linux-linter",
]


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("*", NAMES),
        ("**", NAMES),
        ("linux-linter", ["linux-linter"]),
        ("linux-*-{gcc12,clang16}", NAMES[1:3]),
        ("linux-*-{clang16,gcc12}", NAMES[1:3]),
        ("*gcc*", [NAMES[0], NAMES[1], NAMES[3]]),
        ("{linux-linter,*-gcc13}", NAMES[3:]),
        ("linux-{bookworm,trixie}-*-gcc1{1,3}", [NAMES[0], NAMES[3]]),
        ("linux{,-linter,-trixie-py3.13-gcc13}*", NAMES),
        ("*3.11*", NAMES[:3]),
        ("linux-linter*", ["linux-linter"]),
        ("linux-{os}-*", NAMES[:4]),
    ],
)
def test_what_a_pattern_selects_in_catalogue_order(pattern, selected):
    assert select(pattern, NAMES, {"os": ("bookworm", "trixie", "sid")}) == selected


@pytest.mark.parametrize(
    ("pattern", "said", "hint"),
    [
        ("linux-lintr", "no image is called 'linux-lintr'", "did you mean 'linux-linter'"),
        ("linux-*-gcc99", "'linux-*-gcc99' selects no image", "did you mean"),
        ("", "the pattern is empty", "write '*' for all images"),
        ("a,b", "a comma outside braces in 'a,b'", "write one pattern: '{a,b}'"),
        (
            "{linux-linter,linux-lint}",
            "the alternative 'linux-lint' of '{linux-linter,linux-lint}' selects no image",
            "",
        ),
        ("*-{gcc11,gcc21}", "the alternative 'gcc21' of '*-{gcc11,gcc21}' selects no image", "did you mean 'gcc12'?"),
        ("{a", "'{' is not closed in '{a'", ""),
        ("a}", "'}' without '{' in 'a}'", ""),
        ("{a,{b,c}}", "a brace list within a brace list in '{a,{b,c}}'", "write the alternatives out"),
        ("{os}", "unknown axis 'os' in '{os}'", ""),
        ("linux linter", "'linux linter' holds a space", "write {a,b} without spaces"),
        ("linux-[a-z]", "the character '[' cannot be part of a name, in 'linux-[a-z]'", ""),
        ("{a,b,c,d,e,f,g}" * 4, "stands for more than 2,000 names", "split it up"),
    ],
)
def test_a_slip_is_an_error(pattern, said, hint):
    with pytest.raises(ConfigurationError) as caught:
        select(pattern, NAMES)
    assert said in caught.value.headline
    assert hint in " ".join(caught.value.hint)
    assert exit_code(caught.value) == 2


def test_many_stars_take_no_longer_than_few():
    name = "a" * 100
    assert select("*a" * 50, [name]) == [name]
    with pytest.raises(ConfigurationError, match="selects no image"):
        select("*a" * 50 + "*b", [name])


LETTERS = st.text(alphabet="ab-", min_size=0, max_size=3)
PART = st.one_of(LETTERS, st.just("*"), st.lists(LETTERS, min_size=2, max_size=3, unique=True))


@settings(deadline=None)
@given(st.lists(PART, min_size=1, max_size=4), st.lists(st.text(alphabet="ab-", min_size=1, max_size=6), unique=True))
def test_selecting_agrees_with_expanding_by_hand(parts, names):
    pattern = "".join(f"{{{','.join(part)}}}" if isinstance(part, list) else part for part in parts)
    combinations = [
        re.compile("".join(piece if piece == ".*" else re.escape(piece) for piece in pieces))
        for pieces in product(*(part if isinstance(part, list) else [part.replace("*", ".*")] for part in parts))
    ]
    naive = [name for name in names if any(form.fullmatch(name) for form in combinations)]
    try:
        selected = select(pattern, names)
    except ConfigurationError as error:
        assert not naive or "the alternative" in error.headline or not pattern  # noqa: PT017
    else:
        assert selected == naive
