// Which spans say what the subject of a question is.
#pragma once
#include <vector>

#include "core/ranking/span_table.hpp"

namespace ctxmem {

// For each span, how sure it is that it answers a question of DefinitionQuestion, 0 to 1. In each
// document and for each subject these are, at most once each: the first span that begins with the
// subject and a verb (1), the first before it that begins with the subject (kLikely), or, if there
// is neither, the first under a heading that is the subject (kLikely). Only prose counts, and items
// of lists with a verb. Empty for other questions. Linear in the terms.
std::vector<float> definitions(const SpanTable& table, StopToken& stop);

}  // namespace ctxmem
