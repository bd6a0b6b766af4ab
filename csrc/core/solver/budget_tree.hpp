// A packing problem as classes of options on a tree of budgets.
//
// Every node of the tree is a token budget: the root, or a section with a minimum, a maximum and a
// header that is paid when anything is in it. A class hangs on one node and takes exactly one of
// its options (one of which may be to take nothing). What remains between classes is of two kinds:
//   need   option sets a, b: whoever takes an option of a must take one of b
//          (chunks that need others; together = each needs the next, in a circle; the prefix
//          bonus = a weightless class that needs the unchanged chunk and the bonus before it)
//   count  option sets of several classes: the first one taken earns `one`, every further costs
//          `extra`, or is forbidden (coverage: one = weight; redundancy: extra = penalty; a group
//          across sections: further ones forbidden)
// Such an option set is a literal: true or false in a packing. Items of a group on the same node
// are one class to begin with. So are items of one node that require one another in a cycle
// (requirements.hpp): one option has them all, and an item with several options has a class of its
// own in which these replace its lightest one. So are items of one node that require one another in
// a chain, up to kMaxStages: each option has one more of them. Then classes of one node that are
// coupled are multiplied out into one class of their joint Pareto options, as long as that stays
// small; couplings inside it become part of the values. The enumeration carries what is left.
//
// Cost: linear in the problem, plus the cost of requirements.hpp, plus kMaxOptions options per class
// that was multiplied out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/packing.hpp"

namespace ctxmem {

using Literal = std::uint32_t;

struct TreeOption {
    std::int64_t tokens;
    std::int64_t value;
    std::vector<Literal> literals;  // true when this option is taken; sorted
    std::uint32_t taken = 0;        // what it takes, in BudgetTree::takes; 0 is nothing
};

// What options take, as binary trees that options share: a leaf is an option of the problem.
struct Take {
    std::int64_t choice;  // of a leaf: an index into the options of the problem; else -1
    bool replaces;        // this choice replaces another one of the same item
    std::uint32_t left;
    std::uint32_t right;
};

struct TreeClass {
    std::size_t node;
    std::vector<TreeOption> options;  // by literals, then tokens; ties by value and order
    std::size_t nothing;              // the option that takes nothing, or kNone
};

struct Need {
    Literal from;
    Literal to;
};

struct Count {
    std::vector<Literal> members;  // of different classes
    std::int64_t one;              // >= 0
    std::int64_t extra;            // >= 0, or kForbidden
};

struct TreeNode {
    std::size_t parent;  // below its own index; the root is its own parent
    std::int64_t minimum;
    std::int64_t maximum;  // never above the parent's
    std::int64_t header;   // with its separator
    bool tight;  // it or one above has a minimum: fewer tokens are not better, only the same are
};

struct BudgetTree {
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    static constexpr std::int64_t kForbidden = -1;
    // Small on purpose: the enumeration carries open couplings cheaply, large classes it does not.
    static constexpr std::size_t kMaxOptions = 16;
    // Bounds the options of a class that are offered again whenever one of them is taken.
    static constexpr std::size_t kMaxStages = 1024;

    std::vector<TreeNode> nodes;  // the root first, parents before children
    std::vector<std::size_t> node_of_section;
    std::vector<TreeClass> classes;
    std::vector<Take> takes{{-1, false, 0, 0}};  // the first one takes nothing
    std::vector<std::size_t> class_of;           // per literal
    std::vector<Need> needs;
    std::vector<Count> counts;
    std::int64_t magnitude = 0;  // no packing's parts sum to more, in absolute value
    bool feasible = true;        // false: some class has no option left

    // The problem must have passed check(). Throws std::invalid_argument when an item is in two
    // groups, sections form no tree, or values sum to 2^58 or more.
    explicit BudgetTree(const Problem& problem);

    std::uint32_t take(std::int64_t choice, bool replaces = false) {
        takes.push_back({choice, replaces, 0, 0});
        return static_cast<std::uint32_t>(takes.size() - 1);
    }
    std::uint32_t take_both(std::uint32_t left, std::uint32_t right) {
        if (left == 0 || right == 0) return left + right;
        takes.push_back({-1, false, left, right});
        return static_cast<std::uint32_t>(takes.size() - 1);
    }
    // Call visit(take) for every leaf. Without recursion: the trees may be deep.
    template <class Visit>
    void each_leaf(std::uint32_t taken, Visit&& visit) const {
        std::vector<std::uint32_t> open{taken};
        while (!open.empty()) {
            const Take& take = takes[open.back()];
            open.pop_back();
            if (take.choice >= 0) visit(take);
            for (const std::uint32_t next : {take.right, take.left})
                if (next != 0) open.push_back(next);
        }
    }
};

// Sort the options of a class and drop those that do not fit or that another with the same literals
// beats; false when none is left.
bool settle(const TreeNode& node, TreeClass& klass);

// Multiply coupled classes of one node out, where the product stays small; false when some class
// loses its last option, which proves that there is no packing.
bool multiply_out(BudgetTree& tree);

}  // namespace ctxmem
