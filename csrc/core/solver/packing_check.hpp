// The structural check of a packing problem: indices in range, lists that ascend, and numbers small
// enough that no sum overflows. Linear in the problem.
#pragma once
#include <cstdint>
#include <stdexcept>

#include "core/solver/packing.hpp"

namespace ctxmem {

constexpr std::int64_t kMaxSum = std::int64_t{1} << 58;     // of values
constexpr std::int64_t kMaxTokens = std::int64_t{1} << 40;  // of an option or a header

inline void require(bool fact, const char* message) {
    if (!fact) throw std::invalid_argument(message);
}

// Throws std::invalid_argument when an index or a number is out of range.
void check(const Problem& problem);

}  // namespace ctxmem
