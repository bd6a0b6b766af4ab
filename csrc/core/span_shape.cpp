// What a span looks like, where it stands, and how much there is to choose from.
#include <algorithm>
#include <cmath>

#include "core/span_columns.hpp"
#include "core/spans.hpp"

namespace ctxmem {
namespace {

Column each(const SpanTable& table, auto&& value_of) {
    Column out(table.spans());
    for (std::size_t s = 0; s < out.size(); ++s) out[s] = static_cast<float>(value_of(s));
    return out;
}

// How far into the chunk that begins nearest before it a span stands, 0 .. 1.
Column place_in_chunk(const SpanTable& table) {
    Column out(table.spans(), 1.0f);
    for (std::size_t c = 0; c < table.chunks(); ++c) {
        const auto from = static_cast<std::size_t>(table.input().chunk_first[c]);
        const auto to = static_cast<std::size_t>(table.input().chunk_last[c]);
        for (std::size_t s = from; s < to; ++s)
            out[s] = std::min(out[s], static_cast<float>(s - from) / static_cast<float>(to - from));
    }
    return out;
}

}  // namespace

void add_shape(const SpanTable& table, Columns& columns) {
    const auto share_of_terms = [&](std::size_t s, std::uint32_t count) {
        const std::size_t terms = table.terms(s).size();
        return terms > 0 ? static_cast<double>(count) / static_cast<double>(terms) : 0.0;
    };
    const auto kind = [&](std::size_t s) { return static_cast<SpanKind>(table.input().kind[s]); };
    columns.add("terms", each(table, [&](std::size_t s) {
                    return std::log1p(static_cast<double>(table.terms(s).size()));
                }));
    columns.add("bytes", each(table, [&](std::size_t s) {
                    return std::log1p(static_cast<double>(table.shape(s).bytes));
                }));
    columns.add("digits", each(table, [&](std::size_t s) {
                    return share_of_terms(s, table.shape(s).digits);
                }));
    columns.add("capitals", each(table, [&](std::size_t s) {
                    return share_of_terms(s, table.shape(s).capitals);
                }));
    columns.add("question", each(table, [&](std::size_t s) { return table.shape(s).question; }));
    columns.add("is_heading",
                each(table, [&](std::size_t s) { return kind(s) == SpanKind::heading; }));
    columns.add("is_item",
                each(table, [&](std::size_t s) { return kind(s) == SpanKind::list_item; }));
    columns.add("is_table",
                each(table, [&](std::size_t s) { return kind(s) == SpanKind::table_row; }));
    columns.add("is_code", each(table, [&](std::size_t s) {
                    return kind(s) == SpanKind::code || kind(s) == SpanKind::json;
                }));
    columns.add("place_in_stretch", each(table, [&](std::size_t s) {
                    const std::size_t first = table.first_beside(s);
                    return static_cast<double>(s - first) /
                           static_cast<double>(table.last_beside(s) - first);
                }));
    columns.add("place_in_chunk", place_in_chunk(table));
    columns.add("opens_document", each(table, [&](std::size_t s) {
                    return table.opening(table.document(s)) == s;
                }));
    columns.add("place_in_document", each(table, [&](std::size_t s) {
                    return std::log1p(static_cast<double>(std::max<std::int64_t>(0, table.place(s))) /
                                      1000.0);
                }));
    columns.add("under_heading",
                each(table, [&](std::size_t s) { return table.heading(s) != s; }));
    columns.add("documents", Column(table.spans(), std::log1p(static_cast<float>(table.documents()))));
    columns.add("spans", Column(table.spans(), std::log1p(static_cast<float>(table.spans()))));
}

}  // namespace ctxmem
