#include "core/solver/window_problem.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/text/code_points.hpp"

namespace ctxmem {
namespace {

constexpr double kShared = 0.5;   // least density of a needed unit, as a share
constexpr int kLongestRing = 64;  // units that need each other

template <class T>
bool descends(std::span<const T> values) {
    return !std::is_sorted(values.begin(), values.end());
}

// Visits the units that a unit needs, itself included. `seen` holds the number of the last visit.
template <class Visit>
void visit_needs(const SelectionInput& in, std::size_t s, std::vector<std::uint32_t>& seen,
                 std::uint32_t visit_number, std::vector<std::uint32_t>& stack, Visit&& visit) {
    stack.assign(1, static_cast<std::uint32_t>(s));
    seen[s] = visit_number;
    while (!stack.empty()) {
        const std::size_t at = stack.back();
        stack.pop_back();
        visit(at);
        for (const std::int32_t other : {in.need[at], in.also[at]}) {
            if (other == kNoSpan) continue;
            const auto needed = static_cast<std::size_t>(other);
            if (seen[needed] == visit_number) continue;
            seen[needed] = visit_number;
            stack.push_back(static_cast<std::uint32_t>(needed));
        }
    }
}

}  // namespace

WindowProblem::WindowProblem(const SelectionInput& input)
    : in_(input),
      n_(input.tokens.size()),
      bundles_(input.bundle_first.empty() ? 0 : input.bundle_first.size() - 1) {
    check();
    flags_.assign(in_.flags.begin(), in_.flags.end());
    check_needs();
    check_sections();
    find_texts();
    find_dependents();
    find_content();
    show_labels();
    find_values();
    find_candidates();
    find_alternatives();
}

void WindowProblem::check() const {
    const std::size_t texts = in_.texts.size();
    const auto agree = [&](const auto&... columns) { return ((columns.size() == n_) && ...); };
    const auto known = [&](const auto& column) { return column.empty() || column.size() == n_; };
    if (!agree(in_.start, in_.end, in_.flags, in_.need, in_.also, in_.density, in_.requirement) ||
        !known(in_.required_bundle) || !known(in_.option_set) ||
        in_.option.size() != in_.option_set.size() || in_.first.size() != texts + 1 ||
        in_.overhead.size() != texts || in_.first[0] != 0 ||
        (!in_.joint_unit.empty() && in_.joint_unit.size() != texts) ||
        in_.first[texts] != static_cast<std::int64_t>(n_))
        throw std::invalid_argument("selection: the arrays do not belong together");
    if (descends(in_.first)) throw std::invalid_argument("selection: texts out of order");
    constexpr auto kMost = std::int64_t{1} << 31;
    for (std::size_t s = 0; s < n_; ++s)
        if (in_.tokens[s] < 0 || in_.tokens[s] > kMost || !(in_.density[s] >= 0) ||
            in_.density[s] > 1e6 || in_.requirement[s] > 2)
            throw std::invalid_argument(
                "selection: negative tokens, a density that is no number from 0, or an unknown "
                "requirement");
    for (const std::int64_t tokens : in_.overhead)
        if (tokens < -kMost || tokens > kMost)
            throw std::invalid_argument("selection: an overhead out of range");
}

void WindowProblem::check_needs() const {
    const auto units = static_cast<std::int64_t>(n_);
    const auto bundles = static_cast<std::int64_t>(bundles_);
    for (std::size_t s = 0; s < n_; ++s)
        for (const std::int32_t other : {in_.need[s], in_.also[s]})
            if (other < kNoSpan || other >= units)
                throw std::invalid_argument("selection: a unit needs one that is not there");
    for (std::size_t s = 0; s < in_.option_set.size(); ++s)
        if (in_.option_set[s] < -1 || in_.option_set[s] >= units || in_.option[s] < -1)
            throw std::invalid_argument("selection: an unknown option");
    for (const std::int32_t bundle : in_.required_bundle)
        if (bundle < kNoSpan || bundle >= bundles)
            throw std::invalid_argument("selection: a unit requires an unknown bundle");
    for (const std::int32_t bundle : in_.required)
        if (bundle < 0 || bundle >= bundles)
            throw std::invalid_argument("selection: an unknown bundle is required");
    for (const std::int32_t bundle : in_.candidates)
        if (bundle < 0 || bundle >= bundles)
            throw std::invalid_argument("selection: an unknown bundle is a candidate");
    if (!in_.bundle_first.empty() &&
        (in_.bundle_first[0] != 0 || descends(in_.bundle_first) ||
         in_.bundle_first[bundles_] != static_cast<std::int64_t>(in_.bundle_members.size())))
        throw std::invalid_argument("selection: bundles out of order");
    for (const std::int64_t node : in_.bundle_members)
        if (node < 0 || node >= units + bundles)
            throw std::invalid_argument("selection: an unknown member of a bundle");
}

void WindowProblem::check_sections() const {
    const std::size_t count = in_.parent.size();
    if (in_.minimum.size() != count || in_.maximum.size() != count || in_.header.size() != count ||
        (!in_.section.empty() && in_.section.size() != in_.texts.size()))
        throw std::invalid_argument("selection: the columns of sections do not belong together");
    for (std::size_t k = 0; k < count; ++k)
        if (in_.parent[k] < -1 || in_.parent[k] >= static_cast<std::int64_t>(k) ||
            in_.header[k] < 0)
            throw std::invalid_argument("selection: a section before its parent");
    for (const std::int32_t section : in_.section)
        if (section < -1 || section >= static_cast<std::int64_t>(count))
            throw std::invalid_argument("selection: an unknown section");
}

void WindowProblem::find_texts() {
    text_of_.resize(n_);
    for (std::size_t t = 0; t < in_.texts.size(); ++t)
        std::fill(text_of_.begin() + in_.first[t], text_of_.begin() + in_.first[t + 1],
                  static_cast<std::uint32_t>(t));
    text_.resize(n_);
    decoded_.assign(in_.texts.size(), 0);
}

std::string_view WindowProblem::text(std::size_t s) {
    const std::size_t t = text_of_[s];
    if (!decoded_[t]) {
        decoded_[t] = 1;
        const auto last = static_cast<std::size_t>(in_.first[t + 1]);
        CodePointReader reader(in_.texts[t], in_.end[last - 1]);
        for (auto k = static_cast<std::size_t>(in_.first[t]); k < last; ++k)
            text_[k] = reader.between(in_.start[k], in_.end[k]);
    }
    return text_[s];
}

void WindowProblem::find_dependents() {
    dependent_first_.assign(n_ + 1, 0);
    const auto each = [&](auto&& visit) {
        for (std::size_t s = 0; s < n_; ++s) {
            if (in_.need[s] != kNoSpan) visit(static_cast<std::size_t>(in_.need[s]), s);
            if (in_.also[s] != kNoSpan && in_.also[s] != in_.need[s])
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

// A label or a lead-in has content only if a unit below it has, directly or through other labels
// and lead-ins.
void WindowProblem::find_content() {
    content_.assign(n_, 0);
    for (std::size_t s = 0; s < n_; ++s) {
        if (has(s, kLabel | kLeadIn | kFiller | kHidden)) continue;
        content_[s] = 1;
        for (std::int32_t at = in_.need[s]; at != kNoSpan;) {
            const auto above = static_cast<std::size_t>(at);
            if (content_[above] || !has(above, kLabel | kLeadIn) || has(above, kFiller | kHidden))
                break;
            content_[above] = 1;
            at = in_.need[above];
        }
    }
    const std::vector<std::uint8_t> shown = content_;
    std::vector<std::uint32_t> seen(n_, 0), stack;
    std::uint32_t visits = 0;
    for (std::size_t s = 0; s < n_; ++s)  // labels that units with content need
        if (shown[s] && !has(s, kLabel))
            visit_needs(in_, s, seen, ++visits, stack, [&](std::size_t other) {
                if (has(other, kLabel) && !has(other, kFiller | kHidden)) content_[other] = 1;
            });
}

bool WindowProblem::says(std::size_t s) {
    const std::string_view text = this->text(s);
    return std::any_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               static_cast<unsigned char>(c) >= 0x80;
    });
}

// Where no text has content, headings and lead-ins are all there is: they are shown as text.
void WindowProblem::show_labels() {
    for (std::size_t s = 0; s < n_; ++s)
        if (content_[s] && !excluded(s) && in_.start[s] < in_.end[s]) return;
    constexpr unsigned kOnlyBeside = kLabel | kLeadIn | kFiller;
    for (std::size_t s = 0; s < n_; ++s) {
        if (has(s, kHidden) || in_.start[s] == in_.end[s]) continue;
        flags_[s] &= static_cast<std::uint8_t>(~kOnlyBeside);
        content_[s] = 1;
    }
}

void WindowProblem::find_values() {
    value_.resize(n_);
    std::vector<double> best(n_, 0.0);
    std::vector<std::uint32_t> seen(n_, 0), stack;
    std::uint32_t visits = 0;
    for (std::size_t s = 0; s < n_; ++s) {
        if (has(s, kLabel) || !content_[s]) continue;
        value_[s] = in_.density[s] * static_cast<double>(in_.tokens[s]);
        visit_needs(in_, s, seen, ++visits, stack, [&](std::size_t other) {
            if (other != s) best[other] = std::max(best[other], in_.density[s]);
        });
    }
    for (std::size_t s = 0; s < n_; ++s)
        if (content_[s])
            value_[s] = std::max(value_[s], kShared * best[s] * static_cast<double>(in_.tokens[s]));
}

void WindowProblem::find_candidates() {
    if (in_.whole) {
        for (const std::int32_t bundle : in_.candidates)
            candidates_.push_back(static_cast<std::uint32_t>(n_) +
                                  static_cast<std::uint32_t>(bundle));
        return;
    }
    for (std::size_t s = 0; s < n_; ++s)
        if (!excluded(s) && content_[s] && !has(s, kLabel))
            candidates_.push_back(static_cast<std::uint32_t>(s));
}

void WindowProblem::find_alternatives() {
    if (in_.option_set.empty() || bundles_ == 0) return;
    std::vector<std::vector<std::uint32_t>> of_set(n_);
    for (std::size_t s = 0; s < n_; ++s)
        if (in_.option_set[s] >= 0 && in_.option[s] > 0 && !excluded(s))
            of_set[static_cast<std::size_t>(in_.option_set[s])].push_back(
                static_cast<std::uint32_t>(s));
    alternatives_.resize(bundles_);
    for (std::size_t b = 0; b < bundles_; ++b)
        for (const std::int64_t node : members(b)) {
            const auto s = static_cast<std::size_t>(node);
            if (s >= n_ || in_.option_set[s] < 0) continue;
            alternatives_[b] = of_set[static_cast<std::size_t>(in_.option_set[s])];
            break;
        }
}

bool WindowProblem::ring(std::size_t s) const {
    std::int32_t at = in_.also[s];
    for (int steps = 0; steps < kLongestRing && at != kNoSpan; ++steps) {
        if (static_cast<std::size_t>(at) == s) return true;
        at = in_.also[static_cast<std::size_t>(at)];
    }
    return false;
}

double WindowProblem::total() const {
    double sum = 0;
    for (std::size_t s = 0; s < n_; ++s)
        if (!excluded(s)) sum += value_[s];
    return sum;
}

}  // namespace ctxmem
