// Prices that make an upper bound: one per token for every node, one multiplier per coupling.
//
// Every need is relaxed by a price m >= 0 that `from` pays to `to`; every count by a slope t that
// its members earn, with one - t earned at once (Lagrange; Fisher 1981). At given multipliers the
// best token prices come from the linear relaxation, exactly: the increments of the class hulls,
// sorted, go up the tree; a section's minimum forces the steepest in, its maximum cuts the flattest
// off, its header is blended into the first ones. The price of a section is that of its parent,
// clamped between the slope where its maximum cuts and the slope where its minimum is reached. The
// multipliers follow the subgradient with Polyak's step (1969).
//
// The search is in floating point. Its outcome is rounded to fixed point, and the bound and all
// losses are computed anew in 64-bit integers: any prices give a bound, so only a little precision is lost.
//
// Cost per round: options + increments * log * depth of the tree.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/budget_tree.hpp"
#include "core/solver/hull.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

// The bound in fixed point: everything is scaled by 2^shift.
struct Bound {
    int shift = 0;
    std::int64_t total = 0;                // no packing has more, couplings included
    std::vector<std::int64_t> price;       // per node
    std::vector<std::int64_t> node_total;  // per node: the greatest value of its subtree, less
                                           // the price of its parent for its tokens
    std::vector<std::int64_t> open_total;  // the same if anything is in it
    std::vector<std::int64_t> need;        // multiplier per need
    std::vector<std::int64_t> slope;       // multiplier per count
    std::vector<std::vector<std::int64_t>> value;  // per class and option: with multipliers
    std::vector<std::vector<std::int64_t>> loss;   // per class and option, against the best one
    std::vector<std::size_t> best;                 // per class
};

class Prices {
public:
    explicit Prices(const BudgetTree& tree);

    // Price the tree at the present multipliers and return the bound, in plain values.
    double evaluate();

    // Move the multipliers towards the least bound, given the value of a packing to aim at.
    void step(double bound, double target);

    // Remember the present multipliers as the best so far, or go back to them.
    void keep() { kept_need_ = need_, kept_slope_ = slope_; }
    void restore() { need_ = kept_need_, slope_ = kept_slope_; }

    const std::vector<std::size_t>& best() const { return best_; }
    double price(std::size_t node) const { return price_[node]; }
    // The value of option o of class c with multipliers, less the price of its tokens.
    double gain(std::size_t c, std::size_t o) const {
        const std::size_t i = first_[c] + o;
        return value_[i] - price_[tree_.classes[c].node] * static_cast<double>(tokens_[i]);
    }

    // False when not even the relaxation can be served: there is no packing.
    bool feasible() const { return feasible_; }
    // The length of the steps, as a share of Polyak's.
    double& agility() { return factor_; }

    // Price the tree and give the bound in integers.
    Bound round();

private:
    struct Demand {
        std::int64_t base = 0;  // tokens that are in at any price
        std::vector<Increment> increments;
        double low = 0;   // price at which the maximum cuts; -infinity if it does not
        double high = 0;  // price at which the minimum is reached; infinity if there is none
    };

    static constexpr double kMomentum = 0.3;

    void apply_multipliers();
    void hull(std::size_t c);
    double least_slope(const Count& count) const;
    void price_tree();
    void gather(std::size_t node);

    const BudgetTree& tree_;
    std::vector<std::size_t> first_;                   // per class, into the flat arrays below
    std::vector<std::int64_t> tokens_;                 // per option
    std::vector<double> plain_;                        // per option: value without multipliers
    std::vector<double> value_;                        // per option: with them
    std::vector<bool> coupled_;                        // per class
    std::vector<std::vector<std::size_t>> at_node_;    // classes
    std::vector<std::vector<std::size_t>> by_tokens_;  // per class, all of its options
    std::vector<std::vector<Increment>> hulls_;        // per class
    std::vector<double> need_, slope_, kept_need_, kept_slope_;
    std::vector<double> need_limit_;
    std::vector<double> earned_;  // per literal: what its options gain by multipliers
    std::vector<std::size_t> corners_;
    std::vector<bool> closable_;  // per node: may stay empty, with all below it
    std::vector<double> need_step_, slope_step_;
    std::vector<Demand> demand_;  // per node
    std::vector<double> price_;
    std::vector<std::size_t> best_;
    std::vector<char> truth_;  // per literal, at the best options
    double factor_ = 1;
    bool feasible_ = true;
};

}  // namespace ctxmem
