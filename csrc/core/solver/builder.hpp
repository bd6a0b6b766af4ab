// Feasible packings by lazy greedy on the true value.
//
// A packing is built by moves: give a class another option. A move includes all that the option
// needs, and is undone when it breaks a maximum or a forbidden pair, so that a packing is consistent
// at every moment; only pinned classes and minima may still be open.
// First what must be in, then the minima, then what prices recommend, then the most value per token
// with the values brought up to date lazily (Minoux 1978), as coverage makes them fall.
//
// Cost: a move is the literals of the options that it changes times their couplings; a packing is
// about options * log(options) moves. Where moves are large because much is needed, the packing is
// left as it is after kChangesPerOption changes per option, so the cost stays linear.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/budget_tree.hpp"
#include "core/solver/prices.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

class Builder {
public:
    explicit Builder(const BudgetTree& tree);

    // Build a packing, from the options that the prices recommend if `follow`, else from nothing;
    // true when it is feasible.
    bool build(const Prices& prices, bool follow, StopToken& stop);

    std::int64_t value() const { return value_; }
    const std::vector<std::size_t>& chosen() const { return chosen_; }

private:
    struct Undo {
        std::size_t klass;
        std::size_t option;
    };

    bool open(std::size_t c) const { return chosen_[c] == BudgetTree::kNone; }
    void clear();
    void put(std::size_t c, std::size_t option);   // without asking
    bool move(std::size_t c, std::size_t option);  // false: undone
    bool change(std::size_t c, std::size_t option);
    bool change_all(std::size_t c, std::size_t option);
    bool tired() const { return changes_ > most_changes_; }
    void take_back();
    void fill_minima(const Prices& prices, StopToken& stop);
    void fill(StopToken& stop);

    const BudgetTree& tree_;
    const Prices* prices_ = nullptr;
    std::vector<std::vector<Literal>> needed_by_;      // per literal: what it needs
    std::vector<std::vector<Literal>> needing_;        // per literal: what needs it
    std::vector<std::vector<std::size_t>> counts_of_;  // per literal
    std::vector<std::size_t> chosen_;                  // option; kNone: pinned, not yet in
    std::vector<char> truth_;                          // per literal
    std::vector<std::int64_t> tally_;                  // per count: true members
    std::vector<std::int64_t> tokens_;                 // per node, with headers
    std::vector<Undo> undo_;
    std::vector<Literal> needed_, before_;  // of the present move, of the present change
    std::uint64_t changes_ = 0;
    std::uint64_t most_changes_ = 0;
    std::int64_t value_ = 0;
    std::int64_t forbidden_ = 0;  // further members of counts that forbid them
    std::int64_t over_ = 0;       // nodes above their maximum
    std::int64_t unmet_ = 0;      // nodes below their minimum
};

}  // namespace ctxmem
