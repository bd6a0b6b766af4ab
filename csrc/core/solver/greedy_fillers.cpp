// Units without content that are added to a selection; see greedy_fill.hpp.
#include <algorithm>
#include <utility>

#include "core/solver/greedy_fill.hpp"

namespace ctxmem {

// Whether a unit without content (an anchor, a rule, a label or lead-in of nothing) may be added.
bool GreedyFill::is_filler(std::size_t s) const {
    return !problem_.content(s) && !problem_.excluded(s) && !problem_.has(s, kHidden) &&
           in_.start[s] < in_.end[s] && !out_.kept[s];
}

// Whether all units that a filler needs are kept.
bool GreedyFill::fills(std::size_t s) const {
    for (const std::int32_t other : {in_.need[s], in_.also[s]})
        if (other != kNoSpan && !out_.kept[static_cast<std::size_t>(other)]) return false;
    return is_filler(s);
}

// Takes units without content: first those beside kept units; then, if nothing was left out for lack
// of room, the others of the same texts; then texts that have no content at all.
void GreedyFill::take_fillers() {
    take_adjacent_fillers();
    if (all_content_shown())
        for (std::size_t t = 0; t < in_.texts.size(); ++t)
            if (runs_[t] > 0) take_rest(t);
    take_labels();
}

// Whether each unit with content is kept, or repeats a kept one.
bool GreedyFill::all_content_shown() const {
    const auto& units = problem_.candidates();
    return std::all_of(units.begin(), units.end(), [&](std::uint32_t s) {
        return out_.kept[s] || out_.duplicate_of[s] != kNoSpan || problem_.has(s, kLeadIn);
    });
}

// Takes the fillers of a text, so that it is shown to its ends: together if they fit, or else one by
// one. Beside a repeat that is not shown, brackets and rules are left out.
void GreedyFill::take_rest(std::size_t text) {
    const auto first = static_cast<std::size_t>(in_.first[text]);
    const auto last = static_cast<std::size_t>(in_.first[text + 1]);
    bool folded = false;
    for (std::size_t s = first; s < last; ++s) folded = folded || out_.duplicate_of[s] != kNoSpan;
    std::vector<std::uint32_t> rest;
    for (std::size_t s = first; s < last; ++s)
        if (is_filler(s) && (!folded || problem_.says(s)))
            rest.push_back(static_cast<std::uint32_t>(s));
    if (take_with_needs(rest)) return;
    for (const std::uint32_t s : rest) take_with_needs({s});
}

// Takes texts that have headings, keys or comments but no content, as far as there is room: these
// are all that their author gave. The densest come first.
void GreedyFill::take_labels() {
    std::vector<std::pair<double, std::size_t>> texts;  // by density, highest first
    for (std::size_t t = 0; t < in_.texts.size(); ++t) {
        if (runs_[t] > 0) continue;
        double density = 0;
        bool content = false, words = false;
        const auto last = static_cast<std::size_t>(in_.first[t + 1]);
        for (auto s = static_cast<std::size_t>(in_.first[t]); s < last && !content; ++s) {
            content = problem_.content(s);
            density = std::max(density, in_.density[s]);
        }
        for (auto s = static_cast<std::size_t>(in_.first[t]); s < last && !content && !words; ++s)
            words = is_filler(s) && problem_.says(s);
        if (words && density >= in_.min_density) texts.emplace_back(-density, t);
    }
    std::sort(texts.begin(), texts.end());
    for (const auto& [_, text] : texts) {
        std::vector<std::uint32_t> units;
        for (auto s = static_cast<std::size_t>(in_.first[text]);
             s < static_cast<std::size_t>(in_.first[text + 1]); ++s)
            if (is_filler(s)) units.push_back(static_cast<std::uint32_t>(s));
        take_with_needs(units);
    }
}

// Takes units without content with all that they need, if that has no content and there is room.
bool GreedyFill::take_with_needs(const std::vector<std::uint32_t>& units) {
    choice_.units.clear();
    choice_.possible = true;
    choice_.too_long = choice_.blocked = false;
    bool extend = false;
    for (const std::uint32_t unit : units) {
        if (out_.kept[unit]) continue;
        close(unit, choice_, extend);
        extend = true;
        if (!choice_.possible) return false;
    }
    const auto has_content = [&](std::uint32_t s) {
        return problem_.content(s) && in_.start[s] < in_.end[s];
    };
    if (std::any_of(choice_.units.begin(), choice_.units.end(), has_content)) return false;
    std::sort(choice_.units.begin(), choice_.units.end());
    return take_if_it_fits();
}

bool GreedyFill::take_if_it_fits() {
    price(choice_);
    if (choice_.blocked || !choice_.possible || !fits(choice_)) return false;
    take_all(choice_);
    return true;
}

// Takes such units between kept ones, or between a kept one and an end, if there is room. A label at
// the end of a text has lost what it names, and is not taken.
void GreedyFill::take_adjacent_fillers() {
    for (std::size_t s = 0; s < n_;) {
        if (out_.kept[s] || !fills(s)) {
            ++s;
            continue;
        }
        std::size_t last = s;
        bool named = problem_.has(s, kLabel);
        while (problem_.together(s, last + 1) && !out_.kept[last + 1] && fills(last + 1))
            named = problem_.has(++last, kLabel) || named;
        const bool before = s > 0 ? kept(s, s - 1) : false;
        const bool after = kept(last, last + 1);
        const bool edge =
            (s == 0 || !problem_.together(s, s - 1)) || !problem_.together(last, last + 1);
        if ((before && after) || (edge && (after || (before && !named)))) {
            choice_.units.clear();
            for (std::size_t k = s; k <= last; ++k)
                choice_.units.push_back(static_cast<std::uint32_t>(k));
            choice_.possible = true;
            choice_.blocked = false;
            take_if_it_fits();
        }
        s = last + 1;
    }
}

}  // namespace ctxmem
