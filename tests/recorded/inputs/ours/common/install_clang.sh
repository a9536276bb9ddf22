#!/usr/bin/env bash
# Clang for C and C++ with its linker and binutils, under the plain names too: install_clang.sh VERSION
set -euo pipefail

version=$1
"$(dirname "$0")/apt_install.sh" "clang-$version" "lld-$version" "llvm-$version" binutils libc6-dev

provide() { update-alternatives --install "/usr/bin/$1" "$1" "/usr/bin/$2" 100; }
for tool in clang clang++ lld ld.lld llvm-ar llvm-cov llvm-nm llvm-profdata llvm-ranlib llvm-symbolizer; do
    provide "$tool" "$tool-$version"
done
provide cc "clang-$version"
provide c++ "clang++-$version"
