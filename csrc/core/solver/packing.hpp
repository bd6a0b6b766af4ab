// A packing problem with every constraint kind of a context window, and its solution.
//
// Chunks with alternatives, near-duplicate groups, pins, chunks that need others, tool calls and
// results that stay together, sections with minima, maxima and headers, redundancy, coverage of
// concepts, a cached prefix. The parts, each in a header of its own:
//   budget_tree.hpp  the problem as classes of options on a tree of budgets, joined by couplings
//   prices.hpp       token prices and multipliers: an upper bound in integers
//   builder.hpp      feasible packings by lazy greedy on the true value
//   schedule.hpp     in which order classes come in, and which facts are open when
//   enumeration.hpp  the proof: all partial packings that could still beat the best known one
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/knapsack.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

// Lists of lists are flat: list i is [starts[i], starts[i + 1]) of its members.
struct Lists {
    std::vector<std::int64_t> starts{0};
    std::vector<std::int64_t> members;

    std::size_t count() const { return starts.size() - 1; }
    const std::int64_t* begin(std::size_t i) const { return members.data() + starts[i]; }
    const std::int64_t* end(std::size_t i) const { return members.data() + starts[i + 1]; }
};

struct Problem {
    static constexpr std::int64_t kFree = -2;  // pins: may be left out
    static constexpr std::int64_t kAny = -1;   // pins: in, in whichever option

    std::int64_t budget = 0;
    std::int64_t separator = 0;            // tokens added to every chosen item and open header
    std::vector<std::int64_t> starts{0};   // options of item i: [starts[i], starts[i + 1])
    std::vector<std::int64_t> tokens;      // per option
    std::vector<std::int64_t> values;      // per option
    std::vector<std::int64_t> section;     // per item; -1 is the root
    std::vector<std::int64_t> pin;         // per item: kFree, kAny or the option it must have
    std::vector<std::int64_t> needs;       // pairs: item, the item it needs
    Lists groups;                          // at most one item of each
    Lists together;                        // all items of each or none
    std::vector<std::int64_t> parent;      // per section; -1 is the root
    std::vector<std::int64_t> minimum;     // per section
    std::vector<std::int64_t> maximum;     // per section
    std::vector<std::int64_t> header;      // per section
    std::vector<std::int64_t> redundancy;  // triples: item, item, the value lost if both are in
    std::vector<std::int64_t> concepts;    // the value of each concept that is covered
    Lists covers;                          // per option, the concepts it covers; may be empty
    std::vector<std::int64_t> prefix;      // items whose first options form the cached prefix
    std::vector<std::int64_t> bonus;       // for each of them: gained while all up to it are kept

    std::size_t items() const { return starts.size() - 1; }
};

struct Solution {
    std::vector<std::int32_t> chosen;  // option per item, or -1
    std::int64_t value = 0;
    std::int64_t upper_bound = 0;
    Status status = Status::kInfeasible;
    bool found = false;          // `chosen` is a packing; false with kGap: none was found in time
    double price = 0;            // value per token at the margin of the budget
    std::vector<double> prices;  // the same for each section; below `price` where its minimum binds
};

// Throws std::invalid_argument for indices out of range, sections that form no tree, tokens, header
// or bonus below 0, or numbers whose sums could pass 2^58.
Solution solve_packing(const Problem& problem, const Limits& limits, StopToken& stop);

}  // namespace ctxmem
