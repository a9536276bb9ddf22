"""`nox -s bench`: every ratio in one run, as a table and as JSON (`bench.json` in the folder that `--out` names)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from backing_up import backing_up
from building import building
from contexts import contexts
from imageyard.errors import EnvironmentLacks
from indexing import indexing
from listing import listing
from measure import Ratio, render
from planning import planning
from remote_building import remote_building
from retaining import retaining
from showing import showing

__all__ = ["main"]


def main() -> None:
    """Run the benches; they never fail for a mark that is missed, they say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".imageyard"), help="folder for bench.json")
    options = parser.parse_args()
    # What is measured is a checkout that is used: where this is set, Python compiles all of ours at each call.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        ratios: list[Ratio] = []
        parts = (listing, planning, contexts, retaining, indexing, building, remote_building, backing_up, showing)
        for part in parts:
            print(f"bench: {part.__name__}", file=sys.stderr, flush=True)
            try:
                ratios += part(_new(folder, part.__name__))
            except EnvironmentLacks as error:
                print(f"bench: {part.__name__} is left out:\n{error}", file=sys.stderr, flush=True)
    print(render(ratios))
    options.out.mkdir(parents=True, exist_ok=True)
    report = [asdict(r) | {"ratio": r.ratio, "met": r.met} for r in ratios]
    (options.out / "bench.json").write_text(json.dumps({"python": sys.version, "ratios": report}, indent=2) + "\n")


def _new(folder: str, name: str) -> Path:
    made = Path(folder, name)
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
