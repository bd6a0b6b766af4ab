// The outline of a text: the units that can be selected, and the other units each unit depends on.
//
// A unit is a sentence, a list item, a table row, a block of code, a member of a record, the name
// of an entry, or a heading. `need` is the unit that a reader needs to understand this one: a row
// needs its header, the body of an entry its name, an item its lead-in, a passage its heading, a
// key the keys above it. `also` is one further dependency: an opening fence and its closing fence,
// a step and the warning about it, a sentence that begins with "This" and the sentence before it, a
// step of a short procedure and the next step. A selection must be closed under both relations, so
// several units that share a header pay for it once.
//
// Lines are read top to bottom. The first line of a block determines its kind (a fence, a marker, a
// border, a directive, a key ...); indentation or a blank line ends the block. A stack of names and
// items, ordered by indentation, gives the owner of deeper lines. A text may be a piece of a
// document: a table may lack its header and code its fence, and flags record this. A unit longer
// than `room` bytes is cut further: code at groups of statements, which need the signature above
// them; anything else at lines, then clauses, then words.
//
// White space, indentation included, belongs to the unit before it. Therefore units cover the text,
// every unit except a leading blank one starts with a character that is not white space, and the
// token counts of units separated by a newline sum exactly.
//
// Every text has an outline; reading never fails. Linear in the text: a line is classified from its
// first bytes and those of its neighbours, and the bytes read ahead without result are bounded.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

enum class SpanKind : std::uint8_t {
    other = 0,  // white space at the beginning, rules, anchors
    prose = 1,
    heading = 2,
    list_item = 3,
    table_row = 4,
    code = 5,
    record = 6,   // a member, a line or an entry of data
    name = 7,     // the name of an entry, a key or a directive
    header = 8,   // of a table
    fence = 9,    // opens or closes code
    turn = 10,    // of a dialogue
    source = 11,  // empty: the name of the source, which units without a heading need
    lent = 12,    // empty: a table header from another text, which the first rows may need
};

constexpr std::array<std::string_view, 13> kSpanKindNames{
    "other", "prose",  "heading", "list_item", "table_row", "code", "record",
    "name",  "header", "fence",   "turn",      "source",    "lent"};

enum SpanFlag : std::uint8_t {
    kLabel = 1,      // names the units below it: never shown alone, and has no value of its own
    kLeadIn = 2,     // introduces the units after it: never shown without at least one
    kHidden = 4,     // a stray mark: never shown
    kFiller = 8,     // an anchor, a rule, a comment: shown only next to units that are shown
    kHeadless = 16,  // a row whose header is not in the text
    kUnopened = 32,  // code whose opening fence is not in the text
    kUnclosed = 64,  // code whose closing fence is not in the text
    kPart = 128,     // begins inside a sentence or a line that was too long
};

constexpr std::array<std::string_view, 8> kSpanFlagNames{
    "label", "lead_in", "hidden", "filler", "headless", "unopened", "unclosed", "part"};

// The format of a text, derived from the name of its source.
enum class Format : std::uint8_t { unknown = 0, record = 1, table = 2, code = 3 };

constexpr std::int32_t kNoSpan = -1;

// The units of many texts in one table; the units of text i are rows first[i] .. first[i + 1].
// Invariant: within a text start[k + 1] == end[k], so units cover it in order. Offsets count code
// points (each byte that is not a continuation byte counts as one). `need` and `also` are rows of
// the same text, or kNoSpan; `block` is the first row of the paragraph, list, table or code block
// that contains the row.
struct Outline {
    std::vector<std::int64_t> start, end;
    std::vector<std::uint8_t> kind, flags;
    std::vector<std::int32_t> need, also, block;
    std::vector<std::int64_t> first{0};
};

struct OutlineOptions {
    std::size_t room = 1600;  // bytes: a longer unit is cut further
    Format format = Format::unknown;
    bool named = false;  // begin with an empty unit that represents the name of the source
};

// Append the outline of one text: UTF-8, in which a lone surrogate may be encoded as three bytes.
// An empty text has no units. If `stop` cancels the work, the outline is as it was before.
void append_outline(std::string_view text, const OutlineOptions& options, Outline& outline,
                    StopToken& stop = StopToken::none());

// Append one unit of prose that is the whole text.
void append_uncut(std::string_view text, Outline& outline);

struct OutlinesOptions {
    std::size_t room = 1600;                       // bytes: a longer unit is cut further
    std::span<const std::uint8_t> formats, named;  // per text, as in OutlineOptions; or empty
    std::size_t cut =
        static_cast<std::size_t>(-1);  // number of texts, from the first, that are cut
};

// The outlines of many texts; those after the first `cut` are one unit each.
// Throws std::invalid_argument unless there is one format and one flag per text, or none.
Outline outline_texts(std::span<const std::string_view> texts, const OutlinesOptions& options,
                      StopToken& stop = StopToken::none());

}  // namespace ctxmem
