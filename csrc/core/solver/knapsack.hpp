// The multiple-choice knapsack: one option of each class, the most value within a token budget.
//
// 1. Classes are moved to their lightest option and reduced to Pareto options (more tokens, more
//    value), so that tokens and values only grow and every product below stays under 2^61.
// 2. The price per token is where the linear relaxation fills the budget: a weighted median of the
//    hull slopes (Dyer 1984, Zemel 1984). Any price gives a valid bound, so it is rounded to fixed
//    point and the bound is computed in integers, without a tolerance.
// 3. The best options at that price, with the cheapest upgrades that fit, are a first packing.
// 4. A loss-bounded Pareto enumeration (frontier.hpp), at growing depth, finds a better packing or
//    proves that there is none.
// 5. Where values are nearly proportional to tokens the frontier holds almost every token sum; then
//    a dense table over the budget is cheaper, and it is used (Bellman 1957, with the divide and
//    conquer of Hirschberg 1975 to recover the choice in linear memory). A table has at most
//    kTableBytes; above, the frontier goes on up to the cap of states.
//
// Cost: O(m) expected for the bound, m options; the enumeration is exponential in theory and about
// linear on packings of text; the table is O(m * budget) in vector operations.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

enum class Status : std::uint8_t {
    kOptimal,  // nothing is better
    kGap,  // nothing is above the upper bound; the time limit, the cap or the gap ended the search
    kInfeasible,  // there is no packing
};

// Options of class c are [starts[c], starts[c + 1]). A class that is not mandatory may stay empty.
struct Classes {
    const std::int64_t* starts;
    const std::int64_t* tokens;
    const std::int64_t* values;
    const bool* mandatory;
    std::size_t count;
};

constexpr std::size_t kTableBytes = std::size_t{64} << 20;

constexpr std::size_t kMostStates = std::size_t{1} << 26;  // a higher cap counts as this one

struct Limits {
    std::size_t states = 200000;  // partial packings kept after each class, at most
    double gap = 0;               // stop when (bound - value) <= gap * |bound|
};

struct Packing {
    std::vector<std::int32_t> chosen;  // option within its class, or -1
    std::int64_t value = 0;
    std::int64_t upper_bound = 0;
    double price = 0;  // value per token at the margin; 0 when the budget does not bind
    Status status = Status::kInfeasible;
};

// Ties break by index: the same input gives the same packing unless the deadline ends the search.
// Throws std::invalid_argument for starts that descend or do not begin at 0, tokens below 0, a budget
// that is not 0 to 2^31, classes of more than 2^31 options, or values whose sum could pass 2^60.
// starts[count] is the number of tokens and values.
Packing solve_knapsack(const Classes& classes, std::int64_t budget, const Limits& limits,
                       StopToken& stop);

}  // namespace ctxmem
