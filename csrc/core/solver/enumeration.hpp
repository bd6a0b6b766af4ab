// The proof: every packing of a budget tree that loses at most a given depth against the bound.
//
// The value of a packing is the bound minus its losses, none of them negative: what its options
// lose against the best ones at the prices, what its couplings lose against their multipliers, and
// what sections lose by staying away from the limit whose price they carry. So the packings of a
// section that can be part of a better whole lose at most the depth within that section: each node
// is enumerated on its own, as frontier.hpp describes, and its packings are the options of one more
// class for its parent.
//
// A coupling is charged when the last class it joins comes in (schedule.hpp says when). Until then
// partial packings carry the facts it depends on, a bit each, and only packings with the same facts
// compete.
//
// Memory: the steps that lead to partial packings (200 MB at most), and kMostParts packings for each
// of two purposes, which lowers the cap of states where packings carry many facts or there are many
// nodes.
//
// Where a minimum has still to be met, fewer tokens are not better, so there only packings of the
// same tokens compete.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/solver/budget_tree.hpp"
#include "core/solver/frontier.hpp"
#include "core/solver/prices.hpp"
#include "core/solver/schedule.hpp"
#include "core/solver/backpointers.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

// `Words` 64-bit words of facts per partial packing: 2, 8 or 32.
template <std::size_t Words>
class Enumeration {
public:
    static constexpr std::size_t kFacts = 64 * Words;

    struct Round {
        bool stopped = false;             // the deadline has passed: nothing is known
        bool shortened = false;           // the cap dropped packings
        std::int64_t loss = kNoLoss;      // of the best packing found, or kNoLoss
        std::int64_t complete_below = 0;  // no packing that was not found loses less
        std::vector<std::size_t> chosen;  // the best packing: option per class
    };

    // The arguments must outlive this; the schedule must not use more bits than there are facts.
    Enumeration(const BudgetTree& tree, const Bound& bound, const Schedule& schedule);

    // The packing of least loss, if that is at most `depth`; keeps `cap` partial packings a step.
    Round run(std::int64_t depth, std::size_t cap, StopToken& stop);

private:
    using Facts = std::array<std::uint64_t, Words>;

    struct Step {
        std::uint32_t previous;
        std::uint32_t unit;  // within the node
        std::uint32_t move;  // option of the class, or packing of the child
    };
    struct Part {
        std::int64_t tokens;
        std::int64_t value;
        std::int64_t loss;
        Facts facts;
        std::uint32_t trail;
        std::uint32_t move;
    };
    struct Layer {  // a unit with the moves that are open in this round
        std::size_t unit;
        std::size_t begin;
        std::size_t end;
        std::int64_t reference;  // tokens of its move of least loss
        double up;
        double down;
        bool factual;  // its moves set facts, or it settles couplings
    };

    static constexpr std::uint32_t kStart = Backpointers<Step>::kStart;
    static constexpr std::uint32_t kClosed = 0xFFFFFFFEu;

    static constexpr std::size_t kStepLimit = std::size_t{1} << 24;  // 200 MB

    // Partial packings that are kept at a time, and packings of all nodes: 256 MB each.
    static constexpr std::size_t kMostParts = (std::size_t{256} << 20) / sizeof(Part);

    bool has(const Facts& facts, std::size_t bit) const {
        return (facts[bit / 64] >> (bit % 64)) & 1;
    }
    bool enumerate(std::size_t node, std::int64_t depth, StopToken& stop);
    bool gather_moves(std::size_t node, std::int64_t depth, Part& start);
    bool extend(std::size_t node, const Layer& layer, CompletionBound completion,
                std::int64_t depth, StopToken& stop);
    bool charge(const ScheduleUnit& unit, const Facts& keep, const Facts& before, const Facts& move,
                Part& part) const;
    void compete(const Layer& layer, std::int64_t free_from);
    void recover(std::size_t node, std::uint32_t trail, std::vector<std::size_t>& chosen) const;
    void close(std::size_t node, std::vector<std::size_t>& chosen) const;

    const BudgetTree& tree_;
    const Bound& bound_;
    const Schedule& schedule_;
    std::size_t cap_ = 0;
    std::vector<std::vector<Facts>> keep_;     // per node and unit: facts needed after it
    std::vector<std::vector<Facts>> facts_;    // per class and option
    std::vector<std::vector<Part>> parts_of_;  // per node: its packings in this round
    std::vector<Part> moves_;
    std::vector<Layer> layers_;
    std::vector<Part> parts_, gathered_, spare_;
    std::vector<std::size_t> runs_, next_runs_;
    Backpointers<Step> steps_{kStepLimit};
    FrontierCap frontier_cap_;
    std::int64_t free_from_ = 0;
};

extern template class Enumeration<2>;
extern template class Enumeration<8>;
extern template class Enumeration<32>;

}  // namespace ctxmem
