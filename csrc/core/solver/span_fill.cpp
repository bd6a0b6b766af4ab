#include "core/solver/span_fill.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <stdexcept>
#include <unordered_map>

#include "core/text/code_points.hpp"
#include "core/dedup/difference.hpp"
#include "core/text/outline.hpp"
#include "core/text/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr int kShingle = 5;          // words
constexpr double kShared = 0.5;      // least density of a needed unit, as a share; see value_labels
constexpr std::size_t kFew = 64;     // the most units for which best() tries to leave each out
constexpr std::size_t kSeeds = 6;    // units that best() tries to take first
constexpr double kLarge = 0.05;      // their least value, as a share of the value of the window
constexpr double kGain = 1e-6;       // relative gain in value that makes another choice better
constexpr double kLeastAdded = 0.4;  // share of its value that another version keeps at least
constexpr int kLongestRing = 64;     // units that need each other
constexpr int kDeepest = 12;         // labels and lead-ins below a lead-in
constexpr std::int64_t kJoint = 3;   // tokens that a cut may add; see bound()
constexpr auto kNone = kNoSpan;
constexpr auto kNever = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint8_t kMust = 1, kMustNot = 2;

class GreedyFill {
public:
    explicit GreedyFill(const FillInput& input)
        : in_(input), n_(input.tokens.size()), rule_(input.query) {
        check();
        locate();
        find_dependents();
        find_content();
        value_labels();
        full_ = value_;
    }

    // The best of the greedy choice and of some others. In a small budget units of high density may
    // leave too little room for one of much more value, so large units that did not fit are tried
    // first. If there are few units, each unit taken is left out on trial: it may take the room of
    // two better ones.
    Fill best(std::int64_t limit) {
        banned_.assign(n_, 0);
        may_split_ = true;
        Fill chosen = run(limit);
        if (in_.least > 0 || chosen.price == 0) return chosen;
        may_split_ = false;
        for (const std::uint32_t seed : large_units(chosen.value)) {
            Fill other = run(limit, static_cast<std::int32_t>(seed));
            if (other.value > chosen.value * (1 + kGain)) chosen = std::move(other);
        }
        if (n_ > kFew) return chosen;
        for (bool better = true; better;) {
            better = false;
            for (std::size_t s = 0; s < n_; ++s) {
                if (!chosen.kept[s] || in_.demand[s] == kMust || has(s, kLabel)) continue;
                banned_[s] = 1;
                Fill other = run(limit);
                better = other.value > chosen.value * (1 + kGain);
                if (better) {
                    chosen = std::move(other);
                    break;
                }
                banned_[s] = 0;
            }
        }
        return chosen;
    }

    // The greedy choice; unit `seed` is taken before all others.
    Fill run(std::int64_t limit, std::int32_t seed = kNone) {
        fill_ = Fill{};
        refused_.clear();
        fill_.kept.assign(n_, 0);
        fill_.duplicate_of.assign(n_, kNone);
        value_ = full_;
        owner_.clear();
        version_.assign(n_, 0);
        runs_.assign(in_.merged_texts.size(), 0);
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] == kMust) take(s);
        fill_.pins_fit = fill_.spent <= limit;
        if (fill_.pins_fit) {
            take_needs_of_pins(limit);
            if (seed != kNone) take_first(static_cast<std::size_t>(seed), limit);
            take_best(limit);
            if (fill_.value == 0 && may_split_) {  // no unit fits with its whole ring
                split_rings_ = true;
                take_best(limit);
                split_rings_ = false;
            }
            take_fillers(limit);
        }
        return std::move(fill_);
    }

    double total() const {
        double sum = 0;
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] != kMustNot) sum += full_[s];
        return sum;
    }

    // The optimum of a relaxed problem: units may be taken in part and have no overhead and no
    // needs. Each costs no more than in any run: with T the number of tokens of a text,
    // T(a) + T(b) - T(a + b) was at most kJoint in two million cuts of raw text.
    double bound(std::int64_t limit) const {
        std::vector<Next> order;
        order.reserve(n_);
        for (std::size_t s = 0; s < n_; ++s)
            if (in_.demand[s] != kMustNot)
                order.push_back(
                    {full_[s] / static_cast<double>(cheapest(s)), static_cast<std::uint32_t>(s)});
        std::sort(order.begin(), order.end(), [](const Next& a, const Next& b) { return b < a; });
        double value = 0;
        double room = static_cast<double>(limit);
        for (const auto& [density, s] : order) {
            const double cost = static_cast<double>(cheapest(s));
            const double part = std::min(1.0, room / cost);
            value += part * full_[s];
            room -= part * cost;
            if (room <= 0) break;
        }
        return value;
    }

private:
    struct Next {
        double density;
        std::uint32_t span;
        bool operator<(const Next& other) const {
            return density != other.density ? density < other.density : span > other.span;
        }
    };

    void check() const {
        const std::size_t merged_texts = in_.merged_texts.size();
        const auto agree = [&](const auto&... columns) { return ((columns.size() == n_) && ...); };
        if (in_.first.size() != merged_texts + 1 || in_.overhead.size() != merged_texts ||
            in_.document.size() != merged_texts ||
            !agree(in_.start, in_.end, in_.kind, in_.flags, in_.need, in_.also, in_.worth,
                   in_.demand) ||
            in_.first[0] != 0 || in_.first[merged_texts] != static_cast<std::int64_t>(n_))
            throw std::invalid_argument("fill: the arrays do not belong together");
        for (std::size_t t = 0; t < merged_texts; ++t)
            if (in_.first[t] > in_.first[t + 1] || in_.document[t] < 0 ||
                static_cast<std::size_t>(in_.document[t]) >= merged_texts)
                throw std::invalid_argument("fill: merged_texts out of order");
        for (std::size_t s = 0; s < n_; ++s) {
            if (in_.tokens[s] < 0 || !(in_.worth[s] >= 0 && in_.worth[s] <= 1))
                throw std::invalid_argument("fill: negative tokens, or a worth outside 0 to 1");
            for (const std::int32_t other : {in_.need[s], in_.also[s]})
                if (other < kNone || other >= static_cast<std::int64_t>(n_))
                    throw std::invalid_argument("fill: a unit needs one that is not there");
        }
    }

    // Finds the text and the merged text of each unit.
    void locate() {
        text_of_.resize(n_);
        text_.resize(n_);
        for (std::size_t t = 0; t < in_.merged_texts.size(); ++t) {
            const auto first = static_cast<std::size_t>(in_.first[t]);
            const auto last = static_cast<std::size_t>(in_.first[t + 1]);
            if (first == last) continue;
            CodePointReader reader(in_.merged_texts[t], in_.end[last - 1]);
            for (std::size_t s = first; s < last; ++s) {
                text_[s] = reader.between(in_.start[s], in_.end[s]);
                text_of_[s] = static_cast<std::uint32_t>(t);
            }
        }
    }

    // Lists the units that need each unit s directly, in dependents_ from dependent_first_[s] on.
    void find_dependents() {
        dependent_first_.assign(n_ + 1, 0);
        const auto each = [&](auto&& visit) {
            for (std::size_t s = 0; s < n_; ++s) {
                if (in_.need[s] != kNone) visit(static_cast<std::size_t>(in_.need[s]), s);
                if (in_.also[s] != kNone && in_.also[s] != in_.need[s])
                    visit(static_cast<std::size_t>(in_.also[s]), s);
            }
        };
        each([&](std::size_t needed, std::size_t) { ++dependent_first_[needed + 1]; });
        for (std::size_t s = 0; s < n_; ++s) dependent_first_[s + 1] += dependent_first_[s];
        dependents_.resize(dependent_first_[n_]);
        std::vector<std::uint32_t> next(dependent_first_.begin(), dependent_first_.end() - 1);
        each([&](std::size_t needed, std::size_t s) {
            dependents_[next[needed]++] = static_cast<std::uint32_t>(s);
        });
    }

    // Finds the units with content. A label or a lead-in has content only if a unit below it has,
    // directly or through other labels and lead-ins.
    void find_content() {
        content_.assign(n_, 0);
        for (std::size_t s = 0; s < n_; ++s) {
            if (has(s, kLabel | kLeadIn | kFiller | kHidden)) continue;
            content_[s] = 1;
            for (std::int32_t at = in_.need[s]; at != kNone;) {
                const auto above = static_cast<std::size_t>(at);
                if (content_[above] || !has(above, kLabel | kLeadIn) ||
                    has(above, kFiller | kHidden))
                    break;
                content_[above] = 1;
                at = in_.need[above];
            }
        }
        const std::vector<std::uint8_t> shown = content_;
        for (std::size_t s = 0; s < n_; ++s)  // labels that units with content need
            if (shown[s] && !has(s, kLabel))
                visit_closure(s, [&](std::size_t other) {
                    if (has(other, kLabel) && !has(other, kFiller | kHidden)) content_[other] = 1;
                });
    }

    // Values each unit. A needed unit has at least kShared times the density of the best unit that
    // needs it.
    void value_labels() {
        value_.resize(n_);
        std::vector<double> best(n_, 0.0);
        for (std::size_t s = 0; s < n_; ++s) {
            if (has(s, kLabel) || !content_[s]) continue;
            value_[s] = in_.worth[s] * static_cast<double>(in_.tokens[s]);
            visit_closure(s, [&](std::size_t other) {
                if (other != s) best[other] = std::max(best[other], in_.worth[s]);
            });
        }
        for (std::size_t s = 0; s < n_; ++s)
            if (content_[s])
                value_[s] =
                    std::max(value_[s], kShared * best[s] * static_cast<double>(in_.tokens[s]));
    }

    bool has(std::size_t s, unsigned flags) const { return (in_.flags[s] & flags) != 0; }

    // Whether a unit is in a ring of units that need each other, as the steps of a short procedure
    // are.
    bool ring(std::size_t s) const {
        std::int32_t at = in_.also[s];
        for (int steps = 0; steps < kLongestRing && at != kNone; ++steps) {
            if (static_cast<std::size_t>(at) == s) return true;
            at = in_.also[static_cast<std::size_t>(at)];
        }
        return false;
    }

    // Visits a unit and all units that it needs, directly or indirectly, and that are not kept.
    template <class Visit>
    void visit_closure(std::size_t s, Visit&& visit) {
        ++visits_;
        seen_.resize(n_, 0);
        extend_closure(s, visit);
    }

    // The same without the units visited since the last visit_closure.
    template <class Visit>
    void extend_closure(std::size_t s, Visit&& visit) {
        if (seen_[s] == visits_) return;
        stack_.assign(1, static_cast<std::uint32_t>(s));
        seen_[s] = visits_;
        while (!stack_.empty()) {
            const std::size_t at = stack_.back();
            stack_.pop_back();
            visit(at);
            for (const std::int32_t other : {in_.need[at], in_.also[at]}) {
                if (other == kNone) continue;
                if (split_rings_ && other != in_.need[at] && ring(at)) continue;
                const auto needed = static_cast<std::size_t>(other);
                if (seen_[needed] == visits_) continue;
                if (!fill_.kept.empty() && fill_.kept[needed]) continue;
                seen_[needed] = visits_;
                stack_.push_back(static_cast<std::uint32_t>(needed));
            }
        }
    }

    std::int64_t cheapest(std::size_t s) const {
        return std::max<std::int64_t>(1, in_.tokens[s] - kJoint);
    }
    bool together(std::size_t a, std::size_t b) const {
        return a < n_ && b < n_ && text_of_[a] == text_of_[b];
    }
    bool kept(std::size_t s, std::size_t other) const {
        return together(s, other) && fill_.kept[other];
    }
    int new_runs(std::size_t s) const { return 1 - (s > 0 && kept(s, s - 1)) - kept(s, s + 1); }

    // A unit and the units that have to be taken with it.
    struct Choice {
        std::vector<std::uint32_t> units;  // ascending
        std::int64_t cost = 0;
        double value = 0;
        bool possible = true;
        double density() const {
            return value / static_cast<double>(std::max<std::int64_t>(1, cost));
        }
    };

    // Computes the choice of a unit in the present window. A lead-in is taken with the first unit
    // that it introduces.
    void choose(std::size_t s, Choice& choice) {
        choice.units.clear();
        choice.cost = 0;
        choice.value = 0;
        choice.possible = true;
        const auto add = [&](std::size_t other) {
            choice.possible = choice.possible && in_.demand[other] != kMustNot;
            choice.units.push_back(static_cast<std::uint32_t>(other));
            choice.value += value_[other];
            choice.cost += in_.tokens[other];
        };
        visit_closure(s, add);
        for (std::size_t k = 0; k < choice.units.size() && choice.possible; ++k) {
            const std::size_t unit = choice.units[k];
            if (!has(unit, kLeadIn) || introduces(unit)) continue;
            if (unit != s && !content_[unit]) continue;  // it is taken with another unit
            const std::size_t introduced = first_introduced(unit);
            choice.possible = introduced != n_;
            if (choice.possible) extend_closure(introduced, add);
        }
        if (!choice.possible) return;
        std::sort(choice.units.begin(), choice.units.end());
        std::uint32_t before = kNever, merged_text = kNever;
        bool opened = false;
        for (const std::uint32_t unit : choice.units) {
            const bool joins = (before != kNever && before + 1 == unit && together(before, unit)) ||
                               (unit > 0 && kept(unit, unit - 1u));
            int runs = 1 - joins - kept(unit, unit + 1u);
            if (text_of_[unit] != merged_text) {
                merged_text = text_of_[unit];
                opened = runs_[merged_text] > 0;
            }
            if (runs > 0 && !opened) {
                choice.cost += in_.overhead[merged_text];
                opened = true;
            } else {
                choice.cost += runs * in_.again;
            }
            before = unit;
        }
    }

    // Whether the second unit is below the first (`need`, not only `also`).
    bool below(std::size_t s, std::size_t unit) const {
        return in_.need[unit] == static_cast<std::int32_t>(s);
    }
    // Whether a unit with content that unit s introduces is kept or in the present choice.
    bool introduces(std::size_t s) const {
        for (std::uint32_t d = dependent_first_[s]; d < dependent_first_[s + 1]; ++d) {
            const std::size_t unit = dependents_[d];
            if (below(s, unit) && content_[unit] && (fill_.kept[unit] || seen_[unit] == visits_))
                return true;
        }
        return false;
    }
    // Whether a unit is a lead-in for which introduces() is false.
    bool dangles(std::size_t s) const { return has(s, kLeadIn) && !introduces(s); }
    // The first unit with content below another; n_ if there is none.
    std::size_t first_below(std::size_t s) const {
        for (std::uint32_t d = dependent_first_[s]; d < dependent_first_[s + 1]; ++d)
            if (below(s, dependents_[d]) && content_[dependents_[d]]) return dependents_[d];
        return n_;
    }
    // The first unit that a lead-in introduces and that can be taken; n_ if there is none.
    std::size_t first_introduced(std::size_t s) const {
        for (std::uint32_t d = dependent_first_[s]; d < dependent_first_[s + 1]; ++d) {
            std::size_t unit = dependents_[d];
            if (!below(s, unit) || !content_[unit]) continue;
            // If it is a label (a fence or a header) or another lead-in: the first unit below that.
            for (int depth = 0; depth < kDeepest && (has(unit, kLabel) || dangles(unit)); ++depth) {
                const std::size_t next = first_below(unit);
                if (next == n_) break;
                unit = next;
            }
            if (candidate(unit) && !dangles(unit)) return unit;
        }
        return n_;
    }

    bool candidate(std::size_t s) const {
        return !fill_.kept[s] && !banned_[s] && in_.demand[s] != kMustNot && content_[s] &&
               !has(s, kLabel) && fill_.duplicate_of[s] == kNone;
    }

    void push(std::size_t s) {
        choose(s, choice_);
        if (!choice_.possible) return;
        heap_.push_back({choice_.density(), static_cast<std::uint32_t>(s)});
        std::push_heap(heap_.begin(), heap_.end());
    }

    // Takes what the required units need, if there is room for it.
    void take_needs_of_pins(std::int64_t limit) {
        for (std::size_t s = 0; s < n_; ++s) {
            if (in_.demand[s] != kMust) continue;
            choose(s, choice_);
            std::erase_if(choice_.units, [&](std::uint32_t unit) { return fill_.kept[unit] != 0; });
            if (!choice_.possible || choice_.units.empty()) continue;
            std::int64_t cost = 0;
            for (const std::uint32_t unit : choice_.units)
                cost += in_.tokens[unit] + in_.overhead[text_of_[unit]] + in_.again;
            if (fill_.spent + cost > limit) continue;
            for (const std::uint32_t unit : choice_.units) take(unit);
        }
    }

    void take_best(std::int64_t limit) {
        heap_.clear();
        heap_.reserve(n_);
        for (std::size_t s = 0; s < n_; ++s)
            if (candidate(s)) {
                choose(s, choice_);
                if (choice_.possible)
                    heap_.push_back({choice_.density(), static_cast<std::uint32_t>(s)});
            }
        std::make_heap(heap_.begin(), heap_.end());
        while (!heap_.empty() && heap_.front().density >= in_.least) {
            std::pop_heap(heap_.begin(), heap_.end());
            const Next next = heap_.back();
            heap_.pop_back();
            if (!candidate(next.span)) continue;
            // Its neighbours, or what it needs, may have been taken since it was pushed.
            choose(next.span, choice_);
            if (!choice_.possible) continue;
            const double now = choice_.density();
            if (now < next.density && !heap_.empty() && now < heap_.front().density) {
                heap_.push_back({now, next.span});
                std::push_heap(heap_.begin(), heap_.end());
                continue;
            }
            if (fill_.spent + choice_.cost > limit) {
                fill_.price = std::max(fill_.price, now);
                if (choice_.value > kLarge * fill_.value && choice_.cost <= limit)
                    refused_.push_back({choice_.value, next.span});
                continue;
            }
            const double before = value_[next.span];
            if (const std::int32_t owner = says_the_same(next.span); owner != kNone) {
                fill_.duplicate_of[next.span] = owner;
                continue;
            }
            if (value_[next.span] < before) {
                push(next.span);
                continue;
            }
            taken_ = choice_.units;
            for (const std::uint32_t unit : taken_) take(unit);
            for (const std::uint32_t unit : taken_) requeue(unit);
        }
    }

    // Takes a unit with all that it needs, if there is room for it.
    void take_first(std::size_t s, std::int64_t limit) {
        if (!candidate(s)) return;
        choose(s, choice_);
        if (!choice_.possible || fill_.spent + choice_.cost > limit) return;
        taken_ = choice_.units;
        for (const std::uint32_t unit : taken_) take(unit);
    }

    // The units that did not fit in the last run, those of most value first.
    std::vector<std::uint32_t> large_units(double value) {
        std::erase_if(refused_, [&](const Next& unit) { return unit.density < kLarge * value; });
        const std::size_t most = std::min(kSeeds, refused_.size());
        std::partial_sort(refused_.begin(), refused_.begin() + static_cast<std::ptrdiff_t>(most),
                          refused_.end(), [](const Next& a, const Next& b) { return b < a; });
        std::vector<std::uint32_t> units;
        for (std::size_t k = 0; k < most; ++k) units.push_back(refused_[k].span);
        return units;
    }

    // Pushes what a taken unit makes cheaper: the units that need it, and its neighbours.
    void requeue(std::size_t taken) {
        ++visits_;
        std::vector<std::uint32_t> open{static_cast<std::uint32_t>(taken)};
        while (!open.empty()) {
            const std::size_t at = open.back();
            open.pop_back();
            for (std::uint32_t d = dependent_first_[at]; d < dependent_first_[at + 1]; ++d) {
                const std::uint32_t unit = dependents_[d];
                if (fill_.kept[unit] || seen_[unit] == visits_) continue;
                seen_[unit] = visits_;
                if (candidate(unit)) requeued_.push_back(unit);
                open.push_back(unit);
            }
        }
        for (const std::size_t unit : {taken - 1, taken + 1})
            if (together(taken, unit) && candidate(unit))
                requeued_.push_back(static_cast<std::uint32_t>(unit));
        std::sort(requeued_.begin(), requeued_.end());
        requeued_.erase(std::unique(requeued_.begin(), requeued_.end()), requeued_.end());
        for (const std::uint32_t unit : requeued_) push(unit);
        requeued_.clear();
    }

    // Whether a unit has no content (an anchor, a rule, a label or lead-in of nothing) and all
    // units that it needs are kept.
    bool fills(std::size_t s) const {
        if (in_.demand[s] == kMustNot || has(s, kHidden) || in_.start[s] == in_.end[s])
            return false;
        for (const std::int32_t other : {in_.need[s], in_.also[s]})
            if (other != kNone && !fill_.kept[static_cast<std::size_t>(other)]) return false;
        return !content_[s];
    }

    // Takes such units between kept ones, or between a kept one and an end, if there is room. A label
    // at the end of a text has lost what it names, and is not taken.
    void take_fillers(std::int64_t limit) {
        for (std::size_t s = 0; s < n_;) {
            if (fill_.kept[s] || !fills(s)) {
                ++s;
                continue;
            }
            std::size_t last = s;
            std::int64_t tokens = in_.tokens[s];
            bool named = has(s, kLabel);
            while (together(s, last + 1) && !fill_.kept[last + 1] && fills(last + 1)) {
                tokens += in_.tokens[++last];
                named = named || has(last, kLabel);
            }
            const bool before = s > 0 ? kept(s, s - 1) : false;
            const bool after = kept(last, last + 1);
            const bool edge = (s == 0 || !together(s, s - 1)) || !together(last, last + 1);
            if ((before && after) || (edge && (after || (before && !named)))) {
                const std::int64_t cost = tokens - (before && after ? in_.again : 0);
                if (fill_.spent + cost <= limit)
                    for (std::size_t k = s; k <= last; ++k) take(k);
            }
            s = last + 1;
        }
    }

    void take(std::size_t s) {
        const int runs = new_runs(s);
        int& known = runs_[text_of_[s]];
        fill_.spent += in_.tokens[s] +
                       (runs > 0 && known == 0 ? in_.overhead[text_of_[s]] : runs * in_.again);
        fill_.value += value_[s];
        known += runs;
        fill_.kept[s] = 1;
        fill_.duplicate_of[s] = kNone;  // it was folded, but another unit needs it
        if (in_.alike > 1 || has(s, kLabel)) return;
        for (const std::uint64_t shingle : shingles(s))
            owner_.try_emplace(shingle, static_cast<std::int32_t>(s));
    }

    const std::vector<std::uint64_t>& shingles(std::size_t s) {
        words_.clear();
        split_words(text_[s], words_);
        shingles_.clear();
        if (words_.size() >= static_cast<std::size_t>(kShingle)) {
            shingles_.resize(words_.size() - kShingle + 1);
            kernels().shingle(words_.data(), words_.size(), kShingle, shingles_.data());
        }
        return shingles_;
    }

    // The kept duplicate of a unit: the one with most of its shingles, if the window has at least
    // the share `alike` of them and they do not differ.
    std::int32_t says_the_same(std::size_t s) {
        if (in_.alike > 1 || owner_.empty()) return kNone;
        const std::vector<std::uint64_t>& mine = shingles(s);
        if (mine.empty()) return kNone;
        owners_.clear();
        for (const std::uint64_t shingle : mine)
            if (const auto at = owner_.find(shingle);
                at != owner_.end() &&
                text_of_[static_cast<std::size_t>(at->second)] != text_of_[s])
                owners_.push_back(at->second);
        if (static_cast<double>(owners_.size()) < in_.alike * static_cast<double>(mine.size()))
            return kNone;
        std::sort(owners_.begin(), owners_.end());
        std::int32_t most = kNone;
        std::size_t best = 0;
        for (std::size_t i = 0; i < owners_.size();) {
            std::size_t j = i;
            while (j < owners_.size() && owners_[j] == owners_[i]) ++j;
            if (j - i > best) {
                best = j - i;
                most = owners_[i];
            }
            i = j;
        }
        if (!in_.careful || !rule_.differ(read(s), read(static_cast<std::size_t>(most))))
            return most;
        // Another version is valued by the share of its shingles that the window does not have.
        if (!version_[s]) {
            version_[s] = 1;
            const double shared =
                static_cast<double>(owners_.size()) / static_cast<double>(mine.size());
            value_[s] *= std::max(kLeastAdded, 1 - shared);
        }
        return kNone;
    }

    const ReadText& read(std::size_t s) {
        return read_.try_emplace(static_cast<std::uint32_t>(s), text_[s]).first->second;
    }

    const FillInput& in_;
    std::size_t n_;
    std::vector<std::uint32_t> text_of_;
    std::vector<std::string_view> text_;
    std::vector<double> full_;   // value of each unit; see value_labels
    std::vector<double> value_;  // the same, reduced for versions of kept units
    std::vector<std::uint32_t> dependent_first_, dependents_;
    std::vector<std::uint8_t> content_;  // see find_content
    std::vector<int> runs_;              // of each merged text
    Fill fill_;
    std::vector<Next> heap_;
    std::vector<Next> refused_;  // by the value of their choice: large ones without room
    Choice choice_;
    std::vector<std::uint32_t> taken_, requeued_, stack_, seen_;
    std::uint32_t visits_ = 0;
    bool may_split_ = true;
    bool split_rings_ = false;           // units of a ring may be taken alone
    std::vector<std::uint8_t> banned_;   // left out by best()
    std::vector<std::uint8_t> version_;  // its value is already reduced
    std::unordered_map<std::uint32_t, ReadText> read_;
    std::unordered_map<std::uint64_t, std::int32_t> owner_;  // shingle -> first kept unit
    std::vector<std::uint64_t> words_, shingles_;
    std::vector<std::int32_t> owners_;
    DifferenceRule rule_;
};

}  // namespace

Fill fill_spans(const FillInput& input) {
    GreedyFill filling(input);
    Fill fill = filling.best(input.limit);
    const double all = filling.total();
    fill.left = all > 0 ? std::max(0.0, 1 - fill.value / all) : 0;
    fill.bound = std::max(fill.value, filling.bound(input.least > 0 ? fill.spent : input.limit));
    return fill;
}

}  // namespace ctxmem
