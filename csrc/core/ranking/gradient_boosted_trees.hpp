// Gradient-boosted small trees, evaluated over many rows at once without a branch on what they hold.
//
// A tree of at most 32 leaves is a set of masks (Lucchese et al., QuickScorer, SIGIR 2015): each of
// its nodes that sends a row to the right strikes out the leaves on its left, and of what all nodes
// leave over, the first leaf is the row's. So a node is one comparison and one `and`, the same for
// every row: the loop over rows is a kernel, and the nodes may come in any order. Rows x nodes in
// time; sums are made tree by tree, so that the same rows give the same bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

constexpr std::size_t kMostLeaves = 32;  // a bit each

// Trees as they are stored, one after the other. A tree of n leaves has n - 1 nodes, listed before
// those under them, left before right; so how many leaves lie left of each says how they hang
// together, and no numbers make a tree that is none. A row goes right where its feature is above
// the threshold. Values of leaves are listed from left to right.
struct TreesData {
    float bias = 0;
    std::vector<std::uint32_t> leaves;   // of each tree
    std::vector<std::uint32_t> feature;  // of each node
    std::vector<float> threshold;
    std::vector<std::uint32_t> left;
    std::vector<float> value;  // of each leaf
};

class GradientBoostedTrees {
public:
    // Throws std::invalid_argument, saying what is wrong, when the data are not those of trees over
    // `features` features or have numbers that are not finite.
    GradientBoostedTrees(const TreesData& data, std::size_t features);

    // Write the sum of the trees and the bias for each row; columns[f] has feature f of the rows.
    void sum(std::span<const float* const> columns, std::span<float> out,
             StopToken& stop = StopToken::none()) const;

    std::size_t trees() const { return trees_.size(); }

private:
    struct Node {
        std::uint32_t feature;
        float threshold;
        std::uint32_t kept;  // bits of the leaves that remain when the row goes right
    };
    struct Tree {
        std::uint32_t first_node, last_node, first_value;
    };

    float bias_;
    std::vector<Tree> trees_;
    std::vector<Node> nodes_;
    std::vector<float> values_;
};

}  // namespace ctxmem
