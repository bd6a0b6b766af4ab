// Fills a window with units of outlines: the most value within a limit of tokens, without
// repetition. Each unit is shown with the units that it needs.
//
// The fill is greedy: it takes the candidate with the most value per token of its present cost
// (Dantzig, Discrete-variable extremum problems, 1957). For many small items that is close to the
// optimum; `bound` gives the distance. A candidate is a unit together with all units that it needs
// (outline.hpp) and that are not kept yet; its cost and its value are the sums. So the first unit
// that needs another pays for it. A needed unit has at least kShared times the density of the best
// unit that needs it. Adjacent units form a run, which pays its overhead (header or ellipsis, and
// separator) once. If there are few units, the fill is repeated without each unit that it took, to
// see whether that leaves room for more.
//
// A unit is folded if the window already has at least the share `alike` of its 5-word shingles. The
// kept unit with most of these is then recorded in its place. With `careful`, a unit is folded only
// if the rule of difference finds nothing (difference.hpp), so that a clause and its amendment are
// both shown. Repetition inside one merged text (a text without gaps) is not folded.
//
// O(n log n) in the units, times the depth of needs, plus the words of the units that are compared.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

struct FillInput {
    std::span<const std::string_view> merged_texts;
    std::span<const std::int64_t> first, start, end;  // as SpanInput has them
    std::span<const std::uint8_t> kind;               // SpanKind
    std::span<const std::uint8_t> flags;              // SpanFlag
    std::span<const std::int32_t> need, also;         // units of any merged text, or kNoSpan
    std::span<const std::int64_t> tokens;             // of each span, inside a run
    std::span<const std::int32_t> document;           // of each merged text, from 0
    std::span<const std::int64_t> overhead;  // of each merged text: of its first run, in tokens
    std::int64_t again = 0;                  // overhead of each further run of a merged text
    std::span<const double> worth;           // density of each span (value per token), 0 to 1
    std::span<const std::uint8_t> demand;    // 0: optional, 1: required, 2: excluded
    std::int64_t limit = 0;
    double least = 0;    // stop at candidates of a lower density
    double alike = 0.4;  // above 1: nothing is folded
    bool careful = true;
    std::string_view query = {};  // with `careful`: see DifferenceRule
};

struct Fill {
    std::vector<std::uint8_t> kept;
    std::vector<std::int32_t> duplicate_of;  // of a folded span: its kept duplicate; else -1
    bool pins_fit = true;
    std::int64_t spent = 0;
    double value = 0;  // the sum of density times tokens
    double bound = 0;  // an upper bound on the value of any choice within the limit
    double price = 0;  // density of the best candidate that did not fit; 0 if all fit
    double left = 0;   // share of the total value that was not selected
};

// Throws std::invalid_argument if the sizes of the columns do not agree or a value is out of range.
Fill fill_spans(const FillInput& input);

}  // namespace ctxmem
