#!/usr/bin/env bash
# What every image has: fetching, version control, and the build tools that depend on no compiler.
set -euo pipefail

# Manual pages and translations are of no use in CI; licences stay.
cat >/etc/dpkg/dpkg.cfg.d/no-docs <<'EOF'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
EOF

"$(dirname "$0")/apt_install.sh" \
    ca-certificates ccache cmake curl git make ninja-build patch pkgconf unzip xz-utils
