#!/usr/bin/env bash
# Install packages, and leave nothing behind that only the installation needed.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --quiet --yes --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log
# ldconfig writes inode numbers and times in here; it is made anew when it is missed.
rm -f /var/cache/ldconfig/aux-cache
