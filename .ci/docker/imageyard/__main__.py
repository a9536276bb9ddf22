"""`python -m imageyard TASK`: Invoke's tasks where there is no `tasks.py` yet, to write one with `init`."""

from __future__ import annotations

from invoke.program import Program

from imageyard import __version__
from imageyard.cli import namespace

__all__ = ["main"]


def main() -> None:
    """Run the tasks as `inv` would."""
    Program(name="python -m imageyard", namespace=namespace(), version=__version__).run()


if __name__ == "__main__":
    main()
