// Query terms in the context of a unit: in the labels it depends on, in its block, and in the name
// of its source.
//
// "What is the default of iterator?" is answered by "Defaults to iternodes." under the name
// `iterator`. The answer shares only "default" with the question; the label has "iterator".
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/text/outline.hpp"
#include "core/ranking/span_columns.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kMost = 64;  // query terms used at most, one bit each
constexpr double kOfLabel = 0.7;   // weight of an occurrence in a label; 1 in the text itself
constexpr double kK1 = 1.2, kB = 0.75;

using Mask = std::uint64_t;

struct Asked {
    std::vector<std::uint32_t> terms;
    std::vector<double> weight;
    double whole = 0;

    explicit Asked(const SpanTable& table) : terms(table.queries()[0]) {
        if (terms.size() > kMost) terms.resize(kMost);
        for (const std::uint32_t term : terms) {
            const bool known = !table.postings(term).empty() || table.in_name(term);
            weight.push_back(known ? table.weight(term) : 0.0);
            whole += weight.back();
        }
    }
    double of(Mask mask) const {
        double sum = 0;
        for (; mask != 0; mask &= mask - 1)
            sum += weight[static_cast<std::size_t>(std::countr_zero(mask))];
        return sum;
    }
    float share(Mask mask) const { return whole > 0 ? static_cast<float>(of(mask) / whole) : 0.0f; }
};

}  // namespace

void add_context(const SpanTable& table, Columns& columns, StopToken& stop) {
    const std::size_t n = table.spans();
    const std::array names = {"coverage_labels",    "coverage_closure", "bm25_closure",
                              "bm25_closure_place", "coverage_block",   "coverage_source",
                              "coverage_nearest"};
    std::array<Column, names.size()> made;
    made.fill(Column(n, kMissing));
    if (table.has_query()) {
        const Asked asked(table);
        const auto words = asked.terms.size();
        std::vector<Mask> own(n, 0), above(n, 0), block(n, 0), nearest(n, 0);
        for (std::size_t q = 0; q < words; ++q)
            for (const auto& [span, count] : table.postings(asked.terms[q]))
                own[span] |= Mask{1} << q;
        for (std::size_t s = 0; s < n; ++s) {
            const std::int32_t need = table.input().need[s];
            if (need >= 0 && static_cast<std::size_t>(need) < s) {
                const auto up = static_cast<std::size_t>(need);
                above[s] = above[up] | own[up];
                nearest[s] = own[up];
            }
            block[static_cast<std::size_t>(table.input().block[s])] |= own[s];
        }
        std::vector<Mask> source(table.documents(), 0);
        for (std::size_t q = 0; q < words; ++q)
            for (const std::uint32_t d : table.named_with(asked.terms[q]))
                source[d] |= Mask{1} << q;
        // BM25 of a unit together with its labels; an occurrence in a label counts kOfLabel.
        std::vector<double> score(n, 0.0), count(n, 0.0);
        const double mean = std::max(1.0, static_cast<double>(table.all_length()) /
                                              static_cast<double>(std::max<std::size_t>(1, n)));
        for (std::size_t q = 0; q < words; ++q) {
            stop.check(10 * n);
            for (const auto& [span, found] : table.postings(asked.terms[q])) count[span] = found;
            for (std::size_t s = 0; s < n; ++s) {
                const double named = (above[s] >> q & 1) != 0 ? kOfLabel : 0.0;
                const double often = count[s] + named;
                count[s] = 0;
                if (often == 0) continue;
                const double length = static_cast<double>(table.length(s));
                score[s] += asked.weight[q] * often * (kK1 + 1) /
                            (often + kK1 * (1 - kB + kB * length / mean));
            }
        }
        for (std::size_t s = 0; s < n; ++s) {
            const Mask named = source[table.document(s)];
            const auto first = static_cast<std::size_t>(table.input().block[s]);
            made[0][s] = asked.share(above[s]);
            made[1][s] = asked.share(own[s] | above[s] | named);
            made[4][s] = asked.share(block[first] | above[s]);
            made[5][s] = asked.share(named);
            made[6][s] = asked.share(nearest[s]);
        }
        made[2] = scaled(score);
        made[3] = places(made[2]);
    }
    for (std::size_t k = 0; k < names.size(); ++k) columns.add(names[k], std::move(made[k]));
    // The kind of the unit, and whether it is complete.
    const auto is = [&](SpanKind kind) {
        Column out(n);
        for (std::size_t s = 0; s < n; ++s)
            out[s] = table.input().kind[s] == static_cast<std::uint8_t>(kind);
        return out;
    };
    columns.add("is_code", is(SpanKind::code));
    columns.add("is_row", is(SpanKind::table_row));
    columns.add("is_item", is(SpanKind::list_item));
    columns.add("is_record", is(SpanKind::record));
    columns.add("is_turn", is(SpanKind::turn));
    Column first(n), introduces(n), torn(n), depth(n);
    for (std::size_t s = 0; s < n; ++s) {
        const std::int32_t need = table.input().need[s];
        first[s] = s > 0 && need == static_cast<std::int32_t>(s) - 1;
        introduces[s] = (table.input().flags[s] & kLeadIn) != 0;
        torn[s] = (table.input().flags[s] & (kUnopened | kUnclosed | kHeadless)) != 0;
        depth[s] = need >= 0 && static_cast<std::size_t>(need) < s
                       ? std::min(8.0f, depth[static_cast<std::size_t>(need)] + 1)
                       : 0.0f;
    }
    columns.add("is_first", std::move(first));
    columns.add("introduces", std::move(introduces));
    columns.add("torn", std::move(torn));
    columns.add("depth", std::move(depth));
}

}  // namespace ctxmem
