// In which order classes come in, and which facts are open when.
//
// The enumeration builds packings class by class, node by node. A coupling can be settled when the
// last class it joins comes in; until then packings must carry the facts it depends on, a bit each.
// The schedule puts coupled classes side by side, each time the one that leaves the fewest
// couplings open, and the others by their cheapest loss per token; it notes for every arrival which
// couplings it settles, and gives every fact a bit, which is used again when the fact is no longer
// needed.
//
// Cost: linear in classes and couplings, times the 64 candidates compared for the next place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/budget_tree.hpp"
#include "core/solver/prices.hpp"

namespace ctxmem {

struct ScheduleUnit {  // what comes in at once: a class, or a child node with all below it
    bool is_node;
    std::size_t index;                // of the class or the node
    std::vector<std::size_t> needs;   // settled when it comes in
    std::vector<std::size_t> pairs;   // counts of two members, settled when it comes in
    std::vector<std::size_t> counts;  // wider ones, settled when it comes in
    std::vector<std::size_t> wide;    // wider ones it has members of
    std::vector<std::size_t> ending;  // bits whose facts are not needed afterwards
    double rate;                      // cheapest loss per token
    std::size_t time;
};

class Schedule {
public:
    static constexpr std::size_t kNone = BudgetTree::kNone;

    // The arguments must outlive this.
    Schedule(const BudgetTree& tree, const Bound& bound);

    std::vector<std::vector<ScheduleUnit>> units;    // per node, in order
    std::vector<std::vector<std::size_t>> children;  // per node
    std::vector<std::vector<std::size_t>> classes;   // per node
    std::vector<bool> closable;                      // per node: may stay empty
    std::vector<std::int64_t> closed_charge;  // per node: what couplings below lose if it does
    std::vector<std::size_t> literal_bit;     // of literals in needs and in counts of two
    std::vector<std::size_t> count_bit;       // of wider counts: one member is true
    std::size_t bits = 0;                     // how many are in use at once

private:
    void plan(std::size_t node);
    void order(std::size_t node);
    double rate_of(std::size_t klass) const;
    void place_couplings();
    std::size_t meeting_node(const std::vector<std::size_t>& classes) const;
    ScheduleUnit& last_to_come(std::size_t node, const std::vector<std::size_t>& classes);
    void allot_bits();

    const BudgetTree& tree_;
    const Bound& bound_;
    std::vector<std::size_t> class_time_;               // per class: when it comes in
    std::vector<std::size_t> literal_end_, count_end_;  // the time after their last use
    std::size_t clock_ = 0;
};

}  // namespace ctxmem
