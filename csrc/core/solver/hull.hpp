// Upper concave hulls of (tokens, value) options, and the price at which they fill a budget.
//
// The hull of a class is what its linear relaxation sees: a run of increments of falling slope. The
// critical slope of many hulls is a weighted median (Dyer 1984, Zemel 1984): linear expected time.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctxmem {

struct Increment {
    double slope;  // value per token
    std::int64_t tokens;
};

// Append the increments of one hull. The options ascend strictly in tokens.
template <class Option, class Value>
void append_hull(const Option* options, std::size_t count, Value value_of,
                 std::vector<Increment>& increments, std::vector<std::size_t>& hull) {
    hull.clear();
    const std::size_t begin = increments.size();
    for (std::size_t i = 0; i < count; ++i) {
        while (!hull.empty()) {
            const std::size_t last = hull.back();
            const std::int64_t tokens = options[i].tokens - options[last].tokens;
            const double slope =
                static_cast<double>(value_of(i) - value_of(last)) / static_cast<double>(tokens);
            if (increments.size() == begin || slope < increments.back().slope) {
                increments.push_back({slope, tokens});
                break;
            }
            increments.pop_back();
            hull.pop_back();
        }
        hull.push_back(i);
    }
}

// The slope at which the increments, taken steepest first, fill the room; 0 if all of them fit.
// Reorders the increments.
inline double critical_slope(std::vector<Increment>& increments, std::int64_t room) {
    std::size_t lo = 0;
    std::size_t hi = increments.size();
    while (lo < hi) {
        const double a = increments[lo].slope;
        const double b = increments[lo + (hi - lo) / 2].slope;
        const double c = increments[hi - 1].slope;
        const double pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
        const auto begin = increments.begin() + static_cast<std::ptrdiff_t>(lo);
        const auto end = increments.begin() + static_cast<std::ptrdiff_t>(hi);
        const auto equal =
            std::partition(begin, end, [&](const Increment& i) { return i.slope > pivot; });
        const auto less =
            std::partition(equal, end, [&](const Increment& i) { return i.slope == pivot; });
        std::int64_t steeper = 0;
        for (auto i = begin; i != equal; ++i) steeper += i->tokens;
        if (steeper > room) {
            hi = static_cast<std::size_t>(equal - increments.begin());
            continue;
        }
        room -= steeper;
        for (auto i = equal; i != less; ++i) {
            if (i->tokens > room) return pivot;
            room -= i->tokens;
        }
        lo = static_cast<std::size_t>(less - increments.begin());
    }
    return 0;
}

}  // namespace ctxmem
