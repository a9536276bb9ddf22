"""The Link header of a listing."""

from __future__ import annotations

import pytest
from imageyard.errors import Transient
from imageyard.http.transport import Reply
from imageyard.registry.paging import next_page

PAGE = "https://r.io/v2/a/b/tags/list?n=10"


@pytest.mark.parametrize(
    ("link", "following"),
    [
        (None, None),
        ("", None),
        ('</v2/a/b/tags/list?n=10&last=x>; rel="next"', "/v2/a/b/tags/list?n=10&last=x"),
        ("</v2/a/b/tags/list?last=x>;rel=next", "/v2/a/b/tags/list?last=x"),
        ('<https://r.io/v2/a/b/tags/list?last=x>; rel="next"', "/v2/a/b/tags/list?last=x"),
        ('<http://r.io/v2/a/b/tags/list?last=x>; rel="next"', "/v2/a/b/tags/list?last=x"),
        ('<?last=x>; rel="next"', "/v2/a/b/tags/list?last=x"),
        ('<list?last=x>; title="a"; REL="next"', "/v2/a/b/tags/list?last=x"),
        ('</first>; rel="first", </v2/next?a,b>; rel="next"', "/v2/next?a,b"),
        ('</v2/prev>; rel="prev"', None),
        ("no link at all", None),
    ],
)
def test_the_next_page(link: str | None, following: str | None) -> None:
    headers = {} if link is None else {"link": link}
    assert next_page(Reply(200, headers, b"", PAGE), "listing") == following


@pytest.mark.parametrize(
    "target", ["https://evil.io/v2/a", "//evil.io/v2/a", "https://r.io:444/v2/a", "https://x@r.io/v2/"]
)
def test_another_host_is_refused(target: str) -> None:
    with pytest.raises(Transient, match="another host"):
        next_page(Reply(200, {"link": f'<{target}>; rel="next"'}, b"", PAGE), "listing")
