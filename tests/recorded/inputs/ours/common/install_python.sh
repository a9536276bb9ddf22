#!/usr/bin/env bash
# The release's own Python, with headers and venv: install_python.sh VERSION
set -euo pipefail

version=$1
"$(dirname "$0")/apt_install.sh" "python$version" "python$version-dev" "python$version-venv" python3 python3-dev

# `python3` belongs to the release, so a version that the release does not have as its own is an error, not a mixture.
found=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [[ $found != "$version" ]]; then
    echo "python3 is $found here; this release has no Python $version of its own" >&2
    exit 1
fi
