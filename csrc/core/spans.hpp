// Spans: a text cut into sentences and blocks, the units that are valued, kept or dropped.
//
// Lines are read once, top to bottom. A line is a heading, a table row, the start of a list item or
// of a chat turn, code, or it continues the paragraph above it; paragraphs and list items are cut
// into sentences (sentences.hpp), code into statement blocks: runs of lines that end at a blank
// line, where indentation falls back to the block's own, or after 30 lines. JSON, a whole text of
// it or values that fill lines, is cut behind the members and items of its outermost values, and
// deeper where those are longer than kLongest bytes.
//
// White space belongs to the span before it, indentation too. So spans cover the text, each but a
// leading blank one starts with a character that is no white space, and spans whose white space
// holds a newline add up exactly in tokens. None is longer than kLongest bytes, white space and
// single graphemes aside.
//
// Linear in the text: a line is classified from its first 256 bytes and those of the line
// after it, and brackets that do not match are followed for no more bytes than twice the text has.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

enum class SpanKind : std::uint8_t {
    other = 0,  // white space at the beginning, rules
    prose = 1,
    heading = 2,
    list_item = 3,
    table_row = 4,
    code = 5,
    json = 6,
};

// The spans of many texts in one table; those of text i are rows first[i] .. first[i + 1].
// Invariant: within a text start[k + 1] == end[k], so spans cover it in order; offsets count code
// points (every byte that is no continuation byte counts as one).
struct Spans {
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> end;
    std::vector<std::uint8_t> kind;
    std::vector<std::int64_t> first{0};
};

// Append the spans of one text: UTF-8, in which surrogates may stand as three bytes each.
// An empty text has none.
void append_spans(std::string_view text, Spans& spans);

Spans split_spans(std::span<const std::string_view> texts);

}  // namespace ctxmem
