#include "core/solver/window_duplicates.hpp"

#include <algorithm>

#include "core/text/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

constexpr int kShingle = 5;  // words

}  // namespace

const std::vector<std::uint64_t>& WindowDuplicates::shingles(std::size_t s) {
    const auto [at, is_new] = shingles_of_.try_emplace(static_cast<std::uint32_t>(s));
    std::vector<std::uint64_t>& found = at->second;
    if (!is_new) return found;
    words_.clear();
    split_words(problem_.text(s), words_);
    if (words_.size() >= static_cast<std::size_t>(kShingle)) {
        found.resize(words_.size() - kShingle + 1);
        kernels().shingle(words_.data(), words_.size(), kShingle, found.data());
    }
    return found;
}

void WindowDuplicates::add(std::size_t s) {
    if (!enabled() || problem_.has(s, kLabel)) return;
    for (const std::uint64_t shingle : shingles(s))
        owner_.try_emplace(shingle, static_cast<std::int32_t>(s));
}

WindowDuplicates::Match WindowDuplicates::find(std::size_t s) {
    if (!enabled() || owner_.empty()) return {};
    const std::vector<std::uint64_t>& mine = shingles(s);
    if (mine.empty()) return {};
    owners_.clear();
    for (const std::uint64_t shingle : mine)
        if (const auto at = owner_.find(shingle);
            at != owner_.end() && !problem_.together(static_cast<std::size_t>(at->second), s))
            owners_.push_back(at->second);
    const double shared = static_cast<double>(owners_.size()) / static_cast<double>(mine.size());
    if (shared < problem_.input().alike) return {};
    std::sort(owners_.begin(), owners_.end());
    Match match;
    match.same = true;
    match.shared = shared;
    std::ptrdiff_t most = 0;
    for (auto from = owners_.begin(); from != owners_.end();) {
        const auto to = std::upper_bound(from, owners_.end(), *from);
        if (to - from > most) {
            most = to - from;
            match.unit = *from;
        }
        from = to;
    }
    const auto other = static_cast<std::size_t>(match.unit);
    match.of_unit = static_cast<double>(most) / static_cast<double>(mine.size());
    match.of_match = static_cast<double>(most) / static_cast<double>(shingles(other).size());
    if (!problem_.input().careful) return match;
    match.same = !differ(static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(other));
    return match;
}

bool WindowDuplicates::differ(std::uint32_t s, std::uint32_t other) {
    const auto pair = [](std::uint32_t one, std::uint32_t two) {
        return (static_cast<std::uint64_t>(one) << 32) | two;
    };
    // Which of the two is in the window changes with the window; the differences are the same.
    const auto [both, unknown] = differ_.try_emplace(pair(std::min(s, other), std::max(s, other)));
    if (unknown) both->second = ctxmem::differ(read(s), read(other));
    if (both->second) return true;
    const auto [at, is_new] = set_apart_.try_emplace(pair(s, other));
    if (is_new) at->second = rule_.set_apart(read(s), read(other));
    return at->second;
}

}  // namespace ctxmem
