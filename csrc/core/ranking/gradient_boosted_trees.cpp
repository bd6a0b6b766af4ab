#include "core/ranking/gradient_boosted_trees.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kRows = 256;  // rows whose masks stay in the first cache

constexpr std::uint32_t first_bits(std::uint32_t count) {
    return count >= 32 ? ~0u : (1u << count) - 1;
}

void require(bool fits, const char* what) {
    if (!fits) throw std::invalid_argument(what);
}

bool all_finite(std::span<const float> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

GradientBoostedTrees::GradientBoostedTrees(const TreesData& data, std::size_t features)
    : bias_(data.bias), values_(data.value) {
    const std::size_t nodes = data.feature.size();
    require(data.threshold.size() == nodes && data.left.size() == nodes,
            "trees: feature, threshold and left have different lengths; expected one a node");
    require(std::isfinite(data.bias) && all_finite(data.threshold) && all_finite(data.value),
            "trees: a number is not finite");
    std::size_t node = 0, value = 0;
    for (const std::uint32_t leaves : data.leaves) {
        require(leaves >= 1 && leaves <= kMostLeaves,
                "trees: a tree has no leaf or more than 32; expected 1 to 32");
        require(leaves - 1 <= nodes - node && leaves <= data.value.size() - value,
                "trees: the trees have more leaves than there are nodes and values");
        trees_.push_back({static_cast<std::uint32_t>(node),
                          static_cast<std::uint32_t>(node + leaves - 1),
                          static_cast<std::uint32_t>(value)});
        // Leaves under the nodes still to come, the next on top: [from, from + count).
        struct Under {
            std::uint32_t from, count;
        };
        std::array<Under, kMostLeaves> open;
        std::size_t depth = 0;
        if (leaves > 1) open[depth++] = {0, leaves};
        while (depth > 0) {
            const Under at = open[--depth];
            const std::uint32_t left = data.left[node];
            require(left >= 1 && left < at.count,
                    "trees: a node has no leaf on one side; expected 1 to all but 1 on its left");
            require(data.feature[node] < features, "trees: a node looks at a feature there is not");
            nodes_.push_back(
                {data.feature[node], data.threshold[node], ~(first_bits(left) << at.from)});
            if (at.count - left > 1) open[depth++] = {at.from + left, at.count - left};
            if (left > 1) open[depth++] = {at.from, left};
            ++node;
        }
        value += leaves;
    }
    require(node == nodes && value == data.value.size(),
            "trees: the trees have fewer leaves than there are nodes and values");
    values_.resize(values_.size() + kMostLeaves);  // the kernel reads as many for every tree
}

void GradientBoostedTrees::sum(std::span<const float* const> columns, std::span<float> out,
                               StopToken& stop) const {
    std::array<std::uint32_t, kRows> left_over;
    const auto mask_leaves = kernels().mask_leaves;
    const auto leaf_sum = kernels().leaf_sum;
    for (std::size_t from = 0; from < out.size(); from += kRows) {
        const std::size_t rows = std::min(kRows, out.size() - from);
        stop.check(rows * (nodes_.size() / 16 + trees_.size()));
        float* const total = out.data() + from;
        std::fill_n(total, rows, bias_);
        for (const Tree& tree : trees_) {
            std::uint32_t* const mask = left_over.data();
            std::fill_n(mask, rows, ~0u);
            for (std::uint32_t n = tree.first_node; n < tree.last_node; ++n) {
                const Node node = nodes_[n];
                mask_leaves(columns[node.feature] + from, rows, node.threshold, node.kept, mask);
            }
            // The leftmost leaf is never struck out without one to its right remaining, so a bit
            // is always set, and below the tree's number of leaves.
            leaf_sum(mask, rows, values_.data() + tree.first_value, total);
        }
    }
}

}  // namespace ctxmem
