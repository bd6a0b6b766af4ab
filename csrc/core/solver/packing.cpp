#include "core/solver/packing.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <memory>
#include <optional>

#include "core/solver/budget_tree.hpp"
#include "core/solver/builder.hpp"
#include "core/solver/enumeration.hpp"
#include "core/solver/packing_check.hpp"
#include "core/solver/prices.hpp"
#include "core/solver/schedule.hpp"

namespace ctxmem {
namespace {

constexpr int kMostSteps = 400;       // of the multipliers
constexpr int kStepsPerPacking = 10;  // a packing is built from every tenth
constexpr std::size_t kFirstCap = 4000;
constexpr std::size_t kCapGrowth = 8;
constexpr std::size_t kScouts = 1000;  // partial packings of a first look at the full depth
constexpr std::int64_t kAnyLoss = std::int64_t{1} << 61;

bool is_plain(const Problem& p) {
    return p.parent.empty() && p.needs.empty() && p.together.members.empty() &&
           p.redundancy.empty() && p.covers.members.empty() && p.prefix.empty();
}

// Items, groups and pins only: a multiple-choice knapsack.
Solution solve_plain(const Problem& p, const Limits& limits, StopToken& stop) {
    constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    const std::size_t n = p.items();
    std::vector<std::size_t> group_of(n, kNone);
    for (std::size_t g = 0; g < p.groups.count(); ++g)
        for (auto i = p.groups.begin(g); i != p.groups.end(g); ++i) {
            std::size_t& group = group_of[static_cast<std::size_t>(*i)];
            if (group != kNone && group != g)
                throw std::invalid_argument("an item may be in one group only");
            group = g;
        }
    Solution solution;
    solution.chosen.assign(n, -1);
    std::vector<std::int64_t> starts{0}, tokens, values, option;
    std::vector<std::size_t> item;
    const auto members = std::make_unique<bool[]>(n + p.groups.count() + 1);
    std::size_t classes = 0;
    const auto add = [&](const std::int64_t* begin, const std::int64_t* end) {
        std::int64_t pinned = -1;
        for (const std::int64_t* i = begin; i != end; ++i) {
            if (p.pin[static_cast<std::size_t>(*i)] == Problem::kFree) continue;
            if (pinned >= 0 && pinned != *i) return false;  // two of a group cannot both be in
            pinned = *i;
        }
        for (const std::int64_t* i = begin; i != end; ++i) {
            const auto at = static_cast<std::size_t>(*i);
            if (pinned >= 0 && pinned != *i) continue;
            for (std::int64_t o = p.starts[at]; o < p.starts[at + 1]; ++o) {
                if (p.pin[at] >= 0 && p.pin[at] != o - p.starts[at]) continue;
                tokens.push_back(p.tokens[static_cast<std::size_t>(o)] + p.separator);
                values.push_back(p.values[static_cast<std::size_t>(o)]);
                option.push_back(o - p.starts[at]);
                item.push_back(at);
            }
        }
        members[classes++] = pinned >= 0;
        starts.push_back(static_cast<std::int64_t>(tokens.size()));
        return true;
    };
    bool possible = true;
    for (std::size_t i = 0; i < n && possible; ++i) {
        const auto alone = static_cast<std::int64_t>(i);
        if (group_of[i] == kNone)
            possible = add(&alone, &alone + 1);
        else if (*std::min_element(p.groups.begin(group_of[i]), p.groups.end(group_of[i])) == alone)
            possible = add(p.groups.begin(group_of[i]), p.groups.end(group_of[i]));
    }
    if (!possible) return solution;
    const Packing packing =
        solve_knapsack({starts.data(), tokens.data(), values.data(), members.get(), classes},
                       p.budget, limits, stop);
    solution.value = packing.value;
    solution.upper_bound = packing.upper_bound;
    solution.status = packing.status;
    solution.found = packing.status != Status::kInfeasible;
    solution.price = packing.price;
    for (std::size_t c = 0; c < classes; ++c) {
        if (packing.chosen[c] < 0) continue;
        const auto at = static_cast<std::size_t>(starts[c] + packing.chosen[c]);
        solution.chosen[item[at]] = static_cast<std::int32_t>(option[at]);
    }
    return solution;
}

// The value of a choice by the problem itself. Where the search was cut short, its own sum may
// lack bonuses of the prefix that the choice has earned all the same.
std::int64_t value_of(const Problem& p, const std::vector<std::int32_t>& chosen) {
    std::int64_t value = 0;
    std::vector<bool> covered(p.concepts.size(), false);
    for (std::size_t i = 0; i < p.items(); ++i) {
        if (chosen[i] < 0) continue;
        const auto option = static_cast<std::size_t>(p.starts[i] + chosen[i]);
        value += p.values[option];
        if (p.covers.members.empty()) continue;
        for (auto k = p.covers.begin(option); k != p.covers.end(option); ++k) {
            const auto concept_at = static_cast<std::size_t>(*k);
            if (!covered[concept_at]) value += p.concepts[concept_at];
            covered[concept_at] = true;
        }
    }
    const auto in = [&](std::int64_t item) { return chosen[static_cast<std::size_t>(item)] >= 0; };
    for (std::size_t at = 0; at + 2 < p.redundancy.size(); at += 3)
        if (in(p.redundancy[at]) && in(p.redundancy[at + 1])) value -= p.redundancy[at + 2];
    for (std::size_t at = 0; at < p.prefix.size(); ++at) {
        if (chosen[static_cast<std::size_t>(p.prefix[at])] != 0) break;
        value += p.bonus[at];
    }
    return value;
}

class Search {
public:
    Search(const Problem& problem, const BudgetTree& tree, const Limits& limits, StopToken& stop)
        : problem_(problem),
          tree_(tree),
          limits_(limits),
          stop_(stop),
          prices_(tree),
          builder_(tree) {}

    Solution run() {
        if (!tree_.feasible || !price()) return infeasible();
        const Bound bound = prices_.round();
        upper_ = bound.total >> bound.shift;
        if (!done()) {
            const Schedule schedule(tree_, bound);
            if (schedule.bits <= Enumeration<2>::kFacts)
                prove<2>(bound, schedule);
            else if (schedule.bits <= Enumeration<8>::kFacts)
                prove<8>(bound, schedule);
            else if (schedule.bits <= Enumeration<32>::kFacts)
                prove<32>(bound, schedule);
        }
        return solution();
    }

private:
    // The best multipliers and packings that the steps come to; false: proved infeasible.
    bool price() {
        const bool coupled = !tree_.needs.empty() || !tree_.counts.empty();
        double least = std::numeric_limits<double>::infinity();
        int stalled = 0;
        for (int step = 0; step < kMostSteps; ++step) {
            const double bound = prices_.evaluate();
            if (!prices_.feasible()) return false;
            if (bound < least - 1e-9 * std::abs(least) || step == 0) {
                if (bound < least - 1e-4 * std::abs(least - target(least))) stalled = 0;
                least = bound;
                prices_.keep();
            }
            if (step == 0) build(false);
            if (step % kStepsPerPacking == 0) build(true);
            if (!coupled || stop_.expired(1000 + 2 * tree_.classes.size())) break;
            if (value_ && least - static_cast<double>(*value_) <=
                              std::max(0.5, limits_.gap * std::abs(least) * 0.999))
                break;
            if (++stalled >= 10) {
                stalled = 0;
                prices_.agility() *= 0.5;
                if (prices_.agility() < 1e-3) break;
            }
            prices_.step(bound, target(least));
        }
        prices_.restore();
        return true;
    }

    double target(double least) const {
        return value_ ? static_cast<double>(*value_) : least - 0.05 * std::abs(least) - 1;
    }

    void build(bool follow) {
        if (!builder_.build(prices_, follow, stop_)) return;
        if (value_ && builder_.value() <= *value_) return;
        value_ = builder_.value();
        chosen_ = builder_.chosen();
    }

    bool done() const {
        if (!value_) return false;
        return upper_ <= *value_ || static_cast<double>(upper_ - *value_) <=
                                        limits_.gap * std::abs(static_cast<double>(upper_));
    }

    // What a packing may lose that is better than the best known one.
    std::int64_t loss_of_next(const Bound& bound) const {
        return value_ ? bound.total - ((*value_ + 1) << bound.shift) : kAnyLoss;
    }

    template <class Round>
    void take(const Round& round, const Bound& bound) {
        if (round.loss == kNoLoss) return;
        const std::int64_t value = (bound.total - round.loss) >> bound.shift;
        assert(((bound.total - round.loss) & ((std::int64_t{1} << bound.shift) - 1)) == 0);
        if (value_ && value <= *value_) return;
        value_ = value;
        chosen_ = round.chosen;
    }

    template <std::size_t Words>
    void prove(const Bound& bound, const Schedule& schedule) {
        Enumeration<Words> enumeration(tree_, bound, schedule);
        std::int64_t depth = value_
                                 ? loss_of_next(bound) / 128
                                 : (std::abs(bound.total) >> 10) + (std::int64_t{1} << bound.shift);
        // A short frontier answers soon, if not for good; it grows only where it was too short.
        std::size_t cap = std::min(limits_.states, kFirstCap);
        bool scouted = false;
        for (;;) {
            const std::int64_t full = loss_of_next(bound);
            depth = std::clamp<std::int64_t>(depth, 0, full);
            const auto round = enumeration.run(depth, cap, stop_);
            if (round.stopped) return;
            take(round, bound);
            const bool proved =
                round.loss < round.complete_below || (depth == full && !round.shortened);
            if (proved) {
                if (value_)
                    upper_ = *value_;
                else
                    impossible_ = true;
                return;
            }
            upper_ = std::min(upper_, (bound.total - round.complete_below) >> bound.shift);
            if (value_) upper_ = std::max(upper_, *value_);
            if (done()) return;
            if (round.shortened && !scouted) {
                scouted = true;
                take(enumeration.run(loss_of_next(bound), std::min(cap, kScouts), stop_), bound);
                if (done()) return;
            }
            if (round.shortened && cap < limits_.states) {
                cap = std::min(limits_.states, cap * kCapGrowth);
                continue;
            }
            if (round.shortened && (value_ || depth == full)) return;
            depth = depth > full / 4 ? full : std::max<std::int64_t>(depth * 4, 1);
        }
    }

    static Solution infeasible_of(std::size_t items) {
        Solution solution;
        solution.chosen.assign(items, -1);
        return solution;
    }
    Solution infeasible() const { return infeasible_of(problem_.items()); }

    Solution solution() const {
        if (impossible_) return infeasible();
        Solution solution = infeasible();
        solution.status = Status::kGap;
        solution.upper_bound = upper_;
        solution.price = prices_.price(0);
        for (const std::size_t node : tree_.node_of_section)
            solution.prices.push_back(prices_.price(node));
        if (!value_) return solution;
        solution.found = true;
        std::vector<bool> replaced(problem_.items(), false);
        for (std::size_t c = 0; c < chosen_.size(); ++c)
            tree_.each_leaf(tree_.classes[c].options[chosen_[c]].taken, [&](const Take& take) {
                const auto after =
                    std::upper_bound(problem_.starts.begin(), problem_.starts.end(), take.choice);
                const auto item = static_cast<std::size_t>(after - problem_.starts.begin()) - 1;
                if (replaced[item]) return;
                replaced[item] = take.replaces;
                solution.chosen[item] =
                    static_cast<std::int32_t>(take.choice - problem_.starts[item]);
            });
        solution.value = value_of(problem_, solution.chosen);
        assert(solution.value >= *value_);
        if (upper_ <= solution.value) {
            solution.upper_bound = solution.value;
            solution.status = Status::kOptimal;
        }
        return solution;
    }

    const Problem& problem_;
    const BudgetTree& tree_;
    const Limits limits_;
    StopToken& stop_;
    Prices prices_;
    Builder builder_;
    std::optional<std::int64_t> value_;
    std::int64_t upper_ = 0;
    bool impossible_ = false;
    std::vector<std::size_t> chosen_;  // option per class
};

}  // namespace

Solution solve_packing(const Problem& problem, const Limits& limits, StopToken& stop) {
    check(problem);
    if (is_plain(problem)) return solve_plain(problem, limits, stop);
    const BudgetTree tree(problem);
    return Search(problem, tree, {std::min(limits.states, kMostStates), limits.gap}, stop).run();
}

}  // namespace ctxmem
