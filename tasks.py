"""Single steps of Imageyard: `inv --list`, `inv --help TASK`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / ".ci" / "docker"))  # not needed where the package is installed

from imageyard.cli import namespace

ns = namespace()
