"""A plan of retention over 10,000 images, from a recorded listing of all their manifests."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from imageyard.keep.retain_state import Deletions, lines_of
from imageyard.keep.retention import decide
from imageyard.keep.retention_facts import Claims, Inventory, RetentionPolicy, StoredManifest
from imageyard.keep.retention_plan import RetentionPlan
from measure import Ratio

__all__ = ["retaining"]

IMAGES = 10_000
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
POLICY = RetentionPolicy(most=10**6, share=1.0, temporaries=("tmp-*",), pins=("*-release-*",))


def retaining(folder: Path) -> list[Ratio]:
    """Planning, and planning with its report, against the 2 seconds that they may take besides the listing."""
    record = folder / "listing.json"
    record.write_text("\n".join(json.dumps(one) for one in _listing()))
    names = [f"linux-image{number}" for number in range(100)]
    tags = {one["tags"][0]: "0" * 40 for number, one in enumerate(_listing()) if one["tags"] and number % 3 == 0}
    claims = Claims(frozenset(names), tags, frozenset({"0" * 40}))
    inventory = Inventory({one.digest: one for one in map(_stored, record.read_text().splitlines())})
    plans, reports = [], []
    for _ in range(5):
        start = time.perf_counter()
        plan = decide(inventory, claims, POLICY, NOW)
        plans.append(time.perf_counter() - start)
        _report(plan)
        reports.append(time.perf_counter() - start)
    if not 0 < len(plan.deletions) < len(plan.verdicts):
        raise SystemExit("the plan keeps all, or nothing")
    words = f"retention of {IMAGES:,} images ({len(plan.verdicts):,} manifests)"
    return [
        Ratio(f"{words} / 2 s", statistics.median(plans), 2.0, 1.0, len(plans)),
        Ratio("the same and its report / 2 s", statistics.median(reports), 2.0, 1.0, len(reports)),
    ]


def _report(plan: RetentionPlan) -> str:
    return json.dumps(lines_of(plan, Deletions()))


def _listing() -> Iterator[dict[str, Any]]:
    """Images of two platforms, each with a record beside every row and provenance in its index."""
    for number in range(IMAGES):
        tag = f"linux-image{number % 100}-{_hex(f'tag {number}')[:20]}"
        rows = [_digest(f"row {number} {arch}") for arch in ("amd64", "arm64")]
        proofs = [_digest(f"proof {number} {arch}") for arch in ("amd64", "arm64")]
        pushed = (NOW - timedelta(days=number % 365, hours=5)).isoformat()
        common = {"pushed": pushed, "size": 10**9, "tags": []}
        yield {**common, "digest": _digest(f"index {number}"), "tags": [tag], "children": [*rows, *proofs]}
        for arch, row, proof in zip(("amd64", "arm64"), rows, proofs, strict=True):
            yield {**common, "digest": row, "tags": [f"{tag}-{arch}"]}
            yield {**common, "digest": proof, "attests": [row]}
            yield {**common, "digest": _digest(f"record of {row}"), "subject": row, "commit": _hex(tag)[:40]}


def _stored(line: str) -> StoredManifest:
    one = json.loads(line)
    times = {"pushed": datetime.fromisoformat(one.pop("pushed"))}
    lists = {name: tuple(one.pop(name, ())) for name in ("children", "attests", "tags")}
    return StoredManifest(**one, **times, **lists)


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(text: str) -> str:
    return f"sha256:{_hex(text)}"
