// Columns of numbers, one a span, and the ways in which they are made comparable between queries.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/span_table.hpp"

namespace ctxmem {

using Column = std::vector<float>;

// Named columns, in the order in which they were added.
struct Columns {
    std::vector<std::string_view> names;
    std::vector<Column> values;
    void add(std::string_view name, Column column) {
        names.push_back(name);
        values.push_back(std::move(column));
    }
};

// 1 / (1 + how many are greater): equal numbers have equal places, what is missing has none.
// O(n log n).
Column places(std::span<const float> values);

// Divide by the greatest, where there is one above 0; what is missing stays so.
Column scaled(std::span<const double> values);

// Stretch what is known to 0 .. 1; where all are equal, to 1. NaN becomes kMissing.
Column spread(std::span<const double> values);

// A column of documents, for each of their spans.
Column of_documents(const SpanTable& table, const Column& values);

// Each number as a share of the greatest of the span's document; what is missing stays so.
Column within_documents(const SpanTable& table, const Column& values);

// For each span the greatest (or the mean, weighted by nearness) of those up to `reach` away in its
// stretch.
Column greatest_beside(const SpanTable& table, std::span<const float> values, int reach);
Column mean_beside(const SpanTable& table, std::span<const float> values, int reach);

// The number of the span `step` away in the stretch; 0 where there is none.
Column beside(const SpanTable& table, std::span<const float> values, int step);

// What is known of spans by themselves, and in comparison.
void add_evidence(const SpanTable& table, Columns& columns);
void add_words(const SpanTable& table, Columns& columns);
void add_context(const SpanTable& table, Columns& columns);
void add_size(const SpanTable& table, Columns& columns);

// What follows from a worth for each span: where it stands among them, and what the best lead to.
void add_standing(const SpanTable& table, std::span<const float> worth, Columns& columns);
void add_bridges(const SpanTable& table, std::span<const float> worth, Columns& columns);

}  // namespace ctxmem
