// The parts of a text that are data or code, by their form. In them every word is a fact; in prose
// a word may be a synonym of another.
//
// Whole lines: fenced code and lines of code, rows of tables and of CSV, members `key: value`,
// lines of logs, headings, elements of XML. In other lines: quotations, the names of tags, and
// tokens such as `--force`, `a/b`, `db.example.com`, `key=value` and `camelCase`. A line that could
// be either, such as `return x`, is read like the lines beside it.
//
// O(n) in the bytes: each line is classified by a bounded prefix (line_classifier.hpp), and a
// quotation ends after a bounded number of bytes.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

struct DataRange {
    std::uint32_t from, to;
};

// The parts of a text that are data or code: ascending, without overlaps, none of them empty.
std::vector<DataRange> data_ranges(std::string_view text, StopToken& stop = StopToken::none());

}  // namespace ctxmem
