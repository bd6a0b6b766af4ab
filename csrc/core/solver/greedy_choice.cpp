// The cost and the value of a candidate in the present window; see greedy_fill.hpp.
#include <algorithm>

#include "core/solver/greedy_fill.hpp"

namespace ctxmem {
namespace {

constexpr int kDeepest = 12;                // labels and lead-ins below a lead-in
constexpr std::size_t kLongClosure = 1024;  // nodes
constexpr auto kNever = static_cast<std::uint32_t>(-1);

}  // namespace

// Adds the closure of a node to a choice: all units that it needs and that are not kept. With
// `extend`, without the units visited since the last call that did not extend.
void GreedyFill::close(std::uint32_t node, Choice& choice, bool extend) {
    if (!extend) ++visits_;
    if (seen_[node] == visits_) return;
    stack_.assign(1, node);
    seen_[node] = visits_;
    std::size_t visited = 0;
    const auto visit = [&](std::int64_t other) {
        if (other < 0) return;
        const auto needed = static_cast<std::size_t>(other);
        if (seen_[needed] == visits_ || (needed < n_ && out_.kept[needed]) ||
            (needed >= n_ && satisfied(needed - n_)))
            return;
        seen_[needed] = visits_;
        stack_.push_back(static_cast<std::uint32_t>(needed));
    };
    while (!stack_.empty()) {
        const std::size_t at = stack_.back();
        stack_.pop_back();
        if (++visited > kLongClosure && !follow_long_) {
            choice.too_long = true;
            choice.possible = false;
            return;
        }
        if (at >= n_) {
            if (const auto& others = problem_.alternatives(at - n_); shorter_ && !others.empty()) {
                visit(*std::max_element(others.begin(), others.end(), [&](auto a, auto b) {
                    return problem_.value(a) < problem_.value(b);
                }));
                continue;
            }
            for (const std::int64_t member : problem_.members(at - n_)) visit(member);
            continue;
        }
        if (problem_.excluded(at)) {
            choice.possible = false;
            return;
        }
        choice.units.push_back(static_cast<std::uint32_t>(at));
        choice.value += value_[at];
        if (!in_.required_bundle.empty() && in_.required_bundle[at] != kNoSpan)
            visit(static_cast<std::int64_t>(n_) + in_.required_bundle[at]);
        if (in_.whole) continue;
        visit(in_.need[at]);
        if (!(split_rings_ && in_.also[at] != in_.need[at] && problem_.ring(at)))
            visit(in_.also[at]);
    }
}

// Computes the choice of a node in the present window. A lead-in is taken with the first unit that
// it introduces.
void GreedyFill::choose(std::uint32_t node, Choice& choice) {
    choice.units.clear();
    choice.value = 0;
    choice.possible = true;
    choice.too_long = choice.blocked = false;
    close(node, choice, false);
    for (std::size_t k = 0; k < choice.units.size() && choice.possible && !in_.whole; ++k) {
        const std::size_t unit = choice.units[k];
        if (!problem_.has(unit, kLeadIn) || introduces(unit)) continue;
        if (unit != node && !problem_.content(unit)) continue;  // it is taken with another unit
        const std::size_t introduced = first_introduced(unit);
        choice.possible = introduced != n_;
        if (choice.possible) close(static_cast<std::uint32_t>(introduced), choice, true);
    }
    if (!choice.possible) return;
    std::sort(choice.units.begin(), choice.units.end());
    price(choice);
    choice.blocked = choice.blocked && choice.possible;
    choice.possible = choice.possible && !choice.blocked;
}

// Sets the cost of a choice whose units ascend, and what it adds to each section. It is impossible
// if two options of one set meet.
void GreedyFill::price(Choice& choice) {
    for (const std::int32_t k : touched_) section_added_[static_cast<std::size_t>(k)] = 0;
    touched_.clear();
    opened_.clear();
    for (const std::uint32_t set : choice_sets_) choice_option_[set] = -1;
    choice_sets_.clear();
    choice.cost = 0;
    const auto add = [&](std::int32_t section, std::int64_t tokens) {
        choice.cost += tokens;
        for (std::int32_t k = section; k >= 0; k = in_.parent[static_cast<std::size_t>(k)]) {
            if (section_added_[static_cast<std::size_t>(k)] == 0) touched_.push_back(k);
            section_added_[static_cast<std::size_t>(k)] += tokens;
        }
    };
    std::uint32_t before = kNever, text = kNever;
    bool is_open = false;
    for (const std::uint32_t unit : choice.units) {
        const bool joins =
            (before != kNever && before + 1 == unit && problem_.together(before, unit)) ||
            (unit > 0 && kept(unit, unit - 1u));
        const int runs = 1 - joins - kept(unit, unit + 1u);
        const std::int32_t section = problem_.section_of(unit);
        if (problem_.text_of(unit) != text) {
            text = problem_.text_of(unit);
            is_open = runs_[text] > 0;
            for (std::int32_t k = section; k >= 0; k = in_.parent[static_cast<std::size_t>(k)])
                if (!open_[static_cast<std::size_t>(k)] &&
                    std::find(opened_.begin(), opened_.end(), k) == opened_.end()) {
                    opened_.push_back(k);
                    add(k, in_.header[static_cast<std::size_t>(k)]);
                }
        }
        std::int64_t tokens = in_.tokens[unit];
        if (runs > 0 && !is_open) {
            tokens += in_.overhead[text];
            is_open = true;
        } else {
            tokens += runs * in_.again;
        }
        add(section, tokens);
        before = unit;
        if (in_.option_set.empty() || in_.option_set[unit] < 0) continue;
        const std::int32_t option = option_[static_cast<std::size_t>(in_.option_set[unit])];
        if (option >= 0 && option != in_.option[unit]) choice.blocked = true;
        std::int32_t& chosen = choice_option_[static_cast<std::size_t>(in_.option_set[unit])];
        if (chosen < 0)
            choice_sets_.push_back(static_cast<std::uint32_t>(in_.option_set[unit]));
        else if (chosen != in_.option[unit])
            choice.possible = false;
        chosen = in_.option[unit];
    }
}

bool GreedyFill::fits(const Choice& choice) const {
    if (out_.spent + choice.cost > in_.limit) return false;
    for (const std::int32_t k : touched_) {
        const auto section = static_cast<std::size_t>(k);
        if (section_spent_[section] + section_added_[section] > in_.maximum[section]) return false;
    }
    return true;
}

// Whether a required bundle, or one of its alternatives, is kept.
bool GreedyFill::satisfied(std::size_t bundle) const {
    if (missing_[bundle] == 0) return true;
    const auto& others = problem_.alternatives(bundle);
    return std::any_of(others.begin(), others.end(),
                       [&](std::uint32_t s) { return out_.kept[s] != 0; });
}

// Whether a unit with content that unit s introduces is kept or in the present choice.
bool GreedyFill::introduces(std::size_t s) const {
    for (const std::uint32_t unit : problem_.dependents(s))
        if (in_.need[unit] == static_cast<std::int32_t>(s) && problem_.content(unit) &&
            (out_.kept[unit] || seen_[unit] == visits_))
            return true;
    return false;
}

// The first unit with content below another; n_ if there is none.
std::size_t GreedyFill::first_below(std::size_t s) const {
    for (const std::uint32_t unit : problem_.dependents(s))
        if (in_.need[unit] == static_cast<std::int32_t>(s) && problem_.content(unit)) return unit;
    return n_;
}

// The first unit that a lead-in introduces and that can be taken; n_ if there is none.
std::size_t GreedyFill::first_introduced(std::size_t s) const {
    for (std::size_t unit : problem_.dependents(s)) {
        if (in_.need[unit] != static_cast<std::int32_t>(s) || !problem_.content(unit)) continue;
        // If it is a label (a fence or a header) or another lead-in: the first unit below that.
        for (int depth = 0; depth < kDeepest && (problem_.has(unit, kLabel) || dangles(unit));
             ++depth) {
            const std::size_t next = first_below(unit);
            if (next == n_) break;
            unit = next;
        }
        if (candidate(static_cast<std::uint32_t>(unit)) && !dangles(unit)) return unit;
    }
    return n_;
}

}  // namespace ctxmem
