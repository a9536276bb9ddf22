#!/usr/bin/env bash
# GCC for C and C++, under the plain names too: install_gcc.sh VERSION
set -euo pipefail

version=$1
"$(dirname "$0")/apt_install.sh" "gcc-$version" "g++-$version" libc6-dev

triplet=$("gcc-$version" -dumpmachine)
provide() { update-alternatives --install "/usr/bin/$1" "$1" "/usr/bin/$2" 100; }
for tool in gcc g++ cpp gcov gcc-ar gcc-nm gcc-ranlib; do
    provide "$tool" "$tool-$version"
done
# Python's sysconfig names the compiler by its triplet.
provide "$triplet-gcc" "gcc-$version"
provide "$triplet-g++" "g++-$version"
provide cc "gcc-$version"
provide c++ "g++-$version"
