// Finds the kept unit of which another unit is a duplicate.
//
// A unit is a duplicate if the window already has at least the share `alike` of its 5-word
// shingles; the kept unit with most of these then represents it. With `careful`, this requires that
// the rule of difference finds nothing (dedup/difference.hpp), so that a clause and its amendment
// are both shown: they are two versions. Repetition inside one text is kept. Linear in the words
// of the units compared.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/dedup/difference.hpp"
#include "core/solver/window_problem.hpp"

namespace ctxmem {

class WindowDuplicates {
public:
    explicit WindowDuplicates(WindowProblem& problem)
        : problem_(problem), rule_(problem.input().query) {}

    bool enabled() const { return problem_.input().alike <= 1; }
    void clear() { owner_.clear(); }
    // Records that a unit is in the window.
    void add(std::size_t s);

    struct Match {
        std::int32_t unit = kNoSpan;  // the kept unit with most of the shingles
        bool same = false;            // a duplicate; false for another version
        double shared = 0;            // share of the shingles that the window has
        double of_unit = 0;           // share of the shingles that `unit` has alone
        double of_match = 0;          // share of the shingles of `unit` that this unit has
    };
    Match find(std::size_t s);

private:
    const std::vector<std::uint64_t>& shingles(std::size_t s);
    // Whether a unit is another version of one in the window.
    bool differ(std::uint32_t s, std::uint32_t other);
    const ReadText& read(std::size_t s) {
        return read_.try_emplace(static_cast<std::uint32_t>(s), problem_.text(s)).first->second;
    }

    WindowProblem& problem_;
    DifferenceRule rule_;
    std::unordered_map<std::uint64_t, std::int32_t> owner_;  // shingle -> first kept unit
    std::unordered_map<std::uint32_t, std::vector<std::uint64_t>> shingles_of_;
    std::unordered_map<std::uint32_t, ReadText> read_;
    std::unordered_map<std::uint64_t, bool> differ_;     // pair of units, the lower first
    std::unordered_map<std::uint64_t, bool> set_apart_;  // by the query: a unit, then the other
    std::vector<std::uint64_t> words_;
    std::vector<std::int32_t> owners_;
};

}  // namespace ctxmem
