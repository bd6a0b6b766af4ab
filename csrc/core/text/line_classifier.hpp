// Classification of a single line of text as Markdown, list item, table row, dialogue or code.
//
// Every test except those that say otherwise reads a bounded prefix of the line, at most 256 bytes,
// so its cost does not grow with the length of the line.
#pragma once
#include <cstddef>
#include <string_view>

namespace ctxmem {

// One line. Invariant: begin <= first <= last <= next, and first == last for a blank line.
struct Line {
    std::size_t begin;
    std::size_t first;  // offset of the first character that is not white space, in bytes
    std::size_t last;   // offset after the last such character
    std::size_t next;   // offset of the next line
    int indent;         // columns before `first`; a tab extends to the next multiple of 8
    bool block;         // begins a block of a page, or goes on to the next one (outline_pages.cpp)
    bool wide_indent;   // indented by an ideographic space: a new Chinese or Japanese paragraph
    bool blank() const { return first == last; }
};

// Requires at < text.size(), at the start of a line.
Line line_at(std::string_view text, std::size_t at);

// The functions below take the content of a line: the line without leading and trailing white
// space.

// The length of the fence that opens or closes code, in characters; 0 if the line is not a fence.
std::size_t fence_size(std::string_view content);

// Whether the content is a Markdown heading: # to ######, followed by white space or nothing.
bool is_heading(std::string_view content);

// The mark of a rule: a line of at least three equal marks (one of - * _ =), with optional white
// space between them; 0 if the line is not a rule. Reads the whole line.
char rule_of(std::string_view content);

// Whether the content is in capitals without a full stop, like section titles of contracts and
// papers.
bool is_title(std::string_view content);

// Whether the content is a table row: | a | b |, the border of a drawn table, or cells between
// tabs.
bool is_table_row(std::string_view content);

// Whether the content is the rule below the header of a Markdown table: ---|:---:.
bool is_table_rule(std::string_view content);

// The marker of a list item or numbered clause.
struct Marker {
    std::size_t size;  // bytes of the marker and the white space after it; 0 if there is no marker
    bool bullet;       // a bullet may interrupt a paragraph; a number only where a sentence may end
};
Marker marker_of(std::string_view content);

// Whether the line begins a turn or a log entry: "User:", "Assistant:", "[12:03]",
// "2024-05-01T10:00".
bool begins_turn(std::string_view content);

// 0: no sign of code. 1: code if its neighbours are code. 2: code.
int code_evidence(const Line& line, std::string_view content);

// Whether the line begins with if, for, def, else ... and ends in a colon: code if the next line is
// indented.
bool opens_suite(std::string_view content);

// Whether the line belongs to the code block before it: closing brackets, else, catch, end.
bool closes_block(std::string_view content);

// Whether the line is short (at most 120 bytes), does not end a sentence, and has at most 3
// adjacent word pairs as in prose.
bool is_terse(std::string_view content);

}  // namespace ctxmem
