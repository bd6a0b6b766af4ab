// A condition that a test needs, in every build; the first that fails ends it by name.
#pragma once
#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                     \
    if (!(condition)) {                                                      \
        std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        std::exit(1);                                                        \
    }
