// Lines: what one line of a text looks like by itself, to Markdown and to a reader of code.
//
// Each question is answered from the first 256 bytes of a line, so asking costs the same however
// long the line is.
#pragma once
#include <cstddef>
#include <string_view>

namespace ctxmem {

// One line. Invariant: begin <= first <= last <= next, and first == last for a blank line.
struct Line {
    std::size_t begin;
    std::size_t first;  // the first character that is no white space
    std::size_t last;   // after the last such character
    std::size_t next;   // where the next line begins
    int indent;         // columns before `first`, a tab counting 4
    bool wide_indent;   // with an ideographic space: a new paragraph of Chinese or Japanese
    bool blank() const { return first == last; }
};

// Requires at < text.size(), at the start of a line.
Line line_at(std::string_view text, std::size_t at);

// What follows is asked about the content of a line, without the white space around it.

// Does it open or close fenced code? The length of the fence, 0 if it is none.
std::size_t fence_size(std::string_view content);

// # to ######, with white space or nothing after.
bool is_heading(std::string_view content);

// A line of three or more of one of - * _ =, white space between them aside; which one, 0 if none.
char rule_of(std::string_view content);

// Capitals without a full stop, as contracts and papers title their sections.
bool is_title(std::string_view content);

// | a | b |, or the border of a drawn table, or cells between tabs.
bool is_table_row(std::string_view content);

// ---|:---: under the header of a table.
bool is_table_rule(std::string_view content);

// How a list item or numbered clause begins: bytes of the marker and the white space after it.
struct Marker {
    std::size_t size;  // 0 if there is none
    bool bullet;       // may interrupt a paragraph anywhere; a number only where a sentence may end
};
Marker marker_of(std::string_view content);

// "User:", "Assistant:", "[12:03]", "2024-05-01T10:00": the line begins something of its own.
bool begins_turn(std::string_view content);

// 0: nothing speaks for code. 1: it may be code among code. 2: it is code.
int code_evidence(const Line& line, std::string_view content);

// if, for, def, else ... with a colon at the end: code, if what follows is indented.
bool opens_suite(std::string_view content);

// Closing brackets, else, catch, end: the line belongs to the block before it.
bool closes_block(std::string_view content);

// Few of its words follow each other as in prose.
bool is_terse(std::string_view content);

}  // namespace ctxmem
