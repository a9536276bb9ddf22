"""What a check may expect: the keys that say it, and a table that everything else follows."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.expectations.base import Expectation, Verdict
from imageyard.catalogue.expectations.matches import MatchExpected
from imageyard.catalogue.expectations.passes import PASSES
from imageyard.catalogue.expectations.present import PresenceExpected
from imageyard.catalogue.expectations.table import EXPECTATIONS
from imageyard.catalogue.expectations.version import VersionExpected
from imageyard.ran import Ended

CATALOGUE = """
axes: {{compiler: {{gcc13: {{GCC: 13.2}}}}}}
images: {{f: {{dockerfile: Dockerfile, checks: {{gcc: {{run: gcc, {key}}}}}, names: {{gcc13: }}}}}}
"""


@pytest.mark.parametrize(
    ("key", "expects", "words", "ended", "verdict"),
    [
        ("version: '{GCC}'", VersionExpected("13.2"), "13.2", Ended(0, "gcc 13.2.1"), Verdict(True, "13.2.1")),
        ("version: '{GCC}'", VersionExpected("13.2"), "13.2", Ended(0, "gcc 12"), Verdict(False, "12")),
        (
            "matches: '^{GCC}$'",
            MatchExpected(r"^13\.2$"),
            r"output matching '^13\\.2$'",
            Ended(0, "13x2"),
            Verdict(False, "'13x2'"),
        ),
        (
            "present: [GCC]",
            PresenceExpected(("GCC",)),
            "exit status 0 (GCC is set)",
            Ended(1, ""),
            Verdict(False, "exit status 1"),
        ),
        ("when: [GCC]", PASSES, "exit status 0", Ended(0, ""), Verdict(True, "exit status 0")),
    ],
)
def test_each_kind_is_parsed_described_and_judged(
    key: str, expects: Expectation, words: str, ended: Ended, verdict: Verdict
) -> None:
    (row,) = expand(text.parse(CATALOGUE.format(key=key))).catalogue.rows
    (check,) = row.image.checks
    assert check.expects == expects
    assert check.expects.expected(row.args) == words
    assert check.expects.judge(ended, row.args) == verdict


def test_every_expectation_says_its_key_of_the_table() -> None:
    made = [VersionExpected("1"), MatchExpected("x"), PresenceExpected(("A",))]
    assert [list(expectation.keys) for expectation in made] == [["version"], ["matches"], ["present"]]
    assert {key for expectation in made for key in expectation.keys} <= set(EXPECTATIONS)


MADE_UP = '''
import json
from dataclasses import dataclass
from imageyard.catalogue.expectations.base import Verdict
from imageyard.catalogue.expectations.kind import ExpectationKind, as_text
from imageyard.catalogue.expectations.table import EXPECTATIONS
from imageyard.catalogue.forms import FILLED
from imageyard.catalogue.kinds import Field

@dataclass(frozen=True)
class Says:
    word: str
    @property
    def keys(self): return {"says": self.word}
    def expected(self, args): return f"the word {self.word}"
    def judge(self, ended, args): return Verdict(self.word in ended.out, ended.out)

EXPECTATIONS["says"] = ExpectationKind(
    Field(FILLED, "a word of the output"), lambda check, node, known: lambda row: Says(row.text(node)), as_text
)

from imageyard.catalogue import schema, text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.explain import as_data
from imageyard.catalogue.explain_text import as_text as explained
from imageyard.checks.judge import judge
from imageyard.errors import ConfigurationError
from imageyard.ran import Ended

SOURCE = """
axes: {os: {jammy: {OS: jammy}}}
images: {f: {dockerfile: Dockerfile, checks: {os: {run: lsb, says: "{OS}"%s}}, names: {jammy: }}}
"""
expansion = expand(text.parse(SOURCE % ""))
(check,) = expansion.catalogue.rows[0].image.checks
data = as_data(expansion, "jammy")
try:
    expand(text.parse(SOURCE % ", version: 1"))
    refused = ""
except ConfigurationError as error:
    refused = error.headline
print(json.dumps({
    "schema": list(schema.schema()["$defs"]["a-check"]["properties"]),
    "explained": data["rows"][0]["checks"][0],
    "text": "lsb, says jammy" in explained(data),
    "judged": judge(check, {}, Ended(0, "noble")).headline,
    "refused": refused,
}))
'''


def test_a_kind_that_is_added_to_the_table_is_known_everywhere() -> None:
    """It is added before anything else is imported, as a line of the table would be."""
    done = subprocess.run([sys.executable, "-c", MADE_UP], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    explained = seen.pop("explained")
    assert list(explained) == ["name", "applies", "why", "run", *EXPECTATIONS, "says", "when", "set"]
    assert (explained["says"], explained["version"], explained["present"]) == ("jammy", None, [])
    assert seen == {
        "schema": ["run", *EXPECTATIONS, "says", "when"],
        "text": True,
        "judged": "os: expected the word jammy, found noble",
        "refused": "the check 'os' has both version and says",
    }
