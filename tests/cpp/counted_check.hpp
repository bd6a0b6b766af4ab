// Conditions whose failures are printed and counted, so that one run shows them all.
#pragma once
#include <cstdio>
#include <string>

inline int failures = 0;

inline void check(bool holds, const std::string& what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what.c_str());
    ++failures;
}
