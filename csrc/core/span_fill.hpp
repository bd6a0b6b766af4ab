// A window filled with units of outlines: the most value within a limit of tokens, each unit with
// what it needs, nothing said twice.
//
// Candidates are taken by value per token they cost there (Dantzig 1957: for many small items the
// greedy fill is nearly the optimum, and `bound` says how nearly). A candidate is a unit and the
// closure over what it needs (outline.hpp), which is priced and valued with it: what is needed is paid
// for by the first that needs it, and worth `kShared` of the value of a token of the best unit that
// does, where that is more than its own. Units that touch make one run, which pays its overhead
// (header or ellipsis, and separator) once. Where there are few units, what was taken is left out,
// one after the other, to see whether that makes room for more.
// A unit of which the window already holds `alike` of its 5-word shingles is not taken: the one that
// says the same is its duplicate_of; with `careful`, only where the rule of difference
// finds nothing (difference.hpp), so that a clause and its amendment stand side by side. What one
// text without gaps repeats is its author's to repeat.
//
// O(n log n) in the units plus the words of those that are looked at, times how deep needs go.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

struct FillInput {
    std::span<const std::string_view> stretches;
    std::span<const std::int64_t> first, start, end;  // as SpanInput has them
    std::span<const std::uint8_t> kind;      // SpanKind
    std::span<const std::uint8_t> flags;     // SpanFlag
    std::span<const std::int32_t> need, also;  // units of any stretch, or kNoSpan
    std::span<const std::int64_t> tokens;    // of each span, inside a run
    std::span<const std::int32_t> document;  // of each stretch, from 0
    std::span<const std::int64_t> overhead;  // of each stretch: what its first run costs beside
    std::int64_t again = 0;                  // what another run of the same stretch costs beside
    std::span<const double> worth;           // of a token of each span, 0 to 1
    std::span<const std::uint8_t> demand;    // 0: may be there, 1: must, 2: must not
    std::int64_t limit = 0;
    double least = 0;      // stop where a token is worth less than this
    double alike = 0.4;    // above 1: nothing is folded
    bool careful = true;
    std::string_view query = {};  // with `careful`, versions that differ mainly in its words stay
};

struct Fill {
    std::vector<std::uint8_t> kept;
    std::vector<std::int32_t> stands_for_it;  // of a folded span: the kept one that says it; else -1
    bool pins_fit = true;
    std::int64_t spent = 0;
    double value = 0;  // tokens times worth
    double bound = 0;  // what no choice within the limit exceeds
    double price = 0;  // worth of a token at the margin; 0 where room is left
    double left = 0;   // share of all worth that was left out
};

// Throws std::invalid_argument when sizes do not fit together.
Fill fill_spans(const FillInput& input);

}  // namespace ctxmem
