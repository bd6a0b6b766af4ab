// Which items require which others: the components of the graph and its transitive reduction.
//
// Items that require one another in a cycle are all in or none: they are one strongly connected
// component (Tarjan, Depth-first search and linear graph algorithms, 1972; without recursion). The
// components form an acyclic graph. An edge that a path implies is dropped, and a component whose
// closure (it and all that it requires) weighs more than the limit is marked impossible.
//
// Cost: linear, plus edges * components / 64 word operations for the reduction, for which every
// component that has an edge keeps its closure as a row of bits. If these rows need more than
// kMostBytes, edges are only deduplicated, and weights are lower bounds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ctxmem {

struct RequirementEdge {
    std::size_t from;
    std::size_t to;
};

class Requirements {
public:
    static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

    // `edges` join items; an item that requires itself is allowed.
    Requirements(std::size_t items, std::span<const RequirementEdge> edges);

    // Reduce the edges between components. weights[i] >= 0 is the least weight of item i.
    void reduce(std::span<const std::int64_t> weights, std::int64_t limit);

    std::size_t count() const { return first_.size() - 1; }
    std::size_t component(std::size_t item) const { return component_[item]; }
    // The items of a component, ascending.
    std::span<const std::size_t> members(std::size_t component) const {
        return {members_.data() + first_[component], members_.data() + first_[component + 1]};
    }
    // After reduce(): one edge between items for each component that is required directly.
    const std::vector<RequirementEdge>& edges(std::size_t component) const {
        return edges_[component];
    }
    bool impossible(std::size_t component) const { return impossible_[component]; }

private:
    void find_components(std::size_t items, std::span<const RequirementEdge> edges);

    // Invariant: a component requires only components with lower numbers.
    std::vector<std::size_t> component_;  // per item
    std::vector<std::size_t> first_{0};   // per component, into members_
    std::vector<std::size_t> members_;
    std::vector<std::vector<RequirementEdge>> edges_;  // per component
    std::vector<bool> impossible_;
};

}  // namespace ctxmem
