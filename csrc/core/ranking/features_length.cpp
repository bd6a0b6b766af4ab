// Length features: the length of a span, and the number of spans and documents.
#include <cmath>

#include "core/ranking/span_columns.hpp"

namespace ctxmem {

void add_size(const SpanTable& table, Columns& columns) {
    Column terms(table.spans()), bytes(table.spans());
    for (std::size_t s = 0; s < table.spans(); ++s) {
        terms[s] = std::log1p(static_cast<float>(table.length(s)));
        bytes[s] = std::log1p(static_cast<float>(table.bytes(s)));
    }
    columns.add("terms", std::move(terms));
    columns.add("bytes", std::move(bytes));
    columns.add("documents",
                Column(table.spans(), std::log1p(static_cast<float>(table.documents()))));
    columns.add("spans", Column(table.spans(), std::log1p(static_cast<float>(table.spans()))));
}

}  // namespace ctxmem
