// Feature columns with one number per span, and their normalisation within a query.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/ranking/span_table.hpp"

namespace ctxmem {

using Column = std::vector<float>;

// Named columns in the order of insertion.
struct Columns {
    std::vector<std::string_view> names;
    std::vector<Column> values;
    void add(std::string_view name, Column column) {
        names.push_back(name);
        values.push_back(std::move(column));
    }
};

// The reciprocal rank of each number: 1 / (1 + count of greater numbers). Equal numbers have equal
// ranks; a missing number stays kMissing. O(n log n).
Column places(std::span<const float> values);

// Divide by the greatest number if it is above 0; missing numbers stay missing.
Column scaled(std::span<const double> values);

// Rescale the known numbers linearly to 0 .. 1; if all are equal, to 1. NaN becomes kMissing.
Column spread(std::span<const double> values);

// Expand a column with one number per document to one number per span.
Column of_documents(const SpanTable& table, const Column& values);

// Divide each number by the greatest of the span's document; missing numbers stay missing.
Column within_documents(const SpanTable& table, const Column& values);

// For each span the maximum over the other spans (or the mean over all, weighted by
// 1 / (1 + distance)) that are at most `reach` spans away in its merged text.
Column greatest_beside(const SpanTable& table, std::span<const float> values, int reach);
Column mean_beside(const SpanTable& table, std::span<const float> values, int reach);

// The number of the span `step` spans away in the merged text; 0 if there is none.
Column beside(const SpanTable& table, std::span<const float> values, int step);

// Features of the first round, which need no values: retrieval, lexical, context, length.
void add_rank_fusion(const SpanTable& table, Columns& columns, StopToken& stop);
void add_words(const SpanTable& table, Columns& columns, StopToken& stop);
void add_context(const SpanTable& table, Columns& columns, StopToken& stop);
void add_size(const SpanTable& table, Columns& columns);

// Features of the second round, computed from one draft value per span: ranks and multi-hop.
void add_rank(const SpanTable& table, std::span<const float> density, Columns& columns,
              StopToken& stop);
void add_multihop(const SpanTable& table, std::span<const float> density, Columns& columns,
                  StopToken& stop);

}  // namespace ctxmem
