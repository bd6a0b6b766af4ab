// Groups without chains: each text and the representative it is a near-duplicate of.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace ctxmem {

struct Groups {
    std::vector<std::int32_t> representative;  // of every text; its own index when it is alone
    std::vector<double> similarity;            // to the representative; 1 for itself
    bool exact = true;  // false: a member may have been missed, every similarity is right
};

// The texts by descending priority, ties by index: the order in which they may become representatives.
// Throws std::invalid_argument unless there is one priority a text and none is NaN.
inline std::vector<std::int32_t> by_priority(std::span<const double> priority, std::size_t texts) {
    if (priority.size() != texts)
        throw std::invalid_argument("expected as many priorities as texts");
    struct Ranked {
        double priority;
        std::int32_t text;
    };
    std::vector<Ranked> ranked;
    ranked.reserve(texts);
    for (std::size_t i = 0; i < texts; ++i) {
        if (std::isnan(priority[i])) throw std::invalid_argument("a priority is NaN");
        ranked.push_back({priority[i], static_cast<std::int32_t>(i)});
    }
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
        return a.priority != b.priority ? a.priority > b.priority : a.text < b.text;
    });
    std::vector<std::int32_t> order;
    order.reserve(texts);
    for (const Ranked& one : ranked) order.push_back(one.text);
    return order;
}

}  // namespace ctxmem
