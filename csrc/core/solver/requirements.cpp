#include "core/solver/requirements.hpp"

#include <algorithm>
#include <bit>

namespace ctxmem {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

}  // namespace

Requirements::Requirements(std::size_t items, std::span<const RequirementEdge> edges) {
    find_components(items, edges);
    first_.assign(first_.size(), 0);
    for (const std::size_t c : component_) ++first_[c + 1];
    for (std::size_t c = 0; c < count(); ++c) first_[c + 1] += first_[c];
    members_.resize(items);
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    for (std::size_t i = 0; i < items; ++i) members_[next[component_[i]]++] = i;
    edges_.resize(count());
    impossible_.assign(count(), false);
    for (const RequirementEdge& edge : edges)
        if (component_[edge.from] != component_[edge.to])
            edges_[component_[edge.from]].push_back(edge);
}

void Requirements::find_components(std::size_t items, std::span<const RequirementEdge> edges) {
    std::vector<std::size_t> start(items + 1, 0), target(edges.size());
    for (const RequirementEdge& edge : edges) ++start[edge.from + 1];
    for (std::size_t i = 0; i < items; ++i) start[i + 1] += start[i];
    std::vector<std::size_t> next(start.begin(), start.end() - 1);
    for (const RequirementEdge& edge : edges) target[next[edge.from]++] = edge.to;

    component_.assign(items, kNone);
    next.assign(start.begin(), start.end() - 1);  // the edge with which each item goes on
    std::vector<std::size_t> order(items, kNone), low(items), open, path;
    std::size_t visited = 0;
    for (std::size_t root = 0; root < items; ++root) {
        if (order[root] != kNone) continue;
        path.push_back(root);
        while (!path.empty()) {
            const std::size_t item = path.back();
            if (order[item] == kNone) {
                order[item] = low[item] = visited++;
                open.push_back(item);
            }
            if (next[item] < start[item + 1]) {
                const std::size_t other = target[next[item]++];
                if (order[other] == kNone)
                    path.push_back(other);
                else if (component_[other] == kNone)
                    low[item] = std::min(low[item], order[other]);
                continue;
            }
            path.pop_back();
            if (!path.empty()) low[path.back()] = std::min(low[path.back()], low[item]);
            if (low[item] != order[item]) continue;
            const std::size_t number = count();
            first_.push_back(0);
            std::size_t member = kNone;
            do {
                member = open.back();
                open.pop_back();
                component_[member] = number;
            } while (member != item);
        }
    }
}

void Requirements::reduce(std::span<const std::int64_t> weights, std::int64_t limit) {
    const std::int64_t too_heavy = limit + 1;  // sums stop here, so that they cannot overflow
    const auto add = [&](std::int64_t a, std::int64_t b) {
        return std::min(too_heavy, std::min(too_heavy, a) + std::min(too_heavy, b));
    };
    // Components that have an edge, densely numbered in the same order.
    std::vector<std::size_t> row(count(), kNone);
    std::vector<char> joined(count(), 0);
    for (std::size_t c = 0; c < count(); ++c)
        for (const RequirementEdge& edge : edges_[c]) joined[c] = joined[component_[edge.to]] = 1;
    std::size_t rows = 0;
    for (std::size_t c = 0; c < count(); ++c)
        if (joined[c] != 0) row[c] = rows++;
    const std::size_t words = (rows + 63) / 64;
    const bool exact = words == 0 || rows <= kMostBytes / 8 / words;
    std::vector<std::uint64_t> closure(exact ? rows * words : 0, 0);
    std::vector<std::size_t> of_row(rows);
    for (std::size_t c = 0; c < count(); ++c)
        if (row[c] != kNone) of_row[row[c]] = c;

    std::vector<std::int64_t> own(count(), 0), whole(count(), 0);
    for (std::size_t c = 0; c < count(); ++c) {
        for (const std::size_t item : members(c)) own[c] = add(own[c], weights[item]);
        std::vector<RequirementEdge>& edges = edges_[c];
        // A component that requires another one has the higher number, so it comes first here.
        std::stable_sort(edges.begin(), edges.end(),
                         [&](const RequirementEdge& a, const RequirementEdge& b) {
                             return component_[a.to] > component_[b.to];
                         });
        edges.erase(std::unique(edges.begin(), edges.end(),
                                [&](const RequirementEdge& a, const RequirementEdge& b) {
                                    return component_[a.to] == component_[b.to];
                                }),
                    edges.end());
        whole[c] = own[c];
        for (const RequirementEdge& edge : edges)
            whole[c] = std::max(whole[c], add(own[c], whole[component_[edge.to]]));
        if (exact && !edges.empty()) {
            std::uint64_t* bits = &closure[row[c] * words];
            std::size_t kept = 0;
            for (const RequirementEdge& edge : edges) {
                const std::size_t to = row[component_[edge.to]];
                if ((bits[to / 64] >> (to % 64) & 1) != 0) continue;
                edges[kept++] = edge;
                const std::uint64_t* theirs = &closure[to * words];
                for (std::size_t w = 0; w <= to / 64; ++w) bits[w] |= theirs[w];
                bits[to / 64] |= std::uint64_t{1} << (to % 64);
            }
            edges.resize(kept);
            if (kept > 1 && whole[c] < too_heavy) {
                whole[c] = own[c];
                for (std::size_t w = 0; w < words && whole[c] < too_heavy; ++w)
                    for (std::uint64_t left = bits[w]; left != 0; left &= left - 1)
                        whole[c] = add(
                            whole[c],
                            own[of_row[w * 64 + static_cast<std::size_t>(std::countr_zero(left))]]);
            }
        }
        impossible_[c] = whole[c] >= too_heavy;
        for (const RequirementEdge& edge : edges)
            if (impossible_[component_[edge.to]]) impossible_[c] = true;
    }
}

}  // namespace ctxmem
