// Loss-bounded Pareto enumeration over classes (after Pisinger's MINKNAP and MCKNAP, 1995 and
// 1997).
//
// At a token price p every class has a best option; any other choice loses value - p * tokens
// against it, and so does capacity that stays empty. The value of a packing is the dual bound minus
// the sum of its losses, none of them negative, so a packing better than a known one loses less
// than the distance d between that one and the bound. The frontier holds the partial packings over
// the classes seen so far that lose at most d and that no other beats in both tokens and value.
// Classes enter in the order of their cheapest loss per token: what is left can then only correct a
// packing at a growing price, and `Window` uses that price to discard packings that cannot end in
// bounds.
//
// Cost: per class, its options times the length of the frontier, which never exceeds the number of
// different token sums. When it exceeds the cap, the worst are dropped and the smallest loss among
// them is kept: no packing that was dropped can lose less, so the bound stays certified.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/solver/backpointers.hpp"
#include "core/support/stop_token.hpp"

namespace ctxmem {

constexpr std::int64_t kNoLoss = std::numeric_limits<std::int64_t>::max();
constexpr double kNever = std::numeric_limits<double>::infinity();

// One way to serve a class. `option` is an index that only the caller reads.
struct Move {
    std::int64_t tokens;
    std::int64_t value;
    std::int64_t loss;
    std::uint32_t option;
};

// Where the token sum of a packing may end, and what it costs to get there from outside.
struct Window {
    std::int64_t least;  // tokens must reach this
    std::int64_t most;   // and not exceed this
    double slack;        // loss per token: > 0 below `most`, < 0 above `least`, 0 free in between

    // A lower bound on what a packing that is heading for `tokens` still loses, when the remaining
    // classes add tokens at `up` and shed them at `down` per token or more.
    double rest(std::int64_t tokens, double up, double down) const {
        if (tokens > most) return static_cast<double>(tokens - most) * down;
        if (tokens < least) return static_cast<double>(least - tokens) * up;
        if (slack > 0 && tokens < most)
            return static_cast<double>(most - tokens) * std::min(slack, up);
        if (slack < 0 && tokens > least)
            return static_cast<double>(tokens - least) * std::min(-slack, down);
        return 0;
    }
};

// A lower bound on what a packing loses with the classes that remain.
struct CompletionBound {
    Window window;
    std::int64_t heading;  // tokens of the best options of those classes
    double up;             // their least loss per token that they add
    double down;           // and per token that they shed

    // The products round by 1e-15 of their size; the margin keeps this a lower bound.
    double loss(std::int64_t tokens) const {
        return window.rest(tokens + heading, up, down) * (1 - 1e-9);
    }
};

// Shortens lists of partial packings and keeps what that costs.
class FrontierCap {
public:
    // Keep the `limit` packings that can still lose least. Returns the least loss among those it
    // drops, or infinity.
    template <class Packing>
    double shorten(std::vector<Packing>& packings, std::size_t limit, CompletionBound completion) {
        if (packings.size() <= limit) return kNever;
        losses_.clear();
        for (const Packing& packing : packings)
            losses_.push_back(static_cast<double>(packing.loss) + completion.loss(packing.tokens));
        ranked_ = losses_;
        std::nth_element(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(limit),
                         ranked_.end());
        const double threshold = ranked_[limit];
        std::size_t ties = limit;  // how many of those at the threshold still have room
        std::size_t tied = 0;
        for (const double loss : losses_) {
            ties -= loss < threshold;
            tied += loss == threshold;
        }
        // Of equals every n-th stays: spread over the token sums they leave more ways to fill up.
        std::size_t kept = 0;
        std::size_t passed = 0;
        for (std::size_t i = 0; i < packings.size(); ++i) {
            bool stays = losses_[i] < threshold;
            if (losses_[i] == threshold) {
                stays = passed * ties / tied != (passed + 1) * ties / tied;
                ++passed;
            }
            if (stays) packings[kept++] = packings[i];
        }
        packings.resize(kept);
        // Below 2^61, so the conversion is in range; rounded down by more than the doubles err.
        dropped_ = std::min(dropped_, static_cast<std::int64_t>(threshold * (1 - 1e-9)));
        return threshold;
    }

    // No packing that was dropped loses less; kNoLoss if none was.
    std::int64_t dropped() const { return dropped_; }
    void reset() { dropped_ = kNoLoss; }

private:
    std::int64_t dropped_ = kNoLoss;
    std::vector<double> losses_, ranked_;
};

struct Partial {
    std::int64_t tokens;
    std::int64_t value;
    std::int64_t loss;
    std::uint32_t trail;   // the moves that led here, newest first
    std::uint32_t option;  // the last move, until the trail takes it up
};

class Frontier {
    struct Step {
        std::uint32_t previous;
        std::uint32_t option;
    };

public:
    static constexpr std::uint32_t kStart = Backpointers<Step>::kStart;

    Frontier(std::int64_t depth, std::size_t cap) : depth_(depth), cap_(cap) {
        partials_.push_back({0, 0, 0, kStart, kStart});
    }

    // Let one class in. moves[0] is its best option, with no loss; the others lose at most `depth`.
    // `completion` is of the classes still to come. False when the deadline has passed.
    bool extend(const Move* moves, std::size_t count, CompletionBound completion, StopToken& stop) {
        const auto hopeful = [&](std::int64_t tokens, std::int64_t loss) {
            return loss <= depth_ &&
                   completion.loss(tokens) <= static_cast<double>(depth_ - loss) + 1;
        };
        gathered_.clear();
        runs_.assign(1, 0);
        for (std::size_t m = 0; m < count; ++m) {
            const std::uint32_t option = m == 0 ? kStart : moves[m].option;
            for (const Partial& from : partials_) {
                const std::int64_t tokens = from.tokens + moves[m].tokens;
                const std::int64_t loss = from.loss + moves[m].loss;
                if (hopeful(tokens, loss))
                    gathered_.push_back(
                        {tokens, from.value + moves[m].value, loss, from.trail, option});
            }
            if (gathered_.size() > runs_.back()) runs_.push_back(gathered_.size());
            work_ += partials_.size();
            if (stop.expired(partials_.size())) return false;
            if (gathered_.size() > 4 * cap_ + 1000) {
                merge_runs();
                frontier_cap_.shorten(gathered_, cap_, completion);
                runs_.assign({0, gathered_.size()});
            }
        }
        merge_runs();
        const std::size_t room = backpointers_.make_room(gathered_);
        frontier_cap_.shorten(gathered_, std::max<std::size_t>(1, std::min(cap_, room)),
                              completion);
        partials_.swap(gathered_);
        for (Partial& p : partials_)
            if (p.option != kStart) {
                p.trail = backpointers_.add({p.trail, p.option});
                p.option = kStart;
            }
        return true;
    }

    // Tokens and value both ascend strictly.
    const std::vector<Partial>& partials() const { return partials_; }

    // A packing that is not in the frontier, and loses less than this, does not exist.
    std::int64_t complete_below() const {
        return std::min(frontier_cap_.dropped(), depth_ == kNoLoss ? kNoLoss : depth_ + 1);
    }
    bool shortened() const { return frontier_cap_.dropped() != kNoLoss; }
    std::uint64_t work() const { return work_; }

    // Call visit(option) for every move on the trail, newest first; best options are not on it.
    template <class Visit>
    void follow(std::uint32_t trail, Visit visit) const {
        for (; trail != kStart; trail = backpointers_[trail].previous)
            visit(backpointers_[trail].option);
    }

private:
    static constexpr std::size_t kSteps = std::size_t{1} << 25;  // 256 MB

    // Merge the runs pairwise, keeping of each pair what no other packing beats; first runs win
    // ties.
    void merge_runs() {
        while (runs_.size() > 2) {
            spare_.clear();
            std::vector<std::size_t>& runs = next_runs_;
            runs.assign(1, 0);
            std::size_t r = 0;
            for (; r + 2 < runs_.size(); r += 2) {
                merge(runs_[r], runs_[r + 1], runs_[r + 2]);
                runs.push_back(spare_.size());
            }
            if (r + 1 < runs_.size()) {
                spare_.insert(spare_.end(), gathered_.begin() + static_cast<long>(runs_[r]),
                              gathered_.end());
                runs.push_back(spare_.size());
            }
            gathered_.swap(spare_);
            runs_.swap(runs);
        }
    }

    void merge(std::size_t a, std::size_t middle, std::size_t end) {
        std::size_t b = middle;
        std::int64_t value = std::numeric_limits<std::int64_t>::min();
        while (a < middle || b < end) {
            const bool first =
                b == end || (a < middle && (gathered_[a].tokens < gathered_[b].tokens ||
                                            (gathered_[a].tokens == gathered_[b].tokens &&
                                             gathered_[a].value >= gathered_[b].value)));
            const Partial& next = gathered_[first ? a++ : b++];
            if (next.value <= value) continue;
            value = next.value;
            spare_.push_back(next);
        }
    }

    std::int64_t depth_;
    std::size_t cap_;
    FrontierCap frontier_cap_;
    std::uint64_t work_ = 0;
    std::vector<Partial> partials_, gathered_, spare_;
    std::vector<std::size_t> runs_, next_runs_;
    Backpointers<Step> backpointers_{kSteps};
};

}  // namespace ctxmem
