"""The table of what a check may expect, by its key: a new kind is a module and a line here.

The grammar, the schema, the rule that only one key may stand, `inv explain` and the judge all follow this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.expectations.kind import ExpectationKind
from imageyard.catalogue.expectations.matches import MATCHES
from imageyard.catalogue.expectations.present import PRESENT
from imageyard.catalogue.expectations.version import VERSION

__all__ = ["EXPECTATIONS"]

EXPECTATIONS: Mapping[str, ExpectationKind] = {
    "version": VERSION,
    "matches": MATCHES,
    "present": PRESENT,
}
