#!/usr/bin/env bash
# Compile, link and run a C and a C++ program, and print what compiled them: compile-and-run CC CXX
# A check of an image: `gcc --version` can be right where headers, linker or run-time libraries are not.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/which.h" <<'EOF'
#if defined(__clang__)
#define COMPILER "clang"
#define MAJOR __clang_major__
#define MINOR __clang_minor__
#else
#define COMPILER "gcc"
#define MAJOR __GNUC__
#define MINOR __GNUC_MINOR__
#endif
EOF
cat >"$work/c.c" <<'EOF'
#include <math.h>
#include <stdio.h>
#include "which.h"
int main(int argc, char **argv) {
    (void)argv;
    return printf("%s %d.%d C\n", COMPILER, MAJOR, MINOR) < 0 || sqrt(argc) != 1.0;
}
EOF
cat >"$work/cxx.cpp" <<'EOF'
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include "which.h"
int main() {
    std::string caught;
    std::thread worker([&] {
        try {
            throw std::runtime_error("C++");
        } catch (const std::exception &error) {
            caught = error.what();
        }
    });
    worker.join();
    std::cout << COMPILER << ' ' << MAJOR << '.' << MINOR << ' ' << caught << '\n';
    return std::filesystem::exists("/") && caught == "C++" ? 0 : 1;
}
EOF

"$1" -O1 -Wall -Werror -o "$work/c" "$work/c.c" -lm
"$2" -O1 -Wall -Werror -std=c++17 -pthread -o "$work/cxx" "$work/cxx.cpp"
"$work/c"
"$work/cxx"
