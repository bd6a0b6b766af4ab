// Basic blocks that were run, counted by the compiler (-fsanitize-coverage=trace-pc): the same input
// always costs the same, on any machine and under any load. Included by the one file of a test's
// `main`; the sources it is compiled with are counted, the C library is not.
#pragma once
#include <cstdint>

#if defined(__clang__)
#define UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define UNCOUNTED __attribute__((no_sanitize_coverage))
#endif

namespace {

std::uint64_t blocks = 0;

// The blocks that a call runs.
template <class Call>
double blocks_of(Call&& call) {
    const std::uint64_t before = blocks;
    call();
    return static_cast<double>(blocks - before);
}

}  // namespace

extern "C" UNCOUNTED void __sanitizer_cov_trace_pc() { ++blocks; }
