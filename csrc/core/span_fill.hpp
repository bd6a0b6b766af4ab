// A window filled with spans: the most worth within a limit of tokens, nothing said twice.
//
// Spans are taken by worth per token they cost there (Dantzig 1957: for many small items the greedy
// fill is nearly the optimum, and `bound` says how nearly). Spans that touch make one run, which pays
// its overhead (header or ellipsis, and separator) once. A span of which the window already holds kAlike of its
// 5-word shingles is not taken: the span that says the same stands for it; with `careful`, only where
// the two do not differ tellingly, so that a clause and its amendment stand side by side, nor mainly
// in words of the query. What one text without gaps repeats is its author's to repeat.
// A heading is taken only with what it stands above, and then it is worth as much as half of that:
// it says what the text is about.
//
// O(n log n) in the spans plus the words of those that are looked at.
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
    std::span<const std::int64_t> tokens;    // of each span, inside a run
    std::span<const std::int32_t> document;  // of each stretch, from 0
    std::span<const std::int64_t> overhead;  // of each stretch: what the first run of its document
                                             // costs beside
    std::int64_t again = 0;                  // what another run of the same document costs beside
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

// Number words, months and negations, lower-cased and sorted.
std::span<const std::string_view> telling_words();

// Whether two versions of a text must both be read: they have other numbers, or number words, months
// and negations are more than half of the words in which they differ. A negation among many other
// edits does not count: such versions differ in wording.
bool differ_tellingly(std::string_view a, std::string_view b);

}  // namespace ctxmem
